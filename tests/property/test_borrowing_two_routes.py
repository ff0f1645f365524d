"""Borrowing by a second route: random numbers, plain sums, and what must not change."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.stats.borrowing.characteristics import (
    ArmsWithPriors,
    SuccessRule,
    of_means,
    of_one_proportion,
    of_proportions,
    of_rates,
)
from equipoise.stats.borrowing.contrast import contrast_mean, contrast_quantile, contrast_sd, probability_above
from equipoise.stats.borrowing.mixtures import Mixture, one_component, weak_of
from equipoise.stats.borrowing.predictive import HalfNormal, HalfT, Studies, predict

BETA = Mixture.of("beta", [0.5, 0.3, 0.2], [30.0, 5.0, 1.0], [90.0, 12.0, 1.0])
GAMMA = Mixture.of("gamma", [0.6, 0.4], [30.0, 1.5], [15.0, 0.6])
NORMAL = Mixture.of("normal", [0.7, 0.3], [13.0, 14.0], [0.8, 4.0])
N = 200_000


def drawn(mixture: Mixture, rng: np.random.Generator, n: int = N) -> np.ndarray:
    k = rng.choice(mixture.n_components, n, p=mixture.weights)
    a, b = mixture.first[k], mixture.second[k]
    if mixture.family == "beta":
        return rng.beta(a, b)
    return rng.normal(a, b) if mixture.family == "normal" else rng.gamma(a, 1.0 / b)


@pytest.mark.parametrize("mixture", [BETA, GAMMA, NORMAL])
def test_contrasts_are_those_of_random_numbers(mixture) -> None:
    rng = np.random.default_rng(7)
    arm = {"beta": weak_of("beta", 0.5).after_events(9, 20), "gamma": one_component("gamma", 12.0, 5.0)}
    one = arm.get(mixture.family, one_component("normal", 11.0, 1.2))
    x, y = drawn(one, rng), drawn(mixture, rng)
    effect = x / y if mixture.family == "gamma" else x - y
    for value in np.quantile(effect, [0.1, 0.5, 0.9]):
        # Five standard errors of a share of so many draws.
        assert float(probability_above(one, mixture, float(value))) == pytest.approx(
            (effect > value).mean(), abs=0.0056
        )
    for q in (0.025, 0.975):
        end = float(contrast_quantile(one, mixture, q))
        assert 1 - float(probability_above(one, mixture, end)) == pytest.approx(q, abs=1e-7)
    on = np.log(effect) if mixture.family == "gamma" else effect
    mean = float(contrast_mean(one, mixture))
    sd = float(contrast_sd(one, mixture))
    assert (np.log(mean) if mixture.family == "gamma" else mean) == pytest.approx(on.mean(), abs=5 * sd / N**0.5)
    assert sd == pytest.approx(on.std(), rel=0.02)


def test_every_table_added_up_is_the_enumeration() -> None:
    weak, rule = weak_of("beta", 0.5), SuccessRule(0.05, 0.9)
    found = of_proportions(ArmsWithPriors(weak, BETA, 4, 3), rule, [0.6, 0.3], [0.25, 0.3])
    from scipy import stats

    for k, (p1, p0) in enumerate(((0.6, 0.25), (0.3, 0.3))):
        success = bias = held = 0.0
        for y1 in range(5):
            for y0 in range(4):
                mass = stats.binom.pmf(y1, 4, p1) * stats.binom.pmf(y0, 3, p0)
                one, other = weak.after_events(y1, 4), BETA.after_events(y0, 3)
                success += mass * float(probability_above(one, other, 0.05) > 0.9)
                bias += mass * (float(one.mean - other.mean) - (p1 - p0))
                ends = [float(contrast_quantile(one, other, q)) for q in (0.025, 0.975)]
                held += mass * (ends[0] < p1 - p0 < ends[1])
        assert (found.success[k], found.bias[k], found.coverage[k]) == pytest.approx((success, bias, held), abs=1e-9)


def test_enumerated_characteristics_are_those_of_simulated_trials() -> None:
    rng, n = np.random.default_rng(11), 20_000
    within = 5 * 0.5 / n**0.5
    weak = weak_of("gamma", 2.0)
    found = of_rates(ArmsWithPriors(weak, GAMMA, 30.0, 20.0), SuccessRule(1.0, 0.9, below=True), [1.2], [2.0])
    one = weak.after_counts(rng.poisson(36, n), 30.0)
    other = GAMMA.after_counts(rng.poisson(40, n), 20.0)
    assert found.success[0] == pytest.approx((probability_above(one, other, 1.0) < 0.1).mean(), abs=within)
    assert found.bias[0] == pytest.approx(np.log(contrast_mean(one, other) / 0.6).mean(), abs=0.01)

    weak = one_component("normal", 13.0, 5.0)
    found = of_means(ArmsWithPriors(weak, NORMAL, 40, 20), 5.0, SuccessRule(0.0, 0.95, below=True), [11.0], [14.5])
    one = weak.after_mean(rng.normal(11.0, 5 / 40**0.5, n), 5 / 40**0.5)
    other = NORMAL.after_mean(rng.normal(14.5, 5 / 20**0.5, n), 5 / 20**0.5)
    effect = contrast_mean(one, other)
    assert found.success[0] == pytest.approx((probability_above(one, other, 0.0) < 0.05).mean(), abs=within)
    assert found.bias[0] == pytest.approx(effect.mean() + 3.5, abs=0.05)
    assert found.root_mean_square_error[0] == pytest.approx(np.sqrt(((effect + 3.5) ** 2).mean()), rel=0.03)
    above = probability_above(one, other, -3.5)
    assert found.coverage[0] == pytest.approx(((above > 0.025) & (above < 0.975)).mean(), abs=within)

    found = of_one_proportion(BETA, 20, SuccessRule(0.25, 0.9), [0.4])
    after = BETA.after_events(rng.binomial(20, 0.4, n), 20)
    assert found.success[0] == pytest.approx((after.above(np.full(n, 0.25)) > 0.9).mean(), abs=within)


@settings(max_examples=3, deadline=None)
@given(
    st.lists(st.tuples(st.integers(0, 40), st.integers(40, 300)), min_size=1, max_size=4),
    st.sampled_from([0.1, 0.5, 1.0]),
)
def test_turning_the_event_round_turns_the_prior_round(studies, scale) -> None:
    events, n = (np.array(column) for column in zip(*studies, strict=True))
    one = predict(Studies.of_events(events, n), HalfNormal(scale))
    other = predict(Studies.of_events(n - events, n), HalfNormal(scale))
    assert one.mean == pytest.approx(1 - other.mean, abs=1e-6)
    assert one.sd == pytest.approx(other.sd, rel=1e-4)
    assert one.tau_mean == pytest.approx(other.tau_mean, rel=1e-4)


def test_a_heavier_tail_of_the_heterogeneity_makes_a_wider_prior_and_order_does_not_matter() -> None:
    studies = Studies.of_events([23, 12, 19, 9], [107, 44, 51, 39])
    turned = Studies.of_events([9, 19, 12, 23], [39, 51, 44, 107])
    normal, heavy = predict(studies, HalfNormal(0.5)), predict(studies, HalfT(0.5, 1.0))
    assert heavy.sd > normal.sd
    assert predict(turned, HalfNormal(0.5)).mean == pytest.approx(normal.mean, abs=1e-10)
    # With many degrees of freedom half-t is half-normal.
    assert predict(studies, HalfT(0.5, 1e7)).sd == pytest.approx(normal.sd, rel=1e-4)
