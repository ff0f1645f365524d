"""Signing in and out, and one's own passphrase."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.middleware.csrf import rotate_token
from django.utils.http import url_has_allowed_host_and_scheme

from equipoise.conduct.keys.one_time_codes import OneTimeCodes
from equipoise.conduct.rows.tables import AccountRow
from equipoise.foundation.errors import ConductError
from equipoise.web.page import COOKIE, LOG, page
from equipoise.web.policy import may
from equipoise.web.render import NAVIGATION, render
from equipoise.web.sessions import ABSOLUTE, SignedIn

# One text for every failure: an account that there is not, a wrong passphrase, an account that waits.
WRONG = (
    "Account or passphrase is not right. Type both again. After five wrong ones an account waits a quarter of an hour."
)
_LONGEST = 400


@page("home", "")
def home(request: Any) -> HttpResponse:
    """To the first page of the role."""
    return HttpResponseRedirect(first_page(request.roles))


def first_page(roles: tuple[str, ...]) -> str:
    """The page that somebody in these roles begins with."""
    return next((address for name, _, address in NAVIGATION if may(name, roles)), "/passphrase/")


@page("sign-in", "sign-in/")
def sign_in_page(request: Any) -> HttpResponse:
    """Sign in; afterwards back to the page that was asked for."""
    to = _safe(request.POST.get("next") or request.GET.get("next") or "/")
    said = {"next": to, "ended": "ended" in request.GET, "kept": "kept" in request.GET, "account": "", "wrong": ""}
    said["codes"] = OneTimeCodes(request.served.trial.directory).any
    if request.method != "POST":
        return render(request, "sign_in.html", said)
    served, address = request.served, request.META.get("REMOTE_ADDR", "")
    code = request.POST.get("code", "")[:20]
    account, passphrase = request.POST.get("account", "").strip(), request.POST.get("passphrase", "")
    said |= {"account": account[:80], "wrong": WRONG}
    if served.throttle.waits(address):
        LOG.warning("too many wrong passphrases from one address")
        return render(request, "sign_in.html", said, status=429)
    from equipoise.conduct.actions.administration.account import roles_with_codes
    from equipoise.conduct.actions.sign_in import sign_in

    device = f"browser at {address}"
    try:
        if not account or not passphrase or len(account) > 80 or len(passphrase) > _LONGEST:
            return render(request, "sign_in.html", said, status=403)
        codes, now = OneTimeCodes(served.trial.directory), served.now("").utc
        sign_in(
            served.trial,
            account,
            passphrase,
            device=device,
            clock=served.clock,
            entropy=served.entropy,
            second=lambda: codes.passes(account, code, now),
        )
    except ConductError as error:
        if error.problems[0].code not in ("C010", "C011"):
            raise
        served.throttle.failed(address)
        return render(request, "sign_in.html", said, status=403)
    served.sessions.end(request.COOKIES.get(COOKIE, ""))
    rotate_token(request)
    token = served.sessions.begin(account, device, served.draft_key(account, passphrase))
    one = served.sessions.find(token)
    if one is not None and not codes.is_set(account):
        known = served.trial.first(AccountRow, account=account)
        one.needs_code = bool(set(known.roles.split(",")) & roles_with_codes(served.trial))
    return _with_session(request, HttpResponseRedirect(to), token)


def _with_session(request: Any, response: HttpResponse, token: str) -> HttpResponse:
    response.set_cookie(COOKIE, token, max_age=ABSOLUTE, httponly=True, samesite="Lax", secure=request.served.secure)
    return response


def _safe(to: str) -> str:
    ok = to.startswith("/") and url_has_allowed_host_and_scheme(to, allowed_hosts=None) and "/sign-" not in to
    return to if ok and to.isprintable() else "/"


@page("sign-out", "sign-out/")
def sign_out(request: Any) -> HttpResponse:
    """Sign out, after a button: a link that somebody sends signs nobody out."""
    if request.method != "POST":
        return render(request, "sign_out.html", {})
    who: SignedIn = request.who
    request.served.do(who, "sign-out")
    request.served.sessions.end(request.COOKIES.get(COOKIE, ""))
    response = HttpResponseRedirect("/sign-in/")
    response.delete_cookie(COOKIE)
    return response


@page("passphrase", "passphrase/")
def passphrase(request: Any) -> HttpResponse:
    """Set one's own passphrase; every other session of the account ends."""
    said: dict[str, Any] = {"wrong": [], "done": False}
    if request.method == "POST":
        from equipoise.conduct.actions.sign_in import check_again
        from equipoise.web.words import problem_words

        new = request.POST.get("new", "")
        try:
            if new != request.POST.get("again", ""):
                said["wrong"] = ["The two new ones differ. Type both again."]
            else:
                served, who = request.served, request.who
                check_again(served.trial, who.account, request.POST.get("old", ""), served.now(""))
                served.do(who, "passphrase", {"new": new})
                key = served.reseal_drafts(who.account, request.POST.get("old", ""), new)
                served.sessions.end_of(who.account)
                response = render(request, "passphrase.html", {"done": True, "wrong": []})
                token = served.sessions.begin(who.account, who.device, key)
                served.sessions.find(token).needs_code = who.needs_code
                return _with_session(request, response, token)
        except ConductError as error:
            request.served.throttle.failed(request.META.get("REMOTE_ADDR", ""))
            said["wrong"] = [problem_words(problem) for problem in error.problems]
    return render(request, "passphrase.html", said, status=422 if said["wrong"] else 200)
