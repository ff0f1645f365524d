"""One trial under two names: told by its number in a register, or by year, arms and sizes that are all the same."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import combinations

from equipoise.evidence.results import PublishedResult
from equipoise.foundation.errors import Problem, listed

_NUMBERS = re.compile(
    r"\b(NCT\s?\d{8}|ISRCTN\s?\d{8}|ACTRN\s?\d{14}|ChiCTR[-A-Z]*\s?\d{8,}|DRKS\s?\d{8}|CTRI/\d{4}/\d{2,3}/\d{6}|"
    r"20\d{2}-\d{6}-\d{2}|jRCTs?\s?\d{9,}|UMIN\s?\d{9})\b",
    re.IGNORECASE,
)
_YEAR = re.compile(r"\b(?:19|20)\d{2}\b")


def registrations(result: PublishedResult) -> frozenset[str]:
    """Numbers of the trial in registers: the column's, or those in its name, source, note and words."""
    own = result.text("registration")
    if own:
        found = _NUMBERS.findall(own)
        return frozenset(re.sub(r"\s", "", n).upper() for n in found) or frozenset({own.strip().upper()})
    texts = " ".join((result.study, result.source, result.text("note"), result.text("quote")))
    return frozenset(re.sub(r"\s", "", n).upper() for n in _NUMBERS.findall(texts))


def one_trial_under_two_names(chosen: Sequence[PublishedResult]) -> list[Problem]:
    """Rows of differently named studies that are, or may be, one trial."""
    problems = []
    for first, second in combinations(chosen, 2):
        if first.study.casefold() == second.study.casefold():
            continue
        mine, theirs = registrations(first), registrations(second)
        shared = mine & theirs
        if shared:
            found = f"{first.id} ({first.study}) and {second.id} ({second.study}) are both {listed(sorted(shared))}."
            hint = "Keep one with --row, or give both one name under study."
        elif not (mine and theirs) and _alike(first, second):
            found = (
                f"{first.id} ({first.study}) and {second.id} ({second.study}) may be one trial: the same year, arms "
                "and numbers of participants."
            )
            hint = "Keep one with --row; or, if they are two, give each its number under registration."
        else:
            continue
        problems.append(
            Problem("E022", f"{first.id}, {second.id}", found, "each trial once", hint, second.file, second.line)
        )
    return problems


def _alike(first: PublishedResult, second: PublishedResult) -> bool:
    years = [set(_YEAR.findall(f"{r.study} {r.source}")) for r in (first, second)]
    sizes = [tuple(r.arm(which).size for which in (1, 0)) for r in (first, second)]
    names = [tuple(r.text(c).casefold() for c in ("condition", "experimental", "reference")) for r in (first, second)]
    return bool(years[0] & years[1]) and None not in sizes[0] and sizes[0] == sizes[1] and names[0] == names[1]
