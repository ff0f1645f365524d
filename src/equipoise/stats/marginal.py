"""The effect averaged over participants, beside the effect within one participant of a logistic mixed model.

The odds ratio of a mixed model compares one participant with and without treatment; the odds ratio of proportions in
the two arms, which a GEE estimates, is closer to one. Integrating the mixed model over the participants' own levels
gives the second from the first. Equations: ``docs/methods/marginal.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from equipoise.stats.logistic_mixed import LogisticMixedFits
from equipoise.stats.packing import FloatArray, IntArray

DEFAULT_NODES = 60


@dataclass(frozen=True, slots=True)
class MarginalEffects:
    """Population-averaged effects, one entry a trial; NaN where the mixed model is not estimable."""

    risk_control: FloatArray
    """(n,): mean probability, 0 to 1, were everybody in the control arm."""
    risk_experimental: FloatArray
    """(n,): the same, were everybody in the experimental arm."""
    log_odds_ratio: FloatArray
    """(n,): log of the odds ratio of the two risks, experimental to control."""
    log_odds_ratio_se: FloatArray
    """(n,): its standard error by the delta method."""
    risk_difference: FloatArray
    """(n,): experimental minus control, -1 to 1."""
    risk_difference_se: FloatArray
    """(n,): its standard error by the delta method."""


def estimate_marginal_effect(
    fits: LogisticMixedFits,
    design_control: ArrayLike,
    design_experimental: ArrayLike,
    row_offsets: ArrayLike,
    *,
    nodes: int = DEFAULT_NODES,
) -> MarginalEffects:
    """Average the fitted probabilities over participants' levels and over the given rows, in either arm.

    Parameters
    ----------
    fits : of :func:`equipoise.stats.logistic_mixed.fit_logistic_mixed`, n trials of p columns.
    design_control, design_experimental : (rows, p) the rows to average over with everybody in one arm, then in the
        other. Give every participant at every planned visit, so that dropout does not choose whom the average is of.
    row_offsets : (n + 1,) rows of each trial.
    nodes : Gauss-Hermite nodes for the average over levels.

    The standard errors hold the rows (covariates) fixed and carry the uncertainty of coefficients and of
    ``sd_intercept``; with a variance of zero they are those of the pooled model. Eq. (MARG-1) to (MARG-4).
    Source: Pavlou et al. (2015), Stat Methods Med Res 24:1055, section 2; Zeger, Liang and Albert (1988).
    """
    control = np.asarray(design_control, dtype=np.float64)
    experimental = np.asarray(design_experimental, dtype=np.float64)
    offsets = np.asarray(row_offsets, dtype=np.int64)
    n, p = fits.coefficients.shape
    if control.shape != experimental.shape or control.ndim != 2 or control.shape[1] != p:
        raise ValueError(f"designs {control.shape} and {experimental.shape} must both be (rows, {p})")
    if offsets.shape != (n + 1,) or offsets[0] != 0 or offsets[-1] != control.shape[0] or np.any(np.diff(offsets) < 1):
        raise ValueError(f"row_offsets must have {n + 1} rising entries from 0 to {control.shape[0]}")
    sizes = np.diff(offsets)
    sd = np.repeat(fits.sd_intercept, sizes)
    risk_0, slope_0 = _average(control, np.repeat(fits.coefficients, sizes, axis=0), sd, offsets, nodes)
    risk_1, slope_1 = _average(experimental, np.repeat(fits.coefficients, sizes, axis=0), sd, offsets, nodes)
    covariance = fits.joint_covariance.copy()
    on_boundary = fits.sd_intercept == 0.0
    covariance[on_boundary, p, :] = 0.0
    covariance[on_boundary, :, p] = 0.0

    def standard_error(slope: FloatArray) -> FloatArray:
        variance: FloatArray = np.einsum("na,nac,nc->n", slope, covariance, slope)
        return np.sqrt(variance)

    log_odds_slope = slope_1 / (risk_1 * (1 - risk_1))[:, None] - slope_0 / (risk_0 * (1 - risk_0))[:, None]
    return MarginalEffects(
        risk_control=risk_0,
        risk_experimental=risk_1,
        log_odds_ratio=np.log(risk_1 / (1 - risk_1)) - np.log(risk_0 / (1 - risk_0)),
        log_odds_ratio_se=standard_error(log_odds_slope),
        risk_difference=risk_1 - risk_0,
        risk_difference_se=standard_error(slope_1 - slope_0),
    )


def _average(
    design: FloatArray, coefficients: FloatArray, sd: FloatArray, offsets: IntArray, nodes: int
) -> tuple[FloatArray, FloatArray]:
    """Mean probability of each trial, (n,), and its derivative in (beta, sd), (n, p + 1); (MARG-1), (MARG-3)."""
    from scipy.special import expit

    z, w = np.polynomial.hermite_e.hermegauss(nodes)
    w = w / w.sum()
    eta = np.einsum("rp,rp->r", design, coefficients)
    risk, d_eta, d_sd = np.zeros_like(eta), np.zeros_like(eta), np.zeros_like(eta)
    for node, weight in zip(z, w, strict=True):
        probability = expit(eta + sd * node)
        variance = weight * probability * (1.0 - probability)
        risk += weight * probability
        d_eta += variance
        d_sd += variance * node
    sizes = np.diff(offsets)
    derivative = np.column_stack([design * d_eta[:, None], d_sd])
    mean_derivative = np.add.reduceat(derivative, offsets[:-1], axis=0) / sizes[:, None]
    return np.add.reduceat(risk, offsets[:-1]) / sizes, mean_derivative
