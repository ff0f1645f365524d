"""The variance of an imputed estimate from bootstrap samples that are each imputed more than once.

Methods: ``docs/methods/reference_based.md``, eq. (BS-1) to (BS-3).

>>> import numpy as np
>>> from equipoise.stats.missing.resampling import bootstrap_variance
>>> found = bootstrap_variance(np.array([[1.0, 3.0], [4.0, 6.0], [7.0, 9.0]]), sets=4)
>>> found.between, found.within, found.variance  # mean squares 18 and 2: (18 - 2) / 2, 2, 8 + 2 / 4
(8.0, 2.0, 8.5)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike


@dataclass(frozen=True, slots=True)
class BootstrapVariance:
    """Components of variance, and what they make the variance of the mean of ``sets`` imputed estimates."""

    between: float
    """Of the estimate with endlessly many imputed data sets, from sample to sample."""
    within: float
    """Of estimates of one sample's imputed data sets."""
    variance: float
    df: float
    """Satterthwaite's, of the two mean squares."""
    n_used: int
    """Samples whose every data set gave an answer."""


def bootstrap_variance(estimates: ArrayLike, sets: int) -> BootstrapVariance:
    """Variance in repeated sampling of the mean of ``sets`` imputed estimates, by one-way analysis of variance.

    ``estimates`` (B, M): of B bootstrap samples, each imputed M times, at least twice; NaN where there is no answer.
    The imputed data sets must be drawn with new parameters each time. NaN with fewer than two samples.

    Source: von Hippel and Bartlett (2021), Stat Sci 36:400, section 5.
    """
    values = np.asarray(estimates, dtype=np.float64)
    if values.ndim != 2 or values.shape[1] < 2 or sets < 1:
        raise ValueError("estimates must be (samples, imputations) with two imputations or more, and sets 1 or more")
    values = values[np.isfinite(values).all(axis=1)]
    n, m = values.shape
    if n < 2:
        return BootstrapVariance(np.nan, np.nan, np.nan, np.nan, n)
    mean_square = m * float(values.mean(axis=1).var(ddof=1))
    within = float(values.var(axis=1, ddof=1).mean())
    between = max((mean_square - within) / m, 0.0)
    variance = between + within / sets
    # Both mean squares enter linearly: mean_square / m + within (1 / sets - 1 / m).
    spread = (mean_square / m) ** 2 / (n - 1) + (within * (1.0 / sets - 1.0 / m)) ** 2 / (n * (m - 1))
    return BootstrapVariance(between, within, variance, variance**2 / spread if spread > 0.0 else np.inf, n)
