"""A participant goes on at another site: what was recorded keeps its site, what follows belongs to the new one."""

from __future__ import annotations

from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.visits.recording import form_rows, joined, repeats_of
from equipoise.conduct.rows.tables import SiteRow

CODES = {"C615": "The site cannot take the participant."}


@action("transfer", why=True)
def transfer(act: Act, participant: str, to: str) -> None:
    """Move a participant to another site, with the reason: by an account that sees both sites.

    The allocation stays as it was given, its stratum too. An infusion that runs is ended first.
    """
    sites = act.sites
    found = act.trial.first(SiteRow, site=to)
    if found is None or (sites and to not in sites):
        act.refuse("C014", to, "There is no such site here.", "a site of the account's")
    if found.state != "active":
        act.refuse("C615", to, f"The site is {found.state}.", "an active site", "activate-site, after its approvals.")
    if to == act.participant.site:
        act.refuse("C615", to, "The participant is there already.", "another site")
    if act.course.infusing:
        act.refuse("C615", participant, "An infusion is running.", "none", "Record its end first.")
    if act.course.follow_up in ("withdrawn", "dead") or act.course.phase in ("new", "not_enrolled"):
        act.refuse("C501", "transfer", f"The participant {act.course.words}.", "a participant in follow-up")
    number = len(repeats_of(act, "transfer", "transfer")) + 1
    items: dict[str, tuple[str, str | None, str]] = {
        "from": ("text", act.participant.site, ""),
        "to": ("text", to, ""),
    }
    rows: dict[str, list[dict[str, Any]]] = joined(
        {"participant": [{"participant": participant, "site": to}]},
        form_rows(act, "transfer", "transfer", items, repeat=number, on=act.now.local_date),
    )
    act.record(
        subject=f"transfer to {to}",
        what={"before": act.participant.site, "put": rows},
        answer={"participant": participant, "from": act.participant.site, "to": to},
    )
