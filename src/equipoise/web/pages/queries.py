"""Queries: who each waits for, the oldest first; the conversation of one beside, answered and closed in place."""

from __future__ import annotations

from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse

from equipoise.web.downloads import table_file
from equipoise.web.item_words import query_place
from equipoise.web.page import page
from equipoise.web.policy import may
from equipoise.web.render import render
from equipoise.web.threads import asked_by_words, with_threads

_STATES = (("unclosed", "Not closed"), ("open", "Open"), ("answered", "Answered"), ("closed", "Closed"), ("all", "All"))


@page("queries", "queries/")
def queries(request: Any) -> HttpResponse:
    """The queries of the account's sites."""
    asked = {name: request.GET.get(name, "")[:60] for name in ("state", "site", "older", "query")}
    state = asked["state"] if asked["state"] in dict(_STATES) else "unclosed"
    every = request.served.do(request.who, "queries", {"state": state}).told["queries"]
    sites = sorted({row["site"] for row in every})
    older = int(asked["older"]) if asked["older"].isascii() and asked["older"].isdecimal() else 0
    rows = [row for row in every if (not asked["site"] or row["site"] == asked["site"]) and row["days"] >= older]
    kept = {name: value for name, value in asked.items() if value and name != "query"}
    for row in rows:
        row["place"] = query_place(row)
        row["asker"] = asked_by_words(row["asked_by"])
        row["to"] = "?" + urlencode({**kept, "query": row["query"]})
    rows.sort(key=lambda row: -row["days"])
    if request.GET.get("as") == "csv":
        return _file(rows)
    chosen = next((row for row in rows if row["query"] == asked["query"]), None)
    asks = may("query", request.roles)
    return render(
        request,
        "queries.html",
        {
            "title": "Queries",
            "groups": _groups(rows, asks=asks),
            "count": len(rows),
            "chosen": with_threads(request, [chosen])[0] if chosen is not None else None,
            "state": state,
            "states": _STATES,
            "sites": sites if len(sites) > 1 else [],
            "asked": asked,
            "csv": urlencode({**kept, "as": "csv"}),
            "links": may("participant", request.roles),
            "audit": may("audit", request.roles),
        },
    )


def _groups(rows: list[dict[str, Any]], *, asks: bool) -> list[tuple[str, list[dict[str, Any]]]]:
    """By whom they wait for: open ones for the site, answered ones for who asked."""
    names = (
        ("open", "Waits for the site" if asks else "Waits for you"),
        ("answered", "Waits for you" if asks else "Answered, waits for who asked"),
        ("closed", "Closed"),
    )
    found = [(name, [row for row in rows if row["state"] == state]) for state, name in names]
    return [(name, mine) for name, mine in found if mine]


def _file(rows: list[dict[str, Any]]) -> HttpResponse:
    head = ["query", "site", "participant", "of what", "asked by", "text", "answered by", "answer", "state", "days"]
    names = ("query", "site", "participant", "place", "asker", "text", "answered_by", "answer", "state", "days")
    return table_file("queries.csv", head, [[row[name] for name in names] for row in rows])
