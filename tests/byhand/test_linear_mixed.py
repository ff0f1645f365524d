"""Linear mixed model: a balanced design whose answers are sums of squares, and a dense NumPy version."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.optimize import minimize

from equipoise.stats.codes import FitCode
from equipoise.stats.linear import fit_linear
from equipoise.stats.linear_mixed import estimate_contrast, fit_linear_mixed
from equipoise.stats.nothing_within import fit_limit
from equipoise.stats.packing import offsets_from_sizes

# Four participants, two visits each; two in either arm.
SCORES = np.array([[1.0, 3.0], [5.0, 7.0], [2.0, 2.0], [8.0, 12.0]])
ARM = np.repeat([0.0, 0.0, 1.0, 1.0], 2)


def test_a_balanced_design_gives_the_analysis_of_variance() -> None:
    # Participant means 2, 6 | 2, 10; arm means 4 | 6. Between participants within arms:
    # MSB = 2 * [(2-4)^2 + (6-4)^2 + (2-6)^2 + (10-6)^2] / 2 = 2 * 40 / 2 = 40.
    # Within participants: MSW = [2 + 2 + 0 + 8] / 4 = 3. REML: residual variance 3,
    # variance between (40 - 3) / 2 = 18.5.
    design = np.column_stack([np.ones(8), ARM])
    fits = fit_linear_mixed(SCORES.ravel(), design, [0, 2, 4, 6, 8], [0, 4])
    assert fits.coefficients[0] == pytest.approx([4.0, 2.0], abs=1e-10)
    assert fits.sd_residual[0] ** 2 == pytest.approx(3.0, rel=1e-6)
    assert fits.sd_intercept[0] ** 2 == pytest.approx(18.5, rel=1e-6)
    # var(arm) = MSB * (1/4 + 1/4) = 20, and its t has the 2 degrees of freedom of MSB.
    assert fits.covariance[0, 1, 1] == pytest.approx(20.0, rel=1e-6)
    assert fits.df[0, 1] == pytest.approx(2.0, rel=1e-6)


def test_a_contrast_within_participants_has_the_degrees_of_freedom_of_the_residual() -> None:
    # A visit effect is estimated from differences within participants: 4 participants in 2 arms and an arm by visit
    # term leave 4 - 2 = 2 degrees of freedom; its variance is 2 * sigma^2 / 4 in each arm of two.
    visit = np.tile([0.0, 1.0], 4)
    design = np.column_stack([np.ones(8), ARM, visit, ARM * visit])
    fits = fit_linear_mixed(SCORES.ravel(), design, [0, 2, 4, 6, 8], [0, 4])
    # Differences 2, 2 | 0, 4: slopes 2 and 2, so the interaction is 0; variance of a
    # difference 2 sigma^2 = (0 + 0 + 4 + 4) / 2.
    assert fits.coefficients[0, 2:] == pytest.approx([2.0, 0.0], abs=1e-10)
    assert fits.sd_residual[0] ** 2 == pytest.approx(2.0, rel=1e-6)
    assert fits.df[0, 3] == pytest.approx(2.0, rel=1e-6)
    contrast = estimate_contrast(fits, [0.0, 0.0, 1.0, 1.0])
    assert contrast.estimate[0] == pytest.approx(2.0)
    assert contrast.standard_error[0] == pytest.approx(np.sqrt(2 * 2.0 / 2), rel=1e-6)
    assert contrast.df[0] == pytest.approx(2.0, rel=1e-6)


def test_participants_more_alike_than_chance_have_variance_zero_and_the_least_squares_fit() -> None:
    # Every participant has mean 2, so MSB = 0 < MSW.
    y = np.array([1.0, 3.0, 0.0, 4.0, 1.5, 2.5])
    fits = fit_linear_mixed(y, np.ones((6, 1)), [0, 2, 4, 6], [0, 3])
    assert FitCode.BOUNDARY_VARIANCE in FitCode(int(fits.codes[0]))
    assert fits.sd_intercept[0] == 0.0
    # (1 + 1 + 4 + 4 + 1/4 + 1/4) / 5 degrees of freedom.
    assert fits.sd_residual[0] ** 2 == pytest.approx(10.5 / 5, rel=1e-12)
    assert fits.df[0, 0] == pytest.approx(5.0, rel=1e-9)


def trial(seed: int):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 8, 20)
    week = np.concatenate([np.arange(k) for k in sizes]).astype(float)
    arm = np.repeat(np.arange(20) % 2, sizes).astype(float)
    b = np.repeat(rng.normal(size=(20, 2)) @ [[1.0, 0.1], [0.0, 0.3]], sizes, axis=0)
    y = 2 - 0.5 * arm + 0.1 * week + b[:, 0] + b[:, 1] * week + rng.normal(0, 0.7, week.size)
    return y, np.column_stack([np.ones_like(week), arm, week, arm * week]), offsets_from_sizes(sizes), week


def dense_log_likelihood(parameters, y, x, offsets, week, reml):
    """(log sd0, log sd1, atanh corr, log sd residual): the multivariate normal density, nothing profiled."""
    s0, s1, s = np.exp(parameters[[0, 1, 3]])
    r = np.tanh(parameters[2])
    d = np.array([[s0 * s0, r * s0 * s1], [r * s0 * s1, s1 * s1]])
    v = np.zeros((y.size, y.size))
    for a, b in itertools.pairwise(offsets):
        z = np.column_stack([np.ones(b - a), week[a:b]])
        v[a:b, a:b] = z @ d @ z.T + s * s * np.eye(b - a)
    inverse = np.linalg.inv(v)
    info = x.T @ inverse @ x
    beta = np.linalg.solve(info, x.T @ inverse @ y)
    e = y - x @ beta
    value = -0.5 * (np.linalg.slogdet(v)[1] + e @ inverse @ e + y.size * np.log(2 * np.pi))
    if reml:
        value -= 0.5 * (np.linalg.slogdet(info)[1] - x.shape[1] * np.log(2 * np.pi))
    return value, beta, np.linalg.inv(info)


@pytest.mark.parametrize("reml", [True, False])
def test_slope_model_is_the_maximum_of_the_dense_likelihood_with_its_degrees_of_freedom(reml: bool) -> None:
    y, x, offsets, week = trial(2)
    fits = fit_linear_mixed(y, x, offsets, [0, 20], slope=week, reml=reml)
    assert fits.codes[0] == 0
    start = np.array(
        [np.log(fits.sd_intercept[0]), np.log(fits.sd_slope[0]), np.arctanh(fits.corr[0]), np.log(fits.sd_residual[0])]
    )
    f = lambda t: -dense_log_likelihood(t, y, x, offsets, week, reml)[0]  # noqa: E731
    value, beta, covariance = dense_log_likelihood(start, y, x, offsets, week, reml)
    assert fits.log_likelihood[0] == pytest.approx(value, abs=1e-9)
    assert fits.coefficients[0] == pytest.approx(beta, abs=1e-9)
    assert fits.covariance[0] == pytest.approx(covariance, rel=1e-8, abs=1e-12)
    better = minimize(f, start + 0.05, method="BFGS", options={"gtol": 1e-7})
    assert -better.fun <= value + 1e-8
    # Satterthwaite from the definition: 2 v^2 over the delta-method variance of v, by central differences (1e-5).
    h = 1e-3
    basis = np.eye(4) * h
    hessian = np.array(
        [
            [(f(start + a + b) - f(start + a - b) - f(start - a + b) + f(start - a - b)) / (4 * h * h) for b in basis]
            for a in basis
        ]
    )
    spread = np.linalg.inv(hessian)
    v = lambda t: np.diag(dense_log_likelihood(t, y, x, offsets, week, reml)[2])  # noqa: E731
    slope = np.array([(v(start + a) - v(start - a)) / (2 * h) for a in basis])
    df = 2 * np.diag(covariance) ** 2 / np.einsum("ka,kl,la->a", slope, spread, slope)
    assert fits.df[0] == pytest.approx(df, rel=1e-4)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda y, x: (np.where(np.arange(y.size) == 2, np.nan, y), x), FitCode.NON_FINITE_INPUT),
        (lambda y, x: (y, x[:, [0, 1, 1]]), FitCode.RANK_DEFICIENT),
        (lambda y, x: (np.full_like(y, 3.0), x), FitCode.CONSTANT_OUTCOME),
    ],
)
def test_what_cannot_be_estimated_is_named_and_absent(change, code) -> None:
    y, x, offsets, _ = trial(3)
    y, x = change(y, x)
    fits = fit_linear_mixed(y, x, offsets, [0, 20])
    assert FitCode(int(fits.codes[0])) == code | FitCode.NOT_ESTIMABLE
    assert np.isnan(fits.coefficients).all()


def test_one_participant_one_visit_each_and_two_visits_for_a_slope_are_named() -> None:
    y, x, _, week = trial(4)
    assert FitCode.TOO_FEW_PARTICIPANTS in FitCode(int(fit_linear_mixed(y, x, [0, y.size], [0, 1]).codes[0]))
    once = fit_linear_mixed(y, x, np.arange(y.size + 1), [0, y.size])
    assert FitCode.ONE_VISIT_EACH in FitCode(int(once.codes[0]))
    twice = fit_linear_mixed(y[:40], x[:40], np.arange(0, 41, 2), [0, 20], slope=week[:40])
    assert FitCode.TOO_FEW_VISITS in FitCode(int(twice.codes[0]))


def people_who_never_change(seed: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Outcome, design (ones, arm, a covariate, week, arm by week), rows of each of 12 people, one number each."""
    rng = np.random.default_rng(seed)
    visits = rng.integers(1, 5, 12)
    who = np.repeat(np.arange(12), visits)
    arm, x, level = np.arange(12) % 2.0, rng.normal(size=12), rng.normal(size=12)
    week = np.concatenate([np.arange(v, dtype=float) for v in visits])
    design = np.column_stack([np.ones(who.size), arm[who], x[who], week, arm[who] * week])
    return (level + arm)[who], design, np.concatenate([[0], np.cumsum(visits)]), who


@pytest.mark.parametrize("drift", [0.0, 0.7])
def test_of_people_who_never_change_it_is_least_squares_over_people(drift: float) -> None:
    y, design, rows, who = people_who_never_change()
    y = y + drift * design[:, 3]  # a change that all share is explained exactly
    fits = fit_linear_mixed(y, design, rows, [0, 12])
    first = np.array([np.flatnonzero(who == k)[0] for k in range(12)])
    alone = fit_linear(y[first] - drift * design[first, 3], design[first, :3], [0, 12])
    np.testing.assert_allclose(fits.coefficients[0], [*alone.coefficients[0], drift, 0.0], atol=1e-9)
    np.testing.assert_allclose(fits.covariance[0, :3, :3], alone.covariance[0], rtol=1e-9)
    assert (fits.covariance[0, 3:] == 0.0).all()
    assert fits.df[0, 1] == pytest.approx(9, rel=1e-12)
    assert fits.sd_residual[0] == 0.0
    assert FitCode(int(fits.codes[0])) == FitCode.VARIANCE_UNBOUNDED
    contrast = estimate_contrast(fits, np.array([0.0, 1.0, 0.0, 0.0, 2.0]))
    np.testing.assert_allclose([contrast.estimate[0], contrast.df[0]], [alone.coefficients[0, 1], 9], rtol=1e-9)


def test_people_who_hardly_change_have_the_limit_that_newton_comes_near_to() -> None:
    y, design, rows, _ = people_who_never_change()
    y = y + 3e-4 * np.random.default_rng(4).normal(size=y.size)
    near = fit_linear_mixed(y, design, rows, [0, 12])  # Newton still settles
    limit = fit_limit(y, design, rows)
    assert near.codes[0] == 0
    assert limit is not None
    np.testing.assert_allclose(near.coefficients[0], limit.coefficients, atol=1e-6)
    np.testing.assert_allclose(near.covariance[0], limit.between + limit.within, rtol=1e-4, atol=1e-12)
    for smaller in (1e-4, 1e-6):
        y = people_who_never_change()[0] + smaller * np.random.default_rng(4).normal(size=y.size)
        beyond = fit_linear_mixed(y, design, rows, [0, 12])  # it does not
        assert beyond.codes[0] == 0
        np.testing.assert_allclose(beyond.standard_errors[0, :3], near.standard_errors[0, :3], rtol=1e-3)
        np.testing.assert_allclose(beyond.df[0], near.df[0], rtol=1e-3)


def test_with_a_random_slope_people_who_never_change_have_none() -> None:
    y, design, rows, _ = people_who_never_change()
    alone = fit_linear_mixed(y, design[:, :4], rows, [0, 12])
    fits = fit_linear_mixed(y, design[:, :4], rows, [0, 12], slope=design[:, 3])
    np.testing.assert_allclose(fits.coefficients[0], alone.coefficients[0], atol=1e-12)
    assert fits.sd_slope[0] == 0.0
