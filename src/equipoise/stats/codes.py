"""Coded warnings: what an estimator found wrong, or worth knowing, about one fit.

The codes are a bit mask so that a kernel can set several at once for each of ten thousand fits. Reports and
``results.json`` print their names in kebab-case (``separation-complete``); the vocabulary is published in
``docs/methods/warnings.md``.
"""

from __future__ import annotations

from enum import IntFlag
from typing import Any

import numpy as np
from numpy.typing import NDArray


class FitCode(IntFlag):
    """What a fit has to say for itself; several may hold at once."""

    NONE = 0
    NOT_ESTIMABLE = 1 << 0
    SEPARATION_COMPLETE = 1 << 1
    SEPARATION_QUASI = 1 << 2
    MONOTONE_LIKELIHOOD = 1 << 3
    BOUNDARY_VARIANCE = 1 << 4
    NOT_CONVERGED = 1 << 5
    RANK_DEFICIENT = 1 << 6
    NON_FINITE_INPUT = 1 << 7
    EMPTY_ARM = 1 << 8
    ONE_ARM_ONLY = 1 << 9
    TOO_FEW_PARTICIPANTS = 1 << 10
    ONE_VISIT_EACH = 1 << 11
    NO_EVENTS = 1 << 12
    ALL_EVENTS = 1 << 13
    ALL_EVENTS_TIED = 1 << 14
    NEGATIVE_TIME = 1 << 15
    EVENT_AT_ENTRY = 1 << 16
    NEGATIVE_WEIGHT = 1 << 17
    ZERO_CELL = 1 << 18
    MEDIAN_NOT_REACHED = 1 << 19
    ILL_CONDITIONED = 1 << 20
    QUADRATURE_UNSTABLE = 1 << 21
    HORIZON_BEYOND_FOLLOW_UP = 1 << 22
    LIMIT_NOT_FOUND = 1 << 23
    CONSTANT_OUTCOME = 1 << 24
    VARIANCE_UNBOUNDED = 1 << 25
    TOO_FEW_VISITS = 1 << 26
    IMPUTATION_PENALISED = 1 << 27
    IMPUTATIONS_DROPPED = 1 << 28
    NUISANCE_LEFT_OUT = 1 << 29
    ERROR_UNKNOWN = 1 << 30
    INDEPENDENCE_TAKEN = 1 << 31

    @property
    def slug(self) -> str:
        """The published name, kebab-case."""
        return (self.name or "none").lower().replace("_", "-")

    def slugs(self) -> tuple[str, ...]:
        """Published names of every code set, in the order of the vocabulary."""
        return tuple(code.slug for code in FitCode if code and code in self)


# One sentence for people: what was found and what it means for the reader of the number.
SENTENCES: dict[FitCode, str] = {
    FitCode.NOT_ESTIMABLE: "The data do not determine this quantity; no number is given.",
    FitCode.SEPARATION_COMPLETE: "The covariates predict the outcome perfectly (complete separation): the "
    "maximum likelihood estimate is infinite.",
    FitCode.SEPARATION_QUASI: "A combination of covariates predicts the outcome perfectly in part of the data "
    "(quasi-complete separation): the maximum likelihood estimate is infinite.",
    FitCode.MONOTONE_LIKELIHOOD: "The partial likelihood increases without bound: the hazard ratio is zero "
    "or infinite.",
    FitCode.BOUNDARY_VARIANCE: "The variance between participants is estimated as zero, and the fit equals the pooled "
    "one; or, with a random slope, its correlation with the intercept as 1 or -1.",
    FitCode.NOT_CONVERGED: "The iterations ended before the maximum was reached.",
    FitCode.RANK_DEFICIENT: "Some columns of the design repeat others; their effects cannot be distinguished.",
    FitCode.NON_FINITE_INPUT: "An input value is missing, infinite or not a number.",
    FitCode.EMPTY_ARM: "An arm has no participants in this analysis.",
    FitCode.ONE_ARM_ONLY: "Only one arm has data; nothing can be compared.",
    FitCode.TOO_FEW_PARTICIPANTS: "There are too few participants for this model.",
    FitCode.ONE_VISIT_EACH: "Every participant has one visit only; variance between and within "
    "participants cannot be distinguished.",
    FitCode.NO_EVENTS: "There is no event.",
    FitCode.ALL_EVENTS: "Everybody has the event.",
    FitCode.ALL_EVENTS_TIED: "All events share one time.",
    FitCode.NEGATIVE_TIME: "A time is below zero.",
    FitCode.EVENT_AT_ENTRY: "At least one event falls on time zero.",
    FitCode.NEGATIVE_WEIGHT: "A weight is below zero.",
    FitCode.ZERO_CELL: "A cell of the two-by-two table is empty.",
    FitCode.MEDIAN_NOT_REACHED: "The survival curve stays above one half.",
    FitCode.ILL_CONDITIONED: "The information matrix is nearly singular; standard errors are unreliable.",
    FitCode.QUADRATURE_UNSTABLE: "Doubling the quadrature nodes changes the estimate noticeably.",
    FitCode.HORIZON_BEYOND_FOLLOW_UP: "The horizon lies beyond the follow-up of an arm.",
    FitCode.LIMIT_NOT_FOUND: "A confidence limit could not be located and is given as absent.",
    FitCode.CONSTANT_OUTCOME: "Everybody has the same outcome.",
    FitCode.VARIANCE_UNBOUNDED: "No participant's outcome changes, except for a change common to all: "
    "relative to the variance within participants, that between them is "
    "infinite.",
    FitCode.TOO_FEW_VISITS: "There are too few visits per participant to distinguish the variances.",
    FitCode.IMPUTATION_PENALISED: "An imputation model was separated or had too few rows; a weakly "
    "informative prior kept its coefficients finite.",
    FitCode.IMPUTATIONS_DROPPED: "Some imputed data sets gave no estimate; the others were pooled.",
    FitCode.NUISANCE_LEFT_OUT: "A level or covariate about which the data carry no information was left "
    "out of the model; the effect of the arm does not depend on it.",
    FitCode.ERROR_UNKNOWN: "There is an estimate, but its error cannot be estimated: nothing varies, or an "
    "arm has no event. No limits and no p value are given.",
    FitCode.INDEPENDENCE_TAKEN: "The working correlation was out of range; visits were taken as "
    "independent, and the standard error allows for that.",
}

# What a row of results says of itself beside the codes of its fit: values at the edge, and what imputation leaves open.
REMARKS: dict[str, str] = {
    "arm-is-the-site": "There are two sites with one arm each: a difference of arms cannot be told from one of "
    "sites, and no number is given.",
    "covariance-simplified": "The planned covariance of the visits has no maximum in these data; the next "
    "in the stated order was fitted.",
    "counts-vary-more-than-poisson": "The counts vary between participants more than 1.5 times as much as Poisson "
    "counts, which this analysis takes them for: its interval is too narrow.",
    "dispersion-at-zero": "The counts vary no more than Poisson counts do: the dispersion is at its boundary of 0, and "
    "the fit is that of Poisson regression.",
    "incidence-one": "The cumulative incidence is estimated as exactly 1: everybody followed had the event by then. "
    "These limits have no value there.",
    "incidence-zero": "The cumulative incidence is estimated as exactly 0: no such event by then. These limits have no "
    "value there.",
    "no-robust-error-at-the-end": "An arm has none of these events, or all of them: robust errors do not exist there. "
    "Gray's test and the cumulative incidences answer.",
    "earlier-studies-on-another-scale": "The result of the borrowed arm lies so far from the earlier studies that they "
    "must have another unit or scale; nothing is borrowed and no number is given.",
    "estimate-infinite": "The estimate is infinite; the limit given is the finite end of the two-sided interval.",
    "estimate-zero": "The estimate is exactly zero; the upper limit is the finite end of the two-sided "
    "interval on the log scale.",
    "no-variance-between-sites": "The variance at random (between sites) is estimated as zero: the estimate is that of "
    "the regression without it.",
    "no-variance-within-sites": "Within sites no result differs but by the arm: relative to the variance within sites, "
    "that between them is infinite.",
    "one-participant-a-site": "No site has two participants: how much sites differ cannot be told from how much "
    "participants differ. The mean is that of linear regression; an odds ratio within a site is not given.",
    "one-site": "Only one site has participants: there is no variance between sites, and the estimate is that of the "
    "regression without it.",
    "probability-one": "The probability is estimated as exactly 1: no event by then. These limits do not exist there.",
    "probability-zero": "The probability is estimated as exactly 0: nobody is left without the event. "
    "These limits do not exist there.",
    "imputations-raised": "More imputed data sets were made than the protocol states, until their own error was small.",
    "imputed-time-ends-early": "Some imputed times end without an event before follow-up does: nobody in the arm whose "
    "hazard they follow was observed further.",
    "verdict-not-stable": "The error of the imputation itself is not small compared with the distance from "
    "the significance level: another seed could give another verdict.",
    "wald-interval-of-separated-sets": "Some imputed data sets are separated; the interval is still Wald's.",
}


def sentence_of(warning: str) -> str | None:
    """What a warning of a row of results means, with what it names; ``None`` for one that is not of this list."""
    slug, _, names = warning.partition(": ")
    said = next((text for code, text in SENTENCES.items() if code.slug == slug), REMARKS.get(slug))
    return f"{said[:-1]}: {names}." if said and names else said


def mark(codes: NDArray[np.uint32], where: NDArray[Any] | np.integer[Any], code: FitCode) -> None:
    """Set ``code`` in the entries ``where`` (mask or indices) of a batch's ``codes``, keeping what is already set."""
    codes[where] |= np.uint32(int(code))


def has(codes: NDArray[np.uint32], code: FitCode) -> NDArray[np.bool_]:
    """Which fits carry any of the bits of ``code``."""
    return np.asarray((codes & np.uint32(int(code))) != 0)
