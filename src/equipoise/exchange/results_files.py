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
from equipoise.exchange.json_text import JsonFault, read_json
from equipoise.foundation.errors import OutputError, Problem, RecordsError

CODES = {
    "O010": "An estimate is neither a finite number nor empty.",
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


def results_json(
    estimates: Iterable[Estimate], provenance: Mapping[str, Any], more: Mapping[str, Any] | None = None
) -> str:
    """The text of ``results.json``: ``{"simulated": ..., "provenance": ..., "estimates": [...]}`` and ``more``.

    Each estimate has the keys of :data:`RESULT_KEYS` in that order, unrounded; ``null`` where not estimable;
    ``warning_counts`` where a warning is about some participants: how many; ``method`` in words; and ``details``: tests
    of assumptions, imputation, convergence. Raises :class:`OutputError` (O010) on NaN
    or infinity.
    """
    rows = [result_row(estimate) for estimate in estimates]
    _require_finite(rows)
    value = {"provenance": dict(provenance), "estimates": rows, **(more or {})}
    if "simulated" in provenance:
        value = {"simulated": provenance["simulated"], **value}
        if provenance["simulated"]:
            value = {"data": "SIMULATED: fictional participants; no result here is evidence", **value}
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def result_row(estimate: Estimate) -> dict[str, Any]:
    """An estimate as ``results.json`` and ``--json`` tell it."""
    row = estimate.as_row()
    counts = estimate.details.get("warning_counts")
    if counts:
        row["warning_counts"] = dict(counts)
    if estimate.method:
        row["method"] = estimate.method
    details = {k: v for k, v in estimate.details.items() if k not in _STANDING and v is not None and v != {}}
    if details:
        row["details"] = _plain(details)
    return row


# Of an estimate's details what stands elsewhere in its row.
_STANDING = ("warning_counts", "margin", "tipping_point", "imputed_sets", "warnings")


def _plain(value: Any) -> Any:
    """Details as JSON holds them: sequences as lists, what is not finite as null."""
    if isinstance(value, Mapping):
        return {str(key): _plain(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(v) for v in value]
    if hasattr(value, "tolist"):  # a number or an array of numpy
        return _plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if value is None or isinstance(value, (str, int)) else str(value)


def results_csv(estimates: Iterable[Estimate], *, simulated: bool | None = None) -> str:
    """The text of ``results.csv``: one row an estimate, empty where null, warnings joined by ``; ``.

    With ``simulated`` a column of that name says of each row whether it is of fictional participants.
    """
    rows = [estimate.as_row() for estimate in estimates]
    _require_finite(rows)
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    last = [] if simulated is None else [_cell(simulated)]
    writer.writerow([*RESULT_KEYS, *(["simulated"] if last else [])])
    writer.writerows([*(_cell(row[key]) for key in RESULT_KEYS), *last] for row in rows)
    return out.getvalue()


def write_results(
    estimates: Iterable[Estimate],
    provenance: Mapping[str, Any],
    folder: Path,
    more: Mapping[str, Any] | None = None,
) -> tuple[Path, Path]:
    """Write both files into ``folder``, which an :class:`~equipoise.exchange.output_folder.OutputFolder` has made."""
    kept = list(estimates)
    texts = (
        results_json(kept, provenance, more),
        results_csv(kept, simulated=provenance.get("simulated")),
    )  # both made before either is written
    paths = (folder / "results.json", folder / "results.csv")
    for path, text in zip(paths, texts, strict=True):
        path.write_text(text, "utf-8", newline="\n")
    return paths


def read_results(path: Path) -> tuple[dict[str, Any], tuple[Estimate, ...]]:
    """Provenance and estimates of a ``results.json``; raises :class:`RecordsError` (R080) where it is not one."""
    file = path / "results.json" if path.is_dir() else path
    try:
        value = read_json(file)
        rows = [
            {**{key: row[key] for key in RESULT_KEYS if key in row}, "warnings": tuple(row["warnings"])}
            for row in value["estimates"]
        ]
        return dict(value["provenance"]), tuple(Estimate(**row) for row in rows)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        said = error.found.rstrip(".") if isinstance(error, JsonFault) else f"{type(error).__name__} {error}"
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
