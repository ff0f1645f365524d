"""Definitions on many patterns, as a table: true and false as 1 and 0, a value that does not exist as null."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import polars as pl

from equipoise.endpoints.patterns.evaluate import Scored, evaluate_all
from equipoise.endpoints.patterns.library import Definition, reference_definitions
from equipoise.endpoints.patterns.pattern import Pattern

# The order in which the reference implementation's table has its columns is that of its list of definitions.
BATCH = 262_144  # rows scored at a time, so that a million rows do not hold every intermediate value


def score_definitions(
    chosen: Sequence[Definition], patterns: Pattern | Mapping[str, Pattern], *, threads: int | None = None
) -> tuple[pl.DataFrame, dict[str, tuple[str, ...]]]:
    """One column a value of each definition, and each definition's coded warnings."""
    scored = evaluate_all([(definition.formula, definition.better) for definition in chosen], patterns, threads=threads)
    columns: dict[str, pl.Series] = {}
    warnings: dict[str, tuple[str, ...]] = {}
    for definition, result in zip(chosen, scored, strict=True):
        if result.warnings:
            warnings[definition.name] = result.warnings
        for name, series in zip(definition.columns, _series(definition, result), strict=True):
            columns[name] = series.alias(name)
    return pl.DataFrame(columns), warnings


def _series(definition: Definition, result: Scored) -> Iterator[pl.Series]:
    whole = definition.type != "number" or definition.unit in ("days",)
    for values in (result.value, result.event):
        if values is None:
            continue
        series = pl.Series(values).fill_nan(None)
        # Yes or no, times and events are whole numbers and are written without a decimal point.
        yield series.cast(pl.Int32) if whole and _is_whole(values) else series


def _is_whole(values: np.ndarray[tuple[int, ...], np.dtype[np.float64]]) -> bool:
    present = values[~np.isnan(values)]
    return bool((present == np.rint(present)).all())


def published_columns(
    pattern: Pattern, *, threads: int | None = None
) -> tuple[pl.DataFrame, dict[str, tuple[str, ...]]]:
    """The 62 columns of the 54 published definitions on weekly words, in the order of the library."""
    return score_definitions(reference_definitions(), pattern, threads=threads)
