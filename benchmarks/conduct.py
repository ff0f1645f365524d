"""What people at a site wait for, and how long a ledger takes to verify.

    python benchmarks/conduct.py [--json]

Eight processes record assessment forms (the 39 questions of the FFMQ, with their scores) and randomize, on one SQLite
file, each without a pause between one form and the next: harder than any clinic, where people type. Beside it stand the
same forms with the pauses of people who are quick. Waiting for the write lock is in every figure, and so is synchronous
FULL. Then a ledger of 100,000 events, each a form of two values, is verified: chain, words, every table rebuilt.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from _report import Report, describe_versions, finish

PROCESSES = 8
FORMS = 60  # a process
EVENTS = 100_000


def _answers(protocol: object) -> dict[str, str]:
    """An answer to every question, not all the same: the checks would ask whether that is meant."""
    from equipoise.conduct.rules.forms import form_of

    made = form_of(protocol, "mindfulness")
    return {item.id: str(2 + number % 3) for number, item in enumerate(made.items)}


def _worker(stage: object, number: int, answers: dict[str, str], pause: float, acks: Path) -> None:
    from equipoise.conduct.actions.dispatch import perform
    from equipoise.conduct.drill.stage import acknowledge

    chance = random.Random(number)
    times = []
    for count in range(FORMS):
        if pause:
            time.sleep(chance.expovariate(1 / pause))
        participant = f"P{'q' if pause else ''}{number}-{count}"
        if count % 10 == 0:
            begin = time.perf_counter()
            perform(stage.trial, stage.investigator, "randomize", {"participant": participant})
            times.append(("randomize", time.perf_counter() - begin))
        given = {"participant": participant, "visit": "admission", "form": "mindfulness", "answers": answers}
        begin = time.perf_counter()
        perform(stage.trial, stage.investigator, "record", given)
        times.append(("record", time.perf_counter() - begin))
    for name, seconds in times:
        acknowledge(acks, name, f"{seconds:.6f}")


def _prepare(stage: object, people: list[str]) -> None:
    from equipoise.conduct.clock import Moment, SystemClock
    from equipoise.conduct.drill.stage import eligible_rows
    from equipoise.conduct.entropy import SystemEntropy, code
    from equipoise.conduct.trial.ledger import writing

    entropy = SystemEntropy()
    now = Moment.of(SystemClock(), "America/New_York")
    day = now.local_date.isoformat()
    protocol = stage.trial.protocol(stage.trial.protocol_hash)
    with writing(stage.trial) as writer:
        for participant in people:
            put = eligible_rows(protocol, participant, now.local_date)
            put["participant"][0] |= {"site": "main", "day_1": day}
            visit = {"participant": participant, "visit": "admission", "repeat": 1, "state": "attended"}
            put["visit"] = [{**visit, "date": day, "study_day": "1"}]
            writer.append(
                action="drill-entered",
                now=now,
                request=code(entropy, 6),
                step=0,
                account="",
                role="",
                site="main",
                device="",
                participant=participant,
                subject="",
                why="",
                what={"put": put},
                protocol_hash="",
                program_version="",
                entropy=entropy,
            )


def measure_forms(report: Report) -> None:
    """Eight at once, without pauses and with them."""
    from equipoise.conduct.drill.stage import acknowledged, staged, start
    from equipoise.conduct.integrity.verify import verify

    with staged(None, slots=PROCESSES * FORMS) as stage:
        answers = _answers(stage.trial.protocol(stage.trial.protocol_hash))
        for pause, words in ((0.0, "without pause"), (0.25, "a form every quarter of a second each")):
            mark = "q" if pause else ""
            _prepare(stage, [f"P{mark}{number}-{count}" for number in range(PROCESSES) for count in range(FORMS)])
            acks = stage.folder / f"times{mark}"
            begin = time.perf_counter()
            running = [start(stage, _worker, stage, number, answers, pause, acks) for number in range(PROCESSES)]
            for process in running:
                process.join()
            seconds = time.perf_counter() - begin
            told = acknowledged(acks)
            forms = sorted(float(time_) for name, time_ in told if name == "record")
            given = sorted(float(time_) for name, time_ in told if name == "randomize")
            report.add(f"forms recorded, {words}", len(forms), "", equals=PROCESSES * FORMS)
            if not forms:
                continue
            report.add(f"form, median, {words}", 1000 * statistics.median(forms), "ms", at_most=40)
            report.add(f"form, 99th percentile, {words}", 1000 * forms[int(0.99 * len(forms))], "ms", at_most=200)
            report.add(f"randomization, median, {words}", 1000 * statistics.median(given), "ms", at_most=40)
            report.add(f"randomization, slowest, {words}", 1000 * given[-1], "ms", at_most=200)
            report.add(f"forms a second, {words}", len(forms) / seconds, "1/s")
        report.add("findings of verify afterwards", len(verify(stage.trial).findings), "", equals=0)


def measure_verify(report: Report) -> None:
    """A ledger of 100,000 events, written past the guards because it is the reading that is measured."""
    from equipoise.conduct.audit_trail.canonical import digest_of, written
    from equipoise.conduct.audit_trail.events import hash_of
    from equipoise.conduct.audit_trail.projection import puts_of
    from equipoise.conduct.drill.stage import staged
    from equipoise.conduct.integrity.verify import verify
    from equipoise.conduct.rows import guards
    from equipoise.conduct.rows.statements import filled_at_once, insert_rows, move_head
    from equipoise.conduct.rows.tables import TABLES, EventRow, LedgerHeadRow
    from equipoise.conduct.trial.trial import Trial

    with staged(None, slots=40) as stage:
        owner = Trial(stage.trial.directory, stage.trial.config, as_owner=True)
        with owner.use():
            ((number, previous),) = owner.values(LedgerHeadRow, ("number", "hash"), ledger="open")
            at = owner.column(EventRow, "at", number=number)[0]
        events, rows = [], {"form": [], "item": []}
        while number < EVENTS:
            number += 1
            key = {"participant": f"P-{number}", "visit": "admission", "form": "stress", "repeat": 1}
            items = [{**key, "item": f"q{item}", "type": "integer", "value": str(item)} for item in range(2)]
            what = {"answer": {"form": "stress"}, "put": {"form": [{**key, "state": "recorded"}], "item": items}}
            text = written(what)
            event = EventRow(
                number,
                f"r{number}",
                0,
                "record",
                at,
                "America/New_York",
                -300,
                "",
                "staff",
                "coordinator",
                "main",
                "",
                key["participant"],
                "admission stress",
                "",
                text,
                "00",
                digest_of("00", "", text),
                "p" * 64,
                "1",
                previous,
                "",
            )
            previous = hash_of(event)
            events.append(event._replace(hash=previous))
            for put in puts_of(json.loads(text)):
                values = [put.values.get(name, put.table.columns.get(name)) for name in put.table.all[:-1]]
                rows[put.table.name].append((*values, number))
        with owner.use():
            guards.remove(owner.connection)
            with owner.connection.cursor() as cursor, filled_at_once(cursor):
                insert_rows(cursor, "event", EventRow._fields, events)
                for name, several in rows.items():
                    insert_rows(cursor, name, TABLES[name].all, several)
                move_head(cursor, "open", number, previous)
            guards.install(owner.connection)
        del events, rows
        begin, busy = time.perf_counter(), time.process_time()
        found = verify(owner)
        report.add(f"verify {found.n_events:,} events, tables rebuilt", time.perf_counter() - begin, "s", at_most=5)
        report.add("the same, processor", time.process_time() - busy, "s")
        report.add("findings in them", len(found.findings), "", equals=0)
        owner.close()


def main() -> int:
    """Measure and print; exit code 0 only if every target is met."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    arguments = parser.parse_args()
    report = Report()
    measure_forms(report)
    measure_verify(report)
    versions = describe_versions(("equipoise", "django", "cryptography"))
    return finish(report, as_json=arguments.json, versions=versions, title="the running trial on SQLite")


if __name__ == "__main__":
    sys.exit(main())
