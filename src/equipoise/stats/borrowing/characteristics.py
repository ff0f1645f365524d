"""What a trial that borrows would do, without simulation: every table, or every mean, with its probability.

Methods: ``docs/methods/borrowing.md``, eq. (BO-11). Each function takes true values of the arms and gives, for
every one of them, the chance of success, the mean error of the estimate and how often the interval holds the truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from equipoise.stats.borrowing.contrast import contrast_mean, probability_above
from equipoise.stats.borrowing.mixtures import FloatArray, Mixture, component_log_densities, nodes_of


@dataclass(frozen=True)
class SuccessRule:
    """Success: P(effect > ``more_than``) > ``probability``; where ``below`` P(effect < ``more_than``)."""

    more_than: float
    probability: float
    below: bool = False

    def __post_init__(self) -> None:
        if not 0.5 <= self.probability < 1.0 or not np.isfinite(self.more_than):
            raise ValueError(f"a probability from 0.5 up to below 1, and a finite effect, got {self}")

    def said(self, above: FloatArray) -> FloatArray:
        """The probability that the rule looks at, from that of lying above ``more_than``."""
        return 1.0 - above if self.below else above

    def is_met(self, above: FloatArray) -> FloatArray:
        """1 where the rule is met."""
        return (self.said(above) > self.probability).astype(np.float64)


@dataclass(frozen=True)
class BorrowingCharacteristics:
    """One entry for each pair of true values, arm and reference."""

    success: FloatArray
    bias: FloatArray  # of the posterior mean; of a ratio on its logarithm
    root_mean_square_error: FloatArray
    coverage: FloatArray  # of the equal-tailed interval


@dataclass(frozen=True)
class ArmsWithPriors:
    """Priors and sizes of two arms: participants, of rates the time observed, of means participants too."""

    arm: Mixture
    reference: Mixture
    n_arm: float
    n_reference: float


def of_proportions(
    trial: ArmsWithPriors, rule: SuccessRule, p_arm: ArrayLike, p_reference: ArrayLike, level: float = 0.95
) -> BorrowingCharacteristics:
    """Two proportions: every table of events is enumerated."""
    n1, n0 = int(trial.n_arm), int(trial.n_reference)
    y1, y0 = np.arange(n1 + 1.0), np.arange(n0 + 1.0)
    posteriors = trial.arm.after_events(y1, n1), trial.reference.after_events(y0, n0)
    p1, p0 = np.broadcast_arrays(np.atleast_1d(np.asarray(p_arm, float)), np.atleast_1d(np.asarray(p_reference, float)))
    return _enumerated(posteriors, rule, (p1 - p0, _binomial(n1, p1), _binomial(n0, p0)), level, lambda d: d)


def of_rates(
    trial: ArmsWithPriors, rule: SuccessRule, rate_arm: ArrayLike, rate_reference: ArrayLike, level: float = 0.95
) -> BorrowingCharacteristics:
    """Two rates of Poisson counts over ``n_arm`` and ``n_reference`` units of time: every pair of counts."""
    l1, l0 = np.broadcast_arrays(
        np.atleast_1d(np.asarray(rate_arm, float)), np.atleast_1d(np.asarray(rate_reference, float))
    )
    masses, posteriors = [], []
    for prior, time, rates in ((trial.arm, trial.n_arm, l1), (trial.reference, trial.n_reference, l0)):
        most = float((rates * time).max())
        y = np.arange(np.ceil(most + 9.0 * np.sqrt(most) + 20.0) + 1.0)
        masses.append(
            np.exp(special.xlogy(y, (rates * time)[:, None]) - (rates * time)[:, None] - special.gammaln(y + 1.0))
        )
        posteriors.append(prior.after_counts(y, time))
    return _enumerated((posteriors[0], posteriors[1]), rule, (l1 / l0, masses[0], masses[1]), level, np.log)


def of_one_proportion(
    prior: Mixture, n: int, rule: SuccessRule, p: ArrayLike, level: float = 0.95
) -> BorrowingCharacteristics:
    """One arm, held against a goal: every count of events."""
    y = np.arange(n + 1.0)
    posterior = prior.after_events(y, n)
    truth = np.atleast_1d(np.asarray(p, dtype=np.float64))
    mass = _binomial(n, truth)
    estimate = posterior.mean
    wrong = estimate - truth[:, None]
    held = np.stack([np.abs(2.0 * posterior.above(np.full(n + 1, t)) - 1.0) < level for t in truth])
    met = rule.is_met(posterior.above(np.full(n + 1, rule.more_than)))
    return BorrowingCharacteristics(
        mass @ met, (mass * wrong).sum(axis=1), np.sqrt((mass * wrong**2).sum(axis=1)), (mass * held).sum(axis=1)
    )


def of_means(
    trial: ArmsWithPriors,
    unit: float,
    rule: SuccessRule,
    mean_arm: ArrayLike,
    mean_reference: ArrayLike,
    level: float = 0.95,
) -> BorrowingCharacteristics:
    """Two means of normal results with a known standard deviation ``unit`` of one participant.

    The reference's mean is integrated over; given it the answer changes at one mean of the arm, which is looked for.
    """
    m1, m0 = np.broadcast_arrays(
        np.atleast_1d(np.asarray(mean_arm, float)), np.atleast_1d(np.asarray(mean_reference, float))
    )
    s1, s0 = unit / np.sqrt(trial.n_arm), unit / np.sqrt(trial.n_reference)
    base, weight = np.polynomial.legendre.leggauss(200)
    z, weight = 8.0 * base, 8.0 * weight * np.exp(-32.0 * base**2) / np.sqrt(2.0 * np.pi)
    out = []
    for one, other in zip(m1, m0, strict=True):
        seen = other + s0 * z
        reference = trial.reference.after_mean(seen, s0)

        near = _Near(trial.arm, s1, float(one), 60.0 * (unit + s0))
        edge = near.crossing(reference, rule.more_than, 1.0 - rule.probability if rule.below else rule.probability)
        above = special.ndtr((one - edge) / s1)
        success = 1.0 - above if rule.below else above
        truth, tail = one - other, 0.5 - level / 2.0
        first, last = (near.crossing(reference, truth, share) for share in (tail, 1.0 - tail))
        held = special.ndtr((last - one) / s1) - special.ndtr((first - one) / s1)
        # The arm's posterior mean is a straight line in what is seen only where its prior has one component.
        line = _mean_of_arm(trial.arm, one, s1)
        reference_mean = reference.mean
        bias = line[0] - float((weight * reference_mean).sum()) - truth
        square = line[1] + float((weight * reference_mean**2).sum())
        square += -2.0 * line[0] * float((weight * reference_mean).sum())
        mse = square - 2.0 * truth * (bias + truth) + truth**2
        out.append((float((weight * success).sum()), bias, np.sqrt(max(mse, 0.0)), float((weight * held).sum())))
    columns = np.array(out).T
    return BorrowingCharacteristics(columns[0], columns[1], columns[2], columns[3])


@dataclass(frozen=True)
class _Near:
    """Where the mean of an arm is looked for: about its true value."""

    prior: Mixture
    error: float
    truth: float
    reach: float

    def crossing(self, reference: Mixture, effect: float, probability: float) -> FloatArray:
        """(n,) the arm's mean from which on P(effect of the arm > ``effect``) exceeds ``probability``."""
        low = np.full(reference.weights.shape[0], self.truth - self.reach)
        high = low + 2.0 * self.reach
        for _ in range(70):
            middle = 0.5 * (low + high)
            over = probability_above(self.prior.after_mean(middle, self.error), reference, effect) > probability
            low, high = np.where(over, low, middle), np.where(over, middle, high)
        return np.asarray(0.5 * (low + high))


def _mean_of_arm(prior: Mixture, truth: float, error: float) -> tuple[float, float]:
    """Mean of the posterior mean, and of its square, over what may be seen of a mean."""
    base, weight = np.polynomial.legendre.leggauss(200)
    weight = 8.0 * weight * np.exp(-32.0 * base**2) / np.sqrt(2.0 * np.pi)
    posterior = prior.after_mean(truth + error * 8.0 * base, error).mean
    return float((weight * posterior).sum()), float((weight * posterior**2).sum())


def _binomial(n: int, p: FloatArray) -> FloatArray:
    """(n_values, n + 1) probabilities of each count."""
    y = np.arange(n + 1.0)
    log_choose = special.gammaln(n + 1.0) - special.gammaln(y + 1.0) - special.gammaln(n - y + 1.0)
    return np.asarray(np.exp(log_choose + special.xlogy(y, p[:, None]) + special.xlog1py(n - y, -p[:, None])))


def _enumerated(
    posteriors: tuple[Mixture, Mixture],
    rule: SuccessRule,
    truth: tuple[FloatArray, FloatArray, FloatArray],
    level: float,
    on: Callable[[FloatArray], FloatArray],
) -> BorrowingCharacteristics:
    """Sums over every pair of results; ``truth`` is the effect and the probabilities of the arms' results."""
    effect, mass_arm, mass_reference = truth
    table = _Tables(*posteriors)
    met = rule.is_met(table.above(rule.more_than))
    one, other = posteriors
    shaped = Mixture(one.family, one.weights[:, None], one.first[:, None], one.second[:, None])
    estimate = on(contrast_mean(shaped, other))
    true = on(effect)
    out = []
    held_at = {float(e): np.abs(2.0 * table.above(float(e)) - 1.0) < level for e in np.unique(effect)}
    for t, e, m1, m0 in zip(true, effect, mass_arm, mass_reference, strict=True):
        wrong = estimate - t

        def expected(values: FloatArray, first: FloatArray = m1, second: FloatArray = m0) -> float:
            return float(first @ values @ second)

        mean_error, square = expected(wrong), expected(wrong**2)
        out.append((expected(met), mean_error, np.sqrt(square), expected(held_at[float(e)].astype(np.float64))))
    columns = np.array(out).T
    return BorrowingCharacteristics(columns[0], columns[1], columns[2], columns[3])


class _Tables:
    """P(effect > value) for every pair of an arm's and a reference's posterior, on nodes that all share."""

    def __init__(self, arm: Mixture, reference: Mixture) -> None:
        widest = _union(reference)
        x, weight = nodes_of(widest, arm, reference)
        self.x, self.arm = x, arm
        self.mass = np.zeros((reference.weights.shape[0], x.shape[0]))
        for k in range(reference.n_components):
            one = Mixture(
                reference.family,
                *(p[:, None, k : k + 1] for p in (reference.weights, reference.first, reference.second)),
            )
            self.mass += one.weights[..., 0] * np.exp(component_log_densities(one, x[:, None])[..., 0])
        self.mass *= weight
        self.mass /= self.mass.sum(axis=1, keepdims=True)

    def above(self, value: float) -> FloatArray:
        """(n_arm, n_reference)."""
        at = value * self.x if self.arm.family == "gamma" else value + self.x
        shaped = Mixture(self.arm.family, *(p[:, None] for p in (self.arm.weights, self.arm.first, self.arm.second)))
        return np.asarray(np.clip(shaped.above(at) @ self.mass.T, 0.0, 1.0))


def _union(mixture: Mixture) -> Mixture:
    """All components of all trials as one mixture: its range holds everybody's."""
    kept = mixture.weights > 1e-12
    n = int(kept.sum())
    return Mixture(mixture.family, np.full(n, 1.0 / n), mixture.first[kept], mixture.second[kept])
