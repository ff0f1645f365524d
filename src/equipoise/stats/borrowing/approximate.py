"""The meta-analytic-predictive distribution as a mixture of conjugates, near by Kullback and Leibler's distance.

Methods: ``docs/methods/borrowing.md``, eq. (BO-2). The distance is taken on the density itself, not on a sample of it,
so that the same studies give the same mixture.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import optimize, special

from equipoise.stats.borrowing.mixtures import Family, FloatArray, Mixture
from equipoise.stats.borrowing.predictive import Outcome, Predictive

FAMILIES: dict[Outcome, Family] = {"events": "beta", "counts": "gamma", "means": "normal"}
# Near enough: a sample of a thousand would hardly tell the mixture from the density.
CLOSE, MOST_COMPONENTS = 0.001, 4
# Further off than this a mixture does not stand for its density: studies and heterogeneity then say next to nothing.
FAR = 0.05
# Left out at either end where the mixture is fitted: the mean of a rate may not exist.
_TAIL = 1e-4
_STEPS = 120
_FLOOR = 1e-8
# Least parameters of a beta component: from 1 on its density has no peak at 0 or 1, and its information is finite.
_LEAST, _RISING = 1.0, 0.05


@dataclass(frozen=True)
class Approximation:
    """A mixture and its distance (in nats) from the density that it stands for."""

    mixture: Mixture
    distance: float

    @property
    def is_close(self) -> bool:
        """Whether the distance is within what was aimed at."""
        return self.distance <= CLOSE


def approximate(prior: Predictive) -> Approximation:
    """The mixture of fewest components within ``CLOSE`` of the density; of ``MOST_COMPONENTS`` where none is."""
    points = _Points.of(prior)
    found = _by_components(points, _LEAST)
    # A proportion may be densest at 0 or 1; components that rise without end there are used where nothing else will do.
    return found if found.is_close or points.family != "beta" else min(found, _by_components(points, _RISING), key=_far)


def _by_components(points: _Points, least: float) -> Approximation:
    fits = []
    for k in range(1, MOST_COMPONENTS + 1):
        fits.append(min((_fit(points, start, least) for start in _starts(points, k)), key=_far))
        if fits[-1].is_close:
            break
    return min(fits, key=_far)


def _far(fit: Approximation) -> float:
    return fit.distance


@dataclass(frozen=True)
class _Points:
    """A density as values, their weights, and what the families need of them."""

    family: Family
    x: FloatArray
    weight: FloatArray
    log_density: FloatArray
    log_x: FloatArray
    log_rest: FloatArray  # log(1 - x) of a proportion

    @classmethod
    def of(cls, prior: Predictive) -> _Points:
        family = FAMILIES[prior.outcome]
        total = np.cumsum(prior.weight)
        kept = (total > _TAIL) & (total < 1.0 - _TAIL) & (prior.weight > 0)
        theta, weight = prior.theta[kept], prior.weight[kept]
        logs = (theta, theta)
        if family == "beta":
            logs = (special.log_expit(theta), special.log_expit(-theta))
        share = weight.sum()
        return cls(family, prior.value[kept], weight / share, prior.log_density[kept] - np.log(share), *logs)

    def log_densities(self, first: FloatArray, second: FloatArray) -> FloatArray:
        """(n, k), from the logarithms of the values, which at the ends of a proportion are all that is left."""
        if self.family == "normal":
            z = (self.x[:, None] - first) / second
            return np.asarray(-0.5 * z * z - np.log(second) - 0.5 * np.log(2 * np.pi))
        if self.family == "gamma":
            constant = first * np.log(second) - special.gammaln(first)
            return np.asarray(constant + (first - 1.0) * self.log_x[:, None] - second * self.x[:, None])
        constant = -special.betaln(first, second)
        return np.asarray(constant + (first - 1.0) * self.log_x[:, None] + (second - 1.0) * self.log_rest[:, None])

    def moments_of(self, share: FloatArray) -> tuple[float, float]:
        """Parameters of the component with the mean and variance of the points under these weights."""
        w = share / share.sum()
        mean = float((w * self.x).sum())
        variance = max(float((w * (self.x - mean) ** 2).sum()), 1e-14)
        if self.family == "normal":
            return mean, float(np.sqrt(variance))
        if self.family == "gamma":
            return mean * mean / variance, mean / variance
        size = max(mean * (1.0 - mean) / variance - 1.0, 0.1)
        return max(mean * size, 1.0), max((1.0 - mean) * size, 1.0)


def _starts(points: _Points, k: int) -> list[tuple[FloatArray, FloatArray, FloatArray]]:
    """Two places to begin: side by side, and one within another."""
    total = np.cumsum(points.weight)
    out = []
    slabs = np.minimum((total * k).astype(np.int64), k - 1)
    side = [points.moments_of(np.where(slabs == j, points.weight, 0.0) + _FLOOR * points.weight) for j in range(k)]
    out.append((np.full(k, 1.0 / k), *np.array(side).T))
    if k > 1:
        middle = float(np.interp(0.5, total, points.x))
        rank = np.abs(total - 0.5) * 2.0
        rings = [np.where(rank <= (j + 1.0) / k, points.weight, 0.0) + _FLOOR * points.weight for j in range(k)]
        within = [points.moments_of(ring) for ring in rings]
        if np.isfinite(middle):
            out.append((np.full(k, 1.0 / k), *np.array(within).T))
    return out


def _fit(points: _Points, start: tuple[FloatArray, FloatArray, FloatArray], least: float) -> Approximation:
    """Expectation and maximization, and then a minimizer for the last figures."""
    weights, first, second = start
    for _ in range(_STEPS if len(weights) > 1 else 1):
        raw = points.log_densities(first, second) + np.log(np.maximum(weights, 1e-300))
        belongs = np.exp(raw - special.logsumexp(raw, axis=1, keepdims=True)) * points.weight[:, None]
        weights = np.maximum(belongs.sum(axis=0), _FLOOR)
        weights = weights / weights.sum()
        # By moments rather than by likelihood: near enough for a start, and it cannot run away.
        first, second = np.array(
            [points.moments_of(belongs[:, j] + _FLOOR * points.weight) for j in range(len(weights))]
        ).T
    return _polished(points, (weights, first, second), least)


def _polished(points: _Points, start: tuple[FloatArray, FloatArray, FloatArray], least: float) -> Approximation:
    weights, first, second = start
    k = len(weights)
    own = float((points.weight * points.log_density).sum())
    shift, unit = 0.0, 1.0
    if points.family == "normal":
        shift = float((points.weight * points.x).sum())
        unit = float(np.sqrt((points.weight * (points.x - shift) ** 2).sum()))

    def unpack(v: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
        logits = np.concatenate([[0.0], v[: k - 1]])
        w = np.exp(logits - special.logsumexp(logits))
        a = v[k - 1 : 2 * k - 1]
        return w, shift + unit * a if points.family == "normal" else np.exp(a), unit * np.exp(v[2 * k - 1 :])

    def distance(v: FloatArray) -> tuple[float, FloatArray]:
        w, a, b = unpack(v)
        raw = points.log_densities(a, b) + np.log(w)
        log_mixture = special.logsumexp(raw, axis=1)
        belongs = np.exp(raw - log_mixture[:, None]) * points.weight[:, None]
        share = belongs.sum(axis=0)
        slope = -np.concatenate([(share - w)[1:], *_slopes(points, belongs, a, b, unit)])
        return own - float((points.weight * log_mixture).sum()), slope

    logits = np.log(weights / weights[0])[1:]
    middle = (first - shift) / unit if points.family == "normal" else np.log(first)
    begin = np.concatenate([logits, middle, np.log(second / unit)])
    edge = float(np.log(least)) if points.family == "beta" else None
    bounds: list[tuple[float | None, float | None]] = [(-25.0, 25.0)] * (k - 1) + [(edge, None)] * (2 * k)
    found = optimize.minimize(distance, begin, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 1500})
    w, a, b = unpack(found.x)
    kept = w > 1e-6
    order = np.argsort(-w[kept])
    mixture = Mixture.of(points.family, w[kept][order], a[kept][order], b[kept][order])
    return Approximation(mixture, max(0.0, float(found.fun)))


def _slopes(
    points: _Points, belongs: FloatArray, first: FloatArray, second: FloatArray, unit: float
) -> tuple[FloatArray, FloatArray]:
    """Slopes of the expected log density in the parameters as the minimizer has them."""
    share = belongs.sum(axis=0)
    if points.family == "normal":
        z = (points.x[:, None] - first) / second
        return unit * (belongs * z).sum(axis=0) / second, (belongs * (z * z - 1.0)).sum(axis=0)
    log_x = belongs.T @ points.log_x
    if points.family == "gamma":
        mean = belongs.T @ points.x
        return first * (log_x + share * (np.log(second) - special.digamma(first))), first * share - second * mean
    total = special.digamma(first + second)
    log_rest = belongs.T @ points.log_rest
    return (
        first * (log_x - share * (special.digamma(first) - total)),
        second * (log_rest - share * (special.digamma(second) - total)),
    )
