"""The lattice: records as one byte a cell, a row a participant, a column a study day or a due visit.

Endpoints work on the lattice, so a replicate is only more rows. A cell of the day lattice says what a source told of
that day; a cell of a visit lattice says what became of the visit. Codes are the letters of the field.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any
from typing import Protocol as Typed

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipoise.foundation.calendar import day_index, day_indices
from equipoise.instruments import Instrument, score_assessments
from equipoise.protocol import Protocol
from equipoise.protocol.language.endpoints import Use
from equipoise.protocol.language.notation import Days
from equipoise.records import Records
from equipoise.records.due_visits import DueVisits, with_due_visits
from equipoise.records.schema import ANY_SUBSTANCE, ATTENDED, MISSED, NEGATIVE, NOT_EVALUABLE, POSITIVE, REPLICATE

Cells = NDArray[np.uint8]
Mask = NDArray[np.bool_]
Index = NDArray[np.int64]

# Codes of a cell. NOTHING is "not due" for a visit, and "nothing was looked at" for a day.
NOTHING, CLEAN, USED, UNKNOWN, MIXED = 0, 1, 2, 3, 4
LETTERS = {NOTHING: "_", CLEAN: "-", USED: "+", UNKNOWN: "o", MIXED: "*"}
NOT_DUE, CAME, STAYED_AWAY = 0, 1, 2
NEVER = np.iinfo(np.int64).max  # an index later than every day


class Columns(Typed):
    """Columns by name, as of a data frame."""

    @property
    def columns(self) -> list[str]:
        """Their names."""
        ...

    def __getitem__(self, name: str, /) -> pl.Series:
        """One of them."""
        ...


@dataclass(frozen=True)
class Participants:
    """Who the rows are: randomized participants in a fixed order, with arm and baseline variables."""

    frame: (
        pl.DataFrame
    )  # participant_id, arm, arm_received, baseline columns; leading replicate where there are several

    @property
    def n(self) -> int:
        """Number of rows."""
        return self.frame.height

    @property
    def baseline(self) -> Columns:
        """The columns of ``frame`` by name, made when asked for where the rows are simulated."""
        return self.frame

    @cached_property
    def keys(self) -> pl.DataFrame:
        """The key columns with the row number."""
        columns = [REPLICATE] if REPLICATE in self.frame.columns else []
        return self.frame.select([*columns, "participant_id"]).with_row_index("row")

    @cached_property
    def arm(self) -> NDArray[np.str_]:
        """Arm of each row."""
        return np.asarray(self.frame["arm"].to_list(), dtype=np.str_)

    @cached_property
    def offsets(self) -> Index:
        """Where each replicate's rows begin; ``[0, n]`` for one trial."""
        if REPLICATE not in self.frame.columns:
            return np.array([0, self.n], dtype=np.int64)
        lengths = self.frame[REPLICATE].rle().struct.field("len").to_numpy()
        return np.asarray(np.concatenate([[0], np.cumsum(lengths)]), dtype=np.int64)


@dataclass(frozen=True)
class VisitLattice:
    """A visit series: what became of each planned visit, and on which day it took place."""

    series: str
    names: tuple[str, ...]
    target: Index  # (n_visits,) day index of the target
    state: Cells  # (n, n_visits) NOT_DUE, CAME, STAYED_AWAY
    day: Index  # (n, n_visits) day index it took place; NEVER where it did not

    @cached_property
    def came(self) -> Mask:
        """(n, n_visits) whether the visit took place."""
        return np.asarray(self.state == CAME)

    @cached_property
    def last_day(self) -> Index:
        """(n,) day index of the last attended visit; -NEVER where none was."""
        return np.asarray(np.where(self.came, self.day, -NEVER).max(axis=1, initial=-NEVER))

    @cached_property
    def gone_from(self) -> Index:
        """(n,) position of the first missed visit with none attended after it; n_visits where there is none."""
        n_visits = self.state.shape[1]
        position = np.arange(n_visits)
        last = np.where(self.came, position, -1).max(axis=1, initial=-1)
        missed_after = (self.state == STAYED_AWAY) & (position > last[:, None])
        return np.asarray(np.where(missed_after.any(axis=1), missed_after.argmax(axis=1), n_visits), dtype=np.int64)

    @property
    def has_gone(self) -> Mask:
        """(n,) whether the participant stayed away from a visit and from every later one."""
        return np.asarray(self.gone_from < self.state.shape[1])


@dataclass
class Lattice:
    """All cells of one set of records for one protocol; parts are built when first asked for."""

    protocol: Protocol
    records: Records
    participants: Participants
    first: int  # day index of the first column
    n_days: int
    stage_day: pl.Series | None = None  # (n,) study day of the stage's day 1, in a stage that counts days of its own
    _days: dict[tuple[str, tuple[str, ...]], Cells] = field(default_factory=dict)
    _uses: dict[str, tuple[Cells, Cells]] = field(default_factory=dict)
    _visits: dict[str, VisitLattice] = field(default_factory=dict)
    patterns: dict[tuple[str, ...], Any] = field(default_factory=dict)  # use patterns made so far, by their source
    randomized: Index | None = None  # (n,) day index of randomization where the records say it; NEVER where not
    due: DueVisits | None = None  # what was added to the table of visits
    _unclear: dict[str, Mask] = field(default_factory=dict)

    @property
    def n(self) -> int:
        """Number of participants (rows)."""
        return self.participants.n

    def derived_directly(self, id: str, missed: str | None, floor: float | None) -> Any:
        """The endpoint ``id`` where its value is drawn and not derived from records; ``None``: derive it."""
        return None

    def column(self, study_day: int) -> int:
        """The column of a study day."""
        return day_index(study_day) - self.first

    def start_of(self, counts_from: Days | None) -> Index:
        """(n,) column from which use counts: that of the day named, by default of each one's randomization."""
        model = self.protocol.model
        if counts_from is not None:
            return np.full(self.n, self.column(counts_from.first), dtype=np.int64)
        nominal = 0 if self.stage_day is not None else day_index(model.calendar.randomization_day or 1)
        days = np.full(self.n, nominal, dtype=np.int64)
        if self.randomized is not None and self.stage_day is None:
            days = np.where(self.randomized == NEVER, days, self.randomized)
        return days - self.first

    def _rows(self, table: pl.DataFrame) -> pl.DataFrame:
        keys = self.participants.keys
        on = [c for c in keys.columns if c != "row"]
        if not table.height:
            # A table that the simulator leaves empty names no replicate.
            table = table.with_columns(pl.lit(None, keys.schema[c]).alias(c) for c in on if c not in table.columns)
        rows = table.join(keys, on=on, how="inner")
        if self.stage_day is None or "day" not in rows.columns:
            return rows
        # Whoever has no day of randomization to the stage has no day in it either.
        day, begins = pl.col("day"), pl.lit(self.stage_day).gather(pl.col("row"))
        elapsed = (day - (day > 0).cast(pl.Int64)) - (begins - (begins > 0).cast(pl.Int64))
        known = rows.filter(begins.is_not_null())
        return known.with_columns(day=elapsed + (elapsed >= 0).cast(pl.Int64))

    def table(self, name: str) -> pl.DataFrame:
        """A table of the records."""
        return self.records[name]

    def rows_of(self, table: str, chosen: pl.Expr) -> pl.DataFrame:
        """The rows of a table for which ``chosen`` holds, of these participants, with the number of their ``row``."""
        return self._rows(self.table(table).filter(chosen))

    def cells(self, source: str, substances: tuple[str, ...]) -> Cells:
        """(n, n_days) what ``source`` (urine, self-report) says of the substances, day by day."""
        key = (source, tuple(sorted(substances)))
        if key not in self._days:
            out = np.zeros((self.n, self.n_days), dtype=np.uint8)
            name = "urine" if source == "urine" else "daily_use"
            if source != "urine":
                out = self.asked_of_any.copy()
            rows = self._rows(self.records[name].filter(pl.col("substance").is_in(list(substances))))
            columns = day_indices(rows["day"].to_numpy()) - self.first if rows.height else np.empty(0, np.int64)
            inside = (columns >= 0) & (columns < self.n_days)
            at = rows["row"].to_numpy()[inside], columns[inside]
            # Later writes win: unknown, then clean, then used, so that any positive finding of the day stands.
            for code, found in zip((UNKNOWN, CLEAN, USED), self._findings(source, rows), strict=True):
                chosen = found[inside]
                out[at[0][chosen], at[1][chosen]] = code
            self._days[key] = out
        return self._days[key]

    @cached_property
    def asked_of_any(self) -> Cells:
        """(n, n_days) CLEAN on days asked about as a whole: a substance without a row of its own was not used then."""
        out = self._blank()
        rows = self._rows(self.records["daily_use"].filter((pl.col("substance") == ANY_SUBSTANCE) & pl.col("asked")))
        if rows.height:
            columns = day_indices(rows["day"].to_numpy()) - self.first
            inside = (columns >= 0) & (columns < self.n_days)
            out[rows["row"].to_numpy()[inside], columns[inside]] = CLEAN
        return out

    @staticmethod
    def _findings(source: str, rows: pl.DataFrame) -> tuple[Mask, Mask, Mask]:
        if source == "urine":
            result = rows["result"]
            return tuple(  # type: ignore[return-value]
                (result == value).fill_null(False).to_numpy() for value in (NOT_EVALUABLE, NEGATIVE, POSITIVE)
            )
        asked, used = rows["asked"].fill_null(False), rows["used"]
        return (
            np.zeros(rows.height, dtype=np.bool_),
            (asked & ~used.fill_null(True)).to_numpy(),
            used.fill_null(False).to_numpy(),
        )

    def told_above(self, use: Use, substances: tuple[str, ...]) -> Cells:
        """(n, n_days) self-report where a day counts only above an amount: below it the day is clean.

        Amounts of one day and unit are added over the substances; a day of use without an amount in the definition's
        unit, or whose limit is not known, is UNKNOWN.
        """
        assert use.amount is not None
        rows = self._rows(self.records["daily_use"].filter(pl.col("substance").is_in(list(substances))))
        out = self.asked_of_any.copy()
        if not rows.height:
            return out
        fits = (pl.col("unit") == use.amount.unit) & pl.col("amount").is_not_null()
        by_day = (
            rows.filter(pl.col("asked"))
            .group_by("row", "day")
            .agg(
                pl.col("amount").filter(fits).sum().alias("total"),
                (pl.col("used").fill_null(False) & ~fits.fill_null(False)).any().alias("unclear"),
            )
        )
        columns = day_indices(by_day["day"].to_numpy()) - self.first
        inside = (columns >= 0) & (columns < self.n_days)
        row = by_day["row"].to_numpy()[inside]
        limit = self._limits(use)[row]
        total = by_day["total"].to_numpy()[inside]
        code = np.where(total > limit, USED, np.where(by_day["unclear"].to_numpy()[inside], UNKNOWN, CLEAN))
        out[row, columns[inside]] = np.where(np.isnan(limit), np.where(total > 0, UNKNOWN, NOTHING), code)
        return out

    def days_without_amount(self, use_id: str) -> Mask | None:
        """(n, n_days) days of use of which nobody knows whether they count, because the amount is not known.

        ``None`` where the definition asks for no amount.
        """
        if self.protocol.model.use[use_id].amount is None:
            return None
        self.use_by_source(use_id)
        return self._unclear[use_id]

    def _limits(self, use: Use) -> NDArray[np.float64]:
        """(n,) the amount above which a day counts; NaN where the level that decides it is not known."""
        assert use.amount is not None
        if not isinstance(use.amount.above, Mapping):
            return np.full(self.n, float(use.amount.above))
        frame = self.participants.frame
        name = str(use.amount.of)
        column = name if name in frame.columns else name.replace("-", "_")
        levels = frame[column].to_list() if column in frame.columns else [None] * self.n
        return np.array([float(use.amount.above.get(str(level), np.nan)) for level in levels])

    def use_by_source(self, use_id: str) -> tuple[Cells, Cells]:
        """(n, n_days) urine and self-report cells of a definition of use; substances may go by arm."""
        if use_id not in self._uses:
            use: Use = self.protocol.model.use[use_id]
            told = use.self_report_substances if use.self_report_substances is not None else use.substances
            urine = self._by_arm("urine", use.substances) if "urine" in use.by else self._blank()
            calendar = self._by_arm("self-report", told, use) if "self-report" in use.by else self._blank()
            if use.amount is not None:
                # Of a day of use without its amount nobody knows whether it counts; a positive sample decides it.
                self._unclear[use_id] = np.asarray((calendar == UNKNOWN) & (urine != USED))
                calendar = np.where(calendar == UNKNOWN, NOTHING, calendar).astype(np.uint8)
            self._uses[use_id] = urine, calendar
        return self._uses[use_id]

    def _blank(self) -> Cells:
        return np.zeros((self.n, self.n_days), dtype=np.uint8)

    def _by_arm(self, source: str, substances: Any, use: Use | None = None) -> Cells:
        def look(names: tuple[str, ...]) -> Cells:
            counts_above = use is not None and use.amount is not None
            return self.told_above(use, names) if counts_above and use is not None else self.cells(source, names)

        if not isinstance(substances, Mapping):
            return look(tuple(substances))
        out = self._blank()
        for arm, names in substances.items():
            rows = self.participants.arm == arm
            out[rows] = look(tuple(names))[rows]
        return out

    def used(self, use_id: str) -> Mask:
        """(n, n_days) whether the day is a day of use by the definition's rule for two sources."""
        use: Use = self.protocol.model.use[use_id]
        urine, told = self.use_by_source(use_id)
        if use.counts_if == "all" and len(use.by) > 1:
            # Both must say so; where only one source looked at the day, that one decides.
            both = (urine != NOTHING) & (told != NOTHING)
            return np.asarray(np.where(both, (urine == USED) & (told == USED), (urine == USED) | (told == USED)))
        return np.asarray((urine == USED) | (told == USED))

    def visits(self, series: str) -> VisitLattice:
        """The lattice of a visit series."""
        if series not in self._visits:
            planned = self.protocol.series(series)
            names = tuple(visit.name for visit in planned)
            position = {name: i for i, name in enumerate(names)}
            state = np.zeros((self.n, len(names)), dtype=np.uint8)
            day = np.full((self.n, len(names)), NEVER, dtype=np.int64)
            rows = self._rows(self.records["visits"].filter(pl.col("visit").is_in(list(names))))
            if rows.height:
                at = rows["row"].to_numpy(), np.array([position[name] for name in rows["visit"]], dtype=np.int64)
                came = (rows["state"] == ATTENDED).to_numpy()
                state[at] = np.where(came, CAME, np.where((rows["state"] == MISSED).to_numpy(), STAYED_AWAY, NOT_DUE))
                target = np.array([visit.target_day for visit in planned])[at[1]]
                actual = rows["day"].to_numpy()
                actual = np.where(np.isnan(actual.astype(np.float64)), target, actual).astype(np.int64)
                day[at] = np.where(came, day_indices(actual), NEVER)
            targets = day_indices(np.array([visit.target_day for visit in planned], dtype=np.int64))
            self._visits[series] = VisitLattice(series, names, targets, state, day)
        return self._visits[series]

    @cached_property
    def attended_days(self) -> Mask:
        """(n, n_days) days on which the participant attended any visit."""
        out = np.zeros((self.n, self.n_days), dtype=np.bool_)
        rows = self._rows(self.records["visits"].filter((pl.col("state") == ATTENDED) & pl.col("day").is_not_null()))
        if rows.height:
            columns = day_indices(rows["day"].to_numpy()) - self.first
            inside = (columns >= 0) & (columns < self.n_days)
            out[rows["row"].to_numpy()[inside], columns[inside]] = True
        return out

    def item_values(self, instrument: str, item: str, visits: tuple[str, ...]) -> NDArray[np.float64]:
        """(n, n_visits) the answer to one item, NaN where there is none."""
        rows = self.records["assessments"].filter((pl.col("instrument") == instrument) & (pl.col("item") == item))
        return self.by_visit(rows, visits)

    def scale_values(self, instrument: Instrument, scale: str, visits: tuple[str, ...]) -> NDArray[np.float64]:
        """(n, n_visits) the score on a scale of an instrument, NaN where it was not given or cannot be scored."""
        given = self.records["assessments"].filter(pl.col("instrument") == instrument.id)
        return self.by_visit(score_assessments(given, instrument).filter(pl.col("scale") == scale), visits)

    def by_visit(self, rows: pl.DataFrame, visits: tuple[str, ...]) -> NDArray[np.float64]:
        """(n, n_visits) of the ``value`` column of a table with a row a visit, NaN where there is none."""
        out = np.full((self.n, len(visits)), np.nan)
        found = self._rows(rows.filter(pl.col("visit").is_in(list(visits)) & pl.col("value").is_not_null()))
        if found.height:
            position = {name: i for i, name in enumerate(visits)}
            columns = np.array([position[name] for name in found["visit"]], dtype=np.int64)
            out[found["row"].to_numpy(), columns] = found["value"].to_numpy()
        return out

    def doses(self, within: Days | None = None) -> tuple[Index, NDArray[np.str_]]:
        """Row and intervention of the doses given (each pair once), of any amount above nothing."""
        rows = self._rows(self.records["exposure"].filter(pl.col("delivered_mg").fill_null(1.0) > 0))
        if within is not None:
            rows = rows.filter(pl.col("day").is_between(within.first, within.last))
        rows = rows.select("row", "intervention").unique()
        return rows["row"].to_numpy().astype(np.int64), np.asarray(rows["intervention"].to_list(), dtype=np.str_)

    def disposition_days(self, events: tuple[str, ...]) -> tuple[Index, Index]:
        """Row and day index of the dated events of disposition named."""
        rows = self.rows_of("disposition", pl.col("event").is_in(list(events)) & pl.col("day").is_not_null())
        return rows["row"].to_numpy().astype(np.int64), day_indices(rows["day"].to_numpy().astype(np.int64))

    def n_events_without_day(self, event: str) -> int:
        """Events of disposition of this name whose day is not recorded."""
        return self.rows_of("disposition", (pl.col("event") == event) & pl.col("day").is_null()).height


def read_lattice(protocol: Protocol, records: Records, *, stage: int = 1) -> Lattice:
    """The lattice of the randomized participants of a stage; rows by replicate, then by participant.

    In a stage with a ``day-1`` of its own, days count from each participant's randomization to it.
    """
    records, due = with_due_visits(protocol, records)
    lead = [REPLICATE] if records.has_replicates else []
    allocated = records["allocations"].filter((pl.col("stage") == stage) & pl.col("arm").is_not_null())
    baseline = records["participants"].drop(["screened_day", "consented", "eligible", "ineligible_reason"])
    frame = (
        allocated.select([*lead, "participant_id", "arm", "arm_received", "stratum"], _stage_day="day")
        .join(baseline, on=[*lead, "participant_id"], how="left")
        .sort([*lead, "participant_id"])
    )
    stages = list(protocol.model.stages.values())
    own_days = len(stages) >= stage and stages[stage - 1].day_1 is not None
    stage_day = frame["_stage_day"] if own_days else None
    days = frame["_stage_day"]
    randomized = days.is_not_null().to_numpy(), day_indices(days.fill_null(1).to_numpy())
    frame = frame.drop("_stage_day")
    calendar = protocol.model.calendar
    first, last = day_index(calendar.first_day), day_index(calendar.last_day)
    return Lattice(
        protocol,
        records,
        Participants(frame),
        first,
        last - first + 1,
        stage_day,
        randomized=np.where(*randomized, NEVER),
        due=due,
    )
