"""How every benchmark and agreement check prints: a table, or with ``--json`` one object.

The object: ``ok`` (all targets met), ``machine``, ``versions``, ``rows`` of ``{name, value, unit, target, ok}``, and
``notes`` for what could not be measured and why.
"""

from __future__ import annotations

import json
import math
import os
import platform
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Row:
    """One measured quantity; ``target`` says in words what it must be, empty if nothing is asked of it."""

    name: str
    value: float | int | str | None
    unit: str = ""
    target: str = ""
    ok: bool = True


@dataclass
class Report:
    """Rows in the order measured, and notes."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(
        self,
        name: str,
        value: float | int | str | None,
        unit: str = "",
        *,
        at_most: float | None = None,
        at_least: float | None = None,
        equals: float | int | str | None = None,
    ) -> Row:
        """Append a row and judge it against its target; a value that is missing or NaN fails any target."""
        target, ok = "", True
        missing = value is None or (isinstance(value, float) and math.isnan(value))
        for bound, words, holds in (
            (at_most, "at most", lambda v, b: v <= b),
            (at_least, "at least", lambda v, b: v >= b),
            (equals, "exactly", lambda v, b: v == b),
        ):
            if bound is not None:
                target = f"{words} {bound:g}" if isinstance(bound, int | float) else f"{words} {bound}"
                ok = not missing and holds(value, bound)
        row = Row(name, None if missing else value, unit, target, ok)
        self.rows.append(row)
        return row

    @property
    def ok(self) -> bool:
        """Every target met."""
        return all(row.ok for row in self.rows)


def describe_machine() -> dict[str, Any]:
    """Processor, cores this process may use, system."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count()
    return {"processor": model, "cores": cores, "system": platform.system(), "load": _load()}


def _load() -> float | None:
    try:
        return round(os.getloadavg()[0], 2)
    except OSError:
        return None


def describe_versions(packages: Sequence[str] = ("equipoise", "numpy", "scipy", "numba")) -> dict[str, str]:
    """Versions of Python and the named packages; absent ones are left out."""
    out = {"python": platform.python_version()}
    for package in packages:
        try:
            out[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return out


def finish(report: Report, *, as_json: bool, versions: dict[str, str] | None = None, title: str = "") -> int:
    """Print the report and return the exit code: 0 if every target is met, else 1."""
    versions = describe_versions() if versions is None else versions
    if as_json:
        body = {
            "ok": report.ok,
            "machine": describe_machine(),
            "versions": versions,
            "rows": [asdict(row) for row in report.rows],
            "notes": report.notes,
        }
        print(json.dumps(body, indent=1, allow_nan=False))
        return 0 if report.ok else 1
    if title:
        print(title)
    width = max((len(row.name) for row in report.rows), default=4)
    for row in report.rows:
        value = (
            "not measured" if row.value is None else f"{row.value:.4g}" if isinstance(row.value, float) else row.value
        )
        verdict = "" if not row.target else ("ok" if row.ok else "MISSED")
        print(f"{row.name:<{width}}  {value!s:>14} {row.unit:<12} {row.target:<20} {verdict}")
    for note in report.notes:
        print(f"note: {note}")
    print("all targets met" if report.ok else "TARGETS MISSED", file=sys.stdout)
    return 0 if report.ok else 1
