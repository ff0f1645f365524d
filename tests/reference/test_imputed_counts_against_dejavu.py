"""Reference-based imputation of counts against R 4.2.2, dejaVu 0.3.1; script and answers in ``count_imputation/``.

Both draw: the tolerances are four Monte Carlo errors of 2,000 sets on either side. dejaVu draws the dispersion from its
normal approximation and we from its posterior, so that spreads between sets differ by a few per cent more.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from equipoise.stats.counts import CountModel, fit_counts
from equipoise.stats.missing.count_imputation import impute_counts
from equipoise.stats.missing.plans import LeaversRule, SetsToMake
from equipoise.stats.missing.rubin import pool_imputations

HERE = Path(__file__).parent / "count_imputation"
ANSWERS = {row["rule"]: row for row in pl.read_csv(HERE / "answers.csv").iter_rows(named=True)}
STUDY, SETS, ANALYSED = 84, 2000, 300


@pytest.mark.parametrize("rule", ANSWERS)
def test_completed_counts_and_their_analysis(rule: str) -> None:
    counts, answer = pl.read_csv(HERE / "counts.csv"), ANSWERS[rule]
    arm, days = counts["arm"].to_numpy(), counts["days"].to_numpy().astype(float)
    design = np.column_stack([np.ones(arm.size), arm])
    strategy, _, more = rule.partition(", ")
    delta = np.where(arm == 1, np.log(1.5), 0.0) if more else None
    rest = np.where(days < STUDY, STUDY - days, 0.0)
    made = impute_counts(
        counts["events"].to_numpy(), days, rest, design, sets=SetsToMake(SETS, 11), rule=LeaversRule(strategy, delta)
    )
    for a, name in ((0, "reference"), (1, "active")):
        means = made.values[:, arm == a].mean(axis=1)
        error = np.hypot(means.std(), answer[f"sd_{name}"]) / np.sqrt(SETS)
        assert abs(means.mean() - answer[f"mean_{name}"]) < 4 * error
        assert means.std() == pytest.approx(answer[f"sd_{name}"], rel=0.1)
    values = made.values[:ANALYSED]
    fits = fit_counts(
        values.ravel(),
        np.tile(design, (ANALYSED, 1)),
        np.arange(ANALYSED + 1) * arm.size,
        exposure=np.full(values.size, float(STUDY)),
        model=CountModel("negative-binomial"),
    )
    pooled = pool_imputations(fits.coefficients[:, 1][None], fits.standard_errors[:, 1][None], [arm.size - 2.0])
    assert pooled.estimate[0] == pytest.approx(answer["log_rate_ratio"], abs=0.015)
    assert pooled.standard_error[0] == pytest.approx(answer["se"], rel=0.03)
