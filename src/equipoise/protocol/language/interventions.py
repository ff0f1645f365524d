"""What is given to participants: drugs, therapy in sessions, and anything else."""

from __future__ import annotations

from decimal import Decimal
from typing import Annotated, Literal

from pydantic import Field, model_validator

from equipoise.foundation.errors import listed
from equipoise.protocol.language.facts import (
    LATER,
    Fact,
    Frozen,
    Number,
    Sourced,
    Whole,
)
from equipoise.protocol.language.notation import Days, Dose, Duration, Fault
from equipoise.protocol.notation_amounts import Concentration

_ALSO_CALLED = (
    "Other names: brands, abbreviations. A free text of the running trial that holds one may name the treatment, and "
    "is held back from blinded people."
)


class Tidier(Frozen):
    """The items of TIDieR that the rest of the protocol does not state; null if not reported."""

    why: Fact[str] = Field(default_factory=Fact[str], description="Rationale (item 2).")
    materials: Fact[str] = Field(default_factory=Fact[str], description="Materials (item 3).")
    procedures: Fact[str] = Field(default_factory=Fact[str], description="Procedures (item 4).")
    provider: Fact[str] = Field(default_factory=Fact[str], description="Who provided, with what training (item 5).")
    mode: Fact[str] = Field(default_factory=Fact[str], description="Individual or group, face to face or not (item 6).")
    where: Fact[str] = Field(default_factory=Fact[str], description="Where (item 7).")
    tailoring: Fact[str] = Field(default_factory=Fact[str], description="Tailoring (item 9).")
    modifications: Fact[str] = Field(default_factory=Fact[str], description="Modifications during the trial (item 10).")
    fidelity_planned: Fact[str] = Field(
        default_factory=Fact[str], description="How fidelity was to be assessed (item 11)."
    )
    fidelity_actual: Fact[str] = Field(default_factory=Fact[str], description="Fidelity as found (item 12).")


class DosePhase(Frozen):
    """One step of an infusion given in steps."""

    dose: Dose | None = Field(
        description="Dose of the step; all steps of a drug have the same unit. Null if the step runs "
        "without the drug, for example saline in place of another arm's bolus; its volume is "
        "then required."
    )
    over: Duration = Field(description="Length of the step.")
    volume: Annotated[Dose | None, LATER] = Field(
        None,
        description="Volume of the step in mL, prepared separately; without it, the volume is in "
        "proportion to the dose. Arms whose doses are divided differently look alike if their "
        "volumes are the same.",
    )


class DrugIntervention(Sourced):
    """A drug given by infusion, injection, spray or mouth."""

    type: Literal["infusion", "injection", "spray", "oral", "patch"] = Field(description="How it is given.")
    drug: str = Field(description="Drug, lower case.")
    label: str | None = Field(None, description="Name in tables; by default the drug.")
    also_called: Annotated[tuple[str, ...], LATER] = Field((), description=_ALSO_CALLED)
    dose: Dose | None = Field(None, description="Dose of one administration, for example 0.5 mg/kg.")
    phases: tuple[DosePhase, ...] = Field((), description="Steps of one administration (bolus, then drip).")
    over: Duration | None = Field(None, description="Length of one administration.")
    route: str | None = Field(None, description="Route of administration.")
    days: tuple[Days, ...] = Field((), description="Study days of administration.")
    maximum: Dose | None = Field(None, description="Cap on one administration.")
    rounding: Fact[Dose] = Field(
        default_factory=Fact[Dose], description="Step to which an administration is rounded; halves are rounded up."
    )
    concentration: Annotated[Fact[Concentration], LATER] = Field(
        default_factory=Fact[Concentration],
        description="Strength of the solution of an injection or a spray; it is needed for dose sheets. In "
        "a blinded trial the strengths must give every arm the same volume.",
    )
    frequency: str | None = Field(None, description="How often, if not given by single days.")
    titration: str | None = Field(None, description="How the dose is adjusted, in words.")
    only_if: str | None = Field(None, description="Condition for giving it, in words (adaptive sequences).")
    tidier: Tidier = Field(Tidier(), description="Further items of TIDieR.")

    @model_validator(mode="after")
    def _phases_or_dose(self) -> DrugIntervention:
        if self.phases and (self.dose is not None or self.over is not None):
            raise Fault(
                "There are phases and a dose or over beside them",
                "either dose and over, or phases",
                "Remove one of the two.",
                "phases",
            )
        if self.type == "infusion" and not self.phases and (self.dose is None) != (self.over is None):
            raise Fault(
                "An infusion has a dose without a length (over), or the other way round",
                "both, or neither",
                "Add what is absent, for example over: 40 min.",
            )
        if self.concentration.usable is not None and self.type not in ("injection", "spray"):
            raise Fault(
                f"A concentration stands at a drug of the type {self.type}",
                "an injection or a spray; of an infusion conduct.infusing.volume says the volume",
                "Remove it.",
                "concentration",
            )
        self._check_volumes()
        units = list(dict.fromkeys(phase.dose.unit for phase in self.phases if phase.dose is not None))
        if len(units) > 1:
            raise Fault(
                f"The phases are in different units ({listed(units, conjunction='and')})",
                "one unit",
                "Write every dose in one unit.",
                "phases",
            )
        if self.maximum is not None and self.maximum.is_per_kg:
            raise Fault(
                "The maximum goes by body weight", "an amount such as 80 mg", "Write the cap as an amount.", "maximum"
            )
        step, dose = self.rounding.usable, self.total_dose
        if step is not None and dose is not None and step.unit != dose.unit.removesuffix("/kg"):
            raise Fault(
                f"The dose is in {dose.unit}, its rounding in {step.unit}",
                f"a step in {dose.unit.removesuffix('/kg')}",
                "Write the step in the unit of the dose.",
                "rounding",
            )
        return self

    def _check_volumes(self) -> None:
        """Volumes of all steps or of none, in mL; a step without drug needs one, and not every step is without."""
        if not self.phases:
            return
        volumes = [phase.volume for phase in self.phases]
        if any(volume is not None and volume.unit != "mL" for volume in volumes):
            raise Fault("A volume is not in mL", "a volume such as 8 mL", "Write it in mL.", "phases")
        if None in volumes and any(phase.dose is None or phase.volume is not None for phase in self.phases):
            raise Fault(
                "Some steps have a volume, or no dose, and others no volume",
                "a volume for each step, or a dose for each and no volume",
                "Add volume to each step, for example volume: 8 mL.",
                "phases",
            )
        if all(phase.dose is None for phase in self.phases):
            raise Fault("No step has a dose", "a dose for one step at least", "Add the dose.", "phases")

    @property
    def total_dose(self) -> Dose | None:
        """Dose of one administration, its steps added up."""
        doses = [phase.dose for phase in self.phases if phase.dose is not None]
        if not doses:
            return self.dose
        return Dose(sum((dose.amount for dose in doses), Decimal(0)), doses[0].unit)

    @property
    def dose_shares(self) -> tuple[Decimal, ...]:
        """Dose of each step, in order; one where there are no steps."""
        return tuple(phase.dose.amount if phase.dose is not None else Decimal(0) for phase in self.phases) or (
            Decimal(1),
        )

    @property
    def minutes(self) -> Decimal | None:
        """Length of one administration in minutes."""
        if self.phases:
            return sum((phase.over.minutes for phase in self.phases), Decimal(0))
        return self.over.minutes if self.over is not None else None


class SessionBlock(Sourced):
    """Some sessions of a therapy."""

    days: tuple[Whole, ...] | None = Field(None, description="Study days, one per session; null if not stated.")
    number: Whole | None = Field(None, ge=1, description="How many, if the days are not stated.")
    where: str | None = Field(None, description="Where they take place.")

    @model_validator(mode="after")
    def _agrees(self) -> SessionBlock:
        if self.days is not None and self.number is not None and self.number != len(self.days):
            raise Fault(
                f"number says {self.number} sessions, days lists {len(self.days)}",
                "one session a day",
                "Remove number, or correct days.",
                "number",
            )
        return self

    @property
    def count(self) -> int:
        """How many sessions the block holds."""
        return len(self.days) if self.days is not None else (self.number or 0)


class BehaviouralIntervention(Sourced):
    """A therapy given in sessions according to a manual."""

    type: Literal["behavioural"] = Field(description="A therapy in sessions.")
    label: str | None = Field(None, description="Name in tables.")
    also_called: Annotated[tuple[str, ...], LATER] = Field((), description=_ALSO_CALLED)
    manual: Fact[str] = Field(default_factory=Fact[str], description="The manual, cited.")
    sessions: tuple[SessionBlock, ...] = Field((), description="The sessions, in order.")
    titles: tuple[str, ...] = Field((), description="Titles of the sessions, in order.")
    minutes: Fact[Number] = Field(default_factory=Fact[Number], description="Length of a session in minutes.")
    home_practice: Fact[str] = Field(default_factory=Fact[str], description="Practice between sessions.")
    tidier: Tidier = Field(Tidier(), description="Further items of TIDieR.")

    @property
    def session_days(self) -> tuple[int | None, ...]:
        """Planned study day of each session, absent where not stated."""
        out: list[int | None] = []
        for block in self.sessions:
            out.extend(block.days if block.days is not None else [None] * (block.number or 0))
        return tuple(out)


class OtherIntervention(Sourced):
    """Anything else that an arm receives: a device, usual care, medical management."""

    type: Literal["other"] = Field(description="Neither a drug nor a therapy in sessions.")
    label: str | None = Field(None, description="Name in tables.")
    also_called: Annotated[tuple[str, ...], LATER] = Field((), description=_ALSO_CALLED)
    words: str = Field(description="What is done, in words.")
    days: tuple[Days, ...] = Field((), description="Study days on which it is given.")
    tidier: Tidier = Field(Tidier(), description="Further items of TIDieR.")


Intervention = Annotated[DrugIntervention | BehaviouralIntervention | OtherIntervention, Field(discriminator="type")]
