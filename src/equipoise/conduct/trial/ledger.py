"""Writing: events and the rows they make, in one transaction, under one lock.

The writer takes the lock first (on SQLite an IMMEDIATE transaction, on PostgreSQL the row of the ledger's head FOR
UPDATE), so numbers are gapless and the chain has one end. Nothing here knows what an action is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from equipoise.conduct.audit_trail.canonical import chained, digest_of, digest_of_slots, plain, prepared
from equipoise.conduct.audit_trail.events import hash_of
from equipoise.conduct.audit_trail.projection import check_rows, joined_rows
from equipoise.conduct.clock import Moment
from equipoise.conduct.entropy import Entropy
from equipoise.conduct.rows import statements
from equipoise.conduct.rows.tables import EventRow, SealedEventRow, SlotRow
from equipoise.conduct.trial.causes import cause_of
from equipoise.foundation.errors import ConductError

if TYPE_CHECKING:
    from equipoise.conduct.keys.vault import Vault
    from equipoise.conduct.trial.trial import Trial


class Writer:
    """One transaction on the ledgers, holding their lock; made by :func:`writing`."""

    def __init__(self, trial: Trial, connection: Any) -> None:
        self.trial = trial
        self.connection = connection
        self._cursor = connection.cursor()
        self._heads = statements.lock_heads(self._cursor, is_postgres=connection.vendor == "postgresql")
        self.last_at = trial.column(EventRow, "at", number=self.number)[0] if self.number else ""

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
    ) -> EventRow:
        """Append one event and write the rows its ``what["put"]`` names; returns it as it stands."""
        content, text = prepared(what)
        put = content.get("put", {})
        for table, changes in put.items():
            check_rows(table, changes)
        number = self.number + 1
        why, salt = plain(why), entropy.bytes(16).hex()
        event = EventRow(
            number=number,
            request=request,
            step=step,
            action=action,
            at=now.text,
            zone=now.zone,
            offset_minutes=now.offset_minutes,
            clock=self._step_of(now),
            account=account,
            role=role,
            site=site,
            device=device,
            participant=participant,
            subject=plain(subject),
            why=why,
            what=text,
            salt=salt,
            digest=digest_of(salt, why, text),
            protocol_hash=protocol_hash,
            program_version=program_version,
            previous=self.head,
            hash="",
        )
        event = event._replace(hash=hash_of(event))
        statements.insert_row(self._cursor, event)
        for table, changes in put.items():
            statements.put_rows(self._cursor, table, joined_rows(table, changes), number)
        self._move("open", number, event.hash)
        self.last_at = now.text
        return event

    def _step_of(self, now: Moment) -> str:
        """The flag of a clock that went backwards since the event before; empty where it did not."""
        return f"behind {self.last_at}" if now.text < self.last_at else ""

    def seal(
        self,
        vault: Vault,
        event: EventRow,
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
        statements.insert_row(self._cursor, SealedEventRow(number, event.number, sealed, digest, previous, hash))
        self._move("sealed", number, hash)
        if slots:
            statements.insert_rows(self._cursor, "slot", SlotRow._fields, [(*slot, number) for slot in slots])

    def set_credential(self, account: str, encoded: str, number: int) -> None:
        """Keep the hash of an account's passphrase; event ``number`` holds its digest."""
        statements.set_credential(self._cursor, account, encoded, number)

    def blank(self, number: int) -> None:
        """Take the words out of an event that the newest event, a redaction, names."""
        statements.blank_event(self._cursor, number)

    def _move(self, ledger: str, number: int, hash: str) -> None:
        statements.move_head(self._cursor, ledger, number, hash)
        self._heads[ledger] = (number, hash)


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
