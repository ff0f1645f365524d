"""Fine and Gray by the definition, participant by participant, and properties that hold on any data."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.codes import FitCode
from equipoise.stats.competing_risks import estimate_cumulative_incidence, fit_fine_gray, gray_test


def trial(seed: int, n: int = 50, step: float = 1.0):
    rng = np.random.default_rng(seed)
    arm, x = np.arange(n) % 2, rng.normal(size=n)
    own = rng.exponential(1 / (0.06 * np.exp(-0.5 * arm + 0.3 * x)))
    other, gone = rng.exponential(20.0, n), rng.uniform(4, 30, n)
    time = np.minimum(np.minimum(own, other), gone)
    cause = np.where(time == gone, 0, np.where(own < other, 1, 2))
    time = np.ceil(time / step) * step if step else time
    return time, cause, np.column_stack([arm, x]).astype(float)


def by_definition(time, cause, x, beta):
    """Score, information and each participant's share of the score, with weights and sums written out."""
    n, p = x.shape
    share = np.array(
        [
            np.prod([1 - ((time == u) & (cause == 0)).sum() / (time >= u).sum() for u in np.unique(time[time < t])])
            for t in time
        ]
    )
    risk = np.exp(x @ beta)
    score, information, u = np.zeros(p), np.zeros((p, p)), np.zeros((n, p))
    events = np.unique(time[cause == 1])
    means, hazards, weights = [], [], []
    for t in events:
        now = share[time == t][0]
        w = np.where(time >= t, 1.0, np.where(cause == 2, now / share, 0.0))
        total = (w * risk).sum()
        mean = (w * risk) @ x / total
        d = (time == t) & (cause == 1)
        score += (x[d] - mean).sum(axis=0)
        information += d.sum() * (((w * risk)[:, None] * x).T @ x / total - np.outer(mean, mean))
        u[d] += x[d] - mean
        u -= (w * risk * d.sum() / total)[:, None] * (x - mean)
        means.append(mean), hazards.append(d.sum() / total), weights.append(w)
    for c in np.unique(time[cause == 0]):
        at_risk = time >= c
        q = np.zeros(p)
        for t, mean, hazard, w in zip(events, means, hazards, weights, strict=True):
            if t >= c:
                before = (cause == 2) & (time < c)
                q += ((w * risk * hazard)[before][:, None] * (x[before] - mean)).sum(axis=0)
        now = (time == c) & (cause == 0)
        u += np.outer(now - at_risk * now.sum() / at_risk.sum(), q) / at_risk.sum()
    inverse = np.linalg.inv(information)
    return score, inverse @ u.T @ u @ inverse


@pytest.mark.parametrize(("seed", "step"), [(1, 0.0), (2, 1.0), (3, 4.0)])
def test_the_fit_is_where_the_score_is_nothing_and_its_sandwich_is_the_written_out(seed, step) -> None:
    time, cause, x = trial(seed, step=step)
    fits = fit_fine_gray(time, cause, x, [0, time.size])
    score, covariance = by_definition(time, cause, x, fits.coefficients[0])
    assert score == pytest.approx(np.zeros(2), abs=1e-8)
    assert fits.covariance[0] == pytest.approx(covariance, rel=1e-8)


@pytest.mark.parametrize("seed", range(4))
def test_incidences_and_what_is_left_add_up_to_one(seed) -> None:
    time, cause, x = trial(seed)
    arm = x[:, 0].astype(int)
    own = estimate_cumulative_incidence(time, cause, arm, [0, 50])
    other = estimate_cumulative_incidence(time, np.where(cause == 0, 0, 3 - cause), arm, [0, 50])
    for group in (0, 1):
        table = own.table[own.start[0, group] : own.start[0, group] + own.length[0, group]]
        total = own.curve(0, group).incidence + other.curve(0, group).incidence
        assert total + table[:, 6] == pytest.approx(np.ones(total.size))
        assert (np.diff(own.curve(0, group).incidence) >= 0).all()


def test_a_batch_is_its_trials_and_the_order_of_rows_does_not_matter() -> None:
    trials = [trial(seed, n=30 + seed) for seed in range(5)]
    time, cause, x = (np.concatenate([one[k] for one in trials]) for k in range(3))
    bounds = np.concatenate([[0], np.cumsum([one[0].size for one in trials])])
    arm = x[:, 0].astype(int)
    together, tests = fit_fine_gray(time, cause, x, bounds), gray_test(time, cause, arm, bounds)
    for k, one in enumerate(trials):
        n = one[0].size
        mixed = np.random.default_rng(k).permutation(n)
        alone = fit_fine_gray(one[0][mixed], one[1][mixed], one[2][mixed], [0, n])
        assert alone.coefficients[0] == pytest.approx(together.coefficients[k], abs=1e-9)
        again = gray_test(one[0][mixed], one[1][mixed], one[2][mixed, 0].astype(int), [0, n])
        assert again.statistic[0] == pytest.approx(tests.statistic[k], rel=1e-9)


def test_columns_far_from_zero_doubled_or_without_events_leave_the_arm_its_answer() -> None:
    time, cause, x = trial(7)
    plain = fit_fine_gray(time, cause, x, [0, 50])
    far = fit_fine_gray(time, cause, x + np.array([0.0, 1e4]), [0, 50])
    assert far.coefficients[0] == pytest.approx(plain.coefficients[0], abs=1e-7)
    doubled = fit_fine_gray(time, cause, np.column_stack([x, x[:, 1]]), [0, 50])
    assert doubled.coefficients[0, 0] == pytest.approx(plain.coefficients[0, 0], abs=1e-8)
    assert doubled.codes[0] & FitCode.NUISANCE_LEFT_OUT
    level = np.zeros(50)
    level[np.flatnonzero(cause != 1)[:6]] = 1.0
    found = fit_fine_gray(time, cause, np.column_stack([x, level]), [0, 50])
    assert np.isfinite(found.coefficients[0, 0])
    assert np.isnan(found.coefficients[0, 2])
    assert found.codes[0] & FitCode.NUISANCE_LEFT_OUT
