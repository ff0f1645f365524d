"""Linear mixed model: random intercept, or correlated intercept and slope, by REML or ML, with Satterthwaite df.

For repeated continuous outcomes (a craving score at each visit). Participants differ in level and, if asked, in their
change over time; both are normal, as is the residual. Equations and assumptions: ``docs/methods/linear_mixed.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.stats.codes import FitCode
from equipoise.stats.kernels.linear_mixed import LinearMixedFound, Repeated, fit_range
from equipoise.stats.logistic_mixed import require_packed
from equipoise.stats.nothing_within import fit_limit
from equipoise.stats.nuisance import refit_without_nuisance, tell_apart
from equipoise.stats.packing import FloatArray, IntArray, run_over_trials
from equipoise.stats.standardise import standardise


@dataclass(frozen=True, slots=True)
class LinearMixedFits:
    """One linear mixed fit for each trial; NaN, with a code saying why, where there is no finite answer.

    ``p`` is the number of columns of the design, ``n`` the number of trials.
    """

    coefficients: FloatArray
    """(n, p): in the unit of the outcome."""
    covariance: FloatArray
    """(n, p, p): of the coefficients, at the estimated variances."""
    df: FloatArray
    """(n, p): Satterthwaite degrees of freedom of each coefficient."""
    sd_intercept: FloatArray
    """(n,): standard deviation of participants' levels at slope variable zero; exactly 0 on the boundary."""
    sd_slope: FloatArray
    """(n,): standard deviation of participants' slopes, per unit of the slope variable; NaN without a slope."""
    corr: FloatArray
    """(n,): correlation of level and slope, -1 to 1; NaN without a slope or where one of them is zero."""
    sd_residual: FloatArray
    """(n,): standard deviation of the residual."""
    log_likelihood: FloatArray
    """(n,): restricted where ``reml``, with all constants (as lme4's ``logLik``)."""
    gradient_norm: FloatArray
    """(n,): length of the last gradient in the metric of the inverse Hessian."""
    iterations: IntArray
    """(n,): evaluations of the likelihood with its derivatives."""
    condition: FloatArray
    """(n,): the larger of the condition numbers of the information on variances and on coefficients."""
    codes: NDArray[np.uint32]
    """(n,): bit mask of :class:`equipoise.stats.codes.FitCode`."""
    aliased: NDArray[np.bool_]
    """(n, p): the columns that repeat others."""
    kept: NDArray[np.bool_]
    """(n, p): columns of the fit that was made."""
    variance_parameter_covariance: FloatArray
    """(n, k, k): of the variance parameters (relative factor, log residual variance), for Satterthwaite."""
    covariance_jacobian: FloatArray
    """(n, k, p, p): derivative of ``covariance`` in each variance parameter."""
    reml: bool

    @property
    def standard_errors(self) -> FloatArray:
        """(n, p): square roots of the diagonal of ``covariance``."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))


@dataclass(frozen=True, slots=True)
class Contrasts:
    """One linear combination of the coefficients for each trial: each array is (n,)."""

    estimate: FloatArray
    standard_error: FloatArray
    df: FloatArray


def fit_linear_mixed(
    y: ArrayLike,
    design: ArrayLike,
    participant_offsets: ArrayLike,
    trial_offsets: ArrayLike,
    *,
    slope: ArrayLike | None = None,
    reml: bool = True,
    column: int | None = 1,
    threads: int | None = None,
) -> LinearMixedFits:
    """Fit y = design beta + b0 + b1 slope + residual to each trial.

    Parameters
    ----------
    y : (rows,) the outcome; transform it first if the model is for its logarithm.
    design : (rows, p), with its column of ones if an intercept is wanted.
    participant_offsets : (participants + 1,) rows of each participant.
    trial_offsets : (trials + 1,) *participants* of each trial.
    slope : (rows,) the variable whose slope differs between participants (weeks, say), or None for a random intercept
        alone. It is usually a column of the design as well.
    reml : restricted (residual) maximum likelihood, or maximum likelihood when False.
    column : the coefficient the fit is for, the arm's: columns that repeat others cost only their own coefficients,
        with NUISANCE_LEFT_OUT, unless its own is among them.
    threads : how many; one for each core when None. The answer does not depend on it, bit for bit.

    Never raises for what the data hold: NaN and a code instead. A variance or correlation on its boundary is returned
    exactly there, with ``BOUNDARY_VARIANCE``. Raises ValueError where the arrays do not fit together.

    Source: Bates et al. (2015), J Stat Softw 67(1), eq. (39) and (41), profiled likelihood; Giesbrecht and Burns
    (1985), Biometrics 41:477-486, and Kuznetsova et al. (2017), J Stat Softw 82(13), degrees of freedom.
    """
    outcome, given, rows, trials = require_packed(y, design, participant_offsets, trial_offsets)
    standardised = standardise(given, rows[trials], threads=threads)
    matrix = standardised.design
    slopes = np.require([] if slope is None else slope, np.float64, ["C", "W"])
    if slope is not None and slopes.shape != outcome.shape:
        raise ValueError(f"slope {slopes.shape} must have one value per row, like y {outcome.shape}")
    n, p = trials.shape[0] - 1, matrix.shape[1]
    k = 2 if slope is None else 4
    packed, found = Repeated(outcome, matrix, slopes, rows, trials), _room(n, p, k)
    run_over_trials(
        lambda first, stop: fit_range(packed, slope is not None, reml, found, first, stop), n, threads=threads
    )
    standardised.outwards(found.coefficients, found.covariance)
    for change in range(k):
        standardised.outwards(np.zeros((n, p)), found.jacobian[:, change])
    moved = standardised.trials
    found.df[moved] = _satterthwaite(
        found.df[moved], found.covariance[moved], found.jacobian[moved], found.parameter_covariance[moved]
    )
    if reml:
        found.log_likelihood[moved] -= np.log(standardised.scale).sum(axis=1)
    fits = LinearMixedFits(
        coefficients=found.coefficients,
        covariance=found.covariance,
        df=found.df,
        sd_intercept=found.sd[:, 0].copy(),
        sd_slope=found.sd[:, 1].copy(),
        corr=found.sd[:, 2].copy(),
        sd_residual=found.sd[:, 3].copy(),
        log_likelihood=found.log_likelihood,
        gradient_norm=found.gradient_norm,
        iterations=found.iterations,
        condition=found.condition,
        codes=found.codes,
        aliased=found.aliased,
        kept=np.ones((n, p), dtype=np.bool_),
        variance_parameter_covariance=found.parameter_covariance,
        covariance_jacobian=found.jacobian,
        reml=reml,
    )
    refit_without_nuisance(
        fits,
        outcome,
        given,
        rows,
        trials,
        column,
        lambda y, x, bounds, where: fit_linear_mixed(
            y, x, bounds, [0, bounds.size - 1], slope=None if slope is None else slopes[where], reml=reml, threads=1
        ),
    )
    _without_error(fits, outcome, given, rows, trials)
    _without_residual(fits, outcome, given, rows, trials)
    return fits


def _room(n: int, p: int, k: int) -> LinearMixedFound:
    """Outputs of ``n`` trials with ``p`` columns and ``k`` variance parameters: NaN, no code."""
    return LinearMixedFound(
        coefficients=np.full((n, p), np.nan),
        covariance=np.full((n, p, p), np.nan),
        df=np.full((n, p), np.nan),
        parameter_covariance=np.full((n, k, k), np.nan),
        jacobian=np.full((n, k, p, p), np.nan),
        sd=np.full((n, 4), np.nan),
        log_likelihood=np.full(n, np.nan),
        gradient_norm=np.full(n, np.nan),
        iterations=np.zeros(n, dtype=np.int64),
        condition=np.full(n, np.nan),
        codes=np.zeros(n, dtype=np.uint32),
        aliased=np.zeros((n, p), dtype=np.bool_),
    )


def _without_residual(
    fits: LinearMixedFits, y: FloatArray, design: FloatArray, rows: IntArray, trials: IntArray
) -> None:
    """The limit where nobody's scores change but for what all share, which no iteration reaches; eq. (LMM-10)."""
    has_slope = fits.covariance_jacobian.shape[1] > 2
    for trial in np.flatnonzero((fits.codes & FitCode.NOT_CONVERGED) != 0):
        bounds = rows[int(trials[trial]) : int(trials[trial + 1]) + 1]
        part = slice(int(bounds[0]), int(bounds[-1]))
        found = fit_limit(y[part], design[part], bounds - bounds[0], reml=fits.reml, exact=has_slope)
        if found is None:
            continue
        fits.codes[trial] &= ~np.uint32(FitCode.NOT_CONVERGED | FitCode.NOT_ESTIMABLE)
        if found.variance_within == 0.0:
            fits.codes[trial] |= np.uint32(FitCode.VARIANCE_UNBOUNDED)
        fits.coefficients[trial], fits.covariance[trial] = found.coefficients, found.between + found.within
        fits.sd_intercept[trial], fits.sd_residual[trial] = np.sqrt([found.variance_between, found.variance_within])
        fits.sd_slope[trial] = 0.0 if has_slope else np.nan
        # Two variances, each known like that of a regression.
        fits.covariance_jacobian[trial], fits.variance_parameter_covariance[trial] = 0.0, 0.0
        fits.covariance_jacobian[trial, 0], fits.covariance_jacobian[trial, 1] = found.between, found.within
        fits.variance_parameter_covariance[trial, 0, 0] = 2.0 / found.df_between
        fits.variance_parameter_covariance[trial, 1, 1] = 2.0 / found.df_within
        one = slice(trial, trial + 1)
        fits.df[one] = _satterthwaite(
            np.full_like(fits.df[one], np.nan),
            fits.covariance[one],
            fits.covariance_jacobian[one],
            fits.variance_parameter_covariance[one],
        )


def _without_error(fits: LinearMixedFits, y: FloatArray, design: FloatArray, rows: IntArray, trials: IntArray) -> None:
    """Tell apart that nothing varies from that nothing is left to vary: then the coefficients stand without errors."""
    bounds = rows[trials]
    for trial in np.flatnonzero((fits.codes & FitCode.CONSTANT_OUTCOME) != 0):
        part = slice(int(bounds[trial]), int(bounds[trial + 1]))
        values = y[part]
        if np.ptp(values) <= 1e-12 * np.abs(values).max():
            continue
        columns = tell_apart(design[part])
        fits.codes[trial] &= ~np.uint32(FitCode.CONSTANT_OUTCOME | FitCode.NOT_ESTIMABLE)
        fits.codes[trial] |= np.uint32(FitCode.ERROR_UNKNOWN)
        fits.sd_intercept[trial] = fits.sd_residual[trial] = 0.0
        fits.coefficients[trial, columns.kept] = np.linalg.lstsq(design[part][:, columns.kept], values, rcond=None)[0]
        fits.coefficients[trial, ~columns.told] = np.nan


def _satterthwaite(
    df: FloatArray, covariance: FloatArray, jacobian: FloatArray, parameter_covariance: FloatArray
) -> FloatArray:
    """(n, p) degrees of freedom of each coefficient from the moments of its variance, eq. (LMM-9)."""
    variance = np.diagonal(covariance, axis1=1, axis2=2)
    slopes = np.diagonal(jacobian, axis1=2, axis2=3)
    spread = np.einsum("nka,nkl,nla->na", slopes, parameter_covariance, slopes)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(np.isfinite(spread) & (spread > 0.0), 2.0 * variance**2 / spread, df)


def estimate_contrast(fits: LinearMixedFits, weights: ArrayLike) -> Contrasts:
    """Estimate ``weights`` @ beta with its standard error and Satterthwaite degrees of freedom.

    ``weights`` is (p,), or (n, p) with a row for each trial: the difference between arms at week 12 in a model with
    arm and arm by week is arm + 12 arm:week. Eq. (LMM-9).
    """
    w = np.broadcast_to(np.asarray(weights, dtype=np.float64), fits.coefficients.shape)
    variance = np.einsum("na,nac,nc->n", w, fits.covariance, w)
    slopes = np.einsum("na,nkac,nc->nk", w, fits.covariance_jacobian, w)
    spread = np.einsum("nk,nkl,nl->n", slopes, fits.variance_parameter_covariance, slopes)
    with np.errstate(divide="ignore", invalid="ignore"):
        df = np.where(spread > 0.0, 2.0 * variance**2 / spread, np.nan)
    return Contrasts(estimate=np.einsum("na,na->n", w, fits.coefficients), standard_error=np.sqrt(variance), df=df)
