"""What one count adds to the log-likelihood, Poisson or negative binomial, with first and second derivatives.

Equations (CT-1) to (CT-3) are in ``docs/methods/counts.md``. The negative binomial is written in ``alpha``, the
variance being mu + alpha mu^2: at alpha = 0 it is the Poisson distribution, and no difference of large logarithms of
gamma functions is taken on the way there.
"""

from __future__ import annotations

import numpy as np

from equipoise.stats.kernels.compile import part

# Below this alpha * mu, series take the place of differences that would lose their digits.
_SERIES = 1e-2

# What one row adds: value, d/d eta, d2/d eta2, d/d alpha, d2/d alpha2, d2/(d eta d alpha).
TERMS = "UniTuple(float64, 6)"


@part(f"{TERMS}(float64, float64, float64)", forceinline=True)
def count_terms(y, mu, alpha):  # type: ignore[no-untyped-def]
    """The terms of one row that depend on ``mu``; ``y log(mu)`` and those of alpha alone are the caller's, (CT-2)."""
    x = alpha * mu
    q = 1.0 / (1.0 + x)
    if x < _SERIES:
        # log(1 + x) / x, its difference from 1 / (1 + x) over x, and the next of the kind, as power series.
        power = 1.0
        first, h, g = 0.0, 0.0, 0.0
        for k in range(9):
            first += power / (k + 1.0)
            h += power * (k + 1.0) / (k + 2.0)
            g -= power * (k + 1.0) * (k + 2.0) / (k + 3.0)
            power *= -x
    else:
        log1 = np.log1p(x)
        first = log1 / x
        h = (log1 - x * q) / (x * x)
        g = (2.0 * (x * q - log1) / x + x * q * q) / (x * x)
    value = -mu * first - y * (alpha * mu * first)
    slope = (y - mu) * q
    bend = -mu * (1.0 + alpha * y) * q * q
    of_alpha = mu * mu * h - y * mu * q
    alpha_bend = mu * mu * (y * q * q + mu * g)
    cross = -(y - mu) * mu * q * q
    return value, slope, bend, of_alpha, alpha_bend, cross


@part("UniTuple(float64, 3)(float64[::1], float64)")
def alpha_terms(above, alpha):  # type: ignore[no-untyped-def]
    """The sum over rows of ``sum_{j < y} log(1 + alpha j)`` with its derivatives; ``above[j]`` rows have y > j."""
    value, slope, bend = 0.0, 0.0, 0.0
    for j in range(1, above.shape[0]):
        t = j / (1.0 + alpha * j)
        value += above[j] * np.log1p(alpha * j)
        slope += above[j] * t
        bend -= above[j] * t * t
    return value, slope, bend


@part("float64[::1](float64[::1])")
def rows_above(y):  # type: ignore[no-untyped-def]
    """(largest,) how many rows have more than j events."""
    largest = 0
    for i in range(y.shape[0]):
        largest = max(largest, int(y[i]))
    above = np.zeros(max(largest, 1))
    for i in range(y.shape[0]):
        if y[i] > 0.0:
            above[int(y[i]) - 1] += 1.0
    for j in range(above.shape[0] - 2, -1, -1):
        above[j] += above[j + 1]
    return above
