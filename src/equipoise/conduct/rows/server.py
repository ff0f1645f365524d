"""A PostgreSQL server: databases made and dropped for drills, and what its administrator does behind a trial's back."""

from __future__ import annotations

from typing import Any


def create_database(connection: Any, name: str) -> None:
    """Make an empty database."""
    connection.execute(f"CREATE DATABASE {name}")


def drop_owned(connection: Any) -> list[str]:
    """Take away what the roles made for this database's trial may do in it; returns the roles."""
    roles = connection.execute(
        "SELECT DISTINCT grantee FROM information_schema.role_table_grants"
        " WHERE table_name = 'event' AND grantee LIKE 'equipoise_%'"
    ).fetchall()
    for (role,) in roles:
        connection.execute(f'DROP OWNED BY "{role}"')
    return [role for (role,) in roles]


def drop_database(connection: Any, name: str, roles: list[str]) -> None:
    """Drop a database, whoever is connected to it, and the roles made for it."""
    connection.execute(f"DROP DATABASE {name} WITH (FORCE)")
    for role in roles:
        connection.execute(f'DROP ROLE IF EXISTS "{role}"')


def end_connections(connection: Any, name: str) -> None:
    """End every connection to a database."""
    connection.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))


def processes_of(connection: Any, name: str) -> list[int]:
    """The server's processes that serve a database."""
    found = connection.execute("SELECT pid FROM pg_stat_activity WHERE datname = %s ORDER BY pid", (name,)).fetchall()
    return [pid for (pid,) in found]


def others_connected(connection: Any, name: str) -> int:
    """How many are connected to other databases of the server than this one, without who asks."""
    ((found,),) = connection.execute(
        "SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend' AND datname <> %s"
        " AND pid <> pg_backend_pid()",
        (name,),
    ).fetchall()
    return int(found)


def make_read_only(connection: Any, name: str, *, on: bool) -> None:
    """Let new connections to a database only read, or write again."""
    connection.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = {"on" if on else "off"}')
