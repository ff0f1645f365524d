"""Specification curve: one effect a way of analysing, sorted; below, which choices each of them rests on."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from typing import Protocol

from equipoise.protocol.vocabulary.scales import SCALES, scale_label
from equipoise.reporting import format as fmt
from equipoise.reporting.svg import (
    SMALL,
    WIDTH,
    Drawing,
    linear_scale,
    log_scale,
    log_ticks,
    nice_ticks,
    shorten,
    tick_text,
)

TOP = 46.0
CURVE_HEIGHT = 210.0
ROW = 13.5
LABEL = 196.0
MOST_DEFINITIONS = 24
FEW = 15


class Choice(Protocol):
    """What the figure needs to know of one way of analysing."""

    @property
    def label(self) -> str:
        """Name of the definition."""

    @property
    def definition(self) -> str:
        """Id of the definition."""

    @property
    def rule(self) -> str:
        """What a missing result is."""

    @property
    def estimator(self) -> str:
        """The estimator."""

    @property
    def covariates(self) -> str:
        """What is adjusted for."""

    @property
    def scale(self) -> str | None:
        """Scale of the effect."""

    @property
    def unit(self) -> str:
        """Unit of a difference of means; nothing of another effect."""

    @property
    def estimate(self) -> float | None:
        """The effect."""

    @property
    def ci_lower(self) -> float | None:
        """Lower limit."""

    @property
    def ci_upper(self) -> float | None:
        """Upper limit."""

    @property
    def favours(self) -> str | None:
        """The arm that it favours."""

    @property
    def prespecified(self) -> bool:
        """Whether it was stated before the data were seen."""

    @property
    def published(self) -> bool:
        """Whether its result is published."""


def axes_of(choices: Sequence[Choice]) -> list[tuple[str, str]]:
    """Scales, each with its unit, that have at least two effects to sort, the commonest first."""
    counted = Counter((c.scale, c.unit) for c in choices if c.scale and c.estimate is not None)
    return [axis for axis, n in counted.most_common() if n >= 2]


def _upwards(choice: Choice, arm: str, ratio: bool) -> tuple[float, float | None, float | None]:
    """Effect and limits told so that up favours ``arm``: turned where the definition's larger values are worse."""
    value = float(choice.estimate or 0.0)
    is_up = value > (1.0 if ratio else 0.0)
    if choice.favours is None or is_up == (choice.favours == arm):
        return value, choice.ci_lower, choice.ci_upper
    turned = [
        None if v is None or (ratio and v == 0) else 1 / v if ratio else -v for v in (choice.ci_upper, choice.ci_lower)
    ]
    return (1 / value if ratio else -value), turned[0], turned[1]


def draw_specification_curve(
    choices: Sequence[Choice], scale: str, *, arm: str, reference: str, unit: str = ""
) -> Drawing:
    """Effects on one scale in one unit, sorted; limits as thin lines; the pre-specified one a circle, the published a
    diamond.

    Up favours ``arm``, whatever a definition counts: effects of definitions whose larger values are worse are turned.
    Colour says the same. Limits that leave the axis end at its edge.
    """
    ratio = SCALES[scale].is_ratio
    rows = [c for c in choices if c.estimate is not None and (c.estimate > 0 or not ratio)]
    ends = {id(c): _upwards(c, arm, ratio) for c in rows}
    rows.sort(key=lambda c: (ends[id(c)][0], c.definition, c.rule, c.estimator, c.covariates))
    left, right = LABEL, WIDTH - 8
    step = (right - left) / max(len(rows), 1)
    low, high = _range([ends[id(c)][0] for c in rows], ratio)
    drawing = Drawing(alt=_alt(rows, scale, arm, reference))
    place = (log_scale if ratio else linear_scale)(low, high, TOP + CURVE_HEIGHT, TOP)

    def y(value: float) -> float:
        return place(min(max(value, low), high))

    _legend(drawing, arm, reference)
    for tick in log_ticks(low, high) if ratio else nice_ticks(low, high):
        if low <= tick <= high:
            drawing.line(left, y(tick), right, y(tick), "rule", width=0.6)
            drawing.text(left - 6, y(tick) + 4, tick_text(tick), "muted", size=SMALL, anchor="end")
    none = 1.0 if ratio else 0.0
    drawing.line(left, y(none), right, y(none), "ink", width=1.0, dash="4 3")
    beyond = sum(not low <= ends[id(c)][0] <= high for c in rows)
    if beyond:
        drawing.text(right, TOP - 6, f"{beyond} beyond the axis, drawn at its edge", "muted", size=SMALL, anchor="end")
    name = scale_label(scale).removesuffix(", points")
    drawing.text(0, TOP + 10, f"{name}, {unit}" if unit else name, "muted", size=SMALL)
    drawing.text(0, TOP + 26, f"↑ favours {arm}", "muted", size=SMALL)
    for i, c in enumerate(rows):
        x = left + (i + 0.5) * step
        token = "arm1" if c.favours == arm else "arm0"
        value, lower, upper = ends[id(c)]
        if lower is not None and upper is not None and (lower > 0 or not ratio):
            drawing.line(x, y(lower), x, y(upper), token, width=max(min(step * 0.4, 1.4), 0.4))
        if c.published:
            drawing.diamond(x, y(value), 6.0)
        elif c.prespecified:
            drawing.circle(x, y(value), 4.4, "paper", stroke="ink", stroke_width=1.8)
        else:
            drawing.circle(x, y(value), max(min(step * 0.45, 2.6), 1.0), token)
    bottom = _marks(drawing, rows, left, step, TOP + CURVE_HEIGHT + 22)
    drawing.height = bottom + 6
    return drawing


def _range(values: list[float], ratio: bool) -> tuple[float, float]:
    """An axis that holds the middle of the effects with room for limits, and no effect at all."""
    if not values:
        return (0.5, 2.0) if ratio else (-1.0, 1.0)
    spread = [math.log(v) for v in values] if ratio else values
    if len(spread) > 2 * FEW:  # a few far out must not flatten the rest; they stand at the edge
        spread = sorted(spread)[len(spread) // 50 + 1 : -(len(spread) // 50 + 1)]
    lowest, highest = min(*spread, 0.0), max(*spread, 0.0)
    room = 0.25 * (highest - lowest) or (0.5 if ratio else 0.1)
    lowest, highest = lowest - room, highest + room
    return (math.exp(lowest), math.exp(highest)) if ratio else (lowest, highest)


def _legend(drawing: Drawing, arm: str, reference: str) -> None:
    x = 4.0
    for token, word in (("arm1", f"favours {arm}"), ("arm0", f"favours {reference}")):
        drawing.circle(x, 9, 3.2, token)
        drawing.text(x + 9, 13, word, "muted", size=SMALL)
        x += 26 + 6.4 * len(word)
    drawing.circle(x, 9, 4.2, "paper", stroke="ink", stroke_width=1.8)
    drawing.text(x + 10, 13, "pre-specified", "muted", size=SMALL)
    drawing.diamond(x + 100, 9, 5.5)
    drawing.text(x + 110, 13, "its result is published", "muted", size=SMALL)
    drawing.text(4, 31, "One data set in many ways: these are not independent tests.", "muted", size=SMALL)


def _marks(drawing: Drawing, rows: Sequence[Choice], left: float, step: float, top: float) -> float:
    """A block for each kind of choice, a line a choice, a tick where an effect rests on it; returns the bottom."""
    y = top
    blocks = (
        ("Definition", [c.label for c in rows]),
        ("Missing is", [c.rule.replace("-", " ") for c in rows]),
        ("Estimator", [c.estimator.replace("-", " ") for c in rows]),
        ("Adjusted for", [c.covariates.replace("-", " ") for c in rows]),
    )
    for title, words in blocks:
        counted = Counter(words)
        names = [name for name, _ in counted.most_common(MOST_DEFINITIONS)]
        rest = len(counted) - len(names)
        drawing.text(0, y, title, size=SMALL, bold=True)
        y += ROW
        for name in sorted(names):
            drawing.text(6, y + 3.5, shorten(name, left - 14, 10), "muted", size=10)
            for i, word in enumerate(words):
                if word == name:
                    x = left + (i + 0.5) * step
                    mark = "ink" if rows[i].prespecified else "muted"
                    drawing.line(x, y - 4, x, y + 4, mark, width=max(min(step * 0.7, 2.2), 0.7))
            y += ROW
        if rest:
            drawing.text(6, y + 3.5, f"and {rest} more, in the table", "muted", size=10)
            y += ROW
        y += 8
    return y


def _alt(rows: Sequence[Choice], scale: str, arm: str, reference: str) -> str:
    counted = Counter(c.favours for c in rows)
    return (
        f"Specification curve of {fmt.plural(len(rows), 'analysis', 'analyses')} on the scale "
        f"{scale.replace('_', ' ')}: {counted[arm]} favour {arm}, {counted[reference]} favour {reference}. "
        "They are one data set in many ways, not independent tests."
    )
