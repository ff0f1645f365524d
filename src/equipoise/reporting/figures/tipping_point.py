"""Tipping point: the effect as one arm's imputed results are made progressively worse."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from equipoise.protocol.vocabulary.scales import SCALES
from equipoise.reporting import format as fmt
from equipoise.reporting.svg import SMALL, WIDTH, Drawing, linear_scale, log_scale, log_ticks, nice_ticks, tick_text

TOP, HEIGHT, LEFT = 18.0, 220.0, 64.0


def draw_tipping_point(found: Mapping[str, Any], scale: str, *, arm: str, unit: str, token: str = "arm1") -> Drawing:
    """Estimate (line) and limits (bars) against the shift; a vertical line where the conclusion changes.

    ``found`` is the search as the analysis gives it: ``path`` of points, ``shift``, ``up_to``, ``conclusion``.
    """
    ratio = SCALES[scale].is_ratio
    points = [p for p in found["path"] if p["estimate"] is not None and (p["estimate"] > 0 or not ratio)]
    low, high = _range(points, ratio)
    start, stop = sorted((0.0, float(found["up_to"])))
    drawing = Drawing(alt=_alt(found, scale, arm), height=TOP + HEIGHT + 48)
    right = WIDTH - 16
    x = linear_scale(start, stop, LEFT, right)
    place = (log_scale if ratio else linear_scale)(low, high, TOP + HEIGHT, TOP)

    def y(value: float) -> float:
        return place(min(max(value, low), high))

    for tick in log_ticks(low, high) if ratio else nice_ticks(low, high):
        if low <= tick <= high:
            drawing.line(LEFT, y(tick), right, y(tick), "rule", width=0.6)
            drawing.text(LEFT - 6, y(tick) + 4, tick_text(tick), "muted", size=SMALL, anchor="end")
    drawing.line(LEFT, y(1.0 if ratio else 0.0), right, y(1.0 if ratio else 0.0), "ink", dash="4 3")
    steps = _steps(points, found)
    for point in steps:
        if point["ci_lower"] is not None and point["ci_upper"] is not None and (point["ci_lower"] > 0 or not ratio):
            drawing.line(x(point["shift"]), y(point["ci_lower"]), x(point["shift"]), y(point["ci_upper"]), token)
        drawing.circle(x(point["shift"]), y(point["estimate"]), 3.4, token)
    if len(points) > 1:
        drawing.polyline([(x(p["shift"]), y(p["estimate"])) for p in points], token, width=1.4)
    if found["shift"] is not None:
        at = x(found["shift"])
        drawing.line(at, TOP, at, TOP + HEIGHT, "published", width=1.4)
        side = "end" if at > (LEFT + right) / 2 else "start"
        drawing.text(
            at + (-5 if side == "end" else 5), TOP + 10, f"changes at {found['shift']:.2f}", anchor=side, size=SMALL
        )
    for tick in nice_ticks(start, stop):
        drawing.text(x(tick), TOP + HEIGHT + 16, tick_text(tick), "muted", size=SMALL, anchor="middle")
    words = f"added to imputed results of {arm}, {unit}"
    drawing.text((LEFT + right) / 2, TOP + HEIGHT + 36, words, "muted", size=SMALL, anchor="middle")
    drawing.text(4, 12, scale.replace("_", " "), "muted", size=SMALL)
    return drawing


def _steps(points: Sequence[Mapping[str, Any]], found: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """Points of the equal steps; those of the bisection lie too close to be drawn with limits."""
    kept: list[Mapping[str, Any]] = []
    least = abs(float(found["up_to"])) / 60
    for point in points:
        if not kept or abs(point["shift"] - kept[-1]["shift"]) >= least:
            kept.append(point)
    return kept


def _range(points: Sequence[Mapping[str, Any]], ratio: bool) -> tuple[float, float]:
    values = [p[key] for p in points for key in ("estimate", "ci_lower", "ci_upper") if p[key] is not None]
    values = [v for v in values if v > 0 or not ratio] or [1.0 if ratio else 0.0]
    spread = [math.log(v) for v in values] if ratio else values
    lowest, highest = min(*spread, 0.0), max(*spread, 0.0)
    if ratio:  # a limit in the thousands must not flatten the curve
        lowest, highest = max(lowest, -7.0), min(highest, 7.0)
    room = 0.06 * (highest - lowest) or 0.5
    lowest, highest = lowest - room, highest + room
    return (math.exp(lowest), math.exp(highest)) if ratio else (lowest, highest)


def _alt(found: Mapping[str, Any], scale: str, arm: str) -> str:
    first = next((p for p in found["path"] if p["estimate"] is not None), None)
    begins = f"{scale.replace('_', ' ')} {fmt.fixed(first['estimate'], 2)} without a shift" if first else "no estimate"
    if found["shift"] is None:
        return f"Tipping point, {arm}: {begins}; the conclusion ({found['conclusion']}) holds up to {found['up_to']:g}."
    return (
        f"Tipping point, {arm}: {begins}; the conclusion ({found['conclusion']}) changes at a shift of "
        f"{found['shift']:.2f}."
    )
