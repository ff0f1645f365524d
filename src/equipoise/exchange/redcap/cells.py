"""Files as REDCap and spreadsheets write them: any of their encodings and separators, headings that repeat."""

from __future__ import annotations

import codecs
import csv
import io
from dataclasses import dataclass, replace
from pathlib import Path

import polars as pl

from equipoise.exchange.csv import TextTable, parse_csv
from equipoise.foundation.errors import Problem

CODES = {
    "R300": "A file is in an encoding that is not UTF-8, and was read as Windows text (a note, not an error).",
}
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_SEPARATORS = ",;\t"


@dataclass(frozen=True)
class HeadedCells:
    """A table of texts with its headings as they stand, which may repeat; ``table`` has the columns c0, c1, ..."""

    header: tuple[str, ...]
    table: TextTable
    notes: tuple[Problem, ...] = ()

    def named(self, names: tuple[str, ...]) -> pl.DataFrame:
        """The frame with its columns named."""
        return self.table.frame.rename(dict(zip(self.table.columns, names, strict=True)))


def read_cells(path: Path) -> tuple[HeadedCells | None, list[Problem]]:
    """Read a file of cells separated by commas, semicolons or tabs, in UTF-8 (with its mark or without), UTF-16 or,
    where it is none of these, as Windows text (a note says so). ``None`` with the problems that prevent reading it.
    """
    file = str(path)
    try:
        raw = path.read_bytes()
    except OSError as error:
        found = "There is no such file." if isinstance(error, FileNotFoundError) else f"{error.strerror}."
        return None, [Problem("R014", "", found, "a CSV file", "Check the name of the file.", file=file)]
    text, notes, problems = decoded(raw, file)
    if problems:
        return None, problems
    header, rest, lines = _first_row(text)
    if not header or not any(name.strip() for name in header):
        hint = "Export the file again, with its first line."
        return None, [
            Problem("R019", "", "The first line holds no headings.", "names of columns", hint, file=file, line=1)
        ]
    sign = _separator(text)
    names = [f"c{k}" for k in range(len(header))]
    table, problems = parse_csv((sign.join(names) + "\n" + rest).encode("utf-8"), file, separator=sign)
    if table is None:
        return None, [p if p.line is None else replace(p, line=p.line + lines - 1) for p in problems]
    table = TextTable(file, table.columns, table.frame, table.lines + (lines - 1))
    return HeadedCells(tuple(name.strip() for name in header), table, tuple(notes)), []


def decoded(raw: bytes, file: str) -> tuple[str, list[Problem], list[Problem]]:
    """The text of a file, what a reader should know of its encoding, and what prevents reading it."""
    for mark, name in _MARKS:
        if raw.startswith(mark):
            try:
                return raw[len(mark) :].decode(name), [], []
            except UnicodeDecodeError as error:
                found = f"The file begins as {name.upper()} and is not (byte {error.start})."
                return "", [], [Problem("R016", "", found, "one encoding", "Save it again as UTF-8.", file=file)]
    try:
        return raw.decode("utf-8"), [], []
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
    if b"\x00" in raw:
        found = "The file holds NUL bytes."
        return "", [], [Problem("R018", "", found, "a text file", file=file, line=line)]
    found = "The file is not UTF-8 and was read as Windows text (cp1252)."
    hint = "Look at the umlauts and accents, or save it again as UTF-8."
    note = Problem("R300", "", found, "UTF-8", hint, file=file, line=line)
    return raw.decode("cp1252", errors="replace"), [note], []


def _separator(text: str) -> str:
    """The sign that parts the headings: the one that stands most often in the first line, outside quotes."""
    first = text.split("\n", 1)[0]
    bare = "".join(part for k, part in enumerate(first.split('"')) if k % 2 == 0)
    return max(_SEPARATORS, key=bare.count)


def _first_row(text: str) -> tuple[list[str], str, int]:
    """Headings, the text after them, and how many lines they take: a heading may hold line breaks between quotes."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_separator(text))
    try:
        header = next(reader, [])
    except csv.Error:
        return [], "", 1
    lines = max(reader.line_num, 1)
    position = 0
    for _ in range(lines):
        # the reader counts a lone \r as a line's end too
        ends = [at for at in (text.find("\n", position), text.find("\r", position)) if at >= 0]
        if not ends:
            return header, "", lines
        position = min(ends) + (2 if text[min(ends) : min(ends) + 2] == "\r\n" else 1)
    return header, text[position:], lines
