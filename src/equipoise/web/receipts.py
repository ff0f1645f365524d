"""What one request recorded, as the ledger holds it: numbers of the events, values, scores, what opened by itself."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from equipoise.conduct.rows.tables import EventRow
from equipoise.conduct.trial.held_texts import HeldTexts
from equipoise.conduct.trial.trial import Trial
from equipoise.web.acts_in_words import receipt_words
from equipoise.web.words import (
    REASON_WORDS,
    counted,
    day_words,
    joined_words,
    time_words,
    visit_words,
    window_words,
)

_FEW = 6  # items told one by one


def receipt_of(trial: Trial, account: str, key: str, held: HeldTexts | None = None) -> dict[str, Any] | None:
    """The receipt of an account's own request, without texts that are ``held`` back; ``None`` where it made none."""
    names = (
        "number",
        "action",
        "at",
        "offset_minutes",
        "zone",
        "role",
        "participant",
        "subject",
        "why",
        "what",
        "hash",
    )
    rows = trial.values(EventRow, names, request=f"{account}:{key}", order=("step",))
    if not rows:
        return None
    events = [dict(zip(names, row, strict=True)) for row in rows]
    for event in events:
        event["content"] = json.loads(event["what"]) if event["what"] else {}
    if held is not None:
        events = [held.event_shown(event) for event in events]
    last = events[-1]
    answer: dict[str, Any] = {}
    for event in events:
        answer |= event["content"].get("answer", {})
    numbers = [event["number"] for event in events]
    span = str(numbers[0]) if len(numbers) == 1 else f"{numbers[0]} to {numbers[-1]}"
    return {
        "key": key,
        "account": account,
        "role": last["role"],
        "events": f"{counted(len(numbers), 'event')}, {span}",
        "at": time_words(last["at"], last["offset_minutes"], last["zone"]),
        "anchor": f"{last['number']}-{last['hash'][:16]}",
        "participant": last["participant"],
        "title": _title(last, answer),
        "lines": [line for event in events for line in _lines(event)],
        "answer": answer,
        "handle": answer.get("handle", ""),
        "facts": _facts(answer),
        "opened": [
            row for event in events for row in event["content"].get("put", {}).get("query", []) if "text" in row
        ],
        "superseded": answer.get("signatures_superseded", []),
        "why": last["why"],
    }


def is_recorded(trial: Trial, account: str, key: str) -> bool:
    """Whether an account's request of that name recorded something: its receipt says what."""
    return bool(trial.has(EventRow, request=f"{account}:{key}"))


_TOLD_ELSEWHERE = frozenset(
    # of a randomization nobody needs the stream, and who counts them learns how full each is
    {"participant", "visit", "form", "forms", "scores", "handle", "stream", "profile", "minimized", "randomization"}
    | {"signatures_superseded", "timing", "study_day", "content"}
)


def _facts(answer: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the action answered, beyond what the lines say."""
    out = []
    for name, value in answer.items():
        if name in _TOLD_ELSEWHERE or value in ("", [], {}, None):
            continue
        out.append((_name(name.replace("_", "-")), _said(value)))
    return out


def _said(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_said(entry)}" for key, entry in value.items())
    if isinstance(value, list):
        return "; ".join(_said(entry) for entry in value)
    return str(value)


def _title(event: Mapping[str, Any], answer: Mapping[str, Any]) -> str:
    if event["action"] in ("visit-forms", "visit", "visit-missed") and "visit" in answer:
        return f"{event['participant']}, {visit_words(answer['visit'])}"
    words = receipt_words(event["action"])
    return f"{event['participant']}, {words}" if event["participant"] else words[:1].upper() + words[1:]


def _lines(event: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A line for each form that an event wrote, and one for the visit."""
    put = event["content"].get("put", {})
    out = []
    for row in put.get("visit", []):
        if row.get("state") == "attended":
            how = "by telephone" if row.get("note") == "telephone" else "in person"
            held = f"{day_words(row['date'])}, {how}" + (f": {row['reason']}" if row.get("reason") else "")
            out.append(_line(event, "Visit held", held))
        elif row.get("state") == "missed":
            out.append(_line(event, "Visit missed", row.get("reason", "")))
    items: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in put.get("item", []):
        items.setdefault((row["visit"], row["form"]), []).append(row)
    scores = event["content"].get("answer", {}).get("scores", {})
    for (visit, form), rows in items.items():
        if visit == "calendar":
            out.append(_line(event, _name(form), _days(rows)))
        elif any(row.get("blinding", "open") != "open" for row in rows):
            out.append(_line(event, _name(form), "recorded, sealed until the lock"))
        else:
            before = event["content"].get("before", {})
            out.append(_line(event, _name(form), _changes(rows, before) or _values(rows), _scores(scores)))
    told = {row["form"] for row in put.get("item", [])}
    for row in put.get("form", []):
        if row.get("state") == "not-done" and row["form"] not in told:
            out.append(_line(event, _name(row["form"]), f"not done: {row.get('reason', '')}"))
    return out


def _line(event: Mapping[str, Any], what: str, recorded: str, score: str = "") -> dict[str, Any]:
    return {"what": what, "recorded": recorded, "score": score, "event": event["number"]}


def _name(form: str) -> str:
    return form.replace("-", " ").capitalize()


def _values(rows: Sequence[Mapping[str, Any]]) -> str:
    given = [row for row in rows if row.get("value")]
    absent = [row for row in rows if not row.get("value") and row.get("missing") not in ("", None)]
    if len(rows) <= _FEW:
        parts = [f"{_name(row['item'])} {row['value']} {row.get('unit', '')}".strip() for row in given]
        parts += [f"{_name(row['item'])}: {_reason(row)}" for row in absent]
        return ", ".join(parts)
    words = counted(len(given), "answer")
    reasons = sorted({_reason(row) for row in absent})
    return f"{words}, {len(absent)} absent ({joined_words(reasons)})" if absent else words


def _changes(rows: Sequence[Mapping[str, Any]], before: Mapping[str, Any]) -> str:
    """Of a correction each item with what it was."""
    parts = [
        f"{_name(row['item'])} {row.get('value') or _reason(row)} {row.get('unit', '')}".strip()
        + f" (before: {before[row['item']] or 'no answer'})"
        for row in rows
        if row["item"] in before
    ]
    return ", ".join(parts)


def _reason(row: Mapping[str, Any]) -> str:
    return REASON_WORDS.get(row["missing"], row["missing"]).lower()


def _scores(scores: Mapping[str, Any]) -> str:
    return ", ".join(
        f"{_name(scale)} {_figure(value)}" if value is not None else f"{_name(scale)}: not scored"
        for scale, value in scores.items()
    )


def _figure(value: object) -> str:
    number = round(float(str(value)), 1)
    return str(int(number)) if number.is_integer() else str(number)


def _days(rows: Sequence[Mapping[str, Any]]) -> str:
    days = sorted({row["repeat"] for row in rows})
    used = sum(row.get("value") == "yes" for row in rows)
    unknown = len({row["repeat"] for row in rows if row.get("missing") == "not-known"})
    span = window_words(date.fromordinal(days[0]).isoformat(), date.fromordinal(days[-1]).isoformat())
    parts = [f"{counted(used, 'day')} of use", f"{len(days) - used - unknown} without"]
    return f"{span}: {', '.join(parts)}" + (f", {unknown} not known" if unknown else "")
