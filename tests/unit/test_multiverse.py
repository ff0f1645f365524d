"""The multiverse on small data: which rows there are, whom they favour, what is marked, what is written."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest

from equipoise.cli.main import app
from equipoise.reporting.figures.specification_curve import draw_specification_curve, scales_of
from equipoise.workflow import analyse, read_protocol
from equipoise.workflow.multiverse import OWN_RULE, explore_multiverse, favoured, write_multiverse
from equipoise.workflow.verbs import get_records


@pytest.fixture(scope="module")
def smoking():
    protocol = read_protocol("smoking-cessation")
    records = get_records(protocol, records=None, seed=None, scenario=None)
    return protocol, records, explore_multiverse(protocol, records, sets=2)


def test_a_planned_row_gives_the_number_of_the_plan(smoking):
    protocol, records, found = smoking
    planned = {e.id: e for e in analyse(protocol, records).estimates}
    rows = [row for row in found.universes if row.planned and row.rule == OWN_RULE]
    assert {row.planned for row in rows} >= {"relapse", "abstinence-six-months", "abstinence-ratio"}
    for row in rows:
        if row.planned in ("abstinence-difference", "abstinence-ratio"):
            continue  # the plan names an interval for these; the estimate is the same
        assert row.estimate == pytest.approx(planned[row.planned].estimate, rel=1e-12)


def test_every_row_favours_an_arm_or_has_no_effect(smoking):
    _, _, found = smoking
    for row in found.universes:
        assert row.favours in (found.arm, found.reference, None)
        assert (row.favours is None) == (row.estimate in (None, 0.0, 1.0)) or row.estimate in (0.0, 1.0)
    count = found.count()
    assert count["rows"] == len(found.universes)
    assert count[f"favours {found.arm}"] + count[f"favours {found.reference}"] <= count["with_an_estimate"]


def test_direction_is_read_from_the_endpoint(smoking):
    protocol, _, found = smoking
    hazard = next(row for row in found.universes if row.planned == "relapse")
    odds = next(row for row in found.universes if row.planned == "abstinence-six-months")
    assert hazard.favours == (found.arm if hazard.estimate < 1 else found.reference)
    assert odds.favours == (found.arm if odds.estimate > 1 else found.reference)
    estimate = next(e for e in analyse(*smoking[:2]).estimates if e.id == "relapse")
    estimand = protocol.model.estimands["relapse-hazard"]
    assert favoured(protocol, estimand, replace(estimate, estimate=1.0)) is None


def test_the_command_writes_a_table_and_a_curve_and_says_the_caution(smoking, tmp_path):
    from typer.testing import CliRunner

    from equipoise.exchange.records_files import write_records

    write_records(smoking[1], tmp_path / "records")
    out = tmp_path / "out"
    said = CliRunner().invoke(
        app, ["multiverse", "smoking-cessation", str(tmp_path / "records"), "--out", str(out), "--sets", "2"]
    )
    assert said.exit_code == 0, said.output
    assert "not independent tests" in said.output
    body = json.loads((out / "multiverse.json").read_text("utf-8"))
    with (out / "multiverse.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(body["universes"]) == body["count"]["rows"]
    assert "not independent tests" in body["caution"]
    assert any(path.suffix == ".svg" for path in out.iterdir())


def test_effects_on_the_curve_rise_from_left_to_right(smoking):
    _, _, found = smoking
    scale = scales_of(found.universes)[0]
    rows = [row for row in found.universes if row.scale == scale]
    drawing = draw_specification_curve(rows, scale, arm=found.arm, reference=found.reference)
    assert "not independent tests" in drawing.svg(None)
    assert f"{sum(row.estimate is not None for row in rows)} analyses" in drawing.alt


def test_nothing_is_left_where_writing_fails(smoking, tmp_path, monkeypatch):
    import equipoise.reporting.figures.specification_curve as curve

    monkeypatch.setattr(curve, "draw_specification_curve", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_multiverse(smoking[2], tmp_path / "out")
    assert not (tmp_path / "out").exists()
