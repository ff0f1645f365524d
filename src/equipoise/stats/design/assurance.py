"""Assurance: power averaged over what is believed of the effect. Methods: ``docs/methods/assurance.md``.

>>> from equipoise.stats.design.assurance import NormalPrior, assure_normal
>>> prior = NormalPrior(mean=1.96, standard_deviation=1.0)
>>> round(assure_normal(prior, 1.0, alpha_one_sided=0.025), 3)  # a result with p = 0.05 repeated at the same size
0.5
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import special

from equipoise.stats.design.exact_power import towards

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]


@dataclass(frozen=True)
class NormalPrior:
    """A normal distribution of the true effect, on the scale of analysis (log for ratios); sd 0 is certainty."""

    mean: float
    standard_deviation: float

    def __post_init__(self) -> None:
        if not math.isfinite(self.mean) or not 0.0 <= self.standard_deviation < math.inf:
            raise ValueError(f"a prior needs a finite mean and a standard deviation of at least 0, got {self}")

    @classmethod
    def of_interval(cls, estimate: float, lower: float, upper: float, *, level: float = 0.95) -> NormalPrior:
        """The prior that a published estimate with its limits implies, (AS-1); all three on the scale of analysis.

        Centre: the estimate; standard deviation: the width of the interval over twice the normal quantile. Assumes a
        symmetric interval on that scale and nothing known beside it (a flat prior before the published trial).
        """
        if not lower < upper or not lower <= estimate <= upper:
            raise ValueError(f"limits must enclose the estimate, got {estimate} ({lower} to {upper})")
        if not 0.0 < level < 1.0:
            raise ValueError(f"level must lie between 0 and 1, got {level}")
        half = -float(special.ndtri(0.5 * (1.0 - level)))
        return cls(estimate, (upper - lower) / (2.0 * half))

    def shrunk(self, factor: float) -> NormalPrior:
        """Centre moved towards no effect: ``factor`` 0.5 keeps half of it, with the same uncertainty."""
        return NormalPrior(self.mean * factor, self.standard_deviation)

    def sceptical(self, tail: float = 0.05) -> NormalPrior:
        """The prior combined with a sceptic's, centred on no effect with P(effect as large as the mean) = ``tail``.

        Source: Spiegelhalter, Freedman and Parmar (1994) JRSS A 157:357, section 5.
        """
        if not 0.0 < tail < 0.5 or self.standard_deviation == 0.0 or self.mean == 0.0:
            raise ValueError("a sceptic needs a tail between 0 and 0.5, an effect, and uncertainty about it")
        doubt = abs(self.mean) / -float(special.ndtri(tail))
        weight = doubt**2 / (doubt**2 + self.standard_deviation**2)
        return NormalPrior(self.mean * weight, self.standard_deviation * math.sqrt(weight))

    def between_trials(self, deviation: float) -> NormalPrior:
        """Widened by true differences between trials, normal with this standard deviation."""
        return NormalPrior(self.mean, math.hypot(self.standard_deviation, deviation))

    def probability_above(self, value: float) -> float:
        """P(true effect above ``value``)."""
        if self.standard_deviation == 0.0:
            return float(self.mean > value)
        return float(special.ndtr((self.mean - value) / self.standard_deviation))


def assure_normal(prior: NormalPrior, standard_error: float, *, alpha_one_sided: float) -> float:
    """P(significant in the direction of positive effects) for a normal estimate, in closed form, (AS-3).

    Source: Spiegelhalter and Freedman (1986) Stat Med 5:1; O'Hagan, Stevens and Campbell (2005) Pharm Stat 4:187.
    """
    if not standard_error > 0.0:
        raise ValueError(f"standard_error must be above 0, got {standard_error}")
    if not 0.0 < alpha_one_sided < 0.5:
        raise ValueError(f"alpha_one_sided must lie between 0 and 0.5, got {alpha_one_sided}")
    distance = prior.mean + float(special.ndtri(alpha_one_sided)) * standard_error
    return float(special.ndtr(distance / math.hypot(standard_error, prior.standard_deviation)))


@dataclass(frozen=True)
class Assurance:
    """Average power; ``lowest`` and ``highest`` enclose it where power is known on a grid of effects only."""

    probability: float
    standard_error: float = 0.0  # Monte Carlo error of the powers averaged
    lowest: float = math.nan
    highest: float = math.nan
    mass_outside: float = 0.0  # prior probability of effects beyond the grid
    quadrature_change: float = 0.0  # by halving the number of nodes


def assure(power: Callable[[FloatArray], ArrayLike], prior: NormalPrior, *, n_nodes: int = 128) -> Assurance:
    """Power averaged over the prior by Gauss-Hermite quadrature, (AS-2).

    ``power``: from effects (n,), on the scale of the prior, to P(success). ``quadrature_change`` says what half the
    nodes would have given: small for any smooth power.
    """
    if n_nodes < 4:
        raise ValueError(f"at least 4 nodes, got {n_nodes}")

    def averaged(n: int) -> float:
        nodes, weights = np.polynomial.hermite_e.hermegauss(n)
        powers = np.asarray(power(prior.mean + prior.standard_deviation * nodes), dtype=np.float64)
        if powers.shape != nodes.shape or np.isnan(powers).any() or (powers < -1e-9).any() or (powers > 1 + 1e-9).any():
            raise ValueError(f"power must return {n} probabilities for {n} effects")
        return float(weights @ powers / weights.sum())

    probability = averaged(n_nodes)
    return Assurance(
        probability,
        lowest=probability,
        highest=probability,
        quadrature_change=abs(probability - averaged(n_nodes // 2)),
    )


def assure_on_grid(
    effects: ArrayLike, powers: ArrayLike, prior: NormalPrior, *, n_replicates: ArrayLike | None = None
) -> Assurance:
    """Power simulated at some effects, averaged over the prior, (AS-4).

    ``effects``: (n,) rising, on the scale of the prior; ``powers``: (n,). Between effects power is taken as a straight
    line, for which the average is exact; beyond the grid as the nearest value. ``lowest`` and ``highest`` put 0 and 1
    there instead. ``n_replicates``: number or (n,), for the Monte Carlo error.
    """
    x, p = np.asarray(effects, dtype=np.float64), np.asarray(powers, dtype=np.float64)
    if x.ndim != 1 or x.shape != p.shape or x.shape[0] < 2 or not (np.diff(x) > 0.0).all():
        raise ValueError("effects must be at least two rising numbers, with a power each")
    if np.isnan(p).any() or (p < 0.0).any() or (p > 1.0).any():
        raise ValueError("powers must lie from 0 to 1")
    below, inside, above = _linear_weights(x, prior)
    weights = inside.copy()
    weights[0] += below
    weights[-1] += above
    known = float(inside @ p)
    error = 0.0
    if n_replicates is not None:
        runs = np.broadcast_to(np.asarray(n_replicates, dtype=np.float64), p.shape)
        error = math.sqrt(float((weights**2) @ (p * (1.0 - p) / runs)))
    return Assurance(float(weights @ p), error, known, min(1.0, known + below + above), below + above)


def _linear_weights(x: FloatArray, prior: NormalPrior) -> tuple[float, FloatArray, float]:
    """Prior mass below, weights of the grid values inside, prior mass above; they sum to 1."""
    if prior.standard_deviation == 0.0:
        inside = np.array([np.interp(prior.mean, x, row) for row in np.eye(x.shape[0])])
        below, above = float(prior.mean < x[0]), float(prior.mean > x[-1])
        return below, inside * (1.0 - below - above), above
    z = (x - prior.mean) / prior.standard_deviation
    cumulative, density = special.ndtr(z), np.exp(-0.5 * z * z) / math.sqrt(2.0 * math.pi)
    mass = np.diff(cumulative)
    # First moment of each interval about its left end, as a share of its width.
    moment = (prior.mean - x[:-1]) * mass - prior.standard_deviation * np.diff(density)
    share = moment / np.diff(x)
    inside = np.zeros(x.shape[0])
    inside[:-1] += mass - share
    inside[1:] += share
    return float(cumulative[0]), inside, float(special.ndtr(-z[-1]))


def assure_two_proportions(
    rejects: BoolArray,
    events_control: int,
    n_control: int,
    events_experimental: int,
    n_experimental: int,
    *,
    pseudo_events: float = 0.5,
) -> float:
    """P(a further trial rejects, in the direction of the published one), both risks uncertain, (AS-5).

    ``rejects``: verdicts of the further trial's test, (its n_control + 1, its n_experimental + 1). Published counts
    with ``pseudo_events`` added to events and non-events (0.5: Jeffreys' prior) give a beta distribution of each risk;
    the further trial's counts are beta-binomial, and their verdicts are added up: no simulation, no normal theory.
    """
    if not 0 <= events_control <= n_control or not 0 <= events_experimental <= n_experimental:
        raise ValueError("events must lie from 0 to the number of participants")
    if not pseudo_events > 0.0:
        raise ValueError(f"pseudo_events must be above 0, got {pseudo_events}")
    n0, n1 = rejects.shape[0] - 1, rejects.shape[1] - 1
    control = beta_binomial(n0, events_control + pseudo_events, n_control - events_control + pseudo_events)
    experimental = beta_binomial(
        n1, events_experimental + pseudo_events, n_experimental - events_experimental + pseudo_events
    )
    published = events_experimental / n_experimental - events_control / n_control
    return float(control @ towards(rejects, published) @ experimental)


def beta_binomial(n: int, a: float, b: float) -> FloatArray:
    """(n + 1,) probabilities of counts whose risk is beta(a, b)."""
    x = np.arange(n + 1)
    chosen = special.gammaln(n + 1.0) - special.gammaln(x + 1.0) - special.gammaln(n - x + 1.0)
    return np.asarray(np.exp(chosen + special.betaln(x + a, n - x + b) - special.betaln(a, b)))
