"""Forest of published results: squares for studies, a circle for this trial, a diamond for what they come to together.

Results that ask unlike questions stand under heads of their own; nothing is pooled unless a row says so. Each row
carries its numbers as printed and its source.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from equipoise.reporting import format as fmt
from equipoise.reporting.svg import (
    SMALL,
    WIDTH,
    Drawing,
    Scale,
    linear_scale,
    log_scale,
    log_ticks,
    nice_ticks,
    text_width,
    tick_text,
    wrap,
)

LABEL, NUMBERS = 226.0, 178.0


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """One result on the printed scale; ``numbers`` is what stands at the right, ``weight`` from 0 to 1."""

    label: str
    estimate: float | None
    lower: float | None
    upper: float | None
    numbers: str
    detail: str = ""
    weight: float = 0.4
    kind: Literal["published", "obtained", "pooled", "range"] = "published"


@dataclass(frozen=True, slots=True)
class PublishedPanel:
    """Rows of one outcome on one axis, and what its two ends mean."""

    title: str
    rows: Sequence[PublishedRow]
    left: str
    right: str
    is_ratio: bool = True


def draw_published_forest(panels: Sequence[PublishedPanel]) -> Drawing:
    """The panels under one another, each with its own axis."""
    panels = [panel for panel in panels if panel.rows]
    drawing = Drawing(alt=_alt(panels))
    y = 16.0
    for panel in panels:
        y = _draw_panel(drawing, panel, y)
    drawing.height = y - 18
    return drawing


def _draw_panel(drawing: Drawing, panel: PublishedPanel, y: float) -> float:
    left, right = LABEL + 8, WIDTH - NUMBERS - 10
    low, high, ticks = _axis(panel)
    x = (log_scale if panel.is_ratio else linear_scale)(low, high, left, right)
    drawing.text(0, y, panel.title, bold=True)
    drawing.line(0, y + 9, WIDTH, y + 9, "rule", width=0.8)
    top = y + 12
    y += 30
    under_at = len(drawing.elements)
    for row in panel.rows:
        label = wrap(row.label, LABEL, bold=row.kind in ("obtained", "pooled"))
        for at, line in enumerate(label):
            drawing.text(0, y + 15 * at, line, bold=row.kind in ("obtained", "pooled"))
        detail = wrap(row.detail, LABEL, 10.5) if row.detail else []
        below = 15 * (len(label) - 1)
        for at, line in enumerate(detail):
            drawing.text(0, y + below + 14 + 13 * at, line, "muted", size=10.5)
        _mark(drawing, row, x, y - 4, low, high)
        for at, line in enumerate(wrap(row.numbers, NUMBERS, 12)):
            drawing.text(WIDTH, y + 14 * at, line, anchor="end", size=12)
        y += below + max(24, 18 + 13 * len(detail) + (4 if detail else 0))
    bottom = y - 10
    under = Drawing(alt="")
    null = 1.0 if panel.is_ratio else 0.0
    for tick in ticks:
        under.line(x(tick), top, x(tick), bottom, "hair", width=0.8)
    if low <= null <= high:
        under.line(x(null), top, x(null), bottom, "muted")
    drawing.elements[under_at:under_at] = under.elements
    drawing.line(left, bottom, right, bottom, "ink")
    for tick in ticks:
        drawing.line(x(tick), bottom, x(tick), bottom + 4, "ink")
        drawing.text(x(tick), bottom + 16, tick_text(tick), "muted", size=10.5, anchor="middle")
    return _ends(drawing, panel, x(null) if low <= null <= high else (left + right) / 2, bottom + 33)


def _ends(drawing: Drawing, panel: PublishedPanel, middle: float, y: float) -> float:
    to_left = wrap(panel.left, middle - 30, SMALL) if panel.left else []
    to_right = wrap(panel.right, WIDTH - middle - 30, SMALL) if panel.right else []
    if to_left:
        to_left[0] = "\N{LEFTWARDS ARROW} " + to_left[0]
    if to_right:
        to_right[-1] += " \N{RIGHTWARDS ARROW}"
    for at, line in enumerate(to_left):
        drawing.text(middle - 10, y + 14 * at, line, "muted", size=SMALL, anchor="end")
    for at, line in enumerate(to_right):
        drawing.text(middle + 10, y + 14 * at, line, "muted", size=SMALL)
    return y + 22 + 14 * max(len(to_left), len(to_right), 1)


def _axis(panel: PublishedPanel) -> tuple[float, float, list[float]]:
    """Limits that hold every estimate and, within reason, every interval; beyond them an arrow is drawn."""
    points = [row.estimate for row in panel.rows if row.estimate is not None and math.isfinite(row.estimate)]
    limits = [v for row in panel.rows for v in (row.lower, row.upper) if v is not None and math.isfinite(v)]
    if panel.is_ratio:
        logs = [math.log(v) for v in points if v > 0]
        reach = max([math.log(2), *(abs(v) for v in logs)])
        spread = [math.log(v) for v in [*points, *limits] if v > 0]
        low = max(min([*spread, 0.0]), -(1.6 * reach + 1.0), -7.0)
        high = min(max([*spread, 0.0]), 1.6 * reach + 1.0, 7.0)
        low, high = min([low, *logs]), max([high, *logs])
        pad = 0.06 * (high - low) or 0.5
        bounds = math.exp(low - pad), math.exp(high + pad)
        ticks = log_ticks(*bounds)
        if len(ticks) > 6:
            ticks = [t for t in ticks if abs(math.log10(t) - round(math.log10(t))) < 1e-9]
        return *bounds, sorted({*ticks, 1.0})
    values = [*points, *limits, 0.0]
    low, high = min(values), max(values)
    pad = 0.08 * (high - low) or 1.0
    return low - pad, high + pad, nice_ticks(low - pad, high + pad, 5)


def _mark(drawing: Drawing, row: PublishedRow, x: Scale, y: float, low: float, high: float) -> None:
    estimate = row.estimate
    if estimate is None or not math.isfinite(estimate) or not low <= estimate <= high:
        return
    start = estimate if row.lower is None else max(row.lower, low)
    end = estimate if row.upper is None else min(row.upper, high)
    if row.kind == "pooled":
        points = [(x(start), y), (x(estimate), y - 5), (x(end), y), (x(estimate), y + 5)]
        drawing.polygon(points, "published")
        return
    token = "arm1" if row.kind == "obtained" else "arm0"
    if end > start:
        drawing.line(x(start), y, x(end), y, token, width=1.4)
    if row.lower is not None and row.lower < low:
        drawing.polygon([(x(low) - 4, y), (x(low) + 3, y - 3.5), (x(low) + 3, y + 3.5)], token)
    if row.upper is not None and row.upper > high:
        drawing.polygon([(x(high) + 4, y), (x(high) - 3, y - 3.5), (x(high) - 3, y + 3.5)], token)
    if row.kind == "range":
        return
    radius = 2.8 + 3.2 * math.sqrt(min(max(row.weight, 0.0), 1.0))
    if row.kind == "obtained":
        drawing.circle(x(estimate), y, radius + 0.8, token, stroke="paper", stroke_width=1)
    else:
        drawing.rect(x(estimate) - radius, y - radius, 2 * radius, 2 * radius, token)


def _alt(panels: Sequence[PublishedPanel]) -> str:
    n = sum(len(panel.rows) for panel in panels)
    told = "; ".join(f"{panel.title}: " + ", ".join(f"{r.label} {r.numbers}" for r in panel.rows) for panel in panels)
    return f"Forest plot of {fmt.plural(n, 'result')}. {told}."


def draw_funnel(
    effects: Sequence[float], errors: Sequence[float], labels: Sequence[str], *, centre: float, is_ratio: bool
) -> Drawing:
    """Funnel plot: effects (logarithms of ratios) against their standard errors, with the common effect's 95% lines."""
    largest = max(errors) * 1.08
    reach = max([1.96 * largest, *(abs(e - centre) * 1.1 for e in effects)])
    left, right, top, bottom = 60.0, WIDTH - 24, 20.0, 300.0
    x = linear_scale(centre - reach, centre + reach, left, right)
    y = linear_scale(0.0, largest, top, bottom)
    said = "; ".join(
        f"{label} {effect:.2f} (error {error:.2f})" for label, effect, error in zip(labels, effects, errors)
    )
    drawing = Drawing(alt=f"Funnel plot of {fmt.plural(len(labels), 'study', 'studies')}: {said}.", height=352)
    for k in (-1, 1):
        drawing.line(x(centre), y(0), x(centre + k * 1.96 * largest), y(largest), "muted", dash="4 3")
    drawing.line(x(centre), top, x(centre), bottom, "muted")
    drawing.line(left, bottom, right, bottom, "ink")
    drawing.line(left, top, left, bottom, "ink")
    low, high = centre - reach, centre + reach
    ticks = log_ticks(math.exp(low), math.exp(high)) if is_ratio else nice_ticks(low, high, 6)
    for tick in ticks:
        at = x(math.log(tick) if is_ratio else tick)
        drawing.line(at, bottom, at, bottom + 4, "ink")
        drawing.text(at, bottom + 17, tick_text(tick), "muted", size=10.5, anchor="middle")
    for tick in nice_ticks(0, largest, 5):
        drawing.line(left - 4, y(tick), left, y(tick), "ink")
        drawing.text(left - 8, y(tick) + 4, tick_text(tick), "muted", size=10.5, anchor="end")
    drawing.text(left, bottom + 40, "Effect" + (" (logarithmic axis)" if is_ratio else ""), "muted", size=SMALL)
    drawing.text(16, (top + bottom) / 2, "Standard error", "muted", size=SMALL, anchor="middle", rotate=-90)
    for label, effect, error in zip(labels, effects, errors):
        drawing.circle(x(effect), y(error), 4, "arm0")
        wide = text_width(label, 10.5)
        anchor = "end" if x(effect) + 8 + wide > right else "start"
        drawing.text(x(effect) + (-8 if anchor == "end" else 8), y(error) + 4, label, "muted", size=10.5, anchor=anchor)
    return drawing
