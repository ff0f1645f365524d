"""What lies outside the database is taken away, piece by piece: it is named, and no slot is given until it is back."""

from __future__ import annotations

import shutil
from pathlib import Path

from equipoise.conduct.actions.dispatch import perform
from equipoise.conduct.audit_trail.anchors import FILE, read_anchors
from equipoise.conduct.drill.report import DrillReport
from equipoise.conduct.drill.stage import DrillStage, kill, staged, start
from equipoise.conduct.integrity.absences import absences
from equipoise.conduct.integrity.verify import verify, verify_directory
from equipoise.conduct.rows.tables import AllocationRow, EventRow
from equipoise.foundation.errors import ConductError

SIZE = 6  # participants randomized before anything is taken away


def run(database: str | None, size: int | None = None) -> DrillReport:
    """Run the drill; ``size`` is the number of participants randomized first."""
    n = max(SIZE if size is None else size, 3)
    report = DrillReport("absence", "postgresql" if database else "sqlite")
    with staged(database, slots=3 * n + 40) as stage:
        people = [f"P-{number}" for number in range(n)]
        stage.enter([*people, *(f"N-{number}" for number in range(20)), *(f"K-{number}" for number in range(12))])
        for participant in people:
            stage.do("randomize", participant=participant)
        perform(stage.trial, stage.administrator, "freeze")
        perform(stage.trial, stage.administrator, "unfreeze", why="drill")
        report.require(1, "findings of verify before anything is taken away", len(verify(stage.trial).findings))
        _taken_away(report, stage, n)
        _killed(report, stage)
        _key_folder(report, stage)
        shutil.rmtree(stage.trial.receipts)
        last = stage.count(AllocationRow)
        perform(stage.trial, stage.administrator, "renew-receipts", {"last": last}, why="drill")
        report.require(10, "findings of verify after all is written again", len(verify(stage.trial).findings))
        report.require(11, "and the next slot is given", _next(stage, 19), "given")
    return report.close()


def _next(stage: DrillStage, number: int) -> str:
    try:
        stage.do("randomize", participant=f"N-{number}")
    except ConductError as error:
        return error.problems[0].code
    return "given"


def _taken_away(report: DrillReport, stage: DrillStage, n: int) -> None:
    folder = stage.trial.receipts
    away = folder.with_name("away")

    def without(number: int, words: str, take: Path, expected: int, *, empty: bool = False) -> None:
        """One thing moved away, what is then said, and all well again when it is back."""
        shutil.move(take, away)
        if empty:
            take.mkdir()
        found = verify(stage.trial).findings
        said = (len(found), {finding.code for finding in found} == {"C077"}, _next(stage, number))
        if empty:
            take.rmdir()
        shutil.move(away, take)
        report.require(number, words, said, (expected, True, "C077"))

    without(2, "the folder gone: findings, all of absence, and the next slot", folder, 1)
    without(3, "the folder empty, as of a disk not mounted", folder, n + 1, empty=True)
    without(4, "one receipt gone", folder / "receipt-00001.json", 1)
    without(5, "the file of anchors gone", folder / FILE, 1)
    frozen = stage.column(EventRow, "number", action="freeze")[0]
    kept = (folder / FILE).read_text("utf-8")
    lines = [line for line in kept.splitlines(keepends=True) if not line.startswith(f"{frozen} ")]
    (folder / FILE).write_text("".join(lines), "utf-8")
    found = verify(stage.trial).findings
    report.require(6, "one anchor gone", (len(found), _next(stage, 6)), (1, "C077"))
    (folder / FILE).write_text(kept, "utf-8")
    report.require(7, "with everything back the next slot is given", _next(stage, 7), "given")


def _worker(stage: DrillStage, person: str) -> None:
    perform(stage.trial, stage.investigator, "randomize", {"participant": person}, key=person)


def _killed(report: DrillReport, stage: DrillStage) -> None:
    """Programs killed while they randomize: whatever was kept has its receipt as soon as the next one comes."""
    for number in range(12):
        process = start(stage, _worker, stage, f"K-{number}")
        process.join(timeout=0.02 * number)
        kill(process)
    _next(stage, 8)
    with stage.trial.use():
        missing = absences(stage.trial)
    there = {anchor.number for anchor in read_anchors(stage.trial.receipts)}
    report.require(8, "receipts missing after programs were killed", len(missing))
    report.note_value(
        "slots given by programs that were killed",
        stage.count(AllocationRow, participant__like="K-%"),
    )
    report.note_value("anchors noted", len(there))


def _key_folder(report: DrillReport, stage: DrillStage) -> None:
    away = stage.pharmacy.with_name("pharmacy-away")
    shutil.move(stage.pharmacy, away)
    found = verify_directory(stage.trial.directory, pharmacy=stage.pharmacy)
    codes = {finding.code for finding in found.findings}
    try:
        perform(stage.trial, stage.investigator, "randomize", {"participant": "N-11"}, pharmacy=str(stage.pharmacy))
        said = "given"
    except ConductError as error:
        said = error.problems[0].code
    shutil.move(away, stage.pharmacy)
    words = "a key folder that is named and gone: a finding, and no slot"
    report.require(9, words, ("C040" in codes, said), (True, "C040"))
