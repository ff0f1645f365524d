"""Sessions planned and delivered, by session and arm."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from equipoise.reporting import format as fmt
from equipoise.reporting.palette import arm_token
from equipoise.reporting.svg import SMALL, WIDTH, Drawing, linear_scale, text_width


@dataclass(frozen=True, slots=True)
class ArmSessions:
    """One arm: for each session how many were planned and delivered; its place in the protocol gives its colour."""

    label: str
    planned: Sequence[int]
    delivered: Sequence[int]
    position: int = 0


def draw_adherence(arms: Sequence[ArmSessions], sessions: Sequence[str], *, title: str = "session") -> Drawing:
    """Bars of the share delivered, arms beside each other within a session."""
    drawing = Drawing(alt=_alt(arms))
    left, top, height = 40.0, 62.0, 170.0
    bottom = top + height
    y = linear_scale(0.0, 1.0, bottom, top)
    slot = (WIDTH - left) / max(len(sessions), 1)
    bar = min(slot * 0.8 / max(len(arms), 1), 26.0)
    x = 0.0
    for arm in arms:
        drawing.rect(x, 3, 11, 11, arm_token(arm.position))
        drawing.text(x + 16, 13, arm.label, arm_token(arm.position), size=SMALL, bold=True)
        x += 16 + text_width(arm.label, SMALL, bold=True) + 18
    drawing.text(0, 34, "Share of planned sessions delivered, %", "muted", size=SMALL)
    for share in (0.0, 0.5, 1.0):
        drawing.line(left, y(share), WIDTH, y(share), "hair" if share else "ink")
        drawing.text(left - 8, y(share) + 4, fmt.fixed(100 * share, 0), "muted", size=SMALL, anchor="end")
    for k, name in enumerate(sessions):
        middle = left + (k + 0.5) * slot
        start = middle - bar * len(arms) / 2
        for position, arm in enumerate(arms):
            planned, delivered = arm.planned[k], arm.delivered[k]
            if not planned:
                continue
            share = delivered / planned
            at = start + position * bar
            drawing.rect(
                at + 0.75,
                y(share),
                bar - 1.5,
                bottom - y(share),
                arm_token(arm.position),
                hint=f"{arm.label}, {title} {name}: {delivered} of {planned}",
            )
            if bar >= 17:
                drawing.text(
                    at + bar / 2,
                    y(share) - 4,
                    fmt.fixed(100 * share, 0),
                    arm_token(arm.position),
                    size=10,
                    anchor="middle",
                )
        drawing.text(middle, bottom + 17, name, "muted", size=SMALL, anchor="middle")
    drawing.text((left + WIDTH) / 2, bottom + 34, title.capitalize(), "muted", size=SMALL, anchor="middle")
    drawing.height = bottom + 40
    return drawing


def _alt(arms: Sequence[ArmSessions]) -> str:
    parts = []
    for arm in arms:
        planned, delivered = sum(arm.planned), sum(arm.delivered)
        if planned:
            parts.append(
                f"{arm.label}: {delivered} of {planned} planned sessions delivered ({fmt.percent(delivered / planned)})"
            )
        else:
            parts.append(f"{arm.label}: no session was planned")
    return f"Bars of sessions delivered, by session and arm. {'. '.join(parts)}."
