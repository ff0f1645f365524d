"""Kaplan-Meier curves: steps, 95% band, censoring ticks, direct labels, and the numbers at risk on the same axis."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from equipoise.reporting import format as fmt
from equipoise.reporting.palette import arm_token
from equipoise.reporting.svg import (
    BODY,
    SMALL,
    WIDTH,
    Drawing,
    Scale,
    linear_scale,
    nice_ticks,
    shorten,
    text_width,
    tick_text,
    wrap,
)


@dataclass(frozen=True, slots=True)
class DrawnCurve:
    """One arm's curve.

    ``time``, ``survival``, ``lower`` and ``upper`` give the curve after each event time, in order; before the first it
    is 1. Limits may be absent (None) where they cannot be had. ``followed`` is every participant's time,
    ``had_event`` whether it ended in the event: from these come the ticks of censoring and the numbers at risk.
    """

    label: str
    time: Sequence[float]
    survival: Sequence[float]
    lower: Sequence[float | None]
    upper: Sequence[float | None]
    followed: Sequence[float]
    had_event: Sequence[bool]

    def at(self, when: float) -> float:
        """The curve's height at a time."""
        position = bisect_right(list(self.time), when)
        return 1.0 if position == 0 else self.survival[position - 1]

    def n_at_risk(self, when: float) -> int:
        """How many were still followed without event just before a time."""
        ordered = sorted(self.followed)
        return len(ordered) - bisect_left(ordered, when)

    @property
    def median(self) -> float | None:
        """The first time at which the curve falls below one half; None where it never does.

        Where the curve runs level at one half exactly, the middle of that stretch, as R's survival package has it.
        """
        steps = [(t, s) for t, s, before in zip(self.time, self.survival, [1.0, *self.survival]) if s < before]
        for k, (t, s) in enumerate(steps):
            if abs(s - 0.5) < 1e-9:
                return (t + steps[k + 1][0]) / 2 if k + 1 < len(steps) else t
            if s < 0.5:
                return t
        return None


def time_ticks(end: float, unit: str) -> list[float]:
    """Ticks from 0; days in whole weeks where that reads well."""
    if unit.startswith("day") and end >= 14:
        step = next((s for s in (7, 14, 28, 56, 84, 182, 364) if end / s <= 9), 364)
        return [float(t) for t in range(0, int(end) + 1, step)]
    return [t for t in nice_ticks(0.0, end, 8) if t >= 0]


def draw_kaplan_meier(
    curves: Sequence[DrawnCurve],
    *,
    time_label: str,
    survival_label: str,
    unit: str = "days",
    end: float | None = None,
    event_words: str = "event",
) -> Drawing:
    """Curves of the arms, reference first, from time 0 to ``end`` (the last time followed unless given)."""
    end = end or max((max(c.followed, default=0.0) for c in curves), default=1.0) or 1.0
    medians = [
        f"median {tick_text(round(c.median, 1))} {unit}" if c.median is not None else "median not reached"
        for c in curves
    ]
    names = [wrap(c.label, 150.0, BODY, bold=True)[:2] for c in curves]
    wanted = [
        max([text_width(m, SMALL), *(text_width(n, BODY, bold=True) for n in lines)])
        for lines, m in zip(names, medians)
    ]
    right = 14 + min(max(wanted, default=80.0), 164.0)
    # names of arms stand left of the numbers at risk where there is room, above them where there is not
    longest = max((text_width(c.label, SMALL) for c in curves), default=0.0)
    beside = longest <= 120
    left = max(52.0, 24 + longest) if beside else 52.0
    top, height = 34.0, 290.0
    bottom = top + height
    drawing = Drawing(alt=_alt(curves, end, unit, event_words))
    x = linear_scale(0.0, end, left, WIDTH - right)
    y = linear_scale(0.0, 1.0, bottom, top)

    drawing.text(left - 34, 14, survival_label, "muted", size=SMALL)
    for share in (0.0, 0.25, 0.5, 0.75, 1.0):
        if share:
            drawing.line(left, y(share), x(end), y(share), "hair")
        drawing.text(left - 8, y(share) + 4, tick_text(share), "muted", size=SMALL, anchor="end")
    ticks = time_ticks(end, unit)
    drawing.line(left, bottom, x(end), bottom, "ink")
    for tick in ticks:
        drawing.line(x(tick), bottom, x(tick), bottom + 5, "ink")
        drawing.text(x(tick), bottom + 18, tick_text(tick), "muted", size=SMALL, anchor="middle")
    drawing.text((left + x(end)) / 2, bottom + 36, time_label, "muted", size=SMALL, anchor="middle")

    for position, curve in enumerate(curves):
        _band(drawing, curve, arm_token(position), x, y, end)
    for position, curve in enumerate(curves):
        _steps(drawing, curve, arm_token(position), x, y, end)
    for position, baseline in _label_places(curves, y, end, top, bottom):
        lines = names[position]
        below = drawing.lines(
            x(end) + 10, baseline - 3 - 15 * (len(lines) - 1), lines, arm_token(position), leading=15, bold=True
        )
        drawing.text(x(end) + 10, below, medians[position], "muted", size=SMALL)

    row = bottom + 62
    drawing.text(left - 8 if beside else 0, row, "At risk", "muted", size=SMALL, anchor="end" if beside else "start")
    for position, curve in enumerate(curves):
        row += 18
        if beside:
            drawing.text(left - 18, row, curve.label, arm_token(position), size=SMALL, anchor="end")
        else:
            drawing.text(0, row, shorten(curve.label, WIDTH, SMALL), arm_token(position), size=SMALL)
            row += 16
        for tick in ticks:
            drawing.text(x(tick), row, fmt.thousands(curve.n_at_risk(tick)), size=SMALL, anchor="middle")
    drawing.height = row + 8
    return drawing


def _points(curve: DrawnCurve, values: Sequence[float], end: float) -> list[tuple[float, float]]:
    """Corners of the step function, from time 0 to the last time followed."""
    last = min(max(curve.followed, default=end), end)
    points, level = [(0.0, 1.0)], 1.0
    for t, value in zip(curve.time, values):
        if t > end:
            break
        points += [(t, level), (t, value)]
        level = value
    points.append((max(last, points[-1][0]), level))
    return points


def _steps(drawing: Drawing, curve: DrawnCurve, token: str, x: Scale, y: Scale, end: float) -> None:
    drawing.polyline([(x(t), y(s)) for t, s in _points(curve, curve.survival, end)], token, width=2.0)
    ticks = sorted({t for t, event in zip(curve.followed, curve.had_event) if not event and t <= end})
    if ticks:
        drawing.path(
            "".join(f"M{x(t):.2f} {y(curve.at(t)) - 4:.2f}V{y(curve.at(t)) + 4:.2f}" for t in ticks), token, width=1.1
        )


def _band(drawing: Drawing, curve: DrawnCurve, token: str, x: Scale, y: Scale, end: float) -> None:
    # a missing limit (at survival 0 or 1 under some transformations) falls back on the curve: the band closes there
    lower = [s if v is None else v for v, s in zip(curve.lower, curve.survival)]
    upper = [s if v is None else v for v, s in zip(curve.upper, curve.survival)]
    if not curve.time:
        return
    outline = _points(curve, upper, end) + _points(curve, lower, end)[::-1]
    drawing.polygon([(x(t), y(s)) for t, s in outline], token, opacity=0.13)


def _label_places(
    curves: Sequence[DrawnCurve], y: Scale, end: float, top: float, bottom: float
) -> list[tuple[int, float]]:
    """Baselines of the labels at the ends of the curves, at least 34 px apart and inside the axes."""
    wanted = sorted(((y(c.at(end)), k) for k, c in enumerate(curves)))
    gap = 36.0 if all(len(c.label) < 20 for c in curves) else 50.0
    places: list[tuple[int, float]] = []
    for height, k in wanted:
        height = min(max(height, top + 8), bottom - 14)
        if places and height < places[-1][1] + gap:
            height = places[-1][1] + gap
        places.append((k, height))
    overflow = places[-1][1] - (bottom - 14) if places else 0.0
    if overflow > 0:
        floor = bottom - 14
        for index in range(len(places) - 1, -1, -1):
            k, height = places[index]
            height = min(height, floor)
            places[index] = (k, height)
            floor = height - gap
    return places


def _alt(curves: Sequence[DrawnCurve], end: float, unit: str, event_words: str) -> str:
    parts = []
    for c in curves:
        n_events = sum(bool(e) for e in c.had_event)
        median = f"median {tick_text(round(c.median, 1))} {unit}" if c.median is not None else "median not reached"
        parts.append(
            f"{c.label}: {n_events} of {len(c.had_event)} had the {event_words}, {median}, "
            f"{fmt.percent(c.at(end))} without it at {tick_text(round(end, 1))} {unit}"
        )
    return f"Kaplan-Meier curves of time to {event_words}. {'. '.join(parts)}."
