"""Risks solved by hand or printed in the papers that proposed the method."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.codes import FitCode
from equipoise.stats.risk import (
    clopper_pearson,
    miettinen_nurminen_difference,
    miettinen_nurminen_ratio,
    newcombe_difference,
    newcombe_ratio,
    wilson,
)

Z = 1.959963984540054


def test_wilson_limits_solve_the_score_equation() -> None:
    fit = wilson(3, 10)
    for limit in (fit.ci_lower, fit.ci_upper):
        assert (0.3 - limit) ** 2 == pytest.approx(Z**2 * limit * (1 - limit) / 10, rel=1e-12)


def test_clopper_pearson_of_no_event_is_a_power_of_the_tail() -> None:
    # (1 - p)^10 = 0.025
    fit = clopper_pearson([0, 10], 10)
    assert fit.ci_upper[0] == pytest.approx(1 - 0.025**0.1, rel=1e-12)
    assert fit.ci_lower[1] == pytest.approx(0.025**0.1, rel=1e-12)
    assert (fit.ci_lower[0], fit.ci_upper[1]) == (0.0, 1.0)


@pytest.mark.parametrize(
    ("counts", "newcombe", "score"),
    # Newcombe (1998) Stat Med 17:873, table II: method 10 and Miettinen and Nurminen's, printed to four decimals.
    [
        ((48, 80, 56, 70), (0.0524, 0.3339), (0.0528, 0.3382)),
        ((3, 10, 9, 10), (0.1705, 0.8090), (0.1700, 0.8406)),
        ((0, 10, 10, 10), (0.6075, 1.0000), (0.6636, 1.0000)),
    ],
)
def test_limits_of_the_difference_are_those_printed_by_newcombe(counts, newcombe, score) -> None:
    fit = newcombe_difference(*counts)
    assert (fit.ci_lower[0], fit.ci_upper[0]) == pytest.approx(newcombe, abs=5.1e-5)
    fit = miettinen_nurminen_difference(*counts)
    assert (fit.ci_lower[0], fit.ci_upper[0]) == pytest.approx(score, abs=5.1e-5)


def test_none_against_all_has_a_limit_in_closed_form() -> None:
    # By symmetry the constrained risks are (1 - d) / 2 and (1 + d) / 2, so (1 - d)^2 = z^2 (1 - d)(1 + d) / 20 x 20/19.
    c = Z**2 / 19
    fit = miettinen_nurminen_difference(0, 10, 10, 10)
    assert fit.ci_lower[0] == pytest.approx((1 - c) / (1 + c), rel=1e-10)
    assert fit.ci_upper[0] == 1.0


def test_the_score_test_of_no_difference_is_pearson_s_with_n_minus_one() -> None:
    # 3 of 10 against 6 of 8: pooled 1/2, variance 1/4 (1/10 + 1/8) 18/17.
    z = (0.75 - 0.3) / np.sqrt(0.25 * (1 / 10 + 1 / 8) * 18 / 17)
    from scipy.special import ndtr

    assert miettinen_nurminen_difference(3, 10, 6, 8).p_value[0] == pytest.approx(2 * ndtr(-z), rel=1e-12)
    assert miettinen_nurminen_ratio(3, 10, 6, 8).p_value[0] == pytest.approx(2 * ndtr(-z), rel=1e-12)


def test_at_the_limits_of_the_ratio_the_constrained_score_is_the_quantile() -> None:
    fit = miettinen_nurminen_ratio(3, 10, 6, 8)
    for ratio in (fit.ci_lower[0], fit.ci_upper[0]):
        # Constrained maximum on a fine grid instead of the closed form.
        r0 = np.linspace(1e-6, min(1, 1 / ratio) - 1e-6, 2_000_001)
        log_lik = 3 * np.log(r0) + 7 * np.log1p(-r0) + 6 * np.log(r0 * ratio) + 2 * np.log1p(-r0 * ratio)
        r0 = r0[log_lik.argmax()]
        r1 = r0 * ratio
        variance = (r1 * (1 - r1) / 8 + ratio**2 * r0 * (1 - r0) / 10) * 18 / 17
        assert (0.75 - ratio * 0.3) ** 2 / variance == pytest.approx(Z**2, rel=1e-4)  # grid


def test_no_event_in_control_leaves_a_lower_limit_of_the_ratio_only() -> None:
    for method in (miettinen_nurminen_ratio, newcombe_ratio):
        fit = method(0, 20, 5, 20)
        assert np.isposinf([fit.estimate[0], fit.ci_upper[0]]).all()
        assert FitCode(int(fit.codes[0])) == FitCode.ZERO_CELL
    assert miettinen_nurminen_ratio(0, 20, 5, 20).ci_lower[0] > 1.0


def test_no_event_in_either_arm_has_a_difference_of_zero_with_an_interval() -> None:
    fit = miettinen_nurminen_difference(0, 20, 0, 20)
    assert fit.estimate[0] == 0.0
    # Under d > 0 the constrained control risk is 0, so d^2 = z^2 (d (1 - d) / 20) 40/39.
    d = (Z**2 * 40 / 39 / 20) / (1 + Z**2 * 40 / 39 / 20)
    assert fit.ci_upper[0] == pytest.approx(d, rel=1e-9)
    assert fit.ci_lower[0] == pytest.approx(-d, rel=1e-9)
    assert fit.p_value[0] == 1.0


def test_ratio_limits_from_newcombe_s_principle_swap_with_the_arms() -> None:
    a, b = newcombe_ratio(3, 10, 6, 8), newcombe_ratio(6, 8, 3, 10)
    assert a.ci_lower[0] == pytest.approx(1 / b.ci_upper[0], rel=1e-12)
