"""Z over information with the bounds of a plan: where a look may end the trial, and where the looks taken lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from equipoise.reporting import format as fmt
from equipoise.reporting.svg import SMALL, WIDTH, Drawing, linear_scale, nice_ticks, tick_text, wrap


@dataclass(frozen=True, slots=True)
class BoundPoint:
    """Bounds at one look: information (1 is as planned), critical Z and, where there is one, the Z for futility."""

    information: float
    critical: float
    futility: float | None = None


@dataclass(frozen=True, slots=True)
class LookPoint:
    """A look as it was taken: information reached and Z; ``name`` where it is not called by its number."""

    information: float
    z: float
    name: str = ""


# A critical value beyond this is drawn at the edge, as an arrow: no trial reaches it.
_TOP = 6.0


def draw_boundaries(
    bounds: Sequence[BoundPoint],
    taken: Sequence[LookPoint],
    *,
    sides: int,
    axis: str,
    above: str,
    below: str,
) -> Drawing:
    """Bounds as lines through the looks (those taken at the information reached, later ones as planned), Z as circles.

    ``above`` and ``below`` say what a Z in that direction favours.
    """
    values = [look.z for look in taken] + [min(b.critical, _TOP) for b in bounds]
    values += [b.futility for b in bounds if b.futility is not None]
    highest = max(3.0, *(abs(v) for v in values)) + 0.4
    lowest = -highest if sides == 2 else min(-1.0, *values) - 0.4
    end = max(1.0, *(b.information for b in bounds), *(look.information for look in taken)) * 1.04
    left, right, top, bottom = 48.0, WIDTH - 150.0, 24.0, 324.0
    x, y = linear_scale(0.0, end, left, right), linear_scale(lowest, highest, bottom, top)
    drawing = Drawing(alt=_alt(bounds, taken, axis), height=bottom + 48)
    for tick in nice_ticks(lowest, highest):
        if lowest <= tick <= highest:
            drawing.line(left, y(tick), right, y(tick), "muted" if tick == 0 else "hair", width=0.8)
            drawing.text(left - 6, y(tick) + 4, tick_text(tick), "muted", size=10.5, anchor="end")
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        drawing.line(x(share), bottom, x(share), bottom + 4, "ink")
        drawing.text(x(share), bottom + 17, fmt.percent(share), "muted", size=10.5, anchor="middle")
    drawing.line(left, bottom, right, bottom, "ink")
    drawing.text((left + right) / 2, bottom + 36, axis, "muted", size=SMALL, anchor="middle")
    drawing.text(0, top - 8, "Z", "muted", size=10.5)
    upper = [(x(b.information), y(min(b.critical, highest))) for b in bounds]
    _bound(drawing, upper, "Efficacy" if sides == 1 else above, right)
    if sides == 2:
        _bound(drawing, [(x(b.information), y(max(-b.critical, lowest))) for b in bounds], below, right)
    lower = [(x(b.information), y(b.futility)) for b in bounds if b.futility is not None]
    if lower:
        drawing.polyline(lower, "muted", width=1.4, dash="5 4")
        for px, py in lower:
            drawing.circle(px, py, 2.4, "muted")
        drawing.text(lower[-1][0] + 8, lower[-1][1] + 14, "Futility", "muted", size=SMALL)
    points = [(x(look.information), y(look.z)) for look in taken]
    drawing.polyline([(x(0.0), y(0.0)), *points], "arm2", width=1.8)
    for look, number, (px, py) in zip(taken, range(1, len(taken) + 1), points, strict=True):
        drawing.circle(px, py, 4.4, "arm2")
        name, inward = look.name or f"Look {number}", look.z < 0
        if look.information > 0.9:  # the names of the bounds stand on the right
            drawing.text(px - 6, py + (20 if inward else -12), name, "arm2", size=SMALL, anchor="end")
        else:
            drawing.text(px + 8, py + (-8 if inward else 16), name, "arm2", size=SMALL)
    return drawing


def _bound(drawing: Drawing, points: Sequence[tuple[float, float]], name: str, right: float) -> None:
    drawing.polyline(points, "ink", width=1.6)
    for px, py in points:
        drawing.circle(px, py, 2.6, "ink")
    if points:
        # beside the last point, on as many lines as its room asks for
        left = max(points[-1][0] + 10, right - 6)
        for number, line in enumerate(wrap(name, WIDTH - left - 2, SMALL)):
            drawing.text(left, points[-1][1] + 4 + 13 * number, line, size=SMALL)


def _alt(bounds: Sequence[BoundPoint], taken: Sequence[LookPoint], axis: str) -> str:
    parts = [f"Z {fmt.fixed(look.z, 2)} at {fmt.percent(look.information)}" for look in taken]
    limits = [
        f"{'none' if math.isinf(b.critical) else f'{b.critical:.2f}'} at {fmt.percent(b.information)}" for b in bounds
    ]
    return f"Z over information ({axis}). Critical values: {', '.join(limits)}. Looks taken: {', '.join(parts)}."
