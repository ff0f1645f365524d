"""Frames for people who use another library."""

from __future__ import annotations

from typing import Any

import polars as pl

from equipoise.foundation.errors import Problem, UsageError

CODES = {
    "U060": "A pandas frame was asked for, and pandas is not installed.",
    "U061": "A value given as a table is not a data frame.",
}


def as_polars(frame: Any) -> pl.DataFrame:
    """A Polars frame from any eager frame that narwhals knows (pandas, PyArrow, Modin ...); NaN becomes null.

    Raises :class:`~equipoise.foundation.errors.UsageError` (U061) for what is no frame.
    """
    if isinstance(frame, pl.DataFrame):
        return frame
    import narwhals as nw

    try:
        known = nw.from_native(frame, eager_only=True)
    except TypeError:
        raise UsageError(
            Problem(
                "U061",
                "tables",
                f"Found {type(frame).__name__}.",
                "a Polars frame, or another eager data frame (pandas, PyArrow)",
                "Convert it to a data frame first.",
            )
        ) from None
    columns = {}
    for name in known.columns:
        values = [None if value is None or value != value else value for value in known[name].to_list()]
        columns[name] = pl.Series(name, values, strict=False)
    return pl.DataFrame(columns)


def to_pandas(frame: pl.DataFrame) -> Any:
    """The frame as a pandas frame, nullable where Polars has nulls; needs pandas, and nothing else.

    Raises :class:`~equipoise.foundation.errors.UsageError` (U060) where pandas is not installed.
    """
    try:
        import pandas as pd
    except ModuleNotFoundError:
        raise UsageError(
            Problem(
                "U060",
                "to_pandas",
                "pandas is not installed.",
                next_step="Install pandas, or stay with the Polars frame.",
            )
        ) from None
    nullable = {pl.Int64: "Int64", pl.Boolean: "boolean", pl.String: "string", pl.Float64: "Float64"}
    columns = {}
    for name, column in zip(frame.columns, frame.get_columns(), strict=True):
        dtype = nullable.get(type(column.dtype)) if column.null_count() else None
        columns[name] = pd.Series(column.to_list(), dtype=dtype or (object if column.dtype == pl.String else None))
    return pd.DataFrame(columns)
