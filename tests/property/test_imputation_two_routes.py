"""The compiled, packed imputation against the same equations written out in NumPy, and a batch against its trials."""

from __future__ import annotations

import numpy as np
import pytest
from slow_imputation import impute_binary_slowly, impute_normal_slowly

from equipoise.foundation.seeds import normals
from equipoise.stats.missing.multiple_imputation import MISSING, NOT_DUE, impute_binary, impute_binary_trials
from equipoise.stats.missing.normal_imputation import impute_normal, impute_normal_trials

KEY = {"seed": 9, "replicate": 3}


def results(rng, n, n_visits, gaps):
    """Yes-or-no results with dropout, gaps and visits not due; design with a covariate, of two values or of many."""
    cells = (rng.random((n, n_visits)) < 0.45).astype(np.int8)
    for v in range(1, n_visits):
        cells[:, v] = np.where(rng.random(n) < 0.4, cells[:, v - 1], cells[:, v])
    cells[rng.random((n, n_visits)) < gaps] = MISSING
    for i in np.flatnonzero(rng.random(n) < 0.3):
        cells[i, rng.integers(0, n_visits) :] = MISSING
    cells[rng.random((n, n_visits)) < 0.03] = NOT_DUE
    covariate = rng.normal(size=n) if n % 2 else (rng.random(n) < 0.5).astype(float)
    return cells, np.column_stack([np.ones(n), np.arange(n) % 2, covariate])


def scores(rng, n, n_visits, gaps):
    y = 10 + 2 * rng.normal(size=(n, 1)) + rng.normal(size=(n, n_visits))
    for i in np.flatnonzero(rng.random(n) < 0.3):
        y[i, rng.integers(0, n_visits) :] = np.nan
    y[rng.random((n, n_visits)) < gaps] = np.nan
    y[0] = rng.normal(size=n_visits)  # every visit has a score
    return y, np.column_stack([np.ones(n), np.arange(n) % 2, rng.normal(size=n)])


@pytest.mark.parametrize("pooled", [False, True])
@pytest.mark.parametrize(
    ("n", "n_visits", "gaps"), [(41, 4, 0.08), (40, 5, 0.1), (30, 2, 0.1), (25, 3, 0.0), (20, 1, 0.2)]
)
def test_yes_or_no_results_are_those_of_the_equations_written_out(n, n_visits, gaps, pooled):
    rng = np.random.default_rng(n)
    cells, z = results(rng, n, n_visits, gaps)
    delta = rng.normal(size=n)
    made = impute_binary(cells, z, imputations=3, first=7, pooled=pooled, delta=delta, **KEY)
    for m in range(3):
        state, beta, held = impute_binary_slowly(
            cells, z, imputation=7 + m, pooled=pooled and n_visits > 1, delta=delta, sweeps=made.sweeps, **KEY
        )
        assert np.array_equal(made.values[m], state)
        assert made.n_penalised[m] == held
        # Newton stops after a step of a hundredth of a standard error at most, and draws by the information before it:
        # on these inputs that moved draws by less than this.
        for model, drawn in enumerate(beta):
            assert np.allclose(made.coefficients[m, model, : drawn.size], drawn, rtol=3e-3, atol=3e-3)


def test_a_visit_separated_and_a_visit_nobody_came_to_are_those_of_the_equations_too():
    cells = np.array([[0, 0, MISSING], [1, 1, MISSING]] * 10 + [[1, MISSING, MISSING], [0, MISSING, MISSING]], np.int8)
    made = impute_binary(cells, np.ones((22, 1)), imputations=4, **KEY)
    for m in range(4):
        state, _, held = impute_binary_slowly(
            cells, np.ones((22, 1)), imputation=m, pooled=False, delta=np.zeros(22), sweeps=1, **KEY
        )
        assert np.array_equal(made.values[m], state)
        assert made.n_penalised[m] == held == 2


@pytest.mark.parametrize("strategy", ["at-random", "jump-to-reference", "copy-reference", "copy-increments"])
@pytest.mark.parametrize(("n", "n_visits", "gaps"), [(40, 5, 0.1), (25, 3, 0.15), (40, 4, 0.0), (20, 1, 0.2)])
def test_scores_are_those_of_the_equations_written_out(n, n_visits, gaps, strategy):
    rng = np.random.default_rng(n)
    y, z = scores(rng, n, n_visits, gaps)
    delta = rng.normal(size=n)
    made = impute_normal(y, z, imputations=3, first=7, delta=delta, strategy=strategy, arm_column=1, **KEY)
    for m in range(3):
        state, means, covariance = impute_normal_slowly(
            y, z, imputation=7 + m, delta=delta, strategy=strategy, sweeps=made.sweeps, **KEY
        )
        # Precisions of the regressions here, inverted covariances there: ten sweeps of rounding apart.
        assert np.allclose(made.values[m], state, rtol=0, atol=1e-7)
        assert np.allclose(made.means[m], means, rtol=0, atol=1e-7)
        assert np.allclose(made.covariance[m], covariance, rtol=0, atol=1e-7)


def test_the_coefficients_of_one_visit_by_hand():
    # 6 of 20 used: log odds log(6/14), information 20 x 0.3 x 0.7 = 4.2; a draw is that plus normal / sqrt(4.2)
    cells = np.array([[1]] * 6 + [[0]] * 14 + [[MISSING]] * 3, np.int8)
    made = impute_binary(cells, np.ones((23, 1)), imputations=5, **KEY)
    noise = normals(KEY["seed"], KEY["replicate"], 0, np.arange(5) * 4096, 1001)
    # The information is that before Newton's last step, of at most a hundred-thousandth of a standard error.
    assert np.allclose(made.coefficients[:, 0, 0], np.log(6 / 14) + noise / np.sqrt(4.2), rtol=0, atol=1e-5)


@pytest.mark.parametrize("threads", [1, 2])
def test_trials_packed_end_to_end_are_each_what_they_are_alone(threads):
    rng = np.random.default_rng(8)
    sizes, replicates = [30, 0, 25, 41, 20], [4, 5, 900, 2, 1]
    parts = [results(rng, max(n, 1), 4, gaps)[0][:n] for n, gaps in zip(sizes, [0.1, 0, 0, 0.1, 0], strict=True)]
    values = [scores(rng, max(n, 1), 4, gaps)[0][:n] for n, gaps in zip(sizes, [0.1, 0, 0, 0.1, 0], strict=True)]
    values[2][:, 1] = np.nan  # a visit that nobody of this trial has
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    z = np.column_stack([np.ones(offsets[-1]), np.arange(offsets[-1]) % 2])
    shared = {"imputations": 150, "seed": 6, "threads": threads}
    packed = impute_binary_trials(np.concatenate(parts), z, offsets, replicates=replicates, pooled=True, **shared)
    rule = {"strategy": "copy-increments", "arm_column": 1}
    numbers = impute_normal_trials(np.concatenate(values), z, offsets, replicates=replicates, **rule, **shared)
    assert packed.sweeps.tolist() == numbers.sweeps.tolist() == [10, 1, 1, 10, 1]
    for t, n in enumerate(sizes):
        mine = slice(offsets[t], offsets[t + 1])
        if not n:
            continue
        alone = impute_binary(parts[t], z[mine], replicate=replicates[t], pooled=True, **shared)
        assert np.array_equal(packed.values[:, mine], alone.values)
        assert np.array_equal(packed.coefficients[t], alone.coefficients)
        one = impute_normal(values[t], z[mine], replicate=replicates[t], **rule, **shared)
        assert np.array_equal(numbers.values[:, mine], one.values, equal_nan=True)
        assert np.array_equal(numbers.covariance[t], one.covariance, equal_nan=True)
        assert np.array_equal(numbers.codes[t], one.codes)


@pytest.mark.parametrize("impute", [impute_binary, impute_normal])
def test_an_incomplete_design_and_no_sweep_at_all_are_refused(impute):
    values, z = np.array([[0, 1], [1, 1], [0, 0], [1, 0]]), np.ones((4, 1))
    with pytest.raises(ValueError, match="at least one sweep"):
        impute(values, z, imputations=2, sweeps=0, **KEY)
    z[1] = np.nan
    with pytest.raises(ValueError, match="complete"):
        impute(values, z, imputations=2, **KEY)
