"""Two arms after a trial: how probable it is that they differ by more than so much.

Methods: ``docs/methods/borrowing.md``. A difference of two proportions or means, or a ratio of two rates; ``effect``
below is either.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import special

from equipoise.stats.borrowing.mixtures import FloatArray, Mixture, component_log_densities, nodes_of

_MOST_CELLS = 4_000_000  # trials by nodes worked at once
_TINY = 1e-300


def probability_above(arm: Mixture, reference: Mixture, effect: float | FloatArray) -> FloatArray:
    """(...,) P(effect of ``arm`` over ``reference`` > ``effect``), eq. (BO-6), the two being independent.

    Normal mixtures in closed form; otherwise by quadrature over the reference's distribution.
    """
    value = np.asarray(effect, dtype=np.float64)
    if arm.family == "normal":
        return _normal_above(arm, reference, value)
    shape = np.broadcast_shapes(arm.weights.shape[:-1], reference.weights.shape[:-1], value.shape)
    flat = _Flat(arm, reference, shape)
    return flat.above(np.arange(flat.n), np.broadcast_to(value, shape).reshape(flat.n)).reshape(shape)


def contrast_mean(arm: Mixture, reference: Mixture) -> FloatArray:
    """(...,) mean of the effect: of a difference exactly; of a ratio of rates the ratio of geometric means."""
    if arm.family == "gamma":
        return np.exp(_mean_log(arm) - _mean_log(reference))
    return np.asarray(arm.mean - reference.mean)


def contrast_sd(arm: Mixture, reference: Mixture) -> FloatArray:
    """(...,) standard deviation of the effect; of a ratio that of its logarithm."""
    if arm.family == "gamma":
        return np.sqrt(_variance_log(arm) + _variance_log(reference))
    return np.sqrt(arm.variance + reference.variance)


def _mean_log(mixture: Mixture) -> FloatArray:
    own = special.digamma(mixture.first) - np.log(mixture.second)
    return np.asarray((mixture.weights * own).sum(axis=-1))


def _variance_log(mixture: Mixture) -> FloatArray:
    own = special.digamma(mixture.first) - np.log(mixture.second)
    about = (own - _mean_log(mixture)[..., None]) ** 2
    return np.asarray((mixture.weights * (special.polygamma(1, mixture.first) + about)).sum(axis=-1))


def contrast_quantile(arm: Mixture, reference: Mixture, probability: float) -> FloatArray:
    """(...,) the effect that lies above a share ``probability`` of its distribution.

    Newton's steps on the distribution function, kept within a bracket that bisection narrows.
    """
    is_ratio = arm.family == "gamma"
    centre, sd = contrast_mean(arm, reference), contrast_sd(arm, reference)
    on: Callable[[FloatArray], FloatArray] = (lambda t: np.exp(t)) if is_ratio else (lambda t: np.asarray(t))
    middle = np.log(centre) if is_ratio else centre
    low, high = middle - 12.0 * sd, middle + 12.0 * sd
    if arm.family == "beta":
        low, high = np.maximum(low, -1.0), np.minimum(high, 1.0)
    t = np.clip(middle + float(special.ndtri(probability)) * sd, low, high)
    flat = _Flat(arm, reference, np.broadcast_shapes(t.shape, arm.weights.shape[:-1], reference.weights.shape[:-1]))
    t, low, high, width = (np.broadcast_to(v, flat.shape).reshape(flat.n).copy() for v in (t, low, high, sd))
    open_ = np.arange(flat.n)
    for _ in range(60):
        here = t[open_]
        above, density = flat.at(open_, on(here))
        below = 1.0 - above
        slope = np.maximum(density * (on(here) if is_ratio else 1.0), _TINY)
        is_low = below < probability
        low[open_], high[open_] = np.where(is_low, here, low[open_]), np.where(is_low, high[open_], here)
        step = here - (below - probability) / slope
        inside = (step > low[open_]) & (step < high[open_])
        new = np.where(inside, step, 0.5 * (low[open_] + high[open_]))
        t[open_] = new
        open_ = open_[np.abs(new - here) > 1e-8 * width[open_]]
        if not open_.size:
            break
    return on(t).reshape(flat.shape)


def _normal_above(arm: Mixture, reference: Mixture, value: FloatArray) -> FloatArray:
    mean = arm.first[..., :, None] - reference.first[..., None, :]
    sd = np.hypot(arm.second[..., :, None], reference.second[..., None, :])
    weight = arm.weights[..., :, None] * reference.weights[..., None, :]
    return np.asarray((weight * special.ndtr((mean - value[..., None, None]) / sd)).sum(axis=(-1, -2)))


def _normal_density(arm: Mixture, reference: Mixture, value: FloatArray) -> FloatArray:
    mean = arm.first[..., :, None] - reference.first[..., None, :]
    sd = np.hypot(arm.second[..., :, None], reference.second[..., None, :])
    weight = arm.weights[..., :, None] * reference.weights[..., None, :]
    z = (value[..., None, None] - mean) / sd
    return np.asarray((weight * np.exp(-0.5 * z * z) / (sd * np.sqrt(2.0 * np.pi))).sum(axis=(-1, -2)))


class _Flat:
    """Trials in a row, with the nodes of their references and what the references' densities give them."""

    def __init__(self, arm: Mixture, reference: Mixture, shape: tuple[int, ...]) -> None:
        self.shape, self.n = shape, int(np.prod(shape, dtype=np.int64))
        self.arm, self.reference = (_row(mixture, shape, self.n) for mixture in (arm, reference))
        self.is_normal = arm.family == "normal"
        if self.is_normal:
            return
        self.x, weight = nodes_of(self.reference, self.arm)
        self.weight = np.empty_like(self.x)
        self.chunk = max(1, _MOST_CELLS // self.x.shape[-1])
        for part in self._parts(self.n):
            self.weight[part] = weight[part] * _density(self.reference, part, self.x[part])

    def _parts(self, n: int) -> list[slice]:
        return [slice(start, start + self.chunk) for start in range(0, n, self.chunk)]

    def above(self, chosen: NDArray[np.int64], value: FloatArray) -> FloatArray:
        """P(effect > value) of the chosen trials."""
        if self.is_normal:
            return _normal_above(_some(self.arm, chosen), _some(self.reference, chosen), value)
        out = np.empty(chosen.shape[0])
        for part in self._parts(chosen.shape[0]):
            who = chosen[part]
            _, at = self._moved(who, value[part])
            out[part] = (self.weight[who] * _above(self.arm, who, at)).sum(axis=-1)
        return np.clip(out, 0.0, 1.0)

    def at(self, chosen: NDArray[np.int64], value: FloatArray) -> tuple[FloatArray, FloatArray]:
        """P(effect > value) of the chosen trials, and the density of the effect there."""
        if self.is_normal:
            one, other = _some(self.arm, chosen), _some(self.reference, chosen)
            return _normal_above(one, other, value), _normal_density(one, other, value)
        density = np.empty(chosen.shape[0])
        for part in self._parts(chosen.shape[0]):
            who = chosen[part]
            x, at = self._moved(who, value[part])
            inside = (at > 0.0) & (at < 1.0) if self.arm.family == "beta" else at > 0.0
            own = np.where(inside, _density(self.arm, who, np.where(inside, at, 0.5)), 0.0)
            density[part] = (self.weight[who] * own * (x if self.arm.family == "gamma" else 1.0)).sum(axis=-1)
        return self.above(chosen, value), density

    def _moved(self, who: NDArray[np.int64], value: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Values of the references, and those of the arms that lie the effect further."""
        x = self.x[who]
        return x, value[:, None] * x if self.arm.family == "gamma" else value[:, None] + x


def _row(mixture: Mixture, shape: tuple[int, ...], n: int) -> Mixture:
    k = mixture.n_components
    parts = (np.broadcast_to(p, (*shape, k)).reshape(n, k) for p in (mixture.weights, mixture.first, mixture.second))
    return Mixture(mixture.family, *parts)


def _some(mixture: Mixture, chosen: NDArray[np.int64]) -> Mixture:
    return Mixture(mixture.family, mixture.weights[chosen], mixture.first[chosen], mixture.second[chosen])


def _part(mixture: Mixture, part: slice | NDArray[np.int64], k: int) -> Mixture:
    return Mixture(
        mixture.family, *(p[part, None, k : k + 1] for p in (mixture.weights, mixture.first, mixture.second))
    )


def _density(mixture: Mixture, part: slice | NDArray[np.int64], x: FloatArray) -> FloatArray:
    """(n, n_nodes) density of the mixtures of some trials, each at its own values."""
    out = np.zeros_like(x)
    for k in range(mixture.n_components):
        one = _part(mixture, part, k)
        out += one.weights[..., 0] * np.exp(component_log_densities(one, x[..., None])[..., 0])
    return out


def _above(mixture: Mixture, part: slice | NDArray[np.int64], x: FloatArray) -> FloatArray:
    """(n, n_nodes) P(value > x) of the mixtures of some trials."""
    out = np.zeros_like(x)
    for k in range(mixture.n_components):
        out += _part(mixture, part, k).above(x)
    return out
