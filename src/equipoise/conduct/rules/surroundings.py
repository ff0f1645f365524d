"""What stands around a form: answers of other forms and visits that its conditions look at, and the protocol's checks.

A check belongs to every form that it names, and is looked at whenever one of them is filled in or corrected; while an
answer that it needs is not there, it does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from equipoise.conduct.rules import windows
from equipoise.foundation.errors import Problem, listed, nearest
from equipoise.protocol import Protocol
from equipoise.protocol.language.conditions import BASELINE, Condition, Place, Term
from equipoise.protocol.language.conduct import CrossCheck

if TYPE_CHECKING:
    from equipoise.conduct.rules.forms import Form, FormItem

CODES = {
    "C581": "Answers that a check of the protocol refuses.",
    "C582": "Answers that a check of the protocol asks about: confirm them, or correct them.",
    "C584": "A condition or check of the protocol that names what there is not, or what comes later.",
    "C585": "A condition or check of the protocol over what is quarantined.",
}
# Forms that are filled in at a visit and have one place there: conditions and checks look at these.
AT_VISITS = ("urine", "instrument", "finding", "event", "events")
ALL = "all"

Read = Callable[[str, str], Mapping[str, str]]  # the open answers of a form at a visit


@dataclass(frozen=True)
class Surroundings:
    """What a form at a visit is looked at together with: answers by their place, and the checks that name the form."""

    visit: str
    form: str
    elsewhere: Mapping[str, str | None] = field(default_factory=dict)
    checks: Mapping[str, CrossCheck] = field(default_factory=dict)

    def answers(self, names: tuple[str, ...], own: Mapping[str, str | None]) -> dict[str, str | None]:
        """The answer to each name of a condition: of this form, or from elsewhere."""
        out = {}
        for name in names:
            place = Place.read(name)
            here = place is not None and place.form == self.form and place.visit in ("", self.visit)
            out[name] = own.get(place.item) if place is not None and here else self.elsewhere.get(name)
        return out

    def fired(self, form: Form, own: Mapping[str, str | None]) -> dict[str, Problem]:
        """Checks that the answers run into, by name: C581 or C582, at the first item of this form that each names."""
        out = {}
        for id, check in self.checks.items():
            answers = self.answers(check.if_.items, own)
            if not check.if_.holds(answers):
                continue
            item = next(
                (
                    place.item
                    for name in check.if_.items
                    if (place := Place.read(name)) and place.form == form.id and place.visit in ("", self.visit)
                ),
                form.items[0].id if form.items else "",
            )
            told = listed([f"{name} {value}" for name, value in answers.items() if value], conjunction="and", limit=9)
            words = check.refuse or check.ask or ""
            found = f"{words.rstrip('.')} ({told})."
            code, step = ("C581", "Correct one of them.") if check.refuse else ("C582", "Correct one, or confirm it.")
            out[id] = Problem(code, f"{form.id}.{item}", found, f"not: {check.if_}", step)
        return out


def surroundings(protocol: Protocol, form: Form, visit: str, read: Read) -> Surroundings | None:
    """What stands around a form at a visit; ``None`` where the protocol has no conditions over it."""
    checks = {id: check for id, check in protocol.model.conduct.checks.items() if _names(check, form.id, visit)}
    own = {item.id for item in form.items}
    wanted = [name for item in form.items if item.when is not None for name in item.when.items if name not in own]
    wanted += [name for check in checks.values() for name in check.if_.items]
    if not wanted:
        return None
    elsewhere: dict[str, str | None] = {}
    for name in wanted:
        place = Place.read(name)
        if place is None:
            continue
        if place.form == form.id and place.visit in ("", visit):
            elsewhere[name] = None  # at the visit that it names the form itself is not filled in yet
            continue
        at = BASELINE if place.form == BASELINE else place.visit or visit
        elsewhere[name] = read(at, place.form).get(place.item)
    return Surroundings(visit, form.id, elsewhere, checks)


def _names(check: CrossCheck, form: str, visit: str) -> bool:
    places = [Place.read(name) for name in check.if_.items]
    return any(place is not None and place.form == form and place.visit in ("", visit) for place in places)


def check_conditions(protocol: Protocol) -> list[Problem]:
    """Conditions and checks of a protocol that name what there is not, what comes later, or what is quarantined."""
    return list(_check_conditions(protocol))


@lru_cache(maxsize=8)
def _check_conditions(protocol: Protocol) -> tuple[Problem, ...]:
    from equipoise.conduct.rules.forms import form_of

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
        from equipoise.conduct.rules.forms import baseline_item

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
