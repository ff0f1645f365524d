"""Counts and times of participants not followed to the end: what is left to impute, and the completed endpoint.

Death ends what there is to know: the time after it is not missing, and is imputed only where the estimand asks for a
world without it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from equipoise.analysis.gaps import Filled, Gaps, ImputationDraws, Values, results_to_impute
from equipoise.analysis.outcome import Floats
from equipoise.analysis.strategies import apply_strategies, events_of, first_event
from equipoise.endpoints.derivation import derive_endpoint
from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import NEVER, Lattice
from equipoise.endpoints.outcome_events import event_days
from equipoise.endpoints.relapse import time_in_visits
from equipoise.foundation.calendar import day_index
from equipoise.protocol.language.analysis import Estimand
from equipoise.records.schema import DEATH
from equipoise.stats.missing.count_imputation import impute_counts
from equipoise.stats.missing.time_imputation import impute_times


@dataclass(frozen=True)
class CountGaps:
    """Events seen, days over which they were, and days of the window that remain, for every row of the lattice."""

    base: Derived
    events: Floats  # NaN where an event has no day
    days: Floats
    remaining: Floats
    as_rate: bool
    experimental: NDArray[np.bool_] | None = None

    def impute(self, rows: Values, design: Floats, offsets: Values, draws: ImputationDraws) -> Filled:
        """Data sets of some rows of the lattice, in which one may stand more than once."""
        assert self.base.tally is not None
        known = ~np.isnan(self.events[rows])
        events, unit = np.where(known, self.events[rows], 0.0), self.base.tally.per_days
        days, remaining = np.where(known, self.days[rows], 0.0), np.where(known, self.remaining[rows], 0.0)
        made = impute_counts(
            events,
            days / unit,
            remaining / unit,
            design,
            offsets,
            sets=draws.to_make,
            rule=draws.rule_of(slice(None)),
        )
        whole = np.broadcast_to(days + remaining, made.values.shape)
        counted = np.where(known & (whole > 0), made.values, np.nan)
        with np.errstate(invalid="ignore", divide="ignore"):
            value = counted / whole * unit if self.as_rate else counted
        return Filled(
            fields={"events": counted, "days": np.where(np.isnan(counted), 0.0, whole), "value": value},
            values=(made.values - events)[:, :, None],
            missing=made.drawn[:, None],
            n_cells=int(known.sum()),
            codes=made.codes,
            n_penalised=int((made.codes != 0).sum()),
        )

    def completed(self, fields: dict[str, Values]) -> Derived:
        """The endpoint of completed rows."""
        assert self.base.tally is not None
        tally = replace(self.base.tally, events=fields["events"], days=fields["days"])
        return replace(self.base, imputed=None, warnings=(), value=fields["value"], exposure=None, tally=tally)


@dataclass(frozen=True)
class TimeGaps:
    """Times and events seen, and until when each participant was to be followed, for every row of the lattice."""

    base: Derived
    until: Floats
    visit_targets: Values | None  # days from time zero of the planned visits by which time is counted
    experimental: NDArray[np.bool_] | None = None

    def impute(self, rows: Values, design: Floats, offsets: Values, draws: ImputationDraws) -> Filled:
        """Data sets of some rows of the lattice, in which one may stand more than once."""
        assert self.base.time is not None
        assert self.base.event is not None
        time, event = self.base.time[rows], self.base.event[rows]
        known = ~np.isnan(time)
        chosen = np.flatnonzero(known)
        before = np.concatenate([[0], np.cumsum(known)])
        made = impute_times(
            time[chosen],
            event[chosen].astype(np.float64),
            self.until[rows][chosen],
            design[chosen],
            before[offsets],
            sets=draws.to_make,
            rule=draws.rule_of(chosen),
        )
        times = np.repeat(time[None], draws.sets, axis=0)
        events = np.repeat(event[None], draws.sets, axis=0)
        times[:, chosen], events[:, chosen] = made.time, made.event
        missing = np.zeros(rows.shape[0], dtype=np.bool_)
        missing[chosen] = made.drawn
        fields: dict[str, Values] = {"time": times, "event": events}
        if self.visit_targets is not None:
            fields["visit_time"] = self._in_visits(times)
        return Filled(
            fields=fields,
            values=events.astype(np.float64)[:, :, None],
            missing=missing[:, None],
            n_cells=int(known.sum()),
            codes=made.codes,
            n_short=made.short,
        )

    def _in_visits(self, times: Floats) -> Floats:
        """Times counted in planned visits, as the endpoint counts them."""
        targets = self.visit_targets
        assert targets is not None
        there = ~np.isnan(times)
        return np.where(there, time_in_visits(targets, np.where(there, times, 0.0)), np.nan)

    def completed(self, fields: dict[str, Values]) -> Derived:
        """The endpoint of completed rows."""
        changed: dict[str, Any] = {**fields, "imputed": None, "cause": None, "warnings": ()}
        return replace(self.base, **changed)


AnyGaps = Gaps | CountGaps | TimeGaps


def find_gaps(lattice: Lattice, estimand: Estimand, floor: float | None) -> AnyGaps:
    """What of an endpoint can be imputed; the check of a protocol has refused the others."""
    endpoint = lattice.protocol.model.endpoints[estimand.endpoint]
    if endpoint.imputed_as == "counts":
        return _count_gaps(lattice, estimand)
    if endpoint.imputed_as == "times":
        return _time_gaps(lattice, estimand)
    return results_to_impute(lattice, estimand, floor)


def _days_of_death(lattice: Lattice) -> Values:
    """(n,) day index of death, from either table; NEVER of those who are not known to have died."""
    out = np.full(lattice.n, NEVER, dtype=np.int64)
    np.minimum.at(out, *event_days(lattice, (DEATH,)))
    return out


def _count_gaps(lattice: Lattice, estimand: Estimand) -> CountGaps:
    endpoint: Any = lattice.protocol.model.endpoints[estimand.endpoint]
    base = derive_endpoint(lattice, estimand.endpoint)
    assert base.tally is not None
    first, length = day_index(endpoint.days.first), len(endpoint.days.range)
    # Whoever was not observed for a day has seen no event; an event on a day that nobody knows is no count.
    nobody = np.zeros(lattice.n, dtype=np.bool_)
    undated = base.marks.get("event-without-day", nobody)
    events = np.where(undated, np.nan, np.nan_to_num(base.tally.events))
    alive = np.clip(_days_of_death(lattice).astype(np.float64) - first + 1.0, 0.0, length)
    remaining = np.where(undated, 0.0, np.maximum(alive - base.tally.days, 0.0))
    return CountGaps(base, events, base.tally.days, remaining, endpoint.as_ == "rate")


def _time_gaps(lattice: Lattice, estimand: Estimand) -> TimeGaps:
    endpoint: Any = lattice.protocol.model.endpoints[estimand.endpoint]
    base = apply_strategies(derive_endpoint(lattice, estimand.endpoint), lattice, estimand)
    zero = day_index(endpoint.time_zero.first)
    stop = first_event(lattice, events_of(estimand, "while-on-treatment"))
    if estimand.intercurrent.get("death") != "hypothetical":
        stop = np.minimum(stop, _days_of_death(lattice))
    follow_up = float(day_index(endpoint.until.last) - zero)
    until = np.minimum(follow_up, np.maximum(stop.astype(np.float64) - zero, 0.0))
    targets = None if endpoint.visits is None else np.asarray(lattice.visits(endpoint.visits).target) - zero
    return TimeGaps(base, until, targets)
