"""What a drill reports: numbered requirements, each with what was found, what was asked, and whether it holds."""

from __future__ import annotations

import os
import platform
import sqlite3
import time
from dataclasses import dataclass, field
from importlib import metadata
from typing import Any


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement: its number and words, what was found, what it must be (empty where nothing is asked)."""

    name: str
    value: Any
    unit: str = ""
    target: str = ""
    ok: bool = True


@dataclass
class DrillReport:
    """The requirements of one drill in order, and notes on what could not be tried."""

    drill: str
    database: str
    rows: list[Requirement] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    begun: float = field(default_factory=time.perf_counter)
    seconds: float = 0.0
    load: list[float] = field(default_factory=lambda: machine_load())

    def require(self, number: int, words: str, value: Any, target: Any = 0, unit: str = "") -> None:
        """Note a requirement that holds where ``value`` equals ``target``."""
        name = f"{self.drill.upper()}-{number} {words}"
        self.rows.append(Requirement(name, value, unit, f"exactly {target}", value == target))

    def note_value(self, words: str, value: Any, unit: str = "") -> None:
        """Note something measured of which nothing is asked."""
        self.rows.append(Requirement(f"{self.drill}: {words}", value, unit))

    @property
    def ok(self) -> bool:
        """Whether every requirement holds, and there is one."""
        return any(row.target for row in self.rows) and all(row.ok for row in self.rows)

    def close(self) -> DrillReport:
        """Stop the clock, and say what else the machine had to do: what takes time is read with it."""
        self.load += machine_load()
        if len(self.load) == 2:
            self.notes.append(
                f"{os.cpu_count()} cores; processes that ran or waited to (load): {self.load[0]:.1f} when it began,"
                f" {self.load[1]:.1f} when it ended"
            )
        self.seconds = time.perf_counter() - self.begun
        return self

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``: the one form of benchmarks and drills."""
        return {
            "ok": self.ok,
            "drill": self.drill,
            "database": self.database,
            "seconds": round(self.seconds, 2),
            "machine": {"processor": platform.machine(), "cores": os.cpu_count(), "system": platform.system()}
            | {"load": self.load},
            "versions": versions(),
            "rows": [
                {"name": row.name, "value": row.value, "unit": row.unit, "target": row.target, "ok": row.ok}
                for row in self.rows
            ],
            "notes": self.notes,
        }


def machine_load() -> list[float]:
    """How many processes ran or waited to, on average of the last minute; empty where the system does not say."""
    return [round(os.getloadavg()[0], 2)] if hasattr(os, "getloadavg") else []


def versions() -> dict[str, str]:
    """Versions of what a drill rests on."""
    out = {"python": platform.python_version(), "sqlite": sqlite3.sqlite_version}
    for package in ("equipoise", "django", "cryptography", "psycopg"):
        try:
            out[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            continue
    return out
