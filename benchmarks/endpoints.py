"""How fast the endpoint language is, and that it agrees with CTNote.

    python benchmarks/endpoints.py [FOLDER] [--json]

One million words of 24 weeks through the 54 published definitions (62 columns), read from their letters; daily
calendars of 100,000 participants by 180 days through the daily definitions; and the agreement counts on FOLDER, by
default ``../shared/data/ctnote`` beside this project. Times hold reading of letters and all threads this process may
use; each is the better of two runs after compilation, and both runs are printed.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import resource
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np
import polars as pl

from _report import Report, describe_versions, finish
from equipoise.endpoints.lattice import CLEAN, MIXED, UNKNOWN, USED
from equipoise.endpoints.patterns.evaluate import evaluate_all
from equipoise.endpoints.patterns.library import definitions
from equipoise.endpoints.patterns.pattern import Pattern, read_words
from equipoise.endpoints.patterns.tables import published_columns

DEFAULT = Path(__file__).resolve().parent.parent.parent / "shared" / "data" / "ctnote"
N_WORDS, N_WEEKS = 1_000_000, 24
N_PEOPLE, N_DAYS = 100_000, 180
SECONDS = 20.0
TOLERANCE = 1e-9  # the reference prints ten decimals


def words(n: int, seed: int = 1) -> pl.Series:
    """Random words: runs of letters, as people's courses have them, and a dropout in one of three."""
    rng = np.random.default_rng(seed)
    letters = np.array([USED, CLEAN, UNKNOWN, MIXED], dtype=np.uint8)
    fresh = rng.choice(letters, p=(0.3, 0.45, 0.2, 0.05), size=(n, N_WEEKS))
    stays = rng.random((n, N_WEEKS)) < 0.6
    for week in range(1, N_WEEKS):
        fresh[:, week] = np.where(stays[:, week], fresh[:, week - 1], fresh[:, week])
    gone_from = np.where(rng.random(n) < 1 / 3, rng.integers(1, N_WEEKS, n), N_WEEKS)
    fresh[np.arange(N_WEEKS) >= gone_from[:, None]] = UNKNOWN
    return pl.Series("word", Pattern.of(fresh).words)


def calendars(n: int, seed: int = 2) -> Pattern:
    """Random daily calendars: a chance of use of one's own, gaps, and a dropout in one of four."""
    rng = np.random.default_rng(seed)
    chance = rng.beta(0.5, 1.0, size=(n, 1))
    cells = np.where(rng.random((n, N_DAYS)) < chance, USED, CLEAN).astype(np.uint8)
    cells[rng.random((n, N_DAYS)) < 0.03] = UNKNOWN
    gone_from = np.where(rng.random(n) < 0.25, rng.integers(1, N_DAYS, n), N_DAYS)
    cells[np.arange(N_DAYS) >= gone_from[:, None]] = UNKNOWN
    return Pattern.of(cells)


def timed(work: Callable[[], object], times: int = 2) -> tuple[float, str]:
    """Seconds of the better run; both runs in words, with the seconds that processors worked."""
    runs = []
    for _ in range(times):
        start, worked = time.perf_counter(), time.process_time()
        work()
        runs.append((time.perf_counter() - start, time.process_time() - worked))
    return min(runs)[0], ", ".join(f"{wall:.2f} s ({worked:.2f} s of processor)" for wall, worked in runs)


def speed(report: Report) -> None:
    """Rows of the two timings, and the memory of the whole process."""
    published_columns(read_words(words(1000)))
    daily = [definition for definition in definitions().values() if definition.on == ("days",)]
    chosen = [(definition.formula, definition.better) for definition in daily]
    evaluate_all(chosen, calendars(100))

    series = words(N_WORDS)
    seconds, runs = timed(lambda: published_columns(read_words(series)))
    report.add(f"{N_WORDS:,} words of {N_WEEKS} weeks, 54 definitions", seconds, "s", at_most=SECONDS)
    report.add("the same, words a second", N_WORDS / seconds, "words/s")
    report.notes.append(f"words, both runs: {runs}")

    pattern = calendars(N_PEOPLE)
    seconds, runs = timed(lambda: evaluate_all(chosen, pattern))
    name = f"{N_PEOPLE:,} calendars of {N_DAYS} days, {len(chosen)} daily definitions"
    report.add(name, seconds, "s", at_most=SECONDS)
    report.notes.append(f"calendars, both runs: {runs}")
    report.add(
        "peak memory of the process", resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024**2, "GiB", at_most=2
    )


def agreement(report: Report, folder: Path) -> None:
    """Rows of the agreement with CTNote: values that differ among all words and columns."""
    file = folder / "word_cases.csv.gz"
    if not file.exists():
        report.notes.append(f"agreement was not measured: {file} is not there")
        return
    with gzip.open(file, "rt", encoding="utf-8") as handle:
        rows = list(csv.DictReader(handle))
    names = list(rows[0])[4:]
    table, _ = published_columns(read_words([row["word"] for row in rows]))
    different = 0
    for name in names:
        for row, value in zip(rows, table[name].to_list(), strict=True):
            expected = None if row[name] == "" else float(row[name])
            both = value is not None and expected is not None
            different += not (abs(value - expected) <= TOLERANCE if both else value is None and expected is None)
    report.add("words compared with CTNote 0.1.3", len(rows), "words")
    report.add("columns compared", len(names), "columns", equals=62)
    report.add("values that differ by more than 1e-9, or are absent in one", different, "values", equals=0)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", nargs="?", type=Path, default=DEFAULT)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    report = Report()
    agreement(report, given.folder)
    speed(report)
    report.notes.append("building blocks: tests/reference/test_ctnote_endpoints.py holds all 516 calls")
    versions = describe_versions(("equipoise", "numpy", "numba", "polars"))
    return finish(report, as_json=given.json, versions=versions, title="Endpoint language")


if __name__ == "__main__":
    raise SystemExit(main())
