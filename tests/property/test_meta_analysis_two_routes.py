"""Meta-analysis by a second route: other algorithms, invariances, enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import linalg, optimize, special, stats

from equipoise.stats.exact import fisher_exact
from equipoise.stats.meta.effect_sizes import effects_of_counts
from equipoise.stats.meta.exact import fit_exact, fit_exact_random, fit_stratified_logistic
from equipoise.stats.meta.inverse_variance import fit_common, fit_random, generalised_q
from equipoise.stats.meta.study_intercepts import fit_study_intercepts
from equipoise.stats.meta.tables import fit_mantel_haenszel, fit_peto

studies = st.integers(2, 8).flatmap(
    lambda k: st.tuples(
        st.lists(st.floats(-3, 3), min_size=k, max_size=k), st.lists(st.floats(0.02, 2), min_size=k, max_size=k)
    )
)


@given(studies)
@settings(max_examples=60, deadline=None)
def test_restricted_likelihood_is_the_density_of_the_contrasts(given_studies):
    """REML by its definition: maximise the normal density of k - 1 orthonormal contrasts, found by another search."""
    y, v = (np.array(values) for values in given_studies)
    contrasts = linalg.null_space(np.ones((1, len(y))))

    def density(tau2):
        z = contrasts.T @ y
        return stats.multivariate_normal.logpdf(z, np.zeros(len(z)), contrasts.T @ np.diag(v + tau2) @ contrasts)

    fit = fit_random(y, v, method="REML")
    grid = np.concatenate([[0], np.geomspace(1e-4, 50, 60)])
    best = max(density(t) for t in grid)
    assert density(fit.tau2) >= best - 1e-9
    if fit.tau2 > 1e-3:
        near = optimize.minimize_scalar(
            lambda t: -density(t), bounds=(fit.tau2 * 0.9, fit.tau2 * 1.1), method="bounded"
        )
        assert -near.fun <= density(fit.tau2) + 1e-9


@given(studies)
@settings(max_examples=60, deadline=None)
def test_paule_mandel_solves_its_equation(given_studies):
    y, v = (np.array(values) for values in given_studies)
    fit = fit_random(y, v, method="PM")
    q = generalised_q(y, v, np.ones((len(y), 1)), fit.tau2)
    if fit.tau2 > 0:
        assert q == pytest.approx(len(y) - 1, rel=1e-8)
    else:
        assert q <= len(y) - 1 + 1e-9


@given(studies, st.floats(-5, 5), st.floats(0.1, 10))
@settings(max_examples=60, deadline=None)
def test_shifting_and_scaling_the_effects_shifts_and_scales_the_answer(given_studies, shift, scale):
    y, v = (np.array(values) for values in given_studies)
    for method in ("REML", "DL", "PM"):
        one = fit_random(y, v, method=method)
        other = fit_random(scale * y + shift, scale**2 * v, method=method)
        # tau2 near 0 is found to about the root of rounding of the likelihood
        assert other.tau2 == pytest.approx(scale**2 * one.tau2, rel=1e-4, abs=1e-6 * scale**2)
        assert other.estimate == pytest.approx(scale * one.estimate + shift, rel=1e-4, abs=1e-5 * scale)


@given(studies)
@settings(max_examples=40, deadline=None)
def test_the_order_of_studies_does_not_matter(given_studies):
    y, v = (np.array(values) for values in given_studies)
    one, other = fit_random(y, v), fit_random(y[::-1], v[::-1])
    assert other.estimate == pytest.approx(one.estimate, rel=1e-6, abs=1e-8)


tables = st.lists(
    st.tuples(st.integers(1, 6), st.integers(1, 6)).flatmap(
        lambda n: st.tuples(st.integers(0, n[0]), st.just(n[0]), st.integers(0, n[1]), st.just(n[1]))
    ),
    min_size=1,
    max_size=4,
)


@given(tables)
@settings(max_examples=80, deadline=None)
def test_exact_p_is_the_sum_over_every_set_of_tables(rows):
    x1, n1, x0, n0 = (list(column) for column in zip(*rows))
    fit = fit_exact(x1, n1, x0, n0)
    ranges = [range(max(0, a + c - m), min(n, a + c) + 1) for a, n, c, m in rows]
    if all(len(r) < 2 for r in ranges):
        assert math.isnan(fit.p_value)
        return
    weight: dict[int, float] = {}
    for chosen in itertools.product(*ranges):
        w = math.prod(special.comb(n, k) * special.comb(m, a + c - k) for k, (a, n, c, m) in zip(chosen, rows))
        weight[sum(chosen)] = weight.get(sum(chosen), 0.0) + w
    total = sum(weight.values())
    observed = weight[sum(x1)]
    assert fit.p_value == pytest.approx(sum(w for w in weight.values() if w <= observed * (1 + 1e-7)) / total, rel=1e-9)


@given(st.integers(1, 25), st.integers(1, 25), st.data())
@settings(max_examples=60, deadline=None)
def test_one_table_is_fishers(n1, n0, data):
    x1, x0 = data.draw(st.integers(0, n1)), data.draw(st.integers(0, n0))
    fit = fit_exact([x1], [n1], [x0], [n0])
    fisher = fisher_exact(x0, n0, x1, n1)
    if math.isnan(fit.p_value):
        return
    assert fit.p_value == pytest.approx(float(fisher.p_value[0]), rel=1e-9)
    if math.isfinite(fit.ci_lower):
        assert math.exp(fit.ci_lower) == pytest.approx(float(fisher.ci_lower[0]), rel=1e-6)


@given(tables)
@example([(0, 2, 1, 2), (2, 3, 3, 4), (1, 3, 3, 5), (2, 2, 1, 5)])  # no effect at all, to the last digit
@settings(max_examples=60, deadline=None)
def test_swapping_arms_turns_every_pooled_ratio_round(rows):
    x1, n1, x0, n0 = (list(column) for column in zip(*rows))
    for fit in (lambda *t: fit_mantel_haenszel(*t, "odds_ratio"), fit_peto, fit_exact, fit_stratified_logistic):
        one, other = fit(x1, n1, x0, n0), fit(x0, n0, x1, n1)
        if math.isfinite(one.estimate):
            assert other.estimate == pytest.approx(-one.estimate, abs=1e-8)
            assert other.ci_lower == pytest.approx(-one.ci_upper, abs=1e-6)


def test_one_study_is_its_own_common_effect():
    found = effects_of_counts([13], [27], [3], [28], "odds_ratio")
    assert fit_common(found.effect, found.variance).estimate == found.effect[0]
    with pytest.raises(ValueError, match="two studies"):
        fit_random(found.effect, found.variance)


@pytest.mark.parametrize("seed", range(4))
def test_study_intercepts_by_one_search_over_everything(seed):
    """The mixed model by a second route: every intercept searched for at once, each integral a sum over a fine grid."""
    rng = np.random.default_rng(seed)
    k = 4
    n1, n0 = rng.integers(15, 40, k), rng.integers(15, 40, k)
    base, effect = rng.normal(-0.7, 0.5, k), rng.normal(0.8, 1.0, k)
    x1 = rng.binomial(n1, special.expit(base + effect))
    x0 = np.minimum(rng.binomial(n0, special.expit(base)), n0)
    if seed == 3:
        x0[0] = 0  # an empty cell stands as it is
    fit, tau2 = fit_study_intercepts(x1, n1, x0, n0)
    grid = np.linspace(-8, 8, 2001)

    def minus(parameters):
        mean, sd, at = parameters[0], math.exp(parameters[1]), parameters[2:]
        total = 0.0
        for i in range(k):
            u = sd * grid
            one, two = at[i] + mean + u / 2, at[i] - u / 2
            log = x1[i] * one - n1[i] * np.logaddexp(0, one) + x0[i] * two - n0[i] * np.logaddexp(0, two)
            total += special.logsumexp(log + stats.norm.logpdf(grid) + math.log(grid[1] - grid[0]))
        return -total

    start = np.concatenate([[fit.estimate + 0.1, math.log(0.6)], special.logit((x1 + x0 + 0.5) / (n1 + n0 + 1))])
    found = optimize.minimize(minus, start, method="BFGS", options={"gtol": 1e-7, "maxiter": 500})
    assert found.x[0] == pytest.approx(fit.estimate, abs=2e-3)
    assert math.exp(2 * found.x[1]) == pytest.approx(tau2, abs=5e-3)
    turned, turned_tau2 = fit_study_intercepts(x0, n0, x1, n1)
    assert turned.estimate == pytest.approx(-fit.estimate, abs=1e-5)
    assert turned_tau2 == pytest.approx(tau2, abs=1e-4)


def test_no_mixed_model_where_every_table_lies_at_its_end():
    for fit in (fit_study_intercepts, fit_exact_random):
        pooled, tau2 = fit([0, 0], [20, 20], [5, 3], [20, 20])
        assert math.isnan(pooled.estimate)
        assert math.isnan(tau2)
