"""A one-time code beside one's own passphrase: set up with the phone in hand, shown to work before it counts."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.http import HttpResponse
from django.utils.safestring import mark_safe

from equipoise.conduct.entropy import SystemEntropy
from equipoise.conduct.keys.one_time_codes import OneTimeCodes, new_secret
from equipoise.foundation.errors import ConductError
from equipoise.web.page import page, pass_on
from equipoise.web.passphrase_again import require_again
from equipoise.web.render import render
from equipoise.web.words import problem_words

_SECRET = 32  # letters of a secret
_LETTERS = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


@page("one-time-code", "one-time-code/")
def one_time_code(request: Any) -> HttpResponse:
    """Set up a code, or see that there is one."""
    served, account = request.served, request.who.account
    codes, say, done = OneTimeCodes(served.trial.directory), "", False
    secret = request.POST.get("secret", "")
    if len(secret) != _SECRET or not set(secret) <= _LETTERS:
        secret = new_secret(served.entropy or SystemEntropy())
    elif request.method == "POST":
        try:
            require_again(request, request.POST.get("passphrase", ""))
            if codes.is_set(account):
                say = "A code is set up. An administrator removes it where the phone was lost."
            elif codes.set_up(account, secret, request.POST.get("code", ""), served.now("").utc):
                served.do(request.who, "one-time-code")
                request.who.needs_code = False
                done = True
            else:
                say = "That is not the code that the phone shows now. Type the six digits again."
        except ConductError as error:
            pass_on(error, "C013")
            say = problem_words(error.problems[0])
    name = quote(f"equipoise {served.trial.config.trial}:{account}")
    link = f"otpauth://totp/{name}?secret={secret}&issuer=equipoise"
    return render(
        request,
        "one_time_code.html",
        {
            "title": "Not set up: one-time code" if say else "One-time code",
            "say": say,
            "done": done,
            "needed": request.who.needs_code,
            "is_set": codes.is_set(account),
            "secret": secret,
            "shown": " ".join(secret[k : k + 4] for k in range(0, _SECRET, 4)),
            "link": link,
            "drawn": _drawn(link),
            "account": account,
        },
        status=422 if say else 200,
    )


def _drawn(link: str) -> Any:
    """The secret for a phone's camera."""
    import segno

    drawn = segno.make(link, error="m", micro=False).svg_inline(scale=4, border=4, title="For the phone’s camera")
    return mark_safe(drawn)
