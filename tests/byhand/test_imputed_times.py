"""Times after censoring, solved by hand on a few participants, and in large trials by the formula."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.missing import time_imputation
from equipoise.stats.missing.plans import LeaversRule, SetsToMake
from equipoise.stats.missing.time_imputation import _hazard_steps, _next_event, _Steps, impute_times


def test_the_hazard_is_that_of_kaplan_and_meier():
    # At 2 one of four has the event, at 5 one of the two left: the cumulative hazards are -log(3/4), then -log(1/2)
    # more.
    steps = _hazard_steps(
        np.array([2.0, 3, 5, 9]), np.array([True, False, True, False]), np.ones((1, 4)), np.zeros((1, 4)), whole=True
    )
    assert steps.at.tolist() == [2, 5]
    assert np.exp(-steps.total[0]) == pytest.approx([3 / 4, 3 / 8])
    assert steps.last[0] == 9
    # A sample with the first participant twice and without the third.
    steps = _hazard_steps(
        np.array([2.0, 3, 5, 9]),
        np.array([True, False, True, False]),
        np.array([[2.0, 1, 0, 1]]),
        np.zeros((1, 4)),
        whole=True,
    )
    assert np.exp(-steps.total[0]) == pytest.approx([1 / 2, 1 / 2])


def test_the_first_step_that_reaches_what_is_needed_is_the_event():
    steps = _Steps(np.array([2.0, 5, 8]), np.array([[0.5, 1.0, 2.0]]), np.array([9.0]))
    # Censored at 3: the steps at 5 (0.5) and 8 (1.0) are still to come.
    for needed, expected in ((0.4, (5.0, True)), (0.6, (8.0, True)), (1.6, (9.0, False))):
        time, event = _next_event(steps, np.array([3.0]), np.array([9.0]), np.array([[needed]]))
        assert (time[0, 0], bool(event[0, 0])) == expected
    # Nothing needed is still an event after censoring, never before it.
    time, event = _next_event(steps, np.array([3.0]), np.array([9.0]), np.array([[0.0]]))
    assert (time[0, 0], bool(event[0, 0])) == (5.0, True)
    # Follow-up until 6 only, and a participant censored at 5 itself: the step there is over.
    time, event = _next_event(steps, np.array([3.0, 5.0]), np.array([6.0, 9.0]), np.array([[0.6, 0.9]]))
    assert time[0].tolist() == [6.0, 8.0]
    assert event[0].tolist() == [False, True]


def test_where_nobody_was_followed_further_a_time_ends_and_is_counted():
    made = impute_times(
        [1, 2, 3],
        [1, 1, 0],
        [5, 5, 5],
        np.column_stack([np.ones(3), [0, 0, 1]]),
        sets=SetsToMake(5, 1),
        rule=LeaversRule("jump-to-reference"),
    )
    assert (made.time[:, 2] == 3).all()
    assert not made.event[:, 2].any()
    assert made.short[0] == 1


@pytest.fixture(scope="module")
def trial():
    rng = np.random.default_rng(4)
    n = 3000
    arm = np.repeat([0.0, 1.0], n // 2)
    x = rng.normal(size=n)
    event = rng.exponential(np.where(arm == 1.0, 40.0, 20.0) * np.exp(-0.5 * x))
    leaves = np.where(rng.random(n) < 0.5, rng.exponential(40.0, n), 99.0)
    time = np.minimum(np.minimum(event, leaves), 30.0)
    return time, (event <= leaves) & (event <= 30.0), np.column_stack([np.ones(n), arm, x])


@pytest.mark.parametrize(("rule", "mean"), [("at-random", 40.0), ("jump-to-reference", 20.0)])
@pytest.mark.parametrize("delta", [0.0, 0.7])
def test_large_trials_have_the_events_of_the_formula(trial, rule, mean, delta):
    time, event, design = trial
    shift = delta * design[:, 1]
    made = impute_times(
        time, event, np.full(time.size, 30.0), design, sets=SetsToMake(20, 1), rule=LeaversRule(rule, delta=shift)
    )
    left = made.drawn & (design[:, 1] == 1.0)
    hazard = np.exp(0.5 * design[left, 2] + delta) / mean
    expected = (1.0 - np.exp(-(30.0 - time[left]) * hazard)).mean()
    # About 500 leave, the hazard itself is known to 4%.
    assert made.event[:, left].mean() == pytest.approx(expected, abs=0.035)
    assert not made.codes.any()


def test_a_larger_shift_never_makes_an_event_later(trial):
    time, event, design = trial
    until = np.full(time.size, 30.0)
    times = [
        impute_times(time, event, until, design, sets=SetsToMake(3, 1), rule=LeaversRule(delta=shift)).time
        for shift in (0.0, 0.5, 1.0)
    ]
    assert (times[1] <= times[0]).all()
    assert (times[2] <= times[1]).all()


def test_a_set_is_the_same_alone_and_with_others(trial):
    time, event, design = (values[1400:1600] for values in trial)
    until = np.full(200, 30.0)
    both = impute_times(time, event, until, design, sets=SetsToMake(5, 3))
    alone = impute_times(time, event, until, design, sets=SetsToMake(1, 3, first=4))
    assert np.array_equal(both.time[4:], alone.time)
    with pytest.raises(ValueError, match="unknown strategy"):
        impute_times(time, event, until, design, sets=SetsToMake(2, 9), rule=LeaversRule("copy-reference"))
    assert time_imputation.PURPOSE_SAMPLE != time_imputation.PURPOSE_TIME
