"""The worked example of docs/redcap.md runs as it is printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import polars as pl
import pytest
from typer.testing import CliRunner

from equipoise.cli.main import app
from equipoise.exchange.records_files import read_records
from equipoise.workflow.checks import check_protocol

PAGE = (Path(__file__).resolve().parents[2] / "docs" / "redcap.md").read_text(encoding="utf-8")


def test_the_example_as_printed_makes_a_protocol_and_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name, text in re.findall(r"`([\w-]+\.(?:csv|yaml))`:\n\n```(?:csv|yaml)\n(.*?)```", PAGE, re.S):
        Path(name).write_text(text, encoding="utf-8")
    command = re.search(r"```\n(equipoise import redcap [^`]*--answers[^`]*)```", PAGE)
    assert command is not None
    result = CliRunner().invoke(app, shlex.split(command[1].replace("\\\n", " "))[1:])
    assert result.exit_code == 0, result.output
    (said,) = re.findall(r"among other things:\n\n```text\n(.*?)```", PAGE, re.S)
    for line in said.splitlines():
        assert line in result.stdout

    assert check_protocol("quit-pilot/protocol.yaml").problems == ()
    protocol = Path("quit-pilot/protocol.yaml").read_text("utf-8")
    (conditions,) = re.findall(r"asked-when:\n(.*?)```", PAGE, re.S)
    for line in conditions.splitlines():
        assert line.strip() in protocol
    records = read_records("quit-pilot/records")
    assert records["participants"].select("participant_id", "age").rows() == [("1", 45.0), ("2", 34.0)]
    assert records["allocations"]["arm"].to_list() == ["patch", "placebo"]
    weeks = records["visits"].filter(pl.col("visit").str.starts_with("week"))
    assert weeks["day"].to_list() == [8, 15, 8, 16]
    days = records["assessments"].filter(pl.col("item") == "days")
    assert days.select("participant_id", "visit", "value").rows() == [("1", "week-1", 3.0), ("2", "week-2", 2.0)]
    assert "1980-05-01" not in "".join(path.read_text("utf-8") for path in Path("quit-pilot").rglob("*.csv"))
