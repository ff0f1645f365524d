"""Borrowing solved by hand: one component, two, updates, effective sizes, the smallest trial."""

from __future__ import annotations

import math

import numpy as np
import pytest

from equipoise.analysis.borrowed import is_beyond, predictive_p
from equipoise.stats.borrowing.characteristics import ArmsWithPriors, SuccessRule, of_one_proportion, of_proportions
from equipoise.stats.borrowing.contrast import contrast_mean, contrast_quantile, probability_above
from equipoise.stats.borrowing.effective_size import effective_size
from equipoise.stats.borrowing.mixtures import Mixture, one_component, weak_of
from equipoise.stats.borrowing.predictive import Centre, HalfNormal, Studies, predict


def test_a_beta_prior_after_events_adds_them_and_weighs_components_by_what_they_predicted() -> None:
    # Beta(1, 1) gives 1 of 1 probability 1/2, Beta(3, 1) 3/4: weights 1/2 and 1/2 become 2/5 and 3/5.
    prior = Mixture.of("beta", [0.5, 0.5], [1.0, 3.0], [1.0, 1.0])
    after = prior.after_events(1, 1)
    assert after.weights == pytest.approx([0.4, 0.6], abs=1e-14)
    assert after.first == pytest.approx([2.0, 4.0])
    assert after.second == pytest.approx([1.0, 1.0])
    assert float(after.mean) == pytest.approx(0.4 * 2 / 3 + 0.6 * 4 / 5)


def test_a_gamma_prior_after_counts_and_a_normal_one_after_a_mean() -> None:
    # Gamma(1, 1) gives 0 events in one unit probability 1/2, Gamma(2, 1) 1/4: weights 2/3 and 1/3.
    counts = Mixture.of("gamma", [0.5, 0.5], [1.0, 2.0], [1.0, 1.0]).after_counts(0, 1.0)
    assert counts.weights == pytest.approx([2 / 3, 1 / 3], abs=1e-14)
    assert counts.second == pytest.approx([2.0, 2.0])
    mean = one_component("normal", 0.0, 1.0).after_mean(2.0, 1.0)
    assert (float(mean.first[0]), float(mean.second[0])) == pytest.approx((1.0, math.sqrt(0.5)))


def test_two_uniform_arms_differ_by_more_than_d_with_half_the_square_of_what_is_left() -> None:
    one = weak_of("beta", 0.5)
    # The density ends in a corner, which costs the quadrature figures that no posterior after data costs it.
    for d in (0.0, 0.2, 0.7):
        assert float(probability_above(one, one, d)) == pytest.approx((1 - d) ** 2 / 2, abs=5e-5)
    assert float(probability_above(one, one, -0.5)) == pytest.approx(1 - 0.5**2 / 2, abs=5e-5)
    assert float(contrast_quantile(one, one, 0.5)) == pytest.approx(0.0, abs=1e-4)
    assert float(contrast_quantile(one, one, 1 - 0.3**2 / 2)) == pytest.approx(0.7, abs=1e-4)


def test_the_ratio_of_two_exponential_rates_exceeds_r_with_probability_one_over_one_more_than_r() -> None:
    one = one_component("gamma", 1.0, 1.0)
    assert float(probability_above(one, one, 3.0)) == pytest.approx(1 / 4, abs=1e-9)
    assert float(contrast_mean(one, one)) == pytest.approx(1.0)
    assert float(contrast_quantile(one, one, 0.75)) == pytest.approx(3.0, rel=1e-7)


def test_effective_sizes_of_one_conjugate_distribution_are_its_own() -> None:
    for prior, unit, size in (
        (one_component("beta", 11.0, 32.0), 1.0, 43.0),
        (one_component("gamma", 7.0, 3.0), 1.0, 3.0),
        (one_component("normal", 5.0, 2.0), 6.0, 9.0),
    ):
        found = effective_size(prior, unit)
        assert found.local_information == pytest.approx(size, rel=1e-8)
        assert found.by_variance == pytest.approx(size, rel=1e-8)
        assert found.at_mode == pytest.approx(size, rel=1e-6)
    assert math.isnan(effective_size(one_component("beta", 0.5, 0.5)).local_information)


def test_the_next_study_after_one_with_next_to_no_heterogeneity_is_that_study() -> None:
    # tau towards 0, a flat mean: the prior is the study's own distribution, N(3, 2).
    prior = predict(Studies.of_means([3.0], [2.0]), HalfNormal(1e-4), Centre(0.0, 1e4))
    assert prior.mean == pytest.approx(3.0, abs=5e-5)
    assert prior.sd == pytest.approx(2.0, rel=1e-5)


def test_the_smallest_trial_has_four_tables() -> None:
    # One participant an arm, uniform priors, success if P(p1 > p0) > 0.75: only the table 1 and 0, where it is 5/6.
    uniform = weak_of("beta", 0.5)
    after = probability_above(uniform.after_events([1.0, 0.0, 1.0], 1), uniform.after_events([0.0, 0.0, 1.0], 1), 0.0)
    assert after == pytest.approx([5 / 6, 1 / 2, 1 / 2], abs=1e-10)
    found = of_proportions(ArmsWithPriors(uniform, uniform, 1, 1), SuccessRule(0.0, 0.75), [0.6], [0.3])
    assert found.success[0] == pytest.approx(0.6 * 0.7)
    # The posterior mean of an arm is (1 + y) / 3.
    assert found.bias[0] == pytest.approx((0.6 - 0.3) / 3 - 0.3)


def test_one_arm_of_two_participants_against_a_goal() -> None:
    # Beta(1, 1): P(p > 1/2) is 1/8, 1/2, 7/8 after 0, 1, 2 events; above 0.8 only after two.
    found = of_one_proportion(weak_of("beta", 0.5), 2, SuccessRule(0.5, 0.8), [0.5, 0.9])
    assert found.success == pytest.approx([0.25, 0.81])


def test_a_result_in_conflict_with_uniform_prediction() -> None:
    # Uniform: each of 0 ... 4 events has probability 1/5; 0 or fewer has 1/5, twice that is 0.4.
    assert predictive_p(weak_of("beta", 0.5), 0.0, 4.0) == pytest.approx(0.4)
    assert predictive_p(weak_of("beta", 0.5), 2.0, 4.0) == pytest.approx(1.0)
    assert predictive_p(one_component("normal", 0.0, 3.0), 5.0 * 1.959963984540054, 4.0) == pytest.approx(0.05)
    # Gamma(1, 1), one unit: 0 events have probability 1/2, so that 1 or more have 1/2.
    assert predictive_p(one_component("gamma", 1.0, 1.0), 1.0, 1.0) == pytest.approx(1.0)


def test_a_result_that_even_the_weak_prior_gives_no_chance_is_on_another_scale() -> None:
    # N(14, 6) and an error of 8: a distance of 10 standard deviations of 10, and one of 1.
    weak = weak_of("normal", 14.0, 6.0)
    assert is_beyond(weak, np.array([114.0, 24.0]), np.array([8.0, 8.0])).tolist() == [True, False]
    # One event a thousand units: 20 events in one unit have probability (1 / 1001)^20.
    assert is_beyond(weak_of("gamma", 0.001), np.array([20.0, 0.0]), np.array([1.0, 1.0])).tolist() == [True, False]
    assert not is_beyond(weak_of("beta", 0.5), np.array([9.0]), np.array([9.0])).any()


def test_what_is_no_prior_is_refused() -> None:
    with pytest.raises(ValueError):
        Mixture.of("beta", [0.5, 0.5], [1.0, 0.0], [1.0, 1.0])
    with pytest.raises(ValueError):
        Studies.of_events([3], [2])
    with pytest.raises(ValueError):
        Studies.of_counts([0, 0], [10.0, 20.0])
    with pytest.raises(ValueError):
        HalfNormal(0.0)
    with pytest.raises(ValueError):
        SuccessRule(np.inf, 0.9)
    with pytest.raises(ValueError):
        weak_of("gamma", 2.0).after_events(1, 2)
