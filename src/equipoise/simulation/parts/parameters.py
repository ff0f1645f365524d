"""Assumptions part by part: what people do. Methods: ``docs/methods/parts.md``.

A part is there where the protocol calls for it. What a part needs and has no default for is asked for by name; every
default that was taken is kept in words, so that the report can list it as assumed.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import special

from equipoise.foundation.calendar import day_index
from equipoise.foundation.errors import Problem, listed
from equipoise.protocol import Protocol
from equipoise.records.schema import DISPOSITION_EVENTS
from equipoise.simulation.quantities import AssumptionReader, at_day, n_days, plain_number, rate_per_day, share, shown

CODES = {
    "S050": "A part, or a value in it, cannot be read or is impossible.",
    "S051": "The protocol does not need this part.",
    "S052": "A part that an endpoint of the plan needs is missing.",
    "S053": "The simulator of parts cannot simulate this design.",
}
Floats = NDArray[np.float64]
_LOG_ODDS = "a number of log-odds from -20 to 20"
# Probability that an assay finds use so many days back, the same day first. Cocaine as the day-level model has it; the
# others are recalled.
SENSITIVITY = {
    "cocaine": (0.98, 0.97, 0.90, 0.60),
    "alcohol": (0.90, 0.80, 0.50, 0.25),
    "heroin": (0.97, 0.90, 0.60, 0.20),
    "opioid": (0.97, 0.90, 0.60, 0.20),
    "opioids": (0.97, 0.90, 0.60, 0.20),
    "amphetamine": (0.97, 0.92, 0.75, 0.40),
    "methamphetamine": (0.97, 0.92, 0.75, 0.40),
    "benzodiazepines": (0.95, 0.90, 0.80, 0.70, 0.60),
    "cannabis": (0.95, 0.90, 0.85, 0.80, 0.75, 0.70, 0.65),
}


@dataclass(frozen=True, kw_only=True)
class Effect:
    """What arms, factors' levels or interventions received add on a part's scale, and how it comes and goes."""

    by_arm: Floats  # (n_arms,)
    by_intervention: Mapping[str, float] = field(default_factory=dict)
    builds: float = 0.0  # days
    fades: float | None = None  # days to 1/e after the last dose; None: it lasts
    per_dose: float = 1.0  # share of what is left that each dose gains
    of_class: bool = False  # on responders alone
    period: float = 0.0  # added in the second period of a crossover
    carry_over: float = 0.0  # share of the effect of the last period's intervention left in the next

    @property
    def differs(self) -> bool:
        """Whether arms or interventions differ."""
        return bool((self.by_arm != self.by_arm[0]).any()) or any(self.by_intervention.values())


@dataclass(frozen=True, kw_only=True)
class Attendance:
    """Who comes: gone for good before a visit, or missed."""

    level: float  # log-odds of being gone before a visit
    severity: float = 0.3
    after_use: float = 0.0
    current_result: float = 0.0  # log-odds for an SD worse of the first score, at the visit itself
    early: float = 0.0
    missed: float = 0.04
    missed_with_use: float = 0.10
    effect: Effect


@dataclass(frozen=True, kw_only=True)
class UsePart:
    """Use of one substance by day, and how it is told, found and measured."""

    level: float
    person_sd: float = 1.0
    memory: float = 1.0
    first_days: float = 0.0
    trend: float = 0.0  # added from the first to the last day
    severity: float = 1.0
    effect: Effect
    starting: float = 1.0  # share of the effect that acts on starting
    going_on: float = 0.0  # ... and on going on
    protected: tuple[int, int] | None = None  # study days without use
    before: float | None = None  # share of days before day 1 with use
    starts_abstinent: bool = True
    under_reporting: float = 0.2
    sensitivity: tuple[float, ...] = ()
    specificity: float = 0.995
    amount: float | None = None  # mean on a day of use
    amount_person_sd: float = 0.35
    amount_day_sd: float = 0.40
    amount_severity: float = 0.5
    amount_effect: Effect | None = None
    amount_unit: str | None = None
    site_sd: float = 0.0


@dataclass(frozen=True, kw_only=True)
class ScorePart:
    """A score at the visits that ask for it."""

    mean: float
    sd: float
    within_person: float = 0.6
    per_week: float = 0.0
    with_use: float = 0.0
    severity: float = 0.5
    effect: Effect
    log: bool = False
    binomial: bool = False  # a count out of the instrument's highest score: mean and sd are then log-odds
    lowest_at_entry: float | None = None
    site_sd: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Report:
    """A yes-or-no answer."""

    share: float
    reached: float = 0.95
    severity: float = 0.0
    effect: Effect


@dataclass(frozen=True, kw_only=True)
class Event:
    """An event with its hazard: Weibull, in days from randomization; or one that may come again, with its rate."""

    hazard: float = 0.0  # a day, at shape 1; otherwise that of the exponential with the same median
    rate: float | None = None  # a day, of what may happen many times: on so many days of a hundred ...
    dispersion: float = 0.5  # ... times a gamma number of the participant with mean 1 and this variance
    shape: float = 1.0
    severity: float = 0.5
    person_sd: float = 0.0
    effect: Effect
    seen_at_visit: bool = False  # known at the first visit attended from then on, with that day; else on its own


@dataclass(frozen=True, kw_only=True)
class Parts:
    """Every part of one set of assumptions."""

    attendance: Attendance
    use: Mapping[str, UsePart]
    score: Mapping[str, ScorePart]
    report: Mapping[str, Report]
    events: Mapping[str, Event]
    responders: Floats  # (n_arms,) share of each arm who can respond
    stopped_per_dose: float = 0.005
    session_held: float = 0.94
    lost: float | None = None  # share gone by the last visit, where the level is to be solved
    days_in_28: Mapping[str, float] = field(default_factory=dict)
    baseline: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    assumed: tuple[str, ...] = ()
    taken: Mapping[str, Any] = field(default_factory=dict)  # every default taken, by its place in the set

    @property
    def effects(self) -> tuple[Effect, ...]:
        """Every effect of every part."""
        found = [self.attendance.effect, *(p.effect for p in self.use.values())]
        found += [p.amount_effect for p in self.use.values() if p.amount_effect is not None]
        for group in (self.score, self.report, self.events):
            found += [p.effect for p in group.values()]
        return tuple(found)


class PartsReader:
    """Reads ``parts:`` of a set of assumptions; everything that is wrong is added to ``problems``."""

    def __init__(self, protocol: Protocol, settings: Any, place: str, problems: list[Problem]) -> None:
        self.protocol, self.settings, self.place, self.problems = protocol, settings, place, problems
        self.arms = protocol.arm_ids
        self.assumed: list[str] = []
        self.taken: dict[str, Any] = {}  # every default that was taken, by its place
        extra = AssumptionReader(dict(settings.parameters), f"{place}.parameters", problems, "S050")
        extra.known(("effect-factor", "lost"))
        self.factor = extra.number("effect-factor", 1.0)
        self.lost = extra.number("lost", read=share, lowest=0, highest=0.999) if "lost" in extra.values else None

    def part(self, name: str, values: Any) -> AssumptionReader:
        """The place of a part, or of one of several of a kind."""
        if not isinstance(values, Mapping):
            self.problems.append(Problem("S050", f"{self.place}.parts.{name}", f"Found {shown(values)}.", "settings"))
            values = {}
        return AssumptionReader(values, f"{self.place}.parts.{name}", self.problems, "S050", self.taken)

    def default(self, p: AssumptionReader, key: str, value: float, **bounds: Any) -> float:
        """A number with a default; that it was taken is noted."""
        if p.values.get(key) is None:
            self.assumed.append(f"{p.path.split('.parts.')[-1]}.{key} {value:g}")
        return p.number(key, value, **bounds)

    def effect(self, p: AssumptionReader, key: str = "effect", *, is_course: bool = True) -> Effect:
        """An effect by arm, by level of factors, or by intervention received; none where it is not given.

        One of events is no course: it holds from the start.
        """
        given = p.values.get(key)
        by_arm, by_intervention = np.zeros(len(self.arms)), {}
        model = self.protocol.model
        if isinstance(given, Mapping):
            inner = AssumptionReader(given, f"{p.path}.{key}", self.problems, "S050")
            gives = {i for arm in model.arms.values() for i in arm.interventions}
            inner.known((*self.arms, *model.factors, "interaction", *sorted(gives)))
            for arm_number, arm in enumerate(self.arms):
                if arm in given:
                    by_arm[arm_number] += inner.number(arm, lowest=-50, highest=50, expected=_LOG_ODDS)
                levels = model.arms[arm].factors
                raised = 0
                for factor, entry in model.factors.items():
                    value = given.get(factor)
                    if value is None or levels.get(factor) == entry.levels[0]:
                        continue
                    raised += 1
                    if isinstance(value, Mapping):
                        level = AssumptionReader(value, f"{inner.path}.{factor}", self.problems, "S050", self.taken)
                        level.known(entry.levels)
                        by_arm[arm_number] += level.number(str(levels.get(factor)), 0.0)
                    else:
                        by_arm[arm_number] += inner.number(factor)
                if raised > 1 and "interaction" in given:
                    by_arm[arm_number] += inner.number("interaction")
            for id in sorted(gives & set(given) - set(self.arms)):
                by_intervention[id] = self.factor * inner.number(id)
        elif given is not None:
            p.problem(key, f"Found {shown(given)}.", f"numbers for {listed(self.arms, conjunction='and')}")
        fades = p.values.get("fades")
        # Where there is no effect there is nothing to say of how it comes and goes.
        course = p if given is not None and is_course else replace(p, taken=None)
        of_periods = course if model.trial.design == "crossover" else replace(p, taken=None)
        of = course.default("effect-on", "everybody")
        if of not in ("everybody", "responders"):
            p.problem("effect-on", f"Found {shown(of)}.", "everybody, or responders")
        return Effect(
            by_arm=self.factor * by_arm,
            by_intervention=by_intervention,
            builds=course.number("builds", 0.0, read=n_days, lowest=0, expected="a length such as 7 days"),
            fades=None if fades is None else p.number("fades", read=n_days, lowest=0.01, expected="a length of time"),
            per_dose=course.number("per-dose", 1.0, lowest=0, highest=1, expected="a share from 0 to 1"),
            of_class=of == "responders",
            period=of_periods.number("period", 0.0),
            carry_over=of_periods.number("carry-over", 0.0, read=share, lowest=-1, highest=1, expected="a share"),
        )

    EFFECT_KEYS = ("effect", "builds", "fades", "per-dose", "effect-on", "period", "carry-over")

    def attendance(self) -> Attendance:
        """Attendance; with ``lost`` its level is solved later."""
        given = self.settings.parts.get("attendance")
        p = self.part("attendance", {} if given is None else given)
        keys = ("lost", "level", "severity", "after-use", "current-result", "early", "missed", "missed-with-use")
        p.known((*keys, *self.EFFECT_KEYS))
        if "level" in p.values:
            level = p.number("level", lowest=-20, highest=20, expected=_LOG_ODDS)
        else:
            level = math.nan
            if self.lost is None:
                bounds = {"read": share, "lowest": 0, "highest": 0.999, "expected": "a share such as 15 %"}
                self.lost = self.default(p, "lost", 0.15, **bounds)
        one: dict[str, Any] = {"lowest": 0.0, "highest": 1.0, "read": share, "expected": "a share"}
        return Attendance(
            level=level,
            severity=self.default(p, "severity", 0.3, lowest=-1, highest=1),
            after_use=p.number("after-use", 0.0),
            current_result=p.number("current-result", 0.0),
            early=p.number("early", 0.0),
            missed=self.default(p, "missed", 0.04, **one),
            missed_with_use=self.default(p, "missed-with-use", 0.10, **one),
            effect=self.effect(p),
        )

    def use(self, substance: str, values: Any, days_in_28: dict[str, float]) -> UsePart:
        """Use of a substance."""
        p = self.part(f"use.{substance}", values)
        keys = (
            "level days-in-28 person-sd memory first-days trend severity acts-on protected before starts "
            "under-reporting sensitivity specificity amount site-sd"
        )
        p.known((*keys.split(), *self.EFFECT_KEYS))
        level = math.nan
        if "level" in p.values:
            level = p.number("level", lowest=-20, highest=20, expected=_LOG_ODDS)
        else:
            days = p.number("days-in-28", lowest=0, highest=28, open_ends=True, expected="days of use of 28, or level")
            days_in_28[substance] = days
        acts = p.default("acts-on", ["starting"]) if "effect" in p.values else p.values.get("acts-on", ["starting"])
        acts = [acts] if isinstance(acts, str) else list(acts)
        if not acts or not set(acts) <= {"starting", "going-on"}:
            p.problem("acts-on", f"Found {shown(acts)}.", "starting, going-on, or both in a list")
        each = 1.0 / max(1, len(acts))
        sensitivity = p.values.get("sensitivity")
        if sensitivity is None:
            sensitivity = SENSITIVITY.get(substance, SENSITIVITY["cocaine"])
            p.default("sensitivity", list(sensitivity))
            if any(a.type == "urine" and substance in a.substances for a in self.protocol.model.assessments.values()):
                self.assumed.append(f"use.{substance}.sensitivity {', '.join(f'{s:g}' for s in sensitivity)}")
        amount = p.values.get("amount")
        inner = self.part(f"use.{substance}.amount", amount if isinstance(amount, Mapping) else {"mean": amount})
        unit = next(
            (u.amount.unit for u in self.protocol.model.use.values() if u.amount is not None and _names(u, substance)),
            None,
        )
        has_amount = amount is not None
        if not has_amount:
            inner = replace(inner, taken=None)
        else:
            inner.known(("mean", "person-sd", "day-sd", "severity", *self.EFFECT_KEYS))
        one: dict[str, Any] = {"lowest": 0.0, "highest": 1.0, "read": share, "expected": "a share"}
        return UsePart(
            level=level,
            person_sd=self.default(p, "person-sd", 1.0, lowest=0, highest=10),
            memory=self.default(p, "memory", 1.0, lowest=-10, highest=10),
            first_days=p.number("first-days", 0.0),
            trend=p.number("trend", 0.0),
            severity=p.number("severity", 1.0, lowest=-1, highest=1),
            effect=self.effect(p),
            starting=each if "starting" in acts else 0.0,
            going_on=each if "going-on" in acts else 0.0,
            protected=_span(p, "protected"),
            before=None if p.values.get("before") is None else p.number("before", **one),
            starts_abstinent=p.default("starts", "abstinent") == "abstinent",
            under_reporting=self.default(p, "under-reporting", 0.2, **one),
            sensitivity=tuple(float(s) for s in sensitivity),
            specificity=p.number("specificity", 0.995, **one),
            amount=inner.number("mean", lowest=1e-6, expected="a mean amount on a day of use") if has_amount else None,
            amount_person_sd=inner.number("person-sd", 0.35, lowest=0),
            amount_day_sd=inner.number("day-sd", 0.40, lowest=0),
            amount_severity=inner.number("severity", 0.5, lowest=-1, highest=1),
            amount_effect=self.effect(inner) if has_amount else None,
            amount_unit=unit,
            site_sd=p.number("site-sd", 0.0, lowest=0),
        )

    def score(self, id: str, values: Any, bounds: tuple[float, float]) -> ScorePart:
        """A score; without settings the middle and a sixth of the range, alike in every arm."""
        p = self.part(f"score.{id}", values)
        keys = "mean sd within-person per-week with-use severity log lowest-at-entry binomial site-sd"
        p.known((*keys.split(), *self.EFFECT_KEYS))
        binomial = bool(p.default("binomial", False))
        inside: dict[str, Any] = {} if binomial or p.values.get("log") else {"lowest": bounds[0], "highest": bounds[1]}
        middle, spread = (bounds[0] + bounds[1]) / 2, (bounds[1] - bounds[0]) / 6
        return ScorePart(
            mean=self.default(p, "mean", middle, **inside, expected=f"a mean from {bounds[0]:g} to {bounds[1]:g}"),
            sd=self.default(p, "sd", spread, lowest=0, expected="a standard deviation of 0 or more"),
            within_person=self.default(p, "within-person", 0.6, lowest=0, highest=1, expected="from 0 to 1"),
            per_week=p.number("per-week", 0.0),
            with_use=p.number("with-use", 0.0),
            severity=self.default(p, "severity", 0.5, lowest=-1, highest=1),
            effect=self.effect(p),
            log=bool(p.default("log", False)),
            binomial=binomial,
            lowest_at_entry=None if p.values.get("lowest-at-entry") is None else p.number("lowest-at-entry"),
            site_sd=p.number("site-sd", 0.0, lowest=0),
        )

    def report(self, id: str, values: Any) -> Report:
        """A yes-or-no answer."""
        p = self.part(f"report.{id}", values)
        p.known(("share", "reached", "severity", *self.EFFECT_KEYS))
        one: dict[str, Any] = {"read": share, "lowest": 0.0, "highest": 1.0, "expected": "a share such as 40 %"}
        return Report(
            share=p.number("share", **{**one, "open_ends": True}),
            reached=self.default(p, "reached", 0.95, **one),
            severity=p.number("severity", 0.0, lowest=-10, highest=10),
            effect=self.effect(p),
        )

    def event(self, id: str, values: Any) -> Event:
        """An event, once a participant by its hazard, or again and again by its rate."""
        p = self.part(f"events.{id}", values)
        keys = ("hazard", "event-free", "shape", "person-sd", "seen")
        p.known((*keys, "rate", "dispersion", "severity", *self.EFFECT_KEYS))
        if "rate" in p.values:
            return self._recurrent(id, p, keys)
        if "dispersion" in p.values:
            p.problem("dispersion", "It goes with a rate, and there is none.", "rate, or person-sd with a hazard")
        effect = self._event_effect(p)
        shape = self.default(p, "shape", 1.0, lowest=0.01, highest=50)
        seen = p.default("seen", "at-once")
        if seen not in ("at-once", "at-visit"):
            p.problem("seen", f"Found {shown(seen)}.", "at-once, or at-visit")
        return Event(
            hazard=self._hazard(p, shape),
            shape=shape,
            severity=p.number("severity", 0.5, lowest=-1, highest=1),
            person_sd=p.number("person-sd", 0.0, lowest=0),
            effect=effect,
            seen_at_visit=seen == "at-visit",
        )

    def _event_effect(self, p: AssumptionReader) -> Effect:
        """The effect on a hazard or rate: by arm, from the first day on."""
        if "effect" in p.values and ({"builds", "fades", "per-dose", "effect-on"} & set(p.values)):
            odd = next(key for key in ("builds", "fades", "per-dose", "effect-on") if key in p.values)
            p.problem(odd, "The effect on a hazard holds from the first day on.", "an effect without it")
        effect = self.effect(p, is_course=False)
        if effect.by_intervention:
            p.problem("effect", "The effect on a hazard goes by arm.", listed(self.arms, conjunction="and"))
        return effect

    def _recurrent(self, id: str, p: AssumptionReader, of_hazards: tuple[str, ...]) -> Event:
        """An event that may come again: a rate, how much participants differ in it, an effect on its logarithm."""
        for key in of_hazards:
            if key in p.values:
                p.problem(key, f"rate and {key} both stand here.", "a rate (many times), or a hazard (once)")
        if id in DISPOSITION_EVENTS:
            p.problem("rate", f"{id} happens once.", "a hazard such as 0.001 per day", "Write hazard in place of rate.")
        expected = "a rate above 0 and below 1 per day (events are counted by the day), such as 2 per 28 days"
        event = Event(
            rate=p.number("rate", read=rate_per_day, lowest=0, highest=1, open_ends=True, expected=expected),
            dispersion=self.default(p, "dispersion", 0.5, lowest=0, highest=20, expected="from 0 (Poisson) to 20"),
            severity=self.default(p, "severity", 0.5, lowest=-1, highest=1),
            effect=self._event_effect(p),
        )
        assert event.rate is not None
        rates = event.rate * np.exp(event.effect.by_arm)
        kept = [rate_by_day(rate, event.dispersion) / rate for rate in rates]
        if min(kept) < 0.99:
            worst = int(np.argmin(kept))
            found = (
                f"{rates[worst]:.3g} a day in {self.arms[worst]} with a dispersion of {event.dispersion:g}: "
                f"some participants would have more than one a day, and {100 * (1 - kept[worst]):.0f} % of the events "
                "be lost."
            )
            p.problem(
                "rate", found, "a lower rate or dispersion", "Events are counted by the day; count days of use as use."
            )
        return event

    def _hazard(self, p: AssumptionReader, shape: float) -> float:
        """The rate stated, or that at which a stated share has no event by a study day (with nobody unlike another)."""
        if "hazard" in p.values and "event-free" in p.values:
            p.problem("event-free", "Both hazard and event-free are given.", "one of the two")
        if "event-free" not in p.values:
            expected = "a rate above 0 such as 0.001 per day, or event-free: 70 % at day 84"
            return p.number("hazard", read=rate_per_day, lowest=0, highest=10, open_ends=True, expected=expected)
        pair = at_day(p.values["event-free"])
        start = day_index(self.protocol.model.calendar.randomization_day or 1)
        if pair is None or pair[0] is None or not 0.0 < pair[0] < 1.0 or day_index(pair[1]) <= start:
            p.problem(
                "event-free", f"Found {shown(p.values['event-free'])}.", "a share by a day, such as 70 % at day 84"
            )
            return math.nan
        cumulative, days = -math.log(pair[0]), float(day_index(pair[1]) - start)
        if shape == 1.0:
            return cumulative / days
        # The exponential with the same median as the Weibull.
        median = days * (math.log(2.0) / cumulative) ** (1.0 / shape)
        return float(math.log(2.0) / median)


def rate_by_day(rate: float, dispersion: float) -> float:
    """Mean events a day where none counts twice: of the least of 1 and ``rate`` times a gamma number of mean 1."""
    if dispersion <= 0:
        return min(rate, 1.0)
    shape, most = 1.0 / dispersion, 1.0 / (rate * dispersion)
    return float(rate * special.gammainc(shape + 1.0, most) + special.gammaincc(shape, most))


def _names(use: Any, substance: str) -> bool:
    groups = use.substances.values() if isinstance(use.substances, Mapping) else [use.substances]
    return any(substance in group for group in groups)


def _span(p: AssumptionReader, key: str) -> tuple[int, int] | None:
    value = p.values.get(key)
    if value is None:
        return None
    if plain_number(value) is not None:
        return int(value), int(value)
    parts = str(value).split("..")
    try:
        return int(parts[0]), int(parts[-1])
    except ValueError:
        p.problem(key, f"Found {shown(value)}.", "study days such as 1..5")
        return None
