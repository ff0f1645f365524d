"""The commands `equipoise evidence`: what they print, their exit codes, their files."""

from __future__ import annotations

import json

from typer.testing import CliRunner

from equipoise.cli.main import app

run = CliRunner().invoke


def test_check_prints_findings_and_is_strict_on_request():
    done = run(app, ["evidence", "check", "all"])
    assert done.exit_code == 0
    assert "No count of 27 participants gives 48.2%" in done.output
    assert "Reconciled by: 15 of 26 alone" in done.output
    assert run(app, ["evidence", "check", "all", "--strict"]).exit_code == 11


def test_check_as_json_is_one_object():
    found = json.loads(run(app, ["evidence", "check", "all", "--json"]).output)
    assert found["ok"]
    assert found["alarms"] == sum(
        f["severity"] in ("impossible", "contradiction", "misworded") for f in found["findings"]
    )


def test_a_file_that_is_not_there_has_its_code(tmp_path):
    done = run(app, ["evidence", "check", str(tmp_path / "no.csv"), "--json"])
    assert done.exit_code == 11
    assert json.loads(done.output)["problems"][0]["code"] == "E010"


def test_synthesise_says_side_by_side_or_pools():
    rows = [part for id in ("C1", "A4", "H07", "H97") for part in ("--row", id)]
    done = run(app, ["evidence", "synthesise", "all", *rows])
    assert done.exit_code == 0
    assert "they are not pooled" in done.output
    pooled = json.loads(run(app, ["evidence", "synthesise", "all", *rows, "--pool", "--json"]).output)
    assert round(pooled["common_effect"]["estimate"], 2) == 5.23
    assert len(pooled["leave_one_out"]) == 4
    assert run(app, ["evidence", "synthesise", "all"]).exit_code == 11
