"""What a visit asks, and what is recorded of it: all that a page or a sheet for it is made from."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.permissions import ALWAYS, MATRIX
from equipoise.conduct.actions.repeat import run_again
from equipoise.conduct.actions.visits.participants import standing
from equipoise.conduct.actions.visits.query import queries_shown
from equipoise.conduct.actions.visits.recording import (
    READS_QUARANTINED,
    due_of,
    form_of,
    is_seen,
    raise_problems,
    repeats_of,
    surroundings_of,
)
from equipoise.conduct.actions.visits.visit import require_begun, visit_row
from equipoise.conduct.rows.joined import filled_items
from equipoise.conduct.rows.tables import IN_ERROR, EventRow, ItemRow
from equipoise.conduct.rules import forms, windows

_RECORDED_IN = ("open", "paused")  # states of the trial in which something new is recorded
LOOK_BACK = 30  # days that a calendar asks about at a visit by itself, as at admission
_OWN = ("vitals",)  # forms that are recorded by actions of their own


@action("read-visit", states=ALWAYS, again=run_again)
def read_visit(act: Act, participant: str, visit: str) -> None:
    """Read what a visit asks and what is recorded of it: its window, its forms, whether this account records them.

    What is quarantined is one line, whatever stands there; that somebody read is recorded, what they read is not.
    """
    raise_problems(windows.check_visit_name(act.protocol, visit))
    due = due_of(act).get(visit)
    if due is None and not windows.is_unscheduled(visit):
        require_begun(act, visit, due)
    row = visit_row(act, visit)
    today = act.now.local_date
    held = date.fromisoformat(row.date) if row is not None and row.date else None
    first = date.fromisoformat(act.participant.day_1)
    asked = [name for name in forms.forms_at(act.protocol, visit) if is_seen(act, name)]
    act.record(subject=f"reading {visit}", what={"forms": asked})
    act.tell(
        {
            "standing": standing(act, participant),
            "visit": visit,
            "planned": due is not None,
            "state": row.state if row is not None else "",
            "date": row.date if row is not None else "",
            "by": row.note if row is not None else "",
            "reason": row.reason if row is not None else "",
            "study_day": windows.study_day_of(held or today, first),
            "today": today.isoformat(),
            "timing": due.timing(held or today) if due is not None else "unscheduled",
            "window": [day.isoformat() for day in (due.first, due.target, due.last)] if due is not None else [],
            "may_hold": row is None and bool(act.roles & MATRIX["visit"]) and act.state.state in _RECORDED_IN,
            "forms": [form_told(act, visit, name, held) for name in asked],
            "queries": queries_shown(act, participant=participant, visit=visit),
        }
    )


def form_told(act: Act, visit: str, name: str, held: date | None) -> dict[str, Any]:
    """One form of a visit: whether the account records it, its state, and what may be seen of it."""
    made = forms.form_at(act.protocol, name, visit)
    is_open = made.blinding == "open"
    mine = act.roles - READS_QUARANTINED if is_open else act.roles & {"infusion", "safety"}
    right = "calendar" if made.kind == "daily-use" else "record"
    shown: dict[str, Any] = {
        "form": name,
        "label": made.label,
        "kind": made.kind,
        "blinding": made.blinding,
        "may": made.kind not in _OWN and bool(mine & MATRIX[right]) and act.state.state in _RECORDED_IN,
        "may_correct": bool(mine & MATRIX["correct"]) and act.state.state != "locked",
    }
    if made.kind == "daily-use":
        return shown | {"state": "", "days": _days(act, visit, name, held)}
    if (around := surroundings_of(act, visit, made)) is not None:
        # what the conditions of its items and the protocol's checks look at elsewhere
        shown |= {"asks": forms.asks_something(made, around), "elsewhere": dict(around.elsewhere)}
    row = form_of(act, visit, name)
    shown["state"] = row.state if row is not None else ""
    if made.kind in _OWN:
        shown["state"] = ""  # how many readings there are may tell the arm
    if row is not None and made.kind not in _OWN:
        shown |= {"on": row.date, "reason": row.reason, **_recorded(act, row)}
        if is_open:
            shown |= _values(act, visit, name)
    return shown


def _recorded(act: Act, row: Any) -> dict[str, Any]:
    """Who recorded a form, and when."""
    found = act.trial.values(EventRow, ("account", "role", "at", "offset_minutes"), number=row.event_number)[0]
    return dict(zip(("account", "role", "at", "offset_minutes"), found, strict=True)) | {"event": row.event_number}


def _values(act: Act, visit: str, name: str) -> dict[str, Any]:
    who, texts = act.participant.participant, act.texts
    columns = ("item", "type", "value", "missing")
    rows = act.trial.values(ItemRow, columns, participant=who, visit=visit, form=name, repeat=1)
    return {
        "values": {
            item: texts.shown(value, who) if kind == "text" and not act.reads_names else value
            for item, kind, value, missing in rows
            if not missing
        },
        "missing": {item: missing for item, _, _, missing in rows if missing},
    }


def _days(act: Act, visit: str, name: str, held: date | None) -> list[dict[str, Any]]:
    """The days that the calendar asks about at this visit, with what was told of each.

    In a series of visits the days of the plan that nobody told yet, up to the visit; at a visit by itself the days
    before it. The week before the first of them is shown with what was told.
    """
    first = date.fromisoformat(act.participant.day_1)
    until = held or act.now.local_date
    planned = windows.find_visit(act.protocol, visit)
    in_plan = [windows.date_of(day, first) for day in windows.calendar_days(act.protocol)]
    told = {row.date for row in repeats_of(act, "calendar", name) if row.state != IN_ERROR}
    substance = act.protocol.model.assessments[name].substances[0]
    if planned is not None and windows.date_of(planned.target_day, first) in in_plan:
        asked = [day for day in in_plan if day <= until]
        untold = [day for day in asked if day.isoformat() not in told]
        begin = untold[0] if untold else until
        shown = [day for day in asked if day >= begin - timedelta(days=7)]
    else:
        shown = [until - timedelta(days=back) for back in range(LOOK_BACK, 0, -1)]
    values = _told_days(act, name, substance)
    return [
        {
            "date": day.isoformat(),
            "study_day": windows.study_day_of(day, first),
            "told": day.isoformat() in told,
            **values.get(day.isoformat(), {"used": "", "amount": "", "unit": "", "missing": ""}),
        }
        for day in shown
    ]


def _told_days(act: Act, name: str, substance: str) -> dict[str, dict[str, str]]:
    told = filled_items(act.trial, act.participant.participant, name)
    rows = [one for one in told if one.visit == "calendar" and one.state != IN_ERROR and one.blinding == "open"]
    out: dict[str, dict[str, str]] = {}
    for one in rows:
        item, value = one.item, one.value
        day = out.setdefault(one.date, {"used": "", "amount": "", "unit": "", "missing": ""})
        if item == substance:
            day["used"], day["missing"] = value, one.missing
        elif item in (f"{substance}.amount", f"{substance}.unit"):
            day[item.rpartition(".")[2]] = value
    return out
