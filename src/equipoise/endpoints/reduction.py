"""How much use: days without use over a window, and use day by day."""

from __future__ import annotations

import numpy as np

from equipoise.endpoints.coverage import cover_days, window_of
from equipoise.endpoints.endpoint_values import Derived, Tally
from equipoise.endpoints.lattice import Index, Lattice, Mask
from equipoise.endpoints.missing import settle, settle_values
from equipoise.endpoints.relapse import weeks_of_use
from equipoise.foundation.calendar import day_index
from equipoise.protocol.language.endpoints import AbstinentDaysEndpoint, UseByDayEndpoint, UseByWeekEndpoint


def derive_abstinent_days(
    lattice: Lattice, id: str, endpoint: AbstinentDaysEndpoint, missed: str | None = None
) -> Derived:
    """Days without use in the window, as their number or in per cent; the days known stand beside it as exposure.

    ``is-missing``: a percentage is of the days known (NaN where none is), and a number has no value where a day is not
    known. A day of use without the amount that decides it is no day left out: there is no value. Every other rule
    decides the unknown days, and the denominator is the length of the window.
    """
    rule = missed or endpoint.missed
    window = window_of(lattice, endpoint.days)
    used = lattice.used(endpoint.use)[:, window]
    days = cover_days(lattice, endpoint.use, endpoint.days)
    known = days.known
    settled, open_ = settle(used, days.missing, days.gone, rule)
    counted = (~open_).sum(axis=1)
    abstinent = (~settled & ~open_).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = abstinent * 100.0 / counted if endpoint.as_ == "percent" else abstinent.astype(np.float64)
    unclear = lattice.days_without_amount(endpoint.use)
    left_open = open_ if endpoint.as_ == "count" else open_ & unclear[:, window] if unclear is not None else None
    value = np.where(counted > 0, value, np.nan)
    if left_open is not None:
        value = np.where(left_open.any(axis=1), np.nan, value)
    seen = known.any(axis=1)
    warnings = ("never-seen-scored-success",) if bool(((abstinent == used.shape[1]) & ~seen).any()) else ()
    return Derived(
        endpoint=id,
        kind=endpoint.kind,
        shape="number",
        participants=lattice.participants,
        event_word="abstinent days",
        value=value,
        imputed=np.asarray(~known.all(axis=1)),
        warnings=warnings,
        exposure=days.n_known.astype(np.float64),
        tally=_tally(abstinent, counted, open_ & unclear[:, window] if unclear is not None else None),
    )


def _tally(abstinent: Index, counted: Index, unclear: Mask | None) -> Tally:
    """Abstinent days over those known; none where a day of use lacks the amount that decides it."""
    none = counted == 0 if unclear is None else (counted == 0) | unclear.any(axis=1)
    return Tally(np.where(none, np.nan, abstinent), counted.astype(np.float64), 28.0, "abstinent day")


def derive_use_by_day(lattice: Lattice, id: str, endpoint: UseByDayEndpoint, missed: str | None = None) -> Derived:
    """1 on a day of use, 0 on a day known to be free of it, NaN where nobody knows (``missed`` may decide those days).

    Weeks count from the first day.
    """
    window = window_of(lattice, endpoint.days)
    used = lattice.used(endpoint.use)[:, window]
    known = cover_days(lattice, endpoint.use, endpoint.days).known
    days = np.arange(used.shape[1])
    return Derived(
        endpoint=id,
        kind=endpoint.kind,
        shape="repeated-binary",
        participants=lattice.participants,
        event_word="use",
        values=settle_values(np.where(used, 1.0, np.where(known, 0.0, np.nan)), missed),
        visit_names=tuple(f"day-{day}" for day in endpoint.days.range),
        visit_weeks=days / 7.0,
        first_visit_day=day_index(endpoint.days.first),
    )


def derive_use_by_week(lattice: Lattice, id: str, endpoint: UseByWeekEndpoint, missed: str | None = None) -> Derived:
    """1 in a week with any use, 0 in a week looked at and free of it, NaN where the missing rule leaves it open."""
    rule = missed or endpoint.missed
    start, until = day_index(endpoint.days.first), day_index(endpoint.days.last)
    used, open_, _ = weeks_of_use(lattice, endpoint.use, start, until, rule)
    n_weeks = used.shape[1]
    return Derived(
        endpoint=id,
        kind=endpoint.kind,
        shape="repeated-binary",
        participants=lattice.participants,
        event_word="use",
        values=np.where(open_, np.nan, used.astype(np.float64)),
        visit_names=tuple(f"week-{week}" for week in range(1, n_weeks + 1)),
        visit_weeks=np.arange(n_weeks, dtype=np.float64),
        first_visit_day=start,
    )
