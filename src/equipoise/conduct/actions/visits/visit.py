"""Contacts: visits that took place or were missed, what was asked at them, the calendar, corrections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.infusion.infusion import stop_rows, stop_rules_of, taken_at
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
    values_of,
)
from equipoise.conduct.rules import forms, windows
from equipoise.foundation.errors import listed
from equipoise.protocol.language.design import BehaviouralIntervention

if TYPE_CHECKING:
    from equipoise.protocol import Protocol

NOT_DONE = "not-done"  # the state of a form that was left out on purpose, with the reason

CODES = {
    "C610": "A visit that is recorded already, or is not recorded yet.",
    "C611": "Days of the calendar that cannot be told.",
    "C612": "A therapy or session that the protocol does not have.",
}


def visit_row(act: Act, visit: str) -> Any:
    """The row of a visit, if it was recorded."""
    return act.trial.row("visit", participant=act.participant.participant, visit=visit, repeat=1)


@action("visit")
def visit(act: Act, participant: str, visit: str, on: date | None = None, by: str = "person") -> None:
    """Record that a visit took place; outside its window with the reason. ``by`` is person or telephone."""
    if by not in ("person", "telephone"):
        act.refuse("C610", "by", f"Found {by!r}.", "person or telephone")
    changed = act.take("call" if by == "telephone" else "hold_visit")
    raise_problems(windows.check_visit_name(act.protocol, visit))
    day = day_of(act, on)
    due = due_of(act).get(visit)
    first = day_1_of(act)
    require_begun(act, visit, due)
    after = act.course.phase != "randomized"
    if after and (due is None or due.visit.target_day > (act.protocol.model.calendar.randomization_day or 1)):
        act.refuse("C501", visit, "The participant is not randomized.", "a visit planned before randomization")
    if act.participant.consented_on and day.isoformat() < act.participant.consented_on:
        act.refuse("C534", "on", f"{day} is before the consent.", f"{act.participant.consented_on} or later")
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
            "Nothing says that it took place.",
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


def _fill_ahead(protocol: Protocol, given: Mapping[str, Any]) -> None:
    forms.fill_ahead(forms.form_of(protocol, given["form"]), texts_of(given["answers"]), given.get("confirm") or ())


@action("record", ahead=_fill_ahead)
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
    made = forms.form_of(protocol, form)
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
    filling = forms.fill(made, told, confirmed=confirm or (), excused=reasons)
    raise_problems([*filling.hard, *filling.soft, *forms.check_dates(made, filling, day)])
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
def visit_forms(act: Act, participant: str, visit: str, forms: dict[str, Any]) -> None:
    """Record all forms of a visit at once, from one file: ``forms=@visit.json``, all of them or none.

    The file holds for each form its answers, or ``{"answers": ..., "missing": ..., "confirm": [...]}``, or
    ``{"not-done": "the reason"}``.
    """
    if not forms:
        act.refuse("C577", "forms", "No form is told.", "the forms of the visit")
    why = act.why
    scores: dict[str, Any] = {}
    for form, told in forms.items():
        if not isinstance(told, dict):
            act.refuse("C571", form, f"Found {told!r}.", "the answers by item")
        if set(told) == {"not-done"}:
            act.why = str(told["not-done"])
            not_done(act, participant, visit, form)
            act.why = why
            continue
        whole = told if "answers" in told and isinstance(told["answers"], dict) else {"answers": told}
        strange = set(whole) - {"answers", "missing", "confirm"}
        if strange:
            act.refuse("C571", form, f"Found {listed(sorted(strange))}.", "answers, missing and confirm")
        record(act, participant, visit, form, whole["answers"], whole.get("confirm"), whole.get("missing"))
        scores[form] = act.events[-1].content.get("answer", {}).get("scores", {})
    act.record(
        subject=visit,
        what={"forms": sorted(forms)},
        answer={"participant": participant, "visit": visit, "form": sorted(forms), "scores": scores},
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
) -> None:
    """Record days of the daily-use calendar, from ``first`` to ``last``: ``used`` lists the dates of use, every other
    day was told to be without. ``amounts`` may give an amount by date, in ``unit``.
    """
    protocol = act.protocol
    daily = {id: entry for id, entry in protocol.model.assessments.items() if entry.type == "daily-use"}
    chosen = form or next(iter(daily), "")
    if chosen not in daily:
        act.refuse("C611", "form", "The protocol has no such calendar.", listed(daily))
    made = forms.form_of(protocol, chosen)
    require_may_record(act, made)
    if made.blinding != "open":
        act.hide("used", "amounts", "unit")
    what = substance or daily[chosen].substances[0]
    if what not in daily[chosen].substances:
        act.refuse("C611", "substance", f"Found {what!r}.", listed(daily[chosen].substances))
    if act.course.follow_up in ("withdrawn", "dead") or act.course.phase not in ("consented", "eligible", "randomized"):
        act.refuse("C501", "calendar", "Nothing more is asked.", "somebody who is followed")
    if last > act.now.local_date or last < first or (last - first).days > 400:
        act.refuse("C611", "last", f"The days {first} to {last}.", "days up to today, at most 400, in order")
    days = [first + timedelta(days=k) for k in range((last - first).days + 1)]
    on_days = {_calendar_date(act, "used", text) for text in used or []}
    told = {_calendar_date(act, "amounts", text): str(value) for text, value in (amounts or {}).items()}
    stray = sorted((on_days | set(told)) - set(days)) + sorted(set(told) - on_days)
    if stray:
        act.refuse("C611", "used", f"{stray[0]} is not among the days of use told.", f"dates from {first} to {last}")
    earlier = {row.repeat for row in repeats_of(act, "calendar", chosen)}
    again = [day for day in days if day.toordinal() in earlier and _told(act, chosen, day, what)]
    if again:
        act.refuse("C601", "calendar", f"{again[0]} was told before.", "days not told yet", "Use correct.")
    parts = []
    for day in days:
        answers: dict[str, str | None] = {what: "yes" if day in on_days else "no"}
        if day in told:
            answers |= {f"{what}.amount": told[day], f"{what}.unit": unit}
        filling = forms.fill(_only(made, what), answers)
        raise_problems([*filling.hard, *filling.soft])
        new = day.toordinal() not in earlier
        asked = {id: value for id, value in filling.answers.items() if value is not None}
        kept = forms.Filling(asked)
        parts.append(filled_rows(act, "calendar", made, kept, repeat=day.toordinal(), on=day, is_new=new))
    act.record(
        subject=f"calendar {first} to {last}",
        what={"put": joined(*parts)},
        answer={
            "participant": participant,
            "days": len(days),
            **({"days_of_use": len(on_days)} if made.blinding == "open" else {}),
        },
    )


def _calendar_date(act: Act, name: str, text: object) -> date:
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        act.refuse("C611", name, f"{text!r} is no date.", "dates such as 2027-01-31")


def _told(act: Act, form: str, day: date, substance: str) -> bool:
    return substance in values_of(act, "calendar", form, day.toordinal())


def _only(form: forms.Form, substance: str) -> forms.Form:
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
    act.take("hold_session") if delivered else act.take("miss_visit")
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
    day = day_of(act, on)
    rows = joined(
        filled_rows(act, "session", made[chosen], filling, repeat=session, on=day if delivered else None),
        asked_by_checks(act, "session", made[chosen], filling, session),
    )
    act.record(
        subject=f"session {session}",
        what={"planned_day": planned[session - 1], "put": rows},
        answer={"participant": participant, "session": session, "delivered": delivered},
    )


def _signs_again(act: Act, numbers: Sequence[int]) -> str:
    """Stop rules that a corrected reading meets: what was told again, over what was sealed before where that opens."""
    given = act.given
    made = forms.forms(act.protocol).get(given["form"])
    if made is not None and made.kind == "vitals":
        before = values_of(act, given["visit"], given["form"], given.get("repeat", 1)) if act.quarantine else {}
        met = stop_rules_of(act, {**before, **texts_of(given["answers"])})
        act.tell({"stop_rules": [problem.found for problem in met]})
    return ""


@action("correct", states=("open", "frozen"), why=True, again=_signs_again)
def correct(
    act: Act,
    participant: str,
    visit: str,
    form: str,
    answers: dict[str, Any],
    repeat: int = 1,
    confirm: list[str] | None = None,
) -> None:
    """Correct items of a recorded form, with the reason; the form is checked as a whole, and what it no longer asks
    is cleared. Signatures over the participant's records become void.
    """
    act.take("correct")
    protocol = act.protocol
    row = form_of(act, visit, form, repeat)
    made = forms.forms(protocol).get(form)
    if row is None or made is None:
        act.refuse("C602", f"{visit} {form}", "Nothing is recorded there.", "a form that was recorded")
    require_may_record(act, made)
    if not answers:
        act.refuse("C602", form, "Nothing would change.", "another answer")
    if made.kind == "daily-use":
        made = _only(made, next(iter(answers)).split(".")[0])
    if made.blinding != "open":
        _correct_quarantined(act, visit, made, texts_of(answers), repeat, confirm or [])
        return
    before: dict[str, str | None] = dict(values_of(act, visit, form, repeat))
    told = texts_of(answers)
    filling = forms.fill(made, {**before, **told}, confirmed=[*(confirm or []), *_unchanged(before, told)])
    raise_problems([*filling.hard, *filling.soft, *forms.check_dates(made, filling, date.fromisoformat(row.date))])
    changed = {id: value for id, value in filling.answers.items() if value != before.get(id)}
    if not changed and not filling.cleared:
        act.refuse("C602", form, "Nothing would change.", "another answer")
    kept = forms.Filling(changed, filling.cleared)
    rows = filled_rows(act, visit, made, kept, repeat=repeat, is_new=False)
    old = {id: before.get(id, "") for id in [*changed, *filling.cleared]}
    asked = asked_by_checks(act, visit, made, filling, repeat, items=set(told))
    act.record(
        subject=f"{visit} {form}",
        what={"before": old, "put": joined(rows, asked)},
        answer={"participant": participant, "changed": sorted(changed), "cleared": list(filling.cleared)},
    )


def _unchanged(before: Mapping[str, str | None], told: Mapping[str, str | None]) -> list[str]:
    """Items that a correction leaves as they were: nobody is asked about them again."""
    return [id for id, value in before.items() if told.get(id, value) == value]


def _correct_quarantined(
    act: Act, visit: str, form: forms.Form, answers: dict[str, str | None], repeat: int, confirm: list[str]
) -> None:
    """Correct a quarantined form: it is sealed anew as a whole.

    With the safety role's folder the items not named keep their value. Without it nobody can know them, so the form is
    told whole; an item left out is then left out. A reading that meets a stop rule once it is corrected holds a running
    infusion, as one that was recorded so does.
    """
    act.hide("answers", "confirm")
    before = {id: value for id, value in values_of(act, visit, form.id, repeat).items() if form.item(id) is not None}
    if act.quarantine is None:
        untold = [item.id for item in form.items if item.id not in answers and item.when is None]
        if untold:
            act.refuse(
                "C600",
                f"{form.id}.{untold[0]}",
                "Its value is sealed and was not told again.",
                f"every item of the form: {listed([item.id for item in form.items])}",
                "Tell the form whole (null for what is left out), or add --safety FOLDER.",
            )
        before = {}
    met = stop_rules_of(act, {**before, **answers}) if form.kind == "vitals" else []
    passed_over = [*confirm, *_unchanged(before, answers), *(answers if met else ())]
    filling = forms.fill(form, {**before, **answers}, confirmed=passed_over)
    raise_problems([*filling.hard, *filling.soft])
    rows = filled_rows(act, visit, form, filling, repeat=repeat, is_new=False)
    answer: dict[str, Any] = {"participant": act.participant.participant, "form": form.id}
    if form.kind == "vitals":
        if (minute := filling.answers.get("minute")) is not None:
            rows["item"] += taken_at(act, visit, form, repeat, Decimal(minute))
        follows = stop_rows(act, visit, form, repeat, met)
        rows, answer["stop"] = joined(rows, follows), "form" in follows
        act.tell({"stop_rules": [problem.found for problem in met]})
    act.record(subject=f"{visit} {form.id}", what={"put": rows}, answer=answer)


def disposition_rows(act: Act, event: str, on: date, reason: str) -> dict[str, list[dict[str, Any]]]:
    """Rows of an event of disposition (``records.schema.DISPOSITION_EVENTS``)."""
    number = len(repeats_of(act, "disposition", "disposition")) + 1
    items: dict[str, tuple[str, str | None, str]] = {
        "event": ("choice", event, ""),
        "reason": ("text", reason or None, ""),
    }
    return form_rows(act, "disposition", "disposition", items, repeat=number, on=on)
