"""What a mapping file says: which columns of whose files become which columns of records.

The file is YAML, read with line numbers by the reader that protocols use; ``docs/import-your-own.md`` describes it.
Here is its meaning as frozen values, and everything that can be wrong with it before any table is opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, get_args

import polars as pl

from equipoise.exchange.csv import MAX_SHOWN
from equipoise.foundation.errors import Problem, ProtocolError, RecordsError, listed, nearest, raise_if_any
from equipoise.protocol.text.yaml_lines import Lines, place, read_yaml_file
from equipoise.records.cells import TYPES_BY_WORD
from equipoise.records.records import Origin
from equipoise.records.schema import TABLES, Table

VERSION = 1

CODES = {
    "R101": "A mapping file has no such key.",
    "R102": "A key is missing.",
    "R103": "A value has the wrong type.",
    "R104": "Records have no such table.",
    "R105": "The table has no such column.",
    "R110": "A column is named twice, or in two ways.",
    "R112": "The mapping file has another version.",
    "R114": "The mapping lists one side of a yes or no, and takes everything else for the other.",
}

# What programs write for yes and no; compared without regard to case, numbers as numbers.
YES = ("1", "true", "yes", "y")
NO = ("0", "false", "no", "n")

# Texts by which programs say that nothing is known; `otherwise` takes none of them for an answer.
NOTHING_KNOWN = ("na", "n/a", "nan", "null", "nil", ".")
NO_ANSWER = (*NOTHING_KNOWN, "-", "--", "?", "none", "missing", "missed", "unknown", "not done", "not known")

WhereStep = str | int
Where = tuple[WhereStep, ...]


@dataclass(frozen=True, slots=True)
class MappedCell:
    """Where the cells of one target column come from.

    One of ``column`` (as it stands), ``date`` (a date column, made a study day by the anchor), ``long`` (``name`` or
    ``value`` of a turned column) or a constant ``value``. ``recode`` replaces texts; a text it does not list is a
    problem unless ``otherwise`` says what to put. ``counted_from`` is the number the file gives to study day 1.
    """

    at: Where
    column: str | None = None
    date: str | None = None
    long: str | None = None
    value: str | None = None
    recode: Mapping[str, str | None] | None = None
    otherwise: str | None = None
    empty: tuple[str, ...] = ()
    counted_from: int | None = None
    format: str = "%Y-%m-%d"
    times: float | None = None

    @property
    def source(self) -> str | None:
        """The column of the file that is read; ``None`` for a constant or a turned column."""
        return self.date if self.column is None else self.column


@dataclass(frozen=True, slots=True)
class Spans:
    """Time to an event as days: followed from ``first`` without use to ``until``, where use may end it."""

    at: Where
    participant: MappedCell
    substance: MappedCell
    first: int
    until: MappedCell
    event: MappedCell
    event_is: tuple[str, ...]
    event_is_not: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class MappedEntry:
    """One file's part in one table."""

    at: Where
    table: str
    file: str
    columns: Mapping[str, MappedCell]
    where: Mapping[str, tuple[str, ...]]
    turned: Mapping[str, str]
    spans: Spans | None
    types: Mapping[str, str]
    first_rows: bool = False  # of each participant the first row only


@dataclass(frozen=True, slots=True)
class DayAnchor:
    """The file and column with each participant's date of a study day."""

    at: Where
    file: str
    participant: str
    date: str
    study_day: int
    format: str


@dataclass(frozen=True, slots=True)
class MappingSpec:
    """A whole mapping file."""

    path: Path
    lines: Lines
    text: str
    protocol: str
    description: str
    origin: Origin
    prefix: str
    anchor: DayAnchor | None
    entries: tuple[MappedEntry, ...]
    cut: date | int | None = None  # a date, or a study day: nothing is known, and nothing was due, after it
    value_labels: bool = False  # of files that label their codes, the labels stand in place of the codes

    def problem(self, code: str, at: Where, found: str, expected: str = "", step: str = "") -> Problem:
        """A problem with the mapping file, at its line."""
        return Problem(code, place(at), found, expected, step, str(self.path), self.lines.of(at))


def read_mapping(path: Path) -> MappingSpec:
    """Read a mapping file; raises :class:`RecordsError` with every problem, each with file and line."""
    try:
        values, lines, text = read_yaml_file(path)
    except ProtocolError as error:
        raise RecordsError(error.problems) from None
    reader = _SpecReader(path, lines)
    spec = reader.spec(values, text)
    raise_if_any(RecordsError, reader.problems)
    assert spec is not None
    return spec


def _text(value: Any) -> str:
    """A constant as a cell would hold it."""
    return ("true" if value else "false") if isinstance(value, bool) else str(value)


def same_text(text: str, word: str) -> bool:
    """Whether two texts are the same, as words without regard to case or as numbers: ``1.0`` is ``1``."""
    if text.strip().lower() == word.strip().lower():
        return True
    one, other = number_of(text), number_of(word)
    return one is not None and one == other


def number_of(text: str) -> float | None:
    """The number that a text is; ``None`` where it is none, or not finite."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if value - value == 0 else None


def is_yes_or_no(table: Table, name: str) -> bool:
    """Whether a column says one of two things: true or false, a sample's result, whether a visit was kept."""
    column = table.column(name)
    if column is None:
        return False
    return column.dtype == pl.Boolean or (table.name, name) in {("urine", "result"), ("visits", "state")}


class _SpecReader:
    """Turns plain values into a :class:`MappingSpec`, gathering problems."""

    def __init__(self, path: Path, lines: Lines) -> None:
        self.path = path
        self.lines = lines
        self.problems: list[Problem] = []

    def wrong(self, code: str, at: Where, found: str, expected: str = "", step: str = "") -> None:
        line = self.lines.of(at)
        self.problems.append(Problem(code, place(at), found, expected, step, str(self.path), line))

    def mapping(
        self, value: Any, at: Where, words: str, keys: tuple[str, ...] = (), needed: tuple[str, ...] = ()
    ) -> dict[str, Any]:
        """``value`` as a mapping with keys among ``keys`` (any, where none are given)."""
        if not isinstance(value, dict):
            self.wrong("R103", at, f"There is {_shown(value)}.", words)
            return {}
        for key in value:
            if keys and key not in keys:
                near = nearest(key, keys)
                hint = f"Is {near!r} meant?" if near else "Remove it."
                self.wrong("R101", (*at, key), f"There is no key {key!r} here.", listed(keys, limit=20), hint)
        for key in needed:
            if key not in value:
                self.wrong("R102", at, f"The key {key!r} is missing.", words)
        return {key: entry for key, entry in value.items() if not keys or key in keys}

    def string(self, holder: Mapping[str, Any], key: str, at: Where, default: str = "") -> str:
        value = holder.get(key, default)
        if not isinstance(value, str) or (key in holder and not value):
            self.wrong("R103", (*at, key), f"There is {_shown(value)}.", "a text")
            return default
        return value

    def spec(self, values: Any, text: str) -> MappingSpec | None:
        top = self.mapping(
            values,
            (),
            "a mapping file",
            (
                "equipoise-mapping",
                "protocol",
                "description",
                "origin",
                "participant-prefix",
                "value-labels",
                "anchor",
                "cut",
                "tables",
            ),
            ("equipoise-mapping", "protocol", "tables"),
        )
        version = top.get("equipoise-mapping", VERSION)
        if version != VERSION or isinstance(version, bool):
            self.wrong("R112", ("equipoise-mapping",), f"The version is {_shown(version)}.", str(VERSION))
        origin = top.get("origin", "imported")
        if origin not in get_args(Origin):
            self.wrong("R103", ("origin",), f"There is {_shown(origin)}.", listed(get_args(Origin)))
        entries: list[MappedEntry] = []
        tables = self.mapping(top.get("tables", {}), ("tables",), "tables and the files they come from")
        for name, parts in tables.items():
            at: Where = ("tables", name)
            table = TABLES.get(name)
            if table is None:
                near = nearest(name, TABLES)
                hint = f"Is {near!r} meant?" if near else ""
                self.wrong("R104", at, f"There is no table {name!r}.", listed(TABLES, limit=20), hint)
                continue
            listing = parts if isinstance(parts, list) else [parts]
            for i, part in enumerate(listing):
                entry = self.entry(part, (*at, i) if isinstance(parts, list) else at, table)
                if entry is not None:
                    entries.append(entry)
        if "tables" in top and "participants" not in tables:
            self.wrong("R102", ("tables",), "The table participants is missing.", "the participants, at least")
        anchor = self.anchor(top["anchor"]) if "anchor" in top else None
        for entry in entries:
            for name, cell in entry.columns.items():
                if cell.date is not None and anchor is None and "anchor" not in top:
                    at = (*entry.at, "columns", name)
                    hint = "Write anchor: {file: ..., participant: ..., date: ...} at the top."
                    self.wrong(
                        "R102", at, "A date becomes a study day by the anchor, and there is none.", "an anchor", hint
                    )
        value_labels = top.get("value-labels", False)
        if not isinstance(value_labels, bool):
            self.wrong("R103", ("value-labels",), f"There is {_shown(value_labels)}.", "true or false")
        cut = self.cut(top)
        protocol = self.string(top, "protocol", ())
        description = self.string(top, "description", (), "records from a user's own tables")
        prefix = self.string(top, "participant-prefix", ())
        if self.problems:
            return None
        return MappingSpec(
            self.path,
            self.lines,
            text,
            protocol,
            description,
            origin,
            prefix,
            anchor,
            tuple(entries),
            cut,
            value_labels is True,
        )

    def cut(self, top: Mapping[str, Any]) -> date | int | None:
        """The day the data end: a date (which the anchor makes a study day), or a study day."""
        value = top.get("cut")
        if value is None:
            return None
        if isinstance(value, int) and not isinstance(value, bool) and value != 0:
            return value
        try:
            day = value if isinstance(value, date) else date.fromisoformat(str(value))
        except ValueError:
            self.wrong("R103", ("cut",), f"There is {_shown(value)}.", "a date such as 2024-06-30, or a study day")
            return None
        if "anchor" not in top:
            hint = "Write anchor: {file: ..., participant: ..., date: ...}, or the cut as a study day."
            self.wrong("R102", ("cut",), "A date becomes a study day by the anchor, and there is none.", "anchor", hint)
        return day

    def anchor(self, value: Any) -> DayAnchor | None:
        at: Where = ("anchor",)
        keys = ("file", "participant", "date", "study-day", "format")
        parts = self.mapping(value, at, "file, participant and date", keys, ("file", "participant", "date"))
        day = parts.get("study-day", 1)
        if not isinstance(day, int) or isinstance(day, bool) or day == 0:
            self.wrong(
                "R103", (*at, "study-day"), f"There is {_shown(day)}.", "a study day: a whole number other than 0"
            )
            day = 1
        return DayAnchor(
            at,
            self.string(parts, "file", at),
            self.string(parts, "participant", at),
            self.string(parts, "date", at),
            day,
            self.string(parts, "format", at, "%Y-%m-%d"),
        )

    def entry(self, value: Any, at: Where, table: Table) -> MappedEntry | None:
        keys = ("file", "columns", "where", "rows", "long", "spans", "types")
        parts = self.mapping(value, at, "file and columns", keys, ("file",))
        if not parts:
            return None
        spans = None
        if "spans" in parts:
            if table.name != "daily_use":
                self.wrong("R103", (*at, "spans"), f"Spans stand under {table.name}.", "spans under daily_use")
            if "columns" in parts or "long" in parts:
                self.wrong("R110", at, "There are both spans and columns.", "one of them")
            spans = self.spans(parts["spans"], (*at, "spans"))
        elif "columns" not in parts:
            self.wrong("R102", at, "The key 'columns' is missing.", "columns of the table and where they come from")
        columns: dict[str, MappedCell] = {}
        for name, source in self.mapping(parts.get("columns", {}), (*at, "columns"), "columns").items():
            if table.column(name) is None and not table.extra_columns:
                near = nearest(name, table.polars_schema)
                hint = f"Is {near!r} meant?" if near else ""
                known = listed(table.polars_schema, limit=20)
                self.wrong(
                    "R105", (*at, "columns", name), f"The table {table.name} has no column {name!r}.", known, hint
                )
                continue
            cell = self.cell(source, (*at, "columns", name))
            if cell is not None:
                columns[name] = cell
                if is_yes_or_no(table, name):
                    self.two_sides(cell)
        turned = self.turned(parts.get("long"), (*at, "long"))
        if not turned and any(cell.long for cell in columns.values()):
            self.wrong("R102", at, "A column is taken from turned columns, and there is no key 'long'.", "the key long")
        where: dict[str, tuple[str, ...]] = {}
        for column, wanted in self.mapping(parts.get("where", {}), (*at, "where"), "columns and values").items():
            listing = wanted if isinstance(wanted, list) else [wanted]
            where[column] = tuple("" if item is None else _text(item) for item in listing)
        types = self.mapping(parts.get("types", {}), (*at, "types"), "columns and types")
        for column, word in types.items():
            if not isinstance(word, str) or word not in TYPES_BY_WORD:
                self.wrong("R103", (*at, "types", column), f"The type is {_shown(word)}.", listed(TYPES_BY_WORD))
            elif column not in columns or table.column(column) is not None:
                hint = "Columns of the schema have their type already."
                self.wrong("R105", (*at, "types", column), f"There is no extra column {column!r}.", "", hint)
        rows = parts.get("rows", "all")
        if rows not in ("all", "first"):
            self.wrong("R103", (*at, "rows"), f"There is {_shown(rows)}.", "all, or first: of each participant")
        elif rows == "first" and (turned or ("participant_id" not in columns and spans is None)):
            self.wrong("R103", (*at, "rows"), "The first row is asked for.", "participant_id, and no turned columns")
        file = self.string(parts, "file", at)
        return MappedEntry(at, table.name, file, columns, where, turned, spans, types, rows == "first")

    def two_sides(self, cell: MappedCell) -> None:
        """A yes or no lists both sides: what is otherwise may be what a number, or a filled cell, is otherwise."""
        words = [key for key in cell.recode or {} if key and number_of(key) is None and key.lower() not in NO_ANSWER]
        if cell.otherwise is None or not words:
            return
        found = f"{listed(words, conjunction='and')} {'is' if len(words) == 1 else 'are'} listed, and everything else "
        found += f"becomes {cell.otherwise}."
        step = "List what means the other, and remove otherwise; a text that is in neither list is then told."
        self.wrong("R114", (*cell.at, "otherwise"), found, "both sides under recode", step)

    def turned(self, value: Any, at: Where) -> dict[str, str]:
        """Columns to be turned into rows, each with the name it gets there."""
        if value is None:
            return {}
        if isinstance(value, list):
            names = [item for item in value if isinstance(item, str) and item]
            if len(names) < len(value) or len(set(names)) < len(names) or not names:
                self.wrong("R103", at, "The list holds something else than names, or a name twice.", "names of columns")
            return {name: name for name in names}
        parts = self.mapping(value, at, "names of columns, or columns and the names they get")
        if not parts:
            self.wrong("R103", at, "No column is named.", "columns to turn into rows")
        return {column: column if name is None else _text(name) for column, name in parts.items()}

    def cell(self, value: Any, at: Where) -> MappedCell | None:
        if isinstance(value, str):
            return MappedCell(at, column=value)
        if isinstance(value, (bool, int, float)):
            return MappedCell(at, value=_text(value))
        keys = ("column", "date", "long", "value", "recode", "otherwise", "empty", "counted-from", "format", "times")
        parts = self.mapping(value, at, "the name of a column, a number, true, false, or {column: ...}", keys)
        if not parts:
            return None
        sources = [key for key in ("column", "date", "long", "value") if key in parts]
        if len(sources) != 1:
            found = f"There are {listed(sources, conjunction='and')}." if sources else "No source is named."
            self.wrong("R110", at, found, "one of column, date, long, value")
            return None
        self.idle_keys(parts, sources[0], at)
        recode: dict[str, str | None] | None = None
        if "recode" in parts:
            pairs = self.mapping(parts["recode"], (*at, "recode"), "texts of the file and what they become")
            recode = {key: None if new is None else _text(new) for key, new in pairs.items()}
        long = parts.get("long")
        if "long" in parts and long not in ("name", "value"):
            self.wrong("R103", (*at, "long"), f"There is {_shown(long)}.", "name or value")
        counted = parts.get("counted-from")
        if counted is not None and (not isinstance(counted, int) or isinstance(counted, bool)):
            self.wrong(
                "R103",
                (*at, "counted-from"),
                f"There is {_shown(counted)}.",
                "the number that the file gives to study day 1, for example 0",
            )
            counted = None
        times = parts.get("times")
        if times is not None and (not isinstance(times, (int, float)) or isinstance(times, bool)):
            self.wrong("R103", (*at, "times"), f"There is {_shown(times)}.", "a number")
            times = None
        empty = parts.get("empty", [])
        texts = tuple(_text(item) for item in (empty if isinstance(empty, list) else [empty]))
        otherwise = parts.get("otherwise")
        return MappedCell(
            at,
            column=self.string(parts, "column", at) if "column" in parts else None,
            date=self.string(parts, "date", at) if "date" in parts else None,
            long=long if long in ("name", "value") else None,
            value=None if parts.get("value") is None else _text(parts["value"]),
            recode=recode,
            otherwise=None if otherwise is None else _text(otherwise),
            empty=texts,
            counted_from=counted,
            format=self.string(parts, "format", at, "%Y-%m-%d"),
            times=None if times is None else float(times),
        )

    def idle_keys(self, parts: Mapping[str, Any], source: str, at: Where) -> None:
        """Keys that would say nothing beside the others: whoever wrote them meant something."""
        idle = {
            "value": ("recode", "otherwise", "empty", "counted-from", "format", "times"),
            "date": ("counted-from", "times"),
            "column": ("format",),
            "long": ("format",),
        }[source]
        beside = {key: source for key in idle if key in parts}
        if "otherwise" in parts and "recode" not in parts and source != "value":
            beside["otherwise"] = "no recode"
        for key, other in beside.items():
            self.wrong("R103", (*at, key), f"{key} says nothing beside {other}.", "keys that go together")

    def spans(self, value: Any, at: Where) -> Spans | None:
        keys = ("participant_id", "substance", "from-day", "until", "event")
        parts = self.mapping(
            value,
            at,
            "participant_id, substance, until and event",
            keys,
            ("participant_id", "substance", "until", "event"),
        )
        first = parts.get("from-day", 1)
        if not isinstance(first, int) or isinstance(first, bool) or first == 0:
            self.wrong(
                "R103", (*at, "from-day"), f"There is {_shown(first)}.", "a study day: a whole number other than 0"
            )
            first = 1
        event = parts.get("event")
        sides: dict[str, tuple[str, ...]] = {}
        if isinstance(event, dict):
            for key in ("is", "is-not"):
                if key in event:
                    wanted = event[key] if isinstance(event[key], list) else [event[key]]
                    sides[key] = tuple(_text(item) for item in wanted)
            event = {key: item for key, item in event.items() if key not in sides}
        happened = sides.get("is", tuple(w for w in YES if not any(same_text(w, x) for x in sides.get("is-not", ()))))
        did_not = sides.get("is-not", tuple(w for w in NO if not any(same_text(w, x) for x in happened)))
        both = [word for word in happened if any(same_text(word, other) for other in did_not)]
        if both:
            self.wrong(
                "R110", (*at, "event"), f"{listed(both, conjunction='and')} means both yes and no.", "one of them"
            )
        cells = {
            key: self.cell(source, (*at, key))
            for key, source in (
                ("participant_id", parts.get("participant_id")),
                ("substance", parts.get("substance")),
                ("until", parts.get("until")),
                ("event", event),
            )
            if source is not None
        }
        for key, cell in cells.items():
            if cell is not None and (cell.long or (cell.date and key != "until")):
                self.wrong("R103", (*at, key), "A span takes columns and constants.", "a column")
        if any(cell is None for cell in cells.values()) or len(cells) < 4:
            for key in ("participant_id", "substance", "until", "event"):
                if key in parts and parts[key] is None:
                    self.wrong("R103", (*at, key), "There is nothing.", "a column")
            return None
        found = {key: cell for key, cell in cells.items() if cell is not None}
        who, substance, until = found["participant_id"], found["substance"], found["until"]
        return Spans(at, who, substance, first, until, found["event"], happened, did_not)


def _shown(value: Any) -> str:
    if value is None:
        return "nothing"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    text = repr(value)
    return text if len(text) <= MAX_SHOWN * 3 else text[: MAX_SHOWN * 3] + "..."
