"""Killed in the middle: whatever was acknowledged is there, whatever is there is whole."""

from __future__ import annotations

import random
import time
from pathlib import Path

from equipoise.conduct.actions.dispatch import perform
from equipoise.conduct.drill.report import DrillReport
from equipoise.conduct.drill.stage import DrillStage, acknowledge, acknowledged, kill, staged, start
from equipoise.conduct.integrity.verify import verify
from equipoise.conduct.rows.tables import EventRow
from equipoise.conduct.trial.trial import Trial

SIZE = 200  # processes killed


def run(database: str | None, size: int | None = None) -> DrillReport:
    """Run the drill; ``size`` is how many processes are killed while they write."""
    n = SIZE if size is None else size
    report = DrillReport("crash", "postgresql" if database else "sqlite")
    chance = random.Random(20260102)
    with staged(database, slots=20 * n + 40) as stage:
        acks = stage.folder / "acks"
        killed = lost = changed = broken = 0
        known = 0
        while killed < n:
            process = start(stage, _worker, stage, killed, acks)
            begun = time.perf_counter()
            while len(acknowledged(acks)) <= known and process.is_alive() and time.perf_counter() - begun < 30:
                time.sleep(0.001)
            time.sleep(0.03 * chance.random())
            kill(process)
            killed += 1
            told = acknowledged(acks)
            known = len(told)
            there = dict(stage.values(EventRow, ("number", "hash")))
            lost += sum(int(number) not in there for _, _, number, _ in told)
            changed += sum(there.get(int(number)) != hash for _, _, number, hash in told if int(number) in there)
            broken += sorted(there) != list(range(1, len(there) + 1))
        report.require(1, "acknowledged writes that are not there", lost)
        report.require(2, "acknowledged writes that are there as something else", changed)
        report.require(3, "times the ledger had a gap", broken)
        found = verify(stage.trial)
        report.require(4, "findings of verify: tables equal the ledger, chain whole", len(found.findings))
        Trial.open(stage.trial.directory).close()
        report.note_value("processes killed while they wrote", killed)
        report.note_value("writes acknowledged", known)
        report.note_value("events in the ledger", found.n_events)
    report.notes.append("kill -9 is the death of a process; a power cut is not tried here (synchronous FULL is set)")
    return report.close()


def _worker(stage: DrillStage, number: int, acks: Path) -> None:
    for count in range(10_000):
        participant = f"K{number}-{count}"
        for action, given in (("screen", {"site": "main"}), ("consent", {"version": "1"})):
            receipt = perform(stage.trial, stage.investigator, action, {"participant": participant, **given})
            acknowledge(acks, action, participant, receipt.events[-1], receipt.anchor.hash)
