"""What an event makes of the tables: a pure function, so that anybody can rebuild the tables from the ledger.

An event says itself which rows it writes: ``what["put"]`` maps a table's name to rows, each with the key and the
columns that change (:mod:`equipoise.conduct.store.tables`). Columns not named keep their value, or begin with the
table's own. So a replay needs no rule of the program that recorded the event: old events mean in ten years what they
meant on the day, however the rules have changed.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from equipoise.conduct.store.events import Entry
from equipoise.conduct.store.tables import COUNTED_KEYS, TABLES, Table

State = dict[str, dict[tuple[Any, ...], list[Any]]]


@dataclass(frozen=True, slots=True)
class Put:
    """One row written by an event: its table, and the columns it sets (the key among them)."""

    table: Table
    values: Mapping[str, Any]

    @property
    def key(self) -> tuple[Any, ...]:
        """The row's key."""
        return tuple(self.values[name] for name in self.table.key)


def check_put(table: str, row: Mapping[str, Any]) -> None:
    """Raise ``ValueError`` where a row does not fit its table: a column unknown, a key absent, a wrong type."""
    known = TABLES.get(table)
    if known is None:
        raise ValueError(f"there is no table {table!r}")
    for name in known.key:
        if name not in row:
            raise ValueError(f"a row of {table} lacks its key {name!r}")
    for name, value in row.items():
        default: Any = known.columns.get(name, 1 if name in COUNTED_KEYS else "")
        if name not in known.columns and name not in known.key:
            raise ValueError(f"table {table} has no column {name!r}")
        if type(value) is not type(default):
            raise ValueError(f"{table}.{name} is {type(default).__name__}, not {type(value).__name__}: {value!r}")


def apply(event: Entry, *, kept: Mapping[int, str] | None = None) -> list[Put]:
    """Rows that ``event`` writes. ``kept`` holds, by event number, what a redaction left of the events it touched."""
    what = event.what or (kept or {}).get(event.number, "")
    if '"put"' not in what:
        return []
    return puts_of(json.loads(what))


def puts_of(what: Mapping[str, Any]) -> list[Put]:
    """Rows that the content of an event writes; several for one row are joined, the later column standing."""
    out: dict[tuple[str, tuple[Any, ...]], dict[str, Any]] = {}
    for name, rows in what.get("put", {}).items():
        table = TABLES[name]
        for row in rows:
            key = tuple(row[column] for column in table.key)
            before = out.get((name, key))
            out[(name, key)] = {**before, **row} if before else row
    return [Put(TABLES[name], row) for (name, _), row in out.items()]


def fold(state: State, puts: Iterable[Put], number: int) -> None:
    """Write the rows of event ``number`` into ``state``: table, key, then every column in the table's order."""
    for put in puts:
        table = put.table
        rows = state.setdefault(table.name, {})
        key = put.key
        row = rows.get(key)
        if row is None:
            row = rows[key] = [*key, *table.columns.values(), number]
        row[-1] = number
        values = put.values
        at = len(table.key)
        for name in table.columns:
            if name in values:
                row[at] = values[name]
            at += 1


def kept_by(events: Iterable[Entry]) -> dict[int, str]:
    """What redactions left of the events they touched, by event number; the last redaction of an event stands."""
    out: dict[int, str] = {}
    for event in events:
        if event.action == "redact":
            out.update({int(number): text for number, text in event.content.get("kept", {}).items()})
    return out
