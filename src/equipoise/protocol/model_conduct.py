"""What is done to whom and when: trial, sources, calendar, interventions, arms, eligibility, schedule."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from equipoise.foundation.calendar import days_between, study_day
from equipoise.protocol.facts import Fact, Frozen, Id, ListOrMapping, Sourced, Status
from equipoise.protocol.notation import Criterion, Days, Dose, Duration, Window

Scheme = Literal["permuted-blocks", "complete", "big-stick", "efron", "chen", "wei-urn", "minimization"]
Blinding = Literal["open", "quarantined", "sealed"]


class Trial(Frozen):
    """Identity and registration."""

    id: Id = Field(description="Name of the trial, also the name of its files.")
    title: str = Field(min_length=1, description="Title as people read it.")
    acronym: str | None = None
    registration: Fact[str] = Field(default_factory=Fact[str], description="Registry number.")
    phase: Fact[str] = Field(default_factory=Fact[str])
    design: Literal["parallel", "factorial", "crossover", "sequential", "single-arm"] = Field(
        "parallel", description="Shape of the trial."
    )
    masking: Fact[tuple[str, ...]] = Field(
        default_factory=Fact[tuple[str, ...]], description="Who does not know the arm."
    )
    condition: str | None = Field(None, description="The condition treated, in words.")
    setting: Fact[str] = Field(default_factory=Fact[str], description="Where the trial ran or runs.")
    sponsor: Fact[str] = Field(default_factory=Fact[str])
    dates: Mapping[Id, Fact[str]] = Field({}, description="First received, started, stopped ... by name.")
    planned_n: Fact[int] = Field(default_factory=Fact[int], description="Participants planned.")
    stopping: Fact[str] = Field(default_factory=Fact[str], description="How the trial ended, in words.")


class Source(Frozen):
    """A text that facts are taken from."""

    cite: str = Field(min_length=1, description="Citation as it is to be printed.")
    doi: str | None = None
    address: str | None = Field(None, description="Where it was read.")
    status: Status = Field("published", description="Standing of what it states.")
    note: str | None = None


class Epoch(Sourced):
    """A stretch of study days."""

    days: Days


class Calendar(Frozen):
    """Study days: day 1 is the anchor; the day before is -1; there is no day 0."""

    day_1: str = Field(description="What happens on study day 1, in words: admission, randomization, quit day.")
    randomization_day: int | None = Field(None, description="Study day of randomization where day 1 is another anchor.")
    epochs: Mapping[Id, Epoch] = Field(min_length=1, description="Named stretches of study days.")

    @property
    def first_day(self) -> int:
        """First study day of the calendar."""
        return min(epoch.days.first for epoch in self.epochs.values())

    @property
    def last_day(self) -> int:
        """Last study day of the calendar."""
        return max(epoch.days.last for epoch in self.epochs.values())


class Tidier(Frozen):
    """The items of TIDieR that the rest of the protocol does not already state; null where not reported."""

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

    dose: Dose
    over: Duration


class DrugIntervention(Sourced):
    """A drug given by infusion, injection, spray or mouth."""

    type: Literal["infusion", "injection", "spray", "oral", "patch"]
    drug: str = Field(description="Drug, lower case.")
    label: str | None = Field(None, description="Name in tables; by default the drug.")
    dose: Dose | None = Field(None, description="Dose of one administration, for example 0.5 mg/kg.")
    phases: tuple[DosePhase, ...] = Field((), description="Steps of one administration (bolus, then drip).")
    over: Duration | None = Field(None, description="Length of one administration.")
    route: str | None = Field(None, description="Route of administration.")
    days: tuple[Days, ...] = Field((), description="Study days of administration.")
    maximum: Dose | None = Field(None, description="Cap on one administration.")
    frequency: str | None = Field(None, description="How often, where it is not by single days.")
    titration: str | None = Field(None, description="How the dose is adjusted, in words.")
    only_if: str | None = Field(None, description="Condition for giving it, in words (adaptive sequences).")
    tidier: Tidier = Tidier()

    @model_validator(mode="after")
    def _phases_or_dose(self) -> DrugIntervention:
        if self.phases and (self.dose is not None or self.over is not None):
            raise ValueError("give either dose and over, or phases, not both")
        if self.type == "infusion" and not self.phases and (self.dose is None) != (self.over is None):
            raise ValueError("an infusion with a dose needs its length (over), and the other way round")
        return self

    @property
    def total_dose(self) -> Dose | None:
        """Dose of one administration, its steps added up."""
        if not self.phases:
            return self.dose
        return Dose(sum((phase.dose.amount for phase in self.phases), Decimal(0)), self.phases[0].dose.unit)

    @property
    def minutes(self) -> Decimal | None:
        """Length of one administration in minutes."""
        if self.phases:
            return sum((phase.over.minutes for phase in self.phases), Decimal(0))
        return self.over.minutes if self.over is not None else None


class SessionBlock(Sourced):
    """Some sessions of a therapy."""

    days: tuple[int, ...] | None = Field(None, description="Study days, one a session; null where not stated.")
    number: int | None = Field(None, ge=1, description="How many, where the days are not stated.")
    where: str | None = None

    @property
    def count(self) -> int:
        """How many sessions the block holds."""
        return len(self.days) if self.days is not None else (self.number or 0)


class BehaviouralIntervention(Sourced):
    """A therapy given in sessions after a manual."""

    type: Literal["behavioural"]
    label: str | None = Field(None, description="Name in tables.")
    manual: Fact[str] = Field(default_factory=Fact[str], description="The manual, cited.")
    sessions: tuple[SessionBlock, ...] = Field((), description="The sessions, in order.")
    titles: tuple[str, ...] = Field((), description="Titles of the sessions, in order.")
    minutes: Fact[float] = Field(default_factory=Fact[float], description="Length of a session in minutes.")
    home_practice: Fact[str] = Field(default_factory=Fact[str], description="Practice between sessions.")
    tidier: Tidier = Tidier()

    @property
    def session_days(self) -> tuple[int | None, ...]:
        """Planned study day of each session, absent where not stated."""
        out: list[int | None] = []
        for block in self.sessions:
            out.extend(block.days if block.days is not None else [None] * (block.number or 0))
        return tuple(out)


class OtherIntervention(Sourced):
    """Anything else that an arm receives: a device, usual care, medical management."""

    type: Literal["other"]
    label: str | None = None
    words: str = Field(description="What is done, in words.")
    days: tuple[Days, ...] = ()
    tidier: Tidier = Tidier()


Intervention = Annotated[DrugIntervention | BehaviouralIntervention | OtherIntervention, Field(discriminator="type")]


class Arm(Sourced):
    """What one arm receives."""

    label: str | None = Field(None, description="Name in tables and figures; by default the id.")
    role: Literal["experimental", "active-control", "placebo-control", "no-treatment", "single"]
    gives: ListOrMapping = Field(description="Interventions; or, stage by stage, the interventions of that stage.")
    n: Fact[int] = Field(default_factory=Fact[int], description="Participants randomized, in a finished trial.")
    factors: Mapping[Id, Id] = Field({}, description="Level of each factor, in a factorial trial.")

    @property
    def interventions(self) -> tuple[str, ...]:
        """Every intervention of the arm, in order, each once."""
        if isinstance(self.gives, Mapping):
            return tuple(dict.fromkeys(name for names in self.gives.values() for name in names))
        return self.gives


class Factor(Frozen):
    """One factor of a factorial trial."""

    levels: tuple[Id, ...] = Field(min_length=2)
    words: str | None = None


class Stage(Sourced):
    """A stage with arms or periods of its own: a re-randomized phase, a period of a crossover."""

    days: Days
    randomizes: bool = Field(False, description="Whether participants are randomized (again) at its start.")
    arms: tuple[Id, ...] = Field((), description="Arms of the stage where they differ from the trial's.")
    entry: str | None = Field(None, description="Who enters, in words.")
    washout_days: int | None = Field(None, ge=0)


class CriterionEntry(Sourced):
    """One criterion of eligibility."""

    criterion: Criterion | None = Field(None, description="The criterion, typed where it can be decided.")
    words: str | None = Field(None, description="The criterion in the source's words, or ours.")

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        return {"criterion": value} if isinstance(value, str) else value


class Eligibility(Frozen):
    """Who may enter."""

    include: Mapping[Id, CriterionEntry] | None = Field(description="Inclusion criteria; null where not known.")
    exclude: Mapping[Id, CriterionEntry] | None = Field(description="Exclusion criteria; null where not known.")
    note: str | None = None


class Randomization(Sourced):
    """How arms are allocated. Block sizes and seeds stand in a sealed companion file, never here."""

    ratio: Mapping[Id, int] = Field(min_length=2, description="Allocation ratio by arm.")
    scheme: Fact[Scheme] = Field(default_factory=Fact[Scheme], description="The scheme; null where not known.")
    strata: Fact[tuple[Id, ...]] = Field(
        default_factory=Fact[tuple[Id, ...]], description="Stratification factors (baseline variables)."
    )
    concealment: Fact[str] = Field(default_factory=Fact[str], description="How the sequence was concealed.")

    @model_validator(mode="after")
    def _positive(self) -> Randomization:
        if any(part < 1 for part in self.ratio.values()):
            raise ValueError("each part of the ratio is a whole number above zero")
        return self


class BaselineVariable(Sourced):
    """A variable measured before randomization."""

    label: str | None = Field(None, description="Name in tables; by default the id.")
    type: Literal["number", "category", "yes-no"]
    levels: tuple[str, ...] = Field((), description="Levels of a category; the first is the reference.")
    unit: str | None = None
    prognostic: bool = Field(False, description="Expected to predict the outcome.")
    words: str | None = None

    @model_validator(mode="after")
    def _levels(self) -> BaselineVariable:
        if self.type == "category" and len(self.levels) < 2:
            raise ValueError("a category needs at least two levels")
        if self.type != "category" and self.levels:
            raise ValueError("only a category has levels")
        return self


class Assessment(Sourced):
    """Something that is measured or asked, with its blinding class."""

    type: Literal["urine", "daily-use", "instrument", "vitals", "event"]
    label: str | None = None
    instrument: str | None = Field(None, description="Instrument of the library, for type instrument.")
    version: str | None = Field(None, description="Version of the instrument.")
    substances: tuple[Id, ...] = Field((), description="Substances assayed or asked about.")
    blinding: Blinding = Field("open", description="open, quarantined (safety role until lock) or sealed.")
    words: str | None = None

    @model_validator(mode="after")
    def _complete(self) -> Assessment:
        if self.type == "instrument" and not self.instrument:
            raise ValueError("an assessment of type instrument names its instrument")
        if self.type in ("urine", "daily-use") and not self.substances:
            raise ValueError(f"an assessment of type {self.type} names its substances")
        return self


class Visit(Sourced):
    """A planned contact, or a series of alike contacts named by their day or number."""

    day: int | None = Field(None, description="Target study day of one visit.")
    days: tuple[int, ...] = Field((), description="Target study days of a series.")
    every: int | None = Field(None, ge=1, description="A series every so many days, from `first` to `last`.")
    first: int | None = None
    last: int | None = None
    window: Window | None = Field(None, description="Days before and after the target, both included.")
    named: str = Field("day-{day}", description="Names of a series' visits: {day} and {n} are filled in.")
    label: str | None = None
    assess: tuple[Id, ...] = Field((), description="What is assessed.")
    gives: tuple[Id, ...] = Field((), description="Interventions given at this contact, for the schedule table.")

    @model_validator(mode="after")
    def _one_form(self) -> Visit:
        forms = [self.day is not None, bool(self.days), self.every is not None]
        if sum(forms) != 1:
            raise ValueError("a visit has one of: day, days, or every with first and last")
        if self.every is not None and (self.first is None or self.last is None):
            raise ValueError("every needs first and last")
        if 0 in self.target_days:
            raise ValueError("there is no study day 0: the day before day 1 is day -1")
        if list(self.target_days) != sorted(set(self.target_days)):
            raise ValueError("the days of a series rise, each once")
        if not ("{day}" in self.named or "{n}" in self.named):
            raise ValueError("named holds {day} or {n}")
        return self

    @property
    def is_series(self) -> bool:
        """Whether it stands for several visits."""
        return self.day is None

    @property
    def target_days(self) -> tuple[int, ...]:
        """Target study days, rising."""
        if self.day is not None:
            return (self.day,)
        if self.days:
            return self.days
        if self.every is None or self.first is None or self.last is None or 0 in (self.first, self.last):
            return ()
        span = days_between(self.first, self.last)
        start = days_between(1, self.first)
        return tuple(study_day(start + step) for step in range(0, max(span, -1) + 1, self.every))

    def names(self, id: str) -> tuple[str, ...]:
        """Names of its visits as they stand in Records."""
        if not self.is_series:
            return (id,)
        return tuple(
            self.named.replace("{day}", str(day)).replace("{n}", str(n)) for n, day in enumerate(self.target_days, 1)
        )
