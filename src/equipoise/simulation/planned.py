"""What a protocol plans to give and to ask, in plain values: doses, sessions, instruments."""

from __future__ import annotations

from equipoise.foundation.calendar import day_index, days_between, study_day
from equipoise.instruments import Instrument, find_instrument_of
from equipoise.protocol import Protocol
from equipoise.protocol.language.interventions import BehaviouralIntervention, DrugIntervention
from equipoise.simulation.design import PlannedInfusion, PlannedTherapy

# Milligrams in one of a unit; an amount in another (mL, IU) is not known in milligrams.
_MILLIGRAMS = {"mg": 1.0, "ug": 0.001, "g": 1000.0}


def planned_doses_of(protocol: Protocol, arm: str) -> tuple[PlannedInfusion, ...]:
    """Every planned dose of every drug of an arm, in the order of days; the steps of one dose added up."""
    out = []
    for id in protocol.model.arms[arm].interventions:
        drug = protocol.model.interventions[id]
        if not isinstance(drug, DrugIntervention):
            continue
        dose, maximum, step = drug.total_dose, drug.maximum, drug.rounding.usable
        scale = None if dose is None else _MILLIGRAMS.get(dose.unit.split("/")[0])
        amount = None if dose is None or scale is None else float(dose.amount) * scale
        by_weight = dose is not None and dose.is_per_kg
        days = [day for span in drug.days for day in days_from(span.first, span.last)] or _days_of_visits(protocol, id)
        days = [day for day in days if protocol.gives_on(arm, id, day)]
        for number, day in enumerate(days):
            out.append(
                PlannedInfusion(
                    intervention=id,
                    drug=drug.drug,
                    mg_per_kg=amount if by_weight else None,
                    mg=None if by_weight else amount,
                    minutes=float(drug.minutes or 0),
                    day=day,
                    route=drug.route or ("intravenous" if drug.type == "infusion" else drug.type),
                    cap_mg=float(maximum.amount) if maximum is not None and maximum.unit == "mg" else None,
                    rounding_mg=float(step.amount) * _MILLIGRAMS.get(step.unit, 1.0) if step is not None else 0.01,
                    number=number,
                )
            )
    return tuple(sorted(out, key=lambda dose: dose.day))


def _days_of_visits(protocol: Protocol, intervention: str) -> list[int]:
    """Target days of the visits at which an intervention without days of its own is given."""
    entries = protocol.model.schedule.values()
    return sorted({day for visit in entries if intervention in visit.gives for day in visit.target_days})


def days_from(first: int, last: int) -> list[int]:
    """Every study day of a span, both ends included."""
    start = day_index(first)
    return [study_day(start + step) for step in range(days_between(first, last) + 1)]


def planned_therapies(protocol: Protocol) -> tuple[PlannedTherapy, ...]:
    """Therapies in sessions whose days the protocol states, each with the arms that get it."""
    out = []
    for id, given in protocol.model.interventions.items():
        if not isinstance(given, BehaviouralIntervention):
            continue
        days = tuple(day for day in given.session_days if day is not None)
        arms = tuple(arm for arm, entry in protocol.model.arms.items() if id in entry.interventions)
        if days and arms:
            out.append(PlannedTherapy(id=id, days=days, arms=arms))
    return tuple(out)


def instruments_by_assessment(protocol: Protocol) -> dict[str, Instrument]:
    """Instruments that the protocol asks for, by assessment."""
    out = {}
    for id in protocol.model.assessments:
        found = find_instrument_of(protocol, id)
        if found is not None and found.items:
            out[id] = found
    return out


def instruments_of(protocol: Protocol) -> dict[str, Instrument]:
    """Instruments of scores that the protocol asks for, by name."""
    return {found.id: found for found in instruments_by_assessment(protocol).values() if found.has_total}
