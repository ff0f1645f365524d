"""The passphrase again, in place: of who is signed in, to open what was locked; of a second person beside them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect

from equipoise.conduct.actions.sign_in import Session, check_again, sign_in
from equipoise.foundation.errors import ConductError, Problem
from equipoise.web.render import render
from equipoise.web.words import problem_words

_LONGEST = 400
_NOT_SENT_ON = frozenset({"csrfmiddlewaretoken", "texts"})
WRONG = "This is not your passphrase. Type it again."


def require_again(request: Any, typed: str) -> None:
    """Refuse where what was typed is not the passphrase of who is signed in (C010); each wrong one is counted."""
    served, who = request.served, request.who
    address = request.META.get("REMOTE_ADDR", "")
    if served.throttle.waits(address):
        raise ConductError(Problem("C011", "passphrase", "Too many wrong passphrases.", "a pause of a quarter hour"))
    try:
        if not typed or len(typed) > _LONGEST:
            raise ConductError(Problem("C010", "passphrase", WRONG))
        check_again(served.trial, who.account, typed, served.now(""))
    except ConductError as error:
        problem = error.problems[0]
        if problem.code == "C010":
            served.throttle.failed(address)
            served.note_refusal(who, f"page {request.page}", problem)
            raise ConductError(Problem("C010", "passphrase", WRONG)) from None
        raise


def second_person(request: Any, account: str, typed: str) -> Session:
    """The session of a second person at the same screen, for one signature; one's own account is refused (C606)."""
    served, mine = request.served, request.who.account
    if not account:
        raise ConductError(Problem("C606", "account", "Nobody signed.", "the account of the second person"))
    if account.casefold() == mine.casefold():
        found = "This is the account that is signed in. Somebody else checks."
        raise ConductError(Problem("C606", "account", found))
    address = request.META.get("REMOTE_ADDR", "")
    if served.throttle.waits(address):
        raise ConductError(Problem("C011", "passphrase", "Too many wrong passphrases.", "a pause of a quarter hour"))
    try:
        if not typed or len(account) > 80 or len(typed) > _LONGEST:
            raise ConductError(Problem("C010", "passphrase", ""))
        device = f"beside {mine}, {request.who.device}"
        return sign_in(served.trial, account, typed, device=device, clock=served.clock, entropy=served.entropy)
    except ConductError as error:
        if error.problems[0].code in ("C010", "C011"):
            served.throttle.failed(address)
            found = "Account or passphrase of the second person is not right. Type both again."
            raise ConductError(Problem("C010", "passphrase", found)) from None
        raise


def unlocked(request: Any) -> HttpResponse:
    """The page that stands where one that tells an arm was locked; the passphrase opens it again."""
    wrong, who = "", request.who
    if request.method == "POST" and "unlock" in request.POST:
        try:
            require_again(request, request.POST.get("passphrase", ""))
            request.served.sessions.unlock(who)
            return _typed_before(request, who.typed.pop(request.path, []))
        except ConductError as error:
            wrong = " ".join(problem_words(problem) for problem in error.problems)
    elif request.method == "POST":
        # in the server's memory alone, with the session: it may tell an arm
        every = [(name, value) for name in request.POST for value in request.POST.getlist(name)]
        who.typed[request.path] = [(name, "" if "passphrase" in name else value) for name, value in every]
    kept = request.path in who.typed
    status = 422 if wrong else 403 if request.method == "POST" else 200
    return render(request, "locked.html", {"title": "Locked", "wrong": wrong, "kept": kept}, status=status)


def _typed_before(request: Any, typed: list[tuple[str, str]]) -> HttpResponse:
    """What was sent to the page after it had locked, to be sent now or left; without it the page as it was."""
    if not typed:
        return HttpResponseRedirect(request.path, status=303)
    sent, secret = sent_on(typed)
    context = {"title": "Not recorded yet", "sent": sent, "secret": secret, "here": request.path}
    return render(request, "typed_before.html", context)


def sent_on(typed: Iterable[tuple[str, str]]) -> tuple[list[tuple[str, str]], list[str]]:
    """What a page sends once more for somebody, and the names of the passphrases, which are typed again."""
    fields = [(name, value) for name, value in typed if name not in _NOT_SENT_ON]
    secret = list(dict.fromkeys(name for name, _ in fields if "passphrase" in name))
    return [(name, value) for name, value in fields if name not in secret], secret
