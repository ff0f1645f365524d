"""The error of imputing: the jackknife written out, sets enough, and profiles of several sets together."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from equipoise.stats.firth import fit_firth, penalised_profile_limits
from equipoise.stats.logistic import BinomialInput
from equipoise.stats.missing.likelihoods import combine_likelihoods
from equipoise.stats.missing.monte_carlo import MonteCarloErrors, is_stable, monte_carlo_errors, sets_wanted
from equipoise.stats.missing.rubin import pool_imputations

Q = np.array([0.2, 0.9, 0.5, 0.7, 0.1, 0.6])
SE = np.array([0.5, 0.45, 0.52, 0.48, 0.5, 0.47])


@pytest.mark.parametrize("df", [20.0, np.inf])
def test_the_errors_are_those_of_leaving_out_one_set_after_the_other(df) -> None:
    rows = []
    for k in range(Q.size):
        one = pool_imputations([np.delete(Q, k)], [np.delete(SE, k)], df_complete=[df])
        half = stats.t.ppf(0.975, one.df[0]) * one.standard_error[0]
        p = 2 * stats.t.sf(abs(one.estimate[0] / one.standard_error[0]), one.df[0])
        ends = [one.estimate[0], one.estimate[0] - half, one.estimate[0] + half]
        rows.append([*np.exp(ends), p])
    rows = np.array(rows)
    want = np.sqrt((Q.size - 1) / Q.size * ((rows - rows.mean(axis=0)) ** 2).sum(axis=0))
    got = monte_carlo_errors(Q, SE, df_complete=df, level=0.95, change=np.exp)
    np.testing.assert_allclose([got.estimate, got.ci_lower, got.ci_upper, got.p_value], want, rtol=1e-9)


def test_of_a_mean_the_jackknife_is_its_standard_error_and_sets_without_an_answer_count_for_nothing() -> None:
    got = monte_carlo_errors(np.append(Q, np.nan), np.append(SE, 1.0), df_complete=np.inf, level=0.95)
    assert got.n_sets == 6
    assert got.estimate == pytest.approx(np.std(Q, ddof=1) / np.sqrt(6), rel=1e-12)
    assert np.isnan(monte_carlo_errors(Q[:2], SE[:2], df_complete=np.inf, level=0.95).p_value)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("shift", "finite"), [(0.0, True), (500.0, True), (720.0, False)])
def test_a_limit_near_the_largest_number_has_an_error_and_one_beyond_has_none(shift: float, finite: bool) -> None:
    base = monte_carlo_errors(Q, SE, df_complete=20.0, level=0.95, change=np.exp)
    got = monte_carlo_errors(Q + shift, SE, df_complete=20.0, level=0.95, change=np.exp)
    assert np.isfinite(got.ci_upper) == finite
    if finite:
        np.testing.assert_allclose(got.ci_upper, base.ci_upper * np.exp(shift), rtol=1e-9)


def test_the_errors_foretell_how_far_pooled_answers_scatter_over_seeds() -> None:
    rng = np.random.default_rng(1)
    pooled, told = [], []
    for _ in range(400):
        q = rng.normal(0.8, 0.4, 50)
        one = pool_imputations([q], [np.full(50, 0.5)])
        pooled.append([one.estimate[0], 2 * stats.t.sf(abs(one.estimate[0] / one.standard_error[0]), one.df[0])])
        errors = monte_carlo_errors(q, np.full(50, 0.5), df_complete=np.inf, level=0.95)
        told.append([errors.estimate, errors.p_value])
    # 400 repetitions know a standard deviation to 3.5 per cent.
    np.testing.assert_allclose(np.mean(told, axis=0), np.std(pooled, axis=0), rtol=0.11)


def test_sets_are_wanted_in_the_square_of_what_the_error_is_too_large() -> None:
    errors = MonteCarloErrors(0.1, 0.1, 0.1, 0.01, 50)
    # p is 0.02 from the level: a quarter of it is 0.005, half the error, so four times the sets.
    assert sets_wanted(errors, error_of_estimate=10.0, p_value=0.07, alpha=0.05) == 200
    # A twentieth of the standard error of 1 is 0.05: again four times.
    assert sets_wanted(errors, error_of_estimate=1.0, p_value=0.9, alpha=0.05) == 200
    assert not is_stable(errors, p_value=0.07, alpha=0.05)
    assert is_stable(errors, p_value=0.09, alpha=0.05)


def _sets() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    arm = np.array([0.0] * 6 + [1.0] * 6)
    ys = [np.array([1, 0, 0, 0, 0, 0, *tail], dtype=float) for tail in ([1] * 6, [1] * 5 + [0], [1] * 4 + [0] * 2)]
    return np.concatenate(ys), np.tile(np.column_stack([np.ones(12), arm]), (3, 1)), np.arange(4) * 12


def test_one_set_alone_has_the_limits_and_the_p_value_of_its_profile() -> None:
    y, x, _ = _sets()
    y, x, offsets = y[:12], x[:12], np.array([0, 12])
    fits = fit_firth(y, x, offsets)
    limits = penalised_profile_limits(fits, y, x, offsets, column=1)
    got = combine_likelihoods(fits, BinomialInput.of(y, x, offsets, None), np.zeros(4, dtype=np.int64))
    assert got.ci_lower == pytest.approx(limits.ci_lower[0], abs=1e-6)
    assert got.ci_upper == pytest.approx(limits.ci_upper[0], abs=1e-6)
    assert got.error_lower == pytest.approx(0.0, abs=1e-9)


def test_of_several_sets_one_of_them_separated_the_mean_of_the_distribution_functions_decides() -> None:
    y, x, offsets = _sets()
    fits = fit_firth(y, x, offsets)
    sets = np.array([0, 1, 1, 2])
    got = combine_likelihoods(fits, BinomialInput.of(y, x, offsets, None), sets)

    def distribution(k: int, b: float) -> float:
        rows = slice(12 * k, 12 * (k + 1))

        def lost(a: float) -> float:
            p = 1 / (1 + np.exp(-(a + b * x[rows, 1])))
            information = (x[rows] * (p * (1 - p))[:, None]).T @ x[rows]
            fit = np.log(np.where(y[rows] == 1, p, 1 - p)).sum()
            return float(-(fit + 0.5 * np.log(np.linalg.det(information))))

        value = -optimize.minimize_scalar(lost, bounds=(-8, 8), method="bounded", options={"xatol": 1e-10}).fun
        root = np.sign(b - fits.coefficients[k, 1]) * np.sqrt(max(2 * (fits.log_lik[k] - value), 0.0))
        return float(stats.norm.cdf(root))

    for limit, tail in ((got.ci_lower, 0.025), (got.ci_upper, 0.975)):
        assert np.mean([distribution(k, limit) for k in sets]) == pytest.approx(tail, abs=1e-6)
    share = np.mean([distribution(k, 0.0) for k in sets])
    assert got.p_value == pytest.approx(2 * min(share, 1 - share), abs=1e-6)
