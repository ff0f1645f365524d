"""Backups: every table of a trial in one file, from one moment, for either database; the key is never in it.

Copying an SQLite file alone loses what its log still holds, and a copy of PostgreSQL's files is no copy at all. The
rows are read in one transaction, whatever is written meanwhile, and the file is loaded and verified before it counts.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import zipfile
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

from equipoise.conduct.audit_trail.anchors import Anchor, add_anchor
from equipoise.conduct.audit_trail.canonical import canonical, written
from equipoise.conduct.clock import Clock, Moment, usual_clock
from equipoise.conduct.entropy import Entropy, SystemEntropy, code
from equipoise.conduct.integrity.absences import renew, renewed
from equipoise.conduct.integrity.verify import Verification, source_of, verify
from equipoise.conduct.rows import guards
from equipoise.conduct.rows.statements import filled_at_once, heads, insert_rows, make_writer, moment, whole_table
from equipoise.conduct.rows.tables import TABLES
from equipoise.conduct.trial.create import make_tables, writer_name
from equipoise.conduct.trial.ledger import writing
from equipoise.conduct.trial.local_disk import require_local
from equipoise.conduct.trial.receipts import CONSENTS, write_private
from equipoise.conduct.trial.trial import Config, Trial, write_config
from equipoise.foundation.errors import ConductError, OutputError, Problem
from equipoise.foundation.version import program_version

CODES = {
    "C070": "A backup cannot be read, or was changed.",
    "C071": "A backup does not verify and cannot be used.",
    "O031": "The file for a backup, or the folder for a restored trial, exists already, or cannot be written.",
}
TABLES_KEPT = ("event", "sealed_event", "slot", "ledger_head", "credential", *TABLES)


@dataclass(frozen=True, slots=True)
class Backup:
    """What a backup holds: whose it is, when it was made, the anchors of both ledgers."""

    config: Config
    at: str
    number: int
    hash: str
    sealed: int
    rows: dict[str, int]
    consents: int = 0
    warning: str = ""


def back_up(
    trial: Trial,
    file: Path,
    *,
    account: str = "",
    clock: Clock | None = None,
    entropy: Entropy | None = None,
    check: bool = True,
) -> Backup:
    """Write a backup of ``trial`` to a new file; the making of it is an event of the trial, by ``account`` if one made
    it. Signed copies of consents, which hold names, are in it: they stand nowhere else.

    With ``check`` the file is loaded into a database of its own and verified first; one that is not whole is not kept.
    """
    clock, entropy = clock or usual_clock(trial.mode), entropy or SystemEntropy()
    if file.exists():
        raise OutputError(Problem("O031", str(file), "A file of this name is there.", "a new name"))
    now = Moment.of(clock, "")
    with writing(trial) as writer:
        writer.append(
            action="backup",
            now=now,
            request=code(entropy, 6),
            step=0,
            account=account,
            role="administrator" if account else "",
            site="",
            device="",
            participant="",
            subject=file.name,
            why="",
            what={"file": file.name},
            protocol_hash="",
            program_version=program_version(),
            entropy=entropy,
        )
    partial = file.with_name(f".{file.name}.partial")
    try:
        made = _write(trial, partial, now.text)
        if check:
            _require_whole(partial)
        os.replace(partial, file)
    except OSError as error:
        raise OutputError(
            Problem("O031", str(file), f"It cannot be written: {error.strerror}.", "a disk with room")
        ) from error
    finally:
        partial.unlink(missing_ok=True)
    try:
        add_anchor(trial.receipts, Anchor(made.number, made.hash, now.text, f"backup {file.name}"))
    except OSError as error:  # the backup is there and whole: that is what counts
        warning = f"the anchor could not be noted in {trial.receipts} ({error.strerror}); run `equipoise verify DIR`"
        return replace(made, warning=warning)
    return made


def _write(trial: Trial, file: Path, at: str) -> Backup:
    counts, digests = {}, {}
    with (
        trial.use(),
        moment(source_of(trial)),
        zipfile.ZipFile(file, "x", zipfile.ZIP_DEFLATED, compresslevel=6) as out,
    ):
        file.chmod(0o600)
        stood = {name: (number, hash) for name, number, hash in heads(source_of(trial))}
        for table in TABLES_KEPT:
            digest, n = hashlib.sha256(), 0
            with (
                out.open(f"{table}.jsonl", "w") as handle,
                trial.connection.cursor() as cursor,
                whole_table(cursor, table) as (columns, batches),
            ):
                head = written(columns).encode() + b"\n"
                handle.write(head)
                digest.update(head)
                for rows in batches:
                    text = "".join(f"{json.dumps(list(row), ensure_ascii=False)}\n" for row in rows).encode()
                    handle.write(text)
                    digest.update(text)
                    n += len(rows)
            counts[table], digests[table] = n, digest.hexdigest()
        signed = {path.name: path.read_bytes() for path in sorted((trial.directory / CONSENTS).glob("*.html"))}
        for name, content in signed.items():
            out.writestr(f"{CONSENTS}/{name}", content)
        config = trial.config
        number, hash = stood["open"]
        said = {
            "equipoise-backup": 1,
            "at": at,
            "program": program_version(),
            "trial": config.trial,
            "mode": config.mode,
            "instance": config.instance,
            "key": config.key,
            "number": number,
            "hash": hash,
            "sealed": stood["sealed"][0],
            "rows": counts,
            "digests": digests,
            "consents": {name: hashlib.sha256(content).hexdigest() for name, content in signed.items()},
        }
        out.writestr("backup.json", canonical(said))
    with open(file, "rb") as handle:
        os.fsync(handle.fileno())
    return Backup(config, at, number, hash, stood["sealed"][0], counts, len(signed))


def read_backup(file: Path) -> tuple[Backup, dict[str, Any]]:
    """What a backup says of itself; C070 where it cannot be read or was changed."""
    try:
        with zipfile.ZipFile(file) as archive:
            said = json.loads(archive.read("backup.json"))
            for table, digest in said["digests"].items():
                if hashlib.sha256(archive.read(f"{table}.jsonl")).hexdigest() != digest:
                    raise ValueError(f"{table} was changed")
            for name, digest in said.get("consents", {}).items():  # none in backups of before
                if hashlib.sha256(archive.read(f"{CONSENTS}/{name}")).hexdigest() != digest:
                    raise ValueError(f"the signed copy {name} was changed")
        config = Config(said["trial"], said["mode"], said["instance"], "sqlite", "receipts", said["key"])
        n = len(said.get("consents", {}))
        return Backup(config, said["at"], said["number"], said["hash"], said["sealed"], said["rows"], n), said
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise ConductError(
            Problem(
                "C070", str(file), f"It cannot be used: {error}.", "a file that `equipoise backup` wrote, unchanged"
            )
        ) from error


def _load(trial: Trial, file: Path) -> None:
    """Fill the empty tables of a trial from a backup, then set the guards."""
    owner = make_tables(trial, guarded=False)
    with owner.use(), zipfile.ZipFile(file) as archive, owner.connection.cursor() as cursor:
        with filled_at_once(cursor):
            for table in TABLES_KEPT:
                with archive.open(f"{table}.jsonl") as handle:
                    columns = json.loads(handle.readline())
                    while batch := [json.loads(line) for line in islice(handle, 2000)]:
                        insert_rows(cursor, table, columns, batch)
        guards.install(owner.connection)
        if trial.config.writer:
            make_writer(cursor, trial.config.writer)
    owner.close()


def _load_consents(directory: Path, file: Path) -> None:
    """Write the signed copies of consents back, each for the folder's owner alone."""
    _, said = read_backup(file)
    with zipfile.ZipFile(file) as archive:
        for name in said.get("consents", {}):
            if Path(name).name != name:
                raise ConductError(Problem("C070", str(file), f"A signed copy is called {name!r}.", "a plain name"))
            folder = directory / CONSENTS
            folder.mkdir(mode=0o700, exist_ok=True)
            write_private(folder / name, archive.read(f"{CONSENTS}/{name}").decode())


def _require_whole(file: Path) -> None:
    with tempfile.TemporaryDirectory(prefix="equipoise-backup-") as text:
        backup, _ = read_backup(file)
        directory = Path(text) / "trial"
        directory.mkdir(mode=0o700)
        trial = Trial(directory, backup.config)
        try:
            _load(trial, file)
            found = verify(trial, outside=False)
        finally:
            trial.close()
    _require(found, file)


def _require(found: Verification, file: Path) -> None:
    if not found.ok:
        raise ConductError(
            [Problem("C071", str(file), "The backup does not verify.", "a trial that is whole"), *found.findings[:10]]
        )


def restore(
    file: Path,
    directory: Path,
    *,
    database: str = "sqlite",
    receipts: str = "receipts",
    clock: Clock | None = None,
    entropy: Entropy | None = None,
) -> Trial:
    """The trial of a backup in a new folder, with the fence closed: nobody is randomized until ``lift-fence``.

    The backup may be older than what was given out since; the fence stands until every receipt given since is typed in.
    """
    entropy = entropy or SystemEntropy()
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        raise OutputError(
            Problem(
                "O031",
                str(directory),
                "It is there already.",
                "a folder that is not there yet, or is empty",
                "Keep the damaged trial as it is, and restore beside it.",
            )
        )
    backup, _ = read_backup(file)
    clock = clock or usual_clock(backup.config.mode)
    if database == "sqlite":
        require_local(directory)
    writer = "" if database == "sqlite" else writer_name(database, entropy)
    config = replace(backup.config, database=database, receipts=receipts, writer=writer)
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    write_config(directory, config)
    trial = Trial(directory, config)
    _load(trial, file)
    _load_consents(directory, file)
    found = verify(trial, outside=False)
    _require(found, file)
    trial.receipts.mkdir(parents=True, exist_ok=True, mode=0o700)
    now = Moment.of(clock, "")
    fence = f"restored from a backup of event {backup.number}, made {backup.at[:16]}Z"
    add_anchor(trial.receipts, Anchor(backup.number, backup.hash, backup.at, f"backup {file.name}"))
    with writing(trial) as ledger:
        ledger.append(
            action="restored",
            now=now,
            request=code(entropy, 6),
            step=0,
            account="",
            role="",
            site="",
            device="",
            participant="",
            subject=file.name,
            why="",
            what={
                "backup_at": backup.at,
                "backup_number": backup.number,
                "restored_at": now.text,
                "put": {"trial_state": [{"name": "trial", "randomization": "fenced", "fence": fence}]},
            },
            protocol_hash="",
            program_version=program_version(),
            entropy=entropy,
        )
    add_anchor(trial.receipts, Anchor(ledger.number, ledger.head, now.text, "restored"))
    with trial.use():  # receipts of the backup, as the ledger tells them: what is missing after this was given since
        renewed(trial, renew(trial)[0], [])
    trial.require_whole()
    return trial
