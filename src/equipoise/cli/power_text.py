"""Power on one screen of 80 columns: successful trials in 100 by primary endpoint and scenario, dropout, the report."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from rich.text import Text

from equipoise.cli.console import console, simulated_line
from equipoise.design.decisions import PLANNED
from equipoise.design.operating import OperatingCharacteristics, alike_at_random
from equipoise.design.summary import RowSummary, deciding, primary_rows, rule_name, wilson_share
from equipoise.reporting import format as fmt
from equipoise.reporting.design_answer import success_words
from equipoise.reporting.format import percentage
from equipoise.reporting.power_report import simplified_words
from equipoise.workflow.power import PowerRun

_WIDTH = 80
_CELL = 24
_MOST = 2  # scenarios beside one another


def print_power_screen(run: PowerRun) -> bool:
    """Print the screen; false, and nothing printed, where there is a grid, no primary test or too narrow a terminal."""
    out = console()
    first = run.cells[0]
    primaries = [first.rows[k].row for k in primary_rows(tuple(s.row for s in first.rows))]
    if not primaries or any(cell.cell.grid for cell in run.cells) or out.width < _WIDTH:
        return False
    simulated_line(True)
    for line in textwrap.wrap(run.protocol.model.trial.title, _WIDTH):
        out.print(Text(line, style="bold"))
    n = sum(first.arm_sizes.values())
    for line in textwrap.wrap(
        f"Successful trials in 100 (95% Monte Carlo interval), {n} participants, {first.n_replicates} trials each",
        _WIDTH,
    ):
        out.print(line)
    others = _others(run, [row.id for row in primaries])
    for start in range(0, len(run.cells), _MOST):
        _table(run, [row.id for row in primaries], others, run.cells[start : start + _MOST])
    out.print()
    notes = [f"Success: {success_words(primaries)}; without effect, type I errors in 100."]
    failed = {
        s.row.id for cell in run.cells for s in cell.rows if s.row in primaries and s.power_lower != s.power_upper
    }
    if failed:
        notes.append(f"Some fits failed ({fmt.joined(sorted(failed))}): --all shows the bounds.")
    notes += [
        f"{s.row.id}, {cell.cell.spec.name}: a simpler covariance in {simplified_words(s)} trials."
        for cell in run.cells
        for s in cell.rows
        if s.simplified
    ]
    notes += [f"Assumed: {text}." for text in alike_at_random(run.protocol)]
    if first.left_out:
        lines = f"{len(first.left_out)} {'line' if len(first.left_out) == 1 else 'lines'}"
        notes.append(f"Not run: {lines} by multiple imputation (--imputation runs them).")
    more = len(first.rows) - len(primaries) - len(others)
    if more:
        notes.append(f"{more} more {'analysis' if more == 1 else 'analyses'}: --all.")
    if run.looks:
        notes.append(
            f"With looks: {run.looks[0].n_replicates} trials, one participant a week; more by equipoise looks. All "
            "other lines are analysed once, at the end."
        )
    for note in notes:
        for line in textwrap.wrap(note, _WIDTH):
            out.print(line)
    report = next((path for path in run.files if path.name == "report.html"), None)
    out.print(f"Report: {report}" if report else "Tables, figures and a report: --out FOLDER.")
    return True


_FEW = 8  # other lines that one screen still has room for


def _others(run: PowerRun, primaries: Sequence[str]) -> list[str]:
    """Other lines that the screen has room for: all where they are few, else secondary and unfitted ones."""
    rest = [s for s in run.cells[0].rows if s.row.id not in primaries]
    if len(rest) <= _FEW:
        return [s.row.id for s in rest]
    lines = [s for s in rest if s.never_fitted or (s.row.is_tested and "." not in s.row.id and "[" not in s.row.id)]
    if len(lines) > _FEW:
        lines = [s for s in lines if s.never_fitted or s.row.level == "secondary"]
    return [s.row.id for s in lines]


def _share(summary: RowSummary | None) -> str:
    if summary is None:
        return "not run"
    if summary.never_fitted:
        return "no trial could be fitted"
    share = summary.significant
    if share is None:
        return "not a test" if not summary.row.is_tested else "not estimable"
    return f"{percentage(share.value)} ({percentage(share.lower)} to {percentage(share.upper)})"


def _of_looks(share: float, n: int) -> str:
    found = wilson_share(round(share * n), n)
    if found is None:
        return "not estimable"
    return f"{percentage(found.value)} ({percentage(found.lower)} to {percentage(found.upper)})"


def _table(run: PowerRun, ids: Sequence[str], others: Sequence[str], cells: Sequence[OperatingCharacteristics]) -> None:
    out = console()
    width = _WIDTH - (_CELL + 2) * len(cells)

    def line(name: str, values: Sequence[str]) -> None:
        wrapped = textwrap.wrap(name, width) or [""]
        first = wrapped[0].ljust(width) + "".join(value.rjust(_CELL + 2) for value in values)
        for text in (first.rstrip(), *(f"  {rest}" for rest in wrapped[1:])):
            out.print(Text(text))

    out.print()
    line("", [fmt.shortened(cell.cell.spec.name, _CELL) for cell in cells])
    out.print("-" * _WIDTH)
    for id in ids:
        rows = [next((s for s in cell.rows if s.row.id == id), None) for cell in cells]
        label = run.protocol.endpoint_label(next(s for s in rows if s is not None).row.endpoint)
        line(label, [_share(summary) for summary in rows])
    rules = [rule for cell in cells if (rule := deciding(cell.rules)) is not None]
    if len(rules) == len(cells) and len(rules[0].primaries) > 1:
        line(f"All of them, {rule_name(rules[0])}", [percentage(rule.all_rejected.value) for rule in rules])
        if rules[0].rule == PLANNED:
            line("One of them or more, by the plan", [percentage(rule.any_rejected.value) for rule in rules])
            line("Expected number rejected", [f"{rule.expected_rejections:.2f}" for rule in rules])
    for number, rule in enumerate(cells[0].in_every_set):
        name = (
            f"{' and '.join(rule.primaries)}: both exclude the margin" if len(rule.primaries) == 2 else "In every set"
        )
        shares = [cell.in_every_set[number].all_rejected for cell in cells]
        line(name, [f"{percentage(s.value)} ({percentage(s.lower)} to {percentage(s.upper)})" for s in shares])
    if run.looks:
        seen = [run.looks[run.cells.index(cell)] for cell in cells]
        assert run.protocol.model.looks is not None
        line(
            f"{', '.join(run.protocol.model.looks.analyses)}, with the plan's looks",
            [_of_looks(one.rejected, one.n_replicates) for one in seen],
        )
        line("  participants expected", [f"{one.expected_n:.1f} of {one.n_planned}" for one in seen])
    for id in others:
        line(id, [_share(next((s for s in cell.rows if s.row.id == id), None)) for cell in cells])
    for arm in cells[0].arm_sizes:
        gone = [f"{percentage(cell.dropout.get(arm))}%" for cell in cells]
        line(f"Drop out, {run.protocol.arm_label(arm)}", gone)
