"""What must hold of imputation whatever the data: addressed draws, seen results kept, missing at random unbiased."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.codes import FitCode, has
from equipoise.stats.linear import fit_linear
from equipoise.stats.logistic import fit_logistic
from equipoise.stats.missing.multiple_imputation import MISSING, NOT_DUE, cells_of, impute_binary
from equipoise.stats.missing.normal_imputation import impute_normal
from equipoise.stats.missing.rubin import pool_imputations


def course(rng, n, n_visits=4, effect=-0.8):
    """Results with lapse dependence, complete; and the design (ones, arm, a covariate)."""
    arm, covariate = rng.integers(0, 2, n), rng.normal(size=n)
    results, before = np.zeros((n, n_visits), dtype=np.int8), np.zeros(n)
    for v in range(n_visits):
        eta = -0.4 + effect * arm + 0.5 * covariate + 1.4 * before
        results[:, v] = rng.random(n) < 1 / (1 + np.exp(-eta))
        before = results[:, v]
    return results, np.column_stack([np.ones(n), arm, covariate])


def drop(rng, results, gaps=0.0):
    """Dropout that depends on the last result only (at random), and gaps that depend on nothing."""
    cells = results.copy()
    for i in range(cells.shape[0]):
        for v in range(1, cells.shape[1]):
            if rng.random() < (0.30 if cells[i, v - 1] == 1 else 0.05):
                cells[i, v:] = MISSING
                break
    cells[rng.random(cells.shape) < gaps] = MISSING
    return cells


@pytest.mark.parametrize("pooled", [False, True])
def test_any_data_set_can_be_made_alone_and_threads_do_not_matter(pooled):
    rng = np.random.default_rng(1)
    results, design = course(rng, 60)
    cells = drop(rng, results, gaps=0.05)
    whole = impute_binary(cells, design, imputations=130, seed=9, pooled=pooled, threads=2)
    alone = impute_binary(cells, design, imputations=1, first=77, seed=9, pooled=pooled, threads=1)
    assert np.array_equal(whole.values[77], alone.values[0])
    assert np.array_equal(whole.coefficients[77], alone.coefficients[0])
    other = impute_binary(cells, design, imputations=130, seed=10, pooled=pooled)
    assert not np.array_equal(whole.values, other.values)


def test_scores_too_can_be_made_alone():
    rng = np.random.default_rng(2)
    values = rng.normal(size=(40, 1)) + rng.normal(size=(40, 3))
    values[rng.random((40, 3)) < 0.2] = np.nan
    whole = impute_normal(values, np.ones((40, 1)), imputations=120, seed=4)
    alone = impute_normal(values, np.ones((40, 1)), imputations=1, first=110, seed=4)
    assert np.allclose(whole.values[110], alone.values[0], rtol=0, atol=1e-9)  # batched algebra rounds otherwise


def test_results_seen_stay_and_what_is_not_due_stays_undecided():
    rng = np.random.default_rng(3)
    results, design = course(rng, 50)
    cells = drop(rng, results, gaps=0.1)
    cells[:5, 3] = NOT_DUE
    made = impute_binary(cells, design, imputations=20, seed=1)
    assert (made.values[:, cells >= 0] == cells[cells >= 0]).all()
    assert (made.values[:, cells == NOT_DUE] == NOT_DUE).all()
    assert np.isin(made.values[:, cells == MISSING], (0, 1)).all()


def test_a_larger_delta_never_makes_a_trailing_result_better():
    rng = np.random.default_rng(4)
    results, design = course(rng, 80)
    cells = drop(rng, results)
    shares = [
        impute_binary(cells, design, imputations=40, seed=1, delta=delta).values[:, cells == MISSING].mean()
        for delta in (-30.0, -1.0, 0.0, 1.0, 30.0)
    ]
    assert shares[0] == 0.0
    assert shares[-1] == 1.0
    assert shares == sorted(shares)


def test_a_separated_visit_is_held_by_the_prior_and_coded():
    cells = np.array([[0, 0], [1, 1]] * 10 + [[1, MISSING], [0, MISSING]], dtype=np.int8)
    made = impute_binary(cells, np.ones((22, 1)), imputations=200, seed=1)
    assert has(made.codes, FitCode.IMPUTATION_PENALISED).all()
    # the second result has always repeated the first; draws follow it mostly, not always
    assert 0.85 < made.values[:, 20, 1].mean() < 1.0
    assert 0.0 < made.values[:, 21, 1].mean() < 0.15


def test_a_visit_at_which_nobody_was_seen_does_not_stop_the_imputation():
    cells = np.array([[0, MISSING], [1, MISSING]] * 8, dtype=np.int8)
    made = impute_binary(cells, np.ones((16, 1)), imputations=5, seed=1)
    assert np.isin(made.values, (0, 1)).all()
    assert has(made.codes, FitCode.IMPUTATION_PENALISED).all()


@pytest.mark.parametrize(("pooled", "gaps"), [(False, 0.0), (True, 0.0), (True, 0.08)])
def test_at_random_dropout_gives_back_the_log_odds_that_complete_results_give(pooled, gaps):
    """60 trials of 150; difference from the complete-data estimate of the same trial, so noise of the trial cancels."""
    rng = np.random.default_rng(11)
    imputed, naive = [], []
    for trial in range(60):
        results, design = course(rng, 150)
        cells = drop(rng, results, gaps)
        made = impute_binary(cells, design, imputations=10, seed=5, replicate=trial, pooled=pooled, threads=1)
        last = made.values[:, :, -1].astype(float)
        bounds = np.arange(11) * 150
        fits = fit_logistic(last.ravel(), np.tile(design, (10, 1)), bounds)
        answer = pool_imputations(fits.coefficients[:, 1][None], fits.standard_errors[:, 1][None])
        whole = fit_logistic(results[:, -1].astype(float), design, [0, 150]).coefficients[0, 1]
        seen = cells[:, -1] >= 0
        cases = fit_logistic(results[seen, -1].astype(float), design[seen], [0, int(seen.sum())])
        imputed.append(answer.estimate[0] - whole)
        naive.append(cases.coefficients[0, 0])
    error = np.std(imputed, ddof=1) / np.sqrt(60)
    assert abs(np.mean(imputed)) < 3.5 * error
    assert error < 0.06  # a bias of a fifth would be seen


def test_at_random_dropout_of_scores_is_put_right_where_available_cases_are_not():
    rng = np.random.default_rng(12)
    n, trials = 120, 80
    errors, naive = [], []
    for trial in range(trials):
        arm = np.repeat([0.0, 1.0], n // 2)
        first = rng.normal(-1.0 * arm)
        second = 0.8 * first - 0.5 * arm + rng.normal(0, 0.6, n)
        # On the experimental arm those who do badly leave, on the other those who do well.
        gone = np.where(arm == 1, first > -0.5, first < -0.5) & (rng.random(n) < 0.7)
        seen = np.where(gone, np.nan, second)
        design = np.column_stack([np.ones(n), arm])
        made = impute_normal(np.column_stack([first, seen]), design, imputations=10, seed=2, replicate=trial)
        fits = fit_linear(made.values[:, :, 1].ravel(), np.tile(design, (10, 1)), np.arange(11) * n)
        truth = fit_linear(second, design, [0, n]).coefficients[0, 1]
        errors.append(fits.coefficients[:, 1].mean() - truth)
        naive.append(seen[(arm == 1) & ~gone].mean() - seen[(arm == 0) & ~gone].mean() - truth)
    assert abs(np.mean(errors)) < 3.5 * np.std(errors, ddof=1) / np.sqrt(trials)
    assert abs(np.mean(naive)) > 0.3  # the trap is real


def test_cells_of_reads_nan_as_missing():
    assert cells_of([[0.0, 1.0, np.nan]]).tolist() == [[0, 1, MISSING]]


@pytest.mark.parametrize("strategy", ["at-random", "jump-to-reference", "copy-reference", "copy-increments"])
def test_scores_nobody_has_stay_missing_and_scores_that_do_not_vary_are_imputed_by_their_value(strategy: str) -> None:
    rng = np.random.default_rng(4)
    arms = np.column_stack([np.ones(20), np.arange(20) % 2])
    lost = rng.random((20, 4)) < 0.3

    def imputed(scores: np.ndarray) -> np.ndarray:
        given = np.where(lost, np.nan, scores)
        return impute_normal(given, arms, imputations=5, seed=1, strategy=strategy, arm_column=1).values

    scores = rng.normal(size=(20, 4))
    scores[:, 2] = np.nan  # a visit at which the instrument was not given
    assert np.array_equal(np.isnan(imputed(scores)).all(axis=(0, 1)), [False, False, True, False])
    assert np.isnan(imputed(np.full((20, 4), np.nan))).all()
    assert np.allclose(imputed(np.zeros((20, 4))), 0.0, atol=1e-50)
    # carried forward by hand: every visit repeats the first; ridges of one in a thousand leave the draws finite
    assert np.isfinite(imputed(np.repeat(rng.normal(size=(20, 1)), 4, axis=1))).all()
