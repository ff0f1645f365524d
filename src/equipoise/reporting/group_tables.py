"""Figures of a trial under way: enrolment, exposure, adverse events, deaths, completeness, by group.

The pages of the running trial and the committee's reports show the same tables. The groups are the arms (the closed
report) or everybody together (the pooled one). Counts are of people unless a row
says otherwise; percentages are of those randomized in the group. A figure of nobody is a dash, never a zero.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

from equipoise.protocol import Protocol
from equipoise.records import Records
from equipoise.reporting.document import Column, Table
from equipoise.reporting.document import Row as Line

FEWEST = 10  # people in a part of a pooled figure: a smaller part could be nearly the arm
Row = dict[str, Any]


@dataclass(frozen=True, slots=True)
class FigureTable:
    """One table: its title, the heads of its columns after the first, rows of a label and a cell a column."""

    title: str
    heads: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]
    note: str = ""


def as_table(made: FigureTable) -> Table:
    """The table as a block of a report."""
    columns = (Column("", wide=True), *(Column(head, "right") for head in made.heads))
    rows = tuple(Line((label, *cells)) for label, cells in made.rows)
    return Table(made.title, columns, rows, footnotes=(made.note,) if made.note else ())


def rows_of(records: Records, table: str) -> list[Row]:
    """Rows of a table of the cut; none where it has none."""
    frame = records.tables.get(table)
    return frame.to_dicts() if frame is not None else []


def arms_of(records: Records, protocol: Protocol) -> dict[str, list[str]]:
    """Who is in which arm, by the arm's label, in the protocol's order; of several randomizations the first."""
    given = {row["participant_id"]: row["arm"] for row in rows_of(records, "allocations") if row["stage"] == 1}
    return {protocol.arm_label(arm): sorted(id for id, its in given.items() if its == arm) for arm in protocol.arm_ids}


def everybody(records: Records) -> dict[str, list[str]]:
    """All who were randomized, as one group."""
    return {"All randomized": sorted({row["participant_id"] for row in rows_of(records, "allocations")})}


def tables(records: Records, groups: Mapping[str, Collection[str]], *, doses: bool) -> list[FigureTable]:
    """The tables of a report; ``doses`` where milligrams may be said."""
    return [
        _enrolment(records, groups),
        _exposure(records, groups, doses=doses),
        _adverse_events(records, groups),
        _disposition(records, groups),
        _completeness(records, groups),
    ]


def _share(n: int, of: int) -> str:
    return f"{n} of {of} ({100 * n / of:.0f}%)" if of else "–"


def _people(rows: Iterable[Row], group: Collection[str]) -> int:
    return len({row["participant_id"] for row in rows} & set(group))


def _table(
    title: str, groups: Mapping[str, Collection[str]], lines: Sequence[tuple[str, Any]], note: str = ""
) -> FigureTable:
    """``lines`` are a label and a function of a group's people to the text of a cell."""
    rows = tuple((label, tuple(str(cell(people)) for people in groups.values())) for label, cell in lines)
    return FigureTable(title, tuple(groups), rows, note)


def _enrolment(records: Records, groups: Mapping[str, Collection[str]]) -> FigureTable:
    people = rows_of(records, "participants")
    consented, no = sum(row["consented"] for row in people), sum(row["eligible"] is False for row in people)
    note = f"{len(people)} were screened, {consented} consented, {no} were found not eligible."
    return _table("Enrolment", groups, [("Randomized", len)], note)


def _exposure(records: Records, groups: Mapping[str, Collection[str]], *, doses: bool) -> FigureTable:
    given, held = rows_of(records, "exposure"), [row for row in rows_of(records, "sessions") if row["delivered"]]
    whole = [r for r in given if r["planned_mg"] is not None and r["delivered_mg"] == r["planned_mg"]]

    def numbers(column: str, group: Collection[str]) -> list[float]:
        return [r[column] for r in given if r["participant_id"] in group and r[column] is not None]

    def middle(column: str, digits: int) -> Any:
        return lambda g: f"{median(found):.{digits}f}" if (found := numbers(column, g)) else "–"

    lines: list[tuple[str, Any]] = []
    if given:
        lines += [
            ("Infusion or dose begun, people", lambda g: _share(_people(given, g), len(g))),
            ("Minutes from start to end, median", middle("minutes", 0)),
            (
                "Interrupted, doses",
                lambda g: str(sum(bool(r["interruptions"]) for r in given if r["participant_id"] in g)),
            ),
        ]
        if doses:
            lines += [
                ("Whole planned dose, people", lambda g: _share(_people(whole, g), len(g))),
                ("Delivered, mg per kg, median", middle("delivered_mg_per_kg", 2)),
            ]
    if held:
        lines += [
            ("At least one session, people", lambda g: _share(_people(held, g), len(g))),
            (
                "Sessions held, mean a person",
                lambda g: f"{mean(sum(r['participant_id'] == id for r in held) for id in g):.1f}" if g else "–",
            ),
        ]
    return _table("Exposure", groups, lines or [("Nothing was given yet", lambda g: "–")])


def _adverse_events(records: Records, groups: Mapping[str, Collection[str]]) -> FigureTable:
    rows = rows_of(records, "adverse_events")
    deaths = [row for row in rows_of(records, "disposition") if row["event"] == "death"]
    grave = [row for row in rows if row["severity"] in ("severe", "life_threatening", "fatal")]
    serious = [row for row in rows if row["serious"]]
    related = [row for row in rows if row["related"] is not False]

    def people(found: list[Row]) -> Any:
        return lambda g: _share(_people(found, g), len(g))

    lines = [
        ("Any adverse event, people", people(rows)),
        ("Events", lambda g: str(sum(row["participant_id"] in g for row in rows))),
        ("Severe or worse, people", people(grave)),
        ("Serious, people", people(serious)),
        ("Related, or not judged yet, people", people(related)),
        ("Died", people(deaths)),
    ]
    return _table("Adverse events and deaths", groups, lines)


_LEFT = {
    "completion": "Completed",
    "treatment_discontinuation": "Treatment discontinued",
    "study_withdrawal": "Withdrawn",
    "lost_to_follow_up": "Lost to follow-up",
}


def _disposition(records: Records, groups: Mapping[str, Collection[str]]) -> FigureTable:
    rows = rows_of(records, "disposition")

    def cell(event: str) -> Any:
        found = [row for row in rows if row["event"] == event]
        return lambda g: _share(_people(found, g), len(g))

    return _table("How they go on", groups, [(words, cell(event)) for event, words in _LEFT.items()])


def _completeness(records: Records, groups: Mapping[str, Collection[str]]) -> FigureTable:
    rows = [row for row in rows_of(records, "visits") if row["target_day"] is not None]
    due = [row for row in rows if row["state"] in ("attended", "missed")]
    held = [row for row in due if row["state"] == "attended"]
    urine = rows_of(records, "urine")
    assayed = [row for row in urine if row["result"] in ("positive", "negative")]

    def share(part: list[Row], whole: list[Row]) -> Any:
        return lambda g: _share(
            sum(r["participant_id"] in g for r in part), sum(r["participant_id"] in g for r in whole)
        )

    lines: list[tuple[str, Any]] = [
        ("Visits held, of those whose window has closed or that were held", share(held, due))
    ]
    if urine:
        lines.append(("Urine results, of those due", share(assayed, urine)))
    return _table("Completeness", groups, lines)


def by_site(records: Records, groups: Mapping[str, Collection[str]], *, fewest: int = 0) -> FigureTable | None:
    """Who was randomized by site; ``None`` where there is one site, or some part has fewer people than may be told."""
    sites = {row["participant_id"]: row["site"] for row in rows_of(records, "participants") if row["site"]}
    named = sorted(set(sites.values()))
    if len(named) < 2:
        return None
    cells = {
        (site, name): sum(sites.get(id) == site for id in people) for site in named for name, people in groups.items()
    }
    if any(n < fewest for n in cells.values()):
        return None
    rows = tuple((site, tuple(str(cells[(site, name)]) for name in groups)) for site in named)
    return FigureTable("Randomized by site", tuple(groups), rows)


def serious_events(records: Records, groups: Mapping[str, Collection[str]]) -> list[Row]:
    """Every serious adverse event, line by line, with its arm."""
    arm = {id: name for name, people in groups.items() for id in people}
    rows = [row for row in rows_of(records, "adverse_events") if row["serious"] and row["participant_id"] in arm]
    return [{**row, "arm": arm[row["participant_id"]]} for row in sorted(rows, key=lambda r: r["participant_id"])]
