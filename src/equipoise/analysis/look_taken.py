"""What a look at a trial came to, and what became of the plan of looks at the end: values, and nothing that works."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from equipoise.analysis.estimate import Estimate
from equipoise.analysis.interim import AdjustedEstimate, LookDecision, NewSize


@dataclass(frozen=True, kw_only=True)
class LineAtLook:
    """One analysis at a look: what it counts (results, events, information) and its Z on all data so far."""

    line: str
    counted: float
    z: float
    n_arm: int = 0  # participants randomized to the arm, and to the reference
    n_reference: int = 0


@dataclass(frozen=True, kw_only=True)
class LookTaken:
    """A look as it was taken. ``z`` is the Z that the bounds decide on: of all data, or of combined stages.

    With several arms ``decision`` is absent, and ``claimed`` names the analyses whose arms the closed test claims.
    """

    number: int
    counted: str
    reached: float
    planned: float
    planned_now: float  # what the plan has at this look
    lines: tuple[LineAtLook, ...]
    z: float | None
    decision: LookDecision | None
    claimed: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()
    new_size: NewSize | None = None
    n_randomized: int = 0
    n_known: int = 0
    n_provisional: int = 0
    estimates: tuple[Estimate, ...] = field(default=(), compare=False)

    @property
    def fraction(self) -> float:
        """Information reached over planned."""
        return self.reached / self.planned

    @property
    def outcome(self) -> str:
        """The decision in one word; with several arms ``efficacy`` once one is claimed."""
        if self.decision is not None:
            return self.decision.decision
        if self.claimed:
            return "efficacy"
        return "continue" if self.kept else "futility"

    @property
    def ends(self) -> bool:
        """Whether the plan ends the trial here; a futility stop that is not binding may be overruled."""
        return self.outcome != "continue"

    @property
    def is_binding(self) -> bool:
        """Whether going on would break the plan: a bound was crossed on which the level relies, or a claim was made."""
        if self.outcome == "futility":
            return self.decision is None or self.decision.is_binding
        return self.outcome in ("efficacy", "harm")

    def as_dict(self) -> dict[str, Any]:
        """Plain values, without the estimates."""
        return {
            "number": self.number,
            "counted": self.counted,
            "reached": self.reached,
            "planned": self.planned,
            "planned_now": self.planned_now,
            "information": self.fraction,
            "lines": [asdict(line) for line in self.lines],
            "z": self.z,
            "decision": None if self.decision is None else self.decision.as_dict(),
            "outcome": self.outcome,
            "claimed": list(self.claimed),
            "kept": list(self.kept),
            "new_size": None if self.new_size is None else _finite(asdict(self.new_size)),
            "n_randomized": self.n_randomized,
            "n_known": self.n_known,
            "n_provisional": self.n_provisional,
        }


def _finite(values: Mapping[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and not math.isfinite(v) else v for k, v in values.items()}


@dataclass(frozen=True, kw_only=True)
class AfterLooks:
    """What became of the plan of looks at the end.

    ``taken`` are the looks before; ``left_out`` the numbers of those that ended the trial by a bound on which the level
    relies, in whose place all data stand now (over-running). ``final`` is the decision of all data, absent with several
    arms, of which ``claimed`` names the analyses of those claimed. ``plain`` are the rows as an analysis without looks
    gives them.
    """

    taken: tuple[LookTaken, ...]
    left_out: tuple[int, ...]
    final: LookDecision | None
    adjusted: AdjustedEstimate | None
    claimed: tuple[str, ...]
    dropped: tuple[str, ...]
    plain: tuple[Estimate, ...]
    reached: float
    hashes: tuple[str, ...] = ()

    @property
    def shown(self) -> bool:
        """Whether the plan's claim stands: a bound was crossed at a look or at the end."""
        early = any(look.outcome in ("efficacy", "harm") for look in self.taken)
        return early or bool(self.claimed) or (self.final is not None and self.final.decision in ("efficacy", "harm"))

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``results.json``."""
        return {
            "looks": [{**look.as_dict(), "hash": hash} for look, hash in zip(self.taken, self.hashes, strict=True)],
            "left_out": list(self.left_out),
            "reached": self.reached,
            "final": None if self.final is None else self.final.as_dict(),
            "adjusted": None if self.adjusted is None else self.adjusted.as_dict(),
            "claimed": list(self.claimed),
            "dropped": list(self.dropped),
            "shown": self.shown,
            "unadjusted": [
                {
                    "id": row.id,
                    "estimate": row.estimate,
                    "ci_lower": row.ci_lower,
                    "ci_upper": row.ci_upper,
                    "p_value": row.p_value,
                }
                for row in self.plain
            ],
        }
