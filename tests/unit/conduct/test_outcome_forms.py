"""Outcome events and findings in a running trial: asked at a visit, corrected, and told by the cut."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from equipoise.conduct.cut.cut import cut_records
from equipoise.foundation.errors import ConductError
from equipoise.protocol import read_protocol_text

TRIAL = """\
equipoise: 1
trial: {id: outcomes, title: A trial of outcomes that are not use}
calendar: {day-1: randomization, epochs: {treatment: {days: 1..85}}}
interventions:
  pill: {type: other, words: a pill}
  none: {type: other, words: nothing}
arms:
  usual: {role: active-control, gives: [none]}
  active: {role: experimental, gives: [pill]}
eligibility: {include: null, exclude: null}
randomization: {ratio: {usual: 1, active: 1}, scheme: permuted-blocks}
assessments:
  swab: {type: finding, yes: germs present, no: germs absent}
  outcomes: {type: events, terms: [relapse, hospitalization]}
schedule:
  weekly: {days: [29, 57], window: -7..7, assess: [swab, outcomes]}
endpoints:
  relapse:
    kind: time-to-event
    words: days to relapse
    time-zero: day 1
    until: day 85
    first-of: [{event: relapse}]
estimands:
  relapse: {endpoint: relapse, treatments: active v usual, summary: hazard-ratio}
analyses:
  relapse: {estimand: relapse, estimator: cox, level: primary, alpha-two-sided: 0.05}
"""


def at_visit(trial: Any, visit: str, days: int) -> None:
    trial.clock.at += timedelta(days=days)
    trial.do("carol", "visit", participant="P-1", visit=visit)


def record(trial: Any, visit: str, form: str, **answers: Any) -> Any:
    told = {name.replace("__", "."): value for name, value in answers.items()}
    return trial.do("carol", "record", participant="P-1", visit=visit, form=form, answers=told)


def randomized(trial: Any) -> None:
    trial.enrol("P-1")
    trial.do("carol", "randomize", participant="P-1")


def test_the_cut_tells_each_event_on_its_day_and_the_last_day_without_it(staged: Any) -> None:
    trial = staged(protocol=read_protocol_text(TRIAL), slots=20)
    randomized(trial)
    at_visit(trial, "day-29", 28)
    record(trial, "day-29", "swab", finding="yes")
    record(trial, "day-29", "outcomes", relapse="no", hospitalization="no")
    at_visit(trial, "day-57", 28)
    relapse = {"relapse": "yes", "relapse__on": "2027-02-20", "relapse__certainty": "probable"}
    record(trial, "day-57", "outcomes", **relapse, hospitalization="no")
    with trial.trial.use():
        records = cut_records(trial.trial, at=trial.clock.at, edition="blinded")
    rows = records["events"].drop("participant_id").sort("term", "day").rows()
    # Randomized on 11 January 2027, day 1: 8 February is day 29, 20 February day 41, 8 March day 57.
    assert rows == [
        ("hospitalization", 29, False, None, None),
        ("hospitalization", 57, False, None, None),
        ("relapse", 29, False, None, None),
        ("relapse", 41, True, "probable", None),
    ]
    found = records["assessments"].select("visit", "instrument", "item", "value").rows()
    assert found == [("day-29", "swab", "finding", 1.0)]


def test_an_event_after_the_visit_or_without_its_certainty_is_refused(staged: Any) -> None:
    trial = staged(protocol=read_protocol_text(TRIAL), slots=20)
    randomized(trial)
    at_visit(trial, "day-29", 28)
    with pytest.raises(ConductError) as caught:
        record(trial, "day-29", "outcomes", relapse="yes", hospitalization="no", relapse__certainty="sure")
    assert [p.code for p in caught.value.problems] == ["C572"]
    late = {"relapse": "yes", "relapse__on": "2027-02-09", "relapse__certainty": "certain"}
    with pytest.raises(ConductError) as caught:
        record(trial, "day-29", "outcomes", **late, hospitalization="no")
    assert [p.code for p in caught.value.problems] == ["C574"]
