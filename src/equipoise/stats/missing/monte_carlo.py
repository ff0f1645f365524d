"""The error that imputing adds by itself: how far pooled answers would move with other random numbers.

Methods: ``docs/methods/rubin.md``.

>>> import numpy as np
>>> from equipoise.stats.missing.monte_carlo import monte_carlo_errors
>>> errors = monte_carlo_errors(np.array([1.0, 2.0, 3.0]), np.ones(3), df_complete=np.inf, level=0.95)
>>> round(errors.estimate, 6)  # sqrt(1 / 3): the standard error of the mean of 1, 2, 3
0.57735
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from equipoise.stats.packing import FloatArray

# Monte Carlo errors between p and the significance level at which a verdict does not hang on the seed.
STABLE = 3.0
# What is aimed at: part of the standard error, part of the distance of p from the level, and p itself.
OF_THE_ERROR, OF_THE_DISTANCE, OF_P = 0.05, 0.25, 0.002


@dataclass(frozen=True, slots=True)
class MonteCarloErrors:
    """Standard deviations, over repetitions of the imputing alone, of what was pooled from M sets of one trial."""

    estimate: float
    ci_lower: float
    ci_upper: float
    p_value: float
    n_sets: int


def monte_carlo_errors(
    estimates: ArrayLike,
    standard_errors: ArrayLike,
    *,
    df_complete: float,
    level: float,
    change: Callable[[FloatArray], FloatArray] = np.asarray,
) -> MonteCarloErrors:
    """Jackknife over the M sets: what is pooled by Rubin's rules without each of them in turn, eq. (RU-8).

    ``estimates`` and ``standard_errors`` (M,) on the scale that is pooled, NaN where a set has no answer; ``change``
    turns that scale into the one that is reported. NaN with fewer than three answers.

    Source: Royston, Carlin and White (2009), Stata J 9:252; White, Royston and Wood (2011), Stat Med 30:377, section 7.
    """
    q = np.asarray(estimates, dtype=np.float64)
    u = np.asarray(standard_errors, dtype=np.float64) ** 2
    good = np.isfinite(q) & np.isfinite(u)
    q, u = q[good], u[good]
    n = q.size
    if n < 3:
        return MonteCarloErrors(*(float("nan"),) * 4, n_sets=n)
    m = n - 1
    centre = q.mean()
    d = q - centre
    mean = (d.sum() - d) / m
    within = (u.sum() - u) / m
    between = np.maximum(((d * d).sum() - d * d - m * mean * mean) / (m - 1), 0.0)
    extra = (1.0 + 1.0 / m) * between
    total = within + extra
    with np.errstate(divide="ignore", invalid="ignore"):
        share = extra / total
        old = (m - 1) / share**2
        seen = (
            (df_complete + 1.0) / (df_complete + 3.0) * df_complete * (1.0 - share)
            if np.isfinite(df_complete)
            else np.inf
        )
        df = 1.0 / (1.0 / old + 1.0 / seen)
    df = np.minimum(df, 1e12)  # of an infinite number the quantile is the normal's
    mean = mean + centre
    error = np.sqrt(total)
    half = special.stdtrit(df, 0.5 + level / 2.0) * error
    p = 2.0 * special.stdtr(df, -np.abs(mean / error))

    # The limit of a ratio that is hardly known lies near the largest number there is, or beyond.
    with np.errstate(over="ignore"):
        estimate, lower, upper = change(mean), change(mean - half), change(mean + half)
    return MonteCarloErrors(_spread(estimate), _spread(lower), _spread(upper), _spread(p), n_sets=n)


def _spread(values: FloatArray) -> float:
    """The jackknife's standard deviation over what is left without each set; NaN where one of them is infinite."""
    if not np.isfinite(values).all():
        return float("nan")
    largest = float(np.abs(values).max()) or 1.0
    parts = values / largest  # a square of the values themselves may be beyond the largest number
    n = values.size
    return largest * float(np.sqrt((n - 1) / n * ((parts - parts.mean()) ** 2).sum()))


def sets_wanted(errors: MonteCarloErrors, *, error_of_estimate: float, p_value: float, alpha: float) -> int:
    """How many sets would make the errors small beside what is concluded, eq. (RU-9); as they shrink with the root.

    ``error_of_estimate`` is the standard error on the scale of ``errors.estimate``.
    """
    if not np.isfinite(errors.p_value):
        return errors.n_sets
    distance = max(OF_THE_DISTANCE * abs(p_value - alpha), OF_P)
    ratio = errors.p_value / distance
    if np.isfinite(error_of_estimate) and error_of_estimate > 0.0:
        ratio = max(ratio, errors.estimate / (OF_THE_ERROR * error_of_estimate))
    return int(np.ceil(errors.n_sets * max(ratio, 0.0) ** 2))


def is_stable(errors: MonteCarloErrors, *, p_value: float, alpha: float) -> bool:
    """Whether the verdict at ``alpha`` would be the same with other random numbers, to three Monte Carlo errors."""
    return not errors.p_value * STABLE >= abs(p_value - alpha)
