"""The state of the trial as pages say it, and which actions it allows: what would be refused has no button."""

from __future__ import annotations

from functools import cache
from typing import Any

from equipoise.conduct.rows.tables import EventRow, TrialStateRow
from equipoise.web.words import time_words

_WORDS = {
    "paused": ("Paused", "Nobody is screened, randomized or dosed; who is in the trial is followed on."),
    "frozen": ("Frozen", "Values can be corrected with a reason; nothing new is recorded."),
    "locked": ("Locked", "Nothing can be changed; reading, print and cuts stay."),
}
_BY = {"paused": "pause", "frozen": "freeze", "locked": "lock"}


def state_of(trial: Any) -> str:
    """Where the trial stands: open, paused, frozen or locked."""
    return str(trial.first(TrialStateRow, name="trial").state)


def banner(trial: Any) -> tuple[str, str] | None:
    """What every page says on top while the trial is not open: the state, since when and by whom, and its meaning."""
    state = state_of(trial)
    if state not in _WORDS:
        return None
    name, words = _WORDS[state]
    found = trial.first(EventRow, action=_BY[state], order=("-number",))
    since = f" since {time_words(found.at, found.offset_minutes, found.zone)}, by {found.account}" if found else ""
    return f"{name}{since}.", words


def allows(trial: Any, action: str) -> bool:
    """Whether the state of the trial allows an action; what is no action is a page to look at."""
    states = _states(action)
    return states is None or state_of(trial) in states


@cache
def _states(action: str) -> tuple[str, ...] | None:
    from equipoise.conduct.actions import action_named

    found = action_named(action)
    return None if found is None else found.states
