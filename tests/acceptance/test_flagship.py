"""The flagship, simulated: from its protocol file to its report."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

import equipoise
from equipoise.analysis.estimate import RESULT_KEYS
from equipoise.records.schema import TABLES
from equipoise.workflow.verbs import Run


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return equipoise.run("ketamine-mbrp-cocaine", seed=20190624, out=tmp_path_factory.mktemp("flagship") / "out")


def test_every_table_of_records_is_filled(run: Run) -> None:
    empty = [name for name in TABLES if run.records[name].height == 0]
    assert empty == ["events"]  # outcomes that are not use: this trial asks for none


def test_the_arms_have_the_published_sizes(run: Run) -> None:
    counts = dict(run.records["allocations"]["arm"].value_counts().iter_rows())
    assert counts == {"ketamine": 27, "midazolam": 28}


def test_every_line_of_the_plan_has_an_estimate_with_its_estimand(run: Run) -> None:
    lines = {row.details["line"] for row in run.results.estimates}
    assert lines == set(run.protocol.model.analyses)
    for row in run.results.estimates:
        assert row.estimand in run.protocol.model.estimands
        assert row.endpoint in run.protocol.model.endpoints
        if row.scale.endswith("_ratio"):
            assert row.arm
            assert row.reference
        if row.estimate is None:
            assert row.scale == "test" or row.warnings, row.id


def test_use_over_time_is_the_odds_of_use_on_midazolam(run: Run) -> None:
    row = run.results["use-over-time"]
    assert (row.arm, row.reference, row.event, row.scale) == ("midazolam", "ketamine", "use", "odds_ratio")


def test_results_files_have_the_published_keys_and_unrounded_values(run: Run) -> None:
    told = json.loads((run.folder / "results.json").read_text("utf-8"))
    assert set(told) == {
        *("data", "simulated", "provenance", "estimates"),
        *("flow", "missed_visits", "tables", "figures", "answer"),
    }
    assert all(tuple(row)[: len(RESULT_KEYS)] == RESULT_KEYS for row in told["estimates"])
    assert {key for row in told["estimates"] for key in row} - set(RESULT_KEYS) <= {
        *("tipping_point", "warning_counts", "method", "details"),
    }
    with (run.folder / "results.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert tuple(rows[0]) == (*RESULT_KEYS, "simulated")
    for row, estimate in zip(rows, run.results.estimates, strict=True):
        assert row["id"] == estimate.id
        assert (float(row["estimate"]) if row["estimate"] else None) == estimate.estimate


def test_the_report_says_simulated_and_explains_the_conflict_in_the_paper(run: Run) -> None:
    text = (run.folder / "report.html").read_text("utf-8")
    assert "SIMULATED" in text
    assert run.protocol.hash[:12] in text
    assert "do not come from one proportional-hazards model" in text
    assert (run.folder / "report.pdf").read_bytes().startswith(b"%PDF")


def test_the_same_seed_gives_the_same_bytes(run: Run, tmp_path: Path) -> None:
    again = equipoise.run("ketamine-mbrp-cocaine", seed=20190624, out=tmp_path / "again")
    for name in ("results.json", "results.csv", "report.html", "report.pdf"):
        assert (again.folder / name).read_bytes() == (run.folder / name).read_bytes(), name


def test_records_written_and_read_again_give_the_same_results(run: Run, tmp_path: Path) -> None:
    again = equipoise.run("ketamine-mbrp-cocaine", records=run.folder / "records", out=tmp_path / "again")
    assert again.results.provenance.data_hash == run.results.provenance.data_hash
    assert [e.as_row() for e in again.results.estimates] == [e.as_row() for e in run.results.estimates]
    assert again.records.is_simulated
