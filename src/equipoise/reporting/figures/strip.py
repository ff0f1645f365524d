"""One row of "Does it hold?": an effect with its interval on an axis that all rows share.

A row is a small drawing of its own, so that the words beside it keep their size on a telephone and in print.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeGuard

from equipoise.reporting.svg import Drawing, linear_scale, log_scale, log_ticks, nice_ticks, tick_text

WIDTH, HEIGHT = 190.0, 24.0
_EDGE = 8.0
_REACH = 12.0
Limits = tuple[float | None, float | None, float | None]


@dataclass(frozen=True, slots=True)
class StripAxis:
    """The axis of a strip: its ends, whether it is logarithmic, the value of no difference, a factor for ticks."""

    low: float
    high: float
    is_ratio: bool
    factor: float = 1.0
    margins: tuple[float, ...] = ()

    @property
    def null(self) -> float:
        """No difference."""
        return 1.0 if self.is_ratio else 0.0

    def place(self, value: float) -> float:
        """Pixels from the left of a value, held within the axis."""
        scale = (log_scale if self.is_ratio else linear_scale)(self.low, self.high, _EDGE, WIDTH - _EDGE)
        return min(max(scale(max(value, 1e-12) if self.is_ratio else value), _EDGE), WIDTH - _EDGE)

    @property
    def ticks(self) -> list[float]:
        """Four ticks at the most, no difference among them."""
        if not self.is_ratio:
            return nice_ticks(self.low, self.high, 4)
        ticks = log_ticks(self.low, self.high)
        while len(ticks) > 5:
            at = ticks.index(1.0) if 1.0 in ticks else 0
            ticks = [tick for k, tick in enumerate(ticks) if (k - at) % 2 == 0]
        return ticks


def strip_axis(
    rows: Sequence[Limits], *, is_ratio: bool, factor: float = 1.0, margins: tuple[float, ...] = ()
) -> StripAxis:
    """An axis on which every estimate, no difference and the margins lie; limits far beyond them end in arrows."""
    null = 1.0 if is_ratio else 0.0
    points = [null, *margins, *(row[0] for row in rows if _has_a_place(row[0], is_ratio))]
    limits = [limit for row in rows for limit in row[1:] if _has_a_place(limit, is_ratio)]
    if is_ratio:
        room = 6.0
        low = max(min([*points, *limits]), min(points) / room)
        high = min(max([*points, *limits]), max(points) * room)
        return StripAxis(min(low, 0.8) / 1.1, max(high, 1.25) * 1.1, True, factor, margins)
    width = max(max(points) - min(points), 1e-9)
    low = max(min([*points, *limits]), min(points) - 2 * width)
    high = min(max([*points, *limits]), max(points) + 2 * width)
    margin = 0.06 * max(high - low, 1e-9)
    return StripAxis(low - margin, high + margin, False, factor, margins)


def _has_a_place(value: float | None, is_ratio: bool) -> TypeGuard[float]:
    """Whether a value has a place on an axis: of ratios, zero and infinity lie beyond any."""
    return value is not None and math.isfinite(value) and (value > 0 or not is_ratio)


def draw_row(axis: StripAxis, limits: Limits, *, kind: str, alt: str) -> Drawing:
    """One analysis: ``planned`` a large filled square, ``differs`` an open one in amber, ``published`` a diamond."""
    drawing = _paper(axis, alt, HEIGHT)
    token = {"differs": "amber", "published": "published"}.get(kind, "ink")
    y = HEIGHT / 2
    value, low, high = limits
    if low is not None or high is not None:  # printed without limits, an estimate is a mark alone
        left = _EDGE if low is None else axis.place(low)
        right = WIDTH - _EDGE if high is None else axis.place(high)
        dash = "3 2" if kind == "published" else None
        drawing.line(left, y, right, y, token, width=2.2 if kind == "planned" else 1.4, dash=dash)
        for limit, end, x, sign in ((low, axis.low, left, -1), (high, axis.high, right, 1)):
            if limit is None or sign * (limit - end) > 0:
                drawing.polygon([(x + sign * 5, y), (x - sign, y - 4), (x - sign, y + 4)], token)
    if value is not None:
        x = axis.place(value)
        if kind == "published":
            drawing.diamond(x, y, 5.5)
        elif kind == "differs":
            drawing.rect(x - 4.5, y - 4.5, 9, 9, "paper", stroke="amber", stroke_width=2)
        else:
            drawing.rect(x - 5.5, y - 5.5, 11, 11, "ink")
    return drawing


def draw_dots(axis: StripAxis, values: Sequence[float], *, alt: str) -> Drawing:
    """Estimates of analyses that agree, as dots that stand beside one another where they would overlap."""
    placed: list[tuple[float, int]] = []
    for value in sorted(values):
        x = axis.place(value)
        taken = {level for other, level in placed if abs(other - x) < 7.5}
        placed.append((x, next(level for level in range(len(values) + 1) if level not in taken)))
    n_levels = 1 + max((level for _, level in placed), default=0)
    height = max(HEIGHT, 8.0 * n_levels + 8)
    drawing = _paper(axis, alt, height)
    for x, level in placed:
        # the first in the middle, the next above and below it in turn
        step = (level + 1) // 2 * (-1 if level % 2 else 1)
        drawing.circle(x, height / 2 + 8.0 * step, 3.6, "ink")
    return drawing


def draw_axis(axis: StripAxis) -> Drawing:
    """The axis with its ticks."""
    drawing = Drawing(alt="", height=20, width=WIDTH)
    drawing.line(0, 1, WIDTH, 1, "rule")
    last = -100.0
    for tick in axis.ticks:
        text, x = tick_text(axis.factor * tick), axis.place(tick)
        if x - last > 7.0 * len(text) + 4:
            drawing.text(x, 15, text, "muted", size=11, anchor="middle")
            last = x
    return drawing


def _paper(axis: StripAxis, alt: str, height: float) -> Drawing:
    # The rules run out of the row below and above, so that they meet those of the next where its name takes two lines.
    drawing = Drawing(alt=alt, height=height, width=WIDTH)
    for tick in axis.ticks:
        drawing.line(axis.place(tick), -_REACH, axis.place(tick), height + _REACH, "hair", width=0.8)
    drawing.line(axis.place(axis.null), -_REACH, axis.place(axis.null), height + _REACH, "muted", width=1.2)
    for margin in axis.margins:
        drawing.line(axis.place(margin), -_REACH, axis.place(margin), height + _REACH, "ink", width=1.2, dash="4 2")
    return drawing
