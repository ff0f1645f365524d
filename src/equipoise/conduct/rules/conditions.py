"""Conditions and checks of a protocol, held against the forms that it asks for: before a trial is made or amended."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache

from equipoise.conduct.rules import windows
from equipoise.conduct.rules.form_items import Form, FormItem
from equipoise.conduct.rules.forms import baseline_item, form_of
from equipoise.conduct.rules.surroundings import AT_VISITS
from equipoise.foundation.errors import Problem, listed, nearest
from equipoise.protocol import Protocol
from equipoise.protocol.language.conditions import BASELINE, Condition, Place, Term
from equipoise.protocol.language.conduct import CrossCheck

CODES = {
    "C584": "A condition or check of the protocol names something that does not exist, or comes later.",
    "C585": "A condition or check of the protocol uses quarantined items.",
}
ALL = "all"


def check_conditions(protocol: Protocol) -> list[Problem]:
    """Conditions and checks of a protocol that name what there is not, what comes later, or what is quarantined."""
    return list(_check_conditions(protocol))


@lru_cache(maxsize=8)
def _check_conditions(protocol: Protocol) -> tuple[Problem, ...]:
    made = {id: form_of(protocol, id) for id in protocol.model.assessments}
    looker = _Looker(protocol, made)
    for id, entry in protocol.model.assessments.items():
        if entry.asked_when:
            looker.branches(id, entry.asked_when)
    for id, check in protocol.model.conduct.checks.items():
        looker.check(id, check)
    return tuple(looker.problems)


class _Looker:
    def __init__(self, protocol: Protocol, made: Mapping[str, Form]) -> None:
        self.protocol = protocol
        self.made = made
        self.problems: list[Problem] = []

    def add(self, code: str, place: str, found: str, expected: str, step: str = "") -> None:
        self.problems.append(Problem(code, place, found, expected, step))

    def branches(self, id: str, conditions: Mapping[str, Condition]) -> None:
        """The conditions under which the items of a form are asked."""
        form, at = self.made[id], f"assessments.{id}.asked-when"
        if form.kind not in AT_VISITS:
            self.add("C584", at, f"{id} is of type {form.kind}.", f"a form of type {listed(AT_VISITS)}")
            return
        order = [item.id for item in form.items]
        for key, condition in conditions.items():
            if key != ALL and key not in order:
                self.unknown(f"{at}.{key}", key, [ALL, *order], f"{id} has no such item")
                continue
            for term in condition.terms:
                self.term(f"{at}.{key}", term, form, before=order[: order.index(key)] if key != ALL else [])

    def check(self, id: str, check: CrossCheck) -> None:
        """One check: every item named with its form, one form at least at the visit at hand."""
        at = f"conduct.checks.{id}.if"
        n = len(self.problems)
        for term in check.if_.terms:
            self.term(at, term, None)
        places = [place for name in check.if_.items if (place := Place.read(name)) is not None]
        forms = dict.fromkeys(place.form for place in places if place.form != BASELINE)
        if len(self.problems) == n and not forms:
            self.add("C584", at, "It looks at baseline alone.", "an item of a form that is filled in at a visit")
        closed = [form for form in forms if form in self.made and self.made[form].blinding != "open"]
        if len(closed) > 1:
            found = f"{listed(closed, conjunction='and')} are quarantined: nobody who fills one in sees the other."
            self.add("C585", at, found, "at most one form that is not open")

    def term(self, at: str, term: Term, form: Form | None, before: list[str] | None = None) -> None:
        item = self.item(at, term.item, form, before)
        other = self.item(at, term.other, form, before) if term.other else None
        if item is None or (term.other and other is None):
            return
        numeric = ("integer", "decimal")
        if term.operator in (">=", "<=", ">", "<", "in") and item.type not in (*numeric, "date"):
            expected = "a number or a date, or = and !="
            self.add("C584", at, f"{str(term)!r} puts {term.item} in order, which is {item.expected}.", expected)
        elif term.operator in ("=", "!=") and not term.other and not _can_be(item, term.bound):
            self.add("C584", at, f"{term.item} is never {term.bound!r}.", item.expected)
        elif not term.operator and item.type != "yes-no":
            self.add("C584", at, f"{term.item} is not a yes or no.", f"a comparison: {term.item} = ...")

    def item(self, at: str, name: str, form: Form | None, before: list[str] | None) -> FormItem | None:
        """The item that a name means; problems where there is none, it comes later, or is quarantined."""
        if form is not None and form.item(name) is not None:
            if name not in (before or []):
                self.add("C584", at, f"{name} does not come before it.", listed(before or []) or "another form")
                return None
            return form.item(name)
        place = Place.read(name)
        if place is None:
            known = before if before is not None else []
            self.unknown(at, name, known, "Only an earlier item of the form stands without its form")
            return None
        if place.form == BASELINE:
            variable = self.protocol.model.baseline.get(place.item)
            if variable is None or place.visit:
                self.unknown(at, name, [f"baseline.{id}" for id in self.protocol.model.baseline], "It is not there")
                return None
            return baseline_item(place.item, variable)
        found = self.made.get(place.form)
        if found is None or found.kind not in AT_VISITS:
            forms = [id for id, entry in self.made.items() if entry.kind in AT_VISITS]
            self.unknown(at, place.form, forms, "There is no such form at visits")
            return None
        item = found.item(place.item)
        if item is None:
            self.unknown(at, name, [f"{found.id}.{one.id}" for one in found.items], "The form has no such item")
            return None
        if place.visit and place.form not in self.asked_at(place.visit):
            visits = [visit.name for visit in self.protocol.planned_visits if place.form in visit.assess]
            self.unknown(at, place.visit, visits, f"There is no visit of that name that asks for {place.form}")
            return None
        if form is not None and found.id == form.id and not place.visit:
            self.add("C584", at, f"{name} is of the form itself.", place.item, "Write it without the form.")
            return None
        if form is not None and found.blinding != "open":
            self.add("C585", at, f"{found.id} is {found.blinding}: what follows from it would tell it.", "an open form")
            return None
        return item

    def asked_at(self, visit: str) -> tuple[str, ...]:
        planned = windows.find_visit(self.protocol, visit)
        return planned.assess if planned is not None else ()

    def unknown(self, at: str, name: str, known: list[str], words: str) -> None:
        guess = nearest(name, known)
        step = f"Did you mean {guess}?" if guess else ""
        self.add("C584", at, f"{words}: {name!r}.", listed(known, limit=20) if known else "another form", step)


def _can_be(item: FormItem, value: str) -> bool:
    if item.choices:
        return value.lower() in [choice.lower() for choice in item.choices]
    return item.type != "yes-no" or value.lower() in ("yes", "no")
