"""Linear regression solved by hand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from equipoise.stats.codes import FitCode
from equipoise.stats.linear import fit_linear


def test_two_arms_of_two_are_the_difference_of_means_with_the_pooled_variance() -> None:
    # control 1, 3 (mean 2); experimental 6, 8 (mean 7). Residual sum of squares 1 + 1 + 1 + 1 = 4, df 4 - 2 = 2,
    # s^2 = 2; var(difference) = 2 (1/2 + 1/2) = 2.
    fits = fit_linear([1.0, 3.0, 6.0, 8.0], np.column_stack([np.ones(4), [0, 0, 1, 1]]), [0, 4])
    assert fits.coefficients[0] == pytest.approx([2.0, 5.0], abs=1e-14)
    assert fits.standard_errors[0, 1] == pytest.approx(np.sqrt(2.0), abs=1e-14)
    assert fits.df[0] == 2


def test_without_covariates_it_is_the_two_sample_t_test() -> None:
    rng = np.random.default_rng(4)
    a, b = rng.normal(size=9), rng.normal(0.7, size=14)
    fits = fit_linear(np.concatenate([a, b]), np.column_stack([np.ones(23), np.r_[np.zeros(9), np.ones(14)]]), [0, 23])
    t = fits.coefficients[0, 1] / fits.standard_errors[0, 1]
    assert t == pytest.approx(stats.ttest_ind(b, a).statistic, rel=1e-12)


def test_a_batch_equals_one_trial_at_a_time() -> None:
    rng = np.random.default_rng(5)
    sizes = [12, 30, 7]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    x = np.column_stack([np.ones(49), rng.integers(0, 2, 49), rng.normal(size=49)])
    y = rng.normal(size=49)
    batch = fit_linear(y, x, offsets)
    for k in range(3):
        rows = slice(offsets[k], offsets[k + 1])
        assert np.array_equal(fit_linear(y[rows], x[rows], [0, sizes[k]]).coefficients[0], batch.coefficients[k])


@pytest.mark.parametrize(
    ("y", "x", "code"),
    [
        ([1.0, 2.0], [[1, 0], [1, 1]], FitCode.TOO_FEW_PARTICIPANTS),
        ([1.0, 2.0, np.nan], [[1, 0], [1, 1], [1, 1]], FitCode.NON_FINITE_INPUT),
        ([1.0, 2.0, 3.0], [[1, 1], [1, 1], [1, 1]], FitCode.RANK_DEFICIENT),
        ([2.0, 2.0, 2.0], [[1, 0], [1, 1], [1, 1]], FitCode.CONSTANT_OUTCOME),
    ],
)
def test_what_cannot_be_estimated_is_coded(y: list[float], x: list[list[float]], code: FitCode) -> None:
    fits = fit_linear(y, x, [0, len(y)])
    assert FitCode(int(fits.codes[0])) & code
    assert np.isnan(fits.coefficients).all()
