"""Writing: events and the rows they make, in one transaction, under one lock.

The writer takes the lock first (on SQLite an IMMEDIATE transaction, on PostgreSQL the row of the ledger's head FOR
UPDATE), so numbers are gapless and the chain has one end. Nothing here knows what an action is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from equipoise.conduct.audit_trail.canonical import chained, digest_of, digest_of_slots, plain, prepared
from equipoise.conduct.audit_trail.events import COLUMNS, Entry, hash_of
from equipoise.conduct.audit_trail.projection import check_rows, joined_rows
from equipoise.conduct.audit_trail.tables import TABLES
from equipoise.conduct.clock import Moment
from equipoise.conduct.entropy import Entropy
from equipoise.conduct.trial.causes import cause_of
from equipoise.foundation.errors import ConductError

if TYPE_CHECKING:
    from equipoise.conduct.keys.vault import Vault
    from equipoise.conduct.trial.trial import Trial

_INSERT_EVENT = f"INSERT INTO event ({', '.join(COLUMNS)}) VALUES ({', '.join(['%s'] * len(COLUMNS))})"


class Writer:
    """One transaction on the ledgers, holding their lock; made by :func:`writing`."""

    def __init__(self, trial: Trial, connection: Any) -> None:
        self.trial = trial
        self.connection = connection
        self._cursor = connection.cursor()
        lock = " FOR UPDATE" if connection.vendor == "postgresql" else ""
        self._cursor.execute(f"SELECT ledger, number, hash FROM ledger_head ORDER BY ledger{lock}")
        self._heads = {ledger: (number, hash) for ledger, number, hash in self._cursor.fetchall()}
        self.last_at = ""
        if self.number:
            self._cursor.execute("SELECT at FROM event WHERE number = %s", [self.number])
            self.last_at = self._cursor.fetchone()[0]

    @property
    def number(self) -> int:
        """How many events the open ledger holds."""
        return int(self._heads["open"][0])

    @property
    def head(self) -> str:
        """Hash of its last event."""
        return str(self._heads["open"][1])

    @property
    def sealed_head(self) -> tuple[int, str]:
        """Count and last hash of the sealed ledger."""
        return self._heads["sealed"]

    def standing(self) -> tuple[Any, ...]:
        """Where both ledgers stand, to go back to when what is written next is undone."""
        return dict(self._heads), self.last_at

    def stand_at(self, kept: tuple[Any, ...]) -> None:
        """Stand where the ledgers stood: everything written since was undone in the database."""
        heads, self.last_at = kept
        self._heads = dict(heads)

    def append(
        self,
        *,
        action: str,
        now: Moment,
        request: str,
        step: int,
        account: str,
        role: str,
        site: str,
        device: str,
        participant: str,
        subject: str,
        why: str,
        what: Mapping[str, Any],
        protocol_hash: str,
        program_version: str,
        entropy: Entropy,
    ) -> Entry:
        """Append one event and write the rows its ``what["put"]`` names; returns it as it stands."""
        content, text = prepared(what)
        put = content.get("put", {})
        for table, changes in put.items():
            check_rows(table, changes)
        number = self.number + 1
        why, salt = plain(why), entropy.bytes(16).hex()
        row: tuple[Any, ...] = (
            number,
            request,
            step,
            action,
            now.text,
            now.zone,
            now.offset_minutes,
            self._step_of(now),
            account,
            role,
            site,
            device,
            participant,
            plain(subject),
            why,
            text,
            salt,
            digest_of(salt, why, text),
            protocol_hash,
            program_version,
            self.head,
            "",
        )
        row = (*row[:-1], hash_of(row))
        self._cursor.execute(_INSERT_EVENT, row)
        self._write(put, number)
        self._move("open", number, row[-1])
        self.last_at = now.text
        return Entry(*(*row, content))

    def _step_of(self, now: Moment) -> str:
        """The flag of a clock that went backwards since the event before; empty where it did not."""
        return f"behind {self.last_at}" if now.text < self.last_at else ""

    def seal(
        self,
        vault: Vault,
        event: Entry,
        content: Mapping[str, Any],
        entropy: Entropy,
        slots: Sequence[tuple[str, str, int, str]] = (),
    ) -> None:
        """Append to the sealed ledger what belongs to ``event`` and is not for everybody, with the slots it brings.

        A slot is a handle, its stream, its position, and its ciphertext.
        """
        number, previous = self.sealed_head
        number += 1
        sealed = vault.seal(f"event {number} of {event.number}", content, entropy)
        digest = digest_of_slots(slots) if slots else ""
        hash = chained(previous, (number, event.number, sealed, digest))
        self._cursor.execute(
            "INSERT INTO sealed_event (number, event_number, content, slots, previous, hash)"
            " VALUES (%s, %s, %s, %s, %s, %s)",
            [number, event.number, sealed, digest, previous, hash],
        )
        self._move("sealed", number, hash)
        if slots:
            self._cursor.executemany(
                "INSERT INTO slot (handle, stream, position, content, sealed_number) VALUES (%s, %s, %s, %s, %s)",
                [(*slot, number) for slot in slots],
            )

    def set_credential(self, account: str, encoded: str, number: int) -> None:
        """Keep the hash of an account's pass-phrase; event ``number`` holds its digest."""
        self._cursor.execute(
            "INSERT INTO credential (account, encoded, event_number) VALUES (%s, %s, %s)"
            " ON CONFLICT (account) DO UPDATE SET encoded = excluded.encoded, event_number = excluded.event_number",
            [account, encoded, number],
        )

    def blank(self, number: int) -> None:
        """Take the words out of an event that the newest event, a redaction, names."""
        self._cursor.execute("UPDATE event SET what = '', why = '', salt = '' WHERE number = %s", [number])

    def _move(self, ledger: str, number: int, hash: str) -> None:
        self._cursor.execute("UPDATE ledger_head SET number = %s, hash = %s WHERE ledger = %s", [number, hash, ledger])
        self._heads[ledger] = (number, hash)

    def _write(self, put: Mapping[str, list[dict[str, Any]]], number: int) -> None:
        for name, rows in put.items():
            batches: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
            for row in joined_rows(name, rows):
                columns = tuple(row)
                _, values_of, begins = _upsert(name, columns)
                batches.setdefault(columns, []).append((*values_of(row), *begins, number))
            for columns, batch in batches.items():
                statement = _upsert(name, columns)[0]
                if len(batch) == 1:
                    self._cursor.execute(statement, batch[0])
                else:
                    self._cursor.executemany(statement, batch)


@cache
def _upsert(
    name: str, given: tuple[str, ...]
) -> tuple[str, Callable[[Mapping[str, Any]], tuple[Any, ...]], tuple[Any, ...]]:
    """The statement that writes rows naming the columns ``given``; how to take these from a row; what the others begin
    with. The number of the event comes last.
    """
    table = TABLES[name]
    begins = {column: value for column, value in table.columns.items() if column not in given}
    columns = (*given, *begins, "event_number")
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in (*table.key, *begins))
    statement = (
        f"INSERT INTO {name} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"
        f" ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {changes}"
    )
    values_of = itemgetter(*given) if len(given) > 1 else lambda row: (row[given[0]],)
    return statement, values_of, tuple(begins.values())


@contextmanager
def writing(trial: Trial) -> Iterator[Writer]:
    """A transaction that holds the write lock; everything in the block is kept, or nothing.

    What the database or the disk cannot do is raised by its cause (C020 to C027). Where a connection is lost while the
    transaction is being kept, nobody knows here whether it was: the words say so.
    """
    from django.db import DatabaseError, InterfaceError, transaction

    sent = False
    try:
        with trial.use(), trial.turn(), transaction.atomic(using=trial.alias):
            yield Writer(trial, trial.connection)
            sent = True
    except (DatabaseError, InterfaceError, OSError) as error:
        problem = cause_of(error, trial, sent=sent)
        if problem.code == "C024":
            trial.close()  # the next try connects anew
        raise ConductError(problem) from error
