"""Estimators over strata in a plan: what needs strata, what a margin and imputation make of them, power."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.analysis.analyse import analyse_records
from equipoise.foundation.errors import EquipoiseError
from equipoise.stats.strata import StratifiedTables, mantel_haenszel_difference
from equipoise.workflow import read_protocol, simulate
from equipoise.workflow.power import power

TRIAL = """
equipoise: 2
trial: {id: small, title: Small}
calendar: {day-1: randomization, epochs: {all: {days: -1..90}}}
interventions: {usual: {type: other, words: usual care}, new: {type: other, words: new care}}
arms: {control: {role: active-control, gives: [usual], n: 40}, experimental: {role: experimental, gives: [new], n: 40}}
eligibility: {include: null, exclude: null}
randomization: {ratio: {control: 1, experimental: 1}}
baseline:
  centre: {type: category, levels: [north, south, nowhere]}
  kg: {type: number, unit: kg}
assessments: {calendar: {type: daily-use, substances: [alcohol]}}
schedule: {visit: {days: [42, 84], assess: [calendar]}}
use: {drinking: {words: any drink, substances: [alcohol], by: [self-report]}}
endpoints: {dry: {kind: abstinence, words: no drink, use: drinking, days: 71..84, at: visit}}
estimands:
  difference: {endpoint: dry, treatments: experimental v control, summary: risk-difference}
  ratio: {endpoint: dry, treatments: experimental v control, summary: risk-ratio}
  odds: {endpoint: dry, treatments: experimental v control, summary: odds-ratio}
  kept:
    endpoint: dry
    treatments: experimental v control
    summary: risk-difference
    margin: {objective: non-inferiority, margin: 30 %}
assumptions:
  by-parts:
    baseline: {centre: {north: 60 %, south: 40 %}, kg: {mean: 80, sd: 9}}
    parts: {attendance: {lost: 20 %}, use: {alcohol: {days-in-28: 2}}}
  planning:
    baseline: {centre: {north: 60 %, south: 40 %}, kg: {mean: 80, sd: 9}}
    simple: {dry: {control: 50 %, experimental: 60 %}}
"""
LINES = """analyses:
  sato:
    estimand: difference
    estimator: stratified-risk-difference
    covariates: [centre]
    level: primary
    alpha-two-sided: 0.05
  score: {estimand: difference, estimator: stratified-risk-difference, method: miettinen-nurminen, covariates: [centre]}
  newcombe: {estimand: difference, estimator: stratified-risk-difference, method: newcombe, covariates: [centre]}
  ratio: {estimand: ratio, estimator: stratified-risk-ratio, covariates: [centre]}
  odds: {estimand: odds, estimator: stratified-odds-ratio, covariates: [centre]}
  test: {estimand: odds, estimator: cochran-mantel-haenszel, covariates: [centre]}
  corrected: {estimand: odds, estimator: cochran-mantel-haenszel, method: continuity-corrected, covariates: [centre]}
  imputed:
    estimand: difference
    estimator: stratified-risk-difference
    covariates: [centre]
    imputation: {sets: 4, seed: 1}
  kept: {estimand: kept, estimator: stratified-risk-difference, covariates: [centre], alpha-one-sided: 0.025}
  kept-score: {estimand: kept, estimator: stratified-risk-difference, method: miettinen-nurminen, covariates: [centre]}
  kept-newcombe: {estimand: kept, estimator: stratified-risk-difference, method: newcombe, covariates: [centre]}
"""


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    file = tmp_path_factory.mktemp("strata") / "small.yaml"
    file.write_text(TRIAL + LINES)
    return file


def test_the_plan_gives_what_the_counts_of_its_strata_give(path) -> None:
    protocol = read_protocol(path)
    records = simulate(protocol, seed=4)
    results = analyse_records(protocol, records)
    found = {e.id: e for e in results.estimates}
    dry = results.endpoints["dry"]
    value, arm, centre = dry.value, dry.participants.arm, dry.participants.baseline["centre"].to_numpy()
    cells = [
        [float(((arm == a) & (centre == c) & (value >= least)).sum()) for c in ("north", "south")]
        for a, least in (("control", 1), ("control", 0), ("experimental", 1), ("experimental", 0))
    ]
    by_hand = mantel_haenszel_difference(StratifiedTables.of(*cells))
    assert found["sato"].estimate == pytest.approx(float(by_hand.estimate[0]))
    assert found["sato"].standard_error == pytest.approx(float(by_hand.standard_error[0]))
    assert "stratified by centre" in found["sato"].method
    assert "Mantel-Haenszel" in found["sato"].method
    assert found["score"].p_value == pytest.approx(found["test"].p_value)
    assert found["corrected"].p_value >= found["test"].p_value  # not corrected where the excess is below a half
    assert found["newcombe"].p_value is None
    assert found["imputed"].imputed_sets is not None
    assert "Sato's standard error, stratified by centre" in found["imputed"].method
    for id in ("kept", "kept-score", "kept-newcombe"):
        margin = found[id].details["margin"]
        assert (found[id].ci_lower > -0.3) == (margin["p_one_sided"] < 0.025) == (margin["verdict"] == "non-inferior")


def test_power_counts_them(path) -> None:
    run = power(path, scenarios=["planning"], replicates=200, seed=1)
    rows = {s.row.id: s for s in run.cells[0].rows}
    # 0.5 against 0.6 with 40 an arm: some 14 in 100 by the formula of two proportions.
    for id in ("sato", "score", "test"):
        assert 0.05 < rows[id].significant.value < 0.3
    assert np.isclose(rows["score"].significant.value, rows["test"].significant.value)
    assert rows["kept"].significant.value > 0.7


@pytest.mark.parametrize(
    ("covariates", "code"), [("", "P029"), (", covariates: [kg]", "P037"), (", covariates: [centre]", None)]
)
def test_strata_are_needed_and_are_categories(tmp_path, covariates, code) -> None:
    file = tmp_path / "small.yaml"
    line = f"estimand: odds, estimator: cochran-mantel-haenszel, level: primary, alpha-two-sided: 0.05{covariates}"
    file.write_text(f"{TRIAL}analyses:\n  line: {{{line}}}\n")
    try:
        read_protocol(file)
        found = set()
    except EquipoiseError as error:
        found = {problem.code for problem in error.problems}
    assert found == ({code} if code else set())
