"""One proportion held against a stated one, the performance goal. Methods: ``docs/methods/performance_goal.md``.

>>> from equipoise.stats.goal import exact_goal_test
>>> test = exact_goal_test(events=8, n=10, goal=0.5)
>>> round(float(test.p_greater[0]), 6)  # (45 + 10 + 1) / 1024
0.054688
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from equipoise.stats.codes import FitCode, mark
from equipoise.stats.packing import FloatArray
from equipoise.stats.wald import CodeArray

# Outcomes as likely as the observed one up to rounding count as equally extreme (the margin of R's binom.test).
_EQUAL_PROBABILITY = 1e-7


@dataclass(frozen=True)
class GoalTests:
    """Tests of a proportion against a goal; NaN where ``codes`` says not estimable.

    ``p_value`` is twice the smaller tail, at most 1: below 1 - level exactly where the exact interval leaves the goal
    out. ``p_likelihood`` adds up the outcomes not likelier than the observed one. ``statistic`` is the score statistic.
    """

    p_greater: FloatArray  # (n_trials,) of so many events or more, if the proportion is the goal
    p_less: FloatArray
    p_value: FloatArray
    p_likelihood: FloatArray
    statistic: FloatArray
    p_score: FloatArray  # two-sided, of the score statistic: below 1 - level where Wilson's interval leaves it out
    codes: CodeArray


def exact_goal_test(events: ArrayLike, n: ArrayLike, goal: float) -> GoalTests:
    """Binomial and score tests of ``events`` out of ``n`` against a proportion, eqs. (PG-1) to (PG-3).

    Counts: numbers or (n_trials,), whole, not below zero, not above ``n``; ``goal`` strictly between 0 and 1.
    """
    if not 0.0 < goal < 1.0:
        raise ValueError(f"goal must lie between 0 and 1, got {goal}")
    x, size = (
        np.asarray(values, dtype=np.float64)
        for values in np.broadcast_arrays(np.atleast_1d(np.asarray(events, dtype=np.float64)), n)
    )
    codes = np.zeros(x.shape[0], dtype=np.uint32)
    with np.errstate(invalid="ignore"):
        fine = np.isfinite(x) & np.isfinite(size) & (x >= 0) & (x <= size) & (x == np.floor(x)) & (size % 1 == 0)
    mark(codes, ~fine, FitCode.NON_FINITE_INPUT | FitCode.NOT_ESTIMABLE)
    mark(codes, fine & (size == 0), FitCode.EMPTY_ARM | FitCode.NOT_ESTIMABLE)
    there = fine & (size > 0)
    x, size = np.where(there, x, 0.0), np.where(there, size, 1.0)
    greater = np.where(x > 0, special.betainc(np.maximum(x, 0.5), size - x + 1.0, goal), 1.0)
    less = np.where(x < size, special.betaincc(x + 1.0, np.maximum(size - x, 0.5), goal), 1.0)
    z = (x / size - goal) / np.sqrt(goal * (1.0 - goal) / size)

    def known(values: FloatArray) -> FloatArray:
        return np.where(there, values, np.nan)

    likelihood = np.array(
        [_by_likelihood(int(k), int(m), goal) if ok else np.nan for k, m, ok in zip(x, size, there, strict=True)]
    )
    return GoalTests(
        p_greater=known(greater),
        p_less=known(less),
        p_value=known(np.minimum(1.0, 2.0 * np.minimum(greater, less))),
        p_likelihood=likelihood,
        statistic=known(z),
        p_score=known(2.0 * special.ndtr(-np.abs(z))),
        codes=codes,
    )


def _by_likelihood(events: int, n: int, goal: float) -> float:
    """Probability, at the goal, of every outcome not likelier than the observed one."""
    k = np.arange(n + 1)
    log_mass = special.gammaln(n + 1) - special.gammaln(k + 1) - special.gammaln(n - k + 1)
    mass = np.exp(log_mass + k * np.log(goal) + (n - k) * np.log1p(-goal))
    return float(min(1.0, mass[mass <= mass[events] * (1.0 + _EQUAL_PROBABILITY)].sum()))
