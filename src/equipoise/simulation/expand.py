"""A set of assumptions with every default written out: what it takes for granted, as the protocol file would say it."""

from __future__ import annotations

from typing import Any

from equipoise.foundation.errors import Problem, SimulationError
from equipoise.protocol import Protocol
from equipoise.simulation.parts.people import shares_of_levels
from equipoise.simulation.parts.scenario import PartsScenario
from equipoise.simulation.reading import as_mapping, plain
from equipoise.simulation.scenario import AnyScenario, Scenario

CODES = {"S044": "A set of simple assumptions has no parts to write out."}


def expanded(protocol: Protocol, scenario: AnyScenario, settings: dict[str, Any]) -> dict[str, Any]:
    """The whole set, defaults written out, as ``assumptions`` of a protocol file would hold it.

    ``settings`` is the set as it is written, with what it extends; ``scenario`` what was read from it. Read again, it
    is the same world: every record simulated from it is the same. Raises S044 for a simple set.
    """
    if isinstance(scenario, PartsScenario):
        return _of_parts(protocol, scenario, settings)
    if isinstance(scenario, Scenario):
        return _of_day_level(protocol, scenario, settings)
    found = "It states what comes out of the trial, endpoint by endpoint; nobody in it does anything."
    step = "Name a set with `parts:` or `model: day-level`, or write one: docs/methods/parts.md."
    raise SimulationError(Problem("S044", f"assumptions.{scenario.name}", found, "a set with parts", step))


def _of_parts(protocol: Protocol, scenario: PartsScenario, settings: dict[str, Any]) -> dict[str, Any]:
    parts = _copied(settings["parts"])
    inside = f"assumptions.{scenario.name}.parts."
    for place, value in scenario.parts.taken.items():
        *path, key = place.removeprefix(inside).split(".")
        at = parts
        for name in path:
            if not isinstance(at.get(name), dict):
                # Nothing, or one number in the place of several (an amount by its mean alone).
                at[name] = {} if at.get(name) is None else {"mean": at[name]}
            at = at[name]
        at[key] = value
    return {
        "n": dict(scenario.arm_sizes),
        "baseline": _baseline(protocol, scenario, settings),
        **({"parameters": settings["parameters"]} if settings.get("parameters") else {}),
        "parts": parts,
    }


def _baseline(protocol: Protocol, scenario: PartsScenario, settings: dict[str, Any]) -> dict[str, Any]:
    """Distributions of baseline: shares of every level; numbers as they are stated, without which none is drawn."""
    out: dict[str, Any] = _copied(settings.get("baseline", {}))
    for id, variable in protocol.model.baseline.items():
        if variable.type != "number" and not variable.is_score:
            levels = list(variable.levels) or ["no", "yes"]
            out[id] = dict(zip(levels, shares_of_levels(scenario, id, levels), strict=True))
    return out


def _of_day_level(protocol: Protocol, scenario: Scenario, settings: dict[str, Any]) -> dict[str, Any]:
    parameters = as_mapping(scenario.parameters)
    people = as_mapping(scenario.baseline)
    baseline: dict[str, Any] = {"sex": {"female": people["female-share"]}}
    for variable, prefix in (("age", "age-"), ("use-days-30", "use-days-"), ("weight", "weight-")):
        baseline[variable] = {k.removeprefix(prefix): v for k, v in people.items() if k.startswith(prefix)}
    counts = parameters.pop("poor-route-counts", None)
    if counts is not None:
        parameters.pop("poor-route-share")
        route, sizes = scenario.design.route_variable, scenario.arm_sizes
        baseline[route] = {arm: f"{counts[arm]} of {sizes[arm]}" for arm in sizes}
    return {
        "model": settings["model"],
        "n": dict(scenario.arm_sizes),
        "baseline": {id: values for id, values in baseline.items() if id in protocol.model.baseline},
        "parameters": {**parameters, "accompanying": as_mapping(scenario.accompanying)},
    }


def _copied(value: Any) -> Any:
    """A copy in plain values that may be changed."""
    return {str(k): _copied(v) for k, v in value.items()} if isinstance(value, dict) else plain(value)
