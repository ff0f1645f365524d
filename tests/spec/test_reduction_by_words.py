"""How much use, on drawn calendars: days of abstinence, use by day and by week, amounts above a limit."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from equipoise.endpoints import derive_endpoint, read_lattice
from equipoise.protocol import Protocol, read_protocol_text
from equipoise.records import DataSource, Records
from equipoise.workflow.cases import obtained

TEXT = """
equipoise: 1
trial: {id: drinks, title: Drinks}
calendar: {day-1: randomization, epochs: {treatment: {days: 1..14}}}
interventions: {a: {type: other, words: a}, b: {type: other, words: b}}
arms:
  control: {role: active-control, gives: [a]}
  test: {role: experimental, gives: [b]}
eligibility: {include: null, exclude: null}
randomization: {ratio: {control: 1, test: 1}}
baseline: {sex: {type: category, levels: [male, female]}}
assessments: {calendar: {type: daily-use, substances: [alcohol]}}
schedule: {weekly: {days: [7, 14], assess: [calendar]}}
use:
  drinking: {substances: [alcohol], by: [self-report]}
  heavy-drinking:
    substances: [alcohol]
    by: [self-report]
    amount: {above: {male: 4, female: 3}, unit: drinks, of: sex}
endpoints:
  abstinent-share: {kind: abstinent-days, words: per cent of days abstinent, use: drinking, days: 1..10}
  abstinent-count: {kind: abstinent-days, words: days abstinent, use: drinking, days: 1..10, as: count, missed: is-use}
  heavy-days: {kind: use-by-day, words: heavy drinking day by day, use: heavy-drinking, days: 1..6}
  no-heavy-day: {kind: abstinence, words: no heavy drinking day, use: heavy-drinking, days: 1..6, missed: is-no-use}
  by-week: {kind: use-by-week, words: drinking by week, use: drinking, days: 1..14}
"""


@pytest.fixture(scope="module")
def protocol() -> Protocol:
    return read_protocol_text(TEXT)


def value(protocol: Protocol, endpoint: str, drinks: str, *, sex: str = "male", unit: str = "drinks") -> Any:
    """``drinks`` has a mark a day from day 1: a figure for drinks, ``?`` use without an amount, ``.`` not asked."""
    rows = [
        {
            "participant_id": "p",
            "day": day,
            "substance": "alcohol",
            "asked": True,
            "used": mark != "0",
            "amount": None if mark == "?" else float(mark),
            "unit": None if mark == "?" else unit,
        }
        for day, mark in enumerate(drinks, 1)
        if mark != "."
    ]
    schema = {
        "participant_id": pl.String,
        "day": pl.Int64,
        "substance": pl.String,
        "asked": pl.Boolean,
        "used": pl.Boolean,
        "amount": pl.Float64,
        "unit": pl.String,
    }
    tables = {
        "participants": pl.DataFrame([{"participant_id": "p", "consented": True, "sex": sex}]),
        "allocations": pl.DataFrame([{"participant_id": "p", "stage": 1, "day": 1, "arm": "test"}]),
        "daily_use": pl.DataFrame(rows, schema=schema),
    }
    records = Records(tables, DataSource("imported", "drawn", "drinks", protocol.hash))
    return obtained(derive_endpoint(read_lattice(protocol, records), endpoint))


@pytest.mark.parametrize(
    ("drinks", "share", "count"),
    [
        ("0000000000", 100, 10),
        ("1000000000", 90, 9),
        ("1111100000", 50, 5),
        ("00000.....", 100, 5),  # of the five days known all are abstinent; the rule is-use makes the others use
        ("10.0......", pytest.approx(200 / 3), 2),
        ("..........", None, 0),
    ],
)
def test_days_of_abstinence_of_the_days_known_or_of_all(
    protocol: Protocol, drinks: str, share: Any, count: int
) -> None:
    assert value(protocol, "abstinent-share", drinks) == share
    assert value(protocol, "abstinent-count", drinks) == count


@pytest.mark.parametrize(
    ("drinks", "sex", "heavy"),
    [
        ("045600", "male", [0, 0, 1, 1, 0, 0]),  # more than 4 for men
        ("345600", "female", [0, 1, 1, 1, 0, 0]),  # more than 3 for women
        ("0.5000", "male", [0, None, 1, 0, 0, 0]),
        ("0?5000", "male", [0, None, 1, 0, 0, 0]),  # use without an amount: nobody knows
    ],
)
def test_a_heavy_day_lies_above_the_limit_of_the_sex(
    protocol: Protocol, drinks: str, sex: str, heavy: list[int | None]
) -> None:
    assert value(protocol, "heavy-days", drinks, sex=sex) == heavy


def test_no_heavy_day_is_abstinence_from_heavy_days(protocol: Protocol) -> None:
    assert value(protocol, "no-heavy-day", "044000") is True
    assert value(protocol, "no-heavy-day", "044000", sex="female") is False


def test_an_amount_in_another_unit_is_not_known(protocol: Protocol) -> None:
    assert value(protocol, "heavy-days", "900000", unit="grams") == [None, 0, 0, 0, 0, 0]


def test_weeks_are_whole_and_a_week_nobody_asked_about_is_missing(protocol: Protocol) -> None:
    assert value(protocol, "by-week", "00000000000000") == [0, 0]
    assert value(protocol, "by-week", "0000001.......") == [1, None]
