"""What participants mark and tick: craving, mindfulness, stress, guesses of the arm, the telephone report."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipoise.foundation.calendar import day_index
from equipoise.instruments import Instrument, require_instrument
from equipoise.simulation.day_level import CRAVING_RECALL_DAYS
from equipoise.simulation.design import SimulatedVisit
from equipoise.simulation.infusion import dissociation_scores
from equipoise.simulation.items import mark, score_range, split_into_items
from equipoise.simulation.one_trial import OneTrial
from equipoise.simulation.purposes import Purpose

# Shares of the variance between participants that the facets of an instrument have in common.
SHARED_BY_FACETS = 0.6


def assessments_table(trial: OneTrial) -> pl.DataFrame:
    """Every instrument that the schedule asks for at every visit that took place, one row per item."""
    frames = []
    for visit in trial.design.visits:
        here = attended(trial, visit)
        for name in visit.assesses:
            answers = answers_at(trial, visit, name)
            if answers is None:
                continue
            instrument, items, values = answers
            who = np.flatnonzero(here)
            frames.append(
                pl.DataFrame(
                    {
                        "participant_id": np.repeat(trial.ids[who], len(items)),
                        "visit": visit.name,
                        "day": np.repeat(visit_day(trial, visit)[who], len(items)),
                        "instrument": instrument,
                        "item": np.tile(np.array(items), len(who)),
                        "value": values[who].ravel(),
                    }
                )
            )
    return pl.concat(frames).with_columns(pl.col("value").fill_nan(None)) if frames else pl.DataFrame()


def attended(trial: OneTrial, visit: SimulatedVisit) -> NDArray[np.bool_]:
    """Who came to a planned contact; everybody to those of the inpatient stay."""
    if visit in trial.design.clinic_visits:
        return np.asarray(trial.of("attended")[:, trial.design.clinic_visits.index(visit)])
    if visit == trial.design.six_month_call:
        return np.asarray(trial.of("reached"))
    return np.ones(trial.n, dtype=np.bool_)


def visit_day(trial: OneTrial, visit: SimulatedVisit) -> NDArray[np.int64]:
    """The study day on which a contact takes place: the target, but the call falls anywhere in its window."""
    target = np.full(trial.n, visit.target_day, dtype=np.int64)
    if visit != trial.design.six_month_call:
        return target
    width = visit.days_before + visit.days_after + 1
    offset = np.floor(width * trial.uniform(Purpose.CALL_DAY)).astype(np.int64)
    return np.asarray(target - visit.days_before + offset)


def answers_at(
    trial: OneTrial, visit: SimulatedVisit, name: str
) -> tuple[str, tuple[str, ...], NDArray[np.float64]] | None:
    """Items and values, (n_participants, n_items); NaN where an item was left out."""
    if name.startswith("craving-vas"):
        return name, ("score",), craving_marks(trial, visit)[:, None]
    if name == "ffmq-39":
        instrument = require_instrument(name)
        return name, instrument.item_ids, _mindfulness(trial, visit, instrument)
    if name in ("pss-10", "pss-14"):
        instrument = require_instrument(name)
        return name, instrument.item_ids, _stress(trial, visit, instrument)
    if name in ("dissociation", "cadss-23"):
        return name, ("score",), dissociation_scores(trial, _infusions_before(trial, visit))[:, None]
    if name == "arm-guess":
        return name, ("participant", "clinician"), np.stack([_guess(trial, 0), _guess(trial, 1)], axis=1)
    if name == "telephone-report":
        return name, ("abstinent",), trial.of("says_abstinent").astype(np.float64)[:, None]
    if name in trial.design.instruments:
        instrument = trial.design.instruments[name]
        return name, instrument.item_ids, other_answers(trial, visit, instrument)
    return None


# Of an instrument without a model of its own: the share of the variance that lies between participants.
_BETWEEN = 0.6
# Items of further instruments have draws so far apart.
_MOST_ITEMS = 1000


def other_scores(trial: OneTrial, visit: SimulatedVisit, instrument: Instrument) -> NDArray[np.float64]:
    """(n,) a score about a person's own level; neither arm nor time nor use moves it."""
    a, (lowest, highest) = trial.accompanying, score_range(instrument)
    mean = a.score_mean.get(instrument.id, (lowest + highest) / 2)
    sd = a.score_sd.get(instrument.id, (highest - lowest) / 6)
    place = sorted(trial.design.instruments).index(instrument.id)
    person = trial.normal(Purpose.PERSON, draw=place)
    noise = trial.normal(Purpose.VALUE, max(0, day_index(visit.target_day)), draw=place)
    return mark(mean + sd * (np.sqrt(_BETWEEN) * person + np.sqrt(1 - _BETWEEN) * noise), instrument)


def other_answers(trial: OneTrial, visit: SimulatedVisit, instrument: Instrument) -> NDArray[np.float64]:
    """(n, n_items) answers that add up to :func:`other_scores`."""
    place = sorted(trial.design.instruments).index(instrument.id)
    day = max(0, day_index(visit.target_day))
    return split_into_items(
        other_scores(trial, visit, instrument),
        instrument,
        lambda item: trial.uniform(Purpose.ITEM, day, draw=_MOST_ITEMS * (place % 60) + item),
    )


SIMULATED_INSTRUMENTS = (
    "craving-vas",
    "craving-vas-200",
    "ffmq-39",
    "pss-10",
    "pss-14",
    "dissociation",
    "cadss-23",
    "arm-guess",
    "telephone-report",
)


def _infusions_before(trial: OneTrial, visit: SimulatedVisit) -> int:
    """Number of the infusion that a visit is about: how many others came before it."""
    days = {infusion.day for arm in trial.design.arms for infusion in arm.infusions}
    return max(0, sum(day <= visit.target_day for day in days) - 1)


def _after_infusion(trial: OneTrial, visit: SimulatedVisit) -> bool:
    days = [infusion.day for arm in trial.design.arms for infusion in arm.infusions]
    return visit.target_day > min(days, default=trial.design.randomization_day)


def _elapsed(trial: OneTrial, visit: SimulatedVisit) -> float:
    """Share of the way from the first contact to the last clinic visit."""
    first, last = trial.design.visits[0].target_day, trial.design.clinic_visits[-1].target_day
    return (day_index(visit.target_day) - day_index(first)) / max(1, day_index(last) - day_index(first))


def craving_marks(trial: OneTrial, visit: SimulatedVisit) -> NDArray[np.float64]:
    """At clinic visits, the published quantity; before the infusion, the same person without the arm's effect."""
    if visit in trial.design.clinic_visits:
        return trial.of("craving")[:, trial.design.clinic_visits.index(visit)].astype(np.float64)
    p = trial.parameters
    log_craving = (
        p.craving_log_level
        + trial.accompanying.admission_craving
        + p.craving_poor_route * (trial.of("poor_route") - p.poor_route_share)
        + p.craving_propensity * trial.of("propensity")
        + p.craving_person_sd * trial.normal(Purpose.CRAVING_PERSON)
        + p.craving_visit_sd * trial.normal(Purpose.BASELINE_CRAVING, day=max(0, day_index(visit.target_day)))
    )
    return np.asarray(np.rint(np.exp(np.minimum(log_craving, np.log(p.craving_highest)))))


def recent_use(trial: OneTrial, visit: SimulatedVisit) -> NDArray[np.float64]:
    """Share of the last four days with use; 0 before the outpatient weeks."""
    t = visit.target_day - trial.design.first_day
    if not 0 <= t < trial.design.n_days:
        return np.zeros(trial.n)
    use = trial.of("true_use")[:, max(0, t - CRAVING_RECALL_DAYS + 1) : t + 1]
    return np.asarray(use.sum(axis=1) / CRAVING_RECALL_DAYS)


def _ticks(
    trial: OneTrial,
    visit: SimulatedVisit,
    instrument: Instrument,
    level: NDArray[np.float64],
    sd: float,
    *,
    stream: int,
) -> NDArray[np.float64]:
    """Whole-number answers about ``level`` (n_participants, n_items, after reversal), recorded before reversal.

    ``stream`` is the purpose of the answers; the purpose of leaving items out follows it.
    """
    day = max(0, day_index(visit.target_day))
    out = np.empty((trial.n, len(instrument.items)))
    for k, item in enumerate(instrument.items):
        answer = np.clip(np.rint(level[:, k] + sd * trial.normal(stream, day, k)), item.lowest, item.highest)
        left_out = trial.uniform(stream + 1, day, k) < trial.accompanying.item_left_out
        out[:, k] = np.where(left_out, np.nan, item.lowest + item.highest - answer if item.is_reversed else answer)
    return out


def mindfulness_persons(trial: OneTrial, facet: int) -> NDArray[np.float64]:
    """(n,) a participant's own level of a facet of mindfulness."""
    a = trial.accompanying
    shared, own = np.sqrt(SHARED_BY_FACETS), np.sqrt(1 - SHARED_BY_FACETS)
    person = shared * trial.normal(Purpose.MINDFULNESS_PERSON)
    person = person + own * trial.normal(Purpose.MINDFULNESS_PERSON, draw=facet + 1)
    return np.asarray(a.mindfulness_item_mean + a.mindfulness_person_sd * person)


def mindfulness_change(trial: OneTrial, visit: SimulatedVisit) -> NDArray[np.float64]:
    """(n,) what is added to it at a visit, by time and by arm."""
    change = np.full(trial.n, trial.accompanying.mindfulness_rise * _elapsed(trial, visit))
    if _after_infusion(trial, visit):
        change = change + trial.by_name(trial.arm_ids, trial.accompanying.mindfulness_arm)
    return np.asarray(change)


def _mindfulness(trial: OneTrial, visit: SimulatedVisit, instrument: Instrument) -> NDArray[np.float64]:
    level = np.empty((trial.n, len(instrument.items)))
    for f, members in enumerate(instrument.subscales.values()):
        columns = [instrument.item_ids.index(member) for member in members]
        level[:, columns] = (mindfulness_persons(trial, f) + mindfulness_change(trial, visit))[:, None]
    sd = trial.accompanying.mindfulness_item_sd
    return _ticks(trial, visit, instrument, level, sd, stream=Purpose.MINDFULNESS_ITEM)


def stress_persons(trial: OneTrial) -> NDArray[np.float64]:
    """(n,) a participant's own level of stress."""
    a = trial.accompanying
    return np.asarray(a.stress_item_mean + a.stress_person_sd * trial.normal(Purpose.STRESS_PERSON))


def stress_change(trial: OneTrial, visit: SimulatedVisit) -> NDArray[np.float64]:
    """(n,) what is added to it at a visit, by time, by recent use and by arm."""
    a = trial.accompanying
    change = a.stress_use * recent_use(trial, visit) - a.stress_fall * _elapsed(trial, visit)
    if _after_infusion(trial, visit):
        change = change - trial.by_name(trial.arm_ids, a.stress_arm)
    return np.asarray(change)


def _stress(trial: OneTrial, visit: SimulatedVisit, instrument: Instrument) -> NDArray[np.float64]:
    level = np.repeat((stress_persons(trial) + stress_change(trial, visit))[:, None], len(instrument.items), axis=1)
    return _ticks(trial, visit, instrument, level, trial.accompanying.stress_item_sd, stream=Purpose.STRESS_ITEM)


def _guess(trial: OneTrial, who: int) -> NDArray[np.float64]:
    """Number of the arm guessed, from 1 in the protocol's order; 0 for none. ``who``: 0 participant, 1 clinician."""
    a, n_arms = trial.accompanying, len(trial.design.arms)
    right = trial.by_name(trial.drugs, a.guess_right)
    own = trial.of("arm").astype(np.int64)
    other = (own + 1 + np.floor((n_arms - 1) * trial.uniform(Purpose.ARM_GUESS, draw=10 + who)).astype(int)) % n_arms
    guess = np.where(trial.uniform(Purpose.ARM_GUESS, draw=who) < right, own, other if n_arms > 1 else own)
    return np.where(trial.uniform(Purpose.ARM_GUESS, draw=20 + who) < a.guess_none, 0, guess + 1).astype(np.float64)
