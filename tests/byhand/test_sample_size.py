"""Sizes and powers worked out on paper, and by integrals that share no code with ours."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import integrate, special, stats

from equipoise.stats.design.sample_size import (
    Accrual,
    Size,
    hazard_of_risk,
    log_rank_power,
    log_rank_size,
    normal_power,
    time_of_events,
    two_means_power,
    two_means_size,
    two_proportions_power,
    two_proportions_size,
    whole_arms,
)

Z = 1.959963984540054  # 97.5 %
Z80 = 0.8416212335729143


def test_two_proportions_by_the_formula_written_out() -> None:
    # 1:1, 0.2 v 0.5: pooled 0.35, null sd sqrt(2 x .35 x .65) = .674537, true sd sqrt(.16 + .25) = .640312,
    # per arm ((Z .674537 + Z80 .640312) / .3)^2.
    per_arm = ((Z * math.sqrt(0.455) + Z80 * math.sqrt(0.41)) / 0.3) ** 2
    found = two_proportions_size(0.2, 0.5, power=0.8, alpha_one_sided=0.025)
    assert found.n_control == pytest.approx(per_arm, rel=1e-12)
    assert whole_arms(found) == (39, 39)  # 38.48


def test_size_and_power_of_two_proportions_undo_each_other_at_two_to_one() -> None:
    n = two_proportions_size(0.3, 0.5, power=0.85, alpha_one_sided=0.05, allocation_ratio=2.0)
    assert n.n_experimental == pytest.approx(2 * n.n_control, rel=1e-14)
    power = two_proportions_power(0.3, 0.5, n.n_total, alpha_one_sided=0.05, allocation_ratio=2.0)
    assert power == pytest.approx(0.85, abs=1e-12)


def test_the_direction_of_the_difference_does_not_matter() -> None:
    up = two_proportions_power(0.3, 0.5, 80, alpha_one_sided=0.025)
    assert two_proportions_power(0.5, 0.3, 80, alpha_one_sided=0.025) == pytest.approx(up, rel=1e-14)
    assert two_proportions_power(0.5, 0.7, 80, alpha_one_sided=0.025) == pytest.approx(up, rel=1e-14)


def test_without_a_difference_power_is_the_level_and_size_is_infinite() -> None:
    assert two_proportions_power(0.3, 0.3, 80, alpha_one_sided=0.025, sides=2) == pytest.approx(0.05, abs=1e-12)
    assert math.isinf(two_proportions_size(0.3, 0.3, power=0.8, alpha_one_sided=0.025).n_total)
    assert normal_power(0.0, alpha_one_sided=0.025, sides=2) == pytest.approx(0.05, abs=1e-12)


def test_power_of_the_t_test_by_integrating_over_the_standard_deviation() -> None:
    # Given s, T >= c is Z >= c s / sigma; average the normal tail over chi_df / sqrt(df).
    n, df, drift = 24, 22, 8.0 / 10.0 * math.sqrt(24) / 2
    critical = stats.t.ppf(0.975, df)
    density = stats.chi(df).pdf
    by_hand = integrate.quad(
        lambda u: density(u) * special.ndtr(drift - critical * u / math.sqrt(df)), 0, 20, epsabs=1e-12, limit=200
    )[0]
    assert two_means_power(8, 10, n, alpha_one_sided=0.025) == pytest.approx(by_hand, abs=1e-9)


def test_two_means_known_standard_deviation() -> None:
    # 4 (Z + Z80)^2 (sd / difference)^2
    n = two_means_size(12, 22, power=0.8, alpha_one_sided=0.025, is_normal=True)
    assert n.n_total == pytest.approx(4 * (Z + Z80) ** 2 * (22 / 12) ** 2, rel=1e-12)
    t = two_means_size(12, 22, power=0.8, alpha_one_sided=0.025)
    assert two_means_power(12, 22, t.n_total, alpha_one_sided=0.025) == pytest.approx(0.8, abs=1e-10)
    assert n.n_total < t.n_total < n.n_total + 3  # about Z^2 / 2 more


def test_schoenfelds_events() -> None:
    # 4 (Z + Z80)^2 / log(0.5)^2 = 65.3; two to one costs 9/8.
    accrual = Accrual(30.0, 56.0)
    one = log_rank_size(0.03, 0.5, accrual, power=0.8, alpha_one_sided=0.025)
    two = log_rank_size(0.03, 0.5, accrual, power=0.8, alpha_one_sided=0.025, allocation_ratio=2.0)
    assert one.n_events == pytest.approx(4 * (Z + Z80) ** 2 / math.log(0.5) ** 2, rel=1e-12)
    assert two.n_events == pytest.approx(one.n_events * 9 / 8, rel=1e-12)
    assert log_rank_power(0.5, one.n_events, alpha_one_sided=0.025) == pytest.approx(0.8, abs=1e-12)


@pytest.mark.parametrize("study_time", [8.0, 20.0, 39.0])
def test_the_probability_of_an_event_by_integrating_over_entry(study_time: float) -> None:
    accrual = Accrual(20.0, study_time, 0.02, 0.05)
    by_hand = integrate.quad(
        lambda entry: 0.1 / 0.12 * (1 - math.exp(-0.12 * max(study_time - entry, 0.0))) / 20.0, 0, min(20.0, study_time)
    )[0]
    assert accrual.event_probability(0.1, 0.02) == pytest.approx(by_hand, abs=1e-12)


def test_all_at_once_is_the_limit_of_fast_accrual() -> None:
    at_once = Accrual(0.0, 28.0).event_probability(0.05, 0.01)
    assert Accrual(1e-6, 28.0).event_probability(0.05, 0.01) == pytest.approx(at_once, rel=1e-6)
    assert at_once == pytest.approx(0.05 / 0.06 * (1 - math.exp(-0.06 * 28)), rel=1e-14)


def test_the_time_of_events_returns_the_events() -> None:
    accrual = Accrual(20.0, 40.0, 0.01, 0.02)
    when = time_of_events(50, 100, 0.1, 0.5, accrual)
    assert 100 * accrual.at(when).mean_event_probability(0.1, 0.5, 1.0) == pytest.approx(50, abs=1e-8)
    # Dropout at 9 times the hazard leaves at most a tenth with an event.
    assert math.isinf(time_of_events(50, 100, 0.1, 0.5, Accrual(20.0, 40.0, 0.9, 0.9)))


def test_dropout_of_a_tenth_by_week_twelve() -> None:
    assert math.exp(-12 * hazard_of_risk(0.1, 12)) == pytest.approx(0.9, rel=1e-14)


def test_arms_are_rounded_up_each() -> None:
    assert whole_arms(Size(38.2, 76.4)) == (39, 77)
    assert whole_arms(Size(40.0 + 1e-12, 40.0)) == (40, 40)


@pytest.mark.parametrize(
    "call",
    [
        lambda: two_proportions_size(0.0, 0.5, power=0.8, alpha_one_sided=0.025),
        lambda: two_proportions_size(0.1, 1.0, power=0.8, alpha_one_sided=0.025),
        lambda: two_proportions_size(0.1, 0.5, power=1.0, alpha_one_sided=0.025),
        lambda: two_proportions_size(0.1, 0.5, power=0.01, alpha_one_sided=0.025),
        lambda: two_proportions_size(0.1, 0.5, power=0.8, alpha_one_sided=0.5),
        lambda: two_proportions_size(0.1, 0.5, power=0.8, alpha_one_sided=0.025, allocation_ratio=0.0),
        lambda: two_means_size(1, 0, power=0.8, alpha_one_sided=0.025),
        lambda: two_means_power(1, 1, 2, alpha_one_sided=0.025),
        lambda: log_rank_power(0.0, 50, alpha_one_sided=0.025),
        lambda: log_rank_power(0.5, 50, alpha_one_sided=0.025, sides=3),
        lambda: Accrual(-1.0, 10.0),
        lambda: Accrual(1.0, 10.0, -0.1),
        lambda: hazard_of_risk(1.0, 12),
        lambda: time_of_events(10, 50, 0.0, 0.5, Accrual(1.0, 10.0)),
    ],
)
def test_impossible_inputs_are_refused(call) -> None:
    with pytest.raises((ValueError, ZeroDivisionError)):
        call()


def test_infinite_size_when_nothing_is_to_be_found() -> None:
    assert np.isinf(log_rank_size(0.1, 1.0, Accrual(1, 10), power=0.8, alpha_one_sided=0.025).n_events)
    assert np.isinf(two_means_size(0.0, 1.0, power=0.8, alpha_one_sided=0.025).n_total)
