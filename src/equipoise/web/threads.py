"""A query as a conversation: who said what, when; and what the role can say next."""

from __future__ import annotations

import json
import operator
import secrets
from collections.abc import Iterable, Mapping
from typing import Any

from equipoise.conduct.rows.tables import EventRow, QueryRow
from equipoise.conduct.trial.held_texts import HeldTexts
from equipoise.web.held import held_for
from equipoise.web.policy import may
from equipoise.web.words import role_words, time_words

_CHECK = "a check"


def asked_by_words(asked_by: str) -> str:
    """Who asked, as people say it: a check has no name."""
    is_code = asked_by[:1] == "C" and asked_by[1:].isdecimal()
    return _CHECK if is_code or asked_by.startswith("check ") else asked_by


def conversation(trial: Any, row: Mapping[str, Any], held: HeldTexts | None = None) -> list[dict[str, str]]:
    """What was said in a query, the first first; of one that is sealed only what the row tells. Texts that are
    ``held`` back are not said.
    """
    kept = trial.first(QueryRow, query=row["query"])
    if kept is None or kept.blinding != "open":
        return _from_row(row)
    opened = trial.find(EventRow, number=kept.first_event)
    later = trial.find(EventRow, subject=f"query {row['query']}", number__not=kept.first_event)
    columns = operator.attrgetter("action", "account", "role", "at", "offset_minutes", "zone", "why", "what")
    out = []
    for action, account, role, at, offset, zone, why, what in map(columns, sorted([*opened, *later])):
        content = json.loads(what) if what else {}
        if held is not None:
            content, why = held.content_shown(content, row["participant"]), held.shown(why, row["participant"])
        put = content.get("put", {}).get("query", [])
        mine: dict[str, Any] = next((one for one in put if one.get("query") == row["query"]), {})
        who = account if action.startswith("query") else asked_by_words(row["asked_by"])
        said = {
            "query-answer": mine.get("answer", ""),
            "query-close": why or "closed",
            "query-reopen": why,
        }.get(action, mine.get("text", ""))
        kind = {"query-close": "closes it", "query-reopen": "asks again"}.get(action, "")
        out.append(
            {
                "who": who,
                "role": role_words([role]) if role and who == account else "",
                "at": time_words(at, offset, zone),
                "kind": kind,
                "text": said,
            }
        )
    return out or _from_row(row)


def _from_row(row: Mapping[str, Any]) -> list[dict[str, str]]:
    said = [{"who": asked_by_words(row["asked_by"]), "role": "", "at": "", "kind": "", "text": row["text"]}]
    if row["answer"]:
        said.append({"who": row["answered_by"], "role": "", "at": "", "kind": "", "text": row["answer"]})
    return said


def with_threads(request: Any, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Queries with their conversation, and what the account may do about each."""
    roles, held = request.roles, held_for(request)
    return [
        {
            **row,
            "thread": conversation(request.served.trial, row, held),
            "can_answer": row["state"] in ("open", "answered") and may("query-answer", roles),
            "can_close": row["state"] in ("open", "answered") and may("query-close", roles),
            "can_reopen": row["state"] in ("answered", "closed") and may("query-reopen", roles),
            "key": secrets.token_urlsafe(12),
        }
        for row in rows
    ]
