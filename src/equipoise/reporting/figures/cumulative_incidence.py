"""Cumulative incidence by arm: the event in full lines with 95% bands, the competing events in dashed ones."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from equipoise.reporting import format as fmt
from equipoise.reporting.figures.kaplan_meier import time_ticks
from equipoise.reporting.palette import arm_token
from equipoise.reporting.svg import BODY, SMALL, WIDTH, Drawing, Scale, linear_scale, nice_ticks, shorten, tick_text


@dataclass(frozen=True, slots=True)
class ArmIncidence:
    """One arm: both curves after each time of either event, and how long each participant was followed."""

    label: str
    time: Sequence[float]
    event: Sequence[float]
    lower: Sequence[float | None]
    upper: Sequence[float | None]
    competing: Sequence[float]
    followed: Sequence[float]

    def n_at_risk(self, when: float) -> int:
        """How many were still followed without either event just before a time."""
        ordered = sorted(self.followed)
        return len(ordered) - bisect_left(ordered, when)


def draw_cumulative_incidence(
    arms: Sequence[ArmIncidence], *, time_label: str, event_label: str, competing_label: str, end: float
) -> Drawing:
    """Curves of the arms, reference first, from time 0 to ``end``; the numbers at risk stand on the same axis."""
    drawing = Drawing(alt=_alt(arms, end, event_label, competing_label))
    left, right, top, height = 150.0, WIDTH - 12.0, 62.0, 270.0
    bottom = top + height
    highest = max([0.1, *(v for a in arms for row in (a.event, a.competing, a.upper) for v in row if v is not None)])
    marks = [tick for tick in nice_ticks(0.0, min(highest, 1.0), 5) if tick >= 0.0]
    x = linear_scale(0.0, end, left, right)
    y = linear_scale(0.0, max(marks[-1], highest), bottom, top)
    _legend(drawing, arms, event_label, competing_label)
    for mark in marks:
        if mark:
            drawing.line(left, y(mark), right, y(mark), "hair")
        drawing.text(left - 8, y(mark) + 4, fmt.percent(mark), "muted", size=SMALL, anchor="end")
    ticks = time_ticks(end, "days")
    drawing.line(left, bottom, right, bottom, "ink")
    for tick in ticks:
        drawing.line(x(tick), bottom, x(tick), bottom + 5, "ink")
        drawing.text(x(tick), bottom + 18, tick_text(tick), "muted", size=SMALL, anchor="middle")
    drawing.text((left + right) / 2, bottom + 36, time_label, "muted", size=SMALL, anchor="middle")
    for position, arm in enumerate(arms):
        _curves(drawing, arm, arm_token(position), x, y, end)
    row = bottom + 62
    drawing.text(0, row, "At risk", "muted", size=SMALL)
    for position, arm in enumerate(arms):
        row += 18
        drawing.text(0, row, shorten(arm.label, left - 24, SMALL), arm_token(position), size=SMALL)
        for tick in ticks:
            drawing.text(x(tick), row, fmt.thousands(arm.n_at_risk(tick)), size=SMALL, anchor="middle")
    drawing.height = row + 8
    return drawing


def _legend(drawing: Drawing, arms: Sequence[ArmIncidence], event_label: str, competing_label: str) -> None:
    at = 0.0
    for position, arm in enumerate(arms):
        name = shorten(arm.label, 200, BODY, bold=True)
        drawing.text(at, 14, name, arm_token(position), bold=True)
        at += 30 + 8.0 * len(name)
    drawing.polyline([(0, 30), (26, 30)], "ink", width=2.0)
    drawing.text(32, 34, shorten(event_label, 240, SMALL), "muted", size=SMALL)
    drawing.polyline([(300, 30), (326, 30)], "ink", width=1.3, dash="5 4")
    drawing.text(332, 34, shorten(competing_label, WIDTH - 340, SMALL), "muted", size=SMALL)


def _points(arm: ArmIncidence, values: Sequence[float], end: float) -> list[tuple[float, float]]:
    last = min(max(arm.followed, default=end), end)
    points, level = [(0.0, 0.0)], 0.0
    for time, value in zip(arm.time, values):
        if time > end:
            break
        points += [(time, level), (time, value)]
        level = value
    points.append((max(last, points[-1][0]), level))
    return points


def _curves(drawing: Drawing, arm: ArmIncidence, token: str, x: Scale, y: Scale, end: float) -> None:
    # where there is no limit (at 0 or 1) the band closes on the curve
    lower = [s if v is None else v for v, s in zip(arm.lower, arm.event)]
    upper = [s if v is None else v for v, s in zip(arm.upper, arm.event)]
    if arm.time:
        outline = _points(arm, upper, end) + _points(arm, lower, end)[::-1]
        drawing.polygon([(x(t), y(s)) for t, s in outline], token, opacity=0.13)
    drawing.polyline([(x(t), y(s)) for t, s in _points(arm, arm.competing, end)], token, width=1.3, dash="5 4")
    drawing.polyline([(x(t), y(s)) for t, s in _points(arm, arm.event, end)], token, width=2.0)


def _alt(arms: Sequence[ArmIncidence], end: float, event_label: str, competing_label: str) -> str:
    parts = [
        f"{arm.label}: {fmt.percent(arm.event[-1] if arm.event else 0.0)} {event_label}, "
        f"{fmt.percent(arm.competing[-1] if arm.competing else 0.0)} {competing_label} by the end of its follow-up"
        for arm in arms
    ]
    return f"Cumulative incidence up to {tick_text(round(end, 1))} days. {'; '.join(parts)}."
