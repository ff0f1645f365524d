"""The compiled model against the addressed numbers it must use, and against itself under every cut of the work."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pytest

import equipoise.simulation
from equipoise.foundation.calendar import day_index
from equipoise.foundation.seeds import normals, uniforms
from equipoise.protocol import read_protocol
from equipoise.simulation.allocate import allocate, block_template
from equipoise.simulation.day_level import SimulatedTrials, simulate_day_level
from equipoise.simulation.purposes import Purpose
from equipoise.simulation.scenario import read_scenario
from equipoise.simulation.streams import normal_grid, uniform_grid

FLAGSHIP = Path(equipoise.simulation.__file__).parent.parent / "protocols" / "ketamine-mbrp-cocaine.yaml"
ARRAYS = (
    "arm",
    "poor_route",
    "propensity",
    "responder",
    "true_use",
    "calendar",
    "urine",
    "attended",
    "gone_from",
    "craving",
    "abstinent",
    "reached",
    "says_abstinent",
)


@pytest.fixture(scope="module")
def scenario():
    return read_scenario(read_protocol(FLAGSHIP), "as-published")


@pytest.fixture(scope="module")
def for_power():
    return read_scenario(read_protocol(FLAGSHIP), "for-power")


def run(scenario, replicates, seed=11, threads=None) -> SimulatedTrials:
    return simulate_day_level(scenario.design, scenario.parameters, seed=seed, replicates=replicates, threads=threads)


def assert_same(a: SimulatedTrials, b: SimulatedTrials, names=ARRAYS) -> None:
    for name in names:
        np.testing.assert_array_equal(getattr(a, name), getattr(b, name), err_msg=name)


def test_compiled_numbers_are_the_foundation_s_bit_for_bit():
    replicates, days = np.array([0, 3, 2**31 + 5]), np.array([0, 5, 182])
    got = uniform_grid(2**32 - 1, replicates, 4, days, 65_535, 65_535)
    want = uniforms(2**32 - 1, replicates[:, None, None], np.arange(4)[:, None], days, 65_535, 65_535)
    np.testing.assert_array_equal(got, want)
    got = normal_grid(7, replicates, 4, days, Purpose.CRAVING_VISIT, 2)
    want = normals(7, replicates[:, None, None], np.arange(4)[:, None], days, Purpose.CRAVING_VISIT, 2)
    np.testing.assert_array_equal(got, want)


def test_every_purpose_has_a_number_of_its_own_that_fits_its_address():
    numbers = [int(purpose) for purpose in Purpose]
    assert len(set(numbers)) == len(Purpose.__members__)
    assert all(0 < number < 65_536 for number in numbers)


def test_neither_threads_nor_chunks_change_a_bit(scenario):
    whole = run(scenario, 37, threads=1)
    assert_same(whole, run(scenario, 37, threads=3))
    first, rest = run(scenario, range(20)), run(scenario, range(20, 37))
    for name in ARRAYS:
        joined = np.concatenate([getattr(first, name), getattr(rest, name)])
        np.testing.assert_array_equal(joined, getattr(whole, name), err_msg=name)


def test_a_replicate_can_be_replayed_alone(scenario):
    many, alone = run(scenario, 30), run(scenario, [23])
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(many, name)[23], getattr(alone, name)[0], err_msg=name)


def test_another_seed_is_another_trial(scenario):
    assert (run(scenario, 3, seed=1).true_use != run(scenario, 3, seed=2).true_use).any()


def test_two_scenarios_share_the_luck_of_each_participant(scenario, for_power):
    a, b = run(scenario, 5), run(for_power, 5)
    assert_same(a, b, ("arm", "propensity", "reached"))
    # Taking the responders' effect away changes nobody who does not respond.
    weaker = dataclasses.replace(for_power, parameters=dataclasses.replace(for_power.parameters, responder_effect=0.0))
    c = run(weaker, 5)
    others = ~b.responder
    np.testing.assert_array_equal(b.true_use[others], c.true_use[others])
    assert (b.true_use[~others] <= c.true_use[~others]).mean() > 0.99


def test_a_larger_trial_repeats_the_course_of_the_first_participants(for_power):
    larger = dataclasses.replace(
        for_power.design, arms=tuple(dataclasses.replace(arm, n=arm.n + 20) for arm in for_power.design.arms)
    )
    small, large = run(for_power, 4), simulate_day_level(larger, for_power.parameters, seed=11, replicates=4)
    full_blocks = 52  # thirteen blocks of four; the last three of 55 lie in the remainder of the smaller trial
    np.testing.assert_array_equal(small.arm[:, :full_blocks], large.arm[:, :full_blocks])
    np.testing.assert_array_equal(small.urine[:, :full_blocks], large.urine[:, :full_blocks])


def slow_course(trials: SimulatedTrials):
    """The model written out participant by participant from the equations, with the foundation's numbers."""
    d, p, seed = trials.design, trials.parameters, trials.seed
    days, visits = list(range(d.first_day, d.last_day + 1)), list(d.visit_days)

    def expit(x):
        return 1 / (1 + np.exp(-x))

    urine, calendar, gone_from = (np.zeros_like(a) for a in (trials.urine, trials.calendar, trials.gone_from))
    true_use = np.zeros_like(trials.true_use)
    for r, replicate in enumerate(trials.replicates):
        for i in range(d.n_participants):

            def u(purpose, day, who=(int(replicate), i)):
                return float(uniforms(seed, who[0], who[1], day_index(day), purpose))

            arm, route = d.arm_ids[trials.arm[r, i]], float(trials.poor_route[r, i])
            z = float(normals(seed, int(replicate), i, 0, Purpose.PROPENSITY))
            k = float(uniforms(seed, int(replicate), i, 0, Purpose.RESPONDER)) < p.responder_share[arm]
            use: dict[int, bool] = {}
            for t, day in enumerate(days, 1):
                eta = p.use_log_odds + p.use_poor_route * (route - p.poor_route_share) + p.use_person_sd * z
                eta += p.use_yesterday * use.get(day - 1, False) + p.use_first_days * np.exp(
                    -(t - 1) / p.first_days_decay
                )
                lasting = 1.0 if p.responder_fading is None else np.exp(-(t - 1) / p.responder_fading)
                use[day] = u(Purpose.USE, day) < expit(eta - p.responder_effect * lasting * k)
            true_use[r, i] = [use[day] for day in days]
            told: dict[int, str] = dict.fromkeys(days, "o")
            letters, gone, last, n_gone = [], False, d.first_day - 1, len(visits)
            previous = d.first_day - 1
            for v, day in enumerate(visits):
                used = any(use[x] for x in range(previous + 1, day + 1))
                previous = day
                if not gone:
                    eta = p.dropout_log_odds + p.dropout_use * used + p.dropout_arm[arm]
                    gone = u(Purpose.DROPOUT, day) < expit(eta + p.dropout_early * (v < p.n_early_visits))
                    n_gone = v if gone else n_gone
                missed = u(Purpose.MISSED_VISIT, day) < (p.missed_with_use if used else p.missed_without_use)
                if gone or (missed and v < len(visits) - 1):
                    letters.append("o")
                    continue
                clean = p.urine_specificity
                for back, sensitivity in enumerate(p.urine_sensitivity):
                    clean *= 1 - sensitivity * use.get(day - back, False)
                letters.append("+" if u(Purpose.URINE, day) < 1 - clean else "-")
                for x in range(last + 1, day + 1):
                    told[x] = "+" if use[x] and u(Purpose.REPORT, x) >= p.under_reporting else "-"
                last = day
            urine[r, i] = [ord(letter) for letter in letters]
            calendar[r, i] = [ord(told[day]) for day in days]
            gone_from[r, i] = n_gone
    return {"true_use": true_use, "urine": urine, "calendar": calendar, "gone_from": gone_from}


@pytest.mark.parametrize("fading", [None, 6.0])
def test_the_compiled_course_is_the_model_written_out_slowly(scenario, fading):
    changed = dataclasses.replace(scenario.parameters, responder_fading=fading)
    trials = run(dataclasses.replace(scenario, parameters=changed), [0, 41], seed=5)
    for name, want in slow_course(trials).items():
        np.testing.assert_array_equal(getattr(trials, name), want, err_msg=name)


def test_blocks_follow_the_ratio_and_the_last_makes_up_the_totals():
    arms, blocks = block_template([28, 27], [1, 1])
    assert (arms.count(0), arms.count(1)) == (28, 27)
    assert [sum(a == 1 for a, b in zip(arms, blocks, strict=True) if b == k) for k in range(13)] == [2] * 13
    assert arms[-3:] == [0, 0, 1]
    arms, _ = block_template([23, 17], [3, 2])
    assert (arms.count(0), arms.count(1)) == (23, 17)
    assert block_template([0, 0], [1, 1]) == ([], [])


def test_arms_are_balanced_after_every_whole_block_and_differ_between_replicates():
    arm = allocate(3, np.arange(200), [28, 27])
    np.testing.assert_array_equal(arm.sum(axis=1), 27)
    np.testing.assert_array_equal(arm[:, :52].reshape(200, 13, 4).sum(axis=2), 2)
    # Every place in the list is either arm about equally often: 200 draws, SE .035, four of them.
    assert np.abs(arm[:, :52].mean(axis=0) - 0.5).max() < 0.16


def test_fixed_routes_are_exactly_as_many_as_the_scenario_says(scenario):
    trials = run(scenario, 50)
    for number, expected in enumerate((21, 10)):
        poor = (trials.poor_route & (trials.arm == number)).sum(axis=1)
        np.testing.assert_array_equal(poor, expected)
