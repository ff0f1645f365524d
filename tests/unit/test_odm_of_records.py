"""Protocols and records as ODM: valid, every value there once and equal to the records, the same bytes again."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest
from lxml import etree
from odm_read_again import findings, needs_schemas, values
from typer.testing import CliRunner

import equipoise
from equipoise.cli.main import app
from equipoise.exchange.odm.export_file import export_odm
from equipoise.exchange.odm.of_records import number_text
from equipoise.foundation.errors import OutputError, RecordsError, UsageError
from equipoise.records.records import DataSource, Records
from equipoise.records.schema import TABLES
from equipoise.workflow.library import bundled_protocols, read_protocol

VERSIONS = ("1.3.2", "2.0")
OF_REAL_DATA = ("poats", "smoking-cessation", "start", "xbot")
FLAGSHIP = "ketamine-mbrp-cocaine"


def number(value: float | None) -> str | None:
    return None if value is None else number_text(value)


def some(name: str, n: int = 4) -> Records:
    """The first few participants of a simulated trial."""
    records = equipoise.simulate(read_protocol(name), seed=11)
    ids = records["participants"]["participant_id"].sort()[:n].implode()
    return Records(
        {t: f.filter(pl.col("participant_id").is_in(ids)) for t, f in records.tables.items()}, records.source
    )


@needs_schemas
@pytest.mark.parametrize("name", bundled_protocols())
def test_every_bundled_protocol_goes_out_valid_with_its_records_in_both_versions(name: str, tmp_path: Path) -> None:
    records = None if name in OF_REAL_DATA else some(name, 2)
    told = []
    for version in VERSIONS:
        done = export_odm(read_protocol(name), records, tmp_path / version, version=version)
        file = tmp_path / version / done.file
        assert findings(file) == []
        again = values(file)
        assert done.values == len(again)
        assert (done.values > 100) == (records is not None)
        told.append([{**one, "form": ""} for one in again])
        assert ("simulated" in done.file) == (records is not None)
        assert ("SIMULATED" in file.read_text("utf-8")) == (records is not None)
    assert told[0] == told[1]  # the same values in the same places, whatever the version


def test_values_read_again_are_those_of_the_records_and_counts_add_up(tmp_path: Path) -> None:
    records = some(FLAGSHIP)
    done = export_odm(read_protocol(FLAGSHIP), records, tmp_path / "o", version="1.3.2")
    again = values(tmp_path / "o" / done.file)
    expected: set[tuple[str | None, ...]] = set()
    for name, frame in records.tables.items():
        if name == "assessments":
            for row in frame.iter_rows(named=True):
                event = f"SE.VISIT.{row['visit']}"
                item = f"IT.assessments.{row['instrument']}.item.{row['item']}"
                expected.add((row["participant_id"], event, item, "", number(row["value"])))
                expected.add(
                    (row["participant_id"], event, f"IT.assessments.{row['instrument']}.day", "", str(row["day"]))
                )
            continue
        seen: dict[tuple[str, str | None], int] = {}
        for row in frame.sort([c for c in TABLES[name].key if c in frame.columns]).iter_rows(named=True):
            visit = row.get("visit") if name in ("visits", "urine") else None
            place = (row["participant_id"], visit)
            seen[place] = seen.get(place, 0) + 1
            event = f"SE.VISIT.{visit}" if visit is not None else "SE.TRIAL"
            repeat = str(seen[place]) if name not in ("participants", "visits") else ""
            for column, value in row.items():
                if value is None or column == "participant_id" or (column == "visit" and visit is not None):
                    continue
                text = {True: "true", False: "false"}[value] if isinstance(value, bool) else value
                text = number_text(text) if isinstance(text, float) else str(text)
                expected.add((row["participant_id"], event, f"IT.{name}.{column}", repeat, text))
    found = {(one["subject"], one["event"], one["item"], one["group_repeat"] or "", one["value"]) for one in again}
    assert found == expected
    assert len(again) == len(found) == done.values  # one element a value


def test_an_item_without_an_answer_says_so_and_a_contact_besides_the_schedule_has_an_event(tmp_path: Path) -> None:
    records = some(FLAGSHIP, 1)
    answers = (
        records["assessments"]
        .head(3)
        .with_columns(value=pl.Series([1.0, None, 0.5]), visit=pl.Series(["admission", "admission", "walk-in"]))
    )
    made = Records({**records.tables, "assessments": answers}, records.source)
    for version in VERSIONS:
        done = export_odm(read_protocol(FLAGSHIP), made, tmp_path / version, version=version)
        again = [v for v in values(tmp_path / version / done.file) if v["item"].startswith("IT.assessments.")]
        assert [(v["value"], v["is_null"]) for v in again if ".item." in v["item"]].count((None, True)) == 1
        besides = {v["event_repeat"] for v in again if v["event"] == "SE.OTHER"}
        assert besides == {"walk-in"}


def test_ranges_codes_units_conditions_and_blinding_are_in_the_metadata(tmp_path: Path) -> None:
    protocol = read_protocol(FLAGSHIP)
    for version in VERSIONS:
        done = export_odm(protocol, None, tmp_path / version, version=version)
        root = etree.parse(str(tmp_path / version / done.file)).getroot()
        items = {node.get("OID"): node for node in root.iter("{*}ItemDef")}
        systolic = items["IT.vitals.systolic"]
        assert [(c.get("Comparator"), c.findtext("{*}CheckValue")) for c in systolic.iter("{*}RangeCheck")] == [
            ("GE", "30"),
            ("LE", "300"),
        ]
        codes = {node.get("OID"): [c.get("CodedValue") for c in node] for node in root.iter("{*}CodeList")}
        result = items["IT.urine.result"].find("{*}CodeListRef").get("CodeListOID")
        assert codes[result] == ["positive", "negative", "not_evaluable", "missed", "not_expected"]
        blinding = {
            n.getparent().get("OID"): n.get("Name") for n in root.iter("{*}Alias") if "blinding" in n.get("Context")
        }
        assert blinding["IG.vitals"] == "quarantined"
        events = [node.get("OID") for node in root.iter("{*}StudyEventDef")]
        assert events == ["SE.TRIAL", *(f"SE.VISIT.{v.name}" for v in protocol.planned_visits), "SE.OTHER"]
        if version == "2.0":
            assert len(root.findall(".//{*}Arm")) == 2
            known = [*(protocol.model.eligibility.include or {}), *(protocol.model.eligibility.exclude or {})]
            assert len(root.findall(".//{*}Criterion")) == len(known) > 2


def test_the_same_records_give_the_same_bytes_and_the_command_says_simulated(tmp_path: Path) -> None:
    records = equipoise.simulate(read_protocol("ketamine-met-alcohol"), seed=3)
    equipoise.write_records(records, tmp_path / "r")
    for out in ("one", "two"):
        given = ["export", "odm", "ketamine-met-alcohol", str(tmp_path / "r"), "--out", str(tmp_path / out), "--json"]
        found = CliRunner().invoke(app, given)
        assert found.exit_code == 0, found.output
        said = json.loads(found.stdout)
        assert said["simulated"]
        assert said["file"] == "odm-simulated.xml"
    one, two = ((tmp_path / out / "odm-simulated.xml").read_bytes() for out in ("one", "two"))
    assert one == two
    assert b"1970-01-01T00:00:00Z" in one


def test_what_cannot_go_out_is_refused_with_its_code(tmp_path: Path) -> None:
    protocol, records = read_protocol(FLAGSHIP), some(FLAGSHIP, 1)

    def code(error: type[Exception], records: Records | None, version: str = "1.3.2") -> str:
        with pytest.raises(error) as refused:
            export_odm(protocol, records, tmp_path / "o", version=version)
        assert not (tmp_path / "o").exists()
        return str(refused.value.problems[0].code)  # type: ignore[attr-defined]

    assert code(UsageError, None, "1.2") == "U097"
    other = DataSource("imported", "", "kare", "x")
    assert code(RecordsError, Records(records.tables, other)) == "R370"
    people = records["participants"].with_columns(replicate=pl.lit(1))
    assert code(RecordsError, Records({"participants": people}, records.source)) == "R370"
    people = records["participants"].with_columns(site=pl.lit("a\x01b"))
    assert code(OutputError, Records({**records.tables, "participants": people}, records.source)) == "O081"
    given = ["export", "odm", FLAGSHIP, "--at", "2027-01-01T00:00:00Z", "--out", str(tmp_path / "o"), "--json"]
    found = CliRunner().invoke(app, given)
    assert found.exit_code == 2
    assert json.loads(found.stdout)["problems"][0]["code"] == "U098"


def test_signs_that_xml_writes_otherwise_come_back_as_they_were(tmp_path: Path) -> None:
    records = some(FLAGSHIP, 1)
    text = "a<b> & \"c\" 'd'\ttab\nline\rreturn \u00fc \U0001f642"
    people = records["participants"].with_columns(site=pl.lit(text))
    made = Records({**records.tables, "participants": people}, records.source)
    for version in VERSIONS:
        done = export_odm(read_protocol(FLAGSHIP), made, tmp_path / version, version=version)
        again = values(tmp_path / version / done.file)
        assert [v["value"] for v in again if v["item"] == "IT.participants.site"] == [text]


def test_numbers_keep_every_digit_without_an_exponent() -> None:
    numbers = (1.0, -0.0, 0.1 + 0.2, 1e-7, 12.5)
    assert [number_text(v) for v in numbers] == ["1", "0", "0.30000000000000004", "0.0000001", "12.5"]
    assert "e" not in number_text(1.5e300)
    assert float(number_text(1.5e300)) == 1.5e300


def test_an_export_that_is_stopped_in_the_middle_leaves_nothing(tmp_path: Path) -> None:
    def stop(text: str) -> None:
        assert [path.name for path in tmp_path.iterdir() if not path.name.startswith(".")] == []
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_odm(read_protocol(FLAGSHIP), some(FLAGSHIP, 3), tmp_path / "o", version="1.3.2", told=stop)
    assert list(tmp_path.iterdir()) == []
