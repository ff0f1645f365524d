"""What an event of the ledger says to whom: one line of the audit trail, or none.

Only what is named here is shown; an action that nobody thought of shows its name, who, when, and nothing else. What is
sealed has one text, whatever and however much it holds. The readings of an infusion, whose number and time may tell the
arm, are one line with its start; while it runs nothing else of it is a line either.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from equipoise.conduct.rules.dose_places import INFUSION_DAY

SEALED = "sealed until the lock"
PHARMACY = "sealed, pharmacy"
ADMINISTRATOR = "administrator"
SAFETY = "safety"

# Looking at a running infusion is part of its course: it is looked at with every reading.
_INFUSION = ("infusion-rate", "infusion-vitals", "infusion-stop", "read-infusion")
# The pharmacy's own work: how often it is done may tell the drug.
_PHARMACY_ALONE = frozenset(
    {
        "dose-sheets",
        "slots-read",
        "stock",
        "stock-count",
        "stock-reverse",
        "stock-register",
        "add-slots",
        "dose-sheet-read",
        "dose-sheet-cancel",
    }
)
_PHARMACY = frozenset({"dose-sheet", "dose-check", "envelopes-reserve", "envelopes-print", "envelopes-returned"})
PHARMACY_WORK = _PHARMACY_ALONE | _PHARMACY
CODE_BROKEN = frozenset({"unblind", "unblind-for", "unblind-told", "unblinded-by-accident", "open-arms"})
# What an administrator sees whole; of everything else only that it was done.
_OFFICE = frozenset(
    {
        *("init", "lists-sealed", "add-account", "disable-account", "expire-account", "reset-passphrase", "passphrase"),
        *("review-accounts", "add-site", "activate-site", "close-site", "amend", "consent-version", "wording"),
        *("freeze", "unfreeze", "lock", "ask-unlock", "unlock", "pause", "resume", "cut", "copy", "lift-fence"),
        *("acknowledge-loss", "acknowledge-clock", "renew-receipts", "sign-in", "sign-in-refused", "sign-out"),
        *("refused", "restored", "session-ended", "one-time-code", "remove-one-time-code", "require-codes"),
    }
)
# Entries of an answer that may be told, with the word before them.
_TOLD = {
    "receipt": "receipt",
    "handle": "slot",
    "version": "version",
    "eligible": "eligible",
    "on": "on",
    "study_day": "study day",
    "session": "session",
    "delivered": "delivered",
    "edition": "edition",
    "at": "",
    "copy": "copy of",
    "account": "account",
    "roles": "roles",
    "site": "site",
    "meaning": "meaning",
    "days": "days told",
    "days_of_use": "days of use",
    "days_not_known": "days not known",
    "last_day": "last day",
    "status": "",
    "follow_up": "",
    "event": "",
    "day_1": "",
    "serious": "serious",
    "state": "",
    "eligibility": "eligibility",
    "query": "",
    "ml_per_hour": "mL/h",
}


@dataclass(frozen=True, slots=True)
class Viewer:
    """Who looks: the roles of the account, and the participants whose infusion has not ended."""

    roles: frozenset[str]
    infusing: Collection[str]

    @property
    def sees_sealed(self) -> bool:
        """Whether entries of what is quarantined are told one by one."""
        return SAFETY in self.roles

    @property
    def is_office(self) -> bool:
        """Whether nothing of participants is shown."""
        return self.roles == {ADMINISTRATOR}


@dataclass(frozen=True, slots=True)
class TrailLine:
    """What one event says: its parts, the reason, and what stands for what is not told."""

    what: Sequence[tuple[str, str, str]]  # what, before (empty where nothing was), now
    why: str
    masked: str = ""


def line_of(event: Mapping[str, Any], viewer: Viewer) -> TrailLine | None:
    """The line of an event for who looks; ``None`` where it has none."""
    action, content = event["action"], event["content"]
    if viewer.is_office and action not in _OFFICE:
        return TrailLine((), "")
    if action in _PHARMACY_ALONE or _of_sealed_query(content, viewer):
        return None
    if _of_infusion(event) and not viewer.sees_sealed:
        if action != "infusion-stop" or event["participant"] in viewer.infusing:
            return None
        return TrailLine((), "", SEALED)
    if action == "infusion-start" and not viewer.sees_sealed:
        state = "running" if event["participant"] in viewer.infusing else "ended"
        return TrailLine((("infusion", "", state),), "", "readings sealed until the lock")
    if action in _PHARMACY:
        return TrailLine((), "", PHARMACY)
    why = event["why"]
    if action in CODE_BROKEN and not viewer.sees_sealed:
        why = "with the safety role" if why else ""
    if _is_sealed(content):
        return TrailLine((), "" if not viewer.sees_sealed else why, SEALED)
    return TrailLine(tuple(_parts(action, content)), why)


def _of_sealed_query(content: Mapping[str, Any], viewer: Viewer) -> bool:
    """Whether it is about a query on what is quarantined: that there is one would tell that a value is unusual."""
    rows = content.get("put", {}).get("query", ())
    return not viewer.sees_sealed and any(row.get("blinding", "open") != "open" for row in rows)


def _of_infusion(event: Mapping[str, Any]) -> bool:
    """Whether it is an entry of the course of an infusion, or a correction of one."""
    if event["action"] in _INFUSION:
        return True
    if event["action"] not in ("correct", "entered-in-error"):
        return False
    return str(event["subject"]).startswith(INFUSION_DAY)


def _is_sealed(content: Mapping[str, Any]) -> bool:
    return any(row.get("blinding", "open") != "open" for row in content.get("put", {}).get("item", ()))


def _parts(action: str, content: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    out: list[tuple[str, str, str]] = []
    put, before = content.get("put", {}), content.get("before", {})
    before = before if isinstance(before, dict) else {}
    for row in put.get("visit", ()):
        state = str(row.get("state", "")).replace("_", " ")
        how = f", {row['note']}" if row.get("note") else ""
        out.append(("visit", "", f"{state} {row.get('date', '')}{how}".strip()))
    items = put.get("item", ())
    days = [row for row in items if row["visit"] == "calendar"]
    if len(days) > 3:
        out.append(("calendar", "", f"{len({row['repeat'] for row in days})} days"))
        items = [row for row in items if row["visit"] != "calendar"]
    if len(items) > 12 and not before:
        given = sum(bool(row.get("value")) for row in items)
        out.append((items[0]["form"], "", f"{given} answers, {len(items) - given} without"))
    else:
        out += [_item(row, before) for row in items if row["item"] != "by"]
    for row in put.get("form", ()):
        if row.get("state") in ("not-done", "entered_in_error", "void", "held"):
            out.append((row["form"], "", str(row["state"]).replace("_", " ").replace("-", " ")))
    for row in put.get("query", ()):
        said = row.get("answer") or row.get("text") or str(row.get("state", ""))
        out.append((row["query"], "", str(said)))
    for row in put.get("signature", ()):
        out.append(("signature", "", f"{row.get('meaning', '')} {row.get('state', '')}".strip() or "signed"))
    if action == "amend":
        out += [("", "", line) for line in content.get("changes", ())[:20]]
    if action in ("refused", "sign-in-refused"):
        out.append(("", "", f"{content.get('code', 'account or passphrase not right')}"))
    if action == "session-ended":
        out.append(("", "", str(content.get("by", ""))))
    if not out:
        out += _answer(content.get("answer", {}))
    return out


def _item(row: Mapping[str, Any], before: Mapping[str, Any]) -> tuple[str, str, str]:
    now = row.get("value") or str(row.get("missing", "")).replace("-", " ")
    unit = f" {row['unit']}" if row.get("unit") and row.get("value") else ""
    return (str(row["item"]).replace("-", " "), str(before.get(row["item"], "") or ""), f"{now}{unit}")


def _answer(answer: Mapping[str, Any]) -> list[tuple[str, str, str]]:
    out = []
    for name, word in _TOLD.items():
        value = answer.get(name)
        if value in (None, "", [], {}):
            continue
        said = {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
        if isinstance(said, list):
            said = ", ".join(map(str, said))
        out.append((word, "", str(said).replace("_", " ")))
    return out
