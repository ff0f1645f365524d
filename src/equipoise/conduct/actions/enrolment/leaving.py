"""How participants go on and leave: discontinuation, withdrawal, loss, death, completion; none means another."""

from __future__ import annotations

from datetime import date

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.history import require_day
from equipoise.conduct.actions.visits.recording import joined
from equipoise.conduct.actions.visits.visit import disposition_rows
from equipoise.conduct.rules.status import Turn, after, columns_of, standing_after

# Step of the path, and the kind of time that its date is.
_KINDS = {
    "discontinue_treatment": "discontinuation",
    "withdraw": "withdrawal",
    "withdraw_from_visits": "withdrawal from visits",
    "lose": "loss",
    "die": "death",
    "complete": "completion",
}


def _leave(act: Act, step: str, event: str, on: date | None, reason: str) -> None:
    """Record how somebody left, on the day it happened: where they stood on that day decides, not where they stand."""
    day = require_day(act, _KINDS[step], on)
    act.take(step, on=on)
    stood = act.standing_on(day)
    turned = columns_of(stood, after(stood, step), why=act.why)
    participant = act.participant.participant
    number = act.writer.number + 1
    turn = Turn(day, number, turned.get("treatment"), turned.get("follow_up"))  # type: ignore[arg-type]
    now = standing_after(act.course, [*act.turns, turn])
    # the row says what this event turned; where it was typed after a later one, what the two come to stands
    changed = {**turned, **columns_of(act.course, now, why=act.why)}
    rows = disposition_rows(act, event, day, reason)
    act.record(
        subject=event.replace("_", " "),
        what={"turn": turned, "put": joined({"participant": [{"participant": participant, **changed}]}, rows)},
        answer={"participant": participant, "event": event, "on": day.isoformat()},
    )


@action("discontinue", why=True)
def discontinue(act: Act, participant: str, on: date | None = None) -> None:
    """Discontinue the treatment; the participant is followed as before."""
    _leave(act, "discontinue_treatment", "treatment_discontinuation", on, act.why)


@action("withdraw", why=True)
def withdraw(act: Act, participant: str, scope: str = "everything", on: date | None = None) -> None:
    """Record a withdrawal: ``scope`` is visits (a telephone call is still allowed) or everything."""
    if scope not in ("visits", "everything"):
        act.refuse("C501", "scope", f"Found {scope!r}.", "visits or everything")
    _leave(act, "withdraw" if scope == "everything" else "withdraw_from_visits", "study_withdrawal", on, act.why)


@action("lost", why=True)
def lost(act: Act, participant: str, on: date | None = None) -> None:
    """Record that a participant was lost to follow-up, and what was tried."""
    _leave(act, "lose", "lost_to_follow_up", on, act.why)


@action("found-again", why=True)
def found_again(act: Act, participant: str) -> None:
    """Record that a lost participant is in contact again; the loss stays on record."""
    changed = act.take("find_again")
    act.record(
        subject="found again",
        what={"put": {"participant": [{"participant": participant, **changed}]}},
        answer={"participant": participant, "follow_up": "in"},
    )


@action("death", why=True)
def death(act: Act, participant: str, on: date) -> None:
    """Record a participant's death; the adverse event is reported by itself."""
    _leave(act, "die", "death", on, act.why)


@action("complete")
def complete(act: Act, participant: str, on: date | None = None) -> None:
    """Record that a participant completed treatment and visits; later calls are still made."""
    _leave(act, "complete", "completion", on, "")
