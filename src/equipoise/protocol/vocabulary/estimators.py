"""Estimators: one row each, by which a protocol is checked, analyses are planned, and reports name and cite methods.

The arithmetic is a module of ``stats``; ``analysis.fits`` holds the adapter by the same id. What suits an endpoint,
what may be asked of an estimator and what it gives are decided from these rows alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from equipoise.protocol.vocabulary.endpoint_kinds import (
    BINARY,
    COMPETING,
    COUNTS,
    HIERARCHICAL,
    NUMBER,
    ORDERED,
    REPEATED_BINARY,
    REPEATED_SCORE,
    TIME_TO_EVENT,
    Shape,
    Trait,
)
from equipoise.protocol.vocabulary.scales import SCALES, Scale

# What an estimator's rows are: the effect of one treatment against another, a test of it, or each arm by itself.
Role = Literal["effect", "test", "arms"]


@dataclass(frozen=True, slots=True)
class Estimator:
    """One estimator.

    ``measures`` are the scales of its rows where two treatments are compared, ``alone`` where there is one arm; of
    several, those that are ratios are for logarithms. ``measures_choice`` is the scale under a value of an option
    where that changes it. ``library`` are the shapes for which the
    multiverse tries it on definitions of the endpoint library: one estimator a measure. ``cites`` are keys of the
    reference list, ``cites_choice`` those that a variant, or a value of an option, adds.
    """

    id: str
    name: str  # in a sentence: "Cox regression"
    label: str  # beside its scale in a table: "Cox"; empty where the scale says it
    needs: frozenset[Shape]
    measures: frozenset[str]
    page: str  # of docs/methods
    asks: frozenset[Trait] = frozenset()  # what the endpoint must have beside its shape
    shuns: frozenset[Trait] = frozenset()  # what it must not have: the answer would be wrong
    role: Role = "effect"
    tests: frozenset[str] = frozenset()  # of a test, the effects whose absence it tests
    alone: frozenset[str] = frozenset()
    options: frozenset[str] = frozenset()
    variants: tuple[str, ...] = ()  # what `method` may name, the default first
    imputable: bool = False
    stratifies: bool = False  # covariates are strata, not terms of a model
    needs_strata: bool = False  # and without any it is another estimator
    takes_margin: bool = True  # of an effect: it can be held against a margin by a test whose interval is given
    borrows: bool = False  # with a prior from earlier studies: success is a probability, and there is no p value
    averages: bool = False  # over predictions of a model had everybody been in each arm: an interaction has none
    within: Literal["never", "also", "only"] = "never"  # treatments compared within participants of a crossover
    library: frozenset[Shape] = frozenset()
    cites: tuple[str, ...] = ()
    cites_choice: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    measures_choice: Mapping[str, str] = field(default_factory=dict)

    def suits(self, traits: frozenset[Trait]) -> bool:
        """Whether an endpoint with these traits has what is asked for, and nothing that is shunned."""
        return self.asks <= traits and not self.shuns & traits


_YES_OR_NO: frozenset[Shape] = frozenset({BINARY, TIME_TO_EVENT})
_TIMES: frozenset[Shape] = frozenset({TIME_TO_EVENT})
_REPEATED: frozenset[Shape] = frozenset({REPEATED_BINARY})
_ODDS = frozenset({"odds_ratio"})
_MEANS = frozenset({"mean_difference", "ratio_of_means"})
_RATES = frozenset({"rate_ratio"})
_COUNTS: frozenset[Trait] = frozenset({COUNTS})
_COMPETING: frozenset[Trait] = frozenset({COMPETING})
_SUBDISTRIBUTION = frozenset({"subdistribution_hazard_ratio"})
_PRIORS = ("neuenschwander-2010", "schmidli-2014", "neuenschwander-2020")
_INTERVALS = {
    "miettinen-nurminen": ("miettinen-nurminen-1985",),
    "newcombe": ("newcombe-1998",),
    "farrington-manning": ("farrington-manning-1990",),
    "mee": ("mee-1984", "farrington-manning-1990"),
}

_ROWS = (
    Estimator(
        "logistic",
        "logistic regression",
        "logistic",
        needs=_YES_OR_NO,
        measures=_ODDS,
        page="logistic",
        options=frozenset({"covariates", "if-separated", "random"}),
        imputable=True,
        library=frozenset({BINARY}),
        cites=("cox-1958",),
    ),
    Estimator(
        "firth",
        "logistic regression with Firth's penalty",
        "Firth logistic",
        needs=_YES_OR_NO,
        measures=_ODDS,
        page="firth",
        options=frozenset({"covariates"}),
        imputable=True,
        cites=("firth-1993", "heinze-schemper-2002"),
    ),
    Estimator(
        "fisher-exact",
        "Fisher's exact test",
        "Fisher exact",
        needs=_YES_OR_NO,
        measures=_ODDS,
        page="exact",
        cites=("fisher-1935",),
    ),
    Estimator(
        "risk-difference",
        "difference of two proportions",
        "",
        needs=_YES_OR_NO,
        measures=frozenset({"risk_difference"}),
        page="risk",
        options=frozenset({"method"}),
        variants=("miettinen-nurminen", "newcombe", "farrington-manning", "mee"),
        imputable=True,
        library=frozenset({BINARY}),
        cites_choice=_INTERVALS,
    ),
    Estimator(
        "risk-ratio",
        "ratio of two proportions",
        "",
        needs=_YES_OR_NO,
        measures=frozenset({"risk_ratio"}),
        page="risk",
        options=frozenset({"method"}),
        variants=("miettinen-nurminen", "newcombe", "farrington-manning"),
        imputable=True,
        cites_choice=_INTERVALS,
    ),
    Estimator(
        "odds-ratio",
        "odds ratio of two proportions",
        "score",
        needs=_YES_OR_NO,
        measures=_ODDS,
        page="risk",
        options=frozenset({"method"}),
        variants=("miettinen-nurminen", "farrington-manning"),
        imputable=True,
        cites_choice=_INTERVALS,
    ),
    Estimator(
        "cochran-mantel-haenszel",
        "Cochran-Mantel-Haenszel test",
        "Cochran-Mantel-Haenszel",
        needs=_YES_OR_NO,
        measures=frozenset({"test"}),
        page="strata",
        role="test",
        tests=frozenset({"odds_ratio", "risk_difference", "risk_ratio"}),
        options=frozenset({"covariates", "method"}),
        variants=("plain", "continuity-corrected"),
        stratifies=True,
        needs_strata=True,
        cites=("mantel-haenszel-1959",),
    ),
    Estimator(
        "stratified-risk-difference",
        "Mantel-Haenszel risk difference over strata",
        "Mantel-Haenszel",
        needs=_YES_OR_NO,
        measures=frozenset({"risk_difference"}),
        page="strata",
        options=frozenset({"covariates", "method"}),
        variants=("sato", "miettinen-nurminen", "newcombe"),
        imputable=True,
        stratifies=True,
        needs_strata=True,
        cites=("mantel-haenszel-1959",),
        cites_choice={
            "sato": ("sato-1989",),
            "miettinen-nurminen": ("miettinen-nurminen-1985",),
            "newcombe": ("yan-su-2010", "newcombe-1998"),
        },
    ),
    Estimator(
        "stratified-risk-ratio",
        "Mantel-Haenszel risk ratio over strata",
        "Mantel-Haenszel",
        needs=_YES_OR_NO,
        measures=frozenset({"risk_ratio"}),
        page="strata",
        options=frozenset({"covariates"}),
        imputable=True,
        stratifies=True,
        needs_strata=True,
        cites=("mantel-haenszel-1959", "greenland-robins-1985"),
    ),
    Estimator(
        "stratified-odds-ratio",
        "Mantel-Haenszel odds ratio over strata",
        "Mantel-Haenszel",
        needs=_YES_OR_NO,
        measures=_ODDS,
        page="strata",
        options=frozenset({"covariates"}),
        imputable=True,
        stratifies=True,
        needs_strata=True,
        cites=("mantel-haenszel-1959", "robins-breslow-greenland-1986"),
    ),
    Estimator(
        "standardised-risk-difference",
        "difference of risks standardized over the covariates",
        "standardized",
        needs=_YES_OR_NO,
        measures=frozenset({"risk_difference"}),
        page="standardised_risk",
        options=frozenset({"covariates", "method"}),
        variants=("population", "conditional"),
        averages=True,
        cites=("ge-2011",),
    ),
    Estimator(
        "standardised-risk-ratio",
        "ratio of risks standardized over the covariates",
        "standardized",
        needs=_YES_OR_NO,
        measures=frozenset({"risk_ratio"}),
        page="standardised_risk",
        options=frozenset({"covariates", "method"}),
        variants=("population", "conditional"),
        averages=True,
        cites=("ge-2011",),
    ),
    Estimator(
        "cox",
        "Cox regression",
        "Cox",
        needs=_TIMES,
        measures=frozenset({"hazard_ratio"}),
        page="cox",
        options=frozenset({"covariates", "strata", "if-separated", "ties", "time-unit"}),
        imputable=True,
        library=_TIMES,
        cites=("cox-1972",),
        cites_choice={"efron": ("efron-1977",), "breslow": ("breslow-1974",)},
        # With times as classes of a discrete scale the likelihood is that of odds.
        measures_choice={"exact": "odds_ratio"},
    ),
    Estimator(
        "log-rank",
        "log-rank test",
        "log-rank",
        needs=_TIMES,
        measures=frozenset({"test"}),
        page="logrank",
        role="test",
        tests=frozenset({"hazard_ratio", "rmst_difference"}),
        options=frozenset({"covariates", "time-unit", "method"}),
        variants=("log-rank", "peto-peto"),
        stratifies=True,
        cites_choice={"log-rank": ("mantel-1966",), "peto-peto": ("peto-peto-1972",)},
    ),
    Estimator(
        "kaplan-meier",
        "Kaplan-Meier curves",
        "Kaplan-Meier",
        needs=_TIMES,
        shuns=_COMPETING,
        measures=frozenset({"median_time", "survival_probability"}),
        page="kaplan_meier",
        role="arms",
        alone=frozenset({"median_time", "survival_probability"}),
        options=frozenset({"horizon", "time-unit"}),
        cites=("kaplan-meier-1958",),
    ),
    Estimator(
        "rmst-difference",
        "difference of restricted mean times",
        "",
        needs=_TIMES,
        shuns=_COMPETING,
        measures=frozenset({"rmst_difference"}),
        page="rmst",
        options=frozenset({"horizon", "time-unit"}),
        imputable=True,
        cites=("royston-parmar-2013",),
    ),
    Estimator(
        "fine-gray",
        "Fine and Gray's regression",
        "Fine-Gray",
        needs=_TIMES,
        asks=_COMPETING,
        measures=_SUBDISTRIBUTION,
        page="competing_risks",
        options=frozenset({"covariates", "time-unit"}),
        cites=("fine-gray-1999",),
    ),
    Estimator(
        "gray",
        "Gray's test",
        "Gray",
        needs=_TIMES,
        asks=_COMPETING,
        measures=frozenset({"test"}),
        page="competing_risks",
        role="test",
        tests=_SUBDISTRIBUTION,
        options=frozenset({"time-unit"}),
        cites=("gray-1988",),
    ),
    Estimator(
        "cumulative-incidence",
        "cumulative incidence",
        "Aalen-Johansen",
        needs=_TIMES,
        asks=_COMPETING,
        measures=frozenset({"cumulative_incidence"}),
        page="competing_risks",
        role="arms",
        alone=frozenset({"cumulative_incidence"}),
        options=frozenset({"horizon", "time-unit"}),
        cites=("aalen-johansen-1978",),
    ),
    Estimator(
        "logistic-mixed",
        "logistic mixed model",
        "mixed logistic",
        needs=_REPEATED,
        measures=_ODDS,
        page="logistic_mixed",
        options=frozenset({"covariates", "nodes", "random-slope", "time", "effect-at"}),
        imputable=True,
        cites_choice={"nodes": ("pinheiro-bates-1995",), "random-slope": ("breslow-clayton-1993",)},
    ),
    Estimator(
        "gee",
        "generalised estimating equations",
        "GEE",
        needs=_REPEATED,
        measures=_ODDS,
        page="gee",
        options=frozenset({"covariates", "time", "effect-at", "method"}),
        variants=("exchangeable", "independence", "ar1"),
        imputable=True,
        cites=("liang-zeger-1986", "mancl-derouen-2001"),
    ),
    Estimator(
        "linear-mixed",
        "linear mixed model",
        "mixed model",
        needs=frozenset({REPEATED_SCORE}),
        measures=_MEANS,
        page="linear_mixed",
        options=frozenset({"covariates", "random-slope", "time", "effect-at"}),
        imputable=True,
        within="also",
        cites=("laird-ware-1982", "fai-cornelius-1996"),
    ),
    Estimator(
        "mmrm",
        "mixed model for repeated measures",
        "MMRM",
        needs=frozenset({REPEATED_SCORE}),
        measures=_MEANS,
        page="mmrm",
        options=frozenset(
            {"covariates", "covariates-by-visit", "time", "effect-at", "method", "covariance", "covariance-by-arm"}
        ),
        variants=("kenward-roger", "satterthwaite", "sandwich"),
        imputable=True,
        cites=("jennrich-schluchter-1986", "mallinckrodt-2008"),
        cites_choice={
            "kenward-roger": ("kenward-roger-1997", "kenward-roger-2009"),
            "satterthwaite": ("fai-cornelius-1996",),
            "sandwich": ("mancl-derouen-2001",),
        },
    ),
    Estimator(
        "conditional-logistic",
        "conditional logistic regression",
        "conditional logistic",
        needs=_REPEATED,
        measures=_ODDS,
        page="crossover",
        within="only",
        cites=("breslow-day-1980",),
    ),
    Estimator(
        "mainland-gart",
        "Mainland and Gart's exact test",
        "Mainland-Gart exact",
        needs=_REPEATED,
        measures=_ODDS,
        page="crossover",
        takes_margin=False,
        within="only",
        cites=("gart-1969", "fisher-1935"),
    ),
    Estimator(
        "prescott",
        "Prescott's test",
        "Prescott",
        needs=_REPEATED,
        measures=frozenset({"test"}),
        page="crossover",
        role="test",
        tests=_ODDS,
        options=frozenset({"method"}),
        variants=("exact", "chi-square"),
        within="only",
        cites=("prescott-1981",),
    ),
    Estimator(
        "koch",
        "Koch's rank test of period differences",
        "Koch rank",
        needs=frozenset({REPEATED_SCORE}),
        measures=frozenset({"test"}),
        page="crossover",
        role="test",
        tests=_MEANS,
        within="only",
        cites=("koch-1972",),
    ),
    Estimator(
        "linear",
        "linear regression",
        "linear",
        needs=frozenset({NUMBER, REPEATED_SCORE}),
        measures=_MEANS,
        page="linear",
        alone=frozenset({"mean", "geometric_mean"}),
        options=frozenset({"covariates", "goal", "random", "visit"}),
        imputable=True,
        library=frozenset({NUMBER}),
        cites=("vickers-altman-2001",),
    ),
    Estimator(
        "poisson",
        "Poisson regression",
        "Poisson",
        needs=frozenset({NUMBER}),
        asks=_COUNTS,
        measures=_RATES,
        page="counts",
        imputable=True,
        options=frozenset({"covariates", "method"}),
        variants=("profile", "robust"),
        cites=("mccullagh-nelder-1989",),
        cites_choice={"robust": ("zou-2004",)},
    ),
    Estimator(
        "negative-binomial",
        "negative binomial regression",
        "negative binomial",
        needs=frozenset({NUMBER}),
        asks=_COUNTS,
        measures=_RATES,
        page="counts",
        imputable=True,
        options=frozenset({"covariates", "method"}),
        variants=("profile", "robust"),
        cites=("lawless-1987",),
    ),
    Estimator(
        "poisson-mixed",
        "Poisson mixed model",
        "mixed Poisson",
        needs=frozenset({REPEATED_SCORE}),
        asks=_COUNTS,
        measures=_RATES,
        page="counts_mixed",
        options=frozenset({"covariates", "nodes", "time", "effect-at"}),
        cites=("pinheiro-bates-1995",),
    ),
    Estimator(
        "negative-binomial-mixed",
        "negative binomial mixed model",
        "mixed negative binomial",
        needs=frozenset({REPEATED_SCORE}),
        asks=_COUNTS,
        measures=_RATES,
        page="counts_mixed",
        options=frozenset({"covariates", "nodes", "time", "effect-at"}),
        cites=("lawless-1987", "pinheiro-bates-1995"),
    ),
    Estimator(
        "proportion",
        "proportion in each arm",
        "",
        needs=_YES_OR_NO,
        measures=frozenset({"proportion"}),
        page="risk",
        role="arms",
        alone=frozenset({"proportion"}),
        options=frozenset({"goal", "method"}),
        variants=("wilson", "clopper-pearson"),
        cites_choice={"wilson": ("wilson-1927",), "clopper-pearson": ("clopper-pearson-1934",)},
    ),
    Estimator(
        "borrowed-risk-difference",
        "difference of two proportions with a prior from earlier studies",
        "with borrowing",
        needs=frozenset({BINARY}),
        measures=frozenset({"risk_difference"}),
        page="borrowing",
        alone=frozenset({"proportion"}),
        options=frozenset({"borrow"}),
        takes_margin=False,
        borrows=True,
        cites=_PRIORS,
    ),
    Estimator(
        "borrowed-mean-difference",
        "difference of two means with a prior from earlier studies",
        "with borrowing",
        needs=frozenset({NUMBER, REPEATED_SCORE}),
        measures=_MEANS,
        page="borrowing",
        alone=frozenset({"mean", "geometric_mean"}),
        options=frozenset({"borrow", "visit"}),
        takes_margin=False,
        borrows=True,
        cites=_PRIORS,
    ),
    Estimator(
        "borrowed-rate-ratio",
        "ratio of two rates with a prior from earlier studies",
        "with borrowing",
        needs=frozenset({NUMBER}),
        asks=_COUNTS,
        measures=_RATES,
        page="borrowing",
        options=frozenset({"borrow"}),
        takes_margin=False,
        borrows=True,
        cites=_PRIORS,
    ),
    Estimator(
        "ordinal-logistic",
        "proportional odds regression",
        "proportional odds",
        needs=frozenset({ORDERED}),
        measures=frozenset({"common_odds_ratio"}),
        page="ordinal",
        options=frozenset({"covariates"}),
        cites=("mccullagh-1980",),
    ),
    Estimator(
        "win-ratio",
        "win ratio",
        "",
        needs=frozenset({HIERARCHICAL}),
        measures=frozenset({"win_ratio"}),
        page="win_ratio",
        options=frozenset({"covariates"}),
        stratifies=True,
        cites=("pocock-2012", "bebu-lachin-2016"),
    ),
    Estimator(
        "win-odds",
        "win odds",
        "",
        needs=frozenset({HIERARCHICAL}),
        measures=frozenset({"win_odds"}),
        page="win_ratio",
        options=frozenset({"covariates"}),
        stratifies=True,
        cites=("brunner-2021",),
    ),
    Estimator(
        "net-benefit",
        "net benefit",
        "",
        needs=frozenset({HIERARCHICAL}),
        measures=frozenset({"net_benefit"}),
        page="win_ratio",
        options=frozenset({"covariates"}),
        stratifies=True,
        cites=("buyse-2010",),
    ),
)

ESTIMATORS: Mapping[str, Estimator] = {row.id: row for row in _ROWS}

# The estimators that an analysis may name: a choice of the language, read from the table.
if TYPE_CHECKING:
    EstimatorId = str
else:
    EstimatorId = Literal[tuple(ESTIMATORS)]

OPTIONS: tuple[str, ...] = tuple(dict.fromkeys(option for row in _ROWS for option in sorted(row.options)))


def estimator_label(estimator: str) -> str:
    """What a table calls an estimator beside its scale."""
    row = ESTIMATORS.get(estimator)
    return estimator if row is None else row.label


def estimators_for(
    shape: Shape, traits: frozenset[Trait] = frozenset(), *, within: bool = False
) -> tuple[Estimator, ...]:
    """The estimators that suit endpoints of a shape and with these traits, in the order of the table.

    ``within`` asks for those that compare treatments within participants of a crossover.
    """
    gone = "never" if within else "only"
    return tuple(row for row in _ROWS if shape in row.needs and row.suits(traits) and row.within != gone)


def measured(row: Estimator, *, logarithm: bool = False, alone: bool = False, choice: str | None = None) -> Scale:
    """The scale of an estimator's answer; ``choice`` is the value of the option that may change it (``ties``).

    Raises ``ValueError`` for an estimator that gives rows of several scales, or none of a single arm.
    """
    if choice is not None and choice in row.measures_choice:
        return SCALES[row.measures_choice[choice]]
    scales = row.alone if alone else row.measures
    if len(scales) > 1:
        scales = frozenset(scale for scale in scales if SCALES[scale].is_ratio == logarithm)
    if len(scales) != 1:
        raise ValueError(f"{row.id} has no single scale")
    return SCALES[next(iter(scales))]


def answers(row: Estimator, summary: str, *, logarithm: bool, alone: bool, choice: str | None = None) -> bool:
    """Whether an estimator's rows answer for a summary measure: give it, test it, or describe the arms beside it."""
    if row.role == "arms":
        # Of one arm its own measure is asked; curves answer for a proportion without being it.
        return not alone or summary in {SCALES[scale].summary for scale in row.alone} or not _summaries(row)
    if row.role == "test":
        return not alone and summary in {SCALES[scale].summary for scale in row.tests}
    if alone and not row.alone:
        return False
    return measured(row, logarithm=logarithm, alone=alone, choice=choice).summary == summary


def _summaries(row: Estimator) -> list[str]:
    return [scale for scale in row.alone if SCALES[scale].is_summary]


def takers_of(option: str) -> tuple[str, ...]:
    """The estimators that an option belongs to, in alphabetical order."""
    return tuple(sorted(row.id for row in _ROWS if option in row.options))


def summaries_for(
    shape: Shape,
    traits: frozenset[Trait] = frozenset(),
    *,
    alone: bool,
    logarithm: bool,
    within: bool = False,
) -> tuple[str, ...]:
    """The summary measures that can be had of endpoints of a shape: of two treatments, or of one arm alone."""
    found: set[Scale] = set()
    for row in estimators_for(shape, traits, within=within):
        if alone and row.role != "test":
            found |= {SCALES[scale] for scale in row.alone if len(row.alone) == 1 or row.role == "arms"}
        if row.role == "effect" and (row.alone or not alone):
            found.add(measured(row, logarithm=logarithm, alone=alone))
            found |= set() if alone else {SCALES[scale] for scale in row.measures_choice.values()}
    return tuple(sorted(scale.summary for scale in found if scale.is_summary))
