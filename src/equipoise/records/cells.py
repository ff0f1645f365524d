"""The cells of a table held against its schema: types, choices, bounds, study days, empty where something must stand.

A fault knows its table, row and column; who reads from a file adds file and line.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from equipoise.foundation.errors import Problem, listed, nearest
from equipoise.records.schema import REPLICATE, Column, Table

MAX_SHOWN = 20  # faults of one kind in one column that are shown one by one

CODES = {
    "R020": "A required column is missing.",
    "R030": "A cell is not a whole number.",
    "R031": "A cell is not a number.",
    "R032": "A cell is neither true nor false.",
    "R033": "A required cell is empty.",
    "R034": "A value is not among those allowed.",
    "R035": "A value is out of bounds.",
    "R036": "A value is not a finite number.",
    "R037": "A study day is 0; there is no day 0.",
}

TYPE_WORDS: dict[type[pl.DataType], str] = {
    pl.String: "text",
    pl.Int64: "whole number",
    pl.Float64: "number",
    pl.Boolean: "true/false",
}
TYPES_BY_WORD = {word: dtype for dtype, word in TYPE_WORDS.items()}
_TYPE_CODES: dict[type[pl.DataType], str] = {pl.Int64: "R030", pl.Float64: "R031", pl.Boolean: "R032"}


@dataclass(frozen=True, slots=True)
class RecordFault:
    """One thing wrong in a table; ``row`` counts from 0, absent where the whole table is meant."""

    code: str
    table: str
    found: str
    expected: str = ""
    next_step: str = ""
    row: int | None = None
    column: str | None = None

    def problem(self) -> Problem:
        """The fault as a problem, its place in words; rows are counted from 1."""
        place = self.table if self.row is None else f"{self.table} row {self.row + 1}"
        if self.column is not None:
            place += f", column {self.column}"
        return Problem(self.code, place, self.found, self.expected, self.next_step)


def flag_rows(
    faults: list[RecordFault],
    table: str,
    frame: pl.DataFrame,
    wrong: pl.Expr | pl.Series,
    code: str,
    column: str | None,
    found: Callable[[dict[str, Any]], str],
    expected: str = "",
    next_step: str = "",
) -> None:
    """One fault for each row where ``wrong`` holds, the first twenty one by one and the rest as a count."""
    marked = frame.lazy().with_row_index("_row").filter(wrong).collect()
    if not marked.height:
        return
    for row in marked.head(MAX_SHOWN).iter_rows(named=True):
        faults.append(RecordFault(code, table, found(row), expected, next_step, int(row["_row"]), column))
    if marked.height > MAX_SHOWN:
        more = f"{marked.height - MAX_SHOWN:,} more rows have the same fault."
        faults.append(RecordFault(code, table, more, expected, next_step, None, column))


def said(value: Any) -> str:
    """A cell's value as a message shows it."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return "true" if value else "false"
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _typed(
    table: str, name: str, dtype: type[pl.DataType], frame: pl.DataFrame, faults: list[RecordFault]
) -> pl.Series:
    """The column as ``dtype``; a cell that is not of it is a fault, and null in the result."""
    series = frame[name]
    if series.dtype == dtype:
        return series
    if series.dtype == pl.Null:
        return series.cast(dtype)
    text = series.dtype == pl.String
    if dtype == pl.Boolean:
        lowered = series.cast(pl.String).str.to_lowercase()
        typed = lowered.replace_strict({"true": True, "false": False}, default=None, return_dtype=pl.Boolean)
    elif dtype == pl.String:
        typed = series.cast(pl.String)
    elif dtype == pl.Int64 and series.dtype.is_float():
        # a float column of a foreign file: whole values are whole numbers, others are not cut
        typed = pl.select(pl.when((series.round(0) == series) & (series.abs() < 2**53)).then(series)).to_series()
        typed = typed.cast(pl.Int64, strict=False)
    elif text and dtype == pl.Int64:
        # other programs write whole numbers as 30.0
        typed, numbers = series.cast(pl.Int64, strict=False), series.cast(pl.Float64, strict=False)
        whole = (numbers.round(0) == numbers) & (numbers.abs() < 2**53)
        typed = typed.fill_null(numbers.set(~whole.fill_null(False), None).cast(pl.Int64, strict=False))
    elif text or series.dtype.is_numeric():
        typed = series.cast(dtype, strict=False)
    else:
        typed = pl.Series(name, [None] * series.len(), dtype=dtype)
    typed = typed.alias(name)
    lost = typed.is_null() & series.is_not_null()
    if lost.any():
        word = TYPE_WORDS[dtype]
        flag_rows(
            faults,
            table,
            frame,
            lost,
            _TYPE_CODES[dtype],
            name,
            lambda row: f"The cell holds {said(row[name])}.",
            f"{'' if word == 'true/false' else 'a '}{word}",
            "Correct the cell; leave it empty where nothing is known.",
        )
    return typed


def type_cells(
    table: Table, frame: pl.DataFrame, extra: Mapping[str, type[pl.DataType]] | None = None
) -> tuple[pl.DataFrame, list[RecordFault]]:
    """The table with the types of the schema, and what is wrong with its cells.

    ``frame`` may hold texts (from CSV) or typed columns. ``extra`` gives the types of columns beyond the schema, where
    the table may have some. Columns the schema requires and that are absent are faults (R020), optional ones are added
    as null. Unknown columns are left to the caller.
    """
    faults: list[RecordFault] = []
    wanted: dict[str, type[pl.DataType]] = dict(table.polars_schema)
    if REPLICATE in frame.columns:
        wanted = {REPLICATE: pl.Int64, **wanted}
    wanted.update(extra or {})
    columns: list[pl.Series] = []
    for name, dtype in wanted.items():
        column = table.column(name)
        if name not in frame.columns:
            if column is not None and column.required:
                near = nearest(name, [other for other in frame.columns if other not in wanted])
                hint = f"Is the column {near!r} meant? Rename it." if near else "Add the column."
                expected = f"a column {name!r}: {column.meaning}"
                faults.append(RecordFault("R020", table.name, f"There is no column {name!r}.", expected, hint))
            columns.append(pl.Series(name, [None] * frame.height, dtype=dtype))
            continue
        columns.append(_typed(table.name, name, dtype, frame, faults))
    typed = pl.DataFrame(columns)
    lost = {(fault.row, fault.column) for fault in faults}
    present = [c for c in table.columns if c.name in frame.columns]
    for column in present:
        faults += [f for f in cell_faults(table.name, typed, column) if (f.row, f.column) not in lost]
    for name in extra or {}:
        if name in frame.columns and wanted[name] == pl.Float64:
            _flag_not_finite(faults, table.name, typed, name)
    if REPLICATE in frame.columns:
        needed = Column(REPLICATE, pl.Int64, "number of the replicate", required=True)
        faults += [f for f in cell_faults(table.name, typed, needed) if (f.row, f.column) not in lost]
    return typed, faults


def _flag_not_finite(faults: list[RecordFault], table: str, frame: pl.DataFrame, name: str) -> None:
    flag_rows(
        faults,
        table,
        frame,
        pl.col(name).is_nan() | pl.col(name).is_infinite(),
        "R036",
        name,
        lambda row: f"The cell holds {row[name]}.",
        "a finite number",
        "Leave the cell empty where nothing is known.",
    )


def cell_faults(table: str, frame: pl.DataFrame, column: Column) -> list[RecordFault]:
    """What is wrong with the cells of one typed column: empty, not a choice, out of bounds, not finite, day 0."""
    faults: list[RecordFault] = []
    name, cells = column.name, pl.col(column.name)
    if column.required:
        empty = cells.is_null() | (cells == "") if column.dtype == pl.String else cells.is_null()
        flag_rows(
            faults,
            table,
            frame,
            empty,
            "R033",
            name,
            lambda row: "The cell is empty.",
            column.meaning,
            "Fill the cell, or remove the row.",
        )
    if column.choices:

        def unknown(row: dict[str, Any]) -> str:
            near = nearest(str(row[name]), column.choices)
            return f"The value {said(row[name])} is not known." + (f" Is {near!r} meant?" if near else "")

        flag_rows(
            faults,
            table,
            frame,
            cells.is_not_null() & (cells != "") & ~cells.is_in(column.choices),
            "R034",
            name,
            unknown,
            listed(column.choices),
        )
    if column.dtype == pl.Float64:
        _flag_not_finite(faults, table, frame, name)
    unit = f" {column.unit}" if column.unit and column.unit != "study day" else ""
    if column.lowest is not None:
        flag_rows(
            faults,
            table,
            frame,
            cells < column.lowest,
            "R035",
            name,
            lambda row: f"The value is {said(row[name])}{unit}.",
            f"{_bounds(column)}{unit}",
        )
    if column.highest is not None:
        # NaN compares as greater than everything, and is told of above
        beyond = (cells > column.highest) & (cells.is_finite() if column.dtype == pl.Float64 else pl.lit(True))
        flag_rows(
            faults,
            table,
            frame,
            beyond,
            "R035",
            name,
            lambda row: f"The value is {said(row[name])}{unit}.",
            f"{_bounds(column)}{unit}",
        )
    if column.unit == "study day":
        flag_rows(
            faults,
            table,
            frame,
            cells == 0,
            "R037",
            name,
            lambda row: "The study day is 0.",
            "a day from 1, or a negative day before day 1",
            "Day 1 is the protocol's anchor and the day before is -1: add 1 to days counted from 0.",
        )
    return faults


def _bounds(column: Column) -> str:
    if column.highest is None:
        return f"at least {column.lowest:g}"
    return f"{column.lowest:g} to {column.highest:g}"


def problems_of(faults: Iterable[RecordFault]) -> list[Problem]:
    """Faults as problems without file and line."""
    return [fault.problem() for fault in faults]
