"""Pooling 2x2 tables by their exact distribution, margins held. Methods: ``docs/methods/meta_analysis.md``.

>>> from equipoise.stats.meta.exact import fit_exact
>>> round(fit_exact([3], [4], [1], [4]).p_value, 6)  # one table: Fisher's test, (16 + 1 + 16 + 1) / 70
0.485714
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from equipoise.stats.meta.effect_sizes import Counts
from equipoise.stats.meta.tables import PooledTables, expected_count, no_answer, normal_tables, table_variance
from equipoise.stats.packing import FloatArray

EXACT_RANDOM = "exact conditional, random effects"


@dataclass(frozen=True)
class _Conditional:
    """Support and log weights of the events in the experimental arm, each table's margins held."""

    support: tuple[FloatArray, ...]
    log_weight: tuple[FloatArray, ...]
    observed: FloatArray

    @classmethod
    def of(cls, counts: Counts) -> _Conditional:
        support, weights, observed = [], [], []
        for x1, n1, x0, n0 in zip(
            counts.events_experimental, counts.n_experimental, counts.events_reference, counts.n_reference
        ):
            t = x1 + x0
            k = np.arange(max(0.0, t - n0), min(n1, t) + 1)
            if k.size < 2:
                continue  # the margins leave one table: it says nothing
            log = special.gammaln(n1 + 1) - special.gammaln(k + 1) - special.gammaln(n1 - k + 1)
            log += special.gammaln(n0 + 1) - special.gammaln(t - k + 1) - special.gammaln(n0 - t + k + 1)
            support.append(k)
            weights.append(log - log.max())
            observed.append(x1)
        return cls(tuple(support), tuple(weights), np.array(observed))

    def log_probability(self, i: int, theta: FloatArray) -> FloatArray:
        """Log probability of table ``i`` as observed, at log odds ratios ``theta``."""
        tilt = self.log_weight[i] + np.multiply.outer(theta, self.support[i])
        at = int(self.observed[i] - self.support[i][0])
        return np.asarray(tilt[..., at] - special.logsumexp(tilt, axis=-1))

    def mean(self, theta: float) -> tuple[float, float]:
        """Mean and variance of the sum of events in the experimental arms."""
        mean = variance = 0.0
        for k, w in zip(self.support, self.log_weight):
            p = special.softmax(w + theta * k)
            m = float(p @ k)
            mean, variance = mean + m, variance + float(p @ (k - m) ** 2)
        return mean, variance

    def sum_distribution(self) -> tuple[float, FloatArray]:
        """Lowest value, and log weights, of the sum of events in the experimental arms (at odds ratio 1)."""
        low, weights = 0.0, np.array([1.0])
        shift = 0.0
        for k, w in zip(self.support, self.log_weight):
            low += float(k[0])
            weights = np.convolve(weights, np.exp(w - w.max()))
            top = weights.max()
            weights, shift = weights / top, shift + math.log(top)
        with np.errstate(divide="ignore"):
            return low, np.log(weights)


def fit_exact(x1: ArrayLike, n1: ArrayLike, x0: ArrayLike, n0: ArrayLike, *, level: float = 0.95) -> PooledTables:
    """Exact common odds ratio over strata: conditional maximum, limits by tails, p by probability, (MA-23).

    With one table it is Fisher's test. Nothing is added to empty cells; an estimate may be infinite (log scale).

    Sources: Cox (1970) The Analysis of Binary Data; Gart (1970) Biometrika 57:471; Mehta, Patel and Gray (1985) JASA
    80:969.
    """
    from scipy import optimize  # takes long to load

    counts = Counts.of(x1, n1, x0, n0)
    tables = _Conditional.of(counts)
    if not tables.support:
        return no_answer("odds_ratio", "exact conditional", level)
    low, weight = tables.sum_distribution()
    values = low + np.arange(weight.size)
    total = float(tables.observed.sum())
    at = round(total - low)

    def probabilities(theta: float) -> FloatArray:
        tilt = weight + theta * values
        return np.asarray(np.exp(tilt - special.logsumexp(tilt)))

    null = probabilities(0.0)
    p = float(min(1.0, null[null <= null[at] * (1 + 1e-7)].sum()))
    at_low, at_high = at == 0, at == values.size - 1
    tail = 0.5 * (1 - level)
    reach = 60.0

    def root(function: Any) -> float:
        return float(optimize.brentq(function, -reach, reach, xtol=1e-13, maxiter=1000))

    estimate = (
        -math.inf if at_low else math.inf if at_high else root(lambda t: float(probabilities(t) @ values) - total)
    )
    lower = -math.inf if at_low else root(lambda t: probabilities(t)[at:].sum() - tail)
    upper = math.inf if at_high else root(lambda t: tail - probabilities(t)[: at + 1].sum())
    error = math.nan
    if math.isfinite(estimate):
        error = 1 / math.sqrt(tables.mean(estimate)[1])
    return PooledTables(estimate, error, lower, upper, p, level, "odds_ratio", "exact conditional", len(tables.support))


def fit_stratified_logistic(
    x1: ArrayLike, n1: ArrayLike, x0: ArrayLike, n0: ArrayLike, *, level: float = 0.95
) -> PooledTables:
    """Common odds ratio by logistic regression with an intercept for each study, (MA-24).

    Each intercept is solved for given the effect, so that only the effect is searched. Biased away from 1 with many
    small studies (unlike the conditional estimate).
    """
    from scipy import optimize  # takes long to load

    counts = Counts.of(x1, n1, x0, n0)
    a, _, c, _ = counts.cells
    t = a + c
    keep = (t > 0) & (t < counts.n_experimental + counts.n_reference)
    counts = counts.take(keep)
    a, t = a[keep], t[keep]
    m1, m0 = counts.n_experimental, counts.n_reference
    highest, lowest = float(np.minimum(m1, t).sum()), float(np.maximum(0, t - m0).sum())
    if a.size == 0 or a.sum() in (lowest, highest):
        return no_answer("odds_ratio", "logistic, study intercepts", level, int(a.size))

    def excess(theta: float) -> float:
        return float(a.sum() - expected_count(m1, m0, t, math.exp(theta)).sum())

    # At an estimate of 0 the tolerance is finer than the sum can be: the bracket must be halved to its end.
    estimate = float(optimize.brentq(excess, -40, 40, xtol=1e-14, maxiter=1000))
    e = expected_count(m1, m0, t, math.exp(estimate))
    information = float(table_variance(m1, m0, t, e).sum())
    return normal_tables(estimate, 1 / information, level, ("odds_ratio", "logistic, study intercepts", int(a.size)))


def fit_exact_random(
    x1: ArrayLike, n1: ArrayLike, x0: ArrayLike, n0: ArrayLike, *, level: float = 0.95, nodes: int = 120
) -> tuple[PooledTables, float]:
    """Mean log odds ratio of normally distributed true effects, tables at their exact distribution; and tau2, (MA-25).

    Maximum likelihood, the effect of each study integrated out by Gauss-Hermite quadrature about its mode; needs two
    tables that say something. No correction of empty cells.

    Source: van Houwelingen, Zwinderman and Stijnen (1993) Stat Med 12:2273; Stijnen, Hamza and Özdemir (2010) Stat Med
    29:3046.
    """
    tables = _Conditional.of(Counts.of(x1, n1, x0, n0))
    if len(tables.support) < 2:
        raise ValueError("a random-effects analysis needs two tables that say something")
    points, log_weights = np.polynomial.hermite_e.hermegauss(nodes)
    log_weights = np.log(log_weights) + 0.5 * points**2

    def minus_log_likelihood(parameters: FloatArray) -> float:
        mean, log_sd = float(parameters[0]), float(parameters[1])
        sd = math.exp(log_sd)
        total = 0.0
        for i in range(len(tables.support)):
            # Nodes at the prior's scale, shrunk where the table is much more precise than the spread.
            k, w = tables.support[i], tables.log_weight[i]
            theta = mean
            for _ in range(30):
                prob = special.softmax(w + theta * k)
                m = float(prob @ k)
                curvature = float(prob @ (k - m) ** 2) + 1 / sd**2
                step = (float(tables.observed[i]) - m - (theta - mean) / sd**2) / curvature
                theta += max(min(step, 2.0), -2.0)
                if abs(step) < 1e-10:
                    break
            scale = 1 / math.sqrt(curvature)
            at = theta + scale * points
            log_density = -0.5 * ((at - mean) / sd) ** 2 - log_sd - 0.5 * math.log(2 * math.pi)
            total += float(special.logsumexp(tables.log_probability(i, at) + log_density + log_weights)) + math.log(
                scale
            )
        return -total

    start = fit_stratified_logistic(x1, n1, x0, n0)
    if not math.isfinite(start.estimate):  # every table at one end of what its margins allow: no finite maximum
        return no_answer("odds_ratio", EXACT_RANDOM, level, len(tables.support)), math.nan
    mean, log_sd = highest_likelihood(minus_log_likelihood, start.estimate, smallest=1e-4)
    tau2 = math.exp(2 * log_sd) if log_sd > math.log(2e-4) else 0.0
    variance = variance_of_mean(minus_log_likelihood, mean, log_sd, fixed=tau2 == 0)
    label = ("odds_ratio", EXACT_RANDOM, len(tables.support))
    return normal_tables(mean, variance, level, label), tau2


def highest_likelihood(minus_log_likelihood: Any, centre: float, *, smallest: float) -> tuple[float, float]:
    """Mean and logarithm of tau where the likelihood is highest, tau between ``smallest`` and 30.

    Three spreads to begin with, since there may be a second top; the best of the three is then searched to the end.
    """
    from scipy import optimize  # takes long to load

    def search(start: FloatArray, step: float, within: float) -> Any:
        # The first triangle is given: scipy's own is next to nothing at a logarithm of 0 and takes thousands of steps.
        first = start + step * np.array([[0, 0], [1, 0], [0, -1 if start[1] > 0 else 1]])
        return optimize.minimize(
            minus_log_likelihood,
            start,
            method="Nelder-Mead",
            bounds=[(-30, 30), (math.log(smallest), math.log(30))],
            options={"xatol": 10 * within, "fatol": 1e-3 * within, "maxiter": 4000, "initial_simplex": first},
        )

    rough = [search(np.array([centre, math.log(sd)]), 0.3, 1e-4) for sd in (0.05, 0.3, 1.0)]
    best = search(min(rough, key=lambda found: float(found.fun)).x, 0.01, 1e-9)
    return float(best.x[0]), float(best.x[1])


def variance_of_mean(minus_log_likelihood: Any, mean: float, log_sd: float, *, fixed: bool) -> float:
    """Variance of the mean from the curvature of the likelihood, tau on its logarithm unless it lies on its bound."""
    h = 1e-3

    def at(i: float, j: float) -> float:
        return float(minus_log_likelihood(np.array([mean + i * h, log_sd + j * h])))

    middle = at(0, 0)
    d11 = (-at(2, 0) + 16 * at(1, 0) - 30 * middle + 16 * at(-1, 0) - at(-2, 0)) / (12 * h**2)
    if fixed:
        return 1 / d11
    d22 = (-at(0, 2) + 16 * at(0, 1) - 30 * middle + 16 * at(0, -1) - at(0, -2)) / (12 * h**2)
    d12 = (at(1, 1) - at(1, -1) - at(-1, 1) + at(-1, -1)) / (4 * h**2)
    return d22 / (d11 * d22 - d12**2)
