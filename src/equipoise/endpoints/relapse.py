"""Time to relapse: the first of some events, each found on the lattice."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.endpoints.coverage import Coverage, cover_weeks, days_known, kept_to, last_known_day
from equipoise.endpoints.criteria import first_met, scores_known_to
from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import NEVER, Index, Lattice, Mask
from equipoise.endpoints.missing import settle
from equipoise.endpoints.outcome_events import ENDS, events_known_to, first_event_day, happened_on, without_day
from equipoise.foundation.calendar import day_index
from equipoise.protocol.language.endpoints import (
    DispositionEvent,
    DropoutEvent,
    Event,
    RunOfUse,
    TimeToEventEndpoint,
    UseEvent,
)
from equipoise.protocol.language.outcomes import OutcomeEvent, ScoreEvent

# What rules for missing weeks and days make of time that nobody observed.
MAKES_USE = {"is-use", "is-use-after-dropout"}
MAKES_NO_USE = {"is-no-use", "last-observation"}


def derive_time_to_event(
    lattice: Lattice, id: str, endpoint: TimeToEventEndpoint, missed: str | None = None, weeks: Mask | None = None
) -> Derived:
    """Days from time zero to the earliest event, censored at the last day on which it would have been known.

    Follow-up ends at ``until``, or at the last contact where the endpoint says so. Of a participant of whom nothing is
    known from time zero on there is no time (NaN). ``unobserved: is-event-free`` carries time forward to the end of
    follow-up, and the code says for how many.

    An event on the day of time zero counts only where the endpoint says ``at-day-zero`` (time 0: an event at entry).
    ``weeks`` (n, n_weeks) is use in the weeks of a run of weeks, where the missing ones have been imputed.

    A competing event that comes before its own ends time as ``competing``; on one day its own comes first. Time between
    the last day on which its own event would have been known and a competing one is taken as free of it, and told.
    """
    zero = day_index(endpoint.time_zero.first)
    until = day_index(endpoint.until.last)
    found = _find_events(lattice, endpoint, endpoint.first_of, missed, weeks)
    first = found.days.min(axis=0)
    event_seen = first <= until
    censor = np.full(lattice.n, until, dtype=np.int64)
    if endpoint.censored == "last-contact" and endpoint.censored_at is not None:
        last = lattice.visits(endpoint.censored_at).last_day
        censor = np.clip(last, zero if endpoint.at_day_zero else zero + 1, until)
        # A relapse seen is seen even when it was noted at a later contact than the last of this series.
    observed_to = _observed_to(lattice, endpoint, until, missed, weeks)
    rules = _rules_for_runs(endpoint, missed)
    if endpoint.unobserved == "is-censored" and not rules & MAKES_NO_USE:
        censor = np.minimum(censor, observed_to)
    day = np.where(event_seen, first, censor)
    cause = np.where(event_seen, np.asarray(found.names)[found.days.argmin(axis=0)], "")
    undated, at_entry = found.undated, found.at_entry
    competing = None
    if endpoint.competing:
        others = _find_events(lattice, endpoint, endpoint.competing, missed, None)
        before = others.days.min(axis=0)
        ended = (before <= until) & (before < first)
        # Of whom nothing is known from time zero on no competing event makes a time.
        ended &= observed_to >= zero
        day = np.where(ended, before, day)
        cause = np.where(ended, np.asarray(others.names)[others.days.argmin(axis=0)], cause)
        event_seen &= ~ended
        undated, at_entry = undated | others.undated, at_entry | others.at_entry
        competing = np.asarray(ended & ~undated)
    # An event on a day that nobody knows may have been the first.
    no_time = (day < zero) | undated
    carried = ~event_seen & ~no_time & (observed_to < (day if competing is None else day - competing))
    visit_time = None
    if endpoint.visits is not None:
        counted = time_in_visits(lattice.visits(endpoint.visits).target, day)
        visit_time = np.where(no_time, np.nan, counted)
    never_seen = found.never_seen & ~event_seen
    marks = {"time-carried-forward": carried, "event-without-day": undated, "event-on-day-zero": at_entry}
    return Derived(
        endpoint=id,
        kind=endpoint.kind,
        shape="time-to-event",
        participants=lattice.participants,
        event_word=endpoint.event_noun or id,
        time=np.where(no_time, np.nan, (day - zero).astype(np.float64)),
        event=np.asarray(event_seen & ~undated),
        competing=competing,
        cause=np.where(undated, "", cause),
        visit_time=visit_time,
        follow_up=float(until - zero),
        warnings=("never-seen-scored-success",) if weeks is None and bool(never_seen.any()) else (),
        marks={code: who for code, who in marks.items() if who.any()},
    )


@dataclass(frozen=True)
class _Found:
    """Events looked for: the first day of each, and of whom the days are in doubt."""

    days: Index  # (n_events, n) day index; NEVER where there is none
    names: list[str]
    never_seen: Mask  # no cell of any run was looked at; false where there is no run
    undated: Mask
    at_entry: Mask


def time_in_visits(targets: Index, day: NDArray[Any]) -> NDArray[np.float64]:
    """A time counted in planned visits: the number of the first planned on ``day`` or later, or of the last one."""
    return np.asarray(np.searchsorted(targets, np.minimum(day, targets[-1]), side="left") + 1.0)


def _find_events(
    lattice: Lattice,
    endpoint: TimeToEventEndpoint,
    events: tuple[Event, ...],
    missed: str | None,
    weeks: Mask | None,
) -> _Found:
    """The first day of each of some events from time zero on."""
    zero, until = day_index(endpoint.time_zero.first), day_index(endpoint.until.last)
    earliest = zero if endpoint.at_day_zero else zero + 1
    days = np.full((len(events), lattice.n), NEVER, dtype=np.int64)
    names = []
    never_seen = np.full(lattice.n, any(isinstance(event, RunOfUse) for event in events))
    undated, at_entry = np.zeros(lattice.n, dtype=np.bool_), np.zeros(lattice.n, dtype=np.bool_)
    for position, event in enumerate(events):
        if isinstance(event, UseEvent):
            days[position] = _first_use(lattice, event.use, earliest)
            names.append("use")
        elif isinstance(event, RunOfUse):
            days[position], seen = _first_run(lattice, event, until, _rule_of(event, missed), weeks)
            never_seen &= ~seen
            names.append("run of use")
        elif isinstance(event, DropoutEvent):
            days[position] = _dropout(lattice, event.dropout, earliest)
            names.append("dropout")
        elif isinstance(event, OutcomeEvent):
            days[position] = first_event_day(lattice, event.event, event.certainty, earliest)
            undated |= without_day(lattice, (event.event,), event.certainty)
            if not endpoint.at_day_zero:
                at_entry |= happened_on(lattice, event.event, event.certainty, zero)
            names.append(event.event.replace("-", " "))
        elif isinstance(event, ScoreEvent):
            days[position] = first_met(lattice, event, earliest)
            names.append("score")
        else:
            days[position] = _disposition(lattice, event, earliest)
            names.append("disposition")
    return _Found(days, names, never_seen, undated, at_entry)


def _observed_to(
    lattice: Lattice, endpoint: TimeToEventEndpoint, until: int, missed: str | None, weeks: Mask | None
) -> Index:
    """(n,) day index of the last day up to ``until`` on which the endpoint would have been known; -NEVER without any.

    All of its events must be. Where a rule takes missing weeks or days as use, or weeks were imputed, no time is left
    that nobody observed: enough of it is the event.
    """
    out = np.full(lattice.n, until, dtype=np.int64)
    if weeks is not None or _rules_for_runs(endpoint, missed) & MAKES_USE:
        return out
    for event in endpoint.first_of:
        if isinstance(event, DropoutEvent):
            known = kept_to(lattice, event.dropout, until)
        elif isinstance(event, DispositionEvent):
            known = _took_part_to(lattice, until)
        elif isinstance(event, RunOfUse) and event.cells == "weeks":
            start = day_index(event.from_)
            n_weeks = (until - start + 1) // 7
            last = cover_weeks(lattice, event.use, start - lattice.first, n_weeks).last
            # A week looked at is known to its end; the rest of days after the last whole week can hold no run.
            end = np.where(last == n_weeks - 1, until, start + 7 * last + 6)
            known = np.where(last < 0, -NEVER, end)
        elif isinstance(event, OutcomeEvent):
            known = events_known_to(lattice, event.event, until)
        elif isinstance(event, ScoreEvent):
            known = scores_known_to(lattice, event, until)
        else:
            known = last_known_day(lattice, event.use, until)
        out = np.minimum(out, known)
    return out


def _rules_for_runs(endpoint: TimeToEventEndpoint, missed: str | None) -> set[str]:
    """The rules that say of a missing week or day of a run what it is."""
    return {_rule_of(run, missed) for run in endpoint.runs}


def _rule_of(run: RunOfUse, missed: str | None) -> str:
    """The run's own rule, or an analysis's in its place."""
    return missed if missed and run.takes_rules else run.rule


def _took_part_to(lattice: Lattice, until: int) -> Index:
    """(n,) day index to which an event of disposition would have been recorded: the end of taking part.

    The last dated end (completion, withdrawal, loss, death, the end of the data); without one, the last day attended.
    """
    out = np.full(lattice.n, -NEVER, dtype=np.int64)
    rows, days = lattice.disposition_days(ENDS)
    np.maximum.at(out, rows, days)
    attended = lattice.attended_days
    last = attended.shape[1] - 1 - attended[:, ::-1].argmax(axis=1)
    seen = np.where(attended.any(axis=1), last + lattice.first, -NEVER)
    return np.minimum(np.where(out == -NEVER, seen, out), until)


def _first_true(mask: Mask, start: int) -> Index:
    """(n,) first column at or after ``start`` that is true; NEVER where none is."""
    start = max(start, 0)
    part = mask[:, start:]
    return np.where(part.any(axis=1), part.argmax(axis=1) + start, NEVER).astype(np.int64)


def _to_index(columns: Index, lattice: Lattice) -> Index:
    return np.where(columns == NEVER, NEVER, columns + lattice.first)


def _first_use(lattice: Lattice, use: str, earliest: int) -> Index:
    return _to_index(_first_true(lattice.used(use), earliest - lattice.first), lattice)


def _dropout(lattice: Lattice, series: str, earliest: int) -> Index:
    visits = lattice.visits(series)
    after_last = np.maximum(visits.last_day, earliest - 1) + 1
    return np.where(visits.has_gone, after_last, NEVER)


def _disposition(lattice: Lattice, event: DispositionEvent, earliest: int) -> Index:
    out = np.full(lattice.n, NEVER, dtype=np.int64)
    rows, days = lattice.disposition_days(event.disposition)
    np.minimum.at(out, rows, np.maximum(days, earliest))
    return out


def weeks_of_use(lattice: Lattice, use_id: str, start: int, until: int, rule: str) -> tuple[Mask, Mask, Index]:
    """Whole weeks tiled from day index ``start``: (n, n_weeks) use after the rule, still missing; first day index."""
    n_weeks = (until - start + 1) // 7
    begin = start - lattice.first
    shape = (lattice.n, n_weeks, 7)
    used = np.asarray(lattice.used(use_id)[:, begin : begin + 7 * n_weeks].reshape(shape).any(axis=2))
    weeks = cover_weeks(lattice, use_id, begin, n_weeks)
    settled, open_ = settle(used, weeks.missing, weeks.gone, rule)
    return settled, open_, start + 7 * np.arange(n_weeks)


def _first_run(
    lattice: Lattice, event: RunOfUse, until: int, rule: str, weeks: Mask | None = None
) -> tuple[Index, Mask]:
    """(n,) day index of the first day of the first run; (n,) whether any of its cells was looked at."""
    start = day_index(event.from_)
    if event.cells == "weeks":
        used, _, first_days = weeks_of_use(lattice, event.use, start, until, rule)
        seen = ~weeks_of_use(lattice, event.use, start, until, "is-missing")[1].all(axis=1)
        used = used if weeks is None else weeks
    else:
        begin, end = start - lattice.first, until - lattice.first + 1
        days = Coverage(days_known(lattice, event.use)[:, begin:end])
        used, _ = settle(lattice.used(event.use)[:, begin:end], days.missing, days.gone, rule)
        seen = days.known.any(axis=1)
        first_days = start + np.arange(end - begin)
    position = first_run(used, event.length)
    out = np.full(lattice.n, NEVER, dtype=np.int64)
    found = position >= 0
    out[found] = first_days[position[found]]
    return out, np.asarray(seen)


def first_run(mask: Mask, length: int) -> Index:
    """(n,) position where the first run of ``length`` true cells begins; -1 where there is none."""
    n, width = mask.shape
    if width < length:
        return np.full(n, -1, dtype=np.int64)
    counts = np.cumsum(np.pad(mask.astype(np.int64), ((0, 0), (1, 0))), axis=1)
    full = counts[:, length:] - counts[:, :-length] == length
    return np.where(full.any(axis=1), full.argmax(axis=1), -1).astype(np.int64)
