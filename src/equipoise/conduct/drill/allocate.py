"""Many at once: slots are given one after the other, one a participant, whoever asks how often and dies meanwhile."""

from __future__ import annotations

import random
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

from equipoise.conduct.actions.dispatch import perform
from equipoise.conduct.drill.report import DrillReport
from equipoise.conduct.drill.stage import DrillStage, acknowledge, acknowledged, kill, staged, start
from equipoise.conduct.integrity.verify import verify
from equipoise.conduct.rows.tables import AllocationRow
from equipoise.foundation.errors import ConductError

SIZE = 2000  # randomizations
PROCESSES = 16
AT_ONCE = 32  # requests for one and the same participant


def run(database: str | None, size: int | None = None) -> DrillReport:
    """Run the drill; ``size`` is the number of randomizations."""
    n = SIZE if size is None else size
    report = DrillReport("allocate", "postgresql" if database else "sqlite")
    processes, at_once = (PROCESSES, AT_ONCE) if n >= 500 else (8, 12)
    with staged(database, slots=n + 10) as stage:
        people = [f"P-{number:05d}" for number in range(n)]
        stage.enter([*people, "SAME"])
        acks = stage.folder / "acks"
        kills, seconds = _randomize_all(stage, people, acks, processes)
        same = _at_once(stage, at_once)
        told = {words[0]: words[1] for words in acknowledged(acks)}
        found = stage.values(AllocationRow, ("participant", "handle", "position", "event_number", "receipt"))
        positions = sorted(row[2] for row in found)
        total = n + 1
        report.require(1, "every participant has one slot", len({row[0] for row in found}), total)
        report.require(2, "slots are exactly 1 to n, each once", positions == list(range(1, total + 1)), True)
        handles = Counter(row[1] for row in found)
        report.require(3, "slots given twice", sum(count > 1 for count in handles.values()))
        order = [row[2] for row in sorted(found, key=lambda row: row[3])]
        report.require(4, "slots given out of the order of arrival", sum(b < a for a, b in pairwise(order)))
        given = {row[0]: row[1] for row in found}
        wrong = sum(given.get(who) != handle for who, handle in told.items())
        report.require(5, "answers told that the ledger does not hold", wrong)
        report.require(6, "one participant asked for many times at once: different slots told", len(set(same)), 1)
        report.require(
            7, "receipt numbers without a gap", sorted(row[4] for row in found) == list(range(1, total + 1)), True
        )
        report.require(8, "findings of verify", len(verify(stage.trial).findings))
        report.note_value("processes", processes)
        report.note_value("processes killed meanwhile", kills)
        report.note_value("requests for the one participant", at_once)
        report.note_value("randomizations a second", round(n / seconds, 1), "1/s")
    return report.close()


def _worker(stage: DrillStage, people: list[str], acks: Path) -> None:
    for participant in people:
        receipt = perform(stage.trial, stage.investigator, "randomize", {"participant": participant}, key=participant)
        acknowledge(acks, participant, receipt.answer["handle"])


def _randomize_all(stage: DrillStage, people: list[str], acks: Path, processes: int) -> tuple[int, float]:
    """All participants randomized by processes of which some are killed; the same request is sent again afterwards."""
    chance = random.Random(20260101)
    begin, kills = time.perf_counter(), 0
    slices = [people[at::processes] for at in range(processes)]
    running = {at: start(stage, _worker, stage, part, acks) for at, part in enumerate(slices)}
    most = max(processes, len(people) // 50)
    while running:
        time.sleep(0.01 + 0.05 * chance.random())
        done = {words[0] for words in acknowledged(acks)}
        if kills < most and len(done) < len(people):
            kill(running[chance.choice(sorted(running))])
            kills += 1
        for at in list(running):
            if running[at].is_alive():
                continue
            running.pop(at).join()
            rest = [participant for participant in slices[at] if participant not in done]
            if rest:
                running[at] = start(stage, _worker, stage, rest, acks)
    return kills, time.perf_counter() - begin


def _same(stage: DrillStage, number: int, acks: Path) -> None:
    try:
        # half of them are one request sent again, half are requests of their own
        key = "same" if number % 2 else None
        receipt = perform(stage.trial, stage.investigator, "randomize", {"participant": "SAME"}, key=key)
        acknowledge(acks, receipt.answer["handle"])
    except ConductError as error:
        acknowledge(acks, error.problems[0].code)


def _at_once(stage: DrillStage, at_once: int) -> list[str]:
    """The one participant posted by many processes; handles told, whoever was refused left out."""
    acks = stage.folder / "same"
    running = [start(stage, _same, stage, number, acks) for number in range(at_once)]
    for process in running:
        process.join()
    words = [line[0] for line in acknowledged(acks)]
    return [word for word in words if word != "C126"] + ["?"] * (at_once - len(words))
