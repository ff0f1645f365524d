"""What is prepared for one infusion, injection or spray: exact decimal arithmetic from the protocol's own digits.

The dose is ``dose per kg x weight``, capped, then rounded to the stated step with half a step up; where rounding up
would pass the cap, the cap stands. Both arms get the same volume over the same time, so volume, rate and label say
nothing about the arm; the milligrams of a sheet are sealed. An injection or a spray is a dose drawn from a solution of
stated strength (:mod:`~equipoise.conduct.rules.single_dose`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_FLOOR, ROUND_HALF_UP, Decimal
from fractions import Fraction

from equipoise.foundation.errors import Problem, listed
from equipoise.protocol import Protocol
from equipoise.protocol.language.interventions import DrugIntervention

CODES = {
    "C520": "The protocol does not state what a dose needs.",
    "C521": "Rate, length or day of the infusions would reveal the arm.",
    "C522": "The arm has no infusion, injection or spray on that day.",
}

SINGLE = ("injection", "spray")  # given at once, from a solution of stated strength
MG = {"mg": Decimal(1), "g": Decimal(1000), "ug": Decimal("0.001")}


@dataclass(frozen=True, slots=True)
class DoseStep:
    """One stretch of an infusion at one rate, as everybody may see it. Exact fractions; minutes, mL and mL/h."""

    minutes: Fraction
    volume_ml: Fraction

    @property
    def rate_ml_per_hour(self) -> Fraction:
        """Rate of the pump."""
        return self.volume_ml / self.minutes * 60


@dataclass(frozen=True, slots=True)
class OpenSheet:
    """What blinded people see of a dose: no arm, no drug, no milligrams; without steps where it is given at once."""

    volume_ml: Fraction
    steps: tuple[DoseStep, ...]
    kind: str = "infusion"
    route: str = ""

    @property
    def minutes(self) -> Fraction:
        """Planned length."""
        return sum((step.minutes for step in self.steps), Fraction(0))

    @property
    def label(self) -> str:
        """The label of the bag or syringe, the same in every arm."""
        if not self.steps:
            where = f", {self.route}" if self.route else ""
            return f"Study {self.kind} {decimal_text(self.volume_ml)} mL{where}"
        rates = ", then ".join(
            f"{decimal_text(step.rate_ml_per_hour)} mL/h for {decimal_text(step.minutes)} min" for step in self.steps
        )
        return f"Study infusion {decimal_text(self.volume_ml)} mL, {rates}"


@dataclass(frozen=True, slots=True)
class SealedSheet:
    """What the pharmacist sees beside it."""

    intervention: str
    drug: str
    weight_kg: Decimal
    unrounded_mg: Decimal
    prepared_mg: Decimal
    is_capped: bool
    shares: tuple[Fraction, ...] = (Fraction(1),)
    """Of the dose, by step."""

    def mg_per_minute(self, sheet: OpenSheet) -> Fraction:
        """Milligrams a minute at the rate of the first step, exact."""
        return Fraction(self.prepared_mg) * self.shares[0] / sheet.steps[0].minutes

    def by_step(self, sheet: OpenSheet) -> tuple[str, ...]:
        """What is prepared for each step, where steps are prepared by themselves: milligrams in so many mL."""
        return tuple(
            f"{decimal_text(Fraction(self.prepared_mg) * share)} mg in {decimal_text(step.volume_ml)} mL"
            for share, step in zip(self.shares, sheet.steps, strict=True)
        )


def decimal_text(value: Fraction, places: int = 3) -> str:
    """A fraction as people read it: at most ``places`` decimals, half up, no trailing zeros."""
    # Half up in whole numbers, so that no float and no context of decimals stands between.
    scale = 10**places
    whole = (abs(value.numerator) * scale * 2 + value.denominator) // (value.denominator * 2)
    digits = f"{whole // scale}.{whole % scale:0{places}d}".rstrip("0").rstrip(".")
    return f"-{digits}" if value < 0 and whole else digits


def round_to_step(amount: Decimal, step: Decimal) -> Decimal:
    """``amount`` to the nearest whole number of steps, half a step up."""
    steps = (amount / step).quantize(Decimal(1), rounding=ROUND_HALF_UP)
    return steps * step


def dose_mg(drug: DrugIntervention, weight_kg: Decimal) -> tuple[Decimal, Decimal, bool]:
    """Unrounded and prepared milligrams and whether the cap was reached; ``ValueError`` where the protocol lacks facts.

    50 kg at 0.5 mg/kg is 25.0 mg, 82.4 kg is 41.2 mg; a cap below a rounded dose is itself rounded down to the step.
    """
    total, step = drug.total_dose, drug.rounding.usable
    if total is None or step is None or total.unit.removesuffix("/kg") not in MG:
        raise ValueError("the protocol states no dose in mg, or no rounding")
    factor = MG[total.unit.removesuffix("/kg")]
    amount = total.amount * factor * (weight_kg if total.is_per_kg else Decimal(1))
    step_mg = step.amount * factor
    cap = drug.maximum.amount * MG[drug.maximum.unit] if drug.maximum is not None else None
    is_capped = cap is not None and amount > cap
    rounded = round_to_step(min(amount, cap) if cap is not None else amount, step_mg)
    if cap is not None and rounded > cap:
        rounded = (cap / step_mg).quantize(Decimal(1), rounding=ROUND_FLOOR) * step_mg
    return amount, rounded, is_capped


def _drugs(protocol: Protocol, arm: str) -> dict[str, DrugIntervention]:
    every = protocol.model.interventions
    ids = protocol.model.arms[arm].interventions
    return {id: entry for id in ids if isinstance(entry := every[id], DrugIntervention)}


def infusions(protocol: Protocol, arm: str) -> dict[str, DrugIntervention]:
    """The infusions of an arm by id, in the arm's order."""
    return {id: drug for id, drug in _drugs(protocol, arm).items() if drug.type == "infusion"}


def single_doses(protocol: Protocol, arm: str) -> dict[str, DrugIntervention]:
    """The injections and sprays of an arm that are drawn from a solution of stated strength, by id."""
    drugs = _drugs(protocol, arm).items()
    return {id: drug for id, drug in drugs if drug.type in SINGLE and drug.concentration.usable is not None}


def prepared(protocol: Protocol, arm: str) -> dict[str, DrugIntervention]:
    """Everything of an arm that dose sheets are made for."""
    return {**infusions(protocol, arm), **single_doses(protocol, arm)}


def infusion_days(drug: DrugIntervention) -> tuple[int, ...]:
    """Study days on which the drug is given."""
    return tuple(day for days in drug.days for day in days.range)


def is_due(protocol: Protocol, arm: str, day: int) -> str | None:
    """What is prepared for the arm for that study day, in the stage that it then is in, if anything."""
    found = (id for id, drug in prepared(protocol, arm).items() if day in infusion_days(drug))
    return next((id for id in found if protocol.gives_on(arm, id, day)), None)


def shares_of(drug: DrugIntervention) -> tuple[Fraction, ...]:
    """Share of the dose that each step has."""
    doses = [Fraction(dose) for dose in drug.dose_shares]
    total = sum(doses, Fraction(0))
    return tuple(dose / total for dose in doses)


def _steps(drug: DrugIntervention, volume: Fraction) -> tuple[DoseStep, ...] | None:
    """Steps by the volumes that the protocol states, else by their shares of the dose."""
    if drug.phases:
        return tuple(
            DoseStep(
                Fraction(phase.over.minutes),
                volume * share if phase.volume is None else Fraction(phase.volume.amount),
            )
            for phase, share in zip(drug.phases, shares_of(drug), strict=True)
        )
    return (DoseStep(Fraction(drug.over.minutes), volume),) if drug.over is not None else None


def open_sheet(protocol: Protocol, day: int) -> OpenSheet:
    """Volume and rate of the infusion on a study day: a property of the trial, never of an arm.

    ``ValueError`` where :func:`check_infusions` would have complained.
    """
    volume = protocol.model.conduct.infusing.volume.usable
    for arm in protocol.arm_ids:
        id = is_due(protocol, arm, day)
        if id is not None and id in infusions(protocol, arm) and volume is not None:
            steps = _steps(infusions(protocol, arm)[id], Fraction(volume.amount))
            if steps is not None:
                return OpenSheet(Fraction(volume.amount), steps)
    raise ValueError(f"no infusion is planned on day {day}, or its volume is not stated")


def sealed_sheet(protocol: Protocol, arm: str, day: int, weight_kg: Decimal) -> SealedSheet:
    """The milligrams of one participant's dose; ``ValueError`` where the arm gets none on that day."""
    id = is_due(protocol, arm, day)
    if id is None:
        raise ValueError(f"the arm gets no dose on day {day}")
    drug = prepared(protocol, arm)[id]
    amount, prepared_mg, capped = dose_mg(drug, weight_kg)
    return SealedSheet(id, drug.drug, weight_kg, amount, prepared_mg, capped, shares_of(drug))


def check_infusions(protocol: Protocol) -> list[Problem]:
    """What infusions need and the protocol lacks (C520), and whatever would give an arm away (C521).

    A protocol without infusions has nothing to say.
    """
    by_arm = {arm: infusions(protocol, arm) for arm in protocol.arm_ids}
    if not any(by_arm.values()):
        return []
    out: list[Problem] = []
    seen = {id: drug for found in by_arm.values() for id, drug in found.items()}
    for id, drug in seen.items():
        if drug.total_dose is None or drug.total_dose.unit.removesuffix("/kg") not in MG:
            out.append(absent(f"interventions.{id}.dose", "a dose in mg, g or ug"))
        if drug.rounding.usable is None:
            out.append(absent(f"interventions.{id}.rounding", "a step such as 0.1 mg"))
        if drug.minutes is None:
            out.append(absent(f"interventions.{id}.over", "a length such as 40 min"))
        if not drug.days:
            out.append(absent(f"interventions.{id}.days", "study days"))
    volume = protocol.model.conduct.infusing.volume.usable
    if volume is None:
        out.append(absent("conduct.infusing.volume", "a value, or assumed with its basis"))
    out += weighing_absent(protocol)
    for id, drug in seen.items():
        stated_ml = sum((Fraction(p.volume.amount) for p in drug.phases if p.volume is not None), Fraction(0))
        if stated_ml and volume is not None and stated_ml != Fraction(volume.amount):
            out.append(
                Problem(
                    "C520",
                    f"interventions.{id}.phases",
                    f"The volumes of the steps come to {decimal_text(stated_ml)} mL.",
                    f"{decimal_text(Fraction(volume.amount))} mL, as conduct.infusing.volume says",
                    "Correct the volumes of the steps, or the volume of the infusion.",
                )
            )
    if not out:
        assert volume is not None
        out += _telling(protocol, by_arm, Fraction(volume.amount))
    return out


def weighing_absent(protocol: Protocol) -> list[Problem]:
    """What weighing needs and the protocol does not say."""
    weighing = protocol.model.conduct.weighing
    stated = {
        "lowest": weighing.lowest.usable,
        "highest": weighing.highest.usable,
        "change": weighing.change.usable,
        "valid-days": weighing.valid_days.usable,
    }
    places = [f"conduct.weighing.{key}" for key, value in stated.items() if value is None]
    return [absent(place, "a value, or assumed with its basis") for place in places]


def absent(place: str, expected: str) -> Problem:
    """C520: what doses cannot be prepared without."""
    return Problem("C520", place, "The protocol does not say.", expected, "Add it: doses cannot be given without.")


def _telling(protocol: Protocol, by_arm: dict[str, dict[str, DrugIntervention]], volume: Fraction) -> list[Problem]:
    """Days or rates that differ between arms."""
    plans: dict[tuple[tuple[int, tuple[DoseStep, ...] | None], ...], list[str]] = {}
    for arm, found in by_arm.items():
        plan = tuple(
            sorted(
                (
                    (day, _steps(drug, volume))
                    for id, drug in found.items()
                    for day in infusion_days(drug)
                    if protocol.gives_on(arm, id, day)
                ),
                key=lambda entry: entry[0],
            )
        )
        plans.setdefault(plan, []).append(arm)
    if len(plans) < 2:
        return []
    groups: Sequence[str] = [listed(arms, conjunction="and") for arms in plans.values()]
    return [
        Problem(
            "C521",
            "interventions",
            f"The infusions of {listed(groups, conjunction='and')} differ in day, length, steps or rate.",
            "the same days, steps and rates in every arm",
            "Give the comparison in the same steps, with the volume of each step stated (volume: 8 mL) and no dose in "
            "those that run without drug (dose: null).",
        )
    ]
