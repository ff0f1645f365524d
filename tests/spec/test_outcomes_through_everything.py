"""Each kind of outcome that is not use goes through check, analyse and report with every estimator that suits it."""

from __future__ import annotations

import random
from typing import Any

import pytest
from outcome_trial import protocol_of, records_of, text_of

from equipoise.protocol import read_protocol_text
from equipoise.protocol.vocabulary.estimators import ESTIMATORS
from equipoise.records import Records
from equipoise.reporting.html import render_html
from equipoise.workflow.checks import check_protocol
from equipoise.workflow.verbs import analyse, report

KINDS: dict[str, tuple[str, str]] = {
    "time": (
        "{kind: time-to-event, words: days to death or relapse, time-zero: day 1, until: day 85, "
        "first-of: [{event: death}, {event: relapse}]}",
        "hazard-ratio",
    ),
    "event": ("{kind: event, words: relapse by week 12, events: [relapse], days: 1..85}", "odds-ratio"),
    "count": ("{kind: event-count, words: admissions, events: [hospitalization], days: 1..85}", "mean-difference"),
    "rate": (
        "{kind: event-count, words: admissions, as: rate, events: [hospitalization], days: 1..85}",
        "mean-difference",
    ),
    "counted": ("{kind: event-count, words: admissions, events: [hospitalization], days: 1..85}", "rate-ratio"),
    "counted-in-periods": (
        "{kind: event-count, words: admissions, events: [hospitalization], days: 1..84, period-days: 28}",
        "rate-ratio",
    ),
    "time-with-competing": (
        "{kind: time-to-event, words: days to relapse, time-zero: day 1, until: day 85, "
        "first-of: [{event: relapse}], competing: [{event: death}, {disposition: [lost_to_follow_up]}]}",
        "subdistribution-hazard-ratio",
    ),
    "finding": ("{kind: finding, words: germs, assessment: swab, at: weekly, better: lower}", "odds-ratio"),
    "finding-once": ("{kind: finding, words: germs, assessment: swab, visit: day-85, better: lower}", "odds-ratio"),
    "criterion": (
        "{kind: score-criterion, words: remission, assessment: mood, at: weekly, threshold: remission}",
        "odds-ratio",
    ),
    "criterion-once": (
        "{kind: score-criterion, words: response, assessment: mood, visit: day-85, improved-by: 50 %, baseline: entry}",
        "odds-ratio",
    ),
    "time-to-score": (
        "{kind: time-to-event, words: days to remission, time-zero: day 1, until: day 85, "
        "first-of: [{assessment: mood, at: weekly, at-most: 9}]}",
        "hazard-ratio",
    ),
}


def people(n: int = 24) -> Records:
    """Made-up participants: most observed to the end, some lost, some with events."""
    rng = random.Random(8)
    out: dict[str, dict[str, Any]] = {}
    for k in range(n):
        kept = rng.choice([2, 3, 4, 4, 4])
        mood = [rng.randint(20, 40), rng.randint(5, 30), rng.randint(3, 30), rng.randint(0, 20)]
        swab = [rng.randint(0, 1) for _ in range(4)]
        events = [("relapse", rng.randint(2, 80), True)] if rng.random() < 0.4 else []
        events += [("hospitalization", day, True) for day in sorted(rng.sample(range(2, 80), rng.choice([0, 0, 1, 2])))]
        left = [("completion", 85)] if kept == 4 else [("lost_to_follow_up", 40 + k % 20)]
        if k in (5, 15):
            left = [("death", 81)]
        out[str(k)] = {
            "mood": [v if i < kept else None for i, v in enumerate(mood)],
            "swab": [v if i < kept else None for i, v in enumerate(swab)],
            "events": events,
            "left": left,
        }
    return records_of(out)


def suits(name: str, summary: str, tmp_path: Any) -> list[str]:
    """Estimators that the check of a protocol lets through for this kind."""
    out = []
    for estimator in ESTIMATORS:
        path = tmp_path / f"{name}.yaml"
        path.write_text(text_of(KINDS[name][0], summary, estimator))
        if check_protocol(path).ok:
            out.append(estimator)
    return out


@pytest.mark.parametrize("name", KINDS)
def test_every_estimator_that_is_let_through_gives_a_report(name: str, tmp_path: Any) -> None:
    endpoint, summary = KINDS[name]
    records, done = people(), []
    for estimator in suits(name, summary, tmp_path):
        protocol = protocol_of(endpoint, summary, estimator)
        found = analyse(protocol, records)
        assert found.estimates, estimator
        done.append(estimator)
    assert done
    page = render_html(report(protocol, records, found))
    assert "of use" not in page
    assert "Traceback" not in page


YES_OR_NO = ["event", "finding", "finding-once", "criterion", "criterion-once"]


@pytest.mark.parametrize("name", YES_OR_NO)
@pytest.mark.parametrize("rule", ["worst-case", "best-case"])
def test_worst_and_best_case_lie_on_either_side(name: str, rule: str) -> None:
    endpoint, summary = KINDS[name]
    estimator = "gee" if name in ("finding", "criterion") else "logistic"
    text = text_of(endpoint, summary, estimator)
    records = people()
    plain = analyse(read_protocol_text(text), records)["it"]
    told = text.replace("alpha-two-sided: 0.05}", f"alpha-two-sided: 0.05, missed: {rule}}}")
    changed = analyse(read_protocol_text(told), records)["it"]
    assert plain.estimate is not None
    assert changed.estimate is not None
    # Odds of the event: worst for the active arm is more of it where less is better, less of it where more is.
    better = read_protocol_text(text).model.endpoints["it"].better
    rises = (rule == "worst-case") == (better == "lower")
    assert (changed.estimate > plain.estimate) == rises


@pytest.mark.parametrize("name", ["finding", "finding-once"])
def test_a_missing_finding_is_imputed(name: str) -> None:
    endpoint, summary = KINDS[name]
    estimator = "gee" if name == "finding" else "logistic"
    text = text_of(endpoint, summary, estimator)
    text = text.replace("alpha-two-sided: 0.05}", "alpha-two-sided: 0.05, imputation: {sets: 5, seed: 1}}")
    it = analyse(read_protocol_text(text), people())["it"]
    assert (it.n_analysed, it.estimate is not None) == (24, True)


@pytest.mark.parametrize("name", ["event", "criterion", "criterion-once"])
def test_what_cannot_be_imputed_is_refused(name: str, tmp_path: Any) -> None:
    endpoint, summary = KINDS[name]
    estimator = "gee" if name == "criterion" else "logistic"
    text = text_of(endpoint, summary, estimator)
    path = tmp_path / "it.yaml"
    path.write_text(text.replace("alpha-two-sided: 0.05}", "alpha-two-sided: 0.05, imputation: {sets: 5, seed: 1}}"))
    assert "P035" in [p.code for p in check_protocol(path).problems]
