"""The infusion as it ran: start, changes of rate and interruptions, vital signs, stop. Volumes only, no milligrams."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import ROUND_FLOOR, Decimal
from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.grounds import grounds_of
from equipoise.conduct.actions.infusion.dose import infusion_visit, planned_days
from equipoise.conduct.actions.visits.recording import (
    all_values_of,
    filled_rows,
    form_of,
    form_rows,
    joined,
    raise_problems,
    repeats_of,
    require_may_record,
)
from equipoise.conduct.clock import zone_of
from equipoise.conduct.rows.tables import ItemRow
from equipoise.conduct.rules import dose, forms
from equipoise.conduct.rules import infusion as rules
from equipoise.conduct.rules.dose_places import SHEET, planned_day_of
from equipoise.conduct.rules.preconditions import check_start
from equipoise.foundation.errors import Problem
from equipoise.protocol import Protocol

CODES = {
    "C608": "The infusion is not ready, not running, or already running.",
    "C609": "A time is before the last entry of the infusion, or in the future.",
}
RUN = "infusion-run"
LATE = timedelta(hours=12)  # what is typed in later than this says why
READINGS_END = Decimal(24 * 60)  # minutes after the start: no reading of an infusion is taken later
TAKEN = "(taken-at)"  # the minute of a reading, open


def open_sheet_of(protocol: Protocol, visit: str) -> dose.OpenSheet:
    """The sheet of an infusion by the place of its records."""
    return dose.open_sheet(protocol, planned_day_of(visit))


def run_of(act: Act, visit: str) -> list[tuple[datetime, Decimal]]:
    """Entries of the run so far."""
    entries = all_values_of(act, visit, RUN).values()
    return [(datetime.fromisoformat(entry["at"]), Decimal(entry["rate"])) for entry in entries]


def _visit(act: Act, *states: str) -> str:
    """The infusion whose sheet is in one of ``states``; the last such."""
    found = [
        infusion_visit(day)
        for day in planned_days(act.protocol)
        if (row := form_of(act, infusion_visit(day), SHEET)) is not None and row.state in states
    ]
    if not found:
        act.refuse(
            "C608",
            "infusion",
            f"There is no infusion that is {' or '.join(states)}.",
            "one",
            "The order is: dose-sheet, dose-check, infusion-start, infusion-stop.",
        )
    return found[-1]


def time_of(act: Act, at: str, after: datetime | None, *, before: datetime | None = None) -> datetime:
    """The instant meant, whole seconds: now, or a local time of the site that was written down.

    Between ``after`` and ``before`` (by default now): C609 otherwise. One of more than half a day ago says a reason.
    """
    now = act.now.utc.replace(microsecond=0)
    if not at:
        return now
    try:
        local = datetime.fromisoformat(at)
        if local.tzinfo is None:
            local = local.replace(tzinfo=zone_of(act.now.zone))
        instant = local.astimezone(UTC).replace(microsecond=0)
    except (ValueError, OverflowError):
        act.refuse("C609", "at", f"{at!r} is not a time.", "a local time such as 2027-01-31T10:40:00")
    if instant > (before or now) or (after is not None and instant < after):
        act.refuse("C609", "at", f"{at} lies in the future or before the last entry.", "a time between")
    if now - instant > LATE:
        act.require_why(f"A time of {at}, more than twelve hours ago, was typed")
    return instant


def entry_rows(
    act: Act, visit: str, number: int, at: datetime, rate: Decimal, *, is_new: bool = True
) -> dict[str, list[dict[str, Any]]]:
    """Rows of one entry of the run: a time, and the rate from then on."""
    items: dict[str, tuple[str, str | None, str]] = {
        "at": ("time", at.isoformat(), ""),
        "rate": ("decimal", format(rate, "f"), "mL/h"),
    }
    return form_rows(act, visit, RUN, items, repeat=number, on=local_date(act, at), is_new=is_new)


def local_date(act: Act, at: datetime) -> date:
    """The date on the wall of the site at an instant."""
    return at.astimezone(zone_of(act.now.zone)).date()


@action("infusion-start")
def infusion_start(act: Act, participant: str, at: str = "") -> None:
    """Start the infusion of a checked sheet at its prepared rate.

    Not before the check, and only while the sheet holds: of today, for the weight as it is, with none held.
    """
    changed = act.take("start_dose")
    visit = _visit(act, "checked")
    sheet = open_sheet_of(act.protocol, visit)
    when = time_of(act, at, None)
    raise_problems(check_start(grounds_of(act, visit), when))
    rate = Decimal(dose.decimal_text(sheet.steps[0].rate_ml_per_hour))
    rows = entry_rows(act, visit, 1, when, rate)
    rows["participant"] = [{"participant": participant, **changed}]
    rows["form"].append({"participant": participant, "visit": visit, "form": SHEET, "repeat": 1, "state": "running"})
    act.record(
        subject=visit,
        what={"put": rows},
        answer={
            "participant": participant,
            "started": when.isoformat(),
            "ml_per_hour": format(rate, "f"),
            "vital_signs_at_minutes": [format(m, "f") for m in _due(act, sheet)],
        },
    )


def _due(act: Act, sheet: dose.OpenSheet) -> tuple[Decimal, ...]:
    return rules.readings_due(sheet, act.protocol.model.conduct.infusing)


@action("infusion-rate")
def infusion_rate(act: Act, participant: str, ml_per_hour: Decimal, at: str = "") -> None:
    """Change the rate; 0 interrupts. Slower than prepared, or an interruption, needs a reason; after a stop rule fired
    nothing is resumed.
    """
    visit = _visit(act, "running", "held")
    sheet = open_sheet_of(act.protocol, visit)
    run = run_of(act, visit)
    when = time_of(act, at, run[-1][0])
    prepared = [Decimal(dose.decimal_text(step.rate_ml_per_hour)) for step in sheet.steps]
    if ml_per_hour < min(prepared):
        act.require_why("The infusion was slowed or interrupted")
    standing = form_of(act, visit, SHEET)
    if ml_per_hour > 0 and standing is not None and standing.state == "held":
        act.refuse("C543", visit, "A stop rule was met.", "an infusion that is stopped", "infusion-stop.")
    entries = [*run, (when, ml_per_hour), (when, Decimal(0))]
    raise_problems(rules.check_intervals(rules.intervals_of(entries, sheet), sheet))
    if ml_per_hour > max(prepared):
        act.refuse("C541", "ml_per_hour", f"{ml_per_hour} mL/h is faster than prepared.", f"at most {max(prepared)}")
    act.record(
        subject=visit,
        what={"put": entry_rows(act, visit, len(run) + 1, when, ml_per_hour)},
        answer={"participant": participant, "at": when.isoformat(), "ml_per_hour": format(ml_per_hour, "f")},
    )


@action("infusion-stop")
def infusion_stop(act: Act, participant: str, at: str = "") -> None:
    """Record the end of the infusion; where less than the bag went in, the reason."""
    changed = act.take("record_dose")
    visit = _visit(act, "running", "held")
    sheet = open_sheet_of(act.protocol, visit)
    run = run_of(act, visit)
    when = time_of(act, at, run[-1][0])
    found = rules.intervals_of([*run, (when, Decimal(0))], sheet)
    raise_problems(rules.check_intervals(found, sheet))
    given = rules.delivered(found)
    if given.volume_ml < sheet.volume_ml:
        act.require_why(f"{dose.decimal_text(given.volume_ml)} of {dose.decimal_text(sheet.volume_ml)} mL were given")
    rows = entry_rows(act, visit, len(run) + 1, when, Decimal(0))
    rows["participant"] = [{"participant": participant, **changed}]
    rows["form"].append(
        {"participant": participant, "visit": visit, "form": SHEET, "repeat": 1, "state": "ended", "reason": act.why}
    )
    missing = rules.missing_readings(
        sheet,
        act.protocol.model.conduct.infusing,
        [at for _, at in readings_of(act, visit)],
        Decimal(given.seconds) / 60,
    )
    act.record(
        subject=visit,
        what={"put": rows},
        answer={
            "participant": participant,
            "volume_ml": dose.decimal_text(min(given.volume_ml, sheet.volume_ml)),
            "minutes": dose.decimal_text(given.minutes, 2),
            "interruptions": given.interruptions,
            "readings_missing": [problem.place for problem in missing],
        },
    )


def _form(act: Act) -> forms.Form:
    found = forms.infusion_signs(act.protocol)
    if found is None:
        act.refuse("C608", "vitals", "The protocol asks for no vital signs.", "an assessment of type vitals")
    return found


def require_minute(act: Act, minute: Decimal, start: datetime) -> None:
    """Refuse a reading before the start of the infusion, or later than now (C535)."""
    passed = Decimal(int((act.now.utc - start).total_seconds())) / 60
    if minute < 0:
        act.refuse("C535", "minute", f"Minute {minute} is before the start.", "a minute from 0 on", "Correct it.")
    if minute > passed or minute > READINGS_END:
        most = min(passed, READINGS_END).quantize(Decimal("0.1"), rounding=ROUND_FLOOR)
        act.refuse("C535", "minute", f"Minute {minute} has not come yet.", f"a minute up to {most}", "Correct it.")


def _readings(act: Act, visit: str, form: forms.Form) -> list[tuple[int, Decimal]]:
    """Number and minute of each reading that was taken, in the order recorded."""
    rows = act.trial.values(
        ItemRow,
        ("repeat", "value"),
        participant=act.participant.participant,
        visit=visit,
        form=form.id,
        item=TAKEN,
        missing="",
        order=("repeat",),
    )
    return [(number, Decimal(value)) for number, value in rows]


def taken_at(act: Act, visit: str, form: forms.Form, number: int, minute: Decimal) -> list[dict[str, Any]]:
    """The open row that says when a reading was taken: whether readings are missing must be seen without the signs."""
    when: dict[str, tuple[str, str | None, str]] = {TAKEN: ("decimal", format(minute, "f"), "min")}
    return form_rows(act, visit, form.id, when, repeat=number)["item"]


def stop_rules_of(act: Act, answers: Mapping[str, str | None]) -> list[Problem]:
    """Stop rules that a reading meets, from its answers as text; what is no number meets none."""
    signs = {id: forms.number(answers.get(id) or "") for id in ("systolic", "diastolic", "pulse", "saturation")}
    return list(rules.stop_rules_met(signs, act.protocol.model.conduct.infusing))


def stop_rows(
    act: Act, visit: str, form: forms.Form, number: int, met: Sequence[Problem]
) -> dict[str, list[dict[str, Any]]]:
    """What follows from the stop rules that a reading met: which ones, sealed; the sheet held while it runs."""
    ids = ", ".join(problem.place.rpartition(".")[2] for problem in met) or "none"
    fired: dict[str, tuple[str, str | None, str]] = {"(stop-rules)": ("text", ids, "")}
    rows = {"item": form_rows(act, visit, form.id, fired, repeat=number, blinding=form.blinding)["item"]}
    sheet = form_of(act, visit, SHEET)
    if met and sheet is not None and sheet.state in ("running", "held"):
        who = {"participant": act.participant.participant, "visit": visit}
        rows["form"] = [{**who, "form": SHEET, "repeat": 1, "state": "held"}]
    return rows


def readings_of(act: Act, visit: str) -> list[tuple[int, Decimal]]:
    """Number and minute since the start of each reading of an infusion, in the order recorded."""
    form = next((form for form in forms.forms(act.protocol).values() if form.kind == "vitals"), None)
    return _readings(act, visit, form) if form is not None else []


def _signs_again(act: Act, numbers: Sequence[int]) -> str:
    signs = ("systolic", "diastolic", "pulse", "saturation")
    told = {id: None if act.given.get(id) is None else format(act.given[id], "f") for id in signs}
    act.tell({"stop_rules": [problem.found for problem in stop_rules_of(act, told)]})
    return ""


@action("infusion-vitals", again=_signs_again)
def infusion_vitals(
    act: Act,
    participant: str,
    minute: Decimal | None = None,
    systolic: Decimal | None = None,
    diastolic: Decimal | None = None,
    pulse: Decimal | None = None,
    saturation: Decimal | None = None,
    confirm: list[str] | None = None,
) -> None:
    """Record vital signs of an infusion, by the minute since its start; says at once where a stop rule is met.

    The signs are sealed. That an infusion is held, and not resumed, is open as its rate is; at which reading and by
    which rule is not.
    """
    visit = _visit(act, "running", "held", "ended")
    form = _form(act)
    require_may_record(act, form)
    act.hide("systolic", "diastolic", "pulse", "saturation", "confirm")
    run = run_of(act, visit)
    if minute is None:
        passed = int((act.now.utc - run[0][0]).total_seconds())
        minute = (Decimal(passed) / 60).quantize(Decimal("0.1"), rounding=ROUND_FLOOR)  # never ahead of now
    signs = {"systolic": systolic, "diastolic": diastolic, "pulse": pulse, "saturation": saturation}
    answers = {id: None if value is None else format(value, "f") for id, value in {"minute": minute, **signs}.items()}
    require_minute(act, minute, run[0][0])
    met = stop_rules_of(act, answers)
    # A reading that meets a stop rule is never put off by a question: it is recorded, and the infusion stops.
    passed_over = [*(confirm or []), *signs] if met else (confirm or [])
    filling = forms.fill(form, answers, confirmed=passed_over)
    raise_problems([*filling.hard, *filling.soft])
    if minute in [taken for _, taken in _readings(act, visit, form)]:
        act.refuse("C601", f"minute {minute}", "There is a reading already.", "another minute", "Correct it: correct.")
    number = len(repeats_of(act, visit, form.id)) + 1
    rows = filled_rows(act, visit, form, filling, repeat=number, on=local_date(act, act.now.utc))
    rows["item"] += taken_at(act, visit, form, number, minute)
    follows = stop_rows(act, visit, form, number, met)
    act.record(
        subject=visit,
        what={"put": joined(rows, follows)},
        answer={"participant": participant, "minute": format(minute, "f"), "stop": "form" in follows},
    )
    act.tell({"stop_rules": [problem.found for problem in met]})
