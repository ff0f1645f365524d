"""Use at each visit of a series: any since the last attended visit at which that use was assessed."""

from __future__ import annotations

import numpy as np

from equipoise.endpoints._day_spans import look_up_days
from equipoise.endpoints.coverage import days_known
from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import (
    CLEAN,
    LETTERS,
    NOT_DUE,
    NOTHING,
    UNKNOWN,
    USED,
    Cells,
    Index,
    Lattice,
    Mask,
    VisitLattice,
)
from equipoise.endpoints.missing import settle_values
from equipoise.protocol.language.endpoints import RepeatedUseEndpoint
from equipoise.protocol.language.notation import Days


def cells_since_last(
    lattice: Lattice,
    use_id: str,
    visits: VisitLattice,
    since: str = "last-attended",
    counts_from: Days | None = None,
) -> Cells:
    """(n, n_visits) USED, CLEAN, UNKNOWN (missed, or attended and nothing told), NOTHING (not due, before the start).

    A visit covers the days after the last attended one at which this use was assessed (``last-planned``: after the
    target of the visit before it), never those before the start (``counts_from``, by default the day of
    randomization), up to its own day. A urine sample of the first day shows use before it: only a visit held on that
    day counts it.
    """
    used, known = lattice.used(use_id), days_known(lattice, use_id)
    start = np.clip(lattice.start_of(counts_from), 0, lattice.n_days)
    use, knowledge = look_up_days(used), look_up_days(known)
    contacts = look_up_days(assessed_days(lattice, use_id, visits)) if since == "last-attended" else None
    unclear = lattice.days_without_amount(use_id)
    doubt = look_up_days(unclear) if unclear is not None and unclear.any() else None
    first_day = _first_day(lattice, use_id, start)
    out = np.full(visits.state.shape, UNKNOWN, dtype=np.uint8)
    for v in range(visits.state.shape[1]):
        came = visits.came[:, v]
        # A visit held after the last day of the calendar covers the days up to that one.
        end = np.clip(np.where(came, visits.day[:, v] - lattice.first, 0), 0, lattice.n_days - 1)
        if contacts is None:
            before = visits.target[v - 1] - lattice.first + 1 if v else 0
            begin = np.maximum(before, start)
        else:
            begin = np.maximum(contacts.after_last_before(end), start)
        begin = np.clip(begin, 0, end)
        # The first day is looked at by itself, because its sample counts for a visit of that day alone.
        alone = (begin <= start) & (end > start)
        begin = np.where(alone, np.minimum(start + 1, end), begin)
        any_use = use.any_within(begin, end) | (alone & first_day[0])
        any_known = knowledge.any_within(begin, end) | (alone & first_day[1])
        if doubt is not None:
            any_known &= ~doubt.any_within(np.where(alone, start, begin), end)
        out[came & any_use, v] = USED
        out[came & ~any_use & any_known, v] = CLEAN
        early = np.where(came, visits.day[:, v], visits.target[v]) - lattice.first < start
        out[(visits.state[:, v] == NOT_DUE) | early, v] = NOTHING
    return out


def _first_day(lattice: Lattice, use_id: str, start: Index) -> tuple[Mask, Mask]:
    """(n,) whether self-report shows use on the first day, and whether it speaks of it."""
    told = lattice.use_by_source(use_id)[1]
    column = np.minimum(start, lattice.n_days - 1)
    cells = told[np.arange(lattice.n), column]
    return np.asarray(cells == USED), np.asarray(cells != NOTHING)


def assessed_days(lattice: Lattice, use_id: str, visits: VisitLattice) -> Mask:
    """(n, n_days) days of attended visits at which the use was assessed: a result or an asked calendar is there.

    A sample assesses where it was taken. A calendar has no visit of its own: days told since the contact before speak
    for a visit that the schedule asks for the calendar, and for those of the series itself. What was planned and not
    done assesses nothing.
    """
    use = lattice.protocol.model.use[use_id]
    urine, told = lattice.use_by_source(use_id)
    out = np.zeros((lattice.n, lattice.n_days), dtype=np.bool_)
    if "urine" in use.by:
        out |= lattice.attended_days & ((urine == CLEAN) | (urine == USED))
    if "self-report" not in use.by:
        return out
    asking = {visits.series, *series_asking(lattice, use_id)}
    asked = np.zeros_like(out)
    for series in asking:
        held = lattice.visits(series)
        for v in range(held.state.shape[1]):
            columns = held.day[:, v] - lattice.first
            rows = np.flatnonzero(held.came[:, v] & (columns >= 0) & (columns < lattice.n_days))
            asked[rows, columns[rows]] = True
    told_days = told != NOTHING
    out |= asked & told_days
    late = asked & ~out
    if late.any():
        # The calendar may end the day before the visit.
        rows, columns = np.nonzero(late)
        contacts, days = look_up_days(asked), look_up_days(told_days)
        width = np.bincount(rows, minlength=lattice.n).max()
        for k in range(int(width)):
            who = np.flatnonzero(late.sum(axis=1) > k)
            end = np.zeros(lattice.n, dtype=np.int64)
            end[who] = _kth(late[who], k)
            begin = np.minimum(contacts.after_last_before(end), end)
            spoke = days.any_within(begin, end)
            chosen = who[spoke[who]]
            out[chosen, end[chosen]] = True
    return out


def _kth(mask: Mask, k: int) -> Index:
    """(n,) column of the k-th marked day, counted from 0, in rows that have so many."""
    return np.asarray((np.cumsum(mask, axis=1) == k + 1).argmax(axis=1), dtype=np.int64)


def series_asking(lattice: Lattice, use_id: str) -> list[str]:
    """Entries of the schedule at which the daily calendar asks about a substance of the definition."""
    model = lattice.protocol.model
    use = model.use[use_id]
    told = use.self_report_substances if use.self_report_substances is not None else use.substances
    names = {name for group in told.values() for name in group} if hasattr(told, "values") else set(told)
    calendars = {
        id for id, entry in model.assessments.items() if entry.type == "daily-use" and names & set(entry.substances)
    }
    return [series for series, visit in model.schedule.items() if calendars & set(visit.assess)]


def derive_repeated_use(lattice: Lattice, id: str, endpoint: RepeatedUseEndpoint, missed: str | None = None) -> Derived:
    """1 where any use was seen since the last visit that assessed it, 0 where none, NaN where the visit was missed.

    A rule ``missed`` decides the missed visits; a visit that was not due, or was held before the start, stays NaN.
    """
    visits = lattice.visits(endpoint.at)
    codes = cells_since_last(lattice, endpoint.use, visits, endpoint.since, endpoint.counts_from)
    values = settle_values(np.where(codes == USED, 1.0, np.where(codes == CLEAN, 0.0, np.nan)), missed)
    values = np.where(codes == NOTHING, np.nan, values)
    return Derived(
        endpoint=id,
        kind=endpoint.kind,
        shape="repeated-binary",
        participants=lattice.participants,
        event_word="use",
        values=values,
        visit_names=visits.names,
        visit_weeks=(visits.target - visits.target[0]) / 7.0,
        first_visit_day=int(visits.target[0]),
    )


def visit_words(lattice: Lattice, series: str, use_id: str) -> list[str]:
    """One word a participant: the letters + - o _ of a visit series under a definition of use."""
    codes = cells_since_last(lattice, use_id, lattice.visits(series))
    letters = np.array([LETTERS[code] for code in range(5)])
    return ["".join(row) for row in letters[codes]]
