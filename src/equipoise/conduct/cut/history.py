"""The ledger up to a moment: its events, and the tables they made by then."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

from equipoise.conduct.audit_trail.projection import apply
from equipoise.conduct.keys.quarantine import is_sealed, opened_items
from equipoise.conduct.rows.tables import TABLES, EventRow
from equipoise.foundation.errors import ConductError, Problem

if TYPE_CHECKING:
    from equipoise.conduct.keys.quarantine import Quarantine
    from equipoise.conduct.trial.trial import Trial

CODES = {"C622": "A cut needs a past moment by which something was recorded."}

Row = dict[str, Any]


@dataclass(frozen=True)
class Ledger:
    """The ledger up to a moment: its events, and the tables they make, row by row."""

    events: tuple[EventRow, ...]
    at: datetime
    kept: Mapping[int, str]  # what redactions, later ones too, left of events they touched
    key: Quarantine | None = None  # opens what is quarantined; without it that is withheld

    @cached_property
    def tables(self) -> Mapping[str, list[Row]]:
        """Rows of every table, as mappings, in the order of their keys."""
        state: dict[str, dict[tuple[Any, ...], Row]] = {name: {} for name in TABLES}
        for event in self.events:
            for put in apply(event, kept=self.kept):
                table, rows, key = put.table, state[put.table.name], put.key
                if key not in rows:
                    rows[key] = {**dict(zip(table.key, key, strict=True)), **table.columns}
                rows[key] |= {**put.values, "event_number": event.number}
        return {name: [rows[key] for key in sorted(rows)] for name, rows in state.items()}

    def content(self, event: EventRow) -> Mapping[str, Any]:
        """What an event says; of one that was redacted, what the redaction left."""
        text = event.what or self.kept.get(event.number, "")
        return dict(json.loads(text)) if text else {}

    def rows(self, table: str, **wanted: Any) -> Iterator[Row]:
        """Rows of a table with these values."""
        for row in self.tables[table]:
            if all(row[name] == value for name, value in wanted.items()):
                yield row

    @cached_property
    def items(self) -> Mapping[tuple[str, str, str, int], Mapping[str, Row]]:
        """Items by participant, visit, form and repeat, each by its id; sealed ones opened, or left out without key.

        What the program notes beside the items of a form (in brackets) is left out.
        """
        out: dict[tuple[str, str, str, int], dict[str, Row]] = {}
        for row in opened_items(self.tables["item"], self.key):
            if not is_sealed(row["value"]) and not row["item"].startswith("("):
                key = (row["participant"], row["visit"], row["form"], row["repeat"])
                out.setdefault(key, {})[row["item"]] = row
        return out

    @cached_property
    def withheld(self) -> frozenset[tuple[str, str, str, int]]:
        """Fillings with sealed values that no key opens here: participant, visit, form, repeat."""
        return frozenset(
            (row["participant"], row["visit"], row["form"], row["repeat"])
            for row in self.tables["item"]
            if self.key is None and is_sealed(row["value"])
        )

    @property
    def state(self) -> Row:
        """The trial's state."""
        return next(self.rows("trial_state", name="trial"))

    @property
    def is_locked(self) -> bool:
        """Whether the database was locked by then."""
        return bool(self.state["state"] == "locked")

    @property
    def was_unblinded_for_analysis(self) -> bool:
        """Whether somebody opened the allocation for an analysis, with a reason, by then."""
        return any(row["mode"] == "analysis" for row in self.tables["unblinding"])

    @cached_property
    def given(self) -> Mapping[tuple[str, int], tuple[date, Mapping[str, str]]]:
        """When each slot was given, and the levels that chose it: by participant and number of the randomization.

        Of a slot given on paper the date is the one written on the envelope, or after a restore on the receipt.
        """
        out: dict[tuple[str, int], tuple[date, Mapping[str, str]]] = {}
        for event in self.events:
            if event.action in ("randomize", "envelope-opened", "lift-fence"):
                content = self.content(event)
                for row in content.get("put", {}).get("allocation", []):
                    on = date.fromisoformat(content["on"]) if "on" in content else self.local_date(event)
                    out[(event.participant, row["randomization"])] = (on, content.get("profile", {}))
        return out

    @cached_property
    def enrolled(self) -> Mapping[str, date]:
        """When each participant was enrolled, where nobody is randomized."""
        made = (event for event in self.events if event.action == "enrol")
        return {event.participant: date.fromisoformat(self.content(event)["on"]) for event in made}

    def local_date(self, event: EventRow) -> date:
        """The date on the wall where an event was recorded."""
        utc = datetime.fromisoformat(event.at.replace("Z", "+00:00"))
        return (utc + timedelta(minutes=event.offset_minutes)).date()


def read_ledger(trial: Trial, at: datetime, *, now: datetime | None = None) -> Ledger:
    """The ledger up to ``at`` (aware); C622 for a moment to come (seen from ``now``), or before the first event."""
    if at.tzinfo is None:
        raise ValueError("the moment of a cut needs a time zone")
    text = at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
    if now is not None and at >= now:
        raise ConductError(
            Problem("C622", "--at", f"{text} has not passed: later events would belong to it.", "a time in the past")
        )
    with trial.use():
        entries = trial.find(EventRow, order=("number",))
    last = max((entry.number for entry in entries if entry.at <= text), default=0)
    if last == 0:
        raise ConductError(Problem("C622", "--at", f"Nothing was recorded by {text}.", "a time after the trial began"))
    kept: dict[int, str] = {}
    for entry in entries:
        if entry.action == "redact":
            kept.update({int(number): text for number, text in entry.content.get("kept", {}).items()})
    return Ledger(tuple(entries[:last]), at, kept)
