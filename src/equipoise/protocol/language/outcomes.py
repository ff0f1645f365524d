"""Endpoints that are not use: scores held against a criterion, findings, and events that happen on a day."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field, model_validator

from equipoise.protocol.language.endpoint_base import EndpointBase
from equipoise.protocol.language.facts import LATER, Frozen, Id, Whole
from equipoise.protocol.language.instruments import TOTAL, ScoreLimits
from equipoise.protocol.language.notation import Days, Fault, Improvement
from equipoise.protocol.vocabulary.endpoint_kinds import (
    BINARY,
    BY_ARM,
    COUNTS,
    NUMBER,
    REPEATED_BINARY,
    REPEATED_SCORE,
    ImputedAs,
    Shape,
    Trait,
)

Certainty = Literal["certain", "probable", "possible"]
_VISIT = "With one visit of the schedule, by its name in records: only the result there."
_AT = "The visit series, with a result at each visit."


class ScoreCriterion(ScoreLimits):
    """A score held against numbers, a threshold of its instrument, or the same participant's score before."""

    assessment: Id = Field(description="The assessment (an instrument).")
    scale: str = Field(TOTAL, description="Scale of the instrument.")
    threshold: Id | None = Field(None, description="A threshold of the instrument by its name, instead of numbers.")
    improved_by: Improvement | None = Field(
        None, description="Minimum improvement on the baseline score: per cent of it, or points."
    )
    baseline: Id | None = Field(None, description="With improved-by: the visit whose score is the baseline.")

    @model_validator(mode="after")
    def _has_criterion(self) -> ScoreCriterion:
        if not self.has_limit and self.threshold is None and self.improved_by is None:
            raise Fault(
                "Nothing says what the score is held against",
                "at-least, at-most, threshold or improved-by",
                "Write for example at-most: 9, or improved-by: 50 % with baseline.",
            )
        if self.threshold is not None and self.has_limit:
            raise Fault("A threshold and numbers both stand here", "one of the two", "Remove one.", "threshold")
        if (self.improved_by is None) != (self.baseline is None):
            raise Fault(
                "improved-by stands without baseline, or the other way round",
                "both, or neither",
                "Add the visit whose score is the baseline, for example baseline: entry.",
                "improved-by" if self.improved_by is not None else "baseline",
            )
        return self


def _one_place(at: str | None, visit: str | None) -> None:
    if (at is None) == (visit is None):
        raise Fault(
            "Both at and visit stand here, or neither",
            "at: a series, with a result at each visit; or visit: one visit",
            "Write for example at: weekly, or visit: day-84.",
            "visit" if visit is not None else None,
        )


class CriterionEndpoint(EndpointBase, ScoreCriterion):
    """Yes or no: a score meets a criterion (response, remission, hazardous drinking) at a visit, or at each."""

    shapes: ClassVar[tuple[Shape, ...]] = (BINARY, REPEATED_BINARY)
    missing_rules: ClassVar[frozenset[str]] = frozenset({"is-missing", "last-observation", *BY_ARM})
    ends_at_events: ClassVar[bool] = True

    kind: Literal["score-criterion"] = Field(description="Yes or no: a score meets a criterion.")
    at: Id | None = Field(None, description=_AT)
    visit: Id | None = Field(None, description=_VISIT)
    missed: Literal["is-missing", "is-no", "last-observation"] = Field(
        "is-missing",
        description="What a missing score counts as; last-observation takes the last score of the series.",
    )

    @model_validator(mode="after")
    def _placed(self) -> CriterionEndpoint:
        _one_place(self.at, self.visit)
        if self.visit is not None and self.missed == "last-observation":
            raise Fault(
                "last-observation has one visit to look at",
                "at: the series that the last score is taken from",
                "Write at, or another rule.",
                "missed",
            )
        return self

    @property
    def shape(self) -> Shape:
        """One result, or one at each visit."""
        return BINARY if self.visit is not None else REPEATED_BINARY

    def takes_rule(self, rule: str) -> bool:
        """The last observation needs a series."""
        return rule in self.missing_rules and (rule != "last-observation" or self.at is not None)

    def counts_event(self, event: str) -> bool | None:
        """Dropout counts where a missing score is the worse answer."""
        return self.missed == "is-no" and self.better == "higher" if event == "dropout" else None


class FindingEndpoint(EndpointBase):
    """Yes or no at a visit, or at each visit of a series: what was found, in its own words."""

    shapes: ClassVar[tuple[Shape, ...]] = (BINARY, REPEATED_BINARY)
    missing_rules: ClassVar[frozenset[str]] = frozenset({"is-missing", "last-observation", *BY_ARM})
    ends_at_events: ClassVar[bool] = True

    kind: Literal["finding"] = Field(description="Yes or no at visits: what was found.")
    assessment: Id = Field(description="The assessment, of type finding.")
    at: Id | None = Field(None, description=_AT)
    visit: Id | None = Field(None, description=_VISIT)
    missed: Literal["is-missing", "is-yes", "is-no", "last-observation"] = Field(
        "is-missing", description="What a missing result counts as."
    )
    better: Literal["higher", "lower"] = Field(description="`higher` if yes is better for the participant.")

    @model_validator(mode="after")
    def _placed(self) -> FindingEndpoint:
        _one_place(self.at, self.visit)
        if self.visit is not None and self.missed == "last-observation":
            raise Fault("last-observation has one visit to look at", "at: a series", "Write at.", "missed")
        return self

    @property
    def shape(self) -> Shape:
        """One result, or one at each visit."""
        return BINARY if self.visit is not None else REPEATED_BINARY

    def takes_rule(self, rule: str) -> bool:
        """The last observation needs a series."""
        return rule in self.missing_rules and (rule != "last-observation" or self.at is not None)

    def why_not_imputed(self) -> str | None:
        """Missing results are imputed."""
        return None

    def counts_event(self, event: str) -> bool | None:
        """Dropout counts where a missing result is taken as the worse answer."""
        worse = "is-no" if self.better == "higher" else "is-yes"
        return self.missed == worse if event == "dropout" else None


class _Events(Frozen):
    """Which recorded events count, and how sure they must be."""

    events: tuple[Id, ...] = Field(min_length=1, description="Events that count, as assessments name them.")
    certainty: tuple[Certainty, ...] = Field(
        (), description="Count only events of this certainty; by default every event that happened."
    )
    days: Days = Field(description="The study days on which they count, both ends included.")

    @property
    def event_terms(self) -> tuple[str, ...]:
        """Its events."""
        return self.events


def noun_of(terms: tuple[str, ...]) -> str:
    """Events as a sentence names them: ``death or return to treatment``."""
    return " or ".join(dict.fromkeys(term.replace("-", " ") for term in terms))


class EventEndpoint(_Events, EndpointBase):
    """Yes or no: one of some events within a window of days."""

    shapes: ClassVar[tuple[Shape, ...]] = (BINARY,)
    missing_rules: ClassVar[frozenset[str]] = frozenset({"is-missing", *BY_ARM})

    kind: Literal["event"] = Field(description="Yes or no: one of some events within a window of days.")
    missed: Literal["is-missing", "is-yes", "is-no"] = Field(
        "is-missing", description="What the result counts as if it is unknown whether one happened."
    )
    better: Literal["higher", "lower"] = Field("lower", description="Which direction is better for the participant.")

    @property
    def event_noun(self) -> str:
        """Its events."""
        return noun_of(self.events)

    def why_not_imputed(self) -> str | None:
        """Nothing by visit could be completed."""
        return "whether an event happened has no results by visit"

    def counts_event(self, event: str) -> bool | None:
        """Dropout counts where not knowing is taken as the event."""
        return self.missed == "is-yes" if event == "dropout" else event in self.events or None


class EventCountEndpoint(_Events, EndpointBase):
    """A number: how many of some events in a window of days, or how many per stated number of observed days."""

    shapes: ClassVar[tuple[Shape, ...]] = (NUMBER, REPEATED_SCORE)
    missing_rules: ClassVar[frozenset[str]] = frozenset({"is-missing"})

    kind: Literal["event-count"] = Field(description="A number: events in a window, or their rate.")
    as_: Literal["count", "rate"] = Field(
        "count",
        description="The count, only for participants observed to the end of the window; or the rate over "
        "the observed days.",
    )
    per_days: Whole = Field(30, ge=1, description="Rates are events in so many days observed.")
    period_days: Annotated[Whole | None, LATER] = Field(
        None,
        ge=1,
        description="Count in periods of so many days, tiled from the first day of the window; a rest of days is left "
        "out. Without it there is one count.",
    )
    better: Literal["higher", "lower"] = Field("lower", description="Which direction is better for the participant.")

    @model_validator(mode="after")
    def _two_periods(self) -> EventCountEndpoint:
        if self.period_days is not None and self.n_periods < 2:
            raise Fault(
                f"Of periods of {self.period_days} days the window {self.days} holds {self.n_periods}",
                "two periods at least, or one count",
                "Shorten period-days, or remove it.",
                "period-days",
            )
        return self

    @property
    def event_noun(self) -> str:
        """Its events."""
        return noun_of(self.events)

    @property
    def n_periods(self) -> int:
        """Whole periods in the window; 1 without periods."""
        return 1 if self.period_days is None else len(self.days.range) // self.period_days

    @property
    def shape(self) -> Shape:
        """One number, or one in each period."""
        return NUMBER if self.period_days is None else REPEATED_SCORE

    @property
    def traits(self) -> frozenset[Trait]:
        """Events are counted over the days observed."""
        return frozenset({COUNTS})

    @property
    def imputed_as(self) -> ImputedAs:
        """The rest of a count that was observed in part."""
        return "counts"

    def why_not_imputed(self) -> str | None:
        """A count over one window is completed; counts in periods are not."""
        return None if self.period_days is None else "counts in periods (period-days) are not imputed"


class OutcomeEvent(Frozen):
    """First day on which an event is recorded: death, relapse of an illness, hospitalization."""

    event: Id = Field(description="The event, as an assessment names it.")
    certainty: tuple[Certainty, ...] = Field(
        (), description="Count only events of this certainty; by default every event that happened."
    )


class ScoreEvent(ScoreCriterion):
    """Day of the first visit of a series at which a score meets a criterion."""

    at: Id = Field(description="The visit series.")
