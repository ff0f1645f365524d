"""Fisher's exact inference solved by hand: the lady tasting tea, three of four right."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.codes import FitCode
from equipoise.stats.exact import fisher_exact


def test_the_p_value_adds_the_tables_no_likelier_than_the_observed() -> None:
    # Weights C(4,k)^2 = 1, 16, 36, 16, 1 of 70; observed k = 3.
    assert fisher_exact(1, 4, 3, 4).p_value[0] == pytest.approx(34 / 70, rel=1e-12)


def test_the_conditional_estimate_solves_its_quartic() -> None:
    # E[k] = 3 with weights times psi^k reduces to psi^4 - 36 psi^2 - 32 psi - 3 = 0.
    root = max(np.roots([1, 0, -36, -32, -3]).real)
    assert fisher_exact(1, 4, 3, 4).odds_ratio[0] == pytest.approx(root, rel=1e-12)


def test_at_each_limit_the_tail_is_two_and_a_half_per_cent() -> None:
    test = fisher_exact(1, 4, 3, 4)
    weights = np.array([1, 16, 36, 16, 1])
    for limit, tail in ((test.ci_lower[0], slice(3, 5)), (test.ci_upper[0], slice(0, 4))):
        p = weights * limit ** np.arange(5)
        assert (p[tail] / p.sum()).sum() == pytest.approx(0.025, rel=1e-11)


def test_an_arm_without_events_has_one_limit_and_says_so() -> None:
    # 0 of 3 in control, 3 of 3: weights C(3,k) C(3,3-k) = 1, 9, 9, 1 of 20.
    test = fisher_exact(0, 3, 3, 3)
    assert test.p_value[0] == pytest.approx(2 / 20, rel=1e-12)
    assert np.isposinf([test.odds_ratio[0], test.ci_upper[0]]).all()
    psi = test.ci_lower[0]
    assert psi**3 / (1 + 9 * psi + 9 * psi**2 + psi**3) == pytest.approx(0.025, rel=1e-11)
    assert FitCode(int(test.codes[0])) == FitCode.ZERO_CELL


def test_no_event_in_either_arm_leaves_only_the_p_value() -> None:
    test = fisher_exact(0, 5, 0, 6)
    assert test.p_value[0] == 1.0
    assert np.isnan([test.odds_ratio[0], test.ci_lower[0], test.ci_upper[0]]).all()
    assert FitCode.NO_EVENTS | FitCode.NOT_ESTIMABLE in FitCode(int(test.codes[0]))


@pytest.mark.parametrize("counts", [(-1, 4, 3, 4), (5, 4, 3, 4), (1.5, 4, 3, 4), (np.nan, 4, 3, 4)])
def test_impossible_counts_are_coded(counts) -> None:
    test = fisher_exact(*counts)
    assert FitCode.NON_FINITE_INPUT in FitCode(int(test.codes[0]))
    assert np.isnan(test.p_value[0])


def test_an_empty_arm_is_coded() -> None:
    assert FitCode.EMPTY_ARM in FitCode(int(fisher_exact(0, 0, 3, 4).codes[0]))
