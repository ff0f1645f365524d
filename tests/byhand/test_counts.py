"""Regressions of counts on tables small enough for a pencil."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.codes import FitCode
from equipoise.stats.counts import (
    CountModel,
    fit_counts,
    profile_counts,
    robust_covariance,
    standardised_rates,
)
from equipoise.stats.exact_rates import exact_rate_ratio

# Two participants an arm: 6 and 2 events in 10 and 10 days, 3 and 1 in 10 and 30 days.
Y = np.array([6.0, 2.0, 3.0, 1.0])
DAYS = np.array([10.0, 10.0, 10.0, 30.0])
DESIGN = np.column_stack([np.ones(4), [0.0, 0.0, 1.0, 1.0]])
NEGATIVE_BINOMIAL = CountModel("negative-binomial")


def test_a_poisson_rate_ratio_is_that_of_events_over_days() -> None:
    fits = fit_counts(Y, DESIGN, [0, 4], exposure=DAYS)
    # 8 in 20 days against 4 in 40: rates 0.4 and 0.1; var(log ratio) = 1/8 + 1/4.
    assert np.exp(fits.coefficients[0]) == pytest.approx([0.4, 0.25], rel=1e-12)
    assert fits.covariance[0, 1, 1] == pytest.approx(0.375, rel=1e-12)
    # sum y log mu - mu - log y!: mu 4, 4, 1, 3; y! 720, 2, 6, 1.
    by_hand = 8 * np.log(4) + 1 * np.log(3) - 12 - np.log(720 * 2 * 6)
    assert fits.log_likelihood[0] == pytest.approx(by_hand, abs=1e-10)
    # The sandwich: bread 1/8, 1/4 (arms apart), meat the squares of residuals: 2^2 + 2^2 = 8 | 2^2 + 2^2 = 8.
    robust = robust_covariance(fits, Y, DESIGN, [0, 4], exposure=DAYS)
    assert robust[0, 1, 1] == pytest.approx(8 / 64 + 8 / 16, rel=1e-12)


def test_the_poisson_test_and_limits_by_their_equation() -> None:
    profile = profile_counts(fit_counts(Y, DESIGN, [0, 4], exposure=DAYS), Y, DESIGN, [0, 4], exposure=DAYS)
    # Under equal rates 12 in 60 days: 4 and 8 expected of 8 and 4.
    assert profile.statistic[0] == pytest.approx(2 * (8 * np.log(8 / 4) + 4 * np.log(4 / 8)), rel=1e-10)
    for limit in (profile.ci_lower[0], profile.ci_upper[0]):
        # At a ratio r the rate of the reference is 12 / (20 + 40 r); twice the fall is 3.841459.
        r = np.exp(limit)
        rate = 12 / (20 + 40 * r)
        fall = 8 * np.log(0.4 / rate) + 4 * np.log(0.1 / (rate * r))
        assert 2 * fall == pytest.approx(3.841458820694124, abs=1e-8)


def test_an_arm_without_events_has_a_ratio_of_zero_with_a_known_upper_limit() -> None:
    y, days = np.array([5.0, 3.0, 0.0, 0.0]), np.array([10.0, 10.0, 10.0, 30.0])
    fits = fit_counts(y, DESIGN, [0, 4], exposure=days)
    assert (fits.coefficients[0, 1], fits.direction[0]) == (-np.inf, -1)
    profile = profile_counts(fits, y, DESIGN, [0, 4], exposure=days)
    # 8 events: the supremum has all in 20 days; at r they come in 20 + 40 r. So 16 log((20 + 40 r) / 20) = 3.841459.
    assert profile.statistic[0] == pytest.approx(16 * np.log(3.0), rel=1e-10)
    assert np.exp(profile.ci_upper[0]) == pytest.approx((np.exp(3.841458820694124 / 16) - 1) / 2, rel=1e-8)
    assert profile.ci_lower[0] == -np.inf
    # The other way round the ratio is infinite and its lower limit known.
    other = np.column_stack([np.ones(4), 1.0 - DESIGN[:, 1]])
    again = fit_counts(y, other, [0, 4], exposure=days)
    assert again.coefficients[0, 1] == np.inf
    assert profile_counts(again, y, other, [0, 4], exposure=days).ci_lower[0] == pytest.approx(-profile.ci_upper[0])


def test_the_dispersion_of_one_sample_by_its_equation() -> None:
    # The mean is mu whatever alpha is. In alpha: sum over events j below each count of j / (1 + alpha j), and so on.
    y = np.array([0.0, 0.0, 1.0, 7.0])
    fits = fit_counts(y, np.ones((4, 1)), [0, 4], model=NEGATIVE_BINOMIAL, column=None)
    mu, a = 2.0, float(fits.alpha[0])
    assert np.exp(fits.coefficients[0, 0]) == pytest.approx(mu, rel=1e-9)
    of_counts = sum(j / (1 + a * j) for j in range(1, 7))
    score = of_counts + 4 * np.log1p(a * mu) / a**2 - (8 + 4 / a) * mu / (1 + a * mu)
    assert score == pytest.approx(0.0, abs=1e-8)
    # The mean's variance at the estimate of alpha: (mu + alpha mu^2) / n, on the logarithm over mu^2; in the observed
    # information of a single sample it is uncorrelated with alpha.
    assert fits.covariance[0, 0, 0] == pytest.approx((mu + a * mu * mu) / 4 / mu**2, rel=1e-8)


def test_counts_that_vary_less_than_poisson_s_are_fitted_as_poisson_s() -> None:
    y = np.array([3.0, 3.0, 4.0, 2.0, 2.0, 2.0, 1.0, 3.0])
    design = np.column_stack([np.ones(8), np.repeat([0.0, 1.0], 4)])
    fits = fit_counts(y, design, [0, 8], model=NEGATIVE_BINOMIAL)
    plain = fit_counts(y, design, [0, 8])
    assert (fits.alpha[0], fits.theta[0]) == (0.0, np.inf)
    assert fits.coefficients == pytest.approx(plain.coefficients, rel=1e-12)
    assert fits.log_likelihood == pytest.approx(plain.log_likelihood, rel=1e-12)


def test_rates_are_averaged_over_everybody() -> None:
    # A covariate that doubles the rate, one of each kind in either arm.
    y = np.array([2.0, 4.0, 1.0, 2.0])
    design = np.column_stack([np.ones(4), [0, 0, 1, 1], [0, 1, 0, 1]]).astype(float)
    fits = fit_counts(y, design, [0, 4])
    for arm, mean in ((0.0, 3.0), (1.0, 1.5)):
        there = design.copy()
        there[:, 1] = arm
        assert np.exp(standardised_rates(fits, there, [0, 4]).log_rate[0]) == pytest.approx(mean, rel=1e-9)


def test_the_exact_comparison_is_a_binomial_of_all_events() -> None:
    # 0 of 4 events in half of the days: upper limit of the share 1 - 0.025^(1/4), p twice 2^-4.
    found = exact_rate_ratio(0, 10, 4, 10, level=0.95)
    share = 1 - 0.025**0.25
    assert found.rate_ratio[0] == 0.0
    assert found.ci_upper[0] == pytest.approx(share / (1 - share), rel=1e-10)
    assert found.p_value[0] == pytest.approx(2 / 16, rel=1e-12)


@pytest.mark.parametrize(
    ("y", "days", "code"),
    [
        ([0.0, 0.0, 0.0, 0.0], DAYS, FitCode.NO_EVENTS),
        ([1.5, 2.0, 3.0, 1.0], DAYS, FitCode.NON_FINITE_INPUT),
        ([-1.0, 2.0, 3.0, 1.0], DAYS, FitCode.NON_FINITE_INPUT),
        (Y, [10.0, 0.0, 10.0, 30.0], FitCode.NON_FINITE_INPUT),
        (Y, [10.0, np.nan, 10.0, 30.0], FitCode.NON_FINITE_INPUT),
    ],
)
def test_what_cannot_be_fitted_has_a_code_and_no_number(y, days, code) -> None:
    for model in (CountModel(), NEGATIVE_BINOMIAL, CountModel("negative-binomial", np.array([0, 2, 4]))):
        fits = fit_counts(y, DESIGN, [0, 4], exposure=days, model=model)
        assert fits.codes[0] & code
        assert np.isnan(fits.coefficients).all()
        assert np.isnan(profile_counts(fits, y, DESIGN, [0, 4], exposure=days).p_value).all()


def test_one_arm_alone_is_not_compared() -> None:
    fits = fit_counts([1.0, 2.0, 3.0], np.column_stack([np.ones(3), np.zeros(3)]), [0, 3])
    assert fits.codes[0] & FitCode.RANK_DEFICIENT
    assert np.isnan(fits.coefficients[0, 1])
