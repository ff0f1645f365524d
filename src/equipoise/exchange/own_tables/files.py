"""A user's own file as a table of texts, whatever wrote it: CSV, SPSS, Stata, SAS or Parquet.

A number becomes the shortest text that is that number, a date ``2024-03-01``, a missing value nothing, also one that
SPSS or Stata keep with a reason. Coded values are their codes, or their labels where these are asked for.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from equipoise.exchange.csv import TextTable, read_csv_text
from equipoise.foundation.errors import Problem, listed

CODES = {
    "R120": "A file of a statistics package that cannot be read.",
}


def read_table_file(path: Path, *, value_labels: bool = False) -> tuple[TextTable | None, list[Problem]]:
    """Read a file by its ending; ``None`` with the problems that prevent it. Only CSV has its own lines."""
    ending = path.suffix.lower()
    if ending not in (*_READERS, ".parquet"):
        return read_csv_text(path)
    if not path.is_file():
        found = "This is a folder." if path.is_dir() else "There is no such file."
        hint = "Check the name of the file and its folder."
        return None, [Problem("R014", "", found, f"a {ending} file", hint, file=str(path))]
    try:
        parquet = ending == ".parquet"
        frame = pl.read_parquet(path) if parquet else _package(path, ending, value_labels=value_labels)
    except Exception as error:  # damaged files make the readers raise plain exceptions of many kinds
        hint = f"Save it again, or as CSV. Files that can be read: {listed([*_READERS, '.parquet', '.csv'])}."
        said = str(error).split("\n", 1)[0].rstrip(".")
        return None, [Problem("R120", "", f"It cannot be read: {said}.", f"a {ending} file", hint, file=str(path))]
    texts = pl.DataFrame([_as_texts(frame[name]) for name in frame.columns])
    return TextTable(str(path), tuple(texts.columns), texts, np.arange(1, texts.height + 1, dtype=np.int64)), []


def _package(path: Path, ending: str, *, value_labels: bool) -> pl.DataFrame:
    import pyreadstat

    read: Callable[..., tuple[pl.DataFrame, Any]] = getattr(pyreadstat, _READERS[ending])
    frame, said = read(path, output_format="polars")  # values that the package takes for missing come as nothing
    if value_labels:
        for name, labels in said.variable_value_labels.items():
            series = frame[name]
            if series.dtype.is_numeric():
                known = {float(code): label for code, label in labels.items() if not isinstance(code, str)}
                worded = series.cast(pl.Float64).replace_strict(known, default=None, return_dtype=pl.String)
                frame = frame.with_columns(worded.fill_null(_as_texts(series)).alias(name))
    return frame


_READERS = {
    ".sav": "read_sav",
    ".zsav": "read_sav",
    ".por": "read_por",
    ".dta": "read_dta",
    ".xpt": "read_xport",
    ".sas7bdat": "read_sas7bdat",
}


def _as_texts(series: pl.Series) -> pl.Series:
    if series.dtype == pl.String:
        return series.set(series == "", None)
    return pl.Series(series.name, [_text(value) for value in series.to_list()], dtype=pl.String)


def _text(value: Any) -> str | None:
    if value is None or value != value:
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    if isinstance(value, datetime) and value.time() == datetime.min.time():
        value = value.date()
    return value.isoformat() if isinstance(value, date) else str(value) or None
