"""One result told by several sources: do they tell the same numbers?"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from itertools import combinations

from equipoise.evidence.findings import Finding
from equipoise.evidence.printed import distance, number_text, overlap
from equipoise.evidence.results import PublishedResult

_COMPARED = ("events", "n", "percent", "mean", "sd")
_SINGLE = ("estimate", "lower", "upper")


def check_agreement(results: Sequence[PublishedResult]) -> list[Finding]:
    """Numbers of one study, outcome, event and time that two rows give differently, beyond rounding."""
    groups: dict[tuple[str, ...], list[PublishedResult]] = defaultdict(list)
    for result in results:
        if result.kind == "result" and result.text("outcome"):
            key = (result.study, *(result.text(c).casefold() for c in ("outcome", "event", "time")))
            groups[key].append(result)
    found = []
    for rows in groups.values():
        for first, second in combinations(rows, 2):
            found += _compare(first, second)
    return found


def _compare(first: PublishedResult, second: PublishedResult) -> list[Finding]:
    out = []
    columns = []
    for mine in (1, 0):
        for theirs in (1, 0):
            name = first.arm(mine).name
            if name and name == second.arm(theirs).name:
                columns += [(f"{c}_{mine}", f"{c}_{theirs}", f"{c} of {name}") for c in _COMPARED]
    same_way = first.text("experimental") == second.text("experimental") and first.text("reference") == second.text(
        "reference"
    )
    if first.measure == second.measure and same_way and first.text("adjusted") == second.text("adjusted"):
        columns += [(c, c, c) for c in _SINGLE]
    for my_column, their_column, name in columns:
        a, b = first.number(my_column), second.number(their_column)
        if a is None or b is None or overlap(a.range(), b.range()):
            continue
        what = f"{first.source} gives {a.text}, {second.source} {b.text} ({name}, {first.text('outcome')})."
        gap = f"{number_text(distance(a.range(), b.range()))} beyond rounding"
        out.append(
            Finding(
                "sources-agree",
                "contradiction",
                first.study,
                (first.id, second.id),
                what,
                gap,
                "rounded to nearest",
                line=second.line,
            )
        )
    return out
