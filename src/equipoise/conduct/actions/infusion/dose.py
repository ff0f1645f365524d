"""The pharmacy's dose sheet, checked by a second account, and the controlled-drug register; milligrams are sealed."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.infusion.told_again import check_again_told, sheet_again, shelf_again
from equipoise.conduct.actions.visits.recording import day_1_of, form_of, form_rows, raise_problems, values_of
from equipoise.conduct.actions.visits.weight import accepted_weight
from equipoise.conduct.rules import dose as rules
from equipoise.conduct.rules import stock
from equipoise.conduct.rules.windows import study_day_of
from equipoise.foundation.errors import Problem, listed
from equipoise.protocol import Protocol

CODES = {
    "C605": "A dose sheet that cannot be made, or was made already.",
    "C606": "A second check by the account that prepared, or that comes to another dose.",
    "C607": "A drug of the register that the trial does not give.",
}
SHEET = "infusion-sheet"


def infusion_visit(day: int) -> str:
    """Where the records of the infusion of a study day stand."""
    return f"infusion-day-{day}"


def planned_days(protocol: Protocol) -> tuple[int, ...]:
    """Study days on which some arm gets an infusion."""
    found = {
        day
        for arm in protocol.arm_ids
        for drug in rules.infusions(protocol, arm).values()
        for day in rules.infusion_days(drug)
    }
    return tuple(sorted(found))


def sealed_entries(act: Act, kind: str) -> list[dict[str, Any]]:
    """What the sealed ledger holds of one kind, in order; needs the pharmacy's folder."""
    from equipoise.conduct.trial.models import SealedEvent

    rows = SealedEvent.objects.order_by("number").values_list("number", "event_number", "content")
    opened = (act.vault.open(f"event {number} of {event}", content) for number, event, content in rows)
    return [entry for entry in opened if entry.get("kind") == kind]


def register(act: Act) -> list[stock.Entry]:
    """The drug register."""
    return [
        stock.Entry(line["drug"], line["movement"], Decimal(line["mg"]))
        for entry in sealed_entries(act, "stock")
        for line in entry["lines"]
    ]


@action("dose-sheet", private=("drawn",), again=sheet_again, of_pharmacy=True)
def dose_sheet(act: Act, participant: str, drawn: Decimal | None = None, day: int | None = None) -> None:
    """Prepare an infusion: milligrams to the pharmacist alone, volume and rate to everybody, equal in every arm.

    ``drawn`` is what was taken from the shelf, by default the dose itself; the rest of it is wasted. ``day`` is the
    planned study day, by default today's.
    """
    changed = act.take("prepare_dose")
    protocol = act.protocol
    raise_problems(rules.check_infusions(protocol))
    today = study_day_of(act.now.local_date, day_1_of(act))
    planned = day if day is not None else today
    if planned not in planned_days(protocol):
        act.refuse(
            "C605",
            "day",
            f"No infusion is planned on study day {planned}.",
            listed(planned_days(protocol)),
            "Name the planned day: day=N.",
        )
    if planned != today:
        act.require_why(f"An infusion planned for study day {planned} was prepared on day {today}")
    visit = infusion_visit(planned)
    before = form_of(act, visit, SHEET)
    if before is not None and before.state not in ("prepared", "checked"):
        act.refuse("C605", visit, f"This infusion is {before.state}.", "one that has not begun")
    if before is not None:
        act.require_why("A dose sheet was made anew")
    taken = accepted_weight(act)
    valid = protocol.model.conduct.weighing.valid_days.usable or 0
    if taken is None or act.now.local_date - taken[1] > timedelta(days=valid):
        found = "No weight was taken." if taken is None else f"The last weight is of {taken[1]}."
        act.refuse("C528", "weight", found, f"a weight at most {valid} days old", "Weigh: the action weight.")
    sheet = rules.open_sheet(protocol, planned)
    arm = act.arm_of(participant)
    if rules.is_due(protocol, arm, planned) is None:
        act.refuse("C522", visit, "There is nothing to prepare.", "an arm with an infusion on that day")
    sealed = rules.sealed_sheet(protocol, arm, planned, taken[0])
    shelf = drawn if drawn is not None else sealed.prepared_mg
    if shelf < sealed.prepared_mg:
        act.refuse("C605", "drawn", "Less was drawn than the dose.", "at least the dose", "See the sheet again.")
    out = stock.Entry(sealed.drug, "drawn", shelf)
    raise_problems(_hidden(stock.check_entry(register(act), out)))
    items: dict[str, tuple[str, str | None, str]] = {
        "volume": ("decimal", rules.decimal_text(sheet.volume_ml), "mL"),
        "minutes": ("decimal", rules.decimal_text(sheet.minutes), "min"),
        "rate": ("text", ", ".join(rules.decimal_text(step.rate_ml_per_hour) for step in sheet.steps), "mL/h"),
        "weight": ("decimal", format(taken[0], "f"), "kg"),
        "prepared-by": ("text", act.session.account, ""),
    }
    rows = form_rows(act, visit, SHEET, items, state="prepared", on=act.now.local_date, is_new=before is None)
    rows["form"][0]["protocol_hash"] = act.protocol_hash
    if changed:
        rows["participant"] = [{"participant": participant, **changed}]
    act.record(
        subject=visit,
        what={"label": sheet.label, "put": rows},
        answer={"participant": participant, "label": sheet.label, "state": "prepared"},
    )
    wasted = shelf - sealed.prepared_mg
    act.seal(
        {
            "kind": "stock",
            "dose": {
                "participant": participant,
                "day": planned,
                "intervention": sealed.intervention,
                "drug": sealed.drug,
                "weight_kg": sealed.weight_kg,
                "prepared_mg": sealed.prepared_mg,
                "capped": sealed.is_capped,
                "drawn_mg": shelf,
                "wasted_mg": wasted,
            },
            "lines": [{"drug": sealed.drug, "movement": "drawn", "mg": shelf}],
        }
    )
    act.tell(
        {
            "drug": sealed.drug,
            "prepared_mg": format(sealed.prepared_mg, "f"),
            "drawn_mg": format(shelf, "f"),
            "to_waste_mg": format(wasted, "f"),
            "capped": sealed.is_capped,
            "weight_kg": format(sealed.weight_kg, "f"),
            "fill_to_ml": rules.decimal_text(sheet.volume_ml),
        }
    )


def _hidden(problems: list[Problem]) -> list[Problem]:
    """The problems without amounts: the words of a refusal are shown and may be logged."""
    return [
        Problem(p.code, "the shelf", "There is not enough of the drug.", "stock received first", "Record what came in.")
        for p in problems
    ]


def last_dose(act: Act, participant: str, day: int) -> dict[str, Any]:
    """The sealed dose of a sheet, the last one made."""
    doses = [entry["dose"] for entry in sealed_entries(act, "stock") if "dose" in entry]
    found = [dose for dose in doses if (dose["participant"], dose["day"]) == (participant, day)]
    if not found:
        act.refuse("C605", infusion_visit(day), "There is no sheet.", "a dose sheet", "Make it: dose-sheet.")
    return found[-1]


@action("dose-check", again=check_again_told)
def dose_check(act: Act, participant: str, day: int | None = None) -> None:
    """Check a dose sheet, by another account than the one that prepared it: the dose is worked out again."""
    protocol = act.protocol
    planned = day if day is not None else study_day_of(act.now.local_date, day_1_of(act))
    visit = infusion_visit(planned)
    before = form_of(act, visit, SHEET)
    if before is None or before.state != "prepared":
        state = before.state if before is not None else "not there"
        act.refuse("C605", visit, f"The sheet is {state}.", "a sheet that was prepared and not checked")
    values = values_of(act, visit, SHEET)
    if values["prepared-by"] == act.session.account:
        act.refuse("C606", visit, "The same account prepared it.", "two different accounts", "Another person checks.")
    dose = last_dose(act, participant, planned)
    taken = accepted_weight(act)
    again = rules.sealed_sheet(protocol, act.arm_of(participant), planned, taken[0]) if taken is not None else None
    if again is None or again.prepared_mg != Decimal(dose["prepared_mg"]) or again.drug != dose["drug"]:
        act.refuse(
            "C606",
            visit,
            "Worked out again the dose is another (a new weight, an amendment).",
            "the same dose twice",
            "Make the sheet anew.",
        )
    items: dict[str, tuple[str, str | None, str]] = {"checked-by": ("text", act.session.account, "")}
    act.record(
        subject=visit,
        what={"put": form_rows(act, visit, SHEET, items, state="checked", is_new=False)},
        answer={"participant": participant, "state": "checked"},
    )
    act.tell({"drug": dose["drug"], "prepared_mg": dose["prepared_mg"]})


@action("stock", private=("drug", "movement", "mg"), again=shelf_again, of_pharmacy=True)
def move_stock(act: Act, drug: str, movement: str, mg: Decimal, witness: str = "") -> None:
    """Enter a movement into the drug register: received, returned to the supplier, or wasted before a witness."""
    drugs = sorted({drug.drug for arm in act.protocol.arm_ids for drug in rules.infusions(act.protocol, arm).values()})
    if drug not in drugs:
        act.refuse("C607", "drug", "The trial does not give it.", listed(drugs))
    if movement not in ("received", "returned", "wasted"):
        act.refuse("C607", "movement", f"Found {movement!r}.", "received, returned or wasted")
    if movement == "wasted" and witness.strip() in ("", act.session.account):
        act.refuse("C607", "witness", "Nobody else saw it.", "another account as witness", "Add witness=ACCOUNT.")
    lines = register(act)
    entry = stock.Entry(drug, movement, mg)  # type: ignore[arg-type]
    raise_problems(stock.check_entry(lines, entry))
    act.record(subject="drug register", what={"witness": witness}, answer={"entered": True})
    act.seal({"kind": "stock", "lines": [{"drug": drug, "movement": movement, "mg": mg}]})
    act.tell({"shelf_mg": {name: format(left, "f") for name, left in stock.balance([*lines, entry]).items()}})


@action("stock-count", private=("drug", "mg"), again=shelf_again, of_pharmacy=True)
def stock_count(act: Act, drug: str, mg: Decimal) -> None:
    """Count the shelf: refused, with both numbers to the pharmacist, where it differs from the register."""
    lines = register(act)
    raise_problems(stock.check_count(lines, drug, mg))
    act.record(subject="drug register", what={"counted": True}, answer={"agrees": True})
    act.seal({"kind": "count", "drug": drug, "mg": mg})
    act.tell({"shelf_mg": {name: format(left, "f") for name, left in stock.balance(lines).items()}})
