"""Therapy sessions of the arms that get them: held or not, minutes, practice at home, how true to the manual."""

from __future__ import annotations

import numpy as np
import polars as pl

from equipoise.simulation.one_trial import OneTrial
from equipoise.simulation.purposes import Purpose

# Draws of each further therapy begin so many places on.
_THERAPY = 200


def sessions_table(trial: OneTrial) -> pl.DataFrame:
    """One row a participant and planned session; an outpatient session needs that day's visit to be attended."""
    frames = [frame for place in range(len(trial.design.therapies)) for frame in _of_therapy(trial, place)]
    return pl.concat(frames).sort("participant_id", "session", maintain_order=True) if frames else pl.DataFrame()


def _of_therapy(trial: OneTrial, place: int) -> list[pl.DataFrame]:
    """A table a session of one therapy, of the participants of its arms."""
    design, a, therapy = trial.design, trial.accompanying, trial.design.therapies[place]
    visit_days = list(design.visit_days)
    frames = []
    last_held = np.zeros(trial.n)
    gets_it = np.isin(trial.arm_ids, therapy.arms)
    for session, day in enumerate(therapy.days, 1):
        number = _THERAPY * place + session
        draw = trial.uniform(Purpose.SESSION_HELD, draw=number)
        if day < design.first_day:
            held = draw < a.session_inpatient
        elif day in visit_days:
            held = trial.of("attended")[:, visit_days.index(day)] & (draw < a.session_outpatient)
        else:
            held = (trial.last_contact >= day) & (draw < a.session_outpatient)
        minutes = np.maximum(
            10.0, np.rint(a.session_minutes + a.session_minutes_sd * trial.normal(Purpose.SESSION_MINUTES, draw=number))
        )
        gap = np.where(last_held > 0, day - last_held, 0)
        daily = a.home_practice_daily * np.exp(
            a.home_practice_sd
            * (0.8 * trial.normal(Purpose.HOME_PRACTICE) + 0.6 * trial.normal(Purpose.HOME_PRACTICE, draw=number))
        )
        fidelity = np.clip(a.fidelity_mean + a.fidelity_sd * trial.normal(Purpose.FIDELITY, draw=number), 0.0, 1.0)
        frames.append(
            pl.DataFrame(
                {
                    "participant_id": trial.ids,
                    "intervention": therapy.id,
                    "session": session,
                    "planned_day": day,
                    "delivered": held,
                    "day": np.full(trial.n, day),
                    "minutes": minutes,
                    "home_practice_minutes": np.rint(daily * gap),
                    "fidelity": np.round(fidelity, 2),
                }
            )
            .filter(pl.Series(gets_it))
            .with_columns(
                pl.when("delivered").then(pl.col(name)).alias(name)
                for name in ("day", "minutes", "home_practice_minutes", "fidelity")
            )
        )
        last_held = np.where(held, day, last_held)
    return frames
