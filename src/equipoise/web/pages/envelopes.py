"""Sealed envelopes for a day without the system: which are out, opened or back; the pages that are printed for them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from django.http import HttpResponse

from equipoise.foundation.errors import ConductError, UsageError
from equipoise.web.downloads import attached
from equipoise.web.fields import Field, Summary, place_problems
from equipoise.web.page import page, pass_on
from equipoise.web.policy import may
from equipoise.web.render import render
from equipoise.web.words import joined_words, moment_words

STATES = {
    "out": ("due", "out"),
    "opened": ("done", "opened"),
    "returned": ("none", "back, unopened"),
    "spoilt": ("missed", "broken or lost"),
}
_WAYS = (
    ("envelopes-reserve", "Set aside…"),
    ("envelopes-print", "Print…"),
    ("envelopes-returned", "Take back…"),
)


@page("envelopes", "envelopes/")
def envelopes(request: Any) -> HttpResponse:
    """Every envelope at the account's sites, to be held against the paper: none is out that is not in the drawer."""
    told = request.served.do(request.who, "envelopes").told["envelopes"]
    rows = [
        {
            **row,
            "chip": STATES.get(row["state"], ("due", row["state"])),
            "when": moment_words(row["opened_at"], request.served.zone_of(row["site"])) if row["opened_at"] else "",
        }
        for row in told
    ]
    counts = Counter(row["state"] for row in told)
    context = {
        "title": "Envelopes",
        "rows": rows,
        "counts": joined_words([f"{counts[state]} {words}" for state, (_, words) in STATES.items() if counts[state]]),
        "ways": [(f"/{name}/", words) for name, words in _WAYS if may(name, request.roles)],
        "links": may("participant", request.roles),
        "may_record": may("envelope-opened", request.roles),
    }
    return render(request, "envelopes.html", context)


@page("envelopes-print", "envelopes-print/", tells_arm=True)
def envelopes_print(request: Any) -> HttpResponse:
    """The site's list, which tells no arm, or the pages that go into the envelopes, which do: each as a file."""
    told = request.served.do(request.who, "envelopes").told["envelopes"]
    sites = sorted({row["site"] for row in told if row["state"] == "out"})
    hint = "" if sites else "No envelope is out."
    field = Field("site", "Site", "pick", choices=[(site, site) for site in sites], needed=True, hint=hint)
    field.value = sites[0] if len(sites) == 1 else ""
    summary = Summary()
    if request.method == "POST":
        field.value = request.POST.get("site", "")[:80]
        what = "pages" if request.POST.get("what") == "pages" else "list"
        try:
            told = request.served.do(request.who, "envelopes-print", {"site": field.value}).told
            return attached(f"envelopes-{field.value}-{what}.html", told[what].encode(), "text/html; charset=utf-8")
        except (ConductError, UsageError) as error:
            pass_on(error, "C013", "C040")
            summary = place_problems(error.problems, {"site": field})
    title = "Not printed: envelopes" if summary.lines else "Print envelopes"
    context = {"title": title, "field": field, "summary": summary}
    return render(request, "envelopes_print.html", context, status=422 if summary.lines else 200)
