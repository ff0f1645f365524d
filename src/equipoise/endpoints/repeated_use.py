"""Use at each visit of a series: any since the last attended visit."""

from __future__ import annotations

import numpy as np

from equipoise.endpoints._day_spans import look_up_days
from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import CLEAN, NOT_DUE, NOTHING, UNKNOWN, USED, Cells, Lattice, VisitLattice
from equipoise.endpoints.missing import settle_values
from equipoise.protocol.language.analysis import RepeatedUseEndpoint


def cells_since_last(lattice: Lattice, use_id: str, visits: VisitLattice, since: str = "last-attended") -> Cells:
    """(n, n_visits) USED, CLEAN, UNKNOWN (missed, or attended and nothing told), NOTHING (not due).

    A visit covers the days after the last attended contact of any kind up to its own day (``last-planned``: after the
    target of the visit before it).
    """
    used = lattice.used(use_id)
    urine, told = lattice.use_by_source(use_id)
    known = (urine == CLEAN) | (urine == USED) | (told != NOTHING)
    use, knowledge, contacts = (look_up_days(days) for days in (used, known, lattice.attended_days))
    out = np.full(visits.state.shape, UNKNOWN, dtype=np.uint8)
    for v in range(visits.state.shape[1]):
        came = visits.came[:, v]
        # A visit held after the last day of the calendar covers the days up to that one.
        end = np.clip(np.where(came, visits.day[:, v] - lattice.first, 0), 0, lattice.n_days - 1)
        if since == "last-planned":
            begin = np.full(lattice.n, visits.target[v - 1] - lattice.first + 1 if v else 0)
        else:
            begin = contacts.after_last_before(end)
        begin = np.clip(begin, 0, end)
        any_use = use.any_within(begin, end)
        out[came & any_use, v] = USED
        out[came & ~any_use & knowledge.any_within(begin, end), v] = CLEAN
        out[visits.state[:, v] == NOT_DUE, v] = NOTHING
    return out


def derive_repeated_use(lattice: Lattice, id: str, endpoint: RepeatedUseEndpoint, missed: str | None = None) -> Derived:
    """1 where any use was seen since the last attended visit, 0 where none, NaN where the visit was missed.

    A rule ``missed`` decides the missed visits; a visit that was not due stays NaN.
    """
    visits = lattice.visits(endpoint.at)
    codes = cells_since_last(lattice, endpoint.use, visits, endpoint.since)
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
    )
