"""Sites and accounts: where they stand, who may do what, and the review of access for the file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse

from equipoise.conduct.actions.permissions import COLUMNS, MATRIX
from equipoise.conduct.keys.one_time_codes import OneTimeCodes
from equipoise.conduct.rows.tables import EventRow, ParticipantRow, SiteRow
from equipoise.conduct.rules.status import IN_TRIAL
from equipoise.web.held import held_for
from equipoise.web.page import page
from equipoise.web.policy import may
from equipoise.web.render import render
from equipoise.web.words import day_words, joined_words, role_words, time_words

_STATES = {
    "registered": ("due", "enrols nobody yet"),
    "active": ("done", "active"),
    "closed": ("missed", "closed: visits go on"),
}
_SHORT = (
    "adm.",
    "coord.",
    "invest.",
    "infus.",
    "rater",
    "pharm.",
    "safety",
    "monit.",
    "data m.",
    "statist.",
    "unbl. st.",
)
# What people do, in a few lines: words, and an action of each.
_ACTS = (
    ("Screen, consent, baseline", "screen"),
    ("Decide on eligibility", "eligibility"),
    ("Randomize", "randomize"),
    ("Record visits and forms", "visit-forms"),
    ("Record the calendar of use", "calendar"),
    ("Correct, take back", "correct"),
    ("Record what is quarantined", "infusion-vitals"),
    ("Prepare and check doses, drug register", "dose-sheet"),
    ("Run infusions", "infusion-start"),
    ("Report adverse events", "adverse-event"),
    ("Discontinue treatment", "discontinue"),
    ("Break the code", "unblind"),
    ("Read records", "read"),
    ("Ask and close queries", "query"),
    ("Answer queries", "query-answer"),
    ("Sign", "sign"),
    ("Sign off as responsible", "sign-off"),
    ("Read the audit trail", "audit-trail"),
    ("Take cuts", "cut"),
    ("Accounts, sites, versions", "add-account"),
    ("Freeze and lock", "lock"),
)


@page("sites", "sites/")
def sites(request: Any) -> HttpResponse:
    """Every site: zone, approval, wording, state."""
    trial = request.served.trial
    held, wording = held_for(request), _wording(trial)
    say = held.shown if held is not None else str
    people = Counter(site for (site,) in trial.values(ParticipantRow, ("site",), status__in=IN_TRIAL))
    rows = [
        {
            "site": site,
            "zone": zone,
            "approval": f"{say(approval)}, {day_words(on, week=False)}" if approval else "",
            "wording": wording.get(site, ""),
            "chip": _STATES.get(state, ("due", state)),
            "n": people[site],
            "acts": _acts(site, state, request.roles),
        }
        for site, state, zone, approval, on in trial.values(
            SiteRow, ("site", "state", "zone", "approval", "activated_on"), order=("site",)
        )
    ]
    return render(request, "sites.html", {"title": "Sites", "rows": rows, "may_add": may("add-site", request.roles)})


def _wording(trial: Any) -> dict[str, str]:
    """The wording last taken into use at each site: which instruments, when."""
    out = {}
    for site, what, at, offset, zone in trial.values(
        EventRow, ("site", "what", "at", "offset_minutes", "zone"), action="wording", order=("number",)
    ):
        said = json.loads(what) if what else {}
        names = joined_words(said.get("instruments", []))
        out[site] = f"{names}, {time_words(at, offset, zone).rpartition(',')[0]}"
    return out


def _acts(site: str, state: str, roles: tuple[str, ...]) -> list[tuple[str, str]]:
    wanted = {"registered": ("activate-site",), "active": ("close-site",), "closed": ("activate-site",)}.get(state, ())
    words = {"activate-site": "Activate…", "close-site": "Close…"}
    return [(f"/{name}/?site={site}", words[name]) for name in wanted if may(name, roles)]


@page("accounts", "accounts/")
def accounts(request: Any) -> HttpResponse:
    """Every account with its roles; looking is the review of access, and is noted as one."""
    told = request.served.do(request.who, "review-accounts").told
    rows = [_account(row, request) for row in told["list"]]
    return render(
        request,
        "accounts.html",
        {
            "title": "Accounts and rights",
            "rows": rows,
            "in_use": sum(row["state"] == "active" for row in rows),
            "may_add": may("add-account", request.roles),
            "columns": list(zip(_SHORT, (role_words([role]) for role in COLUMNS), strict=True)),
            "matrix": [(words, [role in MATRIX[name] for role in COLUMNS]) for words, name in _ACTS],
        },
    )


def _account(row: Mapping[str, Any], request: Any) -> dict[str, Any]:
    at = row["signed_in"]
    has_code = OneTimeCodes(request.served.trial.directory).is_set(row["account"])
    acts = []
    if row["state"] == "active":
        acts = [
            (f"/{name}/?account={row['account']}", words)
            for name, words in (
                ("reset-passphrase", "New passphrase…"),
                ("expire-account", "Last day…"),
                ("disable-account", "Disable…"),
                *((("remove-one-time-code", "Remove the one-time code…"),) if has_code else ()),
            )
            if may(name, request.roles)
        ]
    notes = ["one-time code"] if has_code else []
    if row["last_day"]:
        notes.append(f"last day {day_words(row['last_day'], week=False)}")
    if row["refusals"]:
        notes.append(f"{row['refusals']} wrong passphrases in a row")
    if row["breaks_the_blind"]:
        notes.append(f"breaks the blind: {'; '.join(row['breaks_the_blind'])}")
    return {
        **row,
        "role_words": role_words(row["roles"].split(",")),
        "last": "never" if at == "never" else time_words(at, 0, "UTC"),
        "notes": notes,
        "acts": acts,
    }
