"""What was typed and not submitted yet: a file of its own beside the ledger, for its author, and no record of anything.

One draft an account and page. Submitting or dropping it deletes it. Answers of quarantined forms are sealed before they
come here (``sealed_drafts``).
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

_TABLE = (
    "CREATE TABLE IF NOT EXISTS draft (account TEXT, participant TEXT, page TEXT, fields TEXT, at TEXT,"
    " PRIMARY KEY (account, participant, page))"
)


@dataclass(frozen=True, slots=True)
class Draft:
    """One draft: whose, of which page, what was typed by field, and when the last of it was stored."""

    account: str
    participant: str
    page: str
    fields: Mapping[str, Sequence[str]]
    at: datetime
    sealed: str = ""

    @property
    def count(self) -> int:
        """How many answers it holds; where and how a visit was held stands on the page by itself."""
        return sum(any(values) for name, values in self.fields.items() if "." in name)


class Drafts:
    """The drafts of a trial, in one file for its owner alone."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def keep(
        self,
        account: str,
        participant: str,
        page: str,
        fields: Mapping[str, Sequence[str]],
        at: datetime,
        sealed: str = "",
    ) -> None:
        """Keep what stands in the fields of a page; nothing is kept where nothing was typed."""
        told = {name: list(values) for name, values in fields.items() if any(value.strip() for value in values)}
        if not told and not sealed:
            self.drop(account, participant, page)
            return
        with self._open() as database:
            database.execute(
                "INSERT OR REPLACE INTO draft (account, participant, page, fields, at, sealed)"
                " VALUES (?, ?, ?, ?, ?, ?)",
                (account, participant, page, json.dumps(told, ensure_ascii=False), at.isoformat(), sealed),
            )

    def find(self, account: str, participant: str, page: str) -> Draft | None:
        """The draft of an account for a page."""
        rows = self._read("account = ? AND participant = ? AND page = ?", (account, participant, page))
        return rows[0] if rows else None

    def drop(self, account: str, participant: str, page: str) -> None:
        """Delete a draft."""
        with self._open() as database:
            database.execute(
                "DELETE FROM draft WHERE account = ? AND participant = ? AND page = ?", (account, participant, page)
            )

    def every(self) -> list[Draft]:
        """Every draft, the newest first."""
        return sorted(self._read("1 = 1", ()), key=lambda draft: draft.at, reverse=True)

    def _read(self, where: str, given: tuple[str, ...]) -> list[Draft]:
        with self._open() as database:
            rows = database.execute(
                f"SELECT account, participant, page, fields, at, sealed FROM draft WHERE {where}", given
            )
            return [
                Draft(account, participant, page, json.loads(fields), datetime.fromisoformat(at), sealed)
                for account, participant, page, fields, at, sealed in rows
            ]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        if not self.file.exists():
            os.close(os.open(self.file, os.O_WRONLY | os.O_CREAT, 0o600))
        with closing(sqlite3.connect(self.file, timeout=30)) as database, database:
            database.execute("PRAGMA secure_delete = ON")
            database.execute(_TABLE)
            if "sealed" not in {row[1] for row in database.execute("PRAGMA table_info(draft)")}:
                database.execute("ALTER TABLE draft ADD COLUMN sealed TEXT NOT NULL DEFAULT ''")
            yield database
