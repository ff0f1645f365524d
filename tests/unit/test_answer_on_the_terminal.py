"""`equipoise run` on the terminal: the answer first, on one screen of 80 columns; every row with --all."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from equipoise.cli.main import app
from equipoise.reporting import format as fmt

runner = CliRunner()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, list[dict[str, object]]]:
    out = tmp_path_factory.mktemp("run") / "out"
    command = ["run", "smoking-cessation", "--out", str(out), "--no-pdf", "--force"]
    short = runner.invoke(app, command, env={"COLUMNS": "80"}).stdout
    full = runner.invoke(app, [*command, "--all"], env={"COLUMNS": "200"}).stdout
    return short, full, json.loads((Path(out) / "results.json").read_text("utf-8"))["estimates"]


def test_the_answer_is_one_screen_of_80_columns_and_ends_with_the_report(run) -> None:
    short, _, _ = run
    lines = short.rstrip().splitlines()
    printed = [line for line in lines if not line.startswith("Report: ")]
    assert len(lines) <= 40
    assert max(map(len, printed)) <= 80
    assert lines[-1].startswith("Report: ")


def test_the_numbers_are_those_of_the_results(run) -> None:
    short, _, estimates = run
    relapse = next(e for e in estimates if e["id"] == "relapse")
    limits = fmt.Interval(relapse["estimate"], relapse["ci_lower"], relapse["ci_upper"], "hazard_ratio")
    assert f"HR {fmt.interval(limits)}" in short
    assert "52 (81%)" in short
    assert "37 (61%)" in short
    words = " ".join(short.split())
    assert "Relapse to smoking came later with triple combination; all 3 sensitivity analyses agree." in words


def test_every_row_is_printed_when_asked_for(run) -> None:
    short, full, estimates = run
    planned = [str(e["id"]) for e in estimates if "[" not in str(e["id"])]
    first_words = {line.split(" ")[0] for line in full.splitlines()}
    assert "relapse" in first_words
    assert len([id for id in planned if id in first_words]) > 5
    assert "more rows: --all" in short
    assert "more rows: --all" not in full


def test_a_simulated_trial_says_so_in_its_first_line(tmp_path: Path) -> None:
    command = ["run", "ketamine-mbrp-cocaine", "--seed", "7", "--out", str(tmp_path / "out"), "--no-pdf"]
    said = runner.invoke(app, command, env={"COLUMNS": "80"}).stdout
    assert said.startswith("SIMULATED  Fictional participants; no result here is evidence.")
    assert "imulated trial" in said
    assert max(len(line) for line in said.splitlines() if not line.startswith("Report: ")) <= 80
