"""Adverse events: reported, brought up to date, and passed on within the protocol's time limits."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.history import require_day, require_told
from equipoise.conduct.actions.visits.recording import (
    form_of,
    form_rows,
    raise_problems,
    repeats_of,
    values_of,
)
from equipoise.conduct.clock import zone_of
from equipoise.conduct.rules import adverse_events as rules
from equipoise.conduct.rules.partial_dates import PartialDate
from equipoise.conduct.rules.windows import study_day_of

CODES = {"C613": "No time limit requires this report of an adverse event, or it was made already."}
FORM, REPORT = "adverse-event", "adverse-event-report"


def event_of(values: dict[str, str], day_1: str) -> rules.ReportedEvent:
    """The event that the recorded values tell; before study day 1 is known it is dated by its onset alone."""
    onset = PartialDate(values["onset"])
    first = date.fromisoformat(day_1) if day_1 else onset.day
    return rules.ReportedEvent(
        term=values.get("term", "(redacted)"),
        onset_day=_study_day(onset, first),
        severity=values["severity"],
        serious=tuple(part for part in values.get("serious", "").split(",") if part),
        related={"yes": True, "no": False}.get(values.get("related", "")),
        expected={"yes": True, "no": False}.get(values.get("expected", "")),
        end_day=_study_day(PartialDate(values["end"]), first) if "end" in values else None,
        outcome=values.get("outcome", "not known"),
    )


def _study_day(told: PartialDate, day_1: date | None) -> int | None:
    return study_day_of(told.day, day_1) if told.day is not None and day_1 is not None else None


def _record(act: Act, number: int, values: dict[str, str], *, is_new: bool) -> None:
    event = event_of(values, act.participant.day_1)
    raise_problems(rules.check_event(event))
    onset, end = PartialDate(values["onset"]), PartialDate(values.get("end", "unknown"))
    if onset.first is not None and end.last is not None and end.last < onset.first:
        act.refuse("C550", "end", f"It ended ({end}) before it began ({onset}).", "an end from the onset on")
    types = {
        "onset": "date",
        "end": "date",
        "related": "yes-no",
        "expected": "yes-no",
        "aware": "time",
        "severity": "choice",
        "outcome": "choice",
    }
    names = ("term", "onset", "end", "severity", "serious", "related", "expected", "outcome", "aware")
    items = {id: (types.get(id, "text"), values.get(id), "") for id in names}
    for id in ("onset", "end"):
        if id in values and PartialDate(values[id]).day is None:
            items[id] = ("partial-date", values[id], "")
    rows = form_rows(act, FORM, FORM, items, repeat=number, on=act.now.local_date, is_new=is_new, missing="not-known")
    due = rules.deadlines(act.protocol, event, datetime.fromisoformat(values["aware"]), zone_of(act.now.zone))
    reports = [{"report": d.clock, "to": d.to, "due": d.due.isoformat()} for d in due]
    act.record(
        subject=f"adverse event {number}",
        what={"reports": reports, "put": rows},
        answer={
            "participant": act.participant.participant,
            "event": number,
            "serious": event.is_serious,
            "reports": reports,
        },
    )


@action("adverse-event", states=("open", "frozen"))
def adverse_event(
    act: Act,
    participant: str,
    term: str,
    onset: PartialDate,
    severity: str,
    serious: list[str] | None = None,
    related: bool | None = None,
    expected: bool | None = None,
    end: PartialDate | None = None,
    outcome: str = "not known",
    aware: str = "",
) -> None:
    """Report an adverse event in the reporter's own words; the answer says which reports are due, to whom, by when.

    ``onset`` and ``end`` are dates as far as they are known: 2027-03-14, the month 2027-03, the year 2027, or unknown.
    ``serious`` lists the criteria of seriousness met; ``aware`` is the local time at which the site knew, by default
    now.
    """
    act.take("report_event")
    require_told(act, "adverse event", onset, "onset")
    known = _aware(act, aware, onset)
    values = {
        "term": term.strip(),
        "onset": str(onset),
        "severity": severity,
        "outcome": outcome,
        "serious": ",".join(serious or []),
        "aware": known.replace(microsecond=0).isoformat(),
    }
    values |= _optional(related=related, expected=expected, end=_end(act, end, onset))
    _record(act, len(repeats_of(act, FORM, FORM)) + 1, values, is_new=True)


def _aware(act: Act, aware: str, onset: PartialDate) -> datetime:
    """When the site knew: now, or a local time since the onset that has passed."""
    if not aware:
        return act.now.utc
    zone = zone_of(act.now.zone)
    try:
        local = datetime.fromisoformat(aware)
        known = (local if local.tzinfo else local.replace(tzinfo=zone)).astimezone(UTC)
    except (ValueError, OverflowError):
        act.refuse("C550", "aware", f"{aware!r} is not a time.", "a local time such as 2027-01-31T10:40")
    if known > act.now.utc:
        act.refuse("C550", "aware", f"{aware} has not come yet.", "a time that has passed")
    require_day(act, "knowledge of an adverse event", known.astimezone(zone).date(), "aware", onset=onset)
    return known


def _end(act: Act, end: PartialDate | None, onset: PartialDate) -> PartialDate | None:
    return require_told(act, "end of an adverse event", end, "end", onset=onset) if end is not None else None


def _optional(**given: Any) -> dict[str, str]:
    out = {}
    for name, value in given.items():
        if value is not None:
            out[name] = ("yes" if value else "no") if isinstance(value, bool) else str(value)
    return out


@action("adverse-event-update", states=("open", "frozen"), why=True)
def adverse_event_update(
    act: Act,
    participant: str,
    event: int,
    term: str | None = None,
    severity: str | None = None,
    serious: list[str] | None = None,
    related: bool | None = None,
    expected: bool | None = None,
    end: PartialDate | None = None,
    outcome: str | None = None,
    onset: PartialDate | None = None,
    aware: str = "",
) -> None:
    """Bring an adverse event up to date, or correct it, with the reason; its time limits run from when the site first
    knew (``aware``).
    """
    act.take("report_event")
    values = values_of(act, FORM, FORM, event)
    if not values or form_of(act, FORM, FORM, event) is None:
        act.refuse("C602", f"event {event}", "There is no such event.", "an event that was reported")
    told = {"term": term, "severity": severity, "outcome": outcome}
    values |= {name: value for name, value in told.items() if value is not None}
    if serious is not None:
        values["serious"] = ",".join(serious)
    began = PartialDate(values["onset"])
    if onset is not None:
        began = require_told(act, "adverse event", onset, "onset")
    known = datetime.fromisoformat(values["aware"])
    if aware or onset is not None:
        known = _aware(act, aware or known.isoformat(), began)
    values |= {"onset": str(began), "aware": known.replace(microsecond=0).isoformat()}
    values |= _optional(related=related, expected=expected, end=_end(act, end, began))
    _record(act, event, values, is_new=False)


@action("adverse-event-reported", states=("open", "frozen"))
def adverse_event_reported(act: Act, participant: str, event: int, report: str, reference: str = "") -> None:
    """Note that an adverse event was passed on: which of the due reports, and the reference it was given."""
    act.take("report_event")
    values = values_of(act, FORM, FORM, event)
    if not values or form_of(act, FORM, FORM, event) is None:
        act.refuse("C602", f"event {event}", "There is no such event.", "an event that was reported")
    zone = zone_of(act.now.zone)
    told = event_of(values, act.participant.day_1)
    due = {d.clock: d for d in rules.deadlines(act.protocol, told, datetime.fromisoformat(values["aware"]), zone)}
    if report not in due:
        act.refuse("C613", "report", f"No {report!r} is due.", ", ".join(due) or "nothing")
    place = f"{FORM}-{event}-{report}"
    if form_of(act, place, REPORT) is not None:
        act.refuse("C613", "report", f"The report {report} was made.", "a report that is due")
    late = bool(rules.overdue([due[report]], (), act.now.utc))
    if late:
        act.require_why(f"The report {report} is late")
    items: dict[str, tuple[str, str | None, str]] = {
        "reference": ("text", reference or None, ""),
        "late": ("yes-no", "yes" if late else "no", ""),
    }
    act.record(
        subject=f"adverse event {event}",
        what={"put": form_rows(act, place, REPORT, items, on=act.now.local_date)},
        answer={"participant": participant, "event": event, "report": report, "late": late},
    )
