"""A page: its address and name, who opens it, and what becomes of everything that can go wrong in it.

Deny by default: nobody signed in, no role of the account in the page's row of ``policy.py``, a participant of another
site, each is refused before the page's own code runs.
"""

from __future__ import annotations

import logging
import re
import secrets
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any
from urllib.parse import quote

from django.http import HttpRequest, HttpResponse, HttpResponseNotAllowed, HttpResponseRedirect

from equipoise.conduct.rows.tables import AccountRow, ParticipantRow
from equipoise.conduct.trial.causes import NOT_KNOWN, problem_of
from equipoise.conduct.trial.trial import Trial
from equipoise.foundation.errors import ConductError, EquipoiseError, Problem
from equipoise.web.policy import POLICY, PUBLIC, may
from equipoise.web.render import render
from equipoise.web.served import Served, TellingText
from equipoise.web.sessions import SignedIn
from equipoise.web.words import problem_words, role_words

LOG = logging.getLogger("equipoise.web")
COOKIE = "equipoise-session"
SERVED = "equipoise.served"
# What is not there, or is of another site: one page for all of them.
_NOT_THERE = ("C014", "C530", "C577")
CAUSES = ("C007", "C047", "C020", "C021", "C022", "C024", "C025", "C026", "C027")
# What opens to who has to set up a one-time code first.
_BEFORE_THE_CODE = frozenset({"one-time-code", "passphrase", "sign-out"})
PAGES: dict[str, Page] = {}


@dataclass(frozen=True, slots=True)
class Page:
    """A page by name: its address as Django writes it, and its view."""

    name: str
    address: str
    view: Callable[..., HttpResponse]
    tells_arm: bool = False


class Asked(HttpRequest):
    """A request to a page, as its view gets it."""

    served: Served
    who: SignedIn
    roles: tuple[str, ...]
    sites: tuple[str, ...]
    person: str
    page: str
    tells_arm: bool


def page(
    name: str, address: str, *, tells_arm: bool = False
) -> Callable[[Callable[..., HttpResponse]], Callable[..., HttpResponse]]:
    """Make a function the page of that name at that address; one that ``tells_arm`` locks after three minutes."""

    def register(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def guarded(request: Any, **place: str) -> HttpResponse:
            served: Served = request.META[SERVED]
            if request.method == "POST" and "texts" in request.POST:
                served = replace(served, texts=request.POST["texts"])
            request.served = served
            request.page, request.who = name, None
            request.tells_arm = tells_arm
            served.trial.look_again()
            with served.trial.use():
                try:
                    return _admitted(view, request, name, place)
                except TellingText as telling:
                    from equipoise.web.held import question

                    return question(request, telling)
                except EquipoiseError as error:
                    return refused(request, error)
                except Exception as error:
                    cause = cause_here(request, error)
                    return refused(request, ConductError(cause)) if cause else broken(request, error)

        PAGES[name] = Page(name, address, guarded, tells_arm)
        return guarded

    return register


def _admitted(view: Callable[..., HttpResponse], request: Any, name: str, place: dict[str, str]) -> HttpResponse:
    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponseNotAllowed(["GET", "POST"])
    served = request.served
    request.who = served.sessions.find(request.COOKIES.get(COOKIE, ""), f"{name} {place.get('participant', '')}")
    _note_ended(served)
    account = served.trial.first(AccountRow, account=request.who.account) if request.who else None
    if account is not None and not _in_use(served, account):
        served.sessions.end_of(account.account)
        request.who = account = None
    if account is None:
        if name in PUBLIC:
            return view(request, **place)
        return _sign_in_first(view, request, place)
    request.roles = tuple(account.roles.split(","))
    request.sites = tuple(site for site in account.sites.split(",") if site)
    request.person = account.person or account.account
    if not may(name, request.roles):
        LOG.warning("page %s refused to account %s", name, account.account)
        return not_allowed(request, POLICY.get(name, frozenset()))
    if request.who.needs_code and name not in _BEFORE_THE_CODE:
        return HttpResponseRedirect("/one-time-code/")
    if "participant" in place:
        _require_known(request, place["participant"])
    if request.tells_arm and served.sessions.is_locked(request.who):
        from equipoise.web.passphrase_again import unlocked

        return unlocked(request)
    return view(request, **place)


def _note_ended(served: Served) -> None:
    """Sessions that ended by themselves are events of the ledger, as signing in and out are."""
    from equipoise.conduct.actions.sign_in import note_end

    for one, why in served.sessions.take_over():
        note_end(served.trial, one.account, why, device=one.device, clock=served.clock, entropy=served.entropy)


def _in_use(served: Served, account: Any) -> bool:
    today = served.now("").local_date.isoformat()
    return account.state == "active" and not (account.expires_on and today > account.expires_on)


def _sign_in_first(view: Any, request: Any, place: dict[str, str]) -> HttpResponse:
    """To the sign-in page, and back afterwards; what an ended session's author was typing is kept as a draft."""
    kept = ""
    whose = request.served.sessions.left(request.COOKIES.get(COOKIE, ""))
    if request.method == "POST" and whose is not None and hasattr(view, "keep_draft"):
        view.keep_draft(request, whose, **place)
        kept = "&kept=1"
    if request.headers.get("HX-Request"):
        return HttpResponse(status=401)  # the page itself asks for the passphrase
    ended = "&ended=1" if whose else ""
    return HttpResponseRedirect(f"/sign-in/?next={quote(request.path)}{ended}{kept}")


def _require_known(request: Any, participant: str) -> None:
    """Refuse a participant that there is not, or of another site (C014); that it was tried is in the ledger."""
    served: Served = request.served
    row = served.trial.first(ParticipantRow, participant=participant)
    if row is not None and (not request.sites or row.site in request.sites):
        return
    problem = Problem("C014", participant[:40], "There is no such participant here.")
    LOG.warning("participant of no site of account %s asked for on page %s", request.who.account, request.page)
    if participant.isprintable():
        served.note_refusal(request.who, f"page {request.page}", problem)
    raise ConductError(problem)


def request_key(request: Any) -> str:
    """The name of the request that a page makes: the one it came with, so that sent again it is known, or a new one."""
    return str(request.POST.get("key", ""))[:40] or secrets.token_urlsafe(12)


# ------------------------------------------------------------------ what can go wrong


def pass_on(error: EquipoiseError, *codes: str) -> None:
    """Raise what a page does not show at its fields: a refusal of one of these codes has a page of its own."""
    if {problem.code for problem in error.problems} & set(codes):
        raise error


def refused(request: Any, error: EquipoiseError) -> HttpResponse:
    """The page that says that an action was refused, where the page itself does not show it at its fields."""
    codes = {problem.code for problem in error.problems}
    if codes & set(_NOT_THERE):
        return not_there(request)
    if "C013" in codes:
        return render(request, "stopped.html", _said("This is not yours to do", error.problems), status=403)
    if codes & set(CAUSES):
        LOG.error("the trial cannot be reached: %s", ", ".join(sorted(codes)))
        said = _said("Nothing was recorded", error.problems)
        if any(NOT_KNOWN in problem.found for problem in error.problems):
            said = _said("It is not known whether this was recorded", error.problems)
            said["said"].append(
                "Go back and submit the same page once more: what is recorded already is not recorded twice."
            )
        return render(request, "stopped.html", said, status=503, bare=True)
    return render(request, "stopped.html", _said("Nothing was recorded", error.problems), status=422)


def cause_here(request: Any, error: Exception) -> Problem | None:
    """Why the database or the system did not answer a page; the program's own faults have no cause.

    Of what was submitted it is not known here whether it was recorded, and the words say so.
    """
    from django.db import DatabaseError, InterfaceError

    if not isinstance(error, (DatabaseError, InterfaceError, OSError)):
        return None
    found = problem_of(error, request.served.trial, sent=request.method == "POST")
    if found is not None and request.method == "POST" and NOT_KNOWN not in found.found:
        words = re.sub(r" ?Nothing was recorded[^.]*\.", "", found.found)
        return replace(found, found=f"{words} {NOT_KNOWN}", next_step="")
    return found


def _said(title: str, problems: tuple[Problem, ...]) -> dict[str, Any]:
    return {"title": title, "said": [problem_words(problem) for problem in problems]}


def not_allowed(request: Any, roles: frozenset[str]) -> HttpResponse:
    """403: the page is another role's."""
    mine, theirs = role_words(request.roles), role_words(sorted(roles))
    said = [f"Your role, {mine}, does not open this page.", f"It is for: {theirs}." if theirs else ""]
    return render(request, "stopped.html", {"title": "Not your page", "said": list(filter(None, said))}, status=403)


def not_there(request: Any, exception: Exception | None = None) -> HttpResponse:
    """404: not there, or of another site; nobody is told which."""
    said = ["There is no such page, or it is of another site.", "Check the code, or go to Today."]
    return render(request, "stopped.html", {"title": "There is no such page", "said": said}, status=404)


def forged(request: Any, reason: str = "") -> HttpResponse:
    """403: a post that did not come from a page of this server, or from one that is too old."""
    LOG.warning("a post without the token of a page was refused")
    request.served, request.who, request.page = request.META.get(SERVED), None, ""
    said = [
        "This was sent from a page that is too old, or not from here. Nothing was recorded.",
        "Go back, load the page again, and submit once more.",
    ]
    return render(request, "stopped.html", {"title": "Nothing was recorded", "said": said}, status=403)


def broken(request: Any, error: Exception) -> HttpResponse:
    """500: a fault of the program. The log gets the places in the program, never what was typed or read."""
    reference = secrets.token_hex(4)
    places = " < ".join(f"{one.filename.rpartition('equipoise/')[2]}:{one.lineno}" for one in _frames(error)[-6:][::-1])
    LOG.error("fault %s on page %s: %s at %s", reference, getattr(request, "page", "?"), type(error).__name__, places)
    said = [
        "The program has a fault here. What you submitted may not have been recorded: look before you submit again.",
        f"Tell the administrator the reference {reference}.",
    ]
    return render(request, "stopped.html", {"title": "This page has failed", "said": said}, status=500, bare=True)


def _frames(error: Exception) -> list[traceback.FrameSummary]:
    return list(traceback.extract_tb(error.__traceback__))


__all__ = [
    "CAUSES",
    "COOKIE",
    "PAGES",
    "SERVED",
    "Asked",
    "Page",
    "Trial",
    "broken",
    "cause_here",
    "forged",
    "not_there",
    "page",
    "pass_on",
    "request_key",
]
