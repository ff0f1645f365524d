"""Corrections: nothing recorded is beyond repair, and nothing is overwritten. Each is an entry with its reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.enrolment.baseline import record_baseline
from equipoise.conduct.actions.grounds import accepted_weight, voided_sheets
from equipoise.conduct.actions.history import checked_at, require_day
from equipoise.conduct.actions.infusion.infusion import (
    RUN,
    entry_rows,
    open_sheet_of,
    require_minute,
    run_of,
    stop_rows,
    stop_rules_of,
    taken_at,
    time_of,
)
from equipoise.conduct.actions.safety.adverse_event import FORM as ADVERSE_EVENT
from equipoise.conduct.actions.visits.query import asked_by_checks, settled_by
from equipoise.conduct.actions.visits.recording import (
    CONFIRMED,
    filled_rows,
    form_of,
    form_rows,
    joined,
    raise_problems,
    require_may_record,
    roles_of,
    sealed_cell,
    surroundings_of,
    values_of,
)
from equipoise.conduct.actions.visits.visit import forms_on, only_substance, texts_of, visit_row
from equipoise.conduct.actions.visits.weight import judge, settled, voided
from equipoise.conduct.rows.joined import filled_items
from equipoise.conduct.rows.tables import IN_ERROR, FormRow, ItemRow
from equipoise.conduct.rules import forms
from equipoise.conduct.rules import infusion as running
from equipoise.conduct.rules.dose_places import DOSE_SHEET, GIVEN, SHEET
from equipoise.conduct.rules.status import Turn, columns_of, standing_after
from equipoise.conduct.rules.surroundings import AT_VISITS
from equipoise.foundation.errors import listed

CODES = {
    "C632": "Somebody else has changed the values meanwhile.",
    "C631": "This cannot be taken back as entered in error, or is corrected in another way.",
}
# Forms that have an action of their own, and who corrects which of the others.
ELSEWHERE = {
    "eligibility": "eligibility decides anew; reopen-screening takes an end of screening back",
    SHEET: "dose-sheet with a witness, or dose-sheet-cancel",
    DOSE_SHEET: "dose-sheet with a witness, or dose-sheet-cancel",
    ADVERSE_EVENT: "adverse-event-update",
    "stage-entry": "enter-stage, with a reason",
}
WHO = {
    "baseline": {"coordinator", "investigator"},
    "weight": {"coordinator", "investigator", "infusion"},
    "disposition": {"coordinator", "investigator"},
    RUN: {"infusion"},
    GIVEN: {"infusion", "investigator"},  # who gives a dose, or answers for it
}


def _signs_again(act: Act, numbers: Sequence[int]) -> str:
    """Stop rules that a corrected reading meets: what was told again, over what was sealed before where that opens."""
    given = act.given
    made = forms.forms(act.protocol).get(given["form"])
    if made is not None and made.kind == "vitals" and given["visit"].startswith("infusion-day-"):
        before = values_of(act, given["visit"], given["form"], given.get("repeat", 1)) if act.quarantine else {}
        met = stop_rules_of(act, {**before, **texts_of(given.get("answers") or {})})
        act.tell({"stop_rules": [problem.found for problem in met]})
    return ""


@action("correct", states=("open", "frozen"), why=True, again=_signs_again)
def correct(
    act: Act,
    participant: str,
    visit: str,
    form: str,
    answers: dict[str, Any] | None = None,
    repeat: int = 1,
    confirm: list[str] | None = None,
    on: date | None = None,
    as_of: int | None = None,
) -> None:
    """Correct items of a recorded form, with the reason; the form is checked as a whole, and what it no longer asks
    is cleared. Signatures over the participant's records become void.

    ``on`` names the day of a calendar, and elsewhere the right date of what has a date of its own (a session, a weight,
    a withdrawal). What rested on the old value is looked at again: eligibility, dose sheets, where somebody stands.
    ``as_of`` is the event at which the old values stood when they were looked at: where somebody changed the form
    since, nothing is corrected.
    """
    act.take("correct")
    if as_of is not None:
        _require_unchanged(
            act, visit, form, on.toordinal() if on is not None and visit == "calendar" else repeat, as_of
        )
    told = texts_of(answers or {})
    if not told and on is None:
        act.refuse("C602", form, "Nothing would change.", "another answer, or another date")
    if form == GIVEN:
        step = "Use: entered-in-error, then dose-given with what is right."
        act.refuse("C631", form, "It is taken back and recorded again.", "another form", step)
    own: dict[str, Callable[..., None]] = {"weight": _weight, "disposition": _disposition, RUN: _run}
    if form in WHO and not roles_of(act) & WHO[form]:
        act.refuse("C600", form, "Another role corrects it.", listed(sorted(WHO[form])))
    if form == "baseline":
        record_baseline(act, answers or {})
    elif form in own:
        recorded_form(act, visit, form, repeat)
        own[form](act, visit, repeat, told, on)
    else:
        _form(act, (visit, form, repeat), told, confirm or [], on)


def _require_unchanged(act: Act, visit: str, form: str, repeat: int, as_of: int) -> None:
    """Refuse where the form is no longer the one that was looked at (C632)."""
    row = act.trial.first(FormRow, participant=act.participant.participant, visit=visit, form=form, repeat=repeat)
    if row is not None and row.event_number != as_of:
        found = f"It was changed meanwhile, by event {row.event_number}."
        act.refuse("C632", form, found, f"the values of event {as_of}", "Look at it again.")


def recorded_form(act: Act, visit: str, form: str, repeat: int) -> FormRow:
    """The row of a filling; C602 where nothing is recorded there."""
    row = form_of(act, visit, form, repeat)
    if row is None:
        act.refuse("C602", f"{visit} {form} {repeat}", "Nothing is recorded there.", "a form that was recorded")
    return row


def _form(
    act: Act,
    place: tuple[str, str, int],
    told: dict[str, str | None],
    confirm: list[str],
    on: date | None,
) -> None:
    """Correct a form that is made from the protocol."""
    visit, form, repeat = place
    made = forms.forms(act.protocol).get(form)
    if made is not None and made.kind == "daily-use" and on is not None:
        repeat = on.toordinal()
    if made is not None and made.kind == "vitals":
        made = forms.form_at(act.protocol, form, visit)
    row = form_of(act, visit, form, repeat)
    if row is None or made is None:
        where = f"{visit} {form}" + (f" {on}" if on is not None else "")
        act.refuse("C602", where, "Nothing is recorded there.", "a form that was recorded", ELSEWHERE.get(form, ""))
    require_may_record(act, made)
    day = None
    if on is not None and made.kind == "session":
        day = require_day(act, "session", on)
    elif on is not None and made.kind != "daily-use":
        act.refuse("C602", "on", "It has the date of its visit.", "the action visit, with on=DATE and a reason")
    if not told and (day is None or row.date == day.isoformat()):
        act.refuse("C602", form, "Nothing would change.", "another answer")
    if made.kind == "daily-use":
        substance = next(iter(told)).split(".")[0]
        if told == {substance: None}:
            _not_known(act, visit, made, repeat, substance)
            return
        made = only_substance(made, substance)
    if made.blinding != "open":
        _correct_quarantined(act, visit, made, told, repeat, confirm)
        return
    before: dict[str, str | None] = dict(values_of(act, visit, form, repeat))
    around = surroundings_of(act, visit, made) if made.kind in AT_VISITS else None
    filling = forms.fill(made, {**before, **told}, confirmed=[*confirm, *_unchanged(before, told)], around=around)
    asked_on = date.fromisoformat(row.date) if row.date else act.now.local_date
    stood = around.fired(made, before) if around is not None else {}
    new = [problem for id, problem in filling.fired.items() if id not in stood]  # of which nobody was asked before
    unasked = [p for p in new if p in filling.accepted and forms.item_of(made, p) not in confirm]
    raise_problems([*filling.hard, *filling.soft, *unasked, *forms.check_dates(made, filling, day or asked_on)])
    changed = {id: value for id, value in filling.answers.items() if value != before.get(id)}
    if not changed and not filling.cleared and day is None:
        act.refuse("C602", form, "Nothing would change.", "another answer")
    kept = forms.Filling(changed, filling.cleared)
    rows = filled_rows(act, visit, made, kept, repeat=repeat, on=day, is_new=False)
    old = {id: before.get(id, "") for id in [*changed, *filling.cleared]}
    if day is not None:
        old["(date)"] = row.date
    about = {*told, *(forms.item_of(made, problem) for problem in new)}
    asked = asked_by_checks(act, visit, made, filling, repeat, items=about)
    looked_at = around.checks if around is not None else ()
    settled_queries = settled_by(act, visit, made, filling, repeat, looked_at)
    act.record(
        subject=f"{visit} {form}",
        what={"before": old, "put": joined(rows, asked, settled_queries)},
        answer={
            "participant": act.participant.participant,
            "changed": [*sorted(changed), *(["date"] if day is not None else [])],
            "cleared": list(filling.cleared),
        },
    )


def _not_known(act: Act, visit: str, made: forms.Form, repeat: int, substance: str) -> None:
    """Take a day of the calendar back: it is not known, and can be told anew (of a quarantined one, by correct)."""
    if made.blinding != "open":
        act.hide("answers", "confirm")
        items: dict[str, tuple[str, str | None, str]] = {
            item.id: (item.type, None, item.unit) for item in only_substance(made, substance).items
        }
        items[CONFIRMED] = ("text", "none", "")  # rows as of any correction, whatever it says
        rows = form_rows(
            act, visit, made.id, items, repeat=repeat, blinding=made.blinding, is_new=False, missing="not-known"
        )
        answer = {"participant": act.participant.participant, "form": made.id}
        act.record(subject=f"{visit} {made.id}", what={"put": rows}, answer=answer)
        return
    before = values_of(act, visit, made.id, repeat)
    ids = [item.id for item in only_substance(made, substance).items if item.id in before]
    if not ids:
        act.refuse("C602", made.id, "Nothing is recorded there.", "a day that was reported")
    items = {item.id: (item.type, None, item.unit) for item in made.items if item.id in ids}
    rows = form_rows(act, visit, made.id, items, repeat=repeat, is_new=False, missing="not-known")
    act.record(
        subject=f"{visit} {made.id}",
        what={"before": {id: before[id] for id in ids}, "put": rows},
        answer={"participant": act.participant.participant, "changed": [], "cleared": ids},
    )


def _weight(act: Act, visit: str, repeat: int, told: dict[str, str | None], on: date | None) -> None:
    """Correct a weight: it is judged as if it had been told so at first, and whatever rested on it is void."""
    row = recorded_form(act, visit, "weight", repeat)
    before = values_of(act, visit, "weight", repeat)
    kg = forms.number(told.get("kg") or before["kg"])
    if set(told) - {"kg"} or kg is None:
        act.refuse("C602", "answers", f"Found {told}.", "answers:='{\"kg\": 70}', or on=DATE")
    day = require_day(act, "weight", on) if on is not None else date.fromisoformat(row.date)
    if format(kg, "f") == before["kg"] and day.isoformat() == row.date:
        act.refuse("C602", "weight", "Nothing would change.", "another weight, or another date")
    me = act.session.account
    said = judge(act, kg, day, me=me, besides=repeat)
    # Who made a slip once can make another that looks plausible: a held weight is released by somebody else.
    state = "held" if said or (row.state == "held" and before["by"] == me) else row.state
    state = "accepted" if state == "held" and not said and before["by"] != me else state
    items: dict[str, tuple[str, str | None, str]] = {"kg": ("decimal", format(kg, "f"), "kg"), "by": ("text", me, "")}
    rows = form_rows(act, visit, "weight", items, repeat=repeat, state=state, on=day, is_new=False)
    follows = settled(act, kg, repeat, day) if state == "accepted" else voided_sheets(act, None)
    act.record(
        subject="weight",
        what={
            "before": {"kg": before["kg"], "by": before["by"], "date": row.date, "state": row.state},
            "doubts": [problem.found for problem in said],
            "put": joined(rows, follows),
        },
        answer={
            "participant": act.participant.participant,
            "changed": ["kg"],
            "state": state,
            "because": [problem.found for problem in said],
            **_dosed_by(act, before["kg"], kg),
            **voided(follows),
        },
    )


def _dosed_by(act: Act, old: str, new: Decimal | None) -> dict[str, list[str]]:
    """Doses that were given by a weight that is another now."""
    who, states = act.participant.participant, ("running", "held", "ended")
    given = [
        one
        for form in (SHEET, DOSE_SHEET)
        for one in filled_items(act.trial, who, form, items=("weight",), states=states)
    ]
    found = sorted(one.visit for one in given if Decimal(one.value) == Decimal(old) and Decimal(one.value) != new)
    return {"given_by_the_old_weight": found} if found else {}


def _disposition(act: Act, visit: str, repeat: int, told: dict[str, str | None], on: date | None) -> None:
    """Correct the date or the reason of how somebody left; where they stand follows from the dates as they are now."""
    row = recorded_form(act, visit, "disposition", repeat)
    before = values_of(act, visit, "disposition", repeat)
    if set(told) - {"reason"}:
        act.refuse("C602", "answers", f"Found {told}.", "a reason, or on=DATE; another event: entered-in-error")
    day = date.fromisoformat(row.date)
    if on is not None:
        day = require_day(act, _kind_of(before["event"], act, row.first_event), on, death=None)
    items: dict[str, tuple[str, str | None, str]] = {id: ("text", value, "") for id, value in told.items()}
    rows = form_rows(act, visit, "disposition", items, repeat=repeat, state=row.state, on=day, is_new=False)
    turns = [Turn(day, t.number, t.treatment, t.follow_up) if t.number == row.first_event else t for t in act.turns]
    act.record(
        subject=before["event"].replace("_", " "),
        what={
            "before": {"date": row.date, **{id: before.get(id, "") for id in told}},
            "put": joined(rows, _standing_rows(act, turns)),
        },
        answer={"participant": act.participant.participant, "event": before["event"], "on": day.isoformat()},
    )


def _kind_of(event: str, act: Act, number: int) -> str:
    turned = next((turn for turn in act.turns if turn.number == number), None)
    if event == "study_withdrawal":
        visits = turned is not None and turned.follow_up == "withdrawn_from_visits"
        return "withdrawal from visits" if visits else "withdrawal"
    return {
        "treatment_discontinuation": "discontinuation",
        "lost_to_follow_up": "loss",
        "death": "death",
        "completion": "completion",
    }[event]


def _standing_rows(act: Act, turns: list[Turn]) -> dict[str, list[dict[str, Any]]]:
    """The participant's row where the standing that ``turns`` come to is another than the one recorded."""
    changed = columns_of(act.course, standing_after(act.course, turns), why=act.why)
    who = act.participant.participant
    return {"participant": [{"participant": who, **changed}]} if changed else {}


def _run(act: Act, visit: str, repeat: int, told: dict[str, str | None], on: date | None) -> None:
    """Correct the time or the rate of an entry of an infusion; the entries stay in order and within the bag."""
    before = values_of(act, visit, RUN, repeat)
    if on is not None or set(told) - {"at", "rate"}:
        act.refuse("C602", "answers", f"Found {told}.", "at (a local time) or rate (mL/h)")
    run = run_of(act, visit)
    sheet = open_sheet_of(act.protocol, visit)
    checked = checked_at(act, visit)
    earliest = run[repeat - 2][0] if repeat > 1 else (checked.replace(microsecond=0) if checked else None)
    latest = run[repeat][0] if repeat < len(run) else None
    at = run[repeat - 1][0]
    if told.get("at"):
        at = time_of(act, told["at"] or "", earliest, before=latest)
    rate = forms.number(told.get("rate") or before["rate"])
    if rate is None or rate < 0 or (at, rate) == run[repeat - 1]:
        act.refuse("C602", "answers", "Nothing would change, or the rate is not a number.", "another time or rate")
    entries = [*run[: repeat - 1], (at, rate), *run[repeat:]]
    raise_problems(running.check_intervals(running.intervals_of(entries, sheet), sheet))
    act.record(
        subject=visit,
        what={"before": before, "put": entry_rows(act, visit, repeat, at, rate, is_new=False)},
        answer={"participant": act.participant.participant, "at": at.isoformat(), "ml_per_hour": format(rate, "f")},
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
                "Its value is sealed and was not given again.",
                f"every item of the form: {listed([item.id for item in form.items])}",
                "Give every item of the form (null for what is left out), or add --safety FOLDER.",
            )
        before = {}
    met = stop_rules_of(act, {**before, **answers}) if form.kind == "vitals" else []
    passed_over = [*confirm, *_unchanged(before, answers), *(answers if met else ())]
    around = surroundings_of(act, visit, form) if form.kind in AT_VISITS else None
    filling = forms.fill(form, {**before, **answers}, confirmed=passed_over, around=around)
    raise_problems([*filling.hard, *filling.soft])
    rows = filled_rows(act, visit, form, filling, repeat=repeat, is_new=False)
    answer: dict[str, Any] = {"participant": act.participant.participant, "form": form.id}
    if form.kind == "vitals":
        if (minute := filling.answers.get("minute")) is not None:
            run = run_of(act, visit)
            require_minute(act, Decimal(minute), run[0][0])
            rows["item"] += taken_at(act, visit, form, repeat, Decimal(minute))
        follows = stop_rows(act, visit, form, repeat, met)
        rows, answer["stop"] = joined(rows, follows), "form" in follows
        act.tell({"stop_rules": [problem.found for problem in met]})
    act.record(subject=f"{visit} {form.id}", what={"put": rows}, answer=answer)


# ------------------------------------------------------------------ taken back


@action("entered-in-error", states=("open", "frozen"), why=True)
def entered_in_error(
    act: Act,
    participant: str,
    visit: str,
    form: str = "",
    repeat: int = 1,
    on: date | None = None,
    duplicate_of: int | None = None,
) -> None:
    """Take back what should not have been recorded (another participant's, twice the same, another visit): the ledger
    keeps it, no table and no analysis counts it, and it can be recorded anew.

    Without ``form`` the visit itself, once no form stands at it. ``on`` names the day of a calendar; ``duplicate_of``
    the number of the adverse event or form that is the same. Where somebody stands follows from what remains.
    """
    act.take("correct")
    if not form:
        _visit_in_error(act, visit)
        return
    if (form in ELSEWHERE and form != ADVERSE_EVENT) or form in ("baseline", RUN):
        step = ELSEWHERE.get(form, "correct, with the right value")
        act.refuse("C631", form, "It has a way of its own.", "another form", f"Use: {step}.")
    made = forms.forms(act.protocol).get(form)
    if made is not None and made.kind == "daily-use" and on is not None:
        repeat = on.toordinal()
    row = form_of(act, visit, form, repeat)
    if row is None or (row.state == "replaced" and form == "weight"):
        act.refuse("C602", f"{visit} {form} {repeat}", "Nothing is recorded there.", "a form that was recorded")
    if made is not None:
        require_may_record(act, made)
    elif not roles_of(act) & (WHO.get(form) or {"coordinator", "investigator"}):
        act.refuse("C600", form, "Another role takes it back.", "an account that records it")
    if duplicate_of is not None and (duplicate_of == repeat or form_of(act, visit, form, duplicate_of) is None):
        act.refuse(
            "C631", "duplicate_of", f"There is no other {form} {duplicate_of}.", "the number of the one that stays"
        )
    rows = _taken_back(act, visit, form, repeat)
    if made is not None and made.blinding == "open":
        rows = joined(rows, settled_by(act, visit, made, None, repeat))
    answer: dict[str, Any] = {
        "participant": act.participant.participant,
        "visit": visit,
        "form": form,
        "repeat": repeat,
    }
    if form == "disposition":
        turns = [turn for turn in act.turns if turn.number != row.first_event]
        rows = joined(rows, _standing_rows(act, turns))
        answer["follow_up"] = standing_after(act.course, turns).follow_up
    elif form == "weight":
        left = accepted_weight(act, besides=repeat)
        follows = voided_sheets(act, left[0] if left is not None else None)
        old = values_of(act, visit, form, repeat)["kg"]
        answer |= {**_dosed_by(act, old, None), **voided(follows)}
        rows = joined(rows, follows)
    elif form == GIVEN:
        # what was prepared is not given: its sheet stands checked again, to be given, made anew or cancelled
        sheet = {**answer, "form": DOSE_SHEET, "state": "checked", "reason": ""}
        standing = _standing_rows(act, [turn for turn in act.turns if turn.number != row.first_event])
        rows, answer["sheet"] = joined(rows, {"form": [sheet]}, standing), "checked"
    act.record(
        subject=f"{visit} {form}",
        what={"in_error": repeat, **({"duplicate_of": duplicate_of} if duplicate_of else {}), "put": rows},
        answer=answer,
    )


def _taken_back(act: Act, visit: str, form: str, repeat: int) -> dict[str, list[dict[str, Any]]]:
    """Rows that clear a form and say that it was entered in error; what was sealed is sealed anew."""
    who = {"participant": act.participant.participant, "visit": visit, "form": form, "repeat": repeat}
    names = ("item", "type", "unit", "blinding")
    cells = act.trial.values(ItemRow, names, **who, order=("item",))
    items = [
        sealed_cell(act, {**who, **dict(zip(names, cell, strict=True)), "value": "", "missing": IN_ERROR})
        for cell in cells
    ]
    return {"form": [{**who, "state": IN_ERROR, "reason": act.why}], "item": items}


def _visit_in_error(act: Act, visit: str) -> None:
    row = visit_row(act, visit)
    if row is None:
        act.refuse("C602", visit, "Nothing is recorded there.", "a visit that was recorded")
    standing = [form["form"] for form in forms_on(act, visit)]
    if standing:
        act.refuse("C631", visit, f"Forms are recorded at it: {listed(standing)}.", "none", "Take these back first.")
    who = {"participant": act.participant.participant, "visit": visit, "repeat": 1}
    cleared = {"state": IN_ERROR, "date": "", "study_day": "", "reason": act.why}
    act.record(
        subject=visit,
        what={"before": {"state": row.state, "date": row.date}, "put": {"visit": [{**who, **cleared}]}},
        answer={"participant": act.participant.participant, "visit": visit, "state": IN_ERROR},
    )
