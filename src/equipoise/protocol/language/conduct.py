"""What the running trial needs beyond the design: weighing, infusing, when to stop, how soon to report."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, model_validator

from equipoise.foundation.errors import listed
from equipoise.protocol.language.conditions import Condition
from equipoise.protocol.language.facts import LATER, Fact, Frozen, Id, Sourced, Whole, kebab
from equipoise.protocol.language.notation import Criterion, Duration, Fault
from equipoise.protocol.notation_amounts import Deadline, Mass, Percent, Volume

SIGNS = ("systolic", "diastolic", "pulse", "saturation")
_COMPARISONS = (">=", "<=", ">", "<")


class Weighing(Sourced):
    """When a body weight is accepted at once, and when it is held for a second measurement by another person."""

    lowest: Fact[Mass] = Field(default_factory=Fact[Mass], description="Weights below are held.")
    highest: Fact[Mass] = Field(default_factory=Fact[Mass], description="Weights above are held.")
    change: Fact[Percent] = Field(
        default_factory=Fact[Percent], description="Weights that differ from the last by more than this are held."
    )
    valid_days: Fact[Whole] = Field(
        default_factory=Fact[Whole], description="Maximum age in days of the weight for a dose."
    )

    @model_validator(mode="after")
    def _ordered(self) -> Weighing:
        low, high = self.lowest.usable, self.highest.usable
        if low is not None and high is not None and low.amount >= high.amount:
            raise Fault(f"The lowest weight is {low}, the highest {high}", "lowest below highest", "Exchange the two.")
        return self


class StopRule(Sourced):
    """A reading at which the infusion stops."""

    when: Criterion = Field(description="A vital sign compared with a number; `>=` includes the number itself.")
    words: str | None = Field(None, description="What must be done.")

    @model_validator(mode="after")
    def _of_a_sign(self) -> StopRule:
        if self.when.variable not in SIGNS or self.when.operator not in _COMPARISONS:
            raise Fault(
                f"{str(self.when)!r} is not a reading of a vital sign",
                f"one of {listed(SIGNS)}, compared by {listed(_COMPARISONS)} with a number",
                "Write for example systolic >= 180.",
                "when",
            )
        return self


class Infusing(Sourced):
    """How an infusion is given and monitored: the same in every arm, so that it does not reveal the arm."""

    volume: Fact[Volume] = Field(
        default_factory=Fact[Volume], description="Volume of the prepared bag; divided by the length it gives the rate."
    )
    vitals_every: Fact[Duration] = Field(
        default_factory=Fact[Duration], description="Time between readings during the infusion."
    )
    vitals_after: Fact[Duration] = Field(
        default_factory=Fact[Duration], description="How long readings continue after its end."
    )
    vitals_after_every: Fact[Duration] = Field(
        default_factory=Fact[Duration], description="Time between readings after its end."
    )
    stop: Mapping[Id, StopRule] = Field({}, description="Readings at which the infusion is stopped.")


class ReportingClock(Sourced):
    """How soon an adverse event must be reported once the site knows of it."""

    applies: tuple[Literal["serious", "related", "unexpected", "fatal-or-life-threatening"], ...] = Field(
        min_length=1, description="Conditions that the event must meet, all of them."
    )
    within: Deadline = Field(description="Time limit: hours from the minute, or calendar days.")
    to: str = Field(description="To whom.")


class Validity(Sourced):
    """How long something remains valid, in days, before it must be renewed or needs a reason."""

    decision_days: Fact[Whole] = Field(
        default_factory=Fact[Whole],
        description="Maximum age in days of a decision on eligibility for randomization without a further "
        "reason; by default 28.",
    )
    sheet_days: Fact[Whole] = Field(
        default_factory=Fact[Whole],
        description="Maximum number of days from making a dose sheet to giving the dose; by default 0, the same day.",
    )
    entry_days: Fact[Whole] = Field(
        default_factory=Fact[Whole],
        description="Maximum delay in days for entering a date without a reason; by default 60.",
    )

    @model_validator(mode="after")
    def _in_days(self) -> Validity:
        for name in ("decision_days", "sheet_days", "entry_days"):
            days = getattr(self, name).usable
            if days is not None and days < 0:
                raise Fault(f"Found {days} days", "0 days or more", "Write a whole number of days.", kebab(name))
        return self


class CrossCheck(Sourced):
    """Contradictory answers, in one form or several: refused or queried."""

    if_: Condition = Field(
        description="The contradiction, with items named by their form: `urine.cocaine = positive and "
        "craving.score = 0`."
    )
    refuse: str | None = Field(None, description="The message if such answers are refused.")
    ask: str | None = Field(
        None, description="The question if such answers are accepted once confirmed; a query is opened."
    )

    @model_validator(mode="after")
    def _one_way(self) -> CrossCheck:
        if (self.refuse is None) == (self.ask is None):
            raise Fault(
                f"A check has {'both' if self.refuse else 'neither'} of refuse and ask",
                "refuse: words, or ask: words",
                "Write refuse for what cannot be, ask for what is unusual.",
            )
        return self


class Conduct(Frozen):
    """The running trial."""

    weighing: Weighing = Field(Weighing(), description="Body weight.")
    infusing: Infusing = Field(Infusing(), description="Infusions.")
    reporting: Mapping[Id, ReportingClock] = Field({}, description="Time limits for adverse events.")
    validity: Annotated[Validity, LATER] = Field(
        Validity(), description="How long decisions, dose sheets and typed dates remain valid."
    )
    checks: Annotated[Mapping[Id, CrossCheck], LATER] = Field({}, description="Contradictory answers of forms.")
