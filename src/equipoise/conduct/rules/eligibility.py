"""Eligibility by the protocol's own criteria: which hold, which fail, which nobody can decide yet."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, Literal

from equipoise.foundation.errors import Problem, listed
from equipoise.protocol import Protocol
from equipoise.protocol.language.design import CriterionEntry

CODES = {
    "C510": "A criterion is not met.",
    "C511": "A criterion cannot be decided: a value or a person's answer is missing.",
    "C512": "An answer cannot be compared with a criterion.",
    "C513": "The protocol has no such criterion or variable.",
}

Verdict = Literal["met", "not_met", "undecided"]


@dataclass(frozen=True, slots=True)
class Ruling:
    """What is so of one criterion. ``met`` means the person may enter: an exclusion that does not apply is met."""

    id: str
    kind: Literal["include", "exclude"]
    words: str
    verdict: Verdict
    by: Literal["value", "attestation", "nothing"]
    needs: str = ""  # the variable or attestation that would decide it

    @property
    def text(self) -> str:
        """The criterion as a person reads it."""
        return self.words if self.kind == "include" else f"not: {self.words}"


@dataclass(frozen=True, slots=True)
class Decision:
    """Every ruling; eligible when all are met, ineligible when one is not, otherwise undecided."""

    rulings: tuple[Ruling, ...]

    @property
    def failing(self) -> tuple[Ruling, ...]:
        """Criteria that are not met."""
        return tuple(ruling for ruling in self.rulings if ruling.verdict == "not_met")

    @property
    def undecided(self) -> tuple[Ruling, ...]:
        """Criteria that cannot be decided yet."""
        return tuple(ruling for ruling in self.rulings if ruling.verdict == "undecided")

    @property
    def eligible(self) -> bool | None:
        """Whether the person may enter; ``None`` where a criterion is undecided and none fails."""
        if self.failing:
            return False
        return None if self.undecided else True

    def problems(self) -> list[Problem]:
        """Why the person cannot be found eligible."""
        out = [Problem("C510", f"{r.kind}.{r.id}", f"Not met: {r.text}.", "every criterion met") for r in self.failing]
        for r in self.undecided:
            step = f"attested:='{{\"{r.id}\": true}}' by the person who judged it, true or false"
            step = f"Record {r.needs}, or add {step}." if r.by == "value" else f"Add {step}."
            out.append(Problem("C511", f"{r.kind}.{r.id}", f"Undecided: {r.text}.", "a criterion decided", step))
        return out


def is_typed(entry: CriterionEntry) -> bool:
    """Whether the criterion compares a variable with a bound, so that a value decides it."""
    return entry.criterion is not None and entry.criterion.operator is not None


def criteria(protocol: Protocol) -> list[tuple[Literal["include", "exclude"], str, CriterionEntry]]:
    """Every criterion of the protocol: inclusion first, each in the order of the file."""
    eligibility = protocol.model.eligibility
    out: list[tuple[Literal["include", "exclude"], str, CriterionEntry]] = []
    out += [("include", id, entry) for id, entry in (eligibility.include or {}).items()]
    out += [("exclude", id, entry) for id, entry in (eligibility.exclude or {}).items()]
    return out


def check_answers(protocol: Protocol, values: Mapping[str, Any], attested: Mapping[str, bool]) -> list[Problem]:
    """Answers that belong to no criterion, or that a comparison of numbers cannot use."""
    known = {id for _, id, _ in criteria(protocol)}
    out = [
        Problem("C513", f"attested {id}", "The protocol has no such criterion.", listed(sorted(known)))
        for id in attested
        if id not in known
    ]
    for kind, id, entry in criteria(protocol):
        criterion = entry.criterion
        if criterion is None or criterion.operator in (None, "=", "!="):
            continue
        value = values.get(criterion.variable)
        if value is not None and not _is_number(value):
            out.append(Problem("C512", f"{kind}.{id}", f"{criterion.variable} is {value!r}.", "a number"))
    return out


def _is_number(value: Any) -> bool:
    if isinstance(value, bool):
        return False
    try:
        return Decimal(str(value)).is_finite()
    except InvalidOperation:
        return False


def decide(protocol: Protocol, values: Mapping[str, Any], attested: Mapping[str, bool]) -> Decision:
    """Rule on every criterion.

    ``values`` holds variables by the name the criterion uses (``age``); ``attested`` holds a person's yes or no to a
    criterion, by its id, in the criterion's own sense (``true`` for an exclusion says that it applies). A comparison is
    decided by its value and by nothing else where the value is there; without it a person may attest.
    """
    rulings = []
    for kind, id, entry in criteria(protocol):
        criterion = entry.criterion
        words = entry.words or str(criterion)
        holds: bool | None = None
        by: Literal["value", "attestation", "nothing"] = "nothing"
        needs = id
        if criterion is not None and criterion.operator is not None:
            needs = criterion.variable
            value = values.get(criterion.variable)
            if value is not None:
                holds, by = criterion.holds(value), "value"
        if holds is None and id in attested:
            holds, by = bool(attested[id]), "attestation"
        if holds is None:
            verdict: Verdict = "undecided"
            by = "value" if is_typed(entry) else "attestation"
        else:
            verdict = "met" if holds == (kind == "include") else "not_met"
        rulings.append(Ruling(id, kind, words, verdict, by, needs))
    return Decision(tuple(rulings))


def decide_again(
    protocol: Protocol, values: Mapping[str, Any], recorded: Mapping[str, str], decided_under: Protocol
) -> Decision:
    """Rule once more on every criterion of ``protocol``, by values as they are now.

    ``recorded`` holds the verdicts of the decision on record (``include.adult`` to ``met``), made under
    ``decided_under``. A verdict that no value replaces stands where the criterion still reads as it did; a criterion
    that is new, or reads differently, is undecided.
    """
    old = {(kind, id): (entry.criterion, entry.words) for kind, id, entry in criteria(decided_under)}
    attested = {}
    for kind, id, entry in criteria(protocol):
        verdict = recorded.get(f"{kind}.{id}")
        if verdict in ("met", "not_met") and old.get((kind, id)) == (entry.criterion, entry.words):
            attested[id] = (verdict == "met") == (kind == "include")
    return decide(protocol, values, attested)
