"""The hash of an event, and its place in the chain."""

from __future__ import annotations

from operator import itemgetter

from equipoise.conduct.audit_trail.canonical import body_of, digest_of, linked
from equipoise.conduct.rows.tables import EventRow, columns_of

# `why`, `what` and `salt` are hashed as their digest alone, so that words can be redacted and the chain still holds.
HASHED = tuple(name for name in columns_of(EventRow) if name not in ("why", "what", "salt", "previous", "hash"))
_hashed = itemgetter(*(columns_of(EventRow).index(name) for name in HASHED))


def body_of_event(event: EventRow) -> str:
    """The body of an event: everything but its place in the chain."""
    return body_of(_hashed(event))


def hash_of(event: EventRow) -> str:
    """The hash that an event must carry, given its ``previous``."""
    return linked(event.previous, body_of(_hashed(event)))


def digest_of_words(event: EventRow) -> str:
    """The digest that an event's words must have."""
    return digest_of(event.salt, event.why, event.what)
