"""Yes-or-no results by reference against the same model by other routes: counting, sampling, integration."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from equipoise.stats.missing.latent_imputation import PRIOR_SCALE, PRIOR_SCALE_CONSTANT, impute_latent
from equipoise.stats.missing.multiple_imputation import MISSING, NOT_DUE
from equipoise.stats.missing.plans import LeaversRule, SetsToMake
from equipoise.stats.missing.reference_based import STRATEGIES

CORRELATION = np.array([[1, 0.6, 0.36], [0.6, 1, 0.6], [0.36, 0.6, 1]])
OWN, REFERENCE = np.array([-0.2, -0.5, -0.8]), np.array([-0.2, 0.0, 0.3])


@pytest.fixture(scope="module")
def trial():
    """Two thousand of each arm; who used at the first visit leaves more often."""
    rng = np.random.default_rng(1)
    n = 4000
    arm = np.repeat([0.0, 1.0], n // 2)
    latent = rng.multivariate_normal(np.zeros(3), CORRELATION, size=n)
    used = (latent + np.where(arm[:, None] == 1.0, OWN, REFERENCE) > 0).astype(np.int8)
    cells = used.copy()
    leaves = rng.random(n) < np.where(used[:, 0] == 1, 0.5, 0.2)
    cells[leaves, 1:] = MISSING
    cells[~leaves & (rng.random(n) < 0.2), 2] = MISSING
    return used, cells, np.column_stack([np.ones(n), arm])


@pytest.mark.parametrize("rule", list(STRATEGIES))
def test_shares_of_the_imputed_are_those_of_the_model_that_drew_the_trial(trial, rule):
    used, cells, design = trial
    made = impute_latent(cells, design, sets=SetsToMake(10, 1), rule=LeaversRule(rule))
    lost = (cells[:, 2] < 0) & (design[:, 1] == 1.0)
    last = np.where(cells[:, 1] < 0, 0, 1)
    noise = np.random.default_rng(2).multivariate_normal(np.zeros(3), CORRELATION, size=200_000)
    total = 0.0
    for visit in (0, 1):
        who = used[lost & (last == visit)][:, : visit + 1]
        yes = noise + STRATEGIES[rule](OWN, REFERENCE, visit) > 0
        for seen in np.unique(who, axis=0):
            alike = (yes[:, : visit + 1] == seen).all(axis=1)
            total += (who == seen).all(axis=1).sum() * yes[alike, 2].mean()
    # 4,000 participants know a mean to about 0.03 on the latent scale.
    assert made.values[:, lost, 2].mean() == pytest.approx(total / lost.sum(), abs=0.03)
    # The reference arm, and what was seen, are the same under every rule.
    plain = impute_latent(cells, design, sets=SetsToMake(10, 1))
    assert np.array_equal(made.values[:, design[:, 1] == 0.0], plain.values[:, design[:, 1] == 0.0])
    assert (made.values[:, cells >= 0] == cells[cells >= 0]).all()


def test_one_result_has_the_posterior_that_integration_finds():
    # One visit, no covariate but the arm: 3 of 10 and 5 of 8 used, two of each arm missing.
    cells = np.array([1] * 3 + [0] * 7 + [MISSING] * 2 + [1] * 5 + [0] * 3 + [MISSING] * 2, dtype=np.int8)[:, None]
    arm = np.repeat([0.0, 1.0], [12, 10])
    design = np.column_stack([np.ones(22), arm])
    made = impute_latent(cells, design, sets=SetsToMake(4000, 5))
    grid = np.linspace(-6.0, 6.0, 401)
    b0, b1 = np.meshgrid(grid, grid, indexing="ij")
    scale = PRIOR_SCALE / (2.0 * arm.std())
    density = stats.norm.pdf(b0, scale=PRIOR_SCALE_CONSTANT) * stats.norm.pdf(b1, scale=scale)
    density *= stats.norm.cdf(b0) ** 3 * stats.norm.cdf(-b0) ** 7
    density *= stats.norm.cdf(b0 + b1) ** 5 * stats.norm.cdf(-b0 - b1) ** 3

    def expected(value):
        inner = integrate.trapezoid(value * density, grid, axis=1)
        return integrate.trapezoid(inner, grid) / integrate.trapezoid(integrate.trapezoid(density, grid, axis=1), grid)

    missing = cells[:, 0] == MISSING
    for side, share in ((0.0, stats.norm.cdf(b0)), (1.0, stats.norm.cdf(b0 + b1))):
        found = made.values[:, missing & (arm == side), 0].mean()
        assert found == pytest.approx(expected(share), abs=0.025)  # 4,000 correlated draws
    drawn = made.coefficients[:, 0, 0, 1]
    mean = expected(b1)
    assert drawn.mean() == pytest.approx(mean, abs=0.05)
    assert drawn.std() == pytest.approx(np.sqrt(expected((b1 - mean) ** 2)), rel=0.06)


def test_a_shift_multiplies_the_odds_of_what_is_imputed(trial):
    _, cells, design = trial
    single = cells[:, :1].copy()
    single[::4] = MISSING
    shares = []
    for delta in (0.0, 1.0):
        made = impute_latent(single, design, sets=SetsToMake(40, 1), rule=LeaversRule(delta=delta))
        shares.append(made.values[:, ::4].mean())
    odds = [share / (1.0 - share) for share in shares]
    assert odds[1] / odds[0] == pytest.approx(np.e, rel=0.05)


def test_gaps_visits_never_due_and_empty_trials_are_kept():
    rng = np.random.default_rng(3)
    cells = rng.integers(0, 2, (30, 4)).astype(np.int8)
    cells[3, 1], cells[4, 0], cells[5, 2:], cells[6] = MISSING, NOT_DUE, MISSING, MISSING
    design = np.column_stack([np.ones(30), np.repeat([0.0, 1.0], 15)])
    made = impute_latent(
        np.concatenate([cells, cells]),
        np.concatenate([design, design]),
        [0, 30, 30, 60],
        sets=SetsToMake(3, 1, replicates=[4, 5, 4]),
        rule=LeaversRule("copy-increments"),
    )
    # The same replicate is the same trial wherever it stands in the batch.
    assert np.array_equal(made.values[:, :30], made.values[:, 30:])
    assert (made.values[:, 4, 0] == NOT_DUE).all()
    assert (made.values[:, 6] >= 0).all()
    threaded = impute_latent(cells, design, sets=SetsToMake(3, 1, replicates=[4]), rule=LeaversRule("copy-increments"))
    assert np.array_equal(threaded.values, made.values[:, :30])
