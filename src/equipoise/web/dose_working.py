"""How a dose was worked out, step by step, from the protocol's own digits and the sheet as it was made."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from fractions import Fraction
from typing import Any

from equipoise.conduct.rules import dose as rules
from equipoise.conduct.rules.weight import POUND_KG
from equipoise.protocol import Protocol
from equipoise.protocol.language.interventions import DrugIntervention

# What a sheet tells that the page says in words of its own; whatever else it tells stands beside it.
SAID = frozenset(
    {
        "state",
        "label",
        "drug",
        "prepared_mg",
        "drawn_mg",
        "to_waste_mg",
        "capped",
        "weight_kg",
        "fill_to_ml",
        "volume_ml",
    }
)


def working(protocol: Protocol, told: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    """Step, with what, result. Empty of what cannot be said for certain: no step is guessed."""
    kg = Decimal(told["weight_kg"])
    pounds = (kg / POUND_KG).quantize(Decimal("0.1"))
    rows = [("Weight", "as it was taken", f"{kg} kg = {pounds} lb")]
    drug = _drug(protocol, told, kg)
    if drug is not None and drug.total_dose is not None and drug.rounding.usable is not None:
        exact, prepared, capped = rules.dose_mg(drug, kg)
        total, step = drug.total_dose, drug.rounding.usable
        with_what = f"{kg} kg × {total.amount} {total.unit}" if total.is_per_kg else f"{total.amount} {total.unit}"
        rows.append(("Dose", with_what, f"{rules.decimal_text(Fraction(exact))} mg"))
        if drug.maximum is not None:
            limit = f"{drug.maximum.amount} {drug.maximum.unit}"
            rows.append(("At most", limit, "reached" if capped else "not reached"))
        rows.append(("Rounded", f"to {step.amount} {step.unit}, half a step up", f"{prepared} mg"))
    rows.append(("Drawn", "from the shelf", f"{told['drawn_mg']} mg"))
    rows.append(("Waste", "drawn, and not in the dose", f"{told['to_waste_mg']} mg"))
    return rows


def _drug(protocol: Protocol, told: Mapping[str, Any], kg: Decimal) -> DrugIntervention | None:
    """The one drug of the protocol by which the sheet's dose comes out; none where several do, or none does."""
    found = []
    for entry in protocol.model.interventions.values():
        if not isinstance(entry, DrugIntervention) or entry.drug != told["drug"]:
            continue
        try:
            _, prepared, _ = rules.dose_mg(entry, kg)
        except ValueError:
            continue
        if prepared == Decimal(told["prepared_mg"]):
            found.append(entry)
    doses = {(str(entry.total_dose), str(entry.rounding.usable), str(entry.maximum)) for entry in found}
    return found[0] if len(doses) == 1 else None


def beside(told: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What a sheet tells beyond dose and working: steps, a volume to inject, whatever it holds."""
    return [
        (name.replace("_", " ").capitalize(), str(value))
        for name, value in told.items()
        if name not in SAID and value not in ("", [], None)
    ]
