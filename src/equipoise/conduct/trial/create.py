"""A new trial: folder, database, guards, key, lists, first accounts; all of it, or nothing."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from equipoise.conduct.audit_trail.anchors import Anchor, add_anchor
from equipoise.conduct.clock import Clock, Moment, usual_clock
from equipoise.conduct.entropy import Entropy, SystemEntropy, code
from equipoise.conduct.keys.credentials import credential_digest, hashed, require_passphrase
from equipoise.conduct.keys.quarantine import key_words, write_safety_key
from equipoise.conduct.keys.vault import Vault, fingerprint_of, write_key
from equipoise.conduct.rows import guards
from equipoise.conduct.rows.statements import insert_row, make_writer
from equipoise.conduct.rows.tables import LedgerHeadRow
from equipoise.conduct.rules.accounts import check_name, check_roles
from equipoise.conduct.rules.conditions import check_conditions
from equipoise.conduct.rules.forms import check_blinding
from equipoise.conduct.rules.single_dose import check_doses
from equipoise.conduct.trial.causes import problem_of
from equipoise.conduct.trial.ledger import Writer, writing
from equipoise.conduct.trial.local_disk import require_local
from equipoise.conduct.trial.slots import draw_slots
from equipoise.conduct.trial.trial import CONFIG, Config, Mode, Trial, write_config
from equipoise.foundation.errors import ConductError, OutputError, Problem, raise_if_any
from equipoise.foundation.version import program_version
from equipoise.protocol import Protocol

CODES = {
    "O030": "The folder for a new trial, or the pharmacy's, exists already and is not empty.",
    "C008": "The database of a new trial already holds tables.",
}


@dataclass(frozen=True, slots=True)
class FirstAccount:
    """An account that a trial begins with."""

    account: str
    roles: tuple[str, ...]
    passphrase: str
    person: str = ""
    sites: tuple[str, ...] = ()


def create_trial(
    protocol: Protocol,
    directory: Path,
    *,
    mode: Mode,
    pharmacy: Path,
    accounts: Sequence[FirstAccount],
    companion: Path | None = None,
    database: str = "sqlite",
    receipts: str = "receipts",
    slots: int | None = None,
    zone: str = "UTC",
    safety: Path | None = None,
    safety_copy: str = "",
    clock: Clock | None = None,
    entropy: Entropy | None = None,
) -> Trial:
    """Make a trial in ``directory``, and the folders of the pharmacy and of the safety role beside it.

    ``safety`` is by default the trial's folder with "-safety" after its name; ``safety_copy`` is the passphrase under
    which a copy of the safety role's key is kept in the first event (none without).

    ``companion`` is a sealed list of the same mode; one is sealed here where none is given, its commitment written
    beside it. ``slots`` says how many a stream holds, by default twice the planned number of participants. Raises
    O030 where a folder is in use, C001 on a network drive, and what the companion refuses.
    """
    from equipoise.randomization import companion_text, planned_randomizations, read_companion, seal

    clock, entropy = clock or usual_clock(mode), entropy or SystemEntropy()
    safety = safety or directory.with_name(f"{directory.name}-safety")
    folders = (directory, pharmacy, safety)
    for folder in folders:
        if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
            raise OutputError(
                Problem(
                    "O030",
                    str(folder),
                    "It is there already.",
                    "a folder that is not there yet, or is empty",
                    "Name another; a trial is never overwritten.",
                )
            )
    if database == "sqlite":
        require_local(directory)
    # What a dose needs, and whatever would tell arms apart, is said before anybody is enrolled.
    raise_if_any(ConductError, [*check_doses(protocol), *check_blinding(protocol), *check_conditions(protocol)])
    _require_accounts(accounts)
    randomizes = protocol.model.randomization is not None
    lists = None
    if randomizes:
        planned_randomizations(protocol)
        lists = read_companion(companion, protocol, kind=mode) if companion else None
        if lists is None:
            lists = seal(protocol, entropy=entropy.bytes, kind=mode)
    instance, key, secret = entropy.bytes(16).hex(), entropy.bytes(32), entropy.bytes(32)
    role = "" if database == "sqlite" else writer_name(database, entropy)
    config = Config(protocol.id, mode, instance, database, receipts, fingerprint_of(key), role)
    vault = Vault(key, trial=protocol.id, mode=mode, instance=instance)
    n = slots or max(2 * int(protocol.model.trial.planned_n.usable or 0), 40)
    made = [folder for folder in folders if not folder.exists()]
    trial = None
    try:
        for folder in folders:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_config(directory, config)
        trial = Trial(directory, config)
        owner = make_tables(trial)
        with owner.connection.cursor() as cursor:
            if config.writer:
                make_writer(cursor, config.writer)
            for ledger in ("open", "sealed"):
                insert_row(cursor, LedgerHeadRow(ledger, 0, trial.genesis(ledger)))
        owner.close()
        write_key(pharmacy / "key.json", key, trial=protocol.id, mode=mode, instance=instance)
        write_safety_key(safety, secret, trial=protocol.id, mode=mode, instance=instance)
        if lists is not None:
            _write_private(pharmacy / "companion.yaml", companion_text(lists))
            _write_private(pharmacy / "commitment.txt", f"{lists.commitment}\n")
        with writing(trial) as writer:
            words = key_words(secret, safety_copy, entropy, trial=protocol.id, instance=instance)
            _first_events(writer, protocol, accounts, zone, words, clock, entropy)
            if lists is not None:
                _seal_lists(writer, vault, lists, n, clock, entropy)
        trial.receipts.mkdir(parents=True, exist_ok=True, mode=0o700)
        anchor = Anchor(writer.number, writer.head, Moment.of(clock, "").text, "init")
        add_anchor(trial.receipts, anchor)
        trial.require_whole()
    except BaseException:
        if trial is not None:
            trial.close()
        for folder in made:
            shutil.rmtree(folder, ignore_errors=True)
        if directory not in made and (directory / CONFIG).exists():
            for path in directory.iterdir():
                path.unlink() if path.is_file() else shutil.rmtree(path, ignore_errors=True)
        raise
    return trial


def _require_accounts(accounts: Sequence[FirstAccount]) -> None:
    """Refuse first accounts that break the blind (C113) or are taken for one another (C114)."""
    names = [first.account for first in accounts]
    raise_if_any(
        ConductError,
        [
            *(problem for first in accounts for problem in check_roles(first.account, first.roles)),
            *(problem for at, name in enumerate(names) for problem in check_name("account", name, names[:at])),
        ],
    )


def _write_private(path: Path, text: str) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as out:
        out.write(text)


def make_tables(trial: Trial, *, guarded: bool = True) -> Trial:
    """Make the tables in an empty database; returns the trial opened as their owner.

    ``guarded=False`` leaves the guards off, for filling the tables from a backup.
    """
    from django.core.management import call_command
    from django.db import DatabaseError, InterfaceError

    owner = Trial(trial.directory, trial.config, as_owner=True)
    try:
        if "event" in owner.connection.introspection.table_names():
            raise ConductError(
                Problem(
                    "C008",
                    shown_address(trial.config.database),
                    "It holds a trial already.",
                    "an empty database",
                    "Make a database of its own for every trial, training and production apart.",
                )
            )
        call_command("migrate", database=owner.alias, verbosity=0, interactive=False)
        if not guarded:
            guards.remove(owner.connection)
        if trial.is_sqlite:
            trial.sqlite_file.chmod(0o600)
    except (DatabaseError, InterfaceError) as error:
        owner.close()
        unusable = Problem(
            "C007",
            shown_address(trial.config.database),
            f"It cannot be used: {str(error).strip()}.",
            "an empty database, and an account that may make tables and roles",
        )
        raise ConductError(problem_of(error, trial) or unusable) from error
    return owner


def shown_address(database: str) -> str:
    """A database's address without its password."""
    return re.sub(r"//([^:/@]*):[^@]*@", r"//\1:...@", database)


def writer_name(database: str, entropy: Entropy) -> str:
    """A name for the lesser role of a database, new on its server."""
    return f"equipoise_{entropy.bytes(6).hex()}_{sha256(database.encode()).hexdigest()[:8]}"


def _first_events(
    ledger: Writer,
    protocol: Protocol,
    accounts: Sequence[FirstAccount],
    zone: str,
    safety: dict[str, Any],
    clock: Clock,
    entropy: Entropy,
) -> None:
    trial, request = ledger.trial, code(entropy, 6)
    credentials = []
    rows = []
    for first in accounts:
        require_passphrase(first.account, first.passphrase)
        encoded = hashed(first.passphrase, entropy)
        credentials.append((first.account, encoded))
        rows.append(
            {
                "account": first.account,
                "person": first.person or first.account,
                "roles": ",".join(first.roles),
                "sites": ",".join(first.sites),
                "credential": credential_digest(encoded),
            }
        )
    now = Moment.of(clock, zone)
    sites = [{"site": site, "zone": zone} for site in protocol.model.sites or ("main",)]
    entry = ledger.append(
        action="init",
        now=now,
        request=request,
        step=0,
        account="",
        role="",
        site="",
        device="",
        participant="",
        subject=protocol.id,
        why="",
        what={
            "trial": protocol.id,
            "mode": trial.mode,
            "instance": trial.config.instance,
            "quarantine": safety,
            "put": {
                "trial_state": [{"name": "trial", "protocol_hash": protocol.hash}],
                "protocol_version": [version_row(protocol, 1, now, "")],
                "site": sites,
                "account": rows,
            },
        },
        protocol_hash=protocol.hash,
        program_version=program_version(),
        entropy=entropy,
    )
    for account, encoded in credentials:
        ledger.set_credential(account, encoded, entry.number)


def version_row(protocol: Protocol, version: int, now: Moment, note: str) -> dict[str, Any]:
    """The row of a version of the protocol."""
    return {
        "hash": protocol.hash,
        "version": version,
        "file_hash": protocol.file_hash,
        "text": protocol.text,
        "adopted_at": now.text,
        "note": note,
    }


def _seal_lists(ledger: Writer, vault: Vault, lists: Any, n: int, clock: Clock, entropy: Entropy) -> None:
    slots = list(draw_slots(lists, vault, entropy, n))
    streams = [{"stream": stream} for stage in lists.stages for stream in lists.streams(stage)]
    entry = ledger.append(
        action="lists-sealed",
        now=Moment.of(clock, ""),
        request=code(entropy, 6),
        step=0,
        account="",
        role="",
        site="",
        device="",
        participant="",
        subject="randomization",
        why="",
        what={"put": {"stream": streams}},
        protocol_hash="",
        program_version=program_version(),
        entropy=entropy,
    )
    ledger.seal(vault, entry, {"commitment": lists.commitment, "slots": len(slots)}, entropy, slots)
