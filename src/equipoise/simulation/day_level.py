"""The day-level model: daily use, visits, urine, calendar, craving and the six-month call of fictional participants.

Equations, parameters and limits: ``docs/methods/day_level_model.md``. All replicates are simulated at once into arrays;
:mod:`equipoise.simulation.tables` makes Records of a replicate that somebody wants to look at.

Every random number has an address (seed, replicate; participant, study day, purpose), so a replicate can be run again
alone, participant 7 of two scenarios shares its luck, and neither threads nor chunks change anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.foundation.calendar import day_index
from equipoise.foundation.seeds import require_seed
from equipoise.simulation.allocate import allocate, allocate_by_scheme
from equipoise.simulation.design import TrialDesign
from equipoise.simulation.parameters import DayLevelParameters
from equipoise.simulation.purposes import Purpose

CRAVING_RECALL_DAYS = 4
NOT_OBTAINED = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class SimulatedTrials:
    """Many trials as arrays; R replicates, P participants, T outpatient days, V clinic visits.

    Lattices hold the letters of the field as bytes: ``+`` positive, ``-`` negative, ``o`` due but not given.
    """

    design: TrialDesign
    parameters: DayLevelParameters
    seed: int
    replicates: NDArray[np.int64]  # (R,): numbers of the replicates
    arm: NDArray[np.int8]  # (R, P): index into design.arms
    poor_route: NDArray[np.bool_]  # (R, P)
    propensity: NDArray[np.float64]  # (R, P): z
    responder: NDArray[np.bool_]  # (R, P): K
    true_use: NDArray[np.uint8]  # (R, P, T): 0 or 1; nobody in the trial knows it
    calendar: NDArray[np.uint8]  # (R, P, T): letters; "o" where never asked
    urine: NDArray[np.uint8]  # (R, P, V): letters
    attended: NDArray[np.bool_]  # (R, P, V)
    gone_from: NDArray[np.int8]  # (R, P): first visit after dropping out; V if never
    craving: NDArray[np.int16]  # (R, P, V): the mark on the line; -1 where not attended
    abstinent: NDArray[np.bool_]  # (R, P): at the end of the study, as the published endpoint reads the data
    reached: NDArray[np.bool_]  # (R, P): at six months
    says_abstinent: NDArray[np.bool_]  # (R, P): at six months; False where not reached

    @property
    def n_replicates(self) -> int:
        """Number of trials."""
        return len(self.replicates)

    @property
    def visit_at(self) -> NDArray[np.int64]:
        """Index of each clinic visit's day among the outpatient days."""
        return np.asarray(self.design.visit_days, dtype=np.int64) - self.design.first_day

    def position(self, replicate: int) -> int:
        """Where this replicate lies along the first axis; ``KeyError`` if it was not simulated."""
        found = np.flatnonzero(self.replicates == replicate)
        if not len(found):
            raise KeyError(f"replicate {replicate} was not simulated")
        return int(found[0])


def _arm_and_route(
    design: TrialDesign, parameters: DayLevelParameters, seed: int, replicates: NDArray[np.int64]
) -> tuple[NDArray[np.int8], NDArray[np.bool_]]:
    """Arm and route of use: the route drawn, or exactly as many in each arm as the scenario says.

    Where a scheme lets the arms' numbers fall as they may, counts by arm cannot be met: their share is drawn.
    """
    from equipoise.simulation.streams import uniform_grid

    draws = uniform_grid(seed, replicates, design.n_participants, np.zeros(1), Purpose.ROUTE)[:, :, 0]
    if design.allocation is not None:
        poor = draws < parameters.poor_route_share
        return allocate_by_scheme(seed, replicates, design.n_participants, design.allocation, poor), poor
    arm = allocate(seed, replicates, [a.n for a in design.arms], [a.ratio for a in design.arms])
    if parameters.poor_route_counts is None:
        return arm, draws < parameters.poor_route_share
    poor = np.zeros(arm.shape, dtype=np.bool_)
    for number, arm_id in enumerate(design.arm_ids):
        order = np.argsort(np.where(arm == number, draws, 2.0), axis=1)
        np.put_along_axis(poor, order[:, : parameters.poor_route_counts[arm_id]], True, axis=1)
    return arm, poor


def _by_arm(design: TrialDesign, values: object) -> NDArray[np.float64]:
    return np.array([values[arm] for arm in design.arm_ids], dtype=np.float64)  # type: ignore[index]


def _expit(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return 1.0 / (1.0 + np.exp(-x))


def _log_odds_of_use(
    p: DayLevelParameters,
    poor: NDArray[np.bool_],
    propensity: NDArray[np.float64],
    responder: NDArray[np.bool_],
    n_days: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Equation (U), what does not hang on the day before: (R, P) of each person, (T,) of the first days, (T,) regained.

    What is regained is what a responder's effect has lost by each day; noughts where it does not fade.
    """
    person = (
        p.use_log_odds
        + p.use_poor_route * (poor - p.poor_route_share)
        + p.use_person_sd * propensity
        - p.responder_effect * responder
    )
    first_days = p.use_first_days * np.exp(-np.arange(n_days) / p.first_days_decay)
    regained = np.zeros(n_days)
    if p.responder_fading is not None:
        regained = p.responder_effect * -np.expm1(-np.arange(n_days) / p.responder_fading)
    return person, first_days, regained


def simulate_day_level(
    design: TrialDesign,
    parameters: DayLevelParameters,
    *,
    seed: int,
    replicates: int | Sequence[int] = 1,
    threads: int | None = None,
) -> SimulatedTrials:
    """Simulate trials; ``replicates`` is how many (numbered from 0) or which.

    ``threads`` defaults to the cores at hand; the result does not depend on it. A mapping by arm without one of the
    design's arms raises ``KeyError`` (:func:`~equipoise.simulation.parameters.parameters_from_mapping` reports it).
    """
    from equipoise.simulation._course import (
        Assessed,
        CourseFilled,
        DaysOfUse,
        SimulatedPeople,
        VisitsKept,
        run_course,
    )
    from equipoise.simulation.streams import normal_grid, uniform_grid
    from equipoise.stats.packing import run_over_trials

    require_seed(seed)
    numbers = np.arange(replicates) if isinstance(replicates, int) else np.asarray(replicates, dtype=np.int64)
    n_replicates, n, n_days, n_visits = len(numbers), design.n_participants, design.n_days, len(design.clinic_visits)
    shape = (n_replicates, n)
    p = parameters
    once = np.zeros(1)

    arm, poor = _arm_and_route(design, p, seed, numbers)
    propensity = normal_grid(seed, numbers, n, once, Purpose.PROPENSITY)[:, :, 0]
    responder = (
        uniform_grid(seed, numbers, n, once, Purpose.RESPONDER)[:, :, 0] < _by_arm(design, p.responder_share)[arm]
    )
    person, first_days, regained = _log_odds_of_use(p, poor, propensity, responder, n_days)
    filled = CourseFilled(
        true_use=np.zeros((*shape, n_days), dtype=np.uint8),
        calendar=np.zeros((*shape, n_days), dtype=np.uint8),
        urine=np.zeros((*shape, n_visits), dtype=np.uint8),
        attended=np.zeros((*shape, n_visits), dtype=np.bool_),
        gone_from=np.zeros(shape, dtype=np.int8),
    )
    people = SimulatedPeople(np.uint64(seed), numbers.astype(np.uint64), arm, person, responder)
    days = DaysOfUse(np.uint64(day_index(design.first_day)), first_days, regained, float(p.use_yesterday))
    visits = VisitsKept(
        visit_at=np.asarray(design.visit_days, dtype=np.int64) - design.first_day,
        dropout_log_odds=float(p.dropout_log_odds),
        dropout_use=float(p.dropout_use),
        dropout_arm=_by_arm(design, p.dropout_arm),
        dropout_early=float(p.dropout_early),
        n_early_visits=int(p.n_early_visits),
        missed_without_use=float(p.missed_without_use),
        missed_with_use=float(p.missed_with_use),
    )
    sensitivity = np.asarray(p.urine_sensitivity, dtype=np.float64)
    assessed = Assessed(sensitivity, float(p.urine_specificity), float(p.under_reporting))
    run_over_trials(
        lambda first, stop: run_course(people, days, visits, assessed, filled, first, stop),
        n_replicates,
        threads=threads,
    )
    true_use, calendar, urine, attended, gone_from = filled
    drawn = _Drawn(seed, numbers, arm, poor, propensity)
    craving = _craving(design, p, drawn, true_use, attended)
    abstinent = _abstinent(design, calendar, urine, gone_from)
    reached, says = _six_months(design, p, seed, numbers, arm, abstinent)
    return SimulatedTrials(
        design=design,
        parameters=p,
        seed=seed,
        replicates=np.asarray(numbers, dtype=np.int64),
        arm=arm,
        poor_route=poor,
        propensity=propensity,
        responder=responder,
        true_use=true_use,
        calendar=calendar,
        urine=urine,
        attended=attended,
        gone_from=gone_from,
        craving=craving,
        abstinent=abstinent,
        reached=reached,
        says_abstinent=says,
    )


def _six_months(
    design: TrialDesign,
    p: DayLevelParameters,
    seed: int,
    numbers: NDArray[np.int64],
    arm: NDArray[np.int8],
    abstinent: NDArray[np.bool_],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Equation (S): who is reached at six months, and who of them says that they are abstinent."""
    from equipoise.simulation.streams import uniform_grid

    n, once = design.n_participants, np.zeros(1)
    reached = uniform_grid(seed, numbers, n, once, Purpose.SIX_MONTHS_REACHED)[:, :, 0] < p.six_months_reached
    chance = _expit(p.six_months_log_odds + _by_arm(design, p.six_months_arm)[arm] + p.six_months_abstinent * abstinent)
    says = reached & (uniform_grid(seed, numbers, n, once, Purpose.SIX_MONTHS_ABSTINENT)[:, :, 0] < chance)
    return reached, says


@dataclass(frozen=True)
class _Drawn:
    """Who was drawn, by replicate and participant, and the key of their random numbers."""

    seed: int
    numbers: NDArray[np.int64]  # (n_replicates,)
    arm: NDArray[np.int8]
    poor: NDArray[np.bool_]
    propensity: NDArray[np.float64]


def _craving(
    design: TrialDesign,
    p: DayLevelParameters,
    people: _Drawn,
    true_use: NDArray[np.uint8],
    attended: NDArray[np.bool_],
) -> NDArray[np.int16]:
    """Equation (C): a mark on the line, in whole numbers, nought to its end."""
    from equipoise.simulation.streams import normal_grid

    n, seed, numbers = people.arm.shape[1], people.seed, people.numbers
    person = (
        p.craving_log_level
        + _by_arm(design, p.craving_arm)[people.arm]
        + p.craving_poor_route * (people.poor - p.poor_route_share)
        + p.craving_propensity * people.propensity
        + p.craving_person_sd * normal_grid(seed, numbers, n, np.zeros(1), Purpose.CRAVING_PERSON)[:, :, 0]
    )
    days = np.array([day_index(day) for day in design.visit_days])
    noise = normal_grid(seed, numbers, n, days, Purpose.CRAVING_VISIT)
    out = np.full(attended.shape, NOT_OBTAINED, dtype=np.int16)
    for v, day in enumerate(design.visit_days):
        t = day - design.first_day
        recent = true_use[:, :, max(0, t - CRAVING_RECALL_DAYS + 1) : t + 1].sum(axis=2) / CRAVING_RECALL_DAYS
        log_craving = person + p.craving_use * recent + p.craving_visit_sd * noise[:, :, v]
        mark = np.rint(np.exp(np.minimum(log_craving, np.log(p.craving_highest))))
        out[:, :, v] = np.where(attended[:, :, v], mark, NOT_OBTAINED)
    return out


def _abstinent(
    design: TrialDesign, calendar: NDArray[np.uint8], urine: NDArray[np.uint8], gone_from: NDArray[np.int8]
) -> NDArray[np.bool_]:
    """Nobody's dropout, no reported day and no positive urine over the days of the endpoint."""
    first, last = (day - design.first_day for day in design.abstinence_days)
    visits = [
        v for v, day in enumerate(design.visit_days) if design.abstinence_days[0] <= day <= design.abstinence_days[1]
    ]
    reported = (calendar[:, :, max(0, first) : last + 1] == ord("+")).any(axis=2)
    positive = (urine[:, :, visits] == ord("+")).any(axis=2)
    return np.asarray(~reported & ~positive & (gone_from == len(design.visit_days)))
