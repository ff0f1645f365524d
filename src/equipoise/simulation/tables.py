"""Records of one simulated trial: the tables a clinic would have kept, and apart from them the truth."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl

from equipoise.foundation.calendar import day_index, study_day
from equipoise.simulation.accompanying import AccompanyingParameters, BaselineParameters
from equipoise.simulation.day_level import SimulatedTrials
from equipoise.simulation.infusion import adverse_events_table, exposure_table, vitals_table
from equipoise.simulation.one_trial import OneTrial
from equipoise.simulation.people import (
    DAYS_ASKED_BEFORE,
    allocations_table,
    disposition_table,
    participants_table,
    used_before,
)
from equipoise.simulation.purposes import Purpose
from equipoise.simulation.questionnaires import assessments_table, attended, visit_day
from equipoise.simulation.sessions import sessions_table

_RESULTS = {"+": "positive", "-": "negative", "o": "missed"}


def to_tables(
    trials: SimulatedTrials,
    replicate: int,
    *,
    baseline: BaselineParameters | None = None,
    accompanying: AccompanyingParameters | None = None,
) -> tuple[dict[str, pl.DataFrame], dict[str, pl.DataFrame]]:
    """Tables of one replicate, and its truth (true use by day, who responds); columns as the record schema has them.

    ``KeyError`` where the replicate was not simulated.
    """
    trial = OneTrial(trials, replicate, baseline or BaselineParameters(), accompanying or AccompanyingParameters())
    tables = {
        "participants": participants_table(trial),
        "allocations": allocations_table(trial),
        "visits": visits_table(trial),
        "urine": urine_table(trial),
        "daily_use": daily_use_table(trial),
        "assessments": assessments_table(trial),
        "vitals": vitals_table(trial),
        "exposure": exposure_table(trial),
        "sessions": sessions_table(trial),
        "adverse_events": adverse_events_table(trial),
        "disposition": disposition_table(trial),
    }
    return {name: table for name, table in tables.items() if table.width}, truth_tables(trial)


def visits_table(trial: OneTrial) -> pl.DataFrame:
    """Every planned contact of everybody randomized: attended, or missed."""
    frames = []
    for visit in trial.design.visits:
        came = attended(trial, visit)
        frames.append(
            pl.DataFrame(
                {
                    "participant_id": trial.ids,
                    "visit": visit.name,
                    "target_day": visit.target_day,
                    "day": visit_day(trial, visit),
                    "state": np.where(came, "attended", "missed"),
                }
            ).with_columns(pl.when(pl.col("state") == "attended").then(pl.col("day")).alias("day"))
        )
    return pl.concat(frames).sort("participant_id", "target_day")


def urine_table(trial: OneTrial) -> pl.DataFrame:
    """A sample at every attended visit that asks for one; a missed visit's sample is missed on its target day."""
    frames = []
    for visit in trial.design.visits:
        if "urine" not in visit.assesses:
            continue
        if visit in trial.design.clinic_visits:
            letters = trial.of("urine")[:, trial.design.clinic_visits.index(visit)]
            results = np.array([_RESULTS[chr(letter)] for letter in letters])
        else:
            address = max(0, day_index(visit.target_day))
            positive = trial.uniform(Purpose.URINE, address) < trial.accompanying.admission_positive
            results = np.where(positive, "positive", "negative")
        frames.append(_rows(trial, visit.name, visit.target_day, results))
    return pl.concat(frames).sort("participant_id", "day") if frames else pl.DataFrame()


def _rows(trial: OneTrial, visit: str, day: int, results: Any) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "participant_id": trial.ids,
            "visit": visit,
            "day": day,
            "substance": trial.design.substance,
            "result": results,
        }
    )


def daily_use_table(trial: OneTrial) -> pl.DataFrame:
    """The outpatient days as told at visits, days after the last contact not asked; before admission, thirty days."""
    design = trial.design
    letters = trial.of("calendar")
    asked, used = letters != ord("o"), letters == ord("+")
    days = np.arange(design.first_day, design.last_day + 1)
    if any("daily-use" in visit.assesses for visit in design.inpatient_visits):
        places = np.arange(DAYS_ASKED_BEFORE)
        before = used_before(trial)
        days = np.concatenate([[study_day(int(k) - DAYS_ASKED_BEFORE) for k in places], days])
        asked = np.concatenate([np.ones_like(before), asked], axis=1)
        used = np.concatenate([before, used], axis=1)
    return pl.DataFrame(
        {
            "participant_id": np.repeat(trial.ids, len(days)),
            "day": np.tile(days, trial.n),
            "substance": design.substance,
            "asked": asked.ravel(),
            "used": used.ravel(),
        }
    ).with_columns(pl.when("asked").then(pl.col("used")).alias("used"))


def truth_tables(trial: OneTrial) -> dict[str, pl.DataFrame]:
    """What no clinic would know: true use on every outpatient day; who responds, and the propensity to use."""
    design = trial.design
    days = np.arange(design.first_day, design.last_day + 1)
    return {
        "true_use": pl.DataFrame(
            {
                "participant_id": np.repeat(trial.ids, len(days)),
                "day": np.tile(days, trial.n),
                "substance": design.substance,
                "used": trial.of("true_use").astype(bool).ravel(),
            }
        ),
        "persons": pl.DataFrame(
            {
                "participant_id": trial.ids,
                "address": np.arange(trial.n),
                "responder": trial.of("responder"),
                "propensity": trial.of("propensity"),
            }
        ),
    }
