"""Hypotheses under one familywise level: what each begins with, what it passes on to whom, and what was rejected."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from equipoise.reporting.svg import SMALL, WIDTH, Drawing, shorten, text_width, wrap

_BOX, _LEADING, _PAD = 156.0, 15.0, 8.0
_APART = 7.0  # of two arrows between the same boxes
_GAP = 56.0  # between one row of boxes and the next

Point = tuple[float, float]


@dataclass(frozen=True)
class HypothesisBox:
    """A hypothesis as it is drawn: its label, what stands under it, and whether it was rejected (None: not tested)."""

    name: str
    label: str
    weight: float
    under: str
    rejected: bool | None


def draw_hypotheses(
    boxes: Sequence[HypothesisBox], arrows: Mapping[tuple[str, str], float], rows: Sequence[Sequence[str]], alt: str
) -> Drawing:
    """Boxes in ``rows`` (one row of more than two stands as a ring), arrows with the share that each passes on.

    Several rows that no arrow joins are families tested one after another; a line between says so.
    """
    by_name = {box.name: box for box in boxes}
    wide = _BOX if len(rows) == 1 else min(_BOX, WIDTH / max(len(row) for row in rows) - 14)
    lines = {box.name: _lines(box, wide) for box in boxes}
    height = {name: 2 * _PAD + _LEADING * len(text) for name, text in lines.items()}
    centres, bottom = _centres(rows, arrows, max(height.values()))
    drawing = Drawing(alt=alt, height=bottom)
    shares = [
        (_arrow(drawing, (centres[one], centres[other]), (height[one], height[other]), wide), share)
        for (one, other), share in arrows.items()
        if share > 0
    ]
    for row, after in pairwise(rows):
        if not any(arrows.get((one, other), 0.0) > 0 for one in row for other in after):
            y = centres[after[0]][1] - max(height.values()) / 2 - _GAP / 2 + 4
            drawing.text(WIDTH / 2, y, "once all above are rejected", "muted", size=SMALL, anchor="middle", italic=True)
    for name, (x, y) in centres.items():
        box, tall = by_name[name], height[name]
        fill, stroke = ("wash", "accent") if box.rejected else ("paper", "muted")
        drawing.rect(
            x - wide / 2,
            y - tall / 2,
            wide,
            tall,
            fill,
            stroke=stroke,
            stroke_width=2.0 if box.rejected else 1.0,
            radius=6,
            hint=box.label,
        )
        top = y - tall / 2 + _PAD + 11
        for k, text in enumerate(lines[name]):
            is_label = k < len(lines[name]) - (2 if box.under else 1)
            token = "ink" if is_label or box.rejected else "muted"
            drawing.text(x, top + k * _LEADING, text, token, size=SMALL, anchor="middle", bold=is_label)
    for (x, y), share in shares:
        text = share_text(share)
        room = text_width(text, SMALL) + 4
        drawing.rect(x - room / 2, y - 8, room, 15, "paper")
        drawing.text(x, y + 4, text, "ink", size=SMALL, anchor="middle")
    return drawing


def _lines(box: HypothesisBox, wide: float) -> list[str]:
    label = wrap(box.label, wide - 12, SMALL, bold=True)
    if len(label) > 2:
        label = [label[0], shorten(" ".join(label[1:]), wide - 12, SMALL, bold=True)]
    return [*label, f"weight {share_text(box.weight)}", *([box.under] if box.under else [])]


def share_text(share: float) -> str:
    """A share to three figures, without zeros at the end; one that is almost nothing is not nothing."""
    text = f"{share:.3g}"
    return text if "e" not in text else "almost 0"


def _centres(
    rows: Sequence[Sequence[str]], arrows: Mapping[tuple[str, str], float], tall: float
) -> tuple[dict[str, Point], float]:
    """Where the boxes stand, and how much height they take: a ring, or rows that sag where arrows pass over a box."""
    if len(rows) == 1 and len(rows[0]) > 2:
        n = len(rows[0])
        across, down = WIDTH / 2 - _BOX / 2 - 4, max(120.0, 30.0 * n)
        start = -math.pi / 2 + math.pi / n * (n % 2 == 1)  # the first stands to the upper left
        turns = {name: 2 * math.pi * k / n + start for k, name in enumerate(rows[0])}
        middle = down + tall / 2 + 2
        place = {
            name: (WIDTH / 2 + across * math.sin(turn), middle - down * math.cos(turn)) for name, turn in turns.items()
        }
        return place, 2 * down + tall + 4
    centres, y = {}, tall / 2 + 2
    for row in rows:
        n = len(row)
        far = any(arrows.get((one, other), 0.0) > 0 for k, one in enumerate(row) for other in row[k + 2 :])
        sag = (tall / 2 + 20) * (n - 1) ** 2 / 4 if far else 0.0
        for k, name in enumerate(row):
            aside = 2 * k / (n - 1) - 1 if n > 1 else 0.0
            centres[name] = (WIDTH * (k + 0.5) / n, y + sag * (1 - aside**2))
        y += sag + tall + _GAP
    return centres, max(y for _, y in centres.values()) + tall / 2 + 2


def _arrow(drawing: Drawing, between: tuple[Point, Point], heights: tuple[float, float], wide: float) -> Point:
    """An arrow between two boxes, moved to the side so that the one back has its own way; the place of its share."""
    start, stop = between
    (x0, y0), (x1, y1) = between
    length = math.hypot(x1 - x0, y1 - y0) or 1.0
    ux, uy = (x1 - x0) / length, (y1 - y0) / length
    side = (-uy * _APART, ux * _APART)
    begin = _edge(start, (ux, uy), (wide, heights[0]))
    end = _edge(stop, (-ux, -uy), (wide, heights[1]))
    begin, end = ((x + side[0], y + side[1]) for x, y in (begin, end))
    drawing.arrow([begin, end], "muted")
    return begin[0] + 0.35 * (end[0] - begin[0]), begin[1] + 0.35 * (end[1] - begin[1])


def _edge(centre: Point, towards: Point, size: tuple[float, float]) -> Point:
    """Where a line from the centre of a box leaves it."""
    (x, y), (ux, uy) = centre, towards
    reach = min(
        (half / 2 + 2) / abs(way) if abs(way) > 1e-9 else math.inf for half, way in zip(size, (ux, uy), strict=True)
    )
    return x + ux * reach, y + uy * reach
