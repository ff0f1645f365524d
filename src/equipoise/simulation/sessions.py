"""Therapy sessions: held or not, how long, how much practice at home since the last, how true to the manual."""

from __future__ import annotations

import numpy as np
import polars as pl

from equipoise.simulation.one_trial import OneTrial
from equipoise.simulation.purposes import Purpose


def sessions_table(trial: OneTrial) -> pl.DataFrame:
    """One row a participant and planned session; an outpatient session needs that day's visit to be attended."""
    design, a = trial.design, trial.accompanying
    if design.therapy is None:
        return pl.DataFrame()
    visit_days = list(design.visit_days)
    frames = []
    last_held = np.zeros(trial.n)
    for number, day in enumerate(design.session_days, 1):
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
                    "intervention": design.therapy,
                    "session": number,
                    "planned_day": day,
                    "delivered": held,
                    "day": np.full(trial.n, day),
                    "minutes": minutes,
                    "home_practice_minutes": np.rint(daily * gap),
                    "fidelity": np.round(fidelity, 2),
                }
            ).with_columns(
                pl.when("delivered").then(pl.col(name)).alias(name)
                for name in ("day", "minutes", "home_practice_minutes", "fidelity")
            )
        )
        last_held = np.where(held, day, last_held)
    return pl.concat(frames).sort("participant_id", "session") if frames else pl.DataFrame()
