"""Safety: adverse events by arm, blood pressure and pulse in infusions, dissociation.

Events are counted by participant (who had at least one) and in number; the denominator is everybody randomized to the
arm. What was not collected is said to be so and never shown as nought.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import polars as pl

from equipoise.records.records import Records
from equipoise.records.schema import SEVERITIES
from equipoise.reporting import format as fmt
from equipoise.reporting.document import Column, Row, Table

MEASURES = {
    "systolic": ("Systolic blood pressure, highest", "mmHg", "max"),
    "diastolic": ("Diastolic blood pressure, highest", "mmHg", "max"),
    "pulse": ("Pulse, highest", "beats/min", "max"),
    "saturation": ("Oxygen saturation, lowest", "%", "min"),
}


def _members(records: Records, arms: Mapping[str, str]) -> dict[str, list[str]]:
    allocations = records["allocations"]
    first = allocations.filter(pl.col("stage") == allocations["stage"].min()) if allocations.height else allocations
    return {arm: first.filter(pl.col("arm") == arm)["participant_id"].to_list() for arm in arms}


def build_adverse_events_table(records: Records, arms: Mapping[str, str], *, max_terms: int = 25) -> Table | None:
    """Participants with at least one event, by kind, severity and term; None where no event table was filled."""
    events = records["adverse_events"]
    if events.height == 0:
        return None
    members = _members(records, arms)

    def row(label: str, chosen: pl.DataFrame, indent: int = 0) -> Row:
        cells: list[fmt.Cell] = []
        for arm in arms:
            mine = chosen.filter(pl.col("participant_id").is_in(members[arm]))
            cells += [fmt.Count(mine["participant_id"].n_unique(), len(members[arm])), mine.height]
        return Row((label, *cells), indent=indent)

    rows = [
        row("Any adverse event", events),
        row("Serious", events.filter(pl.col("serious").fill_null(False))),
        row("Related to study treatment", events.filter(pl.col("related").fill_null(False))),
    ]
    present = [s for s in SEVERITIES if (events["severity"] == s).fill_null(False).any()]
    if present:
        rows.append(Row(("By severity",), "group"))
        rows += [row(s.replace("_", " ").capitalize(), events.filter(pl.col("severity") == s), 1) for s in present]
    rows.append(Row(("By term",), "group"))
    terms = (
        events.group_by("term")
        .agg(pl.col("participant_id").n_unique().alias("n"))
        .sort(["n", "term"], descending=[True, False])
    )
    shown = terms["term"].to_list()[:max_terms]
    rows += [row(str(term)[:1].upper() + str(term)[1:], events.filter(pl.col("term") == term), 1) for term in shown]
    columns = [Column("", wide=True)]
    for arm, label in arms.items():
        columns += [Column(label, "decimal", f"n={len(members[arm])}"), Column("Events", "decimal")]
    notes = ["Participants with at least one event (% of those randomized to the arm), and the number of events."]
    undated = events["onset_day"].null_count()
    if undated:
        notes.append(f"The day of onset is not known of {undated} of {events.height} events; they are counted here.")
    if terms.height > max_terms:
        notes.append(f"The {max_terms} most frequent of {terms.height} terms.")
    return Table("Adverse events", tuple(columns), tuple(rows), footnotes=tuple(notes))


def build_infusion_table(
    records: Records, arms: Mapping[str, str], *, scores: Sequence[tuple[str, str, str]] = ()
) -> Table | None:
    """Each participant's peak in the infusion, and scores taken around it, by arm: median (quartiles) and range.

    ``scores`` names further rows as (instrument, item, label), for example a dissociation scale. None where neither was
    collected.
    """
    members = _members(records, arms)
    vitals = records["vitals"]
    rows: list[Row] = []
    counts: dict[str, int] = dict.fromkeys(arms, 0)
    for column, (label, unit, side) in MEASURES.items():
        if vitals.height == 0 or vitals[column].null_count() == vitals.height:
            continue
        peak = getattr(pl.col(column), side)()
        by_person = vitals.group_by("participant_id").agg(peak.alias("value")).drop_nulls("value")
        rows.append(_summary_row(f"{label}, {unit}", by_person, members, 0, counts))
    assessments = records["assessments"]
    for instrument, item, label in scores:
        chosen = assessments.filter((pl.col("instrument") == instrument) & (pl.col("item") == item))
        by_person = chosen.group_by("participant_id").agg(pl.col("value").max()).drop_nulls("value")
        if by_person.height:
            rows.append(_summary_row(f"{label}, highest", by_person, members, 0, counts))
    if not rows:
        return None
    columns = (Column("", wide=True), *(Column(label, "decimal", f"n={counts[arm]}") for arm, label in arms.items()))
    return Table(
        "Infusion: vital signs and dissociation",
        columns,
        tuple(rows),
        subtitle="Each participant's peak, among those with a measurement",
        footnotes=("Median (quartiles). These items are quarantined while the trial is blinded.",),
    )


def _summary_row(
    label: str, by_person: pl.DataFrame, members: Mapping[str, list[str]], decimals: int, counts: dict[str, int]
) -> Row:
    cells: list[fmt.Cell] = []
    for arm, ids in members.items():
        values = by_person.filter(pl.col("participant_id").is_in(ids))["value"]
        counts[arm] = max(counts[arm], values.len())
        if values.len() == 0:
            cells.append("no values")
            continue
        lower, median, upper = (values.quantile(q, interpolation="linear") for q in (0.25, 0.5, 0.75))
        cells.append(fmt.Quartiles(median, lower, upper, decimals))
    return Row((label, *cells))
