"""Treatments compared within participants: what a file must say, and what is refused with its place."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.analysis.analyse import analyse_records
from equipoise.foundation.errors import EquipoiseError
from equipoise.protocol.read import read_protocol_text
from equipoise.simulation.simulate import simulate

TRIAL = """
equipoise: 2
trial: {id: two-periods, title: Two periods, design: crossover}
calendar: {day-1: randomization, epochs: {all: {days: 1..40}}}
interventions:
  drug: {type: oral, drug: something, dose: 10 mg, days: [1, 2, 3, 21, 22, 23]}
  placebo: {type: oral, drug: placebo, dose: 10 mg, days: [1, 2, 3, 21, 22, 23]}
  talk: {type: behavioural, sessions: [{days: [2, 22]}]}
arms:
  placebo-first: {role: active-control, gives: {one: [placebo, talk], two: [drug, talk]}}
  drug-first: {role: experimental, gives: {one: [drug, talk], two: [placebo, talk]}}
stages:
  one: {days: 1..10, randomizes: true}
  two: {days: 21..30, washout-days: 10}
eligibility: {include: null, exclude: null}
randomization: {ratio: {placebo-first: 1, drug-first: 1}}
assessments: {mood: {type: instrument, instrument: hamd-17}}
schedule:
  result: {days: [5, 25], assess: [mood], named: "result-{n}"}
  more: {days: [4, 5, 25], assess: [mood], named: "more-{n}"}
endpoints:
  mood: {kind: score, words: mood, assessment: mood, at: result}
  crowded: {kind: score, words: mood, assessment: mood, at: more}
  well: {kind: score-criterion, words: well, assessment: mood, at: result, at-most: 14}
  once: {kind: score-criterion, words: well, assessment: mood, visit: result-2, at-most: 14}
estimands:
  asked: {endpoint: ENDPOINT, treatments: TREATMENTS, summary: SUMMARY}
analyses:
  line: {estimand: asked, ANALYSIS, level: primary, alpha-two-sided: 0.05}
assumptions:
  one:
    n: {placebo-first: 12, drug-first: 12}
    parts:
      attendance: {lost: 10 %}
      score: {mood: {mean: 18, sd: 6, within-person: 0.6, effect: {drug: -5}}}
"""


def text(
    endpoint: str = "mood",
    treatments: str = "drug v placebo",
    summary: str = "mean-difference",
    analysis: str = "estimator: linear-mixed",
    trial: str = TRIAL,
) -> str:
    out = trial.replace("ENDPOINT", endpoint).replace("TREATMENTS", treatments)
    return out.replace("SUMMARY", summary).replace("ANALYSIS", analysis)


def problems(file: str) -> list[tuple[str, str]]:
    try:
        read_protocol_text(file, file="trial.yaml")
    except EquipoiseError as error:
        return [(problem.code, problem.place.split("  ")[-1]) for problem in error.problems]
    return []


WITHIN = [
    ("mood", "mean-difference", "estimator: linear-mixed"),
    ("mood", "mean-difference", "estimator: koch"),
    ("well", "odds-ratio", "estimator: conditional-logistic"),
    ("well", "odds-ratio", "estimator: mainland-gart"),
    ("well", "odds-ratio", "estimator: prescott"),
    ("well", "odds-ratio", "estimator: prescott, method: chi-square"),
]


@pytest.mark.parametrize(("endpoint", "summary", "analysis"), WITHIN)
def test_an_estimator_for_crossovers_runs_from_file_to_result(endpoint: str, summary: str, analysis: str) -> None:
    protocol = read_protocol_text(text(endpoint, summary=summary, analysis=analysis), file="trial.yaml")
    results = analyse_records(protocol, simulate(protocol, seed=4))
    found = results["line"]
    assert (found.arm, found.reference, found.n_randomized) == ("drug", "placebo", 24)
    assert found.p_value is not None
    if "koch" in analysis:
        assert found.estimate is None
    elif endpoint == "mood":
        # Two routes: of those with both results the t test of period differences, which it is where nobody is missing.
        derived = results.endpoints["mood"]
        assert derived.values is not None
        first = derived.participants.arm == "drug-first"
        whole = ~np.isnan(derived.values).any(axis=1)
        gap = derived.values[:, 0] - derived.values[:, 1]
        half = (gap[whole & first].mean() - gap[whole & ~first].mean()) / 2
        assert found.estimate == pytest.approx(half, abs=0.6 * (~whole).sum() + 1e-6)


def test_sequences_can_be_compared_as_the_arms_they_are() -> None:
    assert problems(text("once", "drug-first v placebo-first", "odds-ratio", "estimator: logistic")) == []


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({"analysis": "estimator: linear"}, ("P028", "analyses.line.estimator")),
        (
            {"endpoint": "well", "summary": "odds-ratio", "analysis": "estimator: gee"},
            ("P028", "analyses.line.estimator"),
        ),
        (
            {"endpoint": "once", "summary": "odds-ratio", "analysis": "estimator: logistic"},
            ("P028", "estimands.asked.summary"),
        ),
        ({"endpoint": "crowded"}, ("P027", "estimands.asked.endpoint")),
        (
            {"analysis": "estimator: koch, covariates: [age]"},
            ("P029", "analyses.line.covariates"),
        ),
        ({"treatments": "drug v talk"}, ("P023", "estimands.asked.treatments")),
        ({"treatments": "drug"}, ("P023", "estimands.asked.treatments")),
        ({"analysis": "estimator: linear-mixed, random-slope: true"}, ("P029", "analyses.line.random-slope")),
        ({"analysis": "estimator: linear-mixed, time: category"}, ("P029", "analyses.line.time")),
        (
            {"analysis": "estimator: linear-mixed, imputation: {sets: 3, seed: 1, model: by-visit}"},
            ("P029", "analyses.line.imputation"),
        ),
        (
            {"endpoint": "well", "summary": "odds-ratio", "analysis": "estimator: prescott, method: mid-p"},
            ("P029", "analyses.line.method"),
        ),
    ],
)
def test_what_does_not_fit_is_refused_where_it_stands(given: dict[str, str], expected: tuple[str, str]) -> None:
    assert expected in problems(text(**given))


def test_estimators_within_participants_do_not_compare_arms() -> None:
    parallel = TRIAL.replace("design: crossover", "design: parallel")
    found = problems(text("well", "drug-first v placebo-first", "odds-ratio", "estimator: mainland-gart", parallel))
    assert ("P028", "analyses.line.estimator") in found


def test_arms_that_do_not_say_what_they_give_when_are_refused() -> None:
    silent = TRIAL.replace("{one: [placebo, talk], two: [drug, talk]}", "[placebo, drug, talk]").replace(
        "{one: [drug, talk], two: [placebo, talk]}", "[placebo, drug, talk]"
    )
    assert ("P023", "estimands.asked.treatments") in problems(text(trial=silent))


def test_a_simple_set_says_means_by_treatment_with_period_and_carry_over() -> None:
    from equipoise.endpoints.derivation import derive_endpoint
    from equipoise.simulation.batches import simulate_batch
    from equipoise.simulation.scenario import read_scenario

    file = text().replace(
        "    parts:", "    simple: {mood: {placebo: 20, drug: 15, sd: 5, period: 1, carry-over: 20 %}}\n    ignored:"
    )
    file = file[: file.index("    ignored:")]
    protocol = read_protocol_text(file, file="trial.yaml")
    lattice = simulate_batch(protocol, read_scenario(protocol), seed=1, replicates=range(400)).lattice
    values = derive_endpoint(lattice, "mood").values
    assert values is not None
    for arm, wanted in (("placebo-first", [20, 16]), ("drug-first", [15, 20 + 1 - 0.2 * 5])):
        mine = values[lattice.participants.arm == arm]
        assert mine.mean(axis=0) == pytest.approx(wanted, abs=4 * 5 / np.sqrt(mine.shape[0]))
