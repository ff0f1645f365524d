"""Assumptions of the level ``simple``: what comes out of the trial, endpoint by endpoint.

Two numbers are enough for an endpoint: a share in each arm; or means and a standard deviation, a hazard and a ratio.
The value of the endpoint is drawn, as the analysis will read it: there are no days, visits or records. Methods:
``docs/methods/simple_assumptions.md``.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.foundation.calendar import day_index
from equipoise.foundation.errors import Problem, listed, nearest
from equipoise.instruments import find_instrument_of
from equipoise.protocol import Protocol
from equipoise.protocol.vocabulary.endpoint_kinds import BINARY
from equipoise.simulation.quantities import AssumptionReader, at_day, plain_number, rate_per_day, share, shown

CODES = {
    "S040": "A set of simple assumptions names something that is not an endpoint, or one that it cannot simulate.",
    "S041": "A value in a set of simple assumptions cannot be read, or is impossible.",
    "S043": "A set of simple assumptions has no records.",
    "S042": "Proportions or rates are incompatible with the stated loss.",
}
Floats = NDArray[np.float64]
SHARES = ("abstinence", "report", "received", "score-criterion", "finding", "event")
REPEATED = ("repeated-use", "use-by-day", "use-by-week", "score-criterion", "finding")
# What an endpoint's own missing rule makes of who is lost: no, or yes; nothing where they are missing.
_LOST_IS = {"is-use": 0.0, "is-use-after-dropout": 0.0, "is-no": 0.0, "is-yes": 1.0}


@dataclass(frozen=True, kw_only=True)
class SimpleEndpoint:
    """What one endpoint comes to; arrays have one entry an arm, in the protocol's order.

    ``form`` says which fields hold: ``share`` (share), ``number`` (mean, sd, out of ``most``), ``count`` (mean a day,
    dispersion), ``repeated`` (shares at each visit), ``score`` (means at each visit, sd) or ``time`` (scale and shape
    of a Weibull distribution of days, by arm).
    """

    id: str
    form: str
    share: Floats = field(default_factory=lambda: np.empty(0))
    lost_is: float | None = None  # 0 or 1: what who is lost counts as, and the share already says so; else missing
    of_seen: bool = False
    mean: Floats = field(default_factory=lambda: np.empty((0, 0)))  # (n_arms, n_visits); (n_arms, 1) of a number
    sd: Floats = field(default_factory=lambda: np.empty(0))
    most: int | None = None
    dispersion: float = 0.0  # k of a count whose variance is mu + k mu^2
    unit: float = 1.0  # what one day of a count is worth in the endpoint's own unit
    within_person: float = 0.5
    log: bool = False
    bounds: tuple[float, float] | None = None
    step: float = 0.0
    scale: Floats = field(default_factory=lambda: np.empty(0))  # days at which 1/e have no event yet
    shape: float = 1.0
    loss_is_event: bool = False
    loss_competes: bool = False  # who is lost has a competing event
    competing: Floats | None = None  # hazard a day of other competing events by arm; None of an endpoint without any
    until: float = 0.0
    words: tuple[str, ...] = ()  # defaults taken, for the report

    def towards(self, factor: float) -> SimpleEndpoint:
        """Every arm moved towards the mean of the arms: 0 no difference, 1 unchanged."""

        def moved(values: Floats) -> Floats:
            middle = values.mean(axis=0, keepdims=True)
            return np.asarray(middle + factor * (values - middle))

        log_scale = np.log(self.scale) if self.scale.size else self.scale
        return replace(
            self,
            share=moved(self.share) if self.share.size else self.share,
            mean=moved(self.mean) if self.mean.size else self.mean,
            sd=moved(self.sd) if self.sd.size else self.sd,
            scale=np.exp(moved(log_scale)) if self.scale.size else self.scale,
            competing=None if self.competing is None else moved(self.competing),
        )

    @property
    def differs(self) -> bool:
        """Whether any arm differs from another."""
        parts = (self.share, self.mean, self.sd, self.scale)
        return any(bool((part != part[:1]).any()) for part in parts if part.size)


@dataclass(frozen=True, kw_only=True)
class SimpleScenario:
    """The trial under a set of simple assumptions."""

    name: str
    protocol: Protocol
    arm_sizes: Mapping[str, int]
    endpoints: Mapping[str, SimpleEndpoint]
    attrition: Floats  # (n_arms,)
    between_endpoints: float = 0.5
    assumed: tuple[str, ...] = ()

    @property
    def n_participants(self) -> int:
        """Participants randomized."""
        return sum(self.arm_sizes.values())

    @property
    def is_null(self) -> bool:
        """Whether no endpoint and no loss depends on the arm."""
        if any(endpoint.differs for endpoint in self.endpoints.values()):
            return False
        return bool((self.attrition == self.attrition[0]).all())


def read_simple(
    protocol: Protocol, name: str, settings: Any, arm_sizes: Mapping[str, int], problems: list[Problem]
) -> SimpleScenario:
    """A set of simple assumptions; everything that is wrong is added to ``problems``."""
    place = f"assumptions.{name}"
    parameters = dict(settings.parameters)
    extra = AssumptionReader(parameters, f"{place}.parameters", problems, "S041")
    extra.known(("effect-factor", "lost", "without-effect"))
    factor = extra.number("effect-factor", 1.0)
    attrition = _attrition(protocol, settings.attrition, f"{place}.attrition", problems)
    assumed = [] if settings.attrition is not None or "lost" in parameters else ["nobody is lost"]
    if "lost" in parameters:
        lost = extra.number("lost", read=share, lowest=0, highest=1, expected="a share from 0 to 1")
        attrition = np.full(len(protocol.arm_ids), lost)
    without_effect = parameters.get("without-effect", ())
    is_list = isinstance(without_effect, (list, tuple)) and set(without_effect) <= set(settings.simple)
    if not is_list:
        found, expected = f"Found {shown(without_effect)}.", f"a list of {listed(settings.simple, limit=30)}"
        problems.append(Problem("S041", f"{place}.parameters.without-effect", found, expected))
    endpoints = {}
    for id, given in settings.simple.items():
        if id not in protocol.model.endpoints:
            guess = nearest(id, list(protocol.model.endpoints))
            hint = f"Did you mean {guess}?" if guess else ""
            known = listed(protocol.model.endpoints, limit=30)
            problems.append(Problem("S040", f"{place}.simple.{id}", f"There is no endpoint {id!r}.", known, hint))
            continue
        if not isinstance(given, Mapping):
            found = f"Found {shown(given)}."
            problems.append(Problem("S041", f"{place}.simple.{id}", found, "a value for each arm"))
            continue
        before = len(problems)
        made = _Reader(
            protocol, id, AssumptionReader(given, f"{place}.simple.{id}", problems, "S041"), attrition
        ).read()
        if made is not None and len(problems) == before:
            endpoints[id] = made.towards(0.0 if is_list and id in without_effect else factor)
            assumed += [f"{id}: {words}" for words in made.words]
    between = float(settings.between_endpoints)
    if len(endpoints) > 1:
        assumed.append(f"endpoints of one participant are correlated {between:g}")
    return SimpleScenario(
        name=name,
        protocol=protocol,
        arm_sizes=dict(arm_sizes),
        endpoints=endpoints,
        attrition=attrition,
        between_endpoints=between,
        assumed=tuple(assumed),
    )


def _attrition(protocol: Protocol, value: Any, place: str, problems: list[Problem]) -> Floats:
    arms = protocol.arm_ids
    if value is None:
        return np.zeros(len(arms))
    by_arm = value if isinstance(value, Mapping) else dict.fromkeys(arms, value)
    p = AssumptionReader(by_arm, place, problems, "S041")
    p.known(arms)
    expected = "a share such as 15 %, below 100 %"
    return np.array([p.number(arm, read=share, lowest=0.0, highest=0.999, expected=expected) for arm in arms])


class _Reader:
    """Reads the assumptions of one endpoint."""

    def __init__(self, protocol: Protocol, id: str, place: AssumptionReader, attrition: Floats) -> None:
        self.protocol, self.id, self.place, self.attrition = protocol, id, place, attrition
        self.endpoint: Any = protocol.model.endpoints[id]
        self.arms = protocol.arm_ids
        self.words: list[str] = []

    def read(self) -> SimpleEndpoint | None:
        kind = self.endpoint.kind
        if kind in SHARES and self.endpoint.shape == BINARY:
            return self._share()
        if kind == "abstinent-days":
            return self._days()
        if kind == "event-count":
            return self._count()
        if kind in REPEATED:
            return self._repeated()
        if kind == "score":
            return self._score()
        if kind == "time-to-event":
            return self._time()
        self.place.problem(
            "",
            f"A simple set draws the value of an endpoint, and cannot draw one of kind {kind}.",
            listed(dict.fromkeys([*SHARES, "abstinent-days", "event-count", *REPEATED, "score", "time-to-event"])),
            "Write a set of assumptions with `parts:`, from whose days and visits it is derived.",
        )
        return None

    def by_arm(self, values: Mapping[str, Any], read: Any, expected: str, path: str = "") -> Floats:
        """A number for each arm: given by arm, or as reference and effects of the factors' second levels."""
        place = replace_path(self.place, values, path)
        factors = self.protocol.model.factors
        if "reference" in values and factors:
            base = place.number("reference", read=read, expected=expected)
            out = np.full(len(self.arms), base)
            for arm_number, arm in enumerate(self.arms):
                levels = self.protocol.model.arms[arm].factors
                raised = [f for f, factor in factors.items() if levels.get(f) != factor.levels[0]]
                for factor in raised:
                    out[arm_number] += place.number(factor, read=read, expected=f"{expected}, added by {factor}")
                if len(raised) > 1:
                    out[arm_number] += place.number("interaction", 0.0, read=read, expected=expected)
            return out
        return np.array([place.number(arm, read=read, expected=f"{expected} for each arm") for arm in self.arms])

    def _keys(self, *more: str) -> tuple[str, ...]:
        factorial = ("reference", *self.protocol.model.factors, "interaction") if self.protocol.model.factors else ()
        keys = (*self.arms, *factorial, *more)
        self.place.known(keys)
        return keys

    def _inside(self, values: Floats, lowest: float, highest: float, expected: str) -> None:
        for arm, value in zip(self.arms, values, strict=True):
            if not math.isnan(value) and not lowest <= value <= highest:
                self.place.problem(arm, f"It comes to {value:g} in the arm {arm}.", expected)

    def _share(self) -> SimpleEndpoint:
        self._keys("of")
        p = self.by_arm(self.place.values, share, "a share such as 30 %")
        self._inside(p, 0.0, 1.0, "a share from 0 to 100 %")
        of = self.place.values.get("of", "all")
        if of not in ("all", "seen"):
            self.place.problem("of", f"Found {shown(of)}.", "all, or seen")
        lost_is = _LOST_IS.get(getattr(self.endpoint, "missed", "is-no"))
        if lost_is is not None and of == "all":
            for arm, value, lost in zip(self.arms, p, self.attrition, strict=True):
                if lost_is == 0.0 and value > 1.0 - lost + 1e-12:
                    found = (
                        f"{100 * value:g} % and {100 * lost:g} % lost cannot both be: who is lost counts as a failure, "
                        f"so at most {100 * (1 - lost):g} % can succeed."
                    )
                elif lost_is == 1.0 and value < lost - 1e-12:
                    found = (
                        f"{100 * value:g} % and {100 * lost:g} % lost cannot both be: who is lost counts as yes, "
                        f"so it is at least {100 * lost:g} %."
                    )
                else:
                    continue
                self.place.problems.append(
                    Problem("S042", f"{self.place.path}.{arm}", found, "", "Change one, or write of: seen.")
                )
        return SimpleEndpoint(id=self.id, form="share", share=p, lost_is=lost_is, of_seen=of == "seen")

    def _count(self) -> SimpleEndpoint:
        """Events in a window: a rate by arm, or one and a ratio; negative binomial with ``dispersion``."""
        self.place.known(("rate", "ratio", "dispersion"))
        given, expected = self.place.values.get("rate"), "a rate above 0 such as 12 per 28 days"
        if isinstance(given, Mapping):
            rate = self.by_arm(given, rate_per_day, expected, "rate")
        else:
            rate = np.full(len(self.arms), self.place.number("rate", read=rate_per_day, expected=expected))
        self._inside(rate, 1e-9, 1000.0, expected)
        if "ratio" in self.place.values:
            rate = rate * self._ratios(self.place.values["ratio"])
        if "dispersion" not in self.place.values:
            self.words.append("dispersion 0.5: the variance of a count is its mean and half of the mean's square")
        dispersion = self.place.number("dispersion", 0.5, lowest=0, highest=100, expected="0 (Poisson) or more")
        days = len(list(self.endpoint.days.range))
        return SimpleEndpoint(
            id=self.id,
            form="count",
            mean=rate[:, None],
            until=float(days),
            dispersion=dispersion,
            words=tuple(self.words),
        )

    def _spread(self) -> Floats:
        sd = self.place.values.get("sd")
        if isinstance(sd, Mapping):
            return self.by_arm(sd, plain_number, "a standard deviation above 0", "sd")
        one = self.place.number("sd", lowest=0.0, highest=1e9, open_ends=True, expected="a standard deviation above 0")
        return np.full(len(self.arms), one)

    def _days(self) -> SimpleEndpoint:
        self._keys("sd")
        m = len(list(self.endpoint.days.range))
        unit = 100.0 / m if self.endpoint.as_ == "percent" else 1.0
        mean, sd = self.by_arm(self.place.values, plain_number, "a mean"), self._spread()
        if self.endpoint.missed != "is-missing" and (self.attrition > 0).any():
            self.place.problem(
                "",
                f"Lost days count by the rule {self.endpoint.missed}, which needs to know when a participant was lost.",
                "no attrition, or missed: is-missing",
                "Write a set of assumptions with `parts:`.",
            )
        for arm, centre, spread in zip(self.arms, mean, sd, strict=True):
            if math.isnan(centre) or math.isnan(spread):
                continue
            days, sd_days = centre / unit, spread / unit
            if not 0 < days < m:
                self.place.problem(arm, f"Found {centre:g}.", f"a mean between 0 and {m * unit:g}")
                continue
            least, greatest = math.sqrt(days * (1 - days / m)), math.sqrt(days * (m - days))
            if not least <= sd_days < greatest:
                found = f"An SD of {spread:g} about {centre:g} of {m * unit:g}."
                self.place.problem("sd", found, f"from {least * unit:.2f} to {greatest * unit:.2f}")
        return SimpleEndpoint(id=self.id, form="number", mean=mean[:, None], sd=sd, most=m, unit=unit)

    def n_visits(self) -> int:
        """Visits, days or weeks of a repeated endpoint."""
        if self.endpoint.kind == "use-by-day":
            return len(list(self.endpoint.days.range))
        if self.endpoint.kind == "use-by-week":
            return len(list(self.endpoint.days.range)) // 7
        return len(self.protocol.series(self.endpoint.at))

    def _within(self, default: float) -> float:
        if "within-person" not in self.place.values:
            self.words.append(f"results of one participant are correlated {default:g}")
        return self.place.number(
            "within-person", default, lowest=0.0, highest=0.999, expected="a correlation from 0 to below 1"
        )

    def _repeated(self) -> SimpleEndpoint:
        from scipy.special import ndtr, ndtri

        if self.treatments():
            return self._repeated_by_treatment()
        self._keys("within-person", "last")
        first = self.by_arm(self.place.values, share, "a share such as 40 %")
        self._inside(first, 1e-9, 1 - 1e-9, "a share above 0 and below 100 %")
        last, n = first, self.n_visits()
        if isinstance(self.place.values.get("last"), Mapping):
            last = self.by_arm(self.place.values["last"], share, "a share such as 40 %", "last")
            self._inside(last, 1e-9, 1 - 1e-9, "a share above 0 and below 100 %")
        along = np.linspace(0.0, 1.0, n) if n > 1 else np.zeros(1)
        shares = ndtr(ndtri(first)[:, None] * (1 - along) + ndtri(last)[:, None] * along)
        within = self._within(0.5)
        return SimpleEndpoint(id=self.id, form="repeated", mean=shares, within_person=within, words=tuple(self.words))

    def treatments(self) -> dict[str, list[str]]:
        """In a crossover with a result in each period, by arm what is given before each; else nothing."""
        model, at = self.protocol.model, getattr(self.endpoint, "at", None)
        if model.trial.design != "crossover" or at is None:
            return {}
        rows: dict[str, list[str]] = {}
        gives = {arm: entry.gives for arm, entry in model.arms.items()}
        cells = [set(names) for entry in gives.values() if isinstance(entry, Mapping) for names in entry.values()]
        common = set.intersection(*cells) if cells else set()
        for arm, entry in gives.items():
            if not isinstance(entry, Mapping):
                return {}
            for visit in self.protocol.series(at):
                stage = next((id for id, s in model.stages.items() if visit.target_day in s.days.range), None)
                given = [name for name in entry.get(stage or "", ()) if name not in common]
                rows.setdefault(arm, []).append(given[0] if len(given) == 1 else "")
        return rows if all(all(row) for row in rows.values()) else {}

    def by_treatment(self, read: Any, expected: str, lowest: float, highest: float, *more: str) -> Floats:
        """(n_arms, n_visits) what comes out in each period: by treatment, with period and carry-over."""
        rows = self.treatments()
        names = list(dict.fromkeys(name for row in rows.values() for name in row))
        self.place.known((*names, "period", "carry-over", *more))
        value = {name: self.place.number(name, read=read, expected=f"{expected} for each treatment") for name in names}
        for name, found in value.items():
            if not math.isnan(found) and not lowest <= found <= highest:
                self.place.problem(name, f"Found {found:g}.", f"{expected}, from {lowest:g} to {highest:g}")
        period = self.place.number("period", 0.0)
        left = self.place.number("carry-over", 0.0, read=share, lowest=-1, highest=1, expected="a share")
        # The reference is what an estimand compares against, else the first by name of the file.
        against = [e.treatments.reference for e in self.protocol.model.estimands.values() if e.endpoint == self.id]
        reference = next((name for name in against if name in value), names[0])
        out = np.empty((len(self.arms), len(next(iter(rows.values())))))
        for k, arm in enumerate(self.arms):
            for j, name in enumerate(rows[arm]):
                before = value[rows[arm][j - 1]] - value[reference] if j else 0.0
                out[k, j] = value[name] + (period if j else 0.0) + left * before
        if ((out < lowest) | (out > highest)).any():
            self.place.problem("", "With period and carry-over it leaves its range.", f"from {lowest:g} to {highest:g}")
        return out

    def _repeated_by_treatment(self) -> SimpleEndpoint:
        shares = self.by_treatment(share, "a share such as 40 %", 1e-9, 1 - 1e-9, "within-person")
        within = self._within(0.5)
        return SimpleEndpoint(id=self.id, form="repeated", mean=shares, within_person=within, words=tuple(self.words))

    def _score_by_treatment(self) -> SimpleEndpoint:
        """A score in each period of a crossover, or its logarithm by medians."""
        log = bool(getattr(self.endpoint, "log", False))
        bounds, step = self._marks()
        low, high = bounds or ((1e-12, 1e12) if log else (-1e12, 1e12))
        spread_key = "log-sd" if log else "sd"
        means = self.by_treatment(plain_number, "a median" if log else "a mean", low, high, spread_key, "within-person")
        sd = self.place.number(spread_key, lowest=0.0, highest=1e9, open_ends=True, expected="a standard deviation")
        return SimpleEndpoint(
            id=self.id,
            form="score",
            mean=np.log(np.maximum(means, 1e-300)) if log else means,
            sd=np.full(len(self.arms), sd),
            within_person=self._within(0.6),
            log=log,
            bounds=bounds,
            step=step,
            words=tuple(self.words),
        )

    def _marks(self) -> tuple[tuple[float, float] | None, float]:
        """Range and step of the score; a change is not bound to the instrument's range, and that of marks is whole."""
        if self.endpoint.value != "score":
            return None, 1.0 if self.endpoint.value == "change" else 0.0
        instrument = find_instrument_of(self.protocol, self.endpoint.assessment)
        if instrument is None or self.endpoint.scale not in instrument.scales:
            return None, 0.0
        items = [i for i in instrument.items if i.id in instrument.scales[self.endpoint.scale]]
        return (sum(i.lowest for i in items), sum(i.highest for i in items)), 1.0

    def _score(self) -> SimpleEndpoint:
        if self.treatments():
            return self._score_by_treatment()
        self._keys("sd", "log-sd", "median", "ratio", "at", "within-person", "baseline")
        if getattr(self.endpoint, "log", False):
            mean = np.log(self._medians())
            sd = self.place.number(
                "log-sd", lowest=0.0, highest=20.0, open_ends=True, expected="an SD of the logarithm"
            )
            spread = np.full(len(self.arms), sd)
        else:
            mean, spread = self.by_arm(self.place.values, plain_number, "a mean"), self._spread()
        n = max(1, len(self.protocol.series(self.endpoint.at)))
        at = self.place.values.get("at", "all")
        if at not in ("all", "last"):
            self.place.problem("at", f"Found {shown(at)}.", "all (the mean at every visit), or last")
        means = np.repeat(mean[:, None], n, axis=1)
        if at == "last":
            start = self.place.number("baseline", expected="the mean before treatment, from which a line runs")
            means = start + (mean - start)[:, None] * (np.arange(1, n + 1) / n)
        bounds, step = self._marks()
        if bounds is not None:
            raw = np.exp(means) if getattr(self.endpoint, "log", False) else means
            for arm, value in zip(self.arms, raw, strict=True):
                if ((value < bounds[0]) | (value > bounds[1])).any():
                    self.place.problem(arm, f"Found {value[0]:g}.", f"a mean from {bounds[0]:g} to {bounds[1]:g}")
        return SimpleEndpoint(
            id=self.id,
            form="score",
            mean=means,
            sd=spread,
            within_person=self._within(0.6) if n > 1 else 0.5,
            log=bool(getattr(self.endpoint, "log", False)),
            bounds=bounds,
            step=step,
            words=tuple(self.words),
        )

    def _medians(self) -> Floats:
        ratio = self.place.values.get("ratio")
        if ratio is None:
            out = self.by_arm(self.place.values, plain_number, "a median above 0")
        else:
            median = self.place.number("median", lowest=0, highest=1e12, open_ends=True, expected="a median above 0")
            out = median * self._ratios(ratio)
        self._inside(out, 1e-12, 1e12, "a median above 0")
        return np.where(out > 0, out, np.nan)

    def _ratios(self, ratio: Any) -> Floats:
        """Ratios to the first arm: by arm (1 where not named), or one number for every other arm."""
        if not isinstance(ratio, Mapping):
            one = self.place.number("ratio", lowest=0, highest=1e6, open_ends=True, expected="a ratio above 0")
            return np.array([1.0, *[one] * (len(self.arms) - 1)])
        place = replace_path(self.place, ratio, "ratio")
        place.known(self.arms)
        return np.array(
            [place.number(a, 1.0, lowest=0, highest=1e6, open_ends=True, expected="a ratio above 0") for a in self.arms]
        )

    def _time(self) -> SimpleEndpoint:
        self._keys("hazard", "event-free", "ratio", "shape", "competing")
        until = float(day_index(self.endpoint.until.last) - day_index(self.endpoint.time_zero.first))
        shape = self.place.number("shape", 1.0, lowest=0, highest=50, open_ends=True, expected="a shape above 0")
        if ("hazard" in self.place.values) == ("event-free" in self.place.values):
            self.place.problem(
                "", "Exactly one of hazard and event-free is needed.", "hazard: 0.02 per day, or event-free"
            )
            return SimpleEndpoint(id=self.id, form="time")
        given = self.place.values.get("hazard", self.place.values.get("event-free"))
        cumulative = self._hazards(given, shape, until) if "hazard" in self.place.values else self._event_free(given)
        if "ratio" in self.place.values:
            cumulative = cumulative * self._ratios(self.place.values["ratio"])
        # cumulative: total hazard at `until` by arm; the scale at which it is 1
        day = self._day if "event-free" in self.place.values else until
        scale = day * cumulative ** (-1.0 / shape)
        is_event = any(hasattr(event, "dropout") or hasattr(event, "disposition") for event in self.endpoint.first_of)
        if is_event:
            for arm, value, lost in zip(self.arms, scale, self.attrition, strict=True):
                whole = -math.expm1(-((until / value) ** shape))
                if lost > whole:
                    found = (
                        f"Dropout is part of {self.id}: {100 * lost:g} % lost and {100 * whole:.3g} % with an event "
                        f"by day {self.endpoint.until.last} cannot both be."
                    )
                    self.place.problems.append(Problem("S042", f"{self.place.path}.{arm}", found))
        competing = self.endpoint.competing
        return SimpleEndpoint(
            id=self.id,
            form="time",
            scale=scale,
            shape=shape,
            loss_is_event=is_event,
            loss_competes=any(hasattr(e, "dropout") or hasattr(e, "disposition") for e in competing),
            competing=self._competing(),
            until=until,
            words=tuple(self.words),
        )

    def _competing(self) -> Floats | None:
        """Hazard a day of the competing events by arm; where those lost are the only ones, none is needed."""
        given = self.place.values.get("competing")
        expected = "a rate above 0 such as 0.002 per day, for every arm or by arm"
        if not self.endpoint.competing:
            if given is not None:
                self.place.problem("competing", f"{self.id} has no competing events.", "no such key")
            return None
        if given is None:
            others = [e for e in self.endpoint.competing if not (hasattr(e, "dropout") or hasattr(e, "disposition"))]
            if others:
                self.place.problem("competing", "Nothing says how often the competing events come.", expected)
            return np.zeros(len(self.arms))
        if isinstance(given, Mapping):
            rate = self.by_arm(given, rate_per_day, expected, "competing")
        else:
            rate = np.full(len(self.arms), self.place.number("competing", read=rate_per_day, expected=expected))
        self._inside(rate, 1e-9, 1000.0, expected)
        self.words.append("competing events come at a constant rate, independently of the event given the arm")
        return rate

    def _hazards(self, given: Any, shape: float, until: float) -> Floats:
        """Cumulative hazard at the end of follow-up by arm; a rate is that of the exponential with the same total."""
        expected = "a rate above 0 such as 0.02 per day"
        if isinstance(given, Mapping):
            rates = self.by_arm(given, rate_per_day, expected, "hazard")
        else:
            rates = np.full(len(self.arms), self.place.number("hazard", read=rate_per_day, expected=expected))
        self._inside(rates, 1e-12, 100.0, expected)
        return rates * until

    _day = 1.0

    def _event_free(self, given: Any) -> Floats:
        """Cumulative hazard by arm at the day that is named."""
        expected = "{arm: 30 %, at: day 84}, or 30 % at day 84 and a ratio"
        if isinstance(given, Mapping):
            place = replace_path(self.place, given, "event-free")
            place.known((*self.arms, "at"))
            found = at_day(given.get("at"))
            if found is None:
                place.problem("at", f"Found {shown(given.get('at'))}.", "a study day, such as day 84")
                return np.full(len(self.arms), np.nan)
            day = found[1]
            named = [arm for arm in self.arms if arm in given]
            if len(named) == 1 and "ratio" in self.place.values:
                p = np.full(len(self.arms), place.number(named[0], read=share, expected="a share such as 30 %"))
            else:
                p = np.array([place.number(arm, read=share, expected="a share such as 30 %") for arm in self.arms])
        else:
            pair = at_day(given)
            if pair is None or pair[0] is None:
                self.place.problem("event-free", f"Found {shown(given)}.", expected)
                return np.full(len(self.arms), np.nan)
            p, day = np.full(len(self.arms), pair[0]), pair[1]
        self._inside(p, 1e-9, 1 - 1e-9, "a share above 0 and below 100 %")
        self._day = float(max(1, day_index(day) - day_index(self.endpoint.time_zero.first)))
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(-np.log(p))


def replace_path(place: AssumptionReader, values: Mapping[str, Any], path: str) -> AssumptionReader:
    """The place of a mapping inside another."""
    return AssumptionReader(values, f"{place.path}.{path}" if path else place.path, place.problems, place.code)
