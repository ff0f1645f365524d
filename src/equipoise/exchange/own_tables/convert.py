"""A user's own tables to records, by a mapping file.

Cells are taken as texts, recoded, turned and counted as the mapping says, and then held against the schema like those
of any records; each problem is told with the line of the user's file, or of the mapping.
"""

from __future__ import annotations

import hashlib
import math
import os
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path

import numpy as np
import polars as pl

from equipoise.exchange.csv import MAX_SHOWN, TextTable
from equipoise.exchange.own_tables.files import read_table_file
from equipoise.exchange.own_tables.mapping_file import (
    NO_ANSWER,
    NOTHING_KNOWN,
    MappedCell,
    MappedEntry,
    MappingSpec,
    Spans,
    Where,
    is_yes_or_no,
    number_of,
    read_mapping,
    same_text,
)
from equipoise.exchange.records_files import _guess
from equipoise.exchange.simulated_column import SIMULATED, simulated_problems
from equipoise.foundation.calendar import day_index, study_day
from equipoise.foundation.errors import Problem, RecordsError, listed, nearest, raise_if_any
from equipoise.records.cells import TYPES_BY_WORD, RecordFault, type_cells
from equipoise.records.check import find_faults, find_faults_of_trial
from equipoise.records.records import DataSource, Records
from equipoise.records.schema import TABLES
from equipoise.records.trial_facts import TrialFacts

CODES = {
    "R106": "Your file has no such column.",
    "R107": "The mapping does not recode a text.",
    "R108": "A text is not a date, or not a number.",
    "R109": "A participant has no anchor date, or two.",
    "R111": "A file, or a choice of rows, leaves no row.",
    "R113": "A span ends before it begins.",
    "R115": "The event of a span happened at an empty time.",
    "R116": "An event happens to nobody.",
    "R117": "A participant has two arms, and only the first row is used.",
}

MAX_SPAN_DAYS = 40_000  # a span longer than a life is a wrong number

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")

Row = tuple[str, int]  # file and line of a row of records


def import_table(
    mapping: str | os.PathLike[str], *, protocol_hash: str = "", facts: TrialFacts | None = None
) -> Records:
    """Records from a user's own files, by the mapping file at ``mapping``.

    Files are looked for beside the mapping file; with ``facts`` rows are also held against the trial. Raises
    :class:`RecordsError` with every problem of mapping, files, cells and rows.
    """
    spec = read_mapping(Path(mapping))
    work = _Work(spec)
    tables: dict[str, pl.DataFrame] = {}
    for name in TABLES:
        entries = [entry for entry in spec.entries if entry.table == name]
        frame = work.table(name, entries) if entries else None
        if frame is not None:
            tables[name] = frame
    work.keep_calendar(tables)
    work.end_at_cut(tables)
    if not any(problem.code in {"R014", "R020", "R106"} for problem in work.problems):
        whole = {name: tables.get(name, table.empty()) for name, table in TABLES.items()}
        work.locate(find_faults(whole))
        if facts is not None:
            work.locate(find_faults_of_trial(whole, facts))
    raise_if_any(RecordsError, work.problems)
    details = {
        "importer": "table",
        "mapping": hashlib.sha256(spec.text.encode("utf-8")).hexdigest(),
        "files": dict(sorted(work.hashes.items())),
    }
    return Records(tables, DataSource(spec.origin, spec.description, spec.protocol, protocol_hash, details))


@dataclass
class _Work:
    """The import under way: files read so far, problems found, where rows came from."""

    spec: MappingSpec
    problems: list[Problem] = field(default_factory=list)
    hashes: dict[str, str] = field(default_factory=dict)
    files: dict[str, TextTable | None] = field(default_factory=dict)
    rows: dict[str, list[Row]] = field(default_factory=dict)
    anchors: dict[str, int] | None = None
    emptied: set[tuple[str, int, str]] = field(default_factory=set)  # file, line, column: unreadable, so told already

    def file(self, name: str, at: Where) -> TextTable | None:
        """A file beside the mapping, read once; its problems are told once."""
        if name not in self.files:
            path = self.spec.path.parent / name
            table, problems = read_table_file(path, value_labels=self.spec.value_labels)
            if table is None and problems and problems[0].code == "R014":
                line = self.spec.lines.of((*at, "file"))
                found = f"The file {name} is not there." if not path.exists() else problems[0].found
                hint = "Files are looked for beside the mapping file."
                problems = [
                    self.spec.problem("R014", (*at, "file"), found, "a file", hint).at(str(self.spec.path), line)
                ]
            self.problems += problems
            self.files[name] = table
            if table is not None:
                self.hashes[name] = hashlib.sha256(path.read_bytes()).hexdigest()
                self.hold_against_origin(table, str(path))
        return self.files[name]

    def hold_against_origin(self, table: TextTable, file: str) -> None:
        """Tables that equipoise wrote say of each row whether it is simulated: the mapping must say so too."""
        if SIMULATED in table.columns:
            is_simulated = self.spec.origin == "simulated"
            hint = "Write origin: simulated in the mapping, and keep real participants in files of their own."
            self.problems += simulated_problems(
                table.frame[SIMULATED], is_simulated, file=file, lines=table.lines, hint=hint
            )

    def has_columns(self, table: TextTable, file: str, wanted: list[tuple[str, Where]]) -> bool:
        """Whether the file has the columns the mapping names; each that it has not is a problem."""
        absent = [(column, at) for column, at in wanted if column not in table.columns]
        for column, at in absent:
            near = nearest(column, table.columns)
            hint = f"Is {near!r} meant?" if near else ""
            if len(table.columns) == 1 and (";" in table.columns[0] or "\t" in table.columns[0]):
                hint = "The file seems to be parted by semicolons or tabs: save it with commas."
            found = f"The file {file} has no column {column!r}."
            self.problems.append(self.spec.problem("R106", at, found, listed(table.columns, limit=20), hint))
        return not absent

    def table(self, name: str, entries: list[MappedEntry]) -> pl.DataFrame | None:
        """One table of records from all its entries, typed and checked cell by cell."""
        parts: list[pl.DataFrame] = []
        rows: list[Row] = []
        for entry in entries:
            source = self.file(entry.file, entry.at)
            if source is None:
                continue
            made = self.entry(entry, source)
            if made is not None:
                parts.append(made[0])
                rows += made[1]
        if not parts:
            return None
        frame = pl.concat(parts, how="diagonal")
        self.rows[name] = rows
        table = TABLES[name]
        words = {column: word for entry in entries for column, word in entry.types.items()}
        extra = {
            column: TYPES_BY_WORD[words[column]] if column in words else _guess(frame[column])
            for column in frame.columns
            if table.column(column) is None
        }
        typed, faults = type_cells(table, frame, extra)
        for fault in faults:
            if fault.code == "R020":
                at = (*entries[0].at, "columns")
                self.problems.append(
                    self.spec.problem("R020", at, fault.found, fault.expected, "Map the column, or give it a constant.")
                )
        self.locate([fault for fault in faults if fault.code != "R020"])
        return typed

    def entry(self, entry: MappedEntry, source: TextTable) -> tuple[pl.DataFrame, list[Row]] | None:
        """The rows one entry makes, all cells as texts, and where each came from."""
        cells = list(entry.columns.values())
        if entry.spans is not None:
            cells = [entry.spans.participant, entry.spans.substance, entry.spans.until, entry.spans.event]
        wanted: list[tuple[str, Where]] = [(column, (*entry.at, "where", column)) for column in entry.where]
        wanted += [(column, (*entry.at, "long")) for column in entry.turned]
        wanted += [(cell.source, cell.at) for cell in cells if cell.source is not None]
        if not self.has_columns(source, entry.file, wanted):
            return None
        keep = np.ones(source.frame.height, dtype=np.bool_)
        for column, values in entry.where.items():
            keep &= source.frame[column].fill_null("").is_in(list(values)).to_numpy()
        frame = source.frame.filter(pl.Series(keep, dtype=pl.Boolean))
        lines = source.lines[keep]
        if not frame.height:
            found = f"The file {entry.file} has no rows." if not entry.where else "No row fits the choice of rows."
            self.problems.append(self.spec.problem("R111", entry.at, found, "at least one row"))
            return None
        if entry.first_rows:
            frame, lines = self.first_rows(entry, frame, lines)
        if entry.spans is not None:
            return self.span_rows(entry, entry.spans, frame, lines)
        if entry.turned:
            turned = list(entry.turned)
            long = pl.concat(
                [
                    frame.with_columns(
                        pl.lit(entry.turned[column]).alias("\x00name"), pl.col(column).alias("\x00value")
                    )
                    for column in turned
                ]
            )
            frame, lines = long, np.tile(lines, len(turned))
        columns = [self.cells(entry, name, cell, frame, lines) for name, cell in entry.columns.items()]
        return pl.DataFrame(columns), [(source.file, int(line)) for line in lines]

    def first_rows(self, entry: MappedEntry, frame: pl.DataFrame, lines: np.ndarray) -> tuple[pl.DataFrame, np.ndarray]:
        """The first row of each participant; an arm that differs in a later one is a problem."""
        who = entry.columns.get("participant_id") or (entry.spans.participant if entry.spans else None)
        assert who is not None
        ids = self.cells(entry, "participant_id", who, frame, lines)
        arm = entry.columns.get("arm") if entry.table == "allocations" else None
        if arm is not None and arm.column is not None:
            seen: dict[str | None, str | None] = {}
            for name, text, line in zip(ids.to_list(), frame[arm.column].to_list(), lines, strict=True):
                if seen.setdefault(name, text) != text:
                    found = f"Participant {name!r} has the arm {text!r}, and {seen[name]!r} in the first row."
                    where = str(self.spec.path.parent / entry.file)
                    self.problems.append(
                        Problem("R117", f"column {arm.column}", found, "one arm", "", where, int(line))
                    )
        keep = ids.is_first_distinct()
        return frame.filter(keep), lines[keep.to_numpy()]

    def cells(
        self, entry: MappedEntry, name: str, cell: MappedCell, frame: pl.DataFrame, lines: np.ndarray
    ) -> pl.Series:
        """One column of texts."""
        if cell.value is not None or (cell.column is None and cell.date is None and cell.long is None):
            return pl.Series(name, [cell.value] * frame.height, dtype=pl.String)
        texts = frame[f"\x00{cell.long}" if cell.source is None else cell.source].alias(name)
        if cell.empty:
            texts = texts.set(texts.is_in(list(cell.empty)), None)
        if cell.recode is not None:
            texts = self.recoded(cell, texts, lines, entry.file, yes_or_no=is_yes_or_no(TABLES[entry.table], name))
        if cell.date is not None:
            return self.study_days(entry, cell, texts, frame, lines)
        if cell.counted_from is not None and cell.times is not None:
            # The file counts in its own unit, weeks or years: what it counts from is in that unit too.
            base, factor = cell.counted_from, cell.times
            texts = self.each(
                cell, texts, lines, entry.file, lambda text: str(study_day(_day(text, base, factor))), "a number"
            )
        elif cell.counted_from is not None:
            base = cell.counted_from
            words = "a whole number, or times: with the days of the file's unit"
            texts = self.each(cell, texts, lines, entry.file, lambda text: str(study_day(_whole(text) - base)), words)
        elif cell.times is not None:
            factor = cell.times
            texts = self.each(cell, texts, lines, entry.file, lambda text: repr(float(text) * factor), "a number")
        if name == "participant_id" and self.spec.prefix:
            texts = self.spec.prefix + texts
        return texts.alias(name)

    def recoded(
        self, cell: MappedCell, texts: pl.Series, lines: np.ndarray, file: str, *, yes_or_no: bool = False
    ) -> pl.Series:
        """Texts replaced as the mapping says; one it does not list is a problem, unless there is an otherwise.

        Numbers are compared as numbers. ``otherwise`` takes no text by which programs say that nothing is known, and of
        a yes or no that lists numbers it takes numbers only.
        """
        recode = dict(cell.recode or {})
        there = [text for text in texts.unique().to_list() if text is not None]
        by_number = {value: key for key in recode if (value := number_of(key)) is not None}
        for text in there:
            value = number_of(text)
            if text not in recode and value is not None and value in by_number:
                recode[text] = recode[by_number[value]]
        strange = sorted(text for text in there if text not in recode and not self.is_otherwise(cell, text, yes_or_no))
        if strange:
            for text in strange[:MAX_SHOWN]:
                first = int(lines[int((texts == text).fill_null(False).arg_max() or 0)])
                near = nearest(text, cell.recode or {})
                hint = f"Is {near!r} meant? " if near else ""
                found = f"The text {text!r} is not recoded (first at {Path(file).name}:{first})."
                hint += "List it under recode, or say otherwise: ..."
                if cell.otherwise is not None:
                    found = f"The text {text!r} would become {cell.otherwise} (first at {Path(file).name}:{first})."
                    hint = "List it under recode, or under empty where it says that nothing is known."
                expected = listed(cell.recode or {})
                self.problems.append(self.spec.problem("R107", (*cell.at, "recode"), found, expected, hint))
            where = str(self.spec.path.parent / file)
            unknown = texts.is_in(strange).fill_null(value=False).to_numpy()
            self.emptied |= {(where, int(line), texts.name) for line in lines[unknown]}
        table = {text: recode.get(text, cell.otherwise) for text in there}
        if "" in recode:  # an empty cell may mean something: a missed sample
            texts = texts.fill_null("")
            table[""] = recode[""]
        if not table:
            return texts
        return texts.replace_strict(list(table), list(table.values()), default=None, return_dtype=pl.String)

    @staticmethod
    def is_otherwise(cell: MappedCell, text: str, yes_or_no: bool) -> bool:
        """Whether a text that the mapping does not list may be taken for what it says under otherwise."""
        if cell.otherwise is None or text.strip().lower() in (NO_ANSWER if yes_or_no else NOTHING_KNOWN):
            return False
        numbers = [key for key in cell.recode or {} if key and number_of(key) is not None]
        return not (yes_or_no and numbers) or number_of(text) is not None

    def each(
        self, cell: MappedCell, texts: pl.Series, lines: np.ndarray, file: str, change: Callable[[str], str], words: str
    ) -> pl.Series:
        """Every text changed; one that cannot be is a problem at its line, and empty in the result."""
        out: list[str | None] = []
        bad = 0
        for text, line in zip(texts.to_list(), lines, strict=True):
            try:
                out.append(None if text is None else change(text.strip()))
            except (ValueError, OverflowError):
                out.append(None)
                bad += 1
                self.emptied.add((str(self.spec.path.parent / file), int(line), texts.name))
                if bad <= MAX_SHOWN:
                    where = str(self.spec.path.parent / file)
                    column = "a turned column" if cell.source is None else cell.source
                    self.problems.append(
                        Problem(
                            "R108",
                            f"column {column}",
                            f"The cell holds {text!r}.",
                            words,
                            "Correct the cell, or list the text under empty.",
                            where,
                            int(line),
                        )
                    )
        if bad > MAX_SHOWN:
            where = str(self.spec.path.parent / file)
            self.problems.append(Problem("R108", "", f"{bad - MAX_SHOWN:,} more cells are not {words}.", file=where))
        return pl.Series(texts.name, out, dtype=pl.String)

    def study_days(
        self, entry: MappedEntry, cell: MappedCell, texts: pl.Series, frame: pl.DataFrame, lines: np.ndarray
    ) -> pl.Series:
        """Dates as study days, counted from each participant's anchor."""
        anchors = self.anchor_dates()
        who = entry.columns.get("participant_id") or (entry.spans.participant if entry.spans else None)
        if who is None or anchors is None:
            return pl.Series(texts.name, [None] * texts.len(), dtype=pl.String)
        ids = self.cells(entry, "participant_id", who, frame, lines)
        parsed = self.each(
            cell, texts, lines, entry.file, lambda text: str(_ordinal(text, cell.format)), f"a date like {cell.format}"
        )
        out: list[str | None] = []
        without: dict[str, int] = {}
        for who_is, ordinal, line in zip(ids.to_list(), parsed.to_list(), lines, strict=True):
            if ordinal is None:
                out.append(None)
            elif who_is not in anchors:
                without.setdefault(str(who_is), int(line))
                self.emptied.add((str(self.spec.path.parent / entry.file), int(line), texts.name))
                out.append(None)
            else:
                out.append(str(study_day(int(ordinal) - anchors[who_is])))
        for who_is, line in list(without.items())[:MAX_SHOWN]:
            where = str(self.spec.path.parent / entry.file)
            anchor = self.spec.anchor
            found = f"Participant {who_is!r} has no anchor date{f' in {anchor.file}' if anchor else ''}."
            self.problems.append(
                Problem("R109", f"column {cell.date}", found, "a date for each participant", "", where, line)
            )
        return pl.Series(texts.name, out, dtype=pl.String)

    def anchor_dates(self) -> dict[str, int] | None:
        """Participant -> the ordinal of the date that has day index 0; ``None`` where it cannot be had."""
        anchor = self.spec.anchor
        if anchor is None or self.anchors is not None:
            return self.anchors
        self.anchors = {}
        table = self.file(anchor.file, anchor.at)
        wanted: list[tuple[str, Where]] = [
            (anchor.participant, (*anchor.at, "participant")),
            (anchor.date, (*anchor.at, "date")),
        ]
        if table is None or not self.has_columns(table, anchor.file, wanted):
            self.anchors = None
            return None
        shift = day_index(anchor.study_day)
        cell = MappedCell(anchor.at, column=anchor.date)
        dates = self.each(
            cell,
            table.frame[anchor.date],
            table.lines,
            anchor.file,
            lambda text: str(_ordinal(text, anchor.format) - shift),
            f"a date like {anchor.format}",
        )
        for who, ordinal, line in zip(
            table.frame[anchor.participant].to_list(), dates.to_list(), table.lines, strict=True
        ):
            if who is None or ordinal is None:
                continue
            name = self.spec.prefix + who
            if self.anchors.setdefault(name, int(ordinal)) != int(ordinal):
                found = f"Participant {name!r} has two anchor dates."
                where = str(self.spec.path.parent / anchor.file)
                self.problems.append(Problem("R109", f"column {anchor.date}", found, "one", "", where, int(line)))
        return self.anchors

    def span_rows(
        self, entry: MappedEntry, spans: Spans, frame: pl.DataFrame, lines: np.ndarray
    ) -> tuple[pl.DataFrame, list[Row]] | None:
        """Days of follow-up: asked and without use up to the last, on which use was where the event happened."""
        where = str(self.spec.path.parent / entry.file)
        who = self.cells(entry, "participant_id", spans.participant, frame, lines).to_list()
        substance = self.cells(entry, "substance", spans.substance, frame, lines).to_list()
        until = self.cells(entry, "until", spans.until, frame, lines).to_list()
        event = self.cells(entry, "event", spans.event, frame, lines).to_list()
        first = day_index(spans.first)
        columns: dict[str, list[str | None]] = {c: [] for c in ("participant_id", "day", "substance", "asked", "used")}
        rows: list[Row] = []
        n_events = 0
        for name, what, last, happened, line in zip(who, substance, until, event, lines, strict=True):
            ended = self.happened(spans, happened, where, int(line))
            n_events += bool(ended)
            if last is None:
                if ended and (where, int(line), "until") not in self.emptied:
                    found = "The event happened, and its time is empty."
                    hint = "Fill the time; or leave the event empty too, and nothing is known of this participant."
                    self.problems.append(Problem("R115", "spans, until", found, "a study day", hint, where, int(line)))
                continue  # nothing is known of this participant: no day was asked about
            try:
                end = day_index(_whole(last))
            except ValueError:
                step = "Where the file counts the first day as 0, say counted-from: 0."
                found = f"The cell holds {last!r}."
                self.problems.append(Problem("R108", "spans, until", found, "a study day", step, where, int(line)))
                continue
            if end < first or end - first > MAX_SPAN_DAYS:
                found = f"The span goes from study day {spans.first} to {last}."
                expected = f"an end from day {spans.first} on"
                self.problems.append(Problem("R113", "spans", found, expected, "", where, int(line)))
                continue
            if happened is None:
                found = "Whether the event happened is empty."
                self.problems.append(
                    Problem("R033", "spans, event", found, listed(spans.event_is), "", where, int(line))
                )
            if ended is None:
                continue
            for index in range(first, end + 1):
                columns["participant_id"].append(name)
                columns["day"].append(str(study_day(index)))
                columns["substance"].append(what)
                columns["asked"].append("true")
                columns["used"].append("true" if ended and index == end else "false")
                rows.append((where, int(line)))
        if not n_events and spans.event.value is None:
            column = spans.event.column
            found = f"Of {frame.height} rows none has the event: {column} is never {listed(spans.event_is)}."
            hint = "Correct is; where the event truly happened to nobody, say event: false."
            self.problems.append(self.spec.problem("R116", (*spans.at, "event"), found, "at least one event", hint))
        return pl.DataFrame(columns, schema=dict.fromkeys(columns, pl.String)), rows

    def happened(self, spans: Spans, text: str | None, where: str, line: int) -> bool | None:
        """Whether the event happened; ``None`` where the cell is empty or says neither, which is then a problem."""
        if text is None:
            return None
        if any(same_text(text, word) for word in spans.event_is):
            return True
        if any(same_text(text, word) for word in spans.event_is_not):
            return False
        yes, no = listed(spans.event_is), listed(spans.event_is_not) or "nothing yet"
        found = f"The cell holds {text!r}, which means neither yes nor no."
        hint = "List it under is or is-not of the event."
        self.problems.append(Problem("R107", "spans, event", found, f"{yes} for yes, {no} for no", hint, where, line))
        return None

    def keep_calendar(self, tables: dict[str, pl.DataFrame]) -> None:
        """Weekday of day 1 and order of the calendar beside the participants, where the anchor knows dates.

        The dates themselves are not kept. Whoever began on the same day has the same number.
        """
        people = tables.get("participants")
        anchors = self.anchor_dates() if self.spec.anchor is not None else None
        if people is None or not anchors:
            return
        order = {day: number for number, day in enumerate(sorted(set(anchors.values())), 1)}
        days = [anchors.get(who) for who in people["participant_id"].to_list()]
        added = {
            "day_1_weekday": pl.Series(
                [None if d is None else f"{date.fromordinal(d):%A}" for d in days], dtype=pl.String
            ),
            "calendar_order": pl.Series([None if d is None else order[d] for d in days], dtype=pl.Int64),
        }
        own = {name: values for name, values in added.items() if name not in people.columns}
        tables["participants"] = people.with_columns(**own)

    def end_at_cut(self, tables: dict[str, pl.DataFrame]) -> None:
        """An end of the data for each participant on the day that the mapping names as the cut."""
        cut, people = self.spec.cut, tables.get("participants")
        if cut is None or people is None:
            return
        anchors = self.anchor_dates() if isinstance(cut, date) else None
        rows = []
        for who in people["participant_id"].drop_nulls().to_list():
            if isinstance(cut, date):
                day = study_day(cut.toordinal() - anchors[who]) if anchors and who in anchors else None
            else:
                day = cut
            rows.append({"participant_id": who, "event": "administrative_end", "day": day, "reason": "data cut"})
        table = TABLES["disposition"]
        ends = pl.DataFrame(rows, schema=table.polars_schema).filter(pl.col("day").is_not_null())
        there = tables.get("disposition", table.empty())
        tables["disposition"] = pl.concat([there, ends], how="diagonal")

    def locate(self, faults: list[RecordFault]) -> None:
        """Faults as problems at the user's file and line, or at the mapping's part for the table.

        A cell that could not be read is empty to the tables; the cause was told, so the emptiness is not.
        """
        for fault in faults:
            rows = self.rows.get(fault.table, [])
            if fault.row is not None and fault.row < len(rows):
                if fault.code == "R033" and (*rows[fault.row], fault.column) in self.emptied:
                    continue
                self.problems.append(fault.problem().at(*rows[fault.row]))
            else:
                line = self.spec.lines.of(("tables", fault.table))
                self.problems.append(fault.problem().at(str(self.spec.path), line))


def _ordinal(text: str, form: str) -> int:
    return datetime.strptime(text, form).toordinal()


def _day(text: str, base: int, factor: float) -> int:
    """Days since study day 1 of a time in another unit, to the nearest whole day; halves to the later one."""
    days = (float(text) - base) * factor
    if not math.isfinite(days):
        raise ValueError(text)
    return math.floor(days + 0.5)


def _whole(text: str) -> int:
    """A whole number, also written 30.0; anything else raises ``ValueError``."""
    value = number_of(text)
    if value is None or value != int(value):
        raise ValueError(text)
    return int(value)
