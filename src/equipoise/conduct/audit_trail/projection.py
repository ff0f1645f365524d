"""What an event makes of the tables: a pure function, so that anybody can rebuild the tables from the ledger.

An event says itself which rows it writes: ``what["put"]`` maps a table's name to rows, each with the key and the
columns that change (:mod:`equipoise.conduct.rows.tables`). Columns not named keep their value, or begin with the
table's own. So a replay needs no rule of the program that recorded the event: old events mean in ten years what they
meant on the day, however the rules have changed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import Any

from equipoise.conduct.rows.tables import COUNTED_KEYS, TABLES, EventRow, Table

State = dict[str, dict[tuple[Any, ...], dict[str, Any]]]


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
    kinds = _KINDS.get(table)
    if kinds is None:
        raise ValueError(f"there is no table {table!r}")
    for name in TABLES[table].key:
        if name not in row:
            raise ValueError(f"a row of {table} lacks its key {name!r}")
    for name, value in row.items():
        if type(value) is not kinds.get(name):
            if name not in kinds:
                raise ValueError(f"table {table} has no column {name!r}")
            wanted = kinds[name].__name__
            raise ValueError(f"{table}.{name} is {wanted}, not {type(value).__name__}: {value!r}")


def check_rows(table: str, rows: Iterable[Mapping[str, Any]]) -> None:
    """:func:`check_put` for all rows that one event writes to a table; rows alike are looked at once."""
    for row in rows:
        if tuple(map(type, row.values())) != _kinds_of(table, tuple(row)):
            check_put(table, row)


@cache
def _kinds_of(table: str, columns: tuple[str, ...]) -> tuple[type, ...] | None:
    """Types of these columns; nothing where they do not make a row of the table."""
    kinds = _KINDS.get(table)
    if kinds is None or not set(TABLES[table].key) <= set(columns) <= set(kinds):
        return None
    return tuple(kinds[name] for name in columns)


def joined_rows(table: str, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows that one event writes to a table, those of one key joined: the later column stands."""
    key_of, _ = _SHAPES[table]
    out: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        key = key_of(row)
        out[key] = {**out[key], **row} if key in out else row
    return list(out.values())


_KINDS: dict[str, dict[str, type]] = {
    name: {
        **{key: int if key in COUNTED_KEYS else str for key in table.key},
        **{column: type(begins) for column, begins in table.columns.items()},
    }
    for name, table in TABLES.items()
}


def apply(event: EventRow, *, kept: Mapping[int, str] | None = None) -> list[Put]:
    """Rows that ``event`` writes. ``kept`` holds, by event number, what a redaction left of the events it touched."""
    what = event.what or (kept or {}).get(event.number, "")
    if '"put"' not in what:
        return []
    return puts_of(json.loads(what))


def puts_of(what: Mapping[str, Any]) -> list[Put]:
    """Rows that the content of an event writes; several for one row are joined, the later column standing."""
    return [Put(TABLES[name], row) for name, rows in what.get("put", {}).items() for row in joined_rows(name, rows)]


def fold(state: State, put: Mapping[str, Iterable[Mapping[str, Any]]], number: int) -> None:
    """Write what event ``number`` puts into ``state``: table, key, then the row with every column.

    It does for a whole ledger what :func:`apply` and the database's own rows do event by event, many times faster; a
    test holds the two ways equal.
    """
    for name, rows in put.items():
        key_of, begins = _SHAPES[name]
        table = state.setdefault(name, {})
        for row in rows:
            key = key_of(row)
            before = table.get(key)
            if before is None:
                before = table[key] = {**begins, **row}
            else:
                before.update(row)
            before["event_number"] = number


def _shape(table: Table) -> tuple[Callable[[Any], tuple[Any, ...]], dict[str, Any]]:
    """How to find a row's key, and the values that a new row of the table begins with."""
    if len(table.key) > 1:
        return itemgetter(*table.key), dict(table.columns)
    single = itemgetter(table.key[0])
    return lambda row: (single(row),), dict(table.columns)


_SHAPES = {name: _shape(table) for name, table in TABLES.items()}
