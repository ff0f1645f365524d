"""Jump to reference in repeated sampling: whose standard error is the spread of the estimates.

Trials of 100 an arm with three visits, no effect while in the trial and none after, a third of each arm leaving.
"""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.missing.conditional_mean import fit_normal, impute_means, jackknife_error, leave_one_out
from equipoise.stats.missing.normal_imputation import impute_normal
from equipoise.stats.missing.rubin import pool_imputations

N, TRIALS, SETS = 200, 400, 40
ROOT = np.linalg.cholesky(0.6 ** np.abs(np.subtract.outer(range(3), range(3))))


def one_trial(number: int) -> tuple[float, float, float, float]:
    """Estimate and jackknife error by conditional means, estimate and Rubin's error by multiple imputation."""
    rng = np.random.default_rng([20211, number])
    arm = np.repeat([0.0, 1.0], N // 2)
    scores = rng.normal(size=(N, 3)) @ ROOT.T
    leaves = rng.uniform(size=(N, 2)) < 0.18
    scores[leaves[:, 0], 1:] = np.nan
    scores[leaves[:, 1], 2] = np.nan
    design = np.column_stack([np.ones(N), arm])

    def effects(completed):
        return completed[..., arm == 1, 2].mean(axis=-1) - completed[..., arm == 0, 2].mean(axis=-1)

    rule = {"strategy": "jump-to-reference", "arm_column": 1}
    whole = effects(impute_means(scores, design, fit_normal(scores, design), **rule)[0])
    made = impute_means(scores, design, fit_normal(scores, design, weights=leave_one_out(N)), **rule)[:, :, 2]
    without = [made[i, keep & (arm == 1)].mean() - made[i, keep & (arm == 0)].mean() for i, keep in _others()]
    drawn = impute_normal(scores, design, imputations=SETS, seed=1, replicate=number, **rule).values
    last = drawn[..., 2]
    error = np.sqrt(sum(last[:, arm == a].var(axis=1, ddof=1) / (N // 2) for a in (0, 1)))
    pooled = pool_imputations(effects(drawn)[None], error[None])
    return float(whole), jackknife_error(without), float(pooled.estimate[0]), float(pooled.standard_error[0])


def _others():
    for i in range(N):
        keep = np.ones(N, dtype=bool)
        keep[i] = False
        yield i, keep


@pytest.mark.characteristics
def test_the_jackknife_is_the_spread_of_the_estimates_and_rubins_is_above_it():
    rows = np.array([one_trial(number) for number in range(TRIALS)])
    spread, jackknife = rows[:, 0].std(ddof=1), np.sqrt((rows[:, 1] ** 2).mean())
    spread_drawn, rubin = rows[:, 2].std(ddof=1), np.sqrt((rows[:, 3] ** 2).mean())
    within = np.abs(rows[:, 0]) < 1.959964 * rows[:, 1], np.abs(rows[:, 2]) < 1.959964 * rows[:, 3]
    # The spread of 400 estimates is known to 3.5 %: three of these.
    assert jackknife == pytest.approx(spread, rel=0.11)
    assert rubin > 1.15 * spread_drawn
    # 400 trials: three standard errors about 95 %.
    assert within[0].mean() == pytest.approx(0.95, abs=0.033)
    assert within[1].mean() > 0.96
