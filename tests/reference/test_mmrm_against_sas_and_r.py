"""The mixed model for repeated measures beside SAS PROC MIXED, R's mmrm 0.3.18 and nlme: every row that can be met.

Rows of the Kenward-Roger with second derivatives are in the file for information: this package gives the linear form.
"""

from __future__ import annotations

import csv

import pytest
from mmrm_models import METHODS, fitted

pytestmark = pytest.mark.skipif(not METHODS.exists(), reason="the shared data folder is not beside the checkout")


def rows() -> list[dict[str, str]]:
    found = []
    for name in ("mmrm.csv", "mmrm_sas.csv"):
        if (METHODS / name).exists():
            with (METHODS / name).open(encoding="utf-8") as file:
                found += list(csv.DictReader(file))
    return found


MODELS = sorted({(row["dataset"], row["model"]) for row in rows()})


@pytest.mark.parametrize(("dataset", "model"), MODELS)
def test_every_row_of_a_model_is_met(dataset: str, model: str) -> None:
    fit, n_compared, missed = fitted(dataset, model), 0, []
    assert fit.fits.codes[0] == 0
    for row in rows():
        if (row["dataset"], row["model"]) != (dataset, model):
            continue
        mine = fit.answer(row["quantity"], row["index"])
        if mine is None:
            continue
        n_compared += 1
        wanted, tolerance = float(row["value"]), float(row["tolerance"])
        if row["quantity"] == "-2 log likelihood":
            # SAS and mmrm stop a little short of the maximum: lower is right, higher by more than 1e-4 is not.
            wanted, tolerance = min(mine, wanted), 1e-4
        if not abs(mine - wanted) <= tolerance:
            missed.append((row["quantity"], row["index"], mine, wanted, tolerance, row["source"]))
    assert not missed
    assert n_compared > 5


def test_two_and_a_half_thousand_rows_and_more_are_compared() -> None:
    compared = [row for row in rows() if fitted(row["dataset"], row["model"]).answer(row["quantity"], row["index"])]
    assert len(compared) > 4000
