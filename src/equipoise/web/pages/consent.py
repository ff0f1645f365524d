"""Consent: on paper, or signed in the browser by the participant, and by who takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from equipoise.foundation.errors import ConductError, UsageError
from equipoise.web.fields import Field
from equipoise.web.page import page, pass_on, request_key
from equipoise.web.pages.acts import OneAct, act_page, day, standing_bar
from equipoise.web.pages.receipt import receipt_page
from equipoise.web.render import render
from equipoise.web.words import problem_words, time_words

_ASIDE = ("C014", "C013")
_PAPER = OneAct(
    "consent",
    "Consent on paper",
    "Record consent",
    "To the version of the document in force; the protocol in force is then the participant's.",
    (
        Field("version", "Version of the document", hint="As printed on it", needed=True),
        day("on", "Signed on"),
    ),
    "optional",
    "Reason, where the date of a recorded consent is corrected",
)
_DOCUMENT = OneAct(
    "consent-document",
    "Bring a document of consent",
    "Bring this text",
    "The site's own text, to be signed in the browser. '# ' begins the title, '## ' a heading, '- ' an item; '? ' asks "
    "whether something was understood, and under it '+ ' is the right answer and '- ' the others.",
    (
        Field("version", "Version", hint="As printed on it; each text has a version of its own", needed=True),
        Field("text", "Text", "area", needed=True),
    ),
    of_participant=False,
)


@dataclass
class AskedQuestion:
    """One question of the document on a page: its words and answers, what was chosen, whether it is wrong."""

    name: str
    words: str
    answers: list[tuple[str, str]]
    value: str = ""
    wrong: bool = False


def questions_of(told: Any, post: Any = None, wrong: set[str] | None = None) -> list[AskedQuestion]:
    """The questions with what was answered."""
    out = []
    for number, one in enumerate(told.get("questions", ()), 1):
        answers = [(str(k), words) for k, words in enumerate(one["answers"], 1)]
        name = f"answers.{number}"
        said = post.get(name, "") if post is not None else ""
        out.append(AskedQuestion(name, one["words"], answers, said, name in (wrong or set())))
    return out


def answers_of(post: Any) -> dict[str, str]:
    """What was answered, by the number of the question."""
    return {name.removeprefix("answers."): post[name][:8] for name in post if name.startswith("answers.")}


def shown(told: Any) -> SafeString:
    """The page that is signed: made by the program, with all that the site wrote escaped."""
    return mark_safe(told["html"])


def signed_at_words(request: Any, told: Any) -> str:
    """When the participant signed, on the wall of the site; empty before."""
    signed = told.get("signed")
    if not signed:
        return ""
    return time_words(signed["at"], signed["offset_minutes"], request.served.zone_of(told.get("site", "")))


@page("consent", "p/<participant>/consent/")
def consent(request: Any, participant: str) -> HttpResponse:
    """Record a consent on paper; or go to the page where it is signed."""
    told = request.served.do(request.who, "read-consent", {"participant": participant}).told
    above = ""
    if told["version"] and not told["is_current"]:
        words = "The participant has signed it: it waits for your signature." if told["signed"] else "Or sign it here."
        above = format_html(
            '<div class="note"><p>Version {} can be signed in the browser. {} '
            '<a class="btn slim" href="/p/{}/consent/electronic/">Electronic consent</a></p></div>',
            told["version"],
            words,
            participant,
        )
    return act_page(request, _PAPER, participant, above=above)


@page("consent-document", "consent-document/")
def consent_document(request: Any) -> HttpResponse:
    """Bring a text."""
    return act_page(request, _DOCUMENT)


@page("consent-electronic", "p/<participant>/consent/electronic/")
def electronic(request: Any, participant: str) -> HttpResponse:
    """The document; the participant's signature before a witness, or the one given on a phone; and one's own."""
    told = request.served.do(request.who, "read-consent", {"participant": participant}).told
    key = request_key(request)
    if request.method != "POST":
        return _page(request, participant, told, key)
    post = request.POST
    given: dict[str, Any] = {
        "participant": participant,
        "version": post.get("version", ""),
        "page": post.get("page", ""),
        "passphrase": post.get("passphrase", ""),
        "signed": {"name": post.get("name", "").strip()[:120], "answers": answers_of(post)},
        "witness": {
            "account": post.get("witness", "").strip()[:80],
            "passphrase": post.get("witness_passphrase", "")[:400],
        },
    }
    try:
        made = request.served.do(request.who, "consent-electronic", given, key=key)
    except (ConductError, UsageError) as error:
        pass_on(error, *_ASIDE)
        return _page(request, participant, told, key, error)
    if made.warnings:
        return receipt_page(request, key, warnings=made.warnings)
    return HttpResponseRedirect(f"/receipt/{key}/", status=303)


def _page(request: Any, participant: str, told: Any, key: str, error: Any = None) -> HttpResponse:
    problems = error.problems if error is not None else ()
    wrong = {problem.place for problem in problems}
    post = request.POST if error is not None else None
    return render(
        request,
        "consent.html",
        {
            "title": f"Consent, {participant}",
            "bar": standing_bar(request, participant),
            "participant": participant,
            "told": told,
            "document": shown(told) if told["version"] else "",
            "signed": told.get("signed"),
            "signed_at": signed_at_words(request, told),
            "questions": questions_of(told, post, wrong),
            "wrong": [problem_words(problem) for problem in problems],
            "name": post.get("name", "")[:120] if post else "",
            "witness": post.get("witness", "")[:80] if post else "",
            "key": key,
        },
        status=422 if problems else 200,
    )
