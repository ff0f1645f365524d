"""GEE on a design whose sandwich can be written out."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.codes import FitCode
from equipoise.stats.gee import fit_gee
from equipoise.stats.packing import offsets_from_sizes

# Five participants with two visits each; the mean of all ten is 3.
Y = np.array([1.0, 2.0, 3.0, 5.0, 2.0, 2.0, 6.0, 4.0, 3.0, 2.0])
OFFSETS = offsets_from_sizes([2] * 5)


def test_the_sandwich_of_a_mean_is_the_sum_of_squared_participant_sums() -> None:
    fit = fit_gee(Y, np.ones((10, 1)), OFFSETS, family="gaussian", working="independence")
    assert fit.coefficients[0] == pytest.approx(3.0)
    # Residual sums -3, 2, -2, 4, -1: squares 9 + 4 + 4 + 16 + 1 = 34; the bread is 1/10 on either side.
    assert fit.covariance[0, 0] == pytest.approx(34 / 100)
    # H_i = J / 10 has eigenvalue 2/10 on the participant's sum: inflated by 1 / 0.8 and, for Kauermann and Carroll,
    # by its root.
    assert fit.covariance_mancl_derouen[0, 0] == pytest.approx(34 / 100 / 0.8**2)
    assert fit.covariance_kauermann_carroll[0, 0] == pytest.approx(34 / 100 / 0.8)


def test_the_exchangeable_correlation_is_the_mean_product_over_the_mean_square() -> None:
    fit = fit_gee(Y, np.ones((10, 1)), OFFSETS, family="gaussian", working="exchangeable")
    # Products of the two residuals: (-2)(-1) = 2, 0*2 = 0, (-1)(-1) = 1, 3*1 = 3, 0*(-1) = 0: mean 6/5.
    # Squares 4+1+0+4+1+1+9+1+0+1 = 22 over 10.
    assert fit.correlation == pytest.approx((6 / 5) / (22 / 10), abs=1e-9)
    assert fit.coefficients[0] == pytest.approx(3.0)


def test_separated_constant_and_missing_outcomes_are_named() -> None:
    arm = np.repeat([0.0, 0, 0, 1, 1], 2)
    x = np.column_stack([np.ones(10), arm])
    quasi = fit_gee(np.where(arm == 1, 0.0, np.arange(10) % 2), x, OFFSETS)
    assert FitCode.SEPARATION_QUASI | FitCode.NOT_ESTIMABLE in FitCode(quasi.codes)
    assert np.isnan(quasi.coefficients).all()
    assert FitCode.CONSTANT_OUTCOME in FitCode(fit_gee(np.zeros(10), x, OFFSETS).codes)
    assert FitCode.NON_FINITE_INPUT in FitCode(fit_gee(np.full(10, np.nan), x, OFFSETS).codes)
    with pytest.raises(ValueError, match="time"):
        fit_gee(np.arange(10) % 2, x, OFFSETS, working="ar1")


def test_autoregressive_working_correlation_is_fitted_from_the_times() -> None:
    rng = np.random.default_rng(4)
    noise = rng.normal(size=(40, 6))
    for j in range(1, 6):
        noise[:, j] = 0.6 * noise[:, j - 1] + 0.8 * noise[:, j]
    time = np.tile(np.arange(6.0), 40)
    fit = fit_gee(
        noise.ravel(), np.ones((240, 1)), offsets_from_sizes([6] * 40), family="gaussian", working="ar1", time=time
    )
    # The true correlation is 0.6; 200 pairs give a standard error near 0.06.
    assert fit.correlation == pytest.approx(0.6, abs=0.2)
    assert fit.covariance_mancl_derouen[0, 0] > fit.covariance_kauermann_carroll[0, 0] > fit.covariance[0, 0]
