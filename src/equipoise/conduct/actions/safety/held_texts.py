"""Texts that may name a treatment: listed for the safety role, and released where they tell nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.permissions import ALWAYS
from equipoise.conduct.actions.repeat import run_again
from equipoise.conduct.rows.tables import EventRow, ParticipantRow
from equipoise.conduct.trial.held_texts import HeldTexts, typed_texts

CODES = {"C686": "A text that is not held back."}
_COLUMNS = ("number", "at", "offset_minutes", "zone", "account", "role", "site", "participant", "action", "why", "what")


@action("held-texts", states=ALWAYS, again=run_again)
def held_texts(act: Act) -> None:
    """List the texts that are held back from blinded people at the account's sites, with the event each stands in."""
    held = act.texts
    rows = [] if held.is_open else list(_held(act, held))
    act.record(subject="held texts", what={"listed": len(rows)})
    act.tell({"held": rows})


def _held(act: Act, held: HeldTexts) -> Iterator[dict[str, Any]]:
    at = dict(act.trial.values(ParticipantRow, ("participant", "site")))
    for row in act.trial.values(EventRow, _COLUMNS, order=("number",)):
        event = dict(zip(_COLUMNS, row, strict=True))
        site = at.get(event["participant"], event["site"])
        if act.sites and site not in act.sites:
            continue
        texts = _texts(held, event["what"], event["why"], event["participant"])
        if texts:
            shown = {name: event[name] for name in _COLUMNS if name not in ("why", "what")}
            names = sorted({name for text in texts for name in held.names.found(text)})
            yield {**shown, "site": site, "texts": texts, "names": names}


def _texts(held: HeldTexts, what: str, why: str, participant: str) -> list[str]:
    content = json.loads(what) if what else {}
    content = {name: entry for name, entry in content.items() if name != "kept"}  # the redaction of other events
    return [text for text in dict.fromkeys(typed_texts(content, why)) if held.is_held(text, participant)]


@action("release-text", states=ALWAYS, why=True)
def release_text(act: Act, event: int) -> None:
    """Let blinded people read the held texts of an event, with the reason why they tell no treatment.

    The same words of the same participant are let through wherever they stand; nothing takes that back.
    """
    row = act.trial.first(EventRow, number=event)
    if row is not None and row.participant:
        act.load(row.participant)
    site = act.participant.site if act.person else row.site if row is not None else ""
    if row is None or (act.sites and site not in act.sites):
        act.refuse("C686", f"event {event}", "There is no such event here.", "an event that held-texts lists")
    act.site = site
    if not _texts(act.texts, row.what, row.why, row.participant):
        act.refuse("C686", f"event {event}", "Nothing of it is held back.", "an event that held-texts lists")
    if act.texts.names.tells(act.why):
        found = "The reason names a treatment itself."
        act.refuse("C686", "--why", found, "words that name no treatment: blinded people read the reason")
    act.record(subject=f"event {event}", what={"released": [event]}, answer={"released": event})
