"""Levels that a set of parts leaves to be found: use from its days in 28, attendance from the share lost."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from equipoise.simulation.parts.course import run_course
from equipoise.simulation.parts.parameters import Attendance
from equipoise.simulation.parts.scenario import PartsScenario


def solved(scenario: PartsScenario) -> PartsScenario:
    """The scenario with its levels found: use from days in 28, attendance from the share lost by the last visit.

    Levels are those of the arms together with no effect of any; loss is found over a pilot of simulated participants
    with fixed random numbers, so that one set always gives the same level.
    """
    parts = scenario.parts
    use = dict(parts.use)
    for substance, days in parts.days_in_28.items():
        part = use[substance]
        use[substance] = replace(part, level=_level_of_use(days / 28.0, part.person_sd, part.memory))
    scenario = replace(scenario, parts=replace(parts, use=use))
    if parts.lost is None:
        return scenario
    return replace(scenario, parts=replace(scenario.parts, attendance=_attendance_losing(scenario, parts.lost)))


def _level_of_use(wanted: float, person_sd: float, memory: float) -> float:
    """Log-odds at which the share of days with use in the long run is ``wanted`` on average over participants."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(41)
    weights = weights / weights.sum()
    low, high = -30.0, 30.0
    for _ in range(80):
        middle = (low + high) / 2
        start = 1 / (1 + np.exp(-(middle + person_sd * nodes)))
        on = 1 / (1 + np.exp(-(middle + memory + person_sd * nodes)))
        found = float(weights @ (start / (1 - on + start)))
        low, high = (middle, high) if found < wanted else (low, middle)
    return (low + high) / 2


_PILOT = 2000  # participants


def _attendance_losing(scenario: PartsScenario, lost: float) -> Attendance:
    """Attendance whose level loses this share of everybody by the last visit."""
    attendance = scenario.parts.attendance
    n_visits = sum(visit.target_day > scenario.randomization_day for visit in scenario.visits)
    if lost <= 0.0 or n_visits == 0:
        return replace(attendance, level=-20.0)
    replicates = range(max(1, _PILOT // scenario.n_participants))
    hazard = 1 - (1 - lost) ** (1 / n_visits)
    start = math.log(hazard / (1 - hazard))
    low, high = start - 6.0, start + 4.0
    for _ in range(14):
        middle = (low + high) / 2
        tried = replace(scenario, parts=replace(scenario.parts, attendance=replace(attendance, level=middle)))
        found = float(run_course(tried, seed=1, replicates=replicates).is_gone.mean())
        if abs(found - lost) < 2e-3:
            break
        low, high = (middle, high) if found < lost else (low, middle)
    return replace(attendance, level=middle)
