"""An injection or a spray as it is given: what was prepared and checked, and what went in, when and where."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseRedirect

from equipoise.foundation.errors import ConductError, UsageError
from equipoise.web.fields import Field, Summary, place_problems
from equipoise.web.page import page, pass_on, request_key
from equipoise.web.pages.participants import bar
from equipoise.web.render import render
from equipoise.web.words import moment_words, typed_time

_ASIDE = ("C013", "C014")
_NEXT = {
    "prepared": "A second pharmacist checks the sheet; then it is recorded here as given.",
    "void": "The sheet no longer holds: the pharmacy makes it anew.",
    "ended": "It was given. The next one stands here once the pharmacy has made its sheet.",
    "cancelled": "The pharmacy took its sheet back.",
}


@page("dose-given", "p/<participant>/dose-given/")
def dose_given(request: Any, participant: str) -> HttpResponse:
    """The injection or spray that is prepared for a participant, recorded as given."""
    told = request.served.do(request.who, "read-dose", {"participant": participant}).told
    zone = request.served.zone_of(told["standing"]["site"])
    fields = _fields(told.get("volume_ml", ""))
    key = request_key(request)
    summary = Summary()
    if request.method == "POST":
        for field in fields.values():
            field.value = request.POST.get(field.name, "").strip()[:200]
        today = request.served.now(zone).local_date
        given = {name: field.value for name, field in fields.items() if field.value and name != "why"}
        if "at" in given:
            given["at"] = typed_time(given["at"], today)
        try:
            given["participant"] = participant
            request.served.do(request.who, "dose-given", given, why=fields["why"].value, key=key)
            return HttpResponseRedirect(f"/receipt/{key}/", status=303)
        except (ConductError, UsageError) as error:
            pass_on(error, *_ASIDE)
            summary = place_problems(error.problems, fields)
    heading = f"Injection or spray, {participant}"
    context = {
        "title": f"Not recorded: {heading}" if summary.lines else heading,
        "heading": heading,
        "bar": bar(told["standing"]),
        "participant": participant,
        "told": told,
        "next": _NEXT.get(told["state"], ""),
        "given": [_given(row, zone) for row in told["given"]],
        "fields": list(fields.values()),
        "summary": summary,
        "key": key,
    }
    return render(request, "dose_given.html", context, status=422 if summary.lines else 200)


def _fields(volume: str) -> dict[str, Field]:
    whole = f"Left blank: all {volume} mL" if volume else ""
    fields = (
        Field("at", "Given at", hint="10:40; left blank it is now"),
        Field("ml", "Went in", "number", hint=whole, unit="mL"),
        Field("where", "Where", hint="As left deltoid, or right nostril"),
        Field("why", "Reason", "area", hint="Only where less went in than was prepared"),
    )
    return {field.name: field for field in fields}


def _given(row: dict[str, Any], zone: str) -> dict[str, Any]:
    return {**row, "on": moment_words(row["at"], zone)}
