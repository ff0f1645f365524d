"""A scenario: the trial of a protocol under one named set of its assumptions, ready to be simulated."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from equipoise.foundation.calendar import days_between
from equipoise.foundation.errors import Problem, SimulationError, listed, nearest, raise_if_any
from equipoise.instruments import find_instrument_of
from equipoise.protocol import Protocol
from equipoise.protocol.language.analysis import Assumptions
from equipoise.protocol.language.protocol import PlannedVisit as ProtocolVisit
from equipoise.randomization.registry import default_parameters, make_scheme
from equipoise.randomization.scheme import reduced
from equipoise.simulation.accompanying import AccompanyingParameters, BaselineParameters
from equipoise.simulation.design import (
    SITE,
    PlannedAllocation,
    PlannedArm,
    SimulatedVisit,
    TrialDesign,
)
from equipoise.simulation.parameters import DayLevelParameters
from equipoise.simulation.parts.levels import solved
from equipoise.simulation.parts.scenario import PartsScenario, read_parts
from equipoise.simulation.people import BASELINE_DRAWN
from equipoise.simulation.planned import instruments_of, planned_doses_of, planned_therapies
from equipoise.simulation.questionnaires import SIMULATED_INSTRUMENTS
from equipoise.simulation.reading import read_parameters, shown
from equipoise.simulation.simple import SimpleScenario, read_simple

CODES = {
    "S001": "The protocol has no assumptions to simulate from.",
    "S008": "There is no set of assumptions with this name.",
    "S009": "The program has no such simulation model.",
    "S010": "An assumption about a baseline variable cannot be read.",
    "S011": "Route of use is given neither as a proportion nor as counts by arm.",
    "S012": "The number of participants in an arm is not known.",
    "S013": "There is no series of visits with urine samples and a daily-use calendar.",
    "S014": "There is no prognostic baseline variable with two levels.",
    "S016": "An endpoint of the plan uses something that the model does not simulate, or simulates without an effect.",
    "S018": "The set of assumptions has another level than is needed.",
    "S017": "The model does not simulate a covariate of the plan.",
    "S030": "A randomization cannot be simulated as the protocol states it.",
}
DAY_LEVEL = "day-level"
# Variables of `baseline`, and what their settings are called among the parameters.
_BASELINE_PREFIX = {"age": "age", "use-days-30": "use-days", "weight": "weight"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """What the simulator runs: design and parameters, under the scenario's name."""

    name: str
    design: TrialDesign
    parameters: DayLevelParameters
    baseline: BaselineParameters
    accompanying: AccompanyingParameters

    @property
    def arm_sizes(self) -> dict[str, int]:
        """Planned number of participants by arm."""
        return self.design.arm_sizes


AnyScenario = Scenario | SimpleScenario | PartsScenario


class _Collector:
    """Problems, each with the line of the protocol file that it is about."""

    def __init__(self, protocol: Protocol) -> None:
        self.protocol = protocol
        self.problems: list[Problem] = []

    def add(self, code: str, place: str, found: str, expected: str = "", next_step: str = "") -> None:
        self.take(Problem(code, place, found, expected, next_step))

    def take(self, problem: Problem) -> None:
        lines = self.protocol.lines
        if lines is not None and problem.line is None:
            problem = problem.at(lines.file, lines.of(tuple(problem.place.split("."))))
        self.problems.append(problem)

    def finish(self) -> None:
        raise_if_any(SimulationError, self.problems)


def scenario_names(protocol: Protocol) -> tuple[str, ...]:
    """The sets of assumptions that the protocol names, in its order; the first is what is simulated by default."""
    return tuple(protocol.model.assumptions)


def read_scenario(protocol: Protocol, name: str | None = None) -> AnyScenario:
    """The scenario ``name`` of a protocol, by default its first.

    Raises :class:`~equipoise.foundation.errors.SimulationError` with everything that is in the way: S001 no
    assumptions, S008 no such set of them, S009 no model that this program has, S010 to S014 what the model cannot make
    of the protocol, and those of :func:`~equipoise.simulation.reading.read_parameters`.
    """
    collector = _Collector(protocol)
    names = scenario_names(protocol)
    chosen = name if name is not None else (names[0] if names else None)
    if chosen is None:
        collector.add(
            "S001",
            "assumptions",
            "The protocol has no assumptions, so there is nothing to simulate from.",
            "a named set of assumptions",
            "Give records of the trial (--records), or add one: docs/methods/day_level_model.md shows a whole set.",
        )
    elif chosen not in names:
        guess = nearest(chosen, names)
        hint = f"Did you mean {guess}?" if guess else ""
        collector.add(
            "S008", f"assumptions.{chosen}", f"There is no set of assumptions {chosen!r}.", listed(names), hint
        )
    collector.finish()
    assert chosen is not None
    settings = protocol.assumption_set(chosen)
    place = f"assumptions.{chosen}"
    if settings.simple:
        sizes = _arm_sizes(protocol, settings.n, place, collector)
        problems: list[Problem] = []
        simple = read_simple(protocol, chosen, settings, sizes, problems)
        for problem in problems:
            collector.take(problem)
        collector.finish()
        return simple
    if settings.parts:
        sizes = _arm_sizes(protocol, settings.n, place, collector)
        found: list[Problem] = []
        parts = read_parts(protocol, chosen, settings, sizes, found)
        for problem in found:
            collector.take(problem)
        collector.finish()
        assert parts is not None
        return solved(parts)
    if settings.model != DAY_LEVEL:
        step = f"Write simple:, parts:, or model: {DAY_LEVEL}."
        collector.add("S009", f"{place}.model", f"Found {shown(settings.model)}.", f"{DAY_LEVEL}, or a level", step)
        collector.finish()
    return _read_day_level(protocol, chosen, settings, place, collector)


def require_day_level(scenario: AnyScenario, what: str) -> Scenario:
    """The scenario, if it is of the day-level model; otherwise SimulationError S018 says what needs one."""
    if isinstance(scenario, Scenario):
        return scenario
    found = f"{what} needs a set with model: {DAY_LEVEL}, and {scenario.name} is of another level."
    raise SimulationError(Problem("S018", f"assumptions.{scenario.name}", found, f"model: {DAY_LEVEL}"))


def _arm_sizes(protocol: Protocol, n: Mapping[str, int], place: str, collector: _Collector) -> dict[str, int]:
    """Participants by arm, from the set or the protocol (S012 where neither says)."""
    out = {}
    for id, arm in protocol.model.arms.items():
        size = n.get(id, arm.n.usable)
        if size is None or size < 1:
            step = f"Give n: {{{id}: ...}} in the set of assumptions."
            found = f"How many are randomized to {id} is not known."
            collector.add("S012", f"{place}.n", found, "a number above 0", step)
            size = 1
        out[id] = int(size)
    return out


def _read_day_level(
    protocol: Protocol, chosen: str, settings: Assumptions, place: str, collector: _Collector
) -> Scenario:
    """A set of the day-level model."""
    design = _design(protocol, settings.n, place, collector)
    if design is None:
        collector.finish()
        raise AssertionError("a design is missing only with a problem")
    _refuse_not_drawn(protocol, design, collector)
    given = dict(settings.parameters)
    accompanying, problems = read_parameters(
        AccompanyingParameters, given.pop("accompanying", {}), f"{place}.parameters.accompanying", design.arm_ids
    )
    baseline_settings, route_settings = _baseline(settings.baseline, design, place, collector)
    for key in route_settings:
        if key in given:
            collector.add("S007", f"{place}.parameters.{key}", "Given here and by baseline.route.", "one of the two")
            del given[key]
    origins = {
        f"{place}.baseline.{name}": f"{place}.baseline.{where}" for name, (where, _) in baseline_settings.items()
    }
    flat = {name: value for name, (_, value) in baseline_settings.items()}
    baseline, more = read_parameters(BaselineParameters, flat, f"{place}.baseline", design.arm_ids)
    more = [replace(problem, place=origins.get(problem.place, problem.place)) for problem in more]
    parameters, last = read_parameters(
        DayLevelParameters, given | route_settings, f"{place}.parameters", design.arm_ids, arm_sizes=design.arm_sizes
    )
    for problem in (*problems, *more, *last):
        collector.take(problem)
    collector.finish()
    return Scenario(name=chosen, design=design, parameters=parameters, baseline=baseline, accompanying=accompanying)


def _refuse_not_drawn(protocol: Protocol, design: TrialDesign, collector: _Collector) -> None:
    """Refuse what an analysis reads and the day-level model does not draw: amounts, baseline variables."""
    model = protocol.model
    parts = "Write a set of assumptions with `parts:` (docs/methods/parts.md), or leave it out of the plan."
    told: set[tuple[str, ...]] = set()
    for id, line in model.analyses.items():
        estimand = model.estimands.get(line.estimand)
        endpoint = model.endpoints.get(estimand.endpoint) if estimand is not None else None
        if endpoint is None or estimand is None:
            continue
        place = f"endpoints.{estimand.endpoint}"
        used = model.use.get(getattr(endpoint, "use", None) or "")
        if used is not None and used.amount is not None and ("S016", place) not in told:
            told.add(("S016", place))
            found = (
                f"The endpoint {estimand.endpoint} counts {used.amount.unit} in a day, and the day-level model draws "
                "no amount: whether a day counts would not be known."
            )
            collector.add("S016", f"{place}.use", found, "a definition of use without an amount", parts)
        unseen = [*endpoint.event_terms, *([endpoint.assessment] if endpoint.kind == "finding" else [])]
        if unseen and ("S016", place) not in told:
            told.add(("S016", place))
            found = f"The endpoint {estimand.endpoint} reads {listed(unseen, conjunction='and')}."
            collector.add("S016", place, found, "what the day-level model draws: use, scores, visits", parts)
        for name in line.baseline_read:
            drawn = name in (design.route_variable, *BASELINE_DRAWN) or (name == SITE and bool(design.sites))
            if not drawn and name in (*model.baseline, SITE) and ("S017", name) not in told:
                told.add(("S017", name))
                found = f"The day-level model draws no {name}, which {id} reads."
                known = listed([design.route_variable, *BASELINE_DRAWN, *([SITE] if design.sites else [])])
                collector.add("S017", f"analyses.{id}.covariates", found, known, parts)


def _baseline(
    settings: Mapping[str, Any], design: TrialDesign, place: str, collector: _Collector
) -> tuple[dict[str, tuple[str, Any]], dict[str, Any]]:
    """Settings of the baseline variables, by the name of the parameter: where they stand, and what; and the route's."""
    flat: dict[str, tuple[str, Any]] = {}
    route: dict[str, Any] = {}
    for variable, value in settings.items():
        if variable == design.route_variable:
            route = _route(value, design, f"{place}.baseline.{variable}", collector)
        elif variable == "sex" and isinstance(value, Mapping) and set(value) == {"female"}:
            flat["female-share"] = ("sex.female", value["female"])
        elif variable in _BASELINE_PREFIX and isinstance(value, Mapping):
            for key, entry in value.items():
                flat[f"{_BASELINE_PREFIX[variable]}-{key}"] = (f"{variable}.{key}", entry)
        else:
            expected = (
                f"{design.route_variable}, sex: {{female: share}}, or one of {listed(_BASELINE_PREFIX)} with settings"
            )
            collector.add("S010", f"{place}.baseline.{variable}", f"Found {shown(value)}.", expected)
    return flat, route


_COUNT = re.compile(r"^\s*(\d+)\s+of\s+(\d+)\s*$")


def _route(value: Any, design: TrialDesign, place: str, collector: _Collector) -> dict[str, Any]:
    """``{poor level: share}``, drawn; or by arm ``21 of 28``, fixed: effects are then centred at the whole share."""
    if isinstance(value, Mapping) and set(value) == {design.poor_route}:
        return {"poor-route-share": value[design.poor_route]}
    counts: dict[str, int] = {}
    for arm, entry in value.items() if isinstance(value, Mapping) else ():
        match = _COUNT.match(str(entry))
        if match and int(match[2]) == design.arm_sizes.get(arm) and int(match[1]) <= int(match[2]):
            counts[arm] = int(match[1])
    total = sum(counts.values())
    if set(counts) == set(design.arm_ids) and 0 < total < design.n_participants:
        return {"poor-route-share": total / design.n_participants, "poor-route-counts": counts}
    arms = ", ".join(f"{arm}: 1 of {n}" for arm, n in design.arm_sizes.items())
    collector.add(
        "S011",
        place,
        f"Found {shown(value)}.",
        f"{{{design.poor_route}: share}}, or counts such as {{{arms}}}",
        "Counts are of the arms as simulated (see n), and neither nobody nor everybody.",
    )
    # A stand-in, so that the other parameters are still looked at.
    return {"poor-route-share": 0.5}


def _design(protocol: Protocol, n: Mapping[str, int], place: str, collector: _Collector) -> TrialDesign | None:
    """The protocol as the day-level model sees it: one randomized stage, a clinic series with urine and calendar."""
    model = protocol.model
    arms = []
    for id, size in _arm_sizes(protocol, n, place, collector).items():
        ratio = model.randomization.ratio.get(id, 1) if model.randomization is not None else 1
        arms.append(PlannedArm(id=id, n=size, ratio=ratio, infusions=planned_doses_of(protocol, id)))
    clinic = _clinic_series(protocol)
    route = next(
        (id for id, v in model.baseline.items() if v.type == "category" and v.prognostic and len(v.levels) == 2), None
    )
    if clinic is None:
        collector.add(
            "S013",
            "schedule",
            "No series of visits has both a urine and a daily-use calendar.",
            "at least two such visits, one series",
            "The day-level model lives on these visits.",
        )
    if route is None:
        collector.add(
            "S014",
            "baseline",
            "No prognostic category of two levels.",
            "a baseline variable with prognostic: true and two levels, the one with the better outlook first",
            "The day-level model needs one: the flagship's is the route of use.",
        )
    if collector.problems or clinic is None or route is None:
        return None
    visits = [_visit(protocol, visit) for visit in protocol.planned_visits]
    series = {visit.name for visit in protocol.series(clinic)}
    in_series = tuple(visit for visit in visits if visit.name in series)
    before = tuple(visit for visit in visits if visit.target_day < in_series[0].target_day)
    call = next(
        (v for v in visits if v.target_day > in_series[-1].target_day and "telephone-report" in v.assesses), None
    )
    first_day, last_day = _outpatient_days(protocol, in_series)
    abstinence = next((e for e in model.endpoints.values() if e.kind == "abstinence" and e.at == clinic), None)
    urine = next(a for a in model.assessments.values() if a.type == "urine")
    levels = model.baseline[route].levels
    return TrialDesign(
        arms=tuple(arms),
        substance=urine.substances[0],
        first_day=first_day,
        last_day=last_day,
        abstinence_days=(abstinence.days.first, abstinence.days.last) if abstinence else (last_day - 13, last_day),
        clinic_visits=in_series,
        inpatient_visits=before,
        six_month_call=call,
        randomization_day=model.calendar.randomization_day or 1,
        therapies=planned_therapies(protocol),
        route_variable=route,
        poor_route=levels[1],
        other_route=levels[0],
        allocation=_allocation(protocol, arms, route, collector),
        sites=tuple(model.sites),
        instruments=instruments_of(protocol),
    )


def without_effect(protocol: Protocol) -> dict[str, str]:
    """Instruments that the day-level model draws alike in every arm, by the endpoint of the plan that reads them."""
    out = {}
    for line in protocol.model.analyses.values():
        estimand = protocol.model.estimands[line.estimand]
        endpoint = protocol.model.endpoints[estimand.endpoint]
        if endpoint.kind in ("score", "report"):
            found = find_instrument_of(protocol, endpoint.assessment)
            if found is not None and found.id not in SIMULATED_INSTRUMENTS:
                out[estimand.endpoint] = found.id
    return out


def _allocation(
    protocol: Protocol, arms: list[PlannedArm], route: str, collector: _Collector
) -> PlannedAllocation | None:
    """The protocol's scheme with recommended parameters; absent for blocks without strata, and where none is named."""
    stated = protocol.model.randomization
    name = stated.scheme.usable if stated is not None else None
    if stated is None or name is None:
        return None
    wanted = stated.strata.usable or ()
    factors = tuple(f for f in wanted if f == route or (f == SITE and protocol.model.sites))
    if name == "permuted-blocks" and not factors:
        return None
    ratio, sizes = [arm.ratio for arm in arms], [arm.n for arm in arms]
    n, unit, place = sum(sizes), sum(reduced(ratio)), "randomization.scheme"
    parameters = default_parameters(name, ratio, factors, n)
    if name == "permuted-blocks":
        parameters = {"block-sizes": [2 * unit]}
    scheme, problems = make_scheme(name, ratio, parameters, factors, place)
    for problem in problems:
        collector.add("S030", place, problem.found, problem.expected, problem.next_step)
    share = [n * part / sum(ratio) for part in ratio]
    if any(abs(size - due) >= unit for size, due in zip(sizes, share, strict=True)):
        said = ", ".join(f"{arm.id} {arm.n}" for arm in arms)
        collector.add(
            "S030",
            place,
            f"{name} lets the numbers fall by the ratio, and the arms are to have {said}.",
            "numbers in the ratio",
            "Correct the ratio, or n.",
        )
    if scheme is None:
        return None
    left_out = tuple(factor for factor in wanted if factor not in factors)
    return PlannedAllocation(scheme=scheme, factors=factors, sites=protocol.model.sites, left_out=left_out)


def _outpatient_days(protocol: Protocol, visits: tuple[SimulatedVisit, ...]) -> tuple[int, int]:
    """The epoch that holds the clinic visits; days of use are simulated over it."""
    for epoch in protocol.model.calendar.epochs.values():
        if epoch.days.first <= visits[0].target_day and visits[-1].target_day <= epoch.days.last:
            return max(1, epoch.days.first), epoch.days.last
    return max(1, visits[0].target_day), visits[-1].target_day


def _clinic_series(protocol: Protocol) -> str | None:
    kinds = {id: assessment.type for id, assessment in protocol.model.assessments.items()}
    for series, visit in protocol.model.schedule.items():
        found = {kinds.get(id) for id in visit.assess}
        if visit.is_series and len(visit.target_days) > 1 and {"urine", "daily-use"} <= found:
            return series
    return None


def _visit(protocol: Protocol, visit: ProtocolVisit) -> SimulatedVisit:
    assesses = []
    for id in visit.assess:
        assessment = protocol.model.assessments[id]
        assesses.append(assessment.instrument if assessment.type == "instrument" else assessment.type)
    return SimulatedVisit(
        name=visit.name,
        target_day=visit.target_day,
        assesses=tuple(name for name in assesses if name is not None),
        days_before=days_between(visit.first_day, visit.target_day),
        days_after=days_between(visit.target_day, visit.last_day),
    )
