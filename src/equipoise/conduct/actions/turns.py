"""What turned a participant's treatment or follow-up, and on which day, as the ledger says it."""

from __future__ import annotations

import json
from datetime import date, datetime, timedelta
from typing import Any

from equipoise.conduct.rows.find import Rows
from equipoise.conduct.rows.tables import IN_ERROR, EventRow, FormRow
from equipoise.conduct.rules.dose_places import GIVEN
from equipoise.conduct.rules.status import Turn

# Actions that set the standing anew after something was taken back or dated anew: they are no turn themselves.
_RECKONED = frozenset({"entered-in-error", "correct"})


def local_date_of(at: str, offset_minutes: int) -> date:
    """The date on the wall where an event was recorded."""
    return (datetime.fromisoformat(at.replace("Z", "+00:00")) + timedelta(minutes=offset_minutes)).date()


def contents_of(rows: Rows, participant: str, *actions: str) -> list[tuple[int, str, date, dict[str, Any]]]:
    """Events of a participant: number, action, local date, content; of ``actions`` alone where some are named.

    Of an event that was redacted, what the redaction left.
    """
    columns = ("number", "action", "at", "offset_minutes", "what")
    found = rows.values(EventRow, columns, participant=participant, order=("number",))
    kept: dict[int, str] = {}
    for _, action, _, _, what in found:
        if action == "redact" and what:
            kept.update({int(number): text for number, text in json.loads(what).get("kept", {}).items()})
    out = []
    for number, action, at, offset, what in found:
        text = what or kept.get(number, "")
        if not actions or action in actions:
            out.append((number, action, local_date_of(at, offset), json.loads(text) if text else {}))
    return out


def turns_of(rows: Rows, participant: str) -> list[Turn]:
    """Every change of a participant's treatment or follow-up that stands, dated by the day it happened."""
    dispositions = {
        first: (state, on)
        for state, on, first in rows.values(
            FormRow, ("state", "date", "first_event"), participant=participant, form="disposition"
        )
    }
    given = rows.column(FormRow, "first_event", participant=participant, form=GIVEN, state__not=IN_ERROR)
    out = []
    for number, action, day, content in contents_of(rows, participant):
        if action in _RECKONED:
            continue
        if action == "dose-given":  # each that stands begins the treatment, whichever was the first
            out += [Turn(day, number, "begun")] if number in given else []
            continue
        # an event entered after a later one says what it turned by itself: the row holds what the two come to
        for row in [content["turn"]] if "turn" in content else content.get("put", {}).get("participant", []):
            if "follow_up" in row or "treatment" in row:
                state, on = dispositions.get(number, ("", ""))
                if state != IN_ERROR:
                    happened = date.fromisoformat(on) if on else day
                    out.append(Turn(happened, number, row.get("treatment"), row.get("follow_up")))
    return out
