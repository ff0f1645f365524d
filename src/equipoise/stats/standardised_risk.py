"""Risks standardised over the covariates (g-computation). Methods: ``docs/methods/standardised_risk.md``.

>>> import numpy as np
>>> from equipoise.stats.logistic import fit_logistic
>>> from equipoise.stats.standardised_risk import standardise_risks, with_column
>>> y = np.array([1, 1, 0, 0, 1, 0, 0, 0], dtype=float)
>>> x = np.column_stack([np.ones(8), [1, 1, 1, 1, 0, 0, 0, 0]])
>>> fits = fit_logistic(y, x, [0, 8])
>>> risks = standardise_risks(fits, y, x[:, 1], with_column(x, 1, 0.0), with_column(x, 1, 1.0), [0, 8])
>>> round(float(risks.difference.estimate[0]), 9)
0.25
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from equipoise.stats.codes import FitCode, has, mark
from equipoise.stats.firth import FirthFits
from equipoise.stats.logistic import LogisticFits
from equipoise.stats.packing import FloatArray, any_by_trial, sum_by_trial, trial_of_row
from equipoise.stats.wald import CodeArray, as_design, as_offsets, as_vector, normal_quantile, two_sided_p

Variance = Literal["conditional", "population"]


@dataclass(frozen=True)
class StandardisedContrast:
    """One contrast of standardised risks; NaN where not estimable."""

    estimate: FloatArray  # (n_trials,)
    standard_error: FloatArray  # of the difference, or of the log ratio
    ci_lower: FloatArray
    ci_upper: FloatArray
    p_value: FloatArray
    scale: str  # risk_difference or risk_ratio


@dataclass(frozen=True)
class StandardisedRisks:
    """Standardised risks of both arms and their contrasts."""

    risk_control: FloatArray
    risk_experimental: FloatArray
    covariance: FloatArray  # (n_trials, 2, 2) of (control, experimental)
    difference: StandardisedContrast
    ratio: StandardisedContrast
    variance: Variance  # what the standard errors describe
    level: float
    codes: CodeArray


def with_column(design: ArrayLike, column: int, value: float) -> FloatArray:
    """``design`` (n_rows, p) with one column set to ``value`` for everybody."""
    out = np.array(design, dtype=np.float64)
    out[:, column] = value
    return out


def standardise_risks(
    fits: LogisticFits,
    y: ArrayLike,
    is_experimental: ArrayLike,
    design_control: ArrayLike,
    design_experimental: ArrayLike,
    offsets: ArrayLike,
    *,
    variance: Variance = "conditional",
    level: float = 0.95,
) -> StandardisedRisks:
    """Average the predicted risk of every participant had all been in one arm, then in the other, eq. (GC-1).

    ``design_control`` and ``design_experimental`` (n_rows, p) are the designs of ``fits`` with the arm (and its
    interactions) set; ``is_experimental`` (n_rows,) 0 or 1 is the actual arm. ``variance`` "conditional" holds the
    covariates of these participants fixed (delta method, eq. (GC-2)); "population" adds the sampling of covariates,
    eq. (GC-3), and describes the population they come from. Refused (ZERO_CELL, NOT_ESTIMABLE) when an arm has no
    event or only events: report Miettinen and Nurminen's interval instead. Firth fits are refused with a TypeError:
    their predictions are drawn towards one half.

    Source: Ge et al. (2011) Drug Inf J 45:481 (conditional).
    """
    if isinstance(fits, FirthFits):
        raise TypeError("standardised risks need maximum likelihood fits; Firth predictions are biased towards 1/2")
    if variance not in ("conditional", "population"):
        raise ValueError(f"variance must be 'conditional' or 'population', got {variance!r}")
    outcome = as_vector(y, "y")
    n = outcome.shape[0]
    arm = as_vector(is_experimental, "is_experimental", n)
    x0, x1 = as_design(design_control, n), as_design(design_experimental, n)
    bounds = as_offsets(offsets, n)
    codes = fits.codes.copy()
    for value in (0.0, 1.0):
        inside = arm == value
        empty = ~any_by_trial(inside, bounds)
        mark(codes, empty, FitCode.EMPTY_ARM | FitCode.NOT_ESTIMABLE)
        one_sided = ~any_by_trial(inside & (outcome > 0), bounds) | ~any_by_trial(inside & (outcome < 1), bounds)
        mark(codes, ~empty & one_sided, FitCode.ZERO_CELL | FitCode.NOT_ESTIMABLE)
    failed = has(codes, FitCode.NOT_ESTIMABLE)
    beta = np.where(failed[:, None], np.nan, fits.coefficients)
    owner = trial_of_row(bounds)
    size = np.maximum(np.diff(bounds), 1).astype(np.float64)

    risks = np.empty((n, 2))
    gradient = np.empty((beta.shape[0], 2, beta.shape[1]))
    for index, x in enumerate((x0, x1)):
        risks[:, index] = special.expit(np.einsum("rp,rp->r", x, beta[owner]))
        slope = risks[:, index] * (1.0 - risks[:, index])
        gradient[:, index] = sum_by_trial(slope[:, None] * x, bounds) / size[:, None]
    mean = sum_by_trial(risks, bounds) / size[:, None]
    # eq. (GC-2)
    covariance = np.einsum("tap,tpq,tbq->tab", gradient, fits.covariance, gradient)
    if variance == "population":
        deviation = risks - mean[owner]
        outer = (deviation[:, :, None] * deviation[:, None, :]).reshape(n, 4)
        # eq. (GC-3): the covariance of the mean of the predicted pair over participants.
        sampled = sum_by_trial(outer, bounds).reshape(-1, 2, 2) / (size * np.maximum(size - 1.0, 1.0))[:, None, None]
        covariance = covariance + sampled
    mean[failed] = np.nan
    covariance[failed] = np.nan
    z = normal_quantile(level)
    control, experimental = mean[:, 0], mean[:, 1]
    difference = experimental - control
    error = np.sqrt(covariance[:, 0, 0] + covariance[:, 1, 1] - 2.0 * covariance[:, 0, 1])
    log_ratio = np.log(experimental) - np.log(control)
    log_error = np.sqrt(
        covariance[:, 0, 0] / control**2
        + covariance[:, 1, 1] / experimental**2
        - 2.0 * covariance[:, 0, 1] / (control * experimental)
    )
    return StandardisedRisks(
        risk_control=control,
        risk_experimental=experimental,
        covariance=covariance,
        difference=StandardisedContrast(
            difference,
            error,
            difference - z * error,
            difference + z * error,
            two_sided_p(difference / error),
            "risk_difference",
        ),
        ratio=StandardisedContrast(
            np.exp(log_ratio),
            log_error,
            np.exp(log_ratio - z * log_error),
            np.exp(log_ratio + z * log_error),
            two_sided_p(log_ratio / log_error),
            "risk_ratio",
        ),
        variance=variance,
        level=level,
        codes=codes,
    )
