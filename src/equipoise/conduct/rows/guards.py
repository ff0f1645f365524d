"""Triggers that refuse what no action does: on the ledgers UPDATE, DELETE, REPLACE and TRUNCATE, on the projection any
change without an event of its own.

They stop slips and bugs, not the owner of the file, who can drop them; for that there is the chain and its anchors
outside. The program refuses to start where one is missing.
"""

from __future__ import annotations

from typing import Any

from equipoise.conduct.rows.tables import APPEND_ONLY, OF_PARTICIPANTS, TABLES

# Columns of an event that a redaction leaves as they are: all but the words and their salt.
_KEPT = (
    "number",
    "request",
    "step",
    "action",
    "at",
    "zone",
    "offset_minutes",
    "clock",
    "account",
    "role",
    "site",
    "device",
    "participant",
    "subject",
    "digest",
    "protocol_hash",
    "program_version",
    "previous",
    "hash",
)
_PROJECTED = (*TABLES, "credential")
_EXISTING = {
    "event": "number = NEW.number OR (request = NEW.request AND step = NEW.step)",
    "sealed_event": "number = NEW.number",
    "slot": "handle = NEW.handle OR (stream = NEW.stream AND position = NEW.position)",
}
_NEXT = {
    "event": "NEW.number <> coalesce((SELECT max(number) FROM event), 0) + 1",
    "sealed_event": "NEW.number <> coalesce((SELECT max(number) FROM sealed_event), 0) + 1",
}
_REDACTION = (
    "NEW.what = '' AND NEW.why = '' AND NEW.salt = '' AND "
    + " AND ".join(f"NEW.{name} = OLD.{name}" for name in _KEPT)
    + " AND EXISTS (SELECT 1 FROM event r WHERE r.number = (SELECT max(number) FROM event)"
    " AND r.action = 'redact' AND r.participant = OLD.participant AND r.number > OLD.number)"
)


def _of_event(table: str) -> str:
    """The row names the newest event, and that event is of the same participant."""
    owner = " AND e.participant = NEW.participant" if table in OF_PARTICIPANTS else ""
    return (
        "NOT EXISTS (SELECT 1 FROM event e WHERE e.number = NEW.event_number"
        f" AND e.number = (SELECT max(number) FROM event){owner})"
    )


def sqlite_guards() -> dict[str, str]:
    """Name to statement of every trigger on SQLite."""
    out = {}

    def add(table: str, when: str, event: str, condition: str, words: str) -> None:
        name = f"{table}_{when}"
        clause = f" WHEN {condition}" if condition else ""
        out[name] = (
            f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW{clause} "
            f"BEGIN SELECT RAISE(ABORT, '{words}'); END"
        )

    for table in APPEND_ONLY:
        allowed = f"NOT ({_REDACTION})" if table == "event" else ""
        add(table, "no_update", "UPDATE", allowed, f"{table} is append-only: UPDATE refused")
        add(table, "no_delete", "DELETE", "", f"{table} is append-only: DELETE refused")
        # REPLACE deletes without firing a delete trigger unless a pragma of the connection says so: refuse the insert.
        exists = f"EXISTS (SELECT 1 FROM {table} WHERE {_EXISTING[table]})"
        add(table, "no_replace", "INSERT", exists, f"{table} is append-only: REPLACE refused")
        if table in _NEXT:
            add(table, "no_gap", "INSERT", _NEXT[table], f"{table} is gapless: another number comes next")
    for table in _PROJECTED:
        add(table, "no_delete", "DELETE", "", f"{table} changes by events only: DELETE refused")
        add(table, "by_event", "INSERT", _of_event(table), f"{table} changes by events only")
        newer = f"NEW.event_number <= OLD.event_number OR {_of_event(table)}"
        add(table, "by_newer_event", "UPDATE", newer, f"{table} changes by events only")
    add("ledger_head", "no_delete", "DELETE", "", "the head of a ledger is never removed")
    add("ledger_head", "once", "INSERT", "EXISTS (SELECT 1 FROM ledger_head WHERE ledger = NEW.ledger)", "one head")
    add("ledger_head", "forward", "UPDATE", _HEAD_WRONG, "the head moves to the newest entry only")
    return out


_HEAD_WRONG = (
    "NEW.ledger <> OLD.ledger OR NEW.number <= OLD.number OR (NEW.ledger = 'open' AND NOT EXISTS"
    " (SELECT 1 FROM event WHERE number = NEW.number AND hash = NEW.hash AND number = (SELECT max(number) FROM event)))"
    " OR (NEW.ledger = 'sealed' AND NOT EXISTS (SELECT 1 FROM sealed_event WHERE number = NEW.number"
    " AND hash = NEW.hash AND number = (SELECT max(number) FROM sealed_event)))"
)


def postgres_guards() -> dict[str, tuple[str, str]]:
    """Name to (statement that makes its function, statement that makes it) of every trigger on PostgreSQL."""
    out = {}

    def add(table: str, when: str, event: str, condition: str, words: str) -> None:
        name = f"{table}_{when}"
        check = f"IF {condition} THEN" if condition else "IF true THEN"
        back = "OLD" if event == "DELETE" else "NEW"
        function = (
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $guard$ BEGIN {check} "
            f"RAISE EXCEPTION '{words}'; END IF; RETURN {back}; END $guard$"
        )
        out[name] = (
            function,
            f"CREATE TRIGGER {name} BEFORE {event} ON {table} FOR EACH ROW EXECUTE FUNCTION {name}()",
        )

    def truncate(table: str) -> None:
        name = f"{table}_no_truncate"
        function = (
            f"CREATE OR REPLACE FUNCTION {name}() RETURNS trigger LANGUAGE plpgsql AS $guard$ BEGIN "
            f"RAISE EXCEPTION '{table} is never emptied: TRUNCATE refused'; END $guard$"
        )
        out[name] = (
            function,
            f"CREATE TRIGGER {name} BEFORE TRUNCATE ON {table} FOR EACH STATEMENT EXECUTE FUNCTION {name}()",
        )

    for table in APPEND_ONLY:
        allowed = f"NOT ({_REDACTION})" if table == "event" else ""
        add(table, "no_update", "UPDATE", allowed, f"{table} is append-only: UPDATE refused")
        add(table, "no_delete", "DELETE", "", f"{table} is append-only: DELETE refused")
        if table in _NEXT:
            add(table, "no_gap", "INSERT", _NEXT[table], f"{table} is gapless: another number comes next")
        truncate(table)
    for table in _PROJECTED:
        add(table, "no_delete", "DELETE", "", f"{table} changes by events only: DELETE refused")
        add(table, "by_event", "INSERT", _of_event(table), f"{table} changes by events only")
        newer = f"NEW.event_number <= OLD.event_number OR {_of_event(table)}"
        add(table, "by_newer_event", "UPDATE", newer, f"{table} changes by events only")
        truncate(table)
    add("ledger_head", "no_delete", "DELETE", "", "the head of a ledger is never removed")
    add("ledger_head", "forward", "UPDATE", _HEAD_WRONG, "the head moves to the newest entry only")
    truncate("ledger_head")
    return out


def install(connection: Any) -> None:
    """Make every trigger anew."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for name, statement in sqlite_guards().items():
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
                cursor.execute(statement)
            return
        for name, (function, statement) in postgres_guards().items():
            table = statement.split(" ON ")[1].split()[0]
            cursor.execute(f"DROP TRIGGER IF EXISTS {name} ON {table}")
            cursor.execute(function)
            cursor.execute(statement)


def remove(connection: Any) -> None:
    """Take every trigger away: for filling tables from a backup, and for drills that damage a trial."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            for name in sqlite_guards():
                cursor.execute(f"DROP TRIGGER IF EXISTS {name}")
            return
        for name, (_, statement) in postgres_guards().items():
            cursor.execute(f"DROP TRIGGER IF EXISTS {name} ON {statement.split(' ON ')[1].split()[0]}")


def missing(connection: Any) -> list[str]:
    """Names of triggers that are absent, switched off or not as this program makes them."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute("SELECT name, sql FROM sqlite_master WHERE type = 'trigger'")
            found = dict(cursor.fetchall())
            return [name for name, statement in sqlite_guards().items() if found.get(name) != statement]
        cursor.execute(
            "SELECT t.tgname, p.prosrc FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid"
            " WHERE NOT t.tgisinternal AND t.tgenabled IN ('O', 'A')"
        )
        found = dict(cursor.fetchall())
        return [
            name for name, (function, _) in postgres_guards().items() if found.get(name) != function.split("$guard$")[1]
        ]
