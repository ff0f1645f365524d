"""Looks inside simulated trials: calendars small enough to count, and exact enumeration as the second route."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.design.looks import (
    EnrolmentCalendar,
    TrialOutcomes,
    actual_size,
    outcomes_of_protocol,
    planned_counts,
    sequential_design,
    simulate_looks,
)
from equipoise.design.stopping_rules import (
    arms_at,
    chance_of_claim,
    is_decided,
    measure_rule,
    p_values,
    rules_for,
    simulate_rules,
    worst_risk,
)
from equipoise.foundation.errors import DesignError
from equipoise.stats.design.exact_power import exact_looks, exact_power, pooled_z
from equipoise.workflow.library import read_protocol


def binary_trials(n_replicates: int, n: int, risks: tuple[float, float], ready_after: float) -> TrialOutcomes:
    experimental = np.tile(np.arange(n) % 2 == 1, (n_replicates, 1))
    drawn = np.random.default_rng(11).random((n_replicates, n))
    return TrialOutcomes(
        "binary", experimental, (drawn < np.where(experimental, risks[1], risks[0])) * 1.0, ready_after
    )


def test_the_pipeline_is_whoever_entered_within_the_delay() -> None:
    # One a day, outcomes in after 10 + 3 days; the 20th outcome of 40 is in on day 19 + 13 = 32, when 33 have entered.
    trials = binary_trials(5, 40, (0.5, 0.5), 10.0)
    calendar = EnrolmentCalendar(per_week=7.0, is_even=True, result_delay_days=3.0)
    found = simulate_looks(trials, sequential_design([0.5, 1.0]), calendar, seed=1)
    first, last = found.looks
    assert (first.day, first.n_entered, first.n_known, first.n_pipeline) == (32.0, 33.0, 20.0, 13.0)
    assert (last.day, last.n_entered, last.n_known, last.n_pipeline) == (52.0, 40.0, 40.0, 0.0)
    assert found.planned_days == 52.0


def test_a_trial_that_stops_counts_the_pipeline_and_the_delay_of_the_decision() -> None:
    # Everybody in the experimental arm has the event, nobody else: the first look stops; 4 more enter until the stop.
    n = 40
    experimental = (np.arange(n) % 2 == 1)[None, :]
    trials = TrialOutcomes("binary", experimental, experimental * 1.0, 10.0)
    calendar = EnrolmentCalendar(per_week=7.0, is_even=True, decision_delay_days=4.0)
    found = simulate_looks(trials, sequential_design([0.5, 1.0]), calendar, seed=1)
    assert found.rejected == found.looks[0].rejected == 1.0
    assert found.looks[0].day == 29.0
    assert found.expected_n == 34.0  # days 0 to 33
    assert found.expected_days == 43.0  # the last of them has an outcome ten days later
    assert found.reversed_share == 0.0


def test_without_delay_the_simulation_is_the_enumeration() -> None:
    n_replicates = 20_000
    trials = binary_trials(n_replicates, 40, (0.2, 0.55), 0.0)
    design = sequential_design([0.5, 1.0], kind="lan-demets-pocock")
    found = simulate_looks(trials, design, EnrolmentCalendar(per_week=7.0, is_even=True), seed=1)
    sizes = [arms_at(20), arms_at(40)]
    control, experimental = zip(*sizes)
    rejects = [pooled_z(*size) >= c for size, c in zip(sizes, design.critical_z)]
    exact = exact_looks(control, experimental, rejects, 0.2, 0.55)
    for look, wanted in zip(found.looks, exact.reject):
        # 4 Monte Carlo standard errors, fixed seed.
        assert abs(look.rejected - wanted) < 4 * np.sqrt(wanted * (1 - wanted) / n_replicates)
    assert found.expected_n == pytest.approx(exact.expected_n, abs=4 * 20 * 0.5 / np.sqrt(n_replicates))


def test_times_are_censored_on_the_day_of_the_look() -> None:
    # Entries on days 0, 1, 2, 3; events after 1, 9, 1, 9 days. The second event is in on day 3: two known, two at risk.
    trials = TrialOutcomes(
        "time-to-event",
        np.array([[False, True, False, True]]),
        time=np.array([[1.0, 9.0, 1.0, 9.0]]),
        event=np.ones((1, 4), dtype=bool),
    )
    found = simulate_looks(trials, sequential_design([0.5, 1.0]), EnrolmentCalendar(per_week=7.0, is_even=True), seed=1)
    assert [look.day for look in found.looks] == [3.0, 12.0]
    assert [look.n_known for look in found.looks] == [2.0, 4.0]
    assert found.looks[0].n_pipeline == 2.0


def test_log_rank_looks_keep_the_level_under_the_null() -> None:
    rng = np.random.default_rng(3)
    n_replicates, n = 4_000, 80
    trials = TrialOutcomes(
        "time-to-event",
        np.tile(np.arange(n) % 2 == 1, (n_replicates, 1)),
        time=rng.exponential(20.0, (n_replicates, n)),
        event=np.ones((n_replicates, n), dtype=bool),
    )
    design = sequential_design([0.5, 1.0], sides=2, kind="lan-demets-pocock")
    found = simulate_looks(trials, design, EnrolmentCalendar(per_week=10.0), n_events=70, seed=5)
    # Spent at the looks: 0.0310 and 0.05 in all; 4 standard errors, and 0.005 for normal theory with 35 events.
    assert found.looks[0].rejected == pytest.approx(design.alpha_spent[0], abs=4 * 0.0028 + 0.005)
    assert found.rejected == pytest.approx(0.05, abs=4 * 0.0035 + 0.005)


def test_actual_size_of_one_look_is_the_largest_exact_power_under_equal_risks() -> None:
    found = actual_size(sequential_design([1.0], sides=2), [28], [27])
    rejects = np.abs(pooled_z(28, 27)) >= 1.959963984540054
    for risk, size in found.by_risk:
        assert size == pytest.approx(float(exact_power(rejects, risk, risk)), abs=1e-12)
    assert found.largest == max(size for _, size in found.by_risk)
    # Normal theory is only approximate at 55 participants.
    assert 0.05 < found.largest < 0.07


def test_the_flagships_own_simulator_feeds_the_looks() -> None:
    protocol = read_protocol("ketamine-mbrp-cocaine")
    design = sequential_design([0.5, 1.0], sides=2)
    trials = outcomes_of_protocol(protocol, "abstinence", scenario="for-power", seed=2, n_replicates=300)
    assert trials.n == 55
    # Known on study day 33; randomized on day 2.
    assert trials.ready_after == 31.0
    found = simulate_looks(trials, design, EnrolmentCalendar(per_week=1.0), seed=2)
    assert found.looks[0].n_known == 28.0
    assert found.looks[0].n_pipeline == pytest.approx(31 / 7, abs=0.5)
    assert found.expected_n < 55
    relapse = outcomes_of_protocol(protocol, "relapse", scenario="for-power", seed=2, n_replicates=300)
    assert relapse.starts_after == 3.0  # counted from study day 5
    ended = simulate_looks(
        relapse, design, EnrolmentCalendar(per_week=1.0), n_events=40, higher_is_better=False, seed=2
    )
    assert ended.looks[0].n_known == 20.0
    assert ended.rejected > 0.5


@pytest.mark.parametrize(
    ("code", "call"),
    [
        ("D101", lambda: sequential_design([0.6, 0.5, 1.0])),
        ("D101", lambda: sequential_design([0.5, 0.8])),
        ("D101", lambda: sequential_design([])),
        ("D102", lambda: sequential_design([0.5, 1.0], alpha_spent=[0.01, 0.03])),
        ("D102", lambda: sequential_design([0.5, 1.0], alpha_spent=[0.02, 0.01])),
        ("D102", lambda: sequential_design([0.5, 1.0], alpha_one_sided=0.7)),
        ("D103", lambda: sequential_design([0.5, 1.0], kind="whitehead")),
        ("D103", lambda: sequential_design([0.5, 1.0], kind="kim-demets")),
        ("D103", lambda: sequential_design([0.5, 1.0], sides=2, futility="lan-demets-pocock")),
        ("D103", lambda: sequential_design([0.5, 0.501, 1.0])),
        ("D104", lambda: planned_counts(sequential_design([0.5, 0.51, 0.52, 1.0]), 10)),
        (
            "D105",
            lambda: outcomes_of_protocol(read_protocol("ketamine-mbrp-cocaine"), "craving", seed=1, n_replicates=2),
        ),
        ("D105", lambda: outcomes_of_protocol(read_protocol("ketamine-mbrp-cocaine"), "no", seed=1, n_replicates=2)),
        ("D106", lambda: EnrolmentCalendar(per_week=0.0)),
        ("D106", lambda: EnrolmentCalendar(per_week=1.0, result_delay_days=-1.0)),
        ("D120", lambda: rules_for(60, 60)),
        ("D121", lambda: rules_for(test="barnard")),
    ],
)
def test_what_cannot_be_is_coded_before_anything_is_simulated(code: str, call) -> None:
    with pytest.raises(DesignError, match=code) as caught:
        call()
    assert caught.value.exit_code == 8


# ------------------------------------------------------------------------------------------- stopping at 55 of 60


def test_a_verdict_that_nothing_can_change_is_the_verdict_at_the_end() -> None:
    sure, hopeless = is_decided("fisher", 10, 12, 0.05)
    assert arms_at(10) == (5, 5)
    # 0 of 5 v 5 of 5: the worst ending is 1 of 6 v 5 of 6, p = 0.08: not decided.
    assert not sure[0, 5]
    assert p_values("fisher", 12)[1, 5] == pytest.approx(74 / 924, rel=1e-12)
    # 2 of 5 in both arms: at best 2 of 6 v 3 of 6.
    assert hopeless[2, 2]
    assert not (sure & hopeless).any()


def test_the_chance_of_a_claim_is_certain_where_the_verdict_is() -> None:
    sure, hopeless = is_decided("pooled-z", 55, 60, 0.05)
    chance = chance_of_claim("pooled-z", 55, 60, 0.05)
    assert chance[sure].min() == pytest.approx(1.0, abs=1e-12)
    assert chance[hopeless].max() == pytest.approx(0.0, abs=1e-12)


@pytest.mark.parametrize("test", ["fisher", "pooled-z"])
@pytest.mark.parametrize("risk", [3 / 28, 16 / 55, 0.5])
def test_stopping_when_the_rest_cannot_matter_costs_nothing_and_peeking_does(test: str, risk: float) -> None:
    found = {rule.name: measure_rule(rule, risk, test=test) for rule in rules_for(test=test)}
    planned = found["as-planned"].type_one_error
    assert found["decided"].type_one_error == pytest.approx(planned, abs=1e-12)
    assert found["decided"].expected_n < 60
    assert planned < found["significant-once"].type_one_error < found["quarters"].type_one_error
    assert found["significant-once"].type_one_error < found["last-few"].type_one_error
    assert found["last-few"].type_one_error < found["second-half"].type_one_error


def test_the_planned_test_alone_is_the_exact_power_under_equal_risks() -> None:
    rule = rules_for(test="fisher")[0]
    assert measure_rule(rule, 0.3, test="fisher").type_one_error == pytest.approx(
        float(exact_power(p_values("fisher", 60) < 0.05, 0.3, 0.3)), abs=1e-13
    )
    assert worst_risk(rule, test="fisher").type_one_error < 0.05


def test_trials_simulated_in_order_of_enrolment_agree_with_the_enumeration() -> None:
    rules, n_replicates = rules_for(test="fisher"), 20_000
    simulated = simulate_rules(rules, 16 / 55, seed=4, n_replicates=n_replicates)
    for rule in rules:
        exact = measure_rule(rule, 16 / 55, test="fisher").type_one_error
        # 4 standard errors, fixed seed.
        assert abs(simulated[rule.name][0] - exact) < 4 * np.sqrt(exact * (1 - exact) / n_replicates)
