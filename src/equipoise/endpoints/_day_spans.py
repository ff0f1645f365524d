"""Spans of days looked up in a mask of days: is any of them marked, and which is the last one before a day.

Up to 53 days, a participant's days are the bits of one whole number (which a float still holds exactly); beyond,
running counts take their place.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from equipoise.endpoints.lattice import Index, Mask

MOST_BITS = 53
_ONE, _ALL, _TOP = np.uint64(1), np.uint64(2**64 - 1), np.uint64(63)


class DaySpans(Protocol):
    """Questions to a mask (n, n_days); spans are (n,) columns, ``begin`` not after ``end``, both inside the mask."""

    def any_within(self, begin: Index, end: Index) -> Mask:
        """(n,) whether any day from ``begin`` to ``end``, both included, is marked."""
        ...

    def after_last_before(self, end: Index) -> Index:
        """(n,) the column after the last marked one before ``end``; 0 where there is none."""
        ...


def look_up_days(mask: Mask) -> DaySpans:
    """The mask ready for questions."""
    return DaysAsBits(mask) if mask.shape[1] <= MOST_BITS else DaysCounted(mask)


class DaysAsBits:
    """A word a participant."""

    def __init__(self, mask: Mask) -> None:
        packed = np.zeros((mask.shape[0], 8), dtype=np.uint8)
        width = -(-mask.shape[1] // 8)
        packed[:, :width] = np.packbits(mask, axis=1, bitorder="little")
        self.bits: NDArray[np.uint64] = packed.view("<u8")[:, 0].astype(np.uint64)

    def any_within(self, begin: Index, end: Index) -> Mask:
        """(n,) whether any day from ``begin`` to ``end``, both included, is marked."""
        kept = _ALL >> (_TOP - (end - begin).astype(np.uint64))
        return np.asarray(((self.bits >> begin.astype(np.uint64)) & kept) != 0)

    def after_last_before(self, end: Index) -> Index:
        """(n,) the column after the last marked one before ``end``; 0 where there is none."""
        below = self.bits & ((_ONE << end.astype(np.uint64)) - _ONE)
        # The exponent of a whole number is how many bits it has.
        return np.asarray(np.frexp(below.astype(np.float64))[1], dtype=np.int64)


class DaysCounted:
    """Marked days before each column."""

    def __init__(self, mask: Mask) -> None:
        self.before = np.zeros((mask.shape[0], mask.shape[1] + 1), dtype=np.int32)
        np.cumsum(mask, axis=1, out=self.before[:, 1:])
        columns = np.arange(mask.shape[1], dtype=np.int32)
        self.last = np.maximum.accumulate(np.where(mask, columns, np.int32(-1)), axis=1)
        self.rows = np.arange(mask.shape[0])

    def any_within(self, begin: Index, end: Index) -> Mask:
        """(n,) whether any day from ``begin`` to ``end``, both included, is marked."""
        return np.asarray(self.before[self.rows, end + 1] > self.before[self.rows, begin])

    def after_last_before(self, end: Index) -> Index:
        """(n,) the column after the last marked one before ``end``; 0 where there is none."""
        return np.asarray(np.where(end > 0, self.last[self.rows, np.maximum(end - 1, 0)] + 1, 0), dtype=np.int64)
