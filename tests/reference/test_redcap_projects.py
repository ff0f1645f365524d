"""REDCap projects of others: truth cases of the logic, what must be reported, results stored by REDCap recomputed."""

from __future__ import annotations

import csv
import json
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from equipoise.conduct.rules.conditions import check_conditions
from equipoise.exchange.redcap.answers import answers_from
from equipoise.exchange.redcap.data import EVENT, GROUP, INSTANCE, INSTRUMENT, LINE, RECORD, RedcapData
from equipoise.exchange.redcap.evaluate import column_of, differences, of_values
from equipoise.exchange.redcap.export_project import export_again
from equipoise.exchange.redcap.fields import COLUMNS, FIELD_TYPES, RedcapField
from equipoise.exchange.redcap.functions import RuleContext, text, truth
from equipoise.exchange.redcap.import_project import ImportedProject, import_project, write_import
from equipoise.exchange.redcap.logic import stored_number
from equipoise.exchange.redcap.logic_text import LogicFault, parse_logic
from equipoise.exchange.redcap.project import RedcapEvent, RedcapProject, Repeats
from equipoise.exchange.redcap.project_files import ProjectFiles, read_project
from equipoise.exchange.redcap.rules import bound
from equipoise.exchange.redcap.write import files_in_folder
from equipoise.workflow.checks import check_protocol

# Of each project: fields, rows of data, rules read, rules and fields not translated. Written down once.
COUNTS = {
    "checkboxes-1": (4, 4, 0, 0),
    "dag": (15, 3, 2, 0),
    "decimal-comma-and-dot": (8, 4, 2, 0),
    "empty-rows": (16, 0, 2, 1),
    "file-repo": (5, 2, 0, 1),
    "longitudinal": (95, 18, 4, 1),
    "multilevel-model-1": (15, 220, 0, 0),
    "nonnumeric-record-id": (2, 3, 0, 0),
    "potentially-problematic-dictionary": (6, 0, 0, 0),
    "repeating-instruments": (11, 6, 0, 0),
    "russian-a": (85, None, 60, 1),
    "simple": (16, 5, 1, 1),
    "sud-trial": (40, 48, 15, 5),
    "validation-types-a": (32, 1, 1, 3),
}


def files_of(folder: Path) -> ProjectFiles:
    there = {
        name: path if (path := folder / name).exists() else None
        for name in ("arms.csv", "events.csv", "event-instruments.csv", "repeating.csv", "project.json")
    }
    return ProjectFiles(folder / "dictionary.csv", *there.values())


def project_of(folder: Path, **answers: Any) -> ImportedProject:
    data = folder / "data.csv"
    return import_project(files_of(folder), data if data.exists() else None, lambda p: answers_from(answers, p))


@pytest.mark.parametrize("name", COUNTS)
def test_a_project_comes_in(name: str, shared_data: Path, tmp_path: Path) -> None:
    got = project_of(shared_data / "exchange" / "redcap" / name, consented="all")
    refused = [one for one in got.findings if one.kind == "not translated"]
    rows = got.data.frame.height if got.data is not None else None
    assert (len(got.project.fields), rows, len(got.rules), len(refused)) == COUNTS[name]
    write_import(got, tmp_path / "out")
    report = check_protocol(tmp_path / "out" / "protocol.yaml")
    assert report.problems == ()
    assert report.protocol is not None
    assert list(check_conditions(report.protocol)) == []


def test_the_report_names_what_was_expected(shared_data: Path) -> None:
    folder = shared_data / "exchange" / "redcap" / "sud-trial"
    expected = json.loads((folder / "expected.json").read_text("utf-8"))
    got = project_of(folder)
    told = {(one.field, one.column) for one in got.findings if one.kind == "not translated"}
    assert told == {(one["field"], one["column"]) for one in expected["untranslatable"]}
    assert {one["field"] for one in expected["caution"]} <= {one.field for one in got.findings if one.kind == "caution"}
    assert [one.name for one in got.project.fields if one.is_identifier] == expected["identifiers"]
    assert dict(got.project.missing_codes) == expected["missing_codes"]


@pytest.mark.parametrize("name", ["sud-trial", "simple", "longitudinal", "decimal-comma-and-dot"])
def test_results_that_redcap_stored_come_out_of_the_rules(name: str, shared_data: Path) -> None:
    got = project_of(shared_data / "exchange" / "redcap" / name)
    assert got.data is not None
    around = RuleContext(got.project.missing)
    held = [rule for rule in got.rules if rule.kind != "shown" and not rule.is_of_today]
    assert sum(got.data.frame[rule.field.name].drop_nulls().len() for rule in held) > 0
    assert all(differences(got.data, rule, around).height == 0 for rule in held)
    assert of_values(got.data, list(got.rules), around)[0] == []


def test_labels_hold_the_same_data_as_codes(shared_data: Path) -> None:
    folder = shared_data / "exchange" / "redcap" / "sud-trial"
    raw = project_of(folder).data
    labels = import_project(files_of(folder), folder / "data-labels.csv").data
    assert raw is not None
    assert labels is not None
    assert labels.as_labels
    assert raw.frame.drop(LINE).equals(labels.frame.drop(LINE).select(raw.frame.drop(LINE).columns))


def _field(name: str, form: str, kind: str) -> RedcapField:
    cells = dict.fromkeys(COLUMNS, "") | {"field_name": name, "form_name": form, "field_type": "text"}
    if kind in FIELD_TYPES:
        cells["field_type"] = kind
    else:
        cells["text_validation_type_or_show_slider_number"] = kind
    if kind == "checkbox":
        cells["select_choices_or_calculations"] = "1, a | 2, b | 5, c | -1, d | oth, e"
    return RedcapField(tuple(cells.values()))


def _row(fields: list[RedcapField], values: dict[str, Any], event: str, form: str, instance: int) -> dict[str, Any]:
    out: dict[str, Any] = {RECORD: "1", EVENT: event, INSTRUMENT: form, INSTANCE: instance, GROUP: "", LINE: 2}
    for one in fields[1:]:
        given = values.get(one.name) or []
        if one.type == "checkbox":
            ticked = dict(zip(one.columns, (code in given for code, _ in one.choices), strict=True))
            out |= {column: str(int(is_ticked)) for column, is_ticked in ticked.items()}
        else:
            out[one.name] = given or None
    return out


def outcome(case: dict[str, Any]) -> Any:
    """What a truth case comes to, by the same way as data of a project."""
    instances, here = case.get("instances", {}), case.get("event", "")
    fields = [_field("record_id", "f", "text")]
    fields += [_field(name, "again" if name in instances else "f", kind) for name, kind in case["fields"].items()]
    codes = tuple((code, code) for code in case.get("missing_codes", ()))
    project = RedcapProject(
        tuple(fields),
        arms=(("1", "Arm 1"),),
        events=tuple(RedcapEvent(name, name, "1") for name in case.get("event_order", ())),
        repeats=(Repeats("", "again"),) if instances else (),
        missing_codes=codes,
    )
    rows = [_row(fields, case["values"], here, "", 0)]
    rows += [_row(fields, values, event, "", 0) for event, values in case.get("events", {}).items()]
    for k in range(max(map(len, instances.values()), default=0)):
        rows.append(_row(fields, {name: held[k] for name, held in instances.items()}, here, "again", k + 1))
    schema = {name: pl.Int64 if name in (INSTANCE, LINE) else pl.String for name in rows[0]}
    data = RedcapData(project, pl.DataFrame(rows, schema=schema), (), "case")
    at = data.frame.filter(pl.col(INSTANCE) == case.get("current-instance", 0)).head(1)
    today = datetime.fromisoformat(case["today"]) if "today" in case else None
    finish, dtype = {
        "branching": (truth, pl.Boolean),
        "calc": (stored_number, pl.Float64),
        "calctext": (text, pl.String),
    }[case["kind"]]
    try:
        tree = bound(parse_logic(case["expression"]), project)
    except LogicFault:
        return "refuse"
    return column_of(data, tree, at, RuleContext(project.missing, today), finish, dtype)[0]


def test_every_truth_case_of_the_logic(shared_data: Path) -> None:
    cases = json.loads((shared_data / "exchange" / "redcap" / "logic-cases.json").read_text("utf-8"))["cases"]
    wrong = {case["id"]: outcome(case) for case in cases if outcome(case) != pytest.approx(case["expected"])}
    assert len(cases) == 40
    assert wrong == {}


@pytest.mark.parametrize("name", COUNTS)
def test_a_project_goes_out_as_it_came_in(name: str, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "exchange" / "redcap" / name
    got = project_of(folder, identifiers="keep", **{"free-text": "keep"})
    write_import(got, tmp_path / "in")
    export_again(tmp_path / "in", tmp_path / "out")
    again, _ = read_project(files_in_folder(tmp_path / "out"))
    first, _ = read_project(files_of(folder))
    for before, after in zip(first.fields, again.fields, strict=True):
        cells = zip(COLUMNS, before.cells, after.cells, strict=True)
        assert [c for c, one, two in cells if one != two and c != "select_choices_or_calculations"] == []
        assert before.choices == after.choices
    assert (first.arms, first.events, first.mapping, first.missing_codes) == (
        (again.arms, again.events, again.mapping, again.missing_codes)
    )
    if got.data is not None and got.data.frame.height:
        with (folder / "data.csv").open(encoding="utf-8-sig", newline="") as one:
            before_rows = list(csv.reader(one))
        with (tmp_path / "out" / "data.csv").open(encoding="utf-8", newline="") as two:
            assert list(csv.reader(two)) == before_rows
