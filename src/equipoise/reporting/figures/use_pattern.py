"""Use-pattern heat map: participants by visits, sorted by longest abstinence within arm, with margins.

The letters are those of the field: ``+`` positive, ``-`` negative, ``o`` due but missed, ``*`` mixed, ``_`` not due.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from equipoise.reporting import format as fmt
from equipoise.reporting.palette import arm_token, colour
from equipoise.reporting.svg import BODY, SMALL, WIDTH, Drawing, number, shorten, text_width

POSITIVE, NEGATIVE, MISSED, MIXED, NOT_DUE = "+", "-", "o", "*", "_"
_HATCH = "equipoise-hatch"
_NAMES = {POSITIVE: "use", NEGATIVE: "no use", MIXED: "mixed", MISSED: "missed", NOT_DUE: "not expected"}


@dataclass(frozen=True, slots=True)
class ArmPatterns:
    """One arm: its name and the use pattern of each participant, one letter a visit."""

    label: str
    patterns: Sequence[str]


@dataclass(frozen=True, slots=True)
class PatternAxis:
    """The visits: a short label each (study day or week), and before which of them a week rule stands."""

    labels: Sequence[str]
    title: str
    rules: Sequence[int] = field(default=())


def longest_abstinence(pattern: str) -> int:
    """Length of the longest run of negative visits; a visit that was not due neither ends nor lengthens it."""
    longest = run = 0
    for letter in pattern:
        if letter == NEGATIVE:
            run += 1
            longest = max(longest, run)
        elif letter != NOT_DUE:
            run = 0
    return longest


def sort_patterns(patterns: Sequence[str]) -> list[str]:
    """Longest abstinence first; then more negative, then fewer missed; the rest by the letters themselves."""
    return [patterns[k] for k in sorted_rows(patterns)]


def sorted_rows(patterns: Sequence[str]) -> list[int]:
    """The places of the patterns in the order of :func:`sort_patterns`; those of one pattern as they came."""

    def key(k: int) -> tuple[int, int, int, str]:
        p = patterns[k]
        return -longest_abstinence(p), -p.count(NEGATIVE), p.count(MISSED), p.replace("-", "~")

    return sorted(range(len(patterns)), key=key)


def draw_use_pattern(arms: Sequence[ArmPatterns], axis: PatternAxis, *, substance: str = "use") -> Drawing:
    """The arms beside each other on one row height; every pattern must be as long as the axis."""
    n_columns = len(axis.labels)
    for arm in arms:
        for pattern in arm.patterns:
            if len(pattern) != n_columns:
                raise ValueError(f"a pattern of {arm.label} has {len(pattern)} letters, the axis {n_columns} visits")
            if set(pattern) - set(_NAMES):
                raise ValueError(f"a pattern of {arm.label} holds letters other than + - o * _")
    drawing = Drawing(alt=_alt(arms, substance))
    gutter = 34.0
    panel = (WIDTH - gutter * (len(arms) - 1)) / max(len(arms), 1)
    cell = panel / max(n_columns, 1)
    tallest = max((len(a.patterns) for a in arms), default=1) or 1
    row = min(max(300.0 / tallest, 1.2), 11.0)
    letters = {letter for a in arms for p in a.patterns for letter in p}

    _legend(drawing, [k for k in _NAMES if k in letters])
    head = 58.0
    margin_top, margin_height = head + 14, 46.0
    top = margin_top + margin_height + 10
    _hatch(drawing)
    for position, arm in enumerate(arms):
        left = position * (panel + gutter)
        n = len(arm.patterns)
        label = shorten(arm.label, panel - 60, bold=True)
        drawing.text(left, head - 8, label, arm_token(position), bold=True)
        drawing.text(left + text_width(label, BODY, bold=True) + 8, head - 8, f"n={n}", "muted", size=SMALL)
        _margin(drawing, arm, left, margin_top, cell, margin_height)
        _cells(drawing, sort_patterns(arm.patterns), left, top, cell, row)
        bottom = top + row * n
        drawing.field(left, top, panel, row * n, position)
        for rule in axis.rules:
            drawing.line(left + rule * cell, top - 4, left + rule * cell, bottom + 4, "ink", width=0.9)
        _labels(drawing, axis, left, bottom + 17, cell)
        drawing.text(left + panel / 2, bottom + 34, axis.title, "muted", size=SMALL, anchor="middle")
    drawing.height = top + row * tallest + 42
    return drawing


def _cells(drawing: Drawing, patterns: Sequence[str], left: float, top: float, cell: float, row: float) -> None:
    """All cells of an arm, one path a state: neighbours in a row that share a state are one rectangle."""
    gap_x = 0.8 if cell >= 6 else 0.0
    gap_y = 0.8 if row >= 4 else 0.0
    paths: dict[str, list[str]] = {}
    strokes: list[str] = []
    for i, pattern in enumerate(patterns):
        y = top + i * row
        j = 0
        while j < len(pattern):
            letter, start = pattern[j], j
            j += 1
            while not gap_x and j < len(pattern) and pattern[j] == letter:
                j += 1
            if letter == NOT_DUE:
                continue
            x0, wide, high = left + start * cell, (j - start) * cell - gap_x, row - gap_y
            paths.setdefault(letter, []).append(
                f"M{number(x0)} {number(y)}h{number(wide)}v{number(high)}h{number(-wide)}z"
            )
            if letter == MISSED and row >= 4:
                strokes.append(f"M{number(x0)} {number(y + high)}L{number(x0 + wide)} {number(y)}")
            if letter == MIXED:
                paths.setdefault("half", []).append(f"M{number(x0)} {number(y)}v{number(high)}h{number(wide)}z")
    for letter, token in ((NEGATIVE, "negative"), (POSITIVE, "positive"), (MIXED, "negative"), ("half", "positive")):
        if letter in paths:
            drawing.shape("".join(paths[letter]), token)
    if MISSED in paths:
        d = "".join(paths[MISSED])
        if row >= 4:
            drawing.shape(d, "paper", stroke="rule", stroke_width=0.7)
            drawing.path("".join(strokes), "muted", width=0.8, opacity=0.75)
        else:
            drawing.shape(d, None, pattern=_HATCH)


def _hatch(drawing: Drawing) -> None:
    paper, muted = colour("paper"), colour("muted")
    drawing.definitions[_HATCH] = (
        f'<pattern id="{_HATCH}" width="4" height="4" patternUnits="userSpaceOnUse">'
        f'<rect width="4" height="4" fill="{paper}" class="f-paper"/>'
        f'<path d="M-1 1L1 -1M0 4L4 0M3 5L5 3" stroke="{muted}" stroke-width="0.8" class="s-muted"/></pattern>'
    )


def _margin(drawing: Drawing, arm: ArmPatterns, left: float, top: float, cell: float, height: float) -> None:
    """By visit, among those due: the share positive (from below) and missed (from above), positive written out."""
    gap = 0.8 if cell >= 6 else 0.0
    for j in range(max((len(p) for p in arm.patterns), default=0)):
        column = [p[j] for p in arm.patterns if p[j] != NOT_DUE]
        if not column:
            continue
        positive = (column.count(POSITIVE) + 0.5 * column.count(MIXED)) / len(column)
        missed = column.count(MISSED) / len(column)
        x, wide = left + j * cell, cell - gap
        drawing.rect(x, top, wide, height, "negative")
        if missed:
            bottom = top + missed * height
            outline = f"M{number(x)} {number(top)}H{number(x + wide)}V{number(bottom)}H{number(x)}Z"
            drawing.shape(outline, None, pattern=_HATCH)
        drawing.rect(x, top + height * (1 - positive), wide, positive * height, "positive")
        if cell >= 21:
            drawing.text(x + wide / 2, top - 4, fmt.fixed(100 * positive, 0), "positive", size=10, anchor="middle")


def _labels(drawing: Drawing, axis: PatternAxis, left: float, baseline: float, cell: float) -> None:
    widest = max((text_width(label, 10.5) for label in axis.labels), default=0.0) + 5
    every = max(1, -(-int(widest) // max(int(cell), 1)))
    for j, label in enumerate(axis.labels):
        if j % every == 0:
            drawing.text(left + (j + 0.5) * cell, baseline, label, "muted", size=10.5, anchor="middle")


def _legend(drawing: Drawing, letters: Sequence[str]) -> None:
    x = 0.0
    for letter in letters:
        if letter == NEGATIVE:
            drawing.rect(x, 3, 13, 11, "negative")
        elif letter == POSITIVE:
            drawing.rect(x, 3, 13, 11, "positive")
        elif letter == MIXED:
            drawing.rect(x, 3, 13, 11, "negative")
            drawing.polygon([(x, 3), (x, 14), (x + 13, 14)], "positive")
        elif letter == MISSED:
            drawing.rect(x, 3, 13, 11, "paper", stroke="rule", stroke_width=0.8)
            drawing.path(f"M{number(x)} 14L{number(x + 13)} 3", "muted", width=0.8)
        else:
            drawing.rect(x, 3, 13, 11, None, stroke="hair", stroke_width=0.8)
        drawing.text(x + 18, 13, _NAMES[letter], "muted", size=SMALL)
        x += 18 + text_width(_NAMES[letter], SMALL) + 16
    words = "bars: % with use, of visits due"
    if x + 6 + text_width(words, SMALL) <= WIDTH:
        drawing.text(x + 6, 13, words, "muted", size=SMALL)


def _alt(arms: Sequence[ArmPatterns], substance: str) -> str:
    parts = []
    for arm in arms:
        text = "".join(arm.patterns)
        due = len(text) - text.count(NOT_DUE)
        if not due:
            parts.append(f"{arm.label}: nothing was due")
            continue
        use = (text.count(POSITIVE) + text.count(MIXED)) / due
        runs = sorted(longest_abstinence(p) for p in arm.patterns)
        parts.append(
            f"{arm.label} ({len(arm.patterns)} participants): {fmt.percent(use)} of visits due show use, "
            f"{fmt.percent(text.count(MISSED) / due)} were missed; the median longest run of visits without use is "
            f"{runs[len(runs) // 2]}"
        )
    return f"Heat map of {substance} by participant and visit. {'. '.join(parts)}."
