"""Pairs decided level by level, worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.codes import FitCode
from equipoise.stats.win_ratio import PairLevel, compare_pairs, net_benefit, win_odds, win_ratio

ARM = np.array([True, True, False, False])


def test_two_and_two_with_their_errors() -> None:
    # 3 and 2 against 1 and 2: won, won, won, tied. Each experimental wins 2 and 1 of 2, each reference loses 2 and 1.
    pairs = compare_pairs([PairLevel(np.array([3.0, 2.0, 1.0, 2.0]))], ARM, [0, 4])
    assert (pairs.won.tolist(), pairs.lost.tolist(), pairs.n_pairs.tolist()) == ([[3]], [[0]], [4])
    # Projections: (1 - 3/4) / 2 and (1/2 - 3/4) / 2 in each arm; four squares of 1/8.
    assert pairs.variance_won[0] == pytest.approx(4 / 64)
    net = net_benefit(pairs)
    assert net.estimate[0] == 0.75
    assert net.standard_error[0] == pytest.approx(0.25)
    assert win_odds(pairs).estimate[0] == pytest.approx(7.0)  # (3 + 1/2) to 1/2
    ratio = win_ratio(pairs)
    assert ratio.estimate[0] == np.inf
    assert np.isnan([ratio.ci_lower[0], ratio.ci_upper[0], ratio.p_value[0]]).all()
    assert ratio.codes[0] == FitCode.ERROR_UNKNOWN


def times(value, event, **more):
    return PairLevel(np.array(value, dtype=float), event=np.array(event, dtype=bool), **more)


@pytest.mark.parametrize(
    ("mine", "theirs", "result"),
    [
        ((10, True), (5, True), 1),  # both died, mine later
        ((10, False), (5, True), 1),  # alive beyond the other's death
        ((4, False), (5, True), 0),  # followed for less: not known
        ((5, False), (5, True), 1),  # alive at the day of the other's death
        ((5, True), (5, True), 0),
        ((5, False), (5, False), 0),
        ((5, True), (9, False), -1),
        ((np.nan, False), (5, True), 0),
    ],
)
def test_times_are_held_against_each_other_over_common_follow_up(mine, theirs, result) -> None:
    level = times([mine[0], theirs[0]], [mine[1], theirs[1]])
    pairs = compare_pairs([level], [True, False], [0, 2])
    assert pairs.won[0, 0] - pairs.lost[0, 0] == result
    sooner = times([mine[0], theirs[0]], [mine[1], theirs[1]], sooner_is_better=True)
    turned = compare_pairs([sooner], [True, False], [0, 2])
    assert turned.won[0, 0] - turned.lost[0, 0] == -result


def test_a_pair_goes_on_to_the_next_level_where_it_is_tied_or_missing() -> None:
    death = times([30, 30, 12, 30], [0, 0, 1, 0])
    score = PairLevel(np.array([8.0, np.nan, 1.0, 7.5]), margin=1.0)
    last = PairLevel(np.array([0.0, 1.0, 0.0, 1.0]))
    pairs = compare_pairs([death, score, last], ARM, [0, 4])
    # Both outlive the third. Against the fourth: 8 and 7.5 are within 1, then 0 loses to 1; a missing score, a tie.
    assert pairs.won.tolist() == [[2, 0, 0]]
    assert pairs.lost.tolist() == [[0, 0, 1]]


def test_strata_are_compared_within_and_weighted_by_pairs_over_participants() -> None:
    value = np.array([3.0, 1.0, 2.0, 2.0, 1.0, 3.0])
    arm = np.array([True, False, True, True, False, False])
    pairs = compare_pairs([PairLevel(value)], arm, [0, 6], stratum=[0, 0, 1, 1, 1, 1])
    # First stratum 1 pair of 2 people, won; second 4 pairs of 4 people, half won, half lost. Weights 1/2 and 1.
    assert pairs.n_pairs[0] == 5
    assert pairs.share_won[0] == pytest.approx((0.5 * 1 + 1 * 0.5) / 1.5)
    assert pairs.share_lost[0] == pytest.approx((1 * 0.5) / 1.5)


def test_an_arm_without_anybody_and_a_stratum_of_one_arm() -> None:
    level = PairLevel(np.array([1.0, 2.0, 3.0, 4.0]))
    pairs = compare_pairs([level], [True, True, True, False], [0, 2, 4])
    assert pairs.codes[0] == FitCode.ONE_ARM_ONLY | FitCode.NOT_ESTIMABLE
    assert np.isnan(win_ratio(pairs).estimate[0])
    assert pairs.lost[1].tolist() == [1]
    assert compare_pairs([level], [True, True, True, False], [0, 4], stratum=[0, 0, 1, 1]).n_pairs[0] == 1


def test_pairs_that_are_all_tied_have_no_ratio() -> None:
    pairs = compare_pairs([PairLevel(np.ones(4))], ARM, [0, 4])
    assert win_ratio(pairs).codes[0] & int(FitCode.NOT_ESTIMABLE)
    assert net_benefit(pairs).estimate[0] == 0.0
    assert np.isnan(net_benefit(pairs).p_value[0])
