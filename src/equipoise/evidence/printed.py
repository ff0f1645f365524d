"""Numbers as a source prints them: a value known to so many decimals, and what it may have been before rounding."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import Literal

Range = tuple[float, float]
Rounding = Literal["nearest", "truncated", "up", "twice"]
# Ways to round that are tried after the usual one, with the words for each.
OTHER_ROUNDINGS: dict[Rounding, str] = {
    "twice": "rounded twice",
    "truncated": "cut off, not rounded",
    "up": "rounded up",
}
ABOUT = 0.1  # "about 50": half a unit, or a tenth of the value, whichever is more
_NUMBER = re.compile(r"^(<=|>=|<|>|=|~)?\s*([+-]?)(\d*)(?:\.(\d*))?\s*%?$")


@dataclass(frozen=True, slots=True)
class Printed:
    """A printed number. ``sign`` is ``=``, ``<``, ``>`` or ``~`` (about); ``decimals`` those that were printed."""

    text: str
    value: float
    decimals: int = 0
    sign: Literal["=", "<", ">", "~"] = "="

    @property
    def unit(self) -> float:
        """One of the last decimal."""
        return float(10.0**-self.decimals)

    def range(self, rounding: Rounding = "nearest") -> Range:
        """What the number may have been before it was rounded, both ends included."""
        if self.sign == "<":
            return -math.inf, self.value
        if self.sign == ">":
            return self.value, math.inf
        half = 0.5 * self.unit
        if self.sign == "~":
            half = max(half, ABOUT * abs(self.value))
            return self.value - half, self.value + half
        if rounding == "truncated":
            return (self.value, self.value + self.unit) if self.value >= 0 else (self.value - self.unit, self.value)
        if rounding == "up":
            return self.value - self.unit, self.value
        low = self.value - half - (0.05 * self.unit if rounding == "twice" else 0.0)
        # The slack is of the arithmetic of decimals in binary, far below any decimal that is printed.
        slack = 1e-9 * max(self.unit, abs(self.value) * 1e-6)
        return low - slack, self.value + half + slack

    def holds(self, value: float, rounding: Rounding = "nearest") -> bool:
        """Whether ``value`` could have been printed like this."""
        low, high = self.range(rounding)
        return low <= value <= high


# What journals print between the figures of a number, and what it stands for: some set their point in the middle.
_SET = str.maketrans(
    {
        "\N{MINUS SIGN}": "-",
        "\N{MIDDLE DOT}": ".",
        "\N{LESS-THAN OR EQUAL TO}": "<",
        "\N{GREATER-THAN OR EQUAL TO}": ">",
        "\N{NO-BREAK SPACE}": "",
        "\N{NARROW NO-BREAK SPACE}": "",
        "\N{THIN SPACE}": "",
    }
)
# What people write into a cell that is no number -> what to write instead.
_HABITS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(r"^[<>=~]?\s*-?\d{1,3}(,\d{3})+(\.\d+)?\s*%?$"), "Write it without the comma, {joined}."),
    (re.compile(r"^[<>=~]?\s*-?\d*,\d+\s*%?$"), "Write a point for the comma, {pointed}."),
    (re.compile(r"^\d{1,3}( \d{3})+(\.\d+)?$"), "Write it without the space, {closed}."),
    (re.compile(r"^\d+\s*(/|of)\s*\d+$"), "Write the first number into `events` and the second into `n`."),
    (re.compile(r"^\d+\s*\(\s*[\d.]+\s*%?\s*\)$"), "Write the first number into `events`, the other into `percent`."),
    (re.compile(r"^[\d.]+\s*\(\s*[\d.]+\s*\)$"), "Write the first number into `mean` and the other into `sd`."),
    (re.compile(r"^[\d.]+\s*(\+/-|\+-|\N{PLUS-MINUS SIGN})\s*[\d.]+$"), "Write them into `mean` and `sd`."),
    (re.compile(r"^-?[\d.]+\s*(-|\N{EN DASH}|to|;)\s*-?[\d.]+$"), "Write the limits into `lower` and `upper`."),
    (re.compile(r"^p\s*[<>=]", re.IGNORECASE), "Write it without the p, {bare}."),
    (
        re.compile(
            r"^(n\.?/?\.?[adrs]\.?|nan|null|none|not .*|unknown|missing|-+|\N{EN DASH}|\N{EM DASH}|\.|\?)$", re.I
        ),
        "Leave the cell empty.",
    ),
)


def habit(text: str) -> str:
    """What to write instead of a cell that is no number; empty where we do not know the habit."""
    plain = text.strip()
    for pattern, hint in _HABITS:
        if pattern.match(plain):
            return hint.format(
                joined=plain.replace(",", ""),
                pointed=plain.replace(",", "."),
                closed=plain.replace(" ", ""),
                bare=re.sub(r"^p\s*=?\s*", "", plain, flags=re.IGNORECASE),
            )
    return ""


def read_printed(text: str) -> Printed | None:
    """A printed number from its text (``48.2``, ``<.001``, ``~6``, ``57.7%``); ``None`` where it is none."""
    plain = text.strip().translate(_SET)
    found = _NUMBER.match(plain)
    if found is None or not (found[3] or found[4]):
        return None
    sign = {"<=": "<", ">=": ">", "": "=", None: "="}.get(found[1], found[1])
    value = float(f"{found[2]}{found[3] or 0}.{found[4] or 0}")
    return Printed(text.strip(), value, len(found[4] or ""), sign)  # type: ignore[arg-type]


def overlap(first: Range, second: Range) -> bool:
    """Whether two ranges share a value."""
    return first[0] <= second[1] and second[0] <= first[1]


def distance(first: Range, second: Range) -> float:
    """How far two ranges lie apart; 0 where they share a value."""
    return max(0.0, first[0] - second[1], second[0] - first[1])


def number_text(value: float, figures: int = 3) -> str:
    """A computed number as findings say it: so many figures, no exponent, no trailing zeros."""
    if not math.isfinite(value):
        return "infinite"
    if value == 0:
        return "0"
    decimals = max(0, figures - 1 - math.floor(math.log10(abs(value))))
    text = f"{value:.{min(decimals, 6)}f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) or "0"


def range_text(ends: Range, figures: int = 3) -> str:
    """``0.31 to 0.35``, or one number where the ends print alike."""
    low, high = number_text(ends[0], figures), number_text(ends[1], figures)
    return low if low == high else f"{low} to {high}"
