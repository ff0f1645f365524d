"""Randomization: a page of its own that says what will happen; the code is typed once more, and it is never undone."""

from __future__ import annotations

import secrets
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect

from equipoise.foundation.errors import ConductError, Problem, UsageError
from equipoise.web.fields import Field, Summary, place_problems
from equipoise.web.page import page
from equipoise.web.pages.eligibility import criteria
from equipoise.web.pages.participants import bar
from equipoise.web.render import render
from equipoise.web.words import day_words


@page("randomize", "p/<participant>/randomize/")
def randomize(request: Any, participant: str) -> HttpResponse:
    """Randomize somebody: given once."""
    told = request.served.do(request.who, "read-eligibility", {"participant": participant}).told
    standing = told["standing"]
    fields = {
        "participant": Field(
            "participant", "Type the code of the person in front of you", hint="As on the consent form"
        ),
        "why": Field("why", "Reason", "area", hint="Only where the page asked for one"),
    }
    key = request.POST.get("key", "")[:40] or secrets.token_urlsafe(12)
    summary, asked = Summary(), False
    if request.method == "POST":
        for field in fields.values():
            field.value = request.POST.get(field.name, "").strip()
        try:
            if fields["participant"].value != participant:
                found = f"{fields['participant'].value or 'Nothing'} was typed, and the page is for {participant}."
                raise ConductError(Problem("C014", "participant", found, participant))
            request.served.do(request.who, "randomize", {"participant": participant}, why=fields["why"].value, key=key)
            return HttpResponseRedirect(f"/receipt/{key}/", status=303)
        except (ConductError, UsageError) as error:
            if error.problems[0].code == "C013":
                raise
            asked = any(problem.code in ("C016", "C508", "C509") for problem in error.problems) or bool(
                fields["why"].value
            )
            summary = place_problems(error.problems, fields)
    return render(
        request,
        "randomize.html",
        {
            "title": f"{'Not randomized' if summary.lines else 'Randomize'}: {participant}",
            "bar": bar(standing),
            "participant": participant,
            "rulings": criteria(told, {}),
            "fields": fields,
            "asked": asked or bool(summary.lines),
            "summary": summary,
            "key": key,
            "done": standing["status"] == "randomized",
            "facts": [
                (
                    "Consent",
                    f"version {standing['consent']}, {day_words(standing['consented_on'])}"
                    if standing["consent"]
                    else "none recorded",
                ),
                ("Study day 1", day_words(standing["day_1"]) or "not recorded"),
            ],
        },
        status=422 if summary.lines else 200,
    )
