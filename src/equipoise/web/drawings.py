"""Drawings on pages: the window of a visit on an axis of days, a participant's way by study day."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from django.utils.html import escape
from django.utils.safestring import SafeString, mark_safe

BACK, AHEAD, STEP = 3, 6, 19  # days before and after today, and the width of one
_DAYS = BACK + AHEAD + 1
WIDTH = _DAYS * STEP


def axis(today: date) -> SafeString:
    """The heads of the days over a column of windows."""
    marks = "".join(
        f'<text x="{k * STEP + STEP / 2:g}" y="12" text-anchor="middle" class="{"strong" if k == BACK else ""}">'
        f"{(today + timedelta(days=k - BACK)).day}</text>"
        for k in range(_DAYS)
    )
    return _svg(WIDTH, 16, marks, "axis")


def window(first: str, target: str, last: str, today: date, *, state: str) -> SafeString:
    """The window of a visit: a bar over its days, a diamond on the planned one, dashed and red once it has closed."""
    begin, aim, end = (date.fromisoformat(day) for day in (first, target or last, last))
    left = max(0.0, (begin - today).days + BACK) * STEP
    right = min(_DAYS, (end - today).days + BACK + 1) * STEP
    past = " past" if state == "overdue" else ""
    parts = [f'<rect class="today" x="{BACK * STEP}" y="0" width="{STEP}" height="22"/>']
    parts += [f'<line class="tick" x1="{k * STEP}" x2="{k * STEP}" y1="17" y2="22"/>' for k in range(_DAYS + 1)]
    if right > left:
        parts.append(
            f'<rect class="bar{past}" x="{left + 2:g}" y="5" width="{right - left - 4:g}" height="11" rx="2"/>'
        )
    at = ((aim - today).days + BACK + 0.5) * STEP
    if 0 < at < WIDTH:
        parts.append(f'<path class="aim{past}" d="M{at:g} 6 l4.5 4.5 -4.5 4.5 -4.5 -4.5z"/>')
    elif right <= 0 or left >= WIDTH:
        return mark_safe("")
    return _svg(WIDTH, 22, "".join(parts), "axis")


@dataclass(frozen=True, slots=True)
class DrawnWay:
    """What a participant's drawing is made of, in days since study day 1 (which is 0)."""

    planned: Sequence[tuple[str, int, int, int]]  # name, first, target, last
    happened: Mapping[str, int]
    sessions: Sequence[tuple[str, int]]
    use: Mapping[int, str]  # yes, no, or empty where it is not known
    urine: Sequence[tuple[int, str]]
    today: int
    rows: Sequence[str] = ("Sessions", "Use reported", "Urine")  # of these what the protocol has


_LEFT, _SPAN, _ROW = 92, 900, 26


def way(told: DrawnWay) -> SafeString:
    """Planned, happened, sessions, use told and urine by study day, to scale from the first day on which something is
    planned or happened; what lies far ahead stands at the end.
    """
    near = [entry for entry in told.planned if entry[3] <= 120] or list(told.planned)
    far = [entry for entry in told.planned if entry not in near]
    last = max([entry[3] for entry in near] + [min(told.today, 120), 7]) + 1
    begin = min([0, *(entry[1] for entry in near), *told.happened.values(), *(day for day, _ in told.urine)])
    unit = min((_SPAN - (110 * len(far))) / (last + 1 - begin), 26.0)
    rows = ["Planned", "Happened", *told.rows]
    high = 46 + _ROW * (len(rows) - 1)
    tops = {name: 28 + _ROW * number for number, name in enumerate(rows)}
    held, told_at, tested = (tops.get(name, 0) for name in ("Sessions", "Use reported", "Urine"))

    def x(day: float) -> float:
        return _LEFT + (day - begin) * unit

    parts: list[str] = []
    if 0 <= told.today <= last:
        parts.append(f'<rect class="today" x="{x(told.today):g}" y="14" width="{unit:.1f}" height="{high - 14}"/>')
    parts += [f'<text x="0" y="{top + 10}" class="strong">{name}</text>' for name, top in tops.items()]
    for number, (name, first, target, end) in enumerate(near):
        gaps = [abs(target - other[2]) for k, other in enumerate(near) if k != number]
        label = name.removeprefix("day-")
        short = f"{label[:3]}." if min(gaps, default=9) * unit < 7 * len(label) else label
        parts += _planned(short, x(first), x(target) + unit / 2, x(end + 1))
    for number, (name, *_) in enumerate(far):
        at = x(last + 1) + 16 + 110 * number
        parts += _planned(name, at, at + 40, at + 80)
    for name, day in told.happened.items():
        if day <= last:
            parts.append(
                f'<circle class="did" cx="{x(day) + unit / 2:g}" cy="60" r="4.5"><title>{escape(name)}</title></circle>'
            )
    side = max(min(unit - 2, 15.0), 4.0)
    for name, day in told.sessions if held else ():
        if day <= last:
            parts.append(_box("did", x(day) + (unit - side) / 2, held - 2, side))
            parts.append(_word("onink", x(day) + unit / 2, held + 9, name))
    for day, used in told.use.items() if told_at else ():
        if 0 <= day <= last:
            kind = {"yes": "use", "no": "clean"}.get(used, "unknown")
            parts.append(_box(kind, x(day) + 1, told_at - 2, unit - 2))
    for day, sign in told.urine if tested else ():
        if day <= last:
            parts.append(_word("u", x(day) + unit / 2, tested + 10, sign))
    if 0 <= told.today <= last:
        parts.append(_word("strong", x(told.today) + unit / 2, 10, "today"))
    words = "Planned and happened by study day; the table below says the same in words."
    return _svg(_LEFT + _SPAN + 20, high, "".join(parts), "way", words)


def _box(kind: str, left: float, top: float, width: float) -> str:
    return f'<rect class="{kind}" x="{left:g}" y="{top:g}" width="{width:.1f}" height="14" rx="2"/>'


def _word(kind: str, middle: float, base: float, words: str) -> str:
    return f'<text x="{middle:g}" y="{base:g}" text-anchor="middle" class="{kind}">{escape(words)}</text>'


def _planned(name: str, left: float, aim: float, right: float) -> list[str]:
    label = name[:14].replace("-", " ")
    return [
        f'<rect class="bar" x="{left + 1:g}" y="28" width="{max(right - left - 2, 4):.1f}" height="12" rx="2"/>',
        f'<path class="aim" d="M{aim:.1f} 29.5 l4.5 4.5 -4.5 4.5 -4.5 -4.5z"/>',
        f'<text x="{aim:.1f}" y="25" text-anchor="middle">{escape(label)}</text>',
    ]


def _svg(width: float, height: float, parts: str, kind: str, words: str = "") -> SafeString:
    said = f'role="img" aria-label="{escape(words)}"' if words else 'aria-hidden="true" focusable="false"'
    box = f'width="{width:g}" height="{height:g}" viewBox="0 0 {width:g} {height:g}"'
    return mark_safe(f'<svg class="{kind}" {box} {said}>{parts}</svg>')


def days_between(one: str, other: str) -> int:
    """Days from one date to another."""
    return (date.fromisoformat(other) - date.fromisoformat(one)).days
