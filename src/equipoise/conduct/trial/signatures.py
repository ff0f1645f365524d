"""What a signature covers: a digest over a form, over all records of a participant, or over those of everybody.

The digest is over what stands in the tables: of quarantined values the ciphertext, so that it can be signed and checked
without the safety role's key. Queries have no part in it, for a query changes no data.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from equipoise.conduct.audit_trail.canonical import canonical
from equipoise.conduct.rows.tables import FormRow, ItemRow, ParticipantRow, ProtocolVersionRow, SignatureRow, VisitRow

if TYPE_CHECKING:
    from equipoise.conduct.trial.trial import Trial

CODES = {"C072": "A valid signature does not match what it signs."}
VALID, SUPERSEDED = "valid", "superseded"

# What of a participant's rows a signature covers; the order of columns is part of every digest.
_CASEBOOK = {
    "participant": (
        ParticipantRow,
        ("status", "screening", "reason", "consented_on", "day_1", "treatment", "follow_up", "in_error"),
    ),
    "visits": (VisitRow, ("visit", "repeat", "state", "date", "reason")),
    "forms": (FormRow, ("visit", "form", "repeat", "state", "date")),
    "items": (ItemRow, ("visit", "form", "repeat", "item", "value", "unit", "missing")),
}


def _digest(value: Any) -> str:
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def casebook_digest(trial: Trial, participant: str) -> str:
    """SHA-256 over every current value, visit and form of a participant."""
    return _digest(
        {
            name: sorted(trial.values(kind, columns, participant=participant))
            for name, (kind, columns) in _CASEBOOK.items()
        }
    )


def form_digest(trial: Trial, participant: str, visit: str, form: str, repeat: int) -> str:
    """SHA-256 over one form as it stands: its date, the version of the protocol it was made under, its items."""
    key: dict[str, Any] = {"participant": participant, "visit": visit, "form": form, "repeat": repeat}
    return _digest(
        {
            "form": [*key.values(), sorted(trial.values(FormRow, ("state", "date", "protocol_hash"), **key))],
            "items": sorted(trial.values(ItemRow, ("item", "value", "unit", "missing"), **key)),
        }
    )


def trial_digest(trial: Trial) -> str:
    """SHA-256 over the records of everybody and the versions of the protocol: what the lock signs."""
    people = sorted(trial.column(ParticipantRow, "participant"))
    versions = sorted(trial.column(ProtocolVersionRow, "hash"))
    return _digest({"participants": [[id, casebook_digest(trial, id)] for id in people], "protocol": versions})


def digest_signed(trial: Trial, participant: str, visit: str, form: str, repeat: int) -> str:
    """The digest of what a signature with these columns covers, as it stands now."""
    if not participant:
        return trial_digest(trial)
    return form_digest(trial, participant, visit, form, repeat) if form else casebook_digest(trial, participant)


def no_longer_as_signed(trial: Trial, participant: str | None = None) -> Iterator[tuple[str, str, str]]:
    """Valid signatures whose content changed: id, participant, subject; of one participant and the trial, or of all."""
    whose: dict[str, Any] = {} if participant is None else {"participant__in": (participant, "")}
    known: dict[tuple[Any, ...], str] = {}
    for row in sorted(trial.find(SignatureRow, state=VALID, **whose)):
        place = (row.participant, row.visit, row.form, row.repeat)
        if place not in known:
            known[place] = digest_signed(trial, *place)
        if known[place] != row.content:
            yield row.signature, row.participant, row.subject
