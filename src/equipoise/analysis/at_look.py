"""Whose results are in at an interim analysis, and the plan carried out on those alone.

A result that is not due yet is no missing result: a rule that counts missing as use would make failures of everybody
who entered last. Who has been followed to the last day of the endpoint is analysed; of a time to event everybody, with
the time that was seen. Follow-up that ends at the data cut is treated as the end that the protocol gives it: a run of
use that could only be completed after the cut is no event yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipoise.analysis.plan import Plan
from equipoise.endpoints.endpoint_values import Derived
from equipoise.endpoints.lattice import CLEAN, NEVER, Cells, Index, Lattice, Mask, read_lattice
from equipoise.endpoints.stages import stage_of_endpoint
from equipoise.foundation.calendar import day_index
from equipoise.foundation.errors import AnalysisError, Problem
from equipoise.protocol import Protocol
from equipoise.protocol.language.endpoints import DropoutEvent, Use
from equipoise.protocol.language.protocol import PlannedVisit
from equipoise.protocol.vocabulary.endpoint_kinds import REPEATED_BINARY, REPEATED_SCORE, TIME_TO_EVENT
from equipoise.records import Records
from equipoise.records.schema import ATTENDED

CODES = {
    "A050": "The records do not say up to when participants have been followed.",
    "A051": "The endpoint cannot be analysed before everybody has been followed.",
    "A052": "Nobody's result is known yet.",
}


@dataclass(frozen=True)
class SeenSoFar:
    """Participants randomized, in the order of the lattice, and what of one endpoint is known of each.

    ``followed_to`` (n,) is a day index, ``NEVER`` where follow-up for the endpoint is over; ``is_in`` (n,) says whose
    result is known: follow-up is over, or a time to event was seen in part.
    """

    followed_to: Index
    is_in: Mask
    is_over: Mask

    @property
    def n_in(self) -> int:
        """Participants whose result enters."""
        return int(self.is_in.sum())

    @property
    def n_waiting(self) -> int:
        """Randomized participants without a result yet: the pipeline."""
        return int((~self.is_in).sum())


@dataclass
class LatticeSoFar(Lattice):
    """A lattice that ends, of each participant, on the last day followed: later cells are no use, and not missing.

    What only days after it could make (the rest of a run of use) is then not there yet.
    """

    followed_to: Index = field(default_factory=lambda: np.empty(0, dtype=np.int64))

    def cells(self, source: str, substances: tuple[str, ...]) -> Cells:
        """(n, n_days) what a source says, CLEAN after the last day followed."""
        return self._ended(super().cells(source, substances))

    def told_above(self, use: Use, substances: tuple[str, ...]) -> Cells:
        """(n, n_days) the same of days that count above an amount."""
        return self._ended(super().told_above(use, substances))

    def _ended(self, cells: Cells) -> Cells:
        later = np.arange(self.n_days) + self.first > self.followed_to[:, None]
        return np.where(later, CLEAN, cells).astype(np.uint8) if later.any() else cells


class PlanAtLook(Plan):
    """The plan on what is known at a look: times are censored on the last day followed."""

    def __init__(self, protocol: Protocol, lattice: Lattice, seen: SeenSoFar) -> None:
        super().__init__(protocol, lattice, raise_sets=True)
        self.seen = seen

    def derived(
        self, endpoint: str, missed: str | None = None, floor: float | None = None, *, lattice: Lattice | None = None
    ) -> Derived:
        """The endpoint as known at the look."""
        found = super().derived(endpoint, missed, floor, lattice=lattice)
        if found.shape != TIME_TO_EVENT:
            return found
        zero = day_index(self.protocol.model.endpoints[endpoint].time_zero.first)  # type: ignore[union-attr]
        return censored(found, self.seen.followed_to - zero)


def censored(derived: Derived, last: NDArray[np.int64]) -> Derived:
    """A time to event of which nothing after ``last`` (n,) days is known: censored there; no time where that is not
    above 0.
    """
    assert derived.time is not None
    assert derived.event is not None
    late = derived.time > last
    time = np.where(late, last, derived.time).astype(np.float64)
    time = np.where(late & (last <= 0), np.nan, time)
    changes: dict[str, object] = {"time": time, "event": derived.event & ~late}
    if derived.competing is not None:
        changes["competing"] = derived.competing & ~late
    if derived.cause is not None:
        changes["cause"] = np.where(late, "", derived.cause)
    if "time-carried-forward" in derived.marks:
        marks = {**derived.marks, "time-carried-forward": derived.marks["time-carried-forward"] & ~late}
        changes["marks"] = {code: who for code, who in marks.items() if who.any()}
    return replace(derived, **changes)  # type: ignore[arg-type]


def last_day_of(protocol: Protocol, endpoint: str) -> int:
    """Day index of the last day that an endpoint looks at: its window's, or that of its last visit's target."""
    model = protocol.model
    entry = model.endpoints[endpoint]
    if entry.made_of:
        return max(last_day_of(protocol, base) for base in entry.made_of)
    days = [] if entry.window is None else [entry.window[1]]
    series = {*entry.counted_series, *filter(None, (getattr(entry, "at", None), getattr(entry, "visits", None)))}
    if not days:
        days = [visit.target_day for visit in protocol.planned_visits if visit.series in series]
    if not days:
        # It names neither days nor visits (a dose received, for example): the whole of the calendar.
        days = [model.calendar.last_day]
    return max(day_index(day) for day in days)


def seen_so_far(
    protocol: Protocol, lattice: Lattice, endpoint: str, followed_to: Mapping[str, int] | None
) -> SeenSoFar:
    """What is known of an endpoint. ``followed_to``: day index by participant; by default it is read from a data cut.

    In a cut of a running trial every visit whose window has closed has a row: follow-up is over where all visits do
    whose windows open by the endpoint's last day. Raises A050 where neither says up to when anybody was followed.
    """
    last = last_day_of(protocol, endpoint)
    needed = _visits_needed(protocol, endpoint, last)
    if followed_to is not None:
        ids = lattice.participants.frame["participant_id"].to_list()
        to = np.array([followed_to[id] for id in ids], dtype=np.int64)
        over = to >= last
        held = _rows_of_visits(protocol, lattice)
        for visit in needed:
            over &= (to >= day_index(visit.last_day)) | held[visit.name][0]
        to = np.where(over, NEVER, to)
    elif lattice.records.source.is_cut:
        to, over = _followed_in_cut(protocol, lattice, last)
    else:
        raise AnalysisError(
            Problem(
                "A050",
                "records",
                "These records are no data cut, and do not say when each participant entered.",
                "dates of study day 1 and the day of the look, or records in which everybody has been followed",
                "Give --day-1 FILE and --at DATE, or add --all-followed.",
            )
        )
    shape = protocol.model.endpoints[endpoint].shape
    if shape == TIME_TO_EVENT:
        zero = day_index(protocol.model.endpoints[endpoint].time_zero.first)  # type: ignore[union-attr]
        is_in = to > zero
    elif shape in (REPEATED_SCORE, REPEATED_BINARY):
        is_in = np.ones(lattice.n, dtype=np.bool_)  # a model of repeated results takes the visits that there are
    else:
        is_in = over
    return SeenSoFar(to, is_in, over)


def _visits_needed(protocol: Protocol, endpoint: str, last: int) -> tuple[PlannedVisit, ...]:
    """Visits that tell missed from kept, by the endpoint's last day."""
    entry = protocol.model.endpoints[endpoint]
    bases = entry.made_of or (endpoint,)
    series = {name for base in bases for name in protocol.model.endpoints[base].counted_series}
    series |= {str(getattr(protocol.model.endpoints[base], "at", None)) for base in bases}
    return tuple(v for v in protocol.planned_visits if v.series in series and day_index(v.target_day) <= last)


def _rows_of_visits(protocol: Protocol, lattice: Lattice) -> dict[str, tuple[Mask, Mask, Index]]:
    """By planned visit: (n,) attended, (n,) has a row, (n,) day index attended."""
    names = [visit.name for visit in protocol.planned_visits]
    rows = lattice.rows_of("visits", pl.col("visit").is_in(names))
    found = {
        name: (np.zeros(lattice.n, np.bool_), np.zeros(lattice.n, np.bool_), np.full(lattice.n, -NEVER, np.int64))
        for name in names
    }
    for row, name, state, day in rows.select("row", "visit", "state", "day").iter_rows():
        attended, there, when = found[name]
        there[row] = True
        if state == ATTENDED:
            attended[row] = True
            when[row] = -NEVER if day is None else day_index(day)
    return found


def _followed_in_cut(protocol: Protocol, lattice: Lattice, last: int) -> tuple[Index, Mask]:
    """Day index to which each participant had been followed by rows of visits, and whose follow-up is over."""
    over = np.ones(lattice.n, dtype=np.bool_)
    to = np.full(lattice.n, -NEVER, dtype=np.int64)
    found = _rows_of_visits(protocol, lattice)
    for visit in protocol.planned_visits:
        attended, there, when = found[visit.name]
        if day_index(visit.first_day) <= last:
            over &= there
        closed = there & ~attended
        to = np.maximum(to, np.where(attended, when, np.where(closed, day_index(visit.last_day), -NEVER)))
    return np.where(over, NEVER, to), over


@dataclass(frozen=True)
class AtLook:
    """The records, lattice and plan of those whose results are in, and what was seen of everybody randomized."""

    records: Records
    plan: PlanAtLook
    seen: SeenSoFar
    n_randomized: int
    provisional: int  # who counts as having dropped out and could still return


def plan_at_look(
    protocol: Protocol,
    records: Records,
    line: str,
    *,
    followed_to: Mapping[str, int] | None,
    all_followed: bool = False,
) -> AtLook:
    """The plan on what is known of the endpoint of an analysis.

    ``all_followed``: the follow-up of everybody in the records is over. Raises A051 for an endpoint of a later stage or
    imputed times, A052 where nobody's result is known.
    """
    analysis = protocol.model.analyses[line]
    endpoint = protocol.model.estimands[analysis.estimand].endpoint
    entry = protocol.model.endpoints[endpoint]
    if stage_of_endpoint(protocol, endpoint) > 1:
        raise _not_before(line, f"{endpoint} is of a later stage of the trial", "an endpoint of the first stage")
    whole = read_lattice(protocol, records)
    if all_followed:
        everybody = np.ones(whole.n, dtype=np.bool_)
        seen = SeenSoFar(np.full(whole.n, NEVER, dtype=np.int64), everybody, everybody)
    else:
        seen = seen_so_far(protocol, whole, endpoint, followed_to)
    if entry.shape == TIME_TO_EVENT and analysis.imputation is not None and not bool(seen.is_over.all()):
        raise _not_before(line, "it imputes a time to event", "everybody followed, or an analysis without imputation")
    if not seen.n_in:
        raise AnalysisError(
            Problem("A052", line, f"No participant's {endpoint} is known yet.", "at least one", "Wait for results.")
        )
    ids = whole.participants.frame["participant_id"].filter(pl.Series(seen.is_in))
    chosen = pl.col("participant_id").is_in(ids.to_list())
    tables = {name: frame.filter(chosen) for name, frame in records.tables.items() if frame.height}
    # Marked as a cut: visits without a row were not due.
    details = dict(records.source.details) if all_followed else {"at": "look", **records.source.details}
    known = Records(tables, replace(records.source, details=details))
    lattice = read_lattice(protocol, known)
    inner = SeenSoFar(seen.followed_to[seen.is_in], seen.is_in[seen.is_in], seen.is_over[seen.is_in])
    if bool((inner.followed_to != NEVER).any()):
        own = {f.name: getattr(lattice, f.name) for f in fields(Lattice) if not f.name.startswith("_")}
        lattice = LatticeSoFar(**{**own, "patterns": {}}, followed_to=inner.followed_to)
    plan = PlanAtLook(protocol, lattice, inner)
    return AtLook(known, plan, seen, whole.n, _n_provisional(protocol, endpoint, lattice, inner))


def _not_before(line: str, found: str, expected: str) -> AnalysisError:
    step = "Plan the looks for another analysis."
    return AnalysisError(Problem("A051", line, f"No interim analysis of {line}: {found}.", expected, step))


def _n_provisional(protocol: Protocol, endpoint: str, lattice: Lattice, seen: SeenSoFar) -> int:
    """Participants whose event is a dropout, while visits are still to come at which they may be seen again."""
    entry = protocol.model.endpoints[endpoint]
    series = {e.dropout for e in getattr(entry, "watched_events", ()) if isinstance(e, DropoutEvent)}
    gone = np.zeros(lattice.n, dtype=np.bool_)
    for name in series:
        gone |= lattice.visits(name).has_gone
    return int((gone & ~seen.is_over).sum())
