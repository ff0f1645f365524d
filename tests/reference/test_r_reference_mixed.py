"""Our mixed models and GEE against R 4.2.2 (lme4 1.1-31, lmerTest 3.1-3, glmmTMB 1.1.5, geepack 1.3.9) on 40 trials.

Values: ../shared/data/r-reference, made by the script described in its README. The comparison itself, with each
tolerance and its reason, is benchmarks/agreement_models/repeated_measures.py; here each model must have no
disagreement that is not explained.
"""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"

MODELS = [
    "urine_glmer_agq10",
    "urine_glmer_agq25",
    "urine_glmer_agq1",
    "urine_glmmTMB_laplace",
    "urine_glmer_slope_agq1",
    "craving_lmer_int_reml",
    "craving_lmer_int_ml",
    "craving_lmer_slope_reml",
    "craving_lmer_slope_ml",
    "urine_gee_independence",
    "urine_gee_exchangeable",
]


@pytest.fixture(scope="module")
def family():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("agreement_models.repeated_measures")
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
    for values in agreement.deviations.values():
        assert np.isfinite(values).any()


def test_every_comparer_is_tested(family) -> None:
    assert sorted(family.COMPARERS) == sorted(MODELS)


def test_quadrature_and_laplace_by_glmmtmb_agree_wherever_the_fit_is_finite(family, folder) -> None:
    # glmmTMB differentiates exactly, so nothing needs the excuse that R stopped short.
    for model in ("urine_glmer_agq25", "urine_glmmTMB_laplace"):
        causes = {cause for _, cause, _ in family.COMPARERS[model](folder).disagreements}
        assert causes <= {"separation", "boundary"}


def test_only_the_trial_whose_arm_has_no_event_is_called_separated(family, folder) -> None:
    found = {t for t, cause, _ in family.COMPARERS["urine_glmer_agq10"](folder).disagreements if cause == "separation"}
    rows = folder.visits.join(folder.participants, on=["trial", "id"]).drop_nulls("urine_positive")
    one_sided = {
        trial for (trial, _arm), part in rows.group_by("trial", "arm") if part["urine_positive"].n_unique() == 1
    }
    assert found == one_sided


def test_the_random_slope_model_is_above_lme4_in_every_trial_it_can_fit(family, folder) -> None:
    agreement = family.COMPARERS["urine_glmer_slope_agq1"](folder)
    below = agreement.deviations["log likelihood below R's"]
    # The files keep twelve digits; our likelihood is at its maximum to about 1e-9.
    assert np.nanmax(below) < 1e-8
    assert np.isfinite(below).sum() == 39
