"""Tables of published results and of statements, read from CSV files. Columns: ``docs/evidence.md``."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

from equipoise.evidence.results import PublishedResult, header_problems, read_results
from equipoise.evidence.statements import Statement, read_statements
from equipoise.exchange.csv import read_csv_text
from equipoise.foundation.errors import EvidenceError, Problem, raise_if_any

CODES = {"E010": "A table of published results cannot be read, or has no rows."}


@dataclass(frozen=True)
class EvidenceTable:
    """What a file holds: results, or statements (a table with the columns subject and attribute)."""

    file: str
    results: tuple[PublishedResult, ...] = ()
    statements: tuple[Statement, ...] = ()


def read_evidence_table(path: str | Path) -> EvidenceTable:
    """A table of results or of statements; :class:`EvidenceError` with every problem of the file at once."""
    table, faults = read_csv_text(Path(path))
    if table is None:
        raise EvidenceError([replace(fault, code="E010") for fault in faults])
    if table.frame.height == 0:
        next_step = "Write one row per result."
        raise EvidenceError(Problem("E010", "", "The table has no row.", "at least one row", next_step, table.file))
    rows = list(zip((int(line) for line in table.lines), table.frame.to_dicts()))
    if "attribute" in table.columns and "measure" not in table.columns:
        statements, problems = read_statements(table.columns, rows, table.file)
        raise_if_any(EvidenceError, problems)
        return EvidenceTable(table.file, statements=tuple(statements))
    problems = header_problems(table.columns, table.file)
    if any(problem.code == "E002" for problem in problems):
        raise EvidenceError(problems)  # without its required columns no row can be read
    results, more = read_results(rows, table.file)
    raise_if_any(EvidenceError, [*problems, *more])
    return EvidenceTable(table.file, tuple(results))
