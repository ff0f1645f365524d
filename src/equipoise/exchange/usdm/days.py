"""Study days of the instances of a timeline: how far each stands from the anchor, which is day 1."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from equipoise.exchange.usdm import codes

MINUTES_OF_A_DAY = 1440
_DURATION = re.compile(r"P(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")


def minutes_of(text: str | None) -> int | None:
    """An ISO 8601 duration of weeks, days, hours and minutes as minutes; ``None`` for months, years and others.

    >>> minutes_of("P2W"), minutes_of("PT90M"), minutes_of("P1M")
    (20160, 90, None)
    """
    match = _DURATION.fullmatch((text or "").strip())
    if match is None or text is None or text.strip() in ("P", "PT"):
        return None
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return (weeks * 7 + days) * MINUTES_OF_A_DAY + hours * 60 + minutes + seconds // 60


def offsets_of(timeline: Mapping[str, Any]) -> tuple[dict[str, int], list[tuple[str, str, str]]]:
    """Minutes after the beginning of day 1 by instance, as far as timings say so; and what could not be followed.

    An instance is timed from another one: ``relativeFromScheduledInstanceId`` stands so long before or after
    ``relativeToScheduledInstanceId``. Each thing that could not be followed is a place, what stands there, and why.
    """
    edges: list[tuple[str, str, int]] = []
    troubles: list[tuple[str, str, str]] = []
    known: dict[str, int] = {}
    for timing in timeline.get("timings", ()):
        one, other = timing["relativeFromScheduledInstanceId"], timing.get("relativeToScheduledInstanceId")
        kind = timing["type"]["code"]
        place, said = str(timing.get("name")), str(timing.get("value"))
        if kind == codes.FIXED[0]:
            if known and one not in known:
                troubles.append((place, said, "A second fixed reference: how far it is from the first is not said."))
            else:
                known[one] = 0
            continue
        value = minutes_of(timing.get("value"))
        if value is None:
            troubles.append((place, said, "A duration with months or years, or none, is no number of days."))
            continue
        if kind not in (codes.AFTER[0], codes.BEFORE[0]) or not other:
            troubles.append((place, str(timing["type"].get("decode")), "The kind of timing is not known."))
            continue
        if timing["relativeToFrom"]["code"] != codes.START_TO_START[0]:
            how = str(timing["relativeToFrom"].get("decode"))
            troubles.append((place, how, "How long instances last is not said: counted from start to start."))
        edges.append((one, other, value if kind == codes.AFTER[0] else -value))
    grew = True
    while grew:
        grew = False
        for one, other, value in edges:
            if other in known and one not in known:
                known[one], grew = known[other] + value, True
            elif one in known and other not in known:
                known[other], grew = known[one] - value, True
    for one, other, value in edges:
        if one in known and other in known and known[one] != known[other] + value:
            troubles.append(
                (one, f"{value} minutes from {other}", "It contradicts the other timings, which are followed.")
            )
    return known, troubles


def day_index_of(minutes: int) -> int:
    """The day on which a moment lies, 0 for day 1; moments before it count backwards."""
    return minutes // MINUTES_OF_A_DAY
