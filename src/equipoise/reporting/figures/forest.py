"""Forest plot: every effect as obtained (circles) with the published one beneath (black diamonds).

Ratios stand on a logarithmic axis about 1, differences on a plain one about 0; rows that favour an arm on opposite
sides stand in panels of their own, so that the words at both ends of a panel's axis hold for all its rows.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from equipoise.protocol.vocabulary.scales import is_share
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
    shorten,
    tick_text,
    wrap,
)

LIMITS = tuple[float | None, float | None, float | None]


@dataclass(frozen=True, slots=True)
class ForestRow:
    """One effect: what it is, on which scale, estimate with limits, and the published one."""

    label: str
    scale: str
    obtained: LIMITS
    published: LIMITS | None = None
    detail: str = ""
    margins: tuple[float, ...] = ()  # drawn as dashed lines through the panel, whose rows share them


@dataclass(frozen=True, slots=True)
class ForestPanel:
    """Rows on one axis, and whom its two ends favour."""

    title: str
    rows: Sequence[ForestRow]
    favours_left: str
    favours_right: str
    is_ratio: bool = True


def draw_forest(panels: Sequence[ForestPanel], *, token: str = "arm1", obtained_word: str = "obtained") -> Drawing:
    """The panels under one another, each with its own axis; numbers stand to the right."""
    panels = [panel for panel in panels if panel.rows]
    drawing = Drawing(alt=_alt(panels))
    has_published = any(row.published for panel in panels for row in panel.rows)
    drawing.circle(5, 9, 4.2, token)
    drawing.text(15, 13, obtained_word, "muted", size=SMALL)
    if has_published:
        drawing.diamond(95, 9, 5)
        drawing.text(105, 13, "published", "muted", size=SMALL)
    y = 40.0
    for panel in panels:
        y = _draw_panel(drawing, panel, y, token)
    drawing.height = y - 14
    return drawing


def _draw_panel(drawing: Drawing, panel: ForestPanel, y: float, token: str) -> float:
    label_width, text_width_ = 216.0, 156.0
    left, right = label_width + 8, WIDTH - text_width_ - 12
    low, high, ticks = _axis(panel)
    x = (log_scale if panel.is_ratio else linear_scale)(low, high, left, right)
    null = 1.0 if panel.is_ratio else 0.0
    factor = 100.0 if all(is_share(row.scale) for row in panel.rows) else 1.0
    drawing.text(0, y, panel.title, bold=True)
    drawing.line(0, y + 9, WIDTH, y + 9, "rule", width=0.8)
    top = y + 12
    y += 34
    rows_top = len(drawing.elements)
    for row in panel.rows:
        drawing.text(0, y, shorten(row.label, label_width), size=12.5)
        detail = wrap(row.detail, label_width, 10.5) if row.detail else []
        for at, line in enumerate(detail):
            drawing.text(0, y + 15 + 13 * at, line, "muted", size=10.5)
        _mark(drawing, row.obtained, x, y - 4, (low, high), token)
        drawing.text(WIDTH, y, fmt.interval(fmt.Interval(*row.obtained, row.scale)), anchor="end", size=12)
        if row.published:
            _mark(drawing, row.published, x, y + 12, (low, high), "published", round_=False)
            drawing.text(
                WIDTH, y + 16, fmt.interval(fmt.Interval(*row.published, row.scale)), "muted", anchor="end", size=SMALL
            )
        y += max(44 if row.published else 28, 22 + 13 * len(detail) if detail else 0)
    bottom = y - 12
    under = Drawing(alt="")
    for tick in ticks:
        under.line(x(tick), top, x(tick), bottom, "hair", width=0.8)
    under.line(x(null), top, x(null), bottom, "muted", width=1.0)
    for margin in dict.fromkeys(value for row in panel.rows for value in row.margins):
        under.line(x(margin), top, x(margin), bottom, "ink", width=1.4, dash="5 3")
    drawing.elements[rows_top:rows_top] = under.elements
    drawing.line(left, bottom, right, bottom, "ink")
    for tick in ticks:
        drawing.line(x(tick), bottom, x(tick), bottom + 4, "ink")
        drawing.text(x(tick), bottom + 16, tick_text(factor * tick), "muted", size=10.5, anchor="middle")
    # the words may run out over both ends of the axis, where nothing else stands
    middle, room = (left + right) / 2, (right - left) / 2 + 70
    to_left, to_right = (wrap(text, room - 34, SMALL) for text in (panel.favours_left, panel.favours_right))
    to_left[0] = "\N{LEFTWARDS ARROW} " + to_left[0]
    to_right[-1] += " \N{RIGHTWARDS ARROW}"
    for at, line in enumerate(to_left):
        drawing.text(middle - 12, bottom + 33 + 14 * at, line, "muted", size=SMALL, anchor="end")
    for at, line in enumerate(to_right):
        drawing.text(middle + 12, bottom + 33 + 14 * at, line, "muted", size=SMALL)
    return bottom + 52 + 14 * max(len(to_left), len(to_right))


def _axis(panel: ForestPanel) -> tuple[float, float, list[float]]:
    """Limits that hold every estimate and, within reason, every interval; beyond them an arrow is drawn."""
    values = [
        v
        for row in panel.rows
        for triple in (row.obtained, row.published or (), row.margins)
        for v in triple
        if v is not None and math.isfinite(v)
    ]
    if panel.is_ratio:
        points = [row.obtained[0] for row in panel.rows] + [row.published[0] for row in panel.rows if row.published]
        points += [value for row in panel.rows for value in row.margins]
        logs = [abs(math.log(v)) for v in points if v is not None and 0 < v < math.inf]
        reach = max([math.log(2), *logs])
        spread = [math.log(v) for v in values if v > 0] or [0.0]
        low = max(min([*spread, 0.0]), -(2.2 * reach + 1.0))
        high = min(max([*spread, 0.0]), 2.2 * reach + 1.0)
        pad = 0.06 * (high - low) or 0.5
        bounds = math.exp(low - pad), math.exp(high + pad)
        ticks = log_ticks(*bounds)
        if len(ticks) > 7:
            ticks = [t for t in ticks if abs(math.log10(t) - round(math.log10(t))) < 1e-9]
        if not any(abs(t - 1) < 1e-9 for t in ticks):
            ticks = sorted([*ticks, 1.0])
        return *bounds, ticks
    low, high = min([*values, 0.0]), max([*values, 0.0])
    pad = 0.06 * (high - low) or 1.0
    return low - pad, high + pad, nice_ticks(low - pad, high + pad, 5)


def _mark(
    drawing: Drawing,
    triple: LIMITS,
    x: Scale,
    y: float,
    axis: tuple[float, float],
    token: str,
    *,
    round_: bool = True,
) -> None:
    (estimate, lower, upper), (low, high) = triple, axis
    if estimate is None or not low <= estimate <= high:
        return
    start = max(lower, low) if lower is not None else estimate
    end = min(upper, high) if upper is not None else estimate
    if end > start:
        drawing.line(x(start), y, x(end), y, token, width=1.4 if round_ else 1.0)
    if lower is not None and lower < low:
        drawing.polygon([(x(low) - 4, y), (x(low) + 3, y - 3.5), (x(low) + 3, y + 3.5)], token)
    if upper is not None and upper > high:
        drawing.polygon([(x(high) + 4, y), (x(high) - 3, y - 3.5), (x(high) - 3, y + 3.5)], token)
    if round_:
        drawing.circle(x(estimate), y, 5, token, stroke="paper", stroke_width=1)
    else:
        drawing.diamond(x(estimate), y, 5, token)


def _alt(panels: Sequence[ForestPanel]) -> str:
    parts = []
    for panel in panels:
        for row in panel.rows:
            text = f"{row.label}: {fmt.interval(fmt.Interval(*row.obtained, row.scale))}"
            if row.margins:
                text += f", {'margin' if len(row.margins) == 1 else 'margins'} "
                text += " and ".join(fmt.on_scale(value, row.scale) for value in row.margins)
            if row.published:
                text += f", published {fmt.interval(fmt.Interval(*row.published, row.scale))}"
            parts.append(text)
    return f"Forest plot of {fmt.plural(len(parts), 'effect')} with intervals. {'; '.join(parts)}."
