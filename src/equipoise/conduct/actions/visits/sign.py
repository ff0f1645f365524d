"""Signing a form, or all records of a participant; the passphrase is asked for again."""

from __future__ import annotations

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.signing import MEANINGS, RESPONSIBLE, Signed, shown, signature_row
from equipoise.conduct.actions.visits.recording import form_of
from equipoise.conduct.rules.dose_places import is_dosing
from equipoise.foundation.errors import listed


def _sign(
    act: Act, participant: str, meaning: str, passphrase: str, visit: str = "", form: str = "", repeat: int = 1
) -> None:
    if meaning not in MEANINGS:
        act.refuse("C625", "meaning", f"Found {meaning!r}.", listed(MEANINGS))
    held = [role for role in MEANINGS[meaning] if role in act.roles]
    if not held:
        act.refuse("C625", "meaning", f"The role {act.role} does not sign as {meaning}.", listed(MEANINGS[meaning]))
    act.role = held[0]
    if form or visit:
        found = form_of(act, visit, form, repeat)
        if found is None:
            act.refuse(
                "C621",
                f"{visit} {form}".strip(),
                "Nothing is recorded there.",
                "a form that was recorded",
                "Name visit=... and form=..., or neither for all records.",
            )
        if act.roles <= {"rater"} and is_dosing(visit):
            act.refuse("C600", form, "It may reveal the arm.", "a form that raters see")
        subject = f"form {form} at {visit}" + (f", {repeat}" if repeat != 1 else "")
    else:
        subject = "all records of the participant"
    if act.course.infusing and not form:
        act.refuse("C621", participant, "An infusion is running.", "records that are complete")
    rows = signature_row(act, passphrase, meaning, subject, Signed(participant, visit, form, repeat))
    act.record(subject="signature", what={"put": rows}, answer={"participant": participant, **shown(rows)})


@action("sign", states=("open", "frozen"), private=("passphrase",))
def sign(
    act: Act, participant: str, meaning: str, passphrase: str, visit: str = "", form: str = "", repeat: int = 1
) -> None:
    """Sign a form, or all records of a participant, with a meaning: authored, reviewed, approved or responsible."""
    _sign(act, participant, meaning, passphrase, visit, form, repeat)


@action("sign-off", states=("open", "frozen"), private=("passphrase",))
def sign_off(act: Act, participant: str, passphrase: str) -> None:
    """Sign a participant's records as the responsible investigator: the lock asks for it, as the records then stand."""
    _sign(act, participant, RESPONSIBLE, passphrase)
