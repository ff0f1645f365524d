"""Endpoints on drawn words: one letter a visit, the value that must come out beneath.

Flagship: clinic visits on study days 9, 12, 16, 19, 23, 26, 30, 33; discharge (time zero) on day 5; the last two weeks
are days 20 to 33 (visits 23, 26, 30, 33).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
import pytest

import equipoise
from equipoise.endpoints import derive_endpoint, read_lattice
from equipoise.endpoints.lattice import LETTERS
from equipoise.endpoints.relapse import first_run
from equipoise.protocol import Protocol, read_protocol_text
from equipoise.protocol.language.analysis import AssuranceCase
from equipoise.records import DataSource, Records
from equipoise.workflow.cases import obtained, records_of_case


@pytest.fixture(scope="module")
def flagship() -> Protocol:
    return equipoise.read_protocol("ketamine-mbrp-cocaine")


def value(
    protocol: Protocol, endpoint: str, word: str, *, use_days: tuple[str, ...] = (), missed: str | None = None
) -> Any:
    case = AssuranceCase.model_validate(
        {"name": "drawn", "visits": {"clinic-visit": word}, "use-days": list(use_days), "expect": {endpoint: None}}
    )
    return obtained(derive_endpoint(read_lattice(protocol, records_of_case(protocol, case)), endpoint, missed=missed))


@pytest.mark.parametrize(
    ("word", "missed", "abstinent"),
    [
        # 9 12 16 19 | 23 26 30 33
        ("--------", "is-use", True),
        ("++++----", "is-use", True),  # use before the window is forgiven
        ("----+---", "is-use", False),
        ("-------+", "is-use", False),
        ("oooo----", "is-use", True),  # what was missed before the window does not count
        ("-----o--", "is-use", False),
        ("-----o--", "is-use-after-dropout", True),  # came again: a gap
        ("------oo", "is-use-after-dropout", False),  # never came again: dropout
        ("------oo", "is-no-use", True),
        ("-----o--", "is-missing", None),
        ("--+--o--", "is-missing", None),
        ("----+o--", "is-missing", False),  # use was seen: nothing is open
        ("oooooooo", "is-use-after-dropout", False),
        ("----__--", "is-use", True),  # not due is never missed
    ],
)
def test_abstinence_in_the_last_two_weeks(flagship: Protocol, word: str, missed: str, abstinent: bool | None) -> None:
    assert value(flagship, "abstinence", word, missed=missed) is abstinent


@pytest.mark.parametrize(
    ("word", "use_days", "event", "time"),
    [
        ("--------", (), False, 28),  # censored on day 33: 33 - 5
        ("+-------", (), True, 4),  # day 9 - 5
        ("-------+", (), True, 28),
        ("--------", ("6",), True, 1),  # told in the calendar, first day out
        ("--------", ("5",), False, 28),  # time zero itself does not count here
        ("---ooooo", (), True, 12),  # last seen day 16: dropout on day 17, 17 - 5
        ("oooooooo", (), True, 1),
        ("-------o", (), True, 26),  # last seen day 30: day 31 - 5
        ("-o-o-o--", (), False, 28),  # gaps are not dropout
        ("--+ooooo", (), True, 11),  # use on day 16 comes before dropout on day 17
    ],
)
def test_time_to_first_use_or_dropout(
    flagship: Protocol, word: str, use_days: tuple[str, ...], event: bool, time: int
) -> None:
    assert value(flagship, "relapse", word, use_days=use_days) == {"event": event, "time": time}


@pytest.mark.parametrize(
    ("word", "use_days", "expected"),
    [
        ("-+-+-+-+", (), [0, 1, 0, 1, 0, 1, 0, 1]),
        ("--------", ("10",), [0, 1, 0, 0, 0, 0, 0, 0]),  # day 10 belongs to the visit of day 12
        ("--------", ("9",), [1, 0, 0, 0, 0, 0, 0, 0]),  # the day of the visit belongs to it
        ("-oo-----", ("10",), [0, None, None, 1, 0, 0, 0, 0]),  # told when the participant came again
        ("----oooo", (), [0, 0, 0, 0, None, None, None, None]),
    ],
)
def test_use_at_each_visit_covers_the_days_since_the_last_attended_one(
    flagship: Protocol, word: str, use_days: tuple[str, ...], expected: list[int | None]
) -> None:
    assert value(flagship, "use-over-time", word, use_days=use_days) == expected


def test_a_run_begins_where_the_first_full_stretch_begins() -> None:
    words = ["++-+++", "++++--", "------", "-+++++", "+++"]
    width = max(map(len, words))
    mask = np.array([[letter == "+" for letter in word.ljust(width, "-")] for word in words])
    #            ++-+++: run of 3 begins at position 3
    assert first_run(mask, 3).tolist() == [3, 0, -1, 1, 0]
    assert first_run(mask, 7).tolist() == [-1] * 5


WEEKLY = """
equipoise: 1
trial: {id: weekly, title: Weekly}
calendar: {day-1: randomization, epochs: {treatment: {days: 1..84}}}
interventions: {a: {type: other, words: a}, b: {type: other, words: b}}
arms:
  control: {role: active-control, gives: [a]}
  test: {role: experimental, gives: [b]}
eligibility: {include: null, exclude: null}
randomization: {ratio: {control: 1, test: 1}}
assessments:
  urine: {type: urine, substances: [opioid, buprenorphine]}
  calendar: {type: daily-use, substances: [opioid]}
schedule: {weekly: {every: 7, first: 7, last: 84, assess: [urine, calendar]}}
use:
  other-opioid:
    substances: {control: [opioid], test: [opioid, buprenorphine]}
    self-report-substances: [opioid]
    by: [urine, self-report]
endpoints:
  relapse:
    kind: time-to-event
    words: three weeks of use in a row from day 21, or seven days told in a row
    time-zero: day 1
    first-of:
      - {use: other-opioid, cells: weeks, from: 21, length: 3, missed: is-use}
      - {use: other-opioid, cells: days, from: 21, length: 7}
    until: day 84
"""


def _weekly(urine: list[tuple[int, str, str]], told: list[int] = [], arm: str = "control") -> Any:  # noqa: B006
    protocol = read_protocol_text(WEEKLY)
    tables = {
        "participants": pl.DataFrame([{"participant_id": "p", "consented": True}]),
        "allocations": pl.DataFrame([{"participant_id": "p", "stage": 1, "day": 1, "arm": arm}]),
        "urine": pl.DataFrame(
            [{"participant_id": "p", "day": d, "substance": s, "result": r} for d, s, r in urine],
            schema={"participant_id": pl.String, "day": pl.Int64, "substance": pl.String, "result": pl.String},
        ),
        "daily_use": pl.DataFrame(
            [{"participant_id": "p", "day": d, "substance": "opioid", "asked": True, "used": True} for d in told],
            schema={
                "participant_id": pl.String,
                "day": pl.Int64,
                "substance": pl.String,
                "asked": pl.Boolean,
                "used": pl.Boolean,
            },
        ),
    }
    records = Records(tables, DataSource("imported", "drawn", "weekly", protocol.hash))
    return obtained(derive_endpoint(read_lattice(protocol, records), "relapse"))


CLEAN = [(21 + 7 * k, "opioid", "negative") for k in range(9)]  # a clean sample on the first day of each whole week


def test_weeks_are_tiled_whole_from_day_21() -> None:
    # Weeks 21-27, 28-34, ... ; 84 - 21 + 1 = 64 days hold nine whole weeks, the last ending on day 83.
    assert _weekly(CLEAN) == {"event": False, "time": 83}


def test_three_weeks_without_a_sample_are_a_relapse_on_their_first_day() -> None:
    assert _weekly([s for s in CLEAN if s[0] not in (35, 42, 49)]) == {"event": True, "time": 34}  # day 35 - 1


def test_two_weeks_without_a_sample_are_not() -> None:
    assert _weekly([s for s in CLEAN if s[0] not in (35, 42)]) == {"event": False, "time": 83}


def test_nobody_seen_relapses_on_day_21() -> None:
    assert _weekly([]) == {"event": True, "time": 20}


def test_seven_days_told_in_a_row_are_a_relapse_on_the_first_of_them() -> None:
    assert _weekly(CLEAN, told=list(range(40, 47))) == {"event": True, "time": 39}
    assert _weekly(CLEAN, told=[*range(40, 46), 47]) == {"event": False, "time": 83}


def test_days_before_the_start_do_not_count() -> None:
    assert _weekly(CLEAN, told=list(range(12, 21))) == {"event": False, "time": 83}


def test_what_counts_as_use_may_go_by_arm() -> None:
    positive = [(d, "buprenorphine", "positive") for d in (21, 28, 35)]
    samples = [*CLEAN, *positive]
    assert _weekly(samples, arm="test") == {"event": True, "time": 20}
    assert _weekly(samples, arm="control") == {"event": False, "time": 83}


def test_a_sample_that_could_not_be_read_is_no_sample() -> None:
    spoilt = [(d, s, "not_evaluable") if d in (35, 42, 49) else (d, s, r) for d, s, r in CLEAN]
    assert _weekly(spoilt) == {"event": True, "time": 34}


def test_a_day_asked_about_as_a_whole_is_a_clean_day_for_a_substance_without_a_row() -> None:
    protocol = read_protocol_text(WEEKLY)
    told = pl.DataFrame(
        [
            {"participant_id": "p", "day": 30, "substance": "any", "asked": True, "used": True},
            {"participant_id": "p", "day": 31, "substance": "any", "asked": True, "used": True},
            {"participant_id": "p", "day": 31, "substance": "opioid", "asked": True, "used": True},
        ]
    )
    tables = {
        "participants": pl.DataFrame([{"participant_id": "p", "consented": True}]),
        "allocations": pl.DataFrame([{"participant_id": "p", "stage": 1, "day": 1, "arm": "test"}]),
        "daily_use": told,
    }
    lattice = read_lattice(protocol, Records(tables, DataSource("imported", "drawn", "weekly", protocol.hash)))
    cells = lattice.cells("self-report", ("opioid",))[0]
    assert [LETTERS[int(cells[lattice.column(day)])] for day in (29, 30, 31)] == ["_", "-", "+"]
