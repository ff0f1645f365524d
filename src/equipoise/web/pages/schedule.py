"""Visits of the weeks to come, by week; on paper, and as a calendar file with codes only."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, timedelta
from typing import Any

from django.http import HttpResponse

from equipoise.web.downloads import attached
from equipoise.web.page import page
from equipoise.web.render import render
from equipoise.web.words import counted, day_words, visit_words, window_words

WEEKS = (2, 4, 8, 12)
_CHIPS = {"overdue": ("late", "overdue"), "due": ("due", "in window"), "coming": ("none", "to come")}


@page("schedule", "schedule/")
def schedule(request: Any) -> HttpResponse:
    """The visits to come, of the account's sites."""
    asked = request.GET.get("weeks", "")
    weeks = int(asked) if asked in {str(n) for n in WEEKS} else 4
    rows = request.served.do(request.who, "due", {"days": 7 * weeks}).told["due"]
    visits = [row for row in rows if row.get("kind") == "visit"]
    site = request.GET.get("site", "")
    sites = sorted({row["site"] for row in visits})
    visits = [row for row in visits if not site or row["site"] == site]
    if request.GET.get("as") == "ics":
        return _file(request, visits)
    today = request.served.now(request.served.zone_for(request.sites, site)).local_date
    return render(
        request,
        "schedule.html",
        {
            "title": "Schedule",
            "groups": _by_week(visits, today),
            "count": counted(len(visits), "visit"),
            "weeks": weeks,
            "choices": WEEKS,
            "sites": sites if len(sites) > 1 else [],
            "site": site,
        },
    )


def _by_week(visits: Sequence[dict[str, Any]], today: date) -> list[tuple[str, list[dict[str, Any]]]]:
    groups: dict[date, list[dict[str, Any]]] = {}
    for row in sorted(visits, key=lambda row: (row["target"], row["participant"])):
        aim = max(date.fromisoformat(row["target"]), today - timedelta(days=7))
        monday = aim - timedelta(days=aim.weekday())
        if row["state"] == "overdue":
            monday = date.min
        shown = {
            **row,
            "day": day_words(row["target"], year=False),
            "window": window_words(row["first"], row["last"]),
            "words": visit_words(row["visit"]),
            "chip": _CHIPS.get(row["state"], ("none", row["state"])),
        }
        groups.setdefault(monday, []).append(shown)
    return [
        ("Overdue" if monday == date.min else f"Week of {day_words(monday, week=False)}", found)
        for monday, found in sorted(groups.items())
    ]


def _file(request: Any, visits: Sequence[dict[str, Any]]) -> HttpResponse:
    """All-day entries on the planned days; nothing but codes, visits and windows stands in them."""
    stamp = request.served.now("").utc.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    instance = request.served.trial.config.instance[:12]
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//equipoise//schedule//EN", "CALSCALE:GREGORIAN"]
    for row in visits:
        day = date.fromisoformat(row["target"])
        lines += [
            "BEGIN:VEVENT",
            f"UID:{row['participant']}-{row['visit']}@{instance}",
            f"DTSTAMP:{stamp}",
            f"DTSTART;VALUE=DATE:{day:%Y%m%d}",
            f"DTEND;VALUE=DATE:{day + timedelta(days=1):%Y%m%d}",
            f"SUMMARY:{_text(row['participant'])} {_text(visit_words(row['visit']))}",
            f"DESCRIPTION:{_text('window ' + window_words(row['first'], row['last']))}",
            "TRANSP:TRANSPARENT",
            "END:VEVENT",
        ]
    lines.append("END:VCALENDAR")
    return attached("schedule.ics", ("\r\n".join(lines) + "\r\n").encode(), "text/calendar; charset=utf-8")


def _text(words: str) -> str:
    for sign in ("\\", ";", ","):
        words = words.replace(sign, f"\\{sign}")
    return words.replace("\n", "\\n")
