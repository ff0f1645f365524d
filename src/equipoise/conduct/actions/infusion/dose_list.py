"""Dose sheets to make and to check: what the pharmacy has before it, for who may know it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.grounds import grounds_of
from equipoise.conduct.actions.infusion.dose import dose_visit, prepared_days
from equipoise.conduct.actions.permissions import ALWAYS
from equipoise.conduct.actions.repeat import run_again
from equipoise.conduct.actions.visits.due import everybody, today_at
from equipoise.conduct.actions.visits.recording import form_of, values_of
from equipoise.conduct.keys.vault import is_named
from equipoise.conduct.rules import dose as rules
from equipoise.conduct.rules.dose_places import DOSE_DAY, sheet_form
from equipoise.conduct.rules.preconditions import check_sheet, check_sheet_holds
from equipoise.conduct.rules.status import IN_TRIAL, LEFT
from equipoise.conduct.rules.windows import date_of
from equipoise.foundation.errors import Problem

TO_MAKE = "to make"


@action("dose-sheets", states=ALWAYS, again=run_again)
def dose_sheets(act: Act, days: int = 7) -> None:
    """List the doses of the account's sites whose day has come or comes within ``days``, each with its sheet's state.

    Where the pharmacy's folder is named, nobody is listed whose arm gets nothing on the day. How many are listed is
    not recorded: it could tell an arm.
    """
    if not 0 <= days <= 400:
        act.refuse("C611", "days", f"Found {days}.", "0 to 400 days")
    rows = [row for id in everybody(act) for row in _rows(act, id, days)]
    rows.sort(key=lambda row: (row["date"], row["participant"]))
    act.load_none()
    act.record(subject="dose sheets", what={"read": "dose sheets"})
    act.tell({"sheets": rows})


def _rows(act: Act, participant: str, days: int) -> Iterator[dict[str, Any]]:
    person = act.load(participant)
    if person.status not in IN_TRIAL or not person.day_1:
        return
    protocol, first = act.protocol, date.fromisoformat(person.day_1)
    until = today_at(act, person.site) + timedelta(days=days)
    goes_on = person.treatment != "discontinued" and person.follow_up not in LEFT and not person.in_error
    for day in prepared_days(protocol):
        visit, on = dose_visit(protocol, day), date_of(day, first)
        sheet = form_of(act, visit, sheet_form(visit))
        if day < (protocol.model.calendar.randomization_day or 1):
            continue  # before the entry into the trial nothing is prepared
        if on > until or (sheet is None and not (goes_on and _gets_one(act, participant, day))):
            continue
        state = sheet.state if sheet is not None else TO_MAKE
        values = values_of(act, visit, sheet_form(visit)) if sheet is not None else {}
        yield {
            "participant": participant,
            "site": person.site,
            "day": day,
            "date": on.isoformat(),
            "state": "running" if state == "held" else state,
            "prepared_on": sheet.date if sheet is not None else "",
            "prepared_by": values.get("prepared-by", ""),
            "checked_by": values.get("checked-by", ""),
            "label": _label(act, visit, day, values),
            "in_the_way": [f"{one.found} {one.next_step}".strip() for one in _in_the_way(act, visit, state)],
        }


def _label(act: Act, visit: str, day: int, values: Mapping[str, str]) -> str:
    """What is prepared, as everybody may see it: of an injection or a spray the volume, once its sheet is made."""
    if visit.startswith(DOSE_DAY):
        return f"Study dose {values['volume']} mL" if "volume" in values else ""
    return rules.open_sheet(act.protocol, day).label if not rules.check_infusions(act.protocol) else ""


def _gets_one(act: Act, participant: str, day: int) -> bool:
    """Whether the participant's arm gets something on the day; yes where the pharmacy's folder is not named.

    A key that is not the trial's, or a slot that does not open, is refused: a list that is too long would hide it.
    """
    if act.protocol.model.randomization is not None and not is_named(act.pharmacy):
        return True
    return rules.is_due(act.protocol, act.arm_of(participant), day) is not None


def _in_the_way(act: Act, visit: str, state: str) -> list[Problem]:
    if state in (TO_MAKE, "void", "cancelled"):
        return check_sheet(grounds_of(act, visit))
    return check_sheet_holds(grounds_of(act, visit)) if state in ("prepared", "checked") else []
