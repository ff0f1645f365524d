"""Baseline and safety tables, counted again by hand."""

from __future__ import annotations

import polars as pl
from demo import ARMS, demo_records

from equipoise.reporting import format as fmt
from equipoise.reporting.baseline import BaselineSummary, build_baseline_table
from equipoise.reporting.document import Table
from equipoise.reporting.safety import build_adverse_events_table, build_infusion_table


def rows_by_label(table: Table) -> dict[str, tuple[fmt.Cell, ...]]:
    return {str(row.cells[0]): row.cells[1:] for row in table.rows if row.kind == "body"}


def test_baseline_counts_are_of_the_randomized_and_the_arms_add_up():
    records = demo_records()
    table = build_baseline_table(records, ARMS)
    assert table is not None
    rows = rows_by_label(table)
    people = records["participants"].filter(pl.col("eligible"))
    whole = rows["Female"][2]
    assert isinstance(whole, fmt.Count)
    assert whole.n == (people["sex"] == "female").sum()
    parts = [cell.n for cell in rows["Female"][:2] if isinstance(cell, fmt.Count)]
    assert sum(parts) == whole.n
    assert table.columns[1].unit == "n=28"
    assert table.columns[3].head == "All"


def test_baseline_has_no_p_values():
    table = build_baseline_table(demo_records(), ARMS)
    assert table is not None
    assert not any(isinstance(cell, fmt.PValue) for row in table.rows for cell in row.cells)
    assert all(column.head not in ("p", "P") for column in table.columns)


def test_mean_and_quartiles_of_five_numbers_worked_by_hand():
    records = demo_records()
    tables = dict(records.tables)
    # 1, 2, 3, 4, 10: mean 4, SD sqrt(50/4) = 3.5355, quartiles 2, 3, 4 (linear interpolation)
    chosen = ["P001", "P002", "P003", "P004", "P005"]
    tables["allocations"] = tables["allocations"].filter(pl.col("participant_id").is_in(chosen))
    tables["participants"] = (
        tables["participants"]
        .filter(pl.col("participant_id").is_in(chosen))
        .with_columns(pl.Series("age", [1.0, 2.0, 3.0, 4.0, 10.0]))
    )
    made = type(records)(tables, records.source)
    table = build_baseline_table(made, {"midazolam": "Midazolam"}, [BaselineSummary("age", "Age", "years")])
    assert table is not None
    rows = rows_by_label(table)
    assert fmt.cell(rows["Mean (SD)"][0]) == "4.0 (3.5)"
    assert fmt.cell(rows["Median (quartiles)"][0]) == "3 (2 to 4)"  # as measured


def test_missing_values_are_counted_and_leave_the_denominator():
    records = demo_records()
    tables = dict(records.tables)
    tables["participants"] = tables["participants"].with_columns(
        pl.when(pl.col("participant_id").is_in(["P001", "P030", "P031"]))
        .then(None)
        .otherwise(pl.col("sex"))
        .alias("sex")
    )
    table = build_baseline_table(type(records)(tables, records.source), ARMS, [BaselineSummary("sex", "Sex")])
    assert table is not None
    rows = rows_by_label(table)
    assert [cell.n for cell in rows["Missing"] if isinstance(cell, fmt.Count)] == [1, 2, 3]
    assert all(isinstance(cell, fmt.Count) and cell.of == of for cell, of in zip(rows["Male"], (27, 25, 52)))


def test_a_variable_nobody_has_is_left_out():
    table = build_baseline_table(demo_records(), ARMS, [BaselineSummary("weight", "Weight")])
    assert table is None


def test_adverse_events_count_participants_once_and_events_each():
    records = demo_records()
    table = build_adverse_events_table(records, ARMS)
    assert table is not None
    rows = rows_by_label(table)
    events = records["adverse_events"]
    cells = rows["Any adverse event"]
    assert isinstance(cells[0], fmt.Count)
    assert isinstance(cells[2], fmt.Count)
    assert cells[0].n + cells[2].n == events["participant_id"].n_unique()
    assert cells[1] + cells[3] == events.height  # type: ignore[operator]
    assert (cells[0].of, cells[2].of) == (28, 27)


def test_infusion_peaks_are_of_those_measured():
    records = demo_records()
    table = build_infusion_table(records, ARMS, scores=[("dissociation", "score", "Dissociation")])
    assert table is not None
    assert [column.unit for column in table.columns[1:]] == ["n=27", "n=27"]
    rows = rows_by_label(table)
    peak = (
        records["vitals"]
        .join(records["allocations"], on="participant_id")
        .filter(pl.col("arm") == "ketamine")
        .group_by("participant_id")
        .agg(pl.col("systolic").max())["systolic"]
        .median()
    )
    cell = rows["Systolic blood pressure, highest, mmHg"][1]
    assert isinstance(cell, fmt.Quartiles)
    assert cell.median == peak
    assert "Dissociation, highest" in rows


def test_a_trial_without_safety_records_has_no_safety_tables():
    records = demo_records()
    tables = {
        name: frame for name, frame in records.tables.items() if name not in ("adverse_events", "vitals", "assessments")
    }
    bare = type(records)(tables, records.source)
    assert build_adverse_events_table(bare, ARMS) is None
    assert build_infusion_table(bare, ARMS) is None
