"""The multiverse on small data: which rows there are, whom they favour, what is marked, what is written."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest
from typer.testing import CliRunner

from equipoise.analysis.multiverse.definitions import find_source, library_endpoints, main_line, told_use
from equipoise.analysis.multiverse.universes import OWN_RULE, favoured
from equipoise.cli.main import app
from equipoise.endpoints.patterns.library import definitions
from equipoise.exchange.records_files import write_records
from equipoise.records import Records
from equipoise.reporting.context import Material
from equipoise.reporting.figures.specification_curve import axes_of, draw_specification_curve
from equipoise.reporting.trial_figures import survival_figures
from equipoise.workflow import analyse, read_protocol
from equipoise.workflow.multiverse import explore_multiverse, write_multiverse
from equipoise.workflow.verbs import get_records, run


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
    scale, unit = axes_of(found.universes)[0]
    rows = [row for row in found.universes if (row.scale, row.unit) == (scale, unit)]
    drawing = draw_specification_curve(rows, scale, arm=found.arm, reference=found.reference)
    assert "not independent tests" in drawing.svg(None)
    assert f"{sum(row.estimate is not None for row in rows)} analyses" in drawing.alt


def test_nothing_is_left_where_writing_fails(smoking, tmp_path, monkeypatch):
    import equipoise.reporting.figures.specification_curve as curve

    monkeypatch.setattr(curve, "draw_specification_curve", lambda *a, **k: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_multiverse(smoking[2], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_daily_and_two_pattern_definitions_stand_beside_those_over_weeks(smoking):
    _, _, found = smoking
    rows = {row.definition for row in found.universes if row.library}
    assert {"library-days-to-first-use", "library-ctn-composite-relapse", "library-rd-soyka-2008"} <= rows
    why = dict(found.not_applicable)
    assert "names none" in why["no-heavy-drinking-days"]
    assert "28 days before day 1" in why["use-days-halved"]


def test_no_rule_for_use_is_tried_on_who_stayed_in_contact(smoking):
    _, _, found = smoking
    for definition in ("library-days-retained", "library-dropped-out"):
        assert {row.rule for row in found.universes if row.definition == definition} == {OWN_RULE}


def test_definitions_are_counted_once_by_what_they_come_to(smoking):
    _, _, found = smoking
    counted = found.count_definitions()
    assert sum(kind["definitions"] for kind in counted.values()) == len({row.definition for row in found.universes})
    times = counted["time to event"]
    assert times[f"favours {found.arm}"] + times[f"favours {found.reference}"] <= times["definitions"]
    # A hazard ratio below one favours the experimental arm, of the library's times too.
    for row in found.universes:
        if row.kind == "time to event" and row.scale == "hazard_ratio" and row.estimate not in (None, 1.0):
            later_is_better = row.definition != "library-days-to-three-weeks-abstinent"
            assert (row.favours == found.arm) == ((row.estimate < 1) == later_is_better)


@pytest.mark.parametrize(
    ("protocol", "use", "days", "told"),
    [
        ("xbot", "non-study-opioid", (1, 168), "told-opioid"),
        ("start", "illicit-opioid", (2, 169), "illicit-opioid-told"),
        ("poats", "opioid-or-buprenorphine", (1, 84), "opioid-or-buprenorphine-told"),
        ("ketamine-mbrp-cocaine", "cocaine", (6, 33), "cocaine"),
    ],
)
def test_the_library_looks_at_the_use_and_the_weeks_of_the_main_analysis(protocol, use, days, told):
    read = read_protocol(protocol)
    source = find_source(read, main_line(read)[1])
    assert (source.use, (source.first, source.last)) == (use, days)
    assert told_use(read, source.use) == told
    endpoints, without = library_endpoints(read)
    assert len(endpoints) + len(without) == len(definitions())
    composite = endpoints.get("library-ctn-composite-relapse")
    if days[1] > 60:
        assert composite.beside["days"].use == told


def test_a_pattern_time_is_read_as_a_time_in_the_report():
    from equipoise.analysis.plan import planned_fits
    from equipoise.protocol.read import read_protocol_text

    read = read_protocol("smoking-cessation")
    text = read.text.replace(
        "\nestimands:\n",
        "\n  first-use:\n    kind: pattern\n    words: days to first use\n    use: smoking\n    cells: days\n"
        "    days: 1..183\n    definition: days-to-first-use\n    gives: time-to-event\n\nestimands:\n"
        "  first: {endpoint: first-use, treatments: triple v patch, summary: hazard-ratio}\n",
        1,
    ).replace("\nanalyses:\n", "\nanalyses:\n  first: {estimand: first, estimator: cox}\n", 1)
    changed = read_protocol_text(text)
    records = get_records(read, records=None, seed=None, scenario=None)
    assert [p.id for p in planned_fits(changed) if p.line == "first"] == ["first", "first.proportion"]
    results = analyse(changed, records)
    material = Material(changed, records, results)
    estimate = next(e for e in results.estimates if e.id == "first")
    assert estimate.scale == "hazard_ratio"
    assert not material.higher_favours_arm(estimate)
    assert "Time to first use" in [figure.caption for figure in survival_figures(material)]


def test_everything_made_from_a_data_cut_is_for_its_maker_alone(smoking, tmp_path):
    """A cut has an edition: results, report, endpoints and multiverse of it are as private as the cut itself."""
    protocol, records, found = smoking
    source = replace(records.source, details={**records.source.details, "edition": "unblinded"})
    cut = Records(records.tables, source)
    write_records(cut, tmp_path / "cut")
    run(protocol, out=tmp_path / "results", records=tmp_path / "cut", with_report=False)
    write_multiverse(replace(found, is_private=cut.source.is_private), tmp_path / "multiverse")
    done = CliRunner().invoke(
        app,
        ["endpoints", "apply", "smoking-cessation", str(tmp_path / "cut"), "--out", str(tmp_path / "endpoints.csv")],
    )
    assert done.exit_code == 0, done.output
    made = list(tmp_path.rglob("*"))
    assert len(made) > 12
    assert [path for path in made if path.stat().st_mode & 0o077] == []
    write_multiverse(found, tmp_path / "public")
    assert (tmp_path / "public").stat().st_mode & 0o077  # of published records others may read
