"""One pass over the open ledger: hashes, words, and the tables of participants made anew and compared.

A pass covers the whole ledger, or the participants before or from a pivot: an event writes rows of its own participant
alone, so two processes walk a long ledger at once, each for half of the participants, at one moment of the database.
The second process reads only, through a connection of its own. Both look at the head of the ledger before they begin,
and begin once more where it differs: every change of state moves the head. Where a second process cannot be had, or
fails, the first does its half as well. What needs the whole, the links from one event to the next and the tables of
nobody in particular, is handed back to whoever puts the parts together. Nothing here needs Django: rows come from any
cursor.
"""

from __future__ import annotations

import json
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from equipoise.conduct.audit_trail.events import digest_of_words, hash_of
from equipoise.conduct.audit_trail.projection import State, fold
from equipoise.conduct.rows.statements import (
    MARK,
    Half,
    RowsOfTable,
    begin,
    events,
    heads,
    only_read,
    pivot,
    rows_lacking_a_value,
    take_role,
    texts_of,
)
from equipoise.conduct.rows.tables import OF_PARTICIPANTS, TABLES, EventRow, Table
from equipoise.foundation.errors import Problem

if TYPE_CHECKING:
    from equipoise.conduct.trial.trial import Trial

LONG = 20_000  # events from which on a second process earns its start
_SHARE = 0.38  # of the first process, which looks at everything else too
_TRIES = 20
_OF_PARTICIPANTS = frozenset(OF_PARTICIPANTS)


@dataclass(slots=True)
class Walked:
    """What a pass found: ``links`` (number, previous hash, hash, time, flag of the clock) in order of numbers,
    ``findings`` with the number of their event, and ``shared``, what events wrote to tables of nobody in particular.
    """

    links: list[tuple[int, str, str, str, str]] = field(default_factory=list)
    findings: list[tuple[int, Problem]] = field(default_factory=list)
    shared: list[tuple[int, dict[str, Any]]] = field(default_factory=list)
    quarantined: list[tuple[int, str]] = field(default_factory=list)  # number and words of events that hold such values
    differing: list[Problem] = field(default_factory=list)

    def add(self, number: int, found: str) -> None:
        """Note an event that is not as it was recorded."""
        self.findings.append((number, Problem("C061", f"event {number}", found)))


def walk(source: RowsOfTable, half: Half | None = None) -> Walked:
    """One pass over every event, or over those of ``half``: each checked, the tables of its participants compared."""
    out = Walked()
    kept = _kept(source)
    state: State = {}
    for event in events(source, half):
        number, what = event.number, event.what
        out.links.append((number, event.previous, event.hash, event.at, event.clock))
        if hash_of(event) != event.hash:
            out.add(number, "Its hash is not that of its content: it was changed.")
        if event.salt == "":
            if what or event.why or number not in kept:
                out.add(number, "Its words are gone, and no redaction took them out.")
            what = what or kept.get(number, "")
        elif digest_of_words(event) != event.digest:
            out.add(number, "Its words are not those that were recorded.")
        if '"blinding":"quarantined"' in what or '"blinding":"sealed"' in what:
            out.quarantined.append((number, what))
        if '"put"' in what:
            try:
                _write(out, state, loaded(what).get("put", {}), number, event.participant)
            except (KeyError, TypeError, AttributeError) as error:
                out.add(number, f"What it writes does not fit the tables: {error}.")
    for name in OF_PARTICIPANTS:
        out.differing += differences(source, TABLES[name], state.get(name, {}), half)
    return out


def _kept(source: RowsOfTable) -> dict[int, str]:
    """What redactions left of the events they touched, by the number of the event touched."""
    kept: dict[int, str] = {}
    for what in source.column(EventRow, "what", action="redact", order=("number",)):
        for touched, text in loaded(what).get("kept", {}).items():
            kept[int(touched)] = text
    return kept


def _write(out: Walked, state: State, put: dict[str, Any], number: int, participant: str) -> None:
    """Fold the rows of one event: those of its participant here, the others handed on."""
    if not put.keys() <= _OF_PARTICIPANTS:
        out.shared.append((number, {name: rows for name, rows in put.items() if name not in _OF_PARTICIPANTS}))
        put = {name: rows for name, rows in put.items() if name in _OF_PARTICIPANTS}
    for rows in put.values():
        for row in rows:
            if row["participant"] != participant:
                out.add(number, "It writes rows of another participant than its own.")
    fold(state, put, number)


_scanned = json.JSONDecoder().raw_decode


def loaded(text: str) -> dict[str, Any]:
    """The content of an event; empty where it is none."""
    try:
        value = _scanned(text)[0] if text else {}
    except ValueError:
        return {}
    return value if isinstance(value, dict) else {}


def differences(
    source: RowsOfTable, table: Table, rebuilt: dict[Any, dict[str, Any]], half: Half | None = None
) -> list[Problem]:
    """A table held against what the ledger makes of it: all rows at once, and one by one only where they differ."""
    columns, key, out = table.all, table.key, []
    values_of = itemgetter(*columns)
    pattern = MARK.join(["%s"] * len(columns))
    wanted = {pattern % values_of(row) for row in rebuilt.values()}
    whole = half is None or not half.upper  # what has no participant belongs to neither half
    if whole and not source.is_postgres:
        for identity in rows_lacking_a_value(source, table):
            place = f"{table.name} {' '.join(map(str, identity))}"
            out.append(Problem("C064", place, "The row lacks a value that every row has."))
    there = set(texts_of(source, table, half))
    if there == wanted:
        return out
    missing = {_key(text, key): text for text in wanted - there}
    for text in sorted(map(str, there - wanted)):
        identity = _key(text, key)
        said = missing.pop(identity, None)
        place = f"{table.name} {' '.join(identity)}"
        if said is None:
            out.append(Problem("C064", place, "The row is in the table, and no event wrote it."))
            continue
        for name, now, value in zip(columns, text.split(MARK), said.split(MARK), strict=False):
            if now != value:
                # values are not shown: the one who verifies may not be one who may see them
                out.append(Problem("C064", f"{place}, {name}", "The table differs from the ledger."))
    for identity in missing:
        out.append(Problem("C064", f"{table.name} {' '.join(identity)}", "The row is gone; the ledger wrote it."))
    return out


def _key(text: str, key: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text.split(MARK)[: len(key)])


class Second:
    """The other process; it walks the participants from ``pivot`` on, where one is set."""

    pivot = ""

    def __init__(self, trial: Trial) -> None:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(part for part in sys.path if part)}
        self._process = subprocess.Popen(
            [sys.executable, "-c", "from equipoise.conduct.integrity.replay import main; main()"],
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


def share_out(source: RowsOfTable, other: Second) -> None:
    """Have the other process begin with its half, at the very moment that the first is looking at."""
    stood = heads(source)
    with suppress(OSError, EOFError, pickle.UnpicklingError):
        together = other.is_at(stood)
        for _ in range(_TRIES):
            if together:
                break
            stood = begin(source, anew=True)
            together = other.is_at(stood)
        middle = pivot(source, _SHARE) if together else ""
        if middle:
            other.send(Half(middle, upper=True))
            other.pivot = middle


def walk_halves(source: RowsOfTable, other: Second | None) -> list[Walked]:
    """The first process's half walked here, and what the other found in its own; all of it here where there is none."""
    if other is None or not other.pivot:
        return [walk(source)]
    mine = walk(source, Half(other.pivot, upper=False))
    return [mine, other.walked() or walk(source, Half(other.pivot, upper=True))]


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
def _connected(address: dict[str, Any]) -> Iterator[RowsOfTable]:
    if "sqlite" in address:
        import sqlite3

        with closing(sqlite3.connect(address["sqlite"], timeout=60, isolation_level=None)) as lite:
            only_read(lite)
            yield RowsOfTable(lambda: closing(lite.cursor()), is_postgres=False, mark="?")
        return
    import psycopg

    with psycopg.connect(**address["postgres"], autocommit=True) as connection:
        if address["role"]:
            take_role(connection, address["role"])
        yield RowsOfTable(connection.cursor, is_postgres=True)


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
