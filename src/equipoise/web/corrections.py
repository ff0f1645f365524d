"""What is recorded of a participant as fields that can be corrected, and what a correction would change, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import Any

from equipoise.conduct.actions.dispatch import Preview
from equipoise.conduct.actions.infusion.infusion import RUN
from equipoise.conduct.rows.tables import IN_ERROR
from equipoise.conduct.rules import forms
from equipoise.conduct.rules.dose_places import DOSE_SHEET, SHEET
from equipoise.protocol import Protocol
from equipoise.web.fields import Field
from equipoise.web.visit_sheet import answer_words, field_of
from equipoise.web.words import REASON_WORDS, counted, day_words, joined_words, standing_words, visit_words

SLIPS = (
    ("slip", "Slip of typing"),
    ("misread", "Misread from paper"),
    ("source", "The source was corrected"),
    ("learned", "Learned later"),
    ("other", "Other, in words"),
)
VISIT = ""  # the form of a correction that is of the visit itself
NOT_KNOWN = "not-known"
NO_ANSWER = "left-out"
_HAS_DATE = ("session", "weight", "disposition")
_DATE = "(date)"
_HIDDEN = "quarantined until lock"


@dataclass(frozen=True, slots=True)
class RecordedForm:
    """Where something is recorded; without ``form`` it is the visit itself."""

    participant: str
    visit: str
    form: str
    repeat: int = 1

    @property
    def words(self) -> str:
        """The place as people say it."""
        if self.visit == "calendar":
            return f"Calendar, {day_words(date.fromordinal(self.repeat))}"
        if self.form == VISIT:
            return f"{visit_words(self.visit)}, its date"
        label = self.form.replace("-", " ").capitalize()
        number = f" {self.repeat}" if self.visit in ("session", "weight", "adverse-event", RUN) else ""
        if self.visit in (self.form, "session"):
            return f"{label}{number}"
        return f"{label}, {self.visit.replace('-', ' ')}"


@dataclass
class CorrectedEntry:
    """One value that can be corrected: its field, and what the record says of it in words and as it is stored."""

    field: Field
    old: str
    stored: str

    @property
    def is_new(self) -> bool:
        """Whether something else was typed than the record says."""
        return self.field.value != self.stored

    @property
    def new(self) -> str:
        """What was typed, in words."""
        if self.field.value in ("", NO_ANSWER):
            return "no answer"
        return dict(self.field.choices).get(self.field.value) or f"{self.field.value} {self.field.unit}".strip()


@dataclass
class Recorded:
    """What is recorded at a place: the fields, the event it stands at, and who recorded it."""

    place: RecordedForm
    entries: list[CorrectedEntry] = field(default_factory=list)
    sealed: bool = False
    event: int = 0
    by: str = ""
    at: str = ""

    @property
    def changed(self) -> list[CorrectedEntry]:
        """What was typed that differs from the record."""
        return [entry for entry in self.entries if entry.is_new]


def read_place(protocol: Protocol, told: Mapping[str, Any], place: RecordedForm) -> Recorded | None:
    """The values recorded at a place as ``read`` tells them; ``None`` where nothing is."""
    if place.form == VISIT:
        return _visit(told, place)
    values = told["forms"].get(f"{place.visit} {place.form} {place.repeat}")
    found = Recorded(place)
    if values is None and f"{place.visit} {place.form}" in told["not_done"]:
        found.entries.append(CorrectedEntry(Field("(state)", "The form"), "not done", ""))
        return found
    if values is None:
        if told["forms"].get(f"{place.visit} {place.form}", {}).get("items") is None:
            return None
        found.sealed, values = True, {}
    elif values.get("items") == _HIDDEN:
        found.sealed, values = True, {}
    elif values.get("state") in (IN_ERROR, "not-done", None):
        return None
    items = _items(protocol, place)
    for item in items:
        stored = values.get(item.name, "")
        if stored.startswith("(") and stored.endswith(")"):
            old, stored = REASON_WORDS.get(stored[1:-1], stored[1:-1]).lower(), ""
            stored = NOT_KNOWN if place.visit == "calendar" and item.kind == "pick" else NO_ANSWER
        elif found.sealed:
            old, stored = "sealed", ""
        else:
            old = dict(item.choices).get(stored) or f"{stored} {item.unit}".strip()
        if stored == NO_ANSWER and not item.choices:
            stored = ""
        item.value = stored
        found.entries.append(CorrectedEntry(item, old or "nothing", stored))
    on = told["dates"].get(f"{place.visit} {place.form} {place.repeat}", "") or _date_of(told, place)
    if place.visit in _HAS_DATE:
        words = day_words(on, week=False)
        found.entries.append(CorrectedEntry(Field(_DATE, "Date", "date", value=words), words or "nothing", words))
    return found


def _date_of(told: Mapping[str, Any], place: RecordedForm) -> str:
    return str(told.get("own_dates", {}).get(f"{place.visit} {place.form} {place.repeat}", ""))


def _visit(told: Mapping[str, Any], place: RecordedForm) -> Recorded | None:
    row = told["visits"].get(place.visit)
    if row is None or row["state"] != "attended":
        return None
    words = day_words(row["date"], week=False)
    found = Recorded(place)
    found.entries.append(CorrectedEntry(Field(_DATE, "Held on", "date", value=words), words, words))
    return found


def _items(protocol: Protocol, place: RecordedForm) -> list[Field]:
    """Empty fields for everything that can be corrected at a place."""
    if place.form == "baseline":
        return [_baseline(id, one) for id, one in protocol.model.recorded_baseline.items()]
    if place.form == "weight":
        return [Field("kg", "Weight", "number", unit="kg")]
    if place.form == "disposition":
        return [Field("reason", "Reason", "text")]
    if place.form == RUN:
        return [
            Field("at", "At", "text", hint="as 2027-04-06T10:40"),
            Field("rate", "Rate", "number", unit="mL/h"),
        ]
    made = forms.forms(protocol).get(place.form)
    if made is None:
        return []
    if made.kind == "vitals":
        made = forms.form_at(protocol, place.form, place.visit)
    out, words = [], answer_words(protocol, made)
    for item in made.items:
        one = field_of(made, item, words)
        one.name, one.label = item.id, item.label
        if one.kind == "line":
            one.kind = "number"
        if place.visit == "calendar" and one.kind == "pick":
            one.choices = [*one.choices, (NOT_KNOWN, "Not known")]
        elif one.kind == "pick":
            one.choices = [*one.choices, (NO_ANSWER, "No answer")]
        out.append(one)
    return out


def _baseline(id: str, variable: Any) -> Field:
    if variable.type == "number":
        return Field(id, id.replace("-", " ").capitalize(), "number", unit=variable.unit or "")
    levels = ("yes", "no") if variable.type == "yes-no" else variable.levels
    choices = [(level, level.replace("-", " ").capitalize()) for level in levels]
    return Field(id, id.replace("-", " ").capitalize(), "pick", choices=choices)


def arguments(found: Recorded, to_iso: Any) -> dict[str, Any]:
    """A correction as the actions take it: what differs from the record; of a sealed form everything."""
    place = found.place
    entries = found.entries if found.sealed else found.changed
    on = next((to_iso(entry.field.value) for entry in entries if entry.field.name == _DATE), None)
    if place.form == VISIT:
        return {"participant": place.participant, "visit": place.visit, "on": on or ""}
    answers = {
        entry.field.name: None if entry.field.value in ("", NO_ANSWER, NOT_KNOWN) else _value(entry, to_iso)
        for entry in entries
        if entry.field.name != _DATE
    }
    given: dict[str, Any] = {
        "participant": place.participant,
        "visit": place.visit,
        "form": place.form,
        "repeat": place.repeat,
        "answers": answers,
        "as_of": found.event,
    }
    return given | ({"on": on} if on else {})


def _value(entry: CorrectedEntry, to_iso: Any) -> str:
    return str(to_iso(entry.field.value)) if entry.field.kind == "date" else entry.field.value


def scores_changed(protocol: Protocol, found: Recorded) -> list[tuple[str, str, str]]:
    """Scores before and after, where they differ."""
    made = forms.forms(protocol).get(found.place.form)
    if made is None or found.sealed or made.instrument is None:
        return []
    known = [entry for entry in found.entries if entry.field.name != _DATE]
    before = forms.fill(made, {entry.field.name: _given(entry.stored) for entry in known}).scores
    after = forms.fill(made, {entry.field.name: _given(entry.field.value) for entry in known}).scores
    return [
        (scale.replace("-", " ").capitalize(), _score(before.get(scale)), _score(after.get(scale)))
        for scale in after
        if before.get(scale) != after.get(scale)
    ]


def _given(value: str) -> str | None:
    return None if value in ("", NO_ANSWER) else value


def _score(value: str | None) -> str:
    return "not scored" if value is None else f"{round(float(value), 2):g}"


_FALLS = {
    "eligibility": "The decision on eligibility falls: an investigator decides anew.",
    SHEET: "The dose sheet that rests on it is void: it is prepared and checked anew.",
    DOSE_SHEET: "The dose sheet that rests on it is void: it is prepared and checked anew.",
}


def consequences(told: Preview) -> list[str]:
    """What else a correction would change, in sentences, from the rows that the action would write."""
    out = []
    for row in told.put.get("form", ()):
        if row.get("state") == "void":
            out.append(_FALLS.get(row["form"], f"{row['form'].replace('-', ' ').capitalize()} is void."))
        elif row.get("state") == "held":
            because = " ".join(told.answer.get("because", ()))
            out.append(f"It is held until another person has measured again. {because}".strip())
        elif row.get("state") == IN_ERROR:
            out.append("It is taken back: no table and no analysis counts it. It can be recorded anew.")
    for row in told.put.get("query", ()):
        if row.get("state") == "closed":
            out.append(f"Query {row['query']} closes by itself: its cause is gone.")
        elif row.get("text"):
            out.append(f"A query opens by itself: {row['text']}")
    for row in told.put.get("participant", ()):
        known = {"status": "", "treatment": "", "follow_up": "in", **row}
        out.append(f"Where {row['participant']} stands changes: {standing_words(known)}.")
    superseded = [row for row in told.put.get("signature", ()) if row.get("state") == "superseded"]
    if superseded:
        out.append(f"{counted(len(superseded), 'signature')} no longer cover what stands: sign again.")
    cleared = told.answer.get("cleared") or ()
    if cleared:
        out.append(f"No longer asked, and cleared: {joined_words([name.replace('-', ' ') for name in cleared])}.")
    if told.answer.get("timing") in ("early", "late"):
        out.append(f"The visit is then {told.answer['timing']}: outside its window, a deviation with your reason.")
    if given := told.answer.get("given_by_the_old_weight"):
        out.append(f"Given by the old weight: {joined_words(_named(given))}. The infusion stands.")
    return list(dict.fromkeys(out))


def _named(visits: Sequence[str]) -> list[str]:
    return [visit.replace("-", " ") for visit in visits]


def reason_words(slip: str, words: str) -> str:
    """The reason as it stands in the ledger."""
    label = dict(SLIPS).get(slip, "")
    if slip == "other":
        return words
    return f"{label}: {words}" if words else label
