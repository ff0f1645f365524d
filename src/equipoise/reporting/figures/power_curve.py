"""Power against sample size, effect or another axis of the grid: one line a scenario, with Monte Carlo intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from equipoise.reporting.palette import ARM_TOKENS
from equipoise.reporting.svg import SMALL, WIDTH, Drawing, linear_scale, nice_ticks, tick_text

DASHES = (None, "7 4", "2 3", "9 3 2 3")


@dataclass(frozen=True, slots=True)
class PowerLine:
    """One line: its name, and by position on the axis the share with its Monte Carlo limits (0 to 1)."""

    name: str
    points: Sequence[tuple[float, float, float, float]]  # x, share, lower, upper


def draw_power_curve(lines: Sequence[PowerLine], *, axis: str, title: str, mark: float | None = 0.8) -> Drawing:
    """Lines over the values of ``axis``; a thin line marks the power usually wanted."""
    points = [point for line in lines for point in line.points]
    low, high = min(p[0] for p in points), max(p[0] for p in points)
    pad = (high - low) * 0.04 or 1.0
    left, right, top, bottom = 44.0, WIDTH - 170.0, 16.0, 266.0
    x, y = linear_scale(low - pad, high + pad, left, right), linear_scale(0.0, 1.0, bottom, top)
    drawing = Drawing(alt=_alt(lines, axis, title), height=bottom + 46)
    for share in (0.0, 0.2, 0.4, 0.6, 0.8, 1.0):
        drawing.line(left, y(share), right, y(share), "hair", width=0.8)
        drawing.text(left - 6, y(share) + 4, f"{100 * share:.0f}", "muted", size=10.5, anchor="end")
    if mark is not None:
        drawing.line(left, y(mark), right, y(mark), "muted", width=1.0, dash="2 2")
    for tick in nice_ticks(low, high):
        if low - pad <= tick <= high + pad:
            drawing.line(x(tick), bottom, x(tick), bottom + 4, "ink")
            drawing.text(x(tick), bottom + 17, tick_text(tick), "muted", size=10.5, anchor="middle")
    drawing.line(left, bottom, right, bottom, "ink")
    drawing.text((left + right) / 2, bottom + 36, axis, "muted", size=SMALL, anchor="middle")
    drawing.text(0, top - 4, "%", "muted", size=10.5)
    ends = []
    for number, line in enumerate(lines):
        token = ARM_TOKENS[(number + 1) % len(ARM_TOKENS)]
        dash = DASHES[(number // len(ARM_TOKENS)) % len(DASHES)]
        ordered = sorted(line.points)
        for (x1, p1, _, _), (x2, p2, _, _) in pairwise(ordered):
            drawing.line(x(x1), y(p1), x(x2), y(p2), token, width=1.8, dash=dash)
        for value, share, lower, upper in ordered:
            drawing.line(x(value), y(lower), x(value), y(upper), token, width=1.2)
            drawing.circle(x(value), y(share), 3.4, token)
        ends.append((y(ordered[-1][1]), line.name, token))
    # Names beside the ends of the lines, pushed apart where they would touch.
    place = top - 8
    for height, name, token in sorted(ends):
        place = max(place + 15, height + 4)
        drawing.circle(right + 12, place - 4, 3.4, token)
        drawing.text(right + 20, place, name, size=SMALL)
    drawing.height = max(drawing.height, place + 10)
    return drawing


def _alt(lines: Sequence[PowerLine], axis: str, title: str) -> str:
    parts = []
    for line in lines:
        first, last = min(line.points), max(line.points)
        parts.append(f"{line.name} from {100 * first[1]:.0f}% at {first[0]:g} to {100 * last[1]:.0f}% at {last[0]:g}")
    return f"{title} against {axis}: {'; '.join(parts)}."
