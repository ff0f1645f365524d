"""Contacts: visits that took place or were missed, what was asked at them, the calendar, corrections."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.history import landmarks, require_day, visit_kind
from equipoise.conduct.actions.permissions import MATRIX
from equipoise.conduct.actions.visits.query import asked_by_checks
from equipoise.conduct.actions.visits.recording import (
    day_1_of,
    day_of,
    due_of,
    filled_rows,
    form_of,
    form_rows,
    joined,
    raise_problems,
    repeats_of,
    require_may_record,
    surroundings_of,
    values_of,
)
from equipoise.conduct.rows.tables import IN_ERROR, FormRow, VisitRow
from equipoise.conduct.rules import forms, windows
from equipoise.conduct.rules.forms import item_of
from equipoise.conduct.rules.status import IN_TRIAL
from equipoise.foundation.errors import ConductError, Problem, listed
from equipoise.protocol.language.interventions import BehaviouralIntervention

if TYPE_CHECKING:
    pass

NOT_KNOWN = "not-known"  # of a day: asked, and the person does not know
NOT_DONE = "not-done"  # the state of a form that was left out on purpose, with the reason
LOOK_BACK_DAYS = 400  # how far before the consent a calendar may ask

CODES = {
    "C610": "The visit is recorded already, or is not recorded yet.",
    "C611": "Days of the calendar cannot be recorded.",
    "C612": "The protocol has no such therapy or session.",
}


def visit_row(act: Act, visit: str) -> Any:
    """The row of a visit, if it was recorded and not taken back as entered in error."""
    row = act.trial.first(VisitRow, participant=act.participant.participant, visit=visit, repeat=1)
    return None if row is None or row.state == IN_ERROR else row


@action("visit")
def visit(act: Act, participant: str, visit: str, on: date | None = None, by: str = "person") -> None:
    """Record that a visit took place; outside its window with the reason. ``by`` is person or telephone."""
    if by not in ("person", "telephone"):
        act.refuse("C610", "by", f"Found {by!r}.", "person or telephone")
    raise_problems(windows.check_visit_name(act.protocol, visit))
    changed = act.take("call" if by == "telephone" else "hold_visit", on=on)
    due = due_of(act).get(visit)
    day = require_day(act, visit_kind(act, due.visit.target_day if due is not None else None), on)
    first = day_1_of(act)
    require_begun(act, visit, due)
    after = not act.course.is_in_trial
    if after and (due is None or due.visit.target_day > (act.protocol.model.calendar.randomization_day or 1)):
        act.refuse(
            "C501", visit, f"The participant {act.course.words}.", "a visit planned before the entry into the trial"
        )
    if due is not None:
        raise_problems(windows.check_timing(due, day, act.why))
    before = visit_row(act, visit)
    if before is not None:
        if before.state == "attended" and before.date == day.isoformat():
            act.refuse("C610", visit, f"It is recorded: {before.state} on {before.date}.", "another date, or nothing")
        act.require_why("A recorded visit was changed")
    row = {
        "participant": participant,
        "visit": visit,
        "repeat": 1,
        "state": "attended",
        "date": day.isoformat(),
        "study_day": str(windows.study_day_of(day, first)),
        "reason": act.why,
        "note": by,
    }
    put: dict[str, list[dict[str, Any]]] = {"visit": [row]}
    if before is not None and before.date and (asked := forms_on(act, visit)):
        put["form"] = [{**form, "date": day.isoformat()} for form in asked]  # what was asked at it was asked that day
    if changed:
        put["participant"] = [{"participant": participant, **changed}]
    timing = due.timing(day) if due is not None else "unscheduled"
    act.record(
        subject=visit,
        what={"timing": timing, "put": put},
        answer={
            "participant": participant,
            "visit": visit,
            "study_day": row["study_day"],
            "timing": timing,
            "forms": list(forms.forms_at(act.protocol, visit)) if due is not None else [],
        },
    )


def forms_on(act: Act, visit: str) -> list[dict[str, Any]]:
    """Keys of the forms that were recorded at a visit and stand."""
    rows = act.trial.values(
        FormRow,
        ("form", "repeat"),
        participant=act.participant.participant,
        visit=visit,
        state__not=IN_ERROR,
        order=("form", "repeat"),
    )
    return [
        {"participant": act.participant.participant, "visit": visit, "form": form, "repeat": repeat}
        for form, repeat in rows
    ]


def require_begun(act: Act, visit: str, due: windows.DueVisit | None) -> None:
    """Refuse a visit of a later stage before the stage has begun (C614)."""
    planned = windows.find_visit(act.protocol, visit)
    if due is None and planned is not None:
        act.refuse(
            "C614",
            visit,
            f"It belongs to the stage {planned.stage}, which has not begun.",
            "a stage that the participant entered",
            "enter-stage, then randomize stage=... where it randomizes.",
        )


@action("visit-missed", why=True)
def visit_missed(act: Act, participant: str, visit: str) -> None:
    """Record that a planned visit did not take place, with the reason, once its window has closed."""
    act.take("miss_visit")
    due = due_of(act).get(visit)
    if due is None:
        raise_problems(windows.check_visit_name(act.protocol, visit))
        require_begun(act, visit, due)
        act.refuse("C530", "visit", f"{visit} was not planned.", "a planned visit")
    before = visit_row(act, visit)
    if before is not None:
        act.refuse(
            "C610",
            visit,
            f"It is recorded: {before.state}.",
            "a visit of which nothing is recorded",
            "Correct it by the action visit, with a reason.",
        )
    if act.course.follow_up == "in":
        raise_problems(windows.check_missed(due, act.now.local_date))
    row = {"participant": participant, "visit": visit, "repeat": 1, "state": "missed", "reason": act.why}
    answer = {"participant": participant, "visit": visit, "state": "missed"}
    act.record(subject=visit, what={"put": {"visit": [row]}}, answer=answer)


def _require_attended(act: Act, visit: str) -> date:
    row = visit_row(act, visit)
    if row is None or row.state != "attended":
        act.refuse(
            "C610",
            visit,
            "It is not recorded that it took place.",
            "a visit that was recorded",
            "Record it: the action visit.",
        )
    return date.fromisoformat(row.date)


def texts_of(answers: dict[str, Any]) -> dict[str, str | None]:
    """Answers as text."""
    out: dict[str, str | None] = {}
    for id, value in answers.items():
        out[id] = None if value is None else ("yes" if value else "no") if isinstance(value, bool) else str(value)
    return out


@action("record")
def record(
    act: Act,
    participant: str,
    visit: str,
    form: str,
    answers: dict[str, Any],
    confirm: list[str] | None = None,
    missing: dict[str, Any] | None = None,
) -> None:
    """Record a form at a visit: urine, craving, a questionnaire, a guess of the arm, whether adverse events were asked.

    ``missing`` tells why answers are absent, by item or for ``all`` of them: refused, no-answer, not-known, not-asked
    or lost. A form that was not done at all: not-done.
    """
    protocol = act.protocol
    asked = forms.forms_at(protocol, visit)
    if form not in asked or form not in protocol.model.assessments:
        act.refuse("C577", form, f"The visit {visit} does not ask for it.", listed(asked))
    made = forms.form_at(protocol, form, visit)
    if made.kind in ("daily-use", "vitals"):
        act.refuse(
            "C577",
            form,
            f"A form of type {made.kind} has an action of its own.",
            "calendar or infusion-vitals",
        )
    require_may_record(act, made)
    day = _require_attended(act, visit)
    before = form_of(act, visit, form)
    if before is not None and before.state == NOT_DONE:
        act.require_why("A form that was called not done was recorded")
    elif before is not None:
        act.refuse("C601", form, f"It is recorded at {visit}.", "a form that is not there yet", "Use correct.")
    if made.blinding != "open":
        act.hide("answers", "confirm", "missing")
    told = texts_of(answers)
    reasons, wrong = forms.reasons_of(made, told, {id: str(reason) for id, reason in (missing or {}).items()})
    raise_problems(wrong)
    around = surroundings_of(act, visit, made)
    if not forms.asks_something(made, around):
        why = listed([str(item.when) for item in made.items[:1]])
        act.refuse("C577", form, "None of it is asked of this participant.", f"a participant of whom it holds: {why}")
    filling = forms.fill(made, told, confirmed=confirm or (), excused=reasons, around=around)
    stray = _not_asked(made, filling, missing or {})
    raise_problems([*filling.hard, *filling.soft, *stray, *forms.check_dates(made, filling, day)])
    rows = joined(
        filled_rows(act, visit, made, filling, on=day, is_new=before is None, reasons=reasons),
        asked_by_checks(act, visit, made, filling),
    )
    shown = {} if made.blinding != "open" else dict(filling.scores)
    act.record(
        subject=f"{visit} {form}",
        what={"put": rows},
        answer={"participant": participant, "visit": visit, "form": form, "scores": shown},
    )


def _not_asked(made: forms.Form, filling: forms.Filling, missing: Mapping[str, Any]) -> list[Problem]:
    """Answers, and reasons for absent ones, of items that the other answers put out of question (C574)."""
    if filling.hard:  # what is wrong with the others comes first
        return []
    told = [*filling.cleared, *(id for id in missing if id != "all" and id not in filling.answers)]
    return [
        Problem(
            "C574",
            f"{made.id}.{id}",
            "It is not asked, by the other answers.",
            f"an answer where it holds: {item.when}",
            "Leave it out, or correct the other answer.",
        )
        for id in dict.fromkeys(told)
        if (item := made.item(id)) is not None
    ]


@action("not-done", why=True)
def not_done(act: Act, participant: str, visit: str, form: str) -> None:
    """Record that a form was not done at a visit that took place, with the reason; it is not open any more."""
    asked = forms.forms_at(act.protocol, visit)
    if form not in asked or form not in act.protocol.model.assessments:
        act.refuse("C577", form, f"The visit {visit} does not ask for it.", listed(asked))
    require_may_record(act, forms.form_of(act.protocol, form))
    day = _require_attended(act, visit)
    if form_of(act, visit, form) is not None:
        act.refuse("C601", form, f"It is recorded at {visit}.", "a form that is not there yet", "Use correct.")
    rows = form_rows(act, visit, form, {}, state=NOT_DONE, on=day)
    rows["form"][0]["reason"] = act.why
    answer = {"participant": participant, "visit": visit, "form": form, "state": NOT_DONE}
    act.record(subject=f"{visit} {form}", what={"put": rows}, answer=answer)


@action("visit-forms", private=("forms",))
def visit_forms(
    act: Act,
    participant: str,
    visit: str,
    forms: dict[str, Any],
    on: date | None = None,
    by: str = "",
    left_open: list[str] | None = None,
) -> None:
    """Record all forms of a visit at once, from one file: ``forms=@visit.json``, all of them or none.

    The file holds for each form its answers, or ``{"answers": ..., "missing": ..., "confirm": [...]}``, or
    ``{"not-done": "the reason"}``; for a daily-use calendar ``{"days": {"2027-03-01": "yes", ...}}`` with yes, no or
    not-known for each day told, and with ``amounts`` and ``unit`` where they are. ``by`` (person or telephone) and
    ``on`` record the visit itself with them. Where ``left_open`` names forms for another time, every other one that the
    account could record and tells nothing of is refused. Everything that is wrong is told at once.
    """
    if not forms and not by:
        act.refuse("C577", "forms", "No form is given.", "the forms of the visit")
    problems: list[Problem] = []
    why = act.why
    if by:
        _require_right(act, "visit")
        try:
            _hold(act, participant, visit, on, by)
        except ConductError as error:
            if visit_row(act, visit) is None:  # its forms cannot be held against a visit that there is not
                raise
            problems += error.problems
        act.why = ""  # the reason is that of the visit, and is not repeated for each of its forms
    if left_open is not None:
        problems += _untold(act, visit, {*forms, *left_open})
    scores: dict[str, Any] = {}
    for form, told in forms.items():
        try:
            _one_form(act, participant, visit, form, told)
        except ConductError as error:
            problems += error.problems
            continue
        scores[form] = act.events[-1].content.get("answer", {}).get("scores", {})
    raise_problems(problems)
    act.why = why
    act.record(
        subject=visit,
        what={"forms": sorted(forms)},
        answer={"participant": participant, "visit": visit, "form": sorted(forms), "scores": scores},
    )


def _untold(act: Act, visit: str, told: set[str]) -> list[Problem]:
    """C573 for each form that is asked at a visit, not recorded, the account's to record, and not among ``told``."""
    out = []
    for name in forms.forms_at(act.protocol, visit):
        made = forms.form_at(act.protocol, name, visit)
        if made.kind in ("vitals", "daily-use") or name in told or form_of(act, visit, name) is not None:
            continue
        try:
            require_may_record(act, made)
        except ConductError:
            continue
        if not forms.asks_something(made, surroundings_of(act, visit, made)):
            continue
        step = "Fill it in, mark the form not done, or leave it open for later."
        out.append(Problem("C573", name, "Nothing is answered.", "", step))
    return out


def _hold(act: Act, participant: str, name: str, on: date | None, by: str) -> None:
    visit(act, participant, name, on, by)


def _require_right(act: Act, name: str) -> None:
    """Refuse a part of a submission that is not the account's by itself (C013)."""
    if not act.roles & MATRIX[name]:
        roles = listed(sorted(MATRIX[name]))
        act.refuse("C013", name, f"The role {listed(sorted(act.roles))} may not do this.", roles)


def _one_form(act: Act, participant: str, visit: str, form: str, told: Any) -> None:
    """One form of several: its answers, its days, or that it was not done."""
    if not isinstance(told, dict):
        act.refuse("C571", form, f"Found {told!r}.", "the answers by item")
    if set(told) == {"not-done"}:
        why, act.why = act.why, str(told["not-done"])
        not_done(act, participant, visit, form)
        act.why = why
        return
    if isinstance(told.get("days"), dict):
        _require_right(act, "calendar")
        _days(act, participant, form, told)
        return
    whole = told if "answers" in told and isinstance(told["answers"], dict) else {"answers": told}
    strange = set(whole) - {"answers", "missing", "confirm"}
    if strange:
        act.refuse("C571", form, f"Found {listed(sorted(strange))}.", "answers, missing and confirm")
    record(act, participant, visit, form, whole["answers"], whole.get("confirm"), whole.get("missing"))


def _days(act: Act, participant: str, form: str, told: Mapping[str, Any]) -> None:
    """Days of a calendar told one by one, recorded by runs of days that follow one another."""
    strange = set(told) - {"days", "amounts", "unit", "substance"}
    if strange:
        act.refuse("C571", form, f"Found {listed(sorted(strange))}.", "days, amounts, unit and substance")
    days = {_calendar_date(act, f"{form}.{text}", text): str(said) for text, said in told["days"].items()}
    amounts = {_calendar_date(act, f"{form}.{text}", text): value for text, value in told.get("amounts", {}).items()}
    raise_problems(
        Problem("C611", f"{form}.{day}", f"Found {said!r}.", "yes, no or not-known")
        for day, said in days.items()
        if said not in ("yes", "no", NOT_KNOWN)
    )
    raise_problems(
        Problem("C611", f"{form}.{day}", "An amount of a day without use.", "an amount of a day of use")
        for day in amounts
        if days.get(day) != "yes"
    )
    if not days:
        act.refuse("C611", form, "No day is given.", "days, each with yes, no or not-known")
    runs: list[list[date]] = []
    for day in sorted(days):
        if runs and (day - runs[-1][-1]).days == 1:
            runs[-1].append(day)
        else:
            runs.append([day])
    for run in runs:
        calendar(
            act,
            participant,
            run[0],
            run[-1],
            used=[day.isoformat() for day in run if days[day] == "yes"],
            substance=str(told.get("substance", "")),
            amounts={day.isoformat(): amounts[day] for day in run if day in amounts},
            unit=str(told.get("unit", "")),
            form=form,
            unknown=[day.isoformat() for day in run if days[day] == NOT_KNOWN],
        )


@action("calendar")
def calendar(
    act: Act,
    participant: str,
    first: date,
    last: date,
    used: list[str] | None = None,
    substance: str = "",
    amounts: dict[str, Any] | None = None,
    unit: str = "",
    form: str = "",
    unknown: list[str] | None = None,
    skipped: list[str] | None = None,
) -> None:
    """Record days of the daily-use calendar, from ``first`` to ``last``: ``used`` lists the dates of use, ``unknown``
    those of which the person does not know, ``skipped`` those in between that were not asked about or are told already;
    every other day was told to be without. ``amounts`` may give an amount by date, in ``unit``.
    """
    protocol = act.protocol
    daily = {id: entry for id, entry in protocol.model.assessments.items() if entry.type == "daily-use"}
    chosen = form or next(iter(daily), "")
    if chosen not in daily:
        act.refuse("C611", "form", "The protocol has no such calendar.", listed(daily))
    made = forms.form_of(protocol, chosen)
    require_may_record(act, made)
    if made.blinding != "open":
        act.hide("used", "amounts", "unit", "unknown", "skipped")
    what = substance or daily[chosen].substances[0]
    if what not in daily[chosen].substances:
        act.refuse("C611", "substance", f"Found {what!r}.", listed(daily[chosen].substances))
    if act.course.phase not in ("consented", "eligible", *IN_TRIAL):
        act.refuse("C501", "calendar", "Nothing more is asked.", "a participant who consented")
    if last > act.now.local_date or last < first or (last - first).days > 400:
        act.refuse("C611", "last", f"The days {first} to {last}.", "days up to today, at most 400, in order")
    if act.standing_on(last).follow_up in ("withdrawn", "dead"):
        act.refuse("C501", "calendar", f"On {last} nothing more was asked.", "days on which the person was followed")
    if act.course.follow_up in ("withdrawn", "dead"):
        act.require_why(f"Days are entered now that the participant {act.course.words}")
    begun = landmarks(act)["the first consent"]
    if begun is not None and (begun - first).days > LOOK_BACK_DAYS:
        act.refuse("C611", "first", f"{first} is {(begun - first).days} days before the consent.", "at most 400 days")
    asked = [first + timedelta(days=k) for k in range((last - first).days + 1)]
    out = {_calendar_date(act, "skipped", text) for text in skipped or []}
    days = [day for day in asked if day not in out]
    if not days:
        act.refuse("C611", "skipped", "No day is left to report.", f"a day from {first} to {last}")
    on_days = {_calendar_date(act, "used", text) for text in used or []}
    told = {_calendar_date(act, "amounts", text): str(value) for text, value in (amounts or {}).items()}
    not_known = {_calendar_date(act, "unknown", text) for text in unknown or []}
    stray = sorted((on_days | not_known | set(told)) - set(days)) + sorted(
        (set(told) - on_days) | (not_known & on_days)
    )
    if stray:
        act.refuse(
            "C611", "used", f"{stray[0]} is not among the reported days of use.", f"dates from {first} to {last}"
        )
    earlier = {row.repeat for row in repeats_of(act, "calendar", chosen)}
    again = [day for day in days if day.toordinal() in earlier and _told(act, chosen, day, what)]
    if again:
        act.refuse("C601", "calendar", f"{again[0]} was reported before.", "days not reported yet", "Use correct.")
    parts = []
    for day in days:
        if day in not_known:
            said: dict[str, str | None] = {what: None}
        else:
            said = {what: "yes" if day in on_days else "no"}
            said |= {f"{what}.amount": told[day], f"{what}.unit": unit} if day in told else {}
        parts.append(day_rows(act, made, day, said, is_new=day.toordinal() not in earlier))
    act.record(
        subject=f"calendar {first} to {last}",
        what={"put": joined(*parts)},
        answer={
            "participant": participant,
            "days": len(days),
            **({"days_of_use": len(on_days)} if made.blinding == "open" else {}),
            **({"days_not_known": len(not_known)} if not_known and made.blinding == "open" else {}),
        },
    )


def day_rows(
    act: Act, made: forms.Form, day: date, said: dict[str, str | None], *, is_new: bool
) -> dict[str, list[dict[str, Any]]]:
    """Rows of one day of the calendar; a day without an answer is one of which the person does not know."""
    what = next(iter(said))
    reasons = {}
    if said[what] is None:
        kept = forms.Filling(said)
        reasons = {what: NOT_KNOWN}
    else:
        filling = forms.fill(only_substance(made, what), said)
        raise_problems(
            replace(problem, place=f"{made.id}.{day}.{item_of(made, problem)}")
            for problem in (*filling.hard, *filling.soft)
        )
        kept = forms.Filling({id: value for id, value in filling.answers.items() if value is not None})
    ordinal = day.toordinal()
    return filled_rows(act, "calendar", made, kept, repeat=ordinal, on=day, is_new=is_new, reasons=reasons)


def _calendar_date(act: Act, name: str, text: object) -> date:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        act.refuse("C611", name, f"{text!r} is not a date.", "dates such as 2027-01-31")


def _told(act: Act, form: str, day: date, substance: str) -> bool:
    return substance in values_of(act, "calendar", form, day.toordinal())


def only_substance(form: forms.Form, substance: str) -> forms.Form:
    """The items of one substance."""
    items = tuple(item for item in form.items if item.id.split(".")[0] == substance)
    return forms.Form(form.id, form.label, form.blinding, items, None, form.kind)


@action("session")
def session(
    act: Act,
    participant: str,
    session: int,
    delivered: bool,
    on: date | None = None,
    minutes: Decimal | None = None,
    practice: Decimal | None = None,
    fidelity: Decimal | None = None,
    therapy: str = "",
    confirm: list[str] | None = None,
) -> None:
    """Record a therapy session by its number: delivered or not, its length, practice at home, fidelity."""
    if on is not None and not delivered:
        act.refuse("C574", "on", "A session that did not take place has no date.", "no date, or delivered=yes")
    act.take("hold_session", on=on) if delivered else act.take("miss_visit")
    made = {id: form for id, form in forms.forms(act.protocol).items() if form.kind == "session"}
    chosen = therapy or next(iter(made), "")
    if chosen not in made:
        act.refuse("C612", "therapy", "The protocol has no such therapy.", listed(made))
    intervention = act.protocol.model.interventions[chosen]
    assert isinstance(intervention, BehaviouralIntervention)
    planned = intervention.session_days
    if not 1 <= session <= len(planned):
        act.refuse("C612", "session", f"Session {session}.", f"1 to {len(planned)}")
    if form_of(act, "session", chosen, session) is not None:
        act.refuse("C601", "session", f"Session {session} is recorded.", "another one", "Use correct.")
    told = {"minutes": minutes, "practice": practice, "fidelity": fidelity}
    answers = {id: None if value is None else format(value, "f") for id, value in told.items()}
    answers["delivered"] = "yes" if delivered else "no"
    filling = forms.fill(made[chosen], answers, confirmed=confirm or ())
    raise_problems([*filling.hard, *filling.soft])
    day = require_day(act, "session", on) if delivered else day_of(act, on)
    rows = joined(
        filled_rows(act, "session", made[chosen], filling, repeat=session, on=day if delivered else None),
        asked_by_checks(act, "session", made[chosen], filling, session),
    )
    act.record(
        subject=f"session {session}",
        what={"planned_day": planned[session - 1], "put": rows},
        answer={"participant": participant, "session": session, "delivered": delivered},
    )


def disposition_rows(act: Act, event: str, on: date, reason: str) -> dict[str, list[dict[str, Any]]]:
    """Rows of an event of disposition (``records.schema.DISPOSITION_EVENTS``)."""
    number = len(repeats_of(act, "disposition", "disposition")) + 1
    items: dict[str, tuple[str, str | None, str]] = {
        "event": ("choice", event, ""),
        "reason": ("text", reason or None, ""),
    }
    return form_rows(act, "disposition", "disposition", items, repeat=number, on=on)
