"""Ordered categories by arm: one bar an arm, cut where a category ends."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from equipoise.reporting import format as fmt
from equipoise.reporting.svg import SMALL, WIDTH, Drawing, text_width, wrap

_LEFT, _BAR, _GAP, _LEGEND = 150.0, 34.0, 16.0, 22.0


def draw_categories(counts: Mapping[str, Sequence[int]], categories: Sequence[str], *, worst_last: bool) -> Drawing:
    """Bars of per cent, arms in the order given; darker is worse. Thin lines join where categories end."""
    drawing = Drawing(alt=_alt(counts, categories), height=_LEGEND + (_BAR + _GAP) * len(counts) + 20)
    right = WIDTH - 12
    steps = [(k if worst_last else len(categories) - 1 - k) for k in range(len(categories))]
    shades = [0.12 + 0.75 * step / max(1, len(categories) - 1) for step in steps]
    x = _LEFT
    for name, shade in zip(categories, shades, strict=True):
        drawing.rect(x, 2, 11, 11, "arm1", opacity=shade)
        drawing.text(x + 15, 12, name, size=SMALL)
        x += 15 + text_width(name, SMALL) + 12
    y = _LEGEND
    before: list[float] = []
    for arm, numbers in counts.items():
        total = sum(numbers)
        for k, line in enumerate(wrap(f"{arm} (n={total})", _LEFT - 12, SMALL)[:2]):
            drawing.text(0, y + 15 + 14 * k, line, size=SMALL)
        edge, edges = _LEFT, []
        for name, number, shade in zip(categories, numbers, shades, strict=True):
            wide = (right - _LEFT) * number / total if total else 0.0
            share = fmt.percent(number / total) if total else ""
            drawing.rect(
                edge, y, wide, _BAR, "arm1", stroke="paper", opacity=shade, hint=f"{arm}, {name}: {number} ({share})"
            )
            if wide > text_width(share, SMALL) + 6:
                token = "paper" if shade > 0.55 else "ink"
                drawing.text(edge + wide / 2, y + _BAR / 2 + 4, share, token, size=SMALL, anchor="middle")
            edge += wide
            edges.append(edge)
        for old, new in zip(before, edges[:-1], strict=False):
            drawing.line(old, y - _GAP, new, y, "muted", width=0.8)
        before, y = edges[:-1], y + _BAR + _GAP
    for tick in range(0, 101, 25):
        place = _LEFT + (right - _LEFT) * tick / 100
        drawing.text(place, y + 2, f"{tick}%", "muted", size=SMALL, anchor="middle" if tick < 100 else "end")
    return drawing


def _alt(counts: Mapping[str, Sequence[int]], categories: Sequence[str]) -> str:
    said = []
    for arm, numbers in counts.items():
        parts = ", ".join(f"{name} {number}" for name, number in zip(categories, numbers, strict=True))
        said.append(f"{arm}: {parts} of {sum(numbers)}")
    return f"Participants by ordered category. {'; '.join(said)}."
