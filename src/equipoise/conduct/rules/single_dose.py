"""Injections and sprays: a dose drawn from a solution of stated strength and given at once.

The volume is the prepared dose over the strength, exact. Where people must not know the arm, every arm gets something
by the same route on the same days, and strengths are such that at any weight the volumes are the same: 2.0 mg/kg from
50 mg/mL and 0.2 mg/kg from 5 mg/mL.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from typing import TYPE_CHECKING

from equipoise.conduct.rules.dose import (
    MG,
    SINGLE,
    OpenSheet,
    absent,
    check_infusions,
    infusion_days,
    infusions,
    open_sheet,
    single_doses,
    weighing_absent,
)
from equipoise.foundation.errors import Problem, listed
from equipoise.protocol.language.interventions import DrugIntervention

if TYPE_CHECKING:
    from equipoise.protocol import Protocol

# Whoever of these does not know the arm must not be told it by a volume, a day or a route.
_WATCHING = frozenset(("participant", "care-provider", "investigator"))


def single_days(protocol: Protocol) -> tuple[int, ...]:
    """Study days on which some arm gets an injection or a spray that is prepared."""
    found = {
        day
        for arm in protocol.arm_ids
        for id, drug in single_doses(protocol, arm).items()
        for day in infusion_days(drug)
        if protocol.gives_on(arm, id, day)
    }
    return tuple(sorted(found))


def label_of_day(protocol: Protocol, day: int, volume: str) -> str:
    """The label of the syringe or bottle of a study day, of ``volume`` mL: the route where every arm has the same."""
    ways = {
        (drug.type, drug.route or "")
        for arm in protocol.arm_ids
        for id, drug in single_doses(protocol, arm).items()
        if day in infusion_days(drug) and protocol.gives_on(arm, id, day)
    }
    kind, route = ways.pop() if len(ways) == 1 else ("dose", "")
    return f"Study {kind} {volume} mL{f', {route}' if route else ''}"


def volume_ml(drug: DrugIntervention, mg: Decimal) -> Fraction:
    """Millilitres that hold ``mg``; ``ValueError`` where the strength is not stated."""
    strength = drug.concentration.usable
    if strength is None:
        raise ValueError("the protocol states no concentration")
    return Fraction(mg) / Fraction(strength.amount)


def sheet_of_dose(protocol: Protocol, intervention: str, day: int, mg: Decimal) -> OpenSheet:
    """What blinded people see of a dose of ``mg``: of an infusion the bag and its rate, of another the volume."""
    drug = protocol.model.interventions[intervention]
    assert isinstance(drug, DrugIntervention)
    if drug.type not in SINGLE:
        return open_sheet(protocol, day)
    return OpenSheet(volume_ml(drug, mg), (), kind=drug.type, route=drug.route or "")


def check_doses(protocol: Protocol) -> list[Problem]:
    """What dosing needs and the protocol lacks (C520), and whatever would give an arm away (C521).

    A protocol without infusions, and without injections or sprays of stated strength, has nothing to say.
    """
    return [*check_infusions(protocol), *check_single_doses(protocol)]


def check_single_doses(protocol: Protocol) -> list[Problem]:
    """The same of injections and sprays alone."""
    by_arm = {arm: single_doses(protocol, arm) for arm in protocol.arm_ids}
    drugs = {id: drug for found in by_arm.values() for id, drug in found.items()}
    if not drugs:
        return []
    out: list[Problem] = []
    for id, drug in drugs.items():
        if drug.total_dose is None or drug.total_dose.unit.removesuffix("/kg") not in MG or drug.phases:
            out.append(absent(f"interventions.{id}.dose", "one dose in mg, g or ug"))
        if drug.rounding.usable is None:
            out.append(absent(f"interventions.{id}.rounding", "a step such as 1 mg"))
        if not drug.days:
            out.append(absent(f"interventions.{id}.days", "study days"))
    every = (drug for arm in protocol.arm_ids for drug in infusions(protocol, arm).values())
    infused = {day for drug in every for day in infusion_days(drug)}
    if both := sorted(infused & set(single_days(protocol))):
        days = listed([str(day) for day in both], conjunction="and")
        found = f"An infusion and an injection or spray are planned on study day {days}."
        out.append(Problem("C520", "interventions", found, "one dose to prepare a day", "Plan them on different days."))
    out += weighing_absent(protocol) if not infused else []
    if not out and _is_masked(protocol):
        out += _telling(protocol, by_arm)
    return out


def _is_masked(protocol: Protocol) -> bool:
    """Whether somebody who sees doses given must not know the arm; where masking is not known, yes."""
    masked = protocol.model.trial.masking.usable
    return masked is None or bool(_WATCHING & set(masked))


def _telling(protocol: Protocol, by_arm: dict[str, dict[str, DrugIntervention]]) -> list[Problem]:
    """Days, routes or volumes that differ between arms at some weight."""
    plans: dict[tuple[object, ...], list[str]] = {}
    for arm, found in by_arm.items():
        plan = sorted(
            (day, drug.type, drug.route or "", *map(str, _volumes(drug)))
            for id, drug in found.items()
            for day in infusion_days(drug)
            if protocol.gives_on(arm, id, day)
        )
        plans.setdefault(tuple(plan), []).append(arm)
    if len(plans) < 2:
        return []
    groups = [listed(arms, conjunction="and") for arms in plans.values()]
    return [
        Problem(
            "C521",
            "interventions",
            f"The injections or sprays of {listed(groups, conjunction='and')} differ in day, route or volume.",
            "the same days and route, and the same volume at every weight, in every arm",
            "State strengths that go with the doses (concentration: 5 mg/mL), and roundings of the same volume.",
        )
    ]


def _volumes(drug: DrugIntervention) -> tuple[Fraction | bool | None, ...]:
    """What a volume follows from: that of a dose (by kg or not), of a step of rounding, of the most that is given."""
    dose, step, most = drug.total_dose, drug.rounding.usable, drug.maximum
    assert dose is not None
    assert step is not None
    return (
        dose.is_per_kg,
        volume_ml(drug, dose.amount * MG[dose.unit.removesuffix("/kg")]),
        volume_ml(drug, step.amount * MG[step.unit]),
        volume_ml(drug, most.amount * MG[most.unit]) if most is not None else None,
    )
