"""The course of every participant: who comes, what is given, use day by day, scores, answers and events, as arrays.

Attendance, doses, use and the score that dropout may follow read one another, so they advance together day by day;
everything else is worked out afterwards. Every random number has an address (seed, replicate; participant, day,
purpose, instance), so parts, arms' visits and batches move nobody else's numbers.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from equipoise.foundation.calendar import day_index
from equipoise.foundation.seeds import instance_of
from equipoise.simulation.allocate import allocate, site_numbers
from equipoise.simulation.items import mark
from equipoise.simulation.parts.parameters import Effect, Event, ScorePart, UsePart
from equipoise.simulation.parts.scenario import PartsScenario
from equipoise.simulation.purposes import Purpose
from equipoise.simulation.streams import normal_grid, uniform_grid

Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]
NEVER = 2**31
RECALL_DAYS = 4


@dataclass
class DrawnTrials:
    """Many trials as arrays; N rows by replicate, then by participant; T days from day 1; V planned visits."""

    scenario: PartsScenario
    seed: int
    replicates: NDArray[np.int64]
    arm: NDArray[np.int64]  # (N,)
    attended: Mask  # (N, V)
    gone_from: NDArray[np.int64]  # (N,) day index from which nobody sees the participant; NEVER
    use: dict[str, NDArray[np.uint8]] = field(default_factory=dict)  # (N, T)
    told: dict[str, NDArray[np.uint8]] = field(default_factory=dict)  # (N, T) 1 use, 0 none, 255 not asked
    amounts: dict[str, NDArray[np.float32]] = field(default_factory=dict)  # (N, T) on days of use
    urine: dict[str, NDArray[np.uint8]] = field(default_factory=dict)  # (N, V) 1 positive, 0 negative, 255 none
    scores: dict[str, Floats] = field(default_factory=dict)  # (N, V), NaN where not given
    reports: dict[str, Floats] = field(default_factory=dict)  # (N, V), NaN where not given
    given: dict[tuple[str, int], Mask] = field(default_factory=dict)  # (N,) by intervention and day
    events: dict[str, NDArray[np.int64]] = field(default_factory=dict)  # (N,) day index; NEVER
    recurrent: dict[str, NDArray[np.int64]] = field(default_factory=dict)  # (N, K) day indices, then NEVER
    stopped: NDArray[np.int64] = field(default_factory=lambda: np.empty(0, dtype=np.int64))  # day index; NEVER

    @property
    def n(self) -> int:
        """Rows."""
        return int(self.arm.shape[0])

    @property
    def is_gone(self) -> Mask:
        """(N,) who left for good before some visit."""
        return np.asarray(self.gone_from < NEVER)

    def uniform(self, purpose: int, day: int = 0, draw: int = 0, instance: int = 0) -> Floats:
        """(N,) a uniform number for each row."""
        n = self.scenario.n_participants
        return uniform_grid(self.seed, self.replicates, n, np.array([day]), purpose, draw, instance).ravel()

    def normal(self, purpose: int, day: int = 0, draw: int = 0, instance: int = 0) -> Floats:
        """(N,) a standard normal number for each row."""
        n = self.scenario.n_participants
        return normal_grid(self.seed, self.replicates, n, np.array([day]), purpose, draw, instance).ravel()

    @cached_property
    def severity(self) -> Floats:
        """(N,) the latent severity that parts share."""
        return self.normal(Purpose.PERSON)

    def person(self, kind: str, id: str, loading: float) -> Floats:
        """(N,) the effect of a participant on one part: correlated ``loading`` with the severity."""
        own = self.normal(Purpose.PERSON, instance=instance_of(kind, id))
        return np.asarray(loading * self.severity + np.sqrt(1.0 - loading * loading) * own)

    @cached_property
    def responds(self) -> Mask:
        """(N,) who can respond."""
        shares = self.scenario.parts.responders[self.arm]
        return np.asarray(self.uniform(Purpose.CLASS) < shares)

    @cached_property
    def site(self) -> NDArray[np.int64]:
        """(N,) number of the site; 0 where there is one."""
        n_sites = max(1, len(self.scenario.protocol.model.sites))
        return site_numbers(self.uniform(Purpose.SITE), n_sites)

    def site_effect(self, sd: float, kind: str, id: str) -> Floats | float:
        """(N,) what a participant's site adds; sites are alike within a trial and drawn anew in each."""
        n_sites = len(self.scenario.protocol.model.sites)
        if not sd or n_sites < 2:
            return 0.0
        draws = normal_grid(
            self.seed, self.replicates, 1, np.arange(n_sites), Purpose.SITE_EFFECT, 0, instance_of(kind, id)
        )[:, 0, :]
        trial = np.repeat(np.arange(len(self.replicates)), self.scenario.n_participants)
        return np.asarray(sd * draws[trial, self.site])

    def effect(self, effect: Effect, index: int) -> Floats:
        """(N,) what the arm, or what was received, adds on the day ``index``."""
        out = np.zeros(self.n)
        if effect.by_arm.any():
            out = effect.by_arm[self.arm] * self._along(effect, index, None)
        for id, value in effect.by_intervention.items():
            out = out + value * self._along(effect, index, id)
        if effect.period and self.period_of(index) > 0:
            out = out + effect.period
        return np.asarray(out * self.responds if effect.of_class else out)

    def period_of(self, index: int) -> int:
        """Number of the stage that holds a day, from 0; the one before where it lies between two."""
        starts = [day_index(stage.days.first) for stage in self.scenario.protocol.model.stages.values()]
        return max(0, sum(start <= index for start in starts) - 1)

    def _along(self, effect: Effect, index: int, intervention: str | None) -> Floats:
        """(N,) share of the effect that there is on a day: built up, faded, grown with each dose received."""
        stages = list(self.scenario.protocol.model.stages.values())
        by_period = intervention is not None and self.scenario.protocol.model.trial.design == "crossover" and stages
        doses = [
            (day_index(day), mask)
            for (id, day), mask in self.given.items()
            if (intervention is None or id == intervention) and day_index(day) < index
        ]
        if intervention is not None:
            if by_period:
                now = self.period_of(index)
                here = [mask for at, mask in doses if self.period_of(at) == now]
                before = [mask for at, mask in doses if self.period_of(at) == now - 1]
                out = np.zeros(self.n)
                for mask in before:
                    out = np.maximum(out, effect.carry_over * mask)
                for mask in here:
                    out = np.where(mask, 1.0, out)
                return out
            if not doses:
                return np.zeros(self.n)
        if intervention is None and effect.fades is None and effect.per_dose == 1.0:
            doses = []  # when they were given tells nothing of an arm's effect that lasts
        n_doses = np.zeros(self.n)
        first, last = np.full(self.n, float(NEVER)), np.full(self.n, -1.0)
        for at, mask in doses:
            n_doses += mask
            first = np.where(mask, np.minimum(first, at), first)
            last = np.where(mask, np.maximum(last, at), last)
        if intervention is None:
            # An arm without doses works from randomization on; one with doses from the first that is planned.
            first = self._starts
            last = np.where(last < 0, first, last)
        shape = np.asarray((index > first).astype(np.float64))
        if effect.builds > 0:
            shape = shape * -np.expm1(-np.maximum(index - first, 0.0) / effect.builds)
        if effect.fades is not None:
            shape = shape * np.exp(-np.maximum(index - last, 0.0) / effect.fades)
        if effect.per_dose < 1.0:
            shape = shape * (1.0 - (1.0 - effect.per_dose) ** n_doses)
        return shape

    @cached_property
    def _starts(self) -> Floats:
        """(N,) day index from which the arm's effect works."""
        return np.array([self._start_of(arm) for arm in self.scenario.arm_sizes], dtype=np.float64)[self.arm]

    def _start_of(self, arm: str) -> int:
        doses = self.scenario.doses[arm]
        return day_index(doses[0].day) if doses else day_index(self.scenario.randomization_day)


def run_course(scenario: PartsScenario, *, seed: int, replicates: Sequence[int]) -> DrawnTrials:
    """Simulate trials of these numbers."""
    numbers = np.asarray(replicates, dtype=np.int64)
    model = scenario.protocol.model
    ratio = [model.randomization.ratio.get(a, 1) if model.randomization else 1 for a in scenario.arm_sizes]
    arm = allocate(seed, numbers, list(scenario.arm_sizes.values()), ratio).astype(np.int64).ravel()
    n, n_visits = arm.shape[0], len(scenario.visits)
    course = DrawnTrials(
        scenario=scenario,
        seed=seed,
        replicates=numbers,
        arm=arm,
        attended=np.zeros((n, n_visits), dtype=np.bool_),
        gone_from=np.full(n, NEVER, dtype=np.int64),
        stopped=np.full(n, NEVER, dtype=np.int64),
    )
    for id, event in scenario.parts.events.items():
        if event.rate is None:
            course.events[id] = _event_days(course, id, event)
        else:
            course.recurrent[id] = _days_of_recurrent(course, id, event)
    _Days(course).run()
    for id, event in scenario.parts.events.items():
        if event.seen_at_visit:
            course.events[id] = _seen_at_visits(course, course.events[id])
    for id, score in scenario.parts.score.items():
        if id not in course.scores:
            course.scores[id] = _scores(course, id, score)
    for id in course.scores:
        course.scores[id] = np.where(course.attended & _asks(scenario, id)[None, :], course.scores[id], np.nan)
    for id, report in scenario.parts.report.items():
        course.reports[id] = _reports(course, id, report)
    return course


def _asks(scenario: PartsScenario, assessment: str) -> Mask:
    return np.array([assessment in visit.assess for visit in scenario.visits], dtype=np.bool_)


def _event_days(course: DrawnTrials, id: str, event: Event) -> NDArray[np.int64]:
    """(N,) day index of an event, by inversion of its cumulative hazard from randomization on, whole days up.

    Effects act from the start: nobody has an event on the day of randomization itself.
    """
    instance = instance_of("event", id)
    log_hazard = event.person_sd * course.person("event", id, event.severity) - event.person_sd**2 / 2
    log_hazard = log_hazard + event.effect.by_arm[course.arm]
    draws = -np.log(course.uniform(Purpose.EVENT_TIME, instance=instance))
    scale = 1.0 / event.hazard
    if event.shape != 1.0:
        scale = np.log(2.0) / event.hazard / np.log(2.0) ** (1.0 / event.shape)
    days = scale * (draws * np.exp(-log_hazard)) ** (1.0 / event.shape)
    last, start = course.scenario.n_days, day_index(course.scenario.randomization_day)
    index = start + np.maximum(np.ceil(np.minimum(days, float(last))), 1.0)
    return np.asarray(np.where(index < last, index, NEVER), dtype=np.int64)


def _days_of_recurrent(course: DrawnTrials, id: str, event: Event) -> NDArray[np.int64]:
    """(N, K) day indices of what may happen again, in order, from the day of randomization on; NEVER fills up.

    A participant's rate is the stated one times a gamma number, correlated with the severity that parts share. On each
    day the event happens or not with that chance, as records count it (a term once a day), so the gaps are geometric.
    Counts over any number of days have the mean stated and the spread of a negative binomial, less that of days that
    cannot count twice.
    """
    assert event.rate is not None
    instance = instance_of("event", id)
    person = np.ones(course.n)
    if event.dispersion > 0:
        below = special.ndtr(course.person("event", id, event.severity))
        person = event.dispersion * special.gammaincinv(1.0 / event.dispersion, below)
    chance = np.clip(event.rate * person * np.exp(event.effect.by_arm[course.arm]), 1e-12, 1.0)
    log_none = np.log1p(-np.minimum(chance, 1.0 - 1e-12))
    at = np.full(course.n, day_index(course.scenario.randomization_day) - 1.0)
    columns: list[NDArray[np.int64]] = []
    while (at < course.scenario.n_days).any():
        draw = course.uniform(Purpose.COUNT, draw=len(columns), instance=instance)
        at = at + np.maximum(np.ceil(np.log(draw) / log_none), 1.0)
        columns.append(np.where(at < course.scenario.n_days, at, NEVER).astype(np.int64))
    return np.stack(columns, axis=1)


def _seen_at_visits(course: DrawnTrials, days: NDArray[np.int64]) -> NDArray[np.int64]:
    """(N,) day index of the first visit attended on the day of an event or after it; NEVER without one."""
    targets = np.array([day_index(visit.target_day) for visit in course.scenario.visits], dtype=np.int64)
    known = course.attended & (targets[None, :] >= days[:, None])
    return np.asarray(np.where(known, targets[None, :], NEVER).min(axis=1, initial=NEVER), dtype=np.int64)


class _Days:
    """Advances attendance, doses and use from day to day."""

    def __init__(self, course: DrawnTrials) -> None:
        self.c, self.s = course, course.scenario
        self.parts = self.s.parts
        n, t = course.n, self.s.n_days
        self.used_since = np.zeros(n, dtype=np.bool_)
        self.yesterday: dict[str, Mask] = {}
        self.base: dict[str, Floats] = {}
        self.asked_from: dict[str, NDArray[np.int64]] = {}
        for id, part in self.parts.use.items():
            course.use[id] = np.zeros((n, t), dtype=np.uint8)
            course.told[id] = np.full((n, t), 255, dtype=np.uint8)
            person = part.person_sd * course.person("use", id, part.severity)
            self.base[id] = part.level + person + course.site_effect(part.site_sd, "use", id)
            if part.starts_abstinent or part.before is None:
                self.yesterday[id] = np.zeros(n, dtype=np.bool_)
            else:
                draw = course.uniform(Purpose.USED, 0, 1, instance_of("use", id))
                self.yesterday[id] = draw < part.before
            self.asked_from[id] = np.zeros(n, dtype=np.int64)
            if part.amount is not None:
                course.amounts[id] = np.zeros((n, t), dtype=np.float32)
        self.attend_base = self.parts.attendance.level + course.person(
            "attendance", "attendance", self.parts.attendance.severity
        ) * (1.0 if self.parts.attendance.severity else 0.0)
        self.followed = next(iter(self.parts.score), None) if self.parts.attendance.current_result else None

    def run(self) -> None:
        c = self.c
        by_day: dict[int, list[int]] = {}
        for v, visit in enumerate(self.s.visits):
            by_day.setdefault(day_index(visit.target_day), []).append(v)
        for index in sorted(i for i in by_day if i < 0):
            for v in by_day[index]:
                c.attended[:, v] = True
        doses: dict[int, list[Any]] = {}
        for arm_number, planned in enumerate(self.s.doses.values()):
            for dose in planned:
                doses.setdefault(day_index(dose.day), []).append((arm_number, dose))
        for index in sorted(i for i in doses if i < 0):
            for arm_number, dose in doses[index]:  # before day 1 everybody who is to be randomized is there
                c.given[dose.intervention, dose.day] = c.given.get(
                    (dose.intervention, dose.day), np.zeros(c.n, dtype=np.bool_)
                ) | (c.arm == arm_number)
        last_visits = {0}
        for index in range(self.s.n_days):
            for id, part in self.parts.use.items():
                self._use(id, part, index)
            for v in by_day.get(index, ()):
                self._attend(v, index, len(last_visits))
            if index in by_day:
                last_visits.add(index)
                self.used_since = np.zeros(c.n, dtype=np.bool_)
            for arm_number, dose in doses.get(index, ()):
                self._give(arm_number, dose, index, by_day.get(index, ()))

    def _use(self, id: str, part: UsePart, index: int) -> None:
        c, instance = self.c, instance_of("use", id)
        effect = c.effect(part.effect, index)
        eta = self.base[id] + part.starting * effect
        eta = eta + np.where(self.yesterday[id], part.memory + part.going_on * effect, 0.0)
        if part.first_days:
            eta = eta + part.first_days * np.exp(-index / 3.0)
        if part.trend and self.s.n_days > 1:
            eta = eta + part.trend * index / (self.s.n_days - 1)
        used = c.uniform(Purpose.USED, index, 0, instance) < special.expit(eta)
        if part.protected is not None and day_index(part.protected[0]) <= index <= day_index(part.protected[1]):
            used = np.zeros(c.n, dtype=np.bool_)
        c.use[id][:, index] = used
        self.yesterday[id] = used
        self.used_since |= used
        if part.amount is not None:
            rows = np.flatnonzero(used)
            if rows.size:
                c.amounts[id][rows, index] = self._amount(id, part, index)[rows]

    def _amount(self, id: str, part: UsePart, index: int) -> Floats:
        """(N,) whole units on a day of use, at least one; the mean is that of the reference arm."""
        assert part.amount is not None
        c, instance = self.c, instance_of("use", id)
        spread = part.amount_person_sd**2 + part.amount_day_sd**2
        rho = part.amount_severity
        key = f"{id} amount"
        if key not in self.base:
            own = c.normal(Purpose.AMOUNT_PERSON, instance=instance)
            person = rho * c.person("use", id, part.severity) + np.sqrt(1 - rho * rho) * own
            self.base[key] = np.log(part.amount) - spread / 2 + part.amount_person_sd * person
        value = self.base[key] + part.amount_day_sd * c.normal(Purpose.AMOUNT, index, 0, instance)
        if part.amount_effect is not None:
            value = value + c.effect(part.amount_effect, index)
        return np.maximum(np.rint(np.exp(value)), 1.0)

    def _attend(self, v: int, index: int, number: int) -> None:
        c, a = self.c, self.parts.attendance
        visit = self.s.visits[v]
        if visit.target_day <= self.s.randomization_day:
            c.attended[:, v] = True
            self._ask(v, index)
            return
        eta = self.attend_base + a.effect.by_arm[c.arm] + a.after_use * self.used_since
        if number <= 2:
            eta = eta + a.early
        if self.followed is not None and self.followed in visit.assess:
            score = self.parts.score[self.followed]
            column = _score_at(c, self.followed, score, v)
            c.scores.setdefault(self.followed, np.full(c.attended.shape, np.nan))[:, v] = column
            eta = eta + a.current_result * self._worse(self.followed, score, column)
        here = c.gone_from > index
        leaves = here & (c.uniform(Purpose.DROPOUT, index, v) < special.expit(eta))
        dead = np.zeros(c.n, dtype=np.bool_)
        if "death" in c.events:
            dead = c.events["death"] <= index
        c.gone_from = np.where(leaves, np.minimum(c.gone_from, index), c.gone_from)
        chance = np.where(self.used_since, a.missed_with_use, a.missed)
        comes = c.uniform(Purpose.MISSED_VISIT, index, v) >= chance
        c.attended[:, v] = (c.gone_from > index) & comes & ~dead
        self._ask(v, index)

    def _worse(self, id: str, score: ScorePart, column: Floats) -> Floats:
        """(N,) standard deviations by which a score is worse than its mean."""
        instrument = self.s.instruments[id]
        value = np.log(np.maximum(column, 0.5)) if score.log else column
        apart = (value - score.mean) / max(score.sd, 1e-9)
        return np.asarray(-apart if instrument.better == "higher" else apart)

    def _ask(self, v: int, index: int) -> None:
        """What is told and found of use at a visit that took place."""
        c, visit = self.c, self.s.visits[v]
        model = self.s.protocol.model
        kinds = [model.assessments[id] for id in visit.assess]
        for id, part in self.parts.use.items():
            instance = instance_of("use", id)
            if any(a.type == "daily-use" and id in a.substances for a in kinds):
                here = c.attended[:, v]
                start = int(self.asked_from[id][here].min()) if here.any() else index + 1
                for day in range(start, index + 1):
                    rows = here & (self.asked_from[id] <= day)
                    told = c.use[id][:, day] > 0
                    if part.under_reporting > 0:
                        told &= c.uniform(Purpose.TOLD, day, 0, instance) >= part.under_reporting
                    c.told[id][rows, day] = told[rows]
                self.asked_from[id] = np.where(here, index + 1, self.asked_from[id])
            if any(a.type == "urine" and id in a.substances for a in kinds):
                clean = np.full(c.n, part.specificity)
                for back, found in enumerate(part.sensitivity[: index + 1]):
                    clean = clean * (1.0 - found * c.use[id][:, index - back])
                positive = c.uniform(Purpose.SAMPLE, index, 0, instance) < 1.0 - clean
                urine = c.urine.setdefault(id, np.full(c.attended.shape, 255, dtype=np.uint8))
                urine[:, v] = np.where(c.attended[:, v], positive, 255)

    def _give(self, arm_number: int, dose: Any, index: int, visits: Sequence[int]) -> None:
        """A planned dose: given to who is there, has not stopped, and came where a visit is planned that day."""
        c = self.c
        there = (c.arm == arm_number) & (c.gone_from > index) & (c.stopped > index)
        if visits:
            there &= c.attended[:, list(visits)].any(axis=1)
        if "death" in c.events:
            there &= c.events["death"] > index
        key = (dose.intervention, dose.day)
        c.given[key] = c.given.get(key, np.zeros(c.n, dtype=np.bool_)) | there
        draw = c.uniform(Purpose.DISCONTINUED, index, 0, instance_of("dose", dose.intervention))
        stops = there & (draw < self.parts.stopped_per_dose)
        c.stopped = np.where(stops, np.minimum(c.stopped, index + 1), c.stopped)


def _recent_use(course: DrawnTrials, index: int) -> Floats:
    """(N,) share of the last four days with use of anything that is followed."""
    out = np.zeros(course.n)
    if index < 0:
        return out
    for use in course.use.values():
        out = np.maximum(out, use[:, max(0, index - RECALL_DAYS + 1) : index + 1].sum(axis=1) / RECALL_DAYS)
    return out


def _score_at(course: DrawnTrials, id: str, part: ScorePart, v: int) -> Floats:
    """(N,) the score at a planned visit, as if everybody had come."""
    visit = course.scenario.visits[v]
    index, instance = day_index(visit.target_day), instance_of("score", id)
    instrument = course.scenario.instruments[id]
    person = course.person("score", id, part.severity)
    rho = part.within_person
    weeks = max(0, index) / 7.0
    centre = part.mean + part.per_week * weeks + part.with_use * _recent_use(course, index)
    centre = centre + course.effect(part.effect, index) + course.site_effect(part.site_sd, "score", id)
    if part.binomial:
        highest = int(sum(item.highest for item in instrument.items))
        p = special.expit(centre + part.sd * person)
        u = course.uniform(Purpose.VALUE, v, 0, instance)
        k = np.arange(highest + 1)[None, :]
        log_p = k * np.log(p)[:, None] + (highest - k) * np.log1p(-p)[:, None]
        masses = special.binom(highest, np.arange(highest + 1))[None, :] * np.exp(log_p)
        return np.asarray((u[:, None] > np.cumsum(masses, axis=1)).sum(axis=1), dtype=np.float64).clip(0, highest)
    noise = course.normal(Purpose.VALUE, v, 0, instance)
    value = centre + part.sd * (np.sqrt(rho) * person + np.sqrt(1.0 - rho) * noise)
    if part.log:
        value = np.exp(value)
    score = mark(value, instrument)
    if part.lowest_at_entry is not None and visit.target_day <= course.scenario.randomization_day:
        score = np.maximum(score, part.lowest_at_entry)
    return score


def _scores(course: DrawnTrials, id: str, part: ScorePart) -> Floats:
    out = np.full(course.attended.shape, np.nan)
    for v in np.flatnonzero(_asks(course.scenario, id)):
        out[:, v] = _score_at(course, id, part, int(v))
    return out


def _reports(course: DrawnTrials, id: str, part: Any) -> Floats:
    """(N, V) 1 yes, 0 no, NaN where nobody asked or nobody was reached."""
    out = np.full(course.attended.shape, np.nan)
    instance = instance_of("report", id)
    person = course.person("report", id, 0.0) if not part.severity else course.severity * part.severity
    for v in np.flatnonzero(_asks(course.scenario, id)):
        index = day_index(course.scenario.visits[v].target_day)
        eta = special.logit(part.share) + course.effect(part.effect, index)
        if part.severity:
            eta = eta + person
        yes = course.uniform(Purpose.ANSWER, int(v), 0, instance) < special.expit(eta)
        reached = course.uniform(Purpose.REACHED, int(v), 0, instance) < part.reached
        out[:, v] = np.where(reached & course.attended[:, v], yes.astype(np.float64), np.nan)
    return out
