"""Signing off, freezing and locking, in that order: after the lock nothing of a participant changes any more."""

from __future__ import annotations

import hashlib
from typing import Any

from equipoise.conduct.actions.door import Act, action, anchor_of
from equipoise.conduct.store.canonical import canonical

CODES = {
    "C620": "What stands in the way of a freeze or a lock.",
    "C621": "A signature over records that are signed already or not complete.",
}
MEANING = "responsible"  # of the meanings of 21 CFR 11.50: authored, reviewed, approved, responsible


def content_of(participant: str) -> str:
    """SHA-256 over every current value, visit and form of a participant: what a signature covers."""
    from equipoise.conduct.store.models import Form, ItemValue, Participant, Visit

    def rows(model: Any, *names: str) -> list[tuple[Any, ...]]:
        return sorted(model.objects.filter(participant=participant).values_list(*names))

    value = {
        "participant": rows(Participant, "status", "screening", "reason", "consented_on", "day_1", "treatment",
                            "follow_up", "in_error"),
        "visits": rows(Visit, "visit", "repeat", "state", "date", "reason"),
        "forms": rows(Form, "visit", "form", "repeat", "state", "date"),
        "items": rows(ItemValue, "visit", "form", "repeat", "item", "value", "unit", "missing"),
    }  # fmt: skip
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def void_signatures(act: Act) -> dict[str, list[dict[str, Any]]]:
    """Rows that make the participant's signatures void, because what they cover changes."""
    from equipoise.conduct.store.models import Signature

    found = Signature.objects.filter(participant=act.participant.participant, state="valid")
    rows = [{"signature": row.signature, "state": "void"} for row in found]
    return {"signature": rows} if rows else {}


@action("sign-off", states=("open", "frozen"))
def sign_off(act: Act, participant: str) -> None:
    """Sign a participant's records as the responsible investigator; any later change makes the signature void."""
    from equipoise.conduct.store.models import Account, Signature

    if act.course.infusing:
        act.refuse("C621", participant, "An infusion is running.", "records that are complete")
    content = content_of(participant)
    if Signature.objects.filter(participant=participant, state="valid", content=content).exists():
        act.refuse("C621", participant, "These records are signed already.", "records that changed, or others")
    person = Account.objects.get(account=act.session.account).person
    row = {
        "signature": f"{participant}-{act.writer.number + 1}", "participant": participant,
        "subject": "all records of the participant", "account": act.session.account, "person": person,
        "meaning": MEANING, "content": content, "at": act.now.text,
    }  # fmt: skip
    act.record(
        subject="signature",
        what={"put": {"signature": [row]}},
        answer={"participant": participant, "signed_by": person or act.session.account, "meaning": MEANING,
                "content": content},
    )  # fmt: skip


def unsigned() -> list[str]:
    """Participants randomized whose records no valid signature covers as they stand."""
    from equipoise.conduct.store.models import Participant, Signature

    out = []
    for row in Participant.objects.filter(status="randomized").order_by("participant"):
        signed = Signature.objects.filter(participant=row.participant, state="valid").values_list("content", flat=True)
        if content_of(row.participant) not in set(signed):
            out.append(row.participant)
    return sorted(out)


def _open_matters() -> list[str]:
    from equipoise.conduct.store.models import Form, Participant, Query

    out = [f"{n} infusions are running" for n in [Participant.objects.filter(infusing="yes").count()] if n]
    out += [f"{n} weights are held" for n in [Form.objects.filter(form="weight", state="held").count()] if n]
    out += [f"{n} queries are open" for n in [Query.objects.filter(state="open").count()] if n]
    return out


@action("freeze")
def freeze(act: Act) -> None:
    """Freeze the data: from now on only corrections, queries and signatures; nothing may be under way."""
    matters = _open_matters()
    if matters:
        act.refuse("C620", "freeze", f"{'; '.join(matters)}.", "nothing under way", "Settle it first.")
    act.record(
        subject="freeze",
        what={"put": {"trial_state": [{"name": "trial", "state": "frozen"}]}},
        answer={"state": "frozen"},
    )
    act.later.append(lambda receipt: anchor_of(receipt, act.trial))


@action("unfreeze", states=("frozen",), why=True)
def unfreeze(act: Act) -> None:
    """Open frozen data again, with the reason."""
    act.record(
        subject="freeze",
        what={"put": {"trial_state": [{"name": "trial", "state": "open"}]}},
        answer={"state": "open"},
    )


@action("lock", states=("frozen",))
def lock(act: Act) -> None:
    """Lock the database, for good: every participant's records are signed as they stand, and nothing is under way."""
    matters = _open_matters()
    absent = unsigned()
    if absent:
        shown = ", ".join(absent[:12]) + (" ..." if len(absent) > 12 else "")
        matters.append(f"{len(absent)} participants are not signed off: {shown}")
    if matters:
        act.refuse("C620", "lock", f"{'; '.join(matters)}.", "frozen data, all signed", "sign-off each, then lock.")
    act.record(
        subject="lock",
        what={"put": {"trial_state": [{"name": "trial", "state": "locked"}]}},
        answer={"state": "locked"},
    )
    act.later.append(lambda receipt: anchor_of(receipt, act.trial))
