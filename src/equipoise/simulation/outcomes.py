"""The published endpoints straight from the simulated arrays, for all replicates at once.

The endpoints room reads the same facts from Records; a test holds the two ways equal. The rules are the flagship's:
dropout counts as use, an intermittently missed visit does not, because the next visit asks about its days.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from equipoise.simulation.day_level import SimulatedTrials

_POSITIVE = ord("+")


@dataclass(frozen=True, slots=True)
class EventTimes:
    """Days from time zero to the event or to the end, and whether it was one; both (n_replicates, n_participants)."""

    days: NDArray[np.int64]
    is_event: NDArray[np.bool_]


def last_attended_day(trials: SimulatedTrials) -> NDArray[np.int64]:
    """Outpatient day (1 is the first) of the last attended clinic visit; 0 where none was attended."""
    days = trials.visit_at + 1
    return np.asarray(np.where(trials.attended, days, 0).max(axis=2))


def is_gone(trials: SimulatedTrials) -> NDArray[np.bool_]:
    """Who dropped out: no visit attended after some visit."""
    return np.asarray(trials.gone_from < len(trials.visit_at))


def time_of_first_use(trials: SimulatedTrials) -> EventTimes:
    """First reported day or day of the first positive urine, counted from the day before the first outpatient day."""
    horizon = trials.design.n_days
    reported = trials.calendar == _POSITIVE
    positive = trials.urine == _POSITIVE
    first_reported = np.where(reported.any(axis=2), reported.argmax(axis=2) + 1, horizon + 1)
    first_positive = np.where(positive.any(axis=2), (trials.visit_at + 1)[positive.argmax(axis=2)], horizon + 1)
    days = np.minimum(first_reported, first_positive)
    return EventTimes(np.minimum(days, horizon).astype(np.int64), np.asarray(days <= horizon))


def time_to_relapse(trials: SimulatedTrials) -> EventTimes:
    """Time to first use or dropout: who is gone has the event on the day after the last attended visit."""
    first = time_of_first_use(trials)
    horizon = trials.design.n_days
    use = np.where(first.is_event, first.days, horizon + 1)
    gone = np.where(is_gone(trials), last_attended_day(trials) + 1, horizon + 1)
    days = np.minimum(use, gone)
    return EventTimes(np.minimum(days, horizon).astype(np.int64), np.asarray(days <= horizon))


def relapse_by_visit(trials: SimulatedTrials) -> EventTimes:
    """:func:`time_to_relapse` in visits: the number of the first planned visit on or after the event's day."""
    relapse = time_to_relapse(trials)
    number = np.searchsorted(trials.visit_at + 1, relapse.days, side="left") + 1
    return EventTimes(np.minimum(number, len(trials.visit_at)).astype(np.int64), relapse.is_event)


def use_at_visits(trials: SimulatedTrials) -> NDArray[np.int8]:
    """Use since the last attended visit, by urine or report: 1, 0, or -1 where the visit was not attended."""
    reported = trials.calendar == _POSITIVE
    out = np.full(trials.attended.shape, -1, dtype=np.int8)
    # Days reported so far; the difference between two attended visits are the days told at the second.
    so_far = np.cumsum(reported, axis=2, dtype=np.int16)
    told_before = np.zeros(trials.arm.shape, dtype=np.int16)
    for v, t in enumerate(trials.visit_at):
        here = trials.attended[:, :, v]
        told = so_far[:, :, t]
        used = (trials.urine[:, :, v] == _POSITIVE) | (told > told_before)
        out[:, :, v] = np.where(here, used, -1)
        told_before = np.where(here, told, told_before)
    return out


def log_craving(trials: SimulatedTrials, floor: float = 1.0) -> NDArray[np.float64]:
    """Logarithm of craving at attended visits, marks below ``floor`` raised to it; NaN where not attended."""
    with np.errstate(invalid="ignore"):
        logs = np.log(np.maximum(trials.craving, floor))
    return np.where(trials.attended, logs, np.nan)


def lapsed_and_recovered(trials: SimulatedTrials) -> NDArray[np.bool_]:
    """Used in the outpatient weeks, and abstinent at the end of the study."""
    return np.asarray(trials.abstinent & time_of_first_use(trials).is_event)
