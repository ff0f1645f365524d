"""A clock that was ahead and is right now: the ledger goes on only when somebody has said so."""

from __future__ import annotations

from equipoise.conduct.actions.admission import last_event_at
from equipoise.conduct.actions.context import Act, action, anchor_of
from equipoise.conduct.actions.permissions import ALWAYS
from equipoise.conduct.rules.dates import check_clock


@action("acknowledge-clock", states=ALWAYS, why=True, protocol=False)
def acknowledge_clock(act: Act) -> None:
    """Say that the clock was ahead when the last events were recorded and is right now, so that recording goes on.

    Their times stay as they were recorded; `equipoise verify` names the step back.
    """
    last = last_event_at(act)
    if not check_clock(act.now.utc, last):
        act.refuse("C538", "the clock", "It is not behind the last event.", "a clock behind the ledger")
    behind = int((last - act.now.utc).total_seconds()) if last is not None else 0
    act.record(subject="clock", what={"seconds_back": behind}, answer={"seconds_back": behind})
    act.later.append(lambda receipt: anchor_of(receipt, act.trial))
