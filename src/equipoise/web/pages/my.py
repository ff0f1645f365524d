"""The participant's own page: the diary, on a phone, with or without a connection; the installable parts of it."""

from __future__ import annotations

import json
import secrets
from collections.abc import Mapping
from datetime import date
from importlib.resources import files
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect, JsonResponse
from django.middleware.csrf import get_token, rotate_token

from equipoise.conduct.rows.tables import ParticipantRow
from equipoise.foundation.errors import ConductError, EquipoiseError, UsageError
from equipoise.web.own import DEVICE, OWN_COOKIE, OWN_PATH, begin, outbox_name, own_page
from equipoise.web.receipts import receipt_of
from equipoise.web.render import render, static_mark
from equipoise.web.words import counted, day_words, problem_words, window_words

WRONG = "The PIN is not right. After five wrong ones the diary waits a quarter of an hour."
USED = (("no", "No"), ("yes", "Yes"), ("not-known", "I do not know"))
_TRIES_OVER = ("C010", "C011")


@own_page("my", "my/<link>/")
def my(request: Any) -> HttpResponse:
    """The diary; before it the PIN, which is chosen when the link is first opened."""
    from equipoise.conduct.actions.visits.diary import has_pin

    if request.own is not None and request.method != "POST":
        return diary_page(request)
    is_new = not has_pin(request.served.trial, request.account)
    if request.method != "POST":
        return _pin_page(request, is_new)
    address = request.META.get("REMOTE_ADDR", "")
    if request.served.throttle.waits(address):
        return _pin_page(request, is_new, WRONG, 429)
    pin = "".join(request.POST.get("pin", "").split())[:20]
    if is_new:
        if pin != "".join(request.POST.get("again", "").split())[:20]:
            return _pin_page(request, True, "The two PINs differ. Type both again.", 422)
        try:
            request.served.do(_before_pin(request), "diary-pin", _of(request, link=request.link, pin=pin))
        except EquipoiseError as error:
            return _pin_page(request, True, problem_words(error.problems[0]), 422)
    return _sign_in(request, pin, address)


def _before_pin(request: Any) -> Any:
    from equipoise.web.sessions import SignedIn

    return SignedIn(request.account, DEVICE, 0, 0)


def _of(request: Any, **given: Any) -> dict[str, Any]:
    return {"participant": request.participant, **given}


def _sign_in(request: Any, pin: str, address: str) -> HttpResponse:
    from equipoise.conduct.actions.sign_in import sign_in
    from equipoise.conduct.actions.visits.diary import passphrase_of

    served = request.served
    try:
        sign_in(
            served.trial,
            request.account,
            passphrase_of(request.link, pin),
            device=DEVICE,
            clock=served.clock,
            entropy=served.entropy,
        )
    except ConductError as error:
        if error.problems[0].code not in _TRIES_OVER:
            raise
        served.throttle.failed(address)
        return _pin_page(request, False, WRONG, 403)
    rotate_token(request)
    response = HttpResponseRedirect(_base(request))
    begin(request, response)
    return response


def _base(request: Any) -> str:
    return f"{OWN_PATH}{request.link}/"


def _pin_page(request: Any, is_new: bool, wrong: str = "", status: int = 200) -> HttpResponse:
    said = {"title": "Choose a PIN" if is_new else "Your PIN", "is_new": is_new, "wrong": wrong}
    said |= {"base": _base(request), "box": outbox_name(request)}
    return render(request, "my_pin.html", said, status=status)


# ------------------------------------------------------------------ the diary


def diary_page(
    request: Any, *, wrong: tuple[str, ...] = (), typed: Mapping[str, str] | None = None, status: int = 200
) -> HttpResponse:
    """Days to tell, the form for one of them, what was told, the next visit."""
    told = request.served.do(request.own, "read-own-diary", _of(request)).told
    today = date.fromisoformat(told["today"])
    key = request.GET.get("told", "")[:60]
    made = receipt_of(request.served.trial, request.account, key) if key else None
    typed = typed or {}
    return render(
        request,
        "my.html",
        {
            "title": "Diary",
            "base": _base(request),
            "box": outbox_name(request),
            "days": [(day, _day_name(day, today)) for day in told["asks"]],
            "chosen": typed.get("on") or request.GET.get("day", ""),
            "until": told["until"],
            "today": told["today"],
            "use": [_asked_use(name, typed) for name in told["substances"]],
            "cravings": [{**one, "value": typed.get(f"craving.{one['form']}", "")} for one in told["cravings"]],
            "rows": [_row(row, today, told) for row in told["told"]],
            "next": told["next"],
            "next_words": window_words(told["next"]["first"], told["next"]["last"]) if told["next"] else "",
            "followed": told["followed"],
            "has_begun": told["has_begun"],
            "asks_consent": _asks_consent(request),
            "wrong": wrong,
            "made": made,
            "key": typed.get("key") or secrets.token_urlsafe(16),
            "made_day": _day_name(made["answer"]["day"], today) if made and "day" in made["answer"] else "",
        },
        status=status,
    )


def _asked_use(name: str, typed: Mapping[str, str]) -> dict[str, Any]:
    return {
        "name": name,
        "label": name.replace("-", " ").capitalize(),
        "value": typed.get(f"used.{name}", ""),
        "amount": typed.get(f"amount.{name}", ""),
        "unit": typed.get(f"unit.{name}", "g"),
        "choices": USED,
    }


def _day_name(day: str, today: date) -> str:
    on = date.fromisoformat(day)
    ago = (today - on).days
    name = {0: "Today", 1: "Yesterday"}.get(ago, "")
    return f"{name}, {day_words(on, year=False)}" if name else f"{day_words(on, year=False)}, {ago} days ago"


def use_words(row: Mapping[str, Any]) -> str:
    """What was reported of use on a day."""
    out = []
    for name, said in row["use"].items():
        label = name.replace("-", " ")
        words = {"yes": "used", "no": "none"}.get(said, "not known")
        out.append(f"{label}: {row['amounts'].get(name, words) if said == 'yes' else words}")
    return ", ".join(out)


def craving_words(row: Mapping[str, Any]) -> str:
    """What was reported of craving on a day."""
    return ", ".join(f"{value}" for value in row["craving"].values() if value)


def _row(row: Mapping[str, Any], today: date, told: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "day": day_words(row["day"], year=False),
        "use": use_words(row).capitalize(),
        "craving": craving_words(row),
        "who": "you" if row["own"] else "the clinic",
        "late": counted(row["late_days"], "day") + " late" if row["own"] and row["late_days"] else "",
        "corrected": row["corrected"],
    }


@own_page("my-day", "my/<link>/day/", signed_in=True)
def my_day(request: Any) -> HttpResponse:
    """Tell one day. To the script it answers in JSON: the receipt, or what is in the way."""
    if request.method != "POST":
        return HttpResponseRedirect(_base(request))
    post = request.POST
    typed = {name: post.get(name, "").strip()[:80] for name in post}
    given = _of(
        request,
        on=typed.get("on", ""),
        used=_parts(typed, "used."),
        amounts=_parts(typed, "amount."),
        units=_parts(typed, "unit."),
        craving=_parts(typed, "craving."),
        made=typed.get("made", ""),
    )
    key = typed.get("key", "")[:60]
    as_json = "application/json" in request.headers.get("Accept", "")
    try:
        request.served.do(request.own, "diary", given, key=key)
    except (ConductError, UsageError) as error:
        words = tuple(problem_words(problem) for problem in error.problems)
        if as_json:
            return JsonResponse({"ok": False, "said": words, "codes": [one.code for one in error.problems]}, status=422)
        return diary_page(request, wrong=words, typed=typed, status=422)
    if not as_json:
        return HttpResponseRedirect(f"{_base(request)}?told={key}" if key else _base(request), status=303)
    made = receipt_of(request.served.trial, request.account, key)
    return JsonResponse(
        {"ok": True, "key": key, "events": made["events"] if made else "", "at": made["at"] if made else ""}
    )


def _parts(typed: Mapping[str, str], head: str) -> dict[str, str]:
    return {name.removeprefix(head): value for name, value in typed.items() if name.startswith(head) and value}


@own_page("my-state", "my/<link>/state/")
def my_state(request: Any) -> HttpResponse:
    """For the script: whether the PIN was typed, and the token that a post needs. It tells nothing of the diary."""
    return JsonResponse({"signed_in": request.own is not None, "token": get_token(request)})


@own_page("my-leave", "my/<link>/leave/", signed_in=True)
def my_leave(request: Any) -> HttpResponse:
    """Close the diary, after a button."""
    response = HttpResponseRedirect(_base(request))
    if request.method == "POST":
        request.served.do(request.own, "sign-out")
        request.served.sessions.end(request.COOKIES.get(OWN_COOKIE, ""))
        response.delete_cookie(OWN_COOKIE, path=OWN_PATH, samesite="Strict")
    return response


@own_page("my-consent", "my/<link>/consent/")
def my_consent(request: Any) -> HttpResponse:
    """Read the document of consent in force, answer its questions, sign it by name and PIN."""
    from equipoise.conduct.actions.visits.diary import passphrase_of
    from equipoise.web.pages.consent import answers_of

    if request.own is None:
        return HttpResponseRedirect(_base(request))
    if request.method != "POST":
        return _consent_page(request)
    post = request.POST
    pin = "".join(post.get("pin", "").split())[:20]
    given = _of(
        request,
        version=post.get("version", "")[:40],
        page=post.get("page", "")[:80],
        name=post.get("name", "").strip()[:120],
        answers=answers_of(post),
        passphrase=passphrase_of(request.link, pin),
    )
    try:
        request.served.do(request.own, "consent-sign", given, key=post.get("key", "")[:60])
    except (ConductError, UsageError) as error:
        return _consent_page(request, error)
    return HttpResponseRedirect(f"{_base(request)}consent/", status=303)


def _consent_page(request: Any, error: Any = None) -> HttpResponse:
    from equipoise.web.pages.consent import questions_of, shown, signed_at_words

    told = request.served.do(request.own, "read-consent", _of(request)).told
    problems = error.problems if error is not None else ()
    words = ["The PIN is not right." if one.code == "C010" else problem_words(one) for one in problems]
    post = request.POST if error is not None else None
    said = {
        "title": "Consent",
        "base": _base(request),
        "box": outbox_name(request),
        "told": told,
        "document": shown(told) if told["version"] else "",
        "questions": questions_of(told, post, {problem.place for problem in problems}),
        "signed": told.get("signed"),
        "signed_at": signed_at_words(request, told),
        "name": post.get("name", "")[:120] if post else "",
        "wrong": words,
        "key": secrets.token_urlsafe(16),
    }
    return render(request, "my_consent.html", said, status=422 if problems else 200)


def _asks_consent(request: Any) -> bool:
    """Whether a document is in force that the participant has not agreed to."""
    told = request.served.do(request.own, "read-consent", _of(request)).told
    return bool(told["version"]) and not told["is_current"] and not told["signed"]


# ------------------------------------------------------------------ what a phone installs


@own_page("my-offline", "my/<link>/offline/")
def my_offline(request: Any) -> HttpResponse:
    """The page that a phone keeps for when there is no connection: the questions, and nothing that was ever told."""
    from equipoise.conduct.rules.diary import diary_forms, last_day_asked

    row = request.served.trial.first(ParticipantRow, participant=request.participant)
    protocol = request.served.protocol_of(request.participant)
    asked = diary_forms(protocol)
    last = last_day_asked(protocol, date.fromisoformat(row.day_1)) if asked and row.day_1 else None
    today = request.served.now(request.served.zone_of(row.site)).local_date
    lines = [
        {"form": made.id, "label": made.label, "low": str(item.lowest), "high": str(item.highest), "value": ""}
        for made, item in (asked.cravings if asked else ())
    ]
    return render(
        request,
        "my.html",
        {
            "title": "Diary",
            "base": _base(request),
            "box": outbox_name(request),
            "offline": True,
            "until": last.isoformat() if last else "",
            "today": today.isoformat(),
            "use": [_asked_use(name, {}) for name in (asked.substances if asked else ())],
            "cravings": lines,
            "followed": True,
        },
    )


@own_page("my-manifest", "my/<link>/manifest.json")
def my_manifest(request: Any) -> HttpResponse:
    """What a phone needs to show the diary among its applications."""
    icon = {"src": f"{OWN_PATH}icon.svg", "sizes": "any", "type": "image/svg+xml", "purpose": "any maskable"}
    said = {
        "name": "Diary",
        "short_name": "Diary",
        "id": _base(request),
        "start_url": _base(request),
        "scope": _base(request),
        "display": "standalone",
        "background_color": "#f5f6f8",
        "theme_color": "#1f4e8c",
        "icons": [icon],
    }
    return HttpResponse(json.dumps(said), content_type="application/manifest+json")


@own_page("my-worker", "my/worker.js")
def my_worker(request: Any) -> HttpResponse:
    """The script that answers for these pages when there is no connection: for these addresses, and no other."""
    text = files("equipoise.web").joinpath("static", "diary-worker.js").read_text("utf-8")
    return HttpResponse(text.replace("{mark}", static_mark()), content_type="text/javascript; charset=utf-8")


_ICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 512 512"><rect width="512" height="512" fill="#1f4e8c"/>'
    '<rect x="136" y="112" width="240" height="288" rx="20" fill="#fff"/><path d="M176 192h160M176 256h160M176 320h96"'
    ' stroke="#1f4e8c" stroke-width="24" stroke-linecap="round"/></svg>'
)


@own_page("my-icon", "my/icon.svg")
def my_icon(request: Any) -> HttpResponse:
    """The picture on a phone's screen: it says nothing of what is kept."""
    return HttpResponse(_ICON, content_type="image/svg+xml")
