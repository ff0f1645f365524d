"""Several hypotheses under one familywise level: a graph of weights and transitions, or a procedure that is none.

The short names (``holm``, ``fixed-sequence`` and the rest) are graphs, and :attr:`Multiplicity.graphs` writes them out;
``hochberg`` and ``hommel`` step up and have no graph. The arithmetic is ``stats.multiplicity``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from pydantic import Field, model_validator

from equipoise.protocol.language.facts import Id, Number, Sourced
from equipoise.protocol.language.notation import Fault

Procedure = Literal["graph", "bonferroni", "holm", "fixed-sequence", "fallback", "gatekeeping", "hochberg", "hommel"]


@dataclass(frozen=True)
class HypothesisGraph:
    """Hypotheses, the share of the level that each begins with, and what each passes on to whom once rejected."""

    names: tuple[str, ...]
    weights: tuple[float, ...]
    transitions: tuple[tuple[float, ...], ...]  # row: from, column: to

    def unreachable(self) -> tuple[str, ...]:
        """Hypotheses that begin with nothing and to which nothing can come: they are never rejected."""
        reached = {k for k, weight in enumerate(self.weights) if weight > 0}
        waiting = list(reached)
        while waiting:
            row = self.transitions[waiting.pop()]
            new = {k for k, share in enumerate(row) if share > 0} - reached
            reached |= new
            waiting += new
        return tuple(name for k, name in enumerate(self.names) if k not in reached)


class Multiplicity(Sourced):
    """How one level is shared by several hypotheses, each an analysis of the plan."""

    method: Procedure = Field(
        description="`graph`, whose weights and transitions stand below; or a graph by its name: `bonferroni`, `holm`, "
        "`fixed-sequence`, `fallback`, `gatekeeping`; or `hochberg` or `hommel`, which step up and are no graphs."
    )
    alpha_two_sided: Number | None = Field(None, gt=0, lt=1, description="Familywise level, each test two-sided.")
    alpha_one_sided: Number | None = Field(
        None, gt=0, lt=0.5, description="Familywise level, each test one-sided in the direction that is better."
    )
    hypotheses: tuple[Id, ...] = Field(
        (), description="Analyses, each a hypothesis; their order is that of `fixed-sequence` and `fallback`."
    )
    weights: Mapping[Id, Number] = Field(
        {},
        description="Share of the level that each hypothesis begins with, 1 in all or less; by default equal shares. "
        "With `graph` a hypothesis that is not named begins with none.",
    )
    transitions: Mapping[Id, Mapping[Id, Number]] = Field(
        {}, description="With `graph`: of a hypothesis, once rejected, the parts of its level that others get."
    )
    families: tuple[tuple[Id, ...], ...] = Field(
        (), description="With `gatekeeping`, in place of `hypotheses`: families of analyses, in order."
    )
    gate: Literal["serial", "parallel"] = Field(
        "serial",
        description="With `gatekeeping`: a family is tested once all of the one before are rejected (`serial`), or "
        "with what those that were rejected pass on (`parallel`). The last family is tested by Holm (if serial, all).",
    )
    truncation: Number = Field(
        0.0,
        ge=0,
        lt=1,
        description="With a parallel gate: the part of a rejected hypothesis's level that stays in its family; 0 is "
        "Bonferroni within it, and nearly 1 Holm.",
    )

    @model_validator(mode="after")
    def _one_level(self) -> Multiplicity:
        if (self.alpha_one_sided is None) == (self.alpha_two_sided is None):
            both = self.alpha_one_sided is not None
            raise Fault(
                "alpha-one-sided and alpha-two-sided both stand here" if both else "The familywise level is not stated",
                "one of alpha-two-sided and alpha-one-sided",
                "Remove one." if both else "Add alpha-two-sided: 0.05, or what the plan says.",
                "alpha-one-sided" if both else None,
            )
        return self

    @property
    def alpha(self) -> float:
        """The familywise level, with the sides that it states."""
        return float(self.alpha_two_sided if self.alpha_two_sided is not None else self.alpha_one_sided or 0.0)

    @property
    def is_one_sided(self) -> bool:
        """Whether the tests are one-sided, in the direction that is better."""
        return self.alpha_one_sided is not None

    @property
    def names(self) -> tuple[str, ...]:
        """The analyses that are hypotheses, in their order."""
        if self.method == "gatekeeping":
            return tuple(name for family in self.families for name in family)
        return self.hypotheses

    @property
    def shares(self) -> tuple[float, ...]:
        """Share of the level that each hypothesis begins with."""
        names = self.names
        if self.method == "graph" or self.weights:
            return tuple(float(self.weights.get(name, 0.0)) for name in names)
        if self.method == "fixed-sequence":
            return tuple(float(k == 0) for k in range(len(names)))
        if self.method == "gatekeeping":
            first = len(self.families[0]) if self.families else 0
            return tuple(1.0 / first if k < first else 0.0 for k in range(len(names)))
        return tuple(1.0 / len(names) for _ in names)

    @property
    def graphs(self) -> tuple[HypothesisGraph, ...]:
        """The procedure written out; with a serial gate a graph for each family, none for ``hochberg``, ``hommel``.

        A serial gate is the limit of one graph whose arrows to the next family carry less and less; the limit itself
        is a graph after another, each tested at the whole level once all of the one before is rejected.
        """
        names = self.names
        if self.method in ("hochberg", "hommel"):
            return ()
        if self.method == "gatekeeping" and self.gate == "serial":
            return tuple(_holm(family, tuple(1.0 / len(family) for _ in family)) for family in self.families)
        if self.method == "holm":
            return (_holm(names, self.shares),)
        rows: dict[str, Mapping[str, float]] = {}
        if self.method == "graph":
            rows = {name: dict(row) for name, row in self.transitions.items()}
        elif self.method in ("fixed-sequence", "fallback"):
            rows = {name: {after: 1.0} for name, after in pairwise(names)}
        elif self.method == "gatekeeping":
            rows = self._parallel_rows()
        table = tuple(tuple(float(rows.get(one, {}).get(other, 0.0)) for other in names) for one in names)
        return (HypothesisGraph(names, self.shares, table),)

    def _parallel_rows(self) -> dict[str, Mapping[str, float]]:
        """Of each hypothesis behind a parallel gate, what it passes on: within its family, then to the next."""
        rows: dict[str, Mapping[str, float]] = {}
        for k, family in enumerate(self.families):
            after = self.families[k + 1] if k + 1 < len(self.families) else ()
            kept = (self.truncation if after else 1.0) if len(family) > 1 else 0.0
            for name in family:
                within = {other: kept / (len(family) - 1) for other in family if other != name}
                rows[name] = {**within, **{other: (1.0 - kept) / len(after) for other in after}}
        return rows


def _holm(names: tuple[str, ...], weights: tuple[float, ...]) -> HypothesisGraph:
    """Each passes on to all others in proportion to their weights."""
    rows = []
    for k in range(len(names)):
        rest = sum(weights) - weights[k]
        rows.append(tuple(weights[j] / rest if j != k and rest > 0 else 0.0 for j in range(len(names))))
    return HypothesisGraph(names, weights, tuple(rows))
