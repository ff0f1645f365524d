"""What many simulated trials know at a look, and the plan's own analysis of it. Methods: ``docs/methods/looks.md``.

A result is in when the endpoint's last day and the delay of results have passed; a time to an event is seen day by day
and censored there; of repeated results the visits made by then are in.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.analysis.dataset import Comparison, offsets_of, sum_by_trial
from equipoise.analysis.fits import FITS
from equipoise.analysis.interim import LooksOfPlan
from equipoise.analysis.margins import hold_against, margins_of
from equipoise.analysis.outcome import Outcome
from equipoise.analysis.plan import Plan, PlannedFit
from equipoise.design.batch import rows_of
from equipoise.endpoints.endpoint_values import Derived
from equipoise.foundation.calendar import day_index
from equipoise.foundation.errors import DesignError, Problem
from equipoise.protocol import Protocol
from equipoise.protocol.vocabulary.scales import SCALES

FloatArray = NDArray[np.float64]
BoolArray = NDArray[np.bool_]

CODES = {"D107": "The looks of this analysis are not simulated."}


@dataclass(frozen=True)
class LineOfBatch:
    """One analysis on a batch: its endpoint in full, the rows that it compares, and when results come in."""

    fit: PlannedFit
    derived: Derived
    comparison: Comparison
    inside: BoolArray  # (n_trials, n) participants that it compares
    zero: float  # days from entry to the endpoint's day zero, for a time to an event
    last: float  # days from entry to the endpoint's last day


@dataclass(frozen=True)
class LookAnswers:
    """Of each trial: Z in the better direction, the effect in that direction on the scale of analysis, its error."""

    z: FloatArray  # (n_trials,), NaN where the analysis has none
    effect: FloatArray
    standard_error: FloatArray
    n_analysed: FloatArray


def line_of_batch(plan: Plan, fit: PlannedFit) -> LineOfBatch:
    """An analysis made ready; D107 where its looks are not simulated."""
    protocol, lattice = plan.protocol, plan.lattice_of(fit)
    refuse_what_is_not_simulated(protocol, fit)
    derived, comparison = plan.derived_for(fit), plan.compared(fit)
    n_trials = comparison.n_trials
    inside = np.zeros(lattice.n, dtype=np.bool_)
    inside[comparison.rows] = True
    randomized = day_index(protocol.model.calendar.randomization_day or 1)
    stated: Any = protocol.model.endpoints[fit.estimand.endpoint]
    zero = 0.0
    if derived.shape == "time-to-event":
        zero = float(day_index(stated.time_zero.first) - randomized)
    last = float(_last_day(protocol, fit.estimand.endpoint) - randomized)
    return LineOfBatch(fit, derived, comparison, inside.reshape(n_trials, -1), zero, last)


def refuse_what_is_not_simulated(protocol: Protocol, fit: PlannedFit) -> None:
    """Raise D107 where the data of a look cannot be made from whole trials."""
    analysis, estimand = fit.analysis, fit.estimand
    why = ""
    if analysis.imputation is not None:
        why = "it imputes what is missing, and a result that is not due yet is not missing"
    elif estimand.stage is not None or (
        analysis.analysis_set is not None and protocol.model.analysis_sets[analysis.analysis_set].stage > 1
    ):
        why = "it compares arms of a later stage"
    elif protocol.is_within(estimand):
        why = "it compares treatments within participants"
    elif analysis.time_unit == "visit" and protocol.model.endpoints[estimand.endpoint].shape == "time-to-event":
        why = "it counts time in visits"
    if why:
        step = "Name another analysis, or use --unadjusted for the pooled z or log-rank test of the endpoint."
        raise DesignError(Problem("D107", f"analyses.{fit.line}", f"{fit.line}: {why}.", "another analysis", step))


def _last_day(protocol: Protocol, endpoint: str) -> int:
    """Day index of the last day that an endpoint looks at: its window's, or its last visit's."""
    entry: Any = protocol.model.endpoints[endpoint]
    if entry.made_of:
        return max(_last_day(protocol, base) for base in entry.made_of)
    if entry.window is not None:
        return day_index(entry.window[1])
    series = {*entry.counted_series, *filter(None, (getattr(entry, "at", None), getattr(entry, "visits", None)))}
    name = getattr(entry, "visit", None)
    days = [v.target_day for v in protocol.planned_visits if (v.series in series if name is None else v.name == name)]
    return max(day_index(day) for day in days or [protocol.model.calendar.last_day])


def comes_in(line: LineOfBatch, entry: FloatArray, delay: float, counted: str) -> tuple[FloatArray, FloatArray]:
    """(n_trials, n) calendar days on which a result is in, and on which it counts for the looks; never: infinite."""
    if line.derived.time is not None:
        time = np.nan_to_num(line.derived.time.reshape(entry.shape))
        ready = entry + line.zero + time + delay
        assert line.derived.event is not None
        counts = line.derived.event.reshape(entry.shape) if counted == "events" else np.ones(entry.shape, bool)
    else:
        ready = entry + line.last + delay
        counts = np.ones(entry.shape, dtype=np.bool_)
        if counted == "events":
            assert line.derived.value is not None
            counts = np.nan_to_num(line.derived.value.reshape(entry.shape)) > 0.5
    return ready, np.where(counts & line.inside, ready, np.inf)


def answers_at(
    looks: LooksOfPlan, line: LineOfBatch, entry: FloatArray, ready: FloatArray, day: FloatArray, delay: float
) -> LookAnswers:
    """The plan's analysis of what is known on each trial's ``day`` (n_trials,)."""
    seen = (day[:, None] - entry - delay).ravel()
    known: BoolArray = (ready <= day[:, None] + 1e-9).ravel()
    derived = line.derived
    if derived.time is not None:
        assert derived.event is not None
        followed = seen - line.zero
        known = followed > 0.0
        late = derived.time > followed + 1e-9
        changes: dict[str, Any] = {
            "time": np.where(late, np.maximum(followed, 0.0), derived.time),
            "event": derived.event & ~late,
        }
        if derived.competing is not None:
            changes["competing"] = derived.competing & ~late
        if derived.cause is not None:
            changes["cause"] = np.where(late, "", derived.cause)
        derived = replace(derived, **changes)
    elif derived.values is not None and derived.tally is None:
        assert derived.visit_weeks is not None
        visits = np.asarray(derived.visit_weeks) * 7.0 + derived.first_visit_day
        at = visits - day_index(looks.protocol.model.calendar.randomization_day or 1)
        there = seen[:, None] >= at - 1e-9
        values = np.where(there, derived.values, np.nan)
        derived = replace(
            derived, values=values, raw=None if derived.raw is None else np.where(there, derived.raw, np.nan)
        )
        known = np.array(there.any(axis=1), dtype=np.bool_)
    outcome = _main_row(line.fit, _fitted(looks.protocol, line.fit, derived, _part(line.comparison, known)))
    return _answers(looks, line.fit, outcome)


def _part(comparison: Comparison, known: BoolArray) -> Comparison:
    """The rows of a comparison that are known, trial by trial."""
    chosen = known[comparison.rows]
    return replace(
        comparison,
        rows=comparison.rows[chosen],
        experimental=comparison.experimental[chosen],
        covariates=np.ascontiguousarray(comparison.covariates[chosen]),
        offsets=offsets_of(chosen, comparison.offsets),
        n_randomized=sum_by_trial(chosen, comparison.offsets),
        incomplete=comparison.incomplete[chosen],
    )


def _fitted(protocol: Protocol, fit: PlannedFit, derived: Derived, comparison: Comparison) -> list[Outcome]:
    bounds = margins_of(fit.estimand, protocol.model.endpoints[fit.estimand.endpoint])
    outcomes = FITS[fit.analysis.estimator](derived, comparison, fit.analysis)
    return hold_against(outcomes, bounds, float(fit.analysis.ci_level))


def _main_row(fit: PlannedFit, outcomes: list[Outcome]) -> Outcome:
    """The row that answers the line: the planned one, with what stands in for it where that has no answer."""
    rows = {row.id: outcome for row, outcome in rows_of(fit, outcomes)}
    return rows.get(f"{fit.id}.as-planned") or rows[fit.id]


def _answers(looks: LooksOfPlan, fit: PlannedFit, outcome: Outcome) -> LookAnswers:
    z = looks.z_of_outcome(fit.line, outcome)
    nan = np.full_like(z, np.nan)
    if outcome.scale == "test":
        return LookAnswers(z, nan, nan, outcome.n_analysed.astype(np.float64))
    sign = 1.0 if looks.larger_is_better(fit.line, outcome.scale) else -1.0
    with np.errstate(divide="ignore", invalid="ignore"):
        centre = np.log(outcome.estimate) if SCALES[outcome.scale].is_ratio else outcome.estimate
    effect = np.where(np.isfinite(centre), sign * centre, np.nan)
    return LookAnswers(z, effect, outcome.standard_error, outcome.n_analysed.astype(np.float64))
