"""Margins by hand: score tests where the restricted risks are known, verdicts, sizes, and Wald's tails."""

from __future__ import annotations

import math

import numpy as np
import pytest

from equipoise.analysis.margins import tails_of_wald, verdict_of
from equipoise.protocol.language.margins import MarginBounds
from equipoise.stats.cox_profile import cox_against
from equipoise.stats.design.sample_size import margin_power, margin_size
from equipoise.stats.exact import TwoByTwo, exact_tails
from equipoise.stats.risk import score_comparison, score_test


def z(table: TwoByTwo, scale: str, value: float, *, corrected: bool = False) -> float:
    return float(score_test(table, scale, value, corrected=corrected).statistic[0])


def test_everybody_has_the_event() -> None:
    """Ten of ten in both arms: under a difference of -0.5, or a ratio of 0.5, the likeliest risks are 1 and 0.5."""
    table = TwoByTwo.of(10, 10, 10, 10)
    # The distance is 0.5 and the variance 0.5 * 0.5 / 10, so z is the root of ten.
    assert z(table, "risk_difference", -0.5) == pytest.approx(math.sqrt(10))
    assert z(table, "risk_ratio", 0.5) == pytest.approx(math.sqrt(10))
    # Miettinen and Nurminen's variance is 20 / 19 of it.
    assert z(table, "risk_difference", -0.5, corrected=True) == pytest.approx(math.sqrt(9.5))


def test_an_odds_ratio_with_symmetric_margins() -> None:
    """One of four against three of four: under an odds ratio of 4 the risks are 1/3 and 2/3, for 2 p = 1 in all."""
    table = TwoByTwo.of(1, 4, 3, 4)
    # Experimental events 3 where 8/3 are expected; each arm's variance 4 * 2/9, together (8/9) / 2.
    assert z(table, "odds_ratio", 4.0) == pytest.approx((1 / 3) / math.sqrt(4 / 9))
    assert z(table, "odds_ratio", 4.0, corrected=True) == pytest.approx(0.5 * math.sqrt(7 / 8))
    assert float(score_comparison(table, "odds_ratio", corrected=False).estimate[0]) == pytest.approx(9.0)


def test_without_a_margin_the_score_is_pearsons() -> None:
    table = TwoByTwo.of(48, 80, 56, 70)
    pearson = 150 * (56 * 32 - 14 * 48) ** 2 / (70 * 80 * 104 * 46)
    for scale, value in (("risk_difference", 0.0), ("risk_ratio", 1.0), ("odds_ratio", 1.0)):
        assert z(table, scale, value) ** 2 == pytest.approx(pearson)
        assert z(table, scale, value, corrected=True) ** 2 == pytest.approx(pearson * 149 / 150)


def test_exact_tails_of_a_small_table() -> None:
    """Three of four against one of four: weights 1, 16, 36, 16, 1, times 2 per event at a ratio of 2."""
    above, below = exact_tails(TwoByTwo.of(1, 4, 3, 4), 2.0)
    total = 1 + 16 * 2 + 36 * 4 + 16 * 8 + 16
    assert float(above[0]) == pytest.approx((16 * 8 + 16) / total)
    assert float(below[0]) == pytest.approx((1 + 16 * 2 + 36 * 4 + 16 * 8) / total)


def test_empty_arms_and_constant_outcomes_have_no_test_and_a_code() -> None:
    table = TwoByTwo.of([0, 0, 5], [10, 0, 5], [0, 3, 5], [10, 5, 5])
    for scale in ("risk_difference", "risk_ratio", "odds_ratio"):
        found = score_test(table, scale, 0.5, corrected=True)
        assert np.isnan(found.statistic[1])
        assert found.codes[1]
        assert np.isfinite(found.statistic[0]) == (scale == "risk_difference")
        assert np.isfinite(found.statistic[2]) == (scale != "odds_ratio")
    with pytest.raises(ValueError, match="cannot be"):
        score_test(table, "risk_ratio", 0.0, corrected=True)


@pytest.mark.parametrize(
    ("bounds", "limits", "verdict"),
    [
        ((-0.1, None), (-0.09, 0.2), "non-inferior"),
        ((-0.1, None), (-0.11, 0.2), "not-shown"),
        ((-0.1, None), (-0.1, 0.2), "not-shown"),  # a limit on the margin does not exclude it
        ((-0.1, None), (-0.3, -0.11), "inferior"),
        ((-0.1, None), (-0.2, -0.01), "not-shown"),  # worse, and perhaps by less than the margin
        ((-0.1, None), (-0.05, -0.01), "non-inferior"),  # worse for certain, and not by the margin
        ((-0.1, None), (None, 0.2), "not-estimable"),
        ((-0.1, None), (None, -0.2), "inferior"),
        ((None, 1.5), (0.7, 1.49), "non-inferior"),
        ((None, 1.5), (0.7, math.inf), "not-shown"),
        ((None, 1.5), (1.6, 3.0), "inferior"),
        ((0.8, 1.25), (0.81, 1.24), "equivalent"),
        ((0.8, 1.25), (0.79, 1.24), "not-shown"),
        ((0.8, 1.25), (1.3, 2.0), "not-equivalent"),
        ((0.8, 1.25), (None, None), "not-estimable"),
    ],
)
def test_verdicts_of_intervals(bounds, limits, verdict) -> None:
    objective = "equivalence" if None not in bounds else "non-inferiority"
    assert verdict_of(MarginBounds(objective, "", *bounds), *limits) == verdict


def test_wald_tails() -> None:
    above, below = tails_of_wald([1.0, 1.0], [0.5, 0.5], [np.nan, 1.0], 0.0)
    assert above[0] == pytest.approx(0.022750131948)  # of 2, normal
    # t with 1 degree of freedom is Cauchy: 1/2 - arctan(2) / pi.
    assert above[1] == pytest.approx(0.5 - math.atan(2) / math.pi)
    assert above + below == pytest.approx([1.0, 1.0])


def test_size_where_half_have_the_event() -> None:
    """Both risks 1/2 and a margin of -0.2: at the margin they are 0.6 and 0.4 by symmetry."""
    root = 1.9599639845 * math.sqrt(2 * (0.24 + 0.24)) + 0.8416212336 * math.sqrt(2 * 0.5)
    found = margin_size(0.5, 0.5, -0.2, power=0.8, alpha_one_sided=0.025)
    assert found.n_total == pytest.approx((root / 0.2) ** 2, rel=1e-9)
    assert margin_power(0.5, 0.5, found.n_total, -0.2, alpha_one_sided=0.025) == pytest.approx(0.8)
    assert margin_size(0.5, 0.3, -0.2, power=0.8, alpha_one_sided=0.025).n_total == math.inf


def test_cox_against_a_margin_with_two_people() -> None:
    """One event at time 1 in the experimental arm, one later in control: L(b) = e^b / (e^b + 1), greatest at infinity.

    With two more the other way round it is symmetric, so the estimate is 0 and the information known.
    """
    time, event, arm = [1.0, 2.0, 1.0, 2.0], [1, 1, 1, 1], [1.0, 0.0, 0.0, 1.0]
    strata = [0, 0, 1, 1]
    b = math.log(1.5)
    log_lik = math.log(1.5 / 2.5) + math.log(1.0 / 2.5)
    found = cox_against(time, event, arm, b, strata=strata)
    assert found.likelihood_ratio == pytest.approx(2 * (2 * math.log(0.5) - log_lik))
    score, information = 1 - 2 * 0.6, 2 * 0.6 * 0.4
    assert found.score == pytest.approx(score**2 / information)
