"""Firth's logistic regression solved by hand: saturated models add one half to every cell."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.codes import FitCode
from equipoise.stats.firth import (
    fit_firth,
    penalised_likelihood_ratio,
    penalised_profile_limits,
    predicted_probabilities,
)

ARM = np.repeat([0.0, 1.0], [8, 9])
X = np.column_stack([np.ones(17), ARM])
Y = np.concatenate([np.zeros(8), np.repeat([1.0, 0.0], [3, 6])])  # 0 of 8 against 3 of 9


def test_a_saturated_model_adds_one_half_to_every_cell() -> None:
    fits = fit_firth(Y, X, [0, 17])
    # log(0.5 / 8.5) and log(3.5 / 6.5) - log(0.5 / 8.5); linear convergence stops at 1e-9 of a standard error
    assert fits.coefficients[0] == pytest.approx([np.log(1 / 17), np.log(3.5 / 6.5 * 17)], abs=1e-8)
    assert fits.codes[0] == 0


def test_its_standard_error_is_that_of_the_unpenalised_information_there() -> None:
    # Risks 0.5/9 and 3.5/10, so the information of the two logits is 8 p q and 9 p q.
    variance = 1 / (8 * (1 / 18) * (17 / 18)) + 1 / (9 * 0.35 * 0.65)
    assert fit_firth(Y, X, [0, 17]).standard_errors[0, 1] == pytest.approx(np.sqrt(variance), rel=1e-8)


def test_the_penalised_likelihood_is_that_of_the_padded_table() -> None:
    # det(X'WX) = (8 p0 q0)(9 p1 q1), so half its log adds half an event and half
    # a non-event to each arm, and a constant.
    fits = fit_firth(Y, X, [0, 17])
    padded = 0.5 * np.log(1 / 18) + 8.5 * np.log(17 / 18) + 3.5 * np.log(0.35) + 6.5 * np.log(0.65)
    assert fits.log_lik[0] == pytest.approx(padded + 0.5 * np.log(72), abs=1e-11)


def test_its_likelihood_ratio_holds_the_penalty_over_both_columns() -> None:
    fits = fit_firth(Y, X, [0, 17])
    test = penalised_likelihood_ratio(fits, Y, X, [0, 17], column=1)
    free = 0.5 * np.log(1 / 18) + 8.5 * np.log(17 / 18) + 3.5 * np.log(0.35) + 6.5 * np.log(0.65)
    # Under no effect the padded table is pooled: 4 events of 19.
    held = 4 * np.log(4 / 19) + 15 * np.log(15 / 19)
    assert test.statistic[0] == pytest.approx(2 * (free - held), abs=1e-10)


def test_its_profile_limits_solve_the_padded_deviance() -> None:
    # One column of ones: padded table x + 1/2 of n + 1. With 5 of 10 the limits solve p q = exp(-z^2 / 11) / 4.
    y, x = np.repeat([1.0, 0.0], 5), np.ones((10, 1))
    limits = penalised_profile_limits(fit_firth(y, x, [0, 10]), y, x, [0, 10], column=0)
    z = 1.959963984540054
    p = 0.5 - np.sqrt(0.25 - np.exp(-z * z / 11) / 4)
    assert limits.ci_lower[0] == pytest.approx(np.log(p / (1 - p)), rel=1e-9)
    assert limits.ci_upper[0] == pytest.approx(np.log((1 - p) / p), rel=1e-9)


def test_corrected_predictions_average_to_the_observed_proportion() -> None:
    fits = fit_firth(Y, X, [0, 17])
    risks, shift = predicted_probabilities(fits, Y, X, [0, 17])
    assert risks.sum() == pytest.approx(3.0, abs=1e-12)
    # Uncorrected they sum to 8 (0.5 / 9) + 9 (0.35) = 3.594..., so the correction lowers them.
    assert shift[0] < 0.0


def test_two_equal_columns_are_refused_and_named() -> None:
    fits = fit_firth(Y, np.column_stack([X, ARM]), [0, 17])
    assert FitCode.RANK_DEFICIENT in FitCode(int(fits.codes[0]))
    assert fits.aliased[0].tolist() == [False, False, True]


def test_a_constant_outcome_still_has_an_estimate() -> None:
    fits = fit_firth(np.zeros(8), np.ones((8, 1)), [0, 8])
    assert fits.coefficients[0, 0] == pytest.approx(np.log(0.5 / 8.5), abs=1e-8)
    assert FitCode.CONSTANT_OUTCOME in FitCode(int(fits.codes[0]))
