"""The worked example of docs/import-your-own.md runs as it is printed."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl

from equipoise.exchange.own_tables.convert import import_table

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "import-your-own.md").read_text(encoding="utf-8")


def test_the_example_as_printed_makes_records(tmp_path: Path) -> None:
    tables = re.findall(r"`(\w+\.csv)`:[^\n]*\n\n```csv\n(.*?)```", PAGE, re.S)
    assert [name for name, _ in tables] == ["people.csv", "urine.csv", "visits.csv", "calls.csv", "times.csv"]
    for name, text in tables:
        (tmp_path / name).write_text(text, encoding="utf-8")
    (mapping,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.S)
    (tmp_path / "mapping.yaml").write_text(mapping, encoding="utf-8")
    records = import_table(tmp_path / "mapping.yaml")
    assert records["participants"]["participant_id"].to_list() == ["P1", "P2", "P3"]
    assert records["urine"]["result"].to_list().count("missed") == 1
    assert records["visits"]["state"].to_list().count("missed") == 1
    assert records["visits"].filter(pl.col("visit") == "week-2")["day"].to_list() == [16, None, 15]
    spans = records["daily_use"].filter(pl.col("substance") == "snus").sort("participant_id", "day")
    drawn = [
        f"{who}          {' '.join('+' if used else '-' for used in rows['used'])}"
        for (who,), rows in spans.group_by("participant_id", maintain_order=True)
    ]
    assert "\n".join(drawn) in PAGE
    calls = records["daily_use"].filter(pl.col("substance") == "tobacco")
    assert calls["day"].to_list() == [-1, 1, 2]
