"""Abstinence over a window of days: yes or no."""

from __future__ import annotations

import numpy as np

from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import CLEAN, NOTHING, STAYED_AWAY, USED, Lattice
from equipoise.endpoints.missing import settle
from equipoise.endpoints.repeated_use import cells_since_last
from equipoise.protocol.language.analysis import AbstinenceEndpoint


def derive_abstinence(lattice: Lattice, id: str, endpoint: AbstinenceEndpoint, missed: str | None = None) -> Derived:
    """1 where no source shows use in the window, after the missing rule; NaN where the rule leaves it open.

    What can be missing are the visits of ``at`` whose target day lies in the window; without ``at`` the days of the
    window that nobody asked about. A gap is after dropout when no visit (no asked day) follows it.
    """
    rule = missed or endpoint.missed
    first, last = lattice.column(endpoint.days.first), lattice.column(endpoint.days.last)
    used = lattice.used(endpoint.use)[:, first : last + 1].any(axis=1)
    if endpoint.at is not None:
        visits = lattice.visits(endpoint.at)
        due = (visits.target >= first + lattice.first) & (visits.target <= last + lattice.first)
        position = np.arange(len(visits.names))
        missing = (visits.state == STAYED_AWAY)[:, due]
        gone = (position >= visits.gone_from[:, None])[:, due]
        seen = visits.came.any(axis=1)
        if rule == "last-observation":
            # A result before the window is carried into it.
            codes = cells_since_last(lattice, endpoint.use, visits)
            missing = visits.state == STAYED_AWAY
            settled, open_ = settle(np.asarray(codes == USED), missing, missing, rule)
            settled, open_, missing = (settled & missing)[:, due], open_[:, due], missing[:, due]
        else:
            settled, open_ = settle(np.zeros_like(missing), missing, gone, rule)
    else:
        urine, told = lattice.use_by_source(endpoint.use)
        known = ((urine == CLEAN) | (urine == USED) | (told != NOTHING))[:, first : last + 1]
        columns = np.arange(known.shape[1])
        last_known = np.where(known, columns, -1).max(axis=1)
        missing = ~known
        gone = columns > last_known[:, None]
        seen = known.any(axis=1)
        settled, open_ = settle(np.zeros_like(missing), missing, gone, rule)
    value = np.where(used | settled.any(axis=1), 0.0, np.where(open_.any(axis=1), np.nan, 1.0))
    warnings = ("never-seen-scored-success",) if bool(((value == 1.0) & ~seen).any()) else ()
    return Derived(
        endpoint=id,
        kind=endpoint.kind,
        shape="binary",
        participants=lattice.participants,
        event_word="abstinence",
        value=value,
        imputed=~used & missing.any(axis=1),
        warnings=warnings,
    )
