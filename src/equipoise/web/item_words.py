"""What an item is called and what its answer says, as people read them: in the protocol's own labels, never its ids."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from equipoise.conduct.rules import forms
from equipoise.conduct.rules.eligibility import criteria
from equipoise.protocol import Protocol
from equipoise.web.words import REASON_WORDS, day_words, visit_words

# Items of forms that the protocol does not describe.
_NAMES = {
    "kg": "Weight",
    "by": "Measured by",
    "why": "Reason",
    "on": "Date",
    "against": "Another ground against",
    "aware": "Known since",
}
_UNITS = {"kg": "kg"}
_DATE = re.compile(r"^\d{4}-\d{2}-\d{2}$")


def item_label(protocol: Protocol, form: str, item: str) -> str:
    """The name of an item of a form."""
    if form == "eligibility":
        kind, _, id = item.partition(".")
        found = {(str(which), name): entry.words or str(entry.criterion) for which, name, entry in criteria(protocol)}
        words = found.get((kind, id))
        if words is None:
            return _plain(item)
        return criterion_words(words) if kind == "include" else f"Not: {criterion_words(words)}"
    if form == "baseline":
        variable = protocol.model.baseline.get(item)
        return _begun(variable.label) if variable is not None and variable.label else _plain(item)
    made = forms.forms(protocol).get(form)
    known = made.item(item) if made is not None else None
    return _begun(known.label) if known is not None else _NAMES.get(item) or _plain(item)


def criterion_words(words: str) -> str:
    """A criterion as people read it."""
    return _begun(words.replace(">=", "≥").replace("<=", "≤").replace("!=", "is not").replace(" = ", ": "))


def answer_words(protocol: Protocol, form: str, item: str, value: str) -> str:
    """An answer with its unit; why there is none, where that stands in its place (``(refused)``)."""
    if value.startswith("(") and value.endswith(")"):
        return REASON_WORDS.get(value[1:-1], value[1:-1].replace("-", " ")).lower()
    if _DATE.match(value):
        return day_words(value)
    unit, choices = _kind_of(protocol, form, item)
    said = value.replace("-", " ").replace("_", " ") if value in choices else value
    return f"{said} {unit}".strip()


def _kind_of(protocol: Protocol, form: str, item: str) -> tuple[str, tuple[str, ...]]:
    """The unit of an item, and the ids that its answers are chosen from."""
    if form == "eligibility":
        return "", ("met", "not_met", "undecided")
    if form == "baseline":
        variable = protocol.model.baseline.get(item)
        return (variable.unit or "", tuple(variable.levels)) if variable is not None else ("", ())
    made = forms.forms(protocol).get(form)
    known = made.item(item) if made is not None else None
    return (known.unit, tuple(known.choices)) if known is not None else (_UNITS.get(item, ""), ())


def answers_in_words(protocol: Protocol, form: str, values: Mapping[str, str]) -> list[tuple[str, str]]:
    """Every answer of a filling with its item's name, in the order of the form."""
    made = forms.forms(protocol).get(form)
    order = {item.id: number for number, item in enumerate(made.items)} if made is not None else {}
    names = sorted(values, key=lambda item: order.get(item, len(order)))
    return [(item_label(protocol, form, item), answer_words(protocol, form, item, values[item])) for item in names]


def query_place(row: Mapping[str, Any]) -> str:
    """What a query asks about: visit, form and item; in general where it names none."""
    item = str(row["item"])
    item = f"item {item}" if item.isdecimal() else item.replace("-", " ")
    places = (visit_words(row["visit"]) if row["visit"] else "", row["form"].replace("-", " "), item)
    return ", ".join(part for part in places if part) or "in general"


def _plain(id: str) -> str:
    return _begun(id.replace("-", " ").replace(".", ": "))


def _begun(words: str) -> str:
    return words[:1].upper() + words[1:]


__all__ = ["answer_words", "answers_in_words", "criterion_words", "item_label", "query_place"]
