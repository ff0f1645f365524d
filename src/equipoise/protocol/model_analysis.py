"""What is asked and how it is answered: use, endpoints, estimands, analyses, published results, assumptions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Discriminator, Field, Tag, model_validator

from equipoise.protocol.facts import Fact, Frozen, Id, ListOrMapping, Sourced
from equipoise.protocol.notation import Count, Days, Interval, Versus

MissingRule = Literal["is-use", "is-use-after-dropout", "is-no-use", "is-missing"]
UseSource = Literal["urine", "self-report"]
Level = Literal["primary", "secondary", "supportive", "sensitivity", "exploratory"]
Strategy = Literal["treatment-policy", "hypothetical", "composite", "while-on-treatment", "principal-stratum"]


class Use(Sourced):
    """What counts as use: which substances, seen by which sources."""

    words: str | None = None
    substances: ListOrMapping = Field(description="Substances; or, arm by arm, the substances that count in that arm.")
    self_report_substances: ListOrMapping | None = Field(
        None, description="Substances of the daily calendar, where its groups are named otherwise than the assays."
    )
    by: tuple[UseSource, ...] = Field(("urine", "self-report"), min_length=1, description="Sources that are looked at.")
    counts_if: Literal["any", "all"] = Field("any", description="Use if any source says so, or only if all do.")


class EndpointBase(Sourced):
    """What every endpoint says of itself."""

    words: str = Field(min_length=1, description="The endpoint as one would say it.")
    label: str | None = Field(None, description="Short name for tables and figures.")
    better: Literal["higher", "lower"] = Field("higher", description="Which direction is better for the participant.")


class AbstinenceEndpoint(EndpointBase):
    """Yes or no: no use over a window of days."""

    kind: Literal["abstinence"]
    use: Id
    days: Days = Field(description="The window, both ends included.")
    at: Id | None = Field(
        None, description="Visit series whose missed visits count as missing; without it, days not asked."
    )
    missed: MissingRule = Field("is-use", description="What a missed due visit in the window stands for.")


class UseEvent(Frozen):
    """First day of use."""

    use: Id


class RunOfUse(Frozen):
    """First day of the first run of consecutive cells of use."""

    use: Id
    cells: Literal["weeks", "days"] = Field(description="What is counted: whole weeks tiled from a day, or days.")
    from_: int = Field(description="Study day from which weeks are tiled or days are looked at.")
    length: int = Field(ge=1, description="How many in a row.")
    missed: MissingRule = Field("is-use", description="What a cell without any sample stands for.")


class DropoutEvent(Frozen):
    """The day after the last attended visit of a series, if every later one was missed."""

    dropout: Id = Field(description="The visit series.")


class DispositionEvent(Frozen):
    """A recorded event of disposition."""

    disposition: tuple[str, ...] = Field(min_length=1)


def _event_kind(value: Any) -> str | None:
    keys = set(value) if isinstance(value, dict) else set(type(value).model_fields)
    for key, kind in (("cells", "run"), ("length", "run"), ("use", "use"), ("dropout", "dropout")):
        if key in keys:
            return kind
    return "disposition" if "disposition" in keys else None


Event = Annotated[
    Annotated[UseEvent, Tag("use")]
    | Annotated[RunOfUse, Tag("run")]
    | Annotated[DropoutEvent, Tag("dropout")]
    | Annotated[DispositionEvent, Tag("disposition")],
    Discriminator(
        _event_kind,
        custom_error_type="event_kind",
        custom_error_message="an event has one of the keys use, dropout, disposition; or use, cells, from, length",
    ),
]


class TimeToEventEndpoint(EndpointBase):
    """Time from a day to the first of some events."""

    kind: Literal["time-to-event"]
    time_zero: Days = Field(description="The day that time counts from.")
    first_of: tuple[Event, ...] = Field(min_length=1, description="The events; the earliest counts.")
    until: Days = Field(description="Last day of follow-up: whoever has had no event is censored there.")
    at_day_zero: bool = Field(False, description="Whether an event may fall on the day of time zero itself.")
    censored: Literal["end", "last-contact"] = Field(
        "end", description="Censoring at the end of follow-up, or at the last attended visit."
    )
    censored_at: Id | None = Field(None, description="Visit series for `last-contact`.")
    visits: Id | None = Field(None, description="Visit series that counts time for analyses by visit.")
    unit: Literal["day"] = "day"
    better: Literal["higher", "lower"] = "higher"


class RepeatedUseEndpoint(EndpointBase):
    """Yes or no at each visit of a series: any use since the last attended visit."""

    kind: Literal["repeated-use"]
    use: Id
    at: Id = Field(description="The visit series.")
    since: Literal["last-attended", "last-planned"] = "last-attended"
    better: Literal["higher", "lower"] = "lower"


class ScoreEndpoint(EndpointBase):
    """A score at each visit of a series, or at one visit."""

    kind: Literal["score"]
    assessment: Id = Field(description="The assessment (an instrument).")
    scale: str = Field("total", description="Scale of the instrument.")
    at: Id = Field(description="The visit or visit series.")
    log: bool = Field(False, description="Whether the logarithm is analysed; effects are then ratios.")
    floor: float | None = Field(None, gt=0, description="With log: scores below are raised to this value first.")
    baseline: Id | None = Field(None, description="Visit whose score is the baseline.")
    unit: str | None = None
    better: Literal["higher", "lower"] = "lower"

    @model_validator(mode="after")
    def _floor(self) -> ScoreEndpoint:
        if self.log and self.floor is None:
            raise ValueError("the logarithm of a score needs a floor: a score of zero has no logarithm")
        if self.floor is not None and not self.log:
            raise ValueError("a floor goes with log: true")
        return self


class ReportEndpoint(EndpointBase):
    """Yes or no: what a participant told at one visit."""

    kind: Literal["report"]
    assessment: Id
    item: str = Field(description="Item of the instrument; 1 is yes.")
    at: Id = Field(description="The visit.")
    missed: Literal["is-no", "is-missing"] = Field("is-no", description="What no answer stands for.")


class ReceivedEndpoint(EndpointBase):
    """Yes or no: received at least one dose of the arm's own treatment."""

    kind: Literal["received"]
    intervention: Mapping[Id, Id] = Field(description="By arm, the intervention that counts.")
    within: Days | None = Field(None, description="Study days in which the dose counts.")


Endpoint = Annotated[
    AbstinenceEndpoint | TimeToEventEndpoint | RepeatedUseEndpoint | ScoreEndpoint | ReportEndpoint | ReceivedEndpoint,
    Field(discriminator="kind"),
]


class AnalysisSet(Sourced):
    """Whose data enter an analysis."""

    words: str
    received: bool = Field(False, description="Only who received the allocated treatment at least once.")
    attended: Id | None = Field(None, description="Only who attended at least one visit of this series.")
    stage: int = Field(1, ge=1, description="Stage whose arms are compared.")


class Estimand(Sourced):
    """The question: ICH E9(R1)'s five attributes."""

    endpoint: Id = Field(description="The variable.")
    population: str = Field("everybody randomized", description="Whom the question is about, in words.")
    treatments: Versus = Field(description="What is compared: experimental v reference.")
    factor: Id | None = Field(None, description="Factor whose levels are compared, in a factorial trial.")
    summary: Literal[
        "odds-ratio",
        "risk-difference",
        "risk-ratio",
        "hazard-ratio",
        "ratio-of-means",
        "mean-difference",
        "rmst-difference",
    ] = Field(description="The summary measure.")
    intercurrent: Mapping[Id, Strategy] = Field({}, description="Intercurrent events and their strategies.")
    words: str | None = Field(None, description="The question in plain words.")


class Vary(Frozen):
    """A choice varied: one analysis for each value, to show what the choice does."""

    ties: tuple[Literal["efron", "breslow", "exact"], ...] = ()
    time_unit: tuple[Literal["day", "visit", "week"], ...] = ()
    covariates: tuple[tuple[Id, ...], ...] = ()
    missed: tuple[MissingRule, ...] = ()
    floor: tuple[float, ...] = ()
    endpoint: tuple[Id, ...] = ()


class Analysis(Sourced):
    """One line of the statistical analysis plan."""

    estimand: Id
    estimator: Literal[
        "logistic",
        "firth",
        "fisher-exact",
        "risk-difference",
        "risk-ratio",
        "cox",
        "log-rank",
        "kaplan-meier",
        "rmst-difference",
        "logistic-mixed",
        "linear-mixed",
        "proportion",
    ]
    label: str | None = None
    method: str | None = Field(None, description="Variant of the estimator, for example miettinen-nurminen.")
    covariates: tuple[Id, ...] = Field((), description="Baseline variables adjusted for.")
    time: Literal["linear", "none", "interaction"] = Field("linear", description="How time enters a repeated model.")
    analysis_set: Id | None = Field(None, description="By default everybody randomized.")
    level: Level = "exploratory"
    prespecified: bool = Field(False, description="Stated before the data were seen.")
    alpha_two_sided: float | None = Field(None, gt=0, lt=1)
    alpha_one_sided: float | None = Field(None, gt=0, lt=0.5)
    ci_level: float = Field(0.95, gt=0.5, lt=1)
    if_separated: Literal["firth", "fisher-exact", "report"] = Field(
        "firth", description="What is reported where maximum likelihood has no finite answer."
    )
    ties: Literal["efron", "breslow", "exact"] = Field("efron", description="Tied event times in Cox regression.")
    time_unit: Literal["day", "visit", "week"] = "day"
    nodes: int = Field(15, ge=1, le=60, description="Quadrature nodes of the logistic mixed model.")
    random_slope: bool = Field(False, description="Random slope of time beside the intercept (linear mixed model).")
    horizon: float | None = Field(None, gt=0, description="Horizon of a restricted mean, or a survival probability.")
    missed: MissingRule | None = Field(None, description="The endpoint's missing rule replaced, as a sensitivity.")
    vary: Vary | None = Field(None, description="Choices varied; the rows are shown beside the main answer.")

    @model_validator(mode="after")
    def _one_alpha(self) -> Analysis:
        if self.alpha_one_sided is not None and self.alpha_two_sided is not None:
            raise ValueError("give alpha-one-sided or alpha-two-sided, not both")
        return self


class PublishedEffect(Frozen):
    """An effect as a source prints it."""

    summary: str
    value: Interval = Field(description="Estimate and limits as printed, for example 5.7 (1.3 to 25.1).")
    p: str | float | None = Field(None, description="p value as printed.")
    treatments: Versus | None = Field(None, description="The comparison, where it is not the estimand's.")
    level: float = 0.95


class Published(Sourced):
    """A published result, to stand beside the obtained one."""

    endpoint: Id
    analysis: Id | None = Field(None, description="The analysis of this file that answers the same question.")
    arms: Mapping[Id, Fact[Count]] = Field({}, description="Counts by arm.")
    effect: PublishedEffect | None = None
    printed: str | None = Field(None, description="As the source prints it.")
    words: str | None = None


class Assumptions(Sourced):
    """A named set of assumptions of the generative model."""

    words: str | None = Field(None, description="What this world is for.")
    extends: Id | None = Field(None, description="Another set, of which only differences are written here.")
    model: str | None = Field(None, description="The generative model.")
    n: Mapping[Id, int] = Field({}, description="Participants by arm.")
    baseline: Mapping[Id, Any] = Field({}, description="Distributions of baseline variables.")
    parameters: Mapping[str, Any] = Field({}, description="Parameters of the model, by name.")


class Remark(Sourced):
    """Something a reader of the results should know, in plain words."""

    title: str
    words: str
    about: tuple[Id, ...] = Field((), description="Endpoints or analyses that it concerns.")


class AssuranceCase(Frozen):
    """A fictional participant and what the definitions must make of them; run by `equipoise check`."""

    name: str
    arm: Id | None = None
    baseline: Mapping[Id, Any] = {}
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
    sets: Mapping[Id, bool] = Field({}, description="Analysis sets the participant must belong to, or not.")
