"""What is printed under an estimand is what the estimand asks for: summary, estimator and endpoint held together."""

from __future__ import annotations

import pytest

from equipoise.analysis.analyse import analyse_records
from equipoise.foundation.errors import EquipoiseError
from equipoise.protocol.vocabulary.endpoint_kinds import SHAPES
from equipoise.protocol.vocabulary.estimators import ESTIMATORS, answers, estimators_for, measured, summaries_for
from equipoise.protocol.vocabulary.scales import SCALES
from equipoise.workflow import read_protocol, simulate

HEAD = """
equipoise: 1
trial: {id: small, title: Small}
calendar: {day-1: randomization, epochs: {after: {days: 1..30}}}
interventions: {a: {type: other, words: a}, b: {type: other, words: b}}
arms: {a: {role: active-control, gives: [a]}, b: {role: experimental, gives: [b]}}
eligibility: {include: null, exclude: null}
randomization: {ratio: {a: 1, b: 1}}
baseline:
  kg: {type: number, unit: kg}
  sex: {type: category, levels: [female, male]}
  sure: {type: yes-no}
assessments:
  urine: {type: urine, substances: [cocaine]}
  calendar: {type: daily-use, substances: [cocaine]}
  craving: {type: instrument, instrument: craving-vas}
schedule:
  weekly: {days: [8, 15, 22, 29], named: "week-{n}", assess: [urine, calendar, craving]}
use: {cocaine: {substances: [cocaine], by: [urine, self-report]}}
endpoints:
  binary: {kind: abstinence, words: none, use: cocaine, days: 1..29, at: weekly}
  number: {kind: abstinent-days, words: days without, use: cocaine, days: 1..29}
  time: {kind: time-to-event, words: first use, time-zero: day 1, first-of: [{use: cocaine}], until: day 29}
  repeated: {kind: repeated-use, words: at each visit, use: cocaine, at: weekly}
  score: {kind: score, words: craving, assessment: craving, scale: score, at: weekly}
  log-score: {kind: score, words: craving, assessment: craving, scale: score, at: weekly, log: true, floor: 1}
"""


def problems_of(tmp_path, estimand: str, analysis: str, head: str = HEAD):
    path = tmp_path / "small.yaml"
    path.write_text(
        f"{head}estimands: {{asked: {{{estimand}}}}}\n"
        f"analyses: {{line: {{estimand: asked, {analysis}, level: primary, alpha-two-sided: 0.05}}}}\n"
    )
    try:
        read_protocol(path)
    except EquipoiseError as error:
        return [(problem.code, problem.place) for problem in error.problems]
    return []


@pytest.mark.parametrize(
    ("endpoint", "summary", "estimator"),
    [
        ("binary", "risk-difference", "logistic"),
        ("binary", "odds-ratio", "risk-ratio"),
        ("binary", "risk-ratio", "firth"),
        ("time", "risk-difference", "cox"),
        ("time", "hazard-ratio", "logistic"),
        ("time", "hazard-ratio", "rmst-difference"),
        ("time", "odds-ratio", "log-rank"),
        ("time", "hazard-ratio", "cox, ties: exact"),
    ],
)
def test_an_estimator_that_gives_another_measure_is_refused(tmp_path, endpoint, summary, estimator):
    found = problems_of(
        tmp_path, f"endpoint: {endpoint}, treatments: b v a, summary: {summary}", f"estimator: {estimator}"
    )
    assert found == [("P028", "analyses.line.estimator")]


@pytest.mark.parametrize(
    ("endpoint", "summary"),
    [
        ("number", "ratio-of-means"),
        ("score", "ratio-of-means"),
        ("log-score", "mean-difference"),
        ("score", "odds-ratio"),
        ("repeated", "risk-difference"),
    ],
)
def test_a_measure_that_nothing_gives_of_the_endpoint_is_refused_where_it_is_asked(tmp_path, endpoint, summary):
    shape = {"number": "number", "repeated": "repeated-binary"}.get(endpoint, "repeated-score")
    estimator = estimators_for(shape)[0].id
    found = problems_of(
        tmp_path, f"endpoint: {endpoint}, treatments: b v a, summary: {summary}", f"estimator: {estimator}"
    )
    assert found == [("P028", "estimands.asked.summary")]


@pytest.mark.parametrize(
    ("endpoint", "summary", "estimator", "place"),
    [
        ("score", "mean", "linear", None),
        ("log-score", "geometric-mean", "linear", None),
        ("time", "proportion", "kaplan-meier", None),
        ("score", "mean", "linear-mixed", "analyses.line.estimator"),
        ("log-score", "mean", "linear", "estimands.asked.summary"),
        ("score", "mean-difference", "linear", "estimands.asked.summary"),
        ("binary", "proportion", "logistic", "analyses.line.estimator"),
        ("time", "proportion", "log-rank", "analyses.line.estimator"),
    ],
)
def test_one_arm_has_a_mean_or_a_proportion_and_no_difference(tmp_path, endpoint, summary, estimator, place):
    found = problems_of(tmp_path, f"endpoint: {endpoint}, treatments: b, summary: {summary}", f"estimator: {estimator}")
    assert found == ([] if place is None else [("P028", place)])


def test_covariates_of_a_single_arm_are_refused(tmp_path):
    estimand = "endpoint: score, treatments: b, summary: mean"
    found = problems_of(tmp_path, estimand, "estimator: linear, covariates: [kg]")
    assert found == [("P029", "analyses.line.covariates")]


@pytest.mark.parametrize(
    ("estimand", "analysis", "place"),
    [
        ("endpoint: binary, treatments: b, summary: proportion", "estimator: proportion, goal: 40 %", None),
        ("endpoint: score, treatments: b, summary: mean", "estimator: linear, goal: 40", None),
        ("endpoint: binary, treatments: b, summary: proportion", "estimator: proportion, goal: 0.4", "goal"),
        ("endpoint: binary, treatments: b, summary: proportion", "estimator: proportion, goal: 100 %", "goal"),
        ("endpoint: score, treatments: b, summary: mean", "estimator: linear, goal: 40 %", "goal"),
        ("endpoint: log-score, treatments: b, summary: geometric-mean", "estimator: linear, goal: 0", "goal"),
        ("endpoint: score, treatments: b v a, summary: mean-difference", "estimator: linear, goal: 4", "goal"),
        ("endpoint: binary, treatments: b v a, summary: odds-ratio", "estimator: logistic, goal: 4 %", "goal"),
    ],
)
def test_a_goal_is_for_one_arm_and_on_the_scale_of_what_is_asked(tmp_path, estimand, analysis, place):
    found = problems_of(tmp_path, estimand, analysis)
    assert found == ([] if place is None else [("P029", f"analyses.line.{place}")])


def test_only_a_goal_or_a_change_gives_the_mean_of_one_arm_a_p_value(tmp_path):
    path = tmp_path / "small.yaml"
    head = HEAD.replace("schedule:", "schedule:\n  entry: {day: 1, assess: [craving]}")
    head += "  change: {kind: score, words: craving, assessment: craving, scale: score, at: weekly, value: change, "
    path.write_text(
        head + "baseline: entry}\n"
        "estimands:\n"
        "  mean: {endpoint: score, treatments: b, summary: mean}\n"
        "  change: {endpoint: change, treatments: b, summary: mean}\n"
        "analyses:\n"
        "  plain: {estimand: mean, estimator: linear, level: primary, alpha-two-sided: 0.05}\n"
        "  goal: {estimand: mean, estimator: linear, goal: 30}\n"
        "  change: {estimand: change, estimator: linear}\n"
        "assumptions:\n"
        "  one: {n: {a: 8, b: 8}, parts: {use: {cocaine: {level: -1}}, score: {craving: {mean: 40, sd: 20}}}}\n"
    )
    protocol = read_protocol(path)
    results = analyse_records(protocol, simulate(protocol, seed=3))
    assert results["plain"].p_value is None
    assert results["goal"].details["goal"] == 30.0
    shift = (results["goal"].estimate - 30.0) / results["goal"].standard_error
    assert results["goal"].statistic == pytest.approx(shift)
    assert results["change"].statistic == pytest.approx(results["change"].estimate / results["change"].standard_error)


def test_ties_as_a_discrete_scale_answer_for_odds(tmp_path):
    estimand = "endpoint: time, treatments: b v a, summary: odds-ratio"
    assert problems_of(tmp_path, estimand, "estimator: cox, ties: exact") == []
    assert problems_of(tmp_path, estimand, "estimator: cox") == [("P028", "analyses.line.estimator")]


def test_an_endpoint_that_the_estimator_cannot_take_is_not_varied_to(tmp_path):
    estimand = "endpoint: binary, treatments: b v a, summary: odds-ratio"
    found = problems_of(tmp_path, estimand, "estimator: logistic, vary: {endpoint: [time, score]}")
    assert found == [("P028", "analyses.line.vary.endpoint[1]")]


@pytest.mark.parametrize(
    ("covariates", "places"),
    [
        ("covariates: [kg]", ["analyses.line.covariates[0]"]),
        ("covariates: [sex, kg]", ["analyses.line.covariates[1]"]),
        ("covariates: [sex, sure]", []),
        ("vary: {covariates: [[sex], [kg]]}", ["analyses.line.vary.covariates[1][0]"]),
    ],
)
def test_a_log_rank_test_is_not_stratified_by_a_number(tmp_path, covariates, places):
    estimand = "endpoint: time, treatments: b v a, summary: hazard-ratio"
    found = problems_of(tmp_path, estimand, f"estimator: log-rank, {covariates}")
    assert found == [("P037", place) for place in places]
    assert problems_of(tmp_path, estimand, "estimator: cox, covariates: [kg]") == []


def test_randomization_is_not_stratified_by_a_number(tmp_path):
    head = HEAD.replace("{ratio: {a: 1, b: 1}}", "{ratio: {a: 1, b: 1}, strata: [sex, kg]}")
    estimand = "endpoint: binary, treatments: b v a, summary: odds-ratio"
    assert problems_of(tmp_path, estimand, "estimator: logistic", head) == [("P037", "randomization.strata[1]")]


def test_the_tables_of_estimators_and_scales_agree():
    for row in ESTIMATORS.values():
        assert (row.measures | row.alone | row.tests) <= SCALES.keys()
        assert all(SCALES[scale].is_contrast is False for scale in row.alone)
        if row.role == "effect":
            assert all(SCALES[scale].is_contrast for scale in row.measures)
            assert answers(row, measured(row).summary, logarithm=False, alone=False)
    for shape in SHAPES:
        assert summaries_for(shape, alone=False, logarithm=False), f"nothing can be estimated of {shape}"


def test_every_row_of_a_plan_has_the_scale_that_its_estimand_asks_for():
    protocol = read_protocol("ketamine-mbrp-cocaine")
    results = analyse_records(protocol, simulate(protocol, seed=1))
    rows = [e for e in results.estimates if e.details["main"] and ESTIMATORS[e.estimator].role == "effect"]
    assert len(rows) > 15
    for row in rows:
        assert row.scale == protocol.model.estimands[row.estimand].summary.replace("-", "_")
