"""Redaction: personal data typed by mistake are taken out of the ledger, and the chain still holds."""

from __future__ import annotations

import json
from typing import Any

from equipoise.conduct.actions.door import Act, action, anchor_of
from equipoise.conduct.store.canonical import written
from equipoise.conduct.store.tables import TABLES

CODES = {"C129": "There is nothing to redact."}
REDACTED = "redacted"


@action("redact", states=("open", "paused", "locked"), why=True, private=("text",))
def redact(act: Act, participant: str, text: str) -> None:
    """Take a text out of everything that was recorded of a participant, where it stood in values or reasons.

    Each event that holds it loses its words; what else it said is kept by the redaction, which says who, when and why.
    Numbers, hashes and the chain stay. Backups and copies made before still hold the text.
    """
    if len(text.strip()) < 3:
        act.refuse("C129", "text", "The text is too short to be found safely.", "three letters or more")
    rows = act.trial.rows(
        "SELECT number, what, why FROM event WHERE participant = %s AND salt <> '' AND action <> 'redact'"
        " ORDER BY number",
        (participant,),
    )
    kept: dict[str, str] = {}
    for number, what, why in rows:
        content = json.loads(what)
        left = _without(content, text)
        if left != content or text in why:
            kept[str(number)] = written(left)
    if not kept:
        act.refuse("C129", "text", f"Nothing recorded of {participant} holds it.", "the text as it was typed")
    act.why = act.why.replace(text, "...")
    act.record(
        subject=f"events {', '.join(kept)}",
        what={"kept": kept, "put": _rows(act, participant, text)},
        answer={"participant": participant, "events": [int(number) for number in kept]},
    )
    for number in kept:
        act.writer.blank(int(number))
    act.later.append(lambda receipt: anchor_of(receipt, act.trial))


def _without(value: Any, text: str) -> Any:
    if isinstance(value, dict):
        out = {key: _without(entry, text) for key, entry in value.items()}
        if value.get("value") != out.get("value") and "missing" in value:
            out["missing"], out["value"] = REDACTED, ""
        return out
    if isinstance(value, list):
        return [_without(entry, text) for entry in value]
    return value.replace(text, f"[{REDACTED}]") if isinstance(value, str) else value


def _rows(act: Act, participant: str, text: str) -> dict[str, list[dict[str, Any]]]:
    """Rows of the participant that hold the text now, each with its key and what is left."""
    out: dict[str, list[dict[str, Any]]] = {}
    for table in TABLES.values():
        if "participant" not in (*table.key, *table.columns):
            continue
        found = act.trial.rows(
            f"SELECT {', '.join(table.all)} FROM {table.name} WHERE participant = %s", (participant,)
        )
        for values in found:
            row = dict(zip(table.all, values, strict=True))
            changed: dict[str, Any] = {
                name: row[name].replace(text, f"[{REDACTED}]")
                for name in table.columns
                if isinstance(row[name], str) and text in row[name]
            }
            if table.name == "item" and "value" in changed:
                changed.update(value="", missing=REDACTED)
            if changed:
                out.setdefault(table.name, []).append({**{name: row[name] for name in table.key}, **changed})
    return out
