"""Frames for people who use another library."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from equipoise.foundation.errors import Problem, UsageError

CODES = {
    "U060": "A pandas frame was asked for, and pandas is not installed.",
    "U061": "A value given as a table is not a data frame.",
}


def as_polars(frame: Any) -> pl.DataFrame:
    """A Polars frame from any frame that Arrow, pandas or narwhals knows; NaN becomes null.

    What hands over Arrow memory (PyArrow tables, DuckDB results, other Polars frames) is not copied, and neither are
    pandas' columns of plain numbers; a column with a NaN is, and so are pandas' texts. Categories become texts.

    Raises :class:`~equipoise.foundation.errors.UsageError` (U061) for what is no frame.
    """
    if isinstance(frame, pl.DataFrame):
        return frame
    if type(frame).__module__.partition(".")[0] != "pandas" and hasattr(frame, "__arrow_c_stream__"):
        return _with_nulls(pl.DataFrame(frame))
    import narwhals as nw

    try:
        known = nw.from_native(frame, eager_only=True)
    except TypeError:
        raise UsageError(
            Problem(
                "U061",
                "tables",
                f"Found {type(frame).__name__}.",
                "a Polars frame, or another eager data frame (pandas, PyArrow, a DuckDB result)",
                "Convert it to a data frame first.",
            )
        ) from None
    return _with_nulls(pl.DataFrame([_series(str(name), known[name]) for name in known.columns]))


def _series(name: str, column: Any) -> pl.Series:
    """A column of narwhals; one of plain numbers shares its memory."""
    native = column.to_native()
    if isinstance(getattr(native, "dtype", None), np.dtype) and native.dtype.kind in "iuf":
        return pl.Series(name, native.to_numpy())
    gone = column.is_null().to_list()
    values = [None if absent or value != value else value for value, absent in zip(column.to_list(), gone, strict=True)]
    return pl.Series(name, values, strict=False)


def _with_nulls(frame: pl.DataFrame) -> pl.DataFrame:
    """NaN as null and categories as texts; columns without either stay as they are."""
    changed = [
        column.fill_nan(None) if column.dtype.is_float() else column.cast(pl.String)
        for column in frame
        if (column.dtype.is_float() and column.is_nan().any()) or column.dtype in (pl.Categorical, pl.Enum)
    ]
    return frame.with_columns(changed) if changed else frame


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
