"""Numbers as reports print them. Values stay unrounded until they pass through here.

``0.47 (0.24 to 0.92)`` for an estimate and its interval, two figures for p values and ``<0.001`` below, ``13 (48%)``
for counts, ``not estimable`` in words. A minus is a minus sign (U+2212); the percent sign is
closed up, as the NEJM, the BMJ and The Lancet print it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date
from decimal import ROUND_HALF_UP, Decimal

from equipoise.protocol.vocabulary.scales import SCALES, is_ratio, is_share

_MONTHS = (  # not strftime's, which speaks the machine's language
    *("January", "February", "March", "April", "May", "June"),
    *("July", "August", "September", "October", "November", "December"),
)
NOT_ESTIMABLE = "not estimable"
NOT_FOUND = "not found"
MINUS = "\N{MINUS SIGN}"
NARROW = "\N{NO-BREAK SPACE}"


@dataclass(frozen=True, slots=True)
class Number:
    """A number to be shown with so many decimals; ``None`` is not estimable."""

    value: float | None
    decimals: int = 1


@dataclass(frozen=True, slots=True)
class Count:
    """So many of so many; with ``of`` absent or 0 the count stands alone."""

    n: int
    of: int | None = None
    show_denominator: bool = False


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its limits on a named scale (the scales of ``Estimate``)."""

    estimate: float | None
    lower: float | None
    upper: float | None
    scale: str = ""


@dataclass(frozen=True, slots=True)
class PValue:
    """A p value, 0 to 1; one-sided where it is against a margin."""

    value: float | None
    is_one_sided: bool = False


@dataclass(frozen=True, slots=True)
class MeanSD:
    """Mean and standard deviation; ``n`` where fewer than all have a value."""

    mean: float | None
    sd: float | None
    decimals: int = 1
    n: int | None = None


@dataclass(frozen=True, slots=True)
class Quartiles:
    """Median and quartiles."""

    median: float | None
    lower: float | None
    upper: float | None
    decimals: int = 1


Cell = str | int | float | Number | Count | Interval | PValue | MeanSD | Quartiles | None


def is_finite(value: float | None) -> bool:
    """Whether there is a number to show."""
    return value is not None and math.isfinite(value)


def fixed(value: float, decimals: int) -> str:
    """Fixed decimals, half away from zero, with a true minus sign and no negative zero."""
    if abs(value) >= 1e15:
        return f"{value:.3e}".replace("-", MINUS)
    quantum = Decimal(1).scaleb(-decimals)
    # repr is the shortest text that gives the same float, so 0.145 rounds as the reader of 0.145 expects
    rounded = Decimal(repr(float(value))).quantize(quantum, rounding=ROUND_HALF_UP)
    if rounded == 0:
        rounded = abs(rounded)
    text = f"{rounded:f}"
    return text.replace("-", MINUS)


def thousands(value: int) -> str:
    """An integer, thousands apart by a narrow space from five digits up."""
    text = f"{abs(value):,}".replace(",", "\N{NARROW NO-BREAK SPACE}") if abs(value) >= 10_000 else str(abs(value))
    return text if value >= 0 else MINUS + text


def p_value(value: float | None) -> str:
    """Two significant figures; ``<0.001`` below; ``>0.99`` above."""
    if value is None or not math.isfinite(value):
        return NOT_ESTIMABLE
    if value < 0.001:
        return "<0.001"
    if value > 0.99:
        return ">0.99"
    # 0.0996 is 0.10 and not 0.100: decide the decimals from the value as rounded
    digits = 2 - 1 - math.floor(math.log10(value))
    rounded = round(value, digits)
    digits = 2 - 1 - math.floor(math.log10(rounded))
    return fixed(rounded, max(2, min(digits, 4)))


def ratio(value: float) -> str:
    """A ratio with the decimals its size deserves: 0.47, 5.70, 13.0, 46, 0.004; 0 and infinite where it is exactly."""
    size = abs(value)
    if size == 0.0:
        return "0"
    if math.isinf(size):
        return "infinite"
    if size >= 10_000:
        return ">9999"
    if size < 0.0005:
        return "<0.001"
    for limit, decimals in ((0.00995, 3), (9.995, 2), (99.95, 1)):
        if size < limit:
            return fixed(value, decimals)
    return fixed(value, 0)


def percent(share: float, decimals: int = 0) -> str:
    """A share, 0 to 1, as ``48%``."""
    return f"{fixed(100 * share, decimals)}%"


def percent_of(n: int, of: int) -> str:
    """So many of so many in whole per cent: 0% of nobody and 100% of all alone, ``<1%`` and ``>99%`` next to them."""
    text = percent(n / of)
    if text == "0%" and n > 0:
        return "<1%"
    return ">99%" if text == "100%" and n < of else text


def closed_up(text: str) -> str:
    """A printed result with its percent signs closed up, as the report prints its own; every figure as it stands."""
    return re.sub(r"(?<=\d)[ \N{NO-BREAK SPACE}]%", "%", text)


def dates_in_words(text: str) -> str:
    """The text with its ISO dates as words: ``2014-01-30`` is ``30 January 2014``; what is no date stays as it is."""

    def words(found: re.Match[str]) -> str:
        try:
            day = date.fromisoformat(found[0])
        except ValueError:
            return found[0]
        return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"

    return re.sub(r"(?<![\w./-])\d{4}-\d{2}-\d{2}(?![\w/-])", words, text, flags=re.ASCII)


def on_scale(value: float, scale: str) -> str:
    """One value on a scale of ``Estimate``, without unit."""
    if is_ratio(scale):
        return ratio(value)
    if is_share(scale):
        return fixed(100 * value, 1)
    size = abs(value)
    is_time = scale in SCALES and SCALES[scale].is_time
    return fixed(value, 1 if is_time or size >= 9.995 else 2)


def limit(value: float, scale: str) -> str:
    """A confidence limit: never rounded onto no difference, which it would then seem to touch (4 decimals at most)."""
    null = 1.0 if is_ratio(scale) else 0.0
    shown = 100 * value if is_share(scale) else value
    text = on_scale(value, scale)
    if scale in ("proportion", "survival_probability") or value == null:
        return text
    decimals = len(text.partition(".")[2])
    while Decimal(text.replace(MINUS, "-").lstrip("<>") or "0") == Decimal(str(null)) and decimals < 4:
        decimals += 1
        text = fixed(shown, decimals)
    return text


def interval(value: Interval) -> str:
    """``0.47 (0.24 to 0.92)``, ``infinite (3.10 to infinity)``; a limit that is absent is said so."""
    if value.estimate is None or math.isnan(value.estimate):
        return NOT_ESTIMABLE
    text = on_scale(value.estimate, value.scale)
    if value.lower is None and value.upper is None:
        return text
    return f"{text} ({end(value.lower, value.scale)} to {end(value.upper, value.scale)})"


def end(value: float | None, scale: str) -> str:
    """A limit of an interval, with the words for one that is infinite and one that is not known."""
    if value is None or math.isnan(value):
        return NOT_FOUND
    return "infinity" if math.isinf(value) else limit(value, scale)


def count(value: Count) -> str:
    """``13 (48%)``, or ``13/27 (48%)`` where the denominator is to be shown."""
    head = thousands(value.n)
    if value.of is None:
        return head
    if value.show_denominator:
        head = f"{head}/{thousands(value.of)}"
    if value.of == 0:
        return head
    return f"{head} ({percent_of(value.n, value.of)})"


def cell(value: Cell) -> str:
    """Any cell of a table as text."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int):
        return thousands(value)
    if isinstance(value, float):
        return cell(Number(value))
    if isinstance(value, Number):
        return (
            NOT_ESTIMABLE if value.value is None or not is_finite(value.value) else fixed(value.value, value.decimals)
        )
    if isinstance(value, Count):
        return count(value)
    if isinstance(value, Interval):
        return interval(value)
    if isinstance(value, PValue):
        text = p_value(value.value)
        return f"{text} one-sided" if value.is_one_sided and value.value is not None else text
    if isinstance(value, MeanSD):
        if value.mean is None or not is_finite(value.mean):
            return NOT_ESTIMABLE
        sd = fixed(value.sd, value.decimals) if value.sd is not None and is_finite(value.sd) else NOT_ESTIMABLE
        text = f"{fixed(value.mean, value.decimals)} ({sd})"
        return text if value.n is None else f"{text}; n={thousands(value.n)}"
    if value.median is None or value.lower is None or value.upper is None:
        return NOT_ESTIMABLE
    median, lower, upper = (fixed(x, value.decimals) for x in (value.median, value.lower, value.upper))
    return f"{median} ({lower} to {upper})"


def integer_part(text: str) -> int:
    """Characters before the first decimal point, or before the first space: what decimals are aligned by."""
    for position, character in enumerate(text):
        if character not in f"0123456789<>{MINUS}\N{NARROW NO-BREAK SPACE}":
            return position
    return len(text)


def percentage(share: float | None, decimals: int = 1) -> str:
    """A share from 0 to 1 as the figure of a percentage, for tables whose heading says %; empty where there is none."""
    return "" if share is None else f"{100 * share:.{decimals}f}"


def level(share: float) -> str:
    """A level of confidence: ``95%``, ``97.5%``."""
    return f"{round(100 * share, 6):g}%"


def plural(n: int, singular: str, many: str | None = None) -> str:
    """``1 participant``, ``27 participants``."""
    return f"{thousands(n)} {singular if n == 1 else many or singular + 's'}"


def count_in_words(n: int) -> str:
    """Small counts as words at the start of a sentence."""
    words = ("none", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")
    return words[n] if 0 <= n < len(words) else thousands(n)


def joined(parts: list[str], conjunction: str = "and") -> str:
    """``a, b and c``."""
    if len(parts) <= 1:
        return "".join(parts)
    return f"{', '.join(parts[:-1])} {conjunction} {parts[-1]}"


def letter(position: int) -> str:
    """The mark of a footnote by its place from 0: a to z, then aa, ab ..."""
    text = ""
    position += 1
    while position:
        position, rest = divmod(position - 1, 26)
        text = chr(ord("a") + rest) + text
    return text


def shortened(text: str, width: int) -> str:
    """The text, or as much of it as fits into so many characters with an ellipsis."""
    return text if len(text) <= width else text[: max(width - 1, 0)].rstrip() + "…"
