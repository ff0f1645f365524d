"""Cox regression solved by hand on the seven rows of Therneau's validation (one at time zero dropped: six rows)."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.codes import FitCode
from equipoise.stats.cox import fit_cox

# Six participants; with r = exp(beta): at time 1 one event among all six, at time 6 two events among four, then one.
TIME = np.array([1.0, 1.0, 6.0, 6.0, 8.0, 9.0])
EVENT = np.array([1.0, 0.0, 1.0, 1.0, 0.0, 1.0])
X = np.array([1.0, 1.0, 1.0, 0.0, 0.0, 0.0])


def fit(ties, **options):
    return fit_cox(TIME, EVENT, X, [0, 6], ties=ties, **options)


def test_breslow_solves_a_quadratic() -> None:
    # l = 2 beta - log(3r + 3) - 2 log(r + 3); its derivative is zero where r^2 - 3r - 6 = 0.
    r = 0.5 * (3 + np.sqrt(33))
    fits = fit("breslow")
    assert fits.coefficients[0, 0] == pytest.approx(np.log(r), rel=1e-12)
    assert fits.log_lik[0] == pytest.approx(2 * np.log(r) - np.log(3 * r + 3) - 2 * np.log(r + 3), rel=1e-12)
    information = r / (r + 1) ** 2 + 2 * 3 * r / (r + 3) ** 2
    assert fits.covariance[0, 0, 0] == pytest.approx(1 / information, rel=1e-9)


def test_efron_solves_a_cubic() -> None:
    # l = 2 beta - log(3r + 3) - log(r + 3) - log((r + 5) / 2); zero where r^3 - 23 r - 30 = 0.
    r = max(np.roots([1, 0, -23, -30]).real)
    fits = fit("efron")
    assert fits.coefficients[0, 0] == pytest.approx(np.log(r), rel=1e-12)
    log_lik = 2 * np.log(r) - np.log(3 * r + 3) - np.log(r + 3) - np.log((r + 5) / 2)
    assert fits.log_lik[0] == pytest.approx(log_lik, rel=1e-12)
    information = r / (r + 1) ** 2 + 3 * r / (r + 3) ** 2 + 5 * r / (r + 5) ** 2
    assert fits.covariance[0, 0, 0] == pytest.approx(1 / information, rel=1e-9)
    assert fits.log_lik_null[0] == pytest.approx(-np.log(6) - np.log(4) - np.log(3), rel=1e-12)
    # At beta = 0 the score is 2 - 1/2 - 1/4 - 1/6 = 13/12 and the information 1/4 + 3/16 + 5/36 = 83/144.
    assert fits.score_test[0] == pytest.approx((13 / 12) ** 2 / (83 / 144), rel=1e-12)


def test_the_exact_method_sees_that_its_likelihood_has_no_maximum() -> None:
    # At time 6 the pair is one of six, three of them with x = 1: l = 2 beta - 2 log(3r + 3) rises for ever.
    fits = fit("exact")
    assert FitCode(int(fits.codes[0])) == FitCode.MONOTONE_LIKELIHOOD | FitCode.NOT_ESTIMABLE
    assert np.isnan(fits.coefficients[0, 0])
    assert fits.direction[0, 0] == 1
    assert fits.log_lik[0] == pytest.approx(-2 * np.log(3), abs=1e-9)
    assert fits.scale == "odds_ratio"


def test_the_exact_method_on_one_day_is_conditional_logistic_regression() -> None:
    # Four on one day, two with x = 1; one event each side plus a second stratum to keep it finite: the pairs are
    # {11: r^2, 10: 4 r, 00: 1}; events are one of each kind, so l = beta - log(r^2 + 4r + 1), maximal at r = 1.
    fits = fit_cox(np.ones(4), [1, 0, 1, 0], [1, 1, 0, 0], [0, 4], ties="exact")
    assert fits.coefficients[0, 0] == pytest.approx(0.0, abs=1e-12)
    assert fits.log_lik[0] == pytest.approx(-np.log(6), abs=1e-12)
    # Variance of the number with x = 1 in the pair: weights 1, 4, 1 of 6, so 1/3.
    assert fits.covariance[0, 0, 0] == pytest.approx(3.0, rel=1e-9)
    assert FitCode.ALL_EVENTS_TIED in FitCode(int(fits.codes[0]))


def test_the_first_to_fail_being_always_treated_is_a_monotone_likelihood() -> None:
    fits = fit_cox([1, 2, 3, 4], [1, 1, 0, 0], [1, 1, 0, 0], [0, 4])
    assert FitCode.MONOTONE_LIKELIHOOD in FitCode(int(fits.codes[0]))
    assert fits.direction[0, 0] == 1
    # The supremum: log(1/2) from the first time, 0 from the second.
    assert fits.log_lik[0] == pytest.approx(-np.log(2), abs=1e-9)


def test_strata_add_log_likelihoods_and_do_not_compare_across() -> None:
    # Twice the six rows, as two strata: same coefficient, half the variance.
    twice = fit_cox(np.tile(TIME, 2), np.tile(EVENT, 2), np.tile(X, 2), [0, 12], strata=np.repeat([5, 2], 6))
    once = fit("efron")
    assert twice.coefficients[0, 0] == pytest.approx(once.coefficients[0, 0], rel=1e-12)
    assert twice.covariance[0, 0, 0] == pytest.approx(once.covariance[0, 0, 0] / 2, rel=1e-12)
    assert twice.log_lik[0] == pytest.approx(2 * once.log_lik[0], rel=1e-12)


def test_the_robust_variance_of_breslow_by_hand() -> None:
    # Score residuals at r: each event's x - a(t), less r^x (x - a(t)) h(t) over its times at risk, with
    # a(1) = r/(r+1), h(1) = 1/(3r+3); a(6) = r/(r+3), h(6) = 2/(r+3); a(9) = 0, h(9) = 1.
    r = 0.5 * (3 + np.sqrt(33))
    a1, h1, a6, h6 = r / (r + 1), 1 / (3 * r + 3), r / (r + 3), 2 / (r + 3)
    u = np.array(
        [
            (1 - a1) - r * (1 - a1) * h1,
            -r * (1 - a1) * h1,
            (1 - a6) - r * (1 - a1) * h1 - r * (1 - a6) * h6,
            -a6 + a1 * h1 + a6 * h6,
            a1 * h1 + a6 * h6,
            a1 * h1 + a6 * h6,
        ]
    )
    assert u.sum() == pytest.approx(0.0, abs=1e-14)
    fits = fit("breslow", robust=True)
    v = fits.covariance[0, 0, 0]
    assert fits.robust_covariance[0, 0, 0] == pytest.approx(v * v * (u @ u), rel=1e-9)
    pairs = fit("breslow", cluster=[0, 0, 1, 1, 2, 2])
    summed = np.array([u[0] + u[1], u[2] + u[3], u[4] + u[5]])
    assert pairs.robust_covariance[0, 0, 0] == pytest.approx(v * v * (summed @ summed), rel=1e-9)


@pytest.mark.parametrize(
    ("time", "event", "x", "code"),
    [
        ([1, 2, np.nan], [1, 1, 1], [1, 0, 1], FitCode.NON_FINITE_INPUT),
        ([1, 2, 3], [1, 2, 1], [1, 0, 1], FitCode.NON_FINITE_INPUT),
        ([1, 2, 3], [1, 1, 1], [1, np.inf, 1], FitCode.NON_FINITE_INPUT),
        ([1, -2, 3], [1, 1, 1], [1, 0, 1], FitCode.NEGATIVE_TIME),
        ([1, 2, 3], [0, 0, 0], [1, 0, 1], FitCode.NO_EVENTS),
        ([1, 2, 3], [1, 1, 1], [1, 1, 1], FitCode.RANK_DEFICIENT),
        # The covariate differs only after the last event: no risk set compares it.
        ([1, 2, 3, 4], [0, 0, 1, 1], [1, 0, 1, 1], FitCode.RANK_DEFICIENT),
        ([1], [1], [1], FitCode.TOO_FEW_PARTICIPANTS),
    ],
)
def test_bad_input_is_coded_and_gives_no_number(time, event, x, code) -> None:
    fits = fit_cox(np.asarray(time, float), np.asarray(event, float), np.asarray(x, float), [0, len(time)])
    assert code | FitCode.NOT_ESTIMABLE in FitCode(int(fits.codes[0]))
    assert np.isnan(fits.coefficients).all()


def test_an_event_at_entry_counts_and_is_said() -> None:
    fits = fit_cox([0.0, 1.0, 2.0, 3.0], [1, 1, 1, 1], [0, 1, 0, 1], [0, 4])
    assert FitCode(int(fits.codes[0])) == FitCode.EVENT_AT_ENTRY | FitCode.ALL_EVENTS
    shifted = fit_cox([1.0, 2.0, 3.0, 4.0], [1, 1, 1, 1], [0, 1, 0, 1], [0, 4])
    assert fits.coefficients[0, 0] == shifted.coefficients[0, 0]
