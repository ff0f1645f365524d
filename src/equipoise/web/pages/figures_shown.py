"""Figures of the running trial: the closed report by arm for a data monitoring committee; pooled ones for the blinded.

Each is worked out from a data cut of this moment, which is noted in the ledger like any other.
"""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from django.http import HttpResponse

from equipoise.conduct.cut.cut import cut_records
from equipoise.conduct.rows.tables import SiteRow
from equipoise.foundation.errors import ConductError, UsageError
from equipoise.reporting import group_tables as figures
from equipoise.web.page import page
from equipoise.web.passphrase_again import require_again
from equipoise.web.render import now_words, render
from equipoise.web.words import problem_words


@page("closed", "closed/", tells_arm=True)
def closed(request: Any) -> HttpResponse:
    """The closed report: by arm, for the unblinded statistician alone, after the passphrase."""
    context: dict[str, Any] = {"title": "Closed report", "wrong": [], "tables": []}
    if request.method == "POST":
        try:
            require_again(request, request.POST.get("passphrase", ""))
            context |= _closed(request)
        except (ConductError, UsageError) as error:
            context["wrong"] = [problem_words(problem) for problem in error.problems]
            context["title"] = "Not opened: closed report"
    return render(request, "closed.html", context, status=422 if context["wrong"] else 200)


def _closed(request: Any) -> dict[str, Any]:
    records, protocol = _cut(request, "unblinded")
    groups = figures.arms_of(records, protocol)
    shown = figures.tables(records, groups, doses=True)
    site = figures.by_site(records, groups)
    return {
        "tables": [*shown[:1], *([site] if site else []), *shown[1:]],
        "serious": figures.serious_events(records, groups),
        **_source(request, records),
    }


@page("pooled", "pooled/")
def pooled(request: Any) -> HttpResponse:
    """Pooled figures: everybody together, and no part of fewer than ten people."""
    records, _ = _cut(request, "blinded")
    groups = figures.everybody(records)
    shown = figures.tables(records, groups, doses=False)
    n = len(next(iter(groups.values())))
    site = figures.by_site(records, groups, fewest=figures.FEWEST)
    context = {
        "title": "Pooled figures",
        "tables": [*shown[:1], *([site] if site else []), *(shown[1:] if n >= figures.FEWEST else [])],
        "few": n < figures.FEWEST,
        "fewest": figures.FEWEST,
        "left_out": site is None and len(request.served.trial.values(SiteRow, ("site",))) > 1,
        **_source(request, records),
    }
    return render(request, "pooled.html", context)


def _cut(request: Any, edition: Any) -> tuple[Any, Any]:
    """A cut of the moment before this one, noted in the ledger, and the protocol it is read by."""
    served = request.served
    at = served.now("").utc.replace(microsecond=0) - timedelta(seconds=1)
    pharmacy = Path(served.pharmacy) if served.pharmacy and edition == "unblinded" else None
    # what is quarantined belongs to neither page: no figure here needs it
    given = {"at": at.isoformat(), "edition": edition, "without_quarantined": True}
    records = cut_records(
        served.trial, at=at, edition=edition, pharmacy=pharmacy, without_quarantined=True, now=served.now("").utc
    )
    served.do(request.who, "cut", given)
    return records, served.trial.protocol(records.source.protocol_hash)


def _source(request: Any, records: Any) -> dict[str, Any]:
    details = records.source.details
    zones = request.served.trial.values(SiteRow, ("zone",), order=("site",))
    now = request.served.now(zones[0][0] if zones else "UTC")
    return {
        "cut_at": now_words(now),
        "cut_events": details["events"],
        "cut_head": details["head"][:16],
        "locked": details["locked"],
    }
