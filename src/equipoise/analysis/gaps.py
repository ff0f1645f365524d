"""The results of an endpoint that can be imputed, and how completed ones make the endpoint."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.analysis.outcome import Floats
from equipoise.analysis.strategies import apply_strategies, cells_after
from equipoise.endpoints.coverage import days_known
from equipoise.endpoints.derivation import derive_endpoint
from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import CLEAN, NOT_DUE, STAYED_AWAY, USED, Lattice
from equipoise.endpoints.relapse import derive_time_to_event, weeks_of_use
from equipoise.endpoints.repeated_use import cells_since_last
from equipoise.foundation.calendar import day_index
from equipoise.protocol.language.analysis import Estimand
from equipoise.protocol.language.endpoints import AbstinenceEndpoint, RunOfUse, TimeToEventEndpoint
from equipoise.stats.missing.multiple_imputation import MISSING
from equipoise.stats.missing.multiple_imputation import NOT_DUE as NEVER_DUE

Values = NDArray[Any]


@dataclass(frozen=True)
class Gaps:
    """What of an endpoint is to be imputed, for every row of the lattice, and how completed results make the endpoint.

    ``cells`` (n, V): codes of the imputation for yes-or-no results, or scores with NaN. ``finish`` takes completed
    results of one data set, (n, V), and gives the fields of the endpoint that rest on them.
    """

    binary: bool
    cells: Values
    finish: Callable[[Values], dict[str, Values]]
    base: Derived
    experimental: NDArray[np.bool_] | None = None
    """(n,) whom a reference-based rule makes go on as the others; by default the arm named first."""


def find_gaps(lattice: Lattice, estimand: Estimand, floor: float | None) -> Gaps:
    """The results of an endpoint that can be imputed; the check of a protocol has refused the others."""
    id = estimand.endpoint
    endpoint = lattice.protocol.model.endpoints[id]
    if endpoint.kind == "abstinence":
        return _abstinence_gaps(lattice, id, endpoint)
    if endpoint.kind == "time-to-event":
        return _run_gaps(lattice, id, endpoint, estimand)
    base = derive_endpoint(lattice, id, missed="is-missing" if endpoint.kind != "score" else None, floor=floor)
    if base.value is not None:
        return Gaps(True, _coded(base.value[:, None]), lambda done: {"value": done[:, 0].astype(np.float64)}, base)
    base = apply_strategies(base, lattice, estimand)
    assert base.values is not None
    while_on = cells_after(lattice, endpoint, estimand, base.values.shape[1], "while-on-treatment")
    left_out = np.zeros(base.values.shape, dtype=np.bool_) if while_on is None else while_on
    if base.shape == "repeated-score":
        return Gaps(False, base.values, lambda done: {"values": np.where(left_out, np.nan, done)}, base)
    cells = _coded(base.values)
    if endpoint.kind in ("repeated-use", "finding") and endpoint.at is not None:
        cells[lattice.visits(endpoint.at).state == NOT_DUE] = NEVER_DUE
    cells[left_out] = NEVER_DUE
    return Gaps(True, cells, lambda done: {"values": np.where(done < 0, np.nan, done.astype(np.float64))}, base)


def _coded(values: Floats) -> NDArray[np.int8]:
    return np.where(np.isnan(values), MISSING, np.nan_to_num(values)).astype(np.int8)


def _abstinence_gaps(lattice: Lattice, id: str, endpoint: AbstinenceEndpoint) -> Gaps:
    """Visits of the whole series are imputed; those missed in the window decide, where the calendar does not.

    A missed visit all of whose days (since the visit planned before it) were told afterwards is not missing.
    """
    assert endpoint.at is not None
    visits = lattice.visits(endpoint.at)
    codes = cells_since_last(lattice, endpoint.use, visits)
    cells = np.where(codes == USED, 1, np.where(codes == CLEAN, 0, MISSING)).astype(np.int8)
    cells[visits.state == NOT_DUE] = NEVER_DUE
    known, used = days_known(lattice, endpoint.use), lattice.used(endpoint.use)
    for v, target in enumerate(visits.target):
        begin = max(int(visits.target[v - 1] if v else target - 1) + 1 - lattice.first, 0)
        span = slice(begin, int(target) - lattice.first + 1)
        told = (cells[:, v] == MISSING) & known[:, span].all(axis=1)
        cells[told, v] = used[told, span].any(axis=1)
    first, last = lattice.column(endpoint.days.first), lattice.column(endpoint.days.last)
    seen_used = used[:, first : last + 1].any(axis=1)
    due = (visits.target >= first + lattice.first) & (visits.target <= last + lattice.first)
    open_ = (visits.state == STAYED_AWAY) & due & (cells == MISSING)
    base = derive_endpoint(lattice, id, missed="is-missing")

    def finish(done: Values) -> dict[str, Values]:
        return {"value": np.where(seen_used | ((done == 1) & open_).any(axis=1), 0.0, 1.0)}

    return Gaps(True, cells, finish, base)


def _run_gaps(lattice: Lattice, id: str, endpoint: TimeToEventEndpoint, estimand: Estimand) -> Gaps:
    """Weeks without a sample are imputed; the run of weeks is looked for in the completed weeks."""
    event = next(e for e in endpoint.first_of if isinstance(e, RunOfUse) and e.cells == "weeks")
    start, until = day_index(event.from_), day_index(endpoint.until.last)
    used, open_, _ = weeks_of_use(lattice, event.use, start, until, "is-missing")
    base = derive_endpoint(lattice, id)

    def finish(done: Values) -> dict[str, Values]:
        derived = apply_strategies(
            derive_time_to_event(lattice, id, endpoint, weeks=np.asarray(done == 1)), lattice, estimand
        )
        return {
            name: getattr(derived, name)
            for name in ("time", "event", "visit_time")
            if getattr(derived, name) is not None
        }

    return Gaps(True, np.where(open_, MISSING, used).astype(np.int8), finish, base)
