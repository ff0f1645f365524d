"""Django set up once a process, without a settings file: each trial directory becomes a database of its own.

A router sends Django's own queries (those of the migrations) to the trial whose :meth:`Trial.use` block is running:
outside such a block there is no database to reach.
"""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any

from equipoise.conduct.rows.statements import SQLITE_PRAGMAS

CURRENT: ContextVar[str | None] = ContextVar("equipoise_trial", default=None)


class Router:
    """Queries go to the trial in use and nowhere else."""

    def db_for_read(self, model: Any, **hints: Any) -> str:
        """The database of the trial in use."""
        return current()

    def db_for_write(self, model: Any, **hints: Any) -> str:
        """The database of the trial in use."""
        return current()


def current() -> str:
    """Alias of the database of the trial in use; an error outside of a ``with trial.use()`` block."""
    alias = CURRENT.get()
    if alias is None:
        raise RuntimeError("no trial is in use: wrap the query in `with trial.use():`")
    return alias


def set_up() -> None:
    """Set Django up, once a process."""
    from django.conf import settings

    if settings.configured:
        return
    import django

    settings.configure(
        DEBUG=False,
        USE_TZ=True,
        TIME_ZONE="UTC",
        USE_I18N=False,
        SECRET_KEY="no sessions are signed here",  # the web's own settings bring their own key
        INSTALLED_APPS=["equipoise.conduct.trial"],
        DATABASES={"default": {"ENGINE": "django.db.backends.dummy"}},
        DATABASE_ROUTERS=["equipoise.conduct.trial.django_settings.Router"],
        # The first hashes what is new; what the others hashed stays valid, and is hashed anew at the next sign-in.
        PASSWORD_HASHERS=[
            "equipoise.conduct.keys.hasher.Argon2OneLane",
            "django.contrib.auth.hashers.ScryptPasswordHasher",
        ],
        DEFAULT_AUTO_FIELD="django.db.models.BigAutoField",
    )
    django.setup()


def sqlite_database(path: str) -> dict[str, Any]:
    """Settings of a trial kept in an SQLite file.

    A connection is kept from one request to the next: when the last one is closed SQLite writes its log into the file
    and deletes it, three waits for the disk at every page.
    """
    return {
        "ENGINE": "django.db.backends.sqlite3",
        "NAME": path,
        "CONN_MAX_AGE": None,
        "OPTIONS": {"transaction_mode": "IMMEDIATE", "timeout": 60, "init_command": SQLITE_PRAGMAS},
    }


def postgres_database(url: str, *, role: str = "") -> dict[str, Any]:
    """Settings of a trial kept in PostgreSQL; ``role`` is the lesser role taken after connecting."""
    from urllib.parse import parse_qs, unquote, urlsplit

    parts = urlsplit(url)
    query = {key: values[-1] for key, values in parse_qs(parts.query).items()}
    options: dict[str, Any] = {key: value for key, value in query.items() if key not in ("host", "port")}
    if role:
        options["assume_role"] = role
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": unquote(parts.path.lstrip("/")) or "postgres",
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": query.get("host") or (unquote(parts.hostname) if parts.hostname else ""),
        "PORT": str(parts.port or query.get("port") or ""),
        "CONN_MAX_AGE": None,
        "CONN_HEALTH_CHECKS": True,  # between two requests the server may have been restarted
        "OPTIONS": options,
    }


def add_database(alias: str, database: dict[str, Any]) -> None:
    """Make a database known under ``alias``."""
    from django.db import connections

    full = connections.configure_settings({"default": {}, alias: dict(database)})
    connections.settings[alias] = full[alias]
