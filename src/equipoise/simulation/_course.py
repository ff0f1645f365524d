"""The course of each participant, day by day: the compiled part of :mod:`equipoise.simulation.day_level`."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from equipoise.simulation.purposes import Purpose
from equipoise.simulation.streams import uniform
from equipoise.stats.kernels.compile import (
    Bytes,
    FlagCube,
    FlagMatrix,
    Integers,
    Keys,
    Letters,
    Matrix,
    Vector,
    kernel,
)

# Letters of the field, as bytes: positive, negative, due but not given.
POSITIVE, NEGATIVE, MISSED = ord("+"), ord("-"), ord("o")

_USE = np.uint64(int(Purpose.USE) << 16)
_REPORT = np.uint64(int(Purpose.REPORT) << 16)
_DROPOUT = np.uint64(int(Purpose.DROPOUT) << 16)
_MISSED_VISIT = np.uint64(int(Purpose.MISSED_VISIT) << 16)
_URINE = np.uint64(int(Purpose.URINE) << 16)
_ONCE = np.uint64(0)  # of what stands once in a trial, the instance


class SimulatedPeople(NamedTuple):
    """Who is simulated, and where their random numbers are."""

    seed: np.uint64
    replicates: Keys  # (n_replicates,)
    arm: Letters  # (n_replicates, n_participants)
    person_log_odds: Matrix  # (n_replicates, n_participants): alpha + bR (R - pR) + sb z - delta K
    responder: FlagMatrix  # (n_replicates, n_participants): K


class DaysOfUse(NamedTuple):
    """Equation U: what the days add to the log odds of use."""

    day_address: np.uint64  # of the first outpatient day
    day_log_odds: Vector  # (n_days,): hot exp(-(t - 1) / decay)
    regained: Vector
    """(n_days,): delta (1 - exp(-(t - 1) / fade)), what a responder has lost of the effect; 0 if it lasts."""
    use_yesterday: float  # gam


class VisitsKept(NamedTuple):
    """Equations D and M: who leaves, and who stays away."""

    visit_at: Integers  # (n_visits,): index of the visit's day
    dropout_log_odds: float  # d0
    dropout_use: float  # dU
    dropout_arm: Vector  # (n_arms,): dA
    dropout_early: float  # dE
    n_early_visits: int
    missed_without_use: float
    missed_with_use: float


class Assessed(NamedTuple):
    """Equations T and R: what urine shows and people report."""

    sensitivity: Vector  # (n_back,), by days since use
    specificity: float
    under_reporting: float


class CourseFilled(NamedTuple):
    """Outputs, by replicate and participant."""

    true_use: Bytes  # (n_replicates, n_participants, n_days): 0 or 1
    calendar: Bytes  # same shape: letters
    urine: Bytes  # (n_replicates, n_participants, n_visits): letters
    attended: FlagCube  # same shape
    gone_from: Letters  # (n_replicates, n_participants): first visit after dropping out; n_visits if never


@kernel(
    "void(SimulatedPeople, DaysOfUse, VisitsKept, Assessed, CourseFilled, int64, int64)",
    SimulatedPeople,
    DaysOfUse,
    VisitsKept,
    Assessed,
    CourseFilled,
)
def run_course(people, days, visits, assessed, filled, first, stop):  # type: ignore[no-untyped-def]
    """Fill the outputs for replicates ``first`` to ``stop - 1``; equations U, D, M, T and R of the methods page."""
    seed, replicates, arm, person_log_odds, responder = people
    day_address, day_log_odds, regained, use_yesterday = days
    visit_at, dropout_log_odds, dropout_use, dropout_arm, dropout_early = (
        visits.visit_at,
        visits.dropout_log_odds,
        visits.dropout_use,
        visits.dropout_arm,
        visits.dropout_early,
    )
    n_early_visits, missed_without_use = visits.n_early_visits, visits.missed_without_use
    missed_with_use = visits.missed_with_use
    sensitivity, specificity, under_reporting = assessed
    true_use, calendar, urine, attended, gone_from = filled
    n_participants, n_days, n_visits = true_use.shape[1], true_use.shape[2], urine.shape[2]
    one, zero = np.uint8(1), np.uint8(0)
    positive, negative, missed_letter = np.uint8(POSITIVE), np.uint8(NEGATIVE), np.uint8(MISSED)
    for r in range(first, stop):
        replicate = replicates[r]
        for i in range(n_participants):
            participant = np.uint64(i)
            base = person_log_odds[r, i]
            responds = responder[r, i]
            yesterday = False
            used_since_planned = False
            is_gone = False
            v = 0
            asked_from = 0
            gone_from[r, i] = n_visits
            for t in range(n_days):
                day = day_address + np.uint64(t)
                eta = base + day_log_odds[t]
                if responds:
                    eta += regained[t]
                if yesterday:
                    eta += use_yesterday
                used = uniform(seed, replicate, participant, day, _USE, _ONCE) < 1.0 / (1.0 + math.exp(-eta))
                true_use[r, i, t] = one if used else zero
                calendar[r, i, t] = missed_letter
                yesterday = used
                used_since_planned = used_since_planned or used
                if v == n_visits or visit_at[v] != t:
                    continue
                urine[r, i, v] = missed_letter
                attended[r, i, v] = False
                if not is_gone:
                    eta = dropout_log_odds + dropout_arm[arm[r, i]]
                    if used_since_planned:
                        eta += dropout_use
                    if v < n_early_visits:
                        eta += dropout_early
                    is_gone = uniform(seed, replicate, participant, day, _DROPOUT, _ONCE) < 1.0 / (1.0 + math.exp(-eta))
                    if is_gone:
                        gone_from[r, i] = v
                if not is_gone:
                    chance = missed_with_use if used_since_planned else missed_without_use
                    # Who is still in the study always comes to the last visit.
                    if v == n_visits - 1 or uniform(seed, replicate, participant, day, _MISSED_VISIT, _ONCE) >= chance:
                        attended[r, i, v] = True
                        stays_negative = specificity
                        for k in range(min(sensitivity.shape[0], t + 1)):
                            if true_use[r, i, t - k]:
                                stays_negative *= 1.0 - sensitivity[k]
                        is_positive = uniform(seed, replicate, participant, day, _URINE, _ONCE) < 1.0 - stays_negative
                        urine[r, i, v] = positive if is_positive else negative
                        for d in range(asked_from, t + 1):
                            reported = False
                            if true_use[r, i, d]:
                                address = day_address + np.uint64(d)
                                draw = uniform(seed, replicate, participant, address, _REPORT, _ONCE)
                                reported = draw >= under_reporting
                            calendar[r, i, d] = positive if reported else negative
                        asked_from = t + 1
                used_since_planned = False
                v += 1
