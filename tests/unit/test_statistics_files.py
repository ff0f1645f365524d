"""Records as files of statistics packages: other programs read the same cells, and they come in again as they went."""

from __future__ import annotations

import csv
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyreadstat
import pytest
import rdata
from hypothesis import given
from hypothesis import strategies as st

from equipoise.exchange.own_tables.convert import import_table
from equipoise.exchange.statistics_files.bring_in import import_export
from equipoise.exchange.statistics_files.export import KINDS
from equipoise.exchange.statistics_files.labelled import numbered
from equipoise.exchange.statistics_files.names import RULES, shortened
from equipoise.exchange.statistics_files.packages import PACKAGES
from equipoise.foundation.errors import EquipoiseError, OutputError, RecordsError, UsageError
from equipoise.records import DataSource, Records
from equipoise.workflow.export import export_records
from equipoise.workflow.verbs import simulate

SOURCE = DataSource("captured", "made for a test", "trial", "hash", {"at": "2027-06-30T12:34:56+00:00"})
STAMPS = {"spss": b"30 Jun 2712:34:56", "stata": b"30 Jun 2027 12:34", "xpt": b"30JUN27:12:34:56"}


def records(**own: list[Any]) -> Records:
    people = {
        "participant_id": ["P1", "P2", "P3"],
        "site": ["north", None, "süd"],
        "screened_day": [-3, -2, None],
        "consented": [True, True, False],
        "eligible": [True, False, None],
        "a_very_long_name_of_a_covariate": [1 / 3, None, 1e5],
        "a_very_long_name_of_another_one": ["first\nsecond", None, "  lead"],
        "smokes": [True, False, None],
        **own,
    }
    urine = {
        "participant_id": ["P1", "P1", "P2", "P2", "P3"],
        "visit": ["w1", "w2", "w1", "w2", "w1"],
        "day": [8, 15, 8, 15, -1],
        "substance": ["cocaine"] * 5,
        "result": ["positive", "negative", "not_evaluable", "missed", "not_expected"],
    }
    return Records({"participants": pl.DataFrame(people), "urine": pl.DataFrame(urine)}, SOURCE)


def codes(raised: pytest.ExceptionInfo[EquipoiseError]) -> list[str]:
    return [problem.code for problem in raised.value.problems]


@pytest.mark.parametrize("to", PACKAGES)
def test_what_is_exported_comes_in_again_as_the_same_records(to: str, tmp_path: Path) -> None:
    export_records(records(), tmp_path / "out", to=to)
    back = import_export(tmp_path / "out", to=to)
    assert back.data_hash == records().data_hash
    assert back.source == SOURCE


@pytest.mark.parametrize("to", KINDS)
def test_the_same_records_give_the_same_bytes_and_the_moment_of_the_cut(to: str, tmp_path: Path) -> None:
    for name in ("one", "two"):
        export_records(records(), tmp_path / name, to=to)
    files = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert {f"participants{KINDS[to]}", f"urine{KINDS[to]}", "codebook.html", "codebook.csv"} <= set(files)
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file
        assert (tmp_path / "one" / file).stat().st_mode & 0o077 == 0  # a cut of real people is nobody else's to read
    if to in STAMPS:
        assert STAMPS[to] in (tmp_path / "one" / f"urine{KINDS[to]}").read_bytes()


def test_pandas_reads_the_stata_file_with_labels(tmp_path: Path) -> None:
    export_records(records(), tmp_path / "out", to="stata")
    with pd.io.stata.StataReader(tmp_path / "out" / "urine.dta") as reader:
        urine = reader.read()
        assert reader.variable_labels()["result"] == "result"
        assert reader.data_label == "trial: urine"
    assert list(urine["result"]) == ["positive", "negative", "not evaluable", "missed", "not expected"]
    people = pd.read_stata(tmp_path / "out" / "participants.dta", convert_categoricals=False)
    assert people["a_very_long_name_of_a_covariate"].tolist()[0] == 1 / 3
    assert people["consented"].tolist() == [1, 1, 0]
    assert people["site"].tolist() == ["north", "", "süd"]


def test_pandas_reads_the_sas_transport_file(tmp_path: Path) -> None:
    done = export_records(records(), tmp_path / "out", to="xpt")
    people = pd.read_sas(tmp_path / "out" / "participants.xpt", format="xport", encoding="utf-8")
    assert all(len(name) <= 8 and name == name.upper() for name in people.columns)
    names = {row["column"]: row["name"] for row in csv.DictReader((tmp_path / "out" / "names.csv").open())}
    long = names["a_very_long_name_of_a_covariate"]
    assert long != names["a_very_long_name_of_another_one"]
    assert people[long].tolist()[0] == pytest.approx(1 / 3, abs=0)
    urine = pd.read_sas(tmp_path / "out" / "urine.xpt", format="xport", encoding="utf-8")
    assert urine["RESULT"].tolist() == ["positive", "negative", "not_evaluable", "missed", "not_expected"]
    said = {(row["table"], row["column"]): row["what"] for row in done.not_carried}
    assert "no labels" in said["urine", "result"]
    assert "ASCII" in said["participants", "site"]


def test_an_independent_reader_of_rds_finds_the_same_frame(tmp_path: Path) -> None:
    export_records(records(), tmp_path / "out", to="rds")
    people = rdata.read_rds(tmp_path / "out" / "participants.rds")
    assert people["a_very_long_name_of_a_covariate"].tolist()[0] == 1 / 3
    assert people["site"].isna().tolist() == [False, True, False]
    assert people["site"].tolist()[2] == "süd"
    assert people["screened_day"].isna().tolist() == [False, False, True]
    urine = rdata.read_rds(tmp_path / "out" / "urine.rds")
    assert urine["result"].tolist() == ["positive", "negative", "not evaluable", "missed", "not expected"]


@pytest.mark.skipif(shutil.which("Rscript") is None, reason="R is not installed")
def test_r_reads_what_was_written(tmp_path: Path) -> None:
    export_records(records(), tmp_path / "out", to="rds")
    script = """x <- readRDS("participants.rds"); u <- readRDS("urine.rds")
    cat(is.data.frame(x), nrow(x), is.na(x$site[2]), x$smokes, attr(x$smokes, "label"), is.na(x$screened_day[3]),
        identical(x$a_very_long_name_of_a_covariate[1], 1/3), levels(u$result)[u$result[3]], sum(u$day), sep="|")"""
    done = subprocess.run(["Rscript", "-e", script], cwd=tmp_path / "out", capture_output=True, text=True, check=True)
    assert done.stdout == "TRUE|3|TRUE|TRUE|FALSE|NA|smokes|TRUE|TRUE|not evaluable|45"


def test_results_that_are_not_there_can_be_missing_with_their_reason(tmp_path: Path) -> None:
    for to in ("spss", "stata"):
        export_records(records(), tmp_path / to, to=to, reasons_missing=True)
        assert import_export(tmp_path / to, to=to).data_hash == records().data_hash
    blank, _ = pyreadstat.read_sav(tmp_path / "spss" / "urine.sav", output_format="polars")
    assert blank["result"].to_list() == [1, 2, None, None, None]
    known, said = pyreadstat.read_sav(tmp_path / "spss" / "urine.sav", user_missing=True, output_format="polars")
    assert [said.variable_value_labels["result"][code] for code in known["result"]][2:] == [
        "not evaluable",
        "missed",
        "not expected",
    ]
    letters, said = pyreadstat.read_dta(tmp_path / "stata" / "urine.dta", user_missing=True, output_format="polars")
    assert [said.variable_value_labels["result"].get(cell) for cell in letters["result"]][2:] == [
        "not evaluable",
        "missed",
        "not expected",
    ]
    with pytest.raises(UsageError) as raised:
        export_records(records(), tmp_path / "xpt", to="xpt", reasons_missing=True)
    assert codes(raised) == ["U065"]


def test_simulated_data_say_so_in_name_and_label_of_every_file(tmp_path: Path) -> None:
    made = simulate("ketamine-mbrp-cocaine", seed=3)
    for to in KINDS:
        done = export_records(made, tmp_path / to, to=to, protocol="ketamine-mbrp-cocaine")
        assert "endpoints" in done.files
        assert all(file.startswith("simulated-") for file in done.files.values())
        assert "SIMULATED" in (tmp_path / to / "codebook.html").read_text()
    _, said = pyreadstat.read_sav(tmp_path / "spss" / "simulated-endpoints.sav", output_format="polars")
    assert said.file_label.startswith("SIMULATED")
    assert "Ketamine + MBRP" in said.variable_value_labels["arm"].values()
    assert "Abstinent at six months" in said.variable_value_labels["endpoint"].values()
    # endpoints are worked out anew from what comes in, and are no table of records
    assert import_export(tmp_path / "spss", to="spss").data_hash == made.data_hash


@pytest.mark.parametrize(
    ("to", "own", "words"),
    [
        ("spss", {"x": ["a\0b", None, None]}, "NUL"),
        ("stata", {"x": [float("inf"), 1.0, None]}, "not finite"),
        ("spss", {"x": [float("-inf"), 1.0, None]}, "not finite"),
        ("xpt", {"x": [1e-80, 1.0, None]}, "transport"),
        ("xpt", {"x": [1.0, 1e300, None]}, "transport"),
        ("spss", {"x": ["é" * 20_000, None, None]}, "32,767 bytes"),
    ],
)
def test_what_a_format_would_silently_change_is_refused_and_nothing_is_left(
    to: str, own: dict[str, list[Any]], words: str, tmp_path: Path
) -> None:
    with pytest.raises(OutputError) as raised:
        export_records(records(**own), tmp_path / "out", to=to)
    assert codes(raised) == ["O061"]
    assert words in raised.value.problems[0].found
    assert list(tmp_path.iterdir()) == []


def test_a_kind_that_there_is_not_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        export_records(records(), tmp_path / "out", to="excel")
    assert codes(raised) == ["U065"]


def test_cells_that_a_spreadsheet_would_work_out_are_inert(tmp_path: Path) -> None:
    done = export_records(records(note=["=1+1", "@x", "-"]), tmp_path / "out", to="csv")
    rows = list(csv.DictReader((tmp_path / "out" / "participants.csv").open()))
    assert [row["note"] for row in rows] == ["'=1+1", "'@x", "'-"]
    assert rows[0]["a_very_long_name_of_another_one"] == "first\nsecond"
    assert rows[0]["screened_day"] == "-3"
    assert [row["column"] for row in done.not_carried] == ["note"]


@pytest.mark.parametrize("to", RULES)
@given(texts=st.lists(st.text(min_size=1, max_size=90), unique=True, max_size=12))
def test_names_are_names_and_differ(to: str, texts: list[str]) -> None:
    rule = RULES[to]
    given_names = [*texts, "participant_id", "PARTICIPANT_ID", "to", "str8", "1abc", "_x"]
    names = rule.names(list(dict.fromkeys(given_names)))
    assert len({name.upper() for name in names.values()}) == len(names)
    for name in names.values():
        assert len(name) <= rule.longest
        assert name.isascii()
        assert name[0].isalpha()
        assert name.replace("_", "a").isalnum()
        assert name.lower() not in rule.words


def test_labels_are_cut_between_words() -> None:
    assert shortened("a label that is kept", 40, in_bytes=True) == "a label that is kept"
    assert shortened("study day of the sample, or the target day", 24, in_bytes=True) == "study day of the..."
    assert len(shortened("ж" * 60, 40, in_bytes=True).encode()) <= 40


def test_an_export_that_was_edited_says_so(tmp_path: Path) -> None:
    export_records(records(), tmp_path / "out", to="spss")
    file = tmp_path / "out" / "urine.sav"
    frame, said = pyreadstat.read_sav(file, output_format="polars")
    frame = frame.with_columns(result=pl.when(pl.col("day") == 15).then(1.0).otherwise(pl.col("result")))
    pyreadstat.write_sav(frame, file, variable_value_labels=said.variable_value_labels)
    back = import_export(tmp_path / "out", to="spss")
    assert [note.code for note in back.source.notes] == ["R071"]
    assert back["urine"]["result"].to_list().count("positive") == 3
    frame = frame.with_columns(result=pl.lit(77.0))
    pyreadstat.write_sav(frame, file)
    with pytest.raises(RecordsError) as raised:
        import_export(tmp_path / "out", to="spss")
    assert codes(raised) == ["R133"]
    assert "77" in raised.value.problems[0].found


def test_a_folder_of_files_without_a_list_goes_by_names(tmp_path: Path) -> None:
    people = pl.DataFrame({"PARTICIPANT_ID": [1.0, 2.0], "consented": [1.0, 1.0], "Age": [40.5, None]})
    allocations = pl.DataFrame({"participant_id": [1.0, 2.0], "stage": [1.0, 1.0], "arm": [1.0, 2.0]})
    urine = pl.DataFrame(
        {"participant_id": [1.0, 2.0], "day": [8.0, 8.0], "substance": ["x", "x"], "result": [0.0, 1.0]}
    )
    pyreadstat.write_sav(people, tmp_path / "participants.sav")
    pyreadstat.write_sav(
        allocations, tmp_path / "allocations.sav", variable_value_labels={"arm": {1: "Drug", 2: "Pill"}}
    )
    labels = {"result": {0: "Negative", 1: "Not evaluable"}}
    pyreadstat.write_sav(urine, tmp_path / "urine.sav", variable_value_labels=labels)
    got = import_export(tmp_path, to="spss")
    assert got["allocations"]["arm"].to_list() == ["Drug", "Pill"]
    assert got["urine"]["result"].to_list() == ["negative", "not_evaluable"]
    assert got["participants"]["participant_id"].to_list() == ["1", "2"]
    assert got["participants"]["Age"].to_list() == [40.5, None]
    pyreadstat.write_sav(
        urine.with_columns(participant_id=pl.lit(1.5)), tmp_path / "urine.sav", variable_value_labels=labels
    )
    with pytest.raises(RecordsError) as raised:
        import_export(tmp_path, to="spss")
    assert codes(raised) == ["R133"]


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda folder: (folder / "urine.sav").write_bytes(b"$FL2 no more"), "R131"),
        (lambda folder: (folder / "urine.sav").unlink(), "R131"),
        (lambda folder: (folder / "export.json").write_text("{}"), "R132"),
        (lambda folder: (folder / "export.json").write_text(json.dumps({"equipoise_export": 1})), "R132"),
        (lambda folder: shutil.rmtree(folder), "R130"),
        (lambda folder: [path.unlink() for path in folder.iterdir()], "R130"),
    ],
)
def test_a_spoilt_export_is_refused_with_a_code(spoil: Any, code: str, tmp_path: Path) -> None:
    export_records(records(), tmp_path / "out", to="spss")
    spoil(tmp_path / "out")
    with pytest.raises(RecordsError) as raised:
        import_export(tmp_path / "out", to="spss")
    assert codes(raised) == [code]


MAPPING = """equipoise-mapping: 1
protocol: quit
value-labels: true
anchor: {file: people.dta, participant: id, date: quit_on, study-day: 1}
tables:
  participants:
    file: people.dta
    columns: {participant_id: id, consented: true, kg: kg}
    types: {kg: number}
  allocations:
    file: people.dta
    columns:
      participant_id: id
      stage: 1
      arm: {column: grp, recode: {Drug: patch, Placebo: placebo}}
  visits:
    file: visits.parquet
    columns: {participant_id: id, visit: {value: week-1}, target_day: 8, day: {date: came}, state: {value: attended}}
"""


def test_a_mapping_reads_the_files_of_packages(tmp_path: Path) -> None:
    from datetime import date

    came = [date(2024, 3, 8), date(2024, 3, 11)]
    people = {"id": [1.0, 2.0], "grp": [1.0, 2.0], "kg": [70.5, None], "quit_on": [date(2024, 3, 1), date(2024, 3, 4)]}
    labels = {"grp": {1: "Drug", 2: "Placebo"}}
    pyreadstat.write_dta(pl.DataFrame(people), tmp_path / "people.dta", version=14, variable_value_labels=labels)
    pl.DataFrame({"id": [1, 2], "came": came}).write_parquet(tmp_path / "visits.parquet")
    (tmp_path / "mapping.yaml").write_text(MAPPING)
    got = import_table(tmp_path / "mapping.yaml")
    assert got["allocations"]["arm"].to_list() == ["patch", "placebo"]
    assert got["participants"]["kg"].to_list() == [70.5, None]
    assert got["visits"]["day"].to_list() == [8, 8]
    # without labels the codes stand there, and a code that is not recoded is told
    (tmp_path / "mapping.yaml").write_text(MAPPING.replace("value-labels: true\n", ""))
    with pytest.raises(RecordsError) as raised:
        import_table(tmp_path / "mapping.yaml")
    assert set(codes(raised)) == {"R107"}
    (tmp_path / "people.dta").write_bytes(b"no such file format")
    with pytest.raises(RecordsError) as raised:
        import_table(tmp_path / "mapping.yaml")
    assert "R120" in codes(raised)


def test_two_values_never_share_a_label() -> None:
    """A factor of R with a level twice is none; the values themselves then stand for labels."""
    assert numbered([("a", "Use"), ("b", "Craving")]) == ((1, "a", "Use"), (2, "b", "Craving"))
    assert numbered([("a", "Use"), ("b", "Use")]) == ((1, "a", "a"), (2, "b", "b"))
