"""Breaking the code: for oneself, for somebody who treats the participant, and being told on another's request.

The arm is on the answer to the passphrase alone, marked and locked after three minutes; no receipt holds it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect

from equipoise.conduct.actions.safety.unblind import TOLD
from equipoise.conduct.rows.tables import AccountRow, ParticipantRow, UnblindingRow
from equipoise.foundation.errors import ConductError, UsageError
from equipoise.web.fields import Field, Summary, place_problems
from equipoise.web.held import held_for
from equipoise.web.page import page, pass_on, request_key
from equipoise.web.pages.acts import standing_bar
from equipoise.web.passphrase_again import require_again
from equipoise.web.receipts import receipt_of
from equipoise.web.render import render
from equipoise.web.sessions import LOCK

_ASIDE = ("C013", "C014", "C040")


@page("unblind", "p/<participant>/unblind/")
def unblind(request: Any, participant: str) -> HttpResponse:
    """Break the code for one participant; the one who asks is told."""
    return _asked(request, "unblind", participant, _why(), tells=True)


@page("unblind-for", "p/<participant>/unblind-for/")
def unblind_for(request: Any, participant: str) -> HttpResponse:
    """Ask that somebody else be told the arm; the one who asks never is."""
    row = request.served.trial.first(ParticipantRow, participant=participant)
    choices = [("", "Choose"), *_may_be_told(request, row.site)]
    told = Field("told", "Tell", "choice", hint="Who treats the participant", choices=choices, needed=True)
    return _asked(request, "unblind-for", participant, [told, *_why()], tells=False)


@page("unblind-told", "unblind-told/")
def unblind_told(request: Any) -> HttpResponse:
    """Receive the arm that somebody asked be told to this account."""
    waiting = asked_to_be_told(request)
    choices = [(number, f"{number}, {participant}, asked by {by}") for number, participant, by in waiting]
    value = choices[0][0] if len(choices) == 1 else ""
    field = Field("unblinding", "Unblinding", "pick", choices=choices, needed=True, value=value)
    return _asked(request, "unblind-told", "", [field], tells=True, waiting=len(waiting))


def asked_to_be_told(request: Any) -> list[tuple[str, str, str]]:
    """Unblindings that wait for this account: number, participant, who asked."""
    found: list[tuple[str, str, str]] = request.served.trial.values(
        UnblindingRow,
        ("unblinding", "participant", "asked_by"),
        told=request.who.account,
        mode="third-party",
        state="asked",
        order=("unblinding",),
    )
    return found


def _why() -> list[Field]:
    return [
        Field("why", "Reason", "area", hint="Everybody reads it: never the arm, nor what would tell it", needed=True)
    ]


def _may_be_told(request: Any, site: str) -> list[tuple[str, str]]:
    rows = request.served.trial.values(AccountRow, ("account", "person", "roles", "sites"), state="active")
    return sorted(
        (account, f"{person or account}, {roles.replace(',', ', ')}")
        for account, person, roles, sites in rows
        if set(roles.split(",")) & set(TOLD)
        and account != request.who.account
        and (not sites or site in sites.split(","))
    )


def _asked(
    request: Any, action: str, participant: str, fields: list[Field], *, tells: bool, waiting: int = 1
) -> HttpResponse:
    """Ask with the passphrase; then either the arm, once, or the receipt."""
    secret = Field("passphrase", "Your passphrase, again", "secret", needed=True)
    by_name = {field.name: field for field in [*fields, secret]}
    summary, key = Summary(), request_key(request)
    if request.method == "POST":
        for field in fields:
            field.value = request.POST.get(field.name, "").strip()[:400]
        try:
            require_again(request, request.POST.get("passphrase", ""))
            given = {field.name: field.value for field in fields if field.name != "why" and field.value}
            given |= {"participant": participant} if participant else {}
            why = by_name["why"].value if "why" in by_name else ""
            receipt = request.served.do(request.who, action, given, why=why, key=key)
            if not tells:
                return HttpResponseRedirect(f"/receipt/{key}/", status=303)
            return _told(request, key, receipt.told, str(receipt.answer.get("participant", participant)))
        except (ConductError, UsageError) as error:
            pass_on(error, *_ASIDE)
            summary = place_problems(error.problems, by_name)
    context = {
        "title": f"{'Not recorded: ' if summary.lines else ''}Unblinding{', ' + participant if participant else ''}",
        "action": action,
        "participant": participant,
        "bar": standing_bar(request, participant) if participant else None,
        "fields": list(by_name.values()),
        "summary": summary,
        "waiting": waiting,
        "key": key,
    }
    return render(request, "unblind.html", context, status=422 if summary.lines else 200)


def _told(request: Any, key: str, told: Mapping[str, Any], participant: str) -> HttpResponse:
    """The arm, to this person, on this page."""
    made = receipt_of(request.served.trial, request.who.account, key, held_for(request))
    context = {
        "title": f"The arm of {participant}",
        "participant": participant,
        "arms": [(name.capitalize(), arm) for name, arm in told.items()],
        "done": f"{made['events']}, {made['at']}" if made else "",
        "unblinded": True,
        "tells_arm": True,
        "once": True,
        "lock_after": LOCK,
    }
    return render(request, "arm_told.html", context)
