"""Logistic mixed model with a correlated random intercept and slope for each participant, by Laplace's approximation.

For repeated binary outcomes where participants differ not only in their level on the log-odds scale but in their
change over time. Coefficients are log odds ratios *for one and the same participant*.

Laplace's approximation is biased where visits are few and variances large; where a random intercept will do,
:mod:`equipoise.stats.logistic_mixed` with its quadrature is the more accurate model. The kernel is compiled when
this model is first asked for (some ten seconds, once).

Equations and assumptions: ``docs/methods/logistic_mixed_slope.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.stats.codes import FitCode, mark
from equipoise.stats.kernels.laplace_slope import RandomSlopes, RandomSlopesFound, fit_range
from equipoise.stats.logistic_mixed import fit_logistic_mixed, require_packed
from equipoise.stats.nuisance import refit_without_nuisance
from equipoise.stats.packing import FloatArray, IntArray, run_over_trials
from equipoise.stats.standardise import standardise


@dataclass(frozen=True, slots=True)
class LogisticMixedSlopeFits:
    """One fit for each trial; NaN, with a code saying why, where there is no finite answer.

    ``p`` is the number of columns of the design, ``n`` the number of trials.
    """

    coefficients: FloatArray
    """(n, p): log odds ratios given the participant's own level and slope."""
    covariance: FloatArray
    """(n, p, p): of the coefficients, from the inverse observed information of Laplace's likelihood."""
    sd_intercept: FloatArray
    """(n,): standard deviation of participants' levels at slope variable zero, log-odds scale."""
    sd_slope: FloatArray
    """(n,): standard deviation of participants' slopes, per unit of the slope variable."""
    corr: FloatArray
    """(n,): correlation of level and slope; exactly 1 or -1 on the boundary, NaN where one of them is zero."""
    log_likelihood: FloatArray
    """(n,): Laplace's, with all constants, comparable with other programs."""
    gradient_norm: FloatArray
    """(n,): distance to the maximum in standard errors."""
    iterations: IntArray
    """(n,): evaluations of likelihood and gradient."""
    condition: FloatArray
    """(n,): condition of the information matrix (1-norm, scaled to unit diagonal)."""
    codes: NDArray[np.uint32]
    """(n,): bit mask of :class:`equipoise.stats.codes.FitCode`."""
    kept: NDArray[np.bool_]
    """(n, p): columns of the fit that was made."""
    aliased: NDArray[np.bool_]
    """(n, p): the columns that repeat others, where the code says rank-deficient."""

    @property
    def standard_errors(self) -> FloatArray:
        """(n, p): square roots of the diagonal of ``covariance``."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))


def _without_slopes(slope: FloatArray, rows: IntArray, trials: IntArray) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Which trials have a slope variable that is not finite, and which hold too few visits to see slopes differ."""
    n = trials.shape[0] - 1
    owner = np.repeat(np.arange(rows.shape[0] - 1), np.diff(rows))
    trial = np.repeat(np.arange(n), np.diff(trials))
    finite = np.isfinite(slope)
    broken = np.bincount(trial[owner[~finite]], minlength=n) > 0
    order = np.lexsort((slope, owner))
    who, what = owner[order], slope[order]
    is_new = np.ones(slope.shape[0], dtype=bool)
    is_new[1:] = (who[1:] != who[:-1]) | (what[1:] != what[:-1])
    distinct = np.bincount(who[is_new], minlength=rows.shape[0] - 1)
    # Two outcomes a participant carry one association, and there are three parameters of variance.
    enough = np.bincount(trial[distinct >= 2], minlength=n) >= 2
    three = np.bincount(trial[np.diff(rows) >= 3], minlength=n) >= 2
    return broken, ~(enough & three)


def fit_logistic_mixed_slope(
    y: ArrayLike,
    design: ArrayLike,
    participant_offsets: ArrayLike,
    trial_offsets: ArrayLike,
    *,
    slope: ArrayLike,
    column: int | None = 1,
    threads: int | None = None,
) -> LogisticMixedSlopeFits:
    """Fit logit P(y = 1 | b) = design beta + b0 + b1 slope, (b0, b1) normal, to each trial by Laplace's likelihood.

    Parameters
    ----------
    y : (rows,) 0 or 1; rows with a missing outcome are left out by the caller.
    design : (rows, p), with its column of ones if an intercept is wanted.
    participant_offsets : (participants + 1,) rows of each participant.
    trial_offsets : (trials + 1,) *participants* of each trial.
    slope : (rows,) the variable whose slope differs between participants (weeks, say); usually a column of the design
        as well.
    column : the coefficient the fit is for, as in :func:`equipoise.stats.logistic_mixed.fit_logistic_mixed`.
    threads : how many; one for each core when None. The answer does not depend on it, bit for bit.

    Never raises for what the data hold: NaN and a code instead. A correlation of 1 or -1 is returned exactly, with
    ``BOUNDARY_VARIANCE``; where both variances are zero the answer is exactly the pooled logistic fit. Raises
    ValueError where the arrays do not fit together.

    Assumptions: those of :func:`equipoise.stats.logistic_mixed.fit_logistic_mixed`, the pair (b0, b1) being normal.

    Source: Breslow and Clayton (1993), J Am Stat Assoc 88:9-25, eq. (4), without dropping the determinant; gradient
    with the movement of the modes, eq. (LAP-4) in ``docs/methods/logistic_mixed_slope.md``.
    """
    outcome, given, rows, trials = require_packed(y, design, participant_offsets, trial_offsets)
    standardised = standardise(given, rows[trials], threads=threads)
    matrix = standardised.design
    slopes = np.require(slope, np.float64, ["C", "W"])
    if slopes.shape != outcome.shape:
        raise ValueError(f"slope {slopes.shape} must have one value per row, like y {outcome.shape}")
    # The model with a random intercept alone: what is wrong with the data, where to begin, a value to rise above.
    smaller = fit_logistic_mixed(outcome, matrix, rows, trials, nodes=1, threads=threads, column=None)
    n = trials.shape[0] - 1
    codes = smaller.codes.copy()
    broken, too_few = _without_slopes(slopes, rows, trials)
    codes[broken] = np.uint32(FitCode.NON_FINITE_INPUT | FitCode.NOT_ESTIMABLE)
    mark(codes, too_few & ~broken & ((codes & FitCode.NOT_ESTIMABLE) == 0), FitCode.TOO_FEW_VISITS)
    mark(codes, (codes & FitCode.TOO_FEW_VISITS) != 0, FitCode.NOT_ESTIMABLE)
    start = (smaller.coefficients, smaller.sd_intercept, smaller.log_likelihood)
    packed = RandomSlopes(outcome, matrix, slopes, rows, trials, *start)
    found = RandomSlopesFound(
        coefficients=smaller.coefficients.copy(),
        covariance=smaller.covariance.copy(),
        sd=np.full((n, 3), np.nan),
        log_likelihood=smaller.log_likelihood.copy(),
        gradient_norm=smaller.gradient_norm.copy(),
        iterations=smaller.iterations.copy(),
        condition=smaller.condition.copy(),
        codes=codes,
    )
    run_over_trials(lambda first, stop: fit_range(packed, found, first, stop), n, threads=threads)
    failed = (codes & FitCode.NOT_ESTIMABLE) != 0
    for array in (found.coefficients, found.covariance, found.sd, found.log_likelihood, found.condition):
        array[failed] = np.nan
    standardised.outwards(found.coefficients, found.covariance)
    fits = LogisticMixedSlopeFits(
        coefficients=found.coefficients,
        covariance=found.covariance,
        sd_intercept=found.sd[:, 0].copy(),
        sd_slope=found.sd[:, 1].copy(),
        corr=found.sd[:, 2].copy(),
        log_likelihood=found.log_likelihood,
        gradient_norm=found.gradient_norm,
        iterations=found.iterations,
        condition=found.condition,
        codes=codes,
        kept=np.ones_like(smaller.aliased),
        aliased=smaller.aliased,
    )
    refit_without_nuisance(
        fits,
        outcome,
        given,
        rows,
        trials,
        column,
        lambda y, x, bounds, where: fit_logistic_mixed_slope(
            y, x, bounds, [0, bounds.size - 1], slope=slopes[where], threads=1
        ),
    )
    return fits
