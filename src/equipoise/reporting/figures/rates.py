"""Rates by arm: a mark and an interval for each arm, from 0."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from equipoise.reporting import format as fmt
from equipoise.reporting.palette import arm_token
from equipoise.reporting.svg import SMALL, WIDTH, Drawing, linear_scale, nice_ticks, shorten, tick_text


@dataclass(frozen=True, slots=True)
class ArmRate:
    """One arm's rate with its limits; an upper limit that is not known is drawn as an arrow."""

    label: str
    rate: float
    lower: float | None
    upper: float | None


def draw_rates(rates: Sequence[ArmRate], *, axis_label: str) -> Drawing:
    """The arms under one another, reference first, on one axis."""
    drawing = Drawing(alt=_alt(rates, axis_label))
    label_width, text_width = 150.0, 130.0
    left, right = label_width + 12, WIDTH - text_width - 16
    highest = max(value for row in rates for value in (row.rate, row.upper or row.rate)) or 1.0
    ticks = [tick for tick in nice_ticks(0.0, highest, 6) if tick >= 0.0]
    end = max(highest * 1.04, ticks[-1])
    x = linear_scale(0.0, end, left, right)
    bottom = 18.0 + 30.0 * len(rates)
    for tick in ticks:
        drawing.line(x(tick), 8, x(tick), bottom, "hair", width=0.8)
        drawing.line(x(tick), bottom, x(tick), bottom + 4, "ink")
        drawing.text(x(tick), bottom + 17, tick_text(tick), "muted", size=SMALL, anchor="middle")
    drawing.line(left, bottom, right, bottom, "ink")
    for position, row in enumerate(rates):
        y, token = 22.0 + 30.0 * position, arm_token(position)
        drawing.text(0, y + 4, shorten(row.label, label_width), size=12.5)
        upper = end if row.upper is None else row.upper
        drawing.line(x(row.lower or 0.0), y, x(upper), y, token, width=1.6)
        if row.upper is None:
            drawing.polygon([(x(end) + 6, y), (x(end) - 2, y - 4), (x(end) - 2, y + 4)], token)
        drawing.circle(x(row.rate), y, 5, token, stroke="paper", stroke_width=1)
        text = fmt.interval(fmt.Interval(row.rate, row.lower, row.upper, "mean"))
        drawing.text(WIDTH, y + 4, text, anchor="end", size=12)
    drawing.text((left + right) / 2, bottom + 36, axis_label, "muted", size=SMALL, anchor="middle")
    drawing.height = bottom + 44
    return drawing


def _alt(rates: Sequence[ArmRate], axis_label: str) -> str:
    parts = [f"{row.label}: {fmt.interval(fmt.Interval(row.rate, row.lower, row.upper, 'mean'))}" for row in rates]
    return f"Rates by arm, {axis_label.lower()}. {'; '.join(parts)}."
