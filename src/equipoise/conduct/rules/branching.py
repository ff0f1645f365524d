"""Which items of a form are asked, given the answers so far: a small language of conditions.

``used = yes``, ``amount > 0``, ``state in 1..3``, joined by ``and`` and ``or`` (``and`` binds tighter), an item's bare
name for "answered yes". An item that is not asked counts as unanswered for all that depend on it, whatever stands
there; a condition on an unanswered item does not hold, ``!=`` included.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]*"
_NUMBER = r"[-+]?\d+(?:\.\d+)?"
_TERM = re.compile(rf"^\s*({_NAME})\s*(?:(>=|<=|!=|=|>|<)\s*(.+?)|in\s+({_NUMBER})\s*\.\.\s*({_NUMBER}))?\s*$")
YES = ("yes", "true")


@dataclass(frozen=True, slots=True)
class Term:
    """One comparison; without an operator the item must be answered yes."""

    item: str
    operator: str = ""
    bound: str = ""
    upper: str = ""

    def holds(self, answer: str | None) -> bool:
        """Whether it holds for an answer as text; ``None`` and empty text are unanswered."""
        if answer is None or answer == "":
            return False
        if not self.operator:
            return answer.lower() in YES
        if self.operator in ("=", "!="):
            return _same(answer, self.bound) == (self.operator == "=")
        value = _number(answer)
        if value is None:
            return False
        bound = Decimal(self.bound)
        if self.operator == "in":
            return bound <= value <= Decimal(self.upper)
        return {">=": value >= bound, "<=": value <= bound, ">": value > bound, "<": value < bound}[self.operator]


@dataclass(frozen=True, slots=True)
class Condition:
    """Alternatives, each a list of terms that must all hold."""

    alternatives: tuple[tuple[Term, ...], ...]

    @property
    def items(self) -> tuple[str, ...]:
        """Items it looks at, each once."""
        return tuple(dict.fromkeys(term.item for terms in self.alternatives for term in terms))

    def holds(self, answers: Mapping[str, str | None]) -> bool:
        """Whether one of the alternatives holds."""
        return any(all(term.holds(answers.get(term.item)) for term in terms) for terms in self.alternatives)


def parse_condition(text: str) -> Condition:
    """Read a condition; ``ValueError`` says what is wrong."""
    return Condition(
        tuple(
            tuple(_term(term) for term in re.split(r"\s+and\s+", alternative))
            for alternative in re.split(r"\s+or\s+", text.strip())
        )
    )


def _term(text: str) -> Term:
    match = _TERM.match(text)
    if match is None:
        raise ValueError(f"{text!r} is not a condition: write for example used = yes, amount > 0 or score in 1..3")
    item, operator, bound, low, high = match.groups()
    if low is not None:
        return Term(item, "in", low, high)
    if operator in (">=", "<=", ">", "<") and _number(bound) is None:
        raise ValueError(f"{text!r} compares with something that is not a number")
    return Term(item, operator or "", bound or "")


def _number(text: str) -> Decimal | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def _same(one: str, other: str) -> bool:
    left, right = _number(one), _number(other)
    if left is not None and right is not None:
        return left == right
    return one.strip().lower() == other.strip().lower()


def asked(conditions: Mapping[str, Condition | None], answers: Mapping[str, str | None]) -> tuple[str, ...]:
    """Items that are asked, in the order given; ``conditions`` says for each item when (``None``: always).

    An item may only depend on items before it: ``ValueError`` otherwise, so that no circle can be built.
    """
    shown: dict[str, str | None] = {}
    for item, condition in conditions.items():
        later = [] if condition is None else [name for name in condition.items if name not in conditions]
        if later:
            raise ValueError(f"{item} depends on {later[0]}, which the form does not have")
        if condition is None or condition.holds(shown):
            shown[item] = answers.get(item)
        elif any(list(conditions).index(name) >= list(conditions).index(item) for name in condition.items):
            raise ValueError(f"{item} depends on an item that does not come before it")
    return tuple(shown)
