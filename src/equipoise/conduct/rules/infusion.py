"""An infusion as intervals at one rate each: what was delivered, which readings are due, when to stop.

``delivered = sum(rate x time)``, never more than was prepared. Times are whole seconds from the start; volumes and
milligrams are exact fractions until they are written down.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from fractions import Fraction
from itertools import pairwise

from equipoise.conduct.rules.dose import OpenSheet, decimal_text
from equipoise.foundation.errors import Problem
from equipoise.protocol.language.conduct import Infusing

CODES = {
    "C540": "Intervals of an infusion overlap, run backwards or are out of order.",
    "C541": "A rate differs from the prepared one, without a reason.",
    "C542": "The volume is more than was prepared.",
    "C543": "At this reading the infusion must be stopped.",
    "C544": "A due reading is missing.",
}

# A pump stopped by hand stops late: so long after the bag ran empty is no error, and adds nothing to what went in.
OVERRUN_MINUTES = 5


@dataclass(frozen=True, slots=True)
class RatePeriod:
    """A stretch at one rate: seconds from the start of the infusion, and mL/h (0 while it stands still)."""

    start: int
    stop: int
    ml_per_hour: Fraction

    @property
    def volume_ml(self) -> Fraction:
        """Volume that went in."""
        return self.ml_per_hour * (self.stop - self.start) / 3600


@dataclass(frozen=True, slots=True)
class Delivered:
    """What went in, open to blinded people: volumes and times, no milligrams."""

    volume_ml: Fraction
    seconds: int  # from start to stop, pauses included
    running_seconds: int
    interruptions: int

    @property
    def minutes(self) -> Fraction:
        """Time from start to stop."""
        return Fraction(self.seconds, 60)


def rate_fraction(sheet: OpenSheet, ml_per_hour: Decimal) -> Fraction:
    """The rate meant: a prepared rate exactly, where the number typed is that rate as people read it."""
    for step in sheet.steps:
        if Fraction(Decimal(decimal_text(step.rate_ml_per_hour))) == Fraction(ml_per_hour):
            return step.rate_ml_per_hour
    return Fraction(ml_per_hour)


def intervals_of(entries: Sequence[tuple[datetime, Decimal]], sheet: OpenSheet) -> list[RatePeriod]:
    """Intervals between the entries of a run, each a time and the rate (mL/h) from then on; seconds from the first."""
    start = entries[0][0] if entries else None
    out = []
    for (at, rate), (until, _) in pairwise(entries):
        assert start is not None
        first, last = int((at - start).total_seconds()), int((until - start).total_seconds())
        out.append(RatePeriod(first, last, rate_fraction(sheet, rate)))
    return out


def check_intervals(intervals: Sequence[RatePeriod], sheet: OpenSheet) -> list[Problem]:
    """What cannot be so of a record (C540, C542) and rates above the prepared ones (C541).

    A stop up to five minutes after the bag ran empty is taken; :func:`delivered_mg` counts no more than the bag.
    """
    out: list[Problem] = []
    fastest = max(step.rate_ml_per_hour for step in sheet.steps)
    for number, entry in enumerate(intervals, 1):
        before = intervals[number - 2].stop if number > 1 else 0
        if entry.stop < entry.start or entry.start < before or entry.ml_per_hour < 0:
            out.append(
                Problem(
                    "C540",
                    f"interval {number}",
                    f"It runs from {entry.start} to {entry.stop} s at {float(entry.ml_per_hour):g} mL/h.",
                    f"a start from {before} s on, a later stop, a rate from 0 on",
                )
            )
        if entry.ml_per_hour > fastest:
            out.append(
                Problem(
                    "C541",
                    f"interval {number}",
                    f"The rate is {float(entry.ml_per_hour):g} mL/h.",
                    f"at most the prepared {float(fastest):g} mL/h",
                    "Correct the rate; a faster infusion is a deviation and is recorded as one.",
                )
            )
    given = sum((entry.volume_ml for entry in intervals), Fraction(0))
    if not out and given > sheet.volume_ml + fastest * OVERRUN_MINUTES / 60:
        out.append(
            Problem(
                "C542",
                "volume",
                f"The intervals come to {float(given):.2f} mL.",
                f"at most the prepared {float(sheet.volume_ml):g} mL",
                "Correct the times: the bag holds no more.",
            )
        )
    return out


def delivered(intervals: Sequence[RatePeriod]) -> Delivered:
    """Volume, time from first start to last stop, and interruptions (stretches without flow between two with)."""
    running = [entry for entry in intervals if entry.ml_per_hour > 0 and entry.stop > entry.start]
    if not running:
        return Delivered(Fraction(0), 0, 0, 0)
    pauses = sum(1 for one, two in pairwise(running) if two.start > one.stop)
    return Delivered(
        sum((entry.volume_ml for entry in running), Fraction(0)),
        running[-1].stop - running[0].start,
        sum(entry.stop - entry.start for entry in running),
        pauses,
    )


def delivered_mg(
    given: Delivered, sheet: OpenSheet, prepared_mg: Decimal, shares: Sequence[Fraction] | None = None
) -> Decimal:
    """Milligrams that went in, to a hundredth with half up, never above the prepared dose.

    ``shares`` are those of the dose by step, which run in one after the other; by default as the volume goes.
    """
    share = min(Fraction(1), given.volume_ml / sheet.volume_ml)
    if shares is not None:
        share, left = Fraction(0), given.volume_ml
        for step, part in zip(sheet.steps, shares, strict=True):
            share += part * min(Fraction(1), max(Fraction(0), left) / step.volume_ml)
            left -= step.volume_ml
    exact = Fraction(prepared_mg) * share
    hundredths = (exact.numerator * 200 + exact.denominator) // (exact.denominator * 2)
    return min(Decimal(hundredths) / 100, prepared_mg)


def readings_due(sheet: OpenSheet, rules: Infusing) -> tuple[Decimal, ...]:
    """Minutes at which vital signs are due: during the planned infusion, then after its end; none where not stated."""
    every, after, after_every = rules.vitals_every.usable, rules.vitals_after.usable, rules.vitals_after_every.usable
    if every is None:
        return ()
    end = Decimal(sheet.minutes.numerator) / sheet.minutes.denominator
    out = []
    minute = Decimal(0)
    while minute <= end:
        out.append(minute)
        minute += every.minutes
    if after is not None and after_every is not None:
        minute = out[-1] + after_every.minutes
        while minute <= out[-1] + after.minutes and minute <= end + after.minutes:
            out.append(minute)
            minute += after_every.minutes
    return tuple(value.quantize(Decimal("0.01"), rounding=ROUND_HALF_UP).normalize() for value in out)


def stop_rules_met(signs: Mapping[str, Decimal | None], rules: Infusing) -> list[Problem]:
    """C543 for every stop rule that a reading meets; a bound written ``>=`` is met on the bound itself."""
    out = []
    for id, rule in rules.stop.items():
        value = signs.get(rule.when.variable)
        if value is not None and rule.when.holds(value):
            out.append(
                Problem(
                    "C543",
                    f"conduct.infusing.stop.{id}",
                    f"{rule.when.variable} is {value}: stop at {rule.when}.",
                    "an infusion that is stopped",
                    rule.words or "Stop the infusion and call the physician.",
                )
            )
    return out


def missing_readings(
    sheet: OpenSheet, rules: Infusing, taken: Sequence[Decimal], until: Decimal, tolerance: Decimal = Decimal(2)
) -> list[Problem]:
    """C544 for readings due up to minute ``until`` with none within ``tolerance`` minutes."""
    return [
        Problem("C544", f"minute {due.normalize():f}", "No reading was taken.", f"one within {tolerance} min")
        for due in readings_due(sheet, rules)
        if due <= until and not any(abs(minute - due) <= tolerance for minute in taken)
    ]
