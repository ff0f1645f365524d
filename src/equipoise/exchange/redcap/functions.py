"""The functions of REDCap's logic, over texts, numbers and truths; blank is the empty text."""

from __future__ import annotations

import math
import re
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import ROUND_CEILING, ROUND_FLOOR, ROUND_HALF_UP, Decimal, InvalidOperation

Value = str | float | bool
BLANK = ""
_NUMBER = re.compile(r"\s*[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?\s*")
_MOMENT = re.compile(r"(\d{4})-(\d{1,2})-(\d{1,2})(?:[ T](\d{1,2}):(\d{2})(?::(\d{2}))?)?")
_CLOCK = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
DAYS_OF = {"y": 365.2425, "M": 30.44, "d": 1.0, "h": 1 / 24, "m": 1 / 1440, "s": 1 / 86400}
_MANY = 1000


@dataclass(frozen=True, slots=True)
class RuleContext:
    """What a rule knows beside the values: the codes that mean missing, and the moment taken as now (if any)."""

    missing: frozenset[str] = field(default_factory=frozenset)
    now: datetime | None = None


def number(value: Value) -> float | None:
    """A value as a number; ``None`` where it reads as none."""
    if isinstance(value, bool):
        return float(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if not _NUMBER.fullmatch(value):
        return None
    out = float(value)
    return out if math.isfinite(out) else None


def text(value: Value) -> str:
    """A value as text: whole numbers without a point."""
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, float):
        if not math.isfinite(value):
            return BLANK
        return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
    return value


def truth(value: Value) -> bool:
    """Whether a value holds: a number unless it is 0, a text unless it is blank."""
    if isinstance(value, bool):
        return value
    as_number = number(value)
    return as_number != 0 if as_number is not None else bool(text(value))


def moment(value: Value, around: RuleContext) -> datetime | None:
    """A date, with or without a time of day; ``today`` and ``now`` by the surroundings."""
    said = text(value).strip()
    if said.lower() in ("today", "now"):
        if around.now is None or said.lower() == "now":
            return around.now
        return around.now.replace(hour=0, minute=0, second=0, microsecond=0)
    match = _MOMENT.fullmatch(said)
    try:
        return datetime(*(int(part or 0) for part in match.groups())) if match else None  # type: ignore[arg-type]
    except ValueError:
        return None


def _or_blank(value: float | None) -> Value:
    return BLANK if value is None or not math.isfinite(value) else value


def _rounded(mode: str) -> Callable[[Sequence[Value], RuleContext], Value]:
    def act(given: Sequence[Value], around: RuleContext) -> Value:
        value = number(given[0])
        places = number(given[1]) if len(given) > 1 else 0.0
        if value is None or places is None or abs(places) > 15:
            return BLANK
        # the number as it is written: 2.675 is half of the last place, whatever its binary form
        exact, step = Decimal(repr(value)), Decimal(1).scaleb(-int(places))
        try:
            return float(exact.quantize(step, rounding=_modes(exact)[mode]))
        except InvalidOperation:
            return value

    return act


def _modes(value: Decimal) -> dict[str, str]:
    """Up is away from zero and down towards it, for negative numbers too."""
    away, towards = (ROUND_CEILING, ROUND_FLOOR) if value >= 0 else (ROUND_FLOOR, ROUND_CEILING)
    return {"half": ROUND_HALF_UP, "up": away, "down": towards}


def _of_numbers(act: Callable[[list[float]], float]) -> Callable[[Sequence[Value], RuleContext], Value]:
    """A function of the numbers there are: blanks, and codes that mean missing, are left out; of none it is blank."""

    def run(given: Sequence[Value], around: RuleContext) -> Value:
        held = [n for one in given if text(one) not in around.missing and (n := number(one)) is not None]
        try:
            return _or_blank(act(held)) if held else BLANK
        except (ValueError, OverflowError, statistics.StatisticsError):
            return BLANK

    return run


def _plain(act: Callable[..., float]) -> Callable[[Sequence[Value], RuleContext], Value]:
    """A function of numbers all of which must be there."""

    def run(given: Sequence[Value], around: RuleContext) -> Value:
        held = [number(one) for one in given]
        if None in held:
            return BLANK
        try:
            return _or_blank(act(*held))
        except (ValueError, OverflowError, ZeroDivisionError):
            return BLANK

    return run


def _datediff(given: Sequence[Value], around: RuleContext) -> Value:
    unit = text(given[2]).strip()
    unit = unit if unit == "M" else unit.lower()
    rest = [text(one).strip().lower() for one in given[3:]]
    signed = any(one in ("true", "1") for one in rest)
    pair = _pair(given[0], given[1], around)
    if unit not in DAYS_OF or pair is None:
        return BLANK
    days = pair / DAYS_OF[unit] if unit in ("y", "M", "d") else pair * {"h": 24, "m": 1440, "s": 86400}[unit]
    return days if signed else abs(days)


def _pair(first: Value, second: Value, around: RuleContext) -> float | None:
    """Days from the first to the second: two moments, or two times of day."""
    clocks = [_CLOCK.fullmatch(text(one).strip()) for one in (first, second)]
    if all(clocks):
        seconds = [int(c[1]) * 3600 + int(c[2]) * 60 + int(c[3] or 0) for c in clocks if c]
        return (seconds[1] - seconds[0]) / 86400
    one, two = moment(first, around), moment(second, around)
    return None if one is None or two is None else (two - one).total_seconds() / 86400


def _age(given: Sequence[Value], around: RuleContext) -> Value:
    born, at = moment(given[0], around), moment(given[1], around)
    places = number(given[2]) if len(given) > 2 else 0.0
    if born is None or at is None or at < born or places is None:
        return BLANK
    years = at.year - born.year - ((at.month, at.day) < (born.month, born.day))
    if places <= 0:
        return float(years)
    last, following = _birthday(born, born.year + years), _birthday(born, born.year + years + 1)
    share = (at.date() - last).days / (following - last).days
    scale = 10 ** int(min(places, 10))
    return float(years + math.floor(share * scale) / scale)


def _birthday(born: datetime, year: int) -> date:
    """The birthday in a year; of 29 February, 1 March where the year has none."""
    try:
        return date(year, born.month, born.day)
    except ValueError:
        return date(year, 3, 1)


def _of_moment(act: Callable[[datetime], float]) -> Callable[[Sequence[Value], RuleContext], Value]:
    def run(given: Sequence[Value], around: RuleContext) -> Value:
        at = moment(given[0], around)
        return BLANK if at is None else float(act(at))

    return run


def moved_date(value: Value, by: Value, unit: str, around: RuleContext) -> str:
    """A date so many days, months or years later, written as the date is; what ``@CALCDATE`` gives."""
    at, steps = moment(value, around), number(by)
    if at is None or steps is None or unit not in DAYS_OF:
        return BLANK
    has_time = len(text(value).strip()) > 10
    if unit in ("y", "M") and steps.is_integer():
        month = at.year * 12 + at.month - 1 + int(steps) * (12 if unit == "y" else 1)
        try:
            first = at.replace(year=month // 12, month=month % 12 + 1, day=1)
        except ValueError:
            return BLANK
        # REDCap counts on past the end of a short month: 31 January and a month is 3 March (2 March in a leap year)
        later = first + timedelta(days=at.day - 1)
    else:
        try:
            later = at + timedelta(days=steps * DAYS_OF[unit])
        except OverflowError:
            return BLANK
    return later.strftime("%Y-%m-%d %H:%M" if has_time else "%Y-%m-%d")


def _mod(a: float, b: float) -> float:
    return math.fmod(a, b)


def _log(a: float, base: float | None = None) -> float:
    return math.log(a) if base is None else math.log(a) / math.log(base)


def _part(take: Callable[..., str], n_texts: int) -> Callable[[Sequence[Value], RuleContext], Value]:
    """A function of texts followed by whole numbers."""

    def run(given: Sequence[Value], around: RuleContext) -> Value:
        counts = [number(one) for one in given[n_texts:]]
        if None in counts:
            return BLANK
        return take(*(text(one) for one in given[:n_texts]), *(max(int(n or 0), 0) for n in counts))

    return run


def _missing(given: Sequence[Value], around: RuleContext) -> bool:
    return text(given[0]) in around.missing


def _has_code(given: Sequence[Value], around: RuleContext) -> Value:
    asked = {part.strip() for part in text(given[1]).split(",")}
    return _missing(given, around) and text(given[0]) in asked


def _texts(act: Callable[[str, str], bool]) -> Callable[[Sequence[Value], RuleContext], Value]:
    def run(given: Sequence[Value], around: RuleContext) -> Value:
        return act(text(given[0]).lower(), text(given[1]).lower())

    return run


FUNCTIONS: dict[str, Callable[[Sequence[Value], RuleContext], Value]] = {
    "round": _rounded("half"),
    "roundup": _rounded("up"),
    "rounddown": _rounded("down"),
    "sqrt": _plain(math.sqrt),
    "abs": _plain(abs),
    "exponential": _plain(math.exp),
    "log": _plain(_log),
    "mod": _plain(_mod),
    "sum": _of_numbers(math.fsum),
    "mean": _of_numbers(statistics.fmean),
    "median": _of_numbers(statistics.median),
    "min": _of_numbers(min),
    "max": _of_numbers(max),
    "stdev": _of_numbers(statistics.stdev),
    "datediff": _datediff,
    "age_at_date": _age,
    "year": _of_moment(lambda at: at.year),
    "month": _of_moment(lambda at: at.month),
    "day": _of_moment(lambda at: at.day),
    "dayoftheweek": _of_moment(lambda at: at.isoweekday()),
    "isnumber": lambda given, around: number(given[0]) is not None,
    "isinteger": lambda given, around: re.fullmatch(r"[-+]?\d+", text(given[0]).strip()) is not None,
    "isblankormissingcode": lambda given, around: text(given[0]) == BLANK or _missing(given, around),
    "ismissingcode": _missing,
    "isblanknotmissingcode": lambda given, around: text(given[0]) == BLANK,
    "hasmissingcode": _has_code,
    "contains": _texts(lambda whole, part: part in whole),
    "not_contain": _texts(lambda whole, part: part not in whole),
    "starts_with": _texts(lambda whole, part: whole.startswith(part)),
    "ends_with": _texts(lambda whole, part: whole.endswith(part)),
    "find": lambda given, around: float(text(given[1]).lower().find(text(given[0]).lower()) + 1),
    "left": _part(lambda whole, n: whole[:n], 1),
    "right": _part(lambda whole, n: whole[-n:] if n else "", 1),
    "mid": _part(lambda whole, start, n: whole[max(start - 1, 0) :][:n], 1),
    "length": lambda given, around: float(len(text(given[0]))),
    "trim": lambda given, around: text(given[0]).strip(),
    "upper": lambda given, around: text(given[0]).upper(),
    "lower": lambda given, around: text(given[0]).lower(),
    "replace_text": lambda given, around: (
        text(given[0]).replace(text(given[1]), text(given[2])) if text(given[1]) else text(given[0])
    ),
    "concat": lambda given, around: "".join(map(text, given)),
    "concat_ws": lambda given, around: text(given[0]).join(t for one in given[1:] if (t := text(one))),
}

# How many arguments each takes, from and to.
ARGUMENTS: dict[str, tuple[int, int]] = {
    **dict.fromkeys(("sqrt", "abs", "exponential", "year", "month", "day", "dayoftheweek"), (1, 1)),
    **dict.fromkeys(("isnumber", "isinteger", "length", "trim", "upper", "lower"), (1, 1)),
    **dict.fromkeys(("isblankormissingcode", "ismissingcode", "isblanknotmissingcode"), (1, 1)),
    **dict.fromkeys(("round", "roundup", "rounddown", "log"), (1, 2)),
    **dict.fromkeys(("sum", "mean", "median", "min", "max", "stdev", "concat"), (1, _MANY)),
    **dict.fromkeys(("mod", "hasmissingcode", "contains", "not_contain", "starts_with", "ends_with"), (2, 2)),
    **dict.fromkeys(("find", "left", "right"), (2, 2)),
    **dict.fromkeys(("mid", "replace_text", "if"), (3, 3)),
    "concat_ws": (2, _MANY),
    "datediff": (3, 5),
    "age_at_date": (2, 3),
}
