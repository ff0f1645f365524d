"""Whether a definition over a use pattern hangs together with the protocol: its letters, its cells, its formula."""

from __future__ import annotations

from equipoise.protocol.checks.collector import Checker
from equipoise.protocol.checks.formulas import formula_problems
from equipoise.protocol.language.endpoints import PatternEndpoint, PatternSource
from equipoise.protocol.language.formula import Formula
from equipoise.protocol.language.protocol import Protocol
from equipoise.protocol.text.yaml_lines import Path_


def n_cells(protocol: Protocol, source: PatternSource) -> int | None:
    """How many cells a pattern has; ``None`` where its visits are not in the schedule."""
    if source.cells == "visits":
        known = source.at is not None and source.at in protocol.model.schedule
        return len(protocol.series(str(source.at))) if known else None
    assert source.days is not None
    return len(source.days.range) // (7 if source.cells == "weeks" else 1)


def check_pattern(c: Checker, path: Path_, endpoint: PatternEndpoint) -> None:
    """Problems of an endpoint of kind pattern; the library's own definitions are looked up one level up."""
    cells: dict[str, int] = {}
    for name, source in endpoint.patterns.items():
        where = path if source is endpoint else (*path, "beside", name)
        c.ref((*where, "use"), source.use, c.model.use, "use")
        if source.at is not None:
            c.ref((*where, "at"), source.at, c.model.schedule, "schedule")
        if source.days is not None:
            for day in dict.fromkeys((source.days.first, source.days.last)):
                c.day((*where, "days"), day, "The pattern")
            n_days = len(source.days.range)
            if source.cells == "weeks" and n_days % 7:
                c.add(
                    "P060",
                    (*where, "days"),
                    f"{source.days} are {n_days} days, and weeks are tiled whole.",
                    "a number of days that 7 divides",
                    f"End {n_days % 7} day{'s' if n_days % 7 > 1 else ''} earlier, or {7 - n_days % 7} later.",
                )
        n = n_cells(c.protocol, source)
        if n is not None:
            cells[name] = n
    if endpoint.formula is not None:
        hold_formula(c, (*path, "formula"), endpoint.formula, cells if len(cells) == len(endpoint.patterns) else None)


def hold_formula(c: Checker, path: Path_, formula: Formula, cells: dict[str, int] | None) -> None:
    """The problems of a formula at its place in the file."""
    for problem in formula_problems(formula, cells):
        c.add(problem.code, (*path, *problem.path), problem.found, problem.expected, problem.next_step)
