"""Rubin's rules: one answer from many imputed data sets, many trials at a time. Methods: ``docs/methods/rubin.md``.

>>> from equipoise.stats.missing.rubin import pool_imputations
>>> pooled = pool_imputations([[1.0, 2.0, 3.0]], [[1.0, 1.0, 1.0]], df_complete=[20.0])
>>> float(pooled.estimate[0]), float(round(pooled.standard_error[0] ** 2, 6))  # 2; 1 + (1 + 1/3) 1
(2.0, 2.333333)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from equipoise.stats.codes import FitCode, mark
from equipoise.stats.packing import FloatArray, IntArray
from equipoise.stats.wald import CodeArray

# Beyond this share of data sets without an answer, the rest is too choice a sample to pool.
MAX_FAILED = 0.1


@dataclass(frozen=True, slots=True)
class PooledEstimates:
    """One pooled estimate a trial (n_trials,); NaN where ``codes`` says not estimable."""

    estimate: FloatArray
    standard_error: FloatArray
    df: FloatArray
    """Degrees of freedom of Barnard and Rubin; infinite where nothing was missing and the fit itself is normal."""
    within: FloatArray
    """Mean of the squared standard errors."""
    between: FloatArray
    """Variance of the estimates between data sets."""
    relative_increase: FloatArray
    """Increase of the variance because data are missing, (1 + 1/M) between / within."""
    fraction_missing: FloatArray
    """Fraction of missing information, 0 to 1."""
    n_used: IntArray
    """Data sets with an answer."""
    codes: CodeArray


def pool_imputations(
    estimates: ArrayLike, standard_errors: ArrayLike, df_complete: ArrayLike | None = None
) -> PooledEstimates:
    """Pool ``estimates`` (n_trials, M) of one quantity with their ``standard_errors`` over M imputed data sets.

    Ratios are pooled as logarithms. ``df_complete`` (n_trials,) are the degrees of freedom that the fit would have had
    with nothing missing (infinite by default). A data set without an answer (NaN) is left out and coded; with more
    than a tenth of them, or with fewer than two left, nothing is reported. Assumes that the estimate is normal around
    its target in repeated sampling and that the imputation is proper. Raises ValueError only when shapes disagree.

    Source: Rubin (1987), eq. (3.1.2) to (3.1.7); Barnard and Rubin (1999), Biometrika 86:948, eq. (3) to (5).
    """
    q = np.atleast_2d(np.asarray(estimates, dtype=np.float64))
    u = np.atleast_2d(np.asarray(standard_errors, dtype=np.float64)) ** 2
    if q.shape != u.shape:
        raise ValueError(f"estimates {q.shape} and standard errors {u.shape} must agree")
    n_trials, n_sets = q.shape
    complete = np.full(n_trials, np.inf)
    if df_complete is not None:
        complete = np.broadcast_to(np.asarray(df_complete, dtype=np.float64), (n_trials,))
    good = np.isfinite(q) & np.isfinite(u)
    m = good.sum(axis=1)
    codes = np.zeros(n_trials, dtype=np.uint32)
    mark(codes, m < n_sets, FitCode.IMPUTATIONS_DROPPED)
    bad = (m < 2) | (n_sets - m > MAX_FAILED * n_sets)
    mark(codes, bad, FitCode.NOT_ESTIMABLE)
    with np.errstate(divide="ignore", invalid="ignore"):
        mean = np.where(good, q, 0.0).sum(axis=1) / m  # eq. (RU-1)
        within = np.where(good, u, 0.0).sum(axis=1) / m  # eq. (RU-2)
        between = np.where(good, (q - mean[:, None]) ** 2, 0.0).sum(axis=1) / (m - 1)  # eq. (RU-3)
        between = np.where(between > 1e-24 * within, between, 0.0)  # equal but for rounding is equal
        extra = (1.0 + 1.0 / m) * between
        total = within + extra  # eq. (RU-4)
        share = extra / total
        old = (m - 1) / share**2  # infinite where nothing differs between data sets
        seen = np.where(np.isinf(complete), np.inf, (complete + 1.0) / (complete + 3.0) * complete * (1.0 - share))
        df = 1.0 / (1.0 / old + 1.0 / seen)  # eq. (RU-6)
        increase = extra / within
        fraction = np.where(increase > 0.0, (increase + 2.0 / (df + 3.0)) / (1.0 + increase), 0.0)  # eq. (RU-7)
    for values in (mean, within, between, total, df, increase, fraction):
        values[bad] = np.nan
    return PooledEstimates(
        estimate=mean,
        standard_error=np.sqrt(total),
        df=df,
        within=within,
        between=between,
        relative_increase=increase,
        fraction_missing=fraction,
        n_used=m.astype(np.int64),
        codes=codes,
    )
