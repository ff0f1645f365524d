"""How much use: days without use over a window, and use day by day."""

from __future__ import annotations

import numpy as np

from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import CLEAN, NOTHING, USED, Lattice
from equipoise.endpoints.missing import settle, settle_values
from equipoise.endpoints.relapse import weeks_of_use
from equipoise.foundation.calendar import day_index
from equipoise.protocol.language.analysis import AbstinentDaysEndpoint, UseByDayEndpoint, UseByWeekEndpoint


def derive_abstinent_days(
    lattice: Lattice, id: str, endpoint: AbstinentDaysEndpoint, missed: str | None = None
) -> Derived:
    """Days without use in the window, as their number or in per cent.

    ``is-missing`` leaves days that nobody knows out of the denominator (NaN where no day is known); every other rule
    decides them, and the denominator is the length of the window.
    """
    rule = missed or endpoint.missed
    window = slice(lattice.column(endpoint.days.first), lattice.column(endpoint.days.last) + 1)
    used = lattice.used(endpoint.use)[:, window]
    known = days_known(lattice, endpoint.use)[:, window]
    position = np.arange(used.shape[1])
    gone = position > np.where(known, position, -1).max(axis=1, initial=-1)[:, None]
    settled, open_ = settle(used, ~known, gone, rule)
    counted = (~open_).sum(axis=1)
    abstinent = (~settled & ~open_).sum(axis=1)
    with np.errstate(invalid="ignore", divide="ignore"):
        value = abstinent * 100.0 / counted if endpoint.as_ == "percent" else abstinent.astype(np.float64)
    value = np.where(counted > 0, value, np.nan)
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
    )


def derive_use_by_day(lattice: Lattice, id: str, endpoint: UseByDayEndpoint, missed: str | None = None) -> Derived:
    """1 on a day of use, 0 on a day known to be free of it, NaN where nobody knows (``missed`` may decide those days).

    Weeks count from the first day.
    """
    first = lattice.column(endpoint.days.first)
    window = slice(first, lattice.column(endpoint.days.last) + 1)
    used = lattice.used(endpoint.use)[:, window]
    known = days_known(lattice, endpoint.use)[:, window]
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
    )


def days_known(lattice: Lattice, use: str) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    """(n, n_days) whether any source of a definition of use looked at the day with an evaluable answer."""
    urine, told = lattice.use_by_source(use)
    return np.asarray((urine == CLEAN) | (urine == USED) | (told != NOTHING))
