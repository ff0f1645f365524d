"""Due visits of which the records hold no row: missed, unless the participant had died or the data end before.

An export of attended visits says nothing of the others, and whoever stayed away would pass for somebody of whom nothing
was due. A visit of the schedule is due for everybody randomized (in a stage: to that stage). Withdrawal and loss to
follow-up leave it due, so that dropout does not leave the denominators.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import reduce

import polars as pl

from equipoise.foundation.calendar import day_index
from equipoise.foundation.errors import Problem, listed
from equipoise.protocol.language.endpoints import DropoutEvent
from equipoise.protocol.language.protocol import PlannedVisit, Protocol
from equipoise.records.records import Records
from equipoise.records.schema import ATTENDED, DEATH, MISSED, NEGATIVE, NOT_EVALUABLE, NOT_EXPECTED, POSITIVE, REPLICATE

CODES = {
    "R062": "Due visits without a row, which count as missed (a note, not an error).",
    "R063": "A due visit has no row, and the protocol refuses such records.",
}

_STATES = {"missed": MISSED, "not-expected": NOT_EXPECTED, "refused": "refused"}


@dataclass(frozen=True)
class DueVisits:
    """The table of visits with a row for each visit kept or due that an endpoint goes by, and what was added to it.

    ``added`` holds the rows that the records lack, ``state`` being attended where a result of the visit is there.
    """

    visits: pl.DataFrame
    added: pl.DataFrame

    def count(self, state: str) -> int:
        """Rows added in this state."""
        return int((self.added["state"] == state).sum())

    @property
    def notes(self) -> list[Problem]:
        """What a reader of the results must know."""
        n = self.count(MISSED)
        if not n:
            return []
        series = listed(self.added.filter(pl.col("state") == MISSED)["series"].unique().sort(), conjunction="and")
        one = n == 1
        found = f"{n} due {'visit' if one else 'visits'} had no row and {'counts' if one else 'count'} as missed."
        return [Problem("R062", "visits", found, f"a row for each due visit of {series}")]

    @property
    def problems(self) -> list[Problem]:
        """One problem for each visit that the protocol does not take as missed."""
        refused = self.added.filter(pl.col("state") == "refused")
        if not refused.height:
            return []
        out = []
        per = refused.group_by("visit", maintain_order=True).agg(pl.len(), pl.col("participant_id").first())
        for visit, n, who in per.iter_rows():
            others = f" and {n - 1} more" if n > 1 else ""
            out.append(
                Problem(
                    "R063",
                    "visits",
                    f"The visit {visit} of participant {who!r}{others} was due and has no row.",
                    "a row for each due visit, attended, missed or not_expected",
                    "Add the rows, or remove without-row: refused from the schedule.",
                )
            )
        return out


def series_gone_by(protocol: Protocol) -> tuple[str, ...]:
    """Entries of the schedule by which an endpoint or an analysis set tells kept visits from missed ones."""
    out: set[str | None] = set()
    for endpoint in protocol.model.endpoints.values():
        parts = [endpoint, *(getattr(endpoint, "beside", None) or {}).values()]
        out |= {getattr(part, name, None) for part in parts for name in ("at", "censored_at", "visits")}
        out |= {e.dropout for e in getattr(endpoint, "watched_events", ()) if isinstance(e, DropoutEvent)}
    out |= {chosen.attended for chosen in protocol.model.analysis_sets.values()}
    return tuple(name for name in protocol.model.schedule if name in out)


def find_due_visits(protocol: Protocol, records: Records) -> DueVisits:
    """The visits of records completed by those that were due and have no row.

    A visit of which a result is there (a sample, a score, under its name) took place, on the day of the result. The
    cut of a running trial holds a row for every visit that was due when it was taken; nothing is added to it.
    """
    visits = records["visits"]
    wanted = set(series_gone_by(protocol))
    planned = protocol.planned_visits
    lead = [REPLICATE] if records.has_replicates else []
    key = [*lead, "participant_id", "visit"]
    nothing = pl.DataFrame(schema={**{c: visits.schema[c] for c in visits.columns}, "series": pl.String})
    if records.source.is_cut or not planned or not records["allocations"].height:
        return DueVisits(visits, nothing)
    grid = _grid(protocol, records, planned, lead)
    rows = visits.select(key) if REPLICATE in visits.columns or not lead else None
    absent = grid if rows is None else grid.join(rows, on=key, how="anti", maintain_order="left")
    if not absent.height:
        return DueVisits(visits, nothing)
    for event, day in ((DEATH, "_died"), ("administrative_end", "_ended")):
        absent = absent.join(_first_day(records, event, lead, day), on=[*lead, "participant_id"], how="left")
    absent = absent.join(_seen(records, lead), on=key, how="left").sort(*lead, "participant_id", "_target")
    absent = absent.filter(pl.col("series").is_in(list(wanted)) | pl.col("_seen"))
    after = (pl.col("_target") > _index("_died")) | (pl.col("_last") > _index("_ended"))
    state = (
        pl.when(pl.col("_seen")).then(pl.lit(ATTENDED)).when(after).then(pl.lit(NOT_EXPECTED)).otherwise(pl.col("_by"))
    )
    added = absent.with_columns(
        target_day=_day("_target"),
        day=pl.when(pl.col("_seen")).then(pl.coalesce(pl.col("_on"), _day("_target"))),
        state=state,
    ).select(*lead, "participant_id", "visit", "target_day", "day", "state", "series")
    whole = pl.concat([visits, added.filter(pl.col("state") != "refused").drop("series")], how="diagonal")
    return DueVisits(whole, added)


def with_due_visits(protocol: Protocol, records: Records) -> tuple[Records, DueVisits]:
    """Records whose table of visits has a row for each due visit, and what was added."""
    due = find_due_visits(protocol, records)
    if not due.added.height:
        return records, due
    return replace(records, tables={**records.tables, "visits": due.visits}), due


def _grid(protocol: Protocol, records: Records, planned: Iterable[PlannedVisit], lead: list[str]) -> pl.DataFrame:
    """Every participant with every visit planned for them, its target and the end of its window as day indices."""
    stages = list(protocol.model.stages)
    own_days = {name for name, stage in protocol.model.stages.items() if stage.day_1 is not None}
    plan = pl.DataFrame(
        [
            {
                "visit": visit.name,
                "series": visit.series,
                "stage": stages.index(visit.stage) + 1 if visit.stage in stages else 1,
                "_target": day_index(visit.target_day),
                "_last": day_index(visit.last_day),
                "_by": _STATES[visit.without_row],
                "_own": visit.stage in own_days,
            }
            for visit in planned
        ]
    )
    people = records["allocations"].select(*lead, "participant_id", "stage", _from="day")
    shift = pl.when("_own").then(_index("_from")).otherwise(0)
    grid = people.join(plan, on="stage", how="inner").with_columns(
        _target=pl.col("_target") + shift, _last=pl.col("_last") + shift
    )
    # Whoever has no day of randomization to the stage has no day in it either.
    return grid.filter(pl.col("_target").is_not_null()).unique([*lead, "participant_id", "visit"], maintain_order=True)


def _first_day(records: Records, event: str, lead: list[str], name: str) -> pl.DataFrame:
    """The first day of an event of disposition, a row per participant who has it."""
    by = [*lead, "participant_id"]
    ends = records["disposition"].filter(pl.col("event") == event)
    parts = [ends.select(*by, "day")] if ends.height else []
    if event == DEATH:
        # A trial may hold deaths among its outcomes instead.
        deaths = records["events"].filter((pl.col("term") == DEATH) & pl.col("happened"))
        parts += [deaths.select(*by, "day")] if deaths.height else []
    schema = {**dict.fromkeys(lead, pl.Int64), "participant_id": pl.String, "day": pl.Int64}
    rows = reduce(lambda a, b: pl.concat([a, b]), parts, pl.DataFrame(schema=schema))
    return rows.group_by(by).agg(pl.col("day").min().alias(name))


def _seen(records: Records, lead: list[str]) -> pl.DataFrame:
    """Visits of which a result is there, with the day of the first."""
    urine, scores = records["urine"], records["assessments"]
    key = [*lead, "participant_id", "visit"]
    kept = [
        urine.filter(pl.col("visit").is_not_null() & pl.col("result").is_in([POSITIVE, NEGATIVE, NOT_EVALUABLE])),
        scores.filter(pl.col("value").is_not_null()),
    ]
    parts = [rows.select(*key, "day") for rows in kept if rows.height]
    schema = {**dict.fromkeys(key, pl.String), **dict.fromkeys(lead, pl.Int64)}
    empty = pl.DataFrame(schema={**schema, "day": pl.Int64})
    rows = reduce(lambda a, b: pl.concat([a, b]), parts, empty)
    return rows.group_by(key).agg(pl.col("day").min().alias("_on")).with_columns(_seen=pl.lit(True))


def _index(day: str) -> pl.Expr:
    """A study day as a day index, in which day 1 is 0 and the day before is -1."""
    return pl.col(day) - (pl.col(day) > 0).cast(pl.Int64)


def _day(index: str) -> pl.Expr:
    """A day index as a study day."""
    return pl.col(index) + (pl.col(index) >= 0).cast(pl.Int64)
