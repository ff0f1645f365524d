"""Endpoints of every kind, and what counts as use."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal, get_args

from pydantic import Discriminator, Field, Tag, field_serializer, model_validator

from equipoise.protocol.language.composed import HierarchicalEndpoint, OrderedEndpoint
from equipoise.protocol.language.endpoint_base import EndpointBase
from equipoise.protocol.language.facts import LATER, Frozen, Id, ListOrMapping, Number, Sourced, Truth, Whole
from equipoise.protocol.language.formula import Formula, ValueType, exactly_one, value_type
from equipoise.protocol.language.missing import DISPOSITION_OF
from equipoise.protocol.language.notation import Days, Fault
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
    COMPETING,
    COUNTS,
    EVERY_RULE,
    NUMBER,
    REPEATED_BINARY,
    REPEATED_SCORE,
    TIME_TO_EVENT,
    ImputedAs,
    MissingRule,
    Shape,
    Trait,
)

UseSource = Literal["urine", "self-report"]


class Amount(Frozen):
    """An amount above which a day counts: heavy drinking, for example."""

    above: Number | Mapping[str, Number] = Field(
        description="The day counts above this amount; or, by level of the variable `of`, the amount for that level."
    )
    unit: str = Field(description="Unit of the amount, for example drinks.")
    of: Id | None = Field(None, description="Baseline variable whose levels have their own amounts.")

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
    """What counts as use: which substances, by which sources."""

    words: str | None = Field(None, description="What counts as use, in words.")
    substances: ListOrMapping = Field(description="Substances; or, by arm, the substances that count in that arm.")
    self_report_substances: ListOrMapping | None = Field(
        None, description="Substances of the daily calendar, if its groups have other names than the assays."
    )
    by: tuple[UseSource, ...] = Field(("urine", "self-report"), min_length=1, description="Sources that are used.")
    counts_if: Literal["any", "all"] = Field("any", description="Whether one source is enough, or all must show use.")
    amount: Amount | None = Field(None, description="Amount that a self-reported day must exceed to count.")


COUNTS_FROM = (
    "Study day from which use counts, by default the day of randomization; a urine sample on that day "
    "shows earlier use, and counts only at a visit held on that day."
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
        None, description="Visit series whose missed visits count as missing; without it, days not asked about."
    )
    missed: MissingRule = Field("is-use", description="What a missed due visit in the window counts as.")

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
    """A number: days without use over a window, as a count or a percentage of the known days."""

    shapes: ClassVar[tuple[Shape, ...]] = (NUMBER,)
    looks_at_use: ClassVar[bool] = True
    missing_rules: ClassVar[frozenset[str]] = EVERY_RULE

    kind: Literal["abstinent-days"] = Field(description="A number: days without use over a window.")
    use: Id = Field(description="The definition of use (see `use`).")
    days: Days = Field(description="The window, both ends included.")
    as_: Literal["percent", "count"] = Field("percent", description="The percentage of days, or their number.")
    missed: MissingRule = Field("is-missing", description="What an unknown day counts as.")

    @property
    def traits(self) -> frozenset[Trait]:
        """Days are counted over those known."""
        return frozenset({COUNTS})

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
    """Yes or no in each whole week from the first day of a window; a week without data is missing."""

    shapes: ClassVar[tuple[Shape, ...]] = (REPEATED_BINARY,)
    looks_at_use: ClassVar[bool] = True
    missing_rules: ClassVar[frozenset[str]] = EVERY_RULE
    ends_at_events: ClassVar[bool] = True

    kind: Literal["use-by-week"] = Field(description="Yes or no in each whole week of a window.")
    use: Id = Field(description="The definition of use (see `use`).")
    days: Days = Field(description="The window; weeks are counted from its first day, and remaining days are left out.")
    missed: MissingRule = Field("is-missing", description="What a week without any sample counts as.")
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
    """First day of the first run of consecutive weeks or days of use."""

    use: Id = Field(description="The definition of use (see `use`).")
    cells: Literal["weeks", "days"] = Field(description="What is counted: whole weeks from a stated day, or days.")
    from_: Whole = Field(description="Study day from which weeks or days are counted.")
    length: Whole = Field(ge=1, description="How many in a row.")
    missed: MissingRule | None = Field(
        None,
        description="What a week without any sample, or a day not asked about, counts as: by default a "
        "week is use (`is-use`), and a day is unknown (`is-missing`).",
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
    first_of: tuple[Event, ...] = Field(min_length=1, description="The events; the first one counts.")
    competing: Annotated[tuple[Event, ...], LATER] = Field(
        (),
        description="Events after which its own can no longer come, or no longer means the same (death, dropout): they "
        "compete with it, and are no censoring.",
    )
    until: Days = Field(description="Last day of follow-up: participants without an event are censored there.")
    at_day_zero: Truth = Field(False, description="Whether an event may fall on the day of time zero itself.")
    censored: Literal["end", "last-contact"] = Field(
        "end", description="Censoring at the end of follow-up, or at the last attended visit."
    )
    censored_at: Id | None = Field(None, description="Visit series for `last-contact`.")
    unobserved: Annotated[Literal["is-censored", "is-event-free"], LATER] = Field(
        "is-censored",
        description="What happens after the last day on which the event would have been known: censored "
        "there, or carried forward without an event to the day given by `censored`.",
    )
    visits: Id | None = Field(None, description="Visit series by which analyses by visit count time.")
    unit: Literal["day"] = Field("day", description="Unit of time.")
    better: Literal["higher", "lower"] = Field("higher", description="Which direction is better for the participant.")

    @property
    def is_about_use(self) -> bool:
        """Whether one of its events is use."""
        return any(isinstance(event, (UseEvent, RunOfUse)) for event in self.first_of)

    @model_validator(mode="after")
    def _once(self) -> TimeToEventEndpoint:
        if any(event in self.first_of for event in self.competing):
            raise Fault(
                "An event is both the endpoint's own and a competing one",
                "each event in one of the two lists",
                "Remove it from first-of or from competing.",
                "competing",
            )
        return self

    @property
    def traits(self) -> frozenset[Trait]:
        """Whether other events compete with its own."""
        return frozenset({COMPETING}) if self.competing else frozenset()

    @property
    def watched_events(self) -> tuple[Event, ...]:
        """Its own events, then those that compete."""
        return (*self.first_of, *self.competing)

    @property
    def event_terms(self) -> tuple[str, ...]:
        """Those of the events that are recorded ones."""
        return tuple(event.event for event in self.watched_events if isinstance(event, OutcomeEvent))

    @property
    def event_noun(self) -> str | None:
        """Its own events, where each is a recorded one."""
        terms = tuple(event.event for event in self.first_of if isinstance(event, OutcomeEvent))
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
        dropouts = tuple(event.dropout for event in self.watched_events if isinstance(event, DropoutEvent))
        return dropouts if self.censored_at is None else (*dropouts, self.censored_at)

    def takes_rule(self, rule: str) -> bool:
        """Missing weeks of a run of weeks can stand for something, and days where the run states what they do."""
        return rule in self.missing_rules and any(run.takes_rules for run in self.runs)

    @property
    def imputed_as(self) -> ImputedAs:
        """The missing weeks of a run of weeks; otherwise the time that censoring cut short."""
        return "yes-or-no" if len(self.runs_of_weeks) == 1 else "times"

    def why_not_imputed(self) -> str | None:
        """One run of weeks can be completed, and so can a time without one that nothing else has completed."""
        if len(self.runs_of_weeks) == 1:
            return None
        if self.runs_of_weeks:
            return "it has several runs of weeks, and it is not clear which weeks would be imputed"
        if self.competing:
            return "other events compete with its own, and which would come first is not imputed"
        if any(isinstance(event, DropoutEvent) for event in self.first_of):
            return "dropout is one of its events, so that no time ends early by it"
        if self.unobserved == "is-event-free":
            return "it takes time that nobody observed as free of the event (unobserved)"
        if any(run.rule != "is-missing" for run in self.runs):
            return "its run of days says itself what a day not asked about counts as"
        return None

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
        description="From which visit on a day of use counts for this one: the last attended visit at "
        "which this use was assessed, or the previous planned visit.",
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
    floor: Number | None = Field(None, gt=0, description="With log: lower scores are first raised to this value.")
    value: Annotated[Literal["score", "change", "percent-change"], LATER] = Field(
        "score",
        description="The score itself, its change from the baseline visit, or the change as a percentage "
        "of the baseline.",
    )
    baseline: Id | None = Field(
        None,
        description="Visit whose score is the baseline for `value: change`. To adjust for it, name it "
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
    """A use pattern made from records: which use, and what a cell is."""

    use: Id = Field(description="The definition of use (see `use`).")
    cells: Literal["weeks", "visits", "days"] = Field(
        description="What a letter represents: whole weeks from the first day, the visits of a series, or days."
    )
    days: Days | None = Field(None, description="With weeks or days: the study days covered, both ends included.")
    at: Id | None = Field(
        None,
        description="With visits: the series. With weeks: weeks without a due visit of the series are not due (_).",
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
        {}, description="Further patterns that the formula uses with `on`; the endpoint's own is named by `cells`."
    )
    definition: str | None = Field(
        None, description="A definition of the library (`equipoise endpoints list`), instead of a formula."
    )
    formula: Formula | None = Field(None, description="The definition, in the endpoint language.")
    gives: Literal["binary", "number", "time-to-event"] | None = Field(
        None, description="With `definition`: the type of its result."
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
    """Yes or no: what a participant reported at one visit."""

    shapes: ClassVar[tuple[Shape, ...]] = (BINARY,)
    looks_at_use: ClassVar[bool] = True
    missing_rules: ClassVar[frozenset[str]] = frozenset({"is-missing", *BY_ARM})

    kind: Literal["report"] = Field(description="Yes or no: what a participant reported at one visit.")
    assessment: Id = Field(description="The assessment (an instrument).")
    item: str = Field(description="Item of the instrument; 1 is yes.")
    at: Id = Field(description="The visit.")
    missed: Literal["is-no", "is-missing"] = Field("is-no", description="What a missing answer counts as.")

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
    within: Days | None = Field(None, description="Study days on which the dose counts.")

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
    | EventCountEndpoint
    | OrderedEndpoint
    | HierarchicalEndpoint,
    Field(discriminator="kind"),
]

# Every kind of endpoint by its name, in the order of the language.
ENDPOINT_KINDS: Mapping[str, type[EndpointBase]] = {
    get_args(kind.model_fields["kind"].annotation)[0]: kind for kind in get_args(get_args(Endpoint)[0])
}
