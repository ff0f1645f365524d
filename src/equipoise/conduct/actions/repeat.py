"""A repeated request is the same request: known by all that it asked, answered whole, and done once.

Whoever lost the reply sends the request again with the same ``--key``. What it asks must be the same to the last
private argument, or it is another request under a name that was used (C015). The answer is the first one: what stands
in the ledger, and what was told to this person alone, told again to an account that still may (see ``again`` of an
action).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from equipoise.conduct.actions.admission import admit
from equipoise.conduct.actions.context import Act, Receipt, asked_of, private_digest, private_names
from equipoise.conduct.actions.sign_in import check_again
from equipoise.conduct.audit_trail.anchors import Anchor
from equipoise.conduct.clock import Clock
from equipoise.conduct.integrity.absences import put_in_place
from equipoise.conduct.rows.tables import EventRow
from equipoise.foundation.errors import ConductError, Problem

CODES = {
    "C015": "A request was repeated with different content.",
    "C029": "A request was repeated, and its private part can no longer be compared.",
}


def answered(act: Act, clock: Clock) -> Receipt | None:
    """The receipt of the request if it was answered before; C015 where it asked another thing then."""
    rows = act.trial.values(EventRow, ("number", "action", "at", "hash", "what"), request=act.request, order=("step",))
    if not rows:
        return None
    contents = [json.loads(row[4]) if row[4] else {} for row in rows]
    require_same(act, rows[0][1], contents[0])
    admit(act, act.given, clock, again=True)
    if "passphrase" in act.action.private and "passphrase" in act.given:
        check_again(act.trial, act.session.account, act.given["passphrase"], act.now, held=act.passphrase)
    if act.action.allocates:
        put_in_place(act.trial)  # whoever died before its receipt was written is asked again
    numbers = tuple(row[0] for row in rows)
    last = rows[-1]
    warnings: tuple[str, ...] = ()
    if act.action.again is not None:
        warnings = tuple(filter(None, [act.action.again(act, numbers)]))
    return Receipt(
        act.action.name,
        act.request,
        numbers,
        Anchor(last[0], last[3], last[2], act.action.name),
        answer_of(contents),
        act.told,
        repeated=True,
        warnings=warnings,
    )


def answer_of(contents: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What the events of one request answered, together."""
    out: dict[str, Any] = {}
    for content in contents:
        out.update(content.get("answer", {}))
    return out


def require_same(act: Act, name: str, before: Mapping[str, Any]) -> None:
    """Refuse where the request of that name asked for something else (C015), or nobody can tell (C029)."""
    hidden = tuple(before.get("hidden", ()))
    asked = asked_of(act.action, act.given, act.why, hidden)
    same = name == act.action.name and before.get("asked", asked) == asked
    if same and private_names(act.action, hidden):
        said = before.get("asked_private")
        digest, key = private_digest(act, hidden)
        if said is None or before.get("asked_key") != key:
            raise ConductError(
                Problem(
                    "C029",
                    "--key",
                    "This key was used before, and it is no longer known whether for the same request.",
                    "a request answered under the key that this folder has (requests.key)",
                    "Check whether it was recorded: read. Give each further request a key of its own.",
                )
            )
        same = said == digest
    if not same:
        raise ConductError(
            Problem(
                "C015",
                "--key",
                "This key was used before, for a different request.",
                "a key of its own for every request",
                "Leave the key out, or choose another.",
            )
        )


def run_again(act: Act, numbers: Sequence[int]) -> str:
    """For actions that read: told anew, and nothing recorded a second time."""
    from django.db import transaction

    class Undone(Exception):
        """The end of a reading that leaves no trace."""

    kept, request = act.writer.standing(), act.request
    act.request, act.repeatable = f"{request} again", False
    try:
        with transaction.atomic(using=act.trial.alias):
            act.action.run(act, **act.given)
            raise Undone
    except Undone:
        act.writer.stand_at(kept)
    act.request = request
    return ""


__all__ = ["answer_of", "answered", "require_same", "run_again"]
