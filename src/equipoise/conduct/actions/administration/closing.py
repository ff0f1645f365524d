"""Freezing and locking, in that order: after the lock nothing of a participant changes any more."""

from __future__ import annotations

from equipoise.conduct.actions.administration.pausing import asked_since_the_lock
from equipoise.conduct.actions.context import Act, action, anchor_of
from equipoise.conduct.actions.permissions import ALWAYS
from equipoise.conduct.actions.repeat import run_again
from equipoise.conduct.actions.signing import RESPONSIBLE, shown, signature_row
from equipoise.conduct.rows.tables import EventRow, FormRow, ParticipantRow, QueryRow, SignatureRow
from equipoise.conduct.rules.status import IN_TRIAL
from equipoise.conduct.trial.envelopes import read_envelopes
from equipoise.conduct.trial.signatures import casebook_digest

CODES = {
    "C620": "Something prevents the freeze or the lock.",
    "C627": "The safety role's key cannot be published now.",
}


def unsigned(act: Act) -> list[str]:
    """Participants randomized whose records, as they stand, no investigator has signed as responsible."""
    out = []
    for (participant,) in act.trial.values(ParticipantRow, ("participant",), status__in=IN_TRIAL):
        signed = act.trial.values(
            SignatureRow, ("content",), participant=participant, form="", meaning=RESPONSIBLE, state="valid"
        )
        if (casebook_digest(act.trial, participant),) not in signed:
            out.append(participant)
    return sorted(out)


def _under_way(act: Act) -> list[str]:
    running = act.trial.count(ParticipantRow, infusing=True)
    held = act.trial.count(FormRow, form="weight", state="held")
    out = [f"{running} infusions are running"] if running else []
    envelopes = [one.text for one in read_envelopes(act.trial) if one.state == "out"]
    out += [f"{len(envelopes)} envelopes are out ({_named(envelopes)})"] if envelopes else []
    out += [f"{held} weights are held"] if held else []
    return out


def _named(ids: list[str]) -> str:
    return ", ".join(ids[:12]) + (" ..." if len(ids) > 12 else "")


@action("read-closing", states=ALWAYS, again=run_again)
def read_closing(act: Act) -> None:
    """Read what stands in the way of the lock, by name: what is under way, who is not signed off, which queries are not
    closed; and when the data were frozen and locked. Queries on what is quarantined are named to the safety role alone,
    and of other sites than the account's there are numbers alone.
    """
    sites = act.sites
    at = dict(act.trial.values(ParticipantRow, ("participant", "site")))
    asked = act.trial.values(QueryRow, ("query", "participant", "blinding"), state__not="closed", order=("query",))
    sealed = [row for row in asked if row[2] != "open"]
    safety = "safety" in act.roles
    last = {
        name: dict(zip(("account", "at", "offset_minutes", "zone", "why"), row, strict=True))
        for name in ("freeze", "unfreeze", "lock", "ask-unlock", "unlock", "open-quarantine")
        for row in act.trial.values(
            EventRow, ("account", "at", "offset_minutes", "zone", "why"), action=name, order=("-number",), limit=1
        )
    }
    asked_after = asked_since_the_lock(act)
    absent = unsigned(act)
    mine = [name for name in absent if not sites or at.get(name) in sites]
    open_ = [[query, who] for query, who, kind in asked if safety or kind == "open"]
    here = [[query, who] for query, who in open_ if not sites or at.get(who) in sites]
    act.record(subject="closing", what={"state": act.state.state})
    act.tell(
        {
            "state": act.state.state,
            "under_way": _under_way(act),
            "unsigned": mine,
            "unsigned_elsewhere": len(absent) - len(mine),
            "randomized": act.trial.count(ParticipantRow, status__in=IN_TRIAL),
            "queries": here,
            "queries_elsewhere": len(open_) - len(here),
            "others": bool(sealed) and not safety,
            "last": last,
            "unlock_asked_by": asked_after.account if asked_after is not None else "",
        }
    )


@action("freeze")
def freeze(act: Act) -> None:
    """Freeze the data: from now on only corrections, queries, signatures and adverse events that are learnt of late;
    nothing may be under way.
    """
    matters = _under_way(act)
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


@action("lock", states=("frozen",), private=("passphrase",))
def lock(act: Act, passphrase: str) -> None:
    """Lock and sign the database, for good: every participant signed off as the records stand, every query closed."""
    matters = _under_way(act)
    absent = unsigned(act)
    if absent:
        matters.append(f"{len(absent)} participants are not signed off by an investigator: {_named(absent)}")
    asked = sorted(query for (query,) in act.trial.values(QueryRow, ("query",), state__not="closed"))
    if asked:
        matters.append(f"{len(asked)} queries are not closed: {_named(asked)}")
    if matters:
        act.refuse(
            "C620",
            "lock",
            f"{'; '.join(matters)}.",
            "frozen data, all signed, every query closed",
            "sign-off each participant, close each query, then lock.",
        )
    rows = signature_row(act, passphrase, "approved", "the locked database")
    act.record(
        subject="lock",
        what={"put": {"trial_state": [{"name": "trial", "state": "locked"}], **rows}},
        answer={"state": "locked", **shown(rows)},
    )
    act.later.append(lambda receipt: anchor_of(receipt, act.trial))


@action("open-quarantine", states=("locked",))
def open_quarantine(act: Act) -> None:
    """Publish the safety role's key in the ledger, after the lock: what was quarantined can be read by everybody."""
    key = act.quarantine
    if key is None:
        act.refuse("C043", "--safety", "No folder is named.", "the folder that the safety role keeps", "Add --safety.")
    if act.trial.has(EventRow, action="open-quarantine"):
        act.refuse("C627", "open-quarantine", "The key is published already.", "once")
    act.record(subject="quarantine", what={"secret": key.secret}, answer={"quarantine": "open"})
    act.later.append(lambda receipt: anchor_of(receipt, act.trial))
