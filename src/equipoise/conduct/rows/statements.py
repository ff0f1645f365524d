"""Writing rows, and whole tables at a time: what the ledger's writer, backups and verification say to the database."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache
from operator import itemgetter
from typing import Any

from equipoise.conduct.rows.find import Rows
from equipoise.conduct.rows.tables import TABLES, EventRow, SealedEventRow, SlotRow, Table, columns_of, table_of

# A commit that was acknowledged survives a power cut: WAL with synchronous FULL. NORMAL may lose the last ones.
SQLITE_PRAGMAS = "PRAGMA journal_mode=WAL;PRAGMA synchronous=FULL;PRAGMA foreign_keys=ON;PRAGMA recursive_triggers=ON;"
MARK = "\x1f"  # the unit separator of ASCII, between the values of a row written as one text
_BATCH = 2000
_BEGIN = {False: "BEGIN", True: "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"}


@dataclass(frozen=True, slots=True)
class RowsOfTable(Rows):
    """Rows of a database, by whatever driver: a function that opens a cursor, and what it writes for a parameter."""

    cursor: Callable[[], AbstractContextManager[Any]]
    is_postgres: bool
    mark: str = "%s"

    def run(self, statement: str, parameters: Sequence[Any] = ()) -> Iterator[tuple[Any, ...]]:
        """Rows of a statement that is written with ``%s``, as they come."""
        text = statement.replace("%s", self.mark) if self.mark != "%s" else statement
        with self.cursor() as cursor:
            cursor.execute(text, tuple(parameters)) if parameters else cursor.execute(text)
            while rows := cursor.fetchmany(_BATCH):
                yield from rows


@dataclass(frozen=True, slots=True)
class Half:
    """Participants before ``pivot`` in the order of their letters' numbers (``upper`` false), or from it on."""

    pivot: str
    upper: bool

    def condition(self, source: RowsOfTable) -> tuple[str, tuple[str, ...]]:
        """The condition in SQL and its parameters."""
        # the plus keeps SQLite from going by an index: half of a table is read faster in its own order
        column = 'participant COLLATE "C"' if source.is_postgres else "+participant"
        return f" WHERE {column} {'>=' if self.upper else '<'} %s", (self.pivot,)


# ---------------------------------------------------------------------- one row written


def _insert(table: str, columns: Sequence[str]) -> str:
    return f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join(['%s'] * len(columns))})"


def insert_row(cursor: Any, row: tuple[Any, ...]) -> None:
    """Add one row to a ledger's table, by the class it is of."""
    kind = type(row)
    cursor.execute(_insert(table_of(kind).name, columns_of(kind)), row)


def insert_rows(cursor: Any, table: str, columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> None:
    """Add rows with these columns to a table."""
    cursor.executemany(_insert(table, columns), rows)


def lock_heads(cursor: Any, *, is_postgres: bool) -> dict[str, tuple[int, str]]:
    """The last number and hash of each ledger, kept from other writers until the transaction ends."""
    lock = " FOR UPDATE" if is_postgres else ""
    cursor.execute(f"SELECT ledger, number, hash FROM ledger_head ORDER BY ledger{lock}")
    return {ledger: (number, hash) for ledger, number, hash in cursor.fetchall()}


def move_head(cursor: Any, ledger: str, number: int, hash: str) -> None:
    """Move the head of a ledger to its newest entry."""
    cursor.execute("UPDATE ledger_head SET number = %s, hash = %s WHERE ledger = %s", [number, hash, ledger])


def set_credential(cursor: Any, account: str, encoded: str, number: int) -> None:
    """Keep the hash of an account's passphrase; event ``number`` holds its digest."""
    cursor.execute(
        "INSERT INTO credential (account, encoded, event_number) VALUES (%s, %s, %s)"
        " ON CONFLICT (account) DO UPDATE SET encoded = excluded.encoded, event_number = excluded.event_number",
        [account, encoded, number],
    )


def blank_event(cursor: Any, number: int) -> None:
    """Take the words out of an event; its guard asks that the newest event is a redaction that names it."""
    cursor.execute("UPDATE event SET what = '', why = '', salt = '' WHERE number = %s", [number])


def put_rows(cursor: Any, name: str, rows: Sequence[Mapping[str, Any]], number: int) -> None:
    """Write what event ``number`` puts into a table: each row names its key and the columns that change."""
    batches: dict[tuple[str, ...], list[tuple[Any, ...]]] = {}
    for row in rows:
        columns = tuple(row)
        _, values_of, begins = _upsert(name, columns)
        batches.setdefault(columns, []).append((*values_of(row), *begins, number))
    for columns, batch in batches.items():
        statement = _upsert(name, columns)[0]
        if len(batch) == 1:
            cursor.execute(statement, batch[0])
        else:
            cursor.executemany(statement, batch)


@cache
def _upsert(
    name: str, given: tuple[str, ...]
) -> tuple[str, Callable[[Mapping[str, Any]], tuple[Any, ...]], tuple[Any, ...]]:
    """The statement that writes rows naming the columns ``given``; how to take these from a row; what the others begin
    with. The number of the event comes last.
    """
    table = TABLES[name]
    begins = {column: value for column, value in table.columns.items() if column not in given}
    columns = (*given, *begins, "event_number")
    changes = ", ".join(f"{column} = excluded.{column}" for column in columns if column not in (*table.key, *begins))
    statement = f"{_insert(name, columns)} ON CONFLICT ({', '.join(table.key)}) DO UPDATE SET {changes}"
    values_of = itemgetter(*given) if len(given) > 1 else lambda row: (row[given[0]],)
    return statement, values_of, tuple(begins.values())


# ---------------------------------------------------------------------- one moment of the whole


def begin(source: RowsOfTable, *, anew: bool = False) -> list[tuple[Any, ...]]:
    """Begin to look at one moment of the database (``anew``: leave the one before); returns the heads of it."""
    with source.cursor() as cursor:
        if anew:
            cursor.execute("ROLLBACK")
        cursor.execute(_BEGIN[source.is_postgres])
    return heads(source)


def heads(source: RowsOfTable) -> list[tuple[Any, ...]]:
    """The heads of both ledgers: name, number, hash."""
    return [tuple(row) for row in source.run("SELECT ledger, number, hash FROM ledger_head ORDER BY ledger")]


@contextmanager
def moment(source: RowsOfTable) -> Iterator[None]:
    """One moment of the database, whatever is written meanwhile."""
    begin(source)
    try:
        yield
    finally:
        with source.cursor() as cursor:
            cursor.execute("ROLLBACK")


def events(source: RowsOfTable, half: Half | None = None) -> Iterator[EventRow]:
    """Every event in the order of numbers, or those of one half of the participants, as they come."""
    where, parameters = half.condition(source) if half else ("", ())
    statement = f"SELECT {', '.join(columns_of(EventRow))} FROM event{where} ORDER BY number"
    return map(EventRow._make, source.run(statement, parameters))


def events_between(source: RowsOfTable, first: int, last: int) -> Iterator[EventRow]:
    """Events from one number to another, as they come."""
    statement = (
        f"SELECT {', '.join(columns_of(EventRow))} FROM event WHERE number >= %s AND number <= %s ORDER BY number"
    )
    return map(EventRow._make, source.run(statement, (first, last)))


def pivot(source: RowsOfTable, share: float) -> str:
    """A participant with about this share of the events before it; empty where there is no event."""
    count = source.count(EventRow)
    column = 'participant COLLATE "C"' if source.is_postgres else "participant"
    found = list(source.run(f"SELECT participant FROM event ORDER BY {column} LIMIT 1 OFFSET {int(share * count)}"))
    return str(found[0][0]) if found else ""


def texts_of(source: RowsOfTable, table: Table, half: Half | None = None) -> Iterator[str]:
    """Each row of a table as one text, its values with :data:`MARK` between them: a quarter of the time of rows."""
    where, parameters = half.condition(source) if half else ("", ())
    if source.is_postgres:
        line = f" || '{MARK}' || ".join(f"CAST({name} AS TEXT)" for name in table.all)
        rows = source.run(f"SELECT {line} FROM {table.name}{where}", parameters)
    else:
        # SQLite would copy the text at every column; an empty value and no value at all are one to it here
        pattern = MARK.join(["%s"] * len(table.all))
        statement = f"SELECT printf(%s, {', '.join(table.all)}) FROM {table.name}{where}"
        rows = source.run(statement, (pattern, *parameters))
    return (text for (text,) in rows)


def rows_lacking_a_value(source: RowsOfTable, table: Table) -> Iterator[tuple[Any, ...]]:
    """Keys of the rows that lack a value which every row has."""
    absent = " OR ".join(f"{name} IS NULL" for name in table.all)
    return source.run(f"SELECT {', '.join(table.key)} FROM {table.name} WHERE {absent}")


@contextmanager
def whole_table(cursor: Any, table: str) -> Iterator[tuple[list[str], Iterator[list[tuple[Any, ...]]]]]:
    """The columns of a table as it stands in the database, and its rows, a batch at a time."""
    cursor.execute(f"SELECT * FROM {table}")
    yield [entry[0] for entry in cursor.description], iter(lambda: cursor.fetchmany(_BATCH), [])


@contextmanager
def filled_at_once(cursor: Any) -> Iterator[None]:
    """A transaction in which empty tables are filled."""
    cursor.execute("BEGIN")
    yield
    cursor.execute("COMMIT")


# ---------------------------------------------------------------------- the database itself


def damages(rows: Rows) -> list[str]:
    """What SQLite finds damaged in its own file, a line each."""
    return [line for (line,) in rows.run("PRAGMA integrity_check(20)") if line != "ok"]


def overwrite_deleted(rows: Rows) -> None:
    """Have SQLite overwrite in the file what is taken out of it."""
    list(rows.run("PRAGMA secure_delete = ON"))


def empty_log(rows: Rows) -> bool:
    """Write SQLite's log into the file and cut it to nothing; false where another program still reads it."""
    ((busy, *_),) = rows.run("PRAGMA wal_checkpoint(TRUNCATE)")
    return not busy


def wait_for_disk(rows: Rows, *, on: bool) -> None:
    """Have SQLite wait until each commit lies on the disk, or go on before it does."""
    list(rows.run(f"PRAGMA synchronous = {'FULL' if on else 'OFF'}"))


def limit_growth(rows: Rows, *, spare: int | None = None) -> None:
    """Let SQLite's file grow by ``spare`` pages and no more; as far as it likes where none is named."""
    if spare is None:
        most = 1_073_741_823  # SQLite's own limit
    else:
        ((pages,),) = rows.run("PRAGMA page_count")
        most = pages + spare
    list(rows.run(f"PRAGMA max_page_count = {most}"))


def refuse_writing(rows: Rows, *, on: bool) -> None:
    """Have SQLite refuse whatever would be written, or take it again."""
    list(rows.run(f"PRAGMA query_only = {'ON' if on else 'OFF'}"))


def only_read(connection: Any) -> None:
    """Keep an SQLite connection from writing."""
    connection.execute("PRAGMA query_only = ON")


def take_role(connection: Any, role: str) -> None:
    """Act as a role of PostgreSQL from here on."""
    from psycopg import sql

    connection.execute(sql.SQL("SET ROLE {}").format(sql.Identifier(role)))


def owner_in_use(rows: Rows) -> str:
    """The role of PostgreSQL that is in use, where it owns the ledger or may do everything; else empty."""
    found = list(
        rows.run(
            "SELECT current_user FROM pg_class c JOIN pg_roles r ON r.oid = c.relowner WHERE c.relname = 'event'"
            " AND c.relkind = 'r' AND (r.rolname = current_user"
            " OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user))"
        )
    )
    return str(found[0][0]) if found else ""


def make_writer(cursor: Any, role: str) -> None:
    """The lesser role of PostgreSQL: reads, inserts, updates; owns nothing, deletes nothing, empties nothing."""
    cursor.execute(f'CREATE ROLE "{role}" NOLOGIN')
    cursor.execute(f'GRANT "{role}" TO CURRENT_USER')
    cursor.execute(f'GRANT USAGE ON SCHEMA public TO "{role}"')
    cursor.execute(f'GRANT SELECT, INSERT, UPDATE ON ALL TABLES IN SCHEMA public TO "{role}"')
    cursor.execute(f'REVOKE INSERT, UPDATE ON django_migrations FROM "{role}"')
    cursor.execute(f'REVOKE UPDATE ON {table_of(SealedEventRow).name}, {table_of(SlotRow).name} FROM "{role}"')
