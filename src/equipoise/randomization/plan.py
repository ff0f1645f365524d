"""What a protocol says of its randomizations: of each, its arms, ratio, scheme and stratification factors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any
from urllib.parse import quote

from equipoise.foundation.errors import Problem, RandomizationError, listed, raise_if_any
from equipoise.protocol import Protocol
from equipoise.randomization.registry import SCHEMES, check_ratio

CODES = {
    "L001": "The protocol does not randomize.",
    "L002": "The protocol names no scheme.",
    "L003": "A stratification factor has no levels.",
    "L004": "The protocol has no such stratum.",
    "L005": "The list has no such stream.",
    "L006": "A stream with a fixed total is used up.",
}
WHOLE_TRIAL = "trial"
SITE = "site"


@dataclass(frozen=True, slots=True)
class PlannedRandomization:
    """One randomization of the trial: of the whole trial (``stage`` is ``trial``), or of a stage of it.

    ``levels`` holds the levels of each stratification factor in the protocol's order; ``number`` counts the
    randomizations from 1, as the table of allocations does.
    """

    stage: str
    number: int
    scheme: str
    arms: tuple[str, ...]
    ratio: tuple[int, ...]
    levels: Mapping[str, tuple[str, ...]]

    @property
    def factors(self) -> tuple[str, ...]:
        """Stratification factors, in order."""
        return tuple(self.levels)

    @property
    def has_total(self) -> bool:
        """Whether the scheme ends after a fixed, sealed number of slots."""
        return "total" in SCHEMES[self.scheme].parameters

    def strata(self) -> list[dict[str, str]]:
        """Every combination of levels, the first factor slowest; one empty stratum where there are no factors."""
        return [dict(zip(self.levels, levels, strict=True)) for levels in product(*self.levels.values())]

    def require_profile(self, profile: Mapping[str, Any]) -> dict[str, str]:
        """The levels of the factors in ``profile`` (more may stand there); true and false are yes and no.

        Raises :class:`~equipoise.foundation.errors.RandomizationError` (L004) for a level that is absent or not known.
        """
        said = {name: _level(profile.get(name)) for name in self.levels}
        problems = [
            Problem(
                "L004",
                f"{self.stage}.{name}",
                f"{'Nothing' if said[name] is None else repr(said[name])} stands for {name}.",
                listed(known),
                "Correct the value, or the levels in the protocol.",
            )
            for name, known in self.levels.items()
            if said[name] not in known
        ]
        raise_if_any(RandomizationError, problems)
        return {name: value for name, value in said.items() if value is not None}


def _level(value: Any) -> str | None:
    if value is None:
        return None
    return ("yes" if value else "no") if isinstance(value, bool) else str(value)


def stream_name(stage: str, stratum: Mapping[str, str]) -> str:
    """Name of a stream: ``trial:all``, ``phase-2:site=north;route=oral``; levels percent-encoded, so all ASCII."""
    parts = ";".join(f"{quote(name, safe='')}={quote(level, safe='')}" for name, level in stratum.items())
    return f"{stage}:{parts or 'all'}"


def planned_randomizations(protocol: Protocol) -> tuple[PlannedRandomization, ...]:
    """The randomizations of a protocol, in order.

    Raises :class:`~equipoise.foundation.errors.RandomizationError` with everything that is in the way: L001 nothing is
    randomized, L002 no scheme, L003 a factor without levels, L010 to L012 a scheme that does not suit.
    """
    found, problems = _read(protocol, check_schemes=True)
    raise_if_any(RandomizationError, problems)
    return found


def randomizations_without_scheme(protocol: Protocol) -> tuple[PlannedRandomization, ...]:
    """The same with an empty scheme where none is named: what candidate schemes are compared for."""
    found, problems = _read(protocol, check_schemes=False)
    raise_if_any(RandomizationError, problems)
    return found


def _read(protocol: Protocol, *, check_schemes: bool) -> tuple[tuple[PlannedRandomization, ...], list[Problem]]:
    model, problems = protocol.model, []

    def add(code: str, path: tuple[str, ...], found: str, expected: str, step: str) -> None:
        file, line = (protocol.lines.file, protocol.lines.of(path)) if protocol.lines is not None else (None, None)
        problems.append(Problem(code, ".".join(path), found, expected, step, file, line))

    said = model.randomization
    if said is None:
        add("L001", ("randomization",), "Nothing is randomized.", "randomization with its ratio", "Add it.")
        return (), problems
    scheme = said.scheme.usable
    if scheme is None and check_schemes:
        add(
            "L002",
            ("randomization", "scheme"),
            "No scheme is named.",
            "the scheme, known or assumed",
            "Write for example scheme: permuted-blocks; `equipoise randomization report` compares schemes.",
        )
    levels: dict[str, tuple[str, ...]] = {}
    for name in said.strata.usable or ():
        if name == SITE:
            levels[name] = model.sites
        else:
            variable = model.baseline[name]
            levels[name] = ("no", "yes") if variable.type == "yes-no" else variable.levels
        if not levels[name]:
            step = (
                "List sites at the top of the protocol."
                if name == SITE
                else "Give it levels, or cut it into a category."
            )
            add("L003", ("randomization", "strata"), f"{name} has no levels.", "a factor with levels", step)
    stages = [(id, stage) for id, stage in model.stages.items() if stage.randomizes]
    ratios = [(WHOLE_TRIAL, dict(said.ratio))]
    if stages:
        ratios = [(id, dict(stage.ratio) or dict.fromkeys(stage.arms, 1) or dict(said.ratio)) for id, stage in stages]
    made = []
    for number, (stage, ratio) in enumerate(ratios, 1):
        arms = tuple(arm for arm in protocol.arm_ids if arm in ratio)
        parts = tuple(ratio[arm] for arm in arms)
        where = ("stages", stage, "ratio") if stages else ("randomization", "scheme")
        for problem in check_ratio(scheme, parts, ".".join(where)) if scheme is not None and check_schemes else ():
            add(problem.code, where, problem.found, problem.expected, problem.next_step)
        made.append(PlannedRandomization(stage, number, scheme or "", arms, parts, levels))
    return tuple(made), problems
