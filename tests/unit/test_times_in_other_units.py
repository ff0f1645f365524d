"""Times of a user's file in weeks, months or years become study days; keys that say nothing together are refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from equipoise.exchange.own_tables.convert import import_table
from equipoise.foundation.errors import RecordsError
from equipoise.records import Records

MAPPING = """\
equipoise-mapping: 1
protocol: small
tables:
  participants: [{file: data.csv, columns: {participant_id: id, consented: true}}]
  allocations: [{file: data.csv, columns: {participant_id: id, stage: 1, arm: arm}}]
  events:
    - file: data.csv
      columns:
        participant_id: id
        term: {value: death}
        day: DAY
        happened: {column: died, recode: {"1": true, "0": false}}
"""


def read(folder: Path, times: list[str], day: str, *, spans: bool = False) -> Records:
    rows = [f"{k},{'ab'[k % 2]},{time},{k % 2}" for k, time in enumerate(times, 1)]
    (folder / "data.csv").write_text("id,arm,time,died\n" + "\n".join(rows) + "\n", "utf-8")
    text = MAPPING.replace("DAY", day)
    if spans:
        text = text[: text.index("  events:")] + (
            "  daily_use: [{file: data.csv, spans: {participant_id: id, substance: {value: snus}, until: "
            f"{day}, event: {{column: died}}}}}}]\n"
        )
    (folder / "mapping.yaml").write_text(text, "utf-8")
    return import_table(folder / "mapping.yaml")


@pytest.mark.parametrize(
    ("day", "times", "expected"),
    [
        (
            "{column: time, counted-from: 0, times: 7}",
            ["0", "2", "3.5"],
            [1, 15, 26],
        ),  # 24.5 days: the 25th after day 1
        ("{column: time, counted-from: 1, times: 7}", ["1", "2", "4.0"], [1, 8, 22]),
        ("{column: time, counted-from: 0, times: 30.4375}", ["1", "1.37", "-1"], [31, 43, -30]),
        ("{column: time, counted-from: 0, times: 365.25}", ["1", "0.002", "2.5"], [366, 2, 914]),
        ("{column: time, counted-from: 0}", ["0", "2", "30.0"], [1, 3, 31]),
    ],
)
def test_a_time_in_another_unit_becomes_a_study_day(
    tmp_path: Path, day: str, times: list[str], expected: list[int]
) -> None:
    assert read(tmp_path, times, day)["events"]["day"].to_list() == expected


def test_a_span_may_be_in_weeks(tmp_path: Path) -> None:
    days = read(tmp_path, ["1", "0.5"], "{column: time, counted-from: 0, times: 7}", spans=True)["daily_use"]
    assert days.filter(participant_id="1")["day"].to_list() == list(range(1, 9))
    assert days.filter(participant_id="2")["day"].max() == 5  # 3.5 days: the 4th after day 1


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ("{date: time, times: 7}", "times says nothing beside date"),
        ("{date: time, counted-from: 0}", "counted-from says nothing beside date"),
        ('{value: 8, recode: {"8": "9"}}', "recode says nothing beside value"),
        ("{column: time, otherwise: 4}", "otherwise says nothing beside no recode"),
        ('{column: time, format: "%d.%m.%Y"}', "format says nothing beside column"),
    ],
)
def test_keys_that_say_nothing_together_are_refused(tmp_path: Path, day: str, said: str) -> None:
    with pytest.raises(RecordsError, match=said) as refused:
        read(tmp_path, ["1", "2"], day)
    assert "R103" in {problem.code for problem in refused.value.problems}


def test_a_part_of_a_day_without_a_unit_says_how_to_name_one(tmp_path: Path) -> None:
    with pytest.raises(RecordsError, match="times: with the days of the file's unit"):
        read(tmp_path, ["1.5", "2"], "{column: time, counted-from: 0}")
