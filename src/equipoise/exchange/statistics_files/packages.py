"""Files of SPSS, Stata and SAS (transport version 5), written by pyreadstat, and read again to see what they hold.

What pyreadstat writes without a word although the package could not use it is kept from it: names and labels are cut
by rule beforehand, values out of range are refused, and the clock in a file's head is replaced by a stated moment.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl

from equipoise.exchange.statistics_files.labelled import LabelledTable, Variable
from equipoise.exchange.statistics_files.names import RULES, NameRule, shortened
from equipoise.foundation.errors import Problem

CODES = {
    "O061": "A value that the format cannot hold.",
    "O062": "A file does not hold what was written into it.",
}

# What SAS's transport numbers reach; beyond it a number would silently become 0 or infinite.
XPT_LEAST, XPT_MOST = 5.4e-79, 7.2e75


@dataclass(frozen=True, slots=True)
class Package:
    """A package's file: its ending, its limits in bytes or characters, and what it cannot carry at all."""

    name: str
    title: str
    ending: str
    label: int
    table_label: int
    value_label: int
    text: int
    counts_bytes: bool
    has_value_labels: bool

    @property
    def rule(self) -> NameRule:
        """How names are made."""
        return RULES[self.name]


PACKAGES = {
    "spss": Package("spss", "SPSS", ".sav", 256, 64, 120, 32_767, True, True),
    "stata": Package("stata", "Stata", ".dta", 80, 80, 32_000, 2_000_000, False, True),
    "xpt": Package("xpt", "SAS transport", ".xpt", 40, 40, 0, 32_767, True, False),
}


@dataclass(frozen=True, slots=True)
class Named:
    """A table with the names its package knows it by."""

    table: LabelledTable
    member: str
    names: dict[str, str]  # by the variable's name in records

    def file_frame(self) -> pl.DataFrame:
        """The frame under the names of the file."""
        return self.table.frame.rename(self.names)


def named(table: LabelledTable, package: Package, member: str) -> Named:
    """The table with its variables renamed by the package's rule; where values have no labels there, texts stand."""
    return Named(table, member, package.rule.names([variable.name for variable in table.variables]))


def text_of_codes(table: LabelledTable) -> LabelledTable:
    """The table with coded values as their texts again, for formats that have no labels of values."""
    columns, variables = [], []
    for variable in table.variables:
        series = table.frame[variable.name]
        if variable.kind == "coded":
            texts = {float(code): value for code, value, _ in variable.codes}
            series = series.replace_strict(texts, return_dtype=pl.String)
            variable = Variable(variable.name, "text", variable.label, variable.unit)
        columns.append(series)
        variables.append(variable)
    return LabelledTable(table.name, table.label, tuple(variables), pl.DataFrame(columns))


def unholdable(table: LabelledTable, package: Package) -> list[Problem]:
    """Every value that the package's file cannot hold, by column (O061)."""
    problems = []
    for variable in table.variables:
        series = table.frame[variable.name]
        place = f"{table.name}, column {variable.name}"
        if series.dtype == pl.String:
            broken = series.str.contains("\x00", literal=True).fill_null(value=False)
            long = (series.str.len_bytes() > package.text).fill_null(value=False)
            found = ((broken, "a NUL character"), (long, f"more than {package.text:,} bytes of text"))
        else:
            size = series.abs()
            odd = (size.is_nan() | size.is_infinite()).fill_null(value=False)
            small = (size > 0) & (size < XPT_LEAST) | (size > XPT_MOST) & ~size.is_infinite()
            out = (small if package.name == "xpt" else odd & ~odd).fill_null(value=False)
            found = (
                (odd, "a number that is not finite"),
                (out, f"a number beyond what SAS's transport files reach ({XPT_LEAST:g} to {XPT_MOST:g})"),
            )
        for wrong, words in found:
            if wrong.any():
                n, row = int(wrong.sum()), int(wrong.arg_max() or 0) + 1
                rows = f"Row {row} holds" if n == 1 else f"Row {row} and {n - 1:,} more hold"
                hint = "Correct the value in its source, or export to another format."
                problems.append(Problem("O061", place, f"{rows} {words}.", f"what {package.title} can hold", hint))
    return problems


def write_package(
    item: Named, path: Path, package: Package, moment: datetime, *, reasons_missing: bool = False
) -> list[Problem]:
    """Write one table and read it again; problems (O062) where the file does not hold what was written."""
    import pyreadstat

    table = item.table
    frame = item.file_frame()
    labels: dict[str, str | None] = {
        item.names[v.name]: shortened(v.full_label, package.label, in_bytes=package.counts_bytes)
        for v in table.variables
    }
    title = shortened(table.label, package.table_label, in_bytes=package.counts_bytes)
    values: dict[str, dict[Any, str]] = {
        item.names[v.name]: {code: shortened(text, package.value_label, in_bytes=True) for code, _, text in v.codes}
        for v in table.variables
        if v.codes and package.has_value_labels
    }
    why = {item.names[v.name]: v.reasons for v in table.variables if v.reasons and reasons_missing}
    if package.name == "spss":
        measures = {item.names[v.name]: "nominal" for v in table.variables if v.kind in ("coded", "yes-no", "text")}
        pyreadstat.write_sav(
            frame,
            path,
            file_label=title,
            column_labels=labels,
            variable_value_labels=values,
            missing_ranges={name: list(codes) for name, codes in why.items()},
            variable_measure=measures,
        )
    elif package.name == "stata":
        letters = {
            name: {code: "abcdefghijklmnopqrstuvwxyz"[i] for i, code in enumerate(cs)} for name, cs in why.items()
        }
        for name, letter in letters.items():
            cells = [letter.get(value, value) for value in frame[name].to_list()]
            frame = frame.with_columns(pl.Series(name, cells, dtype=pl.Object))
            values[name] = {letter.get(code, code): text for code, text in values[name].items()}
        pyreadstat.write_dta(
            frame,
            path,
            file_label=title,
            column_labels=labels,
            version=14,
            variable_value_labels=values,
            missing_user_values={name: list(letter.values()) for name, letter in letters.items()},
        )
    else:
        pyreadstat.write_xport(
            frame, path, file_label=title, column_labels=labels, table_name=item.member, file_format_version=5
        )
    _STAMPS[package.name](path, moment)
    return _read_again(item, path, package, frozenset(why))


def _read_again(item: Named, path: Path, package: Package, with_reasons: frozenset[str]) -> list[Problem]:
    """Whether every cell of the file is the cell that was written; a blank text and none are one in these formats."""
    back = read_package(path, package).frame
    wanted = item.file_frame()
    wrong = [] if back.columns == wanted.columns and back.height == wanted.height else ["rows or columns"]
    for name in wanted.columns if not wrong else []:
        ours, theirs = wanted[name], back[name]
        if ours.dtype == pl.String:
            kept = ours.str.strip_chars_end(" ") if package.name != "stata" else ours
            same = kept.set(kept == "", None).eq_missing(theirs)
        elif package.name == "stata" and name in with_reasons:
            continue  # its letters stand in place of codes; the labels say which
        else:
            # IBM's numbers, which SAS transport files hold, have 56 bits to the number and keep every one of ours
            same = ours.set(ours == 0, 0.0).eq_missing(theirs.cast(pl.Float64))
        if not same.all():
            wrong.append(f"column {name}")
    hint = "This is a fault of the program or of the disk: keep the records, and report it."
    return [Problem("O062", item.table.name, f"Other values stand in the file: {w}.", "", hint) for w in wrong]


@dataclass(frozen=True, slots=True)
class PackageFile:
    """What a file holds: numbers and texts, labels of values by column, the label of the table and of its columns."""

    frame: pl.DataFrame
    value_labels: dict[str, dict[Any, str]]
    labels: dict[str, str]
    title: str


def read_package(path: Path, package: Package) -> PackageFile:
    """Read a file of the package: texts and floats, blank texts as nothing, user-missing values as they stand."""
    import pyreadstat

    if package.name == "spss":
        frame, said = pyreadstat.read_sav(
            path, user_missing=True, output_format="polars", disable_datetime_conversion=True
        )
    elif package.name == "stata":
        frame, said = pyreadstat.read_dta(
            path, user_missing=True, output_format="polars", disable_datetime_conversion=True
        )
    else:
        frame, said = pyreadstat.read_xport(path, output_format="polars", disable_datetime_conversion=True)
    columns = []
    for name in frame.columns:
        series = frame[name]
        if series.dtype == pl.Object:
            values = series.to_list()
            texts = any(isinstance(value, str) for value in values)
            series = pl.Series(name, [_as_text(v) if texts else v for v in values], strict=False)
        if series.dtype == pl.String:
            series = series.set(series == "", None)
        elif series.dtype.is_integer() or series.dtype == pl.Null:
            series = series.cast(pl.Float64)
        columns.append(series)
    labels = {name: label or "" for name, label in said.column_names_to_labels.items()}
    return PackageFile(pl.DataFrame(columns), said.variable_value_labels, labels, said.file_label or "")


def _as_text(value: Any) -> str | None:
    """A cell of a column in which letters stand beside numbers."""
    return value if value is None or isinstance(value, str) else f"{value:g}"


def _put(path: Path, places: list[tuple[int, bytes]]) -> None:
    with path.open("r+b") as file:
        for place, text in places:
            file.seek(place)
            file.write(text)


# Months in English, whatever the language of the machine.
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def _stamp_sav(path: Path, moment: datetime) -> None:
    day = f"{moment.day:02d} {_MONTHS[moment.month - 1]} {moment.year % 100:02d}"
    _put(path, [(92, day.encode()), (101, moment.strftime("%H:%M:%S").encode())])


def _stamp_dta(path: Path, moment: datetime) -> None:
    text = f"{moment.day:02d} {_MONTHS[moment.month - 1]} {moment.year:04d} {moment:%H:%M}".encode()
    head = path.read_bytes()[:4096]
    _put(path, [(head.index(b"<timestamp>") + len(b"<timestamp>") + 1, text)])


def _stamp_xpt(path: Path, moment: datetime) -> None:
    text = f"{moment.day:02d}{_MONTHS[moment.month - 1].upper()}{moment.year % 100:02d}:{moment:%H:%M:%S}".encode()
    _put(path, [(place, text) for place in (144, 160, 464, 480)])


_STAMPS: dict[str, Callable[[Path, datetime], None]] = {
    "spss": _stamp_sav,
    "stata": _stamp_dta,
    "xpt": _stamp_xpt,
}


def moment_of(at: str | None) -> datetime:
    """The moment that heads of files carry: that of a data cut, else the first of 1970, which is nobody's clock."""
    return datetime.fromisoformat(at).astimezone(UTC) if at else datetime(1970, 1, 1, tzinfo=UTC)
