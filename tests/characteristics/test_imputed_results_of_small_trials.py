"""How imputation by reference of yes-or-no results, counts and times behaves from trial to trial.

Run as a program it prints the table of ``docs/methods/imputed_counts.md`` and the other pages.
"""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.counts import CountModel, fit_counts
from equipoise.stats.cox import fit_cox
from equipoise.stats.logistic import fit_logistic
from equipoise.stats.missing.count_imputation import impute_counts
from equipoise.stats.missing.latent_imputation import impute_latent
from equipoise.stats.missing.multiple_imputation import MISSING
from equipoise.stats.missing.plans import LeaversRule, SetsToMake
from equipoise.stats.missing.rubin import pool_imputations
from equipoise.stats.missing.time_imputation import impute_times

pytestmark = pytest.mark.characteristics
SETS = 20


def _set_after_set(values, n_trials, n):
    """(M, T n) as trials, the sets of each side by side."""
    return np.ascontiguousarray(values.reshape(values.shape[0], n_trials, n).transpose(1, 0, 2)).reshape(-1)


def _pooled(coefficients, errors, n_trials, df):
    return pool_imputations(coefficients.reshape(n_trials, SETS), errors.reshape(n_trials, SETS), np.full(n_trials, df))


def simulate_counts(rule, effect, n, n_trials, seed):
    rng = np.random.default_rng(seed)
    arm = np.tile(np.repeat([0.0, 1.0], n // 2), n_trials)
    seen = np.where(rng.random(arm.size) < 1 / 3, rng.uniform(0.1, 0.9, arm.size), 1.0)
    y = rng.poisson(rng.gamma(1.5, 1 / 1.5, arm.size) * 3.0 * np.exp(effect * arm) * seen).astype(float)
    design, offsets = np.column_stack([np.ones(arm.size), arm]), n * np.arange(n_trials + 1)
    options = {"sets": SetsToMake(SETS, 1, replicates=np.arange(n_trials)), "rule": LeaversRule(rule)}
    made = impute_counts(y, seen, 1 - seen, design, offsets, **options)
    x = np.tile(design[:n], (n_trials * SETS, 1))
    model = CountModel("negative-binomial")
    fits = fit_counts(_set_after_set(made.values, n_trials, n), x, n * np.arange(n_trials * SETS + 1), model=model)
    return _pooled(fits.coefficients[:, 1], fits.standard_errors[:, 1], n_trials, n - 2.0)


def simulate_times(rule, effect, n, n_trials, seed):
    rng = np.random.default_rng(seed)
    arm = np.tile(np.repeat([0.0, 1.0], n // 2), n_trials)
    event = rng.exponential(60.0 * np.exp(-effect * arm))
    leaves = np.where(rng.random(arm.size) < 1 / 3, rng.uniform(5.0, 80.0, arm.size), 99.0)
    time = np.ceil(np.minimum(np.minimum(event, leaves), 84.0))
    happened = (event <= leaves) & (event <= 84.0)
    design, offsets = np.column_stack([np.ones(arm.size), arm]), n * np.arange(n_trials + 1)
    options = {"sets": SetsToMake(SETS, 1, replicates=np.arange(n_trials)), "rule": LeaversRule(rule)}
    made = impute_times(time, happened, np.full(arm.size, 84.0), design, offsets, **options)
    x = np.tile(design[:n, 1:], (n_trials * SETS, 1))
    fits = fit_cox(
        _set_after_set(made.time, n_trials, n),
        _set_after_set(made.event.astype(float), n_trials, n),
        x,
        n * np.arange(n_trials * SETS + 1),
    )
    return _pooled(fits.coefficients[:, 0], fits.standard_errors[:, 0], n_trials, n - 1.0)


def simulate_results(rule, effect, n, n_trials, seed):
    """Log odds ratio of the last of three visits."""
    rng = np.random.default_rng(seed)
    arm = np.tile(np.repeat([0.0, 1.0], n // 2), n_trials)
    correlation = np.array([[1, 0.6, 0.36], [0.6, 1, 0.6], [0.36, 0.6, 1]])
    latent = rng.multivariate_normal(np.zeros(3), correlation, size=arm.size)
    latent += effect / 1.6 * arm[:, None] * np.array([0.0, 1.0, 1.0])
    cells = (latent > 0).astype(np.int8)
    leaves = rng.random(arm.size) < np.where(cells[:, 0] == 1, 0.45, 0.22)
    cells[leaves, 1:] = MISSING
    design, offsets = np.column_stack([np.ones(arm.size), arm]), n * np.arange(n_trials + 1)
    options = {"sets": SetsToMake(SETS, 1, replicates=np.arange(n_trials)), "rule": LeaversRule(rule)}
    made = impute_latent(cells, design, offsets, **options)
    y = _set_after_set(made.values[:, :, 2].astype(float), n_trials, n)
    fits = fit_logistic(y, np.tile(design[:n], (n_trials * SETS, 1)), n * np.arange(n_trials * SETS + 1))
    return _pooled(fits.coefficients[:, 1], fits.standard_errors[:, 1], n_trials, n - 2.0)


SIMULATED = {"yes or no": simulate_results, "counts": simulate_counts, "times": simulate_times}


def row(kind, rule, n, n_trials, seed=20):
    """Without effect: standard deviation of estimates, mean error by Rubin's rules, percentage of p below 0.05."""
    from scipy import special

    found = SIMULATED[kind](rule, 0.0, n, n_trials, seed)
    there = np.isfinite(found.estimate)
    p = 2 * special.stdtr(found.df, -np.abs(found.estimate / found.standard_error))
    estimates, errors = found.estimate[there], found.standard_error[there]
    return float(estimates.mean()), float(estimates.std(ddof=1)), float(errors.mean()), float((p[there] < 0.05).mean())


@pytest.mark.parametrize("kind", SIMULATED)
def test_at_random_the_error_is_that_of_repeated_sampling_and_the_test_keeps_its_level(kind):
    n_trials = 400
    mean, sd, error, rejected = row(kind, "at-random", 100, n_trials)
    assert abs(mean) < 3 * sd / np.sqrt(n_trials)
    assert 0.9 < error / sd < 1.15
    assert rejected < 0.05 + 3 * np.sqrt(0.05 * 0.95 / n_trials)


@pytest.mark.parametrize("kind", SIMULATED)
def test_by_reference_rubins_error_is_larger_than_the_spread_of_estimates(kind):
    _, sd, error, rejected = row(kind, "jump-to-reference", 100, 400)
    assert error > sd
    assert rejected < 0.05


if __name__ == "__main__":
    for kind in SIMULATED:
        for n in (50, 100, 200):
            for rule in ("at-random", "jump-to-reference"):
                mean, sd, error, rejected = row(kind, rule, n, 500)
                print(
                    f"| {kind} | {n // 2} | {rule} | {mean:.3f} | {sd:.3f} | {error:.3f} | {100 * rejected:.1f} |",
                    flush=True,
                )
