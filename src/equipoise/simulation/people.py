"""Who was screened, who was randomized, and how each of them left."""

from __future__ import annotations

from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipoise.foundation.seeds import uniforms
from equipoise.simulation.accompanying import THE_SUBSTANCE
from equipoise.simulation.one_trial import OneTrial
from equipoise.simulation.purposes import Purpose

DECLINED = "declined"
# Baseline variables that the day-level model draws beside the prognostic one, as protocols name them.
BASELINE_DRAWN = ("age", "sex", "use-days-30", "weight-kg")
DAYS_ASKED_BEFORE = 30


def simulate_weights(trial: OneTrial) -> NDArray[np.float64]:
    """Body weight in kg, to a tenth; at least 40."""
    b = trial.baseline
    mean = np.where(is_female(trial), b.weight_female, b.weight_male)
    return np.asarray(np.round(np.maximum(mean + b.weight_sd * trial.normal(Purpose.WEIGHT), 40.0), 1))


def is_female(trial: OneTrial) -> NDArray[np.bool_]:
    """Sex as recorded."""
    return np.asarray(trial.uniform(Purpose.SEX) < trial.baseline.female_share)


def simulate_use_days(trial: OneTrial) -> NDArray[np.int64]:
    """Days of use in the 30 before admission, correlated with the propensity to use afterwards."""
    b, rho = trial.baseline, trial.baseline.use_days_propensity
    own = np.sqrt(max(0.0, 1.0 - rho * rho))
    days = b.use_days_mean + b.use_days_sd * (rho * trial.of("propensity") + own * trial.normal(Purpose.USE_DAYS))
    return np.asarray(np.clip(np.rint(days), b.use_days_lowest, DAYS_ASKED_BEFORE), dtype=np.int64)


def used_before(trial: OneTrial) -> NDArray[np.bool_]:
    """(n, 30) the thirty days before day 1, as many of them days of use as the baseline says."""
    draws = trial.uniform(Purpose.USE_DAYS, day=np.arange(DAYS_ASKED_BEFORE), draw=1)
    rank = np.argsort(np.argsort(draws, axis=1), axis=1)
    return np.asarray(rank < simulate_use_days(trial)[:, None])


def baseline_column(trial: OneTrial, name: str) -> pl.Series:
    """One of the baseline variables of :func:`baseline_names`."""
    b, design = trial.baseline, trial.design
    if name == design.route_variable:
        return _one_of((design.other_route, design.poor_route), trial.of("poor_route"))
    if name == "age":
        age = np.rint(b.age_mean + b.age_sd * trial.normal(Purpose.AGE))
        return pl.Series(np.clip(age, b.age_lowest, b.age_highest))
    if name == "sex":
        return _one_of(("male", "female"), is_female(trial))
    return pl.Series(simulate_use_days(trial) if name == "use_days_30" else simulate_weights(trial))


def _one_of(words: tuple[str, str], second: NDArray[np.bool_]) -> pl.Series:
    # Integers looked up in a short list make a column of text faster than text does.
    return pl.Series(words, dtype=pl.String).gather(second.astype(np.int64))


def baseline_names(trial: OneTrial) -> list[str]:
    """Names of the baseline variables of the randomized, in the order of the table."""
    return [trial.design.route_variable, "age", "sex", "use_days_30", "weight_kg"]


def participants_table(trial: OneTrial) -> pl.DataFrame:
    """Everybody randomized with baseline variables, then those who were screened only."""
    screened = -1 - np.floor(28 * trial.uniform(Purpose.SCREENING_DAY)).astype(np.int64)
    randomized = pl.DataFrame(
        {
            "participant_id": trial.ids,
            "screened_day": screened,
            "consented": True,
            "eligible": True,
            "ineligible_reason": pl.Series([None] * trial.n, dtype=pl.String),
            **({} if trial.site is None else {"site": trial.site}),
            **{name: baseline_column(trial, name) for name in baseline_names(trial)},
        }
    )
    return pl.concat([randomized, _screened_only(trial)], how="diagonal_relaxed")


def _screened_only(trial: OneTrial) -> pl.DataFrame:
    """Before each participant a geometric number of people who were not randomized."""
    q = trial.accompanying.screening_failure_share
    if q <= 0 or q >= 1 or not trial.accompanying.screening_reasons:
        return pl.DataFrame(schema={"participant_id": pl.String})
    counts = np.floor(np.log(trial.uniform(Purpose.SCREENING_FAILURES)) / np.log(q)).astype(int)
    names = list(trial.accompanying.screening_reasons)
    weights = np.cumsum(list(trial.accompanying.screening_reasons.values()))
    rows: list[dict[str, Any]] = []
    for i, count in enumerate(counts):
        for k in range(int(count)):
            draw = float(uniforms(trial.trials.seed, trial.replicate, i, 0, Purpose.SCREENING_REASON, k))
            reason = names[int(np.searchsorted(weights, draw * weights[-1], side="right"))]
            reason = reason.replace(THE_SUBSTANCE, trial.design.substance)
            declined = reason.startswith(DECLINED)
            # Whoever declined or did not come back was never assessed to the end.
            assessed = not declined and not reason.startswith("did not")
            rows.append(
                {
                    "participant_id": f"S{len(rows) + 1:03d}",
                    "consented": not declined,
                    "eligible": False if assessed else None,
                    "ineligible_reason": reason,
                }
            )
    schema = {
        "participant_id": pl.String,
        "consented": pl.Boolean,
        "eligible": pl.Boolean,
        "ineligible_reason": pl.String,
    }
    return pl.DataFrame(rows, schema=schema)


def allocations_table(trial: OneTrial) -> pl.DataFrame:
    """One randomization each; everybody received the allocated treatment."""
    return pl.DataFrame(
        {
            "participant_id": trial.ids,
            "stage": 1,
            "day": trial.design.randomization_day,
            **({} if trial.stratum is None else {"stratum": trial.stratum}),
            "arm": trial.arm_ids,
            "arm_received": trial.arm_ids,
        }
    )


def disposition_table(trial: OneTrial) -> pl.DataFrame:
    """Completion on the day of the last visit; otherwise withdrawal or loss, dated the day after the last contact."""
    gone = trial.is_gone
    withdrew = trial.uniform(Purpose.DISPOSITION) < trial.accompanying.withdrawal_share
    event = np.where(gone, np.where(withdrew, "study_withdrawal", "lost_to_follow_up"), "completion")
    reason = np.where(gone, np.where(withdrew, "no longer wished to take part", "could not be reached"), "")
    return pl.DataFrame(
        {
            "participant_id": trial.ids,
            "event": event,
            "day": np.where(gone, trial.last_contact + 1, trial.design.clinic_visits[-1].target_day),
            "reason": reason,
        }
    ).with_columns(pl.when(pl.col("reason") == "").then(None).otherwise(pl.col("reason")).alias("reason"))
