"""When things can have happened: what each must follow, what it cannot follow, and from how far back it is unusual.

One table for every time that anybody types. A time is held against what is known of the participant: not before what it
rests on, not after what ended it, not later than now. Dates are those on the wall of the site; on the same date either
may have come first.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Literal

from equipoise.conduct.rules.partial_dates import PartialDate
from equipoise.foundation.errors import Problem

CODES = {
    "C535": "A time is before something it must follow, or after something it cannot follow.",
    "C536": "A time is so far in the past that it needs a reason.",
    "C537": "The clock is more than some minutes behind the last event: nothing is recorded.",
    "C538": "The clock agrees with the ledger: there is nothing to acknowledge.",
}

# What is known of a participant and a site, by the words that a refusal uses.
Landmark = Literal[
    "the activation of the site",
    "the first consent",
    "the consent before",
    "the decision on eligibility",
    "study day 1",
    "the randomization",
    "the enrolment",
    "the last recorded contact",
    "the last recorded visit in person",
    "the onset",
    "the onset of a recorded event",
    "the first onset of a recorded event",
    "the first recorded contact",
    "the first weight",
    "the preparation of a dose",
    "the end of a recorded event",
    "the death",
]
CLOCK_TOLERANCE = timedelta(minutes=5)
USUAL_DAYS = 60  # where the protocol says nothing else (conduct.validity.entry-days)


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one kind of time is held against; ``usual_days``: typed from further back, it needs a reason."""

    follows: tuple[Landmark, ...] = ()
    precedes: tuple[Landmark, ...] = ()
    usual_days: int | None = USUAL_DAYS


_ENTRY: tuple[Landmark, ...] = ("the randomization", "the enrolment")  # one of the two, by the protocol
BOUNDS: Mapping[str, Bounds] = {
    "site activation": Bounds(precedes=("the first consent",), usual_days=400),
    "consent": Bounds(("the activation of the site", "the consent before"), ("the death",)),
    "consent corrected": Bounds(
        ("the activation of the site", "the consent before"),
        (
            "the decision on eligibility",
            "study day 1",
            *_ENTRY,
            "the first recorded contact",
            "the first weight",
            "the first onset of a recorded event",
            "the death",
        ),
    ),
    "study day 1": Bounds(("the activation of the site", "the first consent"), ("the death",)),
    "study day 1 before randomization": Bounds(
        ("the activation of the site", "the first consent"), ("the randomization", "the death")
    ),
    "stage": Bounds(("the randomization",), ("the death",)),
    "visit": Bounds(("the activation of the site", "the first consent"), ("the death",)),
    "visit after randomization": Bounds(_ENTRY, ("the death",)),
    "session": Bounds(_ENTRY, ("the death",)),
    "weight": Bounds(("the first consent",), ("the death",)),
    "adverse event": Bounds(("the first consent",), ("the death",), 400),
    "end of an adverse event": Bounds(("the onset",), usual_days=None),
    "knowledge of an adverse event": Bounds(("the onset", "the first consent")),
    "discontinuation": Bounds(_ENTRY, ("the death",)),
    "withdrawal": Bounds(("the first consent", "the last recorded contact"), ("the death",)),
    "withdrawal from visits": Bounds(("the first consent", "the last recorded visit in person"), ("the death",)),
    "loss": Bounds((*_ENTRY, "the last recorded contact"), ("the death",)),
    "completion": Bounds((*_ENTRY, "the last recorded visit in person"), ("the death",)),
    "randomization on a receipt": Bounds(
        ("the activation of the site", "the first consent"), ("the death",), usual_days=None
    ),
    "opening of an envelope": Bounds(("the activation of the site", "the first consent"), ("the death",), 14),
    "death": Bounds(("the first consent", "the last recorded contact", "the onset of a recorded event")),
}


def check_day(
    kind: str,
    day: date | PartialDate,
    today: date,
    known: Mapping[str, date | PartialDate | None],
    *,
    reason: str = "",
    place: str = "on",
    usual_days: int | None = None,
) -> list[Problem]:
    """Whether ``day`` can be that of something of this ``kind``; ``known`` dates of landmarks, absent where not known.

    Everything that is in the way comes at once: C534 for a day to come, C535 for one out of order, C536 for one far
    back that says no reason (further than ``usual_days``, where most days of this trial have such a bound of its own).
    A date that is not known to the day is refused where no day that it can be would do.
    """
    bounds = BOUNDS[kind]
    first, last = _span(day)
    out: list[Problem] = []
    if first is not None and first > today:
        out.append(Problem("C534", place, f"{day} has not come yet at the site.", f"{today} or before"))
    for landmark in bounds.follows:
        on = _span(known.get(landmark))[0]
        if on is not None and last is not None and last < on:
            out.append(_order(place, day, "before", landmark, on, f"{on} or later"))
    for landmark in bounds.precedes:
        on = _span(known.get(landmark))[1]
        if on is not None and first is not None and first > on:
            out.append(_order(place, day, "after", landmark, on, f"{on} or before"))
    most = usual_days if usual_days is not None and bounds.usual_days == USUAL_DAYS else bounds.usual_days
    if not out and most is not None and last is not None and (today - last).days > most and not reason.strip():
        out.append(
            Problem(
                "C536",
                place,
                f"{day} is {(today - last).days} days ago.",
                f"a day at most {most} days back, or a reason",
                "Correct the date, or say why it is entered so late: --why TEXT.",
            )
        )
    return out


def _span(day: date | PartialDate | None) -> tuple[date | None, date | None]:
    """The earliest and the latest day that a date can be."""
    return (day.first, day.last) if isinstance(day, PartialDate) else (day, day)


def _order(place: str, day: date | PartialDate, word: str, landmark: str, on: date, expected: str) -> Problem:
    found = f"{day} is {word} {landmark} ({on})."
    return Problem("C535", place, found, expected, "Correct the date, or the date with which it is compared.")


def check_instant(
    place: str, at: datetime, now: datetime, after: datetime | None, what: str = "the last entry"
) -> list[Problem]:
    """Whether an instant (aware) lies between ``after`` and ``now``, both included: C535."""
    if at > now:
        found = f"{_text(at)} has not come yet."
        return [Problem("C535", place, found, f"{_text(now)} or before", "Record it when it has happened.")]
    if after is not None and at < after:
        found = f"{_text(at)} is before {what} ({_text(after)})."
        return [Problem("C535", place, found, f"{_text(after)} or later", "Correct the time.")]
    return []


def check_clock(now: datetime, last: datetime | None) -> list[Problem]:
    """C537 where the clock is behind the last event by more than five minutes: every order of times would be void."""
    if last is None or now >= last - CLOCK_TOLERANCE:
        return []
    return [
        Problem(
            "C537",
            "the clock",
            f"It shows {_text(now)}, and the last event was recorded at {_text(last)}.",
            "a clock that is not behind the ledger",
            "Set the clock (of a training trial: EQUIPOISE_CLOCK). If it was ahead and is right now, an administrator "
            "confirms it: acknowledge-clock --why TEXT.",
        )
    ]


def _text(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")
