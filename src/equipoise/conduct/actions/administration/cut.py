"""Who took data out and in which edition, and who opened the allocation before the lock, and why."""

from __future__ import annotations

from datetime import UTC, datetime

from equipoise.conduct.actions.context import Act, action, anchor_of
from equipoise.conduct.actions.permissions import ALWAYS
from equipoise.conduct.actions.visits.recording import roles_of
from equipoise.conduct.rows.tables import UnblindingRow

CODES = {"C624": "Unknown edition of a cut, or one that this account may not have."}
EDITIONS = ("blinded", "sham", "unblinded")


@action("cut", states=ALWAYS)
def cut(act: Act, at: str, edition: str, without_quarantined: bool = False) -> None:
    """Note a data cut before it is made: the moment, the edition, who; unblinded is for the unblinded statistician."""
    if edition not in EDITIONS:
        act.refuse("C624", "edition", f"Found {edition!r}.", ", ".join(EDITIONS))
    if edition == "unblinded" and "unblinded-statistician" not in roles_of(act):
        act.refuse("C624", "edition", f"The role {act.role} takes no unblinded cut.", "an unblinded statistician")
    if edition == "sham" and not roles_of(act) & {"unblinded-statistician", "pharmacist"}:
        act.refuse(
            "C624",
            "edition",
            "A sham list is drawn from the sealed companion.",
            "an unblinded statistician or a pharmacist, who hands the cut on",
        )
    try:
        moment = datetime.fromisoformat(at)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        act.refuse("C622", "at", f"{at!r} is not a time.", "a time with its zone: 2027-06-30T12:00:00Z")
    if moment >= act.now.utc:
        act.refuse("C622", "at", f"{at} has not passed: later events would belong to it.", "a time in the past")
    shown = moment.astimezone(UTC).isoformat()
    act.record(
        subject=f"cut {edition}",
        what={"edition": edition, "moment": shown, "without_quarantined": without_quarantined},
        answer={"edition": edition, "at": shown},
    )


@action("open-arms", states=ALWAYS, why=True)
def open_arms(act: Act) -> None:
    """Record that the allocation may be opened for an analysis before the lock, with the reason (a safety board's)."""
    number = f"U-{act.trial.count(UnblindingRow) + 1:03d}"
    row = {
        "unblinding": number,
        "asked_by": act.session.account,
        "told": "unblinded-statistician",
        "mode": "analysis",
        "reason": act.why,
        "at": act.now.text,
        "state": "told",
    }
    act.record(subject=f"unblinding {number}", what={"put": {"unblinding": [row]}}, answer={"unblinding": number})
    act.later.append(lambda receipt: anchor_of(receipt, act.trial))
