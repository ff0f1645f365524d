"""Data cuts: taken in the editions of the role, written to a folder of the server, kept as one file."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect

from equipoise.foundation.errors import EquipoiseError
from equipoise.web.cut_files import cut_path, cuts_taken, editions_for, number_of, write_cut
from equipoise.web.downloads import attached
from equipoise.web.fields import Field, Summary, place_problems
from equipoise.web.page import LOG, not_there, page, pass_on, request_key
from equipoise.web.render import render
from equipoise.web.words import time_words

_WORDS = {
    "blinded": ("none", "left out until the lock"),
    "sham": ("invented, so that an analysis can be tried", "left out until the lock"),
    "unblinded": (
        "true; after the lock, or where an unblinding for analysis is recorded",
        "with the safety role’s key",
    ),
}


@page("cuts", "cuts/")
def cuts(request: Any) -> HttpResponse:
    """Take a cut, or see which were taken."""
    make = editions_for(request.roles, make=True)
    fields = _fields(request, make)
    summary = Summary()
    key = request_key(request)
    if request.method == "POST":
        for field in fields.values():
            field.value = request.POST.get(field.name, "").strip()
        try:
            number = _take(request, fields, key)
            return HttpResponseRedirect(f"/cuts/?taken={number}", status=303)
        except EquipoiseError as error:
            pass_on(error, "C013")
            summary = place_problems(error.problems, fields)
    mine = editions_for(request.roles)
    rows = [
        {
            "row": one,
            "moment": one.at[:16].replace("T", " "),
            "taken": time_words(one.taken_at, one.offset_minutes, one.zone),
            "mine": one.edition in mine and one.here,
        }
        for one in cuts_taken(request.served.trial)
    ]
    return render(
        request,
        "cuts.html",
        {
            "title": "Not taken: data cut" if summary.lines else "Data cuts",
            "rows": rows,
            "fields": list(fields.values()) if make else [],
            "summary": summary,
            "key": key,
            "taken": request.GET.get("taken", ""),
            "editions": [(name, *words) for name, words in _WORDS.items()],
        },
        status=422 if summary.lines else 200,
    )


def _fields(request: Any, make: list[str]) -> dict[str, Field]:
    before = request.served.now("").utc - timedelta(minutes=1)
    choices = [(name, name.capitalize()) for name in make]
    hint = "A time with its zone; the same ledger, moment, edition and version give the same bytes"
    return {
        "edition": Field("edition", "Edition", "pick", choices=choices, value=make[0] if len(make) == 1 else ""),
        "at": Field("at", "At", hint=hint, value=before.strftime("%Y-%m-%dT%H:%M:00Z")),
        "without": Field(
            "without", "What is quarantined", "pick", choices=(("no", "As the edition has it"), ("yes", "Left out"))
        ),
    }


def _take(request: Any, fields: dict[str, Field], key: str) -> int:
    """Note the cut, then make it; its event. A cut that cannot be made is refused with its cause, and stays noted."""
    at, edition = fields["at"].value, fields["edition"].value
    without = fields["without"].value == "yes"
    given = {"at": at, "edition": edition, "without_quarantined": without}
    receipt = request.served.do(request.who, "cut", given, key=key)
    moment = datetime.fromisoformat(at).astimezone(UTC)
    number = int(receipt.events[0])
    write_cut(request.served, number, moment, edition, without_quarantined=without)
    return number


@page("cut-file", "cuts/<name>/")
def cut_file(request: Any, name: str) -> HttpResponse:
    """The file of a cut, for who may have its edition."""
    found = number_of(name)
    if found is None or found[1] not in editions_for(request.roles):
        return not_there(request)
    path = cut_path(request.served.trial, *found)
    if not path.is_file():
        return not_there(request)
    LOG.info("cut %s given to account %s", name, request.who.account)
    return attached(name, path.read_bytes(), "application/zip")
