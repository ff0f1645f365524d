"""The way into a trial: a randomization, or an enrolment where nobody is randomized; a page that says what will happen.

The code is typed once more, and it is never undone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect

from equipoise.conduct.rules.status import IN_TRIAL
from equipoise.foundation.errors import ConductError, Problem, UsageError
from equipoise.web.fields import Field, Summary, place_problems
from equipoise.web.page import page, request_key
from equipoise.web.pages.eligibility import criteria
from equipoise.web.pages.participants import bar
from equipoise.web.render import render
from equipoise.web.words import day_words


@dataclass(frozen=True, slots=True)
class RandomizedEntry:
    """One way in: its action, what it is called, what it will do."""

    action: str
    verb: str
    done: str
    will: str


RANDOMIZATION = RandomizedEntry(
    "randomize",
    "Randomize",
    "randomized",
    "is given the next sealed slot of the trial. This cannot be undone: for a participant who should not have been "
    "randomized there is a further entry, never an erasure. You will see a receipt and the handle of the slot. Nobody "
    "at the site is told the arm, now or by the receipt.",
)
ENROLMENT = RandomizedEntry(
    "enrol",
    "Enrol",
    "enrolled",
    "enters the treatment that everybody gets: the protocol randomizes nobody. This cannot be undone: who leaves is "
    "recorded as leaving, never erased. You will see a receipt.",
)


@page("randomize", "p/<participant>/randomize/")
def randomize(request: Any, participant: str) -> HttpResponse:
    """Randomize somebody: given once."""
    return _entry(request, participant, RANDOMIZATION)


@page("enrol", "p/<participant>/enrol/")
def enrol(request: Any, participant: str) -> HttpResponse:
    """Enrol somebody where nobody is randomized: once."""
    return _entry(request, participant, ENROLMENT)


def _later(stage: str) -> RandomizedEntry:
    """The way into a later stage that randomizes."""
    words = stage.replace("-", " ")
    return RandomizedEntry(
        "randomize",
        "Randomize",
        "randomized",
        f"is randomized for the stage {words}: given its next sealed slot. This cannot be undone. You "
        "will see a receipt and the handle of the slot. Nobody at the site is told the arm, now or by the receipt.",
    )


def way_in(request: Any, participant: str) -> RandomizedEntry:
    """How the participant enters, by the protocol of their consent."""
    return RANDOMIZATION if request.served.protocol_of(participant).model.randomization is not None else ENROLMENT


def _entry(request: Any, participant: str, way: RandomizedEntry) -> HttpResponse:
    planned = way_in(request, participant)
    if request.method != "POST" and planned is not way:
        return HttpResponseRedirect(f"/p/{participant}/{planned.action}/")
    stage = (request.POST if request.method == "POST" else request.GET).get("stage", "")[:80]
    stages = list(request.served.protocol_of(participant).model.stages)[1:]
    way = _later(stage) if stage in stages else way
    told = request.served.do(request.who, "read-eligibility", {"participant": participant}).told
    standing = told["standing"]
    fields = {
        "participant": Field(
            "participant", "Type the code of the person in front of you", hint="As on the consent form"
        ),
        "why": Field("why", "Reason", "area", hint="Only where the page asked for one"),
    }
    key = request_key(request)
    summary, asked = Summary(), False
    if request.method == "POST":
        for field in fields.values():
            field.value = request.POST.get(field.name, "").strip()
        try:
            if fields["participant"].value != participant:
                found = f"{fields['participant'].value or 'Nothing'} was typed, and the page is for {participant}."
                raise ConductError(Problem("C014", "participant", found, participant))
            given = {"participant": participant, **({"stage": stage} if stage else {})}
            request.served.do(request.who, way.action, given, why=fields["why"].value, key=key)
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
            "title": f"{f'Not {way.done}' if summary.lines else way.verb}: {participant}",
            "bar": bar(standing),
            "participant": participant,
            "way": way,
            "not_done": f"Not {way.done}",
            "rulings": [] if stage else criteria(told, {}),
            "fields": fields,
            "asked": asked or bool(summary.lines),
            "summary": summary,
            "key": key,
            "stage": stage,
            "done": standing["status"] in IN_TRIAL and not stage,
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
