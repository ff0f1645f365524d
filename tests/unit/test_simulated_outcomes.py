"""Outcomes that are not use under a set of parts: drawn with their own tables, or refused by name."""

from __future__ import annotations

from pathlib import Path

import pytest

from equipoise.endpoints.derivation import derive_endpoint
from equipoise.endpoints.lattice import read_lattice
from equipoise.foundation.errors import SimulationError
from equipoise.protocol import Protocol, read_protocol_text
from equipoise.simulation.scenario import read_scenario
from equipoise.simulation.simulate import simulate
from equipoise.workflow.verbs import analyse

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
randomization: {ratio: {usual: 1, active: 1}}
instruments:
  mood: {items: 4, range: 0..15, better: lower}
assessments:
  mood: {type: instrument, instrument: mood}
  outcomes: {type: events, terms: [death, relapse]}
schedule:
  entry: {day: 1, assess: [mood]}
  weekly: {days: [29, 57, 85], assess: [mood, outcomes]}
endpoints:
  relapse:
    kind: time-to-event
    words: days to relapse or death
    time-zero: day 1
    until: day 85
    at-day-zero: true
    first-of: [{event: relapse}, {event: death}]
  response:
    kind: score-criterion
    words: half of the mood at entry
    assessment: mood
    visit: day-85
    improved-by: 50 %
    baseline: entry
estimands:
  relapse: {endpoint: relapse, treatments: active v usual, summary: hazard-ratio}
  response: {endpoint: response, treatments: active v usual, summary: odds-ratio}
analyses:
  relapse: {estimand: relapse, estimator: cox, level: primary, alpha-two-sided: 0.05}
  response: {estimand: response, estimator: logistic}
assumptions:
  by-parts:
    status: assumed
    basis: ours
    n: {usual: 120, active: 120}
    parts:
      attendance: {lost: 20 %}
      score: {mood: {mean: 30, sd: 8, effect: {active: -6}}}
      events: EVENTS
"""
BOTH = "{relapse: {hazard: 0.01, effect: {active: -0.7}}, death: {hazard: 0.001}}"


def trial(events: str = BOTH) -> Protocol:
    return read_protocol_text(TRIAL.replace("EVENTS", events))


def test_events_are_drawn_into_their_own_table_and_analysed() -> None:
    protocol = trial()
    records = simulate(protocol, seed=3)
    events, left = records["events"], records["disposition"]
    assert set(events["term"]) == {"relapse"}
    assert set(left["event"]) <= {"completion", "study_withdrawal", "lost_to_follow_up", "death"}
    died = {who: day for who, event, day in left.select("participant_id", "event", "day").rows() if event == "death"}
    assert all(day < died.get(who, 10**6) for who, day in events.select("participant_id", "day").rows())
    it = derive_endpoint(read_lattice(protocol, records), "relapse")
    assert it.event is not None
    first = set(events["participant_id"]) | set(died)
    assert int(it.event.sum()) == len(first)
    found = analyse(protocol, records)
    assert found["relapse"].n_events == len(first)
    # Half the hazard: with about 130 events the estimate lies well within these bounds.
    assert found["relapse"].estimate is not None
    assert 0.3 < found["relapse"].estimate < 0.9
    assert found["response"].estimate is not None


def test_an_event_that_no_part_draws_is_refused_by_name() -> None:
    with pytest.raises(SimulationError) as caught:
        read_scenario(trial("{death: {hazard: 0.001}}"), "by-parts")
    (problem,) = caught.value.problems
    assert (problem.code, "relapse, which no part draws" in problem.found) == ("S052", True)


def test_a_part_for_an_event_that_the_protocol_lacks_is_refused() -> None:
    with pytest.raises(SimulationError, match="relaps"):
        read_scenario(trial("{relaps: {hazard: 0.01}}"), "by-parts")


def test_a_finding_needs_a_share(tmp_path: Path) -> None:
    text = TRIAL.replace("EVENTS", BOTH).replace(
        "  outcomes: {type: events", "  swab: {type: finding, yes: present, no: absent}\n  outcomes: {type: events"
    )
    text = text.replace("assess: [mood, outcomes]", "assess: [mood, swab, outcomes]").replace(
        "estimands:\n",
        "  germs: {kind: finding, words: germs, assessment: swab, at: weekly, better: lower}\nestimands:\n"
        "  germs: {endpoint: germs, treatments: active v usual, summary: odds-ratio}\n",
    )
    text = text.replace("analyses:\n", "analyses:\n  germs: {estimand: germs, estimator: gee}\n")
    with pytest.raises(SimulationError) as caught:
        read_scenario(read_protocol_text(text), "by-parts")
    assert [p.code for p in caught.value.problems] == ["S052"]
    share = "      report: {swab: {share: 40 %, effect: {active: -1}}}\n"
    drawn = read_protocol_text(text.replace("      events:", f"{share}      events:"))
    records = simulate(drawn, seed=3)
    found = records["assessments"].filter(records["assessments"]["instrument"] == "swab")
    assert set(found["visit"]) == {"day-29", "day-57", "day-85"}
    assert set(found["value"].drop_nulls()) == {0.0, 1.0}
    assert analyse(drawn, records)["germs"].estimate is not None
