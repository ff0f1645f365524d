"""The trial as a whole: halted and taken up again; a lock that is opened again, by two people, with the reason."""

from __future__ import annotations

from equipoise.conduct.actions.context import Act, action, anchor_of
from equipoise.conduct.rows.tables import AccountRow, EventRow, SignatureRow
from equipoise.conduct.trial.signatures import SUPERSEDED, VALID

CODES = {"C630": "Nobody asked for the unlock, or the same person would confirm it."}


@action("pause", why=True)
def pause(act: Act) -> None:
    """Pause the whole trial, with the reason: nobody is screened, randomized or dosed; who is in it is followed on."""
    act.record(
        subject="pause",
        what={"put": {"trial_state": [{"name": "trial", "state": "paused"}]}},
        answer={"state": "paused"},
    )
    act.later.append(lambda receipt: anchor_of(receipt, act.trial))


@action("resume", states=("paused",), why=True)
def resume(act: Act) -> None:
    """Take up a paused trial again, with the reason."""
    act.record(
        subject="pause",
        what={"put": {"trial_state": [{"name": "trial", "state": "open"}]}},
        answer={"state": "open"},
    )
    act.later.append(lambda receipt: anchor_of(receipt, act.trial))


@action("ask-unlock", states=("locked",), why=True)
def ask_unlock(act: Act) -> None:
    """Ask that a locked database be opened again, with the reason; another person does it: unlock."""
    act.record(subject="unlock", what={"asked": "unlock"}, answer={"state": "locked", "asked_by": act.session.account})
    act.later.append(lambda receipt: anchor_of(receipt, act.trial))


def asked_since_the_lock(act: Act) -> EventRow | None:
    """Who asked last that the lock be opened, since it was last closed or opened; ``None`` where nobody did."""
    turned = act.trial.largest(EventRow, "number", action__in=("lock", "unlock")) or 0
    return act.trial.first(EventRow, action="ask-unlock", number__above=turned, order=("-number",))


@action("unlock", states=("locked",), why=True)
def unlock(act: Act) -> None:
    """Open a locked database again, as somebody else asked: it is frozen then, for corrections with their reasons.

    That it was locked stands, and that it was opened; what had been told after the lock is not untold. It is signed and
    locked once more.
    """
    asked = asked_since_the_lock(act)
    if asked is None:
        act.refuse(
            "C630", "unlock", "Nobody has asked for it since the lock.", "two people", "First: ask-unlock --why ..."
        )
    number, asked_by, reason = asked.number, asked.account, asked.why
    person = {row[0]: row[1] for row in act.trial.values(AccountRow, ("account", "person"))}
    mine, theirs = act.session.account, asked_by
    if mine == theirs or person.get(mine, mine).casefold() == person.get(theirs, theirs).casefold():
        act.refuse("C630", "unlock", f"{asked_by} asked for it.", "a different person from the one who asked")
    told = [name for name in ("export-allocations", "open-quarantine") if act.trial.has(EventRow, action=name)]
    told += ["unblinded cut"] if _unblinded_cut(act) else []
    # the signature of the lock stands on record, and is no longer one over a locked database
    signed = act.trial.values(SignatureRow, ("signature",), participant="", state=VALID)
    superseded = [{"signature": id, "state": SUPERSEDED} for (id,) in signed]
    act.record(
        subject="unlock",
        what={
            "asked_in": number,
            "asked_by": asked_by,
            "asked_why": reason,
            "told_before": sorted(told),
            "put": {"trial_state": [{"name": "trial", "state": "frozen"}], "signature": superseded},
        },
        answer={"state": "frozen", "asked_by": asked_by, "told_before": sorted(told)},
    )
    act.later.append(lambda receipt: anchor_of(receipt, act.trial))


def _unblinded_cut(act: Act) -> bool:
    return act.trial.has(EventRow, action="cut", subject="cut unblinded")
