"""Today: what is due, for whom, until when; each opened with one link. Nothing is recorded here."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect

from equipoise.conduct.rows.tables import ParticipantRow
from equipoise.web import drawings
from equipoise.web.item_words import query_place
from equipoise.web.page import page
from equipoise.web.policy import may
from equipoise.web.render import render
from equipoise.web.words import clock_words, counted, day_words, joined_words, long_day, visit_words, window_words

_GROUPS = ("Overdue", "Due today", "In window", "To complete", "Coming")
AHEAD = 7  # days
_SOON = 3  # days until a visit at which the calendar is asked anyway


@page("today", "today/")
def today(request: Any) -> HttpResponse:
    """The worklist by state, and beside it clocks, drafts and queries."""
    wanted = request.GET.get("participant", "").strip()
    if wanted:
        return HttpResponseRedirect(
            f"/p/{wanted}/" if wanted.isascii() and wanted.replace("-", "").isalnum() else "/p/"
        )
    served = request.served
    rows = served.do(request.who, "due", {"days": AHEAD}).told["due"]
    asked = _queries(request)
    zone = served.zone_for(request.sites)
    now = served.now(zone).local_date
    entries = [_entry(row, now) for row in _worth(_by_visit(rows), now)]
    if may("infusion", request.roles):
        for entry in entries:
            if entry["kind"] == "infusion":
                entry |= {"to": f"/p/{entry['participant']}/infusion/", "do": "To the infusion"}
            elif entry["kind"] == "dose":
                entry |= {"to": f"/p/{entry['participant']}/dose-given/", "do": "To the dose"}
    groups = [(name, [entry for entry in entries if entry["group"] == name]) for name in _GROUPS]
    due = sum(entry["group"] in ("Overdue", "Due today") for entry in entries)
    return render(
        request,
        "today.html",
        {
            "title": f"Today, {long_day(now)}",
            "groups": [(name, found) for name, found in groups if found],
            "due": counted(due, "thing") + " due or overdue" if due else "",
            "zone": zone,
            "axis": drawings.axis(now),
            "clocks": [_clock(row) for row in rows if row.get("kind") == "report"],
            "drafts": _drafts(request),
            "queries": asked,
            "may_screen": may("screen", request.roles),
        },
    )


def _by_visit(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Forms still open at one visit are one line."""
    out: list[dict[str, Any]] = []
    lines: dict[tuple[str, str], dict[str, Any]] = {}
    for row in rows:
        if row.get("kind") != "form":
            out.append(row)
            continue
        key = (row["participant"], row["visit"])
        if key in lines:
            lines[key]["forms"].append(row["form"])
        else:
            lines[key] = {**row, "forms": [row["form"]]}
            out.append(lines[key])
    return out


def _worth(rows: list[dict[str, Any]], now: date) -> list[dict[str, Any]]:
    """Lines of the worklist: of each participant the next visit to come alone, and days of the calendar only where no
    visit of these days asks for them.
    """
    out: list[dict[str, Any]] = []
    coming: set[str] = set()
    soon = {
        row["participant"]
        for row in rows
        if row.get("kind") == "visit" and (date.fromisoformat(row["first"]) - now).days <= _SOON
    }
    for row in rows:
        kind, person = row.get("kind"), row["participant"]
        if kind in ("report", "queries") or (kind == "calendar" and person in soon):
            continue
        if kind == "visit" and row["state"] == "coming":
            if person in coming:
                continue
            coming.add(person)
        out.append(row)
    return out


def _entry(row: Mapping[str, Any], now: date) -> dict[str, Any]:
    """One line of the worklist."""
    kind, person = row.get("kind", ""), row["participant"]
    entry = {
        "kind": kind,
        "participant": person,
        "day": row["study_day"],
        "what": row["what"],
        "more": "",
        "chip": ("due", "open"),
        "group": "To complete",
        "drawing": "",
        "window": "",
        "to": f"/p/{person}/",
        "do": "Open",
    }
    if kind == "visit":
        entry |= _visit(row, now)
    elif kind == "form":
        names = [form.replace("-", " ") for form in row["forms"]]
        entry |= {
            "what": visit_words(row["visit"]),
            "more": f"not recorded yet: {joined_words(names)}",
            "chip": ("due", counted(len(names), "form")),
            "to": f"/p/{person}/visit/{row['visit']}/",
            "do": "Continue",
        }
    elif kind == "calendar":
        span = window_words(row["first"], row["last"])
        entry |= {
            "what": "Daily-use calendar",
            "more": f"days not asked: {span}",
            "chip": ("due", "days to ask"),
            "to": f"/p/{person}/calendar/",
        }
    elif kind in ("infusion", "dose", "session"):
        late = row["state"] == "overdue"
        entry |= {
            "what": _plain(row["what"]),
            "group": "Overdue" if late else "Due today",
            "chip": ("late", "overdue") if late else ("last", "today"),
            "window": day_words(row["target"], year=False),
            "drawing": drawings.window(row["target"], row["target"], row["target"], now, state=row["state"]),
        }
        if kind == "session":
            entry |= {"to": f"/p/{person}/session/", "do": "Record session"}
    return entry


def _plain(what: str) -> str:
    return what.replace("-", " ").capitalize()


def _visit(row: Mapping[str, Any], now: date) -> dict[str, Any]:
    first, target, last = row["first"], row["target"], row["last"]
    words, end = window_words(first, last), date.fromisoformat(last)
    state, call = row["state"], "call" in row["visit"]
    if state == "overdue":
        group, chip = "Overdue", ("late", "overdue")
        words += ", closed yesterday" if (now - end).days == 1 else f", closed {(now - end).days} days ago"
    elif state == "coming":
        ahead = (date.fromisoformat(first) - now).days
        group, chip = "Coming", ("none", "tomorrow" if ahead == 1 else f"in {ahead} days")
    elif end == now:
        group, chip = "Due today", ("last", "today only" if first == last else "last day")
    elif target == now.isoformat():
        group, chip = "Due today", ("due", "planned day")
    else:
        group, chip = "In window", ("due", "in window")
        words += f", {counted((end - now).days, 'day')} left"
    to = f"/p/{row['participant']}/visit/{row['visit']}/"
    do = {"overdue": "Settle", "coming": "Look"}.get(state, "Record call" if call else "Start visit")
    return {
        "what": visit_words(row["visit"]),
        "group": group,
        "chip": chip,
        "window": words,
        "drawing": drawings.window(first, target, last, now, state=state),
        "to": to,
        "do": do,
    }


def _clock(row: Mapping[str, Any]) -> dict[str, Any]:
    """A report of a serious event whose time runs."""
    clock = clock_words(row)
    return {**row, **clock, "words": clock["words"].replace("adverse event", "event")}


def _drafts(request: Any) -> list[dict[str, Any]]:
    """Drafts of the account, and that others of its sites have some."""
    served, out = request.served, []
    for draft in served.drafts.every():
        row = served.trial.first(ParticipantRow, participant=draft.participant)
        if row is None or (request.sites and row.site not in request.sites):
            continue
        mine = draft.account == request.who.account
        out.append(
            {
                "participant": draft.participant,
                "what": visit_words(draft.page),
                "to": f"/p/{draft.participant}/{'' if draft.page == 'calendar' else 'visit/'}{draft.page}/",
                "mine": mine,
                "whose": draft.account,
                "count": counted(draft.count, "field"),
                "at": f"{day_words(draft.at.date(), year=False)}, {draft.at:%H:%M}",
            }
        )
    return out


def _queries(request: Any) -> list[dict[str, Any]]:
    if not may("queries", request.roles):
        return []
    rows = request.served.do(request.who, "queries", {"state": "open"}).told["queries"]
    return sorted(({**row, "place": query_place(row)} for row in rows), key=lambda row: -row["days"])
