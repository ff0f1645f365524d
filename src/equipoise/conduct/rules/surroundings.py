"""What stands around a form: answers of other forms and visits that its conditions look at, and the protocol's checks.

A check belongs to every form that it names, and is looked at whenever one of them is filled in or corrected; while an
answer that it needs is not there, it does not hold.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from equipoise.conduct.rules.form_items import Form
from equipoise.foundation.errors import Problem, listed
from equipoise.protocol import Protocol
from equipoise.protocol.language.conditions import BASELINE, Place
from equipoise.protocol.language.conduct import CrossCheck

CODES = {
    "C581": "A check of the protocol refuses these answers.",
    "C582": "A check of the protocol queries these answers: confirm or correct them.",
}
# Forms that are filled in at a visit and have one place there: conditions and checks look at these.
AT_VISITS = ("urine", "instrument", "finding", "event", "events")

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
