"""Emergency unblinding: with a reason, for one participant, told to one person, and known to everybody that it was."""

from __future__ import annotations

from collections.abc import Sequence

from equipoise.conduct.actions.context import Act, action, anchor_of
from equipoise.conduct.actions.permissions import ALWAYS
from equipoise.conduct.rows.tables import AccountRow, AllocationRow, EventRow, UnblindingRow
from equipoise.conduct.rules.telling_texts import UNBLINDED

CODES = {
    "C127": "There is no such unblinding, or it is for another account.",
    "C128": "This person may not be told the arm.",
}
# Who may be told the arm by somebody else's request.
TOLD = ("pharmacist", "safety", "investigator")


def _open(act: Act, mode: str, told: str, impact: str = "") -> str:
    """The row of a new unblinding, by its running number; the participant must have an allocation."""
    person = act.participant.participant
    changed = act.take("unblind")
    number = f"U-{act.trial.count(UnblindingRow) + 1:03d}"
    row = {
        "unblinding": number,
        "participant": person,
        "asked_by": act.session.account,
        "told": told,
        "mode": mode,
        "reason": f"{act.why}; impact: {impact}" if impact else act.why,
        "at": act.now.text,
        "state": "asked" if mode == "third-party" else "told",
    }
    act.record(
        subject=f"unblinding {number}",
        what={"put": {"unblinding": [row], "participant": [{"participant": person, **changed}]}},
        answer={"unblinding": number, "participant": person, "told": told},
    )
    act.later.append(lambda receipt: anchor_of(receipt, act.trial))
    return number


def _arms(act: Act, participant: str) -> dict[str, str]:
    numbers = sorted(act.trial.column(AllocationRow, "randomization", participant=participant))
    arms = {number: act.arm_of(participant, number) for number in numbers}
    label = act.protocol.arm_label
    return {f"randomization {number}" if len(arms) > 1 else "arm": label(arm) for number, arm in arms.items()}


def _told_again(act: Act, numbers: Sequence[int]) -> str:
    person = act.given.get("participant")
    if person is None:
        ((person,),) = act.trial.values(EventRow, ("participant",), number=numbers[0])
        act.load(person)
    act.tell(_arms(act, person))
    return ""


@action("unblind", states=ALWAYS, why=True, again=_told_again)
def unblind(act: Act, participant: str) -> None:
    """Break the code for one participant, oneself being told the arm; needs the pharmacy's folder."""
    arms = _arms(act, participant)
    number = _open(act, "self", act.session.account)
    # one sealed entry an unblinding, whatever the arm
    act.seal({"unblinding": number, "told": act.session.account})
    act.tell(arms)


@action("unblinded-by-accident", states=ALWAYS, why=True)
def unblinded_by_accident(act: Act, participant: str, learned_by: str, impact: str) -> None:
    """Record that somebody learned an arm who should not have: who (by account or in words), how (--why), what follows.

    The words stand in the open ledger and are read by blinded people: they never say which arm it was.
    """
    if not learned_by.strip() or not impact.strip():
        act.refuse(
            "C127",
            "impact",
            "Who learned it, or what follows from it, is not given.",
            "both, in words",
            "Add learned_by=... impact=... (another rater takes over).",
        )
    said = f"{act.why} {learned_by} {impact}"
    if [name for name in act.texts.names.found(said) if name not in UNBLINDED]:
        act.refuse(
            "C128",
            "--why",
            "The words name an arm or a treatment.",
            "words without it",
            "Reword it without the arm: blinded people read this.",
        )
    _open(act, "accident", learned_by.strip(), impact.strip())


@action("unblind-for", states=ALWAYS, why=True)
def unblind_for(act: Act, participant: str, told: str) -> None:
    """Ask that somebody else be told the arm (who treats the participant): the one who asks never receives it."""
    account = act.trial.first(AccountRow, account=told)
    if account is None or account.state != "active" or not set(account.roles.split(",")) & set(TOLD):
        act.refuse("C128", "told", f"{told} may not be told an arm.", f"an account of the role {', '.join(TOLD)}")
    if told == act.session.account:
        act.refuse("C128", "told", "The one who asks would be told.", "another person", "Use unblind for oneself.")
    if not act.trial.has(AllocationRow, participant=participant):
        act.take("unblind")
        act.refuse("C127", participant, "There is no allocation.", "somebody randomized")
    _open(act, "third-party", told)


@action("unblind-told", states=ALWAYS, again=_told_again)
def unblind_told(act: Act, unblinding: str) -> None:
    """Receive the arm that somebody asked be told to this account; needs the pharmacy's folder."""
    found = act.trial.first(UnblindingRow, unblinding=unblinding, told=act.session.account, mode="third-party")
    if found is None:
        act.refuse("C127", unblinding, "Nobody asked that this account be told.", "an unblinding for this account")
    act.load(found.participant)
    arms = _arms(act, found.participant)
    act.record(
        subject=f"unblinding {unblinding}",
        what={"put": {"unblinding": [{"unblinding": unblinding, "state": "told"}]}},
        answer={"unblinding": unblinding, "participant": found.participant},
    )
    act.seal({"unblinding": unblinding, "told": act.session.account})
    act.tell(arms)
