"""Why a database did not answer, by its name: busy, full, not writable, not reachable, failing, or damaged.

What people do next depends on it. Room is made on a full disk and a stopped server is started, and then everything is
as it was; a backup is restored for damage alone, since a restore loses what was recorded after the backup. What was
asked is told from the driver's own code (SQLite's extended result codes, PostgreSQL's SQLSTATE) and, where that says
only that reading or writing failed, from the disk itself.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Protocol

from equipoise.foundation.errors import Problem

CODES = {
    "C020": "The database is busy: another program holds the write lock, and nothing was recorded.",
    "C021": "The disk is full: nothing was recorded, and nothing is lost.",
    "C022": "The database refused the change: nothing was recorded.",
    "C024": "The database server cannot be reached, was stopped, or the connection to it was lost.",
    "C025": "The database, its folder or a file beside it may not be written here: nothing was recorded.",
    "C026": "The disk gives errors, or is absent.",
    "C027": "The database server does not let this program in.",
}
NOT_KNOWN = "Whether the last change was kept is not known."
LITTLE = 131_072  # bytes of room below which SQLite cannot even open its log

_FULL = (errno.ENOSPC, getattr(errno, "EDQUOT", errno.ENOSPC))
_NOT_ALLOWED = (errno.EACCES, errno.EPERM)
_NOT_THERE = (
    errno.ENOENT,
    errno.ENOTDIR,
    getattr(errno, "ENODEV", errno.ENOENT),
    getattr(errno, "ENXIO", errno.ENOENT),
)
_CONNECTION = (
    errno.ECONNREFUSED,
    errno.ECONNRESET,
    errno.ECONNABORTED,
    errno.EPIPE,
    errno.ETIMEDOUT,
    errno.EHOSTUNREACH,
    errno.ENETUNREACH,
    errno.ENETDOWN,
)


class Located(Protocol):
    """What has a database: its folder, and whether the database is a file there."""

    @property
    def directory(self) -> Path:
        """The folder."""

    @property
    def is_sqlite(self) -> bool:
        """Whether the database is a file of the folder."""


def problem_of(error: BaseException, trial: Located | None = None, *, sent: bool = False) -> Problem | None:
    """The cause of an error of the database or of the system, or nothing where it is none of these (damage, a bug).

    ``sent`` says that the change was on its way when the error came: whether a lost connection kept it is then not
    known, and the words say so.
    """
    found: Problem | None
    if isinstance(error, OSError):
        found = _of_system(error, error.filename)
    elif (trial is not None and not trial.is_sqlite) or _is_of_postgres(error):
        found = _of_postgres(error, sent=sent)
    else:
        found = _of_sqlite(error, trial.directory if trial is not None else None)
    return found


def cause_of(error: BaseException, trial: Located | None = None, *, sent: bool = False) -> Problem:
    """The same, for a change: what is none of these is a change that the database refused (C022)."""
    return problem_of(error, trial, sent=sent) or Problem(
        "C022",
        "the database",
        f"It refused the change ({_words(error)}).",
        "",
        "Run `equipoise verify DIR` and tell support.",
    )


def _words(error: BaseException) -> str:
    return " ".join(str(error).split()) or type(error).__name__


def full(place: str, said: str) -> Problem:
    """A full disk."""
    return Problem(
        "C021",
        place,
        f"The disk is full ({said}). Nothing was recorded, and what was recorded before is all there.",
        "room on the disk",
        "Make room, then try again.",
    )


def _busy(said: str) -> Problem:
    return Problem("C020", "the database", f"It is busy ({said}).", "its lock within a minute", "Try once more.")


def _not_writable(place: str, said: str) -> Problem:
    return Problem(
        "C025",
        place,
        f"It can be read but not written ({said}). Nothing was recorded, and what was recorded before is all there.",
        "a disk and a folder that this account of the machine may write to",
        "Is the disk write-protected, or mounted read-only? Correct the permissions, then try again.",
    )


def _not_allowed(place: str, said: str) -> Problem:
    return Problem(
        "C025",
        place,
        f"This account of the machine may not use it ({said}). Nothing was recorded.",
        "a file and a folder that this account may read and write",
        "Correct the permissions, or run the program as the account that owns the trial's folder.",
    )


def _failing(place: str, said: str) -> Problem:
    return Problem(
        "C026",
        place,
        f"The disk gives an error, or is not there ({said}).",
        "the disk of the trial, connected and in order",
        "Check that it is mounted, and read the machine's own messages. Then run `equipoise verify DIR`.",
    )


def _unreachable(said: str, *, sent: bool) -> Problem:
    unknown = NOT_KNOWN if sent else "Nothing was recorded, and what was recorded before is all there."
    return Problem(
        "C024",
        "the server of the database",
        f"It cannot be reached, was stopped, or the connection was lost ({said}). {unknown}",
        "a server that runs, and a network to it",
        "When it is back, send the same request again with the same --key, or look first whether it is there."
        if sent
        else "Start the server or mend the network, then try again.",
    )


def _not_let_in(said: str) -> Problem:
    return Problem(
        "C027",
        "the server of the database",
        f"It does not let this program in ({said}).",
        "the address, account and password of the trial's database",
        "Look at `database` in trial.json, and at EQUIPOISE_DATABASE.",
    )


# ---------------------------------------------------------------------- the system


def _of_system(error: OSError, named: object) -> Problem | None:
    place = str(named) if named else "the disk"
    said = (error.strerror or type(error).__name__).lower()
    if error.errno in _FULL:
        return full(place, said)
    if error.errno == errno.EROFS:
        return _not_writable(place, said)
    if error.errno in _NOT_ALLOWED:
        return _not_allowed(place, said)
    if error.errno in _CONNECTION:
        return _unreachable(said, sent=False)
    if error.errno in _NOT_THERE or error.errno == errno.EIO:
        return _failing(place, said)
    return None


# ---------------------------------------------------------------------- SQLite


# a file that ends too soon, or does not say what a database says
_DAMAGED = ("SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR_SHORT_READ", "SQLITE_IOERR_CORRUPTFS")


def _of_sqlite(error: BaseException, folder: Path | None) -> Problem | None:
    name, said = _sqlite_name(error), _words(error)
    lower = said.lower()
    if name in _DAMAGED:
        return None
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")) or "is locked" in lower:
        return _busy(said)
    if name == "SQLITE_FULL" or "disk is full" in lower:
        return full("the database", said)
    if name.startswith("SQLITE_READONLY") or "readonly database" in lower:
        return _full_or(folder, said) or _not_writable("the database", said)
    failed = name.startswith(("SQLITE_IOERR", "SQLITE_CANTOPEN", "SQLITE_PERM"))
    if failed or "disk i/o" in lower or "unable to open" in lower:
        return _full_or(folder, said) or _unwritable_folder(folder, said) or _failing("the database", said)
    return None


def _sqlite_name(error: BaseException) -> str:
    """SQLite's own name of an error; empty where none is told."""
    return _told(error, "sqlite_errorname")


def _full_or(folder: Path | None, said: str) -> Problem | None:
    """A full disk where the folder's has no room: SQLite says of many steps only that they failed."""
    if folder is None or not hasattr(os, "statvfs"):
        return None
    try:
        room = os.statvfs(folder)
    except OSError:
        return None
    return full("the database", said) if room.f_bavail * room.f_frsize < LITTLE else None


def _unwritable_folder(folder: Path | None, said: str) -> Problem | None:
    if folder is None or not folder.is_dir():
        return None
    try:
        read_only = hasattr(os, "statvfs") and bool(os.statvfs(folder).f_flag & os.ST_RDONLY)
    except OSError:
        return None
    # an account of the machine that may do everything (root) is told by the file system alone
    return _not_writable("the database", said) if read_only or not os.access(folder, os.W_OK) else None


# ---------------------------------------------------------------------- PostgreSQL

_LOST = (
    "connection refused",
    "connection failed",
    "connection is bad",
    "connection is closed",
    "connection already closed",
    "connection was closed",
    "connection timeout",
    "connection reset",
    "server closed the connection",
    "could not connect",
    "could not translate host",
    "could not receive data",
    "could not send data",
    "no such file or directory",
    "timeout expired",
    "terminating connection",
    "starting up",
    "shutting down",
    "network is unreachable",
    "ssl",
    "eof detected",
    "consuming input failed",
    "sending query failed",
)


def _of_postgres(error: BaseException, *, sent: bool) -> Problem | None:
    state, said = _told(error, "sqlstate"), _words(error)
    lower = said.lower()
    if state == "53100" or "no space left" in lower:
        return full("the server of the database", said)
    if state in ("55P03", "40P01", "40001", "57014", "53300", "53200", "53400"):
        return _busy(said)
    if state in ("25006", "42501"):
        return _not_writable("the database", said)
    if state[:2] == "28" or state == "3D000" or "password authentication" in lower or "does not exist" in lower:
        return _not_let_in(said)
    if state == "58030":
        return _failing("the server of the database", said)
    if state[:2] == "08" or state in ("57P01", "57P02", "57P03", "57P05"):
        return _unreachable(said, sent=sent)
    if not state and any(words in lower for words in _LOST):
        return _unreachable(said, sent=sent)
    return None


def _is_of_postgres(error: BaseException) -> bool:
    return any(type(seen).__module__.startswith("psycopg") for seen in _raised_from(error))


# ---------------------------------------------------------------------- what an error was raised from


def _raised_from(error: BaseException) -> Iterator[BaseException]:
    """An error, what it was raised from, and so on: a driver's own words lie below those of the layer above."""
    seen: BaseException | None = error
    while seen is not None:
        yield seen
        seen = seen.__cause__


def _told(error: BaseException, attribute: str) -> str:
    """The first that an error, or what it was raised from, says under that name; empty where none does."""
    return next((str(said) for seen in _raised_from(error) if (said := getattr(seen, attribute, None))), "")
