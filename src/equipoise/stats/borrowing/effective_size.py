"""How many participants a prior is worth. Methods: ``docs/methods/borrowing.md``, eqs. (BO-7) to (BO-9).

>>> from equipoise.stats.borrowing.effective_size import effective_size
>>> from equipoise.stats.borrowing.mixtures import one_component
>>> round(effective_size(one_component("beta", 11.0, 32.0)).local_information, 6)
43.0
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from equipoise.stats.borrowing.mixtures import (
    FloatArray,
    Mixture,
    component_log_densities,
    from_even,
    nodes_of,
    range_of,
)


@dataclass(frozen=True)
class EffectiveSize:
    """What a prior is worth, in participants (of a rate: in units of time), by three definitions.

    ``local_information``: information averaged over the prior, which a prior keeps when data are added to it. The other
    two are shown for comparison: ``by_variance`` judges a prior by its variance alone and is low for mixtures with
    wide tails, ``at_mode`` looks at its peak alone and is high. NaN where the first does not exist, because the density
    is highest at an end of its range.
    """

    local_information: float
    by_variance: float
    at_mode: float


def effective_size(prior: Mixture, unit: float = 1.0) -> EffectiveSize:
    """Effective sizes of a mixture; ``unit`` is the standard deviation of one participant, of normal mixtures.

    Sources: Neuenschwander and others (2020) Biometrics 76:578 (expected local information ratio); Morita, Thall and
    Müller (2008) Biometrics 64:595, at the mode.
    """
    return EffectiveSize(_local_information(prior, unit), _by_variance(prior, unit), _at_mode(prior, unit))


def _of_one(family: str, x: FloatArray, unit: float) -> FloatArray:
    """Fisher's information of one participant (one unit of time) at ``x``."""
    if family == "normal":
        return np.full_like(x, 1.0 / unit**2)
    return 1.0 / (x * (1.0 - x)) if family == "beta" else 1.0 / x


def _information(prior: Mixture, x: FloatArray) -> FloatArray:
    """Minus the second derivative of the log density of a mixture."""
    a, b, at = prior.first, prior.second, x[:, None]
    log_parts = component_log_densities(prior, at) + np.log(prior.weights)
    share = np.exp(log_parts - log_parts.max(axis=1, keepdims=True))
    share = share / share.sum(axis=1, keepdims=True)
    if prior.family == "normal":
        slope, curvature = (a - at) / b**2, np.broadcast_to(-1.0 / b**2, share.shape)
    elif prior.family == "gamma":
        slope, curvature = (a - 1.0) / at - b, -(a - 1.0) / at**2
    else:
        slope = (a - 1.0) / at - (b - 1.0) / (1.0 - at)
        curvature = -(a - 1.0) / at**2 - (b - 1.0) / (1.0 - at) ** 2
    mean_slope = (share * slope).sum(axis=1)
    return np.asarray(mean_slope**2 - (share * (slope**2 + curvature)).sum(axis=1))


def _local_information(prior: Mixture, unit: float) -> float:
    """Eq. (BO-7): the expectation, over the prior, of its information over that of one participant."""
    x, weight = nodes_of(prior)
    density = np.exp(prior.log_density(x))
    ratio = _information(prior, x) / _of_one(prior.family, x, unit)
    found = float((weight * density * ratio).sum())
    # A density that rises towards 0 without end has no information there to average.
    rises = prior.family != "normal" and bool((prior.first < 1.0).any())
    rises |= prior.family == "beta" and bool((prior.second < 1.0).any())
    return found if found >= 0.0 and not rises else float("nan")


def _by_variance(prior: Mixture, unit: float) -> float:
    """Eq. (BO-8): the size of the single conjugate distribution with the same mean and variance."""
    mean, variance = float(prior.mean), float(prior.variance)
    if prior.family == "normal":
        return unit**2 / variance
    return mean / variance if prior.family == "gamma" else mean * (1.0 - mean) / variance - 1.0


def _mode(prior: Mixture) -> float:
    """The highest point of the density, inside of a proportion's or rate's range."""
    low, high = (float(end) for end in range_of(prior))
    for _ in range(6):
        grid = np.linspace(low, high, 402)[1:-1] if prior.family != "normal" else np.linspace(low, high, 401)
        at = int(np.argmax(prior.log_density(from_even(prior.family, grid))))
        low, high = grid[max(0, at - 1)], grid[min(grid.shape[0] - 1, at + 1)]
    return float(from_even(prior.family, np.array(0.5 * (low + high))))


def _at_mode(prior: Mixture, unit: float) -> float:
    """Eq. (BO-9): participants after whom a flat prior would be as curved as this one, at its mode."""
    mode, mean = _mode(prior), float(prior.mean)
    curvature = float(_information(prior, np.array([mode]))[0])
    if prior.family == "normal":
        return curvature * unit**2
    if prior.family == "gamma":
        return (curvature * mode**2 + 1.0) / mean
    flat = 1.0 / mode**2 + 1.0 / (1.0 - mode) ** 2
    return (curvature + flat) / (mean / mode**2 + (1.0 - mean) / (1.0 - mode) ** 2)
