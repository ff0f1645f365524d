"""Competing risks on a handful of participants."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.codes import FitCode
from equipoise.stats.competing_risks import estimate_cumulative_incidence, fit_fine_gray, gray_test

# Ten participants of one group: event (1), competing event (2), censored (0).
TIME = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0, 10.0])
CAUSE = np.array([1, 2, 1, 0, 1, 2, 0, 1, 2, 0])
ONE = np.zeros(10, dtype=np.int64)


def test_the_steps_are_the_free_times_the_hazard() -> None:
    curve = estimate_cumulative_incidence(TIME, CAUSE, ONE, [0, 10], n_groups=1).curve(0, 0)
    assert curve.time == pytest.approx([1, 2, 3, 5, 6, 8, 9])
    # Free of both just before: 1, 9/10, 8/10, then (4 is censored) 7/10, 7/10 * 5/6, then 7/10 * 4/6, 7/10 * 4/6 * 2/3.
    steps = [1 / 10, 0, (8 / 10) / 8, (7 / 10) / 6, 0, (7 / 10) * (4 / 6) / 3, 0]
    assert curve.incidence == pytest.approx(np.cumsum(steps))


def test_without_censoring_it_is_the_share_of_participants() -> None:
    cause = np.array([1, 2, 1, 1, 2, 2, 1, 2, 2, 2])
    curves = estimate_cumulative_incidence(TIME, cause, ONE, [0, 10], n_groups=1)
    assert [curves.at(t).incidence[0, 0] for t in (3.0, 7.0, 10.0)] == pytest.approx([0.2, 0.4, 0.4])
    # Both incidences and what is left add up to one.
    others = estimate_cumulative_incidence(TIME, 3 - cause, ONE, [0, 10], n_groups=1)
    assert curves.at(7.0).incidence + others.at(7.0).incidence == pytest.approx(0.7)


def test_the_variance_of_one_time_is_p_q_over_n_less_one_and_of_two_by_its_sum() -> None:
    cause = np.array([1, 2, 1, 1, 2, 2, 1, 2, 2, 2])
    curves = estimate_cumulative_incidence(np.ones(10), cause, ONE, [0, 10], n_groups=1)
    assert curves.at(1.0).standard_error[0, 0] ** 2 == pytest.approx(0.4 * 0.6 / 9)
    # Event, competing event, event at 1, 2, 3 of ten. F(3) = 1/5; free after each: 0.9, 0.8, 0.7. What an event at t
    # moves F(3) by, over ten: 1 - (F(3) - F(t)) / free; a competing one: (F(3) - F(t)) / free.
    found = estimate_cumulative_incidence(TIME, np.array([1, 2, 1, *[0] * 7]), ONE, [0, 10], n_groups=1).at(3.0)
    by_hand = ((1 - 0.1 / 0.9) ** 2 + (0.1 / 0.8) ** 2 + 1.0) / 100
    assert found.standard_error[0, 0] ** 2 == pytest.approx(by_hand)


def test_limits_by_their_formula_and_none_at_nothing() -> None:
    curves = estimate_cumulative_incidence(TIME, CAUSE, ONE, [0, 10], n_groups=1)
    at = curves.at(3.0)
    f, se = at.incidence[0, 0], at.standard_error[0, 0]
    half = 1.959963984540054 * se / (f * -np.log(f))
    assert at.ci_lower[0, 0] == pytest.approx(f ** np.exp(half))
    assert at.ci_upper[0, 0] == pytest.approx(f ** np.exp(-half))
    before = curves.at(0.5)
    assert (before.incidence[0, 0], np.isnan(before.ci_upper[0, 0])) == (0.0, True)
    assert not curves.at(10.0).is_beyond[0, 0]
    assert curves.at(11.0).is_beyond[0, 0]


def test_without_competing_events_fine_and_gray_is_cox_by_breslow() -> None:
    # Events at 1, 2, 3 in arms 1, 0, 1; with r = exp(beta) the score is 2 less what is expected of arm 1.
    time, cause, arm = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 1, 1, 0]), np.array([1.0, 0.0, 1.0, 0.0])
    fits = fit_fine_gray(time, cause, arm[:, None], [0, 4])
    r = np.exp(fits.coefficients[0, 0])
    assert 2 - (2 * r / (2 * r + 2) + r / (r + 2) + r / (r + 1)) == pytest.approx(0.0, abs=1e-10)
    assert fits.log_likelihood_null[0] == pytest.approx(-np.log(4 * 3 * 2))


def test_who_had_a_competing_event_stays_at_risk_with_the_share_not_yet_censored() -> None:
    # Arm 1 has the competing event at 1; one of the four left is censored at 2; events at 3 (arm 0) and 4 (arm 1).
    time, cause = np.array([1.0, 2.0, 3.0, 4.0, 5.0]), np.array([2, 0, 1, 1, 0])
    arm = np.array([1.0, 0.0, 0.0, 1.0, 0.0])
    fits = fit_fine_gray(time, cause, arm[:, None], [0, 5])
    r, w = np.exp(fits.coefficients[0, 0]), 3 / 4
    expected = (r + w * r) / (2 + r + w * r) + (r + w * r) / (1 + r + w * r)
    assert expected == pytest.approx(1.0, abs=1e-9)


def test_gray_s_score_without_competing_events_is_the_log_rank_s() -> None:
    time, cause, group = np.array([1.0, 2.0, 3.0, 4.0]), np.array([1, 1, 1, 0]), np.array([1, 0, 1, 0])
    test = gray_test(time, cause, group, [0, 4])
    # Expected in group 0: 2/4, 2/3, 1/2 of an event.
    assert test.score[0] == pytest.approx([1 - (2 / 4 + 2 / 3 + 1 / 2), 2 - (2 / 4 + 1 / 3 + 1 / 2)])


def test_an_arm_without_the_event_has_a_ratio_of_zero_and_no_robust_error() -> None:
    time = np.array([1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    cause, arm = np.array([1, 1, 2, 2, 0, 1]), np.array([0.0, 0.0, 1.0, 1.0, 1.0, 0.0])
    fits = fit_fine_gray(time, cause, arm[:, None], [0, 6])
    assert (fits.coefficients[0, 0], fits.direction[0]) == (-np.inf, -1)
    assert fits.codes[0] & FitCode.MONOTONE_LIKELIHOOD
    assert np.isnan(fits.standard_errors[0, 0])
    assert np.isfinite(gray_test(time, cause, arm.astype(int), [0, 6]).p_value[0])


@pytest.mark.parametrize(
    ("time", "cause", "arm", "code"),
    [
        ([1.0, 2.0, 3.0], [2, 0, 2], [0, 1, 0], FitCode.NO_EVENTS),
        ([1.0, np.nan, 3.0], [1, 0, 2], [0, 1, 0], FitCode.NON_FINITE_INPUT),
        ([1.0, -2.0, 3.0], [1, 0, 2], [0, 1, 0], FitCode.NEGATIVE_TIME),
        ([1.0, 2.0, 3.0], [1, 0, 2], [0, 0, 0], FitCode.ONE_ARM_ONLY),
    ],
)
def test_what_cannot_be_answered_has_a_code(time, cause, arm, code) -> None:
    fits = fit_fine_gray(time, cause, np.array(arm, float)[:, None], [0, 3])
    assert fits.codes[0] & code
    assert np.isnan(fits.coefficients).all()
    assert np.isnan(gray_test(time, cause, arm, [0, 3]).p_value[0])
