"""Use at each visit of a series: any since the last attended visit."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from equipoise.endpoints.derived import Derived
from equipoise.endpoints.lattice import CLEAN, NOT_DUE, NOTHING, UNKNOWN, USED, Cells, Lattice, Mask, VisitLattice
from equipoise.endpoints.missing import settle_values
from equipoise.protocol.model_analysis import RepeatedUseEndpoint


def cells_since_last(lattice: Lattice, use_id: str, visits: VisitLattice, since: str = "last-attended") -> Cells:
    """(n, n_visits) USED, CLEAN, UNKNOWN (missed, or attended and nothing told), NOTHING (not due).

    A visit covers the days after the last attended contact of any kind up to its own day (``last-planned``: after the
    target of the visit before it).
    """
    used = lattice.used(use_id)
    urine, told = lattice.use_by_source(use_id)
    known = (urine == CLEAN) | (urine == USED) | (told != NOTHING)
    # Running counts let any span of days be summed by two look-ups.
    used_before, known_before = _running_counts(used), _running_counts(known)
    columns = np.arange(lattice.n_days, dtype=np.int32)
    last_came = np.maximum.accumulate(np.where(lattice.attended_days, columns, np.int32(-1)), axis=1)
    out = np.full(visits.state.shape, UNKNOWN, dtype=np.uint8)
    rows = np.arange(lattice.n)
    for v in range(visits.state.shape[1]):
        came = visits.came[:, v]
        # A visit held after the last day of the calendar covers the days up to that one.
        end = np.clip(np.where(came, visits.day[:, v] - lattice.first, 0), 0, lattice.n_days - 1)
        if since == "last-planned":
            begin = np.full(lattice.n, visits.target[v - 1] - lattice.first + 1 if v else 0)
        else:
            begin = np.where(end > 0, last_came[rows, np.maximum(end - 1, 0)] + 1, 0)
        begin = np.minimum(begin, end)
        any_use = used_before[rows, end + 1] - used_before[rows, begin] > 0
        any_known = known_before[rows, end + 1] - known_before[rows, begin] > 0
        out[came & any_use, v] = USED
        out[came & any_known & ~any_use, v] = CLEAN
        out[visits.state[:, v] == NOT_DUE, v] = NOTHING
    return out


def _running_counts(mask: Mask) -> NDArray[np.int32]:
    """(n, n_days + 1) how many of the days before each are marked."""
    out = np.zeros((mask.shape[0], mask.shape[1] + 1), dtype=np.int32)
    np.cumsum(mask, axis=1, out=out[:, 1:])
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
