"""Damage of every kind, done to a trial inside a transaction that is rolled back, and what `verify` says of it.

The guards are taken away first, as the owner of the file or database can: what is proved is that the damage is seen.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from equipoise.conduct.audit_trail.canonical import digest_of, written
from equipoise.conduct.audit_trail.events import hash_of
from equipoise.conduct.integrity.verify import Verification, verify
from equipoise.conduct.rows import guards
from equipoise.conduct.rows.tables import TABLES, EventRow, ItemRow
from equipoise.conduct.trial.trial import Trial

SEALED = "drill-sealed"  # the quarantined item of the drill


@dataclass(frozen=True, slots=True)
class Damage:
    """One way to damage a trial; ``named`` must stand in the place of a finding."""

    name: str
    do: Callable[[Any], None]
    named: str


class _RolledBack(Exception):
    pass


@contextmanager
def _unguarded(trial: Trial) -> Iterator[Any]:
    """A cursor in a transaction without guards; everything is rolled back at the end."""
    from django.db import transaction

    try:
        with trial.use(), transaction.atomic(using=trial.alias), trial.connection.cursor() as cursor:
            guards.remove(trial.connection)
            yield cursor
            raise _RolledBack
    except _RolledBack:
        pass


def seen(trial: Trial, damage: Damage, against: Sequence[Path] = ()) -> Verification:
    """What `verify` says of a trial (opened as its owner) with this damage, held against copies of its ledger; the
    trial is left as it was.
    """
    with _unguarded(trial) as cursor:
        damage.do(cursor)
        found = verify(trial, against=against)
    found.findings = [finding for finding in found.findings if finding.code != "C004"]
    return found


def is_named(damage: Damage, found: Verification) -> bool:
    """Whether a finding names what was damaged."""
    return any(damage.named in f"{finding.place} {finding.found}" for finding in found.findings)


def changed_columns(trial: Trial) -> list[Damage]:
    """Each column of each table changed in one row: ledgers, projection, slots, heads, credentials."""
    out = []
    with trial.use():
        for table in ("event", "sealed_event", "slot", "ledger_head", "credential", *TABLES):
            out += _columns_of(trial, table)
    return out


_KEYS = {
    "event": ("number",),
    "sealed_event": ("number",),
    "slot": ("handle",),
    "ledger_head": ("ledger",),
    "credential": ("account",),
    **{name: table.key for name, table in TABLES.items()},
}
_NAMED = {"slot": "sealed event", "ledger_head": "ledger", "credential": "account"}
# Nothing is asked of it: it says which event set the passphrase, and the digest in that event is what is compared.
_UNCHECKED = {("credential", "event_number")}


def _columns_of(trial: Trial, table: str) -> list[Damage]:
    with trial.connection.cursor() as cursor:
        cursor.execute(f"SELECT * FROM {table} ORDER BY {', '.join(_KEYS[table])} LIMIT 3")
        rows = cursor.fetchall()
        columns = [entry[0] for entry in cursor.description]
    if not rows:
        return []
    row = dict(zip(columns, rows[-1], strict=True))
    key = _KEYS[table]
    where = " AND ".join(f"{name} = %s" for name in key)
    values = [row[name] for name in key]
    out = []
    for column in columns:
        if (table, column) in _UNCHECKED:
            continue
        now = row[column]
        new = now + 1000 if isinstance(now, int) else f"{now}x"
        named = _NAMED.get(table, table.replace("_", " ") if table == "sealed_event" else table)
        out.append(
            Damage(
                f"{table}.{column}",
                _statement(f"UPDATE {table} SET {column} = %s WHERE {where}", [new, *values]),
                named,
            )
        )
    return out


def _statement(text: str, parameters: list[Any] | None = None) -> Callable[[Any], None]:
    return lambda cursor: cursor.execute(text, parameters or [])


def damaged_ledgers(trial: Trial, *, anchored: int) -> list[Damage]:
    """Rows swapped, a middle deleted, the tail cut before the last anchor, a chain made anew, a row put in."""
    with trial.use():
        n = trial.count(EventRow)
    middle = max(n // 2, 2)

    def swap(cursor: Any) -> None:
        words = "what, why, salt, digest"
        cursor.execute(f"SELECT {words} FROM event WHERE number IN (%s, %s) ORDER BY number", [middle, middle + 1])
        first, second = cursor.fetchall()
        for number, values in ((middle, second), (middle + 1, first)):
            cursor.execute(
                "UPDATE event SET what = %s, why = %s, salt = %s, digest = %s WHERE number = %s", [*values, number]
            )

    def cut(cursor: Any) -> None:
        last = anchored - 1
        cursor.execute("DELETE FROM event WHERE number > %s", [last])
        _mend_head(cursor, last)

    def anew(cursor: Any) -> None:
        rewrite(cursor, middle, lambda what: {**what, "forged": "yes"})

    def twice(cursor: Any) -> None:
        cursor.execute(
            "UPDATE allocation SET handle = (SELECT handle FROM slot WHERE position = 40 LIMIT 1) WHERE receipt = 1"
        )

    def exchanged(cursor: Any) -> None:
        cursor.execute(
            "SELECT participant, event_number, value FROM item WHERE item = %s ORDER BY participant", [SEALED]
        )
        rows = cursor.fetchall()[:2]
        for (participant, event, _), (_, _, other) in zip(rows, reversed(rows), strict=True):
            rewrite(cursor, event, lambda what, other=other: _with_sealed(what, other))  # type: ignore[misc]
            cursor.execute(
                "UPDATE item SET value = %s WHERE item = %s AND participant = %s", [other, SEALED, participant]
            )

    def slots(cursor: Any) -> None:
        cursor.execute("SELECT handle, content FROM slot WHERE position IN (1, 2) ORDER BY position")
        (first, one), (second, two) = cursor.fetchall()[:2]
        for handle, content in ((first, two), (second, one)):
            cursor.execute("UPDATE slot SET content = %s WHERE handle = %s", [content, handle])

    found = [Damage("sealed values exchanged, chain made anew", exchanged, SEALED)] if _has_sealed(trial) else []
    return [
        *found,
        Damage("rows swapped", swap, f"event {middle}"),
        Damage("middle deleted", _statement("DELETE FROM event WHERE number = %s", [middle]), f"event {middle + 1}"),
        Damage("tail cut before the last anchor", cut, "anchor"),
        Damage("chain made anew before the last anchor", anew, "anchor"),
        Damage("slot exchanged in an allocation", twice, "allocation"),
        Damage("contents of two slots swapped", slots, "sealed event"),
        Damage("slot deleted", _statement("DELETE FROM slot WHERE position = 3"), "sealed event"),
        Damage("sealed entry deleted", _statement("DELETE FROM sealed_event WHERE number = 1"), "sealed"),
        Damage("row of the projection deleted", _statement("DELETE FROM participant"), "participant"),
        Damage(
            "account put in by hand",
            _statement(
                "INSERT INTO account (account, person, roles, sites, expires_on, state, credential, refusals,"
                " refused_at, event_number) VALUES ('eve', 'Eve', 'administrator', '', '', 'active', 'x', 0, '', 1)"
            ),
            "account eve",
        ),
    ]


def _has_sealed(trial: Trial) -> bool:
    with trial.use():
        return bool(trial.count(ItemRow, item=SEALED) == 2)


def _with_sealed(what: dict[str, Any], value: str) -> dict[str, Any]:
    """The content of an event with another sealed value."""
    rows = [{**row, "value": value} if row["item"] == SEALED else row for row in what["put"]["item"]]
    return {**what, "put": {**what["put"], "item": rows}}


def forged_after_the_last_anchor(trial: Trial) -> Damage:
    """The last event rewritten and its hash made to fit, after the last anchor: what no ledger alone can show."""

    def forge(cursor: Any) -> None:
        cursor.execute("SELECT max(number) FROM event")
        rewrite(cursor, cursor.fetchone()[0], lambda what: {**what, "forged": "yes"})

    return Damage("chain made anew after the last anchor", forge, "event")


def rewrite(cursor: Any, start: int, change: Callable[[dict[str, Any]], dict[str, Any]]) -> None:
    """Change the content of event ``start`` and make the chain from there anew, heads included."""
    import json

    cursor.execute(f"SELECT {', '.join(EventRow._fields)} FROM event WHERE number >= %s ORDER BY number", [start])
    events = [EventRow(*row) for row in cursor.fetchall()]
    previous = events[0].previous
    for event in events:
        if event.number == start:
            what = written(change(json.loads(event.what)))
            event = event._replace(what=what, digest=digest_of(event.salt, event.why, what))
        event = event._replace(previous=previous)
        previous = hash_of(event)
        cursor.execute(
            "UPDATE event SET what = %s, digest = %s, previous = %s, hash = %s WHERE number = %s",
            [event.what, event.digest, event.previous, previous, event.number],
        )
    _mend_head(cursor, events[-1].number)


def _mend_head(cursor: Any, number: int) -> None:
    cursor.execute(
        "UPDATE ledger_head SET number = %s, hash = (SELECT hash FROM event WHERE number = %s) WHERE ledger = 'open'",
        [number, number],
    )
