"""Screening: everybody who was considered is counted, with the reason where it ended there."""

from __future__ import annotations

from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.rows.tables import ItemRow, ParticipantRow, SiteRow
from equipoise.conduct.rules.accounts import check_name
from equipoise.foundation.errors import ConductError, listed, raise_if_any

CODES = {
    "C120": "The participant's code is in use already, or is not valid.",
    "C121": "Unknown result of screening, or a missing reason.",
}


@action("screen", protocol=False)
def screen(act: Act, participant: str, site: str, result: str = "continues", reason: str = "", again: str = "") -> None:
    """Count somebody screened: ``result`` is continues, excluded or declined, the last two with their reason.

    The participant's code says nothing of the person; no name is ever recorded. Who is screened again gets a new code,
    and ``again`` names the one before, so that a person is not counted twice.
    """
    if act.trial.has(ParticipantRow, participant=participant):
        act.refuse(
            "C120",
            "participant",
            f"{participant} is in use already.",
            "a code never used before",
            "A participant who is screened again gets a new code; name this one in again=...",
        )
    if not participant.replace("-", "").isalnum() or not participant.isascii() or len(participant) > 20:
        act.refuse("C120", "participant", f"{participant!r} cannot be a code.", "up to 20 letters, digits and dashes")
    known = act.trial.column(ParticipantRow, "participant")
    raise_if_any(ConductError, check_name("participant", participant, known))
    earlier = _earlier(act, again) if again else {}
    if not act.trial.has(SiteRow, site=site):
        act.refuse("C100", "site", f"There is no site {site!r}.", listed(sorted(act.trial.column(SiteRow, "site"))))
    act.require_active_site()
    if result not in ("continues", "excluded", "declined"):
        act.refuse("C121", "result", f"{result!r} is not a result of screening.", "continues, excluded or declined")
    if result != "continues" and not reason.strip():
        act.refuse("C121", "reason", f"No reason is given: {result}.", "the reason", "Add reason=TEXT.")
    row = {
        "participant": participant,
        "site": site,
        "status": "screened" if result == "continues" else "not_enrolled",
        "screening": result,
        "reason": reason,
    }
    act.record(
        participant=participant,
        subject="screening",
        what={"put": {"participant": [row], **earlier_rows(act, participant, earlier)}},
        answer={"participant": participant, "status": row["status"], **({"again": again} if again else {})},
    )


def _earlier(act: Act, again: str) -> dict[str, str]:
    """The person's code of before; refused where that person is still in the trial, or of another site's."""
    row = act.trial.first(ParticipantRow, participant=again)
    sites = act.sites
    if row is None or (sites and row.site not in sites):
        act.refuse("C014", again, "There is no such participant here.", "a participant of the account's sites")
    if row.status != "not_enrolled":
        act.refuse(
            "C120", "again", f"{again} is {row.status}.", "a participant whose screening ended without enrolment"
        )
    taken = act.trial.values(ItemRow, ("participant",), form="rescreening", item="earlier", value=again)
    if taken:
        act.refuse("C120", "again", f"{again} was screened again as {taken[0][0]}.", "the last code of the person")
    return {"earlier": again}


def earlier_rows(act: Act, participant: str, earlier: dict[str, str]) -> dict[str, list[dict[str, Any]]]:
    """Rows that link a screening to the one before it of the same person."""
    if not earlier:
        return {}
    who = {"participant": participant, "visit": "screening", "form": "rescreening", "repeat": 1}
    form = {**who, "state": "recorded", "date": act.now.local_date.isoformat(), "first_event": act.writer.number + 1}
    return {"form": [form], "item": [{**who, "item": "earlier", "value": earlier["earlier"]}]}
