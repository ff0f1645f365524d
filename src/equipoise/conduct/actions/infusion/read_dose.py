"""An injection or a spray as the nurse who gives it sees it: how much, by which route, whether it was checked."""

from __future__ import annotations

from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.grounds import grounds_of
from equipoise.conduct.actions.infusion.dose import dose_visit
from equipoise.conduct.actions.permissions import ALWAYS
from equipoise.conduct.actions.repeat import run_again
from equipoise.conduct.actions.visits.participants import standing
from equipoise.conduct.actions.visits.recording import form_of, values_of
from equipoise.conduct.rules.dose_places import DOSE_SHEET, GIVEN, planned_day_of
from equipoise.conduct.rules.preconditions import check_sheet_holds
from equipoise.conduct.rules.single_dose import label_of_day, single_days

# Of several doses the one that can be given, else the one to come, else the last that was.
_FIRST = ("checked", "prepared", "void", "ended", "cancelled")
_TO_COME = ("checked", "prepared", "void")


@action("read-dose", states=ALWAYS, again=run_again)
def read_dose(act: Act, participant: str) -> None:
    """Read how the injection or spray stands that is to be given, else the last: its volume and route, never its drug.

    Also every one that was given so far, with what went in.
    """
    act.record(subject="dose", what={"read": "dose"}, answer={"participant": participant})
    visits = {day: dose_visit(act.protocol, day) for day in single_days(act.protocol)}
    found = {day: row.state for day, visit in visits.items() if (row := form_of(act, visit, DOSE_SHEET)) is not None}
    order = [day for state in _FIRST for day in sorted(found, reverse=True) if found[day] == state]
    given = [{"day": day, **values_of(act, visits[day], GIVEN)} for day in sorted(found) if found[day] == "ended"]
    told: dict[str, Any] = {"standing": standing(act, participant), "visit": "", "state": "", "given": given}
    told["planned"] = list(visits)
    if order:
        told |= _dose(act, visits[order[0]], found[order[0]])
    act.tell(told)


def _dose(act: Act, visit: str, state: str) -> dict[str, Any]:
    values, day = values_of(act, visit, DOSE_SHEET), planned_day_of(visit)
    volume = values.get("volume", "")
    in_the_way = check_sheet_holds(grounds_of(act, visit)) if state in _TO_COME else []
    return {
        "visit": visit,
        "day": day,
        "state": state,
        "label": label_of_day(act.protocol, day, volume),
        "volume_ml": volume,
        "prepared_by": values.get("prepared-by", ""),
        "checked_by": values.get("checked-by", ""),
        "in_the_way": [f"{one.found} {one.next_step}".strip() for one in in_the_way],
    }
