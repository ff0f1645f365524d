"""Statements about trials that are not results: what drug, how often, when. Columns: ``docs/evidence.md``.

A row is one source's value of one attribute of one subject. Where two rows of a subject and attribute do not agree,
that is a contradiction; which of the two to hold goes by the standing of the sources. A row with a ``reading`` says
that the difference is one of words, and what we read.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from equipoise.evidence.findings import Finding
from equipoise.evidence.printed import Range, overlap, read_printed
from equipoise.evidence.results import STATUSES, Rows
from equipoise.foundation.errors import Problem, listed, nearest

COLUMNS: dict[str, str] = {
    "id": "Name of the row, once in the table. Required.",
    "subject": "What the statement is about: a trial, a drug. Required.",
    "attribute": "What is stated of it: infusions, receptor action, control. Required.",
    "value": "The value: a number, a range (45..50), at least (2+), or words; several values separated by "
    "semicolons. Required.",
    "source": "Where it was read. Required.",
    "status": f"Status of the statement: {listed(STATUSES)}.",
    "topic": "Number or name that groups statements on one subject.",
    "quote": "The words of the source.",
    "reading": "If the difference is one of wording: our reading.",
}
REQUIRED = ("id", "subject", "attribute", "value", "source")
# Kinds of sources from the most to the least trusted about a trial.
SOURCE_KINDS = (
    "paper",
    "abstract",
    "registry",
    "grant",
    "review",
    "reference",
    "digest",
    "summary",
    "news",
    "clinic",
    "forum",
)
# The check that a contradiction of an attribute is named after, where it has a name of its own.
_NAMED = {
    "infusions": "one-infusion-told-as-several",
    "infusion days": "one-infusion-told-as-several",
    "receptor action": "agonist-or-antagonist",
}


@dataclass(frozen=True, slots=True)
class Statement:
    """One source's value of one attribute."""

    id: str
    subject: str
    attribute: str
    value: str
    source: str
    status: str = ""
    topic: str = ""
    quote: str = ""
    reading: str = ""
    line: int | None = None

    @property
    def range(self) -> Range | None:
        """The value as a range of numbers; ``None`` where it is words."""
        found = re.fullmatch(r"(\S+?)\.\.(\S+)", self.value)
        if found:
            low, high = read_printed(found[1]), read_printed(found[2])
            return None if low is None or high is None else (low.value, high.value)
        if self.value.endswith("+") and (least := read_printed(self.value[:-1])) is not None:
            return least.value, float("inf")
        number = read_printed(self.value)
        # A stated number is exact unless it says about: half a unit either way would make 1 week 1.4.
        return None if number is None else number.range() if number.sign != "=" else (number.value, number.value)

    @property
    def parts(self) -> frozenset[str]:
        """The value as a set of words."""
        return frozenset(" ".join(part.split()).casefold() for part in self.value.split(";"))

    def agrees(self, other: Statement) -> bool:
        """Whether two values can both hold."""
        mine, theirs = self.range, other.range
        if mine is not None and theirs is not None:
            return overlap(mine, theirs)
        return self.parts == other.parts


def read_statements(columns: Sequence[str], rows: Rows, file: str) -> tuple[list[Statement], list[Problem]]:
    """Every statement that can be read, and every problem."""
    problems: list[Problem] = []
    for column in columns:
        if column not in COLUMNS:
            close = nearest(column, COLUMNS)
            hint = f"Did you mean {close}?" if close else ""
            problems.append(Problem("E001", column, f"There is no column {column!r}.", listed(COLUMNS), hint, file, 1))
    for column in REQUIRED:
        if column not in columns:
            problems.append(
                Problem("E002", column, f"The column {column!r} is not there.", listed(REQUIRED), "", file, 1)
            )
    if problems:
        return [], problems
    found: list[Statement] = []
    seen: dict[str, int] = {}
    for line, cells in rows:
        texts = {column: (cells.get(column) or "").strip() for column in COLUMNS}
        empty = [column for column in REQUIRED if not texts[column]]
        place = texts["id"] or f"line {line}"
        problems += [Problem("E002", f"{place}, {c}", "The cell is empty.", COLUMNS[c], "", file, line) for c in empty]
        if texts["status"] and texts["status"] not in STATUSES:
            problems.append(
                Problem(
                    "E004",
                    f"{place}, status",
                    f"{texts['status']!r} is not a choice.",
                    listed(STATUSES),
                    "",
                    file,
                    line,
                )
            )
        if texts["id"] in seen:
            problems.append(
                Problem(
                    "E005", place, f"The id stands in line {seen[texts['id']]} too.", "one id per row", "", file, line
                )
            )
        seen.setdefault(texts["id"], line)
        if not empty:
            found.append(Statement(**texts, line=line))
    return found, problems


def check_statements(statements: Sequence[Statement], source_kinds: Mapping[str, str]) -> list[Finding]:
    """Attributes with values that cannot all hold, and readings; ``source_kinds`` says what each source is."""
    groups: dict[tuple[str, str], list[Statement]] = defaultdict(list)
    for statement in statements:
        groups[statement.subject, statement.attribute].append(statement)
    found = []
    for (subject, attribute), rows in groups.items():
        topics = tuple(dict.fromkeys(row.topic for row in rows if row.topic))
        sources = tuple(dict.fromkeys(row.source for row in rows))
        ids = tuple(row.id for row in rows)
        readings = [row.reading for row in rows if row.reading]
        told = "; ".join(f"{row.value} ({row.source}{_quoted(row)})" for row in rows)
        what = f"{subject[:1].upper()}{subject[1:]}, {attribute}: {told}."
        differ = any(not a.agrees(b) for i, a in enumerate(rows) for b in rows[i + 1 :])
        if readings:
            found.append(
                Finding(
                    "reading",
                    "reading",
                    subject,
                    ids,
                    what,
                    reconciles=" ".join(readings),
                    topics=topics,
                    sources=sources,
                )
            )
        elif differ:
            name = _NAMED.get(attribute, "statements-agree")
            held = _held(rows, source_kinds)
            found.append(
                Finding(name, "contradiction", subject, ids, what, reconciles=held, topics=topics, sources=sources)
            )
    return found


def _quoted(row: Statement) -> str:
    return f": “{row.quote}”" if row.quote else ""


def _held(rows: Sequence[Statement], source_kinds: Mapping[str, str]) -> str:
    """Which value to hold: the best source's; between equals the one that more sources tell; else undecided."""

    def rank(row: Statement) -> int:
        kind = source_kinds.get(row.source, "")
        return SOURCE_KINDS.index(kind) if kind in SOURCE_KINDS else len(SOURCE_KINDS)

    best = min(rank(row) for row in rows)
    top = [row for row in rows if rank(row) == best]
    is_highest = best < len(SOURCE_KINDS) and any(rank(row) > best for row in rows)
    if is_highest and all(row.agrees(top[0]) for row in top):
        return f"{top[0].value}, by {top[0].source} ({SOURCE_KINDS[best]})"
    counts = [(sum(a.agrees(b) for b in rows), a) for a in rows]
    most = max(n for n, _ in counts)
    leading = [a for n, a in counts if n == most]
    if most > 1 and all(a.agrees(leading[0]) for a in leading):
        return f"{leading[0].value}, by {most} of {len(rows)} statements"
    return "undecided between these sources"
