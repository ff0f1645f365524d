"""Pages of the participants themselves: found by a personal link, opened by a PIN, apart from everybody else's.

They know no staff session and no staff page knows theirs: the cookie has a name and a path of its own. A link that is
not right, was replaced or has ended is not there, for everybody, and nobody is told which of these it is.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpResponse, HttpResponseNotAllowed

from equipoise.conduct.actions.permissions import PARTICIPANT
from equipoise.conduct.rows.tables import AccountRow
from equipoise.foundation.errors import EquipoiseError
from equipoise.web.page import CAUSES, PAGES, SERVED, Page, broken, cause_here
from equipoise.web.render import render
from equipoise.web.sessions import ABSOLUTE, SignedIn

OWN_COOKIE = "equipoise-diary"
OWN_PATH = "/my/"
DEVICE = "own page"  # where somebody lives is in no address of the ledger
_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self';"
    " manifest-src 'self'; worker-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def own_page(name: str, address: str, *, signed_in: bool = False) -> Callable[[Any], Callable[..., HttpResponse]]:
    """Make a function a participant's own page; with ``signed_in`` it needs the PIN, and says so with 401."""

    def register(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
        @wraps(view)
        def guarded(request: Any, **place: str) -> HttpResponse:
            request.served, request.page, request.who, request.roles = request.META[SERVED], name, None, ()
            request.served.trial.look_again()
            with request.served.trial.use():
                try:
                    response = _found(view, request, place, signed_in)
                except EquipoiseError as error:
                    # A database that is away is no refusal: a day that waits on the phone goes on waiting.
                    status = 503 if {one.code for one in error.problems} & set(CAUSES) else 422
                    said = [one.found for one in error.problems]
                    response = own_stopped(request, "Nothing was recorded", said, status)
                except Exception as error:
                    cause = cause_here(request, error)
                    title = "It is not known whether this was recorded"
                    response = own_stopped(request, title, [cause.found], 503) if cause else broken(request, error)
            response.headers["Content-Security-Policy"] = _POLICY
            return response

        PAGES[name] = Page(name, address, guarded)
        return guarded

    return register


def _found(view: Callable[..., HttpResponse], request: Any, place: dict[str, str], signed_in: bool) -> HttpResponse:
    from equipoise.conduct.actions.visits.diary import link_of

    if request.method not in ("GET", "HEAD", "POST"):
        return HttpResponseNotAllowed(["GET", "POST"])
    if "link" not in place:
        return view(request)
    account, participant = link_of(request.served.trial, place["link"])
    if not account:
        words = [
            "This link is not right, was replaced by a newer one, or has ended.",
            "Ask at the clinic for a new one.",
        ]
        return own_stopped(request, "This diary is not there", words, 404)
    request.link, request.account, request.participant = place["link"], account, participant
    request.own = _session(request, account)
    if signed_in and request.own is None:
        return own_stopped(request, "Type your PIN first", ["Nothing was recorded."], 401)
    return view(request)


def _session(request: Any, account: str) -> SignedIn | None:
    """The session of this very link; one of another link, or of staff, is none here."""
    found: SignedIn | None = request.served.sessions.find(request.COOKIES.get(OWN_COOKIE, ""))
    if found is None or found.account != account:
        return None
    row = request.served.trial.first(AccountRow, account=account)
    return found if row is not None and row.roles == PARTICIPANT else None


def begin(request: Any, response: HttpResponse) -> None:
    """Begin a session of the link."""
    token = request.served.sessions.begin(request.account, DEVICE)
    response.set_cookie(
        OWN_COOKIE,
        token,
        max_age=ABSOLUTE,
        httponly=True,
        samesite="Strict",
        secure=request.served.secure,
        path=OWN_PATH,
    )


def own_stopped(request: Any, title: str, said: list[str], status: int) -> HttpResponse:
    """A page that says why nothing is shown or was recorded, without a way to pages of staff."""
    link = getattr(request, "link", "")
    base = f"{OWN_PATH}{link}/" if link else ""
    return render(request, "my_stopped.html", {"title": title, "said": said, "base": base}, status=status)


def outbox_name(request: Any) -> str:
    """The name under which days wait on the phone: the participant's own, whichever link opened the page."""
    return hashlib.sha256(f"{request.served.trial.config.instance} {request.participant}".encode()).hexdigest()[:16]
