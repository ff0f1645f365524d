"""A one-sided level counts the better direction alone: what is significant the wrong way round is no success."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from equipoise.analysis.outcome import from_coefficient
from equipoise.design.sides import as_two_sided
from equipoise.protocol.read import read_protocol_text
from equipoise.workflow.power import power

TRIAL = """
equipoise: 2
trial: {id: sided, title: Sided}
calendar: {day-1: randomization, epochs: {all: {days: -1..90}}}
interventions: {usual: {type: other, words: usual care}, new: {type: other, words: new care}}
arms: {control: {role: active-control, gives: [usual], n: 60}, experimental: {role: experimental, gives: [new], n: 60}}
eligibility: {include: null, exclude: null}
randomization: {ratio: {control: 1, experimental: 1}}
assessments: {depression: {type: instrument, instrument: hamd-17}}
schedule: {visit: {days: [42, 84], assess: [depression]}}
endpoints: {mood: {kind: score, words: depression, assessment: depression, at: visit}}
estimands: {mood: {endpoint: mood, treatments: experimental v control, summary: mean-difference}}
analyses:
  one: {estimand: mood, estimator: linear, level: primary, alpha-one-sided: 0.05}
  two: {estimand: mood, estimator: linear, alpha-two-sided: 0.1}
assumptions:
  none: {simple: {mood: {control: 14, experimental: 14, sd: 5}}}
  worse: {simple: {mood: {control: 14, experimental: 18, sd: 5}}}
  better: {simple: {mood: {control: 14, experimental: 10, sd: 5}}}
"""


@pytest.mark.parametrize(
    ("scenario", "one", "two"), [("none", 0.05, 0.1), ("worse", 0.0, 0.99), ("better", 0.99, 0.99)]
)
def test_successes_by_a_one_sided_level_are_those_in_the_better_direction(scenario, one, two) -> None:
    made = power(read_protocol_text(TRIAL), scenarios=[scenario], replicates=2000, seed=6)
    rows = {summary.row.line: summary for summary in made.cells[0].rows}
    # Four standard errors of a share of 2,000.
    assert rows["one"].significant.value == pytest.approx(one, abs=0.02)
    assert rows["two"].significant.value == pytest.approx(two, abs=0.027)
    assert rows["one"].row.level_in_words == "one-sided 0.05"
    assert rows["two"].row.level_in_words == "two-sided 0.1"


def test_p_values_are_turned_by_the_side_that_is_better_and_tests_without_direction_stay() -> None:
    outcome = from_coefficient(
        estimator="linear",
        scale="mean_difference",
        coefficient=np.array([2.0, -2.0, 0.0]),
        standard_error=np.ones(3),
        level=0.95,
        n_analysed=np.full(3, 9),
        n_events=np.full(3, -1),
        n_missed=np.zeros(3, dtype=np.int64),
        codes=np.zeros(3, dtype=np.uint32),
    )
    line, lower = SimpleNamespace(alpha_one_sided=0.025), SimpleNamespace(better="lower", shape="number")
    found = as_two_sided(outcome, line, lower, is_hypothesis=False).p_value  # type: ignore[arg-type]
    assert found == pytest.approx([1.0, outcome.p_value[1], 1.0])
    higher = SimpleNamespace(better="higher", shape="number")
    found = as_two_sided(outcome, line, higher, is_hypothesis=False).p_value  # type: ignore[arg-type]
    assert found == pytest.approx([outcome.p_value[0], 1.0, 1.0])
    same = as_two_sided(outcome, line, higher, is_hypothesis=True)  # type: ignore[arg-type]
    assert same is outcome
