"""Texts that are held back from blinded people, for the safety role: each with its event, and how it is released."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from equipoise.web.acts_in_words import action_words
from equipoise.web.page import page
from equipoise.web.render import render
from equipoise.web.words import role_words, time_words


@page("held-texts", "held-texts/")
def held_texts(request: Any) -> HttpResponse:
    """Every text that is held back at the account's sites."""
    told = request.served.do(request.who, "held-texts").told["held"]
    rows = [
        {
            **row,
            "when": time_words(row["at"], row["offset_minutes"], row["zone"]),
            "did": action_words(row["action"]),
            "by": f"{row['account']}, {role_words([row['role']])}" if row["role"] else row["account"],
            "named": ", ".join(row["names"]),
        }
        for row in reversed(told)
    ]
    return render(request, "held_texts.html", {"title": "Held texts", "rows": rows})
