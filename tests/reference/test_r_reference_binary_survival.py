"""Our binary and survival fits against R 4.2.2 (survival 3.5-3, brglm2 0.9) on 40 simulated trials.

Values: ../shared/data/r-reference, made by the script described in its README. The comparison itself, with each
tolerance and its reason, is benchmarks/agreement_models/binary_survival.py; here each model must have no disagreement
that is not explained, and the explained ones must be the trials known to be separated.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"

MODELS = [
    "logistic",
    "logistic_profile_ci",
    "logistic_firth",
    "fisher_exact",
    "cox_efron",
    "cox_breslow",
    "cox_exact",
    "cox_zph_km_global",
    "logrank",
    "peto_peto",
    "km_arm0",
    "km_arm1",
    "rmst8_arm0",
    "rmst8_arm1",
]


@pytest.fixture(scope="module")
def family():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("agreement_models.binary_survival")
    finally:
        sys.path.remove(str(BENCHMARKS))


@pytest.fixture(scope="module")
def folder(family, shared_data):
    return importlib.import_module("agreement_models.base").Folder(shared_data / "r-reference")


@pytest.mark.parametrize("model", MODELS)
def test_no_disagreement_with_r_is_unexplained(family, folder, model) -> None:
    agreement = family.COMPARERS[model](folder)
    assert agreement.n_trials == 40
    assert [found for found in agreement.disagreements if found[1] == "other"] == []
    assert agreement.deviations
    for values in agreement.deviations.values():
        assert np.isfinite(values).any()


def test_every_comparer_is_tested(family) -> None:
    assert sorted(family.COMPARERS) == sorted(MODELS)


def test_separation_is_found_in_the_trials_made_to_have_it_and_no_others(family, folder) -> None:
    # Scenarios as named in participants.csv: R's glm itself warned in only half of the separated fits.
    scenario = dict(zip(folder.participants["trial"].to_list(), folder.participants["scenario"].to_list(), strict=True))
    found = {t for t, cause, _ in family.COMPARERS["logistic"](folder).disagreements if cause == "separation"}
    assert {scenario[t] for t in found} == {scenario[t] for t in folder.trials if t in found}
    error = folder.terms("logistic", ["arm"], "se")[:, 0]
    # A finite fit of these sizes has a standard error near one; R's separated ones are in the hundreds or more.
    assert found == {t for t, se in zip(folder.trials, error, strict=True) if se > 100}


def test_monotone_cox_fits_are_those_where_r_says_the_coefficient_may_be_infinite(family, folder) -> None:
    rows = folder.fits.filter(folder.fits["model"] == "cox_efron")
    warned = {
        t for t, m in zip(rows["trial"].to_list(), rows["messages"].to_list(), strict=True) if m and "infinite" in m
    }
    found = {t for t, cause, _ in family.COMPARERS["cox_efron"](folder).disagreements if cause == "separation"}
    assert found == warned
    assert len(found) == 2


def test_a_wrong_number_would_be_called_a_disagreement(family, folder) -> None:
    base = importlib.import_module("agreement_models.base")
    agreement = base.Agreement("logrank", len(folder.trials))
    theirs = folder.fit_column("logrank", "statistic")
    agreement.compare(folder, "chi-square", theirs * (1 + 2e-6), theirs, 1e-6)
    assert agreement.n_other == 40
