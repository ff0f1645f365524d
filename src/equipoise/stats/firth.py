"""Logistic regression with Firth's penalty: finite under separation. Methods: ``docs/methods/firth.md``.

>>> import numpy as np
>>> from equipoise.stats.firth import fit_firth
>>> y = np.array([1, 1, 0, 0, 0, 0, 0, 0], dtype=float)  # nobody in arm 0 has the event
>>> arm = np.array([1, 1, 1, 1, 0, 0, 0, 0], dtype=float)
>>> fits = fit_firth(y, np.column_stack([np.ones(8), arm]), offsets=[0, 8])
>>> round(float(np.exp(fits.coefficients[0, 1])), 6)  # adds 1/2 to every cell: (2.5/2.5) / (0.5/4.5)
9.0
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from equipoise.stats.codes import FitCode, mark
from equipoise.stats.kernels import logistic as kernels
from equipoise.stats.logistic import (
    BinomialInput,
    LikelihoodRatios,
    LogisticFits,
    ProfileLimits,
    fit_binomial,
    profile_binomial,
    reduced_input,
)
from equipoise.stats.packing import FloatArray, sum_by_trial, trial_of_row
from equipoise.stats.wald import chi_square_p


@dataclass(frozen=True)
class FirthFits(LogisticFits):
    """As :class:`LogisticFits`; ``log_lik`` is the penalised log likelihood, eq. (FI-1).

    ``covariance`` is the inverse of the unpenalised information at the penalised estimate. Separation does not occur,
    so ``infinite`` is all False.
    """


def fit_firth(
    y: ArrayLike,
    design: ArrayLike,
    offsets: ArrayLike,
    *,
    weights: ArrayLike | None = None,
    column: int | None = 1,
    threads: int | None = None,
) -> FirthFits:
    """Maximise the likelihood times the root of the determinant of the information (Jeffreys' prior), eq. (FI-1).

    Shapes, bounds and errors as in :func:`equipoise.stats.logistic.fit_logistic`. Removes the first-order bias of the
    coefficients; probabilities predicted from it are drawn towards one half, see :func:`predicted_probabilities`.

    Source: Firth (1993) Biometrika 80:27; Heinze and Schemper (2002) Stat Med 21:2409.
    """
    fits = fit_binomial(BinomialInput.of(y, design, offsets, weights), penalised=True, threads=threads, column=column)
    return FirthFits(**{name: getattr(fits, name) for name in LogisticFits.__dataclass_fields__})


def penalised_likelihood_ratio(
    fits: FirthFits,
    y: ArrayLike,
    design: ArrayLike,
    offsets: ArrayLike,
    *,
    column: int,
    weights: ArrayLike | None = None,
    threads: int | None = None,
) -> LikelihoodRatios:
    """Test ``column`` = 0 by the penalised likelihood ratio, the penalty over all columns in both fits, eq. (FI-3)."""
    data = BinomialInput.of(y, design, offsets, weights)
    return penalised_ratio_at(fits, data, range(data.design.shape[1])[column], 0.0, threads=threads)


def penalised_ratio_at(
    fits: FirthFits, data: BinomialInput, column: int, value: float, *, threads: int | None = None
) -> LikelihoodRatios:
    """Test of a coefficient against ``value``, as :func:`penalised_likelihood_ratio` tests it against 0."""
    beta = fits.coefficients.copy()
    beta[:, column] = value
    reduced = (~fits.kept).any(axis=1)
    wanted = fits.estimable & ~reduced
    data.standardised.inwards(beta)
    quality = np.full((data.n_trials, kernels.N_QUALITY), np.nan)
    restricted = data.maximise(wanted, beta, fixed=column, penalised=True, quality=quality, threads=threads)
    converged = quality[:, kernels.STATUS] == kernels.CONVERGED
    for trial in np.flatnonzero(reduced & fits.estimable):
        part, place = reduced_input(fits, data, int(trial), column)
        if place is None:
            continue
        quality = np.full((1, kernels.N_QUALITY), np.nan)
        start = np.zeros((1, part.design.shape[1]))
        start[0, place] = value
        part.standardised.inwards(start)
        one = np.ones(1, dtype=np.bool_)
        restricted[trial] = part.maximise(one, start, fixed=place, penalised=True, quality=quality, threads=1)[0]
        converged[trial] = quality[0, kernels.STATUS] == kernels.CONVERGED
    statistic = np.where(converged, np.maximum(2.0 * (fits.log_lik - restricted), 0.0), np.nan)
    codes = fits.codes.copy()
    mark(codes, fits.estimable & ~converged, FitCode.NOT_CONVERGED)
    return LikelihoodRatios(statistic, np.ones_like(statistic), chi_square_p(statistic, 1.0), codes)


def penalised_profile_limits(
    fits: FirthFits,
    y: ArrayLike,
    design: ArrayLike,
    offsets: ArrayLike,
    *,
    column: int,
    level: float = 0.95,
    weights: ArrayLike | None = None,
    threads: int | None = None,
) -> ProfileLimits:
    """Limits of ``column`` where the profile of the penalised deviance reaches the chi-square quantile, eq. (FI-4)."""
    data = BinomialInput.of(y, design, offsets, weights)
    return profile_binomial(fits, data, column, level, penalised=True, threads=threads)


def predicted_probabilities(
    fits: FirthFits,
    y: ArrayLike,
    design: ArrayLike,
    offsets: ArrayLike,
    *,
    weights: ArrayLike | None = None,
) -> tuple[FloatArray, FloatArray]:
    """Intercept-corrected predictions (FLIC): their mean equals the observed proportion, eq. (FI-5).

    Returns (probabilities (n_rows,), corrected intercept shift (n_trials,)); NaN for trials that could not be fitted
    or whose outcome is constant. The linear predictor without its constant is held as an offset and the constant
    refitted by maximum likelihood, by Newton steps over all trials at once.

    Source: Puhr, Heinze, Nold, Lusa and Geroldinger (2017) Stat Med 36:2302.
    """
    data = BinomialInput.of(y, design, offsets, weights)
    x, bounds, outcome = data.design, data.offsets, data.y
    c = np.ones_like(outcome) if weights is None else data.weights
    owner = trial_of_row(bounds)
    beta = fits.coefficients.copy()
    data.standardised.inwards(beta)
    eta = np.einsum("rp,rp->r", x, beta[owner])
    total = sum_by_trial(c, bounds)
    events = sum_by_trial(c * outcome, bounds)
    shift = np.where((events > 0) & (events < total), 0.0, np.nan)
    # The mean predicted probability rises with the shift; Newton from the mean logit, bracketed by halving.
    lower, upper = shift - 60.0, shift + 60.0
    for _ in range(200):
        mu = special.expit(eta + shift[owner])
        excess = sum_by_trial(c * mu, bounds) - events
        slope = sum_by_trial(c * mu * (1.0 - mu), bounds)
        upper = np.where(excess > 0, shift, upper)
        lower = np.where(excess > 0, lower, shift)
        with np.errstate(divide="ignore", invalid="ignore"):
            proposal = shift - excess / slope
        inside = (proposal > lower) & (proposal < upper)
        updated = np.where(inside, proposal, 0.5 * (lower + upper))
        moved = np.abs(updated - shift)
        shift = updated
        if not np.any(moved > 1e-13):
            break
    return np.asarray(special.expit(eta + shift[owner]), dtype=np.float64), shift
