"""The audit trail: every event that the account may know of, with filters, page by page, on paper and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse

from equipoise.conduct.actions.administration.audit import KINDS, MOST
from equipoise.foundation.errors import ConductError, UsageError
from equipoise.web.acts_in_words import action_words, subject_words
from equipoise.web.downloads import table_file
from equipoise.web.page import page, pass_on
from equipoise.web.policy import may
from equipoise.web.render import render
from equipoise.web.words import counted, day_words, problem_words, role_words, typed_date, zone_words

KIND_WORDS = {
    "everything": "Everything",
    "records": "Records",
    "changes": "Changes with a reason",
    "signatures": "Signatures",
    "refusals": "Refusals",
    "reading": "Reading",
    "signing-in": "Signing in and out",
    "administration": "Administration",
}
_PAGE = 50


@page("audit", "audit/")
def audit(request: Any) -> HttpResponse:
    """The events in question, the newest first."""
    asked = {name: request.GET.get(name, "").strip()[:80] for name in ("participant", "who", "kind", "from", "to")}
    as_table = request.GET.get("as") == "csv"
    before = request.GET.get("before", "")
    given: dict[str, Any] = {"kind": asked["kind"] if asked["kind"] in KINDS else "everything"}
    given |= {"most": MOST if as_table else _PAGE}
    if asked["participant"]:
        given["participant"] = asked["participant"]
    if asked["who"]:
        given["who"] = asked["who"]
    if before.isascii() and before.isdecimal() and len(before) < 18:
        given["before"] = int(before)
    today = request.served.now("").local_date
    for name, place in (("first", "from"), ("last", "to")):
        if asked[place]:
            given[name] = typed_date(asked[place], today)
    say = ""
    told: Mapping[str, Any] = {"lines": [], "more": False, "accounts": [], "sites": []}
    try:
        told = request.served.do(request.who, "audit-trail", given).told
    except (ConductError, UsageError) as error:
        pass_on(error, "C013")
        is_unknown = any(problem.code == "C014" for problem in error.problems)
        say = "There is no such participant here." if is_unknown else problem_words(error.problems[0])
    lines = [_shown(line) for line in told["lines"]]
    if as_table and not say:
        return _file(lines, bool(told["more"]))
    kept = {name: value for name, value in asked.items() if value}
    return render(
        request,
        "audit.html",
        {
            "title": "Audit trail",
            "asked": asked,
            "say": say,
            "lines": lines,
            "days": _by_day(lines),
            "count": counted(len(lines), "event"),
            "accounts": told["accounts"],
            "kinds": list(KIND_WORDS.items()),
            "older": urlencode({**kept, "before": lines[-1]["number"]}) if told["more"] and lines else "",
            "newest": urlencode(kept) if before else "",
            "csv": urlencode({**kept, "as": "csv"}),
            "links": may("participant", request.roles),
            "verify": may("verify", request.roles),
        },
        status=422 if say else 200,
    )


def _shown(line: dict[str, Any]) -> dict[str, Any]:
    local = datetime.fromisoformat(line["at"].replace("Z", "+00:00")) + timedelta(minutes=line["offset_minutes"])
    return {
        **line,
        "day": local.date(),
        "time": f"{local:%H:%M:%S}",
        "zone_words": zone_words(line["offset_minutes"], line["zone"], local),
        "role_words": role_words([line["role"]]) if line["role"] else "",
        "action_words": action_words(line["action"]),
        "of": subject_words(line["action"], line["subject"]),
    }


def _by_day(lines: list[dict[str, Any]]) -> list[tuple[str, list[dict[str, Any]]]]:
    days: dict[date, list[dict[str, Any]]] = {}
    for line in lines:
        days.setdefault(line["day"], []).append(line)
    return [(day_words(day), found) for day, found in days.items()]


def _file(lines: list[dict[str, Any]], more: bool) -> HttpResponse:
    head = ["event", "date", "time", "zone", "account", "role", "action", "participant", "of", "what", "reason"]
    rows = [
        [
            line["number"],
            line["day"].isoformat(),
            line["time"],
            line["zone_words"],
            line["account"],
            line["role"],
            line["action"],
            line["participant"],
            line["of"],
            line["masked"] or "; ".join(_said(*part) for part in line["parts"]),
            line["why"],
        ]
        for line in lines
    ]
    if more:
        rows.append(["", "", "", "", "", "", f"more than {MOST} events: narrow the filter", "", "", "", ""])
    return table_file("audit-trail.csv", head, rows)


def _said(what: str, before: str, now: str) -> str:
    said = f"{what}: {now}" if what else now
    return f"{said} (before: {before})" if before else said
