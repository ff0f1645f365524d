"""Who is let through the door: account, role, site, state of the trial, a reason; everything else is refused."""

from __future__ import annotations

import os
from collections.abc import Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any

from equipoise.conduct.actions.permissions import MATRIX, PARTICIPANT, READING
from equipoise.conduct.audit_trail.anchors import last_anchor
from equipoise.conduct.clock import Clock, Moment
from equipoise.conduct.integrity.absences import absences, put_in_place
from equipoise.conduct.integrity.losses import disagreement
from equipoise.conduct.rows.tables import AccountRow, EventRow, ParticipantRow, QueryRow, SiteRow
from equipoise.conduct.rules.dates import check_clock
from equipoise.foundation.errors import ConductError, listed, raise_if_any

if TYPE_CHECKING:
    from equipoise.conduct.actions.context import Act, Action

CODES = {"C023": "A spreadsheet would run the text as a formula."}
_MOST = 10  # absences named one by one; verify names all
_FORMULA = frozenset("=+-@\t\r")
# What no wrong clock keeps anybody from, and what says nothing about the time of anything else: reading, signing in,
# and being told an arm in an emergency.
_TIMELESS = READING | {
    *("passphrase", "refused", "sign-in", "sign-in-refused", "sign-out", "session-ended"),
    *("unblind", "unblind-for", "unblind-told"),
}


def admit(act: Act, given: Mapping[str, Any], clock: Clock, *, again: bool = False) -> None:
    """Account, role, site, state of the trial, reason: deny by default.

    Of a request that was answered before (``again``) only the first three are asked: the rest held when it was done.
    """
    account = act.trial.first(AccountRow, account=act.session.account)
    today = Moment.of(clock, "")
    if (
        account is None
        or account.state != "active"
        or (account.expires_on and today.local_date.isoformat() > account.expires_on)
    ):
        act.refuse("C013", act.session.account, "The account is not in use.", "an account in use")
    may = MATRIX.get(act.action.name, frozenset())
    act.roles = frozenset(account.roles.split(","))
    held = [role for role in account.roles.split(",") if role in may]
    if not held:
        act.refuse(
            "C013",
            act.action.name,
            f"The role {account.roles} may not do this.",
            listed(sorted(may)),
            "Ask a person with that role.",
        )
    act.role = held[0]
    act.sites = sites = [site for site in account.sites.split(",") if site]
    act.site = sites[0] if len(sites) == 1 else ""
    person = given.get("participant")
    if person is None and "query" in given:
        asked = act.trial.first(QueryRow, query=given["query"])
        if asked is None:
            act.refuse("C014", given["query"], "There is no such query here.", "a query of the account's sites")
        person = asked.participant
    if person is not None and not _is_new(act.action):
        found = act.trial.first(ParticipantRow, participant=person)
        is_other = act.role == PARTICIPANT and account.person != person  # a participant's account reaches nobody else
        if found is None or is_other or (sites and found.site not in sites):
            act.refuse(
                "C014",
                str(person),
                "There is no such participant here.",
                "a participant of the account's sites",
                "Check the code. A new participant is screened first: screen.",
            )
        act._participant, act.site = found, found.site
    elif given.get("site") is not None:
        if sites and given["site"] not in sites:
            act.refuse("C014", str(given["site"]), "There is no such site here.", "one of the account's sites")
        act.site = given["site"]
    place = act.trial.first(SiteRow, site=act.site) if act.site else None
    zone = place.zone if place is not None else ""
    act.now = Moment(today.utc, zone or "UTC", Moment.of(_Stopped(today), zone or "").offset_minutes)
    if again:
        return
    _require_clock(act)
    state = act.state
    if state.state not in act.action.states or (state.state == "paused" and _is_new_consent(act)):
        act.refuse("C017", act.action.name, f"The trial is {state.state}.", listed(act.action.states))
    if act.action.why:
        act.require_why(f"The action {act.action.name} was asked for")
    _require_no_formula(act, {"--why": act.why, **{name: given[name] for name in given.keys() - act.action.private}})
    if act.action.allocates:
        _require_no_fence(act, state)
        _require_outside(act)


def _require_clock(act: Act) -> None:
    """Refuse to record where the clock is behind the ledger (C537): an allocation dated before the consent is for good.

    Who must be told an arm in an emergency, or reads, is not kept from it; nor do such events, or those of signing in,
    set the time that later ones are held against.
    """
    if act.action.name in _TIMELESS or act.action.name == "acknowledge-clock":
        return
    raise_if_any(ConductError, check_clock(act.now.utc, last_event_at(act)))


def last_event_at(act: Act) -> datetime | None:
    """When the last event was recorded that the clock is held against."""
    found = act.trial.column(EventRow, "at", action__not_in=sorted(_TIMELESS), order=("-number",), limit=1)
    return datetime.fromisoformat(found[0].replace("Z", "+00:00")) if found else None


def _require_no_formula(act: Act, texts: Mapping[str, Any]) -> None:
    """Refuse text that a spreadsheet would run when somebody opens an export in it: ``=cmd...``, ``+...``, ``@...``.

    What begins with a sign and is a number is a number; a file of the protocol may begin with a line of dashes.
    """
    for name, value in texts.items():
        if isinstance(value, Mapping):
            _require_no_formula(act, {f"{name} {key}": part for key, part in value.items()})
        elif isinstance(value, list):
            _require_no_formula(act, {f"{name} {place}": part for place, part in enumerate(value, 1)})
        elif isinstance(value, str) and not value.startswith("---\n"):
            # blanks before it are taken off when it is recorded
            begins = value[:1] if value[:1] in ("\t", "\r") else value.lstrip()[:1]
            if begins not in _FORMULA:
                continue
            try:
                float(value)
            except ValueError:
                found = f"The text begins with {begins!r}: a spreadsheet would take it for a formula."
                act.refuse("C023", name, found, "text that begins with a letter or a digit", "Put a word before it.")


def _is_new_consent(act: Act) -> bool:
    """A first consent takes somebody in: while the trial is paused only who is in it may agree to a new version."""
    takes = act.action.name in ("consent", "consent-electronic", "consent-sign")
    return takes and act._participant is not None and act._participant.status == "screened"


def _require_outside(act: Act) -> None:
    """Refuse to give a slot while what tells of the slots given is not there: receipts and anchors (C077), and the key
    folders where they are named (C040, C043). A disk that is not mounted is found before a slot is given, not after.
    """
    put_in_place(act.trial)
    raise_if_any(ConductError, absences(act.trial)[:_MOST])
    if act.pharmacy or os.environ.get("EQUIPOISE_PHARMACY"):
        _ = act.vault
    if act.safety or os.environ.get("EQUIPOISE_SAFETY"):
        _ = act.quarantine


class _Stopped:
    """A clock that shows a moment read before: one action has one time."""

    def __init__(self, moment: Moment) -> None:
        self._utc = moment.utc

    def now(self) -> datetime:
        return self._utc


def _is_new(chosen: Action) -> bool:
    return chosen.name == "screen"


def _require_no_fence(act: Act, state: Any) -> None:
    if state.randomization != "open":
        act.refuse(
            "C018",
            "randomization",
            f"The fence stands: {state.fence or state.randomization}.",
            "every receipt given since the backup typed in",
            "equipoise do DIR lift-fence receipts=... (docs/running-a-trial.md, After a restore).",
        )
    found = disagreement(act.trial, last_anchor(act.trial.receipts), act.writer.number)
    if not found:
        return
    act.refuse(
        "C018",
        "the ledger",
        found,
        "a ledger with everything that was issued",
        "Something was lost or changed: stop, run `equipoise verify DIR`, and restore.",
    )
