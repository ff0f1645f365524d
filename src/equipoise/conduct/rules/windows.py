"""When visits are due, in dates of the site's own wall calendar, and what a contact on some date counts as.

Study days are counted in local dates: a night on which clocks change is a day like any other, 23 or 25 hours long.
Windows are closed at both ends; in time they open at local midnight of their first date and close at local midnight
after their last.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Literal
from zoneinfo import ZoneInfo

from equipoise.foundation.calendar import day_index, study_day
from equipoise.foundation.errors import Problem, listed, nearest
from equipoise.protocol import Protocol
from equipoise.protocol.language.protocol import PlannedVisit

CODES = {
    "C530": "The schedule has no such visit.",
    "C531": "A visit is outside its window, without a reason.",
    "C532": "A visit is called missed while its window is still open.",
    "C533": "Study day 1 of the participant is not known yet.",
    "C534": "A day is in the future.",
}

Timing = Literal["on_target", "in_window", "early", "late"]


@dataclass(frozen=True, slots=True)
class DueVisit:
    """A planned visit of one participant in dates; the window is closed at both ends."""

    visit: PlannedVisit
    target: date
    first: date
    last: date

    @property
    def name(self) -> str:
        """Name as the schedule has it."""
        return self.visit.name

    def opens(self, zone: ZoneInfo) -> datetime:
        """The instant the window opens, in UTC."""
        return midnight(self.first, zone)

    def closes(self, zone: ZoneInfo) -> datetime:
        """The instant the window closes (the first that is outside), in UTC."""
        return midnight(self.last + timedelta(days=1), zone)

    def timing(self, on: date) -> Timing:
        """What a contact on a local date is: on the target, in the window, early or late."""
        if on < self.first:
            return "early"
        if on > self.last:
            return "late"
        return "on_target" if on == self.target else "in_window"


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a local date, in UTC; where clocks skip midnight, the instant at which they skip it."""
    # fold=0 takes the offset before a change: for a midnight that does not exist that is the change itself, and of a
    # midnight that comes twice it is the first.
    return datetime.combine(day, time(0), tzinfo=zone).replace(fold=0).astimezone(UTC)


def local_date(instant: datetime, zone: ZoneInfo) -> date:
    """The date on the wall of the site at an instant."""
    return instant.astimezone(zone).date()


def study_day_of(on: date, day_1: date) -> int:
    """Study day of a local date; the date before day 1 is -1."""
    return study_day((on - day_1).days)


def date_of(day: int, day_1: date) -> date:
    """The local date of a study day."""
    return day_1 + timedelta(days=day_index(day))


def due_visits(protocol: Protocol, day_1: date, stages: Mapping[str, date] | None = None) -> tuple[DueVisit, ...]:
    """Every planned visit in dates, in order.

    Visits of a stage with its own day 1 are among them where ``stages`` names the date of that day.
    """
    out = []
    for v in protocol.planned_visits:
        first = (stages or {}).get(v.stage or "") if _counts_its_own(protocol, v) else day_1
        if first is not None:
            dates = (date_of(day, first) for day in (v.target_day, v.first_day, v.last_day))
            out.append(DueVisit(v, *dates))
    return tuple(out)


def _counts_its_own(protocol: Protocol, visit: PlannedVisit) -> bool:
    return visit.stage is not None and protocol.model.stages[visit.stage].day_1 is not None


def find_visit(protocol: Protocol, name: str) -> PlannedVisit | None:
    """The planned visit of that name."""
    return next((visit for visit in protocol.planned_visits if visit.name == name), None)


def check_visit_name(protocol: Protocol, name: str) -> list[Problem]:
    """C530 for a visit that is neither planned nor named as unscheduled."""
    if find_visit(protocol, name) is not None or is_unscheduled(name):
        return []
    names = [visit.name for visit in protocol.planned_visits]
    guess = nearest(name, names)
    step = f"Did you mean {guess}?" if guess else "An extra contact is called unscheduled-1, unscheduled-2 ..."
    return [Problem("C530", "visit", f"There is no visit {name!r}.", listed(names), step)]


def is_unscheduled(name: str) -> bool:
    """Whether the name is that of an extra contact: ``unscheduled-1``."""
    head, _, number = name.rpartition("-")
    return head == "unscheduled" and number.isdecimal() and number.isascii() and int(number) > 0


def check_timing(due: DueVisit, on: date, reason: str) -> list[Problem]:
    """C531 for a contact outside the window that says no reason; inside, nothing."""
    timing = due.timing(on)
    if timing in ("on_target", "in_window") or reason.strip():
        return []
    return [
        Problem(
            "C531",
            f"visit {due.name}",
            f"{on} is {timing}: the window runs from {due.first} to {due.last}.",
            f"a date from {due.first} to {due.last}, or a reason",
            "Give the reason, or record the contact as unscheduled.",
        )
    ]


def check_missed(due: DueVisit, today: date) -> list[Problem]:
    """C532 while the participant could still come."""
    if today > due.last:
        return []
    return [
        Problem(
            "C532",
            f"visit {due.name}",
            f"Its window is open until {due.last}; today is {today}.",
            "a window that has closed",
            "Wait, or record why follow-up ended.",
        )
    ]


def overdue(due: Collection[DueVisit], today: date, done: Collection[str]) -> tuple[DueVisit, ...]:
    """Visits whose window has closed and of which nothing is recorded."""
    return tuple(entry for entry in due if entry.name not in done and today > entry.last)


def calendar_days(protocol: Protocol) -> tuple[int, ...]:
    """Study days about which the daily-use calendar is due to be asked.

    They run from the first day of the epoch in which visits of a series ask for it to the last target day of such a
    series; a single visit with a calendar (at admission) asks about the time before and makes no day due.
    """
    daily = {id for id, entry in protocol.model.assessments.items() if entry.type == "daily-use"}
    due: set[int] = set()
    for id, visit in protocol.model.schedule.items():
        if not visit.is_series or not daily & set(visit.assess):
            continue
        targets = [planned.target_day for planned in protocol.series(id) if not _counts_its_own(protocol, planned)]
        if not targets:
            continue
        first = min(
            (e.days.first for e in protocol.model.calendar.epochs.values() if targets[0] in e.days.range),
            default=targets[0],
            key=day_index,
        )
        due.update(study_day(k) for k in range(day_index(first), day_index(targets[-1]) + 1))
    return tuple(sorted(due))


def anchor_is_enrolment(protocol: Protocol) -> bool:
    """Whether study day 1 is the day on which somebody enters a treatment that nobody is randomized to."""
    return protocol.model.randomization is None and protocol.model.calendar.day_1.strip().lower().startswith("enrol")


def anchor_is_randomization(protocol: Protocol) -> bool:
    """Whether study day 1 is the day of randomization."""
    return protocol.model.randomization is not None and protocol.model.calendar.randomization_day in (None, 1)
