"""Clocks: every time in the ledger comes from one that is passed in."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from equipoise.foundation.errors import ConductError, Problem

CODES = {"C009": "The clock was set for a trial that is not for training, or the setting cannot be read."}
PRACTICE = "EQUIPOISE_CLOCK"


class Clock(Protocol):
    """Gives the time in UTC."""

    def now(self) -> datetime:
        """The time, aware, in UTC."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        """The time of the machine, in UTC."""
        return datetime.now(UTC)


def usual_clock(mode: str) -> Clock:
    """The clock where none is passed in: the machine's.

    A training trial is run on another day where the variable ``EQUIPOISE_CLOCK`` names a moment (2027-03-08T14:00Z), so
    that people can practise a whole trial in an afternoon. Anything else in it, and any of it in production, is refused
    (C009).
    """
    said = os.environ.get(PRACTICE)
    if not said:
        return SystemClock()
    if mode != "training":
        raise ConductError(
            Problem(
                "C009",
                PRACTICE,
                f"A clock is set ({said}), and the trial is for {mode}.",
                "the machine's clock",
                f"Unset {PRACTICE}: real participants are recorded at the time it is.",
            )
        )
    try:
        at = datetime.fromisoformat(said)
    except ValueError:
        at = datetime.min
    if at.tzinfo is None:
        raise ConductError(
            Problem(
                "C009",
                PRACTICE,
                f"{said!r} is not a time.",
                "a time with its zone: 2027-03-08T14:00Z",
                f"Correct or unset {PRACTICE}.",
            )
        )
    return SetClock(at, timedelta(0))


@dataclass
class SetClock:
    """A clock that stands at ``at`` and goes on by ``step`` each time it is read; it can be set."""

    at: datetime
    step: timedelta = field(default_factory=lambda: timedelta(seconds=1))

    def now(self) -> datetime:
        """The time it stands at, in UTC; then it goes on."""
        shown = self.at.astimezone(UTC)
        self.at = self.at + self.step
        return shown


@dataclass(frozen=True, slots=True)
class Moment:
    """One reading of the clock: UTC, and the offset of local time at the place it was read for."""

    utc: datetime
    zone: str
    offset_minutes: int

    @classmethod
    def of(cls, clock: Clock, zone: str) -> Moment:
        """Read ``clock`` for a place in the time zone ``zone`` (IANA name; empty for UTC)."""
        utc = clock.now().astimezone(UTC)
        offset = utc.astimezone(zone_of(zone)).utcoffset() or timedelta(0)
        return cls(utc, zone or "UTC", int(offset.total_seconds() // 60))

    @property
    def text(self) -> str:
        """UTC as it stands in the ledger: ISO 8601 with microseconds and Z."""
        return f"{self.utc.isoformat(timespec='microseconds')[:26]}Z"

    @property
    def local(self) -> datetime:
        """Local date and time, without zone."""
        return (self.utc + timedelta(minutes=self.offset_minutes)).replace(tzinfo=None)

    @property
    def local_date(self) -> date:
        """The date on the wall at the site."""
        return self.local.date()


def zone_of(name: str) -> ZoneInfo:
    """The time zone of that IANA name; raises ``ValueError`` where there is none."""
    try:
        return ZoneInfo(name or "UTC")
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ValueError(f"no time zone {name!r}") from error
