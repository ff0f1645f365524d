"""Records as a folder of files: a manifest, and one CSV per table that has rows.

``records.json`` says the version of the format, where the records come from, and for each table its file, rows,
SHA-256 and the types of the columns. CSV is UTF-8 with a header, commas, ``true`` and ``false``, nothing where nothing
is known, rows sorted by the table's key: the same records give the same bytes. The last column but one, ``simulated``,
says whether the participants are fictional. What only a simulator knows stands below ``truth/``.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any, Literal, get_args

import numpy as np
import polars as pl
from numpy.typing import NDArray

from equipoise.exchange.csv import read_csv_text
from equipoise.exchange.json_text import JsonFault, read_json
from equipoise.exchange.output_folder import OutputFolder
from equipoise.exchange.simulated_column import SIMULATED, simulated_problems, with_simulated
from equipoise.foundation.errors import Problem, RecordsError, listed, nearest, raise_if_any
from equipoise.records.cells import TYPE_WORDS, TYPES_BY_WORD, RecordFault, type_cells
from equipoise.records.check import find_faults, find_faults_of_trial
from equipoise.records.records import DataSource, Origin, Records
from equipoise.records.schema import REPLICATE, TABLES
from equipoise.records.trial_facts import TrialFacts

FORMAT = 1
MANIFEST = "records.json"

CODES = {
    "R001": "Records have no such table.",
    "R002": "The table has no such column.",
    "R003": "A table is in two files.",
    "R010": "The folder of records does not exist.",
    "R011": "The folder has no manifest.",
    "R012": "The manifest cannot be read.",
    "R013": "The manifest has a format that this version does not read.",
    "R015": "A file named in the manifest does not exist.",
    "R022": "Files cannot hold the type of a column.",
    "R071": "A file was changed after it was written (a note, not an error).",
}


def _plain(name: str, table: str, series: pl.Series) -> pl.Series:
    """A column as files hold it: text, whole number, number or true/false; empty text is nothing."""
    if series.dtype in (pl.String, pl.Categorical) or isinstance(series.dtype, pl.Enum):
        text = series.cast(pl.String)
        return text.set(text == "", None)
    if series.dtype.is_integer():
        return series.cast(pl.Int64)
    if series.dtype.is_float():
        numbers = series.cast(pl.Float64)
        return numbers.set(numbers == 0, 0.0)  # a minus zero, which rounding can leave, is a zero
    if series.dtype == pl.Boolean:
        return series
    if series.dtype == pl.Null:
        return series.cast(pl.String)
    raise RecordsError(
        Problem(
            "R022",
            f"{table}, column {name}",
            f"The column is of type {series.dtype}.",
            f"one of {listed(TYPES_BY_WORD)}",
            "Convert the column: dates become study days.",
        )
    )


def plain_frame(name: str, frame: pl.DataFrame, key: tuple[str, ...] = ()) -> pl.DataFrame:
    """The frame as files hold it, rows sorted by ``key`` and then by every other column."""
    plain = pl.DataFrame([_plain(column, name, frame[column]) for column in frame.columns])
    lead = [REPLICATE] if REPLICATE in plain.columns else []
    first = [*lead, *(column for column in key if column in plain.columns)]
    order = [*first, *(column for column in plain.columns if column not in first)]
    return plain.sort(order, maintain_order=True) if plain.height else plain


def _write_table(path: Path, frame: pl.DataFrame) -> str:
    if path.suffix == ".parquet":
        frame.write_parquet(path, statistics=False)
    else:
        path.write_bytes(frame.write_csv(line_terminator="\n").encode("utf-8"))
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_records(
    records: Records,
    folder: str | os.PathLike[str],
    *,
    force: bool = False,
    tables_as: Literal["csv", "parquet"] = "csv",
) -> Path:
    """Write records to ``folder``, completely or not at all; the same records give the same bytes.

    Empty text is written as nothing. ``force`` replaces a folder that equipoise wrote. Records of a running trial (a
    data cut has an edition) can be read only by the account that writes them. Raises :class:`OutputError`.

    >>> equipoise.write_records(records, "smoking-records").name
    'smoking-records'
    """
    with OutputFolder(folder, kind="records", force=force, private=records.source.is_private) as partial:
        listing: dict[str, Any] = {}
        truth: dict[str, Any] = {}
        plain = {n: plain_frame(n, frame, TABLES[n].key) for n, frame in records.tables.items() if frame.height}
        said = records.is_simulated
        for name, frame in plain.items():
            listing[name] = _entry(partial, f"{name}.{tables_as}", with_simulated(name, frame, said))
        for name, frame in sorted(records.truth.items()):
            (partial / "truth").mkdir(exist_ok=True)
            whole = with_simulated(name, plain_frame(name, frame), said)
            truth[name] = _entry(partial, f"truth/{name}.{tables_as}", whole)
        manifest = {
            "equipoise_records": FORMAT,
            "source": records.source.as_dict(),
            "data_hash": Records(plain, records.source).data_hash,
            "tables": listing,
            "truth": truth,
        }
        text = json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False) + "\n"
        (partial / MANIFEST).write_text(text, "utf-8", newline="\n")
    return Path(folder)


def _entry(folder: Path, file: str, frame: pl.DataFrame) -> dict[str, Any]:
    digest = _write_table(folder / file, frame)
    types = {column: TYPE_WORDS[type(dtype)] for column, dtype in frame.schema.items()}
    return {"file": file, "rows": frame.height, "sha256": digest, "columns": types}


def read_records(
    folder: str | os.PathLike[str], *, notes: list[Problem] | None = None, facts: TrialFacts | None = None
) -> Records:
    """Read records from a folder and check every cell and row against the schema, and against ``facts`` if given.

    Records that name another trial than ``facts`` are not checked against it: the caller has to refuse them.
    Raises :class:`RecordsError` with every problem found, each with file, line and column. A file changed since it was
    written is not an error: it is listed in the source's details (``edited_files``), and added to ``notes`` if given.

    >>> again = equipoise.read_records("smoking-records")
    >>> again["participants"].height
    125
    """
    path = Path(folder)
    manifest = _manifest(path)
    reader = _Reader(path, manifest)
    tables = {name: reader.table(name) for name in TABLES}
    truth = {name: reader.truth(name, entry) for name, entry in manifest["truth"].items()}
    reader.unknown_files()
    present = {name: frame for name, frame in tables.items() if frame is not None}
    # rows of a table that could not be read would all seem to be missing, and hide the fault under its consequences
    unread = [name for name in manifest["tables"] if name in TABLES and name not in present]
    if not unread and not any(problem.code in {"R015", "R020"} for problem in reader.problems):
        whole = {name: present.get(name, table.empty()) for name, table in TABLES.items()}
        faults = find_faults(whole)
        if facts is not None and not reader.problems and manifest["source"]["protocol"] in ("", facts.trial):
            faults += find_faults_of_trial(whole, facts)
        reader.locate(faults)
    raise_if_any(RecordsError, reader.problems)
    if notes is not None:
        notes.extend(reader.notes)
    source = manifest["source"]
    details = dict(source["details"])
    if reader.notes:
        edited = {*details.get("edited_files", []), *(note.place for note in reader.notes)}
        details["edited_files"] = sorted(edited)
    origin: Origin = source["origin"]
    return Records(
        tables=present,
        source=DataSource(origin, source["description"], source["protocol"], source["protocol_hash"], details),
        truth={name: frame for name, frame in truth.items() if frame is not None},
    )


def _manifest(folder: Path) -> dict[str, Any]:
    """The manifest, its shape checked."""
    file = folder / MANIFEST
    if not folder.is_dir():
        found = "This is a file." if folder.exists() else "There is no such folder."
        hint = "Name the folder that holds records.json."
        raise RecordsError(Problem("R010", "", found, "a folder of records", hint, file=str(folder)))
    if not file.exists():
        hint = "For tables of your own, write a mapping file and say: equipoise import table MAPPING.yaml --out DIR."
        if (folder / "records" / MANIFEST).exists():
            hint = f"Its folder records has one: name {folder / 'records'}."
        found = f"The folder has no {MANIFEST}."
        raise RecordsError(Problem("R011", "", found, "a folder that equipoise wrote", hint, file=str(folder)))
    try:
        value = read_json(file)
    except JsonFault as fault:
        expected, hint = "the manifest as equipoise wrote it", "Write the records again."
        raise RecordsError(Problem("R012", "", fault.found, expected, hint, str(file), fault.line)) from None
    problems = _manifest_problems(value, str(file))
    raise_if_any(RecordsError, problems)
    return {**value, "truth": value.get("truth") or {}}


def _manifest_problems(value: Any, file: str) -> list[Problem]:
    if not isinstance(value, dict) or "equipoise_records" not in value:
        return [
            Problem(
                "R012", "", "This is not a manifest of records.", "a mapping with the key equipoise_records", file=file
            )
        ]
    if value["equipoise_records"] != FORMAT:
        return [
            Problem(
                "R013",
                "equipoise_records",
                f"The format is {value['equipoise_records']!r}.",
                f"{FORMAT}",
                "Read these records with the version of equipoise that wrote them, or write them again.",
                file=file,
            )
        ]
    problems: list[Problem] = []

    def need(place: str, holder: Any, key: str, kinds: tuple[type, ...], words: str) -> Any:
        found = holder.get(key) if isinstance(holder, dict) else None
        if not isinstance(found, kinds) or (bool not in kinds and isinstance(found, bool)):
            problems.append(
                Problem(
                    "R012",
                    place,
                    f"There is {json.dumps(found, ensure_ascii=False)[:60]}.",
                    words,
                    "Write the records again.",
                    file=file,
                )
            )
            return None
        return found

    source = need("source", value, "source", (dict,), "where the records come from")
    if source is not None:
        for key in ("origin", "description", "protocol", "protocol_hash"):
            need(f"source.{key}", source, key, (str,), "a text")
        need("source.details", source, "details", (dict,), "a mapping")
        if isinstance(source.get("origin"), str) and source["origin"] not in get_args(Origin):
            problems.append(
                Problem(
                    "R012", "source.origin", f"The origin is {source['origin']!r}.", listed(get_args(Origin)), file=file
                )
            )
    tables = need("tables", value, "tables", (dict,), "a mapping of tables to files")
    listings = [("tables", tables or {})]
    if value.get("truth"):
        listings.append(("truth", need("truth", value, "truth", (dict,), "a mapping of tables to files") or {}))
    for part, listing in listings:
        for name, entry in listing.items():
            place = f"{part}.{name}"
            if part == "tables" and name not in TABLES:
                near = nearest(name, TABLES)
                hint = f"Is {near!r} meant?" if near else ""
                problems.append(Problem("R001", place, f"There is no table {name!r}.", listed(TABLES), hint, file=file))
                continue
            if need(place, listing, name, (dict,), "file, rows, sha256 and columns") is None:
                continue
            named = need(f"{place}.file", entry, "file", (str,), "the name of a file")
            if named is not None and (
                ".." in PurePosixPath(named).parts
                or PurePosixPath(named).is_absolute()
                or "\\" in named
                or ":" in named
                or "\x00" in named
            ):
                problems.append(
                    Problem(
                        "R012",
                        f"{place}.file",
                        f"The file {named!r} is outside the folder.",
                        "a file inside it",
                        file=file,
                    )
                )
            columns = need(f"{place}.columns", entry, "columns", (dict,), "columns and their types")
            for column, word in (columns or {}).items():
                if not isinstance(word, str) or word not in TYPES_BY_WORD:
                    problems.append(
                        Problem(
                            "R012",
                            f"{place}.columns.{column}",
                            f"The type is {word!r}.",
                            listed(TYPES_BY_WORD),
                            file=file,
                        )
                    )
    return problems


class _Reader:
    """Reads the tables of one folder, gathering problems and notes."""

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self.folder = folder
        self.manifest = manifest
        self.problems: list[Problem] = []
        self.notes: list[Problem] = []
        self.where: dict[str, tuple[str, NDArray[np.int64] | None]] = {}

    def table(self, name: str) -> pl.DataFrame | None:
        """One table of the schema; ``None`` where the folder has none, or it cannot be read."""
        entry = self.manifest["tables"].get(name)
        path = self._path(name, entry)
        if path is None:
            return None
        frame = self._frame(name, path, entry)
        if frame is None:
            return None
        table = TABLES[name]
        words = (entry or {}).get("columns", {})
        known = {REPLICATE, *table.polars_schema}
        unknown = [column for column in frame.columns if column not in known]
        if unknown and not table.extra_columns:
            self._unknown_columns(name, unknown, list(table.polars_schema), str(path))
            frame = frame.drop(unknown)
            unknown = []
        extra = {c: TYPES_BY_WORD[words[c]] if c in words else _guess(frame[c]) for c in unknown}
        typed, faults = type_cells(table, frame, extra)
        self.locate(faults)
        return typed

    def truth(self, name: str, entry: Mapping[str, Any]) -> pl.DataFrame | None:
        """One table of what the simulator knows: types as the manifest says."""
        path = self._path(f"truth/{name}", entry)
        frame = None if path is None else self._frame(f"truth/{name}", path, entry)
        if frame is None:
            return None
        words = entry["columns"]
        casts = {c: TYPES_BY_WORD[words[c]] if c in words else _guess(frame[c]) for c in frame.columns}
        columns = []
        for column, dtype in casts.items():
            cells = frame[column]
            if dtype == pl.Boolean and cells.dtype == pl.String:
                cells = cells.str.to_lowercase().replace_strict(
                    {"true": True, "false": False}, default=None, return_dtype=pl.Boolean
                )
            typed = cells.cast(dtype, strict=False)
            lost = (
                (typed.is_null() & cells.is_not_null()).arg_max() if typed.null_count() > cells.null_count() else None
            )
            if lost is not None:
                found = f"A cell is not a {TYPE_WORDS[dtype]}."
                self.locate([RecordFault("R030", f"truth/{name}", found, row=lost, column=column)])
            columns.append(typed)
        return pl.DataFrame(columns)

    def _path(self, name: str, entry: Mapping[str, Any] | None) -> Path | None:
        csv, parquet = self.folder / f"{name}.csv", self.folder / f"{name}.parquet"
        if csv.exists() and parquet.exists():
            hint = "Remove the one that is not meant."
            self.problems.append(
                Problem(
                    "R003", name, f"There are both {csv.name} and {parquet.name}.", "one of them", hint, file=str(csv)
                )
            )
            return None
        if entry is not None and (self.folder / str(entry["file"])).is_file():
            return self.folder / str(entry["file"])
        if csv.exists() or parquet.exists():
            return csv if csv.exists() else parquet
        if entry is not None:
            self.problems.append(
                Problem(
                    "R015",
                    name,
                    f"The manifest names {entry['file']}, and there is no such file.",
                    "the table's file",
                    "Bring the file back, or write the records again.",
                    file=str(self.folder / MANIFEST),
                )
            )
        return None

    def _frame(self, name: str, path: Path, entry: Mapping[str, Any] | None) -> pl.DataFrame | None:
        if path.suffix == ".parquet":
            try:
                frame = pl.read_parquet(path)
            except Exception as error:  # the reader is outside code: whatever stops it is a fault of the file
                said = " ".join(str(error).split())[:160] or type(error).__name__
                self.problems.append(Problem("R018", name, f"The file is not Parquet: {said}.", file=str(path)))
                return None
            try:
                frame = pl.DataFrame([_plain(column, name, frame[column]) for column in frame.columns])
            except RecordsError as error:
                self.problems += [problem.at(str(path), None) for problem in error.problems]
                return None
            self.where[name] = (str(path), None)
        else:
            text, problems = read_csv_text(path)
            self.problems += problems
            if text is None:
                return None
            frame = text.frame
            self.where[name] = (str(path), text.lines)
        recorded = (entry or {}).get("sha256")
        if recorded is None or hashlib.sha256(path.read_bytes()).hexdigest() != recorded:
            found = f"The file {path.name} is not as it was written: it was edited, replaced or added."
            self.notes.append(Problem("R071", path.relative_to(self.folder).as_posix(), found, file=str(path)))
        return self._without_simulated(name, frame)

    def _without_simulated(self, name: str, frame: pl.DataFrame) -> pl.DataFrame:
        """The table without what each row says of its origin, which is held against the manifest's."""
        if SIMULATED not in frame.columns:
            return frame
        file, lines = self.where[name]
        hint = "Keep simulated and real participants in folders of their own, with the records.json that was written."
        self.problems += simulated_problems(
            frame[SIMULATED], self.manifest["source"]["origin"] == "simulated", file=file, lines=lines, hint=hint
        )
        return frame.drop(SIMULATED)

    def _unknown_columns(self, name: str, unknown: list[str], known: list[str], file: str) -> None:
        for column in unknown:
            near = nearest(column, known)
            hint = f"Is {near!r} meant?" if near else "Remove the column."
            self.problems.append(
                Problem(
                    "R002",
                    f"{name}, column {column}",
                    f"The table has no column {column!r}.",
                    listed(known, limit=20),
                    hint,
                    file=file,
                    line=1,
                )
            )

    def unknown_files(self) -> None:
        """Tables that lie in the folder under names the schema does not know."""
        for path in sorted([*self.folder.glob("*.csv"), *self.folder.glob("*.parquet")]):
            named = {str(entry["file"]) for entry in self.manifest["tables"].values()}
            if path.stem not in TABLES and path.name not in named:
                near = nearest(path.stem, TABLES)
                hint = f"Is {near!r} meant?" if near else "Move the file elsewhere."
                found = f"There is no table {path.stem!r}."
                self.problems.append(Problem("R001", path.stem, found, listed(TABLES), hint, file=str(path)))

    def locate(self, faults: list[RecordFault]) -> None:
        """Faults as problems with file and line."""
        for fault in faults:
            file, lines = self.where.get(fault.table, (str(self.folder), None))
            line = int(lines[fault.row]) if lines is not None and fault.row is not None else None
            if fault.code == "R020" and lines is not None:
                line = 1
            self.problems.append(fault.problem().at(file, line))


def _guess(cells: pl.Series) -> type[pl.DataType]:
    """The type of a column that nobody declared: the narrowest that holds all of its cells."""
    if cells.dtype != pl.String:
        return type(cells.dtype)
    there = cells.drop_nulls()
    if there.len() and there.str.to_lowercase().is_in(["true", "false"]).all():
        return pl.Boolean
    if there.len() and there.cast(pl.Int64, strict=False).null_count() == 0:
        return pl.Int64
    numbers = there.cast(pl.Float64, strict=False)
    if there.len() and numbers.null_count() == 0 and bool(numbers.is_finite().all()):
        return pl.Float64
    return pl.String
