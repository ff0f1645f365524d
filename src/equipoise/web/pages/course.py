"""A participant's adverse events, with judgements and reports due; ways of leaving, and what goes on after each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.http import HttpResponse

from equipoise.conduct.rows.tables import ParticipantRow
from equipoise.conduct.rules.status import IN_TRIAL, after, course_of, refusals
from equipoise.web.page import page
from equipoise.web.pages.acts import SERIOUS_WORDS
from equipoise.web.pages.participants import bar
from equipoise.web.policy import may
from equipoise.web.render import render
from equipoise.web.words import clock_words, day_words

# Ways of leaving: page, words, the step of the path that it takes.
WAYS = (
    ("discontinue", "Treatment discontinued", "discontinue_treatment"),
    ("withdraw", "Withdrawn from visits", "withdraw_from_visits"),
    ("withdraw", "Withdrawn from everything", "withdraw"),
    ("lost", "Lost to follow-up", "lose"),
    ("death", "Died", "die"),
    ("complete", "Completed", "complete"),
    ("found-again", "Found again", "find_again"),
)
# What may still be done, by the step of the path.
_GOES_ON = (
    ("Doses", "prepare_dose"),
    ("Sessions", "hold_session"),
    ("Visits", "hold_visit"),
    ("Telephone calls", "call"),
    ("Adverse events", "report_event"),
    ("Corrections", "correct"),
)


@page("events", "p/<participant>/events/")
def events(request: Any, participant: str) -> HttpResponse:
    """Every adverse event of a participant: what was told, what is judged, which reports are due and made."""
    told = request.served.do(request.who, "read", {"participant": participant}).told
    due = request.served.do(request.who, "due", {"participant": participant}).told["due"]
    clocks = [row for row in due if row.get("kind") == "report"]
    rows = [
        _event(participant, int(name.rpartition(" ")[2]), values, told["forms"], clocks, request.roles)
        for name, values in told["forms"].items()
        if name.startswith("adverse-event adverse-event ")
    ]
    rows.sort(key=lambda row: -row["number"])
    context = {
        "title": f"Adverse events, {participant}",
        "bar": bar(told["standing"]),
        "participant": participant,
        "rows": rows,
        "due": sum(len(row["clocks"]) for row in rows),
        "may_report": may("adverse-event", request.roles)
        and told["standing"]["status"] in ("consented", "eligible", *IN_TRIAL, "not_enrolled"),
    }
    return render(request, "events.html", context)


def _event(
    participant: str,
    number: int,
    values: Mapping[str, str],
    forms: Mapping[str, Mapping[str, str]],
    clocks: list[dict[str, Any]],
    roles: tuple[str, ...],
) -> dict[str, Any]:
    def said(name: str) -> str:
        value = values.get(name, "")
        return "" if value.startswith("(") else value

    reported = f"adverse-event-{number}-"
    return {
        "number": number,
        "in_error": values.get("state") == "in_error",
        "term": said("term"),
        "onset": _day(said("onset")),
        "end": _day(said("end")),
        "severity": said("severity").replace("_", " "),
        "serious": [SERIOUS_WORDS.get(one, one) for one in said("serious").split(",") if one],
        "related": _judged(said("related"), "Related", "Not related", "counts as related"),
        "expected": _judged(said("expected"), "Expected", "Unexpected", "counts as unexpected"),
        "outcome": said("outcome"),
        "clocks": [_clock(participant, row, roles) for row in clocks if row["event"] == number],
        "made": [
            (name.split(" ")[0].removeprefix(reported), values_.get("reference", ""), values_.get("late") == "yes")
            for name, values_ in forms.items()
            if name.startswith(reported)
        ],
        "update": f"/p/{participant}/adverse-event-update/?event={number}"
        if may("adverse-event-update", roles)
        else "",
    }


def _judged(said: str, yes: str, no: str, otherwise: str) -> str:
    return {"yes": yes, "no": no}.get(said, f"Not judged: {otherwise}")


def _day(said: str) -> str:
    return day_words(said, week=False) if len(said) == 10 and said[4] == "-" else said


def _clock(participant: str, row: Mapping[str, Any], roles: tuple[str, ...]) -> dict[str, str]:
    report, whom = row["report"], row["to"]
    to = f"/p/{participant}/adverse-event-reported/?event={row['event']}&report={report}"
    return {
        **clock_words(row),
        "report": report if whom == report else f"{report}, to {whom}",
        "do": to if may("adverse-event-reported", roles) else "",
    }


@page("leave", "p/<participant>/leave/")
def leave(request: Any, participant: str) -> HttpResponse:
    """Every way of leaving, what goes on after it, and which can be recorded now."""
    trial = request.served.trial
    told = request.served.do(request.who, "participants", {"participant": participant}).told["participants"][0]
    course = course_of(trial.first(ParticipantRow, participant=participant))
    rows = []
    for name, words, step in WAYS:
        open_ = not refusals(course, step, reason="asked")
        then = after(course, step)
        rows.append(
            {
                "words": words,
                "to": f"/p/{participant}/{name}/" if open_ and may(name, request.roles) else "",
                "whose": "" if may(name, request.roles) else "an investigator records it",
                "open": open_,
                "cells": [not refusals(then, one, reason="asked") for _, one in _GOES_ON] if open_ else [],
            }
        )
    now = [not refusals(course, one, reason="asked") for _, one in _GOES_ON]
    context = {
        "title": f"Leaving, {participant}",
        "bar": bar(told),
        "participant": participant,
        "heads": [words for words, _ in _GOES_ON],
        "now": now,
        "rows": rows,
    }
    return render(request, "leave.html", context)
