"""Records as they stood on a calendar day, where the date of each participant's study day 1 is known or assumed.

An interim analysis of a trial whose records hold everything (a published trial replayed, a simulated one) may see only
what had happened by then. What lies after the day is taken away row by row, and a row ``administrative_end`` says up to
which study day each participant had been followed. The cut of a running trial needs none of this: it holds what the
ledger knew.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta

import numpy as np
import polars as pl

from equipoise.foundation.calendar import day_index
from equipoise.foundation.errors import Problem, RecordsError, listed
from equipoise.protocol.language.protocol import Protocol
from equipoise.records.due_visits import with_due_visits
from equipoise.records.records import Records
from equipoise.records.schema import ATTENDED, DEATH

CODES = {
    "R140": "A randomized participant has no date of study day 1.",
    "R141": "The dates between which entry is assumed cannot be used.",
    "R142": "Nobody had entered the trial by that day.",
}

_ENDS = ("completion", "study_withdrawal", "lost_to_follow_up", DEATH, "administrative_end")


@dataclass(frozen=True)
class DatesOfDay1:
    """The calendar date of each participant's study day 1; ``basis`` says in a sentence where the dates come from."""

    dates: Mapping[str, date]
    basis: str
    is_assumed: bool = False

    @property
    def first(self) -> date:
        """The earliest."""
        return min(self.dates.values())

    @property
    def last(self) -> date:
        """The latest."""
        return max(self.dates.values())


def randomized_ids(records: Records) -> list[str]:
    """Participants with an allocation, in the order in which the records list them."""
    return records["allocations"]["participant_id"].unique(maintain_order=True).to_list()


def assume_dates(records: Records, first: date, last: date, *, seed: int | None = None) -> DatesOfDay1:
    """Dates at equal distances from ``first`` to ``last``: in the order of the ids, or in a random one (``seed``).

    The dates are an assumption, and everything made with them says so. Raises R141 where ``last`` lies before
    ``first``.
    """
    if last < first:
        found = f"Entry from {first} to {last}."
        raise RecordsError(Problem("R141", "--assume-entry", found, "an earlier and a later date", "Swap them."))
    # The order of rows in a file must not decide who entered when.
    ids = sorted(randomized_ids(records), key=lambda id: (len(id), id))
    order = "in the order of their identifiers"
    if seed is not None:
        ids = [str(id) for id in np.random.default_rng(seed).permutation(ids)]
        order = f"in a random order (seed {seed})"
    span = (last - first).days
    steps = max(len(ids) - 1, 1)
    dates = {id: first + timedelta(days=round(k * span / steps)) for k, id in enumerate(ids)}
    basis = f"Dates of entry are assumed: at equal distances from {first} to {last}, {order}."
    return DatesOfDay1(dates, basis, True)


@dataclass(frozen=True)
class RecordsOnDay:
    """What was known on a calendar day, and the day index up to which each participant had been followed by then."""

    day: date
    records: Records
    followed_to: Mapping[str, int]


def records_known_on(
    protocol: Protocol, records: Records, entry: DatesOfDay1, day: date, *, delay_days: int = 0
) -> RecordsOnDay:
    """The records of those who had entered by ``day``, without anything later than ``day`` less ``delay_days``.

    Of a day of use told at a visit the records do not say when it was told: it counts as known on the day itself.
    Whoever was still taking part has a row ``administrative_end`` on the last day seen. Raises R140 where a randomized
    participant has no date, R142 where nobody had entered.
    """
    ids = randomized_ids(records)
    without = [id for id in ids if id not in entry.dates]
    if without:
        found = f"{len(without)} of {len(ids)} randomized have no date: {listed(without, conjunction='and', limit=5)}."
        hint = "Add their rows, or say which dates are assumed (--assume-entry)."
        raise RecordsError(Problem("R140", "day_1", found, "a date of study day 1 for everybody randomized", hint))
    seen = {id: (day - entry.dates[id]).days - delay_days for id in ids}
    # Whose day 1 has come is in the trial, though with late data nothing need be known of them yet.
    inside = [id for id in ids if entry.dates[id] <= day]
    if not inside:
        found = f"The first participant entered on {entry.first}."
        raise RecordsError(Problem("R142", "--at", found, "a day on or after the first entry", "Name a later day."))
    whole, _ = with_due_visits(protocol, records)
    last = pl.DataFrame(
        {"participant_id": inside, "_seen": [seen[id] for id in inside]},
        schema={"participant_id": pl.String, "_seen": pl.Int64},
    )
    tables = {name: _cut(protocol, name, frame, last) for name, frame in whole.tables.items() if frame.height}
    tables["disposition"] = _with_ends(protocol, tables.get("disposition", records["disposition"].clear()), last)
    details = {**records.source.details, "at": day.isoformat(), "entry": entry.basis}
    description = f"{records.source.description} As known on {day}. {entry.basis}"
    source = replace(records.source, description=description, details=details)
    return RecordsOnDay(day, Records(tables, source), {id: seen[id] for id in inside})


def last_day_planned(protocol: Protocol) -> int:
    """Day index on which the last visit's window and the last epoch are over."""
    return day_index(max([protocol.model.calendar.last_day, *(v.last_day for v in protocol.planned_visits)]))


def _cut(protocol: Protocol, name: str, frame: pl.DataFrame, last: pl.DataFrame) -> pl.DataFrame:
    """The rows of a table that were known; of open-ended rows the part that was."""
    columns = frame.columns
    # Of whom everything planned is over, what has no day is known too.
    over = pl.col("_seen") >= last_day_planned(protocol)
    rows = frame.join(last, on="participant_id", how="inner", maintain_order="left")
    seen = pl.col("_seen")
    if name == "participants":
        return rows.select(columns)
    if name == "visits":
        rows = _cut_visits(protocol, rows)
    elif name == "sessions":
        rows = rows.filter(pl.coalesce(_index("day"), _index("planned_day")) <= seen)
    elif name == "adverse_events":
        begun = pl.coalesce(_index("onset_day"), _index_of(frame, "onset_earliest_day"))
        # An event on a day that nobody knows cannot be said to lie after the cut: it stays.
        rows = rows.filter(begun.is_null() | (begun <= seen))
        over = (_index("end_day") > seen).fill_null(False)
        outcome = pl.when(over).then(None).otherwise(pl.col("outcome"))
        end = pl.when(over).then(None).otherwise(pl.col("end_day"))
        rows = rows.with_columns(outcome.alias("outcome"), end.alias("end_day"))
    elif name == "events":
        later = (_index("day") > seen).fill_null(False)
        rows = rows.filter(~(later & pl.col("happened")) & (seen >= 0))
        rows = rows.with_columns(
            pl.when(_index("day") > seen).then(_day("_seen")).otherwise(pl.col("day")).alias("day")
        )
        # The last day known without an event may now be the same in two rows.
        rows = rows.unique(["participant_id", "term", "day"], maintain_order=True)
    elif name == "assessments" or name == "urine":
        planned = {visit.name: day_index(visit.target_day) for visit in protocol.planned_visits}
        target = pl.col("visit").replace_strict(planned, default=None, return_dtype=pl.Int64)
        rows = rows.filter(pl.coalesce(_index("day"), target).fill_null(0) <= seen)
    elif name == "allocations":
        rows = rows.filter(
            pl.col("day").is_null() & (pl.col("stage") == 1) | (_index("day") <= pl.max_horizontal(seen, 0))
        )
    else:
        rows = rows.filter((_index("day") <= seen).fill_null(over))
    return rows.select(columns)


def _cut_visits(protocol: Protocol, rows: pl.DataFrame) -> pl.DataFrame:
    """Visits held by then, and missed or not expected ones whose window had closed."""
    closes = {visit.name: day_index(visit.last_day) for visit in protocol.planned_visits}
    closed = pl.col("visit").replace_strict(closes, default=None, return_dtype=pl.Int64)
    held = pl.col("state") == ATTENDED
    when = (
        pl.when(held)
        .then(pl.coalesce(_index("day"), _index("target_day")))
        .otherwise(pl.coalesce(closed, _index("target_day")))
    )
    return rows.filter(when.fill_null(0) <= pl.col("_seen"))


def _with_ends(protocol: Protocol, disposition: pl.DataFrame, last: pl.DataFrame) -> pl.DataFrame:
    """A row ``administrative_end`` for everybody whose follow-up went on."""
    over = last_day_planned(protocol)
    left = disposition.filter(pl.col("event").is_in(list(_ENDS)) & pl.col("day").is_not_null())["participant_id"]
    # Study withdrawal ends what can be seen of somebody as well; time after it is missing, not in the future.
    open_ = last.filter((pl.col("_seen") < over) & ~pl.col("participant_id").is_in(left.to_list()))
    added = open_.select(
        "participant_id",
        pl.lit("administrative_end").alias("event"),
        _day("_seen").alias("day"),
        pl.lit("data cut").alias("reason"),
    )
    return pl.concat([disposition, added.cast(disposition.select(added.columns).schema)], how="diagonal")


def _index(day: str) -> pl.Expr:
    """A study day as a day index, in which day 1 is 0 and the day before is -1."""
    return pl.col(day) - (pl.col(day) > 0).cast(pl.Int64)


def _index_of(frame: pl.DataFrame, day: str) -> pl.Expr:
    return _index(day) if day in frame.columns else pl.lit(None, dtype=pl.Int64)


def _day(index: str) -> pl.Expr:
    """A day index as a study day."""
    return pl.col(index) + (pl.col(index) >= 0).cast(pl.Int64)
