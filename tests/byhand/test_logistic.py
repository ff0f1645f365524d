"""Logistic regression solved by hand: two-by-two tables have closed forms."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.codes import FitCode
from equipoise.stats.logistic import fit_logistic, likelihood_ratio, profile_limits

# Rounding of a dozen operations on numbers near one.
EXACT = 1e-12


def two_by_two(events_control: int, n_control: int, events_experimental: int, n_experimental: int):
    arm = np.repeat([0.0, 1.0], [n_control, n_experimental])
    y = np.concatenate(
        [
            np.repeat([1.0, 0.0], [events_control, n_control - events_control]),
            np.repeat([1.0, 0.0], [events_experimental, n_experimental - events_experimental]),
        ]
    )
    return y, np.column_stack([np.ones(len(y)), arm]), [0, len(y)]


def test_a_two_by_two_table_gives_the_log_odds_ratio_and_woolf_s_standard_error() -> None:
    # 3 of 10 against 6 of 8: odds 3/7 and 6/2, so the log odds ratio is log(6/2) - log(3/7) = log 7.
    fits = fit_logistic(*two_by_two(3, 10, 6, 8))
    assert fits.coefficients[0] == pytest.approx([np.log(3 / 7), np.log(7)], abs=EXACT)
    # Woolf: 1/3 + 1/7 + 1/6 + 1/2 = 8/7
    assert fits.standard_errors[0, 1] == pytest.approx(np.sqrt(8 / 7), rel=1e-9)
    log_lik = 3 * np.log(0.3) + 7 * np.log(0.7) + 6 * np.log(0.75) + 2 * np.log(0.25)
    assert fits.log_lik[0] == pytest.approx(log_lik, abs=EXACT)
    assert fits.codes[0] == 0
    assert fits.gradient_norm[0] < 1e-9


def test_the_likelihood_ratio_drops_the_arm_to_the_pooled_proportion() -> None:
    y, x, offsets = two_by_two(3, 10, 6, 8)
    test = likelihood_ratio(fit_logistic(y, x, offsets), y, x, offsets, column=1)
    separate = 3 * np.log(0.3) + 7 * np.log(0.7) + 6 * np.log(0.75) + 2 * np.log(0.25)
    pooled = 9 * np.log(0.5) + 9 * np.log(0.5)
    assert test.statistic[0] == pytest.approx(2 * (separate - pooled), abs=1e-11)


def test_profile_limits_of_one_proportion_solve_the_binomial_deviance() -> None:
    # A lone intercept: the deviance of p against 1/2 with 5 of 10 is -20 log(2) - 20 log(sqrt(p (1 - p))) and so
    # equals z squared where p (1 - p) = exp(-z^2 / 10) / 4.
    y = np.repeat([1.0, 0.0], 5)
    x = np.ones((10, 1))
    fits = fit_logistic(y, x, [0, 10])
    limits = profile_limits(fits, y, x, [0, 10], column=0)
    z = 1.959963984540054
    p = 0.5 - np.sqrt(0.25 - np.exp(-z * z / 10) / 4)
    assert limits.ci_lower[0] == pytest.approx(np.log(p / (1 - p)), rel=1e-9)
    assert limits.ci_upper[0] == pytest.approx(-np.log(p / (1 - p)), rel=1e-9)


def test_an_arm_without_events_is_quasi_complete_separation_and_no_number_is_given() -> None:
    y, x, offsets = two_by_two(0, 8, 3, 9)
    fits = fit_logistic(y, x, offsets)
    assert FitCode(int(fits.codes[0])) == FitCode.SEPARATION_QUASI | FitCode.NOT_ESTIMABLE
    assert np.isnan(fits.coefficients).all()
    assert np.isnan(fits.standard_errors).all()
    assert fits.infinite[0].tolist() == [True, True]
    assert fits.direction[0].tolist() == [-1, 1]
    # The supremum: the empty arm contributes nothing, the other 3 log(1/3) + 6 log(2/3).
    assert fits.log_lik[0] == pytest.approx(3 * np.log(1 / 3) + 6 * np.log(2 / 3), abs=1e-9)


def test_the_side_away_from_infinity_still_has_a_profile_limit() -> None:
    y, x, offsets = two_by_two(0, 8, 3, 9)
    fits = fit_logistic(y, x, offsets)
    limits = profile_limits(fits, y, x, offsets, column=1)
    assert np.isnan(limits.ci_upper[0])
    assert FitCode.LIMIT_NOT_FOUND in FitCode(int(limits.codes[0]))
    # At the limit, with the intercept profiled out on a fine grid, twice the loss in log likelihood is 3.8415.
    grid = np.linspace(-12, 3, 300_001)
    b = limits.ci_lower[0]
    loss = fits.log_lik[0] - (-8 * np.log1p(np.exp(grid)) + 3 * (grid + b) - 9 * np.log1p(np.exp(grid + b)))
    assert 2 * loss.min() == pytest.approx(3.841458820694124, abs=1e-6)  # error of the grid


def test_a_covariate_that_splits_the_outcomes_is_complete_separation_whatever_the_arm() -> None:
    craving = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    y = (craving > 3.5).astype(float)
    x = np.column_stack([np.ones(6), [0, 1, 0, 1, 0, 1], craving])
    fits = fit_logistic(y, x, [0, 6])
    assert FitCode.SEPARATION_COMPLETE in FitCode(int(fits.codes[0]))
    assert fits.infinite[0].all()
    assert fits.log_lik[0] == pytest.approx(0.0, abs=1e-9)


def test_one_shared_value_makes_the_separation_quasi_complete() -> None:
    craving = np.array([1.0, 2.0, 3.0, 3.0, 5.0, 6.0])
    y = np.array([0.0, 0.0, 0.0, 1.0, 1.0, 1.0])
    fits = fit_logistic(y, np.column_stack([np.ones(6), craving]), [0, 6])
    assert FitCode.SEPARATION_QUASI in FitCode(int(fits.codes[0]))
    assert fits.direction[0].tolist() == [-1, 1]


def test_an_estimate_can_be_large_without_separation() -> None:
    # One exception among 4000: the odds ratio is 1999 * 1999, finite, and must be given.
    y, x, offsets = two_by_two(1, 2000, 1999, 2000)
    fits = fit_logistic(y, x, offsets)
    assert fits.codes[0] == 0
    assert fits.coefficients[0, 1] == pytest.approx(2 * np.log(1999), rel=1e-12)


def test_frequencies_count_as_that_many_rows() -> None:
    fits = fit_logistic([1.0, 0.0, 1.0, 0.0], [[1, 0], [1, 0], [1, 1], [1, 1]], [0, 4], weights=[3, 7, 6, 2])
    assert fits.coefficients[0, 1] == pytest.approx(np.log(7), abs=EXACT)
    assert fits.standard_errors[0, 1] == pytest.approx(np.sqrt(8 / 7), rel=1e-9)


@pytest.mark.parametrize(
    ("y", "x", "weights", "code"),
    [
        ([1, 0, np.nan, 0], [[1], [1], [1], [1]], None, FitCode.NON_FINITE_INPUT),
        ([1, 0, 2, 0], [[1], [1], [1], [1]], None, FitCode.NON_FINITE_INPUT),
        ([1, 0, 1, 0], [[1], [np.inf], [1], [1]], None, FitCode.NON_FINITE_INPUT),
        ([1, 0, 1, 0], [[1, 2, 3], [1, 1, 2], [1, 5, 6], [1, 0, 1]], None, FitCode.RANK_DEFICIENT),
        ([1, 0, 1, 0], [[1, 0], [1, 0], [1, 0], [1, 0]], None, FitCode.RANK_DEFICIENT),
        ([1], [[1]], None, FitCode.TOO_FEW_PARTICIPANTS),
        ([1, 0, 1, 0], [[1], [1], [1], [1]], [1, 1, -1, 1], FitCode.NEGATIVE_WEIGHT),
        ([0, 0, 0, 0], [[1], [1], [1], [1]], None, FitCode.CONSTANT_OUTCOME | FitCode.SEPARATION_COMPLETE),
    ],
)
def test_bad_input_is_coded_and_gives_no_number(y, x, weights, code) -> None:
    fits = fit_logistic(np.asarray(y, float), np.asarray(x, float), [0, len(y)], weights=weights)
    assert code in FitCode(int(fits.codes[0]))
    assert FitCode.NOT_ESTIMABLE in FitCode(int(fits.codes[0]))
    assert np.isnan(fits.coefficients).all()


def test_the_repeated_column_is_named() -> None:
    x = np.array([[1, 2, 3], [1, 1, 2], [1, 5, 6], [1, 0, 1.0]])
    fits = fit_logistic(np.array([1.0, 0, 1, 0]), x, [0, 4])
    assert np.flatnonzero(fits.aliased[0]).tolist() == [2]


def test_an_empty_trial_between_two_others_is_coded_and_harms_neither() -> None:
    y, x, _ = two_by_two(3, 10, 6, 8)
    fits = fit_logistic(np.tile(y, 2), np.tile(x, (2, 1)), [0, 18, 18, 36])
    assert FitCode.TOO_FEW_PARTICIPANTS in FitCode(int(fits.codes[1]))
    assert fits.coefficients[0].tolist() == fits.coefficients[2].tolist()
