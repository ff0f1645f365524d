"""Study days: day 1 is the anchor, the day before is -1, there is no day 0.

Arithmetic on study days goes through :func:`day_index`, a plain count in which day 1 is 0 and day -1 is -1, so that
the missing day 0 costs nobody an off-by-one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray


def day_index(study_day: int) -> int:
    """Days since day 1: day 1 is 0, day 2 is 1, day -1 is -1. Day 0 raises ``ValueError``."""
    if study_day == 0:
        raise ValueError("there is no study day 0: the day before day 1 is day -1")
    return study_day - 1 if study_day > 0 else study_day


def study_day(index: int) -> int:
    """The study day with this index; the inverse of :func:`day_index`."""
    return index + 1 if index >= 0 else index


def day_indices(days: NDArray[Any]) -> NDArray[np.int64]:
    """:func:`day_index` of an array; a day 0 raises ``ValueError``."""
    array = np.asarray(days, dtype=np.int64)
    if (array == 0).any():
        raise ValueError("there is no study day 0: the day before day 1 is day -1")
    return np.where(array > 0, array - 1, array)


def days_between(first: int, last: int) -> int:
    """Elapsed days from study day ``first`` to study day ``last``."""
    return day_index(last) - day_index(first)


_RANGE = re.compile(r"^\s*(-?\d+)\s*\.\.\s*(-?\d+)\s*$")


@dataclass(frozen=True, slots=True, order=True)
class DayRange:
    """Study days ``first`` to ``last``, both included."""

    first: int
    last: int

    def __post_init__(self) -> None:
        """Refuse day 0 and a range that runs backwards."""
        if self.first == 0 or self.last == 0:
            raise ValueError("there is no study day 0: the day before day 1 is day -1")
        if self.last < self.first:
            raise ValueError(f"the range runs backwards: {self.first}..{self.last}")

    @classmethod
    def parse(cls, text: str) -> DayRange:
        """Read ``6..33``; anything else raises ``ValueError``."""
        match = _RANGE.match(text)
        if match is None:
            raise ValueError(f"not a range of days: {text!r}; write first..last, for example 6..33")
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.first}..{self.last}"

    def __contains__(self, day: object) -> bool:
        return isinstance(day, int) and self.first <= day <= self.last

    def __len__(self) -> int:
        return days_between(self.first, self.last) + 1

    def __iter__(self) -> Iterator[int]:
        return (study_day(i) for i in range(day_index(self.first), day_index(self.last) + 1))
