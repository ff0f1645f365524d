"""A score over time: individual lines faint, the model's mean with its band, one panel an arm on one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from equipoise.reporting import format as fmt
from equipoise.reporting.palette import arm_token
from equipoise.reporting.svg import (
    BODY,
    SMALL,
    WIDTH,
    Drawing,
    linear_scale,
    log_scale,
    log_ticks,
    nice_ticks,
    number,
    shorten,
    text_width,
    tick_text,
)


@dataclass(frozen=True, slots=True)
class ArmTrajectory:
    """One arm: each participant's days and values (in order of day), and the model's mean with limits by day."""

    label: str
    individuals: Sequence[tuple[Sequence[float], Sequence[float]]]
    day: Sequence[float] = ()
    mean: Sequence[float] = ()
    lower: Sequence[float] = ()
    upper: Sequence[float] = ()


def draw_trajectory(
    arms: Sequence[ArmTrajectory],
    *,
    value_label: str,
    time_label: str,
    log: bool = False,
    ticks: Sequence[float] | None = None,
    measure: str = "score",
) -> Drawing:
    """One panel an arm, reference first; ``log`` puts the values on a logarithmic axis (all must be above 0)."""
    values = [v for a in arms for _, ys in a.individuals for v in ys] + [
        v for a in arms for v in (*a.lower, *a.upper, *a.mean)
    ]
    days = [d for a in arms for xs, _ in a.individuals for d in xs] + [d for a in arms for d in a.day]
    if log:
        values = [v for v in values if v > 0]
    if not values or not days:
        raise ValueError("there is nothing to draw: no values")
    low, high = min(values), max(values)
    if not log:
        pad = 0.04 * (high - low)
        low, high = max(low - pad, min(0.0, low)), high + pad
    if high == low:
        low, high = (low / 2, high * 2) if log else (low - 1, high + 1)
    first, last = min(days), max(days)
    left, gutter, top, height = 44.0, 26.0, 48.0, 250.0
    bottom = top + height
    panel = (WIDTH - left - 6 - gutter * (len(arms) - 1)) / len(arms)
    make = log_scale if log else linear_scale
    y = make(low, high, bottom, top)
    value_ticks = (log_ticks(low, high) if log else nice_ticks(low, high, 6)) or [low, high]
    drawing = Drawing(alt=_alt(arms, measure), height=bottom + 46)
    drawing.text(left - 40, 12, value_label + (" (logarithmic axis)" if log else ""), "muted", size=SMALL)
    for position, arm in enumerate(arms):
        start = left + position * (panel + gutter)
        x = linear_scale(first, last, start + 6, start + panel - 6)
        token = arm_token(position)
        for tick in value_ticks:
            drawing.line(start, y(tick), start + panel, y(tick), "hair")
            if position == 0:
                drawing.text(start - 8, y(tick) + 4, tick_text(tick), "muted", size=SMALL, anchor="end")
        drawing.line(start, bottom, start + panel, bottom, "ink")
        for tick in ticks if ticks is not None else nice_ticks(first, last, 5):
            drawing.line(x(tick), bottom, x(tick), bottom + 5, "ink")
            drawing.text(x(tick), bottom + 18, tick_text(tick), "muted", size=SMALL, anchor="middle")
        drawing.text(start + panel / 2, bottom + 36, time_label, "muted", size=SMALL, anchor="middle")
        label = shorten(arm.label, panel - 60, bold=True)
        drawing.text(start, top - 14, label, token, bold=True)
        drawing.text(
            start + text_width(label, BODY, bold=True) + 8, top - 14, f"n={len(arm.individuals)}", "muted", size=SMALL
        )
        strokes = []
        for xs, ys in arm.individuals:
            pairs = [(a, b) for a, b in zip(xs, ys) if not log or b > 0]
            if len(pairs) == 1:
                drawing.circle(x(pairs[0][0]), y(pairs[0][1]), 1.3, token, opacity=0.35)
            else:
                strokes.append("M" + "L".join(f"{number(x(a))} {number(y(b))}" for a, b in pairs))
        if strokes:
            drawing.path("".join(strokes), token, width=0.8, opacity=0.3)
        for k, other in enumerate(arms):
            if k != position and other.mean:
                drawing.polyline(
                    [(x(d), y(m)) for d, m in zip(other.day, other.mean)],
                    arm_token(k),
                    width=1.3,
                    dash="4 4",
                    opacity=0.9,
                )
        if arm.lower and arm.upper:
            edge = [*zip(arm.day, arm.upper), *list(zip(arm.day, arm.lower))[::-1]]
            drawing.polygon([(x(d), y(v)) for d, v in edge], token, opacity=0.24)
        if arm.mean:
            drawing.polyline([(x(d), y(m)) for d, m in zip(arm.day, arm.mean)], token, width=2.6)
    return drawing


def _alt(arms: Sequence[ArmTrajectory], measure: str) -> str:
    parts = []
    for arm in arms:
        if arm.mean:
            parts.append(
                f"{arm.label} ({len(arm.individuals)} participants): model mean {fmt.fixed(arm.mean[0], 1)} on day "
                f"{tick_text(arm.day[0])} and {fmt.fixed(arm.mean[-1], 1)} on day {tick_text(arm.day[-1])}"
            )
        else:
            parts.append(f"{arm.label}: {len(arm.individuals)} participants, no model mean")
    return f"{measure[:1].upper()}{measure[1:]} over time, one faint line a participant. {'. '.join(parts)}."
