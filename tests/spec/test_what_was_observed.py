"""What is looked back over, what time was observed, which visits were due, which days are known: drawn cases."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

from equipoise.endpoints import derive_endpoint, read_lattice
from equipoise.endpoints.endpoint_values import Derived
from equipoise.foundation.errors import RecordsError
from equipoise.protocol.read import read_protocol_text
from equipoise.records import DataSource, Records
from equipoise.workflow.verbs import require_records

HEAD = """
equipoise: 1
trial: {id: small, title: Small}
calendar: {day-1: randomization, epochs: {before: {days: -7..-1}, after: {days: 1..30}}}
interventions: {a: {type: other, words: a}, b: {type: other, words: b}}
arms: {a: {role: active-control, gives: [a]}, b: {role: experimental, gives: [b]}}
eligibility: {include: null, exclude: null}
randomization: {ratio: {a: 1, b: 1}}
baseline: {sex: {type: category, levels: [man, woman]}}
assessments: {urine: {type: urine, substances: [cocaine]}, diary: {type: daily-use, substances: [cocaine, alcohol]}}
"""
SCHEDULE = """
schedule:
  entry: {day: 1, assess: [urine]}
  weekly: {days: [8, 15], named: "week-{n}", window: 0..2, assess: [urine, diary]}
use:
  any: {substances: [cocaine]}
  sampled: {substances: [cocaine], by: [urine]}
  told: {substances: [cocaine], by: [self-report]}
  heavy: {substances: [alcohol], by: [self-report], amount: {above: {man: 4, woman: 3}, of: sex, unit: drinks}}
"""


def records(**tables: list[dict[str, Any]]) -> Records:
    """One participant P, who came to every visit that the tables list."""
    people = tables.pop("participants", [{"participant_id": "P", "consented": True, "sex": "man"}])
    given = {
        "participants": people,
        "allocations": [{"participant_id": row["participant_id"], "stage": 1, "day": 1, "arm": "a"} for row in people],
        **{name: [{"participant_id": "P", **row} for row in rows] for name, rows in tables.items()},
    }
    frames = {name: pl.DataFrame(rows, infer_schema_length=None) for name, rows in given.items() if rows}
    return Records(frames, DataSource("imported", "drawn", "small", ""))


def derive(endpoint: str, given: Records, schedule: str = SCHEDULE) -> Derived:
    protocol = read_protocol_text(f"{HEAD}{schedule}endpoints:\n  it: {{words: it, {endpoint}}}\n")
    return derive_endpoint(read_lattice(protocol, given), "it")


def came(*visits: tuple[str, int]) -> list[dict[str, Any]]:
    return [{"visit": visit, "day": day, "state": "attended"} for visit, day in visits]


def sample(day: int, result: str, visit: str | None = None) -> dict[str, Any]:
    return {"visit": visit, "day": day, "substance": "cocaine", "result": {"+": "positive", "-": "negative"}[result]}


def diary(word: str, first: int = 1) -> list[dict[str, Any]]:
    """A letter a day: + use, - none, _ not asked."""
    days = [(first + k, letter) for k, letter in enumerate(word) if letter != "_"]
    return [{"day": day, "substance": "cocaine", "asked": True, "used": letter == "+"} for day, letter in days]


ENTRY = (("entry", 1), ("week-1", 8), ("week-2", 15))
ENTRY_AND_WEEKS = came(*ENTRY)


@pytest.mark.parametrize("since", ["last-attended", "last-planned"])
@pytest.mark.parametrize("entry", [1, -1])
def test_the_sample_of_the_baseline_is_no_outcome(since: str, entry: int) -> None:
    visits = came(("week-1", 8), ("week-2", 15))
    samples = [sample(entry, "+"), sample(8, "-"), sample(15, "-")]
    it = derive(f"kind: repeated-use, use: any, at: weekly, since: {since}", records(visits=visits, urine=samples))
    assert it.values is not None
    assert it.values.tolist() == [[0, 0]]


def test_use_told_of_the_day_of_randomization_counts() -> None:
    it = derive(
        "kind: repeated-use, use: any, at: weekly, since: last-planned",
        records(visits=ENTRY_AND_WEEKS, daily_use=diary("+" + "-" * 14)),
    )
    assert it.values is not None
    assert it.values.tolist() == [[1, 0]]


def test_a_sample_of_the_first_day_counts_for_a_visit_held_on_it() -> None:
    schedule = SCHEDULE.replace("days: [8, 15]", "days: [1, 15]").replace("  entry: {day: 1, assess: [urine]}\n", "")
    given = records(visits=came(("week-1", 1), ("week-2", 15)), urine=[sample(1, "+"), sample(15, "-")])
    it = derive("kind: repeated-use, use: any, at: weekly, since: last-planned", given, schedule)
    assert it.values is not None
    assert it.values.tolist() == [[1, 0]]


@pytest.mark.parametrize(
    ("start", "expected"), [("", [1, 0]), (", counts-from: day 3", [0, 0]), (", counts-from: -7", [1, 0])]
)
def test_use_before_the_start_of_the_endpoint_does_not_count(start: str, expected: list[int]) -> None:
    given = records(visits=came(("week-1", 8), ("week-2", 15)), daily_use=diary("-+-------------"))
    it = derive(f"kind: repeated-use, use: told, at: weekly{start}", given)
    assert it.values is not None
    assert it.values.tolist() == [expected]


def test_a_visit_before_the_start_has_no_value() -> None:
    given = records(visits=came(("week-1", 8), ("week-2", 15)), urine=[sample(8, "+"), sample(15, "-")])
    it = derive("kind: repeated-use, use: any, at: weekly, counts-from: day 9", given)
    assert it.values is not None
    np.testing.assert_array_equal(it.values, [[np.nan, 0]])


def test_the_day_of_randomization_is_each_ones_own() -> None:
    given = records(visits=came(("week-1", 8), ("week-2", 15)), daily_use=diary("-+-------------"))
    late = given["allocations"].with_columns(day=pl.lit(4, pl.Int64))
    given = Records({**given.tables, "allocations": late}, given.source)
    it = derive("kind: repeated-use, use: told, at: weekly", given)
    assert it.values is not None
    assert it.values.tolist() == [[0, 0]]


def test_a_visit_that_assessed_nothing_ends_no_look_back() -> None:
    # At week 1 neither sample nor calendar was taken; the calendar of week 2 speaks of day 5.
    given = records(visits=ENTRY_AND_WEEKS, daily_use=diary("____+__________"), urine=[sample(15, "-")])
    it = derive("kind: repeated-use, use: any, at: weekly", given)
    assert it.values is not None
    np.testing.assert_array_equal(
        it.values, [[1, 0]]
    )  # day 5 is told: it belongs to week 1, in whichever visit it was asked
    # The same with a calendar of the days after week 1 only: nothing of week 1 is known, and use of day 9 is of week 2.
    given = records(visits=ENTRY_AND_WEEKS, daily_use=diary("________+------"))
    it = derive("kind: repeated-use, use: any, at: weekly", given)
    assert it.values is not None
    np.testing.assert_array_equal(it.values, [[np.nan, 1]])


FIRST_USE = "kind: time-to-event, time-zero: day 1, first-of: [{use: told}], until: day 30"


@pytest.mark.parametrize(
    ("word", "event", "time"),
    [
        ("-----+----", True, 5),
        ("----------", False, 9),  # known up to day 10
        ("-----_____", False, 4),  # the calendar ends on day 5, whatever contacts came later
        ("---__-----", False, 9),  # a gap lies between days that are known
        ("-", False, 0),
        ("__________", False, None),  # of whom nothing is known there is no time
    ],
)
def test_time_ends_where_the_event_would_last_have_been_known(word: str, event: bool, time: float | None) -> None:
    given = records(visits=came(("week-1", 8), ("week-2", 15)), daily_use=diary(word), urine=[sample(30, "-")])
    it = derive(FIRST_USE, given)
    assert it.event is not None
    assert it.time is not None
    assert bool(it.event[0]) is event
    np.testing.assert_array_equal(it.time, [np.nan if time is None else time])
    assert not it.marks


def test_time_carried_forward_is_said() -> None:
    given = records(visits=came(("week-1", 8)), daily_use=diary("-----"))
    it = derive(f"{FIRST_USE}, unobserved: is-event-free", given)
    assert it.time is not None
    assert it.time.tolist() == [29]
    assert {code: who.tolist() for code, who in it.marks.items()} == {"time-carried-forward": [True]}


def test_an_empty_contact_extends_no_time() -> None:
    given = records(visits=came(("week-1", 8), ("week-2", 15)), daily_use=diary("-----"))
    it = derive(f"{FIRST_USE}, censored: last-contact, censored-at: weekly", given)
    assert it.time is not None
    assert it.time.tolist() == [4]


def test_dropout_is_known_to_the_last_visit_kept_and_to_the_end_after_the_last_planned() -> None:
    dropout = "kind: time-to-event, time-zero: day 1, first-of: [{dropout: weekly}], until: day 30"
    whole = derive(dropout, records(visits=came(("week-1", 8), ("week-2", 15))))
    assert whole.time is not None
    assert whole.time.tolist() == [29]
    ended = [{"event": "administrative_end", "day": 12}]
    cut = derive(dropout, records(visits=came(("week-1", 8)), disposition=ended))
    assert cut.time is not None
    assert cut.event is not None
    assert (cut.time.tolist(), cut.event.tolist()) == ([7], [False])


ABSTINENT = "kind: abstinence, use: sampled, days: 2..16, at: weekly, missed: is-use"


@pytest.mark.parametrize(
    ("disposition", "value"),
    [
        ([], 0),  # week 2 was due and has no row: missed, and that is use
        ([{"event": "study_withdrawal", "day": 9}], 0),  # dropout stays in the denominators
        ([{"event": "lost_to_follow_up", "day": 9}], 0),
        ([{"event": "death", "day": 9}], 1),
        ([{"event": "death", "day": 16}], 0),
        ([{"event": "administrative_end", "day": 16}], 1),  # the window of week 2 was open when the data ended
        ([{"event": "administrative_end", "day": 17}], 0),
    ],
)
def test_a_due_visit_without_a_row_is_missed_unless_death_or_the_data_end_before(
    disposition: list[dict[str, Any]], value: int
) -> None:
    given = records(visits=came(("week-1", 8)), urine=[sample(8, "-")], disposition=disposition)
    it = derive(ABSTINENT, given)
    assert it.value is not None
    assert it.value.tolist() == [value]


def test_a_death_among_the_outcomes_ends_what_was_due() -> None:
    given = records(
        visits=came(("week-1", 8)), urine=[sample(8, "-")], events=[{"term": "death", "day": 9, "happened": True}]
    )
    it = derive(ABSTINENT, given)
    assert it.value is not None
    assert it.value.tolist() == [1]


def test_a_protocol_may_take_it_as_not_expected_or_refuse_it() -> None:
    given = records(visits=came(("week-1", 8)), urine=[sample(8, "-")])
    lenient = SCHEDULE.replace('named: "week-{n}"', 'named: "week-{n}", without-row: not-expected')
    it = derive(ABSTINENT, given, lenient)
    assert it.value is not None
    assert it.value.tolist() == [1]
    strict = read_protocol_text(
        HEAD + SCHEDULE.replace('named: "week-{n}"', 'named: "week-{n}", without-row: refused') + "endpoints:\n"
        f"  it: {{words: it, {ABSTINENT}}}\n"
    )
    with pytest.raises(RecordsError) as caught:
        require_records(strict, given)
    assert "R063" in {problem.code for problem in caught.value.problems}


def test_nothing_is_added_to_the_cut_of_a_running_trial() -> None:
    given = records(visits=came(("week-1", 8)), urine=[sample(8, "-")])
    cut = Records(given.tables, DataSource("captured", "a cut", "small", "", {"at": "2027-01-01T12:00:00+00:00"}))
    it = derive(ABSTINENT, cut)
    assert it.value is not None
    assert it.value.tolist() == [1]


@pytest.mark.parametrize(
    ("as_", "missed", "word", "value"),
    [
        ("count", "is-missing", "----------", 10),
        ("count", "is-missing", "-----_____", np.nan),  # no number of days where some are not known
        ("count", "is-use", "-----_____", 5),  # the bound below
        ("count", "is-no-use", "-----_____", 10),  # and above
        ("percent", "is-missing", "---++_____", 60),  # a rate over the days known
    ],
)
def test_a_count_over_days_that_nobody_knows(as_: str, missed: str, word: str, value: float) -> None:
    it = derive(
        f"kind: abstinent-days, use: told, days: 1..10, as: {as_}, missed: {missed}", records(daily_use=diary(word))
    )
    np.testing.assert_array_equal(it.value, [value])
    assert it.exposure is not None
    assert it.exposure.tolist() == [sum(letter != "_" for letter in word)]
    assert it.table()["days_known"].to_list() == it.exposure.tolist()


def drinks(*amounts: float | None, unit: str | None = "drinks") -> list[dict[str, Any]]:
    """A day each; -1 none, None a day of drinking without its amount."""
    return [
        {
            "day": day,
            "substance": "alcohol",
            "asked": True,
            "used": amount != -1,
            "amount": None if amount in (None, -1) else amount,
            "unit": None if amount in (None, -1) else unit,
        }
        for day, amount in enumerate(amounts, 1)
    ]


@pytest.mark.parametrize(
    ("kind", "given", "value"),
    [
        ("kind: abstinent-days, use: heavy, days: 1..3", drinks(-1, 6, 2), 200 / 3),
        ("kind: abstinent-days, use: heavy, days: 1..3", drinks(-1, None, 2), np.nan),  # not 100 per cent of two days
        ("kind: abstinent-days, use: heavy, days: 1..3, missed: is-use", drinks(-1, None, 2), 200 / 3),
        ("kind: abstinence, use: heavy, days: 1..3, missed: is-missing", drinks(-1, None, 2), np.nan),
        ("kind: abstinence, use: heavy, days: 1..8, at: weekly, missed: is-missing", drinks(-1, None, 2), np.nan),
        ("kind: abstinence, use: heavy, days: 1..8, at: weekly, missed: is-use", drinks(-1, None, 2), 0),
        ("kind: abstinence, use: heavy, days: 1..3, missed: is-missing", drinks(-1, 6, 2), 0),
    ],
)
def test_a_day_of_use_without_its_amount_is_not_known(kind: str, given: list[dict[str, Any]], value: float) -> None:
    it = derive(kind, records(daily_use=given, visits=came(("week-1", 8))))
    np.testing.assert_allclose(it.value, [value])
    assert set(it.marks) == ({"amount-not-recorded"} if given[1]["amount"] is None else set())


def test_use_at_a_visit_is_not_clean_where_a_day_lacks_its_amount() -> None:
    given = records(visits=came(("week-1", 8)), daily_use=drinks(-1, None, 2))
    it = derive("kind: repeated-use, use: heavy, at: weekly", given)
    np.testing.assert_array_equal(it.values, [[np.nan, np.nan]])


@pytest.mark.parametrize(
    ("formula", "value", "marks"),
    [
        ("{count: {cells: '-'}}", 5, {"cells-not-known"}),
        ("{steps: [{missing: is-use}], count: {cells: '-'}}", 5, set()),  # a rule says what the others are
    ],
)
def test_a_number_of_cells_says_that_some_are_not_known(formula: str, value: float, marks: set[str]) -> None:
    it = derive(
        f"kind: pattern, use: told, cells: days, days: 1..10, formula: {formula}",
        records(daily_use=diary("-----_____")),
    )
    np.testing.assert_array_equal(it.value, [value])
    assert set(it.marks) == marks


@pytest.mark.parametrize(("word", "marks"), [("----------", set()), ("-----_____", {"time-carried-forward"})])
def test_a_pattern_watched_beyond_what_was_seen_says_so(word: str, marks: set[str]) -> None:
    formula = "{time-to: {cells: '+'}}"
    it = derive(
        f"kind: pattern, use: told, cells: days, days: 1..10, formula: {formula}", records(daily_use=diary(word))
    )
    assert it.time is not None
    assert it.time.tolist() == [10]
    assert set(it.marks) == marks


RUN = "kind: time-to-event, time-zero: day 1, until: day 15, first-of: [{use: told, cells: days, from: 2, length: 3%s}]"


@pytest.mark.parametrize(
    ("rule", "word", "event", "time"),
    [
        # Study days 1 to 10, told; the run is of three days, times are counted from day 1.
        ("", "-++_+-----", False, 9.0),  # a day nobody asked about breaks the run; known to day 10
        ("is-missing", "-++_+-----", False, 9.0),
        ("is-use", "-++_+-----", True, 1.0),
        ("is-use", "----------", True, 10.0),  # from day 11 on nobody asked
        ("is-use-after-dropout", "-++_+-----", True, 10.0),  # the gap is no use, what comes after day 10 is
        ("is-no-use", "-++_+-----", False, 14.0),
        ("last-observation", "-++_+-----", True, 1.0),
        ("last-observation", "-------+++", True, 7.0),
        ("last-observation", "--------++", True, 8.0),
        ("last-observation", "--+-------", False, 14.0),
    ],
)
def test_a_run_of_days_takes_its_rule_for_days_that_nobody_asked_about(
    rule: str, word: str, event: bool, time: float
) -> None:
    it = derive(RUN % (f", missed: {rule}" if rule else ""), records(visits=ENTRY_AND_WEEKS, daily_use=diary(word)))
    assert it.event is not None
    assert it.time is not None
    assert (bool(it.event[0]), float(it.time[0])) == (event, time)
    carried = rule in ("is-no-use", "last-observation") and not event
    assert ("time-carried-forward" in it.marks) == carried


def test_an_analysis_replaces_the_rule_of_a_run_of_days_that_states_one() -> None:
    given = records(visits=ENTRY_AND_WEEKS, daily_use=diary("-++_+-----"))
    for stated, event in ((", missed: is-missing", True), ("", False)):
        protocol = read_protocol_text(f"{HEAD}{SCHEDULE}endpoints:\n  it: {{words: it, {RUN % stated}}}\n")
        it = derive_endpoint(read_lattice(protocol, given), "it", missed="is-use")
        assert it.event is not None
        assert bool(it.event[0]) is event
        assert protocol.model.endpoints["it"].takes_rule("is-use") is event


def test_a_rule_of_a_run_of_days_enters_the_hash_and_the_default_does_not() -> None:
    def hash_of(stated: str) -> str:
        return read_protocol_text(f"{HEAD}{SCHEDULE}endpoints:\n  it: {{words: it, {RUN % stated}}}\n").hash

    hashes = [hash_of(f", missed: {rule}") for rule in ("is-missing", "is-use", "is-no-use")]
    assert len({hash_of(""), *hashes}) == 4


def test_the_end_of_follow_up_of_a_run_of_days_is_the_last_day_known() -> None:
    it = derive(RUN % "", records(visits=ENTRY_AND_WEEKS))
    assert it.time is not None
    assert np.isnan(it.time[0])


SCORES = """
schedule:
  entry: {day: 1, assess: [urine]}
  weekly: {days: [8, 15], named: "week-{n}", assess: [urine, mood]}
use: {sampled: {substances: [cocaine], by: [urine]}}
endpoints: {it: {kind: score, words: it, assessment: mood, at: weekly}}
"""


def mood(visit: str, value: float) -> dict[str, Any]:
    return {"visit": visit, "instrument": "mood", "item": "total", "value": value}


def codes_of(given: Records) -> list[tuple[str, str]]:
    head = HEAD.replace(
        "assessments: {",
        "instruments: {mood: {total: 0..63, better: lower}}\nassessments: {mood: "
        "{type: instrument, instrument: mood}, ",
    )
    protocol = read_protocol_text(f"{head}{SCORES}")
    try:
        require_records(protocol, given)
    except RecordsError as error:
        return [(problem.code, problem.found) for problem in error.problems if problem.code in ("R053", "R061")]
    return []


def test_a_result_at_a_visit_that_the_protocol_does_not_have_is_no_missed_visit() -> None:
    both = [mood("week-1", 3), mood("week-2", 4)]
    assert codes_of(records(assessments=both)) == []
    found = codes_of(records(assessments=[mood("week-1", 3), mood("week2", 4)]))
    assert [code for code, _ in found] == ["R053"]
    assert "Is 'week-2' meant?" in found[0][1]
    found = codes_of(records(assessments=both, urine=[sample(8, "+", "week 1")]))
    assert [code for code, _ in found] == ["R053"]
    # A contact that nobody planned has a row of its own.
    extra = [*both, mood("crisis", 9)]
    assert codes_of(records(assessments=extra, visits=came(("crisis", 11), *ENTRY[1:]))) == []


def test_a_series_of_scores_of_which_nothing_is_there_was_hardly_held() -> None:
    found = codes_of(records(assessments=[mood("day-8", 3), mood("day-15", 4)]))
    assert sorted(code for code, _ in found) == ["R053", "R053", "R061"]


def test_a_participant_without_leading_zeros_is_the_one_with_the_same_number() -> None:
    people = [{"participant_id": f"{k:02}", "consented": True, "sex": "man"} for k in (1, 2, 10, 11, 12)]
    result = {"participant_id": "1", **sample(8, "+", "week-1")}
    given = records(participants=people, urine=[result])
    protocol = read_protocol_text(
        f"{HEAD}{SCHEDULE}endpoints:\n  it: {{words: it, kind: repeated-use, use: sampled, at: weekly}}\n"
    )
    with pytest.raises(RecordsError, match="Is '01' meant"):
        require_records(protocol, given)


@pytest.mark.parametrize(
    ("samples", "known_to"),
    [
        ([2, 9, 16, 23], 29),  # every whole week was looked at: the rest of days can hold no run
        ([2, 9], 13),  # the last week looked at is days 8 to 14
        ([2, 16], 20),  # a gap before it hides one week, not a run
        ([], None),
    ],
)
def test_a_run_of_weeks_is_known_to_the_end_of_the_last_week_looked_at(
    samples: list[int], known_to: int | None
) -> None:
    runs = "first-of: [{use: sampled, cells: weeks, from: 1, length: 4, missed: is-missing}]"
    given = records(visits=came(("week-1", 8)), urine=[sample(day, "-") for day in samples])
    it = derive(f"kind: time-to-event, time-zero: day 1, {runs}, until: day 30", given)
    assert it.time is not None
    np.testing.assert_array_equal(it.time, [np.nan if known_to is None else known_to])


@pytest.mark.parametrize(
    ("given", "known_to"),
    [
        ({"disposition": [{"event": "completion", "day": 22}]}, 21),
        ({"visits": came(("week-1", 8), ("week-2", 15))}, 14),  # without a dated end, the last day attended
        ({"visits": came(("entry", 1))}, 0),  # the first day of the calendar is a day attended too
        ({"visits": came(("week-1", 8)), "disposition": [{"event": "completion", "day": 40}]}, 29),  # beyond `until`
        ({}, None),
    ],
)
def test_an_event_of_taking_part_is_known_to_the_end_of_it(given: dict[str, Any], known_to: int | None) -> None:
    first = "first-of: [{disposition: [study_withdrawal]}]"
    it = derive(f"kind: time-to-event, time-zero: day 1, {first}, until: day 30", records(**given))
    assert it.time is not None
    np.testing.assert_array_equal(it.time, [np.nan if known_to is None else known_to])


@pytest.mark.parametrize(("asked", "warnings"), [([], ("never-seen-scored-success",)), ([2], ())])
def test_a_time_without_event_of_somebody_never_seen_is_named(asked: list[int], warnings: tuple[str, ...]) -> None:
    runs = "first-of: [{use: sampled, cells: weeks, from: 1, length: 4, missed: is-no-use}]"
    given = records(urine=[sample(day, "-") for day in asked], visits=came(("week-1", 8)) if asked else [])
    it = derive(f"kind: time-to-event, time-zero: day 1, {runs}, until: day 30", given)
    assert it.event is not None
    assert (it.event.tolist(), it.warnings) == ([False], warnings)


@pytest.mark.parametrize(("samples", "value"), [("-", 1), ("+", 0)])
def test_a_result_before_a_missed_visit_is_carried_into_it(samples: str, value: int) -> None:
    missed = [{"visit": "week-2", "day": None, "state": "missed"}]
    given = records(visits=[*came(("week-1", 8)), *missed], urine=[sample(8, samples)])
    it = derive("kind: abstinence, use: sampled, days: 9..17, at: weekly, missed: last-observation", given)
    assert it.value is not None
    assert it.value.tolist() == [value]


@pytest.mark.parametrize(
    ("word", "tally"), [("---++_____", (3, 5)), ("----------", (10, 10)), ("__________", (None, 0))]
)
def test_the_rate_of_an_arm_counts_abstinent_days_over_days_known(word: str, tally: tuple[int | None, int]) -> None:
    it = derive("kind: abstinent-days, use: told, days: 1..10, as: percent", records(daily_use=diary(word)))
    assert it.tally is not None
    events, exposure = it.tally.events, it.tally.days
    np.testing.assert_array_equal(events, [np.nan if tally[0] is None else tally[0]])
    assert exposure.tolist() == [tally[1]]


@pytest.mark.parametrize(
    ("judgement", "of_four", "of_five", "of_six"),
    [("at-least", 0, 1, 1), ("above", 0, 0, 1), ("at-most", 1, 1, 0), ("below", 1, 0, 0), ("equals", 0, 1, 0)],
)
def test_each_judgement_of_a_formula_at_its_bound(judgement: str, of_four: int, of_five: int, of_six: int) -> None:
    formula = f"{{count: {{cells: '-'}}, {judgement}: 5}}"
    for clean, expected in ((4, of_four), (5, of_five), (6, of_six)):
        it = derive(
            f"kind: pattern, use: told, cells: days, days: 1..10, formula: {formula}",
            records(daily_use=diary("-" * clean + "+" * (10 - clean))),
        )
        assert it.value is not None
        assert it.value.tolist() == [expected]
