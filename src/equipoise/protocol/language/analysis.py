"""What is asked and how it is answered: use, endpoints, estimands, analyses, published results, assumptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Discriminator, Field, Tag, field_serializer, model_validator

from equipoise.foundation.errors import listed
from equipoise.protocol.language.calibration import Calibration
from equipoise.protocol.language.endpoint_base import EndpointBase
from equipoise.protocol.language.facts import LATER, Fact, Frozen, Id, ListOrMapping, Number, Sourced, Truth, Whole
from equipoise.protocol.language.formula import Formula, ValueType, exactly_one, value_type
from equipoise.protocol.language.missing import DISPOSITION_OF, Imputation, TippingPoint
from equipoise.protocol.language.notation import Count, Days, Fault, Goal, Interval, Versus
from equipoise.protocol.language.outcomes import (
    CriterionEndpoint,
    EventCountEndpoint,
    EventEndpoint,
    FindingEndpoint,
    OutcomeEvent,
    ScoreEvent,
    noun_of,
)
from equipoise.protocol.vocabulary.endpoint_kinds import (
    BINARY,
    BY_ARM,
    EVERY_RULE,
    NUMBER,
    REPEATED_BINARY,
    REPEATED_SCORE,
    TIME_TO_EVENT,
    AnalysisMissingRule,
    MissingRule,
    Shape,
)
from equipoise.protocol.vocabulary.estimators import EstimatorId
from equipoise.protocol.vocabulary.scales import Summary, is_ratio

UseSource = Literal["urine", "self-report"]
Level = Literal["primary", "secondary", "supportive", "sensitivity", "exploratory"]
Effect = tuple[float, float | None, float | None]  # estimate and limits
Strategy = Literal["treatment-policy", "hypothetical", "composite", "while-on-treatment", "principal-stratum"]


class Amount(Frozen):
    """An amount above which a day counts: heavy drinking, for example."""

    above: Number | Mapping[str, Number] = Field(
        description="The day counts above this amount; or, by level of the variable `of`, the amount for that level."
    )
    unit: str = Field(description="Unit of the amount, for example drinks.")
    of: Id | None = Field(None, description="Baseline variable whose levels have amounts of their own.")

    @model_validator(mode="after")
    def _of(self) -> Amount:
        if isinstance(self.above, Mapping) != (self.of is not None):
            raise Fault(
                "Amounts by level stand without their variable (of), or the other way round",
                "both, or one amount for everybody",
                "Add of, for example of: sex, or write one amount.",
                "above",
            )
        return self


class Use(Sourced):
    """What counts as use: which substances, seen by which sources."""

    words: str | None = Field(None, description="What counts as use, as one would say it.")
    substances: ListOrMapping = Field(description="Substances; or, arm by arm, the substances that count in that arm.")
    self_report_substances: ListOrMapping | None = Field(
        None, description="Substances of the daily calendar, where its groups are named otherwise than the assays."
    )
    by: tuple[UseSource, ...] = Field(("urine", "self-report"), min_length=1, description="Sources that are looked at.")
    counts_if: Literal["any", "all"] = Field("any", description="Use if any source says so, or only if all do.")
    amount: Amount | None = Field(None, description="Amount that a self-reported day must exceed to count.")


COUNTS_FROM = (
    "Study day from which use counts, by default the day of randomization; a urine sample of that day shows use before "
    "it, and counts only at a visit held on it."
)


class AbstinenceEndpoint(EndpointBase):
    """Yes or no: no use over a window of days."""

    shapes: ClassVar[tuple[Shape, ...]] = (BINARY,)
    looks_at_use: ClassVar[bool] = True
    missing_rules: ClassVar[frozenset[str]] = EVERY_RULE

    kind: Literal["abstinence"] = Field(description="Yes or no: no use over a window of days.")
    use: Id = Field(description="The definition of use (see `use`).")
    days: Days = Field(description="The window, both ends included.")
    at: Id | None = Field(
        None, description="Visit series whose missed visits count as missing; without it, days not asked."
    )
    missed: MissingRule = Field("is-use", description="What a missed due visit in the window stands for.")

    @property
    def counted_series(self) -> tuple[str, ...]:
        """The series whose missed visits count."""
        return () if self.at is None else (self.at,)

    def why_not_imputed(self) -> str | None:
        """Days that nobody asked about are not imputed; visits are."""
        return None if self.at is not None else "its window is of days, with no visits (at) to impute"

    def counts_event(self, event: str) -> bool | None:
        """Dropout counts where the missing rule makes it use."""
        return self.missed in ("is-use", "is-use-after-dropout") if event == "dropout" else None


class AbstinentDaysEndpoint(EndpointBase):
    """A number: days without use over a window, as a count or a percentage of the days known."""

    shapes: ClassVar[tuple[Shape, ...]] = (NUMBER,)
    looks_at_use: ClassVar[bool] = True
    missing_rules: ClassVar[frozenset[str]] = EVERY_RULE

    kind: Literal["abstinent-days"] = Field(description="A number: days without use over a window.")
    use: Id = Field(description="The definition of use (see `use`).")
    days: Days = Field(description="The window, both ends included.")
    as_: Literal["percent", "count"] = Field("percent", description="Per cent of the days, or their number.")
    missed: MissingRule = Field("is-missing", description="What a day that nobody knows stands for.")

    def counts_event(self, event: str) -> bool | None:
        """Dropout counts where the missing rule makes it use."""
        return self.missed in ("is-use", "is-use-after-dropout") if event == "dropout" else None


class UseByDayEndpoint(EndpointBase):
    """Yes or no on each day of a window: use on that day."""

    shapes: ClassVar[tuple[Shape, ...]] = (REPEATED_BINARY,)
    looks_at_use: ClassVar[bool] = True
    missing_rules: ClassVar[frozenset[str]] = EVERY_RULE
    ends_at_events: ClassVar[bool] = True

    kind: Literal["use-by-day"] = Field(description="Yes or no on each day of a window.")
    use: Id = Field(description="The definition of use (see `use`).")
    days: Days = Field(description="The window, both ends included.")
    better: Literal["higher", "lower"] = Field("lower", description="Which direction is better for the participant.")

    def counts_event(self, event: str) -> bool | None:
        """A day that nobody knows is missing, whatever its cause."""
        return False if event == "dropout" else None


class UseByWeekEndpoint(EndpointBase):
    """Yes or no in each whole week tiled from the first day of a window; a week that nobody looked at is missing."""

    shapes: ClassVar[tuple[Shape, ...]] = (REPEATED_BINARY,)
    looks_at_use: ClassVar[bool] = True
    missing_rules: ClassVar[frozenset[str]] = EVERY_RULE
    ends_at_events: ClassVar[bool] = True

    kind: Literal["use-by-week"] = Field(description="Yes or no in each whole week of a window.")
    use: Id = Field(description="The definition of use (see `use`).")
    days: Days = Field(description="The window; weeks are tiled from its first day, a rest of days is left out.")
    missed: MissingRule = Field("is-missing", description="What a week without any sample stands for.")
    better: Literal["higher", "lower"] = Field("lower", description="Which direction is better for the participant.")

    def why_not_imputed(self) -> str | None:
        """Weeks without a sample are imputed."""
        return None

    def counts_event(self, event: str) -> bool | None:
        """Dropout counts where the missing rule makes it use."""
        return self.missed in ("is-use", "is-use-after-dropout") if event == "dropout" else None


class UseEvent(Frozen):
    """First day of use."""

    use: Id = Field(description="The definition of use (see `use`).")


class RunOfUse(Frozen):
    """First day of the first run of consecutive cells of use."""

    use: Id = Field(description="The definition of use (see `use`).")
    cells: Literal["weeks", "days"] = Field(description="What is counted: whole weeks tiled from a day, or days.")
    from_: Whole = Field(description="Study day from which weeks are tiled or days are looked at.")
    length: Whole = Field(ge=1, description="How many in a row.")
    missed: MissingRule | None = Field(
        None,
        description="What a week without any sample, or a day that nobody asked about, stands for: by default a week "
        "is use (`is-use`), and a day is not known (`is-missing`).",
    )

    @property
    def rule(self) -> MissingRule:
        """What a cell of which nothing is known stands for."""
        return self.missed or ("is-use" if self.cells == "weeks" else "is-missing")

    @property
    def takes_rules(self) -> bool:
        """Whether an analysis's missing rule replaces its own: one of days only where it states one itself."""
        return self.cells == "weeks" or self.missed is not None

    @field_serializer("missed", when_used="json")
    def _as_hashed(self, missed: str | None) -> str:
        """The first version wrote `is-use` where nothing was stated, of days too, and took unknown days as unknown."""
        return "stated-is-use" if self.cells == "days" and missed == "is-use" else missed or "is-use"


class DropoutEvent(Frozen):
    """The day after the last attended visit of a series, if every later one was missed."""

    dropout: Id = Field(description="The visit series.")


class DispositionEvent(Frozen):
    """A recorded event of disposition."""

    disposition: tuple[str, ...] = Field(min_length=1, description="Events of disposition that count.")


def _event_kind(value: Any) -> str | None:
    keys = set(value) if isinstance(value, dict) else set(getattr(type(value), "model_fields", ()))
    kinds = (
        ("cells", "(run)"),
        ("length", "(run)"),
        ("use", "(use)"),
        ("dropout", "(dropout)"),
        ("disposition", "(disposition)"),
        ("event", "(event)"),
        ("assessment", "(score)"),
    )
    return next((kind for key, kind in kinds if key in keys), None)


Event = Annotated[
    Annotated[UseEvent, Tag("(use)")]
    | Annotated[RunOfUse, Tag("(run)")]
    | Annotated[DropoutEvent, Tag("(dropout)")]
    | Annotated[DispositionEvent, Tag("(disposition)")]
    | Annotated[OutcomeEvent, Tag("(event)")]
    | Annotated[ScoreEvent, Tag("(score)")],
    Discriminator(
        _event_kind,
        custom_error_type="event_kind",
        custom_error_message="an event has none of the keys use, dropout, disposition, event and assessment",
    ),
]


class TimeToEventEndpoint(EndpointBase):
    """Time from a day to the first of some events."""

    shapes: ClassVar[tuple[Shape, ...]] = (TIME_TO_EVENT,)
    looks_at_use: ClassVar[bool] = True
    missing_rules: ClassVar[frozenset[str]] = EVERY_RULE
    ends_at_events: ClassVar[bool] = True

    kind: Literal["time-to-event"] = Field(description="Time from a day to the first of some events.")
    time_zero: Days = Field(description="The day that time counts from.")
    first_of: tuple[Event, ...] = Field(min_length=1, description="The events; the earliest counts.")
    until: Days = Field(description="Last day of follow-up: whoever has had no event is censored there.")
    at_day_zero: Truth = Field(False, description="Whether an event may fall on the day of time zero itself.")
    censored: Literal["end", "last-contact"] = Field(
        "end", description="Censoring at the end of follow-up, or at the last attended visit."
    )
    censored_at: Id | None = Field(None, description="Visit series for `last-contact`.")
    unobserved: Annotated[Literal["is-censored", "is-event-free"], LATER] = Field(
        "is-censored",
        description="What time stands for after the last day on which the event would have been known: censored there, "
        "or carried forward without an event to where `censored` says.",
    )
    visits: Id | None = Field(None, description="Visit series that counts time for analyses by visit.")
    unit: Literal["day"] = Field("day", description="Unit of time.")
    better: Literal["higher", "lower"] = Field("higher", description="Which direction is better for the participant.")

    @property
    def is_about_use(self) -> bool:
        """Whether one of its events is use."""
        return any(isinstance(event, (UseEvent, RunOfUse)) for event in self.first_of)

    @property
    def event_terms(self) -> tuple[str, ...]:
        """Those of its events that are recorded ones."""
        return tuple(event.event for event in self.first_of if isinstance(event, OutcomeEvent))

    @property
    def event_noun(self) -> str | None:
        """Its events, where each is a recorded one."""
        terms = self.event_terms
        return noun_of(terms) if len(terms) == len(self.first_of) else None

    @property
    def runs(self) -> tuple[RunOfUse, ...]:
        """Its events that are runs of weeks or days: what a missing one stands for matters to these alone."""
        return tuple(event for event in self.first_of if isinstance(event, RunOfUse))

    @property
    def runs_of_weeks(self) -> tuple[RunOfUse, ...]:
        """Its events that are runs of weeks."""
        return tuple(run for run in self.runs if run.cells == "weeks")

    @property
    def window(self) -> tuple[int, int] | None:
        """Time zero to the end of follow-up."""
        return self.time_zero.first, self.until.last

    @property
    def counted_series(self) -> tuple[str, ...]:
        """The series of dropout and of censoring."""
        dropouts = tuple(event.dropout for event in self.first_of if isinstance(event, DropoutEvent))
        return dropouts if self.censored_at is None else (*dropouts, self.censored_at)

    def takes_rule(self, rule: str) -> bool:
        """Missing weeks of a run of weeks can stand for something, and days where the run states what they do."""
        return rule in self.missing_rules and any(run.takes_rules for run in self.runs)

    def why_not_imputed(self) -> str | None:
        """One run of weeks can be completed; with several, or none, it is not clear what would be imputed."""
        if len(self.runs_of_weeks) == 1:
            return None
        return "none of its events is a run of weeks, whose missing weeks could be imputed"

    def counts_event(self, event: str) -> bool | None:
        """Whether one of the events that the endpoint is the first of is this one."""
        if event == "dropout":
            # A missed week or day that counts as use makes whoever stays away relapse.
            return any(
                isinstance(e, DropoutEvent)
                or (isinstance(e, RunOfUse) and e.rule in ("is-use", "is-use-after-dropout"))
                for e in self.first_of
            )
        if any(isinstance(e, OutcomeEvent) and e.event == event for e in self.first_of):
            return True
        wanted = DISPOSITION_OF.get(event, event.replace("-", "_"))
        return any(isinstance(e, DispositionEvent) and wanted in e.disposition for e in self.first_of)


class RepeatedUseEndpoint(EndpointBase):
    """Yes or no at each visit of a series: any use since the last attended visit at which that use was assessed."""

    shapes: ClassVar[tuple[Shape, ...]] = (REPEATED_BINARY,)
    looks_at_use: ClassVar[bool] = True
    missing_rules: ClassVar[frozenset[str]] = EVERY_RULE
    ends_at_events: ClassVar[bool] = True

    kind: Literal["repeated-use"] = Field(description="Yes or no at each visit of a series.")
    use: Id = Field(description="The definition of use (see `use`).")
    at: Id = Field(description="The visit series.")
    since: Literal["last-attended", "last-planned"] = Field(
        "last-attended",
        description="From which visit on a day of use counts for this one: the last attended at which this use was "
        "assessed, or the one planned before.",
    )
    counts_from: Annotated[Days | None, LATER] = Field(None, description=COUNTS_FROM)
    better: Literal["higher", "lower"] = Field("lower", description="Which direction is better for the participant.")

    @property
    def counted_series(self) -> tuple[str, ...]:
        """Its visits."""
        return (self.at,)

    def why_not_imputed(self) -> str | None:
        """Missed visits are imputed."""
        return None

    def counts_event(self, event: str) -> bool | None:
        """A missed visit is missing, whatever its cause."""
        return False if event == "dropout" else None


class ScoreEndpoint(EndpointBase):
    """A score at each visit of a series, or at one visit."""

    shapes: ClassVar[tuple[Shape, ...]] = (REPEATED_SCORE,)
    missing_rules: ClassVar[frozenset[str]] = frozenset({"is-missing", "last-observation"})
    ends_at_events: ClassVar[bool] = True

    kind: Literal["score"] = Field(description="A score at each visit of a series, or at one visit.")
    assessment: Id = Field(description="The assessment (an instrument).")
    scale: str = Field("total", description="Scale of the instrument.")
    at: Id = Field(description="The visit or visit series.")
    log: Truth = Field(False, description="Whether the logarithm is analysed; effects are then ratios.")
    floor: Number | None = Field(None, gt=0, description="With log: scores below are raised to this value first.")
    value: Annotated[Literal["score", "change", "percent-change"], LATER] = Field(
        "score",
        description="The score itself, its change from the baseline visit, or that in per cent of the baseline.",
    )
    baseline: Id | None = Field(
        None,
        description="Visit whose score is the baseline, from which `value: change` counts. To adjust for it, name it "
        "under `baseline` (`from`) and among the covariates.",
    )
    unit: str | None = Field(None, description="Unit of the score, for tables and figures.")
    better: Literal["higher", "lower"] = Field("lower", description="Which direction is better for the participant.")

    @model_validator(mode="after")
    def _change(self) -> ScoreEndpoint:
        if self.value != "score" and self.baseline is None:
            raise Fault(
                f"A {self.value.replace('-', ' ')} stands without the visit that it is from",
                "baseline: a visit before randomization",
                "Add baseline.",
                "value",
            )
        if self.value == "percent-change" and self.unit not in (None, "%"):
            raise Fault(f"A change in per cent is not in {self.unit}", "no unit, or %", "Remove unit.", "unit")
        if self.value != "score" and self.log:
            raise Fault(
                "A change may be below zero, and then has no logarithm",
                "value: score with log, or a change without",
                "Remove one.",
                "value",
            )
        return self

    @model_validator(mode="after")
    def _floor(self) -> ScoreEndpoint:
        if self.log and self.floor is None:
            raise Fault(
                "log stands without a floor, and a score of zero has no logarithm",
                "floor: a number above zero",
                "Add floor, for example floor: 1.",
                "log",
            )
        if self.floor is not None and not self.log:
            raise Fault("A floor stands without log", "log: true", "Add log: true, or remove the floor.", "floor")
        return self

    @property
    def analyses_logarithm(self) -> bool:
        """As the key `log` says."""
        return self.log

    def why_not_imputed(self) -> str | None:
        """Missing scores are imputed."""
        return None

    def counts_event(self, event: str) -> bool | None:
        """A missing score is missing, whatever its cause."""
        return False if event == "dropout" else None


class PatternSource(Frozen):
    """A use pattern made from records: whose letters, and what a cell is."""

    use: Id = Field(description="The definition of use (see `use`).")
    cells: Literal["weeks", "visits", "days"] = Field(
        description="What a letter stands for: whole weeks tiled from the first day, the visits of a series, or days."
    )
    days: Days | None = Field(None, description="With weeks or days: the study days covered, both ends included.")
    at: Id | None = Field(
        None, description="With visits: the series. With weeks: weeks without a visit of it due are not due (_)."
    )
    counts_from: Annotated[Days | None, LATER] = Field(None, description=f"With visits. {COUNTS_FROM}")

    @model_validator(mode="after")
    def _covers(self) -> PatternSource:
        if self.cells == "visits" and (self.at is None or self.days is not None):
            raise Fault("A pattern of visits goes by a series alone", "at: a visit series, and no days", "Correct it.")
        if self.cells != "visits" and self.days is None:
            raise Fault(f"A pattern of {self.cells} names no days", "days: first..last", "Add days.")
        if self.cells == "days" and self.at is not None:
            raise Fault("A pattern of days names visits", "days alone", "Remove at.")
        if self.cells != "visits" and self.counts_from is not None:
            raise Fault(
                f"A pattern of {self.cells} has counts-from beside its days", "days alone", "Remove counts-from."
            )
        return self


class PatternEndpoint(EndpointBase, PatternSource):
    """A definition in the endpoint language over a use pattern, from the library or written here."""

    shapes: ClassVar[tuple[Shape, ...]] = (BINARY, NUMBER, TIME_TO_EVENT)
    looks_at_use: ClassVar[bool] = True
    # What leaving a missed cell out means is for the formula to say: breaking a run, or taken out (missing: removed).
    missing_rules: ClassVar[frozenset[str]] = EVERY_RULE - {"is-missing"}

    kind: Literal["pattern"] = Field(description="A definition in the endpoint language over a use pattern.")
    beside: Mapping[Id, PatternSource] = Field(
        {}, description="Further patterns that the formula looks at with `on`; the endpoint's own is named by `cells`."
    )
    definition: str | None = Field(
        None, description="A definition of the library (`equipoise endpoints list`), in place of a formula."
    )
    formula: Formula | None = Field(None, description="The definition, in the endpoint language.")
    gives: Literal["binary", "number", "time-to-event"] | None = Field(
        None, description="With `definition`: what it comes to."
    )

    @model_validator(mode="after")
    def _defined(self) -> PatternEndpoint:
        exactly_one(self, ("definition", "formula"), "What is measured")
        if self.definition is not None and self.gives is None:
            raise Fault(
                "A definition of the library stands without what it comes to",
                "gives: binary, number or time-to-event",
                "Add gives; `equipoise endpoints explain` says which.",
            )
        if self.formula is not None and self.gives not in (None, value_type(self.formula)):
            raise Fault(
                f"gives says {self.gives}, and the formula comes to {value_type(self.formula)}", "one", "Remove gives."
            )
        return self

    @property
    def comes_to(self) -> ValueType:
        """What the endpoint's value is."""
        if self.formula is not None:
            return value_type(self.formula)
        assert self.gives is not None
        return self.gives

    @property
    def patterns(self) -> dict[str, PatternSource]:
        """Every pattern by the name that formulas use, the endpoint's own first."""
        return {self.cells: self, **self.beside}

    @property
    def shape(self) -> Shape:
        """As the formula says, or the key `gives`."""
        return self.comes_to

    @property
    def counted_series(self) -> tuple[str, ...]:
        """The series whose visits are letters."""
        return tuple(
            part.at for part in (self, *self.beside.values()) if part.cells == "visits" and part.at is not None
        )


class ReportEndpoint(EndpointBase):
    """Yes or no: what a participant told at one visit."""

    shapes: ClassVar[tuple[Shape, ...]] = (BINARY,)
    looks_at_use: ClassVar[bool] = True
    missing_rules: ClassVar[frozenset[str]] = frozenset({"is-missing", *BY_ARM})

    kind: Literal["report"] = Field(description="Yes or no: what a participant told at one visit.")
    assessment: Id = Field(description="The assessment (an instrument).")
    item: str = Field(description="Item of the instrument; 1 is yes.")
    at: Id = Field(description="The visit.")
    missed: Literal["is-no", "is-missing"] = Field("is-no", description="What no answer stands for.")

    def why_not_imputed(self) -> str | None:
        """A missing answer is imputed."""
        return None

    def counts_event(self, event: str) -> bool | None:
        """Dropout counts where no answer is the worse one."""
        return self.missed == "is-no" and self.better == "higher" if event == "dropout" else None


class ReceivedEndpoint(EndpointBase):
    """Yes or no: received at least one dose of the arm's own treatment."""

    shapes: ClassVar[tuple[Shape, ...]] = (BINARY,)

    kind: Literal["received"] = Field(description="Yes or no: received at least one dose.")
    intervention: Mapping[Id, Id] = Field(description="By arm, the intervention that counts.")
    within: Days | None = Field(None, description="Study days in which the dose counts.")

    @property
    def window(self) -> tuple[int, int] | None:
        """The days in which the dose counts, where they are named."""
        return None if self.within is None else (self.within.first, self.within.last)


Endpoint = Annotated[
    AbstinenceEndpoint
    | AbstinentDaysEndpoint
    | TimeToEventEndpoint
    | RepeatedUseEndpoint
    | UseByDayEndpoint
    | UseByWeekEndpoint
    | ScoreEndpoint
    | PatternEndpoint
    | ReportEndpoint
    | ReceivedEndpoint
    | CriterionEndpoint
    | FindingEndpoint
    | EventEndpoint
    | EventCountEndpoint,
    Field(discriminator="kind"),
]

# Every kind of endpoint by its name, in the order of the language.
ENDPOINT_KINDS: Mapping[str, type[EndpointBase]] = {
    get_args(kind.model_fields["kind"].annotation)[0]: kind for kind in get_args(get_args(Endpoint)[0])
}


class AnalysisSet(Sourced):
    """Whose data enter an analysis."""

    words: str = Field(description="The set, as one would say it.")
    received: Truth = Field(False, description="Only who received the allocated treatment at least once.")
    attended: Id | None = Field(None, description="Only who attended at least one visit of this series.")
    stage: Whole = Field(1, ge=1, description="Stage whose participants enter, counted from 1.")


class Estimand(Sourced):
    """The question: ICH E9(R1)'s five attributes."""

    endpoint: Id = Field(description="The variable.")
    population: str = Field("everybody randomized", description="Whom the question is about, in words.")
    treatments: Versus = Field(
        description="What is compared: experimental v reference. Arms; levels of `factor`; in a crossover the "
        "interventions; in a trial of one arm that arm alone."
    )
    factor: Id | None = Field(None, description="Factor whose levels are compared, in a factorial trial.")
    interaction: Annotated[Id | None, LATER] = Field(
        None,
        description="A second factor: asked is how much the effect of `factor` differs between its two levels, as a "
        "difference of differences, or a ratio of ratios.",
    )
    stage: Id | None = Field(None, description="Stage whose arms are compared, where arms change within the trial.")
    summary: Summary = Field(description="The summary measure; `proportion` and `mean` are of one arm alone.")
    intercurrent: Mapping[Id, Strategy] = Field({}, description="Intercurrent events and their strategies.")
    words: str | None = Field(None, description="The question in plain words.")


class Vary(Frozen):
    """A choice varied: one analysis for each value, to show what the choice does."""

    ties: tuple[Literal["efron", "breslow", "exact"], ...] = Field((), description="Rules for tied event times.")
    time_unit: tuple[Literal["day", "visit", "week"], ...] = Field((), description="Units that time is counted in.")
    covariates: tuple[tuple[Id, ...], ...] = Field((), description="Sets of covariates.")
    missed: tuple[AnalysisMissingRule, ...] = Field((), description="Rules for what is missing.")
    floor: tuple[Number, ...] = Field((), description="Floors of a logarithm, each above zero.")
    endpoint: tuple[Id, ...] = Field((), description="Other endpoints in place of the estimand's.")

    @model_validator(mode="after")
    def _above_zero(self) -> Vary:
        if any(floor <= 0 for floor in self.floor):
            raise Fault("A floor is not above zero", "numbers above zero", "Correct the floors.", "floor")
        return self


CovarianceStructure = Literal[
    "unstructured",
    "toeplitz-heterogeneous",
    "toeplitz",
    "ar1-heterogeneous",
    "ar1",
    "ante-dependence-heterogeneous",
    "ante-dependence",
    "compound-symmetry-heterogeneous",
    "compound-symmetry",
]


class Analysis(Sourced):
    """One line of the statistical analysis plan."""

    estimand: Id = Field(description="The question that is answered.")
    estimator: EstimatorId = Field(description="How it is answered.")
    label: str | None = Field(None, description="Name in tables and figures; by default the id.")
    method: str | None = Field(None, description="Variant of the estimator, for example miettinen-nurminen.")
    covariates: tuple[Id, ...] = Field((), description="Baseline variables adjusted for.")
    time: Literal["linear", "none", "interaction", "category", "category-interaction"] = Field(
        "linear",
        description="How time enters a repeated model: weeks as a line, not at all, or each visit by itself; with an "
        "interaction the effect of the arm changes along the line, or from visit to visit.",
    )
    effect_at: Annotated[Id | Days | None, LATER] = Field(
        None,
        description="With an interaction: where the arm's effect is taken. A visit of the series, a study day, `last` "
        "(the last planned visit, the default) or `midpoint` (halfway between the first and the last visit; the "
        "default of `interaction` in files of version 1).",
    )
    analysis_set: Id | None = Field(None, description="By default everybody randomized.")
    level: Level = Field("exploratory", description="Standing of the analysis in the plan.")
    prespecified: Truth = Field(False, description="Stated before the data were seen.")
    alpha_two_sided: Number | None = Field(None, gt=0, lt=1, description="Two-sided level of significance.")
    alpha_one_sided: Number | None = Field(None, gt=0, lt=0.5, description="One-sided level of significance.")
    ci_level: Number = Field(0.95, gt=0.5, lt=1, description="Level of confidence intervals.")
    if_separated: Literal["firth", "fisher-exact", "report"] = Field(
        "firth",
        description="What is reported where maximum likelihood has no finite answer. Of Cox regression it is the "
        "profile limit; `firth`, where written, adds a row by Firth's penalty.",
    )
    ties: Literal["efron", "breslow", "exact"] = Field("efron", description="Tied event times in Cox regression.")
    time_unit: Literal["day", "visit", "week"] = Field("day", description="Unit that time is counted in.")
    nodes: Whole = Field(
        15, ge=1, le=60, description="Quadrature nodes of the logistic mixed model; not with random-slope."
    )
    random_slope: Truth = Field(
        False, description="Random slope of time beside the intercept (linear and logistic mixed models)."
    )
    covariance: Annotated[CovarianceStructure, LATER] = Field(
        "unstructured",
        description="With mmrm: the covariance of the visits. Where it has no maximum a simpler one stands in, in a "
        "stated order, and the result says which.",
    )
    covariance_by_arm: Annotated[Truth, LATER] = Field(
        False, description="With mmrm: each arm has a covariance of its own."
    )
    covariates_by_visit: Annotated[tuple[Id, ...], LATER] = Field(
        (), description="With mmrm: those of the covariates whose slope differs from visit to visit."
    )
    visit: Id | None = Field(
        None, description="With linear on scores of a series: the visit that is compared, by default the last."
    )
    horizon: Number | None = Field(None, gt=0, description="Horizon of a restricted mean, or a survival probability.")
    goal: Annotated[Goal | None, LATER] = Field(
        None,
        description="Of one arm: the performance goal that its share (40 %) or mean (a number) is tested against.",
    )
    missed: AnalysisMissingRule | None = Field(
        None, description="The endpoint's missing rule replaced, as a sensitivity."
    )
    imputation: Imputation | None = Field(None, description="Multiple imputation of what is missing.")
    tipping_point: TippingPoint | None = Field(
        None, description="Search for the shift of imputed results that changes the conclusion; needs imputation."
    )
    vary: Vary | None = Field(None, description="Choices varied; the rows are shown beside the main answer.")

    @model_validator(mode="before")
    @classmethod
    def _visits_by_themselves(cls, value: Any) -> Any:
        """A mixed model for repeated measures has a mean for each visit and arm unless the file says otherwise."""
        if isinstance(value, dict) and value.get("estimator") == "mmrm" and "time" not in value:
            return {**value, "time": "category-interaction"}
        return value

    @property
    def has_interaction(self) -> bool:
        """Whether the effect of the arm may change with time."""
        return self.time in ("interaction", "category-interaction")

    @model_validator(mode="after")
    def _effect_at(self) -> Analysis:
        if isinstance(self.effect_at, Days) and self.effect_at.first != self.effect_at.last:
            raise Fault(
                f"The effect holds at one day, and {self.effect_at} are several",
                "a visit or one day",
                f"Write day {self.effect_at.last}, or a visit.",
                "effect-at",
            )
        if self.time == "category-interaction" and self.effect_at == "midpoint":
            raise Fault(
                "With visits as categories there is no effect halfway between two of them",
                "a visit of the series",
                "Name a visit.",
                "effect-at",
            )
        return self

    @model_validator(mode="after")
    def _one_alpha(self) -> Analysis:
        if self.alpha_one_sided is not None and self.alpha_two_sided is not None:
            raise Fault(
                "alpha-one-sided and alpha-two-sided both stand here",
                "one of the two",
                "Remove one.",
                "alpha-one-sided",
            )
        return self


class PublishedEffect(Frozen):
    """An effect as a source prints it."""

    summary: str = Field(description="The summary measure, in the words of `estimands`.")
    value: Interval = Field(description="Estimate and limits as printed, for example 5.7 (1.3 to 25.1).")
    p: str | Number | None = Field(None, description="p value as printed.")
    treatments: Versus | None = Field(None, description="The comparison, where it is not the estimand's.")
    level: Number = Field(0.95, gt=0, lt=1, description="Confidence level of the limits.")

    def as_effect_of(self, experimental: str | None, reference: str | None, planned: Versus) -> Effect | None:
        """Estimate and limits as an effect of ``experimental`` over ``reference``: turned where the source reports the
        reversed comparison, ``None`` where it compares others, or a ratio of 0 is to be turned. ``planned`` is what it
        compares where it says nothing.
        """
        stated = self.treatments or planned
        lower, upper = (None if limit is None else float(limit) for limit in (self.value.lower, self.value.upper))
        value = float(self.value.value)
        if (stated.experimental, stated.reference) == (experimental, reference):
            return value, lower, upper
        if (stated.experimental, stated.reference) != (reference, experimental):
            return None
        if not is_ratio(self.summary.replace("-", "_")):
            return -value, None if upper is None else -upper, None if lower is None else -lower
        if value == 0.0:
            return None
        return 1 / value, 1 / upper if upper else None, 1 / lower if lower else None


class Published(Sourced):
    """A published result, to stand beside the obtained one."""

    endpoint: Id = Field(description="The endpoint it is about.")
    analysis: Id | None = Field(None, description="The analysis of this file that answers the same question.")
    arms: Mapping[Id, Fact[Count]] = Field({}, description="Counts by arm.")
    effect: PublishedEffect | None = Field(None, description="Effect with its limits.")
    printed: str | None = Field(None, description="As the source prints it.")
    words: str | None = Field(None, description="What it says, in words.")


class Assumptions(Sourced):
    """A named set of assumptions of the generative model."""

    words: str | None = Field(None, description="What this world is for.")
    extends: Id | None = Field(None, description="Another set, of which only differences are written here.")
    model: str | None = Field(None, description="The generative model.")
    n: Mapping[Id, Whole] = Field({}, description="Participants by arm.")
    baseline: Mapping[Id, Any] = Field({}, description="Distributions of baseline variables.")
    parameters: Mapping[str, Any] = Field({}, description="Parameters of the model, by name.")
    simple: Annotated[Mapping[Id, Any], LATER] = Field(
        {}, description="What comes out, endpoint by endpoint: shares, means with SD, hazards or rates by arm."
    )
    attrition: Annotated[Any, LATER] = Field(
        None, description="With `simple`: share lost by the last visit, of everybody or by arm; none where absent."
    )
    between_endpoints: Annotated[Number, LATER] = Field(
        0.5, ge=0, lt=1, description="With `simple`: correlation of the endpoints of one participant."
    )
    parts: Annotated[Mapping[str, Any], LATER] = Field(
        {}, description="What people do, part by part: attendance, use, scores, events and the rest."
    )
    calibration: Calibration | None = Field(None, description="How `equipoise calibrate` finds the parameters.")

    @model_validator(mode="after")
    def _one_level(self) -> Assumptions:
        said = [name for name in ("simple", "parts", "model") if getattr(self, name)]
        if len(said) > 1:
            raise Fault(
                f"{listed(said, conjunction='and')} stand in one set of assumptions",
                "one of simple, parts and model",
                "Write two sets.",
                said[0],
            )
        return self


class Remark(Sourced):
    """Something a reader of the results should know, in plain words."""

    title: str = Field(description="The remark in one line.")
    words: str = Field(description="The remark.")
    about: tuple[Id, ...] = Field((), description="Endpoints or analyses that it concerns.")


class AssuranceCase(Frozen):
    """A fictional participant and what the definitions must make of them; run by `equipoise check`."""

    name: str = Field(description="What the case is.")
    arm: Id | None = Field(None, description="The participant's arm; by default the first.")
    baseline: Mapping[Id, Any] = Field({}, description="Values of baseline variables.")
    visits: Mapping[Id, str] = Field(
        {}, description="By series, one letter a visit: + positive, - negative, o missed, _ not due."
    )
    urine: Mapping[Id, Mapping[int, Literal["+", "-", "?"]]] = Field(
        {}, description="By substance, samples by study day, beside or instead of visit words."
    )
    use_days: tuple[Days, ...] = Field((), description="Days of use told in the calendar.")
    asked_days: Days | None = Field(None, description="Days the calendar covers; by default up to the last contact.")
    substance: Id | None = Field(None, description="Substance, where the protocol follows several.")
    scores: Mapping[Id, Mapping[str, Any]] = Field({}, description="By visit, values of assessments.")
    received: tuple[Id, ...] | None = Field(None, description="Interventions received; by default the arm's.")
    expect: Mapping[Id, Any] = Field(min_length=1, description="Endpoint values that must come out.")
    sets: Mapping[Id, Truth] = Field({}, description="Analysis sets the participant must belong to, or not.")
