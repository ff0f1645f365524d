"""Strategies for intercurrent events carried out: which results still count after an event.

Treatment policy: all of them. Composite: the endpoint itself contains the event (the check of a protocol sees to it).
Hypothetical and while on treatment: results after the event are left out; of a time to event, follow-up ends there.
Under hypothetical they are then missing, for a model or imputation to fill; while on treatment they are not asked for.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import NEVER, Lattice
from equipoise.endpoints.relapse import time_in_visits
from equipoise.foundation.calendar import day_index
from equipoise.protocol.language.analysis import Estimand
from equipoise.protocol.language.missing import DISPOSITION_OF

Mask = NDArray[np.bool_]


def events_of(estimand: Estimand, *strategies: str) -> tuple[str, ...]:
    """Events of disposition that the estimand meets with one of the strategies."""
    met = (event for event, strategy in estimand.intercurrent.items() if strategy in strategies)
    return tuple(DISPOSITION_OF[event] for event in met if event in DISPOSITION_OF)


def first_event(lattice: Lattice, events: tuple[str, ...]) -> NDArray[np.int64]:
    """(n,) day index of the first of the events; NEVER where none is recorded with a day."""
    out = np.full(lattice.n, NEVER, dtype=np.int64)
    if events:
        rows, days = lattice.disposition_days(events)
        np.minimum.at(out, rows, days)
    return out


def strategy_warnings(lattice: Lattice, estimand: Estimand) -> tuple[str, ...]:
    """Codes of strategies that the records leave without effect: no such event with a day, or some without one."""
    found = []
    for event in events_of(estimand, "hypothetical", "while-on-treatment"):
        if lattice.disposition_days((event,))[0].size == 0:
            found.append("strategy-without-events")
        if lattice.n_events_without_day(event):
            found.append("events-without-day")
    return tuple(dict.fromkeys(found))


def _cell_days(lattice: Lattice, endpoint: Any, n_cells: int) -> NDArray[np.int64]:
    """(n, n_cells) the day index on which each cell of a repeated endpoint begins to speak of the participant."""
    if endpoint.kind == "use-by-week":
        days = day_index(endpoint.days.first) + 7 * np.arange(n_cells)
    elif endpoint.kind == "use-by-day":
        days = day_index(endpoint.days.first) + np.arange(n_cells)
    else:
        visits = lattice.visits(endpoint.at)
        return np.asarray(np.where(visits.came, visits.day, visits.target[None, :]))
    return np.broadcast_to(days, (lattice.n, n_cells))


def cells_after(lattice: Lattice, endpoint: Any, estimand: Estimand, n_cells: int, *strategies: str) -> Mask | None:
    """(n, n_cells) cells of a repeated endpoint after an event met with one of the strategies; ``None``: no such."""
    events = events_of(estimand, *strategies)
    if not events:
        return None
    return np.asarray(_cell_days(lattice, endpoint, n_cells) > first_event(lattice, events)[:, None])


def apply_strategies(derived: Derived, lattice: Lattice, estimand: Estimand) -> Derived:
    """The endpoint with what the estimand's strategies leave out taken out."""
    events = events_of(estimand, "hypothetical", "while-on-treatment")
    derived = replace(derived, warnings=(*derived.warnings, *strategy_warnings(lattice, estimand)))
    if not events:
        return derived
    endpoint = lattice.protocol.model.endpoints[derived.endpoint]
    if derived.values is not None:
        after = cells_after(lattice, endpoint, estimand, derived.values.shape[1], "hypothetical", "while-on-treatment")
        assert after is not None
        raw = None if derived.raw is None else np.where(after, np.nan, derived.raw)
        return replace(derived, values=np.where(after, np.nan, derived.values), raw=raw)
    if derived.time is not None and derived.event is not None and endpoint.kind == "time-to-event":
        stop = first_event(lattice, events)
        zero = day_index(endpoint.time_zero.first)
        limit = np.where(stop == NEVER, np.inf, np.maximum(stop - float(zero), 0.0))
        late = derived.time > limit
        visit_time = derived.visit_time
        if visit_time is not None:
            targets = lattice.visits(str(endpoint.visits)).target
            visit_time = np.where(late, time_in_visits(targets, np.maximum(stop, zero)), visit_time)
        return replace(
            derived,
            time=np.where(late, limit, derived.time),
            visit_time=visit_time,
            event=np.asarray(derived.event & ~late),
            competing=None if derived.competing is None else np.asarray(derived.competing & ~late),
            cause=None if derived.cause is None else np.where(late, "", derived.cause),
        )
    return derived
