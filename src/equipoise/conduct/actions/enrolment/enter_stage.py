"""A later stage: who enters it, by the protocol's own words, and the day it counts its days from."""

from __future__ import annotations

from datetime import date
from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.history import require_day
from equipoise.conduct.actions.visits.recording import form_of, form_rows, joined, values_of
from equipoise.foundation.errors import listed

CODES = {
    "C614": "The protocol has no such stage, or the participant was not found to enter it.",
}
ENTRY, DAY_1 = "stage-entry", "stage-day-1"


def stage_place(stage: str) -> str:
    """Where what concerns a stage stands among a participant's records."""
    return f"stage-{stage}"


def day_1_rows(act: Act, stage: str, day: date) -> dict[str, list[dict[str, Any]]]:
    """Rows that set the day from which a stage counts its days."""
    items: dict[str, tuple[str, str | None, str]] = {"day-1": ("date", day.isoformat(), "")}
    return form_rows(act, stage_place(stage), DAY_1, items, on=day)


def require_entered(act: Act, stage: str) -> None:
    """Refuse a stage that the investigator did not find the participant to enter (C614)."""
    row = form_of(act, stage_place(stage), ENTRY)
    entered = values_of(act, stage_place(stage), ENTRY).get("enters") if row is not None else None
    if entered != "yes":
        found = "Nobody decided whether the participant enters it." if row is None else "They were found not to enter."
        words = act.protocol.model.stages[stage].entry or "whoever the investigator finds to enter"
        act.refuse(
            "C614",
            stage,
            found,
            words,
            f"enter-stage participant={act.participant.participant} stage={stage} enters=yes, by the investigator.",
        )


@action("enter-stage")
def enter_stage(act: Act, participant: str, stage: str, enters: bool, on: date | None = None) -> None:
    """Decide whether a participant enters a later stage, by the words of the protocol.

    A stage that counts its own days and randomizes nobody begins on the day ``on``, by default today; one that
    randomizes begins with that randomization.
    """
    stages = act.protocol.model.stages
    chosen = stages.get(stage)
    if chosen is None or stage == next(iter(stages)):
        later = list(stages)[1:]
        act.refuse("C614", "stage", f"Found {stage!r}.", listed(later) if later else "a protocol with stages")
    act.take("enter_stage")
    place = stage_place(stage)
    before = values_of(act, place, ENTRY).get("enters")
    if before is not None:
        if before == ("yes" if enters else "no"):
            act.refuse("C614", stage, f"That was decided: enters {before}.", "another decision")
        if form_of(act, place, DAY_1) is not None:
            act.refuse("C614", stage, "The stage has begun.", "a stage that has not begun")
        act.require_why("A decision on a stage was changed")
    items: dict[str, tuple[str, str | None, str]] = {"enters": ("yes-no", "yes" if enters else "no", "")}
    rows = form_rows(act, place, ENTRY, items, on=act.now.local_date, is_new=before is None)
    if enters and chosen.day_1 is not None and not chosen.randomizes:
        rows = joined(rows, day_1_rows(act, stage, require_day(act, "stage", on)))
    act.record(
        subject=f"stage {stage}",
        what={"entry": chosen.entry or "", "put": rows},
        answer={"participant": participant, "stage": stage, "enters": enters},
    )
