"""What is asked and how it is answered: estimands, analyses, published results, assumptions, test cases."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from equipoise.foundation.errors import listed
from equipoise.protocol.language.borrowing import Borrow
from equipoise.protocol.language.calibration import Calibration
from equipoise.protocol.language.facts import LATER, Fact, Frozen, Id, Number, Sourced, Truth, Whole
from equipoise.protocol.language.margins import Margin
from equipoise.protocol.language.missing import Imputation, TippingPoint
from equipoise.protocol.language.notation import CountOfTotal, Days, EstimateAndLimits, Fault, Goal, Versus
from equipoise.protocol.vocabulary.endpoint_kinds import (
    AnalysisMissingRule,
)
from equipoise.protocol.vocabulary.estimators import EstimatorId
from equipoise.protocol.vocabulary.scales import Summary, is_ratio

Level = Literal["primary", "secondary", "supportive", "sensitivity", "exploratory"]
Effect = tuple[float, float | None, float | None]  # estimate and limits
Strategy = Literal["treatment-policy", "hypothetical", "composite", "while-on-treatment", "principal-stratum"]


class AnalysisSet(Sourced):
    """Whose data enter an analysis."""

    words: str = Field(description="The set in words.")
    received: Truth = Field(False, description="Only participants who received the allocated treatment at least once.")
    attended: Id | None = Field(None, description="Only participants who attended at least one visit of this series.")
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
        description="A second factor. The question is how much the effect of `factor` differs between its "
        "two levels, as a difference of differences or a ratio of ratios.",
    )
    stage: Id | None = Field(None, description="Stage whose arms are compared, if arms change within the trial.")
    summary: Summary = Field(description="The summary measure; `proportion` and `mean` are for a single arm.")
    intercurrent: Mapping[Id, Strategy] = Field({}, description="Intercurrent events and their strategies.")
    margin: Annotated[Margin | None, LATER] = Field(
        None,
        description="How much worse counts as not inferior, or how different as equivalent; else the question is "
        "whether there is a difference.",
    )
    words: str | None = Field(None, description="The question in plain words.")


class Vary(Frozen):
    """A choice that is varied: one analysis for each value, to show its effect."""

    ties: tuple[Literal["efron", "breslow", "exact"], ...] = Field((), description="Rules for tied event times.")
    time_unit: tuple[Literal["day", "visit", "week"], ...] = Field((), description="Units that time is counted in.")
    covariates: tuple[tuple[Id, ...], ...] = Field((), description="Sets of covariates.")
    missed: tuple[AnalysisMissingRule, ...] = Field((), description="Rules for missing results.")
    floor: tuple[Number, ...] = Field((), description="Floors of a logarithm, each above zero.")
    endpoint: tuple[Id, ...] = Field((), description="Other endpoints instead of the estimand's.")

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
    """One analysis of the statistical analysis plan."""

    estimand: Id = Field(description="The question that is answered.")
    estimator: EstimatorId = Field(description="How it is answered.")
    label: str | None = Field(None, description="Name in tables and figures; by default the id.")
    method: str | None = Field(None, description="Variant of the estimator, for example miettinen-nurminen.")
    covariates: tuple[Id, ...] = Field((), description="Baseline variables adjusted for.")
    strata: Annotated[tuple[Id, ...], LATER] = Field(
        (),
        description="With cox: categories whose combinations are strata, each with a baseline hazard of its own. The "
        "other estimators with strata take them from covariates.",
    )
    random: Annotated[Id | None, LATER] = Field(
        None,
        description="With linear and logistic: a category, usually the site, whose levels differ at random from one "
        "another. The model is then a mixed model with a random intercept.",
    )
    time: Literal["linear", "none", "interaction", "category", "category-interaction"] = Field(
        "linear",
        description="How time enters a model of repeated results: linear in weeks, not at all, or each "
        "visit separately. With an interaction the effect of the arm changes linearly, or from "
        "visit to visit.",
    )
    effect_at: Annotated[Id | Days | None, LATER] = Field(
        None,
        description="With an interaction: the day for which the arm's effect is given. A visit of the "
        "series, a study day, `last` (the last planned visit, the default) or `midpoint` "
        "(halfway between the first and the last visit; the default of `interaction` in files "
        "of version 1).",
    )
    analysis_set: Id | None = Field(None, description="By default all randomized participants.")
    level: Level = Field("exploratory", description="Level of the analysis in the plan.")
    prespecified: Truth = Field(False, description="Stated before the data were seen.")
    alpha_two_sided: Number | None = Field(None, gt=0, lt=1, description="Two-sided level of significance.")
    alpha_one_sided: Number | None = Field(None, gt=0, lt=0.5, description="One-sided level of significance.")
    ci_level: Number = Field(0.95, gt=0.5, lt=1, description="Level of confidence intervals.")
    if_separated: Literal["firth", "fisher-exact", "report"] = Field(
        "firth",
        description="What is reported if maximum likelihood has no finite estimate. For Cox regression it "
        "is the profile limit; `firth`, if stated, adds a row by Firth's penalty.",
    )
    ties: Literal["efron", "breslow", "exact"] = Field("efron", description="Tied event times in Cox regression.")
    time_unit: Literal["day", "visit", "week"] = Field("day", description="Unit that time is counted in.")
    nodes: Whole = Field(
        15, ge=1, le=60, description="Quadrature nodes of mixed models of yes or no, or counts; not with random-slope."
    )
    random_slope: Truth = Field(
        False, description="Random slope of time in addition to the intercept (linear and logistic mixed models)."
    )
    covariance: Annotated[CovarianceStructure, LATER] = Field(
        "unstructured",
        description="With mmrm: the covariance of the visits. If it has no maximum, a simpler one is used, "
        "in a stated order, and the result says which.",
    )
    covariance_by_arm: Annotated[Truth, LATER] = Field(False, description="With mmrm: each arm has its own covariance.")
    covariates_by_visit: Annotated[tuple[Id, ...], LATER] = Field(
        (), description="With mmrm: covariates whose slope differs from visit to visit."
    )
    visit: Id | None = Field(
        None, description="With linear on scores of a series: the visit that is compared, by default the last."
    )
    horizon: Number | None = Field(None, gt=0, description="Horizon of a restricted mean, or a survival probability.")
    goal: Annotated[Goal | None, LATER] = Field(
        None,
        description="For a single arm: the performance goal for its proportion (40 %) or mean (a number).",
    )
    borrow: Annotated[Borrow | None, LATER] = Field(
        None, description="With a borrowing estimator: earlier results, the prior made of them, and what is success."
    )
    missed: AnalysisMissingRule | None = Field(
        None, description="A rule that replaces the endpoint's missing rule, as a sensitivity analysis."
    )
    imputation: Imputation | None = Field(None, description="Multiple imputation of what is missing.")
    tipping_point: TippingPoint | None = Field(
        None, description="Search for the shift of imputed results that changes the conclusion; needs imputation."
    )
    vary: Vary | None = Field(None, description="Choices that are varied; the rows are shown beside the main result.")

    @model_validator(mode="before")
    @classmethod
    def _visits_by_themselves(cls, value: Any) -> Any:
        """A mixed model for repeated measures has a mean for each visit and arm unless the file says otherwise."""
        if isinstance(value, dict) and value.get("estimator") == "mmrm" and "time" not in value:
            return {**value, "time": "category-interaction"}
        return value

    @property
    def grouping(self) -> tuple[str, ...]:
        """Baseline variables that group participants and are no terms of the model: strata, and what is at random."""
        return self.strata if self.random is None else (*self.strata, self.random)

    @property
    def baseline_read(self) -> tuple[str, ...]:
        """Every baseline variable that the line or a variation of it reads: covariates, strata, random, imputing."""
        varied = self.vary.covariates if self.vary is not None else ()
        imputing = self.imputation.covariates if self.imputation is not None else ()
        named = (*self.covariates, *self.grouping, *(name for group in varied for name in group), *imputing)
        return tuple(dict.fromkeys(named))

    @property
    def has_interaction(self) -> bool:
        """Whether the effect of the arm may change with time."""
        return self.time in ("interaction", "category-interaction")

    @property
    def level_one_sided(self) -> float:
        """The one-sided level: as stated, else half of the two-sided one, else that of either end of the interval."""
        if self.alpha_one_sided is not None:
            return float(self.alpha_one_sided)
        if self.alpha_two_sided is not None:
            return float(self.alpha_two_sided) / 2.0
        return round((1.0 - float(self.ci_level)) / 2.0, 12)

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
    value: EstimateAndLimits = Field(description="Estimate and limits as printed, for example 5.7 (1.3 to 25.1).")
    p: str | Number | None = Field(None, description="p value as printed.")
    treatments: Versus | None = Field(None, description="The comparison, if it is not the estimand's.")
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
    """A published result, to compare with the result obtained."""

    endpoint: Id = Field(description="The endpoint it is about.")
    analysis: Id | None = Field(None, description="The analysis of this file that answers the same question.")
    arms: Mapping[Id, Fact[CountOfTotal]] = Field({}, description="Counts by arm.")
    effect: PublishedEffect | None = Field(None, description="Effect with its limits.")
    printed: str | None = Field(None, description="As the source prints it.")
    words: str | None = Field(None, description="What it says, in words.")


class Assumptions(Sourced):
    """A named set of assumptions of the simulation model."""

    words: str | None = Field(None, description="What this set is for.")
    extends: Id | None = Field(None, description="Another set; only differences from it are written here.")
    model: str | None = Field(None, description="The generative model.")
    n: Mapping[Id, Whole] = Field({}, description="Participants by arm.")
    baseline: Mapping[Id, Any] = Field({}, description="Distributions of baseline variables.")
    parameters: Mapping[str, Any] = Field({}, description="Parameters of the model, by name.")
    simple: Annotated[Mapping[Id, Any], LATER] = Field(
        {}, description="Results by endpoint: proportions, means with SD, hazards or rates by arm."
    )
    attrition: Annotated[Any, LATER] = Field(
        None, description="With `simple`: proportion lost by the last visit, overall or by arm; by default none."
    )
    between_endpoints: Annotated[Number, LATER] = Field(
        0.5, ge=0, lt=1, description="With `simple`: correlation of the endpoints of one participant."
    )
    parts: Annotated[Mapping[str, Any], LATER] = Field(
        {}, description="What participants do, part by part: attendance, use, scores, events and so on."
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
    """A point that a reader of the results should know, in plain words."""

    title: str = Field(description="The remark in one line.")
    words: str = Field(description="The remark.")
    about: tuple[Id, ...] = Field((), description="Endpoints or analyses that it concerns.")


class AssuranceCase(Frozen):
    """A fictional participant with the expected results; run by `equipoise check`."""

    name: str = Field(description="What the case is.")
    arm: Id | None = Field(None, description="The participant's arm; by default the first.")
    baseline: Mapping[Id, Any] = Field({}, description="Values of baseline variables.")
    visits: Mapping[Id, str] = Field(
        {}, description="By series, one letter per visit: + positive, - negative, o missed, _ not due."
    )
    urine: Mapping[Id, Mapping[int, Literal["+", "-", "?"]]] = Field(
        {}, description="By substance, samples by study day, in addition to or instead of visits."
    )
    use_days: tuple[Days, ...] = Field((), description="Days of use reported in the calendar.")
    asked_days: Days | None = Field(None, description="Days the calendar covers; by default up to the last contact.")
    substance: Id | None = Field(None, description="Substance, if the protocol follows several.")
    scores: Mapping[Id, Mapping[str, Any]] = Field({}, description="By visit, values of assessments.")
    received: tuple[Id, ...] | None = Field(None, description="Interventions received; by default the arm's.")
    expect: Mapping[Id, Any] = Field(min_length=1, description="Expected values of endpoints.")
    sets: Mapping[Id, Truth] = Field({}, description="Analysis sets the participant must belong to, or not.")
