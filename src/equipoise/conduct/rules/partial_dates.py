"""Dates that are not known to the day: a month, a year, or nothing. Kept as told, and held against others by bounds."""

from __future__ import annotations

import calendar
import re
from datetime import date, timedelta

UNKNOWN = "unknown"
_SHAPE = re.compile(r"^(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?$")


class PartialDate(str):
    """A date as somebody knows it: ``2027-03-14``, ``2027-03``, ``2027`` or ``unknown``; a text, kept as it was told.

    ``first`` and ``last`` are the earliest and the latest day that it can be, ``None`` where nobody knows.
    """

    first: date | None
    last: date | None

    def __new__(cls, told: str | date) -> PartialDate:
        """Read a date; ``ValueError`` where it is none."""
        text = told.isoformat() if isinstance(told, date) else told.strip().lower()
        out = super().__new__(cls, text)
        if text == UNKNOWN:
            out.first = out.last = None
            return out
        match = _SHAPE.match(text)
        if match is None:
            raise ValueError(f"{told!r} is not a date: 2027-03-14, a month 2027-03, a year 2027, or unknown")
        year, month, day = (int(part) if part else None for part in match.groups())
        assert year is not None
        out.first = date(year, 1 if month is None else month, 1 if day is None else day)
        until = 12 if month is None else month
        out.last = out.first if day is not None else date(year, until, calendar.monthrange(year, until)[1])
        return out

    @property
    def day(self) -> date | None:
        """The day, where it is known to the day."""
        return self.first if self.first == self.last else None


def within(told: PartialDate, earliest: date | None, latest: date | None) -> tuple[date | None, date | None]:
    """The days that it can be, once it is known to lie between ``earliest`` and ``latest`` (``None``: not known)."""
    firsts = [day for day in (told.first, earliest) if day is not None]
    lasts = [day for day in (told.last, latest) if day is not None]
    return (max(firsts) if firsts else None), (min(lasts) if lasts else None)


def usual(told: PartialDate, today: date, days: int) -> bool:
    """Whether it can lie at most ``days`` back."""
    return told.last is None or told.last >= today - timedelta(days=days)
