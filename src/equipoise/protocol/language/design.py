"""Who takes part and when: trial, sources, calendar, arms, eligibility, schedule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from equipoise.foundation.calendar import days_between, study_day
from equipoise.protocol.language.conditions import Condition
from equipoise.protocol.language.facts import (
    LATER,
    Fact,
    Frozen,
    Id,
    ListOrMapping,
    Number,
    Sourced,
    Status,
    Truth,
    Whole,
)
from equipoise.protocol.language.notation import Criterion, Days, Fault, Window

Scheme = Literal[
    "permuted-blocks",
    "complete",
    "big-stick",
    "efron",
    "chen",
    "wei-urn",
    "minimization",
    "random-allocation-rule",
    "truncated-binomial",
]
Blinding = Literal["open", "quarantined", "sealed"]


class Statements(Frozen):
    """What only people can write; reports print it where CONSORT 2025 asks for it."""

    objective: str | None = Field(None, description="The objective, as the protocol states it.")
    rationale: str | None = Field(None, description="Background: why the trial was done, and what was known.")
    involvement: str | None = Field(None, description="How patients and the public took part in design and conduct.")
    sample_size: str | None = Field(None, description="How the number of participants was determined.")
    interim: str | None = Field(None, description="Interim analyses and rules for stopping.")
    changes: str | None = Field(None, description="Changes to the protocol after the start, with reasons.")
    protocol_access: str | None = Field(None, description="Where protocol and analysis plan can be read.")
    data_sharing: str | None = Field(None, description="Whether and how data, code and materials are available.")
    funding: str | None = Field(None, description="Who paid, and what part they had in the trial.")
    conflicts: str | None = Field(None, description="Financial and other interests of the authors.")
    concomitant_care: str | None = Field(
        None, description="Care that the arms received in addition to the treatments compared."
    )
    interpretation: str | None = Field(None, description="What the results mean, weighing benefits and harms.")
    limitations: str | None = Field(None, description="Limitations: bias, imprecision, generalisability.")


class Trial(Frozen):
    """Identity and registration."""

    id: Id = Field(description="Name of the trial, also the name of its files.")
    title: str = Field(min_length=1, description="Title for readers.")
    acronym: str | None = Field(None, description="Short name by which the trial is known.")
    registration: Fact[str] = Field(default_factory=Fact[str], description="Registry number.")
    phase: Fact[str] = Field(default_factory=Fact[str], description="Phase of development.")
    design: Literal["parallel", "factorial", "crossover", "sequential", "single-arm"] = Field(
        "parallel",
        description="Shape of the trial: `sequential` randomizes again in a later stage, `single-arm` not at all.",
    )
    masking: Fact[tuple[str, ...]] = Field(
        default_factory=Fact[tuple[str, ...]], description="Who does not know the arm."
    )
    condition: str | None = Field(None, description="The condition treated, in words.")
    setting: Fact[str] = Field(default_factory=Fact[str], description="Where the trial ran or runs.")
    sponsor: Fact[str] = Field(default_factory=Fact[str], description="Who is responsible for the trial.")
    dates: Mapping[Id, Fact[str]] = Field({}, description="First received, started, stopped ... by name.")
    planned_n: Fact[Whole] = Field(default_factory=Fact[Whole], description="Participants planned.")
    stopping: Fact[str] = Field(default_factory=Fact[str], description="How the trial ended, in words.")
    statements: Annotated[Statements | None, LATER] = Field(None, description="Texts for reports, by name.")


class Source(Frozen):
    """A text that facts are taken from."""

    cite: str = Field(min_length=1, description="Citation as it should be printed.")
    doi: str | None = Field(None, description="Digital object identifier.")
    address: str | None = Field(None, description="Where it was read.")
    status: Status = Field("published", description="Status of what it states.")
    note: str | None = Field(None, description="A remark for readers.")


class Epoch(Sourced):
    """A period of study days."""

    days: Days = Field(description="First and last study day, both included.")


class Calendar(Frozen):
    """Study days: day 1 is the anchor; the day before is -1; there is no day 0."""

    day_1: str = Field(description="What happens on study day 1, in words: admission, randomization, quit day.")
    randomization_day: Whole | None = Field(None, description="Study day of randomization, if day 1 is another anchor.")
    epochs: Mapping[Id, Epoch] = Field(min_length=1, description="Named periods of study days.")

    @property
    def first_day(self) -> int:
        """First study day of the calendar."""
        return min(epoch.days.first for epoch in self.epochs.values())

    @property
    def last_day(self) -> int:
        """Last study day of the calendar."""
        return max(epoch.days.last for epoch in self.epochs.values())


class Arm(Sourced):
    """What one arm receives."""

    label: str | None = Field(None, description="Name in tables and figures; by default the id.")
    role: Literal["experimental", "active-control", "placebo-control", "no-treatment", "single"] = Field(
        description="What the arm is for; `single` if there is no other."
    )
    gives: ListOrMapping = Field(description="Interventions; or, by stage, the interventions of that stage.")
    n: Fact[Whole] = Field(default_factory=Fact[Whole], description="Participants randomized, in a finished trial.")
    factors: Mapping[Id, Id] = Field({}, description="Level of each factor, in a factorial trial.")

    @property
    def interventions(self) -> tuple[str, ...]:
        """Every intervention of the arm, in order, each once."""
        if isinstance(self.gives, Mapping):
            return tuple(dict.fromkeys(name for names in self.gives.values() for name in names))
        return self.gives


class Factor(Frozen):
    """One factor of a factorial trial."""

    levels: tuple[Id, ...] = Field(min_length=2, description="Its levels, the reference first.")
    words: str | None = Field(None, description="What the factor is.")


class Stage(Sourced):
    """A stage with its own arms or periods: a re-randomized phase, a period of a crossover."""

    days: Days = Field(description="Its study days; counted from its own day 1 if `day-1` is given.")
    day_1: str | None = Field(
        None,
        description="What happens on day 1 of the stage, if it begins on a different study day for each participant.",
    )
    randomizes: Truth = Field(False, description="Whether participants are randomized (again) at its start.")
    arms: tuple[Id, ...] = Field((), description="Arms of the stage, if they differ from the trial's.")
    ratio: Mapping[Id, Whole] = Field({}, description="Allocation ratio if the stage randomizes; by default equal.")
    entry: str | None = Field(None, description="Who enters, in words.")
    washout_days: Whole | None = Field(None, ge=0, description="Days without treatment before the stage.")


class CriterionEntry(Sourced):
    """One criterion of eligibility."""

    criterion: Criterion | None = Field(
        None, description="The criterion as a comparison, if the program can decide it."
    )
    words: str | None = Field(None, description="The criterion in the source's words, or ours.")

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        return {"criterion": value} if isinstance(value, str) else value


class Eligibility(Frozen):
    """Who may enter."""

    include: Mapping[Id, CriterionEntry] | None = Field(description="Inclusion criteria; null if not known.")
    exclude: Mapping[Id, CriterionEntry] | None = Field(description="Exclusion criteria; null if not known.")
    note: str | None = Field(None, description="A remark for readers.")


class Randomization(Sourced):
    """How arms are allocated. Block sizes and seeds are in a sealed companion file, never here."""

    ratio: Mapping[Id, Whole] = Field(min_length=2, description="Allocation ratio by arm.")
    scheme: Fact[Scheme] = Field(default_factory=Fact[Scheme], description="The scheme; null if not known.")
    strata: Fact[tuple[Id, ...]] = Field(
        default_factory=Fact[tuple[Id, ...]], description="Stratification factors: baseline variables, or `site`."
    )
    concealment: Fact[str] = Field(default_factory=Fact[str], description="How the sequence was concealed.")

    @model_validator(mode="after")
    def _positive(self) -> Randomization:
        if any(part < 1 for part in self.ratio.values()):
            raise Fault("A part of the ratio is below one", "whole numbers from 1 on", "Correct the ratio.", "ratio")
        return self


class BaselineVariable(Sourced):
    """A variable measured before randomization."""

    label: str | None = Field(None, description="Name in tables; by default the id.")
    type: Literal["number", "category", "yes-no"] = Field(
        description="The kind of variable; with `from` (a score) it is a number by default."
    )
    from_: Annotated[Id | None, LATER] = Field(
        None, description="The assessment (an instrument) whose score the variable is, instead of a column of its own."
    )
    visit: Annotated[Id | None, LATER] = Field(None, description="With `from`: the visit before randomization.")
    scale: Annotated[str | None, LATER] = Field(None, description="With `from`: the scale, by default the total.")
    levels: tuple[str, ...] = Field((), description="Levels of a category; the first is the reference.")
    unit: str | None = Field(None, description="Unit of a number.")
    lowest: Annotated[Number | None, LATER] = Field(None, description="Lowest possible number, included.")
    highest: Annotated[Number | None, LATER] = Field(None, description="Highest possible number, included.")
    prognostic: Truth = Field(False, description="Expected to predict the outcome.")
    words: str | None = Field(None, description="What the variable is.")

    @property
    def is_score(self) -> bool:
        """Whether it is read from the assessments and not recorded by itself."""
        return self.from_ is not None

    @model_validator(mode="before")
    @classmethod
    def _score_is_number(cls, value: Any) -> Any:
        if isinstance(value, dict) and "from" in value and "type" not in value:
            return {**value, "type": "number"}
        return value

    @model_validator(mode="after")
    def _of_score(self) -> BaselineVariable:
        if self.from_ is None and (self.visit is not None or self.scale is not None):
            raise Fault(
                "A visit or a scale stands without the assessment that it is of",
                "from: an assessment, beside it",
                "Add from, or remove visit and scale.",
                "visit" if self.visit is not None else "scale",
            )
        if self.from_ is not None and self.visit is None:
            raise Fault("A score stands without its visit", "visit: a visit before randomization", "Add visit.", "from")
        if self.from_ is not None and self.type != "number":
            raise Fault(f"A score is a number, and the type is {self.type}", "no type", "Remove type.", "type")
        return self

    @model_validator(mode="after")
    def _levels(self) -> BaselineVariable:
        if self.type == "category" and len(self.levels) < 2:
            raise Fault(
                f"A category has {len(self.levels)} levels", "two or more", "Add levels, the reference first.", "levels"
            )
        if self.type != "category" and self.levels:
            raise Fault(
                f"Levels are listed, and the type is {self.type}",
                "levels for type category only",
                "Write type: category, or remove the levels.",
                "levels",
            )
        if self.type != "number" and not (self.lowest is None and self.highest is None):
            raise Fault(
                f"A range is given, and the type is {self.type}",
                "lowest and highest for type number only",
                "Write type: number, or remove the range.",
                "lowest" if self.lowest is not None else "highest",
            )
        if self.lowest is not None and self.highest is not None and self.lowest > self.highest:
            raise Fault(
                f"The lowest is {self.lowest}, the highest {self.highest}",
                "lowest not above highest",
                "Exchange the two.",
                "lowest",
            )
        return self


class Assessment(Sourced):
    """Something measured or asked, with its blinding class."""

    type: Literal["urine", "daily-use", "instrument", "finding", "vitals", "event", "events"] = Field(
        description="The kind of record: `finding` is one yes or no with its own words, `events` are "
        "outcomes other than use that happen on a day, `event` are adverse events."
    )
    label: str | None = Field(None, description="Name in tables; by default the id.")
    instrument: str | None = Field(
        None, description="Instrument of this file (see `instruments`) or of the library, for type instrument."
    )
    version: str | None = Field(None, description="Version of the instrument.")
    substances: tuple[Id, ...] = Field((), description="Substances assayed or asked about.")
    terms: Annotated[tuple[Id, ...], LATER] = Field(
        (), description="For events: what is asked about, for example death, relapse, hospitalization."
    )
    yes: Annotated[str | None, LATER] = Field(None, description="For a finding: what yes means, in words.")
    no: Annotated[str | None, LATER] = Field(None, description="For a finding: what no means, in words.")
    asked_when: Annotated[Mapping[str, Condition], LATER] = Field(
        {},
        description="Items that are asked only if a condition on earlier items, other forms or baseline "
        "holds: `{item: amount > 0}`; `all` means every item.",
    )
    blinding: Blinding = Field("open", description="open, quarantined (safety role until lock) or sealed.")
    words: str | None = Field(None, description="What is assessed.")

    @model_validator(mode="after")
    def _complete(self) -> Assessment:
        if self.type == "instrument" and not self.instrument:
            raise Fault(
                "An assessment of type instrument names no instrument",
                "instrument: a name under instruments, or of the library",
                "Add instrument, for example pss-10; `equipoise instruments list` has the others.",
            )
        if (self.type == "events") != bool(self.terms):
            raise Fault(
                "An assessment of events names no terms, or another assessment has some",
                "terms with type: events, and with no other",
                "Write for example {type: events, terms: [death, relapse]}.",
                "type",
            )
        if (self.type == "finding") != (self.yes is not None and self.no is not None):
            raise Fault(
                "A finding lacks its words for yes and no, or another assessment has some",
                "both with type: finding, neither with any other",
                "Write for example {type: finding, yes: present, no: absent}.",
                "type",
            )
        if self.type in ("urine", "daily-use") and not self.substances:
            raise Fault(
                f"An assessment of type {self.type} names no substances",
                "substances: what is looked for",
                "Add substances, for example [cocaine].",
            )
        return self


class Visit(Sourced):
    """A planned contact, or a series of similar contacts named by their day or number."""

    day: Whole | None = Field(None, description="Target study day of one visit.")
    days: tuple[Whole, ...] = Field((), description="Target study days of a series.")
    every: Whole | None = Field(None, ge=1, description="Interval in days of a series from `first` to `last`.")
    first: Whole | None = Field(None, description="First target day of a series by `every`.")
    last: Whole | None = Field(None, description="No visit is planned after this day, in a series by `every`.")
    stage: Id | None = Field(None, description="Stage to which these days belong, if the stage counts its own days.")
    window: Window | None = Field(None, description="Days before and after the target, both included.")
    named: str = Field(
        "day-{day}",
        description="Names of a series' visits: {day}, {n} and {week} (whole weeks to the day) are filled in.",
    )
    label: str | None = Field(None, description="Name in tables; by default the id.")
    assess: tuple[Id, ...] = Field((), description="What is assessed.")
    gives: tuple[Id, ...] = Field((), description="Interventions given at this contact, for the schedule table.")
    without_row: Annotated[Literal["missed", "not-expected", "refused"], LATER] = Field(
        "missed",
        description="What a due visit without a row or a result counts as: missed; not expected, if it is "
        "not planned for everybody; or the records are refused.",
    )

    @model_validator(mode="after")
    def _one_form(self) -> Visit:
        forms = [self.day is not None, bool(self.days), self.every is not None]
        if sum(forms) != 1:
            raise Fault(
                f"A visit has {sum(forms) or 'none'} of day, days and every",
                "exactly one of them",
                "Write day: 5, or days: [9, 12], or every: 7 with first and last.",
            )
        if self.every is None and (self.first is not None or self.last is not None):
            raise Fault(
                "first or last stand without every",
                "every: a number of days",
                "Add every, or remove first and last.",
                "first",
            )
        if self.every is not None:
            if self.first is None or self.last is None:
                raise Fault(
                    "every stands without first or last", "first and last: study days", "Add what is absent.", "every"
                )
            if 0 in (self.first, self.last):
                raise Fault(
                    "There is no study day 0",
                    "a day from 1 on, or -1 and before",
                    "Write 1 for the day of the anchor, -1 for the day before.",
                    "first" if self.first == 0 else "last",
                )
            if days_between(self.first, self.last) < 0:
                raise Fault(
                    f"The series runs backwards: first {self.first}, last {self.last}",
                    "a last day that is not before the first",
                    "Exchange the two.",
                    "last",
                )
            if days_between(self.first, self.last) // self.every >= 1000:
                raise Fault(
                    "The series has more than 1,000 visits", "at most 1,000", "Correct every, first or last.", "every"
                )
        if 0 in self.target_days:
            raise Fault(
                "There is no study day 0",
                "a day from 1 on, or -1 and before",
                "Write 1 for the day of the anchor, -1 for the day before.",
                "day" if self.day is not None else "days",
            )
        if list(self.target_days) != sorted(set(self.target_days)):
            raise Fault(
                "The days of the series do not rise",
                "each day once, rising",
                "Put them in order and remove what is double.",
                "days",
            )
        if not any(part in self.named for part in ("{day}", "{n}", "{week}")):
            raise Fault(
                f"named is {self.named!r}: every visit would have the same name",
                "text that holds {day}, {n} or {week}",
                "Write for example week-{n}.",
                "named",
            )
        if self.is_series and len(set(self.names(""))) < len(self.target_days):
            raise Fault(
                f"named is {self.named!r}: two visits of one week would have the same name",
                "a name of its own for every visit",
                "Use {day} or {n}.",
                "named",
            )
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
            self.named.replace("{day}", str(day)).replace("{n}", str(n)).replace("{week}", str(day // 7))
            for n, day in enumerate(self.target_days, 1)
        )
