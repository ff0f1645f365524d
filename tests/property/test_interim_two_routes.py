"""Looks by recursion against the multivariate normal distribution, and against trials drawn at random."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from equipoise.stats.design.adjusted import LooksTaken, adjust_for_looks
from equipoise.stats.design.conditional_power import Ahead
from equipoise.stats.design.dropped_arms import ClosedTest, dunnett_p
from equipoise.stats.design.group_sequential import Boundary, futility_design
from equipoise.stats.design.look_rules import FutilityRule, LookRule
from equipoise.stats.design.spending import SpendingFunction

FAMILIES = [("lan-demets-obrien-fleming", None), ("lan-demets-pocock", None), ("kim-demets", 2.0)]
# The multivariate normal probabilities of scipy are good to about this.
CLOSE = 2e-5


@st.composite
def reached(draw: st.DrawFn) -> list[float]:
    """Two or three looks, the last of which may fall short of the plan or over-run it."""
    steps = draw(st.lists(st.floats(0.12, 0.5), min_size=2, max_size=3))
    return np.cumsum(steps).tolist()


def normal(mean: np.ndarray, covariance: np.ndarray) -> Any:
    """The multivariate normal distribution, to about 1e-6."""
    return stats.multivariate_normal(mean, covariance, allow_singular=True, abseps=1e-6, releps=1e-6, seed=1)


def inside(mean: np.ndarray, upper: np.ndarray, t: np.ndarray) -> float:
    """P(no bound crossed) of Z at information t."""
    share = np.sqrt(np.minimum.outer(t, t) / np.maximum.outer(t, t))
    return float(normal(mean, share).cdf(upper))


@settings(max_examples=25, deadline=None)
@given(reached(), st.sampled_from(FAMILIES))
def test_bounds_at_whatever_information_keep_the_level(t: list[float], family: tuple[str, float | None]) -> None:
    rule = LookRule((0.5, 1.0), boundary=Boundary(*family))
    found = rule.boundaries(t, is_last=True)
    assert 1.0 - inside(np.zeros(len(t)), found.critical_z, np.array(t)) == pytest.approx(0.025, abs=CLOSE)
    assert found.alpha_spent[-1] == 0.025


@settings(max_examples=20, deadline=None)
@given(reached(), st.floats(-1.0, 2.5), st.floats(-1.0, 5.0), st.floats(0.2, 20.0))
def test_conditional_and_predictive_power_against_the_multivariate_normal(
    t: list[float], z: float, drift: float, variance: float
) -> None:
    times = np.array(t)
    now, later = times[0], times[1:]
    critical = np.linspace(2.4, 1.9, later.shape[0])
    ahead = Ahead(float(now), z, later, critical)
    step = later - now
    bound = critical * np.sqrt(later) - z * math.sqrt(now)
    independent = np.minimum.outer(step, step)

    def crossed(mean: np.ndarray, covariance: np.ndarray) -> float:
        return 1.0 - float(normal(mean, covariance).cdf(bound))

    assert ahead.conditional_power(drift) == pytest.approx(crossed(drift * step, independent), abs=CLOSE)
    # With a prior the drift adds its own variance to every increment.
    left = 1.0 / (now + 1.0 / variance)
    mean = left * (z * math.sqrt(now) + drift / variance)
    both = independent + left * np.outer(step, step)
    assert ahead.predictive_power(drift, variance) == pytest.approx(crossed(mean * step, both), abs=CLOSE)


@settings(max_examples=15, deadline=None)
@given(reached(), st.floats(0.5, 3.0), st.floats(-1.0, 4.0))
def test_stage_wise_p_against_the_multivariate_normal(t: list[float], z: float, drift: float) -> None:
    times = np.array(t)
    bounds = LookRule((0.5, 1.0), boundary=Boundary("lan-demets-pocock")).boundaries(t, is_last=True)
    taken = LooksTaken(times, bounds.critical_z)
    upper = np.append(bounds.critical_z[:-1], z)
    assert taken.p_of(z, drift) == pytest.approx(1.0 - inside(drift * np.sqrt(times), upper, times), abs=CLOSE)


@settings(max_examples=15, deadline=None)
@given(reached(), st.floats(-3.0, 3.0))
def test_limits_and_p_agree_with_the_bound(t: list[float], above: float) -> None:
    rule = LookRule((0.5, 1.0), boundary=Boundary("lan-demets-pocock"))
    bounds = rule.boundaries(t, is_last=True)
    z = float(bounds.critical_z[-1]) + above
    found = adjust_for_looks(LooksTaken(np.array(t), bounds.critical_z), z)
    if abs(above) > 1e-6:
        assert (found.lower > 0.0) == (found.p_one_sided < 0.025) == (above > 0.0)
    assert found.lower < found.median_unbiased < found.upper


def test_p_of_the_bound_itself_is_the_alpha_spent_by_then() -> None:
    rule = LookRule((0.3, 0.6, 1.0), boundary=Boundary("lan-demets-pocock"))
    design = rule.design
    for k in range(3):
        taken = LooksTaken(design.information[: k + 1], design.critical_z[: k + 1])
        assert taken.p_of(float(design.critical_z[k]), 0.0) == pytest.approx(float(design.alpha_spent[k]), abs=1e-10)


@pytest.mark.parametrize("is_binding", [False, True])
def test_at_the_planned_information_the_bounds_are_those_of_the_plan(is_binding: bool) -> None:
    spending = SpendingFunction("hwang-shih-decani", -2.0)
    rule = LookRule(
        (0.4, 0.7, 1.0),
        boundary=Boundary("lan-demets-pocock"),
        futility=FutilityRule("beta-spending", spending=spending, is_binding=is_binding),
        power=0.85,
    )
    planned = futility_design(
        [0.4, 0.7, 1.0],
        alpha_one_sided=0.025,
        power=0.85,
        boundary=Boundary("lan-demets-pocock"),
        beta_spending=spending,
        is_binding=is_binding,
    )
    assert np.allclose(rule.design.critical_z, planned.critical_z, atol=1e-9)
    assert np.allclose(rule.design.futility_z, planned.futility_z, atol=1e-8)
    assert rule.design.power(rule.planned_drift) == pytest.approx(0.85, abs=1e-8)


def test_binding_bounds_at_other_information_keep_level_and_power_of_drawn_trials() -> None:
    rule = LookRule(
        (0.5, 1.0),
        boundary=Boundary("lan-demets-obrien-fleming"),
        futility=FutilityRule("beta-spending", spending=SpendingFunction("lan-demets-obrien-fleming"), is_binding=True),
        power=0.9,
    )
    t = np.array([0.37, 0.81, 1.1])
    found = rule.boundaries(t, is_last=True)
    n = 400_000
    steps = np.random.default_rng(5).standard_normal((n, 3)) * np.sqrt(np.diff(t, prepend=0.0))
    z = np.cumsum(steps, axis=1) / np.sqrt(t)
    running, claimed = np.ones(n, dtype=bool), np.zeros(n, dtype=bool)
    for k in range(3):
        claimed |= running & (z[:, k] >= found.critical_z[k])
        running &= (z[:, k] < found.critical_z[k]) & (z[:, k] >= found.futility_z[k])
    assert claimed.mean() == pytest.approx(0.025, abs=4 * math.sqrt(0.025 * 0.975 / n))


def test_the_integral_over_the_reference_arm_against_the_multivariate_normal() -> None:
    for shares in ([0.5, 0.5, 0.5], [0.3, 0.6], [0.95, 0.8, 0.2, 0.5]):
        root = np.sqrt(np.array(shares))
        together = np.outer(root, root)
        np.fill_diagonal(together, 1.0)
        for z in (0.3, 1.9, 2.6):
            expected = 1.0 - float(normal(np.zeros(len(shares)), together).cdf(np.full(len(shares), z)))
            assert float(dunnett_p(z, shares)) == pytest.approx(expected, abs=CLOSE)


def test_dropping_the_worse_arms_keeps_the_familywise_level() -> None:
    # Three arms, one reference, no effect; the best goes on, which is a choice from the results.
    n, arms = 20_000, 3
    rng = np.random.default_rng(8)
    design = LookRule((0.5, 1.0), boundary=Boundary("lan-demets-obrien-fleming")).design
    closed = ClosedTest(np.full(arms, 0.5), design.information, design.critical_z)
    z = math.sqrt(0.5) * (rng.standard_normal((n, 2, arms)) + rng.standard_normal((n, 2, 1)))
    best = z[:, 0].argmax(axis=1)
    z[:, 1][np.arange(arms) != best[:, None]] = np.nan
    claimed = closed.rejects(z).any(axis=1).mean()
    error = math.sqrt(0.025 * 0.975 / n)
    assert claimed <= 0.025 + 3 * error
    assert claimed > 0.012  # dropping arms costs something, but the test is not empty
    # Without the closed test the arm that was picked would be claimed far too often.
    pooled = (z[:, 0][np.arange(n), best] + z[:, 1][np.arange(n), best]) / math.sqrt(2.0)
    assert (pooled >= 1.9686).mean() > 0.04
