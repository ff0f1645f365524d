"""Proportional odds and ranks on small tables, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.codes import FitCode
from equipoise.stats.ordinal import fit_proportional_odds, rank_sum_test


def fit(reference, experimental, **more):
    """One trial from counts by category of two arms."""
    y = np.concatenate([np.repeat(np.arange(len(counts)), counts) for counts in (reference, experimental)])
    arm = np.repeat([0.0, 1.0], [sum(reference), sum(experimental)])
    return fit_proportional_odds(y, arm[:, None], [0, y.size], **more)


def test_two_categories_are_the_two_by_two_table() -> None:
    # Odds of the higher category 6/14 and 12/8: ratio 3.5; its variance 1/14 + 1/6 + 1/8 + 1/12.
    found = fit([14, 6], [8, 12])
    assert found.coefficient[0] == pytest.approx(np.log(3.5), abs=1e-9)
    assert found.standard_error[0] == pytest.approx(np.sqrt(1 / 14 + 1 / 6 + 1 / 8 + 1 / 12), rel=1e-9)
    # G squared of the table: 2 sum of observed times the log of observed over expected, 11 and 9 in each arm.
    g2 = 2 * (14 * np.log(14 / 11) + 6 * np.log(6 / 9) + 8 * np.log(8 / 11) + 12 * np.log(12 / 9))
    assert found.chi_square[0] == pytest.approx(g2, rel=1e-9)
    assert np.isnan(found.proportionality[0])


def test_a_table_with_one_odds_ratio_at_both_limits() -> None:
    # Lowest category 1/3 and 1/5, the two lowest 2/3 and 1/2: both odds of being higher are doubled.
    found = fit([10, 10, 10], [6, 9, 15])
    assert found.coefficient[0] == pytest.approx(np.log(2), abs=1e-8)
    assert found.thresholds[0] == pytest.approx([np.log(1 / 2), np.log(2)], abs=1e-8)
    assert found.proportionality[0] == pytest.approx(0, abs=1e-10)
    assert found.proportionality_df[0] == 1


def test_limits_are_where_the_likelihood_ratio_says() -> None:
    found = fit([14, 6], [8, 12], level=0.9)
    for limit in (found.ci_lower[0], found.ci_upper[0]):
        # With the log odds ratio held, the maximum over the one threshold by a fine grid.
        threshold = np.linspace(-3, 3, 200_001)
        first, second = 1 / (1 + np.exp(-threshold)), 1 / (1 + np.exp(limit - threshold))
        held = 14 * np.log(first) + 6 * np.log1p(-first) + 8 * np.log(second) + 12 * np.log1p(-second)
        assert 2 * (found.log_likelihood[0] - held.max()) == pytest.approx(2.70554345, abs=1e-5)


def test_arms_that_share_no_limit_have_an_infinite_odds_ratio_and_a_finite_limit() -> None:
    # Two of each category, the higher two in one arm: each arm is split in halves, 8 log 1/2; without effect 8 log 1/4.
    found = fit([2, 2, 0, 0], [0, 0, 2, 2])
    assert found.coefficient[0] == np.inf
    assert found.log_likelihood[0] == pytest.approx(8 * np.log(0.5), abs=1e-4)
    assert found.chi_square[0] == pytest.approx(16 * np.log(2), abs=1e-3)
    assert 0 < found.ci_lower[0] < np.inf
    assert found.ci_upper[0] == np.inf
    assert found.codes[0] & int(FitCode.SEPARATION_COMPLETE)
    turned = fit([0, 0, 2, 2], [2, 2, 0, 0])
    assert (turned.coefficient[0], turned.ci_lower[0]) == (-np.inf, -np.inf)
    assert turned.ci_upper[0] == pytest.approx(-found.ci_lower[0], rel=1e-6)


def test_a_category_that_nobody_has_is_none() -> None:
    assert fit([5, 0, 3, 4], [2, 0, 5, 5]).coefficient[0] == pytest.approx(fit([5, 3, 4], [2, 5, 5]).coefficient[0])


def test_what_cannot_be_estimated_has_its_code() -> None:
    y, arm = np.array([0, 1, 2, 1, 1, 1, 0, 1]), np.array([0.0, 1, 0, 1, 1, 0, 1, 1])
    found = fit_proportional_odds(y, arm[:, None], [0, 4, 4, 6, 8])
    assert np.isfinite(found.coefficient[0])
    assert found.codes[1] == FitCode.TOO_FEW_PARTICIPANTS | FitCode.NOT_ESTIMABLE
    assert found.codes[2] == FitCode.CONSTANT_OUTCOME | FitCode.NOT_ESTIMABLE
    assert found.codes[3] == FitCode.ONE_ARM_ONLY | FitCode.NOT_ESTIMABLE
    assert np.isnan(found.p_value[1:]).all()
    strange = fit_proportional_odds([0, 1.5, 2, np.nan], [[0.0], [1], [0], [1]], [0, 4])
    assert strange.codes[0] & int(FitCode.NON_FINITE_INPUT)


def test_a_covariate_that_repeats_another_is_left_out() -> None:
    y = np.array([0, 1, 2, 0, 1, 2, 2, 1])
    arm, x = np.array([0.0, 0, 0, 0, 1, 1, 1, 1]), np.array([0.3, 1, 2, 0, 1, 3, 2, 1])
    both = fit_proportional_odds(y, np.column_stack([arm, x, 2 * x, np.ones(8)]), [0, 8])
    alone = fit_proportional_odds(y, np.column_stack([arm, x]), [0, 8])
    assert both.coefficient[0] == pytest.approx(alone.coefficient[0])
    assert both.codes[0] & int(FitCode.NUISANCE_LEFT_OUT)


def test_ranks_of_two_and_two() -> None:
    # 1 and 2 against 0 and 1: above in three pairs of four, one tie. Variance 2 * 2 / 12 * (5 - 6 / 12).
    found = rank_sum_test([0, 1, 1, 2], [0, 0, 1, 1], [0, 4])
    assert found.u_statistic[0] == 3.5
    assert found.probability[0] == 0.875
    assert found.z[0] == pytest.approx(1.5 / np.sqrt(1.5))
