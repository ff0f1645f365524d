"""Rubin's rules worked by hand, eq. (RU-1) to (RU-7) of docs/methods/rubin.md."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.codes import FitCode, has
from equipoise.stats.missing.rubin import pool_imputations


def test_three_estimates_one_two_three_with_unit_errors():
    # mean 2; within 1; between ((1-2)^2 + 0 + (3-2)^2) / 2 = 1; total 1 + (1 + 1/3) 1 = 7/3
    # share of total due to missing data (4/3) / (7/3) = 4/7; df (3 - 1) / (4/7)^2 = 6.125
    pooled = pool_imputations([[1.0, 2.0, 3.0]], [[1.0, 1.0, 1.0]])
    assert pooled.estimate[0] == 2.0
    assert pooled.standard_error[0] == pytest.approx(np.sqrt(7 / 3), rel=1e-15)
    assert pooled.df[0] == pytest.approx(6.125, rel=1e-14)
    # increase 4/3; fraction (4/3 + 2 / 9.125) / (7/3)
    assert pooled.relative_increase[0] == pytest.approx(4 / 3, rel=1e-15)
    assert pooled.fraction_missing[0] == pytest.approx((4 / 3 + 2 / 9.125) / (7 / 3), rel=1e-14)


def test_few_complete_data_degrees_of_freedom_bound_the_pooled_ones():
    # complete df 9: observed (10/12) 9 (3/7) = 45/14; pooled 1 / (1/6.125 + 14/45) = 2.1080...
    pooled = pool_imputations([[1.0, 2.0, 3.0]], [[1.0, 1.0, 1.0]], [9.0])
    assert pooled.df[0] == pytest.approx(1 / (1 / 6.125 + 14 / 45), rel=1e-14)
    assert pooled.df[0] < 9


def test_nothing_missing_gives_the_complete_data_answer():
    pooled = pool_imputations([[0.7, 0.7, 0.7]], [[0.2, 0.2, 0.2]], [50.0])
    assert pooled.estimate[0] == pytest.approx(0.7)
    assert pooled.standard_error[0] == pytest.approx(0.2)
    assert pooled.df[0] == pytest.approx(51 / 53 * 50)  # Barnard and Rubin's own factor, as in mice
    assert pooled.fraction_missing[0] == 0.0


def test_a_data_set_without_an_answer_is_left_out_and_said():
    estimates = np.full((1, 20), 1.0)
    estimates[0, :10] = 2.0
    estimates[0, 19] = np.nan
    pooled = pool_imputations(estimates, np.ones((1, 20)))
    assert pooled.n_used[0] == 19
    assert has(pooled.codes, FitCode.IMPUTATIONS_DROPPED)[0]
    assert np.isfinite(pooled.estimate[0])


def test_too_many_failures_and_a_single_data_set_give_no_number():
    pooled = pool_imputations([[1.0, np.nan, 2.0], [1.0, np.nan, np.nan]], np.ones((2, 3)))
    assert np.isnan(pooled.estimate).all()
    assert has(pooled.codes, FitCode.NOT_ESTIMABLE).all()
