"""A trial on disk: its folder, its database, its versions of the protocol.

The folder holds ``trial.json`` (which trial this is), the database where it is SQLite, and by default the receipts. The
pharmacy's folder, with the key and the sealed companion, lies elsewhere.
"""

from __future__ import annotations

import json
import os
from base64 import b64decode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from equipoise.conduct.audit_trail.canonical import canonical, genesis
from equipoise.conduct.keys.vault import pharmacy_folder
from equipoise.conduct.rows import guards
from equipoise.conduct.rows.find import Rows
from equipoise.conduct.rows.statements import owner_in_use
from equipoise.conduct.rows.tables import EventRow, ProtocolVersionRow, TrialStateRow
from equipoise.conduct.trial import django_settings as settings
from equipoise.conduct.trial.local_disk import require_local
from equipoise.conduct.trial.protocol_versions import is_read, note_reading, read_version
from equipoise.foundation.errors import ConductError, Problem

if TYPE_CHECKING:
    from equipoise.conduct.keys.quarantine import Quarantine, Sealer
    from equipoise.conduct.keys.vault import Vault
    from equipoise.conduct.rules.telling_texts import TellingNames
    from equipoise.protocol import Protocol

CODES = {
    "C002": "The folder holds no trial, or one of another kind.",
    "C003": "The folder and its database belong to different trials, or one is training and the other production.",
    "C004": "A guard of the database is missing or was changed.",
    "C005": "The program runs as the owner of the ledger.",
    "C007": "The database does not exist or is damaged.",
}

Mode = Literal["production", "training"]
CONFIG = "trial.json"
SQLITE_FILE = "trial.sqlite3"


@dataclass(frozen=True, slots=True)
class Config:
    """What ``trial.json`` says."""

    trial: str
    mode: str
    instance: str
    database: str
    receipts: str
    key: str
    writer: str = ""

    def text(self) -> str:
        """The file's text."""
        names = ("trial", "mode", "instance", "database", "receipts", "key", "writer")
        return json.dumps({"equipoise-trial": 1, **{name: getattr(self, name) for name in names}}, indent=1) + "\n"


def read_config(directory: Path) -> Config:
    """The trial of a folder; C002 where there is none."""
    try:
        said = json.loads((directory / CONFIG).read_text("utf-8"))
        if said.pop("equipoise-trial") != 1:
            raise ValueError("another version")
        return Config(**said)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        raise ConductError(
            Problem(
                "C002",
                str(directory),
                f"There is no trial here: {CONFIG} is absent or cannot be read.",
                "a folder made by `equipoise init`",
                "Name the trial's folder, or make one: equipoise init P DIR --training",
            )
        ) from None


class Trial(Rows):
    """An open trial. ``with trial.use():`` lets its rows be read; changes go through the door alone."""

    def __init__(self, directory: Path, config: Config, *, as_owner: bool = False) -> None:
        """``as_owner`` connects as who owns the tables: for making them, and for drills that damage them."""
        self.directory = directory
        self.config = config
        self._protocols: dict[str, Protocol] = {}
        self.telling: dict[tuple[str, ...], TellingNames] = {}  # names that tell an arm, by versions (held_texts.py)
        tail = sha256(str(directory.resolve()).encode()).hexdigest()[:8]
        self.alias = f"trial-{config.instance[:8]}-{tail}{'-owner' if as_owner else ''}"
        settings.set_up()
        settings.add_database(self.alias, self._database(as_owner=as_owner))

    @classmethod
    def open(cls, directory: str | os.PathLike[str]) -> Trial:
        """The trial of a folder, after the checks of start-up.

        Refused are a network drive or synchronized folder (C001), a folder without a trial (C002), a database of
        another trial or mode (C003), missing guards (C004), running as the owner of the ledger (C005), and a program
        that reads the trial's protocol differently than the one that recorded it (C006).
        """
        where = Path(directory)
        trial = cls(where, read_config(where))
        if trial.is_sqlite:
            require_local(where)
            if not trial.sqlite_file.is_file():
                raise ConductError(absent_database(trial))
        trial.require_whole()
        return trial

    # ------------------------------------------------------------------ where things are

    @property
    def is_sqlite(self) -> bool:
        """Whether the trial is kept in an SQLite file of its folder."""
        return self.config.database == "sqlite"

    @property
    def sqlite_file(self) -> Path:
        """The database file."""
        return self.directory / SQLITE_FILE

    @property
    def receipts(self) -> Path:
        """Folder of receipts and anchors."""
        return self.directory / self.config.receipts  # an absolute path stays itself

    @property
    def mode(self) -> str:
        """`production` or `training`."""
        return self.config.mode

    def genesis(self, ledger: str) -> str:
        """What the first entry of a ledger (``open`` or ``sealed``) is chained to."""
        return genesis(ledger, self.config.trial, self.config.mode, self.config.instance)

    def _database(self, *, as_owner: bool = False) -> dict[str, Any]:
        if self.is_sqlite:
            return settings.sqlite_database(str(self.sqlite_file))
        url = os.environ.get("EQUIPOISE_DATABASE") or self.config.database
        return settings.postgres_database(url, role="" if as_owner else self.config.writer)

    # ------------------------------------------------------------------ using it

    @contextmanager
    def use(self) -> Iterator[None]:
        """Queries of the block go to this trial."""
        token = settings.CURRENT.set(self.alias)
        try:
            yield
        finally:
            settings.CURRENT.reset(token)

    @property
    def connection(self) -> Any:
        """Django's connection to the database."""
        from django.db import connections

        return connections[self.alias]

    def run(self, statement: str, parameters: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
        """The rows of a statement, which the folder of rows alone writes."""
        connection = self.connection
        if self.is_sqlite:
            # an action asks a dozen small questions under the write lock: straight from the driver, at half the time
            connection.ensure_connection()
            with connection.wrap_database_errors:
                return list(connection.connection.execute(_in_sqlite(statement), parameters).fetchall())
        with connection.cursor() as cursor:
            cursor.execute(statement, parameters)
            return list(cursor.fetchall())

    def close(self) -> None:
        """Close the connection."""
        self.connection.close()

    def look_again(self) -> None:
        """Between two requests of a server: leave a connection whose file is no longer the one in its place. SQLite
        would go on writing into the file that it opened, moved away or deleted.
        """
        if not self.is_sqlite:
            return
        try:
            found = os.stat(self.sqlite_file)
            there = (found.st_dev, found.st_ino)
        except OSError:
            there = None
        connection = self.connection
        if getattr(connection, "trial_file", there) != there:
            connection.close()
        connection.trial_file = there

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A place in the queue of writers on this machine.

        SQLite's own waiting is a lottery: who polls at the right moment wins, and the unlucky wait for seconds. A lock
        on a file is given in turn, and the system gives it back when a process dies. PostgreSQL queues by itself.
        """
        if not self.is_sqlite:
            yield
            return
        with self.alone(".turn"):
            yield

    @contextmanager
    def alone(self, name: str) -> Iterator[None]:
        """One process of this machine at a time in what ``name``, a file of the trial's folder, stands for."""
        with open(self.directory / name, "a+b") as handle:
            _lock(handle)
            yield

    # ------------------------------------------------------------------ protocol

    def protocol(self, hash: str) -> Protocol:
        """A version of the protocol by its hash, as this program reads it; C006 where it reads differently."""
        if hash not in self._protocols:
            with self.use():
                found = self.column(ProtocolVersionRow, "text", hash=hash)
            if not found:
                raise ConductError(Problem("C006", hash[:12], "The trial has no such version of the protocol."))
            self._protocols[hash] = read_version(found[0], hash)
        return self._protocols[hash]

    @property
    def protocol_hash(self) -> str:
        """Hash of the version in force."""
        with self.use():
            return str(self.column(TrialStateRow, "protocol_hash", name="trial")[0])

    def vault(self, pharmacy: str | os.PathLike[str] | None) -> Vault:
        """The vault of the pharmacy's folder (by default that of EQUIPOISE_PHARMACY)."""
        from equipoise.conduct.keys.vault import read_vault

        folder = pharmacy_folder(pharmacy)
        config = self.config
        return read_vault(
            folder / "key.json", trial=config.trial, mode=config.mode, instance=config.instance, fingerprint=config.key
        )

    @cached_property
    def request_key(self) -> bytes:
        """The key by which the private part of a repeated request is known; made where the folder has none yet."""
        from equipoise.conduct.trial.request_key import request_key

        return request_key(self.directory)

    @cached_property
    def safety_words(self) -> dict[str, Any]:
        """What the first event says of the safety role's key; empty where the trial has none."""
        with self.use():
            first = self.first(EventRow, number=1)
        return dict(first.content.get("quarantine", {})) if first else {}

    @cached_property
    def sealer(self) -> Sealer:
        """Seals quarantined values, for everybody who records; C043 where the trial was made without a key."""
        from equipoise.conduct.keys.quarantine import Sealer

        public = self.safety_words.get("public")
        if public is None:
            raise ConductError(
                Problem(
                    "C043",
                    str(self.directory),
                    "The trial was made without a key for quarantined values.",
                    "a trial made by this version",
                    "Make the trial anew: equipoise init.",
                )
            )
        config = self.config
        return Sealer(b64decode(public), trial=config.trial, mode=config.mode, instance=config.instance)

    def copy_safety_key(self, passphrase: str, folder: Path) -> Path:
        """Write the safety role's key anew from its copy in the first event; C046 or O032."""
        from equipoise.conduct.keys.quarantine import copy_key

        config = self.config
        whose = {"trial": config.trial, "mode": config.mode, "instance": config.instance}
        return copy_key(self.safety_words, passphrase, folder, **whose)

    def quarantine(self, safety: str | os.PathLike[str] | None = None) -> Quarantine | None:
        """The safety role's key: from its folder where one is named (or EQUIPOISE_SAFETY), or published after the lock.

        ``None`` where neither is so; C043 where a folder is named and holds no key of this trial.
        """
        from equipoise.conduct.keys.quarantine import Quarantine, read_quarantine, safety_folder

        config, folder = self.config, safety_folder(safety)
        whose = {"trial": config.trial, "mode": config.mode, "instance": config.instance}
        if folder is not None:
            return read_quarantine(folder, self.sealer.public, **whose)
        with self.use():
            opened = self.first(EventRow, action="open-quarantine", order=("number",))
        published = opened.content.get("secret") if opened else None
        return Quarantine(b64decode(published), **whose) if published else None

    # ------------------------------------------------------------------ start-up

    def require_whole(self) -> None:
        """The checks of start-up that need the database."""
        from django.db import DatabaseError, InterfaceError

        from equipoise.conduct.trial.causes import problem_of

        try:
            with self.use():
                first = self.column(EventRow, "previous", number=1)
                absent = guards.missing(self.connection)
                owner = "" if self.is_sqlite else owner_in_use(self)
                hash = self.column(TrialStateRow, "protocol_hash", name="trial")
        except (DatabaseError, InterfaceError, OSError, UnicodeDecodeError) as error:
            damaged = Problem(
                "C007",
                str(self.directory),
                f"The database cannot be read: {str(error).strip()}.",
                "the database of this trial, whole",
                "Run `equipoise verify DIR`; restore from a backup what is damaged.",
            )
            raise ConductError(problem_of(error, self) or damaged) from error
        if not first or first[0] != self.genesis("open"):
            raise ConductError(
                Problem(
                    "C003",
                    str(self.directory),
                    f"The database does not belong to the {self.mode} trial that {CONFIG} names.",
                    "the database that was made with this folder",
                    "Training and production never read one another: open each by its own folder.",
                )
            )
        if absent:
            raise ConductError(
                Problem(
                    "C004",
                    str(self.directory),
                    f"Guards of the database are missing or changed: {', '.join(absent[:6])}.",
                    "every trigger as the program made it",
                    "The database was changed by hand. Run `equipoise verify DIR`, and keep the folder as it is.",
                )
            )
        if owner:
            raise ConductError(
                Problem(
                    "C005",
                    "PostgreSQL",
                    f"The role {owner} owns the ledger, and an owner can switch its guards off.",
                    "a lesser role that may only read, insert and update",
                    "Name it as `writer` in trial.json (init makes one), or connect as another role.",
                )
            )
        if hash:
            self._require_read(str(hash[0]))

    def _require_read(self, hash: str) -> None:
        """The version in force is one that this program reads as the ledger names it (C006)."""
        with self.use():
            known = is_read(self, self.directory, hash)
        if not known:
            self.protocol(hash)
            with self.use():
                note_reading(self, self.directory, hash)

    def __repr__(self) -> str:
        return f"<Trial {self.config.trial} ({self.mode}) in {self.directory}>"


def absent_database(trial: Trial) -> Problem:
    """That the database is not where it was: first of all a disk that is not mounted, or a folder that was moved."""
    return Problem(
        "C007",
        str(trial.sqlite_file),
        "The database is not there.",
        "the file in its place",
        "Check that its disk is mounted and that it was not moved or renamed. Restore a backup only if it is lost.",
    )


@cache
def _in_sqlite(statement: str) -> str:
    """A statement with the marks for parameters that SQLite knows."""
    return statement.replace("%s", "?")


def write_config(directory: Path, config: Config) -> None:
    """Write ``trial.json``, for its owner alone: it may hold the address of a database."""
    path = directory / CONFIG
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(handle, "w", encoding="utf-8") as out:
        out.write(config.text())


def _lock(handle: Any) -> None:
    try:
        import fcntl
    except ImportError:  # Windows
        import msvcrt
        import time

        while True:
            try:
                handle.seek(0)
                msvcrt.locking(handle.fileno(), msvcrt.LK_LOCK, 1)  # type: ignore[attr-defined]
                return
            except OSError:
                time.sleep(0.01)
    fcntl.flock(handle, fcntl.LOCK_EX)


__all__ = ["Config", "Mode", "Trial", "canonical", "read_config", "write_config"]
