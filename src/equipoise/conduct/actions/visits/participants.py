"""Who is in the trial at the account's sites, and where each stands."""

from __future__ import annotations

from datetime import date
from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.permissions import ALWAYS
from equipoise.conduct.actions.repeat import run_again
from equipoise.conduct.actions.visits.due import rows_of, today_at
from equipoise.conduct.rows.tables import ParticipantRow, VisitRow
from equipoise.conduct.rules import windows


@action("participants", states=ALWAYS, again=run_again)
def participants(act: Act, participant: str | None = None) -> None:
    """List everybody screened at the account's sites, or one of them: where each stands, on which study day, and what
    is due next.
    """
    sites = act.sites
    known = act.trial.values(ParticipantRow, ("participant", "site"))
    rows = [
        standing(act, id) for id, site in sorted(known) if (not sites or site in sites) and participant in (None, id)
    ]
    act.load_none() if participant is None else act.load(participant)
    act.record(subject="participants", what={"listed": len(rows)})
    act.tell({"participants": rows})


def standing(act: Act, id: str) -> dict[str, Any]:
    """One participant as blinded people see them."""
    person = act.load(id)
    today = today_at(act, person.site)
    due = [] if person.status == "not_enrolled" else list(rows_of(act, id, 60))
    ahead = [row for row in due if row.get("kind") != "queries"]
    order = {"overdue": 0, "due": 1, "open": 2, "coming": 3}
    ahead.sort(key=lambda row: (order[row["state"]], row["by"]))
    return {
        "participant": id,
        "site": person.site,
        "status": person.status,
        "screening": person.screening,
        "reason": person.reason,
        "treatment": person.treatment,
        "follow_up": person.follow_up,
        "consent": person.consent_version,
        "consented_on": person.consented_on,
        "day_1": person.day_1,
        "study_day": windows.study_day_of(today, date.fromisoformat(person.day_1)) if person.day_1 else None,
        "next": ahead[0] if ahead else None,
        "visits": _visits(act, id, sum(row.get("kind") == "visit" and row["state"] == "overdue" for row in due)),
        "overdue": sum(row["state"] == "overdue" for row in due),
        "open": sum(row["state"] == "open" for row in due),
    }


def _visits(act: Act, id: str, overdue: int) -> tuple[int, int]:
    """How many visits were held of those due so far: held, missed, and past without an entry."""
    states = [state for (state,) in act.trial.values(VisitRow, ("state",), participant=id)]
    held, missed = states.count("attended"), states.count("missed")
    return held, held + missed + overdue
