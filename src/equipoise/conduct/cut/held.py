"""Free text of a cut for blinded people: what may name a treatment is held back, as on the pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

import polars as pl

from equipoise.conduct.rules.telling_texts import TellingNames
from equipoise.conduct.trial.held_texts import HeldTexts, released_in

if TYPE_CHECKING:
    from equipoise.conduct.cut.history import Ledger
    from equipoise.protocol import Protocol

# Columns of the tables that hold what people typed.
TYPED = {
    "participants": ("ineligible_reason",),
    "daily_use": ("unit",),
    "adverse_events": ("term",),
    "events": ("source",),
    "disposition": ("reason",),
}


def without_held_texts(tables: Mapping[str, pl.DataFrame], held: HeldTexts) -> dict[str, pl.DataFrame]:
    """The tables with the words that stand for a text in the place of each that is held back."""
    out = dict(tables)
    for name, columns in TYPED.items():
        for column in columns:
            frame = out.get(name)
            if frame is None or column not in frame.columns or not frame.height:
                continue
            pairs = zip(frame["participant_id"], frame[column], strict=True)
            shown = [None if text is None else held.shown(text, person) for person, text in pairs]
            out[name] = frame.with_columns(pl.Series(column, shown, dtype=frame.schema[column]))
    return out


def held_at_cut(ledger: Ledger, version: Callable[[str], Protocol]) -> HeldTexts:
    """What is held back in a ledger up to a moment: by the versions, releases and lock of then."""
    hashes = [row["hash"] for row in ledger.tables["protocol_version"]]
    by_number = {event.number: event for event in ledger.events}
    return HeldTexts(
        TellingNames.of(map(version, hashes)), lambda: released_in(ledger.events, by_number.get), ledger.is_locked
    )


__all__ = ["held_at_cut", "without_held_texts"]
