"""Which definitions of the library a trial's multiverse holds: those that the days of the protocol supply."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from equipoise.endpoints.patterns.library import Definition, definitions
from equipoise.foundation.calendar import day_index
from equipoise.foundation.errors import AnalysisError, Problem
from equipoise.protocol import Protocol
from equipoise.protocol.checks.formulas import formula_problems
from equipoise.protocol.checks.patterns import n_cells
from equipoise.protocol.language.analysis import Analysis
from equipoise.protocol.language.endpoints import PatternEndpoint, RunOfUse, Use
from equipoise.protocol.language.facts import ListOrMapping

CODES = {"A010": "The protocol has no analysis of two arms to vary."}

LIBRARY = "library-"
# A pattern shorter than this has no course to speak of.
_FEWEST_DAYS = 14


@dataclass(frozen=True)
class SourceOfUse:
    """Whose days a library's definition looks at: a definition of use, and the first and last study day, in weeks."""

    use: str
    first: int
    last: int


def main_line(protocol: Protocol, line: str | None = None) -> tuple[str, Analysis]:
    """The line that says what is compared and adjusted for: ``line``, or the primary analysis of two arms.

    Where several lines compare two arms the first on use is taken, since the library's definitions are of use.
    """
    order = ("primary", "secondary", "supportive", "sensitivity", "exploratory")
    lines = sorted(protocol.model.analyses.items(), key=lambda item: order.index(item[1].level))
    two_arms = [
        (id, analysis)
        for id, analysis in lines
        if protocol.model.estimands[analysis.estimand].treatments.reference is not None
    ]
    if line is not None:
        chosen = [(id, analysis) for id, analysis in two_arms if id == line]
        if not chosen:
            found = "compares no arms" if line in protocol.model.analyses else "is not in the plan"
            names = ", ".join(id for id, _ in two_arms) or "there is none"
            raise AnalysisError(
                Problem("A010", "analyses", f"The line {line} {found}.", f"a line that compares two arms: {names}")
            )
        return chosen[0]
    if not two_arms:
        raise AnalysisError(
            Problem("A010", "analyses", "No analysis compares two arms.", "at least one", "Add one to the plan.")
        )
    return next((entry for entry in two_arms if is_about_use(protocol, entry[1])), two_arms[0])


def is_about_use(protocol: Protocol, analysis: Analysis) -> bool:
    """Whether the endpoint of a line rests on a definition of use."""
    return protocol.model.endpoints[protocol.model.estimands[analysis.estimand].endpoint].is_about_use


def outcome_of(endpoint: Any) -> frozenset[str]:
    """What an endpoint that is not about use looks at: an assessment, or outcome events."""
    assessment = getattr(endpoint, "assessment", None)
    scores = (getattr(event, "assessment", None) for event in getattr(endpoint, "watched_events", ()))
    return frozenset(filter(None, (assessment, *scores, *endpoint.event_terms)))


def definitions_of(protocol: Protocol, main: Analysis) -> tuple[str, ...]:
    """The protocol's endpoints that define the outcome of a line: all that are about use, or that look at the same."""
    chosen = protocol.model.estimands[main.estimand].endpoint
    endpoints = protocol.model.endpoints
    if endpoints[chosen].is_about_use:
        return tuple(id for id, endpoint in endpoints.items() if endpoint.is_about_use)
    mine = outcome_of(endpoints[chosen])
    return tuple(
        id
        for id, endpoint in endpoints.items()
        if id == chosen or (not endpoint.is_about_use and mine & outcome_of(endpoint))
    )


def find_source(protocol: Protocol, main: Analysis) -> SourceOfUse | None:
    """The use that the endpoint of the main analysis looks at, or else another's, over its widest whole weeks.

    Visits more often than weekly are gathered into weeks that end with the last visit's target day. In a trial of
    stages the weeks are those of the stage that is compared. ``None`` where no endpoint looks at two weeks.
    """
    estimand = protocol.model.estimands[main.estimand]
    mine = {e.endpoint for e in protocol.model.estimands.values() if e.stage == estimand.stage}
    # The days of another stage are other days.
    endpoints = {
        id: endpoint for id, endpoint in protocol.model.endpoints.items() if estimand.stage is None or id in mine
    }
    found = [
        source
        for id in sorted(endpoints, key=lambda id: id != estimand.endpoint)
        for source in _sources_of(protocol, endpoints[id])
        if source.first > 0 and source.last - source.first + 1 >= _FEWEST_DAYS
    ]
    if not found:
        return None
    widest = max((s for s in found if s.use == found[0].use), key=lambda s: s.last - s.first)
    stage = protocol.model.stages.get(estimand.stage) if estimand.stage is not None else None
    if stage is not None and stage.days is not None and stage.days.first <= widest.first:
        return SourceOfUse(widest.use, stage.days.first, _last_of_weeks(stage.days.first, stage.days.last))
    return widest


def _sources_of(protocol: Protocol, endpoint: Any) -> list[SourceOfUse]:
    if endpoint.kind == "pattern":
        found = [_source_of(protocol, pattern, "pattern") for pattern in endpoint.patterns.values()]
        # Of several patterns the one that asks the most sources.
        return sorted(filter(None, found), key=lambda source: -len(protocol.model.use[source.use].by))
    source = _source_of(protocol, endpoint, endpoint.kind)
    return [] if source is None else [source]


def _source_of(protocol: Protocol, endpoint: Any, kind: str) -> SourceOfUse | None:
    if kind in ("use-by-week", "abstinent-days", "use-by-day") or (kind == "pattern" and endpoint.cells != "visits"):
        return SourceOfUse(endpoint.use, endpoint.days.first, _last_of_weeks(endpoint.days.first, endpoint.days.last))
    if kind in ("repeated-use", "abstinence", "pattern") and endpoint.at is not None:
        visits = protocol.series(endpoint.at)
        first, last = visits[0].target_day, visits[-1].target_day
        n_weeks = (last - first) // 7 + 1
        if n_weeks > 1 and last - 7 * n_weeks >= 0:
            return SourceOfUse(endpoint.use, last - 7 * n_weeks + 1, last)
    if kind == "abstinence":
        return SourceOfUse(endpoint.use, endpoint.days.first, _last_of_weeks(endpoint.days.first, endpoint.days.last))
    if kind == "time-to-event":
        for event in endpoint.first_of:
            if isinstance(event, RunOfUse) and event.cells == "weeks":
                return SourceOfUse(event.use, 1, 7 * (endpoint.until.last // 7))
    return None


def _last_of_weeks(first: int, last: int) -> int:
    """The last day of the whole weeks from the first."""
    return first + 7 * ((day_index(last) - day_index(first) + 1) // 7) - 1


def library_endpoints(
    protocol: Protocol, line: str | None = None
) -> tuple[dict[str, PatternEndpoint], tuple[tuple[str, str], ...]]:
    """Definitions that the protocol's days supply, as endpoints; and those that they do not, each with why."""
    id, main = main_line(protocol, line)
    if not is_about_use(protocol, main):
        return {}, tuple((name, f"it is a definition of use, and {id} is not about use") for name in definitions())
    source = find_source(protocol, main)
    out: dict[str, PatternEndpoint] = {}
    without: list[tuple[str, str]] = []
    for name, entry in definitions().items():
        if source is None:
            without.append((name, "no endpoint of the protocol looks at two weeks of use"))
            continue
        found = _supply(protocol, name, entry, source)
        if isinstance(found, str):
            without.append((name, found))
        else:
            out[f"{LIBRARY}{name.lower().replace('_', '-')}"] = found
    return out, tuple(without)


def _supply(protocol: Protocol, name: str, entry: Definition, source: SourceOfUse) -> PatternEndpoint | str:
    """The definition as an endpoint of this protocol, or why it cannot be one."""
    use = protocol.model.use[source.use]
    if entry.above_amount and use.amount is None:
        return f"it is about days above an amount, and {source.use} names none"
    days_of = source.use
    if "days" in entry.on:
        told = told_use(protocol, source.use)
        if told is None:
            return f"it needs a daily calendar, and {source.use} is by {' and '.join(use.by)}"
        # Beside weeks of urine the days are those told; alone they are days of use by whichever source says so.
        days_of = source.use if "self-report" in use.by and len(entry.on) == 1 else told
    first: int = source.first
    if entry.days_before:
        first = -entry.days_before
        begins = min((day_index(e.days.first) for e in protocol.model.calendar.epochs.values()), default=0)
        if source.first > 7 or begins > day_index(first):
            return f"it begins {entry.days_before} days before day 1, and the protocol's days do not"
    sources = {
        "weeks": _cells(source.use, "weeks", first, source.last),
        "days": _cells(days_of, "days", first, source.last),
    }
    own, *others = entry.on
    endpoint = PatternEndpoint.model_validate(
        {
            "kind": "pattern",
            "words": entry.words,
            "label": f"{entry.label} ({name}), {source.use}, days {first} to {source.last}",
            "better": entry.better,
            "definition": name,
            "gives": entry.type,
            **sources[own],
            "beside": {other: sources[other] for other in others},
        }
    )
    cells = {on: n_cells(protocol, part) for on, part in endpoint.patterns.items()}
    known = {on: n for on, n in cells.items() if n is not None}
    problems = formula_problems(entry.formula, known)
    return problems[0].found if problems else endpoint


def _cells(use: str, cells: str, first: int, last: int) -> dict[str, Any]:
    return {"use": use, "cells": cells, "days": f"{first}..{last}"}


def told_use(protocol: Protocol, use: str) -> str | None:
    """The same use by self-report alone; ``None`` where the protocol asks nobody.

    The same: the substances of the calendar are those of the definition, or, where that goes by urine alone, hold every
    substance of its assays. A definition by both sources stands for itself where no other is by self-report alone.
    """
    entry = protocol.model.use[use]
    asks = "self-report" in entry.by
    wanted = _told(entry) if asks else entry.substances
    for id, other in protocol.model.use.items():
        is_same = (_told(other) == wanted) if asks else _holds(protocol, _told(other), wanted)
        if is_same and other.by == ("self-report",) and other.amount == entry.amount:
            return id
    return use if asks else None


def _told(use: Use) -> ListOrMapping:
    return use.self_report_substances if use.self_report_substances is not None else use.substances


def _holds(protocol: Protocol, wider: ListOrMapping, narrower: ListOrMapping) -> bool:
    """Whether one list of substances holds another, in every arm."""

    def of_arm(substances: ListOrMapping, arm: str) -> set[str]:
        return set(substances.get(arm, ()) if isinstance(substances, Mapping) else substances)

    return all(of_arm(wider, arm) >= of_arm(narrower, arm) for arm in protocol.arm_ids)
