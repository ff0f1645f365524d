"""Words that pages say: dates as people read and type them, visits, roles, states, and refusals as they are shown."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

from equipoise.foundation.errors import Problem

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_LONG_DAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
_LONG_MONTHS = (
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
)
_TYPED = re.compile(r"^(?:[a-z]{3,9}\.?,?\s+)?(\d{1,2})\.?\s+([a-z]{3,9})\.?,?\s+(\d{4})$", re.IGNORECASE)

_LEFT_BLANK = " needs it."  # as the actions say it, with the names of all that they take

ROLE_WORDS = {
    "data-manager": "data manager",
    "unblinded-statistician": "unblinded statistician",
    "infusion": "infusion nurse",
    "safety": "safety role",
}
STATUS_WORDS = {
    "screened": "screened",
    "not_enrolled": "not enrolled",
    "consented": "consented, not yet found eligible",
    "eligible": "eligible, not yet in the trial",
    "randomized": "randomized",
    "enrolled": "enrolled",
}
FOLLOW_UP_WORDS = {
    "in": "followed",
    "lost": "lost to follow-up",
    "withdrawn": "withdrawn",
    "withdrawn_from_visits": "withdrawn from visits",
    "dead": "died",
    "completed": "completed",
}
REASON_WORDS = {
    "refused": "Refused",
    "no-answer": "Asked, no answer",
    "not-known": "Not known",
    "not-asked": "Not asked",
    "lost": "Sheet lost or unreadable",
    "left-out": "Left out",
}


def day_words(day: date | str | None, *, year: bool = True, week: bool = True) -> str:
    """A date as people read it: Tue 6 Apr 2027."""
    if not day:
        return ""
    on = date.fromisoformat(day) if isinstance(day, str) else day
    parts = [_DAYS[on.weekday()]] if week else []
    parts += [str(on.day), _MONTHS[on.month - 1]]
    return " ".join([*parts, str(on.year)] if year else parts)


def long_day(on: date) -> str:
    """A date in full: Tuesday 6 April 2027."""
    return f"{_LONG_DAYS[on.weekday()]} {on.day} {_LONG_MONTHS[on.month - 1]} {on.year}"


def window_words(first: str, last: str) -> str:
    """A window in words, both days counted: 5 to 6 Apr."""
    one, two = date.fromisoformat(first), date.fromisoformat(last)
    if one == two:
        return day_words(one, year=False)
    if (one.year, one.month) == (two.year, two.month):
        return f"{one.day} to {day_words(two, year=False, week=False)}"
    return f"{day_words(one, year=False, week=False)} to {day_words(two, year=False, week=False)}"


def typed_date(text: str, today: date) -> str:
    """A date as the actions read it, from how people type it: 6 Apr 2027, 2027-04-06, today, yesterday.

    What is none of these is passed on as it is, and refused there.
    """
    said = " ".join(text.split())
    if said.lower() in ("today", "yesterday"):
        return (today - timedelta(days=said.lower() == "yesterday")).isoformat()
    found = _TYPED.match(said)
    if found is not None:
        month = found[2][:3].title()
        if month in _MONTHS:
            try:
                return date(int(found[3]), _MONTHS.index(month) + 1, int(found[1])).isoformat()
            except ValueError:
                return said
    return said


def time_words(at: str, offset_minutes: int, zone: str = "") -> str:
    """A moment of the ledger on the wall where it was recorded, with its zone."""
    local = datetime.fromisoformat(at.replace("Z", "+00:00")) + timedelta(minutes=offset_minutes)
    return f"{day_words(local.date())}, {local:%H:%M:%S} {zone_words(offset_minutes, zone, local)}"


def clock_words(row: Mapping[str, Any]) -> dict[str, str]:
    """The running time of a report, as `due` tells it: of what, what is left, by when, and how near that is."""
    words, _, left = row["what"].rpartition(", ")
    at = datetime.fromisoformat(row["by"])
    is_near = "h left" in left and int(left.split()[0]) < 24
    return {
        "words": words,
        "left": left,
        "by": f"{day_words(at.date(), year=False)}, {at:%H:%M}",
        "kind": "late" if row["state"] == "overdue" else "last" if is_near else "due",
    }


def zone_words(offset_minutes: int, zone: str, local: datetime) -> str:
    """The zone of a moment: its short name where there is one, else its offset."""
    from equipoise.conduct.clock import zone_of

    if zone:
        try:
            name = local.replace(tzinfo=zone_of(zone)).tzname() or ""
        except ValueError:
            name = ""
        if name and name[0].isalpha():
            return name
    sign = "-" if offset_minutes < 0 else "+"
    return f"UTC{sign}{abs(offset_minutes) // 60:02d}:{abs(offset_minutes) % 60:02d}"


def moment_words(at: str, zone: str) -> str:
    """A moment on the wall of a zone, to the minute: Tue 6 Apr 2027, 10:40."""
    from equipoise.conduct.clock import zone_of

    local = datetime.fromisoformat(at.replace("Z", "+00:00")).astimezone(zone_of(zone))
    return f"{day_words(local.date())}, {local:%H:%M}"


def month_words(month: str) -> str:
    """A month as people read it: Apr 2027."""
    return f"{_MONTHS[int(month[5:7]) - 1]} {month[:4]}"


def visit_words(visit: str) -> str:
    """A visit by its name: `day-16` is Visit, day 16."""
    found = re.match(r"^(day|week|unscheduled)-(\d+)$", visit)
    if found is not None and found[1] != "unscheduled":
        return f"Visit, {found[1]} {found[2]}"
    if found is not None:
        return f"Unscheduled contact {found[2]}"
    return visit.replace("-", " ").capitalize()


def role_words(roles: Iterable[str]) -> str:
    """Roles as people say them."""
    return ", ".join(ROLE_WORDS.get(role, role) for role in roles)


def typed_time(text: str, today: date) -> str:
    """A time as people type it, 10:40, on a date; anything else as it is."""
    if re.fullmatch(r"\d{1,2}:\d{2}(:\d{2})?", text):
        return f"{today.isoformat()}T{text.zfill(5) if text.count(':') == 1 else text.zfill(8)}"
    return text


def standing_words(standing: dict[str, Any]) -> str:
    """Where a participant stands."""
    words = [STATUS_WORDS.get(standing["status"], standing["status"].replace("_", " "))]
    if standing["treatment"] == "discontinued":
        words.append("treatment discontinued")
    if standing["status"] in ("randomized", "enrolled") or standing["follow_up"] != "in":
        words.append(FOLLOW_UP_WORDS.get(standing["follow_up"], standing["follow_up"].replace("_", " ")))
    return ", ".join(words)


def problem_words(problem: Problem) -> str:
    """A refusal as a page says it: what is, what is expected, what to do; without the words of the command line."""
    if problem.code == "U030" and problem.found.endswith(_LEFT_BLANK):
        return "It was left blank, and it is needed."
    parts = [problem.found]
    if problem.expected:
        parts.append(f"Expected: {problem.expected}.")
    if problem.next_step and "--" not in problem.next_step and "=" not in problem.next_step:
        parts.append(problem.next_step)
    return " ".join(parts)


def counted(n: int, one: str, many: str = "") -> str:
    """A number with its noun."""
    return f"{n} {one if n == 1 else many or one + 's'}"


def joined_words(words: Sequence[str]) -> str:
    """Words in a row: a, b and c."""
    return ", ".join(words[:-1]) + (f" and {words[-1]}" if len(words) > 1 else words[0] if words else "")
