"""What is due, overdue and still open, participant by participant: visits, forms, days, infusions, reports, queries."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.infusion.dose import dose_visit, infusion_visit, planned_days
from equipoise.conduct.actions.permissions import ALWAYS
from equipoise.conduct.actions.repeat import run_again
from equipoise.conduct.actions.safety.adverse_event import FORM, REPORT, event_of
from equipoise.conduct.actions.visits.recording import (
    due_of,
    fillings_of,
    surroundings_of,
    values_of,
)
from equipoise.conduct.actions.visits.visit import NOT_DONE
from equipoise.conduct.clock import zone_of
from equipoise.conduct.rows.tables import IN_ERROR, FormRow, ParticipantRow, QueryRow, SiteRow, VisitRow
from equipoise.conduct.rules import adverse_events, forms, windows
from equipoise.conduct.rules.dose import is_due
from equipoise.conduct.rules.dose_places import DOSE_SHEET, SHEET
from equipoise.conduct.rules.single_dose import single_days
from equipoise.conduct.rules.status import IN_TRIAL, LEFT
from equipoise.protocol.language.interventions import BehaviouralIntervention

Filled = Mapping[tuple[str, str, int], FormRow]  # a participant's forms, by visit, form and repeat


@action("due", states=ALWAYS, again=run_again)
def due(act: Act, participant: str | None = None, days: int = 14) -> None:
    """List what is due: overdue first, then open, then what comes within ``days``; of one participant, or of all.

    Visits and their forms, days of the calendar, infusions, sessions, reports of serious events with their time limits,
    queries. Nothing is listed of who is not followed any more but reports and queries.
    """
    if not 0 <= days <= 400:
        act.refuse("C611", "days", f"Found {days}.", "0 to 400 days")
    people = [participant] if participant is not None else everybody(act)
    rows = [row for id in people for row in rows_of(act, id, days)]
    order = {"overdue": 0, "open": 1, "due": 2, "coming": 3}
    rows.sort(key=lambda row: (order[row["state"]], row["by"], row["participant"], row["what"]))
    act.load_none() if participant is None else act.load(participant)
    act.record(subject="due", what={"listed": len(rows)})
    act.tell({"due": rows})


def everybody(act: Act) -> list[str]:
    """Participants of the account's sites whose screening did not end it."""
    sites = act.sites
    rows = act.trial.values(ParticipantRow, ("participant", "site"), status__not="not_enrolled")
    return sorted(participant for participant, site in rows if not sites or site in sites)


def rows_of(act: Act, participant: str, days: int) -> Iterator[dict[str, Any]]:
    """What is due of one participant."""
    person = act.load(participant)
    zone = zone_at(act, person.site)
    today = windows.local_date(act.now.utc, zone)

    first = date.fromisoformat(person.day_1) if person.day_1 else None
    study_day = windows.study_day_of(today, first) if first is not None else None

    def row(state: str, what: str, by: date | str = "", next_step: str = "", **place: Any) -> dict[str, Any]:
        shown = by if isinstance(by, str) else by.isoformat()
        return {
            "participant": participant,
            "site": person.site,
            "state": state,
            "what": what,
            "by": shown,
            "do": next_step,
            "study_day": study_day,
            **place,
        }

    filled = fillings_of(act)
    followed = person.follow_up not in LEFT and person.status in ("consented", "eligible", *IN_TRIAL)
    if followed and person.day_1:
        yield from _visits(act, today, days, row, filled)
        if not act.roles <= {"rater"}:
            yield from _treatment(act, today, row, filled)
        yield from _calendar(act, today, row, filled)
    yield from _reports(act, zone, row, filled)
    asked = act.trial.count(QueryRow, participant=participant, state="open", blinding="open")
    if asked:
        yield row("open", f"{asked} queries to answer", "", "query-answer", kind="queries")


def today_at(act: Act, site: str) -> date:
    """The date on the wall of a site."""
    return windows.local_date(act.now.utc, zone_at(act, site))


def zone_at(act: Act, site: str) -> ZoneInfo:
    """The time zone of a site; UTC where there is no such site."""
    return zone_of(next(iter(act.trial.column(SiteRow, "zone", site=site)), "UTC"))


def _visits(act: Act, today: date, days: int, row: Any, filled: Filled) -> Iterator[dict[str, Any]]:
    states = {
        visit: (state, on)
        for visit, state, on in act.trial.values(
            VisitRow, ("visit", "state", "date"), participant=act.participant.participant, repeat=1
        )
        if state != IN_ERROR
    }
    after = act.participant.status not in IN_TRIAL
    for entry in due_of(act).values():
        if after and entry.visit.target_day > (act.protocol.model.calendar.randomization_day or 1):
            continue
        state, _ = states.get(entry.name, ("", ""))
        if state == "attended":
            for form in open_forms(act, entry.name, filled):
                words, step = f"{entry.name}: {form}", f"record, or not-done: {form}"
                yield row("open", words, entry.last, step, kind="form", form=form, **_window(entry))
        elif not state and today > entry.last:
            step = "visit, or visit-missed --why ..."
            yield row("overdue", f"visit {entry.name}", entry.last, step, kind="visit", **_window(entry))
        elif not state and entry.first <= today:
            yield row("due", f"visit {entry.name}", entry.last, "visit", kind="visit", **_window(entry))
        elif not state and (entry.first - today).days <= days:
            yield row("coming", f"visit {entry.name}", entry.target, kind="visit", **_window(entry))


def _window(entry: windows.DueVisit) -> dict[str, str]:
    """A planned visit's name and window, as data."""
    dates = {"first": entry.first, "target": entry.target, "last": entry.last}
    return {"visit": entry.name, **{name: day.isoformat() for name, day in dates.items()}}


def open_forms(act: Act, visit: str, filled: Filled) -> list[str]:
    """Forms that a visit which took place asks for, and of which nothing is recorded: neither filled nor not done."""
    out = []
    for form in forms.forms_at(act.protocol, visit):
        made = forms.form_at(act.protocol, form, visit)
        if (visit, form, 1) in filled:
            continue
        if made.kind == "daily-use":
            continue  # its days are listed by themselves
        if not forms.asks_something(made, surroundings_of(act, visit, made)):
            continue
        if made.kind == "vitals" and any(name == form for _, name, _ in filled):
            continue
        out.append(form)
    return out


def _calendar(act: Act, today: date, row: Any, filled: Filled) -> Iterator[dict[str, Any]]:
    daily = [id for id, entry in act.protocol.model.assessments.items() if entry.type == "daily-use"]
    first = date.fromisoformat(act.participant.day_1)
    wanted = [windows.date_of(day, first) for day in windows.calendar_days(act.protocol)]
    for form in daily:
        told = {made.date for made in filled.values() if (made.visit, made.form) == ("calendar", form)}
        given_up = max(
            (made.date for made in filled.values() if made.form == form and made.state == NOT_DONE), default=""
        )
        absent = [
            day
            for day in wanted
            if day < today and day.isoformat() not in told and (not given_up or day.isoformat() > given_up)
        ]
        if absent:
            words = f"{form}: {len(absent)} days, {absent[0]} to {absent[-1]}"
            step = f"calendar first={absent[0]} last={absent[-1]}"
            ends = {"first": absent[0].isoformat(), "last": absent[-1].isoformat()}
            yield row("open", words, absent[-1], step, kind="calendar", form=form, **ends)


def _treatment(act: Act, today: date, row: Any, filled: Filled) -> Iterator[dict[str, Any]]:
    """Infusions and sessions that the plan has for everybody: those of one arm would tell it."""
    if act.participant.treatment == "discontinued" or act.participant.status not in IN_TRIAL:
        return
    if act.participant.follow_up == "completed":
        return  # nothing is given any more, as the path says
    first, protocol = date.fromisoformat(act.participant.day_1), act.protocol
    for day in planned_days(protocol):
        on, sheet = windows.date_of(day, first), filled.get((infusion_visit(day), SHEET, 1))
        if (sheet is None or sheet.state not in ("ended", "cancelled", "not-given")) and on <= today:
            state, step = "overdue" if on < today else "due", "dose-sheet ..."
            yield row(state, f"infusion of day {day}", on, step, kind="infusion", target=on.isoformat())
    entry = protocol.model.calendar.randomization_day or 1
    for day in single_days(protocol):
        # One of some arms alone would tell the arm; one before the entry into the trial has no sheet.
        if day < entry or not all(is_due(protocol, arm, day) for arm in protocol.arm_ids):
            continue
        on, sheet = windows.date_of(day, first), filled.get((dose_visit(protocol, day), DOSE_SHEET, 1))
        if (sheet is None or sheet.state not in ("ended", "cancelled")) and on <= today:
            state = "overdue" if on < today else "due"
            yield row(state, f"dose of day {day}", on, "dose-sheet ...", kind="dose", target=on.isoformat())
    for id, therapy in protocol.model.interventions.items():
        if not isinstance(therapy, BehaviouralIntervention):
            continue
        if not all(id in arm.interventions for arm in protocol.model.arms.values()):
            continue
        held = {number for visit, form, number in filled if (visit, form) == ("session", id)}
        for number, planned in enumerate(therapy.session_days, 1):
            if planned is None or number in held:
                continue
            on = windows.date_of(planned, first)
            if on < today:
                step = f"session session={number} delivered=yes or no"
                yield row("overdue", f"{id}: session {number}", on, step, kind="session", target=on.isoformat())


def _reports(act: Act, zone: ZoneInfo, row: Any, filled: Filled) -> Iterator[dict[str, Any]]:
    """Reports of adverse events whose time limits run, and those whose have passed."""
    for entry in [made for made in filled.values() if (made.visit, made.form) == (FORM, FORM)]:
        values = values_of(act, FORM, FORM, entry.repeat)
        if "aware" not in values or "onset" not in values:
            continue
        told = event_of(values, act.participant.day_1)
        aware = datetime.fromisoformat(values["aware"])
        for deadline in adverse_events.deadlines(act.protocol, told, aware, zone):
            if (f"{FORM}-{entry.repeat}-{deadline.clock}", REPORT, 1) in filled:
                continue
            late = bool(adverse_events.overdue([deadline], (), act.now.utc))
            by = deadline.due.astimezone(zone).isoformat(timespec="minutes")
            left = _left(deadline.due - act.now.utc)
            words = f"adverse event {entry.repeat}: {_report(deadline.clock, deadline.to)}, {left}"
            step = f"adverse-event-reported event={entry.repeat} report={deadline.clock}"
            told_to = {"report": deadline.clock, "to": deadline.to}
            yield row("overdue" if late else "due", words, by, step, kind="report", event=entry.repeat, **told_to)


def _report(clock: str, to: str) -> str:
    """A report by whom it goes to, with its name where that is another word: it is recorded by that name."""
    whom = to if to.startswith("the ") else f"the {to}"
    return f"report to {whom}" if clock == to else f"report to {whom} ({clock})"


def _left(time: timedelta) -> str:
    hours = abs(int(time.total_seconds() // 3600)) if time >= timedelta(0) else int(-time.total_seconds() // 3600)
    words = f"{hours} h" if hours < 72 else f"{hours // 24} days"
    return f"{words} left" if time >= timedelta(0) else f"{words} late"
