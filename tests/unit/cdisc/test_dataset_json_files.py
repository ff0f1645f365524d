"""Dataset-JSON read: CDISC's own examples come in, and every fault of a file is named with its row and column."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from equipoise.cli.main import app
from equipoise.exchange.cdisc.read_dataset_json import read_dataset_json
from equipoise.foundation.errors import RecordsError

from .studies import SHARED

GIVEN = SHARED / "dataset-json"
shared = pytest.mark.skipif(not SHARED.exists(), reason="the folder of shared data is not beside this checkout")
FAULTS = {
    "bad-type.json": ("R613", "columns[2].dataType"),
    "extra-key.json": ("R613", "comment"),
    "key-gap.json": ("R617", "columns, keySequence"),
    "no-label.json": ("R613", "columns[2].label"),
    "not-a-number.json": ("R611", ""),
    "row-before-head.ndjson": ("R612", "first line"),
    "short-row.json": ("R619", "row 4"),
    "text-for-integer.json": ("R620", "row 1, column AGE"),
    "two-columns-one-name.json": ("R616", "columns, name"),
    "version.json": ("R614", "datasetJSONVersion"),
    "wrong-count.json": ("R615", "records"),
}


@shared
def test_the_examples_of_cdisc_come_in_with_all_their_rows() -> None:
    paths = [p for p in sorted((GIVEN / "valid").iterdir()) if p.suffix in (".json", ".ndjson")]
    assert len(paths) > 12
    for path in paths:
        read = read_dataset_json(path)
        assert read.frame.height == read.head["records"]
    one, two = (read_dataset_json(GIVEN / "valid" / f"sdtm-dm.{e}") for e in ("json", "ndjson"))
    assert one.frame.equals(two.frame)


@shared
@pytest.mark.parametrize("name", sorted(FAULTS))
def test_each_spoiled_example_is_refused_for_what_is_wrong_with_it(name: str) -> None:
    with pytest.raises(RecordsError) as error:
        read_dataset_json(GIVEN / "invalid" / name)
    assert [(p.code, p.place) for p in error.value.problems] == [FAULTS[name]]


def dataset(**changes: Any) -> dict[str, Any]:
    columns = [
        {"itemOID": "IT.X.ID", "name": "ID", "label": "Subject", "dataType": "string", "length": 4, "keySequence": 1},
        {"itemOID": "IT.X.N", "name": "N", "label": "Number", "dataType": "integer"},
        {"itemOID": "IT.X.ON", "name": "ON", "label": "Day", "dataType": "date"},
    ]
    said = {
        "datasetJSONCreationDateTime": "2027-03-09T12:00:00Z",
        "datasetJSONVersion": "1.1.0",
        "itemGroupOID": "IG.X",
        "records": 2,
        "name": "X",
        "label": "Something",
        "columns": columns,
        "rows": [["a", 1, "2027-03"], ["b", None, ""]],
    }
    return {**said, **changes}


def problems_of(value: Any, tmp_path: Path) -> list[tuple[str, str]]:
    path = tmp_path / "x.json"
    path.write_bytes(
        value if isinstance(value, bytes) else (value if isinstance(value, str) else json.dumps(value)).encode()
    )
    try:
        read_dataset_json(path)
    except RecordsError as error:
        return [(p.code, p.place) for p in error.problems]
    return []


def test_missing_is_null_or_an_empty_text(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(dataset()), "utf-8")
    assert read_dataset_json(path).frame.to_dicts() == [
        {"ID": "a", "N": 1, "ON": "2027-03"},
        {"ID": "b", "N": None, "ON": None},
    ]


def test_every_fault_of_a_file_is_told_at_once(tmp_path: Path) -> None:
    rows = [["a", 1.5, "2027-02-30"], [7, True, "yesterday"], ["\ud800", 2**70, "2027"]]
    found = problems_of(dataset(rows=rows, records=3), tmp_path)
    assert sorted(found, key=lambda one: one[1][::-1]) == sorted(
        [
            ("R620", "row 2, column ID"),
            ("R620", "row 3, column ID"),
            ("R620", "row 1, column N"),
            ("R620", "row 2, column N"),
            ("R620", "row 3, column N"),
            ("R620", "row 1, column ON"),
            ("R620", "row 2, column ON"),
        ],
        key=lambda one: one[1][::-1],
    )


CANNOT_STAND_FOR = {"itemOID": "I", "name": "N", "label": "L", "dataType": "string", "targetDataType": "integer"}


@pytest.mark.parametrize(
    ("value", "code"),
    [
        (b"", "R612"),
        (b"[]", "R612"),
        (b"{", "R611"),
        (b"\xef\xbb\xbf{}", "R611"),
        (b"\xff\xfe{\x00}\x00", "R611"),
        (b'{"a": 1, "a": 2}', "R611"),
        (b"\x00\x01\x02\xff", "R611"),
        (b"[" * 100_000, "R611"),
        (b'{"records": ' + b"9" * 5000 + b"}", "R611"),
        (dataset(name="../../etc"), "R623"),
        (dataset(rows={}), "R613"),
        (dataset(rows=[{}, 4]), "R619"),
        (dataset(records=True), "R613"),
        (dataset(columns=[4]), "R613"),
        (dataset(sourceSystem={"name": "x"}), "R613"),
        (dataset(datasetJSONCreationDateTime="today"), "R613"),
        (dataset(columns=[CANNOT_STAND_FOR], rows=[], records=0), "R618"),
    ],
)  # fmt: skip
def test_hostile_files_are_refused_with_a_code(value: Any, code: str, tmp_path: Path) -> None:
    assert code in {found for found, _ in problems_of(value, tmp_path)}


def test_an_infinite_number_is_no_number(tmp_path: Path) -> None:
    columns = [{"itemOID": "I", "name": "N", "label": "L", "dataType": "double"}]
    text = json.dumps(dataset(columns=columns, rows=[["here"]], records=1)).replace('"here"', "1e999")
    assert problems_of(text, tmp_path) == [("R620", "row 1, column N")]


def test_many_faults_of_a_kind_are_counted(tmp_path: Path) -> None:
    found = problems_of(dataset(rows=[["a", "x", None]] * 50, records=50), tmp_path)
    assert len(found) == 21
    assert ("R620", "column N") in found


def test_rows_of_one_key_and_long_texts_are_noted_and_come_in(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_text(json.dumps(dataset(rows=[["a", 1, None], ["a", 2, None], ["abcde", 3, None]], records=3)), "utf-8")
    assert [note.code for note in read_dataset_json(path).notes] == ["R622", "R621"]


def test_the_command_writes_tables_and_nothing_where_one_file_is_wrong(tmp_path: Path) -> None:
    for name, value in (("x", dataset(rows=[["=1+1", 1, None]], records=1)), ("y", dataset(name="Y", records=9))):
        (tmp_path / f"{name}.json").write_text(json.dumps(value), "utf-8")
    out = tmp_path / "out"
    both = ["import", "dataset-json", str(tmp_path / "x.json"), str(tmp_path / "y.json"), "--out", str(out)]
    assert CliRunner().invoke(app, both).exit_code == 4
    assert not out.exists()
    done = CliRunner().invoke(app, [*both[:3], *both[4:]])
    assert done.exit_code == 0, done.output
    assert (out / "x.csv").read_text("utf-8") == "ID,N,ON\n'=1+1,1,\n"
    assert (out / "columns.csv").read_text("utf-8").splitlines()[1] == "X,ID,Subject,string,4,1"
