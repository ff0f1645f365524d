"""Dataset-JSON files as CSV: a table for each dataset, and what its columns are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from equipoise.exchange.cdisc.read_dataset_json import DatasetFile, read_dataset_json
from equipoise.exchange.csv import inert_texts
from equipoise.exchange.output_folder import OutputFolder
from equipoise.exchange.statistics_files.codebook import table_as_csv
from equipoise.foundation.errors import Problem, RecordsError, raise_if_any

CODES = {
    "R624": "Two files hold datasets of one name.",
}
_COLUMNS = ("dataset", "column", "label", "type", "length", "key")


def import_datasets(paths: Sequence[Path], out: Path, *, force: bool = False) -> list[DatasetFile]:
    """Read files of Dataset-JSON and write a CSV file of each, and ``columns.csv`` with what their columns are.

    Raises :class:`RecordsError` with every problem of every file; nothing is written then.
    """
    problems: list[Problem] = []
    files: list[DatasetFile] = []
    for path in paths:
        try:
            files.append(read_dataset_json(path))
        except RecordsError as error:
            problems += error.problems
    seen: dict[str, Path] = {}
    for file in files:
        name = file.name.upper()
        if name in seen:
            found = f"The dataset {file.name} is in {seen[name]} too."
            problems.append(Problem("R624", "name", found, "each dataset once", file=str(file.path)))
        seen[name] = file.path
    raise_if_any(RecordsError, problems)
    with OutputFolder(out, kind="datasets", force=force) as partial:
        for file in files:
            texts = [name for name, dtype in file.frame.schema.items() if dtype == pl.String]
            safe = file.frame.with_columns(inert_texts(name) for name in texts)
            (partial / f"{file.name.lower()}.csv").write_bytes(safe.write_csv(line_terminator="\n").encode("utf-8"))
        rows = [
            {
                "dataset": file.name,
                "column": column["name"],
                "label": column["label"],
                "type": column["dataType"],
                "length": column.get("length"),
                "key": column.get("keySequence"),
            }
            for file in files
            for column in file.columns
        ]
        (partial / "columns.csv").write_text(table_as_csv(_COLUMNS, rows), "utf-8", newline="\n")
    return files
