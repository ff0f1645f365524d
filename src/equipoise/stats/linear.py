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
from equipoise.stats.nuisance import tell_apart
from equipoise.stats.packing import FloatArray
from equipoise.stats.standardise import standardise
from equipoise.stats.wald import BoolArray, CodeArray, as_design, as_offsets, as_vector, diagonal_errors

# Squares left over, as a part of those of the outcome, that are rounding.
NOTHING_LEFT = 1e-24


@dataclass(frozen=True)
class LinearFits:
    """Least-squares fits of ``n_trials`` trials with ``p`` columns; NaN where ``codes`` says not estimable."""

    coefficients: FloatArray  # (n_trials, p), in the unit of the outcome
    covariance: FloatArray  # (n_trials, p, p)
    sd_residual: FloatArray  # (n_trials,)
    df: FloatArray  # (n_trials,) rows less columns
    codes: CodeArray
    kept: BoolArray  # (n_trials, p): columns of the fit that was made

    @property
    def standard_errors(self) -> FloatArray:
        """(n_trials, p)."""
        return diagonal_errors(self.covariance)


def fit_linear(y: ArrayLike, design: ArrayLike, offsets: ArrayLike, *, column: int = 1) -> LinearFits:
    """Fit y = design @ beta + residual by least squares in each trial, eq. (LI-1), with the usual variance, eq. (LI-2).

    ``y`` (n_rows,), ``design`` (n_rows, p), ``offsets`` (n_trials + 1,). ``column`` is the coefficient the fit is for,
    the arm's: columns that repeat others cost only their own coefficients, with NUISANCE_LEFT_OUT, unless its own is
    among them. Where nothing is left that varies the coefficients stand without errors, with ERROR_UNKNOWN. Assumes
    independent residuals of one variance; limits use Student's t with rows less columns degrees of freedom. Raises
    ValueError only when shapes disagree.

    Source: Seber and Lee (2003), Linear regression analysis, sections 3.1 and 3.3.
    """
    outcome = as_vector(y, "y")
    given = as_design(design, outcome.shape[0])
    bounds = as_offsets(offsets, outcome.shape[0])
    standardised = standardise(given, bounds)
    matrix = standardised.design
    n, p = bounds.shape[0] - 1, matrix.shape[1]
    focus = range(p)[column if p > 1 else 0]
    coefficients = np.full((n, p), np.nan)
    covariance = np.full((n, p, p), np.nan)
    sd, df = np.full(n, np.nan), np.full(n, np.nan)
    codes = np.zeros(n, dtype=np.uint32)
    kept = np.ones((n, p), dtype=np.bool_)
    for trial in range(n):
        rows = slice(int(bounds[trial]), int(bounds[trial + 1]))
        x, values = matrix[rows], outcome[rows]
        if not (np.isfinite(x).all() and np.isfinite(values).all()):
            codes[trial] = FitCode.NON_FINITE_INPUT | FitCode.NOT_ESTIMABLE
            continue
        scale = np.sqrt((x * x).sum(axis=0))
        told = np.arange(p)
        if x.shape[0] <= p or (scale == 0).any() or np.linalg.matrix_rank(x / np.where(scale == 0, 1.0, scale)) < p:
            columns = tell_apart(x)
            if x.shape[0] <= columns.kept.sum():
                codes[trial] = FitCode.TOO_FEW_PARTICIPANTS | FitCode.NOT_ESTIMABLE
                continue
            if not columns.told[focus]:
                codes[trial] = FitCode.RANK_DEFICIENT | FitCode.NOT_ESTIMABLE
                continue
            if not columns.kept.all():
                codes[trial] |= FitCode.NUISANCE_LEFT_OUT
            kept[trial], told = columns.kept, np.flatnonzero(columns.told)
        places = np.flatnonzero(kept[trial])
        x = x[:, places]
        inside = np.searchsorted(places, told)
        q, r = np.linalg.qr(x)
        beta = np.linalg.solve(r, q.T @ values)
        residual = values - x @ beta
        df[trial] = x.shape[0] - x.shape[1]
        squares = float(residual @ residual)
        variance = squares / df[trial]
        inverse = np.linalg.inv(r)
        coefficients[trial, told] = beta[inside]
        covariance[trial][np.ix_(told, told)] = (variance * (inverse @ inverse.T))[np.ix_(inside, inside)]
        sd[trial] = np.sqrt(variance)
        if squares <= NOTHING_LEFT * float(values @ values):
            covariance[trial] = np.nan
            if np.ptp(values) <= 1e-12 * np.abs(values).max():
                codes[trial] |= FitCode.CONSTANT_OUTCOME | FitCode.NOT_ESTIMABLE
                coefficients[trial] = np.nan
            else:
                codes[trial] |= FitCode.ERROR_UNKNOWN
    standardised.outwards(coefficients, covariance)
    return LinearFits(coefficients, covariance, sd, df, codes, kept)
