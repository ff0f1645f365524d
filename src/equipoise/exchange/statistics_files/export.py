"""Records as files of statistics packages: data with labels, a codebook, the map of names, and what was not carried."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from equipoise.exchange.csv import inert_texts
from equipoise.exchange.output_folder import OutputFolder
from equipoise.exchange.statistics_files.codebook import (
    COLUMNS,
    codebook_page,
    codebook_rows,
    is_blank_ended,
    names_rows,
    table_as_csv,
)
from equipoise.exchange.statistics_files.labelled import LabelledTable
from equipoise.exchange.statistics_files.names import RULES, shortened
from equipoise.exchange.statistics_files.packages import (
    PACKAGES,
    Named,
    Package,
    moment_of,
    named,
    text_of_codes,
    unholdable,
    write_package,
)
from equipoise.exchange.statistics_files.rds import write_rds
from equipoise.foundation.errors import OutputError, Problem, UsageError, listed, raise_if_any
from equipoise.foundation.version import program_version
from equipoise.records.records import Records

CODES = {
    "U065": "A kind of file that records are not exported to.",
}

KINDS = {
    "spss": ".sav",
    "stata": ".dta",
    "xpt": ".xpt",
    "rds": ".rds",
    "parquet": ".parquet",
    "csv": ".csv",
}
MANIFEST = "export.json"
FORMAT = 1


@dataclass
class Export:
    """What an export wrote: its files by table, and what the format could not carry."""

    files: dict[str, str] = field(default_factory=dict)
    not_carried: list[dict[str, str]] = field(default_factory=list)

    def say(self, table: str, column: str, what: str) -> None:
        """Note one thing that the files do not hold as records do."""
        self.not_carried.append({"table": table, "column": column, "what": what})


def write_export(
    records: Records,
    tables: Sequence[LabelledTable],
    folder: str | os.PathLike[str],
    *,
    to: str,
    reasons_missing: bool = False,
    force: bool = False,
    told: Callable[[str], None] = lambda text: None,
) -> Export:
    """Write ``tables``, made of ``records``, as files of ``to``; the folder is there whole or not at all.

    ``to`` is ``spss``, ``stata``, ``xpt``, ``rds``, ``parquet`` or ``csv``. ``reasons_missing`` has SPSS and Stata take
    results that are not there for missing, each with its reason. Beside the data stand ``codebook.html``,
    ``codebook.csv``, ``names.csv``, ``not-carried.csv`` and ``export.json``, by which
    :func:`~equipoise.exchange.statistics_files.bring_in.import_export` reads the files again.
    The same records give the same bytes: heads of files carry the moment of a data cut, or the first of 1970.

    Raises :class:`UsageError` (U065), or :class:`OutputError` with every value that the format cannot hold.
    """
    if to not in KINDS:
        found = f"Records are not exported to {to!r}."
        raise UsageError(Problem("U065", "--to", found, listed(KINDS), "Name one of these."))
    if reasons_missing and to not in ("spss", "stata"):
        found = f"Files of {to} have no missing values with reasons."
        hint = "Leave --reasons-as-missing out: results such as missed stay values."
        raise UsageError(Problem("U065", "--reasons-as-missing", found, "--to spss or --to stata", hint))
    work = _Work(to, records, moment_of(records.source.details.get("at")), reasons_missing)
    raise_if_any(OutputError, work.problems_of(tables))
    with OutputFolder(folder, kind="export", force=force, private=records.source.is_private) as partial:
        for number, table in enumerate(tables, start=1):
            told(f"table {number} of {len(tables)}")
            work.write(table, partial)
        work.write_words(partial)
    return work.export


@dataclass
class _Work:
    to: str
    records: Records
    moment: datetime
    reasons_missing: bool
    export: Export = field(default_factory=Export)
    pages: list[tuple[LabelledTable, str, list[dict[str, Any]]]] = field(default_factory=list)
    names: list[dict[str, Any]] = field(default_factory=list)
    manifest: list[dict[str, Any]] = field(default_factory=list)
    members: set[str] = field(default_factory=set)

    @property
    def package(self) -> Package | None:
        return PACKAGES.get(self.to)

    @property
    def keeps_codes(self) -> bool:
        return self.to in ("spss", "stata", "rds")

    def problems_of(self, tables: Sequence[LabelledTable]) -> list[Problem]:
        return [p for table in tables for p in unholdable(table, self.package)] if self.package else []

    def write(self, table: LabelledTable, folder: Path) -> None:
        """One table's file, its part of the codebook and of the manifest."""
        written = table if self.keeps_codes else text_of_codes(table)
        mark = "simulated-" if self.records.is_simulated else ""
        file = f"{mark}{table.name.replace('_', '-')}{KINDS[self.to]}"
        member = RULES["xpt"].name(table.name, self.members) if self.to == "xpt" else table.name
        names = {variable.name: variable.name for variable in table.variables}
        if self.package is not None:
            item = named(written, self.package, member)
            names = item.names
            self._say_what_is_lost(table, item, self.package)
            raise_if_any(
                OutputError,
                write_package(item, folder / file, self.package, self.moment, reasons_missing=self.reasons_missing),
            )
        elif self.to == "rds":
            write_rds(written, folder / file)
        else:
            self._write_plain(written, folder / file)
        self.export.files[table.name] = file
        self.names += names_rows(table, names, member)
        self.pages.append((table, file, codebook_rows(table, names, coded=self.keeps_codes)))
        self.manifest.append(
            {
                "table": table.name,
                "file": file,
                "member": member,
                "rows": table.frame.height,
                "sha256": hashlib.sha256((folder / file).read_bytes()).hexdigest(),
                "variables": [
                    {
                        "column": variable.name,
                        "name": names[variable.name],
                        "type": variable.kind,
                        "codes": [list(code) for code in variable.codes] if self.keeps_codes else [],
                    }
                    for variable in table.variables
                ],
            }
        )

    def _write_plain(self, table: LabelledTable, path: Path) -> None:
        """Parquet and CSV hold truths and whole numbers as such."""
        columns = []
        for variable in table.variables:
            series = table.frame[variable.name]
            if variable.kind == "yes-no":
                series = series.cast(pl.Boolean)
            elif variable.kind == "whole":
                series = series.cast(pl.Int64)
            elif variable.kind == "text" and self.to == "csv":
                safe = series.to_frame().select(inert_texts(series.name)).to_series()
                if not safe.eq_missing(series).all():
                    self.export.say(table.name, variable.name, "texts that a spreadsheet would work out begin with '")
                series = safe
            columns.append(series)
        frame = pl.DataFrame(columns)
        if self.to == "csv":
            path.write_bytes(frame.write_csv(line_terminator="\n").encode("utf-8"))
        else:
            labels = {f"label.{v.name}": v.full_label for v in table.variables}
            frame.write_parquet(path, statistics=False, metadata={"label": table.label, **labels})

    def _say_what_is_lost(self, whole: LabelledTable, item: Named, package: Package) -> None:
        say, table = self.export.say, item.table
        for variable in table.variables:
            label = variable.full_label
            if shortened(label, package.label, in_bytes=package.counts_bytes) != label:
                say(table.name, variable.name, f"the label is cut to {package.label} {_units(package)}: {label}")
            series = table.frame[variable.name]
            if package.name != "stata" and is_blank_ended(series):
                say(table.name, variable.name, "blanks at the end of texts are not kept")
            if package.name == "xpt" and series.dtype == pl.String and series.len():
                if not all(text.isascii() for text in series.drop_nulls().unique().to_list()):
                    say(
                        table.name, variable.name, "letters beyond ASCII stand as UTF-8, which the format does not name"
                    )
                if (series.str.len_bytes().max() or 0) > 200:  # type: ignore[operator]
                    say(table.name, variable.name, "texts longer than the 200 bytes that agencies take are kept whole")
        for variable in whole.variables:
            if package.name == "xpt" and variable.codes:
                words = "values have no labels in this format: the codebook explains them"
                say(table.name, variable.name, words)

    def write_words(self, folder: Path) -> None:
        """Codebook, names, what was not carried, and the manifest."""
        source = self.records.source
        origin = "SIMULATED data. " if self.records.is_simulated else ""
        title = f"{origin}Codebook of {source.protocol or 'records'}"
        rows = [row for _, _, own in self.pages for row in own]
        texts = {
            "codebook.csv": table_as_csv(COLUMNS, rows),
            "codebook.html": codebook_page(title, self.pages),
            "names.csv": table_as_csv(("table", "column", "name"), self.names),
            "not-carried.csv": table_as_csv(("table", "column", "what"), self.export.not_carried),
            MANIFEST: json.dumps(
                {
                    "equipoise_export": FORMAT,
                    "to": self.to,
                    "program_version": program_version(),
                    "source": source.as_dict(),
                    "data_hash": self.records.data_hash,
                    "tables": self.manifest,
                },
                indent=1,
                ensure_ascii=False,
            )
            + "\n",
        }
        for name, text in texts.items():
            (folder / name).write_text(text, "utf-8", newline="\n")


def _units(package: Package) -> str:
    return "bytes" if package.counts_bytes else "characters"
