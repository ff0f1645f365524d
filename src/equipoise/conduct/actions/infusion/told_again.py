"""What the pharmacist was told, told once more from the sealed ledger to whoever lost the reply."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from equipoise.conduct.rows.tables import EventRow, SealedEventRow
from equipoise.conduct.rules import dose, stock
from equipoise.conduct.rules.single_dose import sheet_of_dose
from equipoise.conduct.trial.slots import open_event

if TYPE_CHECKING:
    from equipoise.conduct.actions.context import Act


def sealed_by(act: Act, numbers: Sequence[int]) -> dict[str, Any]:
    """The last sealed entry that belongs to events of these numbers, opened."""
    return open_event(act.vault, act.trial.find(SealedEventRow, event_number__in=numbers, order=("number",))[-1])


def sheet_again(act: Act, numbers: Sequence[int]) -> str:
    """Drug and milligrams of a sheet as they were told when it was made."""
    told = sealed_by(act, numbers)["dose"]
    ((protocol,),) = act.trial.values(EventRow, ("protocol_hash",), number=numbers[0])
    under, mg = act.trial.protocol(protocol), Decimal(told["prepared_mg"])
    sheet = sheet_of_dose(under, told["intervention"], told["day"], mg)
    act.tell(
        {
            "drug": told["drug"],
            "prepared_mg": told["prepared_mg"],
            "drawn_mg": told["drawn_mg"],
            "to_waste_mg": told["wasted_mg"],
            "capped": told["capped"],
            "weight_kg": told["weight_kg"],
            ("fill_to_ml" if sheet.steps else "volume_ml"): dose.decimal_text(sheet.volume_ml),
            **({"steps": ", then ".join(told["steps"])} if "steps" in told else {}),
        }
    )
    return ""


def check_again_told(act: Act, numbers: Sequence[int]) -> str:
    """Drug and milligrams of the sheet that was checked: the last one made before the check."""
    given, day = act.given["participant"], act.given.get("day")
    found: dict[str, Any] = {}
    for sealed in act.trial.find(SealedEventRow, event_number__below=numbers[0], order=("number",)):
        made = open_event(act.vault, sealed).get("dose", {})
        if made.get("participant") == given and day in (None, made.get("day")):
            found = made
    act.tell({"drug": found["drug"], "prepared_mg": found["prepared_mg"]})
    return ""


def shelf_again(act: Act, numbers: Sequence[int]) -> str:
    """The shelf as it was after the entry."""
    entries = []
    for sealed in act.trial.find(SealedEventRow, event_number__at_most=numbers[-1], order=("number",)):
        opened = open_event(act.vault, sealed)
        if opened.get("kind") == "stock":
            entries += [
                stock.StockEntry(line["drug"], line["movement"], Decimal(line["mg"])) for line in opened["lines"]
            ]
    act.tell({"shelf_mg": {name: format(left, "f") for name, left in stock.balance(entries).items()}})
    return ""
