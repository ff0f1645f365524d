"""A proportion against a stated one, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.codes import FitCode
from equipoise.stats.goal import exact_goal_test


def test_eight_of_ten_against_a_half() -> None:
    # P(X >= 8) = (45 + 10 + 1) / 1024; twice that, and by symmetry the same by likelihood. z = 0.3 / sqrt(1/40).
    test = exact_goal_test(8, 10, 0.5)
    assert test.p_greater[0] == pytest.approx(56 / 1024, rel=1e-12)
    assert test.p_less[0] == pytest.approx(1 - 11 / 1024, rel=1e-12)
    assert test.p_value[0] == pytest.approx(112 / 1024, rel=1e-12)
    assert test.p_likelihood[0] == pytest.approx(112 / 1024, rel=1e-12)
    assert test.statistic[0] == pytest.approx(0.3 * 40**0.5, rel=1e-12)


def test_none_and_all_are_powers_of_the_goal() -> None:
    test = exact_goal_test([0, 5], 5, 0.2)
    assert test.p_less[0] == pytest.approx(0.8**5, rel=1e-12)
    assert test.p_greater[1] == pytest.approx(0.2**5, rel=1e-12)
    assert (test.p_greater[0], test.p_less[1]) == (1.0, 1.0)


def test_by_likelihood_adds_the_far_tail_only_where_it_is_not_likelier() -> None:
    # Of 3 at 1/4: 27, 27, 9, 1 of 64. Two or more: 10/64; nothing below is as unlikely.
    test = exact_goal_test(2, 3, 0.25)
    assert test.p_likelihood[0] == pytest.approx(10 / 64, rel=1e-12)
    assert test.p_value[0] == pytest.approx(20 / 64, rel=1e-12)


def test_what_cannot_be_counted_is_coded_and_has_no_number() -> None:
    test = exact_goal_test([3, 0, 0.5, -1], [2, 0, 4, 4], 0.5)
    assert np.isnan(test.p_value).all()
    assert test.codes[1] == FitCode.EMPTY_ARM | FitCode.NOT_ESTIMABLE
    assert all(code & FitCode.NON_FINITE_INPUT for code in test.codes[[0, 2, 3]])
    with pytest.raises(ValueError, match="between 0 and 1"):
        exact_goal_test(1, 2, 1.0)
