"""The open report of an interim analysis: recruitment, data quality and safety of everybody together.

It is made of records without arms, drugs and doses (:func:`open_records`), so that nothing in it can depend on who is
in which arm: exchange the arms and every byte is the same. It says nothing of a decision either.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date

import polars as pl

from equipoise.analysis.at_look import last_day_of, seen_so_far
from equipoise.endpoints.lattice import read_lattice
from equipoise.protocol import Protocol
from equipoise.records import DataSource, Records
from equipoise.records.known_on import DatesOfDay1
from equipoise.reporting import format as fmt
from equipoise.reporting import group_tables
from equipoise.reporting.document import (
    SIMULATED,
    Block,
    Callout,
    Column,
    Document,
    Figure,
    Paragraph,
    Row,
    Sections,
    Table,
    Text,
    code,
)
from equipoise.reporting.figures.recruitment import draw_recruitment

# Tables that an open report may rest on, and columns that it may not.
_TABLES = ("participants", "allocations", "visits", "urine", "sessions", "exposure", "adverse_events", "disposition")
_NOT = {
    "exposure": ("planned_mg", "delivered_mg", "delivered_mg_per_kg"),
    "adverse_events": ("outcome",),
    "disposition": ("reason",),
}
NOBODY_KNOWS = "everybody"


def open_records(records: Records) -> Records:
    """Records without arms, doses and free texts that may name a treatment: every participant is of one group."""
    tables = {}
    for name in _TABLES:
        frame = records[name]
        if not frame.height:
            continue
        for column in _NOT.get(name, ()):
            frame = frame.with_columns(pl.lit(None, dtype=frame.schema[column]).alias(column))
        if name == "allocations":
            frame = frame.with_columns(
                pl.lit(NOBODY_KNOWS).alias("arm"), pl.lit(None, dtype=pl.String).alias("arm_received")
            )
        if name == "participants":
            known = ["participant_id", "site", "screened_day", "consented", "eligible", "ineligible_reason"]
            frame = frame.select([column for column in known if column in frame.columns])
        if name == "adverse_events":
            frame = frame.with_columns(pl.lit("adverse event").alias("term"))
        tables[name] = frame
    source = records.source
    kept = {key: source.details[key] for key in ("at", "entry") if key in source.details}
    return Records(tables, DataSource(source.origin, "", source.protocol, source.protocol_hash, kept))


def build_open_report(
    protocol: Protocol,
    records: Records,
    *,
    number: int,
    day: date | None,
    entry: DatesOfDay1 | None,
    followed_to: Mapping[str, int] | None = None,
    version: str = "",
) -> Document:
    """The open report of look ``number``, from :func:`open_records`."""
    groups = group_tables.everybody(records)
    n = len(next(iter(groups.values())))
    enrolment, exposure, adverse, disposition, completeness = committee_tables(
        records, groups, doses=False, is_dated=entry is not None
    )
    sections = Sections()
    sections.add("What this report holds", [Callout(_HOLDS, "Open report"), _entry_note(entry)])
    sections.add(
        "Recruitment",
        [_recruited(protocol, n), enrolment, _over_time(protocol, records, day, entry), _sites(records, groups)],
    )
    sections.add("Results known so far", _known(protocol, records, followed_to))
    if n >= group_tables.FEWEST:
        visits = _visits(records)
        sections.add("Data quality", [completeness, visits])
        sections.add("How participants go on", [disposition, exposure])
        sections.add("Safety", [adverse])
    else:
        few = (
            f"Fewer than {group_tables.FEWEST} participants are randomized: figures of so few could reveal one person."
        )
        sections.add("Data quality and safety", [Paragraph(few)])
    hashed = records.data_hash
    rows: list[tuple[str, Text]] = [("Records without arms, SHA-256 (first 16 characters)", (code(hashed[:16]),))]
    if day is not None:
        rows.insert(0, ("Data as known on", fmt.dates_in_words(day.isoformat())))
    return Document(
        title=protocol.model.trial.title,
        blocks=tuple(sections.blocks),
        subtitle=f"Everybody together; {fmt.plural(n, 'participant')} randomized",
        kicker=f"Open report · interim analysis {number}",
        banner=SIMULATED if records.is_simulated else None,
        provenance=tuple(rows),
        footer=f"{protocol.id} · open report of look {number} · protocol {protocol.hash[:12]}"
        + (f" · equipoise {version}" if version else ""),
    )


def safety_was_recorded(records: Records) -> bool:
    """Whether no adverse event means that there was none; of imported data it may mean that they were not collected."""
    return records["adverse_events"].height > 0 or records.source.origin == "captured"


def committee_tables(
    records: Records, groups: Mapping[str, Collection[str]], *, doses: bool, is_dated: bool
) -> list[Table | Callout]:
    """The tables of a trial under way as blocks: enrolment, exposure, safety, disposition, completeness.

    ``is_dated``: the records were cut by dates of day 1, so that nobody is in them who was not randomized.
    """
    found = group_tables.tables(records, groups, doses=doses)
    out: list[Table | Callout] = []
    for made in found:
        if made.title == found[0].title and is_dated:
            made = replace(made, note="")
        if made.title == found[2].title and not safety_was_recorded(records):
            out.append(Callout("Adverse events were not collected, or none was recorded, in these data.", made.title))
            continue
        out.append(group_tables.as_table(made))
    return out


_HOLDS = (
    "For the sponsor, the steering committee and the sites. Figures are of all arms together. The report says nothing "
    "of differences between arms, of bounds, or of what the interim analysis found. These are in the closed report, "
    "which is for the data monitoring committee alone."
)


def _entry_note(entry: DatesOfDay1 | None) -> Block | None:
    if entry is None or not entry.is_assumed:
        return None
    return Callout(entry.basis, "Dates of entry are assumed", "warning")


def _recruited(protocol: Protocol, n: int) -> Block:
    planned = _planned(protocol)
    if planned is None:
        return Paragraph(f"{n} participants were randomized by the day of the look. The protocol plans no number.")
    return Paragraph(f"{n} of {planned} planned participants ({fmt.percent(n / planned)}) were randomized.")


def _planned(protocol: Protocol) -> int | None:
    model = protocol.model
    stated = model.trial.planned_n.usable
    if stated is not None:
        return int(stated)
    sizes = [arm.n.usable for arm in model.arms.values()]
    known = [int(size) for size in sizes if size is not None]
    return sum(known) if known and len(known) == len(sizes) else None


def _over_time(protocol: Protocol, records: Records, day: date | None, entry: DatesOfDay1 | None) -> Block | None:
    if entry is None or day is None:
        return None
    ids = records["allocations"]["participant_id"].unique(maintain_order=True).to_list()
    drawing = draw_recruitment([entry.dates[id] for id in ids], day, planned=_planned(protocol))
    said = "Dates of entry are assumed." if entry.is_assumed else "By date of study day 1."
    return Figure("Participants randomized over time", drawing, f"Everybody randomized, n={len(ids)}", said)


def _sites(records: Records, groups: Mapping[str, list[str]]) -> Block | None:
    made = group_tables.by_site(records, groups, fewest=group_tables.FEWEST)
    return None if made is None else group_tables.as_table(made)


def _known(protocol: Protocol, records: Records, followed_to: Mapping[str, int] | None) -> list[Block | None]:
    """How many have been followed to the end of the endpoint: by days alone, whatever the result is."""
    looks = protocol.model.looks
    if looks is None or (followed_to is None and not records.source.is_cut):
        return []
    endpoint = protocol.model.estimands[protocol.model.analyses[looks.analyses[0]].estimand].endpoint
    seen = seen_so_far(protocol, read_lattice(protocol, records), endpoint, followed_to)
    label = protocol.endpoint_label(endpoint)
    day = last_day_of(protocol, endpoint)
    over, n = int(seen.is_over.sum()), int(seen.is_over.size)
    rows = (
        Row(("Followed to the end of the endpoint", fmt.Count(over, n))),
        Row(("Follow-up goes on", fmt.Count(n - over, n))),
    )
    note = f"{label}: follow-up ends on study day {day + (day >= 0)}."
    return [
        Table(
            "Follow-up for the primary endpoint",
            (Column("", wide=True), Column("All", "decimal", f"n={n}")),
            rows,
            footnotes=(note,),
        )
    ]


def _visits(records: Records) -> Block | None:
    """Visits held of those due, by visit, in the order of days."""
    frame = records["visits"].filter(pl.col("target_day").is_not_null() & pl.col("state").is_in(["attended", "missed"]))
    if not frame.height:
        return None
    by = (
        frame.group_by("visit", maintain_order=True)
        .agg(pl.col("target_day").min(), pl.len().alias("due"), (pl.col("state") == "attended").sum().alias("held"))
        .sort("target_day", "visit")
    )
    rows = tuple(
        Row((visit.replace("-", " "), fmt.Count(held, due, show_denominator=True)))
        for visit, _, due, held in by.iter_rows()
        if due >= group_tables.FEWEST
    )
    if not rows:
        return None
    note = f"Visits that were due for fewer than {group_tables.FEWEST} participants are left out."
    return Table(
        "Visits held, of those due", (Column("Visit", wide=True), Column("All", "decimal")), rows, footnotes=(note,)
    )
