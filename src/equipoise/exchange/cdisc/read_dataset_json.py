"""Dataset-JSON 1.1 read and checked: everything that is wrong with a file at once, each with its row and column.

The schema of the format lets much pass that makes a file useless: a number of records that is not that of the rows,
cells of another type than their column, keys that do not tell rows apart. All of it is looked for here.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from math import isfinite
from pathlib import Path
from typing import Any

import polars as pl

from equipoise.exchange.csv import MAX_SHOWN
from equipoise.foundation.errors import Problem, RecordsError, listed, nearest, raise_if_any

CODES = {
    "R610": "A file of Dataset-JSON cannot be read.",
    "R611": "A text is not JSON.",
    "R612": "A file is not Dataset-JSON.",
    "R613": "A key of a Dataset-JSON file is missing, is not one of the format's, or has another type of value.",
    "R614": "The file is of another version of Dataset-JSON.",
    "R615": "The number of records is not that of the rows.",
    "R616": "Two columns of a dataset have one name or identifier.",
    "R617": "The numbers of key columns have a gap or stand twice.",
    "R618": "A type of a column cannot be carried by the type that its cells are written in.",
    "R619": "A row has more or fewer cells than there are columns.",
    "R620": "A cell is not of its column's type.",
    "R621": "Two rows agree in every key (a note, not an error).",
    "R622": "A text is longer than its column says (a note, not an error).",
    "R623": "A dataset's name cannot be the name of a file.",
}

_MOMENT = (
    r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3]):[0-5]\d(:[0-5]\d)?(\.\d+)?"
    r"([+-]([01]\d|2[0-3]):[0-5]\d|Z)?"
)
_HEAD: dict[str, str] = {
    "datasetJSONCreationDateTime": "moment",
    "datasetJSONVersion": "text",
    "fileOID": "text",
    "dbLastModifiedDateTime": "moment",
    "originator": "text",
    "sourceSystem": "system",
    "studyOID": "text",
    "metaDataVersionOID": "text",
    "metaDataRef": "text",
    "itemGroupOID": "text",
    "records": "count",
    "name": "text",
    "label": "text",
    "columns": "list",
    "rows": "list",
}
_NEEDED = ("datasetJSONCreationDateTime", "datasetJSONVersion", "itemGroupOID", "records", "name", "label", "columns")
_COLUMN: dict[str, str] = {
    "itemOID": "text",
    "name": "text",
    "label": "text",
    "dataType": "text",
    "targetDataType": "text",
    "length": "from 1",
    "displayFormat": "text",
    "keySequence": "from 1",
}
_COLUMN_NEEDED = ("itemOID", "name", "label", "dataType")
_WORDS = {
    "text": "a text",
    "moment": "a moment such as 2027-03-09T12:00:00Z",
    "count": "a whole number from 0",
    "from 1": "a whole number from 1",
    "list": "a list",
    "system": "name and version, both texts",
}
TARGETS = {("decimal", "decimal"), ("date", "integer"), ("datetime", "integer"), ("time", "integer")}


def _is_date(text: str) -> bool:
    match = re.fullmatch(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", text)
    if match is None:
        return False
    try:
        date(int(match[1]) or 4, int(match[2] or 1), int(match[3] or 1))
    except ValueError:
        return False
    return True


_TIME = r"([01]\d|2[0-3])(:[0-5]\d(:[0-5]\d(\.\d+)?)?)?(Z|[+-]\d\d:\d\d)?"


def _is_moment(text: str) -> bool:
    day, sign, time = text.partition("T")
    return _is_date(day) and (not sign or (len(day) == 10 and re.fullmatch(_TIME, time) is not None))


def _is_whole(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and isfinite(value)


def _is_text(value: Any) -> bool:
    """Whether a value is a text that can be written: halves of a character cannot."""
    return isinstance(value, str) and not re.search("[\ud800-\udfff]", value)


def _text_that(holds: Callable[[str], Any]) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and bool(holds(value))


# By data type: whether a cell may stand there, and the type in words.
CELLS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "string": (_is_text, "a text"),
    "URI": (_is_text, "a text"),
    "integer": (_is_whole, "a whole number"),
    "float": (_is_number, "a number"),
    "double": (_is_number, "a number"),
    "decimal": (_text_that(lambda t: re.fullmatch(r"[+-]?(\d+\.?\d*|\.\d+)", t)), "a number as a text"),
    "boolean": (lambda value: isinstance(value, bool), "true or false"),
    "date": (_text_that(_is_date), "a date, whole or partial"),
    "time": (_text_that(lambda t: re.fullmatch(_TIME, t)), "a time"),
    "datetime": (_text_that(_is_moment), "a date with or without time, whole or partial"),
}
# Carried as texts: an empty one is a missing value.
_AS_TEXT = ("string", "URI", "date", "time", "datetime", "decimal")
_FRAME = {"integer": pl.Int64, "float": pl.Float64, "double": pl.Float64, "boolean": pl.Boolean}


@dataclass(frozen=True)
class DatasetFile:
    """A Dataset-JSON file as it was read: its head, its columns as the file describes them, its rows, notes."""

    path: Path
    head: dict[str, Any]
    columns: tuple[dict[str, Any], ...]
    frame: pl.DataFrame
    notes: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        """Name of the dataset."""
        return str(self.head["name"])


def read_dataset_json(path: Path) -> DatasetFile:
    """Read a file of Dataset-JSON (``.json`` or ``.ndjson``); raises :class:`RecordsError` with every problem."""
    reader = _DatasetReader(path)
    return reader.read()


@dataclass
class _DatasetReader:
    path: Path
    problems: list[Problem] = field(default_factory=list)
    notes: list[Problem] = field(default_factory=list)

    @property
    def is_lines(self) -> bool:
        return self.path.suffix.lower() == ".ndjson"

    def say(
        self, code: str, place: str, found: str, expected: str = "", step: str = "", line: int | None = None
    ) -> None:
        self.problems.append(Problem(code, place, found, expected, step, file=str(self.path), line=line))

    def read(self) -> DatasetFile:
        head, rows = self.parts(self.text())
        raise_if_any(RecordsError, self.problems)
        self.check_head(head)
        columns = head.get("columns")
        kept = [c for c in columns if isinstance(c, dict)] if isinstance(columns, list) else []
        self.check_columns(columns if isinstance(columns, list) else [])
        raise_if_any(RecordsError, self.problems)
        self.check_rows(head, kept, rows)
        raise_if_any(RecordsError, self.problems)
        frame = self.frame(kept, rows)
        self.note_keys(kept, frame)
        plain = {k: v for k, v in head.items() if k not in ("rows", "columns")}
        return DatasetFile(self.path, plain, tuple(kept), frame, tuple(self.notes))

    def text(self) -> str:
        try:
            raw = self.path.read_bytes()
        except OSError as error:
            said = (
                "There is no such file"
                if isinstance(error, FileNotFoundError)
                else (error.strerror or "It cannot be read")
            )
            self.say("R610", "", f"{said}.", "a file of Dataset-JSON", "Check the name of the file and its folder.")
            raise RecordsError(self.problems) from None
        if raw.startswith((b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff")):
            step = "Save the file as UTF-8 without a mark."
            self.say("R611", "", "The file begins with a byte order mark.", "UTF-8 without one", step, line=1)
        try:
            return raw.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = raw[: error.start].count(b"\n") + 1
            self.say("R611", "", f"Byte {error.start} is not UTF-8.", "text in UTF-8", line=line)
            raise RecordsError(self.problems) from None

    def value(self, text: str, first_line: int = 1) -> Any:
        """One JSON value; what JSON does not allow but readers let pass is a problem too."""

        def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
            twice = [key for key, n in Counter(key for key, _ in items).items() if n > 1]
            if twice:
                raise ValueError(f"the key {twice[0]!r} stands twice in one object")
            return dict(items)

        def constant(name: str) -> Any:
            raise ValueError(f"{name} is not a value of JSON")

        try:
            return json.loads(text, object_pairs_hook=pairs, parse_constant=constant)
        except json.JSONDecodeError as error:
            place = f"column {error.colno}"
            self.say("R611", place, f"The text is not JSON: {error.msg}.", line=first_line + error.lineno - 1)
        except RecursionError:
            self.say("R611", "", "Objects are nested too deeply.", "a dataset", line=first_line)
        except ValueError as error:
            self.say("R611", "", f"The text is not JSON: {error}.", line=first_line)
        return None

    def parts(self, text: str) -> tuple[dict[str, Any], list[Any]]:
        """Head and rows of either form."""
        if not text.strip():
            self.say("R612", "", "The file is empty.", "a dataset")
            return {}, []
        if not self.is_lines:
            value = self.value(text)
            if self.problems:
                return {}, []
            if not isinstance(value, dict):
                self.say("R612", "", f"The file holds {_kind(value)}.", "an object with columns and rows")
                return {}, []
            rows = value.get("rows", [])
            if not isinstance(rows, list):
                self.say("R613", "rows", f"There is {_kind(rows)}.", "a list of rows")
                rows = []
            return value, rows
        lines = [(number, line) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]
        head = self.value(lines[0][1], lines[0][0])
        if not self.problems and not isinstance(head, dict):
            self.say(
                "R612",
                "first line",
                f"The first line holds {_kind(head)}.",
                "the object that describes the dataset",
                line=lines[0][0],
            )
        if isinstance(head, dict) and "rows" in head:
            self.say("R613", "rows", "The first line holds rows.", "a line of its own for each row", line=lines[0][0])
        rows = []
        for number, line in lines[1:]:
            rows.append(self.value(line, number))
            if len(self.problems) >= MAX_SHOWN:
                break
        return head if isinstance(head, dict) else {}, rows

    def check_head(self, head: dict[str, Any]) -> None:
        for key in _NEEDED:
            if key not in head:
                self.say("R613", key, "There is no such key.", "it in every file of Dataset-JSON")
        for key, value in head.items():
            wanted = _HEAD.get(key)
            if wanted is None:
                near = nearest(key, _HEAD)
                self.say(
                    "R613",
                    key,
                    "The format has no such key.",
                    listed(_HEAD, limit=20),
                    f"Is {near!r} meant?" if near else "",
                )
            elif not _fits(value, wanted):
                self.say("R613", key, f"There is {_shown(value)}.", _WORDS[wanted])
        version = head.get("datasetJSONVersion")
        if isinstance(version, str) and not re.fullmatch(r"1\.1(\.(0|[1-9]\d*))?", version):
            self.say("R614", "datasetJSONVersion", f"The version is {version!r}.", "1.1")
        name = head.get("name")
        if isinstance(name, str) and not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]{0,31}", name):
            self.say("R623", "name", f"The name is {_shown(name)}.", "at most 32 letters and digits, a letter first")

    def check_columns(self, columns: Sequence[Any]) -> None:
        for number, column in enumerate(columns):
            place = f"columns[{number}]"
            if not isinstance(column, dict):
                self.say("R613", place, f"There is {_kind(column)}.", "an object that describes a column")
                continue
            for key in _COLUMN_NEEDED:
                if key not in column:
                    self.say("R613", f"{place}.{key}", "There is no such key.", "it in every column")
            for key, value in column.items():
                wanted = _COLUMN.get(key)
                if wanted is None:
                    self.say("R613", f"{place}.{key}", "The format has no such key.", listed(_COLUMN))
                elif not _fits(value, wanted):
                    self.say("R613", f"{place}.{key}", f"There is {_shown(value)}.", _WORDS[wanted])
            kind, target = column.get("dataType"), column.get("targetDataType")
            if isinstance(kind, str) and kind not in CELLS:
                self.say("R613", f"{place}.dataType", f"There is no type {kind!r}.", listed(CELLS))
            elif isinstance(target, str) and isinstance(kind, str) and (kind, target) not in TARGETS:
                self.say(
                    "R618",
                    place,
                    f"Cells are {kind}, and stand for {target}.",
                    "decimal for decimal, integer for dates and times",
                )
        described = [c for c in columns if isinstance(c, dict)]
        for key in ("name", "itemOID"):
            said = Counter(c[key] for c in described if isinstance(c.get(key), str))
            for value, n in said.items():
                if n > 1:
                    self.say("R616", f"columns, {key}", f"{value!r} stands {n} times.", "each column once")
        keys = sorted(c["keySequence"] for c in described if _is_whole(c.get("keySequence")))
        if keys != list(range(1, len(keys) + 1)):
            self.say(
                "R617",
                "columns, keySequence",
                f"There are {listed(map(str, keys), conjunction='and', limit=10)}.",
                f"1 to {len(keys)}, each once",
            )

    def check_rows(self, head: dict[str, Any], columns: list[dict[str, Any]], rows: list[Any]) -> None:
        if head.get("records") != len(rows):
            self.say(
                "R615",
                "records",
                f"The file says {head.get('records')}, and there are {len(rows)} rows.",
                str(len(rows)),
            )
        wrong = [i for i, row in enumerate(rows) if not isinstance(row, list) or len(row) != len(columns)]
        for i in wrong[:MAX_SHOWN]:
            row = rows[i]
            found = f"There are {len(row)} cells." if isinstance(row, list) else f"There is {_kind(row)}."
            self.say("R619", f"row {i + 1}", found, f"{len(columns)} cells, one for each column")
        if len(wrong) > MAX_SHOWN:
            self.say("R619", "rows", f"{len(wrong) - MAX_SHOWN} more rows are like these.", f"{len(columns)} cells")
        if wrong:
            return
        for k, column in enumerate(columns):
            self.check_cells(k, column, rows)

    def check_cells(self, k: int, column: dict[str, Any], rows: list[Any]) -> None:
        """Every cell of a column; blank texts are missing values, and so is null."""
        kind, name = column["dataType"], column["name"]
        test, words = CELLS[kind]
        blank_is_missing = kind in _AS_TEXT
        bad = [
            i
            for i, row in enumerate(rows)
            if row[k] is not None and not (blank_is_missing and row[k] == "") and not test(row[k])
        ]
        if kind == "integer":
            bad += [i for i, row in enumerate(rows) if _is_whole(row[k]) and abs(row[k]) >= 2**63]
        for i in bad[:MAX_SHOWN]:
            self.say("R620", f"row {i + 1}, column {name}", f"There is {_shown(rows[i][k])}.", words)
        if len(bad) > MAX_SHOWN:
            self.say("R620", f"column {name}", f"{len(bad) - MAX_SHOWN} more cells are like these.", words)
        longest = column.get("length")
        if kind in ("string", "URI") and not bad and isinstance(longest, int):
            long = [i for i, row in enumerate(rows) if row[k] is not None and len(row[k]) > longest]
            if long:
                found = f"Row {long[0] + 1} has {len(rows[long[0]][k])} characters" + (
                    f", {len(long) - 1} more are too long" if len(long) > 1 else ""
                )
                self.notes.append(
                    Problem("R622", f"column {name}", f"{found}.", f"at most {longest}", file=str(self.path))
                )

    def frame(self, columns: list[dict[str, Any]], rows: list[Any]) -> pl.DataFrame:
        series = []
        for k, column in enumerate(columns):
            kind = column["dataType"]
            cells = [row[k] for row in rows]
            if kind in _AS_TEXT:
                cells = [None if cell == "" else cell for cell in cells]
            elif kind in ("float", "double"):
                cells = [None if cell is None else float(cell) for cell in cells]
            series.append(pl.Series(column["name"], cells, dtype=_FRAME.get(kind, pl.String)))
        return pl.DataFrame(series)

    def note_keys(self, columns: list[dict[str, Any]], frame: pl.DataFrame) -> None:
        keyed = sorted((c["keySequence"], c["name"]) for c in columns if "keySequence" in c)
        names = [name for _, name in keyed]
        if names and frame.height:
            twice = frame.select(names).is_duplicated()
            if twice.any():
                found = f"{int(twice.sum())} rows, the first is row {int(twice.arg_max() or 0) + 1}."
                self.notes.append(
                    Problem(
                        "R621",
                        f"columns {listed(names, conjunction='and')}",
                        found,
                        "rows that differ in a key",
                        file=str(self.path),
                    )
                )


def _fits(value: Any, wanted: str) -> bool:
    if wanted == "text":
        return _is_text(value)
    if wanted == "moment":
        return isinstance(value, str) and re.fullmatch(_MOMENT, value) is not None
    if wanted in ("count", "from 1"):
        return _is_whole(value) and value >= (1 if wanted == "from 1" else 0)
    if wanted == "system":
        named = isinstance(value, dict) and set(value) == {"name", "version"}
        return named and all(isinstance(part, str) for part in value.values())
    return isinstance(value, list)


def _kind(value: Any) -> str:
    words = {dict: "an object", list: "a list", str: "a text", bool: "true or false", type(None): "nothing"}
    return words.get(type(value), "a number")


def _shown(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=not _is_text(value))
    return text if len(text) <= 60 else f"{text[:57]}..."
