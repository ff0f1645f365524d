"""Records written to a folder are the records read from it, and what is wrong in a folder is told with its line."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from equipoise.exchange.records_files import read_records, write_records
from equipoise.foundation.errors import OutputError, Problem, RecordsError
from equipoise.records import DataSource, Records
from equipoise.records.check import check_records
from equipoise.records.trial_facts import TrialFacts, facts_of
from equipoise.workflow.library import read_protocol
from equipoise.workflow.verbs import import_records, simulate

SOURCE = DataSource("simulated", "made for a test", "trial", "hash", {"seed": 7})
TABLES = {
    "participants": {
        "participant_id": ["P2", "P1", "P3"],
        "site": ["a, b", None, 'the "site"'],
        "consented": [True, True, False],
        "eligible": [True, True, None],
        "age": [30, 41, None],
        "weight": [70.5, 1 / 3, None],
        "smokes": [True, False, None],
        "note": ["first\nsecond", "", "ü"],
    },
    "allocations": {"participant_id": ["P1", "P2"], "stage": [1, 1], "day": [1, 1], "arm": ["active", "control"]},
    "visits": {
        "participant_id": ["P1", "P1", "P2"],
        "visit": ["week-1", "week-2", "week-1"],
        "target_day": [8, 15, 8],
        "day": [9, None, 8],
        "state": ["attended", "missed", "attended"],
    },
    "urine": {
        "participant_id": ["P1", "P2", "P2"],
        "day": [9, 8, -3],
        "substance": ["cocaine"] * 3,
        "result": ["positive", "negative", "not_evaluable"],
    },
    "daily_use": {
        "participant_id": ["P1", "P1", "P2"],
        "day": [1, 2, 1],
        "substance": ["cocaine"] * 3,
        "asked": [True, True, False],
        "used": [True, False, None],
        "amount": [0.5, None, None],
        "unit": ["g", None, None],
    },
    "assessments": {
        "participant_id": ["P1"],
        "visit": ["week-1"],
        "day": [9],
        "instrument": ["craving"],
        "item": ["score"],
        "value": [55.0],
    },
    "sessions": {
        "participant_id": ["P1", "P2"],
        "intervention": ["therapy"] * 2,
        "session": [1, 1],
        "day": [3, None],
        "delivered": [True, False],
        "fidelity": [0.9, None],
    },
    "adverse_events": {
        "participant_id": ["P1"],
        "event": [1],
        "term": ["headache"],
        "onset_day": [2],
        "end_day": [4],
        "severity": ["mild"],
        "serious": [False],
    },
    "vitals": {
        "participant_id": ["P1"],
        "intervention": ["infusion"],
        "day": [2],
        "minute": [0.0],
        "systolic": [120.0],
    },
    "exposure": {"participant_id": ["P1"], "intervention": ["infusion"], "day": [2], "delivered_mg": [35.0]},
    "disposition": {"participant_id": ["P2"], "event": ["completion"], "day": [15]},
}


def records(**truth: pl.DataFrame) -> Records:
    return Records({name: pl.DataFrame(columns) for name, columns in TABLES.items()}, SOURCE, truth)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_records(records(), tmp_path / "records")


def tables_of(value: Records) -> dict[str, list[dict[str, object]]]:
    """Rows as values, empty text as nothing, in a fixed order."""
    out = {}
    for name, frame in value.tables.items():
        rows = [{c: None if v == "" else v for c, v in row.items()} for row in frame.iter_rows(named=True)]
        out[name] = sorted(rows, key=repr)
    return out


def problems_of(folder: Path) -> tuple[Problem, ...]:
    with pytest.raises(RecordsError) as error:
        read_records(folder)
    return error.value.problems


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_records_read_from_a_folder_are_the_records_written(tmp_path: Path, form: str) -> None:
    truth = pl.DataFrame({"participant_id": ["P1"], "day": [1], "used": [True], "level": [0.25]})
    notes: list[Problem] = []
    written = records(use=truth)
    folder = write_records(written, tmp_path / "r", tables_as=form)  # type: ignore[arg-type]
    again = read_records(folder, notes=notes)
    assert tables_of(again) == tables_of(written)
    assert {n: f.schema for n, f in again.tables.items()} == {n: f.schema for n, f in written.tables.items()}
    assert again.source == SOURCE
    assert again.truth["use"].equals(truth)
    assert notes == []
    assert json.loads((folder / "records.json").read_text())["data_hash"] == again.data_hash


def test_the_same_records_give_the_same_bytes_whatever_the_order_of_rows(tmp_path: Path) -> None:
    one = write_records(records(), tmp_path / "one")
    shuffled = Records({n: pl.DataFrame(c).reverse() for n, c in TABLES.items()}, SOURCE)
    two = write_records(shuffled, tmp_path / "two")
    for path in one.iterdir():
        assert path.read_bytes() == (two / path.name).read_bytes(), path.name


def test_tables_without_rows_have_no_file_and_truth_lies_apart(tmp_path: Path) -> None:
    only = Records({"participants": pl.DataFrame(TABLES["participants"])}, SOURCE, {"use": pl.DataFrame({"day": [1]})})
    folder = write_records(only, tmp_path / "r")
    names = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    assert names == [".equipoise.json", "participants.csv", "records.json", "truth/use.csv"]


def test_replicates_keep_their_key(tmp_path: Path) -> None:
    many = Records(
        {
            "participants": pl.DataFrame(
                {"replicate": [0, 1], "participant_id": ["P1", "P1"], "consented": [True, True]}
            ),
            "urine": pl.DataFrame(
                {
                    "replicate": [0, 1],
                    "participant_id": ["P1", "P1"],
                    "day": [1, 1],
                    "substance": ["x", "x"],
                    "result": ["positive", "negative"],
                }
            ),
        },
        SOURCE,
    )
    again = read_records(write_records(many, tmp_path / "r"))
    assert again.has_replicates
    assert again.replicate(1)["urine"]["result"].to_list() == ["negative"]


def test_a_table_edited_by_hand_is_read_and_noted(folder: Path) -> None:
    path = folder / "urine.csv"
    path.write_text(path.read_text().replace("positive", "negative"))
    notes: list[Problem] = []
    again = read_records(folder, notes=notes)
    assert [(n.code, n.place) for n in notes] == [("R071", "urine.csv")]
    assert again.source.details["edited_files"] == ["urine.csv"]
    # and the note survives writing the records again
    second = read_records(write_records(again, folder.parent / "again"))
    assert second.source.details["edited_files"] == ["urine.csv"]


def test_a_spreadsheets_way_of_writing_is_understood(folder: Path) -> None:
    text = (folder / "participants.csv").read_text().replace("true", "TRUE").replace("false", "FALSE")
    (folder / "participants.csv").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    assert read_records(folder)["participants"]["consented"].to_list() == [True, True, False]


def test_a_parquet_table_may_stand_instead_of_the_csv(folder: Path) -> None:
    table = pl.read_csv(folder / "urine.csv")
    table.write_parquet(folder / "urine.parquet")
    (folder / "urine.csv").unlink()
    assert read_records(folder)["urine"].height == 3


def test_dates_cannot_be_written_and_are_named(tmp_path: Path) -> None:
    from datetime import date

    dated = Records(
        {"participants": pl.DataFrame({"participant_id": ["P1"], "consented": [True], "born": [date(1990, 1, 1)]})},
        SOURCE,
    )
    with pytest.raises(RecordsError) as error:
        write_records(dated, tmp_path / "r")
    assert [p.code for p in error.value.problems] == ["R022"]
    assert list(tmp_path.iterdir()) == []


def test_existing_records_are_not_overwritten_unless_force_is_said(folder: Path) -> None:
    with pytest.raises(OutputError):
        write_records(records(), folder)
    write_records(records(), folder, force=True)


def replace_in(file: str, old: str, new: str) -> Callable[[Path], None]:
    def change(folder: Path) -> None:
        text = (folder / file).read_text()
        assert old in text, f"{old!r} is not in {file}: {text}"
        (folder / file).write_text(text.replace(old, new, 1))

    return change


def append(file: str, text: str) -> Callable[[Path], None]:
    """A row more, which says of itself that it is simulated, as all rows here do."""
    first, _, last = text.rpartition(",")
    return lambda folder: (folder / file).write_text((folder / file).read_text() + f"{first},true,{last}\n") and None


def bytes_of(file: str, raw: bytes) -> Callable[[Path], None]:
    return lambda folder: (folder / file).write_bytes(raw) and None


def manifest(change: Callable[[dict], object]) -> Callable[[Path], None]:
    def apply(folder: Path) -> None:
        value = json.loads((folder / "records.json").read_text())
        change(value)
        (folder / "records.json").write_text(json.dumps(value))

    return apply


def new_file(file: str, text: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).write_text(text) and None


def remove(file: str) -> Callable[[Path], None]:
    return lambda folder: (folder / file).unlink()


URINE = "participant_id,visit,day,substance,result\n"
BROKEN: dict[str, tuple[Callable[[Path], None], str, int | None]] = {
    # the folder and its manifest
    "no manifest": (remove("records.json"), "R011", None),
    "manifest cut short": (bytes_of("records.json", b'{"equipoise_records": 1,\n'), "R012", 2),
    "manifest empty": (bytes_of("records.json", b""), "R012", 1),
    "manifest not text": (bytes_of("records.json", b"\xff\xfe\x00"), "R012", None),
    "manifest a list": (bytes_of("records.json", b"[]"), "R012", None),
    "manifest of something else": (bytes_of("records.json", b'{"name": "package"}'), "R012", None),
    "manifest nested without end": (bytes_of("records.json", b"[" * 100_000), "R012", None),
    "manifest of a later format": (manifest(lambda m: m.update(equipoise_records=99)), "R013", None),
    "manifest without source": (manifest(lambda m: m.pop("source")), "R012", None),
    "manifest without origin": (manifest(lambda m: m["source"].pop("origin")), "R012", None),
    "manifest with unknown origin": (manifest(lambda m: m["source"].update(origin="invented")), "R012", None),
    "manifest with a number for a text": (manifest(lambda m: m["source"].update(protocol=7)), "R012", None),
    "manifest without details": (manifest(lambda m: m["source"].update(details=None)), "R012", None),
    "manifest without tables": (manifest(lambda m: m.pop("tables")), "R012", None),
    "manifest with tables as list": (manifest(lambda m: m.update(tables=[])), "R012", None),
    "manifest with truth as text": (manifest(lambda m: m.update(truth="yes")), "R012", None),
    "manifest names an unknown table": (manifest(lambda m: m["tables"].update(urin={})), "R001", None),
    "manifest names a table as a text": (manifest(lambda m: m["tables"].update(urine="x")), "R012", None),
    "manifest without file of a table": (manifest(lambda m: m["tables"]["urine"].pop("file")), "R012", None),
    "manifest names a file outside": (
        manifest(lambda m: m["tables"]["urine"].update(file="../../etc/passwd")),
        "R012",
        None,
    ),
    "manifest names an absolute file": (
        manifest(lambda m: m["tables"]["urine"].update(file="/etc/passwd")),
        "R012",
        None,
    ),
    "manifest with an unknown type": (
        manifest(lambda m: m["tables"]["participants"]["columns"].update(age="integer")),
        "R012",
        None,
    ),
    "manifest with a list for a type": (
        manifest(lambda m: m["tables"]["participants"]["columns"].update(age=[])),
        "R012",
        None,
    ),
    "table not there": (remove("urine.csv"), "R015", None),
    "two files for a table": (new_file("urine.parquet", "x"), "R003", None),
    "a table of another name": (new_file("urinee.csv", "a,b\n"), "R001", None),
    # the form of a file
    "not UTF-8": (bytes_of("urine.csv", URINE.encode() + b"P1,,1,caf\xe9,positive\n"), "R016", 2),
    "UTF-16": (bytes_of("urine.csv", URINE.encode("utf-16")), "R016", 1),
    "NUL bytes": (bytes_of("urine.csv", URINE.encode() + b"P1,,1,\x00,positive\n"), "R018", 2),
    "empty file": (bytes_of("urine.csv", b""), "R019", 1),
    "blank first line": (bytes_of("urine.csv", b"\n" + URINE.encode()), "R019", 1),
    "too many cells": (append("urine.csv", "P1,,1,cocaine,positive,extra"), "R017", 5),
    "too few cells": (append("urine.csv", "P1,,1"), "R017", 5),
    "quote not closed": (append("urine.csv", 'P1,,1,"cocaine,positive'), "R018", None),
    "column twice": (replace_in("urine.csv", "participant_id,visit", "day,visit"), "R021", 1),
    "column without a name": (replace_in("urine.csv", "participant_id,visit", "participant_id,"), "R019", 1),
    "Parquet that is not": (
        lambda f: (f / "urine.csv").rename(f / "urine.parquet") and None,
        "R018",
        None,
    ),
    # columns
    "unknown column": (replace_in("urine.csv", "visit", "vist"), "R002", 1),
    "required column absent": (replace_in("urine.csv", "result", "outcome"), "R020", 1),
    "participant_id absent": (replace_in("visits.csv", "participant_id", "subject"), "R020", 1),
    # cells
    "day not a number": (replace_in("urine.csv", "P1,,9", "P1,,nine"), "R030", 2),
    "day with a fraction": (replace_in("urine.csv", "P1,,9", "P1,,9.5"), "R030", 2),
    "day beyond 64 bits": (replace_in("urine.csv", "P1,,9", "P1,,99999999999999999999"), "R030", 2),
    "day empty": (replace_in("urine.csv", "P1,,9", "P1,,"), "R033", 2),
    "day zero": (replace_in("urine.csv", "P1,,9", "P1,,0"), "R037", 2),
    "result unknown": (replace_in("urine.csv", "positive", "pos"), "R034", 2),
    "result empty": (replace_in("urine.csv", "cocaine,true,positive", "cocaine,true,"), "R033", 2),
    "state unknown": (replace_in("visits.csv", "missed", "absent"), "R034", 3),
    "true/false unknown": (replace_in("participants.csv", "P1,,,true", "P1,,,maybe"), "R032", 2),
    "consent empty": (replace_in("participants.csv", "P1,,,true", "P1,,,"), "R033", 2),
    "extra column of another type": (replace_in("participants.csv", ",41,", ",old,"), "R030", 2),
    "extra number not finite": (replace_in("participants.csv", "70.5", "inf"), "R036", 3),
    "value not a number": (replace_in("assessments.csv", "55.0", "high"), "R031", 2),
    "value not finite": (replace_in("assessments.csv", "55.0", "NaN"), "R036", 2),
    "value infinite": (replace_in("assessments.csv", "55.0", "inf"), "R036", 2),
    "pressure too high": (replace_in("vitals.csv", "120.0", "1200"), "R035", 2),
    "pressure too low": (replace_in("vitals.csv", "120.0", "12"), "R035", 2),
    "dose negative": (replace_in("exposure.csv", "35.0", "-35"), "R035", 2),
    "fidelity above one": (replace_in("sessions.csv", "0.9", "90"), "R035", 2),
    "severity unknown": (replace_in("adverse_events.csv", "mild", "slight"), "R034", 2),
    "event unknown": (replace_in("disposition.csv", "completion", "finished"), "R034", 2),
    "stage zero": (replace_in("allocations.csv", "P1,1,", "P1,0,"), "R035", 2),
    # rows
    "two rows for one participant": (append("participants.csv", "P1,,,true,true,,50,,,"), "R040", None),
    "two rows for one sample": (append("urine.csv", "P1,,9,cocaine,negative"), "R040", 5),
    "two rows for one visit": (append("visits.csv", "P1,week-1,8,10,attended"), "R040", 5),
    "two rows for one item": (append("assessments.csv", "P1,week-1,9,craving,score,60"), "R040", 3),
    "two rows for one dose": (append("exposure.csv", "P1,infusion,2,,35,,,,"), "R040", 3),
    "unknown participant": (append("urine.csv", "P9,,9,cocaine,negative"), "R041", 5),
    "unknown participant allocated": (append("allocations.csv", "P77,1,1,,active,"), "R041", 4),
    "allocated without consent": (append("allocations.csv", "P3,1,1,,active,"), "R042", 4),
    "arm empty among others": (append("allocations.csv", "P3,1,1,,,"), "R048", 4),
    "stage left out": (append("allocations.csv", "P1,3,90,,active,"), "R046", 4),
    "attended without a day": (replace_in("visits.csv", "8,9,true,attended", "8,,true,attended"), "R043", 2),
    "missed with a day": (replace_in("visits.csv", "15,,true,missed", "15,15,true,missed"), "R043", 3),
    "delivered without a day": (replace_in("sessions.csv", ",3,true", ",,true"), "R043", 2),
    "use not asked about": (replace_in("daily_use.csv", "P2,1,cocaine,false,,", "P2,1,cocaine,false,true,"), "R044", 4),
    "asked without an answer": (replace_in("daily_use.csv", "true,false", "true,"), "R044", 3),
    "event ends before it begins": (replace_in("adverse_events.csv", ",4,mild", ",1,mild"), "R045", 2),
    "mixed units": (append("daily_use.csv", "P2,2,cocaine,true,true,300,mg"), "R054", 5),
    "amount without a unit": (append("daily_use.csv", "P2,2,cocaine,true,true,1,"), "R054", 5),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_folder_gives_its_named_error_with_the_line(name: str, folder: Path) -> None:
    change, code, line = BROKEN[name]
    change(folder)
    found = problems_of(folder)
    fits = [p for p in found if p.code == code and (line is None or p.line == line)]
    assert fits, "\n".join(p.render() for p in found)
    for problem in found:
        assert problem.file
        assert problem.found
        assert problem.render()


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    assert [p.code for p in problems_of(tmp_path / "nowhere")] == ["R010"]
    (tmp_path / "file").write_text("")
    assert [p.code for p in problems_of(tmp_path / "file")] == ["R010"]


def test_all_problems_of_all_tables_are_told_at_once(folder: Path) -> None:
    for name in ("day zero", "state unknown", "pressure too high", "unknown participant allocated"):
        BROKEN[name][0](folder)
    assert {p.code for p in problems_of(folder)} == {"R037", "R034", "R035", "R041"}


def test_a_table_that_cannot_be_read_is_not_drowned_by_its_consequences(folder: Path) -> None:
    participants = folder / "participants.csv"
    participants.write_bytes(participants.read_text("utf-8").encode("utf-16"))
    with pytest.raises(RecordsError) as caught:
        read_records(folder)
    # without this rule every row of every other table would name a participant who "is not in the table"
    assert [problem.code for problem in caught.value.problems] == ["R016"]


def test_a_fault_in_every_row_is_shown_twenty_times_and_then_counted(folder: Path) -> None:
    rows = "".join(f"P1,,{day},cocaine,maybe\n" for day in range(1, 101))
    (folder / "urine.csv").write_text(URINE + rows)
    found = problems_of(folder)
    assert len(found) == 21
    assert "80 more rows" in found[0].found or "80 more rows" in found[-1].found


def test_a_line_is_right_below_a_cell_with_line_breaks(folder: Path) -> None:
    text = (folder / "participants.csv").read_text()
    (folder / "participants.csv").write_text(text + "P4,,,perhaps,,,,,,,\n")
    (problem,) = problems_of(folder)
    assert problem.code == "R032"
    # the cell of P2 holds a line break: five rows, six lines and the header
    assert problem.line == text.count("\n") + 1


FACTS = TrialFacts(
    arms=("control", "active"),
    last_day=20,
    visits=("week-1", "week-2"),
    uses={"cocaine": ("cocaine",)},
    interventions=("infusion", "therapy"),
    instruments=("craving",),
    other_substances=(),
)
UNFIT: dict[str, tuple[dict[str, dict[str, list]], TrialFacts, str]] = {
    "unknown arm": (
        {"allocations": {"participant_id": ["P1", "P2"], "stage": [1, 1], "arm": ["activ", "control"]}},
        FACTS,
        "R050",
    ),
    "arm with nobody": (
        {},
        TrialFacts(arms=("control", "active", "third")),
        "R055",
    ),
    "one arm only": (
        {"allocations": {"participant_id": ["P1", "P2"], "stage": [1, 1], "arm": ["active"] * 2}},
        FACTS,
        "R056",
    ),
    "nobody allocated": ({"allocations": {"participant_id": [], "stage": [], "arm": []}}, FACTS, "R058"),
    "nobody there": ({name: {c: [] for c in columns} for name, columns in TABLES.items()}, FACTS, "R058"),
    "day after the calendar": ({}, TrialFacts(last_day=10), "R051"),
    "day before the calendar": ({}, TrialFacts(first_day=-2), "R051"),
    "unknown substance": ({}, TrialFacts(uses={"h": ("heroin",)}, other_substances=()), "R052"),
    "missed visit the protocol does not have": ({}, TrialFacts(visits=("week-1",)), "R053"),
    "unknown intervention": ({}, TrialFacts(interventions=("therapy",)), "R059"),
    "unknown instrument": ({}, TrialFacts(instruments=("pss-10",)), "R060"),
    "no result for what the endpoint needs": ({}, TrialFacts(uses={"heroin": ("heroin",)}), "R057"),
    "all urine missed and nobody asked": (
        {
            "urine": {"participant_id": ["P1"], "day": [1], "substance": ["cocaine"], "result": ["missed"]},
            "daily_use": {"participant_id": ["P1"], "day": [1], "substance": ["cocaine"], "asked": [False]},
        },
        FACTS,
        "R057",
    ),
    "all scores empty": (
        {
            "assessments": {
                "participant_id": ["P1"],
                "visit": ["week-1"],
                "instrument": ["craving"],
                "item": ["score"],
                "value": [None],
            }
        },
        FACTS,
        "R057",
    ),
    "all visits missed": (
        {"visits": {"participant_id": ["P1"], "visit": ["week-1"], "target_day": [8], "state": ["missed"]}},
        FACTS,
        "R057",
    ),
}


@pytest.mark.parametrize("name", UNFIT)
def test_records_that_do_not_fit_the_trial_give_their_named_error(name: str) -> None:
    changed, facts, code = UNFIT[name]
    value = Records({n: pl.DataFrame(c) for n, c in {**TABLES, **changed}.items()}, SOURCE)
    assert code in {p.code for p in check_records(value, facts)}


def test_an_endpoint_that_counts_visits_needs_rows_that_say_who_came() -> None:
    # Without them nothing was due, and people who left after day 8 would be abstinent for want of a missed visit.
    counting = replace(FACTS, counted={"weekly": ("week-7", "week-8")})
    assert [p.code for p in check_records(records(), counting)] == ["R061"]
    protocol = read_protocol("ketamine-mbrp-cocaine")
    assert "clinic-visit" in facts_of(protocol).counted
    simulated = simulate(protocol, seed=3)
    assert check_records(simulated, facts_of(protocol)) == []
    empty = {name: simulated[name].clear() for name in ("visits", "urine", "assessments", "daily_use")}
    without = Records({**simulated.tables, **empty}, simulated.source)
    assert "R061" in {p.code for p in check_records(without, facts_of(protocol))}
    # A sample or a score of a visit says that it was kept.
    without = Records({**simulated.tables, "visits": simulated["visits"].clear()}, simulated.source)
    assert check_records(without, facts_of(protocol)) == []


def test_sound_records_that_fit_have_no_problem() -> None:
    assert check_records(records(), FACTS) == []


def test_blinded_records_are_not_blamed_for_arms_nobody_may_see() -> None:
    blind = {**TABLES, "allocations": {"participant_id": ["P1", "P2"], "stage": [1, 1], "arm": [None, None]}}
    value = Records({n: pl.DataFrame(c) for n, c in blind.items()}, SOURCE)
    assert check_records(value, FACTS) == []


def test_the_hash_in_the_manifest_is_that_of_the_file(folder: Path) -> None:
    entry = json.loads((folder / "records.json").read_text())["tables"]["urine"]
    assert entry["sha256"] == hashlib.sha256((folder / "urine.csv").read_bytes()).hexdigest()
    assert entry["rows"] == 3


# What each row says of its origin


@pytest.mark.parametrize("form", ["csv", "parquet"])
@pytest.mark.parametrize("origin", ["simulated", "imported"])
def test_every_table_that_leaves_says_of_each_row_whether_it_is_simulated(
    tmp_path: Path, form: str, origin: str
) -> None:
    made = replace(
        records(days=pl.DataFrame({"participant_id": ["P1"], "use": [0.5]})), source=replace(SOURCE, origin=origin)
    )
    write_records(made, tmp_path / "r", tables_as=form)
    files = [*(tmp_path / "r").rglob(f"*.{form}")]
    assert len(files) == len(TABLES) + 1
    for file in files:
        frame = pl.read_csv(file) if form == "csv" else pl.read_parquet(file)
        assert frame.columns[-2] == "simulated"  # lines begin and end as before
        assert frame["simulated"].unique().to_list() == [origin == "simulated"]
    back = read_records(tmp_path / "r")
    assert back.data_hash == json.loads((tmp_path / "r" / "records.json").read_text("utf-8"))["data_hash"]
    assert all("simulated" not in table.columns for table in (*back.tables.values(), *back.truth.values()))


def test_a_folder_from_before_the_column_is_read(folder: Path) -> None:
    before = read_records(folder)
    for file in folder.rglob("*.csv"):
        pl.read_csv(file, infer_schema=False).drop("simulated").write_csv(file)
    assert read_records(folder).data_hash == before.data_hash


def test_simulated_rows_are_not_taken_for_real_ones(folder: Path) -> None:
    manifest = json.loads((folder / "records.json").read_text("utf-8"))
    manifest["source"]["origin"] = "imported"
    (folder / "records.json").write_text(json.dumps(manifest), "utf-8")
    with pytest.raises(RecordsError) as caught:
        read_records(folder)
    found = [problem for problem in caught.value.problems if problem.code == "R023"]
    assert len(found) == len(caught.value.problems) == len([*folder.rglob("*.csv")])
    assert all(problem.line is not None for problem in found)


def test_one_real_row_among_simulated_ones_is_named_by_its_line(folder: Path) -> None:
    file = folder / "visits.csv"
    lines = file.read_text("utf-8").splitlines()
    lines[2] = lines[2].replace(",true,", ",FALSE,")
    lines[3] = lines[3].replace(",true,", ",,")  # a row added by hand, which says nothing
    file.write_text("\n".join(lines) + "\n", "utf-8")
    with pytest.raises(RecordsError) as caught:
        read_records(folder)
    (problem,) = caught.value.problems
    assert (problem.code, problem.line) == ("R023", 3)
    assert "One row says simulated: false" in problem.found


def test_a_column_of_that_name_of_ones_own_is_refused(tmp_path: Path) -> None:
    tables = records().tables
    own = {**tables, "participants": tables["participants"].with_columns(simulated=pl.lit("perhaps"))}
    with pytest.raises(RecordsError, match="R024"):
        write_records(Records(own, SOURCE), tmp_path / "r")
    assert not (tmp_path / "r").exists()


@pytest.mark.parametrize("said", ["", "origin: simulated\n"])
def test_a_mapping_cannot_make_simulated_tables_real(folder: Path, said: str) -> None:
    mapping = (
        f"equipoise-mapping: 1\nprotocol: trial\n{said}tables:\n  participants:\n    - file: participants.csv\n"
        "      columns: {participant_id: participant_id, consented: consented}\n"
    )
    (folder / "mapping.yaml").write_text(mapping, "utf-8")
    if said:
        assert import_records("table", folder / "mapping.yaml").is_simulated
        return
    with pytest.raises(RecordsError, match="R023"):
        import_records("table", folder / "mapping.yaml")


def test_lines_begin_and_end_as_the_records_do(folder: Path) -> None:
    """Scripts edit and read such files by the beginnings and ends of their lines."""
    assert re.findall("^P2,.*,negative$", (folder / "urine.csv").read_text(), re.MULTILINE)
    replace_in("urine.csv", ",negative\n", ",positive\n")(folder)
    notes: list[Problem] = []
    read_records(folder, notes=notes)
    assert [note.code for note in notes] == ["R071"]
