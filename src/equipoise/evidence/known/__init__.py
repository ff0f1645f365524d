"""What is published of ketamine for substance use: results, statements, studies, sources, and what is not known.

Read from excerpts of public pages; which, says ``sources.csv``. A number that no source gives is not here.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources

from equipoise.evidence.results import PublishedResult, read_results
from equipoise.evidence.statements import Statement, read_statements


@dataclass(frozen=True, slots=True)
class KnownSource:
    """Where statements were read."""

    source: str
    kind: str
    cite: str
    address: str
    note: str


@dataclass(frozen=True, slots=True)
class Study:
    """One trial: whom, what against what, how; texts as the source has them."""

    study: str
    condition: str
    drug: str
    comparator: str
    design: str
    n: str
    dose: str
    therapy: str
    registration: str
    followup: str
    randomized: str
    source: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """Something that no source read tells, and the best source that does not."""

    study: str
    unknown: str
    source: str


@dataclass(frozen=True)
class Evidence:
    """A body of evidence on one topic."""

    topic: str
    results: tuple[PublishedResult, ...]
    statements: tuple[Statement, ...]
    studies: Mapping[str, Study]
    sources: Mapping[str, KnownSource]
    unknown: tuple[Unknown, ...]

    @property
    def source_kinds(self) -> dict[str, str]:
        """What each source is."""
        return {tag: source.kind for tag, source in self.sources.items()}


def _rows(name: str) -> tuple[list[str], list[tuple[int, dict[str, str]]]]:
    text = resources.files(__package__).joinpath(name).read_text("utf-8")
    reader = csv.DictReader(text.splitlines())
    return list(reader.fieldnames or ()), list(enumerate(reader, 2))


@cache
def read_known() -> Evidence:
    """The packaged evidence."""
    results, problems = read_results(_rows("results.csv")[1], "results.csv")
    columns, rows = _rows("statements.csv")
    statements, more = read_statements(columns, rows, "statements.csv")
    if problems or more:
        raise ValueError(str([*problems, *more]))
    studies = [Study(**row) for _, row in _rows("studies.csv")[1]]
    sources = [KnownSource(**row) for _, row in _rows("sources.csv")[1]]
    unknown = [Unknown(**row) for _, row in _rows("unknown.csv")[1]]
    return Evidence(
        "Ketamine for substance use",
        tuple(results),
        tuple(statements),
        {study.study: study for study in studies},
        {source.source: source for source in sources},
        tuple(unknown),
    )
