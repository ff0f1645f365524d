"""A project goes out and comes in again as it was: of other people's cells, and of protocols with their records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.redcap.small_project import field, imported, write
from typer.testing import CliRunner

import equipoise
from equipoise.cli.main import app
from equipoise.exchange.bundled import bundled_records
from equipoise.exchange.own_tables.convert import import_table
from equipoise.exchange.redcap.export_project import export_again, export_protocol
from equipoise.exchange.redcap.import_project import import_project, write_import
from equipoise.exchange.redcap.write import files_in_folder
from equipoise.foundation.errors import RecordsError
from equipoise.records import Records
from equipoise.workflow.library import bundled_protocols, read_protocol

KEEP = {"identifiers": "keep", "free-text": "keep"}


def out_and_in(protocol: str, records: Records | None, folder: Path) -> None:
    read = read_protocol(protocol)
    export_protocol(read, records, folder / "out")
    data = next(iter((folder / "out").glob("data*.csv")), None)
    got = import_project(files_in_folder(folder / "out"), data)
    assert got.protocol_text == read.text
    if records is not None:
        assert got.records is not None
        assert got.records.data_hash == records.data_hash
        assert got.records.source == records.source
    write_import(got, folder / "in")
    export_again(folder / "in", folder / "again")
    for file in (folder / "out").iterdir():
        if not file.name.startswith("."):
            assert (folder / "again" / file.name).read_bytes() == file.read_bytes()


@pytest.mark.parametrize("name", sorted(bundled_protocols()))
def test_every_bundled_protocol_goes_out_and_comes_in(name: str, tmp_path: Path) -> None:
    out_and_in(name, None, tmp_path)


@pytest.mark.parametrize("name", ["ketamine-mbrp-cocaine", "ketamine-cocaine-crossover"])
def test_simulated_records_go_out_and_come_in_and_say_so(name: str, tmp_path: Path) -> None:
    out_and_in(name, equipoise.simulate(read_protocol(name), seed=11), tmp_path)
    said = json.loads((tmp_path / "out" / "project.json").read_text("utf-8"))
    assert said["project_title"].startswith("SIMULATED: ")
    head, first, *_ = (tmp_path / "out" / "data-simulated.csv").read_text("utf-8").splitlines()
    assert first.split(",")[head.split(",").index("simulated")] == "1"


def test_records_of_real_people_go_out_and_come_in(tmp_path: Path) -> None:
    mapping = bundled_records("smoking-cessation")
    assert mapping is not None
    out_and_in("smoking-cessation", import_table(mapping), tmp_path)
    assert (tmp_path / "out" / "data.csv").exists()


def test_records_of_another_protocol_are_refused(tmp_path: Path) -> None:
    records = equipoise.simulate(read_protocol("kare"), seed=1)
    with pytest.raises(RecordsError) as caught:
        export_protocol(read_protocol("xbot"), records, tmp_path / "out")
    assert [problem.code for problem in caught.value.problems] == ["R359"]
    assert not (tmp_path / "out").exists()


def test_a_formula_in_free_text_is_inert_outside_and_itself_inside(tmp_path: Path) -> None:
    fields = (field("said", "notes"), field("n", validation="integer"))
    data = 'id,said,n\n1,=1+1,-5\n2,-5,3\n3,"@SUM(1)\nb",\n'
    got = imported(tmp_path, *fields, data=data, answers=KEEP)
    write_import(got, tmp_path / "in")
    text = (tmp_path / "in" / "redcap" / "data.csv").read_text("utf-8")
    assert text == "id,said,n\n1,'=1+1,-5\n2,-5,3\n3,\"'@SUM(1)\nb\",\n"
    again = import_project(files_in_folder(tmp_path / "in" / "redcap"), tmp_path / "in" / "redcap" / "data.csv")
    assert again.data is not None
    assert again.data.frame["said"].to_list() == ["=1+1", "-5", "@SUM(1)\nb"]


CELL = st.text(st.characters(codec="utf-8", exclude_characters="\r\x00", exclude_categories=["Cs", "Cc"]), max_size=6)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.tuples(CELL, CELL, st.sampled_from(["", "0", "1"])), min_size=1, max_size=4))
def test_cells_survive(tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]]) -> None:
    import csv
    import io

    folder = tmp_path_factory.mktemp("cells")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["id", "a", "b", "box___1"])
    writer.writerows([(str(k), *row) for k, row in enumerate(rows, 1)])
    fields = (field("a", "notes"), field("b", label="Label, <b>bold</b>"), field("box", "checkbox", choices="1,x"))
    got = imported(folder, *fields, data=out.getvalue(), answers=KEEP)
    write_import(got, folder / "in")
    export_again(folder / "in", folder / "out")
    again = import_project(files_in_folder(folder / "out"), folder / "out" / "data.csv")
    assert got.data is not None
    assert again.data is not None
    assert again.data.frame["a"].to_list() == got.data.frame["a"].to_list() == [row[0] or None for row in rows]
    assert again.data.frame["b"].to_list() == [row[1] or None for row in rows]
    assert [one.cells for one in again.project.fields[:3]] == [one.cells for one in got.project.fields[:3]]


def test_the_command_writes_a_project_and_says_what_is_in_it(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["export", "redcap", "xbot", "--out", str(tmp_path / "o"), "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["events"] == 25
    missing = CliRunner().invoke(app, ["export", "redcap", "nosuch", "--out", str(tmp_path / "p")])
    assert missing.exit_code != 0
    wrong = write(tmp_path, "x.csv", "")
    assert CliRunner().invoke(app, ["export", str(wrong), "--to", "csv", "--out", str(tmp_path / "q")]).exit_code == 4
