"""Endpoints drawn directly from a set of simple assumptions, for many trials at once.

Each participant has a standard normal propensity that all endpoints share (a Gaussian copula), and for each endpoint
one of its own; every value is an inversion of such a number, so that shares, means and hazards come out as stated.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray
from scipy import special

from equipoise.endpoints.endpoint_values import Derived, Tally
from equipoise.endpoints.lattice import Lattice, Participants
from equipoise.endpoints.relapse import time_in_visits
from equipoise.foundation.calendar import day_index, day_indices
from equipoise.foundation.errors import Problem, SimulationError
from equipoise.foundation.seeds import instance_of
from equipoise.protocol.language.analysis import Analysis, Estimand
from equipoise.records.schema import REPLICATE
from equipoise.simulation.purposes import Purpose
from equipoise.simulation.simple import SimpleEndpoint, SimpleScenario
from equipoise.simulation.streams import normal_grid, uniform_grid

Floats = NDArray[np.float64]
_EVENT_WORDS = {"abstinence": "abstinence", "report": "yes", "received": "received", "abstinent-days": "abstinent days"}
# Rules that can be carried out on a value that is there or lost.
_RULES = (None, "is-use", "is-missing", "is-no-use", "worst-case", "best-case")


def not_drawn(scenario: SimpleScenario, analysis: Analysis, estimand: Estimand) -> str | None:
    """Why a simple set cannot answer an analysis, in words; ``None`` where it can."""
    made_of = scenario.protocol.model.endpoints[estimand.endpoint].made_of
    absent = [name for name in made_of if name not in scenario.endpoints]
    if absent:
        return f"{estimand.endpoint} is made of {', '.join(made_of)}: not in the set {', '.join(absent)}"
    endpoint = scenario.endpoints.get(made_of[0] if made_of else estimand.endpoint)
    if endpoint is None:
        return f"{estimand.endpoint} is not in the set"
    if analysis.imputation is not None:
        return "imputation needs the results of visits"
    if estimand.stage is not None or analysis.analysis_set is not None:
        return "analysis sets and stages need records"
    if any(strategy in ("hypothetical", "while-on-treatment") for strategy in estimand.intercurrent.values()):
        return "what comes after an intercurrent event needs days"
    allowed = _RULES if endpoint.form == "share" else (None, "is-missing")
    if analysis.missed not in allowed:
        return f"missed: {analysis.missed} needs visits"
    return None


class SimpleLattice(Lattice):
    """Participants of many trials whose endpoints are drawn, not derived: no day and no visit exists."""

    def __init__(self, scenario: SimpleScenario, seed: int, replicates: Sequence[int]) -> None:
        self.protocol = scenario.protocol
        self.scenario, self.seed = scenario, seed
        self.replicates = np.asarray(replicates, dtype=np.int64)
        sizes = list(scenario.arm_sizes.values())
        self.n_each = sum(sizes)
        self.arm_number = np.tile(np.repeat(np.arange(len(sizes)), sizes), len(self.replicates))
        self.participants = Participants(self._frame())
        self.first, self.n_days = 0, 0
        self._days, self._uses, self._visits, self.patterns, self._unclear = {}, {}, {}, {}, {}
        self._seen: dict[str, Any] = {}

    @property
    def records(self) -> Any:  # type: ignore[override]
        """There are none (SimulationError S043)."""
        raise SimulationError(
            Problem(
                "S043",
                f"assumptions.{self.scenario.name}",
                "A simple set has no days or visits, so there are no records.",
                "a set with `parts:` or `model: day-level`",
                "Name another set with --scenario.",
            )
        )

    def _uniform(self, purpose: int, instance: int = 0, day: int = 0, draw: int = 0) -> Floats:
        grid = uniform_grid(self.seed, self.replicates, self.n_each, np.array([day]), purpose, draw, instance)
        return np.asarray(grid.ravel())

    def _normal(self, purpose: int, instance: int = 0, days: int = 1) -> Floats:
        grid = normal_grid(self.seed, self.replicates, self.n_each, np.arange(days), purpose, 0, instance)
        return np.asarray(grid.reshape(-1, days))

    def _frame(self) -> pl.DataFrame:
        n = self.n_each
        ids = pl.Series([f"P{number:0{max(3, len(str(n)))}d}" for number in range(1, n + 1)], dtype=pl.String)
        arm = pl.Series(list(self.scenario.arm_sizes), dtype=pl.String).gather(self.arm_number)
        columns = {
            REPLICATE: pl.Series(np.repeat(self.replicates, n)),
            "participant_id": ids.gather(np.tile(np.arange(n), len(self.replicates))),
            "arm": arm,
            "arm_received": arm,
            **{name: self._covariate(name) for name in covariates_of(self.protocol)},
        }
        return pl.DataFrame(columns)

    def _covariate(self, name: str) -> pl.Series:
        """A baseline variable that no outcome depends on: levels alike, numbers standard normal."""
        model, instance = self.protocol.model, instance_of("baseline", name)
        variable = model.baseline.get(name)
        if variable is None or variable.type != "number":
            levels = list(model.sites) if variable is None else list(variable.levels or ("no", "yes"))
            chosen = np.floor(len(levels) * self._uniform(Purpose.COVARIATE, instance)).astype(np.int64)
            if variable is not None and variable.type == "yes-no":
                return pl.Series(chosen.astype(np.float64))
            return pl.Series(levels, dtype=pl.String).gather(chosen)
        return pl.Series(self._normal(Purpose.COVARIATE, instance)[:, 0])

    def lost(self) -> NDArray[np.float64]:
        """(n,) when each participant is lost: a share of the way through the trial, above 1 where never.

        At a constant hazard such that the stated share is lost by the end.
        """
        if "lost" not in self._seen:
            share = self.scenario.attrition[self.arm_number]
            u = self._uniform(Purpose.LOST)
            with np.errstate(divide="ignore"):
                self._seen["lost"] = np.where(share > 0, np.log1p(-u) / np.log1p(-share), np.inf)
        return np.asarray(self._seen["lost"])

    def gone(self) -> NDArray[np.int64]:
        """(n_arms, n_replicates) participants lost by the end."""
        is_lost = (self.lost() <= 1.0).reshape(len(self.replicates), self.n_each)
        arm = self.arm_number.reshape(len(self.replicates), self.n_each)
        return np.stack([(is_lost & (arm == k)).sum(axis=1) for k in range(len(self.scenario.arm_sizes))])

    def _propensity(self, endpoint: SimpleEndpoint) -> Floats:
        """(n,) a standard normal number, high where the participant fares well."""
        r = self.scenario.between_endpoints if len(self.scenario.endpoints) > 1 else 0.0
        own = self._normal(Purpose.DIRECT, instance_of("endpoint", endpoint.id))[:, 0]
        shared = self._normal(Purpose.COPULA)[:, 0] if r else 0.0
        return np.asarray(np.sqrt(r) * shared + np.sqrt(1.0 - r) * own)

    def _sign(self, endpoint: SimpleEndpoint) -> float:
        return 1.0 if self.protocol.model.endpoints[endpoint.id].better == "higher" else -1.0

    def derived_directly(self, id: str, missed: str | None, floor: float | None) -> Derived | None:
        """The endpoint, drawn; ``missed`` replaces its own rule where a lost value can be decided by a word."""
        if self.protocol.model.endpoints[id].made_of:
            return None  # derived from what is drawn
        endpoint = self.scenario.endpoints[id]
        made: Derived = getattr(self, f"_draw_{endpoint.form}")(endpoint, missed, floor)
        return made

    def _made(self, endpoint: SimpleEndpoint, shape: Any, **values: Any) -> Derived:
        kind = self.protocol.model.endpoints[endpoint.id].kind
        word = values.pop("event_word", None) or _EVENT_WORDS.get(kind, endpoint.id)
        return Derived(
            endpoint=endpoint.id, kind=kind, shape=shape, participants=self.participants, event_word=word, **values
        )

    def _draw_share(self, endpoint: SimpleEndpoint, missed: str | None, floor: float | None) -> Derived:
        arm = self.arm_number
        p, lost = endpoint.share[arm], self.scenario.attrition[arm]
        if endpoint.lost_is is not None and not endpoint.of_seen:
            # The share is of everybody; of who is seen it is the rest after those lost, who count as so.
            p = np.divide(p - endpoint.lost_is * lost, 1.0 - lost, out=np.ones_like(p), where=lost < 1.0)
        success = special.ndtr(self._sign(endpoint) * self._propensity(endpoint)) > 1.0 - p
        gone = self.lost() <= 1.0
        better = self.protocol.model.endpoints[endpoint.id].better == "higher"
        own = np.nan if endpoint.lost_is is None else endpoint.lost_is
        stands_for = {
            None: own,
            "is-missing": np.nan,
            "is-use": 0.0 if better else 1.0,
            "is-no-use": 1.0 if better else 0.0,
        }[missed]
        value = np.where(gone, stands_for, success.astype(np.float64))
        return self._made(endpoint, "binary", value=value, imputed=gone, event_word=self._event_word(endpoint))

    def _event_word(self, endpoint: SimpleEndpoint) -> str | None:
        """What is counted, in the word that a derivation gives; ``None`` where the kind says it."""
        planned: Any = self.protocol.model.endpoints[endpoint.id]
        if planned.kind == "finding":
            return str(self.protocol.model.assessments[planned.assessment].yes)
        if planned.kind == "event":
            return str(planned.event_noun)
        return planned.label or endpoint.id.replace("-", " ") if planned.kind == "score-criterion" else None

    def _draw_count(self, endpoint: SimpleEndpoint, missed: str | None, floor: float | None) -> Derived:
        """Events over the days in the study, negative binomial; a count needs the whole window, a rate one day of it.

        Given a participant's own rate events come evenly over the days, so that who is lost early has fewer.
        """
        from scipy import stats  # takes a second to load

        planned: Any = self.protocol.model.endpoints[endpoint.id]
        u = special.ndtr(self._sign(endpoint) * self._propensity(endpoint))
        exposure = np.clip(np.floor(self.lost() * endpoint.until), 0.0, endpoint.until)
        mean, k = endpoint.mean[self.arm_number, 0] * exposure, endpoint.dispersion
        # With k = 0 both inversions are of the Poisson distribution.
        size = 1.0 / k if k > 0 else np.inf
        with np.errstate(divide="ignore", invalid="ignore"):
            drawn = stats.nbinom.ppf(u, size, size / (size + mean)) if k > 0 else stats.poisson.ppf(u, mean)
        count = np.where(exposure > 0, np.nan_to_num(drawn), 0.0)
        if planned.period_days is not None:
            return self._in_periods(endpoint, count, exposure)
        tally = Tally(np.where(exposure > 0, count, np.nan), exposure, float(planned.per_days), planned.event_noun)
        value = _count_or_rate(planned, tally, endpoint.until)
        return self._made(endpoint, "number", value=value, exposure=exposure, tally=tally)

    def _in_periods(self, endpoint: SimpleEndpoint, count: Floats, exposure: Floats) -> Derived:
        """The events of a window dealt out over its periods, each as likely on one day in the study as on another."""
        from scipy import stats  # takes a second to load

        planned: Any = self.protocol.model.endpoints[endpoint.id]
        length, n_periods = planned.period_days, planned.n_periods
        starts = length * np.arange(n_periods)
        days = np.clip(exposure[:, None] - starts, 0.0, length)
        u = special.ndtr(self._normal(Purpose.VALUE, instance_of("endpoint", endpoint.id), n_periods))
        events = np.zeros_like(days)
        left, left_days = count.copy(), exposure.copy()
        for k in range(n_periods):
            share = np.divide(days[:, k], left_days, out=np.zeros(self.n), where=left_days > 0)
            events[:, k] = np.where(left > 0, stats.binom.ppf(u[:, k], left, np.minimum(share, 1.0)), 0.0)
            left, left_days = left - events[:, k], left_days - days[:, k]
        tally = Tally(np.where(days > 0, events, np.nan), days, float(planned.per_days), planned.event_noun)
        return self._made(
            endpoint,
            "repeated-score",
            values=_count_or_rate(planned, tally, float(length)),
            visit_names=tuple(self.protocol.result_days(planned)),
            visit_weeks=starts / 7.0,
            first_visit_day=day_index(planned.days.first),
            exposure=exposure,
            tally=tally,
        )

    def _draw_number(self, endpoint: SimpleEndpoint, missed: str | None, floor: float | None) -> Derived:
        """Days out of so many: beta-binomial with the mean and standard deviation stated."""
        assert endpoint.most is not None
        u = special.ndtr(self._sign(endpoint) * self._propensity(endpoint))
        value = np.empty(self.n)
        for k in range(len(self.scenario.arm_sizes)):
            rows = self.arm_number == k
            cumulative = beta_binomial(
                endpoint.most, endpoint.mean[k, 0] / endpoint.unit, endpoint.sd[k] / endpoint.unit
            )
            value[rows] = np.searchsorted(cumulative, u[rows], side="left")
        value = np.where(self.lost() <= 1.0, np.nan, value * endpoint.unit)
        days = np.where(self.lost() <= 1.0, 0.0, float(endpoint.most))
        tally = Tally(value / endpoint.unit, days, 28.0, "abstinent day")
        return self._made(endpoint, "number", value=value, imputed=self.lost() <= 1.0, tally=tally)

    def _visits_of(self, endpoint: SimpleEndpoint) -> dict[str, Any]:
        """Names and weeks of the visits, days or weeks of a repeated endpoint, as a derivation gives them."""
        planned: Any = self.protocol.model.endpoints[endpoint.id]
        if planned.kind == "use-by-day":
            days = list(planned.days.range)
            return {"visit_names": tuple(f"day-{day}" for day in days), "visit_weeks": np.arange(len(days)) / 7.0}
        if planned.kind == "use-by-week":
            n = endpoint.mean.shape[1]
            return {
                "visit_names": tuple(f"week-{w}" for w in range(1, n + 1)),
                "visit_weeks": np.arange(n, dtype=float),
            }
        visits = self.protocol.series(planned.at)
        target = day_indices(np.array([visit.target_day for visit in visits]))
        return {"visit_names": tuple(v.name for v in visits), "visit_weeks": (target - target[0]) / 7.0}

    def _latent(self, endpoint: SimpleEndpoint) -> Floats:
        """(n, n_visits) standard normal, correlated ``within-person`` between visits; high where faring well."""
        n_visits, rho = endpoint.mean.shape[1], endpoint.within_person
        person = self._propensity(endpoint)[:, None]
        if n_visits == 1:
            return person
        noise = self._normal(Purpose.VALUE, instance_of("endpoint", endpoint.id), n_visits)
        return np.asarray(np.sqrt(rho) * person + np.sqrt(1.0 - rho) * noise)

    def _left_out(self, n_visits: int) -> NDArray[np.bool_]:
        """(n, n_visits) visits after the participant was lost."""
        return np.asarray(self.lost()[:, None] <= np.arange(1, n_visits + 1) / n_visits)

    def _draw_repeated(self, endpoint: SimpleEndpoint, missed: str | None, floor: float | None) -> Derived:
        shares = endpoint.mean[self.arm_number]
        hit = special.ndtr(self._sign(endpoint) * self._latent(endpoint)) > 1.0 - shares
        values = np.where(self._left_out(shares.shape[1]), np.nan, hit.astype(np.float64))
        word = self._event_word(endpoint) or "use"
        return self._made(endpoint, "repeated-binary", values=values, event_word=word, **self._visits_of(endpoint))

    def _draw_score(self, endpoint: SimpleEndpoint, missed: str | None, floor: float | None) -> Derived:
        planned: Any = self.protocol.model.endpoints[endpoint.id]
        latent = self._sign(endpoint) * self._latent(endpoint)
        raw = endpoint.mean[self.arm_number] + endpoint.sd[self.arm_number][:, None] * latent
        raw = np.exp(raw) if endpoint.log else raw
        if endpoint.step:
            raw = endpoint.step * np.rint(raw / endpoint.step)
        if endpoint.bounds is not None:
            raw = np.clip(raw, *endpoint.bounds)
        raw = np.where(self._left_out(raw.shape[1]), np.nan, raw)
        lowest = floor if floor is not None else planned.floor
        values = np.log(np.maximum(raw, lowest)) if endpoint.log and lowest is not None else raw
        return self._made(
            endpoint,
            "repeated-score",
            values=values,
            raw=raw,
            logarithm=endpoint.log,
            is_change=planned.value != "score",
            **self._visits_of(endpoint),
        )

    def _draw_time(self, endpoint: SimpleEndpoint, missed: str | None, floor: float | None) -> Derived:

        planned: Any = self.protocol.model.endpoints[endpoint.id]
        u = special.ndtr(self._sign(endpoint) * self._propensity(endpoint))
        exact = endpoint.scale[self.arm_number] * (-np.log(np.clip(1.0 - u, 1e-300, 1.0))) ** (1.0 / endpoint.shape)
        time = np.maximum(np.ceil(exact), 1.0)
        censored = np.full(self.n, endpoint.until)
        if not endpoint.loss_is_event:
            censored = np.minimum(censored, np.maximum(np.floor(self.lost() * endpoint.until), 0.0))
        event = time <= censored
        time = np.where(event, time, censored)
        competing = None
        if endpoint.competing is not None:
            before = self._competing_day(endpoint)
            competing = np.asarray((before <= censored) & (before < np.where(event, time, np.inf)))
            event, time = event & ~competing, np.where(competing, before, time)
        visit_time = None
        if planned.visits is not None:
            targets = day_indices(np.array([visit.target_day for visit in self.protocol.series(planned.visits)]))
            visit_time = time_in_visits(targets, time + day_index(planned.time_zero.first))
        return self._made(
            endpoint,
            "time-to-event",
            time=time,
            event=np.asarray(event),
            competing=competing,
            cause=np.where(event, "event", "" if competing is None else np.where(competing, "competing event", "")),
            visit_time=visit_time,
            follow_up=endpoint.until,
        )

    def _competing_day(self, endpoint: SimpleEndpoint) -> Floats:
        """Day of the first competing event: at a constant rate, and where who is lost has one the day of that."""
        assert endpoint.competing is not None
        u = special.ndtr(self._normal(Purpose.VALUE, instance_of("competing", endpoint.id))[:, 0])
        rate = endpoint.competing[self.arm_number]
        with np.errstate(divide="ignore"):
            day = np.maximum(np.ceil(-np.log(np.clip(u, 1e-300, 1.0)) / rate), 1.0)
        if endpoint.loss_competes:
            lost = np.where(self.lost() <= 1.0, np.maximum(np.floor(self.lost() * endpoint.until), 1.0), np.inf)
            day = np.minimum(day, lost)
        return np.asarray(day)


def _count_or_rate(planned: Any, tally: Tally, length: float) -> Floats:
    """A count where all ``length`` days were observed, or a rate where any was, as the endpoint says."""
    if planned.as_ == "count":
        return np.where(tally.days >= length, tally.events, np.nan)
    none = np.full(tally.days.shape, np.nan)
    return np.asarray(np.divide(planned.per_days * tally.events, tally.days, out=none, where=tally.days > 0))


def beta_binomial(m: int, mean: float, sd: float) -> Floats:
    """(m + 1,) cumulative probabilities of a number of days out of ``m`` with this mean and standard deviation.

    Between the binomial (``sd`` at its least) and all or nothing: the correlation of two days of one participant is
    ``(sd^2 / (m p q) - 1) / (m - 1)``.
    """
    from scipy import stats  # takes a second to load

    p = mean / m
    icc = max(0.0, (sd * sd / (m * p * (1 - p)) - 1.0) / max(1, m - 1))
    if icc < 1e-9:
        return np.asarray(stats.binom(m, p).cdf(np.arange(m + 1)))
    total = 1.0 / icc - 1.0
    return np.asarray(stats.betabinom(m, p * total, (1 - p) * total).cdf(np.arange(m + 1)))


def covariates_of(protocol: Any) -> tuple[str, ...]:
    """Baseline variables that any line of the plan reads."""
    return tuple(dict.fromkeys(name for line in protocol.model.analyses.values() for name in line.baseline_read))
