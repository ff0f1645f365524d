"""A user's own tables become records by a mapping file, and everything wrong with either is told with its line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from equipoise.exchange.own_tables.convert import import_table
from equipoise.foundation.errors import Problem, RecordsError

PEOPLE = """id,group,born,quit_on,sex,kg
1,A,1980,2024-03-01,m,70
2,B,1990,2024-03-04,f,60
3,A,1975,2024-03-02,f,
"""
URINE = """id,week1,week2
1,neg,pos
2,pos,
3,neg,-
"""
CALLS = """person,called_on,cigarettes,who_asked
1,2024-02-29,10,nurse
1,2024-03-01,0,nurse
2,2024-03-05,2,nurse
3,2024-03-09,1,robot
"""
TIMES = """id,days,relapsed
1,0,yes
2,2,yes
3,3,no
"""
MAPPING = """equipoise-mapping: 1
protocol: quit
description: three people, made up
participant-prefix: P
anchor: {file: people.csv, participant: id, date: quit_on, study-day: 1}
tables:
  participants:
    - file: people.csv
      columns:
        participant_id: id
        consented: true
        sex: {column: sex, recode: {m: male, f: female}}
        weight_g: {column: kg, times: 1000}
      types: {weight_g: number}
  allocations:
    file: people.csv
    columns:
      participant_id: id
      stage: 1
      arm: {column: group, recode: {A: patch}, otherwise: triple}
  urine:
    - file: urine.csv
      long: {week1: week-1, week2: week-2}
      columns:
        participant_id: id
        visit: {long: name}
        day: {long: name, recode: {week-1: 8, week-2: 15}}
        substance: {value: cotinine}
        result: {long: value, empty: ["-"], recode: {pos: positive, neg: negative, "": missed}}
  daily_use:
    - file: calls.csv
      where: {who_asked: nurse}
      columns:
        participant_id: person
        day: {date: called_on}
        substance: {value: tobacco}
        asked: true
        used: {column: cigarettes, recode: {"0": false}, otherwise: true}
        amount: cigarettes
        unit: {value: cigarettes}
    - file: times.csv
      spans:
        participant_id: id
        substance: {value: snus}
        from-day: 1
        until: {column: days, counted-from: 0}
        event: {column: relapsed, is: yes}
"""
FILES = {"people.csv": PEOPLE, "urine.csv": URINE, "calls.csv": CALLS, "times.csv": TIMES, "mapping.yaml": MAPPING}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_columns_constants_recoding_and_factors_make_participants(folder: Path) -> None:
    people = import_table(folder / "mapping.yaml")["participants"]
    assert people["participant_id"].to_list() == ["P1", "P2", "P3"]
    assert people["consented"].to_list() == [True, True, True]
    assert people["sex"].to_list() == ["male", "female", "female"]
    assert people["weight_g"].to_list() == [70000.0, 60000.0, None]


def test_otherwise_takes_what_recode_does_not_list(folder: Path) -> None:
    assert import_table(folder / "mapping.yaml")["allocations"]["arm"].to_list() == ["patch", "triple", "patch"]


def test_wide_columns_turn_into_rows_and_an_empty_cell_may_mean_missed(folder: Path) -> None:
    urine = import_table(folder / "mapping.yaml")["urine"].sort("participant_id", "day")
    words = urine.group_by("participant_id", maintain_order=True).agg(pl.col("result"))["result"].to_list()
    assert words == [["negative", "positive"], ["positive", "missed"], ["negative", "missed"]]
    assert urine["day"].to_list() == [8, 15] * 3
    assert urine["visit"].to_list() == ["week-1", "week-2"] * 3


def test_dates_become_study_days_and_the_day_before_day_1_is_minus_1(folder: Path) -> None:
    calls = import_table(folder / "mapping.yaml")["daily_use"].filter(pl.col("substance") == "tobacco")
    # P1 quit on 1 March 2024: 29 February is the day before; P3's row was not asked by a nurse
    assert calls.select("participant_id", "day", "used", "amount").rows() == [
        ("P1", -1, True, 10.0),
        ("P1", 1, False, 0.0),
        ("P2", 2, True, 2.0),
    ]


def test_a_time_to_event_becomes_days_without_use_and_one_of_use(folder: Path) -> None:
    """times: P1 relapsed on the quit day (0), P2 two days after it, P3 was followed to day 3 without.

    study day   1 2 3 4
    P1          +
    P2          - - +
    P3          - - - -
    """
    spans = import_table(folder / "mapping.yaml")["daily_use"].filter(pl.col("substance") == "snus")
    words = {
        who: "".join("+" if used else "-" for used in rows["used"])
        for (who,), rows in spans.sort("day").group_by("participant_id", maintain_order=True)
    }
    assert words == {"P1": "+", "P2": "--+", "P3": "----"}
    assert spans["asked"].all()
    assert sorted(spans.filter(pl.col("participant_id") == "P3")["day"].to_list()) == [1, 2, 3, 4]


def test_the_source_names_the_mapping_and_the_hash_of_every_file(folder: Path) -> None:
    source = import_table(folder / "mapping.yaml", protocol_hash="abc").source
    assert (source.origin, source.protocol, source.protocol_hash) == ("imported", "quit", "abc")
    assert sorted(source.details["files"]) == ["calls.csv", "people.csv", "times.csv", "urine.csv"]


def test_simulated_tables_say_so(folder: Path) -> None:
    text = MAPPING.replace("protocol: quit", "protocol: quit\norigin: simulated")
    (folder / "mapping.yaml").write_text(text)
    assert import_table(folder / "mapping.yaml").is_simulated


Change = Callable[[Path], object]


def mapping(old: str, new: str) -> Change:
    assert old in MAPPING, old
    return lambda folder: (folder / "mapping.yaml").write_text(MAPPING.replace(old, new, 1))


def table(name: str, old: str, new: str) -> Change:
    assert old in FILES[name], old
    return lambda folder: (folder / name).write_text(FILES[name].replace(old, new, 1))


def line_of(text: str, part: str) -> int:
    return text[: text.index(part)].count("\n") + 1


M = "mapping.yaml"
COLUMNS_A_LIST = """equipoise-mapping: 1
protocol: p
tables:
  participants: {file: people.csv, columns: [a]}
"""
BROKEN: dict[str, tuple[Change, str, str, int | None]] = {
    # the mapping file
    "mapping not there": (lambda f: (f / M).unlink(), "P001", M, None),
    "mapping empty": (lambda f: (f / M).write_text(""), "P007", M, None),
    "mapping not YAML": (mapping("tables:", "tables: ["), "P002", M, None),
    "mapping not UTF-8": (lambda f: (f / M).write_bytes(b"\xff\xfe"), "P001", M, None),
    "mapping a list": (lambda f: (f / M).write_text("- a\n"), "R103", M, None),
    "mapping a text": (lambda f: (f / M).write_text("hello"), "R103", M, None),
    "key twice": (mapping("protocol: quit", "protocol: quit\nprotocol: again"), "P003", M, 3),
    "unknown key at the top": (mapping("description:", "descripton:"), "R101", M, 3),
    "version of tomorrow": (mapping("mapping: 1", "mapping: 2"), "R112", M, 1),
    "version true": (mapping("mapping: 1", "mapping: true"), "R112", M, 1),
    "version a list": (mapping("mapping: 1", "mapping: [1]"), "R112", M, 1),
    "protocol missing": (mapping("protocol: quit\n", ""), "R102", M, None),
    "protocol a list": (mapping("protocol: quit", "protocol: [quit]"), "R103", M, 2),
    "protocol empty": (mapping("protocol: quit", "protocol:"), "R103", M, 2),
    "unknown origin": (mapping("protocol: quit", "protocol: quit\norigin: invented"), "R103", M, 3),
    "origin a mapping": (mapping("protocol: quit", "protocol: quit\norigin: {a: b}"), "R103", M, 3),
    "prefix a number": (mapping("prefix: P", "prefix: 7"), "R103", M, 4),
    "tables a list": (lambda f: (f / M).write_text("equipoise-mapping: 1\nprotocol: a\ntables: [a]\n"), "R103", M, 3),
    "tables nothing": (lambda f: (f / M).write_text("equipoise-mapping: 1\nprotocol: a\ntables:\n"), "R103", M, 3),
    "no participants": (lambda f: (f / M).write_text("equipoise-mapping: 1\nprotocol: a\ntables: {}\n"), "R102", M, 3),
    "unknown table": (mapping("  urine:", "  urin:"), "R104", M, line_of(MAPPING, "  urine:")),
    "table a text": (mapping("  allocations:\n", "  allocations: people\n  visits:\n"), "R103", M, None),
    "anchor a text": (mapping("anchor: {", "anchor: people #{"), "R103", M, 5),
    "anchor without date": (mapping(", date: quit_on", ""), "R102", M, 5),
    "anchor with a strange key": (mapping(", date: quit_on", ", datum: quit_on"), "R101", M, 5),
    "anchor day zero": (mapping("study-day: 1", "study-day: 0"), "R103", M, 5),
    "anchor day a text": (mapping("study-day: 1", "study-day: one"), "R103", M, 5),
    "no anchor": (mapping(MAPPING.splitlines()[4] + "\n", ""), "R102", M, None),
    "file missing in entry": (mapping("    - file: urine.csv\n      long:", "    - long:"), "R102", M, None),
    "file a number": (mapping("file: urine.csv", "file: 7"), "R103", M, None),
    "unknown key in entry": (mapping("      where:", "      were:"), "R101", M, None),
    "unknown target column": (mapping("        visit: {long: name}", "        vist: {long: name}"), "R105", M, None),
    "columns a list": (lambda f: (f / M).write_text(COLUMNS_A_LIST), "R103", M, None),
    "column spec a list": (mapping("consented: true", "consented: [true]"), "R103", M, None),
    "column spec null": (mapping("consented: true", "consented:"), "R103", M, None),
    "column spec with two sources": (mapping("{column: sex,", "{column: sex, value: x,"), "R110", M, None),
    "column spec without a source": (mapping("{column: kg, times: 1000}", "{times: 1000}"), "R110", M, None),
    "column spec with a strange key": (mapping("times: 1000", "time: 1000"), "R101", M, None),
    "times a text": (mapping("times: 1000", "times: many"), "R103", M, None),
    "recode a list": (mapping("recode: {m: male, f: female}", "recode: [m, f]"), "R103", M, None),
    "counted-from a text": (mapping("counted-from: 0", "counted-from: zero"), "R103", M, None),
    "long of something else": (mapping("visit: {long: name}", "visit: {long: label}"), "R103", M, None),
    "long with nothing to turn": (mapping("      long: {week1: week-1, week2: week-2}\n", ""), "R102", M, None),
    "long empty": (mapping("long: {week1: week-1, week2: week-2}", "long: {}"), "R103", M, None),
    "long with a name twice": (
        mapping("long: {week1: week-1, week2: week-2}", "long: [week1, week1]"),
        "R103",
        M,
        None,
    ),
    "types of the schema": (mapping("{weight_g: number}", "{participant_id: text}"), "R105", M, None),
    "types unknown": (mapping("{weight_g: number}", "{weight_g: decimal}"), "R103", M, None),
    "types a list": (mapping("{weight_g: number}", "{weight_g: [number]}"), "R103", M, None),
    "spans under another table": (
        mapping("  urine:\n", "  visits:\n    - file: times.csv\n      spans: {}\n  urine:\n"),
        "R103",
        M,
        None,
    ),
    "spans without until": (mapping("        until: {column: days, counted-from: 0}\n", ""), "R102", M, None),
    "spans with nothing for until": (mapping("until: {column: days, counted-from: 0}", "until:"), "R103", M, None),
    "spans from day zero": (mapping("from-day: 1", "from-day: 0"), "R103", M, None),
    "spans and columns": (
        mapping("      spans:", "      columns: {participant_id: id}\n      spans:"),
        "R110",
        M,
        None,
    ),
    "cell a huge number": (mapping("stage: 1", "stage: 99999999999999999999999"), "R030", "people.csv", None),
    # the files it names, and their columns
    "file not there": (lambda f: (f / "urine.csv").unlink(), "R014", M, None),
    "file a folder": (mapping("file: urine.csv", "file: ."), "R014", M, None),
    "file parted by semicolons": (table("people.csv", PEOPLE, PEOPLE.replace(",", ";")), "R018", "people.csv", 1),
    "column not there": (mapping("amount: cigarettes", "amount: cigs"), "R106", M, None),
    "where column not there": (mapping("where: {who_asked", "where: {who_ask"), "R106", M, None),
    "long column not there": (mapping("week2: week-2}\n", "week3: week-2}\n"), "R106", M, None),
    "anchor column not there": (mapping("date: quit_on", "date: quit"), "R106", M, None),
    "where that fits nobody": (mapping("who_asked: nurse", "who_asked: doctor"), "R111", M, None),
    "file without rows": (table("urine.csv", URINE, "id,week1,week2\n"), "R111", M, None),
    "required column not mapped": (mapping("        consented: true\n", ""), "R020", M, None),
    # cells and rows
    "ragged row": (table("urine.csv", "2,pos,\n", "2,pos\n"), "R017", "urine.csv", 3),
    "text not recoded": (table("people.csv", "A,1980,2024-03-01,m", "A,1980,2024-03-01,x"), "R107", M, None),
    "not a date": (table("calls.csv", "2024-03-05", "5 March"), "R108", "calls.csv", 4),
    "a date that was never": (table("calls.csv", "2024-02-29", "2023-02-29"), "R108", "calls.csv", 2),
    "anchor not a date": (table("people.csv", "2024-03-04", "soon"), "R108", "people.csv", 3),
    "anchor missing": (table("people.csv", "2024-03-04", ""), "R109", "calls.csv", 4),
    "two anchors": (table("people.csv", "3,A,1975", "1,A,1975"), "R109", "people.csv", 4),
    "factor of a text": (table("people.csv", "m,70", "m,heavy"), "R108", "people.csv", 2),
    "span not a number": (table("times.csv", "2,2,yes", "2,two,yes"), "R108", "times.csv", 3),
    "span backwards": (table("times.csv", "2,2,yes", "2,-9,yes"), "R113", "times.csv", 3),
    "span of ages": (table("times.csv", "2,2,yes", "2,999999999,yes"), "R113", "times.csv", 3),
    "span beyond all numbers": (table("times.csv", "2,2,yes", "2," + "9" * 5000 + ",yes"), "R108", "times.csv", 3),
    "span without an answer": (table("times.csv", "2,2,yes", "2,2,"), "R033", "times.csv", 3),
    "two rows for one participant": (table("people.csv", "2,B,1990", "1,B,1990"), "R040", "people.csv", 3),
    "unknown participant": (table("urine.csv", "3,neg", "33,neg"), "R041", "urine.csv", 4),
    "use without a day": (table("calls.csv", "2024-03-05", ""), "R033", "calls.csv", 4),
    "day zero": (mapping("until: {column: days, counted-from: 0}", "until: days"), "R108", "times.csv", 2),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_mapping_or_table_gives_its_named_error_with_the_line(name: str, folder: Path) -> None:
    change, code, file, line = BROKEN[name]
    change(folder)
    with pytest.raises(RecordsError) as error:
        import_table(folder / "mapping.yaml")
    found = error.value.problems
    fits = [
        p for p in found if p.code == code and p.file and Path(p.file).name == file and (line is None or p.line == line)
    ]
    assert fits, "\n".join(p.render() for p in found)
    for problem in found:
        assert problem.file
        assert problem.found


def test_a_date_that_cannot_be_placed_is_told_once_and_by_its_cause(folder: Path) -> None:
    (folder / "people.csv").write_text(PEOPLE.replace("2024-03-04", ""))
    with pytest.raises(RecordsError) as error:
        import_table(folder / "mapping.yaml")
    codes = [problem.code for problem in error.value.problems]
    assert "R109" in codes
    assert "R033" not in codes


def test_a_cell_that_cannot_be_read_hides_no_other_empty_cell_of_its_line(folder: Path) -> None:
    (folder / "calls.csv").write_text(CALLS.replace("2,2024-03-05", ",5 March"))
    with pytest.raises(RecordsError) as error:
        import_table(folder / "mapping.yaml")
    said = [(problem.code, problem.place) for problem in error.value.problems]
    assert ("R108", "column called_on") in said
    assert any(code == "R033" and place.endswith("column participant_id") for code, place in said)
    assert not any(code == "R033" and place.endswith("column day") for code, place in said)


def test_problems_of_mapping_and_tables_are_told_at_once(folder: Path) -> None:
    (folder / "mapping.yaml").write_text(MAPPING.replace("amount: cigarettes", "amount: cigs"))
    (folder / "times.csv").write_text(TIMES.replace("2,2,yes", "2,two,yes"))
    (folder / "people.csv").write_text(PEOPLE.replace("m,70", "m,heavy"))
    with pytest.raises(RecordsError) as error:
        import_table(folder / "mapping.yaml")
    problems: tuple[Problem, ...] = error.value.problems
    assert {p.code for p in problems} == {"R106", "R108"}
    assert {Path(p.file or "").name for p in problems} == {"mapping.yaml", "times.csv", "people.csv"}


def test_the_shipped_smoking_records_are_read_by_mapping_alone() -> None:
    from equipoise.exchange.bundled import bundled_records

    path = bundled_records("smoking-cessation")
    assert path is not None
    records = import_table(path)
    assert records["participants"].height == 125
    assert records["allocations"]["arm"].value_counts(sort=True).rows() == [("patch", 64), ("triple", 61)]
    use = records["daily_use"]
    assert use.filter(pl.col("used")).height == 89  # relapses
    assert use.filter(pl.col("used") & (pl.col("day") == 1)).height == 12  # on the quit day
    clean = use.group_by("participant_id").agg(pl.col("used").any(), pl.col("day").max()).filter(~pl.col("used"))
    assert clean["day"].to_list() == [183] * 36
    assert bundled_records("xbot") is None


def test_a_text_not_recoded_beside_an_empty_cell_is_one_problem(folder: Path) -> None:
    (folder / "people.csv").write_text(
        PEOPLE.replace("B,1990,2024-03-04,f", "B,1990,2024-03-04,x").replace("02,f", "02,")
    )
    with pytest.raises(RecordsError) as refused:
        import_table(folder / "mapping.yaml")
    assert [(p.code, p.found) for p in refused.value.problems] == [
        ("R107", "The text 'x' is not recoded (first at people.csv:3).")
    ]


def test_a_column_without_a_name_is_not_there(folder: Path) -> None:
    (folder / "mapping.yaml").write_text(MAPPING.replace("participant_id: person", "participant_id: ''"))
    with pytest.raises(RecordsError) as refused:
        import_table(folder / "mapping.yaml")
    assert [(p.code, p.found) for p in refused.value.problems] == [("R106", "The file calls.csv has no column ''.")]
