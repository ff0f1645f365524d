"""Every table of a running trial as a class: its columns, its key, and the value that a column begins with.

This is the schema, stated once: the projection, the checks and the reading of rows go by it, and a test holds the
tables in the database to it. In the database a column is text unless it counts; what is absent is the empty text, and a
truth is `yes` or the empty text, in the ledger's rows as well. There is one table for all forms and one for all values:
a form is a name in the protocol, never a table, so an amendment needs no migration.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, NamedTuple, TypeVar


@dataclass(frozen=True, slots=True)
class Table:
    """A table: its key columns, and the other columns with the value they begin with, as stored."""

    name: str
    key: tuple[str, ...]
    columns: dict[str, Any]

    @property
    def all(self) -> tuple[str, ...]:
        """Key, other columns, and the number of the event that wrote the row last."""
        return (*self.key, *self.columns, "event_number")


R = TypeVar("R", bound=tuple[Any, ...])
_TABLES: dict[type[tuple[Any, ...]], Table] = {}
_TRUTHS = {True: "yes", False: ""}


def stored(value: Any) -> Any:
    """A value as the database and the ledger hold it."""
    return _TRUTHS[value] if isinstance(value, bool) else value


def table_of(kind: type[tuple[Any, ...]]) -> Table:
    """The table whose rows are of this class."""
    return _TABLES[kind]


def _table(name: str, *key: str) -> Callable[[type[R]], type[R]]:
    """Make a class that of the rows of a table."""

    def register(kind: type[R]) -> type[R]:
        begins = kind._field_defaults.items()  # type: ignore[attr-defined]
        _TABLES[kind] = Table(
            name, key, {column: stored(value) for column, value in begins if column != "event_number"}
        )
        return kind

    return register


# ---------------------------------------------------------------------- the ledgers: rows are only ever added


@_table("event", "number")
class EventRow(NamedTuple):
    """One event of the open ledger: who, when, what, why, under which protocol, chained to the one before."""

    number: int
    request: str
    step: int
    action: str
    at: str
    zone: str
    offset_minutes: int
    clock: str
    account: str
    role: str
    site: str
    device: str
    participant: str
    subject: str
    why: str
    what: str
    salt: str
    digest: str
    protocol_hash: str
    program_version: str
    previous: str
    hash: str

    @property
    def content(self) -> Mapping[str, Any]:
        """What happened, as values; empty where it was redacted."""
        return json.loads(self.what) if self.what else {}


@_table("sealed_event", "number")
class SealedEventRow(NamedTuple):
    """One event of the sealed ledger: content of one length, and the digest of the slots sealed with it."""

    number: int
    event_number: int
    content: str
    slots: str
    previous: str
    hash: str


@_table("slot", "handle")
class SlotRow(NamedTuple):
    """One place of an allocation list: handle, stream and position open, the arm sealed."""

    handle: str
    stream: str
    position: int
    content: str
    sealed_number: int


@_table("ledger_head", "ledger")
class LedgerHeadRow(NamedTuple):
    """The last number and hash of each ledger: the rows that a writer locks."""

    ledger: str
    number: int
    hash: str


@_table("credential", "account")
class CredentialRow(NamedTuple):
    """The hash of an account's passphrase, kept out of the ledger so that copies of it carry no hash to guess at."""

    account: str
    encoded: str
    event_number: int


# ---------------------------------------------------------------------- what the events come to


@_table("trial_state", "name")
class TrialStateRow(NamedTuple):
    """Where the trial stands: one row named `trial`. State: open, paused, frozen or locked; randomization: open or
    fenced.
    """

    name: str
    state: str = "open"
    randomization: str = "open"
    protocol_hash: str = ""
    consent_version: str = ""
    fence: str = ""
    event_number: int = 0


@_table("protocol_version", "hash")
class ProtocolVersionRow(NamedTuple):
    """A version of the protocol, its text whole."""

    hash: str
    version: int = 1
    file_hash: str = ""
    text: str = ""
    adopted_at: str = ""
    note: str = ""
    event_number: int = 0


@_table("site", "site")
class SiteRow(NamedTuple):
    """A site and whether it may enrol."""

    site: str
    state: str = "registered"
    zone: str = "UTC"
    approval: str = ""
    activated_on: str = ""
    event_number: int = 0


@_table("account", "account")
class AccountRow(NamedTuple):
    """An account: never deleted, never given to another person. Roles and sites are names joined by commas; no sites
    means all of them.
    """

    account: str
    person: str = ""
    roles: str = ""
    sites: str = ""
    expires_on: str = ""
    state: str = "active"
    credential: str = ""
    refusals: int = 0
    refused_at: str = ""
    event_number: int = 0


@_table("participant", "participant")
class ParticipantRow(NamedTuple):
    """A person screened or enrolled, and where they stand (``rules/status.py``); ``in_error`` is the reason why they
    were randomized in error, if they were.
    """

    participant: str
    site: str = ""
    status: str = "new"
    screening: str = ""
    reason: str = ""
    consent_version: str = ""
    consented_on: str = ""
    protocol_hash: str = ""
    stratum: str = ""
    day_1: str = ""
    treatment: str = "not_begun"
    follow_up: str = "in"
    infusing: bool = False
    in_error: str = ""
    unblinded: bool = False
    event_number: int = 0


@_table("visit", "participant", "visit", "repeat")
class VisitRow(NamedTuple):
    """One planned or unplanned contact of one participant."""

    participant: str
    visit: str
    repeat: int
    state: str = ""
    date: str = ""
    study_day: str = ""
    reason: str = ""
    note: str = ""
    event_number: int = 0


@_table("form", "participant", "visit", "form", "repeat")
class FormRow(NamedTuple):
    """One filling of one form."""

    participant: str
    visit: str
    form: str
    repeat: int
    state: str = ""
    date: str = ""
    reason: str = ""
    first_event: int = 0
    protocol_hash: str = ""
    event_number: int = 0


@_table("item", "participant", "visit", "form", "repeat", "item")
class ItemRow(NamedTuple):
    """The current value of one item of one form. Type: text, integer, decimal, date, time, choice, yes-no; the value is
    text always, and ``missing`` names why there is none.
    """

    participant: str
    visit: str
    form: str
    repeat: int
    item: str
    type: str = "text"
    value: str = ""
    unit: str = ""
    missing: str = ""
    blinding: str = "open"
    event_number: int = 0


@_table("query", "query")
class QueryRow(NamedTuple):
    """A question about what was recorded. State: open, answered or closed; ``rule`` names the check that asked, empty
    where a person did.

    Of a query on what is quarantined, text and answer are sealed, for the place that ``first_event``, the event that
    opened it, is part of.
    """

    query: str
    participant: str = ""
    visit: str = ""
    form: str = ""
    repeat: int = 1
    item: str = ""
    blinding: str = "open"
    state: str = "open"
    rule: str = ""
    asked_by: str = ""
    asked_at: str = ""
    first_event: int = 0
    text: str = ""
    answer: str = ""
    answered_by: str = ""
    answered_at: str = ""
    closed_by: str = ""
    closed_at: str = ""
    event_number: int = 0


@_table("signature", "signature")
class SignatureRow(NamedTuple):
    """A signature with its meaning over the hash of what was signed: a form, all of a participant (no form), or the
    whole trial (no participant). State: valid or superseded.
    """

    signature: str
    participant: str = ""
    visit: str = ""
    form: str = ""
    repeat: int = 1
    subject: str = ""
    account: str = ""
    person: str = ""
    role: str = ""
    meaning: str = ""
    content: str = ""
    at: str = ""
    state: str = "valid"
    event_number: int = 0


@_table("unblinding", "unblinding")
class UnblindingRow(NamedTuple):
    """A code broken: who, for whom, why."""

    unblinding: str
    participant: str = ""
    asked_by: str = ""
    told: str = ""
    mode: str = ""
    reason: str = ""
    at: str = ""
    state: str = ""
    event_number: int = 0


@_table("stream", "stream")
class StreamRow(NamedTuple):
    """How many slots of one randomization stream were given."""

    stream: str
    given: int = 0
    event_number: int = 0


@_table("allocation", "participant", "randomization")
class AllocationRow(NamedTuple):
    """A slot given to a participant, by its opaque handle: the arm stands in the sealed slot and nowhere else."""

    participant: str
    randomization: int
    handle: str = ""
    stream: str = ""
    position: int = 0
    receipt: int = 0
    state: str = "given"
    event_number: int = 0


# ---------------------------------------------------------------------- all of them


@cache
def columns_of(kind: type[tuple[Any, ...]]) -> tuple[str, ...]:
    """The columns of a table, in the order in which they are stored."""
    return tuple(kind._fields)  # type: ignore[attr-defined]


@cache
def row_of(kind: type[R]) -> Callable[[Iterable[Any]], R]:
    """What makes a row of the values that are stored."""
    make: Callable[[Iterable[Any]], R] = kind._make  # type: ignore[attr-defined]
    truths = [at for at, type in enumerate(kind.__annotations__.values()) if type in (bool, "bool")]

    def with_truths(values: Iterable[Any]) -> R:
        whole = list(values)
        for at in truths:
            whole[at] = bool(whole[at])
        return make(whole)

    return with_truths if truths else make


LEDGERS: tuple[type[tuple[Any, ...]], ...] = (EventRow, SealedEventRow, SlotRow, LedgerHeadRow, CredentialRow)
# What events make: the class of a row and its table, and the tables by name.
KINDS: dict[type[tuple[Any, ...]], Table] = {kind: table for kind, table in _TABLES.items() if kind not in LEDGERS}
TABLES: dict[str, Table] = {table.name: table for table in KINDS.values()}
IN_ERROR = "entered_in_error"  # the state of a visit or form that was taken back: no analysis counts it
# Keys that are whole numbers from 1.
COUNTED_KEYS = ("repeat", "randomization")
# Tables whose rows belong to a participant: the event that writes one must be of that participant.
OF_PARTICIPANTS = ("participant", "visit", "form", "item", "allocation")
APPEND_ONLY = ("event", "sealed_event", "slot")
