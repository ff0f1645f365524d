"""The day of the infusion: dose, vital signs, dissociation, and adverse events of the trial."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipoise.foundation.calendar import day_index, study_day
from equipoise.simulation.design import PlannedInfusion
from equipoise.simulation.one_trial import OneTrial
from equipoise.simulation.people import simulate_weights
from equipoise.simulation.purposes import Purpose

DISSOCIATION_LOG_SD = 0.6
DISSOCIATION_HIGHEST = 92
AFTER_MINUTES = 30
HALF_LIFE_MINUTES = 15.0


# Draws of the adverse events of a further dose of one drug begin so many places on.
_FURTHER_DOSE = 2000


def _of_arm(trial: OneTrial) -> list[tuple[PlannedInfusion, NDArray[np.intp]]]:
    """Every planned dose of every arm with the participants who were there for it."""
    arm = trial.of("arm")
    return [
        (infusion, np.flatnonzero((arm == number) & trial.was_given(infusion)))
        for number, entry in enumerate(trial.design.arms)
        for infusion in entry.infusions
    ]


def planned_doses(infusion: PlannedInfusion, weights: NDArray[np.float64]) -> NDArray[np.int64]:
    """Planned doses in steps of the protocol's rounding, half a step up, never above the cap.

    In whole numbers (tenths of a kilogram, millionths of a milligram), so that a dose that lies half-way between two
    steps goes where a pharmacist's decimal arithmetic puts it.
    """
    step = _millionths(infusion.rounding_mg)
    if infusion.mg_per_kg is None:
        exact = np.full(weights.shape, 10 * _millionths(infusion.mg or 0.0), dtype=np.int64)
    else:
        exact = np.rint(10 * weights).astype(np.int64) * _millionths(infusion.mg_per_kg)
    steps = (2 * exact + 10 * step) // (20 * step)
    return steps if infusion.cap_mg is None else np.minimum(steps, _millionths(infusion.cap_mg) // step)


def _millionths(mg: float) -> int:
    return int(Decimal(repr(mg)).scaleb(6))


def exposure_table(trial: OneTrial) -> pl.DataFrame:
    """Planned dose is dose per kg times weight, up to the cap; few infusions are interrupted or cut short.

    An infusion runs whole seconds at the prepared rate, as a clinic records it.
    """
    a, weights = trial.accompanying, simulate_weights(trial)
    frames = []
    for infusion, who in _of_arm(trial):
        # The first dose has the address of day 0, each further one an address of its own.
        day = infusion.number
        interrupted = trial.uniform(Purpose.INFUSION_COURSE, day) < a.interruption_share
        cut = trial.uniform(Purpose.INFUSION_COURSE, day, draw=1) < a.cut_short_share
        share = np.where(cut, 0.6 + 0.35 * trial.uniform(Purpose.INFUSION_COURSE, day, draw=2), 1.0)
        pause = np.ceil(10 * trial.uniform(Purpose.INFUSION_COURSE, day, draw=3))
        step, whole = _millionths(infusion.rounding_mg), round(60 * infusion.minutes)
        seconds = np.rint(whole * share[who]).astype(np.int64)
        pauses = 60 * np.where(interrupted, pause, 0.0)[who]
        frame = pl.DataFrame(
            {
                "participant_id": trial.ids[who],
                "intervention": infusion.intervention,
                "day": infusion.day,
                "route": infusion.route,
                "minutes": np.round((seconds + pauses) / 60, 2),
                "interruptions": interrupted[who].astype(np.int64),
            }
        )
        unknown = pl.lit(None, dtype=pl.Float64)
        doses: list[pl.Expr | pl.Series] = [unknown, unknown, unknown]
        if infusion.mg_per_kg is not None or infusion.mg is not None:
            steps = planned_doses(infusion, weights[who])
            mg = steps * step / 1e6
            # Hundredths of a milligram, half up; what is not infused is given whole.
            hundredths = (2 * steps * step * seconds + 10_000 * whole) // (20_000 * max(whole, 1))
            given = np.minimum(hundredths / 100, mg) if whole else mg
            doses = [pl.Series(values) for values in (mg, given, given / weights[who])]
        frames.append(
            frame.select(
                "participant_id",
                "intervention",
                "day",
                doses[0].alias("planned_mg"),
                doses[1].alias("delivered_mg"),
                doses[2].alias("delivered_mg_per_kg"),
                "route",
                "minutes",
                "interruptions",
            )
        )
    return pl.concat(frames).sort("participant_id", maintain_order=True) if frames else pl.DataFrame()


def vital_minutes(length: float) -> NDArray[np.float64]:
    """Every five minutes during an infusion of ``length`` minutes, then every ten for half an hour."""
    during = np.arange(0.0, length + 1e-9, 5.0)
    return np.concatenate([during, during[-1] + np.arange(10.0, AFTER_MINUTES + 1, 10.0)])


def vitals_table(trial: OneTrial) -> pl.DataFrame:
    """Rise in proportion to the share infused, fading after the end with a half-life of a quarter of an hour.

    A person's own level and own rise vary; each reading adds noise.
    """
    a = trial.accompanying
    # name, level, rises by drug, SD of level, SD of rise, SD of a reading
    signs: tuple[tuple[str, float, Any, float, float, float], ...] = (
        ("systolic", a.systolic_baseline, a.systolic_rise, 11.0, 7.0, 3.5),
        ("diastolic", a.diastolic_baseline, a.diastolic_rise, 7.0, 4.0, 2.5),
        ("pulse", a.pulse_baseline, a.pulse_rise, 9.0, 4.0, 2.5),
        ("saturation", a.saturation_baseline, a.saturation_rise, 0.6, 0.3, 0.5),
    )
    frames = []
    for infusion, who in _of_arm(trial):
        if not infusion.minutes:
            continue  # nothing was infused, or nobody knows for how long
        minutes = vital_minutes(infusion.minutes)
        within = np.minimum(minutes / infusion.minutes, 1.0)
        shape = within * 0.5 ** (np.maximum(minutes - infusion.minutes, 0.0) / HALF_LIFE_MINUTES)
        columns: dict[str, Any] = {
            "participant_id": np.repeat(trial.ids[who], len(minutes)),
            "intervention": infusion.intervention,
            "day": infusion.day,
            "minute": np.tile(minutes, len(who)),
        }
        for k, (name, level, rises, level_sd, rise_sd, noise_sd) in enumerate(signs):
            start = level + level_sd * trial.normal(Purpose.VITALS_PERSON, draw=2 * k)
            rise = rises.get(infusion.drug, 0.0) + rise_sd * trial.normal(Purpose.VITALS_PERSON, draw=2 * k + 1)
            noise = noise_sd * trial.normal(
                Purpose.VITALS_MINUTE, day=np.arange(len(minutes)), draw=k + len(signs) * infusion.number
            )
            values = np.rint(start[:, None] + rise[:, None] * shape + noise)[who]
            columns[name] = np.minimum(values, 100.0).ravel() if name == "saturation" else values.ravel()
        frames.append(pl.DataFrame(columns))
    return pl.concat(frames).sort("participant_id", "minute", maintain_order=True) if frames else pl.DataFrame()


def dissociation_scores(trial: OneTrial, number: int = 0) -> NDArray[np.float64]:
    """Score at the end of an infusion, log-normal about the drug's mean, whole numbers from 0 to 92.

    ``number`` counts infusions from 0.
    """
    mean = trial.by_name(trial.drugs, trial.accompanying.dissociation_mean)
    spread = np.exp(DISSOCIATION_LOG_SD * trial.normal(Purpose.DISSOCIATION, number) - DISSOCIATION_LOG_SD**2 / 2)
    return np.asarray(np.clip(np.rint(mean * spread), 0, DISSOCIATION_HIGHEST))


def adverse_events_table(trial: OneTrial) -> pl.DataFrame:
    """Events of the infusion, over on the same day, and events of the outpatient weeks told up to the last contact.

    None is serious and none ends treatment, as published.
    """
    a, design = trial.accompanying, trial.design
    found: list[tuple[int, int, int, str, bool]] = []  # participant, onset index, length in days, term, related
    terms = sorted({term for events in a.infusion_events.values() for term in events})
    for infusion, who in _of_arm(trial):
        for k, term in enumerate(terms):
            chance = a.infusion_events.get(infusion.drug, {}).get(term, 0.0)
            draws = trial.uniform(Purpose.ADVERSE_EVENT, draw=k + _FURTHER_DOSE * infusion.number)
            found += [(i, day_index(infusion.day), 0, term, True) for i in who[draws[who] < chance].tolist()]
    # Draws from 1,000 on, so that a further term of the infusion moves no other event.
    for k, (term, probability) in enumerate(a.other_events.items()):
        hit = trial.uniform(Purpose.ADVERSE_EVENT, draw=1000 + k) < probability
        onset = np.floor(trial.uniform(Purpose.ADVERSE_EVENT_COURSE, draw=2 * k) * design.n_days).astype(int)
        length = 1 + np.floor(9 * trial.uniform(Purpose.ADVERSE_EVENT_COURSE, draw=2 * k + 1)).astype(int)
        for i in np.flatnonzero(hit).tolist():
            start = day_index(design.first_day) + int(onset[i])
            if study_day(start) <= trial.last_contact[i]:
                found.append((i, start, int(length[i]), term, False))
    found.sort(key=lambda event: (event[0], event[1], event[3]))
    severity = np.stack([trial.uniform(Purpose.ADVERSE_EVENT_SEVERITY, draw=k) for k in range(16)], axis=1)
    rows: list[dict[str, Any]] = []
    number = dict.fromkeys(range(trial.n), 0)
    for i, start, n_days, term, related in found:
        moderate = severity[i, number[i] % 16] < a.moderate_share
        number[i] += 1
        end = study_day(start + n_days)
        # An event that outlasts the last contact has no known end.
        is_over = end <= max(int(trial.last_contact[i]), study_day(start))
        rows.append(
            {
                "participant_id": str(trial.ids[i]),
                "event": number[i],
                "term": term,
                "onset_day": study_day(start),
                "end_day": end if is_over else None,
                "severity": "moderate" if moderate else "mild",
                "serious": False,
                "related": related,
                "outcome": "recovered" if is_over else "not known",
            }
        )
    return pl.DataFrame(rows) if rows else pl.DataFrame()
