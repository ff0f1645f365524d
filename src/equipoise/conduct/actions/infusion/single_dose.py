"""An injection or a spray as it was given: when, how much of it, where on the body. Volumes only, no milligrams."""

from __future__ import annotations

from decimal import Decimal

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.grounds import grounds_of
from equipoise.conduct.actions.infusion.dose import dose_visit
from equipoise.conduct.actions.infusion.infusion import local_date, time_of
from equipoise.conduct.actions.visits.recording import form_of, form_rows, raise_problems, values_of
from equipoise.conduct.rules.dose_places import DOSE_SHEET, GIVEN
from equipoise.conduct.rules.preconditions import check_start
from equipoise.conduct.rules.single_dose import single_days

CODES = {"C616": "An injection or a spray is not ready, or is more than was prepared."}


@action("dose-given")
def dose_given(act: Act, participant: str, at: str = "", ml: Decimal | None = None, where: str = "") -> None:
    """Record an injection or a spray of a checked sheet as given; where less went in than was prepared, the reason.

    ``ml`` is what went in, by default all; ``where`` the muscle or nostril. Not before the check, and only while the
    sheet holds: of today, for the weight as it is, with none held.
    """
    changed = act.take("give_dose")
    visit = _checked(act)
    whole = Decimal(values_of(act, visit, DOSE_SHEET)["volume"])
    when = time_of(act, at, None)
    raise_problems(check_start(grounds_of(act, visit), when))
    went_in = whole if ml is None else ml
    if went_in > whole or went_in < 0:
        act.refuse("C616", "ml", f"{went_in} mL of {whole} mL that were prepared.", f"from 0 to {whole} mL")
    if went_in < whole:
        act.require_why(f"{went_in} of {whole} mL were given")
    items: dict[str, tuple[str, str | None, str]] = {
        "at": ("time", when.isoformat(), ""),
        "ml": ("decimal", format(went_in, "f"), "mL"),
        **({"where": ("text", where.strip(), "")} if where.strip() else {}),
    }
    rows = form_rows(act, visit, GIVEN, items, on=local_date(act, when))
    rows["participant"] = [{"participant": participant, **changed}]
    ended = {"participant": participant, "visit": visit, "form": DOSE_SHEET, "repeat": 1, "state": "ended"}
    rows["form"].append({**ended, "reason": act.why})
    act.record(
        subject=visit,
        what={"put": rows},
        answer={"participant": participant, "given": when.isoformat(), "ml": format(went_in, "f")},
    )


def _checked(act: Act) -> str:
    """Where the records of the last dose stand whose sheet was checked and that was not given."""
    visits = [dose_visit(act.protocol, day) for day in single_days(act.protocol)]
    rows = ((visit, form_of(act, visit, DOSE_SHEET)) for visit in visits)
    found = [visit for visit, row in rows if row is not None and row.state == "checked"]
    if not found:
        step = "The order is: dose-sheet, dose-check, dose-given."
        act.refuse("C616", "dose", "There is no injection or spray that is checked.", "one", step)
    return found[-1]
