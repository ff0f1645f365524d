"""Rows of reference answers, the data beside them, and how our numbers are held against them."""

from __future__ import annotations

import csv
import importlib
import math
import pkgutil
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import method_families
from _report import Report

SHOWN = 20  # rows that are missed, by name


@dataclass(frozen=True)
class Answer:
    """One row of a file: what was asked of which data, and the outside program's number."""

    dataset: str
    model: str
    quantity: str
    index: str
    value: float
    source: str
    tolerance: float


Ours = Callable[[Answer], "float | str | None"]


@dataclass
class Held:
    """One file held against ours."""

    n: int = 0
    missed: list[str] = field(default_factory=list)
    unanswered: list[str] = field(default_factory=list)
    worst: float = 0.0
    reasons: Counter[str] = field(default_factory=Counter)


def read_answers(path: Path) -> list[Answer]:
    """Every row of a file; ``Inf`` is infinity, ``NA`` (the program gives no value) is NaN."""
    with path.open(encoding="utf-8") as file:
        return [
            Answer(
                row["dataset"],
                row["model"],
                row["quantity"],
                row["index"],
                math.nan if row["value"] == "NA" else float(row["value"]),
                row["source"],
                float(row["tolerance"]),
            )
            for row in csv.DictReader(file)
        ]


@cache
def read_data(folder: Path, dataset: str) -> tuple[dict[str, str], ...]:
    """Rows of ``data/<dataset>.csv``."""
    with (folder / "data" / f"{dataset}.csv").open(encoding="utf-8") as file:
        return tuple(csv.DictReader(file))


def families() -> dict[str, list[Callable[[Path], Ours]]]:
    """Every file of answers that some module reads, with the functions that answer it."""
    found: dict[str, list[Callable[[Path], Ours]]] = {}
    for module in pkgutil.iter_modules(method_families.__path__):
        table = getattr(importlib.import_module(f"method_families.{module.name}"), "FAMILIES", {})
        for name, make in table.items():
            found.setdefault(name, []).append(make)
    return found


def hold(path: Path, makers: list[Callable[[Path], Ours]]) -> Held:
    """Hold every row of a file against ours."""
    held, answers = Held(), [make(path.parent) for make in makers]
    for row in read_answers(path):
        if math.isnan(row.value):
            held.reasons["the other program gives no value"] += 1
            continue
        given = [found for answer in answers if (found := answer(row)) is not None]
        # A number of one module comes before another's reason why there is none.
        mine = next((found for found in given if not isinstance(found, str)), given[0] if given else None)
        name = f"{row.dataset}, {row.model}, {row.quantity} {row.index}".strip()
        if mine is None:
            held.unanswered.append(name)
        elif isinstance(mine, str):
            held.reasons[mine] += 1
        else:
            held.n += 1
            if math.isinf(row.value) or math.isinf(mine):
                off = 0.0 if mine == row.value else math.inf
            else:
                off = abs(mine - row.value)
            if not off <= row.tolerance:
                held.missed.append(f"{name}: ours {mine:.12g}, {row.source} {row.value:.12g}, within {row.tolerance:g}")
            if row.tolerance > 0 and math.isfinite(off):
                held.worst = max(held.worst, off / row.tolerance)
    return held


def report_families(folder: Path, report: Report) -> None:
    """Rows of the report for every file of the folder that ours can be held against."""
    for name, makers in families().items():
        if not (folder / name).is_file():
            continue
        held, title = hold(folder / name, makers), f"methods/{name.removesuffix('.csv')}"
        report.add(f"{title}: compared", held.n, "rows")
        report.add(f"{title}: largest deviation", held.worst, "tolerances")
        report.add(f"{title}: outside the tolerance", len(held.missed), "rows", equals=0)
        report.add(f"{title}: without an answer or a reason", len(held.unanswered), "rows", equals=0)
        report.notes += [f"{title}: {n} rows not compared: {reason}" for reason, n in held.reasons.items()]
        report.notes += [f"{title} missed: {what}" for what in held.missed[:SHOWN]]
        report.notes += [f"{title} not answered: {what}" for what in held.unanswered[:SHOWN]]
