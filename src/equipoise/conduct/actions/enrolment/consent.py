"""Consent: to a version of the document, under a version of the protocol; given anew after an amendment."""

from __future__ import annotations

from datetime import date

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.history import consents_of, landmarks, require_day
from equipoise.conduct.rules.dates import check_day
from equipoise.foundation.errors import ConductError, raise_if_any

CODES = {
    "C122": "The consent is to another version than the one in force.",
    "C123": "A consent has no version, or an impossible date.",
    "C124": "There is no new version to consent to.",
}


def consent_row(act: Act, version: str, on: date | None = None) -> dict[str, str]:
    """The participant's columns after a consent to ``version`` on a day: refused where it is not the one in force."""
    if not version.strip():
        act.refuse(
            "C123", "version", "The version of the consent document is not named.", "its version as printed on it"
        )
    day = require_day(act, "consent", on)
    in_force = act.state.consent_version
    if in_force and version != in_force:
        act.refuse(
            "C122", "version", f"The document is version {version!r}.", f"version {in_force!r}, which is in force"
        )
    return {
        "participant": act.participant.participant,
        "consented_on": day.isoformat(),
        "protocol_hash": act.state.protocol_hash,
        **act.take("consent", consent=version),
    }


@action("consent-version")
def consent_version(act: Act, version: str) -> None:
    """Name the version of the consent document in force: who agreed to an older one is neither randomized nor dosed."""
    act.record(
        subject=f"consent {version}",
        what={"put": {"trial_state": [{"name": "trial", "consent_version": version}]}},
        answer={"version": version},
    )


@action("consent")
def consent(act: Act, participant: str, version: str, on: date | None = None) -> None:
    """Record consent, the first or a new one: the protocol in force is now theirs, earlier records keep theirs.

    The same version with another date and a reason corrects the date.
    """
    person = act.participant
    before = person.protocol_hash
    if before == act.state.protocol_hash and person.consent_version == version:
        if on is None or on.isoformat() == person.consented_on:
            act.refuse("C124", participant, f"Version {version} was agreed to already, under the protocol in force.")
        _correct_date(act, on)
        return
    act.require_active_site()
    row = consent_row(act, version, on)
    act.record(
        subject=f"consent {version}",
        what={"protocol_before": before, "put": {"participant": [row]}},
        answer={"participant": participant, "version": version, "protocol": row["protocol_hash"][:12]},
    )


def _correct_date(act: Act, on: date) -> None:
    """Correct the date of the last consent: it stays before all that followed it.

    Where it is true that something came before the consent, that is a deviation: of a randomization the record says so
    first (randomized-in-error), and then the true date is taken.
    """
    act.require_why("The date of a consent was corrected")
    act.take("correct")
    before = consents_of(act)[:-1]
    known = {**landmarks(act), "the consent before": before[-1] if before else None}
    kind = "consent corrected" if not act.course.randomized_in_error and not before else "consent"
    raise_if_any(ConductError, check_day(kind, on, act.now.local_date, known, reason=act.why))
    who = act.participant.participant
    act.record(
        subject=f"consent {act.participant.consent_version}",
        what={
            "corrects": act.participant.consented_on,
            "put": {"participant": [{"participant": who, "consented_on": on.isoformat()}]},
        },
        answer={"participant": who, "version": act.participant.consent_version, "on": on.isoformat()},
    )
