"""A long ledger walked by two processes at once, each for half of the participants, at one moment of the database.

The second process reads only, through a connection of its own. Both look at the head of the ledger before they begin,
and begin once more where it differs: every change of state moves the head. Where a second process cannot be had, or
fails, the first does its half as well.
"""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from equipoise.conduct.integrity.replay import Half, Source, Walked, walk

if TYPE_CHECKING:
    from equipoise.conduct.trial.trial import Trial

LONG = 20_000  # events from which on a second process earns its start
_SHARE = 0.38  # of the first process, which looks at everything else too
_TRIES = 20
_HEADS = "SELECT ledger, number, hash FROM ledger_head ORDER BY ledger"
_BEGIN = {False: "BEGIN", True: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}


@contextmanager
def moment(source: Source) -> Iterator[None]:
    """One moment of the database, whatever is written meanwhile."""
    begin(source)
    try:
        yield
    finally:
        with source.cursor() as cursor:
            cursor.execute("ROLLBACK")


def begin(source: Source, *, anew: bool = False) -> list[tuple[Any, ...]]:
    """Begin to look at one moment of the database (``anew``: leave the one before); returns the heads of it."""
    with source.cursor() as cursor:
        if anew:
            cursor.execute("ROLLBACK")
        cursor.execute(_BEGIN[source.is_postgres])
        cursor.execute(_HEADS)
        return [tuple(row) for row in cursor.fetchall()]


class Second:
    """The other process; it walks the participants from ``pivot`` on, where one is set."""

    pivot = ""

    def __init__(self, trial: Trial) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)}
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from equipoise.conduct.integrity.halves import main; main()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=environment,
        )
        self._tell(address_of(trial))

    def _tell(self, value: Any) -> None:
        assert self._process.stdin is not None
        pickle.dump(value, self._process.stdin)
        self._process.stdin.flush()

    def _hear(self) -> Any:
        assert self._process.stdout is not None
        return pickle.load(self._process.stdout)

    def is_at(self, heads: list[tuple[Any, ...]]) -> bool:
        """Whether it looks at the moment with these heads, having begun anew."""
        self._tell("begin")
        return bool(self._hear() == heads)

    def send(self, half: Half) -> None:
        """Have it walk ``half``."""
        self._tell(half)

    def walked(self) -> Walked | None:
        """What it found; nothing where it failed."""
        try:
            found = self._hear()
        except (OSError, EOFError, pickle.UnpicklingError):
            return None
        return found if isinstance(found, Walked) else None

    def end(self) -> None:
        """End it."""
        for pipe in (self._process.stdin, self._process.stdout):
            with suppress(OSError):
                pipe.close()  # type: ignore[union-attr]
        if self._process.poll() is None:
            self._process.kill()
        self._process.wait()


def second(trial: Trial) -> Second | None:
    """A second process, if this machine has a core for it."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    if cores < 2 or not sys.executable:
        return None
    try:
        return Second(trial)
    except OSError:
        return None


def share_out(source: Source, other: Second) -> None:
    """Have the other process begin with its half, at the very moment that the first is looking at."""
    with source.cursor() as cursor:
        cursor.execute(_HEADS)
        heads = [tuple(row) for row in cursor.fetchall()]
    with suppress(OSError, EOFError, pickle.UnpicklingError):
        together = other.is_at(heads)
        for _ in range(_TRIES):
            if together:
                break
            heads = begin(source, anew=True)
            together = other.is_at(heads)
        pivot = _pivot(source) if together else ""
        if pivot:
            other.send(Half(pivot, upper=True))
            other.pivot = pivot


def walk_halves(source: Source, other: Second | None) -> list[Walked]:
    """The first process's half walked here, and what the other found in its own; all of it here where there is none."""
    if other is None or not other.pivot:
        return [walk(source)]
    mine = walk(source, Half(other.pivot, upper=False))
    return [mine, other.walked() or walk(source, Half(other.pivot, upper=True))]


def _pivot(source: Source) -> str:
    """A participant with the first process's share of events before it."""
    count = next(source.rows("SELECT count(*) FROM event"))[0]
    column = 'participant COLLATE "C"' if source.is_postgres else "participant"
    found = list(source.rows(f"SELECT participant FROM event ORDER BY {column} LIMIT 1 OFFSET {int(_SHARE * count)}"))
    return str(found[0][0]) if found else ""


def address_of(trial: Trial) -> dict[str, Any]:
    """What a driver needs to read a trial's database without Django."""
    if trial.is_sqlite:
        return {"sqlite": str(trial.sqlite_file.resolve())}
    said = trial.connection.settings_dict
    options = dict(said["OPTIONS"])
    role = options.pop("assume_role", "")
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    return {"role": role, "postgres": {**options, **{key: said[name] for key, name in names.items() if said[name]}}}


@contextmanager
def _connected(address: dict[str, Any]) -> Iterator[Source]:
    if "sqlite" in address:
        import sqlite3

        with closing(sqlite3.connect(address["sqlite"], timeout=60, isolation_level=None)) as lite:
            lite.execute("PRAGMA query_only = ON")
            yield Source(lambda: closing(lite.cursor()), is_postgres=False, mark="?")
        return
    import psycopg
    from psycopg import sql

    with psycopg.connect(**address["postgres"], autocommit=True) as connection:
        if address["role"]:
            connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(address["role"])))
        yield Source(connection.cursor, is_postgres=True)


def main() -> None:
    """The second process: an address, then `begin` as often as is asked, then the half to walk."""
    import gc

    gc.disable()
    asked, answers = sys.stdin.buffer, sys.stdout.buffer

    def answer(value: Any) -> None:
        pickle.dump(value, answers, protocol=pickle.HIGHEST_PROTOCOL)
        answers.flush()

    with suppress(EOFError), _connected(pickle.load(asked)) as source:
        begun = False
        while True:
            said = pickle.load(asked)
            if said == "begin":
                answer(begin(source, anew=begun))
                begun = True
            else:
                answer(walk(source, said))
