"""The population-averaged effect of a logistic mixed model."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.special import expit, logit

from equipoise.stats.logistic_mixed import LogisticMixedFits
from equipoise.stats.marginal import estimate_marginal_effect


def fits(beta, sd, joint) -> LogisticMixedFits:
    one = np.zeros(1)
    return LogisticMixedFits(
        coefficients=np.array([beta]),
        covariance=np.array([joint[:-1, :-1]]),
        joint_covariance=np.array([joint]),
        log_likelihood=one,
        sd_intercept=np.array([sd]),
        gradient_norm=one,
        iterations=np.ones(1, dtype=np.int64),
        condition=one,
        codes=np.zeros(1, dtype=np.uint32),
        aliased=np.zeros((1, 2), dtype=bool),
        kept=np.ones((1, 2), dtype=bool),
        nodes=12,
    )


CONTROL = np.array([[1.0, 0.0]])
EXPERIMENTAL = np.array([[1.0, 1.0]])


def test_with_no_variance_the_marginal_effect_is_the_conditional_one() -> None:
    joint = np.array([[0.2, -0.1, np.nan], [-0.1, 0.3, np.nan], [np.nan] * 3])
    effect = estimate_marginal_effect(fits([-1.0, 0.7], 0.0, joint), CONTROL, EXPERIMENTAL, [0, 1])
    assert effect.log_odds_ratio[0] == pytest.approx(0.7)
    assert effect.log_odds_ratio_se[0] == pytest.approx(np.sqrt(0.3))
    assert effect.risk_difference[0] == pytest.approx(expit(-0.3) - expit(-1.0))


def test_an_intercept_of_zero_stays_one_half_and_the_odds_ratio_is_drawn_towards_one() -> None:
    effect = estimate_marginal_effect(fits([0.0, 1.0], 2.0, np.eye(3) * 0.01), CONTROL, EXPERIMENTAL, [0, 1])
    assert effect.risk_control[0] == pytest.approx(0.5, abs=1e-12)
    average = quad(lambda z: expit(1 + 2 * z) * np.exp(-z * z / 2) / np.sqrt(2 * np.pi), -12, 12, epsrel=1e-12)[0]
    # 60 Gauss-Hermite nodes for a logistic curve of width 1/2: error below 1e-8.
    assert effect.risk_experimental[0] == pytest.approx(average, abs=1e-7)
    assert effect.log_odds_ratio[0] == pytest.approx(logit(average), abs=1e-6)
    assert 0 < effect.log_odds_ratio[0] < 1.0


def test_standard_errors_are_the_delta_method_of_numerical_derivatives() -> None:
    rng = np.random.default_rng(1)
    a = rng.normal(size=(3, 3))
    joint = a @ a.T * 0.05
    theta = np.array([-0.4, 0.9, 1.3])

    def at(t):
        return estimate_marginal_effect(fits(t[:2], t[2], joint), CONTROL, EXPERIMENTAL, [0, 1])

    h = 1e-5
    for name in ("log_odds_ratio", "risk_difference"):
        slope = [(getattr(at(theta + e), name)[0] - getattr(at(theta - e), name)[0]) / (2 * h) for e in np.eye(3) * h]
        expected = np.sqrt(np.array(slope) @ joint @ np.array(slope))
        assert getattr(at(theta), f"{name}_se")[0] == pytest.approx(expected, rel=1e-7)
