"""What must hold on any trial: order, labels, batching, threads; and a slow second route, differently written."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from fractions import Fraction
from math import comb

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import optimize

from equipoise.stats.codes import FitCode, has
from equipoise.stats.cox import fit_cox
from equipoise.stats.exact import fisher_exact
from equipoise.stats.firth import fit_firth, penalised_likelihood_ratio, penalised_profile_limits
from equipoise.stats.kaplan_meier import fit_kaplan_meier
from equipoise.stats.logistic import fit_logistic, likelihood_ratio, profile_limits
from equipoise.stats.logrank import log_rank
from equipoise.stats.packing import canonical_order, offsets_from_sizes
from equipoise.stats.risk import miettinen_nurminen_difference, miettinen_nurminen_ratio
from equipoise.stats.rmst import estimate_rmst
from equipoise.stats.zph import proportional_hazards_test

# Compiling is shared through the cache, but the first example of a run may still wait for it.
SETTINGS = settings(max_examples=40, deadline=None, derandomize=True)


@dataclasses.dataclass(frozen=True)
class Batch:
    y: np.ndarray
    arm: np.ndarray
    covariate: np.ndarray
    time: np.ndarray
    event: np.ndarray
    site: np.ndarray
    offsets: np.ndarray

    @property
    def logistic_design(self) -> np.ndarray:
        return np.column_stack([np.ones(len(self.y)), self.arm, self.covariate])

    @property
    def cox_design(self) -> np.ndarray:
        return np.column_stack([self.arm, self.covariate])

    def rows(self, index: np.ndarray, offsets: np.ndarray) -> Batch:
        values = [getattr(self, f.name)[index] for f in dataclasses.fields(self)[:-1]]
        return Batch(*values, offsets)

    def trial(self, k: int) -> Batch:
        index = np.arange(self.offsets[k], self.offsets[k + 1])
        return self.rows(index, np.array([0, len(index)]))


def make_batch(seed: int, sizes: list[int]) -> Batch:
    rng = np.random.default_rng(seed)
    n = sum(sizes)
    arm = rng.integers(0, 2, n)
    covariate = np.round(rng.normal(size=n), 2)
    risk = 1 / (1 + np.exp(1.0 - arm - 0.5 * covariate))
    latent = rng.exponential(8 / np.exp(0.5 * arm + 0.3 * covariate))
    time = np.minimum(np.ceil(latent * 2) / 2, 12.0)  # half-weeks, so there are ties
    return Batch(
        (rng.random(n) < risk).astype(float),
        arm,
        covariate,
        time,
        ((latent <= 12.0) & (rng.random(n) < 0.8)).astype(float),
        rng.integers(1, 4, n),
        offsets_from_sizes(sizes),
    )


def everything(b: Batch, threads: int | None = None) -> dict[str, np.ndarray]:
    """Every number of every estimator, by name."""
    logistic = fit_logistic(b.y, b.logistic_design, b.offsets, threads=threads)
    firth = fit_firth(b.y, b.logistic_design, b.offsets, threads=threads)
    arguments = (b.y, b.logistic_design, b.offsets)
    out: dict[str, object] = {
        "logistic": logistic,
        "lr": likelihood_ratio(logistic, *arguments, column=1, threads=threads),
        "profile": profile_limits(logistic, *arguments, column=1, threads=threads),
        "firth": firth,
        "plr": penalised_likelihood_ratio(firth, *arguments, column=1, threads=threads),
        "firth profile": penalised_profile_limits(firth, *arguments, column=1, threads=threads),
        "km": fit_kaplan_meier(b.time, b.event, b.arm, b.offsets, threads=threads),
        "rank": log_rank(b.time, b.event, b.arm, b.offsets, threads=threads),
        "peto": log_rank(b.time, b.event, b.arm, b.offsets, strata=b.site, rho=1.0, threads=threads),
        "zph": proportional_hazards_test(b.time, b.event, b.cox_design, b.offsets, strata=b.site, threads=threads),
    }
    for ties in ("efron", "breslow", "exact"):
        out[ties] = fit_cox(
            b.time, b.event, b.cox_design, b.offsets, ties=ties, strata=b.site, cluster=b.site, threads=threads
        )
    flat: dict[str, np.ndarray] = {}
    for name, result in out.items():
        for field in dataclasses.fields(result):
            value = getattr(result, field.name)
            if isinstance(value, np.ndarray):
                flat[f"{name}.{field.name}"] = value
    flat["rmst"] = estimate_rmst(out["km"], 8.0).mean
    return flat


def assert_same_bits(a: dict[str, np.ndarray], b: dict[str, np.ndarray]) -> None:
    for name, value in a.items():
        assert value.tobytes() == b[name].tobytes(), name


BATCHES = st.builds(make_batch, st.integers(0, 2**32 - 1), st.lists(st.integers(2, 40), min_size=1, max_size=6))


@SETTINGS
@given(BATCHES)
def test_threads_and_chunks_change_no_bit(batch: Batch) -> None:
    assert_same_bits(everything(batch, threads=1), everything(batch, threads=3))


@settings(max_examples=15, deadline=None, derandomize=True)
@given(BATCHES)
def test_a_batch_is_its_trials_one_by_one_to_the_bit(batch: Batch) -> None:
    whole = everything(batch)
    for k in range(len(batch.offsets) - 1):
        alone = everything(batch.trial(k))
        for name, value in whole.items():
            if value.shape[:1] == (len(batch.offsets) - 1,) and not name.endswith((".start", "event_offsets")):
                assert value[k].tobytes() == alone[name][0].tobytes(), name


@SETTINGS
@given(BATCHES, st.integers(0, 2**32 - 1))
def test_after_the_canonical_sort_the_order_of_rows_changes_no_bit(batch: Batch, seed: int) -> None:
    rng = np.random.default_rng(seed)
    starts = batch.offsets[:-1]
    shuffle = np.concatenate([s + rng.permutation(e - s) for s, e in zip(starts, batch.offsets[1:], strict=True)])
    shuffled = batch.rows(shuffle, batch.offsets)

    def sort(b: Batch) -> Batch:
        keys = (b.time, b.event, b.arm, b.covariate, b.site, b.y)
        return b.rows(canonical_order(b.offsets, *keys), b.offsets)

    first, second = everything(sort(batch)), everything(sort(shuffled))
    assert_same_bits(first, second)


@SETTINGS
@given(BATCHES)
def test_relabelled_arms_turn_the_sign_and_nothing_else(batch: Batch) -> None:
    other = dataclasses.replace(batch, arm=1 - batch.arm)
    a = fit_logistic(batch.y, batch.logistic_design, batch.offsets)
    b = fit_logistic(other.y, other.logistic_design, other.offsets)
    assert (a.codes == b.codes).all()
    # Two routes of Newton to the same maximum: 1e-8 of a standard error.
    np.testing.assert_allclose(a.coefficients[:, 1] / a.standard_errors[:, 1], -b.z[:, 1], atol=1e-8)
    np.testing.assert_allclose(a.log_lik, b.log_lik, atol=1e-9)
    a, b = (fit_cox(x.time, x.event, x.cox_design, x.offsets) for x in (batch, other))
    np.testing.assert_allclose(a.z[:, 0], -b.z[:, 0], atol=1e-8)
    a, b = (log_rank(x.time, x.event, x.arm, x.offsets) for x in (batch, other))
    np.testing.assert_allclose(a.statistic, b.statistic, rtol=1e-9, atol=1e-12)


@SETTINGS
@given(BATCHES)
def test_only_the_order_of_times_matters_to_cox_and_log_rank(batch: Batch) -> None:
    later = batch.time * 7.0 + 3.0
    a = fit_cox(batch.time, batch.event, batch.cox_design, batch.offsets)
    b = fit_cox(later, batch.event, batch.cox_design, batch.offsets)
    assert a.coefficients.tobytes() == b.coefficients.tobytes()
    assert (
        log_rank(batch.time, batch.event, batch.arm, batch.offsets).statistic.tobytes()
        == log_rank(later, batch.event, batch.arm, batch.offsets).statistic.tobytes()
    )


# The second route: slow and obvious.


def slow_maximum(log_lik: Callable[[np.ndarray], float], p: int) -> np.ndarray:
    return optimize.minimize(
        lambda b: -log_lik(b),
        np.zeros(p),
        method="Nelder-Mead",
        options={"xatol": 1e-9, "fatol": 1e-13, "maxiter": 20_000, "maxfev": 20_000},
    ).x


def binomial_log_lik(y: np.ndarray, x: np.ndarray, penalised: bool) -> Callable[[np.ndarray], float]:
    def log_lik(b: np.ndarray) -> float:
        eta = x @ b
        value = float(np.sum(y * eta - np.logaddexp(0, eta)))
        if penalised:
            p = 1 / (1 + np.exp(-eta))
            value += 0.5 * np.linalg.slogdet((x.T * (p * (1 - p))) @ x)[1]
        return value

    return log_lik


def partial_log_lik(time, event, x, ties: str) -> Callable[[np.ndarray], float]:
    """From the definition: a product over event times of ratios over explicit risk sets (and explicit subsets)."""
    from itertools import combinations

    def log_lik(b: np.ndarray) -> float:
        theta = np.exp(x @ b)
        value = 0.0
        for t in np.unique(time[event == 1]):
            dead = np.flatnonzero((time == t) & (event == 1))
            risk = np.flatnonzero(time >= t)
            value += np.log(theta[dead]).sum()
            if ties == "exact":
                value -= np.log(sum(np.prod(theta[list(s)]) for s in combinations(risk, len(dead))))
            else:
                for m in range(len(dead)):
                    part = m / len(dead) if ties == "efron" else 0.0
                    value -= np.log(theta[risk].sum() - part * theta[dead].sum())
        return float(value)

    return log_lik


@pytest.mark.parametrize("seed", range(4))
def test_logistic_and_firth_agree_with_a_search_that_uses_no_derivative(seed: int) -> None:
    b = make_batch(seed, [30])
    for penalised, fit in ((False, fit_logistic), (True, fit_firth)):
        fits = fit(b.y, b.logistic_design, b.offsets)
        if not fits.estimable[0]:
            continue
        log_lik = binomial_log_lik(b.y, b.logistic_design, penalised)
        found = slow_maximum(log_lik, 3)
        assert fits.log_lik[0] == pytest.approx(log_lik(fits.coefficients[0]), abs=1e-11)
        assert fits.log_lik[0] >= log_lik(found) - 1e-11
        # The search stops where the likelihood is flat to rounding: 1e-6 of a standard error.
        assert fits.coefficients[0] == pytest.approx(found, abs=2e-6)


@pytest.mark.parametrize("ties", ["efron", "breslow", "exact"])
@pytest.mark.parametrize("seed", range(3))
def test_cox_agrees_with_a_search_on_the_definition(seed: int, ties) -> None:
    b = make_batch(100 + seed, [14])
    x = b.cox_design.astype(float)
    fits = fit_cox(b.time, b.event, x, b.offsets, ties=ties)
    assert fits.estimable[0]
    log_lik = partial_log_lik(b.time, b.event, x, ties)
    assert fits.log_lik[0] == pytest.approx(log_lik(fits.coefficients[0]), abs=1e-11)
    assert fits.log_lik_null[0] == pytest.approx(log_lik(np.zeros(2)), abs=1e-11)
    assert fits.coefficients[0] == pytest.approx(slow_maximum(log_lik, 2), abs=2e-6)
    # Covariance: inverse of minus the matrix of second differences (error about 1e-5).
    step = 1e-4
    hessian = np.empty((2, 2))
    for i in range(2):
        for j in range(2):
            corners = [
                s * t * log_lik(fits.coefficients[0] + step * (s * np.eye(2)[i] + t * np.eye(2)[j]))
                for s in (-1, 1)
                for t in (-1, 1)
            ]
            hessian[i, j] = sum(corners) / (4 * step * step)
    np.testing.assert_allclose(fits.covariance[0], np.linalg.inv(-hessian), rtol=1e-4)


@SETTINGS
@given(BATCHES)
def test_curves_and_log_rank_agree_with_counting(batch: Batch) -> None:
    fits = fit_kaplan_meier(batch.time, batch.event, batch.arm, batch.offsets)
    test = log_rank(batch.time, batch.event, batch.arm, batch.offsets, rho=1.0)
    for k in range(len(batch.offsets) - 1):
        b = batch.trial(k)
        for g in (0, 1):
            t, d = b.time[b.arm == g], b.event[b.arm == g]
            curve = fits.curve(k, g)
            assert curve.time.tolist() == sorted(set(t.tolist()))
            for point, when in enumerate(curve.time):
                steps = [1 - ((t == u) & (d == 1)).sum() / (t >= u).sum() for u in np.unique(t) if u <= when]
                assert curve.survival[point] == pytest.approx(np.prod(steps), abs=1e-13)
        observed = expected = variance = 0.0
        survival = 1.0
        for u in np.unique(b.time[b.event == 1]):
            n, n1 = (b.time >= u).sum(), ((b.time >= u) & (b.arm == 1)).sum()
            d = ((b.time == u) & (b.event == 1)).sum()
            observed += survival * ((b.time == u) & (b.event == 1) & (b.arm == 1)).sum()
            expected += survival * d * n1 / n
            if n > 1:
                variance += survival**2 * d * n1 / n * (1 - n1 / n) * (n - d) / (n - 1)
            survival *= 1 - d / n
        if test.estimable[k]:
            assert test.statistic[k] == pytest.approx((observed - expected) ** 2 / variance, rel=1e-9)
        else:
            assert variance == pytest.approx(0.0, abs=1e-12)


@SETTINGS
@given(st.integers(1, 12), st.integers(1, 12), st.data())
def test_fisher_agrees_with_exact_fractions(n0: int, n1: int, data) -> None:
    x0, x1 = data.draw(st.integers(0, n0)), data.draw(st.integers(0, n1))
    m = x0 + x1
    weights = {
        k: Fraction(comb(n1, k) * comb(n0, m - k), comb(n0 + n1, m)) for k in range(max(0, m - n0), min(n1, m) + 1)
    }
    expected = sum(w for w in weights.values() if w <= weights[x1])
    test = fisher_exact(x0, n0, x1, n1)
    assert test.p_value[0] == pytest.approx(float(expected), rel=1e-11)


@SETTINGS
@given(st.integers(2, 30), st.integers(2, 30), st.data())
def test_miettinen_nurminen_turns_with_the_arms_and_contains_the_estimate(n0: int, n1: int, data) -> None:
    x0, x1 = data.draw(st.integers(0, n0)), data.draw(st.integers(0, n1))
    a, b = miettinen_nurminen_difference(x0, n0, x1, n1), miettinen_nurminen_difference(x1, n1, x0, n0)
    assert a.ci_lower[0] == pytest.approx(-b.ci_upper[0], abs=1e-9)
    assert -1 <= a.ci_lower[0] <= a.estimate[0] <= a.ci_upper[0] <= 1
    a, b = miettinen_nurminen_ratio(x0, n0, x1, n1), miettinen_nurminen_ratio(x1, n1, x0, n0)
    if x0 > 0 and x1 > 0:
        assert a.ci_lower[0] == pytest.approx(1 / b.ci_upper[0], rel=1e-8)
        assert a.ci_lower[0] <= a.estimate[0] <= a.ci_upper[0]


def konis(rows: np.ndarray) -> tuple[bool, bool]:
    """Separation by the textbook programme in another solver: (any, complete)."""
    n, p = rows.shape
    box = [(-1, 1)] * p
    some = optimize.linprog(-rows.sum(axis=0), A_ub=-rows, b_ub=np.zeros(n), bounds=box, method="highs")
    margin = optimize.linprog(
        np.r_[np.zeros(p), -1],
        A_ub=np.c_[-rows, np.ones(n)],
        b_ub=np.zeros(n),
        bounds=[*box, (None, 1)],
        method="highs",
    )
    return -some.fun > 1e-7, -margin.fun > 1e-7


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(3, 14), st.integers(1, 4))
def test_separation_is_what_another_linear_programme_says(seed: int, n: int, p: int) -> None:
    # Small whole numbers: ties, degenerate vertices and exact boundaries are common.
    rng = np.random.default_rng(seed)
    x = np.column_stack([np.ones(n), rng.integers(-2, 3, (n, p))]).astype(float)
    y = rng.integers(0, 2, n).astype(float)
    if np.linalg.matrix_rank(x) < x.shape[1]:
        return
    fits = fit_logistic(y, x, [0, n])
    some, complete = konis(x * (2 * y - 1)[:, None])
    assert has(fits.codes, FitCode.SEPARATION_COMPLETE | FitCode.SEPARATION_QUASI)[0] == some
    assert has(fits.codes, FitCode.SEPARATION_COMPLETE)[0] == complete
    assert fits.estimable[0] != some


@settings(max_examples=150, deadline=None, derandomize=True)
@given(st.integers(0, 2**32 - 1), st.integers(3, 10), st.sampled_from(["efron", "breslow", "exact"]))
def test_monotone_likelihood_is_what_all_pairs_of_risk_sets_say(seed: int, n: int, ties) -> None:
    rng = np.random.default_rng(seed)
    x = rng.integers(-1, 2, (n, 2)).astype(float)
    time = rng.integers(1, 6, n).astype(float)
    event = rng.integers(0, 2, n).astype(float)
    pairs = [
        x[i] - x[j]
        for i in range(n)
        if event[i]
        for j in range(n)
        if time[j] >= time[i] and not (ties == "exact" and event[j] and time[j] == time[i])
    ]
    rows = np.array(pairs) if pairs else np.zeros((0, 2))
    fits = fit_cox(time, event, x, [0, n], ties=ties, column=None)
    if not event.any():
        assert not fits.estimable[0]
        return
    if np.linalg.matrix_rank(rows) < 2:
        assert fits.aliased[0].any()
        return
    assert has(fits.codes, FitCode.MONOTONE_LIKELIHOOD)[0] == konis(rows)[0]
    assert fits.estimable[0] != konis(rows)[0]
