"""What a signature covers: a digest over a form, over all records of a participant, or over those of everybody.

The digest is over what stands in the tables: of quarantined values the ciphertext, so that it can be signed and checked
without the safety role's key. Queries have no part in it, for a query changes no data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from equipoise.conduct.audit_trail.canonical import canonical

if TYPE_CHECKING:
    from equipoise.conduct.trial.trial import Trial

CODES = {"C072": "A signature stands as valid and its digest is not that of what it signs."}
VALID, SUPERSEDED = "valid", "superseded"

_CASEBOOK = {
    "participant": ("participant", "status, screening, reason, consented_on, day_1, treatment, follow_up, in_error"),
    "visits": ("visit", "visit, repeat, state, date, reason"),
    "forms": ("form", "visit, form, repeat, state, date"),
    "items": ("item", "visit, form, repeat, item, value, unit, missing"),
}


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def casebook_digest(trial: Trial, participant: str) -> str:
    """SHA-256 over every current value, visit and form of a participant."""
    return _digest(
        {
            name: sorted(trial.rows(f"SELECT {columns} FROM {table} WHERE participant = %s", (participant,)))
            for name, (table, columns) in _CASEBOOK.items()
        }
    )


def form_digest(trial: Trial, participant: str, visit: str, form: str, repeat: int) -> str:
    """SHA-256 over one form as it stands: its date, the version of the protocol it was made under, its items."""
    where, key = "participant = %s AND visit = %s AND form = %s AND repeat = %s", (participant, visit, form, repeat)
    return _digest(
        {
            "form": [*key, sorted(trial.rows(f"SELECT state, date, protocol_hash FROM form WHERE {where}", key))],
            "items": sorted(trial.rows(f"SELECT item, value, unit, missing FROM item WHERE {where}", key)),
        }
    )


def trial_digest(trial: Trial) -> str:
    """SHA-256 over the records of everybody and the versions of the protocol: what the lock signs."""
    people = sorted(participant for (participant,) in trial.rows("SELECT participant FROM participant"))
    versions = sorted(hash for (hash,) in trial.rows("SELECT hash FROM protocol_version"))
    return _digest({"participants": [[id, casebook_digest(trial, id)] for id in people], "protocol": versions})


def digest_signed(trial: Trial, participant: str, visit: str, form: str, repeat: int) -> str:
    """The digest of what a signature with these columns covers, as it stands now."""
    if not participant:
        return trial_digest(trial)
    return form_digest(trial, participant, visit, form, repeat) if form else casebook_digest(trial, participant)


def no_longer_as_signed(trial: Trial, participant: str | None = None) -> Iterator[tuple[str, str, str]]:
    """Valid signatures whose content changed: id, participant, subject; of one participant and the trial, or of all."""
    where, given = "state = %s", (VALID,)
    if participant is not None:
        where, given = "state = %s AND participant IN (%s, '')", (VALID, participant)  # type: ignore[assignment]
    columns = "signature, participant, visit, form, repeat, subject, content"
    known: dict[tuple[Any, ...], str] = {}
    for id, person, visit, form, repeat, subject, content in sorted(
        trial.rows(f"SELECT {columns} FROM signature WHERE {where}", given)
    ):
        place = (person, visit, form, repeat)
        if place not in known:
            known[place] = digest_signed(trial, *place)
        if known[place] != content:
            yield id, person, subject
