"""Doses in a cut: infusions as they ran, injections and sprays as they were given."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from equipoise.conduct.rules import dose, infusion
from equipoise.conduct.rules.dose_places import DOSE_SHEET, GIVEN, planned_day_of
from equipoise.protocol.language.interventions import DrugIntervention

if TYPE_CHECKING:
    from equipoise.conduct.cut.at_cut import LedgerAtCut
    from equipoise.conduct.cut.history import Row

# The intervention of an infusion, and of an injection or a spray, where arms are not told.
MASKED, MASKED_DOSE = "study-infusion", "study-dose"


def sheets_of(cut: LedgerAtCut) -> list[tuple[str, int, Row]]:
    """Doses that began: participant, planned day, sheet."""
    out = []
    for id in cut.entered:
        for row in cut.sheets(id):
            if row["state"] in ("running", "held", "ended"):
                out.append((id, planned_day_of(row["visit"]), row))
    return out


def given_of(cut: LedgerAtCut, id: str, day: int, sheet: Row) -> tuple[str, Decimal | None]:
    """Intervention and prepared milligrams as the edition tells them."""
    if cut.opened.doses is not None:
        return cut.opened.doses[(id, day)]
    protocol = cut.version(sheet["protocol_hash"])
    arm = cut.opened.arms.get((id, 1)) if protocol.model.randomization is not None else protocol.arm_ids[0]
    due = dose.is_due(protocol, arm, day) if arm is not None else None
    if arm is None or due is None:
        return MASKED, None
    weight = Decimal(cut.values(id, sheet)["weight"])
    return due, dose.sealed_sheet(protocol, arm, day, weight).prepared_mg


def exposure_of(cut: LedgerAtCut) -> list[Row]:
    """Every dose that was given, as far as it was."""
    out = []
    for id, day, sheet in sheets_of(cut):
        if sheet["form"] == DOSE_SHEET:
            out.append(_single(cut, id, day, sheet))
            continue
        plan = dose.open_sheet(cut.version(sheet["protocol_hash"]), day)
        entries = []
        for row in sorted(cut.forms.get((id, "infusion-run"), []), key=lambda row: row["repeat"]):
            if row["visit"] == sheet["visit"]:
                values = cut.values(id, row)
                entries.append((datetime.fromisoformat(values["at"]), Decimal(values["rate"])))
        given = infusion.delivered(infusion.intervals_of(entries, plan))
        intervention, prepared = given_of(cut, id, day, sheet)
        by = cut.version(sheet["protocol_hash"]).model.interventions.get(intervention)
        shares = dose.shares_of(by) if isinstance(by, DrugIntervention) else None
        mg = infusion.delivered_mg(given, plan, prepared, shares) if prepared is not None else None
        weight = Decimal(cut.values(id, sheet)["weight"])
        drug = cut.protocol.model.interventions.get(intervention)
        out.append(
            {
                "participant_id": id,
                "intervention": intervention,
                "day": cut.day(id, sheet["date"]),
                "planned_mg": float(prepared) if prepared is not None else None,
                "delivered_mg": float(mg) if mg is not None else None,
                "delivered_mg_per_kg": float(mg) / float(weight) if mg is not None else None,
                "route": getattr(drug, "route", None),
                "minutes": float(dose.decimal_text(given.minutes, 2)),
                "interruptions": given.interruptions,
            }
        )
    return out


def _single(cut: LedgerAtCut, id: str, day: int, sheet: Row) -> Row:
    """The row of an injection or a spray: its milligrams go by the share of the volume that was given."""
    given = next(row for row in cut.forms[(id, GIVEN)] if row["visit"] == sheet["visit"])
    share = Fraction(cut.values(id, given)["ml"]) / Fraction(cut.values(id, sheet)["volume"])
    intervention, prepared = given_of(cut, id, day, sheet)
    mg = float(Fraction(prepared) * share) if prepared is not None else None
    drug = cut.protocol.model.interventions.get(intervention)
    return {
        "participant_id": id,
        "intervention": intervention if intervention != MASKED else MASKED_DOSE,
        "day": cut.day(id, given["date"]),
        "planned_mg": float(prepared) if prepared is not None else None,
        "delivered_mg": mg,
        "delivered_mg_per_kg": mg / float(cut.values(id, sheet)["weight"]) if mg is not None else None,
        "route": getattr(drug, "route", None),
        "minutes": None,
        "interruptions": 0,
    }
