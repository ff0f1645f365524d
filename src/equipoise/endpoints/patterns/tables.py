"""Definitions on many patterns, as a table: true and false as 1 and 0, a value that does not exist as null."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import polars as pl

from equipoise.endpoints.patterns.evaluate import Scored, evaluate_all
from equipoise.endpoints.patterns.library import Definition, reference_definitions
from equipoise.endpoints.patterns.pattern import Pattern
from equipoise.protocol.language.formula import Formula


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
    """Yes or no, times, events, and counts of whole cells are whole numbers, written without a decimal point."""
    whole = definition.type != "number" or _counts_whole(definition.formula)
    for values in (result.value, result.event):
        if values is not None:
            series = pl.Series(values).fill_nan(None)
            yield series.cast(pl.Int32) if whole else series


def _counts_whole(formula: Formula) -> bool:
    counted = formula.count is not None and formula.count.mixed_weight == 0
    return counted or formula.measure in ("longest_run", "last_place") or formula.bands is not None


def published_columns(
    pattern: Pattern, *, threads: int | None = None
) -> tuple[pl.DataFrame, dict[str, tuple[str, ...]]]:
    """The 62 columns of the 54 published definitions on weekly words, in the order of the reference's list."""
    return score_definitions(reference_definitions(), pattern, threads=threads)
