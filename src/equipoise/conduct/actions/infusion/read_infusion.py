"""An infusion as the nurse at the bedside sees it: how it runs, which readings are taken and due, when to stop."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.grounds import grounds_of
from equipoise.conduct.actions.infusion.dose import infusion_visit, planned_days
from equipoise.conduct.actions.infusion.infusion import open_sheet_of, readings_of, run_of
from equipoise.conduct.actions.permissions import ALWAYS
from equipoise.conduct.actions.repeat import run_again
from equipoise.conduct.actions.visits.participants import standing
from equipoise.conduct.actions.visits.recording import form_of, values_of
from equipoise.conduct.rules import dose, forms
from equipoise.conduct.rules import infusion as rules
from equipoise.conduct.rules.dose_places import SHEET
from equipoise.conduct.rules.preconditions import check_sheet_holds

# Of several infusions the one that is under way, else the one to come, else the last that was.
_FIRST = ("running", "held", "checked", "prepared", "void", "ended", "cancelled")


@action("read-infusion", states=ALWAYS, again=run_again)
def read_infusion(act: Act, participant: str) -> None:
    """Read how an infusion stands: its sheet, its run, the minutes of the readings taken and due, the stop rules.

    No reading is told: those are sealed as they are recorded.
    """
    act.record(subject="infusion", what={"read": "infusion"}, answer={"participant": participant})
    told: dict[str, Any] = {"standing": standing(act, participant), "visit": "", "state": "", "planned": []}
    told["planned"] = list(planned_days(act.protocol))
    found = {
        day: row.state
        for day in planned_days(act.protocol)
        if (row := form_of(act, infusion_visit(day), SHEET)) is not None
    }
    order = [day for state in _FIRST for day in sorted(found, reverse=True) if found[day] == state]
    if order:
        told |= _infusion(act, order[0], found[order[0]])
    act.tell(told)


def _infusion(act: Act, day: int, state: str) -> dict[str, Any]:
    visit = infusion_visit(day)
    sheet, values = open_sheet_of(act.protocol, visit), values_of(act, visit, SHEET)
    run = run_of(act, visit) if state in ("running", "held", "ended") else []
    conduct = act.protocol.model.conduct.infusing
    intervals = rules.intervals_of([*run, (act.now.utc, Decimal(0))] if run and state != "ended" else run, sheet)
    given = rules.delivered(intervals)
    form = forms.infusion_signs(act.protocol)
    return {
        "visit": visit,
        "day": day,
        "state": state,
        "label": sheet.label,
        "volume_ml": dose.decimal_text(sheet.volume_ml),
        "planned_minutes": dose.decimal_text(sheet.minutes),
        "steps": [
            (dose.decimal_text(step.rate_ml_per_hour), dose.decimal_text(step.minutes, 2)) for step in sheet.steps
        ],
        "prepared_by": values.get("prepared-by", ""),
        "checked_by": values.get("checked-by", ""),
        "in_the_way": [f"{one.found} {one.next_step}".strip() for one in check_sheet_holds(grounds_of(act, visit))]
        if state in ("prepared", "checked", "void")
        else [],
        "run": [(at.isoformat(), format(rate, "f")) for at, rate in run],
        "given_ml": dose.decimal_text(min(given.volume_ml, sheet.volume_ml), 1),
        "interruptions": given.interruptions,
        "form": form.id if form is not None else "",
        "readings": [(number, format(minute, "f")) for number, minute in readings_of(act, visit)],
        "due": [format(minute, "f") for minute in rules.readings_due(sheet, conduct)],
        "signs": [(item.id, item.label, item.unit) for item in form.items if item.id != "minute"] if form else [],
        "stop": [(rule.when.variable, rule.when.operator, rule.when.bound) for rule in conduct.stop.values()],
        "ended": _ended(run) if state == "ended" else "",
    }


def _ended(run: list[tuple[datetime, Decimal]]) -> str:
    return run[-1][0].isoformat() if run else ""
