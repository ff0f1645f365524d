"""Linear regression of one value a participant, many trials at a time. Methods: ``docs/methods/linear.md``.

>>> import numpy as np
>>> from equipoise.stats.linear import fit_linear
>>> fits = fit_linear([1.0, 3.0, 6.0, 8.0], np.column_stack([np.ones(4), [0, 0, 1, 1]]), [0, 4])
>>> float(round(fits.coefficients[0, 1], 9)), float(round(fits.standard_errors[0, 1], 9)), float(fits.df[0])
(5.0, 1.414213562, 2.0)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from equipoise.stats.codes import FitCode
from equipoise.stats.packing import FloatArray
from equipoise.stats.wald import CodeArray, as_design, as_offsets, as_vector, diagonal_errors


@dataclass(frozen=True)
class LinearFits:
    """Least-squares fits of ``n_trials`` trials with ``p`` columns; NaN where ``codes`` says not estimable."""

    coefficients: FloatArray  # (n_trials, p), in the unit of the outcome
    covariance: FloatArray  # (n_trials, p, p)
    sd_residual: FloatArray  # (n_trials,)
    df: FloatArray  # (n_trials,) rows less columns
    codes: CodeArray

    @property
    def standard_errors(self) -> FloatArray:
        """(n_trials, p)."""
        return diagonal_errors(self.covariance)


def fit_linear(y: ArrayLike, design: ArrayLike, offsets: ArrayLike) -> LinearFits:
    """Fit y = design @ beta + residual by least squares in each trial, eq. (LI-1), with the usual variance, eq. (LI-2).

    ``y`` (n_rows,), ``design`` (n_rows, p), ``offsets`` (n_trials + 1,). Assumes independent residuals of one variance;
    limits use Student's t with rows less columns degrees of freedom. Raises ValueError only when shapes disagree.

    Source: Seber and Lee (2003), Linear regression analysis, sections 3.1 and 3.3.
    """
    outcome = as_vector(y, "y")
    matrix = as_design(design, outcome.shape[0])
    bounds = as_offsets(offsets, outcome.shape[0])
    n, p = bounds.shape[0] - 1, matrix.shape[1]
    coefficients = np.full((n, p), np.nan)
    covariance = np.full((n, p, p), np.nan)
    sd, df = np.full(n, np.nan), np.full(n, np.nan)
    codes = np.zeros(n, dtype=np.uint32)
    for trial in range(n):
        rows = slice(int(bounds[trial]), int(bounds[trial + 1]))
        x, values = matrix[rows], outcome[rows]
        if not (np.isfinite(x).all() and np.isfinite(values).all()):
            codes[trial] = FitCode.NON_FINITE_INPUT | FitCode.NOT_ESTIMABLE
            continue
        if x.shape[0] <= p:
            codes[trial] = FitCode.TOO_FEW_PARTICIPANTS | FitCode.NOT_ESTIMABLE
            continue
        scale = np.sqrt((x * x).sum(axis=0))
        if (scale == 0).any() or np.linalg.matrix_rank(x / np.where(scale == 0, 1.0, scale)) < p:
            codes[trial] = FitCode.RANK_DEFICIENT | FitCode.NOT_ESTIMABLE
            continue
        q, r = np.linalg.qr(x)
        beta = np.linalg.solve(r, q.T @ values)
        residual = values - x @ beta
        df[trial] = x.shape[0] - p
        variance = float(residual @ residual) / df[trial]
        inverse = np.linalg.inv(r)
        coefficients[trial], covariance[trial] = beta, variance * (inverse @ inverse.T)
        sd[trial] = np.sqrt(variance)
        if variance <= np.finfo(float).eps * float(values @ values):
            codes[trial] |= FitCode.CONSTANT_OUTCOME | FitCode.NOT_ESTIMABLE
            coefficients[trial], covariance[trial] = np.nan, np.nan
    return LinearFits(coefficients, covariance, sd, df, codes)
