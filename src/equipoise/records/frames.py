"""Frames for people who use another library."""

from __future__ import annotations

from typing import Any

import polars as pl

from equipoise.foundation.errors import Problem, UsageError

CODES = {"U060": "A pandas frame was asked for, and pandas is not installed."}


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
