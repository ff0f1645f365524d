"""Templates filled in: what every page shows around its own content."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any

from django.http import HttpResponse
from django.template import engines

from equipoise.conduct.rows.tables import LedgerHeadRow, ProtocolVersionRow, UnblindingRow
from equipoise.foundation.version import program_version
from equipoise.web.policy import may
from equipoise.web.sessions import LOCK
from equipoise.web.state_of_trial import banner
from equipoise.web.words import day_words, role_words, zone_words

NAVIGATION = (
    ("today", "Today", "/today/"),
    ("participants", "Participants", "/p/"),
    ("pharmacy", "Dose sheets", "/pharmacy/"),
    ("register", "Drug register", "/pharmacy/register/"),
    ("slots", "Slots", "/pharmacy/slots/"),
    ("envelopes", "Envelopes", "/envelopes/"),
    ("closed", "Closed report", "/closed/"),
    ("pooled", "Pooled figures", "/pooled/"),
    ("schedule", "Schedule", "/schedule/"),
    ("queries", "Queries", "/queries/"),
    ("held-texts", "Held texts", "/held-texts/"),
    ("progress", "Progress", "/progress/"),
    ("audit", "Audit trail", "/audit/"),
    ("sites", "Sites", "/sites/"),
    ("accounts", "Accounts", "/accounts/"),
    ("protocol", "Protocol", "/protocol/"),
    ("cuts", "Cuts", "/cuts/"),
    ("closing", "Lock", "/lock/"),
    ("verify", "Ledger", "/verify/"),
)
_UNBLINDED = frozenset({"pharmacist", "unblinded-statistician"})


def render(
    request: Any, template: str, context: Mapping[str, Any], status: int = 200, *, bare: bool = False
) -> HttpResponse:
    """A page of a template, within the frame that every page has; ``bare``: without what only the database knows."""
    whole = {**_frame(request, bare), **context}
    text = engines["django"].get_template(template).render(whole, request)
    response = HttpResponse(_tight(text), status=status)
    response["Cache-Control"] = "no-store"
    return response


def _tight(text: str) -> str:
    """Without the blank lines that template tags leave."""
    return re.sub(r"\n\s*\n+", "\n", text)


def _frame(request: Any, bare: bool) -> dict[str, Any]:
    served, who = getattr(request, "served", None), None if bare else getattr(request, "who", None)
    roles = getattr(request, "roles", ()) if who else ()
    out: dict[str, Any] = {
        "who": who,
        "navigation": [entry for entry in NAVIGATION if may(entry[0], roles)],
        "page": getattr(request, "page", ""),
        "version": program_version(),
    }
    if served is None:
        return out
    out |= {"trial": served.trial.config.trial, "training": served.trial.mode == "training"}
    if who:
        out |= {
            "me": request.person,
            "my_roles": role_words(roles),
            "my_sites": ", ".join(request.sites),
            "unblinded": bool(_UNBLINDED & set(roles)),
            "foot": _foot(served, request.sites),
            "waits_to_be_told": may("unblind-told", roles) and _waits(served, who.account),
            "may_report_learned": may("unblinded-by-accident", roles) and _has_arms(served),
            "tells_arm": getattr(request, "tells_arm", False),
            "banner": _banner(served, request.page),
            "lock_after": LOCK + 2,
        }
    return out


def _has_arms(served: Any) -> bool:
    """Whether there is an arm that somebody could learn; a programme that randomizes nobody has none."""
    return served.trial.protocol(served.trial.protocol_hash).model.randomization is not None


def _waits(served: Any, account: str) -> bool:
    """Whether somebody asked that this account be told an arm."""
    with served.trial.use():
        return bool(served.trial.has(UnblindingRow, told=account, mode="third-party", state="asked"))


def _banner(served: Any, page: str) -> Any:
    if page == "closing":  # it says the same, and more
        return None
    with served.trial.use():
        return banner(served.trial)


def _foot(served: Any, sites: tuple[str, ...]) -> dict[str, Any]:
    """Where this page came from: time with zone, version of the protocol, the ledger's end."""
    with served.trial.use():
        number, hash = served.trial.values(LedgerHeadRow, ("number", "hash"), ledger="open")[0]
        zone = served.zone_for(sites)
        in_force = served.trial.protocol_hash
        version = served.trial.values(ProtocolVersionRow, ("version", "hash"), hash=in_force)[0]
    now = served.now(zone)
    return {
        "now": now_words(now),
        "protocol": f"{version[0]}",
        "hash": version[1][:12],
        "events": number,
        "anchor": f"{number}-{hash[:16]}",
    }


def now_words(now: Any) -> str:
    """A moment on the wall with its zone."""
    local: datetime = now.local
    return f"{day_words(local.date())}, {local:%H:%M} {zone_words(now.offset_minutes, now.zone, local)}"


@cache
def static_mark() -> str:
    """A mark of the style sheet and script as they are, so that a new version is fetched."""
    import hashlib
    from importlib.resources import files

    made = hashlib.sha256()
    for file in sorted(files("equipoise.web").joinpath("static").iterdir(), key=lambda file: file.name):
        if file.is_file():
            made.update(file.read_bytes())
    return made.hexdigest()[:10]


__all__ = ["now_words", "render", "static_mark"]
