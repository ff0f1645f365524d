"""Participants randomized over calendar time, beside the number planned."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from equipoise.reporting.svg import SMALL, WIDTH, Drawing, linear_scale, nice_ticks, tick_text


def draw_recruitment(days: Sequence[date], until: date, *, planned: int | None) -> Drawing:
    """Cumulative entries up to a day; a thin line marks the number planned."""
    ordered = sorted(days)
    first = ordered[0]
    span = max((until - first).days, 1)
    highest = max(len(ordered), planned or 0) * 1.06
    left, right, top, bottom = 48.0, WIDTH - 12.0, 22.0, 244.0
    x, y = linear_scale(0.0, float(span), left, right), linear_scale(0.0, highest, bottom, top)
    drawing = Drawing(
        alt=f"Participants randomized from {first} to {until}: {len(ordered)}"
        + (f" of {planned} planned." if planned else "."),
        height=bottom + 30,
    )
    for tick in nice_ticks(0.0, highest, 5):
        if tick <= highest:
            drawing.line(left, y(tick), right, y(tick), "hair", width=0.8)
            drawing.text(left - 6, y(tick) + 4, tick_text(tick), "muted", size=10.5, anchor="end")
    marks = sorted({0, span // 4, span // 2, 3 * span // 4, span})
    for mark in marks:
        drawing.line(x(mark), bottom, x(mark), bottom + 4, "ink")
        anchor = "start" if mark == 0 else "end" if mark == span else "middle"
        drawing.text(
            x(mark), bottom + 18, (first + timedelta(days=mark)).isoformat(), "muted", size=10.5, anchor=anchor
        )
    drawing.line(left, bottom, right, bottom, "ink")
    if planned:
        drawing.line(left, y(planned), right, y(planned), "muted", width=1.0, dash="2 2")
        drawing.text(right, y(planned) - 5, f"planned {planned}", "muted", size=SMALL, anchor="end")
    points, count = [(x(0.0), y(0.0))], 0
    for day in ordered:
        place = x(float((day - first).days))
        points += [(place, y(count)), (place, y(count + 1))]
        count += 1
    points.append((x(float(span)), y(count)))
    drawing.polyline(points, "ink", width=1.8)
    return drawing
