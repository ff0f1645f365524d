"""Enrolment into a treatment that everybody gets: the way in where the protocol randomizes nobody."""

from __future__ import annotations

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.grounds import grounds_of
from equipoise.conduct.actions.visits.recording import raise_problems
from equipoise.conduct.rules.preconditions import check_entry
from equipoise.conduct.rules.windows import anchor_is_enrolment

CODES = {"C119": "The protocol randomizes, so participants are not enrolled; or the reverse."}


@action("enrol")
def enrol(act: Act, participant: str) -> None:
    """Enrol the participant, where nobody is randomized: every criterion is decided again, as before a randomization.

    Where study day 1 is the enrolment, it is today; where it is something else (the first infusion), the action day-1
    names it when it comes.
    """
    if act.protocol.model.randomization is not None:
        act.refuse("C119", "enrol", "The protocol randomizes.", "a randomization", "randomize.")
    act.require_active_site()
    changed = act.take("enrol")
    today = act.now.local_date.isoformat()
    if anchor_is_enrolment(act.protocol) and not act.participant.day_1:
        changed = {**changed, "day_1": today}
    grounds = grounds_of(act)
    raise_problems(check_entry(grounds, act.why))
    arm = act.protocol.arm_ids[0]
    act.record(
        subject="enrolment",
        what={
            "on": today,
            "arm": arm,
            "decided_on": grounds.decided_on,
            "uncollected": sorted(grounds.uncollected),
            "put": {"participant": [{"participant": participant, **changed}]},
        },
        answer={"participant": participant, "on": today, "gives": list(act.protocol.model.arms[arm].interventions)},
    )
