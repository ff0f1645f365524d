"""Three opioid trials of the NIDA Clinical Trials Network, read from the harmonised tables of CTN-0094.

The tables are those of the R package public.ctn0094data (MIT), exported one CSV a table; ``docs/methods/ctn0094.md``
says how, and names every choice made here. Nothing of one trial's endpoint is decided in this module: records say what
was found, asked and given, and the protocol says what counts.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from pathlib import Path

import polars as pl

from equipoise.exchange.csv import read_csv_text
from equipoise.exchange.ctn0094 import tables as build
from equipoise.exchange.ctn0094.trials import TRIALS, Trial
from equipoise.foundation.errors import Problem, RecordsError, UsageError, listed, nearest, raise_if_any
from equipoise.records.cells import TYPE_WORDS, RecordFault, flag_rows
from equipoise.records.records import DataSource, Records

CODES = {
    "R200": "The folder of CTN-0094 tables does not exist.",
    "R201": "A table of CTN-0094 is not in the folder.",
    "R202": "A table of CTN-0094 lacks a column.",
    "R203": "A cell of a CTN-0094 table has the wrong type.",
    "R204": "The tables have no participants of the requested trial.",
    "R205": "A person was randomized twice where the trial randomizes once.",
    "R206": "The trial has no such treatment label.",
    "U020": "CTN-0094 has no such trial.",
}


_T, _N = pl.String, pl.Int64
# Table -> the columns read, with their types; the second group may be absent.
NEEDED: Mapping[str, Mapping[str, type[pl.DataType]]] = {
    "everybody": {"who": _N, "project": _N},
    "randomization": {"who": _N, "treatment": _T, "which": _N, "when": _N},
    "demographics": {
        "who": _N,
        "age": _N,
        "is_hispanic": _T,
        "race": _T,
        "job": _T,
        "is_living_stable": _T,
        "education": _T,
        "marital": _T,
        "is_male": _T,
    },
    "site_masked": {"who": _N, "site_masked": _T},
    "visit": {
        "who": _N,
        "visit": _T,
        "what": _T,
        "when": _N,
        "is_dead": _N,
        "is_left_study": _N,
        "is_moved": _N,
        "is_in_jail": _N,
    },
    "uds": {"who": _N, "what": _T, "when": _N},
    "uds_temp": {"who": _N, "was_temp_ok": _N, "when": _N},
    "all_drugs": {"who": _N, "what": _T, "source": _T, "when": _N},
    "tlfb": {"who": _N, "what": _T, "when": _N},
    "treatment": {"who": _N, "amount": pl.Float64, "when": _N},
    "meta_substance_groups_uds": {"Substance": _T, "CTN-0027": _T, "CTN-0030": _T, "CTN-0051": _T},
}
OPTIONAL: Mapping[str, Mapping[str, type[pl.DataType]]] = {
    "screening_date": {"who": _N, "screening_day": _N},
    "asi": {"who": _N, "used_iv": _T},
    "fagerstrom": {"who": _N, "is_smoker": _T, "ftnd": _N},
    "psychiatric": {"who": _N, "has_major_dep": _T, "has_bipolar": _T, "has_anx_pan": _T},
    "qol": {"who": _N, "is_homeless": _T},
    "rbs": {"who": _N, "what": _T, "did_use": _T, "days": _N},
    "rbs_iv": {"who": _N, "days": _N},
    "detox": {"who": _N, "what": _T, "when": _N},
}


def import_ctn0094(folder: str | os.PathLike[str], project: int = 51, *, protocol_hash: str = "") -> Records:
    """Records of one trial from a folder of CTN-0094 tables (``<table>.csv`` or ``<table>.csv.gz``).

    ``project`` is 51 (X:BOT), 27 (START) or 30 (POATS). Study day 1 is the day of randomization; the source counts
    days from consent. Everybody who consented is a participant; persons never randomized have no further rows, since
    they have no day 1. Raises :class:`RecordsError` with everything that is wrong with the tables, and
    :class:`UsageError` for another project.
    """
    if project not in TRIALS:
        raise UsageError(
            Problem(
                "U020",
                "--project",
                f"There is no project {project}.",
                listed(f"{t.project} ({t.name})" for t in TRIALS.values()),
            )
        )
    trial = TRIALS[project]
    path = Path(folder)
    if not path.is_dir():
        found = "This is a file." if path.exists() else "There is no such folder."
        hint = "Name the folder with the exported tables of public.ctn0094data."
        raise RecordsError(Problem("R200", "", found, "a folder of CTN-0094 tables", hint, file=str(path)))
    tables, hashes = _read_tables(path, trial)
    context = build.context_of(tables, trial)
    frames = {
        "participants": build.participants(context),
        "allocations": build.allocations(context),
        "visits": build.visits(context),
        "urine": build.urine(context),
        "daily_use": build.daily_use(context),
        "exposure": build.exposure(context),
        "disposition": build.disposition(context),
    }
    source = DataSource(
        "imported",
        f"{trial.name}, from the harmonised tables of CTN-0094 (R package public.ctn0094data, MIT)",
        trial.protocol,
        protocol_hash,
        {"importer": "ctn0094", "project": project, "files": hashes, "choices": build.choices_of(context)},
    )
    return Records(frames, source)


def _read_tables(folder: Path, trial: Trial) -> tuple[dict[str, pl.DataFrame], dict[str, str]]:
    """The tables of this trial's persons, typed; and the SHA-256 of each file."""
    problems: list[Problem] = []
    tables: dict[str, pl.DataFrame] = {}
    hashes: dict[str, str] = {}
    for name, columns in {**NEEDED, **OPTIONAL}.items():
        files = [file for suffix in (".csv", ".csv.gz") if (file := folder / f"{name}{suffix}").is_file()]
        if not files:
            if name in NEEDED:
                hint = "Export it from public.ctn0094data; docs/methods/ctn0094.md says how."
                problems.append(
                    Problem(
                        "R201", name, f"There is no {name}.csv or {name}.csv.gz.", "the table", hint, file=str(folder)
                    )
                )
            continue
        frame, found = _typed_table(files[0], name, columns)
        problems += found
        if frame is not None:
            hashes[files[0].name] = hashlib.sha256(files[0].read_bytes()).hexdigest()
            tables[name] = frame
    raise_if_any(RecordsError, problems)
    everybody = tables["everybody"].filter(pl.col("project") == trial.project).select("who").unique()
    if not everybody.height:
        raise RecordsError(
            Problem(
                "R204",
                "everybody",
                f"Nobody belongs to project {trial.project}.",
                f"persons with project {trial.project}",
                "Check the table everybody.",
                file=str(folder),
            )
        )
    tables = {
        name: frame.join(everybody, on="who", how="semi") if "who" in frame.columns else frame
        for name, frame in tables.items()
    }
    _check_randomization(tables["randomization"], trial, str(folder / "randomization"))
    return tables, hashes


def _typed_table(
    file: Path, name: str, columns: Mapping[str, type[pl.DataType]]
) -> tuple[pl.DataFrame | None, list[Problem]]:
    text, problems = read_csv_text(file)
    if text is None:
        return None, problems
    typed: list[pl.Series] = []
    for column, dtype in columns.items():
        if column not in text.columns:
            near = nearest(column, text.columns)
            hint = f"Is the column {near!r} meant?" if near else "Export the table again."
            problems.append(
                Problem("R202", name, f"There is no column {column!r}.", listed(columns), hint, file=str(file), line=1)
            )
            continue
        cells = text.frame[column]
        series = cells.cast(dtype, strict=False)
        lost = series.is_null() & cells.is_not_null()
        if lost.any():
            faults: list[RecordFault] = []
            flag_rows(
                faults,
                name,
                text.frame,
                lost,
                "R203",
                column,
                lambda row, column=column: f"The cell holds {row[column]!r}.",  # type: ignore[misc]
                f"a {TYPE_WORDS[dtype]}",
            )
            problems += [
                f.problem().at(str(file), int(text.lines[f.row]) if f.row is not None else None) for f in faults
            ]
        typed.append(series)
    frame = None if len(typed) < len(columns) else pl.DataFrame(typed)
    if frame is not None and "who" in frame.columns:
        frame = frame.filter(pl.col("who").is_not_null())  # the source has a few rows that belong to nobody
    return frame, problems


def _check_randomization(frame: pl.DataFrame, trial: Trial, file: str) -> None:
    problems: list[Problem] = []
    first = frame.filter(pl.col("which") == 1)
    twice = first.filter(pl.col("who").is_duplicated())["who"].unique().sort().to_list()
    if twice:
        problems.append(
            Problem(
                "R205",
                "randomization",
                f"First randomizations stand twice for person {listed(twice, conjunction='and')}.",
                "one row with which = 1 for each person",
                "Remove one of the rows.",
                file=file,
            )
        )
    strange = sorted(set(frame["treatment"].drop_nulls().to_list()) - set(trial.arms))
    if strange:
        problems.append(
            Problem(
                "R206",
                "randomization",
                f"Treatments that {trial.name} does not have: {listed(strange, conjunction='and')}.",
                listed(trial.arms),
                file=file,
            )
        )
    unplaced = first.filter(pl.col("when").is_null() | pl.col("treatment").is_null()).height
    if unplaced:
        problems.append(
            Problem(
                "R203",
                "randomization",
                f"{unplaced} first randomizations have no day or no treatment.",
                "a day and a treatment",
                file=file,
            )
        )
    raise_if_any(RecordsError, problems)
