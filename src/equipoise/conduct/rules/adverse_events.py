"""Adverse events: what makes one serious, and by when it must be reported.

A clock in hours runs from the minute the site became aware; a clock in days ends with the last minute of that many
local calendar days after the day of awareness. Terms are the reporter's own words, no dictionary's.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from equipoise.conduct.rules.windows import midnight
from equipoise.foundation.errors import Problem, listed
from equipoise.protocol import Protocol
from equipoise.records.schema import SEVERITIES

CODES = {
    "C550": "An adverse event contradicts itself.",
    "C551": "A report of an adverse event is overdue.",
}

CRITERIA = (
    "death",
    "life-threatening",
    "hospitalization",
    "disability",
    "congenital-anomaly",
    "medically-important",
)
OUTCOMES = ("recovered", "recovering", "recovered with sequelae", "not recovered", "fatal", "not known")


@dataclass(frozen=True, slots=True)
class ReportedEvent:
    """An adverse event as reported; days are study days, ``serious`` names the criteria of seriousness it meets.

    ``onset_day`` and ``end_day`` are ``None`` where the day is not known (or the event has not ended).
    """

    term: str
    onset_day: int | None
    severity: str
    serious: tuple[str, ...] = ()
    related: bool | None = None
    expected: bool | None = None
    end_day: int | None = None
    outcome: str = "not known"

    @property
    def is_serious(self) -> bool:
        """Whether it meets a criterion of seriousness."""
        return bool(self.serious)


@dataclass(frozen=True, slots=True)
class ReportDeadline:
    """A report that is due: which clock, to whom, and the instant in UTC after which it is late."""

    clock: str
    to: str
    due: datetime


def check_event(event: ReportedEvent) -> list[Problem]:
    """What cannot be so of an event."""
    out: list[Problem] = []

    def say(place: str, found: str, expected: str) -> None:
        out.append(Problem("C550", place, found, expected))

    if not event.term.strip():
        say("term", "There is no term.", "what happened, in words")
    if 0 in (event.onset_day, event.end_day):
        say("onset-day", "There is no study day 0.", "a day from 1 on, or -1 and before")
    if event.severity not in SEVERITIES:
        say("severity", f"Found {event.severity!r}.", listed(SEVERITIES))
    if event.outcome not in OUTCOMES:
        say("outcome", f"Found {event.outcome!r}.", listed(OUTCOMES))
    unknown = [criterion for criterion in event.serious if criterion not in CRITERIA]
    if unknown:
        say("serious", f"Found {listed(unknown)}.", listed(CRITERIA))
    if None not in (event.end_day, event.onset_day) and event.end_day < event.onset_day:  # type: ignore[operator]
        say("end-day", f"It ends on day {event.end_day}, before day {event.onset_day}.", "an end from the onset on")
    fatal = {event.severity == "fatal", "death" in event.serious, event.outcome == "fatal"}
    if len(fatal) > 1:
        say("outcome", "Severity, criterion and outcome disagree on death.", "fatal in all three, or in none")
    if event.severity == "life_threatening" and not event.is_serious:
        say("serious", "A life-threatening event meets no criterion.", "life-threatening among the criteria")
    return out


def qualities(event: ReportedEvent) -> frozenset[str]:
    """What the protocol's clocks ask of an event; what is not judged counts as the graver: related and unexpected."""
    out = set()
    if event.is_serious:
        out.add("serious")
    if event.related is not False:
        out.add("related")
    if event.expected is not True:
        out.add("unexpected")
    if event.is_serious and ({"death", "life-threatening"} & set(event.serious)):
        out.add("fatal-or-life-threatening")
    return frozenset(out)


def deadlines(protocol: Protocol, event: ReportedEvent, aware: datetime, zone: ZoneInfo) -> tuple[ReportDeadline, ...]:
    """Every report the protocol asks for, soonest first; ``aware`` is when the site first knew."""
    has = qualities(event)
    out = []
    for id, clock in protocol.model.conduct.reporting.items():
        if not set(clock.applies) <= has:
            continue
        if clock.within.unit == "h":
            due = aware.astimezone(UTC) + timedelta(hours=clock.within.amount)
        else:
            due = midnight(aware.astimezone(zone).date() + timedelta(days=clock.within.amount + 1), zone)
        out.append(ReportDeadline(id, clock.to, due))
    return tuple(sorted(out, key=lambda entry: (entry.due, entry.clock)))


def overdue(due: Collection[ReportDeadline], reported: Collection[str], now: datetime) -> list[Problem]:
    """C551 for each report whose time has passed; in time is up to and at the deadline."""
    return [
        Problem("C551", f"report {entry.clock}", f"It was due at {entry.due.isoformat()}.", f"a report to {entry.to}")
        for entry in due
        if entry.clock not in reported and now > entry.due
    ]
