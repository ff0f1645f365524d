"""Numbers as people write assumptions: 30 %, 15 points, 0.02 per day, 12 per 28 days, 70 % at day 84."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from equipoise.foundation.errors import Problem, listed, nearest

_NUMBER = r"([+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)"
_PERCENT = re.compile(rf"^\s*{_NUMBER}\s*(%|points?|percentage points)\s*$")
_RATE = re.compile(rf"^\s*{_NUMBER}\s*(?:per|/)\s*(\d+)?\s*(days?|weeks?|months?)\s*$")
_AT_DAY = re.compile(rf"^\s*(?:{_NUMBER}\s*%\s*at\s*)?day\s+(-?\d+)\s*$")
_DAYS = {"day": 1.0, "week": 7.0, "month": 365.25 / 12}
_SPAN = re.compile(rf"^\s*{_NUMBER}\s*(days?|weeks?|months?)\s*$")


def shown(value: Any) -> str:
    """A value as an error message quotes it."""
    text = repr(value) if isinstance(value, str) else str(value)
    return text if len(text) <= 60 else text[:57] + "..."


def plain_number(value: Any) -> float | None:
    """A finite number, not a truth value and not text."""
    if isinstance(value, (bool, str)) or value is None:
        return None
    try:
        number = float(value)
    except (TypeError, ValueError, OverflowError):
        return None
    return number if math.isfinite(number) else None


def share(value: Any) -> float | None:
    """A share from ``30 %``, ``15 points`` or ``0.3``; ``None`` where it is none. May lie outside 0 to 1."""
    if isinstance(value, str):
        match = _PERCENT.match(value)
        return float(match[1]) / 100.0 if match else None
    return plain_number(value)


def rate_per_day(value: Any) -> float | None:
    """A rate a day from ``0.02 per day``, ``12 per 28 days`` or a plain number."""
    if isinstance(value, str):
        match = _RATE.match(value)
        if match is None:
            return None
        return float(match[1]) / (float(match[2] or 1) * _DAYS[match[3].removesuffix("s")])
    return plain_number(value)


def n_days(value: Any) -> float | None:
    """A length of time in days from ``30 days``, ``6 weeks``, ``3 months`` or a plain number."""
    if isinstance(value, str):
        match = _SPAN.match(value)
        return float(match[1]) * _DAYS[match[2].removesuffix("s")] if match else None
    return plain_number(value)


def at_day(value: Any) -> tuple[float | None, int] | None:
    """Share and study day of ``70 % at day 84``, or the day alone of ``day 84``."""
    match = _AT_DAY.match(value) if isinstance(value, str) else None
    if match is None:
        return None
    return (float(match[1]) / 100.0 if match[1] else None), int(match[2])


@dataclass
class AssumptionReader:
    """A mapping of assumptions being read: what stands in it, where, and what was found wrong."""

    values: Mapping[str, Any]
    path: str
    problems: list[Problem]
    code: str
    taken: dict[str, Any] | None = None  # where given, every default that was taken is kept here, by its place

    def default(self, key: str, value: Any) -> Any:
        """What stands at a key, or the default, which is kept as taken."""
        if self.values.get(key) is not None:
            return self.values[key]
        if self.taken is not None:
            self.taken[f"{self.path}.{key}"] = value
        return value

    def problem(self, key: str, found: str, expected: str = "", step: str = "") -> None:
        """Note something that is wrong with a key."""
        self.problems.append(Problem(self.code, f"{self.path}.{key}" if key else self.path, found, expected, step))

    def known(self, keys: Sequence[str]) -> None:
        """Note every key that is none of ``keys``."""
        for key in self.values:
            if key not in keys:
                guess = nearest(str(key), list(keys))
                hint = f"Did you mean {guess}?" if guess else ""
                self.problem(str(key), f"There is no {key!r} here.", listed(keys, limit=30), hint)

    def number(
        self,
        key: str,
        default: float | None = None,
        *,
        read: Any = plain_number,
        lowest: float = -math.inf,
        highest: float = math.inf,
        expected: str = "a number",
        open_ends: bool = False,
    ) -> float:
        """One number within bounds; ``default`` where it is absent, a problem where that is ``None``."""
        if self.values.get(key) is None:
            if default is None:
                self.problem(key, "Absent.", expected, f"Add {key}.")
                return math.nan
            return float(self.default(key, default))
        value = read(self.values[key])
        inside = value is not None and (lowest < value < highest if open_ends else lowest <= value <= highest)
        if value is None or not inside:
            self.problem(key, f"Found {shown(self.values[key])}.", expected)
            return math.nan
        return float(value)
