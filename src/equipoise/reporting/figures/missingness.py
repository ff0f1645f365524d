"""Missing data by kind, visit and arm: how much of what was due is not there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from equipoise.reporting import format as fmt
from equipoise.reporting.palette import arm_token, colour
from equipoise.reporting.svg import SMALL, WIDTH, Drawing, number, shorten, text_width


@dataclass(frozen=True, slots=True)
class MissingRow:
    """One kind of data in one arm: by visit how many were due (0 where nothing was) and how many are missing."""

    kind: str
    arm: str
    arm_position: int
    due: Sequence[int]
    missing: Sequence[int]


def draw_missingness(rows: Sequence[MissingRow], visits: Sequence[str], *, axis_title: str) -> Drawing:
    """A row a kind and arm, a cell a visit; the per cent missing is written in the cell and shown by its shade."""
    drawing = Drawing(alt=_alt(rows))
    label_width = min(max((text_width(r.arm, 12) for r in rows), default=80.0) + 26, 190.0)
    cell = (WIDTH - label_width) / max(len(visits), 1)
    high = 22.0
    y = 4.0
    kind = None
    for row in rows:
        if row.kind != kind:
            kind = row.kind
            y += 16 if rows[0] is row else 24
            drawing.text(0, y, kind, size=12, bold=True)
            y += 8
        drawing.text(12, y + 15, shorten(row.arm, label_width - 18, 12), arm_token(row.arm_position), size=12)
        for j, (due, missing) in enumerate(zip(row.due, row.missing)):
            if not due:
                continue
            share = missing / due
            x = label_width + j * cell
            # shade from pale to slate; the number carries the fact, the shade only leads the eye
            drawing.elements.append(
                f'<rect x="{number(x)}" y="{number(y)}" width="{number(cell - 1.5)}" height="{number(high - 1.5)}" '
                f'fill="{colour("arm0")}" fill-opacity="{number(0.07 + 0.55 * share)}" class="f-arm0"/>'
            )
            if cell >= 20:
                text = fmt.fixed(100 * share, 0)
                drawing.text(x + (cell - 1.5) / 2, y + 14.5, text, size=10.5, anchor="middle")
        y += high
    y += 6
    widest = max((text_width(v, 10.5) for v in visits), default=0.0) + 4
    every = max(1, -(-int(widest) // max(int(cell), 1)))
    for j, visit in enumerate(visits):
        if j % every == 0:
            drawing.text(label_width + (j + 0.5) * cell, y + 12, visit, "muted", size=10.5, anchor="middle")
    drawing.text(label_width + (WIDTH - label_width) / 2, y + 30, axis_title, "muted", size=SMALL, anchor="middle")
    drawing.height = y + 36
    return drawing


def _alt(rows: Sequence[MissingRow]) -> str:
    parts = []
    for row in rows:
        due, missing = sum(row.due), sum(row.missing)
        if due:
            parts.append(f"{row.kind}, {row.arm}: {missing} of {due} missing ({fmt.percent(missing / due)})")
    return f"Missing data by visit. {'; '.join(parts) or 'Nothing was due'}."
