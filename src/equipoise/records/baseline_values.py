"""Baseline variables of a protocol in the table of participants: which column, and its values as numbers or levels."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from equipoise.foundation.errors import listed
from equipoise.protocol.language.design import BaselineVariable
from equipoise.records.cells import RecordFault, flag_rows, said

CODES = {
    "R067": "A baseline value is not of the kind, the levels or the range that the protocol states.",
}


def name_of_column(columns: list[str], id: str) -> str | None:
    """The participants' column of a baseline variable: its id, or the id in snake case; ``None`` without one."""
    return next((name for name in (id, id.replace("-", "_")) if name in columns), None)


def as_numbers(series: pl.Series) -> pl.Series:
    """Values as numbers, yes as 1 and no as 0; null where a value is not known or no number."""
    return series.cast(pl.Float64, strict=False)


def as_levels(series: pl.Series) -> pl.Series:
    """Values as the texts that levels are: 1 and 1.0 are the level ``"1"``."""
    if not series.dtype.is_float():
        return series.cast(pl.String)
    whole = series.cast(pl.Int64, strict=False)
    is_whole = (whole.cast(pl.Float64) == series).fill_null(value=False)
    return whole.cast(pl.String).zip_with(is_whole, series.cast(pl.String))


def find_baseline_faults(people: pl.DataFrame, variables: Mapping[str, BaselineVariable]) -> list[RecordFault]:
    """Cells that a baseline variable cannot have: a word for a number, a level not named, a number out of range."""
    faults: list[RecordFault] = []
    for id, variable in variables.items():
        column = name_of_column(people.columns, id)
        if column is None:
            continue
        wrong, expected, step = impossible_cells(people[column], variable)

        def found(row: dict[str, object], of: str = column) -> str:
            return f"The cell holds {said(row[of])}."

        flag_rows(faults, "participants", people, wrong, "R067", column, found, expected, step)
    return faults


def impossible_cells(series: pl.Series, variable: BaselineVariable) -> tuple[pl.Series, str, str]:
    """Which cells the variable cannot have (one truth for each), what it can have, and what to do."""
    empty = "leave the cell empty where nothing is known (in a mapping: `empty: [NA]`)"
    if variable.type == "category":
        levels = as_levels(series)
        wrong = levels.is_not_null() & ~levels.is_in(list(variable.levels))
        return wrong, listed(variable.levels), f"Correct the cell or recode it; {empty}; or name the level."
    numbers = as_numbers(series)
    wrong = (series.is_not_null() & numbers.is_null()) | numbers.is_nan().fill_null(value=False)
    if variable.type == "yes-no":
        return wrong | ~numbers.is_in([0.0, 1.0]).fill_null(value=True), "true or false", f"Recode the cell; {empty}."
    expected = "a number"
    if variable.lowest is not None:
        wrong |= (numbers < variable.lowest).fill_null(value=False)
        expected += f" from {variable.lowest:g}"
    if variable.highest is not None:
        wrong |= (numbers > variable.highest).fill_null(value=False)
        expected += f" up to {variable.highest:g}"
    return wrong, expected, f"Correct the cell; {empty}."
