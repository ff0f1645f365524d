"""The participant's own diary: what it asks of a day, by the protocol, and how a personal link to it is known.

It asks of each day of the plan whether each substance of the daily-use calendar was used and, where the protocol rates
craving on one line, how strong craving was. Nothing that is quarantined is ever asked in it: who answers would be shown
what may tell the arm.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING

from equipoise.conduct.rules import forms, windows
from equipoise.foundation.errors import Problem

if TYPE_CHECKING:
    from equipoise.protocol import Protocol

CODES = {
    "C650": "A link to a diary is wrong, was replaced or has ended.",
    "C651": "A PIN is not six digits, or is too common.",
    "C652": "The diary does not ask about this day.",
    "C653": "The trial has no daily questions, or study day 1 of the participant is not known.",
}

DIARY = "diary"  # the visit that craving told in the diary stands under, a repeat a day
PIN_DIGITS = 6
_CRAVING = "craving-vas"
_AHEAD = timedelta(minutes=10)  # that a phone's clock may be before the server's


@dataclass(frozen=True, slots=True)
class DiaryForms:
    """What is asked of a day: the calendar, its substances, and the lines for craving, each with its one item."""

    calendar: str
    substances: tuple[str, ...]
    cravings: tuple[tuple[forms.Form, forms.FormItem], ...]


def diary_forms(protocol: Protocol) -> DiaryForms | None:
    """What the diary asks; ``None`` where the protocol has no open daily-use calendar."""
    daily = [(id, e) for id, e in protocol.model.assessments.items() if e.type == "daily-use" and e.blinding == "open"]
    if not daily:
        return None
    cravings = []
    for id, entry in protocol.model.assessments.items():
        if entry.type != "instrument" or entry.blinding != "open":
            continue
        made = forms.form_of(protocol, id)
        if made.instrument is not None and made.instrument.id.startswith(_CRAVING) and len(made.items) == 1:
            cravings.append((made, made.items[0]))
    calendar, entry = daily[0]
    return DiaryForms(calendar, tuple(entry.substances), tuple(cravings))


def days_asked(protocol: Protocol, first: date, today: date) -> list[date]:
    """Dates of the plan's days up to today, for somebody whose study day 1 was ``first``."""
    planned = (windows.date_of(day, first) for day in windows.calendar_days(protocol))
    return sorted(day for day in planned if day <= today)


def last_day_asked(protocol: Protocol, first: date) -> date | None:
    """The last date that the plan asks about."""
    return max((windows.date_of(day, first) for day in windows.calendar_days(protocol)), default=None)


def check_pin(pin: str) -> list[Problem]:
    """C651 for a PIN that is not six digits, is one digit again and again, or runs up or down."""
    if len(pin) != PIN_DIGITS or not (pin.isascii() and pin.isdigit()):
        return [Problem("C651", "pin", "The PIN is not six digits.", "six digits, 0 to 9")]
    steps = {int(b) - int(a) for a, b in pairwise(pin)}
    if steps in ({0}, {1}, {-1}) or pin[:3] == pin[3:] or pin[:2] * 3 == pin:
        return [
            Problem(
                "C651", "pin", "This PIN is among the first that anybody would try.", "six digits that make no pattern"
            )
        ]
    return []


def link_digest(secret: str) -> str:
    """What the ledger holds of a link: the digest of its 120 random bits, which nobody can try out."""
    return hashlib.sha256(f"equipoise diary link\n{secret}".encode()).hexdigest()


def is_link(secret: str, digest: str) -> bool:
    """Whether a link is the one of that digest."""
    return bool(digest) and hmac.compare_digest(link_digest(secret), digest)


def link_parts(link: str) -> tuple[int, str]:
    """The number and the secret of a link as it stands in an address; (0, "") for what cannot be one."""
    number, _, secret = link.partition("-")
    if not (number.isascii() and number.isdigit() and len(number) < 16 and secret and len(secret) < 60):
        return 0, ""
    return int(number), secret


def made_at(text: str, day: date, now: datetime) -> tuple[str, bool]:
    """When an entry was made, by the phone that kept it: the moment in UTC, and whether it can be.

    A phone's clock is not the trial's: a time to come, or before the day it tells of, is kept as it was said, and
    marked. Empty where none was said.
    """
    if not text:
        return "", True
    try:
        at = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return text[:40], False
    if at.tzinfo is None:
        return text[:40], False
    return text[:40], now + _AHEAD >= at and at.date() >= day - timedelta(days=1)


def late_days(day: date, today: date) -> int:
    """Days by which an entry is late: the day itself and the day after it are in time."""
    return max((today - day).days - 1, 0)


def untold(asked: Collection[date], told: Collection[date]) -> list[date]:
    """Days asked of which nothing was told yet, the newest first."""
    return sorted(set(asked) - set(told), reverse=True)
