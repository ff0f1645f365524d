"""Whether endpoints that are made of others name such as can be sorted, or compared, and agree with them."""

from __future__ import annotations

from collections.abc import Mapping

from equipoise.foundation.errors import listed
from equipoise.protocol.checks.collector import Checker
from equipoise.protocol.language.composed import HierarchicalEndpoint, HierarchyLevel, OrderedEndpoint
from equipoise.protocol.text.yaml_lines import Path_
from equipoise.protocol.vocabulary.endpoint_kinds import (
    BINARY,
    NUMBER,
    ORDERED,
    REPEATED_SCORE,
    SHAPES,
    TIME_TO_EVENT,
    Shape,
)

CODES = {"P048": "An endpoint made of others that they do not fit."}
_SORTED = (NUMBER, REPEATED_SCORE)
_COMPARED = (BINARY, NUMBER, TIME_TO_EVENT, REPEATED_SCORE, ORDERED)


def check_composed(c: Checker) -> None:
    """Every problem of ordered categories and hierarchies."""
    for id, endpoint in c.model.endpoints.items():
        path: Path_ = ("endpoints", id)
        if isinstance(endpoint, OrderedEndpoint):
            _ordered(c, path, endpoint)
        elif isinstance(endpoint, HierarchicalEndpoint):
            _hierarchy(c, path, endpoint)


def _ordered(c: Checker, path: Path_, endpoint: OrderedEndpoint) -> None:
    if not _named(c, (*path, "of"), endpoint.of, _SORTED, "sorted into categories"):
        return
    base = c.model.endpoints[endpoint.of]
    _visit(c, (*path, "visit"), endpoint.of, endpoint.visit)
    if base.better != endpoint.better:
        c.add(
            "P048",
            (*path, "better"),
            f"{endpoint.better} categories are taken as better, and {base.better} numbers of {endpoint.of}.",
            f"better: {base.better}",
            f"Write better: {base.better}: categories are in the order of the numbers.",
        )


def _hierarchy(c: Checker, path: Path_, endpoint: HierarchicalEndpoint) -> None:
    seen: dict[HierarchyLevel, int] = {}
    for position, level in enumerate(endpoint.levels):
        where = (*path, "levels", position)
        if not _named(c, (*where, "endpoint"), level.endpoint, _COMPARED, "compared pair by pair"):
            continue
        _visit(c, (*where, "visit"), level.endpoint, level.visit)
        shape = c.model.endpoints[level.endpoint].shape
        if level.margin and shape in (BINARY, ORDERED):
            c.add(
                "P048",
                (*where, "margin"),
                f"{level.endpoint} is {SHAPES[shape]}: nothing lies between its results.",
                "a margin of numbers, scores or times",
                "Remove it.",
            )
        if level in seen:
            c.add("P048", where, "The level stands here twice.", "each level once", "Remove one.")
        seen[level] = position
    if endpoint.better != "higher":
        c.add(
            "P048",
            (*path, "better"),
            "A win is the better of two results already, by each level's own direction.",
            "no better here",
            "Remove it.",
        )


def _named(c: Checker, path: Path_, name: str, shapes: tuple[Shape, ...], what: str) -> bool:
    """Whether the endpoint is defined and of a shape that can be taken."""
    known: Mapping[str, object] = c.model.endpoints
    if not c.ref(path, name, known, "endpoints"):
        return False
    shape = c.model.endpoints[name].shape
    if shape in shapes:
        return True
    c.add(
        "P048",
        path,
        f"{name} is {SHAPES[shape]}, and cannot be {what}.",
        listed(SHAPES[shape] for shape in shapes),
        "Name another endpoint.",
    )
    return False


def _visit(c: Checker, path: Path_, of: str, visit: str | None) -> None:
    endpoint = c.model.endpoints[of]
    visits = c.protocol.result_days(endpoint)
    if visit is None:
        return
    if endpoint.shape != REPEATED_SCORE:
        c.add("P048", path, f"{of} has one result and no visits.", "no visit", "Remove it.")
    elif visits:
        c.ref(path, visit, visits, f"the visits of {of}")
