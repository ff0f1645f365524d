"""What keeps a database from answering is told by its name, and nobody is sent to restore a backup for it."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from equipoise.conduct.trial.causes import cause_of, problem_of
from equipoise.foundation.errors import ConductError


def _sqlite(name: str, text: str) -> sqlite3.Error:
    error = sqlite3.OperationalError(text)
    error.sqlite_errorname = name
    return error


def _postgres(state: str, text: str) -> Exception:
    error = Exception(text)
    error.sqlstate = state  # type: ignore[attr-defined]
    return error


@pytest.mark.parametrize(
    ("name", "text", "code"),
    [
        ("SQLITE_BUSY", "database is locked", "C020"),
        ("SQLITE_FULL", "database or disk is full", "C021"),
        ("SQLITE_READONLY", "attempt to write a readonly database", "C025"),
        ("SQLITE_READONLY_DIRECTORY", "attempt to write a readonly database", "C025"),
        ("SQLITE_IOERR_WRITE", "disk I/O error", "C026"),
        ("SQLITE_CANTOPEN", "unable to open database file", "C026"),
    ],
)
def test_sqlite_says_why(name: str, text: str, code: str, tmp_path: Path) -> None:
    trial: Any = SimpleNamespace(is_sqlite=True, directory=tmp_path)
    problem = problem_of(_sqlite(name, text), trial)
    assert problem is not None
    assert problem.code == code
    assert "restore" not in problem.render().lower()


@pytest.mark.parametrize("name", ["SQLITE_CORRUPT", "SQLITE_NOTADB", "SQLITE_IOERR_SHORT_READ"])
def test_damage_is_no_cause_that_passes(name: str, tmp_path: Path) -> None:
    trial: Any = SimpleNamespace(is_sqlite=True, directory=tmp_path)
    assert problem_of(_sqlite(name, "disk I/O error"), trial) is None


def test_a_failed_write_on_a_disk_without_room_is_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.statvfs", lambda folder: SimpleNamespace(f_bavail=3, f_frsize=4096, f_flag=0))
    trial: Any = SimpleNamespace(is_sqlite=True, directory=tmp_path)
    for name in ("SQLITE_IOERR_SHMSIZE", "SQLITE_CANTOPEN", "SQLITE_READONLY"):
        problem = problem_of(_sqlite(name, "disk I/O error"), trial)
        assert problem is not None
        assert problem.code == "C021"


@pytest.mark.parametrize(
    ("state", "text", "code"),
    [
        ("53100", "could not extend file: No space left on device", "C021"),
        ("55P03", "canceling statement due to lock timeout", "C020"),
        ("40P01", "deadlock detected", "C020"),
        ("25006", "cannot execute INSERT in a read-only transaction", "C025"),
        ("57P01", "terminating connection due to administrator command", "C024"),
        ("57P03", "the database system is starting up", "C024"),
        ("08006", "connection failure", "C024"),
        ("", "connection to server at 127.0.0.1 failed: Connection refused", "C024"),
        ("", "server closed the connection unexpectedly", "C024"),
        ("", "the connection is closed", "C024"),
        ("28P01", 'password authentication failed for user "x"', "C027"),
        ("3D000", 'database "x" does not exist', "C027"),
    ],
)
def test_postgresql_says_why(state: str, text: str, code: str) -> None:
    trial: Any = SimpleNamespace(is_sqlite=False)
    problem = problem_of(_postgres(state, text), trial)
    assert problem is not None
    assert problem.code == code
    assert "restore" not in problem.render().lower()


def test_a_connection_lost_while_a_change_is_kept_leaves_open_whether_it_was() -> None:
    trial: Any = SimpleNamespace(is_sqlite=False)
    lost = _postgres("", "server closed the connection unexpectedly")
    before, while_sent = problem_of(lost, trial), problem_of(lost, trial, sent=True)
    assert before is not None
    assert "Nothing was recorded" in before.found
    assert while_sent is not None
    assert "not known" in while_sent.found
    assert "--key" in while_sent.next_step


def test_a_refusal_by_a_guard_is_none_of_these(tmp_path: Path) -> None:
    trial: Any = SimpleNamespace(is_sqlite=True, directory=tmp_path)
    error = _sqlite("SQLITE_CONSTRAINT_TRIGGER", "event is append-only: UPDATE refused")
    assert problem_of(error, trial) is None
    assert cause_of(error, trial).code == "C022"


@pytest.mark.parametrize(
    ("number", "code"),
    [
        (errno.ENOSPC, "C021"),
        (errno.EROFS, "C025"),
        (errno.EACCES, "C025"),
        (errno.EIO, "C026"),
        (errno.ECONNREFUSED, "C024"),
    ],
)
def test_the_system_says_why(number: int, code: str) -> None:
    problem = problem_of(OSError(number, "words", "/somewhere"))
    assert problem is not None
    assert problem.code == code


def test_a_folder_that_may_not_be_written_is_refused_by_its_cause(
    staged: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    trial = staged()
    trial.session("carol")

    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, "Read-only file system", str(trial.trial.directory))

    monkeypatch.setattr("equipoise.conduct.trial.trial._lock", refuse)
    with pytest.raises(ConductError) as caught:
        trial.do("carol", "screen", participant="P-1", site="main")
    assert [problem.code for problem in caught.value.problems] == ["C025"]


def test_a_stopped_server_is_named_and_nothing_is_lost(staged: Callable[..., Any], postgres: Callable[[], str]) -> None:
    from equipoise.conduct.integrity.verify import verify

    trial = staged(database=postgres())
    trial.session("carol")
    settings = trial.trial.connection.settings_dict
    kept = settings["HOST"]
    settings["HOST"] = "/nowhere/to/be/found"
    trial.trial.close()
    for what in (
        lambda: trial.do("carol", "screen", participant="P-1", site="main"),
        lambda: verify(trial.trial),
        trial.trial.require_whole,
    ):
        with pytest.raises(ConductError) as caught:
            what()
        assert {problem.code for problem in caught.value.problems} == {"C024"}
        trial.trial.close()
    settings["HOST"] = kept
    trial.do("carol", "screen", participant="P-1", site="main")
    assert verify(trial.trial).ok
