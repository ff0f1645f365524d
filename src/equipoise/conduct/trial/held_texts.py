"""Texts that may tell a treatment, held back from blinded people until the safety role releases them or the lock.

Nothing is marked when it is recorded: what is held follows from the words, the versions of the protocol and the
releases, so that a ledger of before is read by the same rule. A release names an event; it lets the texts of that
event through, wherever the same words stand of the same participant.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from equipoise.conduct.rows.tables import EventRow, ProtocolVersionRow, TrialStateRow
from equipoise.conduct.rules.telling_texts import HELD, TellingNames

if TYPE_CHECKING:
    from equipoise.conduct.trial.trial import Trial

RELEASE = "release-text"
# Columns that hold what people typed, by table; of items those whose type is text.
_COLUMNS = {
    "participant": ("reason", "in_error"),
    "visit": ("reason",),
    "form": ("reason",),
    "item": ("value",),
    "query": ("text", "answer"),
    "unblinding": ("reason", "told"),
    "site": ("approval",),
    "protocol_version": ("note",),
}
# The same by the names under which actions tell them.
TYPED = frozenset(
    {"reason", "why", "text", "answer", "told", "term", "reference", "approval", "note", "not_done", "asked_why"}
    | {"where", "unit"}
)


def typed_texts(content: Mapping[str, Any], why: str = "") -> Iterator[str]:
    """The open texts that people typed into an event: in its rows, its answer and its reason."""
    yield why
    for table, columns in _COLUMNS.items():
        for row in content.get("put", {}).get(table, ()):
            if row.get("blinding", "open") == "open" and (table != "item" or row.get("type", "text") == "text"):
                yield from (str(row[column]) for column in columns if row.get(column))
    for said in (content, content.get("answer", {})):
        yield from (text for name, text in said.items() if name in TYPED and isinstance(text, str))
    before = content.get("before")
    if isinstance(before, dict):
        yield from (text for text in before.values() if isinstance(text, str))
    for kept in content.get("kept", {}).values():  # what a redaction left of other events
        yield from typed_texts(json.loads(kept))


@dataclass(frozen=True)
class HeldTexts:
    """Which texts are held back: by the names, what was released (participant and text), and whether all is open."""

    names: TellingNames
    releases: Callable[[], frozenset[tuple[str, str]]]
    is_open: bool = False

    def is_held(self, text: str, participant: str = "") -> bool:
        """Whether a text of a participant (or of nobody) is held back."""
        return not self.is_open and self.names.tells(text) and (participant, text.strip()) not in self.released

    def shown(self, text: str, participant: str = "") -> str:
        """The text as a blinded person reads it."""
        return HELD if self.is_held(text, participant) else text

    def shown_in(self, told: Any, participant: str = "", *, typed: bool = False) -> Any:
        """A reply of an action as a blinded person reads it: what stands under a name of :data:`TYPED` is looked at."""
        if isinstance(told, Mapping):
            whose = told.get("participant")
            whose = whose if isinstance(whose, str) and whose else participant
            return {name: self.shown_in(entry, whose, typed=typed or name in TYPED) for name, entry in told.items()}
        if isinstance(told, (list, tuple)):
            return type(told)(self.shown_in(entry, participant, typed=typed) for entry in told)
        return self.shown(told, participant) if typed and isinstance(told, str) else told

    def content_shown(self, content: Mapping[str, Any], participant: str = "") -> Mapping[str, Any]:
        """What an event says as a blinded person reads it: typed columns of its rows, its answer, what was before."""
        if not self.tells(content, participant=participant):
            return content
        out = self.shown_in(content, participant)
        if isinstance(out.get("before"), dict):
            out["before"] = self.shown_in(out["before"], participant, typed=True)
        out["put"] = {
            table: [self._row_shown(table, row, participant) for row in rows]
            for table, rows in content.get("put", {}).items()
        }
        return out

    def _row_shown(self, table: str, row: Mapping[str, Any], participant: str) -> dict[str, Any]:
        is_typed = table != "item" or row.get("type", "text") == "text"
        columns = _COLUMNS.get(table, ()) if is_typed else ()
        return {
            name: self.shown(entry, participant) if name in columns and isinstance(entry, str) else entry
            for name, entry in row.items()
        }

    def event_shown(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """An event (with ``content``, ``why`` and ``participant``) as a blinded person reads it."""
        person = event["participant"]
        shown = self.content_shown(event["content"], person)
        return {**event, "content": shown, "why": self.shown(event["why"], person)}

    def tells(self, content: Mapping[str, Any], why: str = "", participant: str = "") -> bool:
        """Whether an event holds a text that is held back."""
        return any(self.is_held(text, participant) for text in typed_texts(content, why))

    @cached_property
    def released(self) -> frozenset[tuple[str, str]]:
        """Texts that were released, each with its participant; read when a text is met that would be held."""
        return self.releases()


def released_in(events: Iterable[EventRow], event_of: Callable[[int], EventRow | None]) -> frozenset[tuple[str, str]]:
    """Participant and text of all that the releases among ``events`` let through."""
    numbers = {number for event in events if event.action == RELEASE for number in event.content.get("released", ())}
    found = [event for number in numbers if (event := event_of(number)) is not None]
    return frozenset(
        (event.participant, text.strip()) for event in found for text in typed_texts(event.content, event.why)
    )


def held_texts(trial: Trial) -> HeldTexts:
    """What is held back in a running trial, as it stands."""

    def releases() -> frozenset[tuple[str, str]]:
        return released_in(trial.find(EventRow, action=RELEASE), lambda number: trial.first(EventRow, number=number))

    state = trial.first(TrialStateRow, name="trial")
    hashes = tuple(trial.column(ProtocolVersionRow, "hash", order=("version",)))
    return HeldTexts(names_of(trial, hashes), releases, is_open=state is not None and state.state == "locked")


def names_of(trial: Trial, hashes: tuple[str, ...]) -> TellingNames:
    """The names of these versions, worked out once a process."""
    if hashes not in trial.telling:
        trial.telling[hashes] = TellingNames.of(map(trial.protocol, hashes))
    return trial.telling[hashes]


__all__ = ["HELD", "RELEASE", "TYPED", "HeldTexts", "held_texts", "released_in", "typed_texts"]
