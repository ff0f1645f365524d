"""Forms that somebody else recorded while they were being typed: theirs beside mine, and the way to correct them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from equipoise.conduct.rows.tables import EventRow
from equipoise.conduct.rules import forms
from equipoise.protocol import Protocol
from equipoise.web.visit_sheet import LEFT_OUT, answer_words, day_told, field_of, is_same_day
from equipoise.web.words import REASON_WORDS, day_words, time_words

_FEW = 12  # items shown; of a longer questionnaire the first that differ


@dataclass(frozen=True, slots=True)
class RecordedMeanwhile:
    """One form recorded meanwhile: by whom and when, each item that differs, and what was typed."""

    form: str
    label: str
    by: str
    event: int
    rows: Sequence[tuple[str, str, str]]  # item, in the record, typed
    typed: Sequence[tuple[str, str]]  # item, typed


def conflicts(request: Any, protocol: Protocol, told: Mapping[str, Any]) -> list[RecordedMeanwhile]:
    """What a submitted page says otherwise than the record, of forms that were recorded after the page was loaded."""
    found = []
    for one in told["forms"]:
        made = forms.form_of(protocol, one["form"])
        if made.kind == "daily-use":
            found.append(_days(request, made, one))
        elif "values" in one and one["state"] and made.kind != "event":
            found.append(_form(request, made, one, answer_words(protocol, made)))
    return [one for one in found if one is not None]


def _form(
    request: Any, made: forms.Form, theirs: Mapping[str, Any], answers: Mapping[str, str]
) -> RecordedMeanwhile | None:
    rows: list[tuple[str, str, str]] = []
    typed: list[tuple[str, str]] = []
    for item in made.items:
        asked = field_of(made, item, answers)
        said = request.POST.get(asked.name, "").strip()
        mine = "" if said == LEFT_OUT else said
        recorded = theirs["values"].get(item.id, "")
        if mine:
            typed.append((item.id, mine))
        if said and mine != recorded:
            words, reason = dict(asked.choices), theirs["missing"].get(item.id, "")
            shown = words.get(recorded, recorded) or REASON_WORDS.get(reason, reason).lower() or "no answer"
            rows.append((asked.label, shown, words.get(mine, mine) or "no answer"))
    if not rows:
        return None
    zone = request.served.trial.column(EventRow, "zone", number=theirs["event"])[0]
    by = f"{theirs['account']}, {theirs['role']}, {time_words(theirs['at'], theirs['offset_minutes'], zone)}"
    return RecordedMeanwhile(made.id, made.label, by, theirs["event"], rows[:_FEW], typed)


def _days(request: Any, made: forms.Form, theirs: Mapping[str, Any]) -> RecordedMeanwhile | None:
    """Days of the calendar that are told by now; each is corrected by itself."""
    rows = []
    for day in theirs["days"]:
        mine, recorded = request.POST.get(f"{made.id}.{day['date']}", "").strip(), day_told(day)
        if mine and day["told"] and recorded != "not known" and not is_same_day(mine, recorded):
            rows.append((day_words(day["date"]), recorded, mine))
    return RecordedMeanwhile(made.id, made.label, "another page or person", 0, rows[:_FEW], ()) if rows else None
