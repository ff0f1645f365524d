"""A share over two axes of a grid: one field a cell, its number in it, those that reach a mark framed."""

from __future__ import annotations

from collections.abc import Mapping

from equipoise.reporting.svg import SMALL, WIDTH, Drawing, tick_text

_FIELD_HEIGHT = 34.0
_WIDEST = 110.0


def draw_heat_map(
    shares: Mapping[tuple[float, float], float | None], *, x_axis: str, y_axis: str, title: str, mark: float = 0.8
) -> Drawing:
    """``shares`` by (x, y), 0 to 1; a field that is absent or ``None`` stays empty. Rows rise upwards."""
    columns = sorted({x for x, _ in shares})
    rows = sorted({y for _, y in shares}, reverse=True)
    if not columns or not rows:
        raise ValueError("a heat map needs at least one cell")
    left, top = 76.0, 14.0
    wide = min(_WIDEST, (WIDTH - left - 4.0) / len(columns))
    bottom = top + _FIELD_HEIGHT * len(rows)
    drawing = Drawing(alt=_alt(shares, x_axis, y_axis, title, mark), height=bottom + 40)
    for number, y in enumerate(rows):
        at = top + number * _FIELD_HEIGHT
        drawing.text(left - 8, at + _FIELD_HEIGHT / 2 + 4, tick_text(y), "muted", size=SMALL, anchor="end")
        for place, x in enumerate(columns):
            share = shares.get((x, y))
            if share is None:
                continue
            begin = left + place * wide
            hint = f"{x_axis} {tick_text(x)}, {y_axis} {tick_text(y)}: {100 * share:.1f}%"
            # Strength of colour follows the share; the number in the field says the same without colour.
            drawing.rect(
                begin + 1, at + 1, wide - 2, _FIELD_HEIGHT - 2, "arm1", opacity=0.06 + 0.5 * share, radius=2, hint=hint
            )
            if share >= mark:
                drawing.rect(
                    begin + 2, at + 2, wide - 4, _FIELD_HEIGHT - 4, None, stroke="ink", stroke_width=1.3, radius=2
                )
            text = f"{100 * share:.0f}"
            middle = begin + wide / 2
            drawing.text(middle, at + _FIELD_HEIGHT / 2 + 4, text, size=SMALL, anchor="middle", bold=share >= mark)
    for place, x in enumerate(columns):
        drawing.text(left + (place + 0.5) * wide, bottom + 16, tick_text(x), "muted", size=SMALL, anchor="middle")
    drawing.text(left + wide * len(columns) / 2, bottom + 34, x_axis, "muted", size=SMALL, anchor="middle")
    drawing.text(14, (top + bottom) / 2, y_axis, "muted", size=SMALL, anchor="middle", rotate=-90)
    return drawing


def _alt(shares: Mapping[tuple[float, float], float | None], x_axis: str, y_axis: str, title: str, mark: float) -> str:
    there = {at: share for at, share in shares.items() if share is not None}
    if not there:
        return f"{title} over {x_axis} and {y_axis}: nothing known."
    low, high = min(there, key=lambda at: there[at]), max(there, key=lambda at: there[at])
    reached = f"{sum(share >= mark for share in there.values())} of {len(there)} cells reach {100 * mark:.0f}%"
    return (
        f"{title} over {x_axis} and {y_axis}: from {100 * there[low]:.0f}% at {low[0]:g} and {low[1]:g} to "
        f"{100 * there[high]:.0f}% at {high[0]:g} and {high[1]:g}; {reached}."
    )
