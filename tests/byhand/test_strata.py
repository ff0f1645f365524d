"""Strata by hand: two small tables, and what becomes of strata without events, with one arm, and empty ones."""

from __future__ import annotations

import math

import numpy as np
import pytest

from equipoise.stats.codes import FitCode
from equipoise.stats.risk import miettinen_nurminen_difference, newcombe_difference
from equipoise.stats.strata import (
    StratifiedTables,
    cochran_mantel_haenszel,
    count_strata,
    mantel_haenszel_difference,
    mantel_haenszel_odds_ratio,
    mantel_haenszel_ratio,
    stratified_newcombe,
    stratified_score,
    stratified_score_difference,
    weighted_difference,
)

# Two strata: 1 of 4 against 3 of 4, and 1 of 2 against 2 of 4 (control, experimental).
TWO = StratifiedTables.of([1, 1], [4, 2], [3, 2], [4, 4])


def test_the_test() -> None:
    """Excess 3 - 2 and 2 - 2; variances 4*4*4*4/(64*7) and 4*2*3*3/(36*5)."""
    found = cochran_mantel_haenszel(TWO)
    variance = 4 / 7 + 2 / 5
    assert float(found.statistic[0]) == pytest.approx(1.0 / variance)
    assert float(cochran_mantel_haenszel(TWO, corrected=True).statistic[0]) == pytest.approx(0.25 / variance)
    assert float(found.p_value[0]) == pytest.approx(math.erfc(math.sqrt(1.0 / variance / 2.0)))


def test_the_effects() -> None:
    """Weights 4*4/8 = 2 and 4*2/6 = 4/3; differences 1/2 and 0."""
    assert float(weighted_difference(TWO)[0]) == pytest.approx(2 * 0.5 / (2 + 4 / 3))
    # Ratio: 3*4/8 + 2*2/6 over 1*4/8 + 1*4/6.
    assert float(mantel_haenszel_ratio(TWO).estimate[0]) == pytest.approx((1.5 + 2 / 3) / (0.5 + 2 / 3))
    # Odds: 3*3/8 + 2*1/6 over 1*1/8 + 1*2/6.
    assert float(mantel_haenszel_odds_ratio(TWO).estimate[0]) == pytest.approx((9 / 8 + 1 / 3) / (1 / 8 + 1 / 3))


def test_sato_of_one_even_stratum() -> None:
    """With arms of n each, P = (x0 - x1) / 4 and Q = (n (x0 + x1) - 2 x0 x1) / 4n; here d = 1/2, n = 4."""
    one = mantel_haenszel_difference(StratifiedTables.of(1, 4, 3, 4))
    p, q = (1 - 3) / 4, (4 * 4 - 2 * 3) / 16
    assert float(one.standard_error[0]) == pytest.approx(math.sqrt((0.5 * p + q) / 4))


def test_a_stratum_without_events_stays_in_the_difference_alone() -> None:
    more = StratifiedTables.of([1, 1, 0], [4, 2, 6], [3, 2, 0], [4, 4, 6])
    assert float(weighted_difference(more)[0]) == pytest.approx(1.0 / (2 + 4 / 3 + 3))
    for function in (mantel_haenszel_ratio, mantel_haenszel_odds_ratio):
        assert float(function(more).estimate[0]) == pytest.approx(float(function(TWO).estimate[0]))
    assert float(cochran_mantel_haenszel(more).statistic[0]) == pytest.approx(
        float(cochran_mantel_haenszel(TWO).statistic[0])
    )


def test_a_stratum_of_one_arm_has_no_weight_and_is_said() -> None:
    more = StratifiedTables.of([1, 1, 2, 0], [4, 2, 5, 0], [3, 2, 0, 0], [4, 4, 0, 0])
    assert more.codes[0] == FitCode.NUISANCE_LEFT_OUT
    assert float(stratified_score_difference(more).ci_lower[0]) == pytest.approx(
        float(stratified_score_difference(TWO).ci_lower[0])
    )
    assert StratifiedTables.of([1, 1, 0], [4, 2, 0], [3, 2, 0], [4, 4, 0]).codes[0] == 0  # a level that nobody has


def test_what_cannot_be_told_is_coded_and_nothing_is_invented() -> None:
    never_together = mantel_haenszel_difference(StratifiedTables.of([1, 0], [4, 0], [0, 3], [0, 4]))
    assert np.isnan(never_together.estimate[0])
    assert never_together.codes[0] & FitCode.RANK_DEFICIENT
    nobody = StratifiedTables.of([0, 0], [4, 5], [0, 0], [4, 5])
    found = mantel_haenszel_difference(nobody)
    assert (float(found.estimate[0]), np.isnan(found.ci_lower[0])) == (0.0, True)
    assert found.codes[0] & FitCode.ERROR_UNKNOWN
    assert np.isnan(mantel_haenszel_ratio(nobody).estimate[0])
    assert np.isnan(cochran_mantel_haenszel(nobody).p_value[0])
    assert (
        -1 < float(stratified_score_difference(nobody).ci_lower[0]) < 0 < float(stratified_newcombe(nobody).ci_upper[0])
    )
    one_sided = mantel_haenszel_odds_ratio(StratifiedTables.of([0, 0], [4, 5], [2, 1], [4, 5]))
    assert np.isinf(one_sided.estimate[0])
    assert one_sided.codes[0] & FitCode.LIMIT_NOT_FOUND
    bad = StratifiedTables.of([[5, 1], [1, 1]], [[4, 2], [4, 2]], [[3, 2], [3, 2]], [[4, 4], [4, 4]])
    assert list(bad.codes != 0) == [True, False]
    assert StratifiedTables.of([0, 0], [0, 0], [1, 1], [2, 2]).codes[0] & FitCode.EMPTY_ARM


def test_one_stratum_is_the_plain_method() -> None:
    for x0, x1 in ((48, 56), (0, 3), (80, 70), (0, 0)):
        one = StratifiedTables.of(x0, 80, x1, 70)
        for stratified, plain in (
            (stratified_score_difference, miettinen_nurminen_difference),
            (stratified_newcombe, newcombe_difference),
        ):
            mine, theirs = stratified(one), plain(x0, 80, x1, 70)
            for end in ("estimate", "ci_lower", "ci_upper"):
                assert float(getattr(mine, end)[0]) == pytest.approx(float(getattr(theirs, end)[0]), abs=1e-9)


def test_participants_are_counted_into_their_strata_by_trial() -> None:
    y, arm = np.array([1.0, 0, 1, 1, 0, 1]), np.array([1.0, 0, 1, 0, 1, 0])
    tables = count_strata(y, arm, np.array([0, 0, 1, 1, 0, 0]), np.array([0, 4, 6]))
    assert tables.n_experimental.tolist() == [[1, 1], [1, 0]]
    assert tables.events_control.tolist() == [[0, 1], [1, 0]]


def test_the_score_at_no_difference_is_the_test() -> None:
    assert float(stratified_score(TWO, 0.0)[0]) ** 2 == pytest.approx(float(cochran_mantel_haenszel(TWO).statistic[0]))
