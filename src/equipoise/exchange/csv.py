"""CSV text as it stands: every cell a text, every row with its line, every fault of the form found at once."""

from __future__ import annotations

import csv
import gzip
import io
import re
import zlib
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipoise.foundation.errors import Problem, listed

CODES = {
    "R014": "A file does not exist or cannot be read.",
    "R016": "A file is not UTF-8.",
    "R017": "A row has more or fewer cells than the header.",
    "R018": "A file is not a table.",
    "R019": "A file has no header.",
    "R021": "A column appears twice.",
}

FORMULA = r"[=+\-@\t\r]"  # what a spreadsheet takes for the beginning of a formula
_PLAIN_NUMBER = r"^[-+]?(?:\d+[.,]?\d*|[.,]\d+)$"

MAX_SHOWN = 20  # problems of one kind that are shown one by one


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table of texts: ``frame`` has String columns, null where the cell was empty; ``lines`` the line of each row."""

    file: str
    columns: tuple[str, ...]
    frame: pl.DataFrame
    lines: NDArray[np.int64]


def inert(cell: Any) -> str:
    """A cell as text that a spreadsheet shows and never works out."""
    text = "" if cell is None else str(cell)
    plain = text.replace("\r", " ").replace("\n", " ")
    return f"'{plain}" if re.match(FORMULA, plain) else plain


def inert_texts(name: str) -> pl.Expr:
    """A column of texts; those that a spreadsheet would work out have an apostrophe before them, numbers have none."""
    cells = pl.col(name)
    is_formula = cells.str.contains(f"^{FORMULA}") & ~cells.str.contains(_PLAIN_NUMBER)
    return pl.when(is_formula).then("'" + cells).otherwise(cells).alias(name)


def read_csv_text(path: Path, *, name: str | None = None) -> tuple[TextTable | None, list[Problem]]:
    """Read a CSV file (``.csv`` or ``.csv.gz``; UTF-8, comma, header row).

    Returns the table, or ``None`` with the problems that prevent reading it. Blank lines are skipped; empty cells,
    quoted or not, are null. ``name`` is how the file is called in problems.
    """
    file = name or str(path)
    try:
        raw = path.read_bytes()
        if path.suffix == ".gz":
            raw = gzip.decompress(raw)
    except FileNotFoundError:
        found = "There is no such file."
        return None, [Problem("R014", "", found, "a CSV file", "Check the name of the file and its folder.", file=file)]
    except IsADirectoryError:
        return None, [Problem("R014", "", "This is a folder.", "a CSV file", "Name a file.", file=file)]
    except (OSError, EOFError, zlib.error) as error:
        said = getattr(error, "strerror", None) or str(error) or type(error).__name__
        return None, [Problem("R014", "", f"The file cannot be read: {said}.", "a CSV file", file=file)]
    return parse_csv(raw, file)


def _other_separator(first: str, file: str) -> list[Problem]:
    """A header without a comma that another sign cuts into names: a spreadsheet's export in another language."""
    for sign, name in ((";", "semicolons"), ("\t", "tabs"), ("|", "bars")):
        if "," not in first and first.count(sign) > 0:
            hint = "Export the table again with commas between cells, and points in numbers."
            found = f"The header's names are parted by {name}."
            return [Problem("R018", "header", found, "cells separated by commas", hint, file=file, line=1)]
    return []


def parse_csv(raw: bytes, file: str, *, separator: str | None = None) -> tuple[TextTable | None, list[Problem]]:
    """:func:`read_csv_text` of bytes; with ``separator`` another sign than the comma parts the cells."""
    raw = raw.removeprefix(b"\xef\xbb\xbf")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        hint = "Save the file again with the encoding UTF-8 (in a spreadsheet: CSV UTF-8)."
        return None, [
            Problem("R016", "", f"Byte {error.start} is not UTF-8.", "text in UTF-8", hint, file=file, line=line)
        ]
    if "\x00" in text:
        line = text[: text.index("\x00")].count("\n") + 1
        return None, [Problem("R018", "", "The file holds NUL bytes.", "a text file", file=file, line=line)]
    first = text.split("\n", 1)[0].strip()
    if not first:
        hint = "Write the names of the columns in the first line."
        return None, [Problem("R019", "", "The first line is empty.", "the names of columns", hint, file=file, line=1)]
    if separator is None and (other := _other_separator(first, file)):
        return None, other
    sign = separator or ","
    if b"\r" in raw and raw.count(b"\r") == raw.count(b"\r\n"):
        raw = raw.replace(b"\r\n", b"\n")
        text = raw.decode("utf-8")
    quick = _parse_plain(raw, file, sign) if b"\r" not in raw else None
    if quick is not None:
        return quick, []
    return _parse_any(text, file, sign)


def doubled(names: Iterable[str]) -> set[str]:
    """Names that stand more than once."""
    return {name for name, n in Counter(names).items() if n > 1}


def _header_problems(header: Sequence[str], file: str) -> list[Problem]:
    problems = []
    twice = sorted(doubled(header))
    if twice:
        problems.append(
            Problem(
                "R021",
                "header",
                f"Columns stand twice: {listed(twice, conjunction='and')}.",
                "each column once",
                "Rename or remove one of each.",
                file=file,
                line=1,
            )
        )
    if any(not column for column in header):
        hint = "Name it, or leave it out (R's row names: write.csv(..., row.names = FALSE))."
        found = "A column has no name."
        problems.append(Problem("R019", "header", found, "a name for each column", hint, file=file, line=1))
    return problems


def _parse_plain(raw: bytes, file: str, separator: str) -> TextTable | None:
    """The quick way, for text whose quotes stand where cells begin and end; ``None`` for any other."""
    head = raw.split(b"\n", 1)[0].decode("utf-8")
    header = [name.strip().removeprefix('"').removesuffix('"') for name in head.split(separator)]
    if any('"' in name for name in header) or _header_problems(header, file):
        return None
    data = np.frombuffer(raw if raw.endswith(b"\n") else raw + b"\n", dtype=np.uint8)
    breaks = np.flatnonzero(data == ord("\n"))
    commas = np.flatnonzero(data == ord(separator))
    quotes = np.flatnonzero(data == ord('"'))
    if not _quotes_are_plain(data, quotes, separator):
        return None
    ends = _outside(breaks, quotes)
    per_line = np.diff(np.searchsorted(_outside(commas, quotes), ends), prepend=0)
    if (per_line != len(header) - 1).any() or (np.diff(ends, prepend=-1) == 1).any():
        return None
    if len(ends) == 1:
        frame = pl.DataFrame(schema=dict.fromkeys(header, pl.String))
    else:
        try:
            frame = pl.read_csv(
                raw,
                has_header=False,
                skip_lines=1,
                new_columns=header,
                infer_schema=False,
                separator=separator,
                quote_char='"' if quotes.size else None,
                raise_if_empty=False,
            )
        except pl.exceptions.PolarsError:
            return None
    if frame.height != len(ends) - 1 or frame.width != len(header):
        return None
    if quotes.size:
        frame = frame.with_columns(pl.when(pl.all() != "").then(pl.all()))
    lines = np.searchsorted(breaks, ends[:-1]) + 2  # a row begins on the line after the end of the one before
    return TextTable(file, tuple(header), frame, lines.astype(np.int64))


def _outside(marks: NDArray[np.int64], quotes: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those of the marks that stand outside quotes."""
    return marks[np.searchsorted(quotes, marks) % 2 == 0] if quotes.size else marks


def _quotes_are_plain(data: NDArray[np.uint8], quotes: NDArray[np.int64], separator: str) -> bool:
    """Whether quotes open where a cell begins and close where it ends, but for those that are doubled inside."""
    if quotes.size % 2:
        return False
    opening, closing = quotes[::2], quotes[1::2]
    before = np.where(opening > 0, data[opening - 1], ord("\n"))
    after = data[np.minimum(closing + 1, len(data) - 1)]
    edges = np.array([ord(separator), ord("\n"), ord('"')], dtype=np.uint8)
    if not (np.isin(before, edges).all() and np.isin(after, edges).all()):
        return False
    # a quote beside another is a doubled one only inside a cell: it must close and open there at once
    doubled_open = before == ord('"')
    doubled_close = after == ord('"')
    return bool(
        (doubled_open[1:] == doubled_close[:-1]).all() and not doubled_open[:1].any() and not doubled_close[-1:].any()
    )


def _parse_any(text: str, file: str, separator: str) -> tuple[TextTable | None, list[Problem]]:
    """The careful way: quotes, line breaks in cells, ragged rows."""
    problems: list[Problem] = []
    rows: list[list[str]] = []
    lines: list[int] = []
    header: list[str] = []
    ragged = 0
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=separator)
    line = 1
    try:
        for row in reader:
            start, line = line, reader.line_num + 1
            if not header:
                header = [name.strip() for name in row]
                problems += _header_problems(header, file)
                continue
            if not row or (len(row) == 1 and not row[0].strip()):
                continue
            if len(row) != len(header):
                ragged += 1
                if ragged <= MAX_SHOWN:
                    problems.append(
                        Problem(
                            "R017",
                            f"row {len(rows) + ragged}",
                            f"The row has {len(row)} cells.",
                            f"{len(header)}, as in the header",
                            "Put text that holds a comma between quotes; write empty cells as nothing.",
                            file=file,
                            line=start,
                        )
                    )
                continue
            rows.append(row)
            lines.append(start)
    except csv.Error as error:
        problems.append(
            Problem(
                "R018",
                "",
                f"The line is not CSV: {error}.",
                "cells separated by commas",
                "Look for a quote that is not closed, on this line or above.",
                file=file,
                line=line,
            )
        )
    if ragged > MAX_SHOWN:
        problems.append(
            Problem("R017", "", f"{ragged - MAX_SHOWN:,} more rows have the wrong number of cells.", file=file)
        )
    if problems:
        return None, problems
    if rows:
        cells = zip(*rows, strict=True)  # by column: much quicker than row by row
        frame = pl.DataFrame([pl.Series(name, column, pl.String) for name, column in zip(header, cells, strict=True)])
    else:
        frame = pl.DataFrame(schema=dict.fromkeys(header, pl.String))
    frame = frame.with_columns(pl.when(pl.all() != "").then(pl.all()))
    return TextTable(file, tuple(header), frame, np.asarray(lines, dtype=np.int64)), []
