"""What a check finds: what, by how much, under which rounding, and what would reconcile it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

# From the gravest down. An alarm is one of the first three.
SEVERITIES: dict[str, str] = {
    "impossible": "no data can give this number",
    "contradiction": "two statements that cannot both hold as they stand",
    "misworded": "the words say something else than the number",
    "unexplained": "numbers that differ by more than rounding; a method that is not stated may account for it",
    "incomplete": "a claim that cannot be checked as it stands",
    "reading": "a difference of words that is a matter of reading",
}
ALARMS = ("impossible", "contradiction", "misworded")


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding of one check. ``results`` are ids of the rows that it is about, the one in question first."""

    check: str
    severity: str
    study: str
    results: tuple[str, ...]
    what: str
    by_how_much: str = ""
    rounding: str = ""
    reconciles: str = ""
    topics: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    line: int | None = None

    @property
    def is_alarm(self) -> bool:
        """Whether something is wrong, whatever method was used."""
        return self.severity in ALARMS

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {
            "check": self.check,
            "severity": self.severity,
            "study": self.study,
            "results": list(self.results),
            "what": self.what,
            "by_how_much": self.by_how_much,
            "rounding": self.rounding,
            "reconciles": self.reconciles,
            "topics": list(self.topics),
            "sources": list(self.sources),
            "line": self.line,
        }
