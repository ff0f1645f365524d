"""Consent: to a version of the document, under a version of the protocol; given anew after an amendment."""

from __future__ import annotations

from datetime import date

from equipoise.conduct.actions.context import Act, action

CODES = {
    "C122": "A consent to another version than the one in force.",
    "C123": "A consent without its version, or with a date that cannot be.",
    "C124": "There is nothing to consent to anew.",
}


def _consented(act: Act, version: str, on: date | None) -> dict[str, str]:
    if not version.strip():
        act.refuse(
            "C123", "version", "The version of the consent document is not named.", "its version as printed on it"
        )
    day = on or act.now.local_date
    if day > act.now.local_date:
        act.refuse("C123", "on", f"{day} has not come yet at the site.", f"{act.now.local_date} or before")
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
    """Record consent, the first or a new one: the protocol in force is now theirs, earlier records keep theirs."""
    act.require_active_site()
    person = act.participant
    before = person.protocol_hash
    if before == act.state.protocol_hash and person.consent_version == version:
        act.refuse("C124", participant, f"Version {version} was agreed to already, under the protocol in force.")
    row = _consented(act, version, on)
    act.record(
        subject=f"consent {version}",
        what={"protocol_before": before, "put": {"participant": [row]}},
        answer={"participant": participant, "version": version, "protocol": row["protocol_hash"][:12]},
    )
