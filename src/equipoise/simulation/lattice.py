"""The lattice of simulated trials straight from the arrays: a thousand replicates without a table.

Whatever an endpoint asks of a lattice is answered from the arrays where they hold it, and otherwise from the tables
that the clinic would have kept, made for the whole batch when first asked for: slower, never different. A test holds
the two ways equal for every endpoint of the flagship.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipoise.endpoints.lattice import (
    CAME,
    CLEAN,
    NEVER,
    NOTHING,
    STAYED_AWAY,
    USED,
    Cells,
    Columns,
    Index,
    Lattice,
    Mask,
    Participants,
    VisitLattice,
)
from equipoise.foundation.calendar import day_index, day_indices
from equipoise.instruments import Instrument
from equipoise.protocol import Protocol
from equipoise.protocol.language.notation import Days
from equipoise.records import Records
from equipoise.records.schema import REPLICATE
from equipoise.simulation.day_level import SimulatedTrials
from equipoise.simulation.design import SITE, SimulatedVisit
from equipoise.simulation.many_trials import ManyTrials
from equipoise.simulation.people import DAYS_ASKED_BEFORE, baseline_column, baseline_names, disposition_table
from equipoise.simulation.purposes import Purpose
from equipoise.simulation.questionnaires import SIMULATED_INSTRUMENTS, answers_at, attended, visit_day
from equipoise.simulation.scenario import Scenario

# Nobody weighs less: a dose that is a step at this weight is rounded to nothing for nobody.
_LEAST_KG = 40
_CELL_OF_LETTER = np.full(256, NOTHING, dtype=np.uint8)
_CELL_OF_LETTER[[ord("+"), ord("-")]] = USED, CLEAN


class SimulatedParticipants(Participants):
    """Rows by replicate, then in order of enrolment; a column is made when it is asked for."""

    def __init__(self, many: ManyTrials) -> None:
        object.__setattr__(self, "many", many)
        object.__setattr__(self, "_made", {})

    many: ManyTrials
    _made: dict[str, pl.Series]

    @property
    def columns(self) -> list[str]:
        """Names of the columns."""
        site = [] if self.many.site is None else [SITE]
        return [REPLICATE, "participant_id", "arm", "arm_received", *site, *baseline_names(self.many)]

    def __getitem__(self, name: str, /) -> pl.Series:
        if name not in self._made:
            self._made[name] = self._column(name).alias(name)
        return self._made[name]

    def _column(self, name: str) -> pl.Series:
        many, n = self.many, self.many.design.n_participants
        if name == REPLICATE:
            return pl.Series(np.repeat(many.trials.replicates, n))
        if name == "participant_id":
            # Integers looked up in a short list make a column of text faster than text does.
            one = pl.Series(many.ids[:n].tolist(), dtype=pl.String)
            return one.gather(np.tile(np.arange(n), many.n_replicates))
        if name in ("arm", "arm_received"):
            return pl.Series(list(many.design.arm_ids), dtype=pl.String).gather(many.of("arm").astype(np.int64))
        return pl.Series(many.site) if name == SITE else baseline_column(many, name)

    @property
    def baseline(self) -> Columns:
        """The columns by name."""
        return self

    @cached_property
    def frame(self) -> pl.DataFrame:
        """All columns."""
        return pl.DataFrame([self[name] for name in self.columns])

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.many.n

    @property
    def arm(self) -> NDArray[np.str_]:
        """Arm of each row."""
        return self.many.arm_ids

    @property
    def offsets(self) -> Index:
        """Where each replicate's rows begin."""
        return np.arange(self.many.n_replicates + 1, dtype=np.int64) * self.many.design.n_participants


class SimulatedLattice(Lattice):
    """A :class:`~equipoise.endpoints.lattice.Lattice` over the arrays of many simulated trials.

    Its columns are the study days that the protocol's endpoints look at, not the whole calendar.
    """

    def __init__(self, protocol: Protocol, scenario: Scenario, trials: SimulatedTrials) -> None:
        self.protocol = protocol
        self.scenario = scenario
        self.many = ManyTrials(trials, -1, scenario.baseline, scenario.accompanying)
        self.participants = SimulatedParticipants(self.many)
        days = list(_days_looked_at(protocol, scenario))
        self.first, last = min(days), max(days)
        self.n_days = last - self.first + 1
        self._days = {}
        self._uses = {}
        self._visits = {}
        self.patterns = {}
        self._unclear = {}
        self._used: dict[str, Mask] = {}

    @cached_property
    def records(self) -> Records:  # type: ignore[override]
        """The tables of every replicate, made only when something is asked that the arrays do not hold."""
        from equipoise.simulation.simulate import records_of

        trials = self.many.trials
        return records_of(self.protocol, self.scenario, trials, trials.replicates.tolist())

    @cached_property
    def _planned(self) -> dict[str, SimulatedVisit]:
        return {visit.name: visit for visit in self.many.design.visits}

    def _slice(self, first_day: int, width: int) -> tuple[slice, slice]:
        """Columns of the lattice and of an array of ``width`` days from ``first_day`` that lie in both."""
        start = day_index(first_day) - self.first
        begin, end = max(0, start), min(self.n_days, start + width)
        end = max(begin, end)
        return slice(begin, end), slice(begin - start, end - start)

    def cells(self, source: str, substances: tuple[str, ...]) -> Cells:
        """(n, n_days) what urine or self-report says of the substances, day by day."""
        key = (source, tuple(sorted(substances)))
        if key not in self._days:
            out = self._blank()
            if self.many.design.substance in substances:
                (self._fill_urine if source == "urine" else self._fill_calendar)(out)
            self._days[key] = out
        return self._days[key]

    def _fill_urine(self, out: Cells) -> None:
        many = self.many
        for visit in many.design.visits:
            column = self.column(visit.target_day)
            if "urine" not in visit.assesses or not 0 <= column < self.n_days:
                continue
            if visit in many.design.clinic_visits:
                letters = many.of("urine")[:, many.design.clinic_visits.index(visit)]
                found = _CELL_OF_LETTER[letters]
            else:
                address = max(0, day_index(visit.target_day))
                positive = many.uniform(Purpose.URINE, address) < many.accompanying.admission_positive
                found = np.where(positive, USED, CLEAN)
            out[:, column] = np.maximum(out[:, column], found)

    def _fill_calendar(self, out: Cells) -> None:
        many = self.many
        letters = many.of("calendar")
        here, there = self._slice(many.design.first_day, many.design.n_days)
        told = letters[:, there]
        out[:, here] = _CELL_OF_LETTER[told]
        if any("daily-use" in visit.assesses for visit in many.design.inpatient_visits):
            here, there = self._slice(-DAYS_ASKED_BEFORE, DAYS_ASKED_BEFORE)
            if here.stop > here.start:
                from equipoise.simulation.people import used_before

                out[:, here] = np.where(used_before(many)[:, there], USED, CLEAN)

    @cached_property
    def asked_of_any(self) -> Cells:
        """(n, n_days) nothing: simulated calendars ask about each substance by name."""
        return self._blank()

    def used(self, use_id: str) -> Mask:
        """(n, n_days) whether the day is a day of use by the definition's rule for two sources."""
        if use_id not in self._used:
            self._used[use_id] = super().used(use_id)
        return self._used[use_id]

    def visits(self, series: str) -> VisitLattice:
        """The lattice of a visit series."""
        if series not in self._visits:
            planned = self.protocol.series(series)
            shape = (self.n, len(planned))
            state = np.zeros(shape, dtype=np.uint8)
            day = np.full(shape, NEVER, dtype=np.int64)
            for v, entry in enumerate(planned):
                visit = self._planned.get(entry.name)
                if visit is None:
                    continue
                came = attended(self.many, visit)
                state[:, v] = np.where(came, CAME, STAYED_AWAY)
                day[:, v] = np.where(came, day_indices(visit_day(self.many, visit)), NEVER)
            target = day_indices(np.array([visit.target_day for visit in planned], dtype=np.int64))
            self._visits[series] = VisitLattice(series, tuple(visit.name for visit in planned), target, state, day)
        return self._visits[series]

    @cached_property
    def attended_days(self) -> Mask:
        """(n, n_days) days on which the participant attended any visit."""
        out = np.zeros((self.n, self.n_days), dtype=np.bool_)
        for visit in self.many.design.visits:
            columns = day_indices(visit_day(self.many, visit)) - self.first
            rows = np.flatnonzero(attended(self.many, visit) & (columns >= 0) & (columns < self.n_days))
            out[rows, columns[rows]] = True
        return out

    def item_values(self, instrument: str, item: str, visits: tuple[str, ...]) -> NDArray[np.float64]:
        """(n, n_visits) the answer to one item, NaN where there is none."""
        out = np.full((self.n, len(visits)), np.nan)
        for v, name in enumerate(visits):
            visit = self._planned.get(name)
            if visit is None or instrument not in visit.assesses:
                continue
            answers = answers_at(self.many, visit, instrument)
            if answers is None or item not in answers[1]:
                continue
            out[:, v] = np.where(attended(self.many, visit), answers[2][:, answers[1].index(item)], np.nan)
        return out

    def scale_values(self, instrument: Instrument, scale: str, visits: tuple[str, ...]) -> NDArray[np.float64]:
        """(n, n_visits) the score on a scale of an instrument, NaN where it was not given or cannot be scored."""
        from equipoise.simulation.scores import can_sum, sum_scale

        known = instrument.id in SIMULATED_INSTRUMENTS or instrument.id in self.many.design.instruments
        if not known or scale not in instrument.scales:
            return np.full((self.n, len(visits)), np.nan)
        if len(instrument.items) == 1 and instrument.scales[scale] == instrument.item_ids:
            return self.item_values(instrument.id, instrument.items[0].id, visits)
        if not can_sum(self.many, instrument):
            return super().scale_values(instrument, scale, visits)
        planned = [self._planned.get(name) for name in visits]
        given = [visit if visit is not None and instrument.id in visit.assesses else None for visit in planned]
        return sum_scale(self.many, instrument, scale, given)

    def doses(self, within: Days | None = None) -> tuple[Index, NDArray[np.str_]]:
        """Row and intervention of the doses given (each pair once): everybody is given the first infusion of the arm.

        Where that is not so (a dose after the stay, one rounded to nothing) the table of exposure is asked.
        """
        arm = self.many.of("arm")
        rows: list[Index] = []
        names: list[NDArray[np.str_]] = []
        for number, entry in enumerate(self.many.design.arms):
            chosen = [i for i in entry.infusions if within is None or within.first <= i.day <= within.last]
            firsts = {infusion.intervention: infusion for infusion in reversed(chosen)}
            for infusion in firsts.values():
                least = infusion.mg if infusion.mg_per_kg is None else infusion.mg_per_kg * _LEAST_KG
                is_late = infusion.day >= self.many.design.first_day
                if is_late or least is None or least < max(infusion.rounding_mg, 0.04):
                    return super().doses(within)
                who = np.flatnonzero(arm == number)
                rows.append(who)
                names.append(np.full(who.shape[0], infusion.intervention))
        if not rows:
            return np.empty(0, dtype=np.int64), np.empty(0, dtype=np.str_)
        return np.concatenate(rows), np.concatenate(names)

    def n_events_without_day(self, event: str) -> int:
        """Every simulated event has its day."""
        return 0

    def disposition_days(self, events: tuple[str, ...]) -> tuple[Index, Index]:
        """Row and day index of the dated events of disposition named."""
        table = disposition_table(self.many).with_row_index("row").filter(pl.col("event").is_in(list(events)))
        return table["row"].to_numpy().astype(np.int64), day_indices(table["day"].to_numpy())


def _days_looked_at(protocol: Protocol, scenario: Scenario) -> Iterator[int]:
    """Day indices that must be columns: the outpatient days, contacts before them, and what the endpoints name."""
    design = scenario.design
    yield day_index(design.first_day)
    yield day_index(design.last_day)
    for visit in design.visits:
        if visit != design.six_month_call or {"urine", "daily-use"} & set(visit.assesses):
            yield day_index(visit.target_day)
    calendar = protocol.model.calendar
    for endpoint in protocol.model.endpoints.values():
        if endpoint.kind in ("score", "report", "received"):
            continue
        if endpoint.kind == "time-to-event":
            yield day_index(endpoint.time_zero.first)
            yield day_index(endpoint.until.last)
            runs = [event.from_ for event in endpoint.watched_events if hasattr(event, "from_")]
            yield from (day_index(day) for day in runs)
        elif endpoint.kind in ("abstinence", "abstinent-days", "use-by-day"):
            yield from map(day_index, endpoint.window or ())
        elif endpoint.kind == "repeated-use" and endpoint.since == "last-attended":
            for planned in protocol.series(endpoint.at):
                yield day_index(planned.first_day)
                yield day_index(planned.last_day)
        else:
            # Anything else may look at any day.
            yield day_index(calendar.first_day)
            yield day_index(calendar.last_day)
