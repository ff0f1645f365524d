"""Multiple imputation and Rubin's rules against R 4.2.2, mice 3.15.0; script and data in tests/reference/imputation/.

500 participants, three visits, dropout that depends on the last result. mice imputed 300 data sets with the same
sequence of models; both are Monte Carlo, so answers agree within their standard errors, not to the digit.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from equipoise.stats.linear import fit_linear
from equipoise.stats.logistic import fit_logistic
from equipoise.stats.missing.multiple_imputation import cells_of, impute_binary
from equipoise.stats.missing.normal_imputation import impute_normal
from equipoise.stats.missing.rubin import PooledEstimates, pool_imputations

HERE = Path(__file__).parent / "imputation"
SETS = 1000


def rows(name: str) -> list[dict[str, str]]:
    with (HERE / name).open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def trial():
    table = pl.read_csv(HERE / "trial.csv")
    design = np.column_stack([np.ones(table.height), table["arm"], table["base"]])
    return table, design


def agrees(pooled: PooledEstimates, answer: dict[str, str]) -> None:
    between, m = float(answer["between"]), int(answer["m"])
    monte_carlo = np.sqrt(between / m + pooled.between[0] / SETS)
    # mice adds a few pseudo-observations to every logistic fit against separation, we do not: one more such error.
    assert abs(pooled.estimate[0] - float(answer["estimate"])) < 4 * monte_carlo
    # The variance between 300 data sets is known to about sqrt(2 / 300) = 8 %, ours to 4 %: three of both together.
    assert pooled.between[0] == pytest.approx(between, rel=0.27)
    assert pooled.within[0] == pytest.approx(float(answer["within"]), rel=0.01)
    assert pooled.standard_error[0] == pytest.approx(float(answer["se"]), rel=0.06)
    assert pooled.fraction_missing[0] == pytest.approx(float(answer["fmi"]), abs=0.08)
    assert pooled.df[0] == pytest.approx(float(answer["df"]), rel=0.2)


@pytest.mark.parametrize("visit", [2, 3])
def test_log_odds_of_use_after_dropout(trial, visit):
    table, design = trial
    cells = cells_of(table.select("u1", "u2", "u3").to_numpy().astype(float))
    made = impute_binary(cells, design, imputations=SETS, seed=1)
    y = made.values[:, :, visit - 1].ravel().astype(float)
    fits = fit_logistic(y, np.tile(design, (SETS, 1)), np.arange(SETS + 1) * table.height)
    pooled = pool_imputations(fits.coefficients[:, 1][None], fits.standard_errors[:, 1][None], [table.height - 3.0])
    agrees(pooled, next(r for r in rows("answers.csv") if r["name"] == f"log odds of use at visit {visit}"))


def test_mean_score_after_dropout(trial):
    table, design = trial
    made = impute_normal(table.select("s1", "s2", "s3").to_numpy().astype(float), design, imputations=SETS, seed=1)
    fits = fit_linear(made.values[:, :, 2].ravel(), np.tile(design, (SETS, 1)), np.arange(SETS + 1) * table.height)
    pooled = pool_imputations(fits.coefficients[:, 1][None], fits.standard_errors[:, 1][None], [table.height - 3.0])
    agrees(pooled, next(r for r in rows("answers.csv") if r["name"] == "mean score at visit 3"))


def test_rubins_rules_to_the_digit():
    answer = {key: float(value) for key, value in rows("rubin.csv")[0].items()}
    q, u = [[0.52, 0.61, 0.47, 0.70, 0.58]], np.sqrt([[0.040, 0.043, 0.038, 0.045, 0.041]])
    pooled = pool_imputations(q, u, [57.0])  # pool.scalar(n = 60, k = 3)
    assert pooled.estimate[0] == pytest.approx(answer["qbar"], rel=1e-12)
    assert pooled.standard_error[0] ** 2 == pytest.approx(answer["t"], rel=1e-12)
    assert pooled.df[0] == pytest.approx(answer["df"], rel=1e-12)
    assert pooled.fraction_missing[0] == pytest.approx(answer["fmi"], rel=1e-12)
    assert pooled.relative_increase[0] == pytest.approx(answer["r"], rel=1e-12)
    assert pool_imputations(q, u).df[0] == pytest.approx(answer["df_infinite"], rel=1e-12)
