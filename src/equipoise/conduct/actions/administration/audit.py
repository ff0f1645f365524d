"""Reading the audit trail: every event of the account's sites that its roles may see, the newest first."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.permissions import ALWAYS, READING
from equipoise.conduct.actions.repeat import run_again
from equipoise.conduct.audit_trail.masking import SAFETY, Viewer, line_of
from equipoise.conduct.clock import zone_of
from equipoise.conduct.rows.tables import AccountRow, EventRow, ParticipantRow, SiteRow
from equipoise.foundation.errors import listed

CODES = {"C680": "The audit trail has no such part."}
MOST = 5_000  # lines told at once
_STEP = 500  # events looked at in one go
_YEARS = range(1900, 2201)  # whose days have a beginning and an end in every time zone
_COLUMNS = (
    *("number", "at", "zone", "offset_minutes", "clock", "account", "role", "site", "device", "participant"),
    *("action", "subject", "why", "what"),
)
_SIGNING_IN = frozenset(
    {"sign-in", "sign-in-refused", "sign-out", "session-ended", "passphrase", "reset-passphrase", "one-time-code"}
)
_SIGNED = frozenset({"sign", "sign-off", "lock"})
KINDS = ("everything", "records", "changes", "signatures", "refusals", "reading", "signing-in", "administration")
_ADMINISTRATION = frozenset(
    {
        *("add-account", "disable-account", "expire-account", "reset-passphrase", "review-accounts", "add-site"),
        *("activate-site", "close-site", "amend", "consent-version", "wording", "freeze", "unfreeze", "lock"),
        *("ask-unlock", "unlock", "pause", "resume", "cut", "copy", "lift-fence", "acknowledge-loss", "init"),
        *(
            "acknowledge-clock",
            "consent-document",
            "export-allocations",
            "open-arms",
            "open-quarantine",
            "release-text",
        ),
        *(
            "remove-one-time-code",
            "require-codes",
            "renew-receipts",
            "envelopes-reserve",
            "envelopes-print",
            "envelopes-returned",
        ),
    }
)


@action("audit-trail", states=ALWAYS, again=run_again)
def audit_trail(
    act: Act,
    participant: str | None = None,
    who: str = "",
    kind: str = "everything",
    first: date | None = None,
    last: date | None = None,
    before: int = 0,
    most: int = 50,
) -> None:
    """Read the audit trail: of a participant, of one account, of one kind, between two dates (at the account's site),
    ``most`` lines of those before an event. What is sealed is said to be, and never told.
    """
    if first is not None and last is not None and first > last:
        act.refuse("C680", "last", f"It ends on {last}, before it begins ({first}).", "the first day, then the last")
    if kind not in KINDS:
        act.refuse("C680", "kind", f"Found {kind!r}.", listed(KINDS))
    if not 1 <= most <= MOST:
        act.refuse("C680", "most", f"Found {most}.", f"1 to {MOST}")
    for name, day in (("first", first), ("last", last)):
        if day is not None and day.year not in _YEARS:
            act.refuse("C680", name, f"Found {day}.", f"a date of the years {_YEARS.start} to {_YEARS.stop - 1}")
    sites = act.sites
    infusing = set(act.trial.column(ParticipantRow, "participant", infusing=True))
    viewer, held = Viewer(act.roles, infusing), None if act.reads_names else act.texts
    scope = _Scope(act, sites, participant or "", who)
    begin, end = _bounds(act, sites, first, last)
    lines: list[dict[str, Any]] = []
    more = False
    for event in scope.events(before, begin, end):
        line = line_of(event if held is None else held.event_shown(event), viewer)
        if line is None or not _is_of(kind, event, line.why):
            continue
        if len(lines) == most:
            more = True
            break
        shown = {name: event[name] for name in _COLUMNS if name not in ("what", "why")}
        if viewer.is_office and event["participant"]:
            shown |= {"subject": ""}
        lines.append({**shown, "parts": [list(part) for part in line.what], "why": line.why, "masked": line.masked})
    accounts = scope.mine if sites else sorted(act.trial.column(AccountRow, "account"))
    act.record(subject="audit trail", what={"kind": kind, "of": participant or who, "listed": len(lines)})
    act.tell({"lines": lines, "more": more, "accounts": accounts, "sites": sites, "sees_sealed": SAFETY in act.roles})


def _is_of(kind: str, event: Mapping[str, Any], why: str) -> bool:
    action = event["action"]
    return {
        "everything": True,
        "records": bool(event["participant"]) and action not in READING and action not in _SIGNED,
        "changes": bool(why) or action in ("correct", "entered-in-error"),
        "signatures": action in _SIGNED,
        "refusals": action in ("refused", "sign-in-refused"),
        "reading": action in READING,
        "signing-in": action in _SIGNING_IN,
        "administration": action in _ADMINISTRATION,
    }[kind]


def _bounds(act: Act, sites: list[str], first: date | None, last: date | None) -> tuple[str, str]:
    """Moments between which events lie, as the ledger writes them; empty where there is no bound."""
    site = act.trial.first(SiteRow, site=sites[0]) if sites else None
    zones = [site.zone] if site is not None else act.trial.column(SiteRow, "zone", order=("site",))
    zone = zone_of(zones[0] if zones else "UTC")

    def moment(day: date) -> str:
        return datetime.combine(day, time(), zone).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S")

    return (moment(first) if first else "", moment(last + timedelta(days=1)) if last else "")


class _Scope:
    """The events that an account may know of: of its sites, and what people of its sites did."""

    def __init__(self, act: Act, sites: list[str], participant: str, who: str) -> None:
        self.trial, self.sites, self.participant, self.who = act.trial, set(sites), participant, who
        self.at = dict(act.trial.values(ParticipantRow, ("participant", "site")))
        accounts = act.trial.values(AccountRow, ("account", "sites"))
        self.mine = sorted(account for account, at in accounts if at and set(at.split(",")) <= self.sites)
        if act.session.account not in self.mine:
            self.mine.append(act.session.account)

    def events(self, before: int, begin: str, end: str) -> Iterator[dict[str, Any]]:
        """Events in question, the newest first."""
        asked: dict[str, Any] = {
            "participant": self.participant,
            "account": self.who,
            "at__at_least": begin,
            "at__below": end,
        }
        where: dict[str, Any] = {name: value for name, value in asked.items() if value}
        number = before or 2**62
        while True:
            rows = self.trial.values(EventRow, _COLUMNS, number__below=number, **where, order=("-number",), limit=_STEP)
            for row in rows:
                event = dict(zip(_COLUMNS, row, strict=True))
                number = event["number"]
                if self._is_mine(event):
                    event["content"] = json.loads(event["what"]) if event["what"] else {}
                    yield event
            if len(rows) < _STEP:
                return

    def _is_mine(self, event: Mapping[str, Any]) -> bool:
        if not self.sites:
            return True
        person = event["participant"]
        if person:
            return self.at.get(person, event["site"]) in self.sites
        return event["site"] in self.sites or (not event["site"] and event["account"] in self.mine)
