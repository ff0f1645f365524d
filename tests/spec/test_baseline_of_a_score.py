"""The baseline of a score: a covariate by name, what a change counts from, and never a word without effect."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from equipoise.analysis.analyse import analyse_records
from equipoise.exchange.own_tables.convert import import_table
from equipoise.foundation.errors import EquipoiseError
from equipoise.records import DataSource, Records
from equipoise.reporting.trial_report import build_report
from equipoise.workflow import analyse, read_protocol
from equipoise.workflow.checks import check_instruments

FILE = """
equipoise: {version}
trial: {{id: small, title: Small}}
calendar: {{day-1: randomization, epochs: {{before: {{days: -7..-1}}, after: {{days: 1..30}}}}}}
interventions: {{a: {{type: other, words: a}}, b: {{type: other, words: b}}}}
arms: {{a: {{role: active-control, gives: [a]}}, b: {{role: experimental, gives: [b]}}}}
eligibility: {{include: null, exclude: null}}
randomization: {{ratio: {{a: 1, b: 1}}}}
baseline:
  before-0: {variable}
  age: {{type: number, unit: years}}
assessments:
  craving: {{type: instrument, instrument: craving-vas}}
  stress: {{type: instrument, instrument: pss-10}}
schedule:
  entry: {{day: -1, assess: [craving, stress]}}
  weekly: {{days: [8, 15], named: "week-{{week}}", assess: [craving, stress]}}
endpoints:
  score: {{kind: score, words: craving, assessment: craving, scale: score, at: weekly, {endpoint}}}
estimands: {{asked: {{endpoint: score, treatments: b v a, summary: mean-difference}}}}
analyses: {{line: {{estimand: asked, estimator: linear, level: primary, alpha-two-sided: 0.05, {line}}}}}
"""
SCORE = "{from: craving, visit: entry}"
BEFORE = np.array([40.0, 60.0, 0.0, 80.0, 20.0, 50.0])
AFTER = np.array([30.0, 20.0, 10.0, 60.0, 25.0, 10.0])


def read(tmp_path, *, variable=SCORE, endpoint="unit: points", line="covariates: [before-0]", version=2):
    path = tmp_path / "small.yaml"
    path.write_text(FILE.format(variable=variable, endpoint=endpoint, line=line, version=version))
    return read_protocol(path)


def places(tmp_path, **changes):
    with pytest.raises(EquipoiseError) as caught:
        read(tmp_path, **changes)
    return [(problem.code, problem.place) for problem in caught.value.problems]


def records(before=BEFORE):
    people = [f"P{i}" for i in range(6)]
    at = [("entry", -1, before), ("week-1", 8, AFTER + 3), ("week-2", 15, AFTER)]
    rows = [
        {
            "participant_id": who,
            "visit": visit,
            "day": day,
            "instrument": "craving-vas",
            "item": "score",
            "value": value,
        }
        for visit, day, values in at
        for who, value in zip(people, values, strict=True)
        if not np.isnan(value)
    ]
    visits = [
        {"participant_id": who, "visit": visit, "target_day": day, "day": day, "state": "attended"}
        for visit, day, _ in at
        for who in people
    ]
    return Records(
        {
            "participants": pl.DataFrame({"participant_id": people, "consented": [True] * 6, "age": [30.0] * 6}),
            "allocations": pl.DataFrame({"participant_id": people, "stage": [1] * 6, "arm": list("ababab")}),
            "visits": pl.DataFrame(visits),
            "assessments": pl.DataFrame(rows),
        },
        DataSource("imported", "made by hand", "small", ""),
    )


def least_squares(y, *columns):
    arm = np.array([0.0, 1.0] * 3)
    design = np.column_stack([np.ones(6), arm, *columns])
    return np.linalg.lstsq(design, y, rcond=None)[0][1]


def test_the_score_before_is_a_covariate_by_name(tmp_path):
    results = analyse_records(read(tmp_path), records())
    assert results["line"].estimate == pytest.approx(least_squares(AFTER, BEFORE), rel=1e-9)
    assert "before 0" in results["line"].method
    assert results["line"].warnings == ()


def test_who_has_no_score_before_is_not_analysed_and_is_counted(tmp_path):
    some = np.where(np.arange(6) == 2, np.nan, BEFORE)
    row = analyse_records(read(tmp_path), records(some))["line"]
    assert (row.n_analysed, row.n_missed) == (5, 1)


@pytest.mark.parametrize(
    ("value", "expected"),
    [("change", AFTER - BEFORE), ("percent-change", 100 * (AFTER - BEFORE) / np.where(BEFORE == 0, np.nan, BEFORE))],
)
def test_a_change_counts_from_the_baseline_visit(tmp_path, value, expected):
    unit = "" if value == "percent-change" else ", unit: points"
    protocol = read(tmp_path, endpoint=f"value: {value}, baseline: entry{unit}", line="label: Change")
    results = analyse_records(protocol, records())
    arm = np.array([0, 1] * 3)
    difference = np.nanmean(expected[arm == 1]) - np.nanmean(expected[arm == 0])
    assert results["line"].estimate == pytest.approx(difference, rel=1e-9)
    assert results["line"].warnings == (("baseline-of-zero",) if value == "percent-change" else ())
    assert np.allclose(results.endpoints["score"].values[:, -1], expected, equal_nan=True)


def test_adjusted_for_the_score_before_change_and_score_have_the_same_effect(tmp_path):
    change = read(tmp_path, endpoint="value: change, baseline: entry")
    score = read(tmp_path)
    first, second = (analyse_records(protocol, records())["line"] for protocol in (change, score))
    assert first.estimate == pytest.approx(second.estimate, rel=1e-9)
    assert first.standard_error == pytest.approx(second.standard_error, rel=1e-9)


def test_a_baseline_of_which_nothing_is_made_is_refused_in_new_files_and_named_in_old_ones(tmp_path):
    unused = {"endpoint": "baseline: entry", "line": "covariates: [age]"}
    assert places(tmp_path, **unused) == [("P038", "endpoints.score.baseline")]
    protocol = read(tmp_path, **unused, version=1)
    results = analyse_records(protocol, records())
    assert results["line"].warnings[-1] == "baseline-not-used"
    assert "nothing is made of it" in str(build_report(protocol, records(), results).blocks)
    assert read(tmp_path, endpoint="baseline: entry").model.endpoints["score"].baseline == "entry"


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"variable": "{from: crving, visit: entry}"}, ("P020", "baseline.before-0.from")),
        ({"variable": "{from: craving, visit: week-2}"}, ("P020", "baseline.before-0.visit")),
        ({"variable": "{from: craving, visit: weekly}"}, ("P027", "baseline.before-0.visit")),
        ({"variable": "{from: craving}"}, ("P015", "baseline.before-0.from")),
        ({"variable": "{type: number, visit: entry}"}, ("P015", "baseline.before-0.visit")),
        ({"variable": "{type: yes-no, from: craving, visit: entry}"}, ("P015", "baseline.before-0.type")),
        ({"endpoint": "value: change"}, ("P015", "endpoints.score.value")),
        ({"endpoint": "value: change, baseline: entry, log: true, floor: 1"}, ("P015", "endpoints.score.value")),
        ({"endpoint": "value: percent-change, baseline: entry, unit: points"}, ("P015", "endpoints.score.unit")),
        ({"endpoint": "value: change, baseline: weekly"}, ("P027", "endpoints.score.baseline")),
    ],
)
def test_what_cannot_be_a_baseline_is_refused_at_its_place(tmp_path, changes, found):
    assert places(tmp_path, **changes) == [found]


def test_a_scale_that_the_instrument_lacks_is_refused(tmp_path):
    protocol = read(tmp_path, variable="{from: craving, visit: entry, scale: total}")
    assert [(p.code, p.place) for p in check_instruments(protocol)] == [("P051", "baseline.before-0.scale")]


def test_a_visit_after_randomization_is_no_baseline(tmp_path):
    text = FILE.replace("day: -1, assess", "day: 5, assess")
    path = tmp_path / "late.yaml"
    path.write_text(text.format(variable=SCORE, endpoint="unit: points", line="covariates: [before-0]", version=2))
    with pytest.raises(EquipoiseError) as caught:
        read_protocol(path)
    assert [(p.code, p.place) for p in caught.value.problems] == [("P027", "baseline.before-0.visit")]


def test_the_report_says_what_becomes_of_items_left_out(tmp_path):
    text = FILE.replace("assessment: craving, scale: score, at", "assessment: stress, at")
    path = tmp_path / "items.yaml"
    path.write_text(text.format(variable=SCORE, endpoint="unit: points", line="covariates: [before-0]", version=2))
    protocol = read_protocol(path)
    assert "Items left out: scored when at least 75% of a scale's items are given" in str(
        build_report(protocol, records(), analyse_records(protocol, records())).blocks
    )


def test_beat_the_blues_adjusted_by_name_agrees_with_lmertest(shared_data, tmp_path):
    # lmerTest 3.1-3: lmer(bdi ~ trt + wk + bdi.pre + (1|id)).
    folder = shared_data.parent / "cases" / "baseline-of-a-score"
    text = (folder / "protocol.yaml").read_text("utf-8")
    text = text.replace(
        "  bdi-pre: {label: BDI before treatment, type: number, unit: points}",
        "  bdi-pre: {label: BDI before treatment, type: number, unit: points}\n  bdi-0: {from: bdi, visit: before}",
    ).replace("estimator: linear-mixed,", "estimator: linear-mixed, covariates: [bdi-0],")
    path = tmp_path / "btheb.yaml"
    path.write_text(text, "utf-8")
    row = analyse(path, import_table(folder / "mapping.yaml"))["mixed"]
    assert (row.estimate, row.standard_error) == pytest.approx((-3.2229296, 1.6304374), rel=1e-4)
    assert row.warnings == ()
