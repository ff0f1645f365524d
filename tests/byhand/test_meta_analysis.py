"""Meta-analysis solved by hand on two or three studies. Equations: docs/methods/meta_analysis.md."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from equipoise.stats.meta.effect_sizes import effect_of_interval, effects_of_counts, effects_of_means
from equipoise.stats.meta.exact import fit_exact
from equipoise.stats.meta.inverse_variance import (
    egger,
    fit_common,
    fit_random,
    heterogeneity,
    prediction_interval,
)
from equipoise.stats.meta.tables import fit_mantel_haenszel, fit_peto

EXACT = 1e-12  # a handful of additions and divisions


def test_the_common_effect_of_two_equal_studies_is_their_mean():
    fit = fit_common([0.0, 1.0], [1.0, 1.0])
    assert fit.estimate == 0.5
    assert fit.standard_error == pytest.approx(math.sqrt(0.5), abs=EXACT)
    assert fit.q == pytest.approx(0.5, abs=EXACT)  # 2 x 0.25
    assert fit.i2 == 0  # Q below its degrees of freedom


@pytest.mark.parametrize("method", ["DL", "PM", "EB", "REML", "HE"])
def test_with_equal_variances_every_unbiased_estimator_is_the_sample_variance_less_the_error(method):
    # s^2 of (0, 3) is 4.5, the error of each study 1: tau2 = 3.5.
    fit = fit_random([0.0, 3.0], [1.0, 1.0], method=method)
    assert fit.tau2 == pytest.approx(3.5, abs=1e-10)  # iterated
    assert fit.standard_error == pytest.approx(1.5, abs=1e-10)  # sqrt(4.5 / 2)
    assert fit.i2 == pytest.approx(3.5 / 4.5, abs=1e-10)  # the typical variance of equal ones is that one
    assert fit.h2 == pytest.approx(4.5, abs=1e-10)


def test_maximum_likelihood_divides_by_the_number_of_studies():
    assert fit_random([0.0, 3.0], [1.0, 1.0], method="ML").tau2 == pytest.approx(4.5 / 2 - 1, abs=1e-10)


def test_hartung_knapp_shortens_the_interval_of_studies_that_agree_and_the_guard_does_not():
    # Spread about 0.5 with weights 1: 0.5 / 1 degree of freedom = 0.5.
    plain = fit_random([0.0, 1.0], [1.0, 1.0], method="DL", test="hartung-knapp")
    guarded = fit_random([0.0, 1.0], [1.0, 1.0], method="DL", test="hartung-knapp-guarded")
    assert plain.standard_error == pytest.approx(0.5, abs=EXACT)
    assert guarded.standard_error == pytest.approx(math.sqrt(0.5), abs=EXACT)
    assert guarded.ci_upper == pytest.approx(0.5 + 12.706204736432095 * math.sqrt(0.5), abs=1e-9)  # t, 1 df


def test_limits_of_tau2_solve_the_generalised_q():
    # Q(t) = 4.5 / (1 + t); chi-square with 1 df.
    found = heterogeneity([0.0, 3.0], [1.0, 1.0])
    assert found.tau2_lower == 0  # 4.5 < 5.02
    assert found.tau2_upper == pytest.approx(4.5 / stats.chi2.ppf(0.025, 1) - 1, rel=1e-9)


def test_a_prediction_takes_t_with_two_degrees_of_freedom_fewer_than_studies():
    fit = fit_random([0.0, 1.0, 2.0], [1.0, 1.0, 1.0])
    assert fit.tau2 == pytest.approx(0, abs=1e-9)  # s^2 = 1 = the error
    low, high = prediction_interval(fit)
    assert high - low == pytest.approx(2 * 12.706204736432095 * math.sqrt(1 / 3), rel=1e-6)
    assert prediction_interval(fit_random([0.0, 3.0], [1.0, 1.0])) is None


def test_effects_of_one_table():
    ratio = effects_of_counts([13], [27], [3], [28], "odds_ratio")
    assert math.exp(ratio.effect[0]) == pytest.approx(13 * 25 / (14 * 3), abs=EXACT)
    assert ratio.variance[0] == pytest.approx(1 / 13 + 1 / 14 + 1 / 3 + 1 / 25, abs=EXACT)
    # 12 of 27 against 0 of 28: a half in each cell
    zero = effects_of_counts([12], [27], [0], [28], "odds_ratio")
    assert math.exp(zero.effect[0]) == pytest.approx(12.5 * 28.5 / (15.5 * 0.5), abs=1e-9)
    assert zero.corrected[0]
    assert math.isnan(effects_of_counts([0], [5], [0], [6], "risk_ratio").effect[0])
    # of a difference it is kept, a half in each cell: 0.5 / 6 - 0.5 / 7
    found = effects_of_counts([0], [5], [0], [6], "risk_difference")
    assert found.effect[0] == pytest.approx(0.5 / 6 - 0.5 / 7, abs=EXACT)


def test_hedges_g_of_two_pairs():
    # Means 2 and 0, SD 1 and 1, two participants each: d = 2, 2 df; correction Gamma(1) / (sqrt(1) Gamma(1/2)).
    found = effects_of_means([2.0], [1.0], [2], [0.0], [1.0], [2], "standardised_mean_difference")
    g = 2 / math.sqrt(math.pi)
    assert found.effect[0] == pytest.approx(g, abs=EXACT)
    assert found.variance[0] == pytest.approx(1 + g**2 / 8, abs=EXACT)


def test_an_interval_gives_the_error_on_the_logarithm():
    effect, variance = effect_of_interval(5.7, 1.3, 25.1, "odds_ratio")
    assert effect == pytest.approx(math.log(5.7), abs=EXACT)
    assert math.sqrt(variance) == pytest.approx(0.755, abs=5e-4)  # of the printed limits, rounded
    with pytest.raises(ValueError, match="enclose"):
        effect_of_interval(0.2, 1.3, 25.1, "odds_ratio")


def test_mantel_haenszel_of_two_tables():
    # (3/4 v 1/4) and (2/4 v 1/4): ad/n = 9/8 and 6/8, bc/n = 1/8 and 2/8.
    fit = fit_mantel_haenszel([3, 2], [4, 4], [1, 1], [4, 4], "odds_ratio")
    assert math.exp(fit.estimate) == pytest.approx(15 / 3, abs=1e-10)
    # risk ratio: (3 x 4 + 2 x 4) / 8 over (1 x 4 + 1 x 4) / 8; difference: (1/2 + 1/4) / 2
    assert math.exp(fit_mantel_haenszel([3, 2], [4, 4], [1, 1], [4, 4], "risk_ratio").estimate) == pytest.approx(2.5)
    assert fit_mantel_haenszel([3, 2], [4, 4], [1, 1], [4, 4], "risk_difference").estimate == pytest.approx(0.375)


def test_peto_of_one_table():
    fit = fit_peto([3], [4], [1], [4])
    variance = 4 * 4 * 4 * 4 / (64 * 7)
    assert fit.estimate == pytest.approx(1 / variance, abs=EXACT)
    assert fit.standard_error == pytest.approx(1 / math.sqrt(variance), abs=EXACT)


def test_the_exact_estimate_of_two_pairs_that_all_favour_one_arm_is_infinite_with_a_finite_lower_limit():
    fit = fit_exact([1, 1], [1, 1], [0, 0], [1, 1])
    assert fit.estimate == math.inf
    assert fit.ci_upper == math.inf
    assert fit.p_value == pytest.approx(0.5, abs=1e-12)  # both ways, each 1/4
    root = math.sqrt(0.025)  # (psi / (1 + psi))^2 = 0.025
    assert math.exp(fit.ci_lower) == pytest.approx(root / (1 - root), rel=1e-9)


def test_egger_finds_the_slope_of_effects_on_their_errors():
    # Effects 1 + 2 x error exactly: limit 1, and a residual that nothing but rounding fills.
    error = np.array([0.1, 0.2, 0.4, 0.8])
    found = egger(1 + 2 * error, error**2)
    assert found.limit == pytest.approx(1, abs=1e-9)
    assert abs(found.statistic) > 1e6
