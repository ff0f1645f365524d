"""What a design report is made of."""

from __future__ import annotations

from dataclasses import dataclass

from equipoise.design.assurance import ReplicationTable
from equipoise.design.looks import ActualSize, LooksOutcome
from equipoise.design.operating import OperatingCharacteristics
from equipoise.design.stopping_rules import RuleOutcome
from equipoise.protocol import Protocol
from equipoise.randomization.predictability import Predictability


@dataclass(frozen=True)
class LookedAt:
    """Looks at one endpoint, as the report shows them."""

    endpoint: str
    boundary: str
    scenario: str
    effect: LooksOutcome
    null: LooksOutcome
    size: ActualSize | None


@dataclass(frozen=True)
class Stopped:
    """Hypothetical rules for stopping early."""

    n_planned: int
    n_stopped: int
    said: str | None
    risks: tuple[tuple[str, float], ...]
    rows: tuple[RuleOutcome, ...]
    worst: tuple[RuleOutcome, ...]


@dataclass(frozen=True, kw_only=True)
class DesignMaterial:
    """What the report is made of; ``worlds`` are the scenarios, the first of them the trial as planned."""

    protocol: Protocol
    worlds: tuple[OperatingCharacteristics, ...]
    grid: tuple[OperatingCharacteristics, ...] = ()
    dropout: tuple[OperatingCharacteristics, ...] = ()
    replications: ReplicationTable | None = None
    looks: tuple[LookedAt, ...] = ()
    stopped: Stopped | None = None
    randomizations: tuple[Predictability, ...] = ()
    version: str = ""
