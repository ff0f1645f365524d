"""Power counts the trials whose mixed model for repeated measures took a simpler covariance than planned."""

from __future__ import annotations

import json
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "spec"))
from outcome_trial import text_of

from equipoise.protocol import read_protocol_text
from equipoise.reporting.power_report import simplified_words
from equipoise.workflow.power import power

SCORE = "{kind: score, words: mood, assessment: mood, at: weekly}"
N = 3  # an arm: three visits and an unstructured covariance for each arm have more parameters than that can tell


def summary(options: str, n: int = N):
    text = text_of(SCORE, "mean-difference", "mmrm").replace("0.05}", f"0.05, {options}}}")
    text += (
        f"assumptions:\n  it: {{words: better mood, n: {{usual: {n}, active: {n}}},\n"
        "       simple: {it: {usual: 30, active: 25, sd: 8}}}\n"
    )
    made = power(read_protocol_text(text), replicates=60, seed=5)
    return next(s for s in made.cells[0].rows if s.row.id == "it")


def test_each_structure_that_stood_in_is_counted() -> None:
    found = summary("covariance-by-arm: true")
    assert found.row.structures[0] == "unstructured covariance of the visits, one in each arm"
    assert found.simplified
    assert set(found.simplified) <= set(found.row.structures[1:])
    total = sum(found.simplified.values())
    assert 0 < total <= 60
    assert simplified_words(found).startswith(f"{total} of 60 (")
    told = json.loads(json.dumps(found.as_dict()))
    assert told["simplified"] == dict(found.simplified)


def test_where_none_did_it_is_said() -> None:
    found = summary("covariance: compound-symmetry", 30)
    assert found.simplified == {}
    assert simplified_words(found) == "none of 60"
