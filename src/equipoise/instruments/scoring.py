"""Scores from items: one participant at one visit, or the whole assessments table at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from equipoise.foundation.errors import Problem, RecordsError, listed, nearest, raise_if_any
from equipoise.instruments.instrument import TOTAL, Instrument, Item

CODES = {
    "R501": "The instrument has no such item.",
    "R502": "The item cannot have this value.",
    "R503": "An item is given twice at one visit.",
}

SCORE_SCHEMA: dict[str, type[pl.DataType]] = {
    "participant_id": pl.String,
    "visit": pl.String,
    "day": pl.Int64,
    "scale": pl.String,
    "value": pl.Float64,
    "n_items": pl.Int64,
    "n_missing": pl.Int64,
}
_REPLICATE = "replicate"


@dataclass(frozen=True, slots=True)
class Score:
    """The value of a scale, absent where too many items were left out, with the count of items and of gaps."""

    value: float | None
    n_items: int
    n_missing: int


def _problem(instrument: Instrument, place: str, item: str, entry: Item | None, value: float | None) -> Problem | None:
    if entry is None:
        guess = nearest(item, instrument.item_ids)
        return Problem(
            "R501",
            place,
            f"{instrument.id} has no item {item!r}.",
            listed(instrument.item_ids, limit=40),
            f"Did you mean {guess}?" if guess else "",
        )
    if value is None or entry.allows(value):
        return None
    return Problem(
        "R502", place, f"Found {value:g}.", entry.expected, "Correct the value, or leave it empty if it was not given."
    )


def check_items(items: Mapping[str, float | None], instrument: Instrument) -> list[Problem]:
    """What cannot be so among the items of one person at one time: R501 unknown item, R502 impossible value."""
    entries = {entry.id: entry for entry in instrument.items}
    found = (
        _problem(instrument, f"{instrument.id} item {item}", item, entries.get(item), value)
        for item, value in items.items()
    )
    return [problem for problem in found if problem is not None]


def score(items: Mapping[str, float | None], instrument: Instrument) -> dict[str, Score]:
    """Every scale of ``instrument`` from raw items (before reversal); an item not there, or empty, was left out.

    A scale is the sum of its items after reversal. Where items were left out and the instrument's missing-item rule is
    met, it is the mean of those given times the number of items; otherwise its value is absent. The total of an
    instrument with subscales is the sum of these. Raises :class:`~equipoise.foundation.errors.RecordsError` with every
    impossible value.
    """
    raise_if_any(RecordsError, check_items(items, instrument))
    entries = {entry.id: entry for entry in instrument.items}
    out: dict[str, Score] = {}
    for scale, members in instrument.scales.items():
        if scale == TOTAL and instrument.subscales:
            parts = list(out.values())
            values = [part.value for part in parts]
            total = None if any(value is None for value in values) else sum(value or 0.0 for value in values)
            out[scale] = Score(total, sum(part.n_items for part in parts), sum(part.n_missing for part in parts))
            continue
        given = []
        for member in members:
            value, entry = items.get(member), entries.get(member)
            if value is not None and entry is not None:
                given.append(entry.scored(value))
        n = len(members)
        enough = len(given) >= instrument.missing_rule.items_needed(n)
        out[scale] = Score(sum(given) * n / len(given) if enough else None, n, n - len(given))
    return out


def check_assessments(assessments: pl.DataFrame, instrument: Instrument) -> list[Problem]:
    """:func:`check_items` over the rows of the assessments table that belong to ``instrument``, and R503: given twice.

    The place names the row of the table, counted from 1.
    """
    keys = _keys(assessments)
    rows = assessments.with_row_index("row", offset=1).filter(pl.col("instrument") == instrument.id)
    bounds = pl.DataFrame(
        {
            "item": list(instrument.item_ids),
            "lowest": [float(item.lowest) for item in instrument.items],
            "highest": [float(item.highest) for item in instrument.items],
            "whole": [item.whole_numbers for item in instrument.items],
        },
        schema={"item": pl.String, "lowest": pl.Float64, "highest": pl.Float64, "whole": pl.Boolean},
    )
    joined = rows.join(bounds, on="item", how="left", maintain_order="left")
    value = pl.col("value")
    is_wrong = (
        pl.col("lowest").is_null()
        | ~value.is_finite()
        | (value < pl.col("lowest"))
        | (value > pl.col("highest"))
        | (pl.col("whole") & (value != value.round()))
    ).fill_null(False)
    problems = []
    for row in joined.filter(is_wrong | pl.col("lowest").is_null()).iter_rows(named=True):
        place = f"assessments row {row['row']}, {row['participant_id']} at {row['visit']}, item {row['item']}"
        problem = _problem(instrument, place, row["item"], instrument.item(row["item"]), row["value"])
        if problem is not None:
            problems.append(problem)
    repeated = rows.filter(pl.struct([*keys, "item"]).is_duplicated() & ~pl.struct([*keys, "item"]).is_first_distinct())
    for row in repeated.iter_rows(named=True):
        place = f"assessments row {row['row']}, {row['participant_id']} at {row['visit']}, item {row['item']}"
        problems.append(Problem("R503", place, "The item occurs twice.", "one row per item", "Remove one row."))
    return problems


def _keys(assessments: pl.DataFrame) -> list[str]:
    lead = [_REPLICATE] if _REPLICATE in assessments.columns else []
    return [*lead, "participant_id", "visit"]


def score_assessments(assessments: pl.DataFrame, instrument: Instrument) -> pl.DataFrame:
    """Every scale at every visit at which ``instrument`` was given, as :func:`score` would have it.

    Returns one row a participant, visit and scale: ``participant_id, visit, day, scale, value, n_items, n_missing``
    (a leading ``replicate`` is kept), in the order in which participants and visits first appear. Raises
    :class:`~equipoise.foundation.errors.RecordsError` with every impossible value.
    """
    raise_if_any(RecordsError, check_assessments(assessments, instrument))
    keys = _keys(assessments)
    lead = {_REPLICATE: assessments.schema[_REPLICATE]} if _REPLICATE in keys else {}
    rows = assessments.filter(pl.col("instrument") == instrument.id)
    columns = [*keys, "day", "scale", "value", "n_items", "n_missing"]
    if rows.is_empty() or not instrument.scales:
        return pl.DataFrame(schema={**lead, **SCORE_SCHEMA}).select(columns)
    # Reversal turns x into lowest + highest - x: a sign and an offset for each item.
    turn = pl.DataFrame(
        {
            "item": list(instrument.item_ids),
            "offset": [item.lowest + item.highest if item.is_reversed else 0.0 for item in instrument.items],
            "sign": [-1.0 if item.is_reversed else 1.0 for item in instrument.items],
        },
        schema={"item": pl.String, "offset": pl.Float64, "sign": pl.Float64},
    )
    scored = rows.join(turn, on="item", maintain_order="left").with_columns(
        (pl.col("offset") + pl.col("sign") * pl.col("value")).alias("scored")
    )
    contacts = rows.group_by(keys, maintain_order=True).agg(pl.col("day").drop_nulls().first()).with_row_index("_order")
    parts = [scale for scale in instrument.scales if scale != TOTAL or not instrument.subscales]
    frames = []
    for position, scale in enumerate(parts):
        members = instrument.scales[scale]
        n, needed = len(members), instrument.missing_rule.items_needed(len(members))
        sums = (
            scored.filter(pl.col("item").is_in(members))
            .group_by(keys)
            .agg(pl.col("scored").sum().alias("sum"), pl.col("scored").count().cast(pl.Int64).alias("given"))
        )
        given = pl.col("given").fill_null(0)
        frames.append(
            contacts.join(sums, on=keys, how="left").select(
                "_order",
                *keys,
                "day",
                pl.lit(position).alias("_scale"),
                pl.lit(scale).alias("scale"),
                pl.when(given >= needed).then(pl.col("sum") * n / pl.col("given")).alias("value"),
                pl.lit(n, dtype=pl.Int64).alias("n_items"),
                (n - given).alias("n_missing"),
            )
        )
    out = pl.concat(frames)
    if TOTAL in instrument.scales and instrument.subscales:
        whole = out.group_by(["_order", *keys], maintain_order=True).agg(
            pl.col("day").first(),
            pl.lit(len(parts)).first().alias("_scale"),
            pl.lit(TOTAL).first().alias("scale"),
            pl.when(pl.col("value").is_null().any()).then(None).otherwise(pl.col("value").sum()).alias("value"),
            pl.col("n_items").sum(),
            pl.col("n_missing").sum(),
        )
        out = pl.concat([out, whole.select(out.columns)], how="vertical_relaxed")
    return out.sort(["_order", "_scale"]).select(columns).cast({"n_items": pl.Int64, "n_missing": pl.Int64})


def score_calendar(daily_use: pl.DataFrame) -> pl.DataFrame:
    """Summaries of the daily-use calendar, one row a participant and substance.

    ``days_asked``, ``use_days``, ``share_abstinent`` (of the days asked, 0 to 1; absent where none was) and
    ``longest_abstinent_run`` (days asked in a row without use; a day of use, a day not asked about, or a gap in the
    calendar ends a run). Study days run without a day 0.
    """
    lead = [_REPLICATE] if _REPLICATE in daily_use.columns else []
    keys = [*lead, "participant_id", "substance"]
    index = pl.when(pl.col("day") > 0).then(pl.col("day") - 1).otherwise(pl.col("day"))
    is_abstinent = pl.col("asked") & ~pl.col("used").fill_null(True)
    days = daily_use.with_columns(index.alias("_index"), is_abstinent.alias("_abstinent")).sort([*keys, "_index"])
    runs = (
        days.filter(pl.col("_abstinent"))
        # Consecutive days share the difference between their index and their rank.
        .with_columns((pl.col("_index") - pl.col("_index").rank("ordinal").over(keys).cast(pl.Int64)).alias("_run"))
        .group_by([*keys, "_run"])
        .len("_length")
        .group_by(keys)
        .agg(pl.col("_length").max().cast(pl.Int64).alias("longest_abstinent_run"))
    )
    asked = pl.col("asked").sum().cast(pl.Int64)
    used = (pl.col("asked") & pl.col("used").fill_null(False)).sum().cast(pl.Int64)
    return (
        days.group_by(keys, maintain_order=True)
        .agg(asked.alias("days_asked"), used.alias("use_days"))
        .with_columns(
            pl.when(pl.col("days_asked") > 0)
            .then((pl.col("days_asked") - pl.col("use_days")) / pl.col("days_asked"))
            .alias("share_abstinent")
        )
        .join(runs, on=keys, how="left", maintain_order="left")
        .with_columns(pl.col("longest_abstinent_run").fill_null(0))
    )
