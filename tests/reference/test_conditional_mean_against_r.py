"""Reference-based conditional-mean imputation against R 4.2.2, nlme 3.1-162 (``imputation/conditional_mean.R``).

The R program fits the model by ``nlme::gls``, writes the rules out itself, and repeats all of it without each of the 80
participants; 27 of them have something missing, some between two scores seen.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

from equipoise.stats.missing.conditional_mean import fit_normal, impute_means, jackknife_error, leave_one_out

FOLDER = Path(__file__).parent / "imputation"


@pytest.fixture(scope="module")
def trial():
    table = pl.read_csv(FOLDER / "scores.csv")
    scores = table.select("y1", "y2", "y3", "y4").cast(pl.Float64).to_numpy()
    design = np.column_stack([np.ones(scores.shape[0]), table["arm"], table["base"]])
    model = fit_normal(scores, design)
    return scores, design, model, fit_normal(scores, design, weights=leave_one_out(scores.shape[0]))


@pytest.mark.parametrize("row", pl.read_csv(FOLDER / "conditional_mean.csv").to_dicts(), ids=lambda row: row["rule"])
def test_estimate_and_jackknife_agree_with_r(trial, row):
    scores, design, model, models = trial
    n = scores.shape[0]

    def effect(completed, rows):
        return np.linalg.lstsq(design[rows], completed[rows, 3], rcond=None)[0][1]

    whole = impute_means(scores, design, model, strategy=row["rule"], arm_column=1)[0]
    without = impute_means(scores, design, models, strategy=row["rule"], arm_column=1)
    error = jackknife_error([effect(without[i], np.delete(np.arange(n), i)) for i in range(n)])
    # gls stops at a relative change of the likelihood, some 1e-5 of a standard error from the maximum.
    assert effect(whole, np.arange(n)) == pytest.approx(row["estimate"], abs=2e-5 * row["jackknife_se"])
    assert error == pytest.approx(row["jackknife_se"], rel=2e-5)
