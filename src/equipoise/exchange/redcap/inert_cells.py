"""Free text that a spreadsheet would work out: an apostrophe before it on the way out, none on the way in."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from equipoise.exchange.redcap.fields import RedcapField

_FORMULA = r"[=+\-@\t\r]"  # what a spreadsheet takes for the beginning of a formula
_NUMBER = r"^[-+]?(?:\d+[.,]?\d*|[.,]\d+)$"


def made_inert(name: str) -> pl.Expr:
    """Cells of free text that a spreadsheet would work out, with an apostrophe before them; numbers stay."""
    cells = pl.col(name)
    is_formula = cells.str.contains(f"^{_FORMULA}") & ~cells.str.contains(_NUMBER)
    return pl.when(is_formula).then("'" + cells).otherwise(cells).alias(name)


def as_they_were(frame: pl.DataFrame, fields: Sequence[RedcapField]) -> pl.DataFrame:
    """Free text as it was before :func:`made_inert`."""
    names = [one.name for one in fields if one.is_free_text and one.name in frame.columns]
    return frame.with_columns(pl.col(name).str.replace(f"^'({_FORMULA})", "$1") for name in names)
