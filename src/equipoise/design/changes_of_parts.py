"""Named changes of a set of parts: the same words as of the day-level model, made of what the set's parts say."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from equipoise.foundation.errors import DesignError, Problem
from equipoise.simulation.parts.scenario import PartsScenario
from equipoise.simulation.reading import plain
from equipoise.simulation.scenario import AnyScenario

Settings = dict[str, Any]
FADES = "14 days"
_PILOT = 2000
# Parts whose effects may fade; those on a hazard hold from the start.
_FADING = ("use", "score", "report")


def _refuse(name: str, found: str, expected: str) -> DesignError:
    return DesignError(Problem("D016", name, found, expected))


def _parts(settings: Mapping[str, Any]) -> dict[str, Any]:
    return dict(plain(settings["parts"]))


def effect_fades(settings: Mapping[str, Any], name: str = "effect-fades") -> Settings:
    """Every effect that lasts fades to 1/e in two weeks after the last dose, or after randomization."""
    parts, found = _parts(settings), False
    for kind in _FADING:
        for id, part in dict(parts.get(kind, {})).items():
            if isinstance(part, Mapping) and "effect" in part:
                parts[kind] = {**parts[kind], id: {**part, "fades": part.get("fades", FADES)}}
                found = found or "fades" not in part
    if not found:
        raise _refuse(name, "No part of the set has an effect that lasts and could fade.", "an effect on use or scores")
    return {**settings, "parts": parts}


def share_lost(scenario: AnyScenario) -> float:
    """Share of participants gone by the last visit, over some two thousand."""
    from equipoise.simulation.parts.course import run_course

    assert isinstance(scenario, PartsScenario)
    numbers = range(max(1, _PILOT // scenario.n_participants))
    return float(run_course(scenario, seed=1, replicates=numbers).is_gone.mean())


def _is_count(part: Any) -> bool:
    return isinstance(part, Mapping) and bool(part.get("binomial"))


def dropout_depends(settings: Mapping[str, Any], lost: float, *, strongly: bool) -> Settings:
    """Dropout that goes with use (else with the first score), or with nothing; as many are lost as before."""
    parts = _parts(settings)
    attendance = {k: v for k, v in dict(parts.get("attendance", {})).items() if k not in ("level", "lost")}
    attendance |= {"after-use": 0.0, "current-result": 0.0}
    if strongly and parts.get("use"):
        attendance["after-use"] = 2.5
    elif strongly and parts.get("score") and not any(_is_count(part) for part in parts["score"].values()):
        attendance["current-result"] = 1.0
    elif strongly:
        found = "The set draws no use, and no score with a standard deviation, to depend on."
        raise _refuse("dropout-informative", found, "use or a score")
    else:
        attendance["severity"] = 0.0
    parameters = {**plain(settings["parameters"]), "lost": lost}
    return {**settings, "parts": {**parts, "attendance": attendance}, "parameters": parameters}


def dropout_equal(settings: Mapping[str, Any]) -> Settings:
    """Dropout that does not differ by arm other than through what is used and felt."""
    parts = _parts(settings)
    attendance = {k: v for k, v in dict(parts.get("attendance", {})).items() if k != "effect"}
    return {**settings, "parts": {**parts, "attendance": attendance}}


def under_reporting(settings: Mapping[str, Any], share: float, name: str) -> Settings:
    """This share of days of use is not told in the calendar."""
    parts = _parts(settings)
    if not parts.get("use"):
        raise _refuse(name, "The set draws no use that could be told or not.", "a part of use")
    parts["use"] = {id: {**part, "under-reporting": share} for id, part in parts["use"].items()}
    return {**settings, "parts": parts}
