"""Abstinence over a window of days: yes or no."""

from __future__ import annotations

import numpy as np

from equipoise.endpoints.coverage import cover_days, cover_visits, window_of
from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import USED, Lattice
from equipoise.endpoints.missing import settle
from equipoise.endpoints.repeated_use import cells_since_last
from equipoise.protocol.language.endpoints import AbstinenceEndpoint


def derive_abstinence(lattice: Lattice, id: str, endpoint: AbstinenceEndpoint, missed: str | None = None) -> Derived:
    """1 where no source shows use in the window, after the missing rule; NaN where the rule leaves it open.

    What can be missing are the visits of ``at`` whose target day lies in the window; without ``at`` the days of the
    window that nobody asked about. A gap is after dropout when no visit (no asked day) follows it.
    """
    rule = missed or endpoint.missed
    window = window_of(lattice, endpoint.days)
    used = lattice.used(endpoint.use)[:, window].any(axis=1)
    if endpoint.at is not None:
        visits = lattice.visits(endpoint.at)
        due = (visits.target >= window.start + lattice.first) & (visits.target < window.stop + lattice.first)
        coverage = cover_visits(lattice, endpoint.at)
        missing = coverage.missing[:, due]
        gone = (np.arange(len(visits.names)) >= visits.gone_from[:, None])[:, due]
        seen = visits.came.any(axis=1)
        if rule == "last-observation":
            # A result before the window is carried into it.
            codes = cells_since_last(lattice, endpoint.use, visits)
            settled, open_ = settle(np.asarray(codes == USED), coverage.missing, coverage.missing, rule)
            settled, open_ = (settled & coverage.missing)[:, due], open_[:, due]
        else:
            settled, open_ = settle(np.zeros_like(missing), missing, gone, rule)
    else:
        days = cover_days(lattice, endpoint.use, endpoint.days)
        missing, seen = days.missing, days.known.any(axis=1)
        settled, open_ = settle(np.zeros_like(missing), missing, days.gone, rule)
    is_use, is_open = settled.any(axis=1), open_.any(axis=1)
    unclear = lattice.days_without_amount(endpoint.use)
    if unclear is not None and endpoint.at is not None:
        # A day of use that may have been above the amount stands for what the rule says of a missing day.
        doubt = unclear[:, window]
        by_rule, left = settle(np.zeros_like(doubt), doubt, doubt, "is-missing" if rule == "last-observation" else rule)
        is_use, is_open = is_use | by_rule.any(axis=1), is_open | left.any(axis=1)
    value = np.where(used | is_use, 0.0, np.where(is_open, np.nan, 1.0))
    warnings = ("never-seen-scored-success",) if bool(((value == 1.0) & ~seen).any()) else ()
    return Derived(
        endpoint=id,
        kind=endpoint.kind,
        shape="binary",
        participants=lattice.participants,
        event_word="abstinence",
        value=value,
        imputed=np.asarray(~used & missing.any(axis=1)),
        warnings=warnings,
    )
