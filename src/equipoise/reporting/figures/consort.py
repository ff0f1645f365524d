"""CONSORT 2025 flow diagram, drawn from counts: enrolment, allocation, follow-up, analysis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from equipoise.reporting import format as fmt
from equipoise.reporting.flow import ArmFlow, FlowCounts
from equipoise.reporting.palette import arm_token
from equipoise.reporting.svg import WIDTH, Drawing, text_width, wrap

_SIZE, _LEADING, _PAD = 11.5, 15.5, 9.0


@dataclass(frozen=True, slots=True)
class _Line:
    text: str
    bold: bool = False
    indent: float = 0.0
    token: str = "ink"


def draw_consort(flow: FlowCounts) -> Drawing:
    """The diagram with one column an arm; what was not recorded is said, not drawn as zero."""
    drawing = Drawing(alt=_alt(flow))
    rail = 26.0  # the stages' names stand upright here
    left, width = rail + 10, WIDTH - rail - 10
    n_arms = max(len(flow.arms), 1)
    gutter = 18.0
    box = (width - gutter * (n_arms - 1)) / n_arms
    centres = [left + k * (box + gutter) + box / 2 for k in range(n_arms)]
    trunk = left + width * 0.28 if n_arms == 1 else (centres[0] + centres[-1]) / 2
    top_width = min(230.0, box if n_arms > 1 else 260.0)
    top_width = max(top_width, 190.0)
    trunk_x = min(trunk, left + width * 0.36)

    # Enrolment
    y = 0.0
    entered = "In the stage before" if flow.is_again else "Assessed for eligibility"
    screened = [_Line(entered, bold=True), _Line(_n(flow.n_screened))]
    bottom = _box(drawing, trunk_x - top_width / 2, y, top_width, screened)
    excluded_x = trunk_x + 44
    lines = [_Line(f"{'Went no further' if flow.is_again else 'Excluded'} {_n(flow.n_excluded)}", bold=True)]
    lines += [] if flow.is_again else _reasons(flow.excluded)
    excluded_height = _height(lines, left + width - excluded_x)
    excluded_top = bottom + 16
    if flow.n_excluded is not None:
        _box(drawing, excluded_x, excluded_top, left + width - excluded_x, lines)
        middle = excluded_top + excluded_height / 2
        drawing.arrow([(trunk_x, middle), (excluded_x, middle)])
        randomized_top = excluded_top + excluded_height + 16
    else:
        randomized_top = bottom + 26
    drawing.arrow([(trunk_x, bottom), (trunk_x, randomized_top)])
    bottom = _box(
        drawing,
        trunk_x - top_width / 2,
        randomized_top,
        top_width,
        [_Line(_entry_word(flow), bold=True), _Line(_n(flow.n_randomized))],
    )
    _stage(drawing, "Enrolment", 0.0, bottom, rail)

    # Allocation, follow-up, analysis: rows of boxes as tall as the tallest of the row
    fork = bottom + 15
    row_top = bottom + 30
    if n_arms > 1:
        drawing.line(trunk_x, bottom, trunk_x, fork, "muted", width=1.2)
        drawing.line(min(centres[0], trunk_x), fork, max(centres[-1], trunk_x), fork, "muted", width=1.2)
    for centre in centres:
        drawing.arrow([(centre, fork), (centre, row_top)] if n_arms > 1 else [(trunk_x, bottom), (trunk_x, row_top)])
    for stage, contents in (
        (
            "Allocation" if flow.is_randomized else "Treatment",
            [_allocation(arm, flow.is_randomized) for arm in flow.arms],
        ),
        ("Follow-up", [_follow_up(arm) for arm in flow.arms]),
        ("Analysis", [_analysis(arm, flow.primary) for arm in flow.arms]),
    ):
        # the stage's name, upright beside the boxes, needs its room too
        tallest = max([_height(c, box) for c in contents] + [text_width(stage, 11) + 10])
        for k, content in enumerate(contents):
            content = [
                _Line(item.text, item.bold, item.indent, arm_token(k) if item.token == "arm" else item.token)
                for item in content
            ]
            _box(drawing, centres[k] - box / 2, row_top, box, content, height=tallest)
            if stage != "Analysis":
                drawing.arrow([(centres[k], row_top + tallest), (centres[k], row_top + tallest + 24)])
        _stage(drawing, stage, row_top, row_top + tallest, rail)
        row_top += tallest + 24
    drawing.height = row_top - 24 + 2
    return drawing


def _allocation(arm: ArmFlow, is_randomized: bool) -> list[_Line]:
    """What was given to an arm; nobody is allocated to the one arm of a programme."""
    lines = [_Line(arm.label, bold=True, token="arm")]
    if is_randomized:
        lines.append(_Line(f"Allocated {_n(arm.n_allocated)}"))
    if arm.n_received is not None:
        lines.append(_Line(f"Received {'allocated' if is_randomized else 'the'} treatment {_n(arm.n_received)}"))
        lines.append(_Line(f"Did not receive it {_n(arm.n_allocated - arm.n_received)}"))
        lines += _reasons(arm.not_received)
    else:
        lines.append(_Line("Treatment received: not recorded", token="muted"))
    return lines


def _follow_up(arm: ArmFlow) -> list[_Line]:
    if not arm.has_disposition:
        return [_Line("Follow-up: disposition not recorded", token="muted")]
    lines: list[_Line] = []
    for words, event, reasons in (
        ("Lost to follow-up", "lost_to_follow_up", arm.lost),
        ("Withdrew from the study", "study_withdrawal", arm.withdrew),
        ("Died", "death", arm.died),
        ("Discontinued treatment", "treatment_discontinuation", arm.discontinued),
    ):
        if event in arm.not_recorded:
            lines.append(_Line(f"{words}: not recorded", token="muted"))
            continue
        n = sum(count for _, count in reasons)
        if words == "Died" and n == 0:
            continue
        lines.append(_Line(f"{words} {_n(n)}"))
        lines += _reasons([(r, c) for r, c in reasons if r])
    return lines


def _analysis(arm: ArmFlow, primary: str) -> list[_Line]:
    if arm.n_analysed is None:
        return [_Line("Analysed: not recorded", token="muted")]
    lines = [_Line(f"Analysed {_n(arm.n_analysed)}", bold=True)]
    if primary:
        lines.append(_Line(f"Endpoint: {primary}", token="muted"))
    lines.append(_Line(f"Not analysed {_n(arm.n_allocated - arm.n_analysed)}"))
    lines += _reasons(arm.not_analysed)
    return lines


def _reasons(reasons: Sequence[tuple[str, int]]) -> list[_Line]:
    return [_Line(f"{text} {_n(n)}", indent=12.0, token="muted") for text, n in reasons]


def _n(count: int | None) -> str:
    return "(not recorded)" if count is None else f"(n={fmt.thousands(count)})"


def _wrapped(lines: Sequence[_Line], width: float) -> list[_Line]:
    out = []
    for line in lines:
        for k, text in enumerate(wrap(line.text, width - 2 * _PAD - line.indent, _SIZE, bold=line.bold)):
            out.append(_Line(text, line.bold, line.indent + (8.0 if k and line.indent else 0.0), line.token))
    return out


def _height(lines: Sequence[_Line], width: float) -> float:
    return len(_wrapped(lines, width)) * _LEADING + 2 * _PAD - 2


def _box(
    drawing: Drawing, x: float, y: float, width: float, lines: Sequence[_Line], height: float | None = None
) -> float:
    """A box with its lines; returns its lower edge."""
    height = height or _height(lines, width)
    drawing.rect(x, y + 0.5, width, height, "paper", stroke="rule", stroke_width=1.0, radius=2)
    baseline = y + _PAD + 10
    for line in _wrapped(lines, width):
        drawing.text(x + _PAD + line.indent, baseline, line.text, line.token, size=_SIZE, bold=line.bold)
        baseline += _LEADING
    return y + height


def _stage(drawing: Drawing, name: str, top: float, bottom: float, rail: float) -> None:
    drawing.rect(0, top + 0.5, rail - 4, bottom - top, "wash", radius=2)
    middle = (top + bottom) / 2
    drawing.text(rail / 2 + 2, middle, name, "muted", size=11, anchor="middle", rotate=-90)


def _entry_word(flow: FlowCounts) -> str:
    if not flow.is_randomized:
        return "Enrolled"
    return "Randomized again" if flow.is_again else "Randomized"


def _alt(flow: FlowCounts) -> str:
    start = "CONSORT flow diagram. "
    if flow.n_screened is not None:
        start += f"{flow.n_screened} {'in the stage before' if flow.is_again else 'assessed for eligibility'}, "
    start += f"{flow.n_randomized} {_entry_word(flow).lower()}. "
    arms = []
    for arm in flow.arms:
        analysed = "number analysed not recorded" if arm.n_analysed is None else f"{arm.n_analysed} analysed"
        lost = sum(n for _, n in (*arm.lost, *arm.withdrew, *arm.died))
        received = "" if arm.n_received is None else f"{arm.n_received} received it, "
        arms.append(f"{arm.label}: {arm.n_allocated} allocated, {received}{lost} left the study, {analysed}")
    return start + "; ".join(arms) + "."
