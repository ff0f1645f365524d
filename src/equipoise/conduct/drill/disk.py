"""A full disk: refused in words, nothing half recorded, and on again when there is room."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from equipoise.conduct.drill.report import DrillReport
from equipoise.conduct.drill.stage import DrillStage, staged
from equipoise.conduct.integrity.verify import verify
from equipoise.conduct.rows.statements import limit_growth
from equipoise.conduct.rows.tables import EventRow, ParticipantRow
from equipoise.foundation.errors import ConductError

SIZE = 2000  # most writes tried before the disk is full
_MEGABYTES = 6


def run(database: str | None, size: int | None = None) -> DrillReport:
    """Run the drill; ``size`` bounds the writes tried until the disk is full."""
    report = DrillReport("disk", "postgresql" if database else "sqlite")
    if database:
        report.notes.append("the disk of a PostgreSQL server is not filled here; run this drill on SQLite")
        report.require(1, "drill not tried on PostgreSQL", "skipped", "skipped")
        return report.close()
    with _small_disk() as (folder, how):
        report.notes.append(f"the full disk is {how}")
        with _in(folder), staged(None, slots=20) as stage:
            _fill(report, stage, SIZE if size is None else size, folder)
    return report.close()


def _fill(report: DrillReport, stage: DrillStage, most: int, folder: Path | None) -> None:
    limited = folder is None
    if limited:  # no small disk to be had: SQLite itself is told that there is no room
        with stage.trial.use():
            limit_growth(stage.trial, spare=20)
    else:
        free = os.statvfs(folder or "/")
        (stage.folder / "ballast").write_bytes(b"x" * max(free.f_bavail * free.f_frsize - 600_000, 0))
    told: list[int] = []
    codes: set[str] = set()
    tries = 0
    while tries < most and len(codes) < 1:
        tries += 1
        try:
            receipt = stage.do("screen", participant=f"P-{tries}", site="main")
            told += receipt.events
        except ConductError as error:
            codes.add(error.problems[0].code)
    report.require(1, "the full disk is refused with", ", ".join(sorted(codes)), "C021")
    again = set()
    for number in range(5):
        try:
            stage.do("screen", participant=f"Q-{number}", site="main")
            told.append(-1)
        except ConductError as error:
            again.add(error.problems[0].code)
    report.require(2, "and again as long as it is full", ", ".join(sorted(again)), "C021")
    there = {row[0] for row in stage.values(EventRow, ("number",))}
    report.require(3, "acknowledged writes that are not there", sum(number not in there for number in told))
    found = stage.count(ParticipantRow)
    report.require(4, "participants without acknowledgement", found - len(told))
    report.require(5, "findings of verify on the full disk", len(verify(stage.trial).findings))
    if limited:
        with stage.trial.use():
            limit_growth(stage.trial)
    else:
        (stage.folder / "ballast").unlink()
    receipt = stage.do("screen", participant="R-1", site="main")
    report.require(6, "with room again, the next event follows without a gap", receipt.events[0], max(there) + 1)
    report.require(7, "findings of verify afterwards", len(verify(stage.trial).findings))
    report.note_value("writes until the disk was full", tries - 1)


@contextmanager
def _small_disk() -> Iterator[tuple[Path | None, str]]:
    """A small file system in memory where this account may mount one; else none, and the database is limited."""
    folder = Path(tempfile.mkdtemp(prefix="equipoise-disk-"))
    command = ["mount", "-t", "tmpfs", "-o", f"size={_MEGABYTES}m", "tmpfs", str(folder)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False, timeout=10).returncode == 0
    except (OSError, subprocess.SubprocessError):
        mounted = False
    try:
        if mounted:
            yield folder, f"a file system of {_MEGABYTES} MB, filled"
        else:
            yield None, "a limit on the pages of the database (this account may not mount a small file system)"
    finally:
        if mounted:
            subprocess.run(["umount", str(folder)], capture_output=True, check=False, timeout=10)
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _in(folder: Path | None) -> Iterator[None]:
    """Temporary folders are made in ``folder``."""
    before = tempfile.tempdir
    if folder is not None:
        tempfile.tempdir = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
