"""Which cells of a participant are known, and which unknown ones have nothing known after them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import CAME, CLEAN, NEVER, NOTHING, STAYED_AWAY, USED, Index, Lattice, Mask
from equipoise.protocol.language.notation import Days


@dataclass(frozen=True)
class Coverage:
    """Cells (days, weeks or visits) of which something is known, (n, n_cells).

    A cell that is neither known nor ``due`` is not missing; without ``due`` every cell is due.
    """

    known: Mask
    due: Mask | None = None

    @cached_property
    def missing(self) -> Mask:
        """(n, n_cells) due, and nobody knows."""
        return np.asarray(~self.known if self.due is None else self.due & ~self.known)

    @cached_property
    def last(self) -> Index:
        """(n,) position of the last known cell; -1 where none is."""
        n_cells = self.known.shape[1]
        if not n_cells:
            return np.full(self.known.shape[0], -1, dtype=np.int64)
        position = n_cells - 1 - self.known[:, ::-1].argmax(axis=1)
        return np.where(self.known[np.arange(len(position)), position], position, -1).astype(np.int64)

    @property
    def gone(self) -> Mask:
        """(n, n_cells) cells after the last known one."""
        return np.asarray(np.arange(self.known.shape[1]) > self.last[:, None])

    @property
    def n_known(self) -> Index:
        """(n,) known cells: the exposure of a count over them."""
        return np.asarray(self.known.sum(axis=1), dtype=np.int64)


def days_known(lattice: Lattice, use: str) -> Mask:
    """(n, n_days) whether any source of a definition of use looked at the day with an evaluable answer."""
    urine, told = lattice.use_by_source(use)
    return np.asarray((urine == CLEAN) | (urine == USED) | (told != NOTHING))


def cover_days(lattice: Lattice, use: str, days: Days) -> Coverage:
    """The days of a window under a definition of use."""
    return Coverage(days_known(lattice, use)[:, window_of(lattice, days)])


def window_of(lattice: Lattice, days: Days) -> slice:
    """The columns of study days, both ends included."""
    return slice(lattice.column(days.first), lattice.column(days.last) + 1)


def cover_weeks(lattice: Lattice, use: str, begin: int, n_weeks: int) -> Coverage:
    """Whole weeks tiled from column ``begin``: looked at where urine (without it, self-report) answered on any day.

    A week with a day of use whose amount is not known, and no day known to count, is not known.
    """
    span = slice(begin, begin + 7 * n_weeks)
    urine, told = (cells[:, span] for cells in lattice.use_by_source(use))
    by_urine = "urine" in lattice.protocol.model.use[use].by
    looked = (urine == CLEAN) | (urine == USED) if by_urine else told != NOTHING
    shape = (lattice.n, n_weeks, 7)
    known = np.asarray(looked.reshape(shape).any(axis=2))
    unclear = lattice.days_without_amount(use)
    if unclear is not None:
        counts = lattice.used(use)[:, span].reshape(shape).any(axis=2)
        known &= counts | ~unclear[:, span].reshape(shape).any(axis=2)
    return Coverage(known)


def cover_visits(lattice: Lattice, series: str) -> Coverage:
    """The visits of a series: kept, missed or not due."""
    state = lattice.visits(series).state
    return Coverage(np.asarray(state == CAME), np.asarray((state == CAME) | (state == STAYED_AWAY)))


def last_known_day(lattice: Lattice, use: str, until: int) -> Index:
    """(n,) day index of the last day up to ``until`` of which a definition of use is known; -NEVER where none is."""
    begin_of_rest = max(until - lattice.first + 1, 0)
    last = Coverage(days_known(lattice, use)[:, :begin_of_rest]).last
    return np.where(last < 0, -NEVER, last + lattice.first)


def kept_to(lattice: Lattice, series: str, until: int) -> Index:
    """(n,) day index to which staying away from a series for good would have been known.

    Whoever came to the last visit planned cannot stay away any more: ``until``. Otherwise the last visit kept; -NEVER
    where none was.
    """
    visits = lattice.visits(series)
    if not visits.state.shape[1]:
        return np.full(lattice.n, -NEVER, dtype=np.int64)
    finished = visits.state[:, -1] == CAME
    return np.where(finished, until, np.minimum(visits.last_day, until))


def mark_days_without_amount(derived: Derived, lattice: Lattice) -> Derived:
    """The endpoint with a mark for those of whose days of use nobody knows whether they count, for want of an amount.

    Only a definition of use with an amount can have such days, on any day of the calendar that the endpoint may see.
    """
    endpoint = lattice.protocol.model.endpoints[derived.endpoint]
    parts = [endpoint, *(getattr(endpoint, "beside", None) or {}).values(), *getattr(endpoint, "watched_events", ())]
    who = np.zeros(lattice.n, dtype=np.bool_)
    for part in parts:
        use = getattr(part, "use", None)
        unclear = lattice.days_without_amount(use) if isinstance(use, str) else None
        if unclear is None:
            continue
        days = getattr(part, "days", None)
        who |= (unclear if days is None else unclear[:, window_of(lattice, days)]).any(axis=1)
    return replace(derived, marks={**derived.marks, "amount-not-recorded": who}) if who.any() else derived
