"""``results.json`` and ``results.csv``: every estimate of an analysis, unrounded, one row each."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from equipoise.analysis.estimate import RESULT_KEYS, Estimate
from equipoise.foundation.errors import OutputError, Problem, RecordsError

CODES = {
    "O010": "An estimate is not a finite number, and not empty either.",
    "R080": "A results file cannot be read.",
}


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return repr(value)  # the shortest text that reads back to the same number
    if isinstance(value, list):
        return "; ".join(str(item) for item in value)
    return value


def _require_finite(rows: list[dict[str, Any]]) -> None:
    problems = [
        Problem(
            "O010",
            f"{row['id']}, {key}",
            f"The value is {value}.",
            "a finite number, or none with a coded warning",
            "This is a fault of the estimator: please report it.",
        )
        for row in rows
        for key, value in row.items()
        if isinstance(value, float) and not math.isfinite(value)
    ]
    if problems:
        raise OutputError(problems)


def results_json(estimates: Iterable[Estimate], provenance: Mapping[str, Any]) -> str:
    """The text of ``results.json``: ``{"provenance": ..., "estimates": [...]}``.

    Each estimate has the keys of :data:`RESULT_KEYS` in that order, unrounded; ``null`` where not estimable; and
    ``warning_counts`` where a warning is about some participants: how many. Raises :class:`OutputError` (O010) on NaN
    or infinity.
    """
    rows = []
    for estimate in estimates:
        counts = estimate.details.get("warning_counts")
        rows.append({**estimate.as_row(), **({"warning_counts": dict(counts)} if counts else {})})
    _require_finite(rows)
    value = {"provenance": dict(provenance), "estimates": rows}
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def results_csv(estimates: Iterable[Estimate]) -> str:
    """The text of ``results.csv``: one row an estimate, empty where null, warnings joined by ``; ``."""
    rows = [estimate.as_row() for estimate in estimates]
    _require_finite(rows)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(RESULT_KEYS)
    writer.writerows([_cell(row[key]) for key in RESULT_KEYS] for row in rows)
    return out.getvalue()


def write_results(estimates: Iterable[Estimate], provenance: Mapping[str, Any], folder: Path) -> tuple[Path, Path]:
    """Write both files into ``folder``, which an :class:`~equipoise.exchange.output_folder.OutputFolder` has made."""
    kept = list(estimates)
    texts = (results_json(kept, provenance), results_csv(kept))  # both made before either is written
    paths = (folder / "results.json", folder / "results.csv")
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, "utf-8", newline="\n")
    return paths


def read_results(path: Path) -> tuple[dict[str, Any], tuple[Estimate, ...]]:
    """Provenance and estimates of a ``results.json``; raises :class:`RecordsError` (R080) where it is not one."""
    file = path / "results.json" if path.is_dir() else path
    try:
        value = json.loads(file.read_text("utf-8"))
        rows = [
            {**{key: row[key] for key in RESULT_KEYS if key in row}, "warnings": tuple(row["warnings"])}
            for row in value["estimates"]
        ]
        return dict(value["provenance"]), tuple(Estimate(**row) for row in rows)
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        said = error.strerror if isinstance(error, OSError) else f"{type(error).__name__} {error}"
        raise RecordsError(
            Problem(
                "R080",
                "results.json",
                f"The file cannot be read as results: {said}.",
                "a results.json that equipoise wrote",
                "Run the analysis again.",
                file=str(file),
            )
        ) from None
