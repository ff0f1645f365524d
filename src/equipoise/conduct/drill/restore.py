"""From an old backup: the fence is closed, and nothing is given twice."""

from __future__ import annotations

import json
import shutil

from equipoise.conduct.actions.dispatch import perform
from equipoise.conduct.audit_trail.anchors import add_anchor, read_anchors
from equipoise.conduct.drill.report import DrillReport
from equipoise.conduct.drill.stage import DrillStage, one_database, staged
from equipoise.conduct.integrity.backup import back_up, restore
from equipoise.conduct.integrity.verify import verify
from equipoise.conduct.rows.tables import AllocationRow
from equipoise.conduct.trial.trial import Trial
from equipoise.foundation.errors import ConductError

SIZE = 30  # participants randomized, a third before the backup


def run(database: str | None, size: int | None = None) -> DrillReport:
    """Run the drill; ``size`` is the number of participants."""
    n = max(SIZE if size is None else size, 6)
    report = DrillReport("restore", "postgresql" if database else "sqlite")
    with staged(database, slots=n + 10) as stage, one_database(database) as again:
        before = [f"A-{number}" for number in range(n // 3)]
        known = [f"B-{number}" for number in range(n // 3)]
        new = [f"C-{number}" for number in range(n // 3)]
        stage.enter([*before, *known])
        for participant in before:
            stage.do("randomize", participant=participant)
        made = back_up(stage.trial, stage.folder / "backup")
        stage.enter(new)
        for pair in zip(known, new, strict=True):
            for participant in pair:
                stage.do("randomize", participant=participant)
        given = dict(stage.values(AllocationRow, ("participant", "handle")))
        receipts = [json.loads(path.read_text("utf-8"))["receipt"] for path in stage.trial.receipts.glob("receipt-*")]
        since = [line for line in receipts if int(line.split()[0]) > len(before)]
        restored = restore(stage.folder / "backup", stage.folder / "restored", database=again)
        try:
            _after(report, stage, restored, since, given, known, new)
        finally:
            restored.close()
        report.note_value("events in the backup", made.number)
    return report.close()


def _after(
    report: DrillReport,
    stage: DrillStage,
    restored: Trial,
    since: list[str],
    given: dict[str, str],
    known: list[str],
    new: list[str],
) -> None:
    def refused(session: object, action: str, **arguments: object) -> str:
        try:
            perform(restored, session, action, arguments, why="drill")  # type: ignore[arg-type]
        except ConductError as error:
            return error.problems[0].code
        return "done"

    last = len(given)
    kept = read_anchors(stage.trial.receipts)
    for path in stage.trial.receipts.glob("receipt-*"):
        shutil.copy(path, restored.receipts)
    for anchor in kept:
        add_anchor(restored.receipts, anchor)
    lost = verify(restored)
    codes = ", ".join(sorted({finding.code for finding in lost.findings}))
    report.require(8, "anchors of what was lost are named until it is acknowledged", codes, "C065")
    report.require(
        1, "randomizing behind the fence", refused(stage.investigator, "randomize", participant=known[0]), "C018"
    )
    one_less = refused(stage.administrator, "lift-fence", receipts=since[1:], last=last)
    report.require(2, "lifting the fence with a receipt missing", one_less, "C131")
    short = refused(stage.administrator, "lift-fence", receipts=[], last=last)
    report.require(3, "lifting the fence without receipts", short, "C131")
    perform(restored, stage.administrator, "lift-fence", {"receipts": since, "last": last}, why="drill")
    stage.trial, original = restored, stage.trial
    stage.enter([*new, "D-1"])
    for participant in (*new, "D-1"):
        stage.do("randomize", participant=participant)
    now = dict(stage.values(AllocationRow, ("participant", "handle")))
    report.require(
        4, "participants whose slot is another than before", sum(now.get(who) != given[who] for who in given)
    )
    report.require(5, "slots given twice", len(now) - len(set(now.values())))
    positions = sorted(row[0] for row in stage.values(AllocationRow, ("position",)))
    report.require(6, "slots are exactly 1 to n", positions == list(range(1, last + 2)), True)
    found = verify(restored)
    report.require(7, "findings of verify after the restore", len(found.findings))
    report.require(
        9, "the loss in its notes", any(note.startswith("lost with a restore") for note in found.notes), True
    )
    stage.trial = original
