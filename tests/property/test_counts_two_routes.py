"""Count models by a second route: plain scipy on the textbook likelihood, and the integral by brute force."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, stats

from equipoise.stats.codes import FitCode
from equipoise.stats.counts import CountModel, fit_counts, profile_counts


def trial(seed: int, n: int = 40, spread: float = 0.7):
    rng = np.random.default_rng(seed)
    design = np.column_stack([np.ones(n), np.arange(n) % 2, rng.normal(size=n)])
    days = rng.uniform(0.3, 2.0, n)
    mu = days * np.exp(design @ [1.0, -0.6, 0.3])
    y = rng.poisson(mu * rng.gamma(1 / spread, spread, n)) if spread else rng.poisson(mu)
    return y.astype(float), design, days


def textbook(y, design, days, *, theta: float | None = None):
    """Minus the log-likelihood by scipy's distributions, over coefficients and log theta."""

    def of(point):
        mu = days * np.exp(design @ point[: design.shape[1]])
        if theta is not None:
            return -stats.poisson.logpmf(y, mu).sum()
        size = np.exp(point[-1])
        return -stats.nbinom.logpmf(y, size, size / (size + mu)).sum()

    return of


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_maximum_and_its_curvature_are_scipy_s(seed: int) -> None:
    y, design, days = trial(seed)
    fits = fit_counts(y, design, [0, 40], exposure=days, model=CountModel("negative-binomial"))
    of = textbook(y, design, days)
    found = optimize.minimize(
        of, [0.5, 0.0, 0.0, 0.0], method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12, "maxiter": 5000}
    )
    assert -found.fun == pytest.approx(fits.log_likelihood[0], abs=1e-7)
    assert found.x[:3] == pytest.approx(fits.coefficients[0], abs=1e-5)
    assert np.exp(-found.x[3]) == pytest.approx(fits.alpha[0], rel=1e-4)
    h = 1e-4
    place = np.append(fits.coefficients[0], -np.log(fits.alpha[0]))
    hessian = np.empty((4, 4))
    for i, j in np.ndindex(4, 4):
        a, b = h * np.eye(4)[i], h * np.eye(4)[j]
        hessian[i, j] = (of(place + a + b) - of(place + a - b) - of(place - a + b) + of(place - a - b)) / (4 * h * h)
    errors = np.sqrt(np.diagonal(np.linalg.inv(hessian)))
    assert errors[:3] == pytest.approx(fits.standard_errors[0], rel=1e-4)
    assert errors[3] == pytest.approx(fits.log_alpha_error[0], rel=1e-4)


@pytest.mark.parametrize(("family", "spread"), [("poisson", 0.0), ("negative-binomial", 0.7)])
def test_limits_are_where_the_refitted_likelihood_has_fallen(family, spread) -> None:
    y, design, days = trial(5, spread=spread)
    model = CountModel(family)
    fits = fit_counts(y, design, [0, 40], exposure=days, model=model)
    profile = profile_counts(fits, y, design, [0, 40], exposure=days)
    others = np.ascontiguousarray(design[:, [0, 2]])
    for limit in (profile.ci_lower[0], profile.ci_upper[0]):
        held = fit_counts(y, others, [0, 40], exposure=days * np.exp(limit * design[:, 1]), model=model, column=None)
        assert 2 * (fits.log_likelihood[0] - held.log_likelihood[0]) == pytest.approx(3.841458820694124, abs=1e-7)


@pytest.mark.parametrize("family", ["poisson", "negative-binomial"])
def test_the_integral_is_that_of_a_fine_grid(family) -> None:
    rng = np.random.default_rng(9)
    n, visits = 12, 3
    level = np.repeat(rng.normal(0, 0.8, n), visits)
    design = np.column_stack([np.ones(n * visits), np.repeat(np.arange(n) % 2, visits)])
    y = rng.negative_binomial(2, 2 / (2 + np.exp(1 - 0.5 * design[:, 1] + level))).astype(float)
    people = visits * np.arange(n + 1)
    fits = fit_counts(y, design, [0, y.size], model=CountModel(family, people, 25))
    sigma, alpha = fits.sd_intercept[0], fits.alpha[0]
    assert sigma > 0
    b = np.linspace(-9, 9, 6001) * sigma
    mu = np.exp((design @ fits.coefficients[0])[:, None] + b)
    each = (
        stats.poisson.logpmf(y[:, None], mu)
        if alpha == 0
        else stats.nbinom.logpmf(y[:, None], 1 / alpha, 1 / (1 + alpha * mu))
    )
    joint = each.reshape(n, visits, -1).sum(axis=1) + stats.norm.logpdf(b, 0, sigma)
    total = np.log(np.trapezoid(np.exp(joint), b, axis=1)).sum()
    assert fits.log_likelihood[0] == pytest.approx(total, abs=1e-7)
    # No point nearby is higher, with the integral by the same grid.
    coarse = fit_counts(y, design, [0, y.size], model=CountModel(family, people, 60))
    assert coarse.coefficients == pytest.approx(fits.coefficients, abs=1e-6)
    assert fits.gradient_norm[0] < 1e-7


def test_a_batch_is_its_trials_one_by_one_whatever_the_threads() -> None:
    trials = [trial(seed, n=20 + seed) for seed in range(6)]
    y, design, days = (np.concatenate([one[k] for one in trials]) for k in range(3))
    bounds = np.concatenate([[0], np.cumsum([one[0].size for one in trials])])
    model = CountModel("negative-binomial")
    together = [fit_counts(y, design, bounds, exposure=days, model=model, threads=t) for t in (1, 2)]
    assert np.array_equal(together[0].coefficients, together[1].coefficients)
    for k, one in enumerate(trials):
        alone = fit_counts(one[0], one[1], [0, one[0].size], exposure=one[2], model=model)
        assert np.array_equal(alone.coefficients[0], together[0].coefficients[k])


def test_a_level_without_events_leaves_the_arm_its_answer() -> None:
    y, design, days = trial(3)
    level = np.zeros(40)
    level[:5] = 1.0
    y = np.where(level == 1, 0.0, y)
    whole = np.column_stack([design, level])
    fits = fit_counts(y, whole, [0, 40], exposure=days)
    rest = fit_counts(y[5:], design[5:], [0, 35], exposure=days[5:])
    assert fits.coefficients[0, :3] == pytest.approx(rest.coefficients[0], abs=1e-9)
    assert fits.codes[0] & FitCode.NUISANCE_LEFT_OUT
    found = profile_counts(fits, y, whole, [0, 40], exposure=days)
    wanted = profile_counts(rest, y[5:], design[5:], [0, 35], exposure=days[5:])
    assert found.ci_upper[0] == pytest.approx(wanted.ci_upper[0], abs=1e-8)
    assert found.p_value[0] == pytest.approx(wanted.p_value[0], rel=1e-8)


def test_a_covariate_far_from_zero_changes_no_answer() -> None:
    y, design, days = trial(4)
    far = design.copy()
    far[:, 2] = 2020 + 1e-3 * design[:, 2]
    near = fit_counts(y, design, [0, 40], exposure=days)
    found = fit_counts(y, far, [0, 40], exposure=days)
    assert found.coefficients[0, 1] == pytest.approx(near.coefficients[0, 1], abs=1e-9)
    assert found.coefficients[0, 2] == pytest.approx(1e3 * near.coefficients[0, 2], rel=1e-7)
