"""Signatures: one event that binds who, in which role, when and with what meaning to the digest of what is signed.

A signature is never taken back and never deleted. When what it covers changes, the action that changed it records in
the same breath that the signature is superseded.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from equipoise.conduct.actions.sign_in import check_again
from equipoise.conduct.rows.tables import AccountRow, SignatureRow
from equipoise.conduct.trial.signatures import SUPERSEDED, digest_signed, no_longer_as_signed

if TYPE_CHECKING:
    from equipoise.conduct.actions.context import Act

CODES = {
    "C621": "The records are signed already, incomplete or absent.",
    "C625": "Unknown meaning of a signature, or one that this role may not use.",
}
# What a signature can mean (21 CFR 11.50), and the roles that may mean it.
MEANINGS = {
    "authored": ("coordinator", "investigator", "infusion", "rater"),
    "reviewed": ("investigator", "safety", "monitor", "data-manager"),
    "approved": ("investigator",),
    "responsible": ("investigator",),
}
RESPONSIBLE = "responsible"
_DATA = ("participant", "visit", "form", "item")


class Signed(NamedTuple):
    """What a signature is of: a form, all records of a participant, or the whole database."""

    participant: str = ""
    visit: str = ""
    form: str = ""
    repeat: int = 1


THE_WHOLE = Signed()


def signature_row(
    act: Act,
    passphrase: str,
    meaning: str,
    subject: str,
    of: Signed = THE_WHOLE,
) -> dict[str, list[dict[str, Any]]]:
    """Rows of a new signature, after the passphrase was typed again; C010, C011, or C621 where it stands already."""
    participant, visit, form, repeat = of
    check_again(act.trial, act.session.account, passphrase, act.now, held=act.passphrase)
    content = digest_signed(act.trial, participant, visit, form, repeat)
    account = act.trial.first(AccountRow, account=act.session.account)
    assert account is not None
    before = act.trial.has(
        SignatureRow,
        state="valid",
        account=account.account,
        meaning=meaning,
        participant=participant,
        visit=visit,
        form=form,
        repeat=repeat,
        content=content,
    )
    if before:
        act.refuse(
            "C621", participant or subject, "These records are signed already.", "records that changed, or others"
        )
    row = {
        "signature": f"S-{act.writer.number + 1}",
        "participant": participant,
        "visit": visit,
        "form": form,
        "repeat": repeat,
        "subject": subject,
        "account": account.account,
        "person": account.person,
        "role": act.role,
        "meaning": meaning,
        "content": content,
        "at": act.now.text,
    }
    rows: dict[str, list[dict[str, Any]]] = {"signature": [row]}
    if account.refusals:
        rows["account"] = [{"account": account.account, "refusals": 0}]
    return rows


def shown(rows: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    """What the person who signed is told, and what every display of a signature says."""
    row = rows["signature"][0]
    return {
        "signature": row["signature"],
        "of": row["subject"],
        "signed_by": row["person"] or row["account"],
        "role": row["role"],
        "meaning": row["meaning"],
        "at": row["at"],
        "content": row["content"],
    }


def supersede_signatures(act: Act) -> None:
    """Record that signatures no longer cover what stands now, of everybody whose data the action changed."""
    touched = {
        entry.participant
        for entry in act.events
        if entry.participant and any(f'"{table}":[' in entry.what for table in _DATA)
    }
    for participant in sorted(touched):
        rows = [{"signature": id, "state": SUPERSEDED} for id, _, _ in no_longer_as_signed(act.trial, participant)]
        if rows:
            names = [row["signature"] for row in rows]
            act.record(
                participant=participant,
                subject="signatures superseded",
                why="",
                what={"superseded": names, "put": {"signature": rows}},
                answer={"signatures_superseded": names},
            )
