"""Log-rank tests solved by hand."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.codes import FitCode
from equipoise.stats.logrank import log_rank

TIME, GROUP = [1.0, 2.0, 3.0, 4.0], [1, 0, 1, 0]


def test_four_events_in_turn() -> None:
    # Group 1 expects 2/4 + 1/3 + 1/2 + 0; variances 1/4, 2/9, 1/4, 0.
    test = log_rank(TIME, [1, 1, 1, 1], GROUP, [0, 4])
    assert test.expected[0, 1] == pytest.approx(4 / 3, rel=1e-12)
    assert test.variance[0, 1, 1] == pytest.approx(13 / 18, rel=1e-12)
    assert test.statistic[0] == pytest.approx((2 - 4 / 3) ** 2 / (13 / 18), rel=1e-12)
    assert test.z[0] == pytest.approx((2 / 3) / np.sqrt(13 / 18), rel=1e-12)


def test_peto_and_peto_weight_by_the_survival_just_before() -> None:
    # Weights 1, 3/4, 1/2, 1/4.
    test = log_rank(TIME, [1, 1, 1, 1], GROUP, [0, 4], rho=1.0)
    difference = (1 - 1 / 2) + 3 / 4 * (0 - 1 / 3) + 1 / 2 * (1 - 1 / 2)
    variance = 1 / 4 + 9 / 16 * 2 / 9 + 1 / 4 * 1 / 4
    assert test.statistic[0] == pytest.approx(difference**2 / variance, rel=1e-12)


def test_ties_use_the_hypergeometric_variance() -> None:
    # Two events among four, two a group: variance 2 (1/2)(1/2)(4-2)/(4-1) = 1/3.
    test = log_rank([1.0, 1.0, 2.0, 2.0], [1, 1, 0, 0], [1, 1, 0, 0], [0, 4])
    assert test.variance[0, 1, 1] == pytest.approx(1 / 3, rel=1e-12)
    assert test.statistic[0] == pytest.approx(3.0, rel=1e-12)
    assert FitCode.ALL_EVENTS_TIED in FitCode(int(test.codes[0]))


def test_strata_add_their_differences_and_variances() -> None:
    once = log_rank(TIME, [1, 1, 1, 1], GROUP, [0, 4])
    twice = log_rank(TIME * 2, [1] * 8, GROUP * 2, [0, 8], strata=[3] * 4 + [1] * 4)
    assert twice.statistic[0] == pytest.approx(2 * once.statistic[0], rel=1e-12)


def test_three_groups_have_two_degrees_of_freedom() -> None:
    # By symmetry of the pooled first event: with one event in group 0 among one of each, chi-square is
    # (1 - 1/3)^2 ... = the quadratic form of (2/3, -1/3, -1/3) in multinomial(1; 1/3 each), which is 2.
    test = log_rank([1.0, 2.0, 2.0], [1, 0, 0], [0, 1, 2], [0, 3], n_groups=3)
    assert test.df[0] == 2
    assert test.statistic[0] == pytest.approx(2.0, rel=1e-12)


@pytest.mark.parametrize(
    ("time", "event", "group", "code"),
    [
        ([1, 2, 3], [0, 0, 0], [0, 1, 0], FitCode.NO_EVENTS),
        ([1, 2, 3], [1, 1, 1], [0, 0, 0], FitCode.ONE_ARM_ONLY),
        ([1, -2, 3], [1, 1, 1], [0, 1, 0], FitCode.NEGATIVE_TIME),
        # The other arm has left before the only event: nothing is compared.
        ([1, 2, 3], [0, 1, 0], [0, 1, 1], FitCode.NOT_ESTIMABLE),
    ],
)
def test_nothing_to_compare_is_coded_and_gives_no_number(time, event, group, code) -> None:
    test = log_rank(np.asarray(time, float), event, group, [0, 3])
    assert code | FitCode.NOT_ESTIMABLE in FitCode(int(test.codes[0]))
    assert np.isnan(test.statistic[0])
