"""The lattice of simulated trials of parts straight from the arrays; what they do not hold comes from the tables."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipoise.endpoints.lattice import (
    CAME,
    CLEAN,
    NEVER,
    NOTHING,
    STAYED_AWAY,
    UNKNOWN,
    USED,
    Cells,
    Lattice,
    Mask,
    Participants,
    VisitLattice,
)
from equipoise.foundation.calendar import day_index, day_indices
from equipoise.instruments import Instrument
from equipoise.protocol.language.endpoints import Use
from equipoise.records import Records
from equipoise.records.schema import REPLICATE
from equipoise.simulation.accompanying import AccompanyingParameters
from equipoise.simulation.parts.course import DrawnTrials
from equipoise.simulation.parts.people import baseline_frame, days_before

_OF_EVENTS = ("events", "disposition")


class PartsLattice(Lattice):
    """A :class:`~equipoise.endpoints.lattice.Lattice` over the arrays of a course."""

    def __init__(self, course: DrawnTrials) -> None:
        self.course = course
        self.protocol = course.scenario.protocol
        self.participants = Participants(self._frame())
        calendar = self.protocol.model.calendar
        self.first = day_index(calendar.first_day)
        self.n_days = day_index(calendar.last_day) - self.first + 1
        self._days, self._uses, self._visits, self.patterns, self._unclear = {}, {}, {}, {}, {}

    def _frame(self) -> pl.DataFrame:
        c = self.course
        n = c.scenario.n_participants
        width = max(3, len(str(n)))
        ids = pl.Series([f"P{number:0{width}d}" for number in range(1, n + 1)], dtype=pl.String)
        arm = pl.Series(list(c.scenario.arm_sizes), dtype=pl.String).gather(c.arm)
        lead = {REPLICATE: pl.Series(np.repeat(c.replicates, n))} if len(c.replicates) > 1 else {}
        columns: dict[str, Any] = {
            **lead,
            "participant_id": ids.gather(np.tile(np.arange(n), len(c.replicates))),
            "arm": arm,
            "arm_received": arm,
        }
        if len(self.protocol.model.sites) > 1:
            columns["site"] = pl.Series(list(self.protocol.model.sites), dtype=pl.String).gather(c.site)
        return pl.concat([pl.DataFrame(columns), baseline_frame(c)], how="horizontal")

    @cached_property
    def records(self) -> Records:  # type: ignore[override]
        """The tables of every replicate, made only when something is asked that the arrays do not hold."""
        from equipoise.simulation.simulate import records_of_parts

        return records_of_parts(self.course, self.course.replicates.tolist())

    @cached_property
    def _event_rows(self) -> dict[str, pl.DataFrame]:
        """Events and how people left, with the number of their row: straight from the arrays, of every replicate."""
        from equipoise.simulation.parts.records import disposition_rows, event_rows

        blank = {name: pl.lit(None, dtype=pl.String).alias(name) for name in ("certainty", "source")}
        events = event_rows(self.course)
        if not events.width:
            events = pl.DataFrame(schema={"row": pl.Int64, "term": pl.String, "day": pl.Int64, "happened": pl.Boolean})
        share = AccompanyingParameters().withdrawal_share
        return {
            "events": events.with_columns(**blank),
            "disposition": disposition_rows(self.course, slice(None), share),
        }

    def rows_of(self, table: str, chosen: pl.Expr) -> pl.DataFrame:
        """The rows of a table for which ``chosen`` holds, with the number of their ``row``."""
        return self._event_rows[table].filter(chosen) if table in _OF_EVENTS else super().rows_of(table, chosen)

    def _columns(self, n_days: int) -> tuple[slice, slice]:
        """Columns of the lattice and of an array from day 1 that lie in both."""
        begin, end = max(0, -self.first), min(self.n_days, n_days - self.first)
        return slice(begin, max(begin, end)), slice(begin + self.first, max(begin, end) + self.first)

    def cells(self, source: str, substances: tuple[str, ...]) -> Cells:
        """(n, n_days) what urine or self-report says of the substances, day by day."""
        key = (source, tuple(sorted(substances)))
        if key not in self._days:
            out = self._blank()
            for substance in substances:
                (self._fill_urine if source == "urine" else self._fill_told)(out, substance)
            self._days[key] = out
        return self._days[key]

    def _fill_urine(self, out: Cells, substance: str) -> None:
        results = self.course.urine.get(substance)
        for v, visit in enumerate(self.course.scenario.visits):
            column = self.column(visit.target_day)
            if results is None or not 0 <= column < self.n_days:
                continue
            found = np.select([results[:, v] == 1, results[:, v] == 0], [USED, CLEAN], NOTHING).astype(np.uint8)
            out[:, column] = np.maximum(out[:, column], found)

    def _fill_told(self, out: Cells, substance: str) -> None:
        told = self.course.told.get(substance)
        if told is None:
            return
        here, there = self._columns(told.shape[1])
        part = told[:, there]
        found = np.select([part == 1, part == 0], [USED, CLEAN], NOTHING).astype(np.uint8)
        out[:, here] = np.maximum(out[:, here], found)
        self._fill_before(out, substance)

    def _fill_before(self, out: Cells, substance: str) -> None:
        part = self.course.scenario.parts.use[substance]
        if part.before is not None:
            used, _ = days_before(self.course, substance, part)
            begin = self.column(-used.shape[1]) if used.shape[1] else 0
            here = out[:, begin : begin + used.shape[1]]
            here[:] = np.maximum(here, np.where(used, USED, CLEAN))

    @cached_property
    def asked_of_any(self) -> Cells:
        """(n, n_days) nothing: simulated calendars ask about each substance by name."""
        return self._blank()

    def told_above(self, use: Use, substances: tuple[str, ...]) -> Cells:
        """(n, n_days) self-report where a day counts only above an amount."""
        assert use.amount is not None
        fits = all(
            s in self.course.amounts and self.course.scenario.parts.use[s].amount_unit == use.amount.unit
            for s in substances
        )
        if not fits:
            return super().told_above(use, substances)
        limit = self._limits(use)
        shape = (self.n, self.course.scenario.n_days)
        total, asked = np.zeros(shape, dtype=np.float32), np.zeros(shape, dtype=np.bool_)
        for substance in substances:
            told = self.course.told[substance]
            total += np.where(told == 1, self.course.amounts[substance], 0.0).astype(np.float32)
            asked |= told != 255
        code = np.where(total > limit[:, None], USED, CLEAN)
        code = np.where(np.isnan(limit)[:, None], np.where(total > 0, UNKNOWN, NOTHING), code)
        code = np.where(asked, code, NOTHING).astype(np.uint8)
        out = self._blank()
        here, there = self._columns(shape[1])
        out[:, here] = code[:, there]
        self._fill_above_before(out, substances, limit)
        return out

    def _fill_above_before(self, out: Cells, substances: tuple[str, ...], limit: NDArray[np.float64]) -> None:
        parts = {s: self.course.scenario.parts.use[s] for s in substances}
        total = [days_before(self.course, s, part)[1] for s, part in parts.items() if part.before is not None]
        if total:
            begin = self.column(-total[0].shape[1])
            amount = np.sum(total, axis=0)
            code = np.where(amount > limit[:, None], USED, CLEAN)
            code = np.where(np.isnan(limit)[:, None], np.where(amount > 0, UNKNOWN, NOTHING), code)
            out[:, begin : begin + total[0].shape[1]] = code

    def visits(self, series: str) -> VisitLattice:
        """The lattice of a visit series."""
        if series not in self._visits:
            planned = self.protocol.series(series)
            names = [visit.name for visit in self.course.scenario.visits]
            columns = [names.index(visit.name) for visit in planned]
            came = self.course.attended[:, columns]
            target = day_indices(np.array([visit.target_day for visit in planned], dtype=np.int64))
            state = np.where(came, CAME, STAYED_AWAY).astype(np.uint8)
            day = np.where(came, target[None, :], NEVER).astype(np.int64)
            self._visits[series] = VisitLattice(series, tuple(v.name for v in planned), target, state, day)
        return self._visits[series]

    @cached_property
    def attended_days(self) -> Mask:
        """(n, n_days) days on which the participant attended any visit."""
        out = np.zeros((self.n, self.n_days), dtype=np.bool_)
        for v, visit in enumerate(self.course.scenario.visits):
            column = self.column(visit.target_day)
            if 0 <= column < self.n_days:
                out[:, column] |= self.course.attended[:, v]
        return out

    def scale_values(self, instrument: Instrument, scale: str, visits: tuple[str, ...]) -> NDArray[np.float64]:
        """(n, n_visits) a score, NaN where it was not given: the total as it was drawn, others from their items."""
        whole = instrument.scales.get(scale) == instrument.item_ids or scale == "total"
        ids = [id for id, found in self.course.scenario.instruments.items() if found.id == instrument.id]
        known = [id for id in ids if id in self.course.scores]
        if not whole or len(known) != 1 or (any(i.is_reversed for i in instrument.items) and scale != "total"):
            return super().scale_values(instrument, scale, visits)
        names = [visit.name for visit in self.course.scenario.visits]
        out = np.full((self.n, len(visits)), np.nan)
        for k, name in enumerate(visits):
            if name in names:
                out[:, k] = self.course.scores[known[0]][:, names.index(name)]
        return out

    def item_values(self, instrument: str, item: str, visits: tuple[str, ...]) -> NDArray[np.float64]:
        """(n, n_visits) the answer to one item, NaN where there is none."""
        found: Mapping[str, Instrument] = self.course.scenario.instruments
        ids = [id for id, entry in found.items() if entry.id == instrument and id in self.course.reports]
        if len(ids) != 1 or found[ids[0]].item_ids[:1] != (item,):
            return super().item_values(instrument, item, visits)
        names = [visit.name for visit in self.course.scenario.visits]
        out = np.full((self.n, len(visits)), np.nan)
        for k, name in enumerate(visits):
            if name in names:
                out[:, k] = self.course.reports[ids[0]][:, names.index(name)]
        return out

    def gone(self) -> NDArray[np.int64]:
        """(n_arms, n_replicates) participants who left for good."""
        c = self.course
        gone = c.is_gone.reshape(len(c.replicates), -1)
        arm = c.arm.reshape(len(c.replicates), -1)
        return np.stack([(gone & (arm == k)).sum(axis=1) for k in range(len(c.scenario.arm_sizes))])

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.course.n
