"""Standardised risks solved by hand."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.codes import FitCode
from equipoise.stats.firth import fit_firth
from equipoise.stats.logistic import fit_logistic
from equipoise.stats.standardised_risk import standardise_risks, with_column

ARM = np.repeat([0.0, 1.0], [10, 8])
Y = np.concatenate([np.repeat([1.0, 0.0], [3, 7]), np.repeat([1.0, 0.0], [6, 2])])
X = np.column_stack([np.ones(18), ARM])


def standardise(x, y=Y, **options):
    fits = fit_logistic(y, x, [0, len(y)])
    return standardise_risks(fits, y, x[:, 1], with_column(x, 1, 0), with_column(x, 1, 1), [0, len(y)], **options)


def test_without_covariates_they_are_the_raw_risks_with_binomial_variances() -> None:
    risks = standardise(X)
    assert (risks.risk_control[0], risks.risk_experimental[0]) == pytest.approx((0.3, 0.75), abs=1e-12)
    variance = 0.3 * 0.7 / 10 + 0.75 * 0.25 / 8
    assert risks.difference.standard_error[0] == pytest.approx(np.sqrt(variance), rel=1e-8)
    # log ratio: (1 - p) / (n p) in each arm
    log_variance = 0.7 / (10 * 0.3) + 0.25 / (8 * 0.75)
    assert risks.ratio.standard_error[0] == pytest.approx(np.sqrt(log_variance), rel=1e-8)
    assert risks.ratio.estimate[0] == pytest.approx(2.5, abs=1e-11)


def test_a_balanced_saturated_stratum_averages_the_stratum_risks() -> None:
    # Two sites of equal size; with the interaction each cell has its own risk: control 1/4, 2/4; experimental 2/4, 3/4.
    site = np.tile(np.repeat([0.0, 1.0], 4), 2)
    arm = np.repeat([0.0, 1.0], 8)
    y = np.array([1, 0, 0, 0, 1, 1, 0, 0, 1, 1, 0, 0, 1, 1, 1, 0], dtype=float)

    def design(a):
        return np.column_stack([np.ones(16), a, site, a * site])

    fits = fit_logistic(y, design(arm), [0, 16])
    arguments = (fits, y, arm, design(np.zeros(16)), design(np.ones(16)), [0, 16])
    conditional = standardise_risks(*arguments)
    assert conditional.difference.estimate[0] == pytest.approx(0.625 - 0.375, abs=1e-12)
    # Mean of two independent cells of four: (1/4) (p q / 4 + p q / 4)
    fixed = 0.25 * (3 / 16 + 4 / 16) / 4 * 2
    assert conditional.difference.standard_error[0] == pytest.approx(np.sqrt(fixed), rel=1e-8)
    population = standardise_risks(*arguments, variance="population")
    # The stratum differences are both 1/4, so sampling the covariate adds nothing to the difference ...
    assert population.difference.standard_error[0] == pytest.approx(np.sqrt(fixed), rel=1e-8)
    # ... but to each risk: they are 1/4 and 1/2, whose variance with divisor 15 over 16 is (1/8)^2 / 15.
    added = population.covariance[0, 0, 0] - conditional.covariance[0, 0, 0]
    assert added == pytest.approx((1 / 8) ** 2 / 15, rel=1e-8)


def test_an_arm_without_events_is_refused() -> None:
    y = np.where(ARM == 0, 0.0, Y)
    risks = standardise(X, y)
    assert FitCode.ZERO_CELL | FitCode.NOT_ESTIMABLE in FitCode(int(risks.codes[0]))
    assert np.isnan([risks.difference.estimate[0], risks.ratio.ci_upper[0]]).all()


def test_firth_fits_are_refused() -> None:
    fits = fit_firth(Y, X, [0, 18])
    with pytest.raises(TypeError, match="biased towards"):
        standardise_risks(fits, Y, ARM, X, X, [0, 18])
