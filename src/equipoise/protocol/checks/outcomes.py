"""Whether endpoints on scores, findings and events name what the protocol assesses, where and when."""

from __future__ import annotations

from equipoise.foundation.errors import listed
from equipoise.protocol.checks.collector import Checker
from equipoise.protocol.checks.instruments import check_limits
from equipoise.protocol.language.endpoint_base import EndpointBase
from equipoise.protocol.language.outcomes import (
    CriterionEndpoint,
    EventCountEndpoint,
    EventEndpoint,
    FindingEndpoint,
    OutcomeEvent,
    ScoreCriterion,
    ScoreEvent,
)
from equipoise.protocol.text.yaml_lines import Path_


def check_outcome(c: Checker, path: Path_, endpoint: EndpointBase) -> None:
    """Every problem of reference of an endpoint on scores, a finding, or events."""
    if isinstance(endpoint, (EventEndpoint, EventCountEndpoint)):
        for position, term in enumerate(endpoint.events):
            check_term(c, (*path, "events", position), term)
        for day in dict.fromkeys((endpoint.days.first, endpoint.days.last)):
            c.day((*path, "days"), day, "The window")
    elif isinstance(endpoint, CriterionEndpoint):
        check_criterion(c, path, endpoint)
        _check_places(c, path, endpoint.assessment, endpoint.at, endpoint.visit)
    elif isinstance(endpoint, FindingEndpoint):
        _check_assessment(c, path, endpoint.assessment, ("finding",))
        _check_places(c, path, endpoint.assessment, endpoint.at, endpoint.visit)


def check_first_of(c: Checker, path: Path_, event: object) -> None:
    """The same of an event that a time counts to."""
    if isinstance(event, OutcomeEvent):
        check_term(c, (*path, "event"), event.event)
    elif isinstance(event, ScoreEvent):
        check_criterion(c, path, event)
        _check_places(c, path, event.assessment, event.at, None)


def check_term(c: Checker, path: Path_, term: str) -> None:
    """An event must be one that an assessment asks about: otherwise it would never happen."""
    terms = list(dict.fromkeys(t for entry in c.model.assessments.values() for t in entry.terms))
    c.ref(path, term, terms, "assessments (terms)")


def check_criterion(c: Checker, path: Path_, criterion: ScoreCriterion) -> None:
    """The assessment of a criterion, its baseline visit and the variable that its numbers go by."""
    _check_assessment(c, path, criterion.assessment, ("instrument",))
    check_limits(c, path, criterion)
    if criterion.baseline is not None:
        _check_visit(c, (*path, "baseline"), criterion.baseline, criterion.assessment)


def _check_assessment(c: Checker, path: Path_, name: str, types: tuple[str, ...]) -> None:
    if c.ref((*path, "assessment"), name, c.model.assessments, "assessments"):
        found = c.model.assessments[name].type
        if found not in types:
            wanted = f"an assessment of type {listed(types)}"
            c.add("P027", (*path, "assessment"), f"{name} is of type {found}.", wanted, "Name another assessment.")


def _check_places(c: Checker, path: Path_, assessment: str, at: str | None, visit: str | None) -> None:
    if visit is not None:
        _check_visit(c, (*path, "visit"), visit, assessment)
    if at is None or not c.ref((*path, "at"), at, c.model.schedule, "schedule"):
        return
    entry = c.model.schedule[at]
    if not entry.is_series:
        step = "Name a series, or write visit in place of at."
        c.add("P027", (*path, "at"), f"{at} is one visit.", "a series of visits (days, or every)", step)
    if assessment not in entry.assess:
        _not_assessed(c, (*path, "at"), at, assessment)


def _check_visit(c: Checker, path: Path_, name: str, assessment: str) -> None:
    planned = {visit.name: visit for visit in c.protocol.planned_visits}
    if c.ref(path, name, list(planned), "schedule") and assessment not in planned[name].assess:
        _not_assessed(c, path, planned[name].series, assessment)


def _not_assessed(c: Checker, path: Path_, series: str, assessment: str) -> None:
    c.add(
        "P027",
        path,
        f"{series} does not assess {assessment}.",
        f"a visit that assesses {assessment}",
        f"Add it to schedule.{series}.assess.",
    )
