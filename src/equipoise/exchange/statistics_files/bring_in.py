"""Files of SPSS, Stata and SAS as records again: a folder that was exported, or files named as the tables are.

Values with labels come back as the texts they stand for; days, truths and whole numbers as such. What comes in is held
against the schema like any records.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from equipoise.exchange.json_text import JsonFault, read_json
from equipoise.exchange.simulated_column import SIMULATED, simulated_problems
from equipoise.exchange.statistics_files.export import FORMAT, MANIFEST
from equipoise.exchange.statistics_files.packages import PACKAGES, Package, PackageFile, read_package
from equipoise.foundation.errors import Problem, RecordsError, listed, raise_if_any
from equipoise.records.check import find_faults
from equipoise.records.records import DataSource, Origin, Records
from equipoise.records.schema import TABLES

CODES = {
    "R130": "A folder of statistics files that holds no table of records.",
    "R131": "A statistics file that cannot be read.",
    "R132": "An export whose list of files is not one, or is of another format.",
    "R133": "A value of a statistics file that stands for nothing in records.",
}


def import_export(folder: str | os.PathLike[str], *, to: str) -> Records:
    """Records from a folder of files of ``to`` (``spss``, ``stata`` or ``xpt``).

    With the ``export.json`` of an export names and codes are those it lists, and the records say that they are what the
    exported ones said; files changed since are named in the source (R071). Without it each file must be named as a
    table of records is, and its columns as theirs; values with labels stand for the schema's choices of the same text.
    Raises :class:`RecordsError` with every problem.
    """
    work = _Work(Path(folder), PACKAGES[to])
    listing = work.listing()
    tables: dict[str, pl.DataFrame] = {}
    for entry in listing:
        frame = work.table(entry)
        if frame is not None:
            tables[entry["table"]] = frame
    raise_if_any(RecordsError, work.problems)
    whole = {name: tables.get(name, table.empty()) for name, table in TABLES.items()}
    raise_if_any(RecordsError, [fault.problem() for fault in find_faults(whole)])
    return Records(tables, work.source())


@dataclass
class _Work:
    folder: Path
    package: Package
    problems: list[Problem] = field(default_factory=list)
    manifest: dict[str, Any] | None = None
    simulated: set[bool] = field(default_factory=set)
    edited: set[str] = field(default_factory=set)

    def problem(self, code: str, place: str, found: str, expected: str = "", hint: str = "") -> None:
        self.problems.append(Problem(code, place, found, expected, hint, file=str(self.folder)))

    def listing(self) -> list[dict[str, Any]]:
        """The files to read: those the export lists, or those named as tables are."""
        if not self.folder.is_dir():
            found = "This is a file." if self.folder.exists() else "There is no such folder."
            hint = "For one file of your own write a mapping that names it: equipoise import table MAPPING.yaml."
            self.problem("R130", "", found, f"a folder of {self.package.ending} files", hint)
            return []
        if (self.folder / MANIFEST).exists():
            return self._listed()
        found_files = {self._table_of(path): path for path in sorted(self.folder.glob(f"*{self.package.ending}"))}
        entries = [{"table": n, "file": p.name, "variables": None} for n, p in found_files.items() if n is not None]
        if not entries:
            hint = "For files of your own write a mapping that names them: equipoise import table MAPPING.yaml."
            self.problem("R130", "", "No file is named as a table of records is.", f"one of {listed(TABLES)}", hint)
        return entries

    @staticmethod
    def _table_of(path: Path) -> str | None:
        name = path.stem.lower().removeprefix("simulated-").replace("-", "_")
        return name if name in TABLES else None

    def _listed(self) -> list[dict[str, Any]]:
        try:
            said = read_json(self.folder / MANIFEST)
            right = said["equipoise_export"] == FORMAT and said["to"] == self.package.name
            source = said["source"]
            DataSource(**source)
            entries = [entry for entry in said["tables"] if entry["table"] in TABLES]
            for entry in entries:
                _ = [
                    (v["column"], v["name"], v["type"], [(c, x) for c, x, _ in v["codes"]]) for v in entry["variables"]
                ]
        except JsonFault as fault:
            self.problem("R132", MANIFEST, fault.found, "the list of an export, as it was written", "Export again.")
            return []
        except (ValueError, KeyError, TypeError, AttributeError):
            self.problem("R132", MANIFEST, "This is not the list of an export.", "as it was written", "Export again.")
            return []
        if not right:
            found = f"The export is of {said['to']}, format {said['equipoise_export']}."
            self.problem(
                "R132", MANIFEST, found, f"{self.package.name}, format {FORMAT}", f"equipoise import {said['to']}"
            )
            return []
        self.manifest = said
        return entries

    def table(self, entry: dict[str, Any]) -> pl.DataFrame | None:
        """One table under the names and types of records; ``None`` with the problems that prevent it."""
        path = self.folder / Path(entry["file"]).name
        try:
            file = read_package(path, self.package)
        except Exception as error:  # pyreadstat raises plain exceptions of many kinds for a damaged file
            said = "There is no such file" if not path.exists() else f"It cannot be read: {error}"
            self.problem("R131", path.name, f"{said}.", f"a {self.package.title} file", "Write it again.")
            return None
        if hashlib.sha256(path.read_bytes()).hexdigest() != entry.get("sha256") and self.manifest is not None:
            self.edited.add(path.name)
        variables = entry["variables"]
        if variables is None:
            variables = [self._guessed(entry["table"], name, file) for name in file.frame.columns]
        columns = []
        for variable in variables:
            if variable["name"] not in file.frame.columns:
                self.problem("R131", path.name, f"The column {variable['name']} is not there.", "as it was exported")
                continue
            column = self._column(entry["table"], variable, file)
            if variable["column"] == SIMULATED:
                self._hold_origin(column, path.name)
            else:
                columns.append(column)
        return pl.DataFrame(columns) if columns else None

    def _guessed(self, table: str, name: str, file: PackageFile) -> dict[str, Any]:
        """A variable of a file without a list: the schema's, in capitals or not, or one of the trial's own."""
        known = {column.upper(): column for column in TABLES[table].polars_schema}
        own = known.get(name.upper(), name if name.upper() != SIMULATED.upper() else SIMULATED)
        labels = file.value_labels.get(name, {})
        column = TABLES[table].column(own)
        words = column.choices if column is not None else ()
        codes = [[code, _plain(text) if _plain(text) in words else text, text] for code, text in labels.items()]
        return {"column": own, "name": name, "type": "", "codes": codes}

    def _column(self, table: str, variable: dict[str, Any], file: PackageFile) -> pl.Series:
        column = TABLES[table].column(variable["column"])
        series: pl.Series = file.frame[variable["name"]].alias(variable["column"])
        own = {"yes-no": pl.Boolean, "whole": pl.Int64}.get(variable["type"])
        dtype = column.dtype if column is not None else own
        if variable["column"] == SIMULATED or dtype == pl.Boolean:
            return self._as_truth(table, variable, series)
        if variable["codes"] and dtype in (None, pl.String) and self._is_coded(variable, series, file):
            return self._decoded(table, variable, series, file)
        if dtype == pl.String and series.dtype != pl.String:
            numbers = series.cast(pl.Int64, strict=False)
            whole = numbers.set((numbers.cast(pl.Float64) != series).fill_null(value=False), None)
            return self._kept(table, variable, whole.cast(pl.String), series)
        if dtype is not None and dtype != pl.String and series.dtype != dtype:
            typed = series.cast(dtype, strict=False)
            if series.dtype != pl.String:
                typed = typed.set((typed.cast(pl.Float64) != series).fill_null(value=False), None)
            return self._kept(table, variable, typed, series)
        return series

    def _as_truth(self, table: str, variable: dict[str, Any], series: pl.Series) -> pl.Series:
        if series.dtype == pl.String:
            words = {"true": True, "false": False, "yes": True, "no": False, "1": True, "0": False}
            truth = series.str.to_lowercase().replace_strict(words, default=None, return_dtype=pl.Boolean)
        else:
            truth = series.replace_strict({0.0: False, 1.0: True}, default=None, return_dtype=pl.Boolean)
        return self._kept(table, variable, truth, series)

    @staticmethod
    def _is_coded(variable: dict[str, Any], series: pl.Series, file: PackageFile) -> bool:
        letters = any(isinstance(code, str) and len(code) == 1 for code in file.value_labels.get(variable["name"], {}))
        return series.dtype != pl.String or letters

    def _decoded(self, table: str, variable: dict[str, Any], series: pl.Series, file: PackageFile) -> pl.Series:
        codes: dict[float, str] = {float(c): v for c, v, _ in variable["codes"] if not isinstance(c, str)}
        if series.dtype != pl.String:
            return self._kept(
                table, variable, series.replace_strict(codes, default=None, return_dtype=pl.String), series
            )
        # Stata's letters for reasons stand beside numbers: the label says which value each is
        values = {text: value for _, value, text in variable["codes"]}
        labels = file.value_labels.get(variable["name"], {})
        texts = {f"{code:g}": value for code, value in codes.items()}
        texts |= {code: values[text] for code, text in labels.items() if isinstance(code, str) and text in values}
        return self._kept(table, variable, series.replace_strict(texts, default=None, return_dtype=pl.String), series)

    def _kept(self, table: str, variable: dict[str, Any], turned: pl.Series, series: pl.Series) -> pl.Series:
        """The turned column; each cell that was something and became nothing is a problem (R133)."""
        lost = series.filter(turned.is_null() & series.is_not_null())
        if lost.len():
            row = int((turned.is_null() & series.is_not_null()).arg_max() or 0) + 1
            values = listed([str(v) for v in lost.unique().sort().head(5).to_list()], conjunction="and")
            known = [str(value) for _, value, _ in variable["codes"]] or ["what the column of records takes"]
            place = f"{table}, column {variable['name']}"
            found = f"{lost.len():,} cells hold {values}, first in row {row}."
            self.problem("R133", place, found, listed(known), "Recode it in your file, or use a mapping.")
        return turned

    def _hold_origin(self, column: pl.Series, file: str) -> None:
        self.simulated |= set(column.drop_nulls().unique().to_list())
        if self.manifest is not None:
            is_simulated = self.manifest["source"]["origin"] == "simulated"
            hint = "Keep simulated and real participants in folders of their own."
            self.problems += simulated_problems(column, is_simulated, file=file, lines=None, hint=hint)

    def source(self) -> DataSource:
        """Where the records come from: what the export said; without it, imported, or simulated where rows say so."""
        if self.manifest is not None:
            source = DataSource(**self.manifest["source"])
            edited = sorted({*source.details.get("edited_files", ()), *self.edited})
            return replace(source, details={**source.details, "edited_files": edited}) if edited else source
        origin: Origin = "simulated" if self.simulated == {True} else "imported"
        return DataSource(
            origin, f"{self.package.title} files of {self.folder.name}.", "", "", {"importer": self.package.name}
        )


def _plain(label: str) -> str:
    return label.strip().lower().replace(" ", "_")
