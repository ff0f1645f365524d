"""Conditions over the answers of forms: which items are asked, and which answers contradict one another.

``used = yes``, ``amount > 0``, ``state in 1..3``, joined by ``and`` and ``or`` (``and`` binds tighter), an item's bare
name for "answered yes". An item of another form is written with that form (``craving.score``), a baseline variable as
``baseline.age``, an item of another visit as ``admission/craving.score``; such a place may stand on the right too
(``craving.score > admission/craving.score``). Numbers and dates are compared as what they are. An item that is not
asked counts as unanswered for all that depend on it, whatever stands there; a condition on an unanswered item does not
hold, ``!=`` included.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from functools import lru_cache

from equipoise.protocol.language.notation import Fault, Notation

_NAME = r"(?:[A-Za-z0-9][A-Za-z0-9_-]*/)?[A-Za-z0-9][A-Za-z0-9_.-]*"
_NUMBER = r"[-+]?\d+(?:\.\d+)?"
_TERM = re.compile(rf"^\s*({_NAME})\s*(?:(>=|<=|!=|=|>|<)\s*(.+?)|in\s+({_NUMBER})\s*\.\.\s*({_NUMBER}))?\s*$")
# What names a place when it stands on the right: another form, another visit; a number is none.
_PLACE = re.compile(r"^(?:[A-Za-z0-9][A-Za-z0-9_-]*/)?[A-Za-z][A-Za-z0-9_-]*\.[A-Za-z0-9][A-Za-z0-9_.-]*$")
YES = ("yes", "true")
BASELINE = "baseline"


@dataclass(frozen=True, slots=True)
class Term:
    """One comparison; without an operator the item must be answered yes."""

    item: str
    operator: str = ""
    bound: str = ""
    upper: str = ""

    @property
    def other(self) -> str:
        """The place on the right, where one stands there."""
        return self.bound if self.operator not in ("", "in") and _PLACE.match(self.bound) else ""

    def holds(self, answer: str | None, other: str | None = None) -> bool:
        """Whether it holds for an answer as text, and that of the place on the right; ``None`` and empty text are
        unanswered.
        """
        if answer is None or answer == "":
            return False
        if not self.operator:
            return answer.lower() in YES
        bound = other if self.other else self.bound
        if bound is None or bound == "":
            return False
        if self.operator in ("=", "!="):
            return _same(answer, bound) == (self.operator == "=")
        if self.operator == "in":
            value = _number(answer)
            return value is not None and Decimal(self.bound) <= value <= Decimal(self.upper)
        pair = _pair(answer, bound)
        if pair is None:
            return False
        left, right = pair
        return bool(
            {">=": left >= right, "<=": left <= right, ">": left > right, "<": left < right}[self.operator]  # type: ignore[operator]
        )

    def __str__(self) -> str:
        if self.operator == "in":
            return f"{self.item} in {self.bound}..{self.upper}"
        return f"{self.item} {self.operator} {self.bound}" if self.operator else self.item


@dataclass(frozen=True, slots=True)
class Place:
    """Where an answer stands: the visit (empty: the one at hand), the form, the item."""

    visit: str
    form: str
    item: str

    @classmethod
    def read(cls, name: str) -> Place | None:
        """The place that a name with its form says; ``None`` for the bare name of an item."""
        visit, _, rest = name.rpartition("/")
        form, dot, item = rest.partition(".")
        return cls(visit, form, item) if dot else None


@dataclass(frozen=True)
class Condition(Notation):
    """Alternatives, each a list of terms that must all hold."""

    alternatives: tuple[tuple[Term, ...], ...]

    example = "used = yes"

    @classmethod
    def parse(cls, text: str) -> Condition:
        """Read a condition."""
        return parse_condition(text)

    @property
    def items(self) -> tuple[str, ...]:
        """Items it looks at, each once."""
        return tuple(dict.fromkeys(self._names()))

    def _names(self) -> Iterator[str]:
        for terms in self.alternatives:
            for term in terms:
                yield term.item
                if term.other:
                    yield term.other

    @property
    def terms(self) -> tuple[Term, ...]:
        """Every comparison in it."""
        return tuple(term for terms in self.alternatives for term in terms)

    def also(self, other: Condition | None) -> Condition:
        """The condition that holds where both do."""
        if other is None:
            return self
        return Condition(tuple((*one, *two) for one in self.alternatives for two in other.alternatives))

    def holds(self, answers: Mapping[str, str | None]) -> bool:
        """Whether one of the alternatives holds."""
        return any(
            all(term.holds(answers.get(term.item), answers.get(term.other)) for term in terms)
            for terms in self.alternatives
        )

    def __str__(self) -> str:
        return " or ".join(" and ".join(map(str, terms)) for terms in self.alternatives)


@lru_cache(maxsize=4096)
def parse_condition(text: str) -> Condition:
    """Read a condition; a ``Fault`` (``ValueError``) says what is wrong."""
    return Condition(
        tuple(
            tuple(_term(term) for term in re.split(r"\s+and\s+", alternative))
            for alternative in re.split(r"\s+or\s+", text.strip())
        )
    )


def _term(text: str) -> Term:
    match = _TERM.match(text)
    if match is None:
        raise Fault(
            f"{text!r} is not a condition",
            "a comparison: used = yes, amount > 0 or score in 1..3",
            "Write for example used = yes and amount > 0.",
        )
    item, operator, bound, low, high = match.groups()
    if low is not None:
        if Decimal(low) > Decimal(high):
            raise Fault(f"{text!r} has an empty range", "the lower number first", "Exchange the two.")
        return Term(item, "in", low, high)
    ordered = operator in (">=", "<=", ">", "<")
    if ordered and _number(bound) is None and _date(bound) is None and not _PLACE.match(bound):
        raise Fault(
            f"{text!r} compares with something that is not a number, a date or an item",
            "a number, a date or another item with its form on the right",
            "Write for example amount > 0, or score > admission/craving.score.",
        )
    return Term(item, operator or "", bound or "")


def _number(text: str) -> Decimal | None:
    try:
        value = Decimal(text)
    except InvalidOperation:
        return None
    return value if value.is_finite() else None


def _date(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if re.fullmatch(r"\d{4}-\d{2}-\d{2}", text) else None
    except ValueError:
        return None


def _pair(one: str, other: str) -> tuple[Decimal, Decimal] | tuple[date, date] | None:
    """Two answers as numbers or as dates; ``None`` where they cannot be put in order."""
    left, right = _number(one), _number(other)
    if left is not None and right is not None:
        return left, right
    first, second = _date(one), _date(other)
    return (first, second) if first is not None and second is not None else None


def _same(one: str, other: str) -> bool:
    left, right = _number(one), _number(other)
    if left is not None and right is not None:
        return left == right
    return one.strip().lower() == other.strip().lower()


def asked(
    conditions: Mapping[str, Condition | None],
    answers: Mapping[str, str | None],
    elsewhere: Mapping[str, str | None] | None = None,
) -> tuple[str, ...]:
    """Items that are asked, in the order given; ``conditions`` says for each item when (``None``: always).

    ``elsewhere`` holds answers of other forms and visits, by their place. An item may only depend on items before it:
    ``ValueError`` otherwise, so that no circle can be built.
    """
    outside = dict(elsewhere or {})
    shown: dict[str, str | None] = {}
    order = list(conditions)
    for position, (item, condition) in enumerate(conditions.items()):
        names = () if condition is None else condition.items
        strange = [name for name in names if name not in conditions and name not in outside]
        if strange:
            raise ValueError(f"{item} depends on {strange[0]}, which the form does not have")
        if any(name in conditions and order.index(name) >= position for name in names):
            raise ValueError(f"{item} depends on an item that does not come before it")
        if condition is None or condition.holds({**outside, **shown}):
            shown[item] = answers.get(item)
    return tuple(shown)
