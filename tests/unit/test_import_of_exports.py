"""Files as other programs write them: both sides of a yes or no, 30.0 for a day, one row a visit, a data cut, dates."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from equipoise.exchange.own_tables.convert import import_table
from equipoise.foundation.errors import EquipoiseError, RecordsError
from equipoise.protocol.read import read_protocol_text
from equipoise.records import Records
from equipoise.workflow.verbs import import_records

TIMES = "id,arm,days,ev\n1,A,40,{yes}\n2,A,182,{no}\n3,B,60,{yes}\n4,B,182,{no}\n"
SPANS = """equipoise-mapping: 1
protocol: small
tables:
  participants: [{file: t.csv, columns: {participant_id: id, consented: true}}]
  allocations: [{file: t.csv, columns: {participant_id: id, stage: 1, arm: {column: arm, recode: {A: a, B: b}}}}]
  daily_use:
    - file: t.csv
      spans: {participant_id: id, substance: {value: tobacco}, until: {column: days, counted-from: 0}, event: EVENT}
"""


def imported(folder: Path, mapping: str, **files: str) -> Records:
    for name, text in files.items():
        (folder / f"{name}.csv").write_text(text, encoding="utf-8")
    (folder / "mapping.yaml").write_text(mapping, encoding="utf-8")
    return import_table(folder / "mapping.yaml")


def refused(folder: Path, mapping: str, **files: str) -> list[tuple[str, str | None, int | None]]:
    with pytest.raises(RecordsError) as caught:
        imported(folder, mapping, **files)
    return [(p.code, None if p.file is None else Path(p.file).name, p.line) for p in caught.value.problems]


@pytest.mark.parametrize(
    ("event", "yes", "no"),
    [
        ("{column: ev, is: 1}", "1", "0"),
        ("{column: ev, is: 1}", "1.0", "0.0"),
        ("{column: ev, is: 1.0}", "1", "0"),
        ("ev", "Yes", "no"),
        ("ev", "TRUE", "FALSE"),
        ("{column: ev, is: dead, is-not: alive}", "dead", "Alive"),
        ("{column: ev, is: 2, is-not: 1}", "2", "1"),
        ("{column: ev, is-not: [0, 2]}", "1", "2"),
    ],
)
def test_yes_and_no_are_both_matched(tmp_path: Path, event: str, yes: str, no: str) -> None:
    records = imported(tmp_path, SPANS.replace("EVENT", event), t=TIMES.format(yes=yes, no=no))
    last = records["daily_use"].group_by("participant_id").agg(pl.col("day").max(), pl.col("used").any())
    assert set(last.rows()) == {("1", 41, True), ("3", 61, True), ("2", 183, False), ("4", 183, False)}


@pytest.mark.parametrize(
    ("event", "yes", "no", "code"),
    [
        ("{column: ev, is: 2}", "2", "1", "R107"),  # what 1 is, nobody said
        ("{column: ev, is: dead}", "dead", "alive", "R107"),
        ("ev", "1", "NA", "R107"),
        ("ev", "ja", "no", "R107"),
    ],
)
def test_what_is_neither_yes_nor_no_is_told_with_its_line(
    tmp_path: Path, event: str, yes: str, no: str, code: str
) -> None:
    found = refused(tmp_path, SPANS.replace("EVENT", event), t=TIMES.format(yes=yes, no=no))
    lines = {line for c, file, line in found if (c, file) == (code, "t.csv")}
    assert lines in ({2, 4}, {3, 5})


def test_an_event_that_happens_to_nobody_is_a_problem_unless_it_is_said(tmp_path: Path) -> None:
    none = TIMES.format(yes="0", no="0")
    assert [code for code, _, _ in refused(tmp_path, SPANS.replace("EVENT", "ev"), t=none)] == ["R116"]
    assert not imported(tmp_path, SPANS.replace("EVENT", "false"), t=none)["daily_use"]["used"].any()


def test_an_event_without_its_time_is_a_problem_and_nothing_known_is_none(tmp_path: Path) -> None:
    mapping = SPANS.replace("EVENT", "ev")
    lost = TIMES.format(yes="1", no="0").replace("1,A,40,1", "1,A,,1")
    assert refused(tmp_path, mapping, t=lost) == [("R115", "t.csv", 2)]
    unknown = TIMES.format(yes="1", no="0").replace("1,A,40,1", "1,A,,")
    assert "1" not in imported(tmp_path, mapping, t=unknown)["daily_use"]["participant_id"].to_list()


def test_days_written_as_30_0_are_whole_days_and_30_5_is_none(tmp_path: Path) -> None:
    mapping = SPANS.replace("EVENT", "ev")
    whole = TIMES.format(yes="1", no="0").replace(",40,", ",40.0,").replace("182", "182.0")
    assert imported(tmp_path, mapping, t=whole)["daily_use"]["day"].max() == 183
    part = TIMES.format(yes="1", no="0").replace(",40,", ",40.5,")
    assert refused(tmp_path, mapping, t=part) == [("R108", "t.csv", 2)]
    urine = """equipoise-mapping: 1
protocol: small
tables:
  participants: [{file: t.csv, columns: {participant_id: id, consented: true}}]
  urine: [{file: t.csv, columns: {participant_id: id, day: days, substance: {value: x}, result: {value: negative}}}]
"""
    assert imported(tmp_path, urine, t=whole)["urine"]["day"].to_list() == [40, 182, 60, 182]
    assert refused(tmp_path, urine, t=part) == [("R030", "t.csv", 2)]


LONG = """id,arm,week,smoked
1,A,1,0
1,A,2,1
2,B,1,{text}
"""
ROWS = """equipoise-mapping: 1
protocol: small
tables:
  participants: [{file: t.csv, rows: first, columns: {participant_id: id, consented: true}}]
  allocations: [{file: t.csv, rows: first, columns: {participant_id: id, stage: 1, arm: arm}}]
  daily_use:
    - file: t.csv
      columns: {participant_id: id, day: week, substance: {value: x}, asked: true, used: {column: smoked, RECODE}}
"""


def test_the_first_row_of_each_participant(tmp_path: Path) -> None:
    mapping = ROWS.replace("RECODE", 'recode: {"0": false, "1": true}')
    records = imported(tmp_path, mapping, t=LONG.format(text="1.0"))
    assert records["allocations"].select("participant_id", "arm").rows() == [("1", "A"), ("2", "B")]
    assert records["daily_use"]["used"].to_list() == [False, True, True]
    two = LONG.format(text="0").replace("1,A,2", "1,B,2")
    assert ("R117", "t.csv", 3) in refused(tmp_path, mapping, t=two)


@pytest.mark.parametrize(
    ("recode", "text", "used"),
    [
        ('recode: {"0": false}, otherwise: true', "12", True),
        ('recode: {"0": false}, otherwise: true', "0.0", False),  # a number is compared as a number
        ('recode: {"0": false}, otherwise: true', "NA", "R107"),
        ('recode: {"0": false}, otherwise: true', "no", "R107"),
        ('recode: {"yes": true, "0": false, "1": true}, otherwise: false', "y", "R114"),  # one side of a yes or no
    ],
)
def test_a_yes_or_no_is_not_read_from_one_side(tmp_path: Path, recode: str, text: str, used: bool | str) -> None:
    mapping = ROWS.replace("RECODE", recode)
    if isinstance(used, str):
        assert used in {code for code, _, _ in refused(tmp_path, mapping, t=LONG.format(text=text))}
    else:
        assert imported(tmp_path, mapping, t=LONG.format(text=text))["daily_use"]["used"][-1] is used


DATED = """equipoise-mapping: 1
protocol: small
anchor: {file: t.csv, participant: id, date: began}
cut: 2024-03-20
tables:
  participants: [{file: t.csv, columns: {participant_id: id, consented: true}}]
  allocations: [{file: t.csv, columns: {participant_id: id, stage: 1, day: {date: began}, arm: arm}}]
  visits:
    - file: t.csv
      columns: {participant_id: id, visit: {value: week-1}, day: {date: came}, state: {value: attended}}
"""
BEGAN = "id,arm,began,came\n1,a,2024-03-04,2024-03-11\n2,b,2024-03-01,2024-03-08\n3,b,2024-03-04,2024-03-12\n"


def test_weekday_and_order_of_the_calendar_are_kept_and_no_date(tmp_path: Path) -> None:
    records = imported(tmp_path, DATED, t=BEGAN)
    people = records["participants"].select("participant_id", "day_1_weekday", "calendar_order").rows()
    assert people == [("1", "Monday", 2), ("2", "Friday", 1), ("3", "Monday", 2)]
    assert "2024" not in "".join(frame.write_csv() for frame in records.tables.values())


PROTOCOL = """
equipoise: 1
trial: {id: small, title: Small}
calendar: {day-1: randomization, epochs: {after: {days: 1..30}}}
interventions: {a: {type: other, words: a}, b: {type: other, words: b}}
arms: {a: {role: active-control, gives: [a]}, b: {role: experimental, gives: [b]}}
eligibility: {include: null, exclude: null}
randomization: {ratio: {a: 1, b: 1}}
baseline: {age: {type: number, unit: years}}
assessments: {urine: {type: urine, substances: [cocaine]}}
schedule: {weekly: {days: [8, 15, 22], named: "week-{n}", assess: [urine]}}
use: {cocaine: {substances: [cocaine], by: [urine]}}
endpoints: {clean: {kind: abstinence, words: clean, use: cocaine, days: 2..30, at: weekly, missed: is-use}}
estimands: {clean: {endpoint: clean, treatments: b v a, summary: odds-ratio}}
analyses: {clean: {estimand: clean, estimator: logistic, covariates: [age], level: primary, alpha-two-sided: 0.05}}
"""


def test_a_cut_of_the_data_ends_what_was_due(tmp_path: Path) -> None:
    from equipoise.endpoints import derive_endpoint, read_lattice

    records = imported(tmp_path, DATED, t=BEGAN)
    ends = records["disposition"].select("participant_id", "event", "day").rows()
    assert ends == [(id, "administrative_end", day) for id, day in (("1", 17), ("2", 20), ("3", 17))]
    lattice = read_lattice(read_protocol_text(PROTOCOL), records)
    # Week 2 (day 15) was due for everybody and missed, week 3 (day 22) for nobody yet.
    assert lattice.visits("weekly").state.tolist() == [[1, 2, 0]] * 3
    assert lattice.due is not None
    assert [note.found for note in lattice.due.notes] == ["3 due visits had no row and count as missed."]
    derive_endpoint(lattice, "clean")
    by_day = DATED.replace("cut: 2024-03-20", "cut: 15")
    assert imported(tmp_path, by_day, t=BEGAN)["disposition"]["day"].to_list() == [15, 15, 15]
    assert refused(tmp_path, DATED.replace("cut: 2024-03-20", "cut: soon"), t=BEGAN) == [("R103", "mapping.yaml", 4)]


def test_with_a_protocol_all_that_a_run_would_refuse_is_told_at_the_users_lines(tmp_path: Path) -> None:
    protocol = read_protocol_text(PROTOCOL)
    strange = BEGAN.replace("3,b,2024-03-04,2024-03-12", "3,c,2024-03-04,2024-06-12")
    imported(tmp_path, DATED, t=strange)  # by themselves the tables are sound
    with pytest.raises(RecordsError) as caught:
        import_records("table", tmp_path / "mapping.yaml", protocol=protocol)
    found = {(p.code, None if p.file is None else Path(p.file).name, p.line) for p in caught.value.problems}
    assert {("R050", "t.csv", 4), ("R051", "t.csv", 4)} <= found
    urine = (
        "  urine: [{file: t.csv, columns: {participant_id: id, visit: {value: week-1}, day: {date: came}, "
        "substance: {value: cocaine}, result: {value: negative}}}]\n"
    )
    imported(tmp_path, DATED + urine, t=BEGAN)
    with pytest.raises(EquipoiseError) as plan:
        import_records("table", tmp_path / "mapping.yaml", protocol=protocol)
    assert [p.code for p in plan.value.problems] == ["A002"]  # the covariate age is in no column
