"""The multiverse of scores, findings and events: what is varied, what is marked as planned, and when it is refused."""

from __future__ import annotations

import sys
from pathlib import Path

import polars as pl
import pytest

from equipoise.analysis.multiverse.universes import line_of, planned_universes
from equipoise.foundation.errors import AnalysisError
from equipoise.protocol.read import read_protocol_text
from equipoise.records import Records
from equipoise.workflow import read_protocol
from equipoise.workflow.multiverse import explore_multiverse
from equipoise.workflow.verbs import analyse, report

sys.path.insert(0, str(Path(__file__).parents[1] / "spec"))
from outcome_trial import TRIAL, records_of

PEOPLE = {
    str(k): {
        "sex": "male" if k % 3 else "female",
        "mood": [30 + k, 20 + 2 * (k % 5), 18 + k % 4 if k % 6 else None, 15 + 3 * (k % 3) if k % 4 else None],
        "swab": [1, k % 2, 1 - k % 2, k % 3 == 0],
        "events": [("death", 10 + 5 * k, True)] if k % 3 == 0 else [("death", 85, False)],
    }
    for k in range(12)
}
PLAN = """
endpoints:
  mood: {kind: score, words: w, assessment: mood, at: weekly}
  change: {kind: score, words: w, assessment: mood, at: weekly, value: change, baseline: entry}
  remission: {kind: score-criterion, words: w, assessment: mood, at-most: 18, at: weekly}
  germs: {kind: finding, words: w, assessment: swab, at: weekly, better: lower}
  survival: {kind: time-to-event, words: w, time-zero: day 1, first-of: [{event: death}], until: day 85}
  died: {kind: event, words: w, events: [death], days: 1..85, better: lower}
analysis-sets: {men: {words: whoever attended, attended: weekly}}
estimands:
  mood: {endpoint: mood, treatments: active v usual, summary: mean-difference}
  germs: {endpoint: germs, treatments: active v usual, summary: odds-ratio}
  survival: {endpoint: survival, treatments: active v usual, summary: hazard-ratio}
  alone: {endpoint: died, treatments: active, summary: proportion}
analyses:
  mood: {estimand: mood, estimator: linear-mixed, covariates: [sex], time: category, level: primary,
    alpha-two-sided: 0.05}
  germs: {estimand: germs, estimator: gee, method: independence, level: secondary}
  survival: {estimand: survival, estimator: cox, level: secondary}
  alone: {estimand: alone, estimator: proportion, level: secondary}
"""


def protocol_of(plan: str = PLAN):  # type: ignore[no-untyped-def]
    return read_protocol_text(TRIAL[: TRIAL.index("endpoints:")] + plan.lstrip())


RECORDS = records_of(PEOPLE)


@pytest.mark.parametrize(
    ("line", "definitions", "estimators"),
    [
        ("mood", {"mood", "change", "remission"}, {"linear", "linear-mixed", "gee", "logistic-mixed"}),
        ("germs", {"germs"}, {"gee", "logistic-mixed"}),
        ("survival", {"survival", "died"}, {"cox", "logistic", "risk-difference"}),
    ],
)
def test_endpoints_of_the_same_outcome_are_tried_by_every_way_that_suits(line, definitions, estimators) -> None:
    protocol = protocol_of()
    found = explore_multiverse(protocol, RECORDS, sets=2, line=line)
    assert {row.definition for row in found.universes} == definitions
    assert estimators <= {row.estimator for row in found.universes}
    assert {row.analysis_set for row in found.universes} == {None, "men"}
    assert not [row.id for row in found.universes if row.rule == "is-missing"]  # their own rule already
    planned = [row for row in found.universes if row.planned == line]
    assert len(planned) == 1
    answer = next(e for e in analyse(protocol, RECORDS).estimates if e.id == line)
    assert planned[0].estimate == pytest.approx(answer.estimate, rel=1e-12)
    assert (planned[0].ci_lower, planned[0].p_value) == pytest.approx((answer.ci_lower, answer.p_value), rel=1e-9)
    assert all("of use" in why for _, why in found.not_applicable)


def test_without_a_line_on_use_the_first_of_two_arms_is_varied() -> None:
    assert {row.definition for row in explore_multiverse(protocol_of(), RECORDS, sets=2).universes} == {
        "mood",
        "change",
        "remission",
    }


@pytest.mark.parametrize(("line", "said"), [("alone", "compares no arms"), ("mod", "is not in the plan")])
def test_a_line_that_cannot_be_varied_is_refused_by_name(line: str, said: str) -> None:
    with pytest.raises(AnalysisError, match=said) as refused:
        explore_multiverse(protocol_of(), RECORDS, line=line)
    assert refused.value.problems[0].code == "A010"


def test_a_plan_that_compares_no_arms_has_nothing_to_vary() -> None:
    plan = """
endpoints:
  died: {kind: event, words: w, events: [death], days: 1..85, better: lower}
estimands: {died: {endpoint: died, treatments: active, summary: proportion}}
analyses: {died: {estimand: died, estimator: proportion, level: primary, alpha-two-sided: 0.05}}
"""
    with pytest.raises(AnalysisError, match="No analysis compares two arms"):
        explore_multiverse(protocol_of(plan), RECORDS)


def test_a_mixed_model_without_errors_has_a_report_without_its_band() -> None:
    # Everybody of an arm has one and the same score at every visit: the estimate stands, its error does not.
    people = {str(k): {"mood": [30, 12 if k < 6 else 9, 12 if k < 6 else 9, 12 if k < 6 else 9]} for k in range(12)}
    protocol, records = protocol_of(PLAN.replace("covariates: [sex], time: category", "time: none")), records_of(people)
    results = analyse(protocol, records)
    assert "error-unknown" in results["mood"].warnings
    assert results["mood"].estimate == pytest.approx(-3)
    assert report(protocol, records, results).blocks


def test_a_universe_is_the_planned_line_only_where_its_model_is() -> None:
    by_visit = "estimator: mmrm, covariates: [sex], covariates-by-visit: [sex], covariance: ar1, method: sandwich"
    protocol = protocol_of(PLAN.replace("estimator: linear-mixed, covariates: [sex], time: category", by_visit))
    (planned,) = [u for u in explore_multiverse(protocol, RECORDS, sets=2, line="mood").universes if u.planned]
    answer = analyse(protocol, RECORDS)["mood"]
    assert (planned.estimate, planned.ci_lower) == pytest.approx((answer.estimate, answer.ci_lower), rel=1e-9)


def test_a_line_on_use_keeps_its_random_slope_and_is_not_taken_for_one_without() -> None:
    text = read_protocol("ketamine-met-alcohol").path.read_text("utf-8")
    plain = "  daily-drinking: {estimand: daily-drinking, estimator: logistic-mixed, "
    assert plain in text
    other = f"  without: {{estimand: daily-drinking, estimator: logistic-mixed, level: sensitivity}}\n{plain}"
    protocol = read_protocol_text(text.replace(plain, f"{other}random-slope: true, "))
    fits = [fit for fit, _ in planned_universes(protocol, line="daily-drinking")]
    mixed = [fit for fit in fits if fit.analysis.estimator == "logistic-mixed"]
    assert mixed
    assert all(fit.analysis.random_slope for fit in mixed)
    own = {line_of(protocol, fit) for fit in mixed}
    assert "daily-drinking" in own
    assert "without" not in own


def test_a_mixed_model_for_repeated_measures_of_a_long_diary_is_named_as_not_tried() -> None:
    text = TRIAL[: TRIAL.index("endpoints:")].replace(
        "weekly: {days: [29, 57, 85], assess: [mood, strain, swab, outcomes]}",
        "daily: {every: 1, first: 1, last: 104, assess: [mood]}",
    )
    plan = """endpoints: {mood: {kind: score, words: w, assessment: mood, at: daily}}
estimands: {mood: {endpoint: mood, treatments: active v usual, summary: mean-difference}}
analyses: {mood: {estimand: mood, estimator: linear-mixed, level: primary, alpha-two-sided: 0.05}}
"""
    protocol = read_protocol_text(text.replace("1..85}}}", "1..110}}}") + plan)
    # Visits of the other schedule fall on days of this one.
    scores = RECORDS.tables["assessments"].filter(pl.col("instrument") == "mood")
    tables = {name: RECORDS.tables[name] for name in ("participants", "allocations", "visits")}
    records = Records({**tables, "assessments": scores}, RECORDS.source)
    found = explore_multiverse(protocol, records, sets=2)
    assert {row.estimator for row in found.universes} == {"linear", "linear-mixed"}
    assert found.left_out
    assert all("| mmrm |" in id and why.startswith("104 visits") for id, why in found.left_out)
