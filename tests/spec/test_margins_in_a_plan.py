"""Margins in a protocol: what is refused and why, which way is worse, what both analysis sets say together."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from equipoise.analysis.analyse import analyse_records
from equipoise.analysis.margins import hold_against
from equipoise.analysis.outcome import Outcome, nothing
from equipoise.design.sides import as_two_sided
from equipoise.exchange.results_files import results_json
from equipoise.foundation.errors import EquipoiseError
from equipoise.protocol.language.margins import MarginBounds
from equipoise.reporting.agreement import verdict
from equipoise.reporting.context import Material
from equipoise.reporting.direction import as_planned, in_one_direction, turned_round
from equipoise.reporting.margins import BOTH
from equipoise.workflow import read_protocol, report, simulate
from equipoise.workflow.power import power
from equipoise.workflow.size import size

TRIAL = """
equipoise: 2
trial: {id: small, title: Small}
calendar: {day-1: randomization, epochs: {all: {days: -1..90}}}
interventions: {usual: {type: other, words: usual care}, new: {type: other, words: new care}}
arms: {control: {role: active-control, gives: [usual], n: 60}, experimental: {role: experimental, gives: [new], n: 60}}
eligibility: {include: null, exclude: null}
randomization: {ratio: {control: 1, experimental: 1}}
assessments:
  calendar: {type: daily-use, substances: [alcohol]}
  depression: {type: instrument, instrument: hamd-17}
schedule:
  entry: {day: -1, assess: [depression]}
  visit: {days: [42, 84], assess: [calendar, depression]}
use: {drinking: {words: any drink, substances: [alcohol], by: [self-report]}}
endpoints:
  dry: {kind: abstinence, words: no drink, label: Abstinent, use: drinking, days: 71..84, at: visit}
  mood: {kind: score, words: depression, assessment: depression, at: visit, better: lower}
  relapse: {kind: time-to-event, words: first drink, time-zero: day 1, first-of: [{use: drinking}], until: day 85}
analysis-sets: {came: {words: Participants who attended a visit, attended: visit}}
assumptions:
  by-parts: {parts: {attendance: {lost: 20 %}, use: {alcohol: {days-in-28: 2}}, score: {depression: {mean: 20, sd: 6}}}}
  planning: {simple: {dry: {control: 60 %, experimental: 60 %}}}
  at-the-margin: {simple: {dry: {control: 60 %, experimental: 40 %}}}
"""
DIFFERENCE = "endpoint: dry, treatments: experimental v control, summary: risk-difference"
HAZARDS = "endpoint: relapse, treatments: experimental v control, summary: hazard-ratio"
ONE_SIDED = "level: primary, alpha-one-sided: 0.025"


def written(tmp_path, estimand: str, *lines: str):
    path = tmp_path / "small.yaml"
    plan = "".join(f"  {line}\n" for line in lines)
    path.write_text(f"{TRIAL}estimands:\n  asked: {{{estimand}}}\nanalyses:\n{plan}")
    return path


def problems_of(tmp_path, estimand: str, *lines: str):
    try:
        read_protocol(written(tmp_path, estimand, *lines))
    except EquipoiseError as error:
        return {(problem.code, problem.place) for problem in error.problems}
    return set()


@pytest.mark.parametrize(
    ("asked", "code", "place"),
    [
        (f"{DIFFERENCE}, margin: {{objective: non-inferiority, margin: 10 %}}", None, ""),
        (f"{DIFFERENCE}, margin: {{objective: non-inferiority, margin: 0.10}}", None, ""),
        (f"{DIFFERENCE}, margin: {{objective: non-inferiority, margin: -0.10}}", None, ""),  # more is better here
        (f"{DIFFERENCE}, margin: {{objective: non-inferiority, margin: 0.10, scale: risk-difference}}", None, ""),
        (f"{DIFFERENCE}, margin: {{objective: equivalence, lower: -10 %, upper: 10 %}}", None, ""),
        (f"{DIFFERENCE}, margin: {{objective: non-inferiority, margin: 0}}", "P071", ".margin"),
        (f"{DIFFERENCE}, margin: {{objective: non-inferiority, margin: 10}}", "P071", ".margin"),
        (f"{DIFFERENCE}, margin: {{objective: non-inferiority, margin: 0.9, scale: risk-ratio}}", "P070", ".scale"),
        (f"{DIFFERENCE}, margin: {{objective: non-inferiority}}", "P072", ""),
        (f"{DIFFERENCE}, margin: {{objective: non-inferiority, lower: -0.1, upper: 0.1}}", "P072", ".lower"),
        (f"{DIFFERENCE}, margin: {{objective: equivalence, margin: 0.1}}", "P072", ""),
        (f"{DIFFERENCE}, margin: {{objective: equivalence, upper: 0.1}}", "P072", ""),
        (f"{DIFFERENCE}, margin: {{objective: equivalence, lower: 0.05, upper: 0.1}}", "P071", ""),
        (f"{DIFFERENCE}, words: Is it superior?, margin: {{objective: non-inferiority, margin: 0.1}}", "P073", "words"),
        (f"{HAZARDS}, margin: {{objective: non-inferiority, margin: 1.3}}", None, ""),
        (f"{HAZARDS}, margin: {{objective: non-inferiority, margin: 0.8}}", "P071", ".margin"),  # events are worse
        (f"{HAZARDS}, margin: {{objective: non-inferiority, margin: 1}}", "P071", ".margin"),
        (f"{HAZARDS}, margin: {{objective: non-inferiority, margin: -1.3}}", "P071", ".margin"),
        (f"{HAZARDS}, margin: {{objective: non-inferiority, margin: 10 %}}", "P071", ".margin"),
        (f"{HAZARDS}, margin: {{objective: equivalence, lower: 0, upper: 1.25}}", "P071", ".lower"),
        (f"{HAZARDS}, margin: {{objective: non-inferiority, margin: much}}", "P015", ".margin"),
        (
            "endpoint: mood, treatments: experimental v control, summary: mean-difference, "
            "margin: {objective: non-inferiority, margin: -2}",
            "P071",
            ".margin",
        ),  # lower is better, so worse is above
        (
            "endpoint: dry, treatments: experimental, summary: proportion, "
            "margin: {objective: non-inferiority, margin: 10 %}",
            "P070",
            "",
        ),
    ],
)
def test_margins_that_make_no_sense_are_refused(tmp_path, asked, code, place) -> None:
    estimator = {"dry": "risk-difference", "relapse": "cox", "mood": "linear-mixed"}[asked.split(",")[0].split(": ")[1]]
    if "summary: proportion" in asked:
        estimator = "proportion"
    found = problems_of(tmp_path, asked, f"line: {{estimand: asked, estimator: {estimator}, {ONE_SIDED}}}")
    where = "estimands.asked.words" if place == "words" else f"estimands.asked.margin{place}"
    assert found == (set() if code is None else {(code, where)})


@pytest.mark.parametrize(
    ("line", "code", "place"),
    [
        ("estimator: cox, level: primary, alpha-one-sided: 0.05, ci-level: 0.9", None, ""),
        ("estimator: cox, level: primary, alpha-one-sided: 0.05", "P075", ""),
        ("estimator: cox, level: primary, alpha-two-sided: 0.05", "P075", ".alpha-two-sided"),
        (f"estimator: cox, label: Superiority, {ONE_SIDED}", "P073", ".label"),
        (f"estimator: log-rank, {ONE_SIDED}", "P074", ".estimator"),
        (f"estimator: kaplan-meier, {ONE_SIDED}", None, ""),  # it describes the arms
    ],
)
def test_lines_that_cannot_answer_a_margin_are_refused(tmp_path, line, code, place) -> None:
    asked = f"{HAZARDS}, margin: {{objective: non-inferiority, margin: 1.3}}"
    found = problems_of(tmp_path, asked, f"line: {{estimand: asked, {line}}}")
    assert found == (set() if code is None else {(code, f"analyses.line{place}")})


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Non-inferiority in everybody and in those who came, by three methods, on one simulated trial."""
    asked = f"{DIFFERENCE}, margin: {{objective: non-inferiority, margin: 20 %}}"
    protocol = read_protocol(
        written(
            tmp_path_factory.mktemp("both"),
            asked,
            f"full: {{estimand: asked, estimator: risk-difference, method: farrington-manning, {ONE_SIDED}}}",
            f"came: {{estimand: asked, estimator: risk-difference, analysis-set: came, {ONE_SIDED}}}",
            "newcombe: {estimand: asked, estimator: risk-difference, method: newcombe, level: sensitivity}",
            "imputed: {estimand: asked, estimator: risk-difference, imputation: {sets: 5, seed: 1}, "
            "tipping-point: {arm: experimental, up-to: -4, steps: 4}, level: sensitivity}",
        )
    )
    records = simulate(protocol, seed=11)
    return protocol, records, analyse_records(protocol, records)


def test_the_row_carries_margin_test_and_verdict_and_its_interval_says_the_same(both) -> None:
    _, _, results = both
    rows = [e for e in results.estimates if e.reference is not None]
    assert len(rows) == 4
    for row in rows:
        margin = row.details["margin"]
        assert (margin["objective"], margin["lower"], margin["upper"]) == ("non-inferiority", -0.2, None)
        assert margin["alpha_one_sided"] == 0.025
        assert row.p_value == margin["p_one_sided"]
        assert (row.ci_lower > -0.2) == (row.p_value < 0.025) == (margin["verdict"] == "non-inferior")
        assert "one-sided test of non-inferiority" in row.method
    tip = rows[-1].details["tipping_point"]
    within = rows[-1].details["margin"]["verdict"] == "non-inferior"
    assert tip["conclusion"] == ("within the margin" if within else "not shown to lie within the margin")
    assert tip["path"][0]["p_value"] == rows[-1].p_value
    told = json.loads(results_json(results.estimates, {}))["estimates"]
    assert [row["margin"] for row in told if "margin" in row] == [row.details["margin"] for row in rows]


def _verdict(protocol, records, results, changes) -> str:
    told = [
        replace(e, details={**e.details, "margin": {**e.details["margin"], "verdict": changes[e.id]}})
        if e.id in changes
        else e
        for e in results.estimates
    ]
    material = Material(protocol, records, in_one_direction(protocol, replace(results, estimates=tuple(told))))
    return verdict(material, next(e for e in material.results.estimates if e.id == "full"), ())


def test_non_inferior_only_if_both_exclude_the_margin(both) -> None:
    shown = _verdict(*both, {"full": "non-inferior", "came": "non-inferior"})
    assert "experimental was non-inferior to control" in shown
    assert "excludes the margin in both analysis sets" in shown
    for changes in (
        {"full": "non-inferior", "came": "not-shown"},
        {"full": "not-shown", "came": "non-inferior"},
        {"full": "inferior", "came": "non-inferior"},
        {"full": "non-inferior", "came": "not-estimable"},
    ):
        open_ = _verdict(*both, changes)
        assert "does not show that experimental is non-inferior" in open_
        assert BOTH in open_
        assert "superior" not in open_
    worse = _verdict(*both, {"full": "inferior", "came": "inferior"})
    assert "experimental was inferior to control" in worse


OF_BOTH = "for \u201cabstinent\u201d (non-inferiority margin \u221220.0 percentage points)"
IN_ALL, IN_CAME = "in all randomized participants", "in participants who attended a visit"


@pytest.mark.parametrize(
    ("full", "came", "said"),
    [
        (
            "non-inferior",
            "non-inferior",
            f"In this simulated trial experimental was non-inferior to control {OF_BOTH}: the 95% CI excludes the "
            "margin in both analysis sets.",
        ),
        (
            "non-inferior",
            "not-shown",
            f"{IN_ALL} the interval excludes the margin and {IN_CAME} it includes the margin",
        ),
        (
            "not-shown",
            "non-inferior",
            f"{IN_ALL} it includes the margin and {IN_CAME} the interval excludes the margin",
        ),
        (
            "inferior",
            "not-estimable",
            f"{IN_ALL} the whole interval lies beyond it and {IN_CAME} the effect is not estimable",
        ),
        (
            "inferior",
            "inferior",
            f"In this simulated trial experimental was inferior to control {OF_BOTH}: the whole 95% CI lies beyond the "
            "margin.",
        ),
        (
            "not-estimable",
            "not-estimable",
            f"In this simulated trial whether experimental is non-inferior to control {OF_BOTH} is not estimable.",
        ),
    ],
)
def test_each_pair_of_verdicts_has_its_sentence(both, full: str, came: str, said: str) -> None:
    if said.startswith("in "):
        said = (
            f"This simulated trial does not show that experimental is non-inferior to control {OF_BOTH}: {said} "
            "(non-inferior only if both exclude the margin)."
        )
    assert _verdict(*both, {"full": full, "came": came}) == said


def test_one_analysis_set_alone_is_said(tmp_path) -> None:
    asked = f"{DIFFERENCE}, margin: {{objective: non-inferiority, margin: 0.9}}"
    line = f"full: {{estimand: asked, estimator: risk-difference, {ONE_SIDED}}}"
    protocol = read_protocol(written(tmp_path, asked, line))
    records = simulate(protocol, seed=3)
    page = report(protocol, records).to_html()
    assert "only one analysis set is planned (all randomized participants)" in page
    assert "one-sided" in page
    assert "superior" not in page


def test_turned_round_the_margin_turns_too(both) -> None:
    _, _, results = both
    row = next(e for e in results.estimates if e.id == "full")
    back = turned_round(row)
    assert (back.details["margin"]["lower"], back.details["margin"]["upper"]) == (None, 0.2)
    assert back.ci_upper == pytest.approx(-row.ci_lower)
    assert as_planned(back).details["margin"] == row.details["margin"]


def _outcome(scale: str, estimate: float, error: float) -> Outcome:
    one = np.ones(1)
    centre = np.log(estimate) if scale == "odds_ratio" else estimate
    change = np.exp if scale == "odds_ratio" else float
    half = 1.959963984540054 * error
    return Outcome(
        estimator="any",
        scale=scale,
        estimate=one * estimate,
        standard_error=one * error,
        ci_lower=one * change(centre - half),
        ci_upper=one * change(centre + half),
        statistic=nothing(1),
        df=nothing(1),
        p_value=one,
        n_analysed=np.array([9]),
        n_events=np.array([9]),
        n_missed=np.array([0]),
        codes=np.zeros(1, dtype=np.uint32),
        arm="b",
        reference="a",
    )


def test_wald_is_used_for_walds_limits_alone() -> None:
    """An infinite ratio, or limits by a profile, have no Wald p: the verdict goes by the limit that is known."""
    bounds = MarginBounds("non-inferiority", "odds_ratio", 0.5, None)
    [held] = hold_against([_outcome("odds_ratio", 1.0, 0.2)], bounds, 0.95)
    assert held.p_value[0] == pytest.approx(0.000264, abs=1e-6)  # log 2 over 0.2 is 3.4657 standard errors
    model = read_protocol("ketamine-mbrp-cocaine").model
    line, endpoint = model.analyses["abstinence"], next(iter(model.endpoints.values()))
    twice = as_two_sided(held, line, endpoint, is_hypothesis=False)
    assert twice.p_value[0] == pytest.approx(2 * held.p_value[0])
    [other] = hold_against([replace(_outcome("odds_ratio", 1.0, 0.2), ci_lower=np.array([0.6]))], bounds, 0.95)
    assert np.isnan(other.p_value[0])
    [elsewhere] = hold_against([_outcome("risk_ratio", 1.0, 0.2)], bounds, 0.95)
    assert elsewhere.margin is None


def test_power_counts_margins_excluded_and_calls_no_difference_no_error(tmp_path) -> None:
    asked = f"{DIFFERENCE}, margin: {{objective: non-inferiority, margin: 20 %}}"
    lines = (
        f"full: {{estimand: asked, estimator: risk-difference, method: farrington-manning, {ONE_SIDED}}}",
        f"logistic: {{estimand: odds, estimator: logistic, {ONE_SIDED}}}",
    )
    path = written(tmp_path, asked, *lines)
    text = path.read_text().replace(
        "analyses:",
        "  odds: {endpoint: dry, treatments: experimental v control, summary: odds-ratio, "
        "margin: {objective: non-inferiority, margin: 0.4}}\nanalyses:",
    )
    path.write_text(text)
    run = power(path, scenarios=["planning+null", "at-the-margin"], replicates=600, seed=4)
    null, margin = run.cells
    assert null.is_null
    assert not null["full"].is_type_i_error
    # All tables of 60 an arm give 0.617 (the formula 0.622); 600 trials have a standard error of 0.02.
    assert null["full"].significant.value == pytest.approx(0.617, abs=0.06)
    assert null["logistic"].significant.value > 0.5
    # With the effect on the margin: 0.025, and up to 0.05 by chance and the unevenness of counts.
    assert margin["full"].significant.value < 0.05
    assert null["full"].row.level_in_words == "one-sided 0.025"
    found = size(path, power=0.8, analysis="full", scenario="planning", replicates=300, seed=1)
    assert "one-sided 0.025" in found.as_dict()["level"]
    assert any("Farrington and Manning" in form.method for form in found.answers[0].closed)
