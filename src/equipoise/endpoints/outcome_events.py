"""Events that are not use (death, relapse of an illness, admission), and up to when they would have been known."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipoise.endpoints.endpoint_values import Derived, Tally
from equipoise.endpoints.lattice import NEVER, Index, Lattice, Mask
from equipoise.foundation.calendar import day_index, day_indices
from equipoise.protocol.language.outcomes import EventCountEndpoint, EventEndpoint
from equipoise.records.schema import DEATH

# A dated end of taking part says of every event that did not happen before that it did not.
ENDS = ("completion", "study_withdrawal", "lost_to_follow_up", DEATH, "administrative_end")


def event_days(lattice: Lattice, terms: tuple[str, ...], certainty: tuple[str, ...] = ()) -> tuple[Index, Index]:
    """Row and day index of the dated events of these terms that happened, each day of a term once.

    With ``certainty`` only events of that certainty. A death of the table disposition is the event ``death`` too, and
    certain.
    """
    rows = lattice.rows_of("events", pl.col("term").is_in(list(terms)) & pl.col("happened") & _is_sure(certainty))
    dated = rows.filter(pl.col("day").is_not_null()).select("row", "term", "day")
    if DEATH in terms and _takes_certain(certainty):
        left = lattice.rows_of("disposition", (pl.col("event") == DEATH) & pl.col("day").is_not_null())
        dated = pl.concat([dated, left.select("row", pl.lit(DEATH).alias("term"), "day")], how="vertical_relaxed")
    once = dated.unique(maintain_order=True)
    return once["row"].to_numpy().astype(np.int64), day_indices(once["day"].to_numpy().astype(np.int64))


def without_day(lattice: Lattice, terms: tuple[str, ...], certainty: tuple[str, ...] = ()) -> Mask:
    """(n,) whether an event of these terms happened on a day that nobody knows."""
    out = np.zeros(lattice.n, dtype=np.bool_)
    happened = pl.col("term").is_in(list(terms)) & pl.col("happened") & pl.col("day").is_null() & _is_sure(certainty)
    out[lattice.rows_of("events", happened)["row"].to_numpy()] = True
    if DEATH in terms and _takes_certain(certainty):
        left = lattice.rows_of("disposition", (pl.col("event") == DEATH) & pl.col("day").is_null())
        dated = np.zeros(lattice.n, dtype=np.bool_)
        dated[event_days(lattice, (DEATH,))[0]] = True
        undated = np.zeros(lattice.n, dtype=np.bool_)
        undated[left["row"].to_numpy()] = True
        out |= undated & ~dated
    return out


def _takes_certain(certainty: tuple[str, ...]) -> bool:
    return not certainty or "certain" in certainty


def _is_sure(certainty: tuple[str, ...]) -> pl.Expr:
    return pl.col("certainty").is_in(list(certainty)) if certainty else pl.lit(True)


def first_event_day(lattice: Lattice, term: str, certainty: tuple[str, ...], earliest: int) -> Index:
    """(n,) day index of the first event from ``earliest`` on; NEVER where none is recorded with a day."""
    out = np.full(lattice.n, NEVER, dtype=np.int64)
    rows, days = event_days(lattice, (term,), certainty)
    late = days >= earliest
    np.minimum.at(out, rows[late], days[late])
    return out


def happened_on(lattice: Lattice, term: str, certainty: tuple[str, ...], day: int) -> Mask:
    """(n,) whether the event is recorded on this day index."""
    out = np.zeros(lattice.n, dtype=np.bool_)
    rows, days = event_days(lattice, (term,), certainty)
    out[rows[days == day]] = True
    return out


def events_known_to(lattice: Lattice, term: str, until: int) -> Index:
    """(n,) day index of the last day up to ``until`` on which the event would have been known; -NEVER without any.

    That is the last of: the day up to which a row says that it had not happened, an event of this term, and the dated
    end of taking part. A visit kept says nothing of it: whether the event was asked about there is not known.
    """
    out = np.full(lattice.n, -NEVER, dtype=np.int64)
    rows = lattice.rows_of("events", (pl.col("term") == term) & pl.col("day").is_not_null())
    if rows.height:
        np.maximum.at(
            out, rows["row"].to_numpy().astype(np.int64), day_indices(rows["day"].to_numpy().astype(np.int64))
        )
    np.maximum.at(out, *lattice.disposition_days(ENDS))
    return np.minimum(out, until)


def derive_event(lattice: Lattice, id: str, endpoint: EventEndpoint, missed: str | None = None) -> Derived:
    """1 where one of the events happened in the window, 0 where the window was observed to its end without any.

    Whoever was observed for less, or had an event on a day that nobody knows, is missing or stands for what the rule
    says. Events of several terms must all have been observed.
    """
    first, last = day_index(endpoint.days.first), day_index(endpoint.days.last)
    rows, days = event_days(lattice, endpoint.events, endpoint.certainty)
    happened = np.zeros(lattice.n, dtype=np.bool_)
    happened[rows[(days >= first) & (days <= last)]] = True
    undated = without_day(lattice, endpoint.events, endpoint.certainty)
    value = np.where(happened, 1.0, np.where(_observed(lattice, endpoint.events, last) & ~undated, 0.0, np.nan))
    missing = np.isnan(value)
    good, bad = (1.0, 0.0) if endpoint.better == "higher" else (0.0, 1.0)
    stands = {"is-yes": 1.0, "is-no": 0.0, "is-use": bad, "is-no-use": good}.get(missed or endpoint.missed, np.nan)
    value = np.where(missing, stands, value)
    return Derived(
        endpoint=id,
        kind=endpoint.kind,
        shape="binary",
        participants=lattice.participants,
        event_word=endpoint.event_noun,
        value=value,
        imputed=missing & ~np.isnan(value),
        marks=_marks(undated & ~happened),
    )


def derive_event_count(lattice: Lattice, id: str, endpoint: EventCountEndpoint, missed: str | None = None) -> Derived:
    """Events in the window, or so many in ``per-days`` days observed, beside the days observed (exposure).

    A count needs the whole window; a rate one day of it. Who had an event on a day that nobody knows has neither. In
    periods each is a window of its own.
    """
    length = endpoint.period_days or len(endpoint.days.range)
    starts = day_index(endpoint.days.first) + length * np.arange(endpoint.n_periods)
    rows, days = event_days(lattice, endpoint.events, endpoint.certainty)
    # Of whom nothing is known the last day known lies before all days: a difference with it would overflow.
    first, last = int(starts[0]), int(starts[-1]) + length - 1
    known_to = np.stack([events_known_to(lattice, term, last) for term in endpoint.events]).min(axis=0)
    known_to = np.maximum(known_to, first - 1)
    undated = without_day(lattice, endpoint.events, endpoint.certainty)
    events, exposures, values = [], [], []
    for start in starts:
        inside = (days >= start) & (days < start + length)
        count = np.bincount(rows[inside], minlength=lattice.n).astype(np.float64)
        exposure = np.clip(known_to - start + 1, 0, length).astype(np.float64)
        if endpoint.as_ == "count":
            value = np.where(exposure == length, count, np.nan)
        else:
            value = np.divide(endpoint.per_days * count, exposure, out=np.full(lattice.n, np.nan), where=exposure > 0)
        values.append(np.where(undated, np.nan, value))
        events.append(np.where(undated | (exposure == 0), np.nan, count))
        exposures.append(exposure)
    noun = endpoint.event_noun
    common = {
        "endpoint": id,
        "kind": endpoint.kind,
        "participants": lattice.participants,
        "event_word": id,
        "exposure": np.sum(exposures, axis=0),
        "marks": _marks(undated),
    }
    if endpoint.period_days is None:
        tally = Tally(events[0], exposures[0], float(endpoint.per_days), noun)
        return Derived(shape="number", value=values[0], tally=tally, **common)
    return Derived(
        shape="repeated-score",
        values=np.stack(values, axis=1),
        visit_names=tuple(f"period-{k + 1}" for k in range(endpoint.n_periods)),
        visit_weeks=(starts - starts[0]) / 7.0,
        first_visit_day=int(starts[0]),
        tally=Tally(np.stack(events, axis=1), np.stack(exposures, axis=1), float(endpoint.per_days), noun),
        **common,
    )


def _observed(lattice: Lattice, terms: tuple[str, ...], last: int) -> Mask:
    """(n,) whether each of the events would have been known up to the last day of the window.

    Whoever died before it was not observed to it, unless death is among the events.
    """
    known = np.stack([events_known_to(lattice, term, last) for term in terms]).min(axis=0) >= last
    return np.asarray(known)


def _marks(undated: NDArray[np.bool_]) -> dict[str, NDArray[np.bool_]]:
    return {"event-without-day": undated} if undated.any() else {}
