"""Changed behind the program's back: each column, rows, ledgers, files; all of it named, but what cannot be."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path

from equipoise.conduct.actions.dispatch import perform
from equipoise.conduct.audit_trail.anchors import Anchor, add_anchor
from equipoise.conduct.drill.damage import (
    SEALED,
    Damage,
    changed_columns,
    damaged_ledgers,
    forged_after_the_last_anchor,
    is_named,
    seen,
)
from equipoise.conduct.drill.report import DrillReport
from equipoise.conduct.drill.stage import DrillStage, staged
from equipoise.conduct.integrity.copies import write_increment
from equipoise.conduct.integrity.verify import source_of, verify, verify_directory
from equipoise.conduct.rows.statements import empty_log
from equipoise.conduct.rows.tables import KINDS, LEDGERS, LedgerHeadRow, ParticipantRow
from equipoise.conduct.trial.trial import SQLITE_FILE, Trial, read_config
from equipoise.foundation.errors import ConductError

SIZE = 100  # damaged copies of each database file


def run(database: str | None, size: int | None = None) -> DrillReport:
    """Run the drill; ``size`` is how many damaged copies of each file are made (SQLite)."""
    n = SIZE if size is None else size
    report = DrillReport("tamper", "postgresql" if database else "sqlite")
    with staged(database, slots=40) as stage:
        _prepare(stage)
        owner = Trial(stage.trial.directory, stage.trial.config, as_owner=True)
        sound = verify(owner)
        report.require(1, "findings of verify before any damage", len(sound.findings))
        columns = changed_columns(owner)
        ledgers = damaged_ledgers(owner, anchored=sound.anchored_to)
        for number, words, kinds in (
            (2, "columns changed by hand and not named", columns),
            (3, "rows, ledgers and slots damaged and not named", ledgers),
        ):
            missed = [damage.name for damage in kinds if not is_named(damage, seen(owner, damage))]
            report.require(number, words, len(missed))
            report.notes += [f"not named: {name}" for name in missed]
            report.note_value(words.split(" and not")[0], len(kinds))
        empty = _empty_tables(stage)
        if empty:
            report.notes.append(f"without rows in this drill, so not tried: {', '.join(empty)}")
        _said(report, stage, owner)
        owner.close()
        if stage.trial.is_sqlite:
            _files(report, stage, n)
        else:
            report.notes.append("files of a PostgreSQL server are not damaged here: its own checksums are for that")
    return report.close()


def _prepare(stage: DrillStage) -> None:
    """A row in every table that the actions of this room can write."""
    stage.enter(["P-1", "P-2", "P-3"])
    for participant in ("P-1", "P-2"):
        stage.do("randomize", participant=participant)
    why = "drill"
    perform(stage.trial, stage.investigator, "unblind", {"participant": "P-1"}, why=why, pharmacy=str(stage.pharmacy))
    from equipoise.conduct.clock import Moment, SystemClock
    from equipoise.conduct.entropy import SystemEntropy, code
    from equipoise.conduct.keys.quarantine import place_of_item
    from equipoise.conduct.trial.ledger import writing

    entropy = SystemEntropy()
    for participant in ("P-1", "P-2"):
        form = {"participant": participant, "visit": "discharge", "form": "arm-guess", "repeat": 1}
        with writing(stage.trial) as writer:
            sealed = {**form, "form": "dissociation", "item": SEALED, "blinding": "quarantined"}
            place = place_of_item(sealed, writer.number + 1)
            sealed["value"] = stage.trial.sealer.seal(place, {"value": "31", "missing": ""}, entropy)
            writer.append(
                action="drill-entered",
                now=Moment.of(SystemClock(), ""),
                request=code(entropy, 6),
                step=0,
                account="",
                role="",
                site="main",
                device="",
                participant=participant,
                subject="",
                why="",
                what={
                    "put": {
                        "visit": [{"participant": participant, "visit": "discharge", "repeat": 1, "state": "missed"}],
                        "form": [{**form, "state": "recorded"}],
                        "item": [{**form, "item": "guess", "value": "1"}, sealed],
                    }
                },
                protocol_hash="",
                program_version="",
                entropy=entropy,
            )
    stage.do("query", participant="P-1", text="drill")
    signed = stage.do("sign", participant="P-1", meaning="reviewed", passphrase=stage.passphrase)
    add_anchor(stage.trial.receipts, signed.anchor)
    stage.do("screen", participant="P-9", site="main")  # after the last anchor


def _empty_tables(stage: DrillStage) -> list[str]:
    return [table.name for kind, table in KINDS.items() if not stage.has(kind)]


def _said(report: DrillReport, stage: DrillStage, owner: Trial) -> None:
    """What cannot be seen is said, and is seen as soon as an anchor or a copy lies outside."""
    forged: Damage = forged_after_the_last_anchor(owner)
    unseen = seen(owner, forged)
    report.note_value("a chain made anew after the last anchor is named", not unseen.ok)
    report.notes.append(
        "a chain made anew after the last anchor and the last copy cannot be seen; "
        f"here anchors vouch up to event {unseen.anchored_to} of {unseen.n_events}, which verify prints"
    )
    number, hash = stage.values(LedgerHeadRow, ("number", "hash"), ledger="open")[0]
    copy = stage.folder / "copy"
    people = frozenset(row[0] for row in stage.values(ParticipantRow, ("participant",)))
    with owner.use():
        last = Anchor(number, hash, "", "copy")
        write_increment(source_of(owner), owner.config, copy, site="main", last=last, participants=people)
    named = [finding.code for finding in seen(owner, forged, [copy]).findings]
    report.require(8, "the same with a copy of a site, and no anchor, is named", ", ".join(named), "C075")
    add_anchor(stage.trial.receipts, Anchor(number, hash, "", "drill"))
    report.require(4, "the same with an anchor outside is named", not seen(owner, forged).ok, True)


def _files(report: DrillReport, stage: DrillStage, n: int) -> None:
    """Bytes flipped in the database and in its log, logs cut: named, or nothing that was recorded is different."""
    chance = random.Random(20260103)
    number, hash = stage.values(LedgerHeadRow, ("number", "hash"), ledger="open")[0]
    add_anchor(stage.trial.receipts, Anchor(number, hash, "", "drill"))

    def flip(path: Path) -> None:
        data = bytearray(path.read_bytes())
        at = chance.randrange(len(data))
        data[at] ^= 1 << chance.randrange(8)
        path.write_bytes(bytes(data))

    def cut(path: Path) -> None:
        data = path.read_bytes()
        path.write_bytes(data[: chance.randrange(len(data))])

    # the database as it stands in use: most of it still in the log; then once more with everything in the main file
    running, settled = stage.folder / "running", stage.folder / "settled"
    shutil.copytree(stage.trial.directory, running)
    with stage.trial.use():
        empty_log(stage.trial)
    shutil.copytree(stage.trial.directory, settled)
    wal = f"{SQLITE_FILE}-wal"
    cases: list[tuple[int, str, Path, str, Callable[[Path], None]]] = [
        (5, "logs with a flipped byte", running, wal, flip),
        (6, "logs cut short", running, wal, cut),
        (7, "database files with a flipped byte", settled, SQLITE_FILE, flip),
    ]
    for number, words, source, name, harm in cases:
        shutil.copytree(source, stage.folder / f"whole-{number}")  # reading empties the log: never from the source
        whole, silent, harmless = _content(stage.folder / f"whole-{number}"), 0, 0
        for copy in range(n):
            target = stage.folder / f"copy-{number}-{copy}"
            shutil.copytree(source, target)
            for other in target.glob("*-shm"):
                other.unlink()
            harm(target / name)
            if verify_directory(target).ok:
                same = _content(target) == whole
                harmless += same
                silent += not same
            shutil.rmtree(target)
        report.require(number, f"{words}, changed in what they say and not named", silent)
        report.note_value(f"{words} that changed nothing recorded, of {n}", harmless)


def _content(directory: Path) -> object:
    """Every row of every table; nothing where it cannot be read."""
    from django.db import DatabaseError

    trial = Trial(directory, read_config(directory))
    try:
        with trial.use():
            return {kind: sorted(trial.find(kind)) for kind in (*LEDGERS, *KINDS)}
    except (DatabaseError, ConductError, UnicodeDecodeError):
        return None
    finally:
        trial.close()
