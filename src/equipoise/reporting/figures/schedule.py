"""Schedule of activities as SPIRIT draws it: what is done, by visit."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

from equipoise.reporting.svg import SMALL, WIDTH, Drawing, shorten, text_width, wrap

_TINY = 10.5


@dataclass(frozen=True, slots=True)
class ScheduleVisit:
    """A column: the visit's name, its study day (as text, with the window), and the epoch it belongs to."""

    id: str
    label: str
    day: str
    epoch: str = ""


@dataclass(frozen=True, slots=True)
class ScheduleRow:
    """A row: an activity and the visits (by id) at which it is done; ``spans`` joins the marks by a bar."""

    label: str
    visits: frozenset[str]
    group: str = ""
    spans: bool = False


@dataclass(frozen=True, slots=True)
class Schedule:
    """The whole table."""

    visits: Sequence[ScheduleVisit]
    rows: Sequence[ScheduleRow] = field(default=())


def draw_schedule(schedule: Schedule) -> Drawing:
    """Rows of activities under their groups, columns of visits under their epochs."""
    label_width = min(216.0, max((text_width(r.label, 12) for r in schedule.rows), default=120.0) + 24)
    drawing = Drawing(alt=_alt(schedule))
    room = WIDTH - label_width
    average = room / max(len(schedule.visits), 1)
    upright = any(text_width(v.label, SMALL) > average - 4 for v in schedule.visits)
    widths = _column_widths(schedule, room, upright)
    edges = [label_width]
    for width in widths:
        edges.append(edges[-1] + width)
    centres = [(a + b) / 2 for a, b in itertools.pairwise(edges)]

    y = 12.0
    for name, start, stop in _epochs(schedule.visits):
        if name:
            x0, x1 = edges[start] + 3, edges[stop] - 3
            drawing.text(
                (x0 + x1) / 2, y, shorten(name, x1 - x0 + 4, SMALL, bold=True), size=SMALL, anchor="middle", bold=True
            )
            drawing.line(x0, y + 6, x1, y + 6, "rule")
    if upright:
        names = [wrap(v.label, 104.0, SMALL)[:2] for v in schedule.visits]
        y = 30.0 + max(text_width(line, SMALL) for lines in names for line in lines)
        for centre, lines in zip(centres, names):
            first = centre + 4 - 6.5 * (len(lines) - 1)
            for k, line in enumerate(lines):
                drawing.text(first + 13 * k, y, line, size=SMALL, rotate=-90)
    else:
        y = 36.0
        for centre, visit in zip(centres, schedule.visits):
            drawing.text(centre, y, visit.label, size=SMALL, anchor="middle")
    y += 20
    drawing.text(0, y, "Study day", "muted", size=SMALL)
    for centre, width, visit in zip(centres, widths, schedule.visits):
        drawing.text(centre, y, shorten(visit.day, width + 4, _TINY), "muted", size=_TINY, anchor="middle")
    drawing.line(0, y + 8, WIDTH, y + 8, "ink", width=1.2)
    y += 27
    group = None
    for row in schedule.rows:
        if row.group and row.group != group:
            y += 0 if group is None else 6
            group = row.group
            drawing.text(0, y, group, size=SMALL, bold=True)
            y += 21
        lines = wrap(row.label, label_width - 16, 12)[:2]
        middle = y - 4 + 7.0 * (len(lines) - 1)
        y = drawing.lines(12, y, lines, leading=15, size=12) - 15
        marks = [centre for centre, visit in zip(centres, schedule.visits) if visit.id in row.visits]
        if row.spans and len(marks) > 1:
            drawing.line(marks[0], middle, marks[-1], middle, "arm0", width=2)
        for mark in marks:
            drawing.circle(mark, middle, 3.6, "ink")
        drawing.line(0, y + 7, WIDTH, y + 7, "hair", width=0.8)
        y += 21
    drawing.line(0, y - 14, WIDTH, y - 14, "ink", width=1.2)
    drawing.height = y - 8
    return drawing


def _epochs(visits: Sequence[ScheduleVisit]) -> list[tuple[str, int, int]]:
    """Stretches of neighbouring visits of one epoch: name, first column, column after the last."""
    out: list[tuple[str, int, int]] = []
    for k, visit in enumerate(visits):
        if out and out[-1][0] == visit.epoch:
            out[-1] = (visit.epoch, out[-1][1], k + 1)
        else:
            out.append((visit.epoch, k, k + 1))
    return out


def _column_widths(schedule: Schedule, room: float, upright: bool) -> list[float]:
    """Each column as wide as its day and name need, an epoch as wide as its name; what is left is shared out."""
    widths = [
        max(18.0, text_width(v.day, _TINY) + 4, 0.0 if upright else text_width(v.label, SMALL) + 8)
        for v in schedule.visits
    ]
    for name, start, stop in _epochs(schedule.visits):
        lack = text_width(name, SMALL, bold=True) + 10 - sum(widths[start:stop])
        if name and lack > 0:
            widths[start:stop] = [w + lack / (stop - start) for w in widths[start:stop]]
    total = sum(widths)
    if total > room:
        return [w * room / total for w in widths]
    return [w + (room - total) / len(widths) for w in widths]


def _alt(schedule: Schedule) -> str:
    names = {visit.id: visit.label for visit in schedule.visits}
    parts = []
    for row in schedule.rows:
        at = [names[v.id] for v in schedule.visits if v.id in row.visits]
        if at:
            where = f"{at[0]} to {at[-1]}, {len(at)} times" if len(at) > 3 else ", ".join(at)
            parts.append(f"{row.label} at {where}")
    return f"Schedule of activities over {len(schedule.visits)} visits. {'; '.join(parts)}."
