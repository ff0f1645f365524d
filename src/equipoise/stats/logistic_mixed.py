"""Logistic mixed model with a random intercept for each participant, by adaptive Gauss-Hermite quadrature.

Repeated binary outcomes (urine positive or negative at each visit) of one participant resemble one another. The model
gives every participant an own level on the log-odds scale, normally distributed with standard deviation
``sd_intercept``; coefficients are log odds ratios *for one and the same participant*. The effect averaged over
participants is smaller: see :mod:`equipoise.stats.marginal`.

Equations and assumptions: ``docs/methods/logistic_mixed.md``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from equipoise.stats.codes import FitCode
from equipoise.stats.kernels.quadrature import QuadratureRule
from equipoise.stats.kernels.quadrature_batch import LogisticMixedFound, RepeatedBinary, fit_range
from equipoise.stats.nuisance import refit_without_nuisance
from equipoise.stats.packing import FloatArray, IntArray, run_over_trials
from equipoise.stats.standardise import Standardised, standardise

DEFAULT_NODES = 12
MAX_NODES = 100
COARSE_NODES = 4
MAX_COLUMNS = 64


@dataclass(frozen=True, slots=True)
class LogisticMixedFits:
    """One logistic mixed fit for each trial; NaN, with a code saying why, where there is no finite answer.

    ``p`` is the number of columns of the design, ``n`` the number of trials.
    """

    coefficients: FloatArray
    """(n, p): log odds ratios given the participant's own level."""
    covariance: FloatArray
    """(n, p, p): of the coefficients, from the inverse observed information of the quadrature's likelihood."""
    joint_covariance: FloatArray
    """(n, p + 1, p + 1): of (coefficients, sd_intercept); the last row is NaN where the variance is zero."""
    log_likelihood: FloatArray
    """(n,): with all constants, comparable with other programs and with other designs on the same rows."""
    sd_intercept: FloatArray
    """(n,): standard deviation between participants, log-odds scale; exactly 0 on the boundary."""
    gradient_norm: FloatArray
    """(n,): length of the last gradient in the metric of the inverse information, that is, the distance to the
    maximum in standard errors."""
    iterations: IntArray
    """(n,): evaluations of likelihood, gradient and Hessian by quadrature."""
    condition: FloatArray
    """(n,): condition of the information matrix (1-norm, scaled to unit diagonal)."""
    codes: NDArray[np.uint32]
    """(n,): bit mask of :class:`equipoise.stats.codes.FitCode`."""
    aliased: NDArray[np.bool_]
    """(n, p): the columns that repeat others."""
    kept: NDArray[np.bool_]
    """(n, p): columns of the fit that was made."""
    nodes: int
    """Quadrature nodes; 1 is Laplace's approximation."""
    change_on_doubling: FloatArray | None = None
    """(n,): largest change of a coefficient, in its standard errors, on doubling the nodes; None if not asked for."""

    @property
    def standard_errors(self) -> FloatArray:
        """(n, p): square roots of the diagonal of ``covariance``."""
        return np.sqrt(np.diagonal(self.covariance, axis1=1, axis2=2))


def gauss_hermite(nodes: int) -> tuple[FloatArray, FloatArray]:
    """Nodes z and logarithms of the adaptive weights, log(w exp(z² / 2) / sqrt(2 pi)), for the standard normal."""
    if not 1 <= nodes <= MAX_NODES:
        raise ValueError(f"nodes must lie between 1 and {MAX_NODES}, not {nodes}")
    z, w = np.polynomial.hermite_e.hermegauss(nodes)
    return z, np.log(w) + 0.5 * z * z - 0.5 * np.log(2.0 * np.pi)


def require_packed(
    y: ArrayLike, design: ArrayLike, participant_offsets: ArrayLike, trial_offsets: ArrayLike
) -> tuple[FloatArray, FloatArray, IntArray, IntArray]:
    """The four arrays in the layout of the kernels, or a ValueError that says which does not fit.

    ``participant_offsets`` counts rows, ``trial_offsets`` counts participants.
    """
    # Kernels are compiled for writable arrays; a column of a Polars frame is not one and is copied.
    outcome = np.require(y, np.float64, ["C", "W"])
    matrix = np.require(design, np.float64, ["C", "W"])
    rows = np.require(participant_offsets, np.int64, ["C", "W"])
    trials = np.require(trial_offsets, np.int64, ["C", "W"])
    if outcome.ndim != 1 or matrix.ndim != 2 or matrix.shape[0] != outcome.shape[0] or matrix.shape[1] < 1:
        raise ValueError(f"y {outcome.shape} and design {matrix.shape} must be (rows,) and (rows, columns)")
    for name, offsets, end, what in (
        ("participant_offsets", rows, outcome.shape[0], "rows"),
        ("trial_offsets", trials, rows.shape[0] - 1, "participants"),
    ):
        if offsets.ndim != 1 or offsets.shape[0] < 1 or offsets[0] != 0 or offsets[-1] != end:
            raise ValueError(f"{name} must begin at 0 and end at the number of {what}, {end}")
        if np.any(np.diff(offsets) < 0):
            raise ValueError(f"{name} must not fall")
    return outcome, matrix, rows, trials


def fit_logistic_mixed(
    y: ArrayLike,
    design: ArrayLike,
    participant_offsets: ArrayLike,
    trial_offsets: ArrayLike,
    *,
    nodes: int = DEFAULT_NODES,
    threads: int | None = None,
    report_change_on_doubling: bool = False,
    column: int | None = 1,
) -> LogisticMixedFits:
    """Fit logit P(y = 1 | b) = design beta + b, b normal, to each trial by maximum likelihood.

    Parameters
    ----------
    y : (rows,) 0 or 1; rows with a missing outcome are left out by the caller (valid when missing at random given
        the design and the participant's other outcomes).
    design : (rows, p), with its column of ones if an intercept is wanted.
    participant_offsets : (participants + 1,) participant ``i`` owns rows ``participant_offsets[i]`` up to, not
        including, ``participant_offsets[i + 1]``.
    trial_offsets : (trials + 1,) trial ``k`` owns *participants* ``trial_offsets[k]`` up to ``trial_offsets[k + 1]``.
    nodes : 1 to 100; 1 is Laplace's approximation, which is biased for few visits and large variance.
    threads : how many; one for each core when None. The answer does not depend on it, bit for bit.
    report_change_on_doubling : fit again with twice the nodes and fill ``change_on_doubling``; a change above a
        tenth of a standard error sets ``QUADRATURE_UNSTABLE``.
    column : the coefficient the fit is for, the arm's: where the data determine it to be finite it is given, whatever
        other columns repeat one another or run off; these are NaN, with NUISANCE_LEFT_OUT.

    Never raises for what the data hold: a separated, constant, rank-deficient or non-finite trial has NaN and a code.
    Raises ValueError where the arrays do not fit together.

    Source: Pinheiro and Bates (1995), J Comput Graph Stat 4:12-35, eq. (2.12); gradient and Hessian are of the
    quadrature itself, movement of the nodes included: eq. (QUAD-7), (QUAD-8) in ``docs/methods/logistic_mixed.md``.
    """
    outcome, given, rows, trials = require_packed(y, design, participant_offsets, trial_offsets)
    standardised = standardise(given, rows[trials], threads=threads)
    matrix = standardised.design
    n, p = trials.shape[0] - 1, matrix.shape[1]
    if p > MAX_COLUMNS:
        raise ValueError(f"the design has {p} columns; at most {MAX_COLUMNS} are allowed")

    def run(n_nodes: int, start: FloatArray) -> LogisticMixedFits:
        rule, coarse = (
            QuadratureRule(*gauss_hermite(n_nodes)),
            QuadratureRule(*gauss_hermite(min(n_nodes, COARSE_NODES))),
        )
        packed, found = RepeatedBinary(outcome, matrix, rows, trials, start), _room(n, p)
        run_over_trials(lambda first, stop: fit_range(packed, rule, coarse, found, first, stop), n, threads=threads)
        return LogisticMixedFits(
            coefficients=found.coefficients,
            covariance=np.ascontiguousarray(found.covariance[:, :p, :p]),
            joint_covariance=found.covariance,
            log_likelihood=found.log_likelihood,
            sd_intercept=found.sd,
            gradient_norm=found.gradient_norm,
            iterations=found.iterations,
            condition=found.condition,
            codes=found.codes,
            aliased=found.aliased,
            kept=np.ones((n, p), dtype=np.bool_),
            nodes=n_nodes,
        )

    fits = run(nodes, np.empty((n, 0)))
    if report_change_on_doubling:
        fits = _with_change_on_doubling(fits, run)
    _outwards(standardised, fits)
    refit_without_nuisance(
        fits,
        outcome,
        given,
        rows,
        trials,
        column,
        lambda y, x, bounds, where: fit_logistic_mixed(
            y,
            x,
            bounds,
            [0, bounds.size - 1],
            nodes=nodes,
            threads=1,
            report_change_on_doubling=report_change_on_doubling,
        ),
    )
    return fits


def _room(n: int, p: int) -> LogisticMixedFound:
    """Outputs of ``n`` trials with ``p`` columns: NaN, no code."""
    return LogisticMixedFound(
        coefficients=np.full((n, p), np.nan),
        covariance=np.full((n, p + 1, p + 1), np.nan),
        log_likelihood=np.full(n, np.nan),
        sd=np.full(n, np.nan),
        gradient_norm=np.full(n, np.nan),
        iterations=np.zeros(n, dtype=np.int64),
        condition=np.full(n, np.nan),
        codes=np.zeros(n, dtype=np.uint32),
        aliased=np.zeros((n, p), dtype=np.bool_),
    )


def _with_change_on_doubling(
    fits: LogisticMixedFits, run: Callable[[int, FloatArray], LogisticMixedFits]
) -> LogisticMixedFits:
    """The fits with how far their coefficients move on twice the nodes."""
    doubled = run(min(2 * fits.nodes, MAX_NODES), np.column_stack([fits.coefficients, fits.sd_intercept]))
    with np.errstate(invalid="ignore", divide="ignore"):
        change = np.max(np.abs(doubled.coefficients - fits.coefficients) / fits.standard_errors, axis=1)
    unstable = np.where(change > 0.1, np.uint32(FitCode.QUADRATURE_UNSTABLE), np.uint32(0))
    return replace(fits, codes=fits.codes | unstable, change_on_doubling=change)


def _outwards(standardised: Standardised, fits: LogisticMixedFits) -> None:
    """Coefficients and their covariance, alone and with the standard deviation, in the caller's units."""
    p = fits.coefficients.shape[1]
    standardised.outwards(fits.coefficients, fits.covariance)
    for trial in standardised.trials:
        fits.joint_covariance[trial, :p, :p] = fits.covariance[trial]
    for column in (fits.joint_covariance[:, :p, p], fits.joint_covariance[:, p, :p]):
        standardised.outwards(column)
