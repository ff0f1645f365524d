"""The data dictionary: read with every fault found at once, written as REDCap takes it."""

from __future__ import annotations

import re
from collections import Counter
from itertools import groupby
from pathlib import Path

from equipoise.exchange.csv import MAX_SHOWN
from equipoise.exchange.redcap.cells import HeadedCells, read_cells
from equipoise.exchange.redcap.fields import COLUMNS, FIELD_TYPES, HEADINGS, WITH_CHOICES, RedcapField
from equipoise.foundation.errors import Problem, RecordsError, listed, nearest, raise_if_any

CODES = {
    "R301": "A data dictionary without its 18 columns in their order.",
    "R302": "A field type that REDCap does not have.",
    "R303": "A name of a field or form that is absent, malformed or there twice.",
    "R304": "Rows of a form that do not stand together.",
    "R305": "Choices that are absent, malformed or doubled, or whose columns would have one name.",
    "R306": "Fields of a matrix with unequal choices.",
    "R307": "A data dictionary without fields, or whose first field cannot name the record.",
}
_NAME = re.compile(r"[a-z](?:[a-z0-9_]{0,99})")
_CODE = re.compile(r"[A-Za-z0-9_.\-]+")
_STARTS = {name.lower(): column for column, name in HEADINGS.items()} | {column: column for column in COLUMNS}


def read_dictionary(path: Path) -> tuple[tuple[RedcapField, ...], list[Problem]]:
    """Fields of a data dictionary, and notes on how the file was read.

    Both headings are read (those of the CSV and those of the API), commas, semicolons or tabs, ``NA`` for empty where
    every empty cell is written so. Raises :class:`RecordsError` with every fault, each with its row and column.
    """
    cells, problems = read_cells(path)
    if cells is None:
        raise RecordsError(problems)
    _require_columns(cells)
    rows = [tuple("" if cell is None else cell for cell in row) for row in cells.table.frame.rows()]
    if _writes_na(rows):
        rows = [tuple("" if cell == "NA" else cell for cell in row) for row in rows]
    fields = tuple(RedcapField(tuple(_kept(row)), int(line)) for row, line in zip(rows, cells.table.lines, strict=True))
    raise_if_any(RecordsError, find_dictionary_faults(fields, str(path)))
    return fields, list(cells.notes)


def _kept(row: tuple[str, ...]) -> list[str]:
    """Cells that are names lose the blanks around them; texts keep theirs."""
    return [cell.strip() if k in (0, 1, 3, 7, 10, 12) else cell for k, cell in enumerate(row)]


def _writes_na(rows: list[tuple[str, ...]]) -> bool:
    """Whether the file writes NA for empty, as R does: no cell is empty, and most are NA."""
    cells = [cell for row in rows for cell in row]
    return bool(cells) and "" not in cells and cells.count("NA") > len(cells) // 4


def _require_columns(cells: HeadedCells) -> None:
    read = [_STARTS.get(" ".join(name.split()).lower(), "") for name in cells.header]
    if tuple(read) == COLUMNS:
        return
    file = cells.table.file
    problems = []
    if len(read) != len(COLUMNS):
        found = f"The file has {len(read)} columns."
        hint = "Export the data dictionary again (Project Setup, Data Dictionary), and leave its columns as they are."
        problems.append(Problem("R301", "header", found, f"the {len(COLUMNS)} columns of REDCap", hint, file, 1))
    absent = [HEADINGS[column] for column in COLUMNS if column not in read]
    for name, known in zip(cells.header, read, strict=True):
        if not known:
            near = nearest(name, HEADINGS.values())
            hint = f"Is {near!r} meant?" if near else "Remove the column."
            problems.append(
                Problem("R301", f"column {name}", f"There is no column {name!r}.", listed(absent), hint, file, 1)
            )
    if absent and not problems:
        problems.append(Problem("R301", "header", f"Absent: {listed(absent, conjunction='and')}.", "", "", file, 1))
    if not problems:
        order = "the order of REDCap, " + listed(HEADINGS.values(), conjunction="and", limit=18)
        problems.append(
            Problem("R301", "header", "The columns stand in another order.", order, "Put them in order.", file, 1)
        )
    raise RecordsError(problems)


def find_dictionary_faults(fields: tuple[RedcapField, ...], file: str) -> list[Problem]:
    """Every fault of a dictionary: names, types, choices, matrices, order."""
    problems: list[Problem] = []

    def fault(code: str, one: RedcapField, column: str, found: str, expected: str = "", hint: str = "") -> None:
        place = f"{one.name or 'row'}, column {HEADINGS[column]}"
        problems.append(Problem(code, place, found, expected, hint, file, one.line))

    if not fields:
        return [Problem("R307", "", "The dictionary has no fields.", "a row for each field", "", file, 1)]
    counts = Counter(one.name for one in fields)
    for one in fields:
        if not _NAME.fullmatch(one.name):
            expected = "a letter, then letters, digits and _, all small, at most 100"
            fault("R303", one, "field_name", f"The name is {one.name!r}.", expected, "Correct the name.")
        elif counts[one.name] > 1:
            fault("R303", one, "field_name", f"The name {one.name!r} stands {counts[one.name]} times.", "it once")
        if not re.fullmatch(r"[a-z0-9_]+", one.form):
            expected = "small letters, digits and _"
            fault("R303", one, "form_name", f"The form is {one.form!r}.", expected, "Correct the name.")
        if one.type not in FIELD_TYPES:
            near = nearest(one.type, FIELD_TYPES)
            hint = f"Is {near!r} meant?" if near else ""
            fault("R302", one, "field_type", f"The type is {one.type!r}.", listed(FIELD_TYPES), hint)
        elif one.type in WITH_CHOICES:
            for found, expected in choice_faults(one):
                fault("R305", one, "select_choices_or_calculations", found, expected, "Correct the choices.")
    first = fields[0]
    if first.type in FIELD_TYPES and first.type != "text":
        fault("R307", first, "field_type", f"The first field is of the type {first.type}.", "text: it names the record")
    seen: set[str] = set()
    for form, rows in groupby(fields, key=lambda one: one.form):
        if form in seen:
            found = f"The form {form!r} goes on after another form."
            fault("R304", next(rows), "form_name", found, "rows of a form together", "Move the rows.")
        seen.add(form)
    problems += _matrix_faults(fields, file)
    problems += _column_faults(fields, file)
    return problems if len(problems) <= 5 * MAX_SHOWN else problems[: 5 * MAX_SHOWN]


def choice_faults(one: RedcapField) -> list[tuple[str, str]]:
    """What is wrong with the choices of a field: found and expected."""
    if not one.choices:
        return [("There are no choices.", "code, label | code, label")]
    out = []
    codes = [code for code, _ in one.choices]
    for code, n in Counter(codes).items():
        if not _CODE.fullmatch(code):
            out.append((f"The code is {code!r}.", "letters, digits, _, . and -"))
        if n > 1:
            out.append((f"The code {code!r} stands {n} times.", "it once"))
    if one.type == "checkbox":
        by_column = Counter(dict.fromkeys(zip(codes, one.columns, strict=True)).keys())
        columns = Counter(column for _, column in by_column)
        for column, n in columns.items():
            if n > 1:
                same = [code for code, name in by_column if name == column]
                out.append((f"The codes {listed(same, conjunction='and')} would share the column {column}.", "codes"))
    return out


def _matrix_faults(fields: tuple[RedcapField, ...], file: str) -> list[Problem]:
    problems = []
    for (form, group), rows in groupby(fields, key=lambda one: (one.form, one.cell("matrix_group_name"))):
        held = list(rows) if group else []
        for one in held[1:]:
            if (one.type, one.choices) != (held[0].type, held[0].choices):
                problems.append(
                    Problem(
                        "R306",
                        f"{one.name}, matrix {group} of {form}",
                        f"Type or choices differ from those of {held[0].name}.",
                        "the same in every field of a matrix",
                        "Make them the same, or take the field out of the matrix.",
                        file,
                        one.line,
                    )
                )
    return problems


def _column_faults(fields: tuple[RedcapField, ...], file: str) -> list[Problem]:
    """Fields of different names whose export columns would have one name: `a___1` beside the code 1 of `a`."""
    owner: dict[str, str] = {f"{form}_complete": f"the status of the form {form}" for form in {f.form for f in fields}}
    problems = []
    for one in fields:
        for column in dict.fromkeys(one.columns):
            other = owner.setdefault(column, one.name)
            if other != one.name:
                found = f"The column {column} of {one.name} would be that of {other} too."
                hint = "Rename one of the two."
                problems.append(Problem("R305", one.name, found, "columns of their own", hint, file, one.line))
    return problems


def dictionary_rows(fields: tuple[RedcapField, ...]) -> list[tuple[str, ...]]:
    """The dictionary as rows to write, choices as ``code, label | code, label``."""
    at = COLUMNS.index("select_choices_or_calculations")
    out = []
    for one in fields:
        cells = list(one.cells)
        if one.type in WITH_CHOICES:
            cells[at] = joined_choices(one.choices)
        out.append(tuple(cells))
    return out


def joined_choices(choices: tuple[tuple[str, str], ...]) -> str:
    """Choices as REDCap writes them."""
    return " | ".join(f"{code}, {label}" for code, label in choices)
