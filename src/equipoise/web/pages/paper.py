"""What is made for paper: the casebook, all that is recorded as the role may read it, and the appointment card."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.http import HttpResponse

from equipoise.conduct.rules import forms
from equipoise.protocol import Protocol
from equipoise.web.item_words import answers_in_words, query_place
from equipoise.web.page import page
from equipoise.web.pages.participants import bar
from equipoise.web.render import render
from equipoise.web.words import day_words, visit_words, window_words

_FIRST = ("screening", "baseline", "weight")  # before the planned visits; whatever else there is comes after them
_MOST = 8  # visits on a card
_HEADS = {
    "screening": "Screening",
    "baseline": "Baseline",
    "weight": "Body weight",
    "session": "Sessions",
    "calendar": "Daily-use calendar",
    "adverse-event": "Adverse events",
    "disposition": "How the participant went on",
}


@page("casebook", "p/<participant>/casebook/")
def casebook(request: Any, participant: str) -> HttpResponse:
    """Everything recorded of a participant, visit by visit, every item with its answer; what is sealed is one line."""
    told = request.served.do(request.who, "read", {"participant": participant}).told
    protocol = request.served.protocol_of(participant)
    visits: dict[str, list[dict[str, Any]]] = {}
    for name, values in told["forms"].items():
        visit, form, *repeat = name.split(" ")
        visits.setdefault(visit, []).append(_filling(protocol, form, repeat, values))
    planned = [entry["visit"] for entry in told["planned"]]
    order = {visit: number for number, visit in enumerate([*_FIRST, *planned])}
    names = sorted({*visits, *told["visits"]}, key=lambda visit: (order.get(visit, len(order)), visit))
    sections = [
        {
            "heading": _HEADS.get(visit) or visit_words(visit),
            "held": _held(told["visits"].get(visit)),
            "days": _days(visits.get(visit, [])) if visit == "calendar" else [],
            "forms": [] if visit == "calendar" else visits.get(visit, []),
        }
        for visit in names
    ]
    context = {
        "title": f"Casebook, {participant}",
        "bar": bar(told["standing"]),
        "participant": participant,
        "standing": told["standing"],
        "day_1": day_words(told["day_1"]),
        "sections": sections,
        "queries": [{**row, "place": query_place(row)} for row in told["queries"]],
        "signatures": told["signatures"],
    }
    return render(request, "casebook.html", context)


def _filling(protocol: Protocol, form: str, repeat: list[str], values: Mapping[str, str]) -> dict[str, Any]:
    """One filling of a form: label, number where there are several, items with their answers in the form's order."""
    made = forms.forms(protocol).get(form)
    told = {item: value for item, value in values.items() if item not in ("state", "items")}
    return {
        "label": made.label if made is not None else form.replace("-", " ").capitalize(),
        "number": int(repeat[0]) if repeat else 0,
        "state": values.get("state", "").replace("_", " ").replace("-", " "),
        "items": answers_in_words(protocol, form, told),
        "sealed": values.get("items", "") if list(values) == ["items"] else "",
    }


def _days(fillings: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Days of the calendar, each a filling whose number is the date's."""
    return [
        (
            day_words(date.fromordinal(one["number"])) if one["number"] > 10_000 else str(one["number"]),
            ", ".join(f"{label.lower()}: {value}" for label, value in one["items"]),
        )
        for one in sorted(fillings, key=lambda one: one["number"])
    ]


def _held(visit: Mapping[str, Any] | None) -> str:
    if visit is None:
        return ""
    if visit["state"] == "attended":
        return f"Held on {day_words(visit['date'])}, day {visit['study_day']}" + _because(visit)
    return visit["state"].replace("_", " ").capitalize() + _because(visit)


def _because(visit: Mapping[str, Any]) -> str:
    return f": {visit['reason']}" if visit["reason"] else ""


@page("appointments", "p/<participant>/appointments/")
def appointments(request: Any, participant: str) -> HttpResponse:
    """A card to take home: code and days to come. Neither the trial nor what it is about stands on it."""
    told = request.served.do(request.who, "read", {"participant": participant}).told
    zone = request.served.zone_of(told["standing"]["site"])
    today = request.served.now(zone).local_date.isoformat()
    ahead = [
        {
            "what": "Telephone call" if "call" in row["visit"] or "telephone" in row["visit"] else "Visit",
            "target": day_words(row["target"]),
            "window": window_words(row["first"], row["last"]) if row["first"] != row["last"] else "",
        }
        for row in told["planned"]
        if row["last"] >= today and not told["visits"].get(row["visit"], {}).get("state")
    ]
    context = {
        "title": f"Appointments, {participant}",
        "bar": bar(told["standing"]),
        "participant": participant,
        "site": told["standing"]["site"],
        "rows": ahead[:_MOST],
        "more": len(ahead) - _MOST,
    }
    return render(request, "appointments.html", context)
