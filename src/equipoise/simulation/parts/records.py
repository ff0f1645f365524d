"""Tables of one simulated trial of parts: what a clinic would have kept, and apart from it the truth."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipoise.foundation.calendar import day_index, study_day
from equipoise.foundation.seeds import instance_of
from equipoise.records.schema import DISPOSITION_EVENTS
from equipoise.simulation.accompanying import AccompanyingParameters, BaselineParameters
from equipoise.simulation.design import PlannedArm, PlannedInfusion, SimulatedVisit, TrialDesign
from equipoise.simulation.infusion import adverse_events_table, dissociation_scores, exposure_table, vitals_table
from equipoise.simulation.items import split_into_items
from equipoise.simulation.one_trial import OneTrial
from equipoise.simulation.parts.course import NEVER, DrawnTrials
from equipoise.simulation.parts.people import baseline_frame, days_before, female_share, screened_only
from equipoise.simulation.purposes import Purpose
from equipoise.simulation.sessions import sessions_table
from equipoise.simulation.streams import uniform_grid


class TrialOfParts(OneTrial):
    """One replicate of a course, read by the tables that every model shares: doses, vital signs, sessions, events."""

    def __init__(self, course: DrawnTrials, replicate: int) -> None:
        object.__setattr__(self, "course", course)
        object.__setattr__(self, "replicate", replicate)
        scenario = course.scenario
        weights = scenario.parts.baseline.get("weight", {})
        more = {f"weight_{key}": float(value) for key, value in weights.items()}
        share = female_share(scenario)
        people = BaselineParameters(**more) if share is None else BaselineParameters(female_share=share, **more)
        object.__setattr__(self, "baseline", people)
        accompanying = AccompanyingParameters(session_outpatient=scenario.parts.session_held)
        object.__setattr__(self, "accompanying", accompanying)

    course: DrawnTrials

    @cached_property
    def rows(self) -> slice:
        """Rows of this replicate in the arrays of the course."""
        n, at = self.course.scenario.n_participants, int(np.flatnonzero(self.course.replicates == self.replicate)[0])
        return slice(at * n, (at + 1) * n)

    @cached_property
    def design(self) -> TrialDesign:
        """The trial in the words of the shared tables: every day from 1 on is one of the course."""
        s = self.course.scenario
        model = s.protocol.model
        by_day = {v.target_day: v for v in s.visits if v.target_day >= 1}
        visits = tuple(SimulatedVisit(name=v.name, target_day=day) for day, v in sorted(by_day.items()))
        arms = tuple(
            PlannedArm(
                id=id,
                n=n,
                ratio=model.randomization.ratio.get(id, 1) if model.randomization else 1,
                infusions=s.doses[id],
            )
            for id, n in s.arm_sizes.items()
        )
        fallback = (SimulatedVisit(name="end", target_day=study_day(s.n_days - 1)),)
        return TrialDesign(
            arms=arms,
            substance="",
            first_day=1,
            last_day=study_day(s.n_days - 1),
            abstinence_days=(1, 1),
            clinic_visits=visits or fallback,
            randomization_day=s.randomization_day,
            therapies=s.therapies,
            sites=tuple(model.sites),
        )

    def of(self, name: str) -> NDArray[Any]:
        """The arrays that the shared tables ask for."""
        course, rows = self.course, self.rows
        if name == "arm":
            return course.arm[rows]
        if name == "attended":
            out = np.zeros((self.n, len(self.design.clinic_visits)), dtype=np.bool_)
            for v, visit in enumerate(course.scenario.visits):
                if visit.target_day >= 1:
                    out[:, self.design.visit_days.index(visit.target_day)] |= course.attended[rows, v]
            return out
        raise KeyError(name)

    @property
    def n(self) -> int:
        """Participants randomized."""
        return self.course.scenario.n_participants

    @cached_property
    def last_contact(self) -> NDArray[np.int64]:
        """Study day of the last attended visit; that of randomization where there was none."""
        days = np.array([visit.target_day for visit in self.course.scenario.visits], dtype=np.int64)
        attended = self.course.attended[self.rows]
        start = self.course.scenario.randomization_day
        return np.asarray(np.where(attended, days[None, :], start).max(axis=1, initial=start))

    @cached_property
    def is_gone(self) -> NDArray[np.bool_]:
        """Who left for good before some visit."""
        return self.course.is_gone[self.rows]

    def was_given(self, infusion: PlannedInfusion) -> NDArray[np.bool_]:
        """Who was given a planned dose."""
        return self.course.given[infusion.intervention, infusion.day][self.rows]

    def _draws(self, source: Any, purpose: int, day: Any, draw: int) -> NDArray[np.float64]:
        days = np.asarray(day)
        grid: NDArray[np.float64] = source(
            self.course.seed, np.array([self.replicate]), self.n, np.atleast_1d(days), int(purpose), draw
        )[0]
        return grid if days.ndim else grid[:, 0]

    def items(self, v: int, assessment: str, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """(n, n_items) answers that add up to the scores of a visit."""
        instance = instance_of("score", assessment)

        def uniform(item: int) -> NDArray[np.float64]:
            return uniform_grid(
                self.course.seed, np.array([self.replicate]), self.n, np.array([v]), Purpose.ITEM, item, instance
            )[0, :, 0]

        return split_into_items(scores, self.course.scenario.instruments[assessment], uniform)


def tables_of(course: DrawnTrials, replicate: int) -> tuple[dict[str, pl.DataFrame], dict[str, pl.DataFrame]]:
    """Tables of one replicate, and its truth."""
    trial = TrialOfParts(course, replicate)
    makers: dict[str, Callable[[TrialOfParts], pl.DataFrame]] = {
        "participants": _participants,
        "allocations": _allocations,
        "visits": _visits,
        "urine": _urine,
        "daily_use": _daily_use,
        "assessments": _assessments,
        "exposure": exposure_table,
        "sessions": sessions_table,
        "adverse_events": _adverse_events,
        "events": _events,
        "disposition": _disposition,
    }
    if any(a.type == "vitals" for a in course.scenario.protocol.model.assessments.values()):
        makers["vitals"] = vitals_table
    tables = {name: make(trial) for name, make in makers.items()}
    return {name: table for name, table in tables.items() if table.width}, _truth(trial)


def _participants(trial: TrialOfParts) -> pl.DataFrame:
    screened = -1 - np.floor(28 * trial.uniform(Purpose.SCREENING_DAY)).astype(np.int64)
    site = {} if trial.site is None else {"site": trial.site}
    people = pl.DataFrame(
        {
            "participant_id": trial.ids,
            "screened_day": screened,
            "consented": True,
            "eligible": True,
            "ineligible_reason": pl.Series([None] * trial.n, dtype=pl.String),
            **site,
        }
    )
    own = baseline_frame(trial.course)[trial.rows]
    not_randomized = screened_only(trial.course, trial.replicate, trial.uniform(Purpose.SCREENING_FAILURES))
    return pl.concat([pl.concat([people, own], how="horizontal"), not_randomized], how="diagonal_relaxed")


def _allocations(trial: TrialOfParts) -> pl.DataFrame:
    return pl.DataFrame(
        {
            "participant_id": trial.ids,
            "stage": 1,
            "day": trial.course.scenario.randomization_day,
            "arm": trial.arm_ids,
            "arm_received": trial.arm_ids,
        }
    )


def _visits(trial: TrialOfParts) -> pl.DataFrame:
    frames = []
    for v, visit in enumerate(trial.course.scenario.visits):
        came = trial.course.attended[trial.rows, v]
        frames.append(
            pl.DataFrame(
                {
                    "participant_id": trial.ids,
                    "visit": visit.name,
                    "target_day": visit.target_day,
                    "day": np.full(trial.n, visit.target_day),
                    "state": np.where(came, "attended", "missed"),
                }
            ).with_columns(pl.when(pl.col("state") == "attended").then(pl.col("day")).alias("day"))
        )
    return pl.concat(frames).sort("participant_id", "target_day", maintain_order=True)


_RESULTS = np.array(["negative", "positive", "missed"])


def _urine(trial: TrialOfParts) -> pl.DataFrame:
    frames = []
    model = trial.course.scenario.protocol.model
    for substance, results in trial.course.urine.items():
        for v, visit in enumerate(trial.course.scenario.visits):
            kinds = [model.assessments[id] for id in visit.assess]
            if not any(a.type == "urine" and substance in a.substances for a in kinds):
                continue
            codes = np.minimum(results[trial.rows, v], 2)
            frames.append(
                pl.DataFrame(
                    {
                        "participant_id": trial.ids,
                        "visit": visit.name,
                        "day": np.full(trial.n, visit.target_day),
                        "substance": substance,
                        "result": _RESULTS[codes],
                    }
                )
            )
    return pl.concat(frames).sort("participant_id", "day", maintain_order=True) if frames else pl.DataFrame()


def _daily_use(trial: TrialOfParts) -> pl.DataFrame:
    frames = []
    s = trial.course.scenario
    for substance, part in s.parts.use.items():
        if not any(a.type == "daily-use" and substance in a.substances for a in s.protocol.model.assessments.values()):
            continue
        told = trial.course.told[substance][trial.rows]
        days = np.array([study_day(t) for t in range(told.shape[1])])
        asked, used = told != 255, told == 1
        amounts = np.full(told.shape, np.nan)
        if substance in trial.course.amounts:
            amounts = np.where(used, trial.course.amounts[substance][trial.rows], np.nan)
        if part.before is not None:
            before, how_much = (values[trial.rows] for values in days_before(trial.course, substance, part))
            days = np.concatenate([np.arange(-before.shape[1], 0), days])
            asked = np.concatenate([np.ones(before.shape, dtype=np.bool_), asked], axis=1)
            used = np.concatenate([before, used], axis=1)
            amounts = np.concatenate([np.where(how_much > 0, how_much, np.nan), amounts], axis=1)
        frame = pl.DataFrame(
            {
                "participant_id": np.repeat(trial.ids, len(days)),
                "day": np.tile(days, trial.n),
                "substance": substance,
                "asked": asked.ravel(),
                "used": used.ravel(),
                "amount": amounts.ravel(),
            }
        ).with_columns(
            pl.when("asked").then(pl.col("used")).alias("used"),
            pl.col("amount").fill_nan(None),
            pl.when(pl.col("amount").is_not_nan() & pl.col("amount").is_not_null())
            .then(pl.lit(part.amount_unit))
            .alias("unit"),
        )
        frames.append(frame)
    return pl.concat(frames) if frames else pl.DataFrame()


def _assessments(trial: TrialOfParts) -> pl.DataFrame:
    frames = []
    s = trial.course.scenario
    n_before: dict[str, int] = {}
    for v, visit in enumerate(s.visits):
        here = trial.course.attended[trial.rows, v]
        for id in visit.assess:
            instrument = s.instruments.get(id)
            if instrument is None:
                continue
            if id in trial.course.scores:
                values = trial.items(v, id, trial.course.scores[id][trial.rows, v])
                items: tuple[str, ...] = instrument.item_ids
            elif id in trial.course.reports:
                values, items = trial.course.reports[id][trial.rows, v][:, None], instrument.item_ids[:1]
                here = here & ~np.isnan(values[:, 0])
            elif instrument.id in ("dissociation", "cadss-23"):
                number = n_before.get(id, 0)
                n_before[id] = number + 1
                values, items = dissociation_scores(trial, number)[:, None], ("score",)
            elif instrument.id == "arm-guess":
                guess = np.where(trial.uniform(Purpose.ARM_GUESS) < 0.6, trial.course.arm[trial.rows] + 1, 0)
                values = np.repeat(guess.astype(np.float64)[:, None], 2, axis=1)
                items = instrument.item_ids
            else:
                continue
            who = np.flatnonzero(here)
            frames.append(
                pl.DataFrame(
                    {
                        "participant_id": np.repeat(trial.ids[who], len(items)),
                        "visit": visit.name,
                        "day": np.full(len(who) * len(items), visit.target_day),
                        "instrument": instrument.id,
                        "item": np.tile(np.array(items), len(who)),
                        "value": values[who].ravel(),
                    }
                ).with_columns(pl.col("value").fill_nan(None))
            )
    return pl.concat(frames) if frames else pl.DataFrame()


def _adverse_events(trial: TrialOfParts) -> pl.DataFrame:
    has_any = any(trial.course.scenario.doses.values()) or bool(trial.course.scenario.therapies)
    return adverse_events_table(trial) if has_any else pl.DataFrame()


def _events(trial: TrialOfParts) -> pl.DataFrame:
    """Outcome events that are no events of disposition, each on its day, of who was still there and alive.

    That nothing happened is told by the end of taking part, in the table disposition. What may happen again is known
    up to that day, so that events and the days in which they could have been known go together.
    """
    return _named(trial, event_rows(trial.course, trial.rows))


def _disposition(trial: TrialOfParts) -> pl.DataFrame:
    """Completion on the last planned day; withdrawal or loss on the day after the last contact; events on their day."""
    share = trial.accompanying.withdrawal_share
    return _named(trial, disposition_rows(trial.course, trial.rows, share))


def _named(trial: TrialOfParts, frame: pl.DataFrame) -> pl.DataFrame:
    """The frame with participants by their ids in place of their rows."""
    if not frame.width:
        return frame
    ids = pl.Series(trial.ids, dtype=pl.String).gather(frame["row"])
    return frame.select(ids.alias("participant_id"), pl.exclude("row"))


def _study_days(indices: NDArray[np.int64]) -> NDArray[np.int64]:
    return np.where(indices >= 0, indices + 1, indices)


def _left_on(course: DrawnTrials, rows: slice) -> NDArray[np.int64]:
    """(n,) day index after the last contact, on which whoever is gone is recorded to have left."""
    s = course.scenario
    days = np.array([day_index(visit.target_day) for visit in s.visits], dtype=np.int64)
    start = day_index(s.randomization_day)
    return np.asarray(np.where(course.attended[rows], days[None, :], start).max(axis=1, initial=start) + 1)


def _never(course: DrawnTrials, rows: slice) -> NDArray[np.int64]:
    return np.full(course.arm[rows].shape[0], NEVER, dtype=np.int64)


def event_rows(course: DrawnTrials, rows: slice = slice(None)) -> pl.DataFrame:
    """Outcome events of some rows of a course: row (from 0), term, day, happened; nothing where none can be."""
    died = course.events["death"][rows] if "death" in course.events else _never(course, rows)
    gone = course.is_gone[rows]
    frames = []

    def add(term: str, who: NDArray[np.int64], indices: NDArray[np.int64]) -> None:
        frames.append(pl.DataFrame({"row": who, "term": term, "day": _study_days(indices), "happened": True}))

    if course.recurrent:
        last = max(day_index(visit.target_day) for visit in course.scenario.visits)
        known_to = np.minimum(np.where(gone, _left_on(course, rows), last), died)
        for term, every in course.recurrent.items():
            who, which = np.nonzero(every[rows] <= known_to[:, None])
            add(term, who, every[rows][who, which])
    ends = np.minimum(died, np.where(gone, course.gone_from[rows], NEVER))
    for term, days in course.events.items():
        if term not in DISPOSITION_EVENTS:
            who = np.flatnonzero(days[rows] < ends)
            add(term, who, days[rows][who])
    schema = {"row": pl.Int64, "term": pl.String, "day": pl.Int64, "happened": pl.Boolean}
    return pl.concat([frame.cast(schema) for frame in frames]) if frames else pl.DataFrame()  # type: ignore[arg-type]


def disposition_rows(course: DrawnTrials, rows: slice, withdrawal_share: float) -> pl.DataFrame:
    """How some rows of a course left, in the order of the rows: row (from 0), event, day, reason."""
    gone, never = course.is_gone[rows], _never(course, rows)
    died = course.events["death"][rows] if "death" in course.events else never
    there = died == NEVER
    found: list[tuple[NDArray[np.int64], str, NDArray[np.int64], str | None]] = []

    def add(mask: NDArray[np.bool_], event: str, indices: NDArray[np.int64], reason: str | None) -> None:
        who = np.flatnonzero(mask)
        found.append((who, event, _study_days(indices[who]), reason))

    for name, days in course.events.items():
        if name in DISPOSITION_EVENTS:
            seen = ~gone | (days[rows] < course.gone_from[rows])
            add((days[rows] < NEVER) & (seen if name != "death" else True), name, days[rows], None)
    stopped = course.stopped[rows]
    add(stopped < NEVER, "treatment_discontinuation", stopped, "no further doses wanted")
    withdrew = course.uniform(Purpose.DISPOSITION)[rows] < withdrawal_share
    left_on = _left_on(course, rows)
    add(there & gone & withdrew, "study_withdrawal", left_on, "no longer wished to take part")
    add(there & gone & ~withdrew, "lost_to_follow_up", left_on, "could not be reached")
    last = max(visit.target_day for visit in course.scenario.visits)
    add(there & ~gone, "completion", np.full_like(never, day_index(last)), None)
    frames = [
        pl.DataFrame(
            {"row": who, "event": event, "day": day, "reason": reason, "order": order},
            schema={"row": pl.Int64, "event": pl.String, "day": pl.Int64, "reason": pl.String, "order": pl.Int64},
        )
        for order, (who, event, day, reason) in enumerate(found)
    ]
    whole = pl.concat(frames).sort("row", "order", maintain_order=True).drop("order")
    return whole.unique(["row", "event", "day"], maintain_order=True)


def _truth(trial: TrialOfParts) -> dict[str, pl.DataFrame]:
    course = trial.course
    out = {
        "persons": pl.DataFrame(
            {
                "participant_id": trial.ids,
                "address": np.arange(trial.n),
                "responder": course.responds[trial.rows],
                "severity": course.severity[trial.rows],
            }
        )
    }
    frames = [
        pl.DataFrame(
            {
                "participant_id": np.repeat(trial.ids, use.shape[1]),
                "day": np.tile([study_day(t) for t in range(use.shape[1])], trial.n),
                "substance": substance,
                "used": use[trial.rows].astype(bool).ravel(),
            }
        )
        for substance, use in course.use.items()
    ]
    return {**out, "true_use": pl.concat(frames)} if frames else out
