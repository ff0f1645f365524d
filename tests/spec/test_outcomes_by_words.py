"""What endpoints on events, findings and scores make of small records, worked out by hand."""

from __future__ import annotations

from typing import Any

import pytest
from outcome_trial import derive, plain, records_of, text_of

from equipoise.foundation.errors import ProtocolError, RecordsError
from equipoise.protocol import read_protocol_text
from equipoise.records.check import check_records
from equipoise.records.trial_facts import facts_of
from equipoise.workflow.checks import check_protocol
from equipoise.workflow.verbs import analyse

DEATH = "{kind: time-to-event, words: days to death, time-zero: day 1, until: day 85, first-of: [{event: death}]}"
MEANS = {"summary": "mean-difference", "estimator": "mmrm"}
HR = {"summary": "hazard-ratio", "estimator": "cox"}


def times(endpoint: str, people: dict[str, dict[str, Any]]) -> list[tuple[float | None, bool]]:
    it = derive(endpoint, people, **HR)
    assert it.time is not None
    assert it.event is not None
    return list(zip(plain(it.time), it.event.tolist(), strict=True))


def test_time_to_an_event_ends_where_it_was_last_known_not_to_have_happened() -> None:
    people: dict[str, dict[str, Any]] = {
        "died on day 41": {"events": [("death", 41, True)]},
        "alive on day 30, nothing after": {"events": [("death", 30, False)]},
        "completed on day 85": {"left": [("completion", 85)]},
        "withdrew on day 20": {"left": [("study_withdrawal", 20)]},
        "nothing known": {},
        "relapse is another event": {"events": [("relapse", 12, True)]},
    }
    # Day 1 is time 0. Visits kept say nothing of a death that nobody asked about.
    assert times(DEATH, people) == [(40, True), (29, False), (84, False), (19, False), (None, False), (None, False)]


def test_a_death_of_the_disposition_is_the_event_death() -> None:
    assert times(DEATH, {"a": {"left": [("death", 15)]}, "b": {"left": [("completion", 85)]}}) == [
        (14, True),
        (84, False),
    ]


def test_the_first_of_several_events_counts_and_all_must_have_been_observed() -> None:
    either = DEATH.replace("{event: death}", "{event: death}, {event: relapse}")
    people: dict[str, dict[str, Any]] = {
        "relapse, then death": {"events": [("relapse", 10, True), ("death", 40, True)]},
        "alive on 60, relapse asked to 30": {"events": [("death", 60, False), ("relapse", 30, False)]},
        "alive on 60, relapse never asked": {"events": [("death", 60, False)]},
        "died on 50": {"events": [("death", 50, True)]},
    }
    assert times(either, people) == [(9, True), (29, False), (None, False), (49, True)]


def test_an_event_on_an_unknown_day_leaves_no_time_and_says_so() -> None:
    people = {
        "a": {"events": [("death", None, True)], "left": [("completion", 85)]},
        "b": {"left": [("completion", 85)]},
    }
    it = derive(DEATH, people, **HR)
    assert plain(it.time) == [None, 84]
    assert it.marks["event-without-day"].tolist() == [True, False]


def test_an_event_on_the_day_of_time_zero_counts_where_the_endpoint_says_so_and_is_named_elsewhere() -> None:
    people: dict[str, dict[str, Any]] = {
        "a": {"events": [("relapse", 1, True)], "left": [("completion", 85)]},
        "b": {"left": [("completion", 85)]},
    }
    relapse = DEATH.replace("event: death", "event: relapse")
    it = derive(relapse, people, **HR)
    assert (plain(it.time), it.marks["event-on-day-zero"].tolist()) == ([84, 84], [True, False])
    there = derive(relapse.replace("first-of", "at-day-zero: true, first-of"), people, **HR)
    assert (plain(there.time), there.marks) == ([0, 84], {})


def test_only_events_of_the_certainty_asked_for_count() -> None:
    sure = DEATH.replace("{event: death}", "{event: relapse, certainty: [certain, probable]}")
    people: dict[str, dict[str, Any]] = {
        "possible on 10, probable on 20": {
            "events": [("relapse", 10, True, "possible"), ("relapse", 20, True, "probable")]
        },
        "possible on 10, then completed": {"events": [("relapse", 10, True, "possible")], "left": [("completion", 85)]},
    }
    assert times(sure, people) == [(19, True), (84, False)]
    # A death of the disposition is certain.
    death = {"a": {"left": [("death", 15)]}, "b": {"left": [("completion", 85)]}}
    certain = DEATH.replace("event: death", "event: death, certainty: [certain]")
    assert times(certain, death) == [(14, True), (84, False)]
    assert times(certain.replace("[certain]", "[probable]"), death) == [(14, False), (84, False)]


def test_what_happened_is_the_noun_of_a_time_to_recorded_events() -> None:
    people: dict[str, dict[str, Any]] = {"a": {"events": [("death", 41, True)]}, "b": {"left": [("completion", 85)]}}
    assert derive(DEATH, people, **HR).event_word == "death"
    either = DEATH.replace("{event: death}", "{event: hospitalization}, {event: death}")
    assert derive(either, people, **HR).event_word == "hospitalization or death"


EVENT = "{kind: event, words: relapse by week 8, events: [relapse], days: 1..57}"
EVENT_PEOPLE: dict[str, dict[str, Any]] = {
    "in the window": {"events": [("relapse", 57, True)]},
    "after the window": {"events": [("relapse", 58, True)]},
    "observed past the window": {"left": [("completion", 85)]},
    "observed to day 56": {"events": [("relapse", 56, False)]},
    "on a day that nobody knows": {"events": [("relapse", None, True)], "left": [("completion", 85)]},
    "nothing known": {},
}


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (None, [1, 0, 0, None, None, None]),
        ("is-yes", [1, 0, 0, 1, 1, 1]),
        ("is-no", [1, 0, 0, 0, 0, 0]),
    ],
)
def test_an_event_by_a_day_is_known_only_of_who_was_observed_to_it(rule: str | None, expected: list[Any]) -> None:
    endpoint = EVENT if rule is None else EVENT.replace("days:", f"missed: {rule}, days:")
    it = derive(endpoint, EVENT_PEOPLE)
    assert plain(it.value) == expected
    assert it.marks["event-without-day"].tolist() == [False, False, False, False, True, False]


def test_counts_need_the_whole_window_and_rates_the_days_observed() -> None:
    people: dict[str, dict[str, Any]] = {
        "two in the whole window": {
            "events": [("hospitalization", 10, True), ("hospitalization", 40, True)],
            "left": [("completion", 85)],
        },
        "one, observed to day 30": {"events": [("hospitalization", 10, True), ("hospitalization", 30, False)]},
        "none in 60 days": {"left": [("lost_to_follow_up", 60)]},
        "nothing known": {},
        "one outside, observed to the end": {
            "events": [("hospitalization", -3, True)],
            "left": [("administrative_end", 85)],
        },
    }
    count = "{kind: event-count, words: admissions, events: [hospitalization], days: 1..60}"
    it = derive(count, people, summary="mean-difference", estimator="linear")
    assert plain(it.value) == [2, None, 0, None, 0]
    assert plain(it.exposure) == [60, 30, 60, 0, 60]
    rate = derive(count.replace("days:", "as: rate, days:"), people, summary="mean-difference", estimator="linear")
    # Admissions in 30 days observed: 30 x 2 / 60, 30 x 1 / 30, 0, not observed, 0.
    assert plain(rate.value) == [1, 1, 0, None, 0]


SWAB: dict[str, dict[str, Any]] = {
    "a": {"swab": [1, 1, None, 0]},
    "b": {"swab": [1, 0, 0, None]},
    "c": {"swab": [0, None, None, None]},
    "d": {"swab": [None, 1, 1, 1]},
}


def test_a_finding_is_yes_no_or_missing_at_each_visit() -> None:
    finding = "{kind: finding, words: germs at each visit, assessment: swab, at: weekly, better: lower}"
    it = derive(finding, SWAB, estimator="gee")
    assert plain(it.values) == [[1, None, 0], [0, 0, None], [None, None, None], [1, 1, 1]]
    assert it.event_word == "germs present"
    assert (plain(it.visit_weeks), it.first_visit_day) == ([0, 4, 8], 28)
    carried = derive(finding, SWAB, missed="last-observation", estimator="gee")
    assert plain(carried.values) == [[1, 1, 0], [0, 0, 0], [None, None, None], [1, 1, 1]]
    worse = derive(finding, SWAB, missed="is-use", estimator="gee")
    assert plain(worse.values) == [[1, 1, 0], [0, 0, 1], [1, 1, 1], [1, 1, 1]]


def test_a_finding_at_one_visit_is_one_yes_or_no() -> None:
    finding = "{kind: finding, words: germs at the end, assessment: swab, visit: day-85, better: lower, missed: is-no}"
    it = derive(finding, SWAB)
    assert (plain(it.value), it.imputed.tolist()) == ([0, 0, 0, 1], [False, True, True, False])  # type: ignore[union-attr]


MOOD: dict[str, dict[str, Any]] = {
    "a": {"mood": [40, 30, 20, 9]},
    "b": {"mood": [40, 21, None, 10]},
    "c": {"mood": [None, 12, 8, 8]},
    "d": {"mood": [0, 0, 3, 0]},
}


@pytest.mark.parametrize(
    ("criterion", "expected"),
    [
        ("at-most: 9, visit: day-85", [1, 0, 1, 1]),
        ("threshold: remission, visit: day-85", [1, 0, 1, 1]),
        ("at-least: 9, at-most: 10, visit: day-85", [1, 1, 0, 0]),
        # Half of 40 is a fall by 20: to 20 or less. Without a baseline there is no answer; of 0 there are no per cent.
        ("improved-by: 50 %, baseline: entry, visit: day-57", [1, None, None, None]),
        ("improved-by: 50 %, baseline: entry, visit: day-85", [1, 1, None, None]),
        ("improved-by: 30, baseline: entry, visit: day-85", [1, 1, None, 0]),
        ("improved-by: 50 %, baseline: entry, at-most: 9, visit: day-85", [1, 0, None, None]),
    ],
)
def test_a_score_is_held_against_numbers_a_threshold_or_itself(criterion: str, expected: list[Any]) -> None:
    it = derive(f"{{kind: score-criterion, words: a criterion, assessment: mood, {criterion}}}", MOOD)
    assert plain(it.value) == expected
    no_percent = "%" in criterion
    assert ("percent-of-nothing" in it.marks) == no_percent
    if no_percent:
        assert it.marks["percent-of-nothing"].tolist() == [False, False, False, True]


def test_a_threshold_by_sex_takes_the_number_of_each_participant() -> None:
    people: dict[str, dict[str, Any]] = {
        "a": {"sex": "female", "strain": [None, None, None, 31]},
        "b": {"sex": "male", "strain": [None, None, None, 31]},
        "c": {"sex": "male", "strain": [None, None, None, 34]},
        "d": {"sex": None, "strain": [None, None, None, 50]},
    }
    numbers = "at-least: {female: 30, male: 34}, of: sex"
    for part in ("threshold: case", numbers):
        it = derive(f"{{kind: score-criterion, words: a case, assessment: strain, {part}, visit: day-85}}", people)
        assert plain(it.value) == [1, 0, 1, None]


def test_time_to_a_score_ends_at_the_last_visit_with_one() -> None:
    first = DEATH.replace("{event: death}", "{assessment: mood, at: weekly, at-most: 9}")
    people = {**MOOD, "e": {"mood": [40, 30, None, None]}, "f": {"mood": [40, None, None, None]}}
    # a on day 85; b has 10 on day 85 and is followed to the end; c on day 57; d on day 29; e has 30 on day 29.
    assert times(first, people) == [(84, True), (84, False), (56, True), (28, True), (28, False), (None, False)]


FACULTY: list[tuple[str, str, str]] = [
    (DEATH.replace("event: death", "event: deth"), "P020", "Did you mean death?"),
    (DEATH.replace("{event: death}", "{evnt: death}"), "P015", "event"),
    (EVENT.replace("[relapse]", "[relapse, stroke]"), "P020", "stroke"),
    (EVENT.replace("1..57", "1..570"), "P022", "570"),
    (EVENT.replace("events: [relapse]", "events: []"), "P014", ""),
    ("{kind: finding, words: x, assessment: swab, better: lower}", "P015", "at and visit"),
    ("{kind: finding, words: x, assessment: swab, at: weekly}", "P010", "better"),
    ("{kind: finding, words: x, assessment: mood, at: weekly, better: lower}", "P027", "type instrument"),
    ("{kind: finding, words: x, assessment: swab, at: entry, better: lower}", "P027", "one visit"),
    ("{kind: finding, words: x, assessment: swab, visit: day-30, better: lower}", "P020", "day-30"),
    ("{kind: score-criterion, words: x, assessment: mood, visit: day-85}", "P015", "held against"),
    ("{kind: score-criterion, words: x, assessment: mood, visit: day-85, at-most: 61}", "P055", "never scores 61"),
    ("{kind: score-criterion, words: x, assessment: mood, visit: day-85, threshold: remision}", "P055", "remision"),
    ("{kind: score-criterion, words: x, assessment: mood, visit: day-85, improved-by: 50 %}", "P015", "baseline"),
    (
        "{kind: score-criterion, words: x, assessment: mood, visit: day-85, improved-by: 150 %, baseline: entry}",
        "P015",
        "more than the whole",
    ),
    (
        "{kind: score-criterion, words: x, assessment: mood, visit: day-85, improved-by: 70, baseline: entry}",
        "P055",
        "up to 60 points",
    ),
    (
        "{kind: score-criterion, words: x, assessment: mood, visit: day-85, improved-by: 50 %, baseline: day-1}",
        "P020",
        "day-1",
    ),
    (
        "{kind: score-criterion, words: x, assessment: strain, visit: day-85, improved-by: 50 %, baseline: entry}",
        "P055",
        "begin at 10",
    ),
    ("{kind: score-criterion, words: x, assessment: swab, visit: day-85, at-most: 0}", "P027", "type finding"),
    ("{kind: score-criterion, words: x, assessment: mood, scale: totl, visit: day-85, at-most: 9}", "P051", "total"),
    (
        "{kind: score-criterion, words: x, assessment: mood, visit: day-85, at-most: {female: 9}, of: sex}",
        "P056",
        "no number for sex male",
    ),
]


@pytest.mark.parametrize(("endpoint", "code", "says"), FACULTY, ids=[f"{c}-{n}" for n, (_, c, _) in enumerate(FACULTY)])
def test_a_broken_outcome_is_refused_with_code_and_line(tmp_path: Any, endpoint: str, code: str, says: str) -> None:
    path = tmp_path / "outcomes.yaml"
    path.write_text(text_of(endpoint, "hazard-ratio", "cox") if "time-to-event" in endpoint else text_of(endpoint))
    found = check_protocol(path).problems
    problem = next((p for p in found if p.code == code), None)
    assert problem is not None, [p.render() for p in found]
    assert says in problem.render()
    assert problem.line == text_of(endpoint).splitlines().index(f"  it: {endpoint}") + 1


def test_an_assessment_of_events_without_terms_is_refused() -> None:
    with pytest.raises(ProtocolError, match="names no terms"):
        read_protocol_text(text_of(DEATH).replace(", terms: [death, relapse, hospitalization]", ""))
    with pytest.raises(ProtocolError, match="words for yes and no"):
        read_protocol_text(text_of(DEATH).replace(", no: germs absent", ""))


def test_events_that_contradict_themselves_or_the_trial_are_all_named() -> None:
    records = records_of(
        {
            "a": {"events": [("deth", 10, True), ("relapse", None, False)]},
            "b": {"events": [("death", 10, True)], "left": [("death", 12)]},
            "c": {"events": [("relapse", 40, False)], "left": [("death", 12)]},
        }
    )
    protocol = read_protocol_text(text_of(DEATH, **HR))
    problems = check_records(records, facts_of(protocol))
    found = [(p.code, p.place) for p in problems if p.place.startswith("events")]
    assert found == [
        ("R065", "events row 2, column day"),
        ("R066", "events row 3, column day"),
        ("R066", "events row 4, column day"),
        ("R064", "events row 1, column term"),
    ]


def test_events_in_a_trial_that_asks_about_none_are_a_problem() -> None:
    text = text_of("{kind: received, words: x, intervention: {usual: none, active: pill}}")
    text = text.replace("  outcomes: {type: events, terms: [death, relapse, hospitalization]}\n", "")
    protocol = read_protocol_text(text.replace(", outcomes]", "]"))
    records = records_of({"a": {"events": [("death", 10, True)]}, "b": {}})
    with pytest.raises(RecordsError, match="R064"):
        analyse(protocol, records)


@pytest.mark.parametrize(("baseline", "warned"), [(40, False), (0, True)])
def test_a_change_in_per_cent_of_nothing_is_named(baseline: int, warned: bool) -> None:
    change = "{kind: score, words: change, assessment: mood, at: weekly, value: percent-change, baseline: entry}"
    it = derive(change, {"a": {"mood": [baseline, 30, 20, 10]}, "b": {"mood": [20, 20, 20, 20]}}, **MEANS)
    assert plain(it.values) == [[-25, -50, -75] if baseline else [None, None, None], [0, 0, 0]]
    assert ("baseline-of-zero" in it.warnings) == warned


def test_a_percentage_of_nothing_is_told_apart_from_a_score_left_out() -> None:
    people: dict[str, dict[str, Any]] = {
        "half of 40": {"mood": [40, 20, 20, 20]},
        "of nothing": {"mood": [0, 10, 10, 10]},
        "left out": {"mood": [0, None, None, None]},
        "no baseline": {"mood": [None, 10, 10, 10]},
    }
    it = derive(
        "{kind: score-criterion, words: half, assessment: mood, improved-by: 50 %, baseline: entry, at: weekly}",
        people,
        summary="odds-ratio",
        estimator="gee",
    )
    assert it.marks["percent-of-nothing"].tolist() == [False, True, False, False]
