"""ODM files in: what they hold becomes values, a protocol and records; every fault is named in its place."""

from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from odm_read_again import EXCHANGE, needs_schemas, values
from typer.testing import CliRunner

import equipoise
from equipoise.cli.main import app
from equipoise.exchange.odm.export_file import export_odm
from equipoise.exchange.odm.import_file import OdmImport
from equipoise.exchange.redcap.answers import answers_from
from equipoise.foundation.errors import RecordsError
from equipoise.protocol.read import read_protocol_text
from equipoise.workflow.library import read_protocol

ODM = EXCHANGE / "odm"
NS = 'xmlns="http://www.cdisc.org/ns/odm/v1.3"'
HEAD = f'<ODM {NS} FileOID="f" FileType="Snapshot" CreationDateTime="2026-01-01T00:00:00Z">'
STUDY = (Path(__file__).parent / "odm_small_study.xml").read_text("utf-8")  # one visit, one form, five items


def small(folder: Path, subjects: str, head: str = HEAD) -> Path:
    file = folder / "small.xml"
    file.write_text(f'{head}{STUDY}<ClinicalData StudyOID="S" MetaDataVersionOID="M">{subjects}</ClinicalData></ODM>')
    return file


def person(items: str, key: str = "P1") -> str:
    return (
        f'<SubjectData SubjectKey="{key}"><StudyEventData StudyEventOID="SE.1"><FormData FormOID="F.1">'
        f'<ItemGroupData ItemGroupOID="IG.1">{items}</ItemGroupData></FormData></StudyEventData></SubjectData>'
    )


def item(oid: str, value: str, change: str = "") -> str:
    return f'<ItemData ItemOID="{oid}" Value="{value}"{f" TransactionType={change!r}" if change else ""}/>'


def run(*given: object, code: int = 0) -> dict[str, Any]:
    found = CliRunner().invoke(app, ["import", "odm", *map(str, given), "--json"])
    assert found.exit_code == code, found.output
    return dict(json.loads(found.stdout))


@needs_schemas
@pytest.mark.parametrize(
    ("file", "code"),
    [
        *(("cut-off", "R373"), ("dangling-form", "R374"), ("entity", "R371"), ("two-definitions", "R375")),
        *(("unknown-datatype", "R376"), ("wrong-namespace", "R372"), ("openedc-clinicaldata-cut", "R379")),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_with_its_line_and_leaves_nothing(
    file: str, code: str, tmp_path: Path
) -> None:
    problems = run(ODM / "invalid" / f"{file}.xml", "--out", tmp_path / "o", code=4)["problems"]
    assert code in [one["code"] for one in problems]
    assert all(one["line"] for one in problems)
    assert list(tmp_path.iterdir()) == []


@needs_schemas
@pytest.mark.parametrize(
    ("file", "code"),
    [
        *(("missing-attribute", "R377"), ("wrong-order", "R378"), ("value-not-in-list", "R382")),
        ("odm2-demographics-race", "R380"),
    ],
)
def test_a_file_with_a_fault_that_can_be_named_is_read_and_the_fault_named(
    file: str, code: str, tmp_path: Path
) -> None:
    said = run(ODM / "invalid" / f"{file}.xml", "--out", tmp_path / "o")
    assert code in [one["code"] for one in (*said["notes"], *said["findings"])]


@needs_schemas
@pytest.mark.parametrize("file", sorted(path.name for path in (ODM / "valid").glob("*.xml")) if ODM.is_dir() else [])
def test_every_valid_file_is_read_and_gives_a_protocol_without_problems(file: str) -> None:
    read = OdmImport(ODM / "valid" / file)
    read_protocol_text(read.imported(None).protocol_text)
    again = [v for v in values(ODM / "valid" / file) if v["subject"]]
    assert (read.read.n_values if read.read else 0) == len(again)


@needs_schemas
def test_metadata_and_data_may_be_two_files_and_audit_records_may_stand_last() -> None:
    data = ODM / "invalid" / "openedc-clinicaldata-cut.xml"
    read = OdmImport(ODM / "valid" / "odm132-openedc-metadata.xml", data)
    assert read.read is not None
    assert read.read.n_values == len(values(data))
    assert [note.code for note in read.notes] == ["R374", "R378"]  # its users are not defined either


@needs_schemas
def test_changes_are_applied_in_their_order_and_a_missing_value_is_none() -> None:
    read = OdmImport(ODM / "valid" / "odm132-audit.xml")
    assert read.read is not None
    held = {(p[5], p[6], p[7]): v for p, v in read.read.values["01-001"].items()}
    assert held["IG.VS", "", "I.SYSBP"][0] == "128"  # 182 was a typing error
    assert held["IG.VS", "", "I.SYSBP"][2] == 2
    assert held["IG.UDS", "2", "I.RES"][0] is None
    assert read.read.n_signatures == 1


def test_what_was_removed_is_gone_and_what_was_said_twice_is_named(tmp_path: Path) -> None:
    gone = '<SubjectData SubjectKey="P2" TransactionType="Remove"/>'
    twice = person(item("I.DAYS", "3") + item("I.DAYS", "4"), "P3")
    removed = person(item("I.DAYS", "5", "Insert") + item("I.DAYS", "", "Remove"), "P4")
    updated = person(item("I.DAYS", "6", "Update"), "P5")
    file = small(tmp_path, person(item("I.DAYS", "1"), "P2") + gone + twice + removed + updated)
    read = OdmImport(file).read
    assert read is not None
    assert {key: [v[0] for v in held.values()] for key, held in read.values.items()} == {
        "P3": ["4"],
        "P4": [],
        "P5": ["6"],
    }
    assert [(code, seen.n) for code, _, seen in read.faults()] == [("R384", 2)]


def test_each_value_is_held_against_type_length_list_and_limits_and_a_free_text_is_not_shown(tmp_path: Path) -> None:
    items = item("I.DAYS", "many") + item("I.ARM", "C") + item("I.DATE", "2026-02-30") + item("I.WHY", "because")
    file = small(tmp_path, person(items) + person(item("I.DAYS", "31"), "P2"))
    found = {f.code: f for f in OdmImport(file).imported(None).findings if f.kind == "values"}
    assert {code: one.field for code, one in found.items()} == {
        "R380": "date",
        "R381": "why",
        "R382": "arm",
        "R383": "days",
    }
    assert found["R381"].text == "(left out)"
    assert found["R382"].text == "'C'"
    assert found["R383"].lines == (16,)


def test_nothing_is_guessed_and_with_answers_records_are_made(tmp_path: Path) -> None:
    people = [
        person(
            item("I.DAYS", str(k)) + item("I.ARM", arm) + item("I.DATE", f"2026-02-0{k}") + item("I.USED", used),
            f"P{k}",
        )
        for k, arm, used in ((1, "A|1", "true"), (2, "B", "0"))
    ]
    read = OdmImport(small(tmp_path, "".join(people)))
    asked = read.imported(None)
    assert asked.records is None
    assert {f.column for f in asked.findings if f.kind == "question"} == {"consented", "arm", "day-1", "days"}
    arm = {"field": "arm", "arms": {"B": "placebo", "A_1": "patch"}}
    said = {"consented": "all", "arm": arm, "day-1": "date", "visit-dates": {"use": "date"}, "days": {"1": 1}}
    event = read.project.events[0].unique
    said["days"] = {event: 1}
    imported = read.imported(answers_from(said, read.project))
    assert imported.records is not None
    assert imported.records["allocations"]["arm"].to_list() == ["patch", "placebo"]
    answers = imported.records["assessments"].sort("participant_id", "item")
    assert answers.select("item", "value").rows() == [("days", 1.0), ("used", 1.0), ("days", 2.0), ("used", 0.0)]
    assert [f.text for f in imported.findings if f.code == "R387"] == ["A|1"]  # a code written otherwise is named


def test_free_text_and_identifiers_stay_out_of_every_file_until_an_answer_keeps_them(tmp_path: Path) -> None:
    file = small(tmp_path, person(item("I.WHY", "=SUM(")))
    run(file, "--out", tmp_path / "a")
    assert "=SUM(" not in "".join(path.read_text() for path in (tmp_path / "a").rglob("*") if path.is_file())
    answers = tmp_path / "answers.yaml"
    answers.write_text("equipoise-odm-answers: 1\nfree-text: keep\n")
    run(file, "--answers", answers, "--out", tmp_path / "b")
    assert ",'=SUM(," in (tmp_path / "b" / "odm" / "values.csv").read_text()  # and no spreadsheet works it out


HOSTILE = {
    "empty": b"",
    "no xml": b"a,b\n1,2\n",
    "binary": bytes(range(256)) * 40,
    "nul bytes": b"<ODM>\x00</ODM>",
    "half": (HEAD + STUDY)[:700].encode(),
    "laughs": b'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "ha"><!ENTITY c "&b;&b;">]><a>&c;</a>',
    "outside": b'<!DOCTYPE a SYSTEM "file:///etc/passwd"><a/>',
    "utf-16 laughs": '<?xml version="1.0" encoding="UTF-16"?><!DOCTYPE a [<!ENTITY b "ha">]><a>&b;</a>'.encode(
        "utf-16"
    ),
    "deep": f"<ODM {NS}>".encode() + b"<a>" * 5000,
    "encoding unknown": b'<?xml version="1.0" encoding="klingon"?><ODM/>',
    "html": b"<html><body>not found</body></html>",
    "wrong latin": HEAD.encode() + "\u00fc".encode("latin-1") + b"</ODM>",
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_file_is_a_coded_problem_and_leaves_nothing(name: str, tmp_path: Path) -> None:
    file = tmp_path / "x.xml"
    file.write_bytes(HOSTILE[name])
    problems = run(file, "--out", tmp_path / "o", code=4)["problems"]
    assert [one["code"] for one in problems] == [
        "R371" if "laughs" in name or name == "outside" else problems[0]["code"]
    ]
    assert problems[0]["code"] in ("R371", "R372", "R373")
    assert [path.name for path in tmp_path.iterdir()] == ["x.xml"]


@pytest.mark.parametrize("encoding", ["utf-16", "latin-1", "utf-8-sig"])
def test_other_encodings_are_read(encoding: str, tmp_path: Path) -> None:
    said = f'<?xml version="1.0" encoding="{encoding.removesuffix("-sig")}"?>'
    file = tmp_path / "x.xml"
    why = item("I.WHY", "M\u00fcde")
    body = f'{said}{HEAD}{STUDY}<ClinicalData StudyOID="S" MetaDataVersionOID="M">{person(why)}</ClinicalData></ODM>'
    file.write_bytes(body.encode(encoding))
    read = OdmImport(file).read
    assert read is not None
    assert [v[0] for v in read.values["P1"].values()] == ["M\u00fcde"]


def test_our_own_file_comes_in_with_every_value_and_groups_in_themselves_end(tmp_path: Path) -> None:
    records = equipoise.simulate(read_protocol("ketamine-cocaine-crossover"), seed=3)
    for version in ("1.3.2", "2.0"):
        done = export_odm(read_protocol("ketamine-cocaine-crossover"), records, tmp_path / version, version=version)
        read = OdmImport(tmp_path / version / done.file)
        assert read.read is not None
        assert sum(map(len, read.read.values.values())) == done.values
        assert list(read.read.faults()) == []
        assert set(read.read.values) == set(records["participants"]["participant_id"])
    head = '<ODM xmlns="http://www.cdisc.org/ns/odm/v2.0" FileOID="f"><Study OID="S" StudyName="s" ProtocolName="p">'
    group = '<ItemGroupDef OID="G" Name="g" Repeating="No" Type="Form"><ItemGroupRef ItemGroupOID="G" Mandatory="No"/>'
    file = tmp_path / "circle.xml"
    file.write_text(f'{head}<MetaDataVersion OID="M" Name="m">{group}</ItemGroupDef></MetaDataVersion></Study></ODM>')
    assert OdmImport(file).project.title == "s"


def test_a_large_file_is_read_one_participant_at_a_time(tmp_path: Path) -> None:
    def peak(n: int) -> int:
        file = small(tmp_path, "".join(person(item("I.DAYS", "3") * 1 + " " * 2000, f"P{k}") for k in range(n)))
        tracemalloc.start()
        read = OdmImport(file)
        most = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert read.data is not None
        assert read.data.frame.height == n
        assert pl.DataFrame(read.data.frame)["days"].unique().to_list() == ["3"]
        return most

    assert peak(2000) < 12_000_000  # the file has more than 4 MB of text


def test_a_code_that_stands_twice_is_refused_and_people_not_defined_are_named(tmp_path: Path) -> None:
    file = small(tmp_path, person(item("I.DAYS", "1")))
    file.write_text(file.read_text().replace('CodedValue="A|1"', 'CodedValue="B"'))
    with pytest.raises(RecordsError) as refused:
        OdmImport(file)
    assert [p.code for p in refused.value.problems] == ["R375"]
    who = '<AuditRecord><UserRef UserOID="U.9"/><DateTimeStamp>2026-01-01T00:00:00Z</DateTimeStamp></AuditRecord>'
    stamped = f'<ItemData ItemOID="I.DAYS" Value="3">{who}</ItemData>'
    read = OdmImport(small(tmp_path, person(stamped)))
    assert [note.code for note in read.notes] == ["R374"]
    assert "'U.9'" in read.notes[0].found


def test_a_place_that_the_metadata_lack_is_refused_with_its_line(tmp_path: Path) -> None:
    file = small(tmp_path, person(item("I.NONE", "1")))
    with pytest.raises(RecordsError) as refused:
        OdmImport(file)
    assert [(p.code, p.line) for p in refused.value.problems] == [("R385", 16)]
