"""A finding before treatment as a covariate: 1 for yes, 0 for no, and who has none is not analysed."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from equipoise.foundation.errors import ProtocolError
from equipoise.protocol.read import read_protocol_text
from equipoise.stats.logistic import fit_logistic
from equipoise.workflow.verbs import analyse

sys.path.insert(0, str(Path(__file__).parents[1] / "spec"))
from outcome_trial import TRIAL, records_of

PLAN = """
endpoints:
  germs: {kind: finding, words: w, assessment: swab, visit: day-85, better: lower}
estimands: {germs: {endpoint: germs, treatments: active v usual, summary: odds-ratio}}
analyses:
  germs: {estimand: germs, estimator: logistic, covariates: [germs-0], level: primary, alpha-two-sided: 0.05}
"""
BEFORE = [1, 0, 1, 0, 1, None, 0, 1, 0, 1, 0, 1]
AFTER = [1, 0, 0, 1, 1, 1, 0, 1, 1, 0, 0, 0]


def read(source: str = "swab"):  # type: ignore[no-untyped-def]
    text = TRIAL[: TRIAL.index("endpoints:")] + PLAN.lstrip()
    return read_protocol_text(
        text.replace("baseline:\n", f"baseline:\n  germs-0: {{from: {source}, visit: entry}}\n", 1)
    )


def test_a_finding_before_treatment_adjusts_as_its_yes_and_no() -> None:
    people = {str(k): {"swab": [b, 0, 0, a]} for k, (b, a) in enumerate(zip(BEFORE, AFTER, strict=True))}
    found = analyse(read(), records_of(people))["germs"]
    known = np.array([value is not None for value in BEFORE])
    arm = (np.arange(12) >= 6).astype(float)[known]
    before = np.array([value or 0 for value in BEFORE], dtype=float)[known]
    design = np.column_stack([np.ones(arm.size), arm, before])
    fits = fit_logistic(np.array(AFTER, dtype=float)[known], design, [0, arm.size])
    assert found.n_analysed == 11
    assert found.estimate == pytest.approx(np.exp(fits.coefficients[0, 1]), rel=1e-6)
    assert "covariate-missing" in found.warnings


def test_events_are_no_baseline() -> None:
    with pytest.raises(ProtocolError, match="instrument or finding") as refused:
        read("outcomes")
    assert "P027" in {problem.code for problem in refused.value.problems}
