"""Logistic mixed model on cases small enough to write out, and against a slow, obvious NumPy version."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from scipy.integrate import quad
from scipy.optimize import minimize
from scipy.special import expit

from equipoise.stats.codes import FitCode
from equipoise.stats.logistic_mixed import fit_logistic_mixed
from equipoise.stats.packing import offsets_from_sizes


def pairs(n_both: int, n_one: int, n_none: int):
    """Participants with two visits each and the same covariates: 11, 10 or 00."""
    y = [1, 1] * n_both + [1, 0] * n_one + [0, 0] * n_none
    n = n_both + n_one + n_none
    return np.array(y, float), np.ones((2 * n, 1)), offsets_from_sizes([2] * n), np.array([0, n])


def exact_log_likelihood(y, x, offsets, beta, sd) -> float:
    """The integral itself, by adaptive integration."""
    total = 0.0
    for a, b in itertools.pairwise(offsets):
        eta, own = x[a:b] @ beta, y[a:b]

        def integrand(z, eta=eta, own=own):
            p = expit(eta + sd * z)
            return np.prod(np.where(own == 1, p, 1 - p)) * np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi)

        total += np.log(quad(integrand, -12, 12, epsabs=0, epsrel=1e-12, limit=400)[0])
    return total


def test_pairs_symmetric_about_one_half_have_intercept_zero_and_reproduce_the_discordant_share() -> None:
    # 3 participants ++, 2 +-, 3 --: by symmetry the intercept is 0. With one free parameter left (the standard
    # deviation) the three pattern probabilities can be fitted exactly: P(discordant) = 2 E[p(1-p)] = 2/8, so the
    # maximum log-likelihood is 3 log(3/8) + 2 log(1/8) + 3 log(3/8): the pattern +- in its given order has half of 2/8.
    fits = fit_logistic_mixed(*pairs(3, 2, 3), nodes=60)
    assert fits.coefficients[0, 0] == pytest.approx(0.0, abs=1e-6)
    # 60 nodes leave a quadrature error near 1e-8 for this standard deviation (about 2.4).
    assert fits.log_likelihood[0] == pytest.approx(6 * np.log(3 / 8) + 2 * np.log(1 / 8), abs=1e-7)
    sd = fits.sd_intercept[0]
    share = quad(
        lambda z: 2 * expit(sd * z) * expit(-sd * z) * np.exp(-z * z / 2) / np.sqrt(2 * np.pi), -12, 12, epsrel=1e-12
    )
    assert share[0] == pytest.approx(2 / 8, abs=1e-5)


def test_when_discordant_pairs_exceed_chance_the_variance_is_zero_and_the_fit_is_the_pooled_one() -> None:
    # 2 ++, 4 +-, 2 --: 8 positive of 16 visits. Chance expects 8 * 2 * 1/4 = 4 discordant pairs; the score for the
    # variance, half the sum of (sum r)^2 - sum p(1-p) = 2 * 1 + 4 * 0 + 2 * 1 - 8 * 1/2 = 0, is not positive.
    fits = fit_logistic_mixed(*pairs(2, 4, 2))
    assert FitCode.BOUNDARY_VARIANCE in FitCode(int(fits.codes[0]))
    assert fits.sd_intercept[0] == 0.0
    assert fits.coefficients[0, 0] == pytest.approx(0.0, abs=1e-12)
    # Information of 16 visits at one half: 16 / 4 = 4, so the standard error is 1/2.
    assert fits.standard_errors[0, 0] == pytest.approx(0.5, abs=1e-12)
    assert fits.log_likelihood[0] == pytest.approx(16 * np.log(0.5), abs=1e-12)


def trial(seed: int, n: int = 24, sd: float = 1.5):
    rng = np.random.default_rng(seed)
    sizes = rng.integers(1, 9, n)
    week = np.concatenate([np.arange(k) for k in sizes]).astype(float)
    arm = np.repeat(np.arange(n) % 2, sizes).astype(float)
    b = np.repeat(rng.normal(0, sd, n), sizes)
    y = (rng.uniform(size=week.size) < expit(0.3 - 0.8 * arm + 0.1 * week + b)).astype(float)
    return y, np.column_stack([np.ones_like(week), arm, week, arm * week]), offsets_from_sizes(sizes)


def obvious_log_likelihood(theta, y, x, offsets, nodes):
    """AGQ participant by participant with a generic optimiser for the mode: nothing shared with the kernel."""
    beta, sd = theta[:-1], theta[-1]
    z, w = np.polynomial.hermite.hermgauss(nodes)
    total = 0.0
    for a, b in itertools.pairwise(offsets):
        eta, own = x[a:b] @ beta, y[a:b]

        def minus(u, eta=eta, own=own):
            e = eta + sd * u[0]
            return 0.5 * u[0] ** 2 - np.sum(own * e - np.logaddexp(0, e))

        def slope(u, eta=eta, own=own):
            return np.array([u[0] - sd * np.sum(own - expit(eta + sd * u[0]))])

        u = minimize(minus, [0.0], jac=slope, method="BFGS", options={"gtol": 1e-9}).x[0]
        for _ in range(3):
            p = expit(eta + sd * u)
            u += (sd * np.sum(own - p) - u) / (1 + sd**2 * np.sum(p * (1 - p)))
        p = expit(eta + sd * u)
        scale = np.sqrt(2 / (1 + sd**2 * np.sum(p * (1 - p))))
        values = [np.log(wk) + zk**2 - minus([u + scale * zk]) for zk, wk in zip(z, w, strict=True)]
        total += np.logaddexp.reduce(values) + np.log(scale) - 0.5 * np.log(2 * np.pi)
    return total


@pytest.mark.parametrize("nodes", [1, 3, 12])
def test_value_gradient_and_hessian_are_those_of_the_slow_obvious_version(nodes: int) -> None:
    y, x, offsets = trial(3)
    fits = fit_logistic_mixed(y, x, offsets, np.array([0, offsets.size - 1]), nodes=nodes)
    assert fits.codes[0] == 0
    theta = np.append(fits.coefficients[0], fits.sd_intercept[0])
    # The mode is found to 1e-8 in the kernel; its square and rounding are all that differ.
    assert fits.log_likelihood[0] == pytest.approx(obvious_log_likelihood(theta, y, x, offsets, nodes), abs=1e-9)
    error = np.sqrt(np.diag(fits.joint_covariance[0]))
    # Central differences in steps of a hundredth of a standard error: at a maximum the slope vanishes ...
    step = 0.01 * error
    f = lambda t: obvious_log_likelihood(t, y, x, offsets, nodes)  # noqa: E731
    basis = np.diag(step)
    slope = np.array([(f(theta + e) - f(theta - e)) / 0.02 for e in basis])
    assert np.abs(slope).max() < 1e-3
    # ... and the curvature inverts to the covariance (differences carry 1e-4).
    curvature = np.zeros((theta.size, theta.size))
    for i, a in enumerate(basis):
        for j, b in enumerate(basis[: i + 1]):
            curvature[i, j] = (f(theta + a + b) - f(theta + a - b) - f(theta - a + b) + f(theta - a - b)) / 4
            curvature[j, i] = curvature[i, j]
    covariance = np.linalg.inv(-curvature / np.outer(step, step))
    assert np.sqrt(np.diag(covariance)) == pytest.approx(error, rel=1e-3)


def test_many_nodes_give_the_integral() -> None:
    y, x, offsets = trial(5)
    fits = fit_logistic_mixed(y, x, offsets, np.array([0, offsets.size - 1]), nodes=50)
    exact = exact_log_likelihood(y, x, offsets, fits.coefficients[0], fits.sd_intercept[0])
    assert fits.log_likelihood[0] == pytest.approx(exact, abs=1e-9)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda y, x: (np.zeros_like(y), x), FitCode.CONSTANT_OUTCOME | FitCode.NO_EVENTS),
        (lambda y, x: (np.ones_like(y), x), FitCode.CONSTANT_OUTCOME | FitCode.ALL_EVENTS),
        (lambda y, x: (np.where(x[:, 1] == 1, 0.0, y), x), FitCode.SEPARATION_QUASI),
        (lambda y, x: (x[:, 1].copy(), x), FitCode.SEPARATION_COMPLETE),
        (lambda y, x: (np.where(np.arange(y.size) == 3, np.nan, y), x), FitCode.NON_FINITE_INPUT),
        (lambda y, x: (y, np.where(np.arange(y.size)[:, None] == 3, np.inf, x)), FitCode.NON_FINITE_INPUT),
        (lambda y, x: (y, x[:, [0, 1, 1]]), FitCode.RANK_DEFICIENT),
    ],
)
def test_what_cannot_be_estimated_is_named_and_absent(change, code) -> None:
    y, x, offsets = trial(7)
    y, x = change(y, x)
    fits = fit_logistic_mixed(y, x, offsets, np.array([0, offsets.size - 1]))
    assert FitCode(int(fits.codes[0])) & (code | FitCode.NOT_ESTIMABLE) == code | FitCode.NOT_ESTIMABLE
    assert np.isnan(fits.coefficients).all()
    if code == FitCode.RANK_DEFICIENT:
        assert fits.aliased[0].tolist() == [False, False, True]


def test_one_visit_each_one_participant_and_nobody_who_changes_are_named() -> None:
    y, x, _ = trial(8)
    alone = fit_logistic_mixed(y, x, [0, y.size], [0, 1])
    assert FitCode.TOO_FEW_PARTICIPANTS in FitCode(int(alone.codes[0]))
    once = fit_logistic_mixed(y, x, np.arange(y.size + 1), [0, y.size])
    assert FitCode.ONE_VISIT_EACH in FitCode(int(once.codes[0]))
    offsets = offsets_from_sizes([2] * 6)
    steady = fit_logistic_mixed(np.repeat([1.0, 0, 1, 0, 1, 0], 2), np.ones((12, 1)), offsets, [0, 6])
    assert FitCode.VARIANCE_UNBOUNDED in FitCode(int(steady.codes[0]))


def test_the_change_on_doubling_the_nodes_is_reported_and_a_coarse_rule_is_called_unstable() -> None:
    y, x, offsets = trial(9, n=60, sd=4.0)
    ends = np.array([0, 60])
    coarse = fit_logistic_mixed(y, x, offsets, ends, nodes=1, report_change_on_doubling=True)
    fine = fit_logistic_mixed(y, x, offsets, ends, nodes=40, report_change_on_doubling=True)
    assert fine.change_on_doubling is not None
    assert coarse.change_on_doubling is not None
    assert fine.change_on_doubling[0] < 1e-3 < coarse.change_on_doubling[0]
