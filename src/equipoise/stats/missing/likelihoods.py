"""Imputed data sets combined by their penalised likelihoods, for sets that are separated. Methods:
``docs/methods/rubin.md``.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import special
from scipy.optimize import brentq

from equipoise.stats.firth import FirthFits
from equipoise.stats.kernels import logistic as kernels
from equipoise.stats.logistic import BinomialInput
from equipoise.stats.packing import FloatArray, IntArray

_FURTHEST = 60.0


@dataclass(frozen=True, slots=True)
class CombinedLikelihoods:
    """Limits and p value of one coefficient from the penalised likelihoods of M sets, with their Monte Carlo errors."""

    ci_lower: float
    ci_upper: float
    p_value: float
    error_lower: float
    error_upper: float
    error_p: float


def combine_likelihoods(
    fits: FirthFits,
    data: BinomialInput,
    sets: IntArray,
    *,
    column: int = 1,
    level: float = 0.95,
) -> CombinedLikelihoods:
    """Combine profiles of the penalised likelihood, eq. (RU-10): limits where the mean of the sets' distribution
    functions is (1 - level) / 2 and (1 + level) / 2.

    ``fits`` are Firth fits of ``data``, ``sets`` (M,) says which of them is each set's. A profile's signed root is
    taken as a normal deviate. NaN where a set has no fit or a limit lies beyond 60 on the logarithm.

    Source: Heinze, Ploner and Beyea (2013), Stat Med 32:5062.
    """
    nowhere = CombinedLikelihoods(*(float("nan"),) * 6)
    n_fits = data.n_trials
    used = np.bincount(sets, minlength=n_fits) > 0
    centre = fits.coefficients[:, column]
    if not np.isfinite(centre[used]).all() or (~fits.kept[used]).any():
        return nowhere
    beta = fits.coefficients.copy()
    data.standardised.inwards(beta)
    unit = data.standardised.unit_of(column, n_fits)

    def distribution(b: float) -> FloatArray:
        """Each set's distribution function at ``b``; NaN where a profile was not reached."""
        held = beta.copy()
        held[:, column] = b / unit
        quality = np.full((n_fits, kernels.N_QUALITY), np.nan)
        value = data.maximise(used, held, fixed=column, penalised=True, quality=quality, threads=1)
        value[quality[:, kernels.STATUS] != kernels.CONVERGED] = np.nan
        root = np.sign(b - centre) * np.sqrt(np.maximum(2.0 * (fits.log_lik - value), 0.0))
        return np.asarray(special.ndtr(root))[sets]

    def mean_at(b: float) -> float:
        return float(distribution(b).mean())

    def limit(tail: float, sign: float) -> float:
        middle = float(np.median(centre[sets]))
        step = 1.0
        outside = middle
        while sign * (mean_at(outside) - tail) < 0.0:
            outside += sign * step
            step *= 1.5
            if abs(outside - middle) > _FURTHEST:
                return float("nan")
        inside = middle
        while sign * (mean_at(inside) - tail) > 0.0:
            inside -= sign * step
            if abs(inside - middle) > _FURTHEST:
                return float("nan")
        try:
            return (
                float(brentq(lambda b: mean_at(b) - tail, inside, outside, xtol=1e-9, maxiter=1000))
                if inside != outside
                else middle
            )
        except ValueError:
            return float("nan")

    m = sets.size
    tail = 0.5 * (1.0 - level)
    lower, upper = limit(tail, -1.0), limit(1.0 - tail, 1.0)

    def error(b: float) -> float:
        if not np.isfinite(b) or m < 2:
            return float("nan")
        slope = (mean_at(b + 1e-3) - mean_at(b - 1e-3)) / 2e-3
        return float(distribution(b).std(ddof=1) / np.sqrt(m) / slope) if slope > 0.0 else float("nan")

    at_zero = distribution(0.0)
    share = float(at_zero.mean())
    return CombinedLikelihoods(
        ci_lower=lower,
        ci_upper=upper,
        p_value=2.0 * min(share, 1.0 - share),
        error_lower=error(lower),
        error_upper=error(upper),
        error_p=float(2.0 * at_zero.std(ddof=1) / np.sqrt(m)) if m > 1 else float("nan"),
    )
