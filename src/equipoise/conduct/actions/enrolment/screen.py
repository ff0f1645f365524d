"""Screening: everybody who was considered is counted, with the reason where it ended there."""

from __future__ import annotations

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.trial.models import Participant, Site
from equipoise.foundation.errors import listed

CODES = {
    "C120": "A participant's code that is in use already, or is no code.",
    "C121": "A result of screening that there is not, or a reason that is absent.",
}


@action("screen", protocol=False)
def screen(act: Act, participant: str, site: str, result: str = "continues", reason: str = "") -> None:
    """Count somebody screened: ``result`` is continues, excluded or declined, the last two with their reason.

    The participant's code says nothing of the person; no name is ever recorded.
    """
    if Participant.objects.filter(participant=participant).exists():
        act.refuse(
            "C120",
            "participant",
            f"{participant} is in use already.",
            "a code never used before",
            "Who is screened again gets a new code.",
        )
    if not participant.replace("-", "").isalnum() or not participant.isascii() or len(participant) > 20:
        act.refuse("C120", "participant", f"{participant!r} is no code.", "up to 20 letters, digits and dashes")
    if not Site.objects.filter(site=site).exists():
        act.refuse(
            "C100", "site", f"There is no site {site!r}.", listed(sorted(Site.objects.values_list("site", flat=True)))
        )
    act.require_active_site()
    if result not in ("continues", "excluded", "declined"):
        act.refuse("C121", "result", f"{result!r} is no result.", "continues, excluded or declined")
    if result != "continues" and not reason.strip():
        act.refuse("C121", "reason", f"Nothing says why: {result}.", "the reason", "Add reason=TEXT.")
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
        what={"put": {"participant": [row]}},
        answer={"participant": participant, "status": row["status"]},
    )
