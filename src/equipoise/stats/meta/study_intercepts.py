"""Logistic mixed model of 2x2 tables: an intercept a study, effects that vary. ``docs/methods/meta_analysis.md``.

>>> from equipoise.stats.meta.study_intercepts import fit_study_intercepts
>>> fit, tau2 = fit_study_intercepts([3, 6], [10, 20], [1, 2], [10, 20])
>>> round(fit.estimate, 3), tau2  # alike: the common odds ratio of a logistic regression
(1.35, 0.0)
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from equipoise.stats.meta.effect_sizes import Counts
from equipoise.stats.meta.exact import fit_stratified_logistic, highest_likelihood, variance_of_mean
from equipoise.stats.meta.tables import PooledTables, no_answer, normal_tables
from equipoise.stats.packing import FloatArray

METHOD = "logistic mixed model, study intercepts"
# Deviations below this are 0: the likelihood no longer tells them apart.
SMALLEST = 2e-4


def fit_study_intercepts(
    x1: ArrayLike, n1: ArrayLike, x0: ArrayLike, n0: ArrayLike, *, level: float = 0.95, nodes: int = 40
) -> tuple[PooledTables, float]:
    """Mean log odds ratio of normally distributed true effects, an intercept for each study; and tau2, (MA-26).

    Maximum likelihood; half of a study's deviation is added to the experimental arm and half taken from the reference,
    so that the answer does not depend on which arm is which. Empty cells stand as they are; a study without any event,
    or with nothing else, says nothing and is left out. tau2 is too small where studies are few and small, as maximum
    likelihood with an intercept a study makes it: the conditional method, (MA-25), has no intercepts to pay for.

    Source: Turner, Omar, Yang, Goldstein and Thompson (2000) Stat Med 19:3417; Jackson, Law, Stijnen, Viechtbauer and
    White (2018) Stat Med 37:1059, model 4.
    """
    counts = Counts.of(x1, n1, x0, n0)
    t = counts.events_experimental + counts.events_reference
    counts = counts.take((t > 0) & (t < counts.n_experimental + counts.n_reference))
    start = fit_stratified_logistic(x1, n1, x0, n0, level=level)
    k = counts.events_experimental.size
    if k < 2 or not math.isfinite(start.estimate):
        return no_answer("odds_ratio", METHOD, level, int(k)), math.nan
    points, weights = np.polynomial.hermite_e.hermegauss(nodes)
    log_weights = np.log(weights) + 0.5 * points**2

    def minus_log_likelihood(parameters: FloatArray) -> float:
        mean, sd = float(parameters[0]), math.exp(float(parameters[1]))
        return -_log_likelihood(counts, mean, sd, points, log_weights)

    mean, log_sd = highest_likelihood(minus_log_likelihood, start.estimate, smallest=SMALLEST / 2)
    top = -minus_log_likelihood(np.array([mean, log_sd]))
    if log_sd <= math.log(SMALLEST) or top <= _log_likelihood(counts, mean, 0.0, np.zeros(1), np.zeros(1)) + 1e-7:
        return normal_tables(start.estimate, start.standard_error**2, level, ("odds_ratio", METHOD, int(k))), 0.0
    variance = variance_of_mean(minus_log_likelihood, mean, log_sd, fixed=False)
    return normal_tables(mean, variance, level, ("odds_ratio", METHOD, int(k))), math.exp(2 * log_sd)


def _log_likelihood(counts: Counts, mean: float, sd: float, points: FloatArray, log_weights: FloatArray) -> float:
    """Log likelihood at a mean and a deviation, each study's intercept at its own maximum; all studies at once.

    The likelihood of a study is log-concave in its intercept, so Newton's steps find the one maximum.
    """
    a, m1, c, m0 = counts.events_experimental, counts.n_experimental, counts.events_reference, counts.n_reference
    intercept = special.logit((a + c) / (m1 + m0)) - 0.5 * mean
    u = np.zeros_like(intercept)
    for _ in range(100):
        u, scale = _mode(counts, intercept, mean, sd, u)
        at = u + np.multiply.outer(points, scale)
        one, two = intercept + mean + 0.5 * at, intercept - 0.5 * at
        terms = a * one - m1 * np.logaddexp(0, one) + c * two - m0 * np.logaddexp(0, two) + log_weights[:, None]
        if sd > 0:
            terms = terms - 0.5 * (at / sd) ** 2
        total = special.logsumexp(terms, axis=0)
        posterior = np.exp(terms - total)
        p1, p0 = special.expit(one), special.expit(two)
        slope = a + c - m1 * p1 - m0 * p0
        first = (posterior * slope).sum(axis=0)
        spread = (posterior * slope**2).sum(axis=0) - first**2
        second = (posterior * (m1 * p1 * (1 - p1) + m0 * p0 * (1 - p0))).sum(axis=0) - spread
        step = np.clip(first / np.maximum(second, 1e-8), -1.5, 1.5)
        if float(np.abs(step).max()) < 1e-9:
            break
        intercept = intercept + step
    return float((total + np.log(scale / sd) - 0.5 * math.log(2 * math.pi)).sum() if sd > 0 else total.sum())


def _mode(
    counts: Counts, intercept: FloatArray, mean: float, sd: float, u: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Where each study's deviation is likeliest, and the scale of its curvature there: the place of the nodes."""
    a, m1, c, m0 = counts.events_experimental, counts.n_experimental, counts.events_reference, counts.n_reference
    if sd == 0:
        return np.zeros_like(u), np.zeros_like(u)
    for _ in range(40):
        p1, p0 = special.expit(intercept + mean + 0.5 * u), special.expit(intercept - 0.5 * u)
        curvature = 0.25 * (m1 * p1 * (1 - p1) + m0 * p0 * (1 - p0)) + 1 / sd**2
        step = np.clip((0.5 * (a - m1 * p1) - 0.5 * (c - m0 * p0) - u / sd**2) / curvature, -2, 2)
        u = u + step
        if float(np.abs(step).max()) < 1e-10:
            break
    return u, 1 / np.sqrt(curvature)
