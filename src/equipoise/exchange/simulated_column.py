"""The column ``simulated``: each row of a table that leaves says whether its participant is fictional.

Tables travel alone, and are put under one another. The column is in files only: records in memory have their source,
and neither their hash nor a trial's ledger knows the column. Files without it are read as before.
"""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipoise.foundation.errors import Problem, RecordsError

SIMULATED = "simulated"

CODES = {
    "R023": "Rows contradict the stated origin of the records: fictional participants or not.",
    "R024": "The name of a column is reserved.",
}

_TRUE, _FALSE = ("true", "1"), ("false", "0")


def with_simulated(name: str, frame: pl.DataFrame, is_simulated: bool) -> pl.DataFrame:
    """The table ``name`` with the column before its last, so that a line begins and ends as the records do.

    Raises :class:`RecordsError` (R024) where a column of that name is there.
    """
    if SIMULATED in frame.columns:
        hint = "Give the column another name."
        found = "The table has a column simulated of its own."
        raise RecordsError(Problem("R024", f"{name}, column {SIMULATED}", found, "other names", hint))
    *others, last = frame.columns
    return frame.select(*others, pl.lit(is_simulated).alias(SIMULATED), last)


def simulated_problems(
    cells: pl.Series, is_simulated: bool, *, file: str, lines: NDArray[np.int64] | None, hint: str
) -> list[Problem]:
    """The first row that contradicts the origin, and how many do; rows that say nothing are of the origin.

    ``lines`` are the lines of the rows in ``file`` (none for Parquet), ``hint`` what to do.
    """
    texts = cells.cast(pl.String).str.to_lowercase()
    wrong = ~texts.is_in(_TRUE if is_simulated else _FALSE) & texts.is_not_null()
    n = int(wrong.sum())
    if not n:
        return []
    row = wrong.arg_max() or 0
    rows = "One row says" if n == 1 else f"{n} rows say"
    found = f"{rows} simulated: {texts[row]}, and these records are {'simulated' if is_simulated else 'not simulated'}."
    expected = f"{'true' if is_simulated else 'false'} in every row"
    line = None if lines is None else int(lines[row])
    return [Problem("R023", f"column {SIMULATED}", found, expected, hint, file=file, line=line)]
