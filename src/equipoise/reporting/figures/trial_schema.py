"""The trial schema: who is allocated to what, and what each arm receives in each period."""

from __future__ import annotations

from dataclasses import dataclass

from equipoise.reporting.palette import arm_token
from equipoise.reporting.svg import SMALL, WIDTH, Drawing, wrap

_LEADING, _PAD, _GAP = 14.5, 8.0, 12.0
_COMMON, _SPLIT, _LABEL = 92.0, 34.0, 138.0  # widths: what comes before, the fork, the arm's name


@dataclass(frozen=True, slots=True)
class SchemaPeriod:
    """A period: its name, its days as text, and whether participants are randomized at its start."""

    name: str
    days: str
    randomizes: bool = False


@dataclass(frozen=True, slots=True)
class SchemaArm:
    """An arm: its name, what it receives without a stated day, and what in each period (``None``: not in it)."""

    label: str
    throughout: tuple[str, ...]
    given: tuple[tuple[str, ...] | None, ...]


@dataclass(frozen=True, slots=True)
class TrialSchema:
    """The whole drawing; ``common`` is what everybody passes before allocation, where there is such a period."""

    common: SchemaPeriod | None
    periods: tuple[SchemaPeriod, ...]
    arms: tuple[SchemaArm, ...]
    is_randomized: bool


def draw_trial_schema(schema: TrialSchema) -> Drawing:
    """Periods as columns, arms as rows, with the fork of the allocation at their left."""
    start = (_COMMON if schema.common else 0.0) + (_SPLIT if len(schema.arms) > 1 else 0.0)
    first = start + _LABEL + _GAP
    width = (WIDTH - first - _GAP * (len(schema.periods) - 1)) / max(len(schema.periods), 1)
    drawing = Drawing(alt=_alt(schema))
    lefts = [first + k * (width + _GAP) for k in range(len(schema.periods))]
    tops = 12.0
    deepest = tops
    for left, period in zip(lefts, schema.periods, strict=True):
        y = drawing.lines(
            left, tops, wrap(period.name, width, SMALL, bold=True), leading=_LEADING, size=SMALL, bold=True
        )
        again = ["randomized again" if k else "randomized" for k in [schema.periods.index(period)] if period.randomizes]
        y = drawing.lines(left, y, wrap(period.days, width, SMALL), "muted", leading=_LEADING, size=SMALL)
        y = drawing.lines(
            left,
            y,
            [line for text in again for line in wrap(text, width, SMALL)],
            "muted",
            leading=_LEADING,
            size=SMALL,
        )
        deepest = max(deepest, y)
    y = deepest + 2
    middles = []
    for number, arm in enumerate(schema.arms):
        middles.append(_draw_arm(drawing, arm, number, (start, y), lefts, width))
        y = middles[-1][1] + _GAP
    drawing.height = y
    _draw_fork(drawing, schema, start, [top for top, _ in middles])
    return drawing


def _draw_arm(
    drawing: Drawing, arm: SchemaArm, number: int, corner: tuple[float, float], lefts: list[float], width: float
) -> tuple[float, float]:
    """One row; returns its middle and its lower edge."""
    start, top = corner
    label = wrap(arm.label, _LABEL - 2 * _PAD - 4, SMALL, bold=True)
    under = [line for one in arm.throughout for line in wrap(one, _LABEL - 2 * _PAD - 4, SMALL)]
    cells = [
        None if given is None else [line for one in given for line in wrap(one, width - 2 * _PAD, SMALL)]
        for given in arm.given
    ]
    most = max(len(label) + len(under), *(len(lines or ()) for lines in cells))
    tall = 2 * _PAD + _LEADING * most
    middle = top + tall / 2
    token = arm_token(number)
    drawing.rect(start, top, _LABEL, tall, "wash", radius=4)
    drawing.rect(start, top, 4, tall, token, radius=2)
    y = drawing.lines(start + _PAD + 4, top + _PAD + 10, label, leading=_LEADING, size=SMALL, bold=True)
    drawing.lines(start + _PAD + 4, y, under, "muted", leading=_LEADING, size=SMALL)
    reach = start + _LABEL
    for left, lines in zip(lefts, cells, strict=True):
        if lines is None:
            continue
        drawing.line(reach, middle, left, middle, "muted")
        if lines:
            drawing.rect(left, top, width, tall, "paper", stroke="muted", radius=4)
            drawing.lines(left + _PAD, top + _PAD + 10, lines, leading=_LEADING, size=SMALL)
        else:
            drawing.line(left, middle, left + width, middle, "muted")
        reach = left + width
    return middle, top + tall


def _draw_fork(drawing: Drawing, schema: TrialSchema, start: float, middles: list[float]) -> None:
    if schema.common is not None:
        centre = (middles[0] + middles[-1]) / 2
        lines = wrap(schema.common.name, _COMMON - 6, SMALL, bold=True)
        drawing.lines(0, centre - _LEADING * (len(lines) - 1) / 2 + 4, lines, leading=_LEADING, size=SMALL, bold=True)
    if len(middles) < 2:
        return
    centre, left = (middles[0] + middles[-1]) / 2, start - _SPLIT
    for middle in middles:
        drawing.arrow([(left + 12, centre), (left + 12, middle), (start, middle)])
    if schema.is_randomized:
        drawing.circle(left + 12, centre, 10, "paper", stroke="ink")
        drawing.text(left + 12, centre + 4, "R", size=SMALL, anchor="middle", bold=True)


def _alt(schema: TrialSchema) -> str:
    how = "Participants are randomized to" if schema.is_randomized and len(schema.arms) > 1 else "Arms:"
    parts = []
    for arm in schema.arms:
        given = [
            f"{period.name.lower()}: {', '.join(names)}"
            for period, names in zip(schema.periods, arm.given, strict=True)
            if names
        ]
        parts.append(f"{arm.label}{f' ({chr(59).join(given)})' if given else ''}".replace(";", "; "))
    return f"{how} {'; '.join(parts)}."
