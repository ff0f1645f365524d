"""Looks, worked by hand: where one look is left every quantity is a normal probability that can be written down."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from equipoise.stats.design.adjusted import LooksTaken, adjust_for_looks, repeated_limits, repeated_p, z_of_p
from equipoise.stats.design.combination import (
    CombinedEffect,
    ReEstimation,
    SecondStage,
    combine_stages,
    stage_weights,
    stage_z,
)
from equipoise.stats.design.conditional_power import Ahead
from equipoise.stats.design.dropped_arms import ClosedTest, dunnett_p
from equipoise.stats.design.group_sequential import Boundary
from equipoise.stats.design.look_rules import FutilityRule, LookRule
from equipoise.stats.design.predictive_counts import OneArm, TwoArms

OF = Boundary("lan-demets-obrien-fleming")
NORMAL = stats.norm


def test_the_first_look_spends_what_its_own_information_allows() -> None:
    # 42 of 100 instead of 50: 2 - 2 Phi(z(0.0125) / sqrt(0.42)), and its quantile is the critical value.
    spent = 2 * NORMAL.sf(NORMAL.isf(0.0125) / math.sqrt(0.42))
    found = LookRule((0.5, 1.0), boundary=OF).boundaries([0.42])
    assert found.alpha_spent[0] == pytest.approx(spent, rel=1e-12)
    assert found.critical_z[0] == pytest.approx(NORMAL.isf(spent), abs=1e-9)


def test_a_trial_without_interim_look_spends_everything_at_its_end_however_much_came() -> None:
    rule = LookRule((0.5, 1.0), boundary=OF)
    for reached in (0.7, 1.0, 1.3):
        found = rule.boundaries([reached], is_last=True)
        assert found.critical_z[0] == pytest.approx(NORMAL.isf(0.025), abs=1e-9)
        assert found.alpha_spent[0] == 0.025


def test_over_running_spends_nothing_beyond_the_level_and_leaves_nothing_for_later() -> None:
    found = LookRule((0.5, 1.0), boundary=OF).boundaries([0.5, 1.2, 1.4])
    assert found.alpha_spent.tolist()[1:] == pytest.approx([0.025, 0.025])
    assert found.critical_z[2] == math.inf


def test_a_classical_boundary_spends_by_the_number_of_the_look() -> None:
    rule = LookRule((0.5, 1.0), sides=2, boundary=Boundary("pocock"))
    planned = rule.efficacy.alpha_spent
    found = rule.boundaries([0.4, 0.9], is_last=True)
    assert found.alpha_spent[0] == pytest.approx(planned[0], rel=1e-9)
    assert found.critical_z[0] == pytest.approx(2.178, abs=5e-4)  # Pocock's constant for two looks, whatever came
    with pytest.raises(ValueError, match="3 looks"):
        rule.boundaries([0.3, 0.6, 0.9])


def test_haybittle_peto_keeps_its_interim_value_at_other_information() -> None:
    found = LookRule((0.5, 1.0), boundary=Boundary("haybittle-peto", 3.0)).boundaries([0.3])
    assert found.critical_z[0] == 3.0
    assert found.alpha_spent[0] == pytest.approx(NORMAL.sf(3.0), rel=1e-12)


def test_beta_is_spent_at_the_information_reached_under_the_planned_drift() -> None:
    # First look: P(Z < f) = beta spent there, with mean drift * sqrt(0.4): f = drift sqrt(0.4) + quantile.
    from equipoise.stats.design.spending import SpendingFunction

    spending = SpendingFunction("kim-demets", 1.0)  # beta in proportion to information
    rule = LookRule((0.5, 1.0), boundary=OF, futility=FutilityRule("beta-spending", spending=spending), power=0.9)
    by_hand = rule.planned_drift * math.sqrt(0.4) + NORMAL.ppf(0.1 * 0.4)
    assert rule.boundaries([0.4]).futility_z[0] == pytest.approx(by_hand, abs=1e-9)


def test_futility_by_conditional_power_of_the_trend_is_a_value_of_z() -> None:
    # One look left: Phi((z / sqrt(t) - c) / sqrt(1 - t)) = 0.2 at z = (c + q(0.2) sqrt(1 - t)) sqrt(t), at t = 1/2.
    rule = LookRule((0.5, 1.0), boundary=OF, futility=FutilityRule("conditional-power", (0.2,)))
    c = rule.efficacy.critical_z[1]
    by_hand = (c + NORMAL.ppf(0.2) * math.sqrt(0.5)) * math.sqrt(0.5)
    assert rule.design.futility_z[0] == pytest.approx(by_hand, abs=1e-9)
    # It is not binding: critical values are those without it.
    assert np.allclose(rule.design.critical_z, rule.efficacy.critical_z, atol=1e-10)


def test_conditional_and_predictive_power_with_one_look_left() -> None:
    t, z, c, drift = 0.4, 1.1, 1.97, 3.0
    ahead = Ahead(t, z, np.array([1.0]), np.array([c]))
    rest = math.sqrt(1 - t)
    for value in (0.0, drift, z / math.sqrt(t)):
        by_hand = NORMAL.cdf((z * math.sqrt(t) + value * (1 - t) - c) / rest)
        assert ahead.conditional_power(value) == pytest.approx(by_hand, abs=1e-12)
    # Nothing known beforehand: Z at the end is normal with mean z / sqrt(t) and variance (1 - t) / t.
    assert ahead.predictive_power() == pytest.approx(NORMAL.cdf((z - c * math.sqrt(t)) / rest), abs=1e-12)
    # A prior so sharp that nothing is left open is conditional power at its mean.
    assert ahead.predictive_power(drift, 1e-12) == pytest.approx(ahead.conditional_power(drift), abs=1e-9)


def test_without_an_interim_look_the_adjusted_answer_is_the_plain_one() -> None:
    found = adjust_for_looks(LooksTaken(np.array([1.0]), np.array([1.96])), 2.3)
    half = NORMAL.isf(0.025)
    assert found.p_one_sided == pytest.approx(NORMAL.sf(2.3), rel=1e-10)
    assert (found.median_unbiased, found.lower, found.upper) == pytest.approx((2.3, 2.3 - half, 2.3 + half), abs=1e-9)


def test_a_trial_that_stops_at_its_first_look_needs_no_adjustment() -> None:
    # Nothing is more extreme than a larger Z at the first look; a drift of 1 has mean sqrt(0.5) there.
    found = adjust_for_looks(LooksTaken(np.array([0.5]), np.array([2.96])), 3.1)
    half = NORMAL.isf(0.025)
    assert found.p_one_sided == pytest.approx(NORMAL.sf(3.1), rel=1e-9)
    expected = [value / math.sqrt(0.5) for value in (3.1, 3.1 - half, 3.1 + half)]
    assert (found.median_unbiased, found.lower, found.upper) == pytest.approx(expected, abs=1e-8)


def test_repeated_limits_and_p() -> None:
    assert repeated_limits(2.0, 0.5, 3.0) == (0.5, 3.5)
    rule = LookRule((1.0,), boundary=OF)
    assert repeated_p(rule, np.array([1.0]), 2.0, is_last=True) == pytest.approx(NORMAL.sf(2.0), rel=1e-9)


def test_stages_are_combined_by_roots_of_the_planned_steps() -> None:
    weights = stage_weights([0.36, 1.0])  # 0.6 and 0.8
    assert weights.tolist() == pytest.approx([0.6, 0.8])
    assert combine_stages([1.0, 2.0], weights).tolist() == pytest.approx([1.0, 0.6 + 1.6])
    # Cumulative Z of 1 at 36 and 2 at 100: scores 6 and 20, and (20 - 6) / sqrt(64) = 1.75 of the second stage.
    assert stage_z([1.0, 2.0], [36.0, 100.0]).tolist() == pytest.approx([1.0, 1.75])
    # Where the sizes are as planned the combined Z is that of all data.
    assert combine_stages(stage_z([1.0, 2.0], [36.0, 100.0]), weights)[-1] == pytest.approx(2.0)


def test_a_combined_effect_by_hand() -> None:
    effect = CombinedEffect(np.array([3.0, 5.0]), np.array([1.0, 2.0]), np.array([0.6, 0.8]))
    assert effect.z == pytest.approx(0.6 * 3 + 0.8 * 2.5)  # 3.8; for an effect of 1: 0.6 + 0.4
    assert effect.effect_at(0.0) == pytest.approx(3.8)
    assert effect.effect_at(2.0) == pytest.approx(1.8)


def test_a_second_stage_is_sized_by_hand() -> None:
    # w1 = w2 = sqrt(1/2), c = 2, z1 = 1.2: conditional critical value (2 - 0.8485) / 0.7071 = 1.6284.
    stage = SecondStage(0.5, 1.2, 2.0)
    needed = (2.0 - 1.2 * math.sqrt(0.5)) / math.sqrt(0.5)
    assert stage.conditional_critical_z == pytest.approx(needed)
    rule = ReEstimation(0.9, 0.5, 2.0)
    drift = 3.0
    by_hand = ((needed + NORMAL.ppf(0.9)) / drift) ** 2  # 0.941 of the planned trial
    assert rule.second_stage(stage, drift) == pytest.approx(by_hand)
    assert stage.conditional_power(drift, by_hand) == pytest.approx(0.9)
    assert rule.second_stage(stage, -1.0) == 2.0  # no size is enough: as many as are allowed
    assert rule.second_stage(SecondStage(0.5, 5.0, 2.0), drift) == 0.5  # more than enough: the least
    promising = ReEstimation(0.9, 0.5, 2.0, (0.3, 0.6))
    assert stage.conditional_power(drift) > 0.6
    assert promising.second_stage(stage, drift) == 0.5  # outside the promising range the plan stays


def test_dunnett_with_one_arm_and_the_tabled_value_of_two() -> None:
    assert float(dunnett_p(1.7, [0.5])) == pytest.approx(NORMAL.sf(1.7), rel=1e-9)
    # Dunnett's one-sided 5% point of two arms of the reference's size, large samples, is 1.916.
    assert float(dunnett_p(1.916, [0.5, 0.5])) == pytest.approx(0.05, abs=1e-4)


def test_an_arm_is_claimed_when_every_set_with_it_is_rejected() -> None:
    closed = ClosedTest(np.array([0.5, 0.5]), np.array([1.0]), np.array([NORMAL.isf(0.025)]))
    # The pair needs about 2.212 (Dunnett, 2.5%): 2.3 passes, and then 2.0 does on its own; 2.1 alone does not.
    assert closed.rejects(np.array([[2.3, 2.0]])).tolist() == [True, True]
    assert closed.rejects(np.array([[2.1, 2.0]])).tolist() == [False, False]
    assert closed.rejects(np.array([[2.3, 1.9]])).tolist() == [True, False]


def test_an_arm_that_was_dropped_is_not_claimed() -> None:
    closed = ClosedTest(np.array([0.5, 0.5]), np.array([0.5, 1.0]), np.array([2.9626, 1.9686]))
    found = closed.rejects(np.array([[2.5, 2.4], [3.0, np.nan]]))
    assert found.tolist() == [True, False]
    # By hand, the set of both: first stage by Dunnett, second by the arm that is left.
    both = -NORMAL.ppf(float(dunnett_p(2.5, [0.5, 0.5])))
    assert closed.combined(np.array([[2.5, 2.4], [3.0, np.nan]]))[2] == pytest.approx((both + 3.0) / math.sqrt(2.0))


def test_one_outcome_to_come_is_laplaces_rule() -> None:
    # 3 of 4 so far; all 5 must respond for P(X >= x | goal 0.5) = 1/32 <= 0.05, so 4 of 5 (6/32) are not enough.
    arm = OneArm(4, 4, 5, 0.5, 0.05)
    assert arm.events_needed == 5
    assert arm.predictive_power() == pytest.approx(5 / 6)  # (events + 1) / (n + 2)
    assert arm.conditional_power(0.3) == pytest.approx(0.3)
    assert OneArm(3, 4, 5, 0.5, 0.05).predictive_power() == 0.0
    assert OneArm(0, 1, 2, 0.5, 0.05).events_needed == 3  # no count of 2 is enough


def test_two_arms_with_one_outcome_each_to_come() -> None:
    # 0 of 3 v 3 of 3 so far, 4 each in the end: one-sided p of 0/4 v 4/4 is 1/70, of 1/4 v 4/4 and 0/4 v 3/4 5/70.
    both = TwoArms((0, 3), (3, 3), (4, 4))
    no_event, event = 4 / 5, 4 / 5
    assert both.predictive_power(alpha_one_sided=0.025) == pytest.approx(no_event * event)
    fewer = TwoArms((3, 0), (3, 3), (4, 4))
    assert fewer.predictive_power(alpha_one_sided=0.025, more=False) == pytest.approx(no_event * event)
    assert fewer.predictive_power(alpha_one_sided=0.025) == 0.0


def test_what_is_no_look_is_refused() -> None:
    rule = LookRule((0.5, 1.0), boundary=OF)
    for wrong in ([0.5, 0.5], [0.6, 0.4], [], [float("nan")], [0.0]):
        with pytest.raises(ValueError, match="information"):
            rule.boundaries(wrong)
    with pytest.raises(ValueError, match="one-sided"):
        LookRule((0.5, 1.0), sides=2, boundary=OF, futility=FutilityRule("z", (0.0,)))
    with pytest.raises(ValueError, match="binding"):
        FutilityRule("conditional-power", (0.2,), is_binding=True)
    with pytest.raises(ValueError, match="lies from 0 to 1"):
        z_of_p(1.2)
