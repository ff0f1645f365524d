"""Queries that are not closed: who each waits for, the oldest first, and what the role does about it."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from equipoise.web.page import page
from equipoise.web.policy import may
from equipoise.web.render import render
from equipoise.web.words import visit_words

_DO = (
    ("query-answer", "Answer", ("open", "answered")),
    ("query-close", "Close", ("open", "answered")),
    ("query-reopen", "Ask again", ("answered",)),
)


@page("queries", "queries/")
def queries(request: Any) -> HttpResponse:
    """The queries of the account's sites."""
    rows = request.served.do(request.who, "queries").told["queries"]
    for row in rows:
        places = [visit_words(row["visit"]) if row["visit"] else "", row["form"].replace("-", " "), row["item"]]
        row["place"] = ", ".join(part for part in places if part) or "in general"
        row["asked_by"] = (
            "a check" if row["asked_by"][:1] == "C" and row["asked_by"][1:].isdecimal() else row["asked_by"]
        )
        row["acts"] = [
            (f"/{name}/?query={row['query']}", words)
            for name, words, states in _DO
            if row["state"] in states and may(name, request.roles)
        ]
    rows.sort(key=lambda row: -row["days"])
    return render(
        request,
        "queries.html",
        {"title": "Queries", "rows": rows, "open": ["participant"] if may("participant", request.roles) else []},
    )
