"""Redaction: personal data typed by mistake are taken out of the ledger, and the chain still holds."""

from __future__ import annotations

import json
from typing import Any

from equipoise.conduct.actions.context import Act, action, anchor_of
from equipoise.conduct.actions.permissions import ALWAYS
from equipoise.conduct.audit_trail.canonical import written
from equipoise.conduct.keys.quarantine import is_sealed, place_of_item, place_of_query
from equipoise.conduct.rows.statements import empty_log, overwrite_deleted
from equipoise.conduct.rows.tables import KINDS, EventRow

CODES = {"C129": "There is nothing to redact."}
REDACTED = "redacted"
# Columns that hold what people typed. All others are what the records are kept by (handles, streams, codes, states,
# dates): without them a slot would be given twice, or nobody found again.
_TYPED = {
    "participant": ("reason", "in_error"),
    "visit": ("reason", "note"),
    "form": ("reason",),
    "item": ("value",),
    "query": ("text", "answer"),
    "unblinding": ("reason", "told"),
}
# The same in what an event says besides its rows.
_KEPT_NAMES = frozenset(
    {
        "handle",
        "stream",
        "stage",
        "profile",
        "participant",
        "randomization",
        "receipt",
        "envelope",
        "envelopes",
        "opened_at",
        "on",
        "decided_on",
        "site",
        "visit",
        "form",
        "item",
        "query",
        "signature",
        "content",
        "hidden",
        "asked",
        "asked_private",
        "asked_key",
    }
)


@action("redact", states=ALWAYS, why=True, private=("text",), protocol=False)
def redact(act: Act, participant: str, text: str) -> None:
    """Take a text out of everything that was recorded of a participant, where it stood in values, queries or reasons.

    What is sealed is searched with the safety role's folder alone; the answer says how much was not. Each event
    that holds it loses its words; what else it said is kept by the redaction, which says who, when and why. Numbers,
    hashes and the chain stay. Backups and copies made before still hold the text. What an earlier redaction kept is
    searched too: its words then go the same way, and all that it kept is kept by the newest.
    """
    if len(text.strip()) < 3:
        act.refuse("C129", "text", "The text is too short to be found safely.", "three letters or more")
    rows = act.trial.values(
        EventRow, ("number", "what", "why"), participant=participant, salt__not="", order=("number",)
    )
    search = _Search(act, text)
    kept: dict[str, str] = {}
    touched: list[int] = []
    for number, what, why in rows:
        content = json.loads(what)
        earlier = content.pop("kept", {})
        left = search.without(content, number)
        again = {event: search.without_text(words, int(event)) for event, words in earlier.items()}
        if left != content or again != earlier or text in why:
            # the digest by which a repeated request is known has no salt: what was taken out could be tried out on it
            left.pop("asked", None)
            left.pop("asked_private", None)
            kept |= {**again, str(number): written(left)}
            touched.append(number)
    if not touched:
        unread = f" {search.unopened} sealed values were not searched." if search.unopened else ""
        act.refuse(
            "C129",
            "text",
            f"Nothing that was typed of {participant} holds it.{unread}",
            "the text as it was typed: codes, dates and the names by which records are kept stay",
            "Add --safety FOLDER to search what is sealed." if unread else "",
        )
    if act.trial.is_sqlite:
        overwrite_deleted(act.trial)
    if text in act.why:
        act.why, act.asked = act.why.replace(text, "..."), ""
    act.record(
        subject=f"events {', '.join(map(str, touched))}",
        what={"kept": kept, "put": _rows(act, participant, search)},
        answer={
            "participant": participant,
            "events": touched,
            "sealed_not_searched": search.unopened,
        },
    )
    for number in touched:
        act.writer.blank(number)
    act.later.append(lambda receipt: anchor_of(receipt, act.trial))
    if act.trial.is_sqlite:
        act.later.append(lambda receipt: _log_emptied(act))


def _log_emptied(act: Act) -> str:
    """Write SQLite's log into the database and empty it: it holds the words as they were."""
    with act.trial.use():
        emptied = empty_log(act.trial)
    if not emptied:
        return "the text may stand in the database's log (-wal) until every program that has the trial open is closed"
    return ""


class _Search:
    """The text that is taken out, in plain and, where the safety role's key is at hand, in what is sealed."""

    def __init__(self, act: Act, text: str) -> None:
        self.text = text
        self.key = act.quarantine
        self.unopened = 0

    def without(self, value: Any, number: int) -> Any:
        """The content of event ``number`` without the text, but for the names by which the records are kept."""
        if isinstance(value, dict):
            if "put" in value and isinstance(value["put"], dict):
                rest = {key: entry for key, entry in value.items() if key != "put"}
                put = {name: [self._row(name, row, number) for row in rows] for name, rows in value["put"].items()}
                return {**self.without(rest, number), "put": put}
            if value.get("blinding", "open") != "open":
                return self.without_sealed(value, number)
            out = {key: entry if key in _KEPT_NAMES else self.without(entry, number) for key, entry in value.items()}
            if value.get("value") != out.get("value") and "missing" in value:
                out["missing"], out["value"] = REDACTED, ""
            return out
        if isinstance(value, list):
            return [self.without(entry, number) for entry in value]
        return value.replace(self.text, f"[{REDACTED}]") if isinstance(value, str) else value

    def _row(self, table: str, row: dict[str, Any], number: int) -> dict[str, Any]:
        """A row that an event wrote, without the text where somebody typed it."""
        if row.get("blinding", "open") != "open":
            return self.without_sealed(row, number)
        typed = {name: row[name] for name in _TYPED.get(table, ()) if isinstance(row.get(name), str)}
        left = {name: text.replace(self.text, f"[{REDACTED}]") for name, text in typed.items()}
        if table == "item" and left.get("value") != typed.get("value"):
            left |= {"value": "", "missing": REDACTED}
        return {**row, **left}

    def without_text(self, words: str, number: int) -> str:
        """What an earlier redaction kept of event ``number``, without the text."""
        content = json.loads(words)
        left = self.without(content, number)
        if left == content:
            return words
        left.pop("asked", None)
        left.pop("asked_private", None)
        return written(left)

    def without_sealed(self, row: dict[str, Any], number: int) -> dict[str, Any]:
        """A row of items or queries as an event wrote it: what is sealed and holds the text is gone as a whole."""
        out = dict(row)
        for column in ("value", "text", "answer"):
            if is_sealed(row.get(column, "")):
                place = place_of_item(row, number) if column == "value" else place_of_query(row, column)
                if self.key is None:
                    self.unopened += 1
                elif any(self.text in str(said) for said in self.key.open(place, row[column]).values()):
                    out |= {"value": "", "missing": REDACTED} if column == "value" else {column: f"[{REDACTED}]"}
        return out


def _rows(act: Act, participant: str, search: _Search) -> dict[str, list[dict[str, Any]]]:
    """Rows of the participant that hold the text now, each with its key and what is left."""
    out: dict[str, list[dict[str, Any]]] = {}
    for kind, table in KINDS.items():
        if "participant" not in (*table.key, *table.columns):
            continue
        for values in act.trial.values(kind, table.all, participant=participant):
            row = dict(zip(table.all, values, strict=True))
            if "blinding" in row and row["blinding"] != "open":
                left = row if search.key is None else search.without_sealed(row, row["event_number"])
                changed = {name: left[name] for name in table.columns if left[name] != row[name]}
            else:
                changed = {
                    name: row[name].replace(search.text, f"[{REDACTED}]")
                    for name in _TYPED.get(table.name, ())
                    if isinstance(row[name], str) and search.text in row[name]
                }
                if table.name == "item" and "value" in changed:
                    changed.update(value="", missing=REDACTED)
            if changed:
                out.setdefault(table.name, []).append({**{name: row[name] for name in table.key}, **changed})
    return out
