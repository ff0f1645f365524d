"""One event as a value, its hash, and its place in the chain."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any

from equipoise.conduct.audit_trail.canonical import body_of, digest_of, linked

# Columns of the event table in the order in which they are hashed; `why`, `what` and `salt` enter through `digest`.
HASHED = (
    "number",
    "request",
    "step",
    "action",
    "at",
    "zone",
    "offset_minutes",
    "clock",
    "account",
    "role",
    "site",
    "device",
    "participant",
    "subject",
    "digest",
    "protocol_hash",
    "program_version",
)
COLUMNS = (
    "number",
    "request",
    "step",
    "action",
    "at",
    "zone",
    "offset_minutes",
    "clock",
    "account",
    "role",
    "site",
    "device",
    "participant",
    "subject",
    "why",
    "what",
    "salt",
    "digest",
    "protocol_hash",
    "program_version",
    "previous",
    "hash",
)
_hashed = itemgetter(*(COLUMNS.index(name) for name in HASHED))


@dataclass(frozen=True, slots=True)
class Entry:
    """One event of the open ledger, as it stands in its table."""

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
    said: Mapping[str, Any] | None = field(default=None, repr=False, compare=False)  # `what` as values, where known

    @property
    def content(self) -> Mapping[str, Any]:
        """What happened, as values; empty where it was redacted."""
        if self.said is not None:
            return self.said
        return json.loads(self.what) if self.what else {}

    def row(self) -> tuple[Any, ...]:
        """Its values in the order of :data:`COLUMNS`."""
        return tuple(getattr(self, name) for name in COLUMNS)


def body_of_row(row: tuple[Any, ...]) -> str:
    """The body of an event's row (in the order of :data:`COLUMNS`): everything but its place in the chain."""
    return body_of(_hashed(row))


def hash_of(row: tuple[Any, ...]) -> str:
    """The hash that an event's row (in the order of :data:`COLUMNS`) must carry, given its ``previous``."""
    return linked(row[20], body_of(_hashed(row)))


def digest_of_row(row: tuple[Any, ...]) -> str:
    """The digest that a row's words must have."""
    return digest_of(row[16], row[14], row[15])
