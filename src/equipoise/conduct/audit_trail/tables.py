"""The tables of the projection: their keys and columns, stated once for models, projection and verification.

Every column is text unless its default is a number; what is absent is the empty text. There is one table for all forms
and one for all values: a form is a name in the protocol, never a table, so an amendment needs no migration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Table:
    """One table: its key columns, and the other columns with the value they begin with."""

    name: str
    key: tuple[str, ...]
    columns: dict[str, Any]

    @property
    def all(self) -> tuple[str, ...]:
        """Key, other columns, and the number of the event that wrote the row last."""
        return (*self.key, *self.columns, "event_number")


_TABLES = (
    # state: open, paused, frozen or locked; randomization: open or fenced
    Table(
        "trial_state",
        ("name",),
        {"state": "open", "randomization": "open", "protocol_hash": "", "consent_version": "", "fence": ""},
    ),
    Table("protocol_version", ("hash",), {"version": 1, "file_hash": "", "text": "", "adopted_at": "", "note": ""}),
    Table("site", ("site",), {"state": "registered", "zone": "UTC", "approval": "", "activated_on": ""}),
    # roles and sites are names joined by commas; no sites means all of them
    Table(
        "account",
        ("account",),
        {
            "person": "",
            "roles": "",
            "sites": "",
            "expires_on": "",
            "state": "active",
            "credential": "",
            "refusals": 0,
            "refused_at": "",
        },
    ),
    # status, treatment, follow_up, infusing, in_error and unblinded are the course of rules/participant.py
    Table(
        "participant",
        ("participant",),
        {
            "site": "",
            "status": "new",
            "screening": "",
            "reason": "",
            "consent_version": "",
            "consented_on": "",
            "protocol_hash": "",
            "stratum": "",
            "day_1": "",
            "treatment": "not_begun",
            "follow_up": "in",
            "infusing": "",
            "in_error": "",
            "unblinded": "",
        },
    ),
    Table(
        "visit",
        ("participant", "visit", "repeat"),
        {"state": "", "date": "", "study_day": "", "reason": "", "note": ""},
    ),
    Table(
        "form",
        ("participant", "visit", "form", "repeat"),
        {"state": "", "date": "", "reason": "", "first_event": 0, "protocol_hash": ""},
    ),
    # type: text, integer, decimal, date, time, choice, yes-no; value is text always; missing names why there is none
    Table(
        "item",
        ("participant", "visit", "form", "repeat", "item"),
        {"type": "text", "value": "", "unit": "", "missing": "", "blinding": "open"},
    ),
    # state: open, answered or closed; rule names the check that asked, empty where a person did; of a query on what is
    # quarantined text and answer are sealed, for the place that first_event, the event that opened it, is part of
    Table(
        "query",
        ("query",),
        {
            "participant": "",
            "visit": "",
            "form": "",
            "repeat": 1,
            "item": "",
            "blinding": "open",
            "state": "open",
            "rule": "",
            "asked_by": "",
            "asked_at": "",
            "first_event": 0,
            "text": "",
            "answer": "",
            "answered_by": "",
            "answered_at": "",
            "closed_by": "",
            "closed_at": "",
        },
    ),
    # state: valid or superseded; a form, all of a participant (no form), or the whole trial (no participant)
    Table(
        "signature",
        ("signature",),
        {
            "participant": "",
            "visit": "",
            "form": "",
            "repeat": 1,
            "subject": "",
            "account": "",
            "person": "",
            "role": "",
            "meaning": "",
            "content": "",
            "at": "",
            "state": "valid",
        },
    ),
    Table(
        "unblinding",
        ("unblinding",),
        {"participant": "", "asked_by": "", "told": "", "mode": "", "reason": "", "at": "", "state": ""},
    ),
    Table("stream", ("stream",), {"given": 0}),
    # the arm stands in the sealed slot of that handle and nowhere else
    Table(
        "allocation",
        ("participant", "randomization"),
        {"handle": "", "stream": "", "position": 0, "receipt": 0, "state": "given"},
    ),
)

TABLES: dict[str, Table] = {table.name: table for table in _TABLES}
# Tables whose rows belong to a participant: the event that writes one must be of that participant.
IN_ERROR = "entered_in_error"  # the state of a visit or form that was taken back: no analysis counts it
# Keys that are whole numbers from 1.
COUNTED_KEYS = ("repeat", "randomization")
OF_PARTICIPANTS = ("participant", "visit", "form", "item", "allocation")
APPEND_ONLY = ("event", "sealed_event", "slot")
