"""The pharmacy: dose sheets to make and to check, the bag's label, the drug register, slots. Every page tells an arm.

Drug and milligrams are on these pages alone: no receipt page, no address, no draft and no session holds them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect

from equipoise.conduct.rows.tables import AllocationRow, EventRow
from equipoise.foundation.errors import ConductError, Problem, UsageError
from equipoise.protocol.language.interventions import DrugIntervention
from equipoise.web.dose_working import beside, working
from equipoise.web.fields import Field, Summary, place_problems
from equipoise.web.page import not_there, page, pass_on, request_key
from equipoise.web.passphrase_again import require_again, second_person
from equipoise.web.receipts import receipt_of
from equipoise.web.render import render
from equipoise.web.words import day_words, moment_words, time_words

CHIPS = {
    "to make": ("due", "to make"),
    "prepared": ("last", "to check"),
    "checked": ("done", "checked"),
    "running": ("none", "running"),
    "ended": ("done", "given"),
    "void": ("late", "void: make it anew"),
    "cancelled": ("missed", "cancelled"),
}
_OPEN = ("to make", "prepared", "void")
_BACK = 14  # days for which what is settled stays on the list


@page("pharmacy", "pharmacy/", tells_arm=True)
def pharmacy(request: Any) -> HttpResponse:
    """Dose sheets to make and to check, those of the days to come, and the last that were settled."""
    rows = _sheets(request, 7)
    for row in rows:
        row["chip"] = CHIPS.get(row["state"], ("none", row["state"]))
        row["to"] = f"/pharmacy/{row['participant']}/day-{row['day']}/"
        row["do"] = {"to make": "Make", "void": "Make anew", "prepared": "Check"}.get(row["state"], "Open")
    now = request.served.now(request.served.zone_for(request.sites)).local_date
    today, since = now.isoformat(), (now - timedelta(days=_BACK)).isoformat()
    groups = {"Overdue": [], "Today": [], "To come": [], "Settled": []}  # type: dict[str, list[Any]]
    for row in rows:
        if row["state"] not in _OPEN:
            if row["date"] >= since:
                groups["Settled"].append(row)
        else:
            name = "Today" if row["date"] == today else "Overdue" if row["date"] < today else "To come"
            groups[name].append(row)
    groups["Settled"].reverse()
    due = len(groups["Overdue"]) + len(groups["Today"])
    shown = [(name, found) for name, found in groups.items() if found]
    return render(request, "pharmacy.html", {"title": "Dose sheets", "groups": shown, "due": due, "back": _BACK})


def _sheets(request: Any, days: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = request.served.do(request.who, "dose-sheets", {"days": days}).told["sheets"]
    return rows


@page("awake", "pharmacy/awake/")
def awake(request: Any) -> HttpResponse:
    """Somebody is at a page that tells an arm: it locks three minutes from now. What is locked stays so."""
    return HttpResponse(status=403 if request.served.sessions.is_locked(request.who) else 204)


# ------------------------------------------------------------------ one dose


@page("dose", "pharmacy/<participant>/day-<int:day>/", tells_arm=True)
def dose(request: Any, participant: str, day: int) -> HttpResponse:
    """Make a dose sheet, read it, have it checked by a second person, or take it back."""
    return DosePage(request, participant, day).answer()


class DosePage:
    """The page of one dose, under way."""

    def __init__(self, request: Any, participant: str, day: int) -> None:
        self.request = request
        self.participant = participant
        self.day = day
        self.at = f"/pharmacy/{participant}/day-{day}/"
        found = [row for row in _sheets(request, 400) if (row["participant"], row["day"]) == (participant, day)]
        self.row: dict[str, Any] | None = found[0] if found else None
        self.state = self.row["state"] if self.row else ""
        self.mine = self.row is not None and self.row["prepared_by"] == request.who.account
        self.fields = _fields()
        self.summary = Summary()
        self.failed = ""

    def answer(self) -> HttpResponse:
        """Do what was posted, or show the sheet as it stands."""
        if self.row is None:
            return not_there(self.request)
        acts: dict[str, Callable[[], None]] = {"make": self._make, "check": self._check, "cancel": self._cancel}
        act = self.request.POST.get("act", "") if self.request.method == "POST" else ""
        if act not in acts:
            return self._page()
        for name, field in self.fields.items():
            if field.kind != "secret":
                field.value = self.request.POST.get(name, "").strip()[:200]
        try:
            acts[act]()
        except (ConductError, UsageError) as error:
            pass_on(error, "C014", "C040")
            self.failed = act
            self.summary = place_problems(error.problems, self.fields)
            return self._page()
        return HttpResponseRedirect(self.at, status=303)

    def _given(self, *names: str) -> dict[str, Any]:
        told = {name: self.fields[name].value for name in names if self.fields[name].value}
        return {"participant": self.participant, "day": self.day, **told}

    def _make(self) -> None:
        given, why = self._given("drawn", "witness"), self.fields["why"].value
        self.request.served.do(self.request.who, "dose-sheet", given, why=why, key=request_key(self.request))

    def _check(self) -> None:
        """The second person signs: on their own screen by the passphrase again, on the first one's by account too."""
        from equipoise.conduct.actions.dispatch import perform

        served, request, typed = self.request.served, self.request, self.request.POST.get("passphrase", "")
        for name in ("kg", "mg"):
            if not self.fields[name].value:
                found = "Nothing was typed: the second person works it out anew."
                raise ConductError(Problem("C606", name, found))
        if self.mine:
            second = second_person(request, self.fields["account"].value, typed)
        else:
            require_again(request, typed)
            second = request.who
        # without a name of its own, so that no digest of what was worked out stands in the ledger
        perform(
            served.trial,
            second,
            "dose-check",
            self._given("kg", "mg"),
            clock=served.clock,
            entropy=served.entropy,
            pharmacy=served.pharmacy,
        )

    def _cancel(self) -> None:
        given, why = self._given("bag", "witness"), self.fields["why"].value
        self.request.served.do(self.request.who, "dose-sheet-cancel", given, why=why, key=request_key(self.request))

    def _page(self) -> HttpResponse:
        covered = self.state == "prepared" and not self.mine
        there = self.state not in ("to make", "cancelled")
        told = {} if covered or not there else self._told()
        assert self.row is not None
        context = {
            "title": f"{'Not recorded: ' if self.failed else ''}Dose sheet, {self.participant}, day {self.day}",
            "row": self.row,
            "chip": CHIPS.get(self.state, ("none", self.state)),
            "participant": self.participant,
            "day": self.day,
            "on": day_words(self.row["date"]),
            "told": told,
            "working": working(self.request.served.protocol_of(self.participant), told) if told else [],
            "beside": beside(told),
            "covered": covered,
            "may_make": self.state in ("to make", "void", "cancelled"),
            "may_make_anew": self.state in ("prepared", "checked"),
            "may_check": self.state == "prepared",
            "may_cancel": self.state in ("prepared", "checked", "void"),
            "there": there,
            "mine": self.mine,
            "label": label_of(self.request, self.row),
            "trail": trail_of(self.request, self.participant, self.day),
            "fields": self.fields,
            "summary": self.summary,
            "failed": self.failed,
            "key": secrets.token_urlsafe(12),
        }
        return render(self.request, "dose.html", context, status=422 if self.failed else 200)

    def _told(self) -> Mapping[str, Any]:
        given = {"participant": self.participant, "day": self.day}
        told: Mapping[str, Any] = self.request.served.do(self.request.who, "dose-sheet-read", given).told
        return told


def _fields() -> dict[str, Field]:
    bags = (("destroyed", "Destroyed, before a witness"), ("never-made", "Never made: the drug is on the shelf"))
    fields = (
        Field("drawn", "Drawn from the shelf", "number", hint="Left blank: the dose itself", unit="mg"),
        Field("why", "Reason", "area", hint="Where it is not the planned day, or a sheet is made anew or taken back"),
        Field("witness", "Witness", hint="The account of who saw the first bag destroyed"),
        Field("bag", "The bag was", "pick", choices=bags),
        Field("kg", "Weight on the measuring slip", "number", unit="kg"),
        Field("mg", "Dose you find", "number", unit="mg"),
        Field("account", "Account of the second person"),
        Field("passphrase", "Passphrase", "secret"),
    )
    return {field.name: field for field in fields}


def label_of(request: Any, row: Mapping[str, Any]) -> dict[str, str] | None:
    """The label of a bag: what leaves the pharmacy, the same in every arm."""
    if not row["prepared_on"]:
        return None
    trial = request.served.trial
    found = trial.values(AllocationRow, ("handle",), participant=row["participant"], order=("randomization",))
    return {
        "participant": row["participant"],
        "day": str(row["day"]),
        "trial": trial.config.trial,
        "label": row["label"],
        "prepared": f"{day_words(row['prepared_on'])}, by {row['prepared_by']}",
        "handle": found[-1][0] if found else "",
        "checked": row["checked_by"],
    }


_TRAIL = {"dose-sheet": "Made", "dose-check": "Checked", "dose-sheet-cancel": "Taken back", "weight": "Weighed"}


def trail_of(request: Any, participant: str, day: int) -> list[dict[str, Any]]:
    """What was done to a sheet: event, what, when, by whom, why; the weights beside it."""
    rows = request.served.trial.values(
        EventRow,
        ("number", "action", "at", "offset_minutes", "zone", "account", "why", "subject"),
        participant=participant,
        order=("number",),
    )
    return [
        {"event": number, "what": _TRAIL[action], "at": time_words(at, offset, zone), "by": account, "why": why}
        for number, action, at, offset, zone, account, why, subject in rows
        if action in _TRAIL and (subject == "weight" if action == "weight" else subject.endswith(f"-day-{day}"))
    ]


@page("bag-label", "pharmacy/<participant>/day-<int:day>/label/")
def bag_label(request: Any, participant: str, day: int) -> HttpResponse:
    """The label of the bag alone, to be printed: no drug, no milligrams, the same in every arm."""
    found = [row for row in _sheets(request, 400) if (row["participant"], row["day"]) == (participant, day)]
    made = label_of(request, found[0]) if found else None
    if made is None or found[0]["state"] in ("void", "cancelled"):
        return not_there(request)
    return render(request, "bag_label.html", {"title": f"Label, {participant}, day {day}", "label": made})


# ------------------------------------------------------------------ register and slots


@page("register", "pharmacy/register/", tells_arm=True)
def register(request: Any) -> HttpResponse:
    """The drug register: movements, counts, lines reversed."""
    fields, summary, done = _register_fields(request), Summary(), ""
    act = request.POST.get("act", "") if request.method == "POST" else ""
    names = {"stock": ("drug", "movement", "mg", "witness"), "stock-count": ("drug", "mg"), "stock-reverse": ("line",)}
    if act in names:
        own = {name: fields[f"{act}.{name}"] for name in names[act]}
        for name, field in own.items():
            field.value = request.POST.get(f"{act}.{name}", "").strip()[:80]
        why = request.POST.get("why", "") if act == "stock-reverse" else ""
        fields["why"].value = why
        key = request_key(request)
        try:
            given = {name: field.value for name, field in own.items() if field.value}
            request.served.do(request.who, act, given, why=why, key=key)
            return HttpResponseRedirect(f"/pharmacy/register/?made={key}", status=303)
        except (ConductError, UsageError) as error:
            if error.problems[0].code in ("C013", "C040"):
                raise
            drugs = {value: own["drug"] for value, _ in own["drug"].choices} if "drug" in own else {}
            summary = place_problems(error.problems, {**own, **drugs, "why": fields["why"]})
    elif "made" in request.GET:
        made = receipt_of(request.served.trial, request.who.account, request.GET["made"][:40])
        done = f"{made['events']}, {made['at']}" if made else ""
    told = request.served.do(request.who, "stock-register").told
    zone = request.served.zone_for(request.sites)
    lines = [{**line, "when": moment_words(line["at"], zone)} for line in told["lines"]]
    balance: dict[str, Any] = {}
    for line in lines:
        balance[line["drug"]] = _moved(balance.get(line["drug"], 0), line)
        line["left"] = format(balance[line["drug"]], "f")
    context = {
        "title": "Not recorded: drug register" if summary.lines else "Drug register",
        "shelf": list(told["shelf_mg"].items()),
        "lines": lines[::-1],
        "forms": _register_forms(fields),
        "summary": summary,
        "open_form": act,
        "done": done,
        "key": secrets.token_urlsafe(12),
    }
    return render(request, "register.html", context, status=422 if summary.lines else 200)


def _moved(left: Any, line: Mapping[str, Any]) -> Any:
    return left + Decimal(line["mg"]) * (1 if line["movement"] == "received" else -1)


def _register_fields(request: Any) -> dict[str, Field]:
    trial = request.served.trial
    protocol = trial.protocol(trial.protocol_hash)
    given = [one for one in protocol.model.interventions.values() if isinstance(one, DrugIntervention)]
    drugs = sorted({one.drug for one in given if one.drug})
    choices = [(drug, drug) for drug in drugs]
    moves = (("received", "Received"), ("returned", "Returned to the supplier"), ("wasted", "Wasted, before a witness"))
    fields = (
        Field("stock.drug", "Drug", "pick", choices=choices, needed=True),
        Field("stock.movement", "Movement", "pick", choices=moves, needed=True),
        Field("stock.mg", "Amount", "number", unit="mg", needed=True),
        Field("stock.witness", "Witness", hint="The account of who saw it, where it was wasted"),
        Field("stock-count.drug", "Drug", "pick", choices=choices, needed=True),
        Field("stock-count.mg", "Counted", "number", unit="mg", needed=True),
        Field("stock-reverse.line", "Number of the line", "number", needed=True),
        Field("why", "Reason", "area", needed=True),
    )
    return {field.name: field for field in fields}


def _register_forms(fields: Mapping[str, Field]) -> list[dict[str, Any]]:
    def form(act: str, title: str, button: str, words: str, *names: str) -> dict[str, Any]:
        return {
            "act": act,
            "title": title,
            "button": button,
            "words": words,
            "fields": [fields[name] for name in names],
        }

    counted = "Count by hand. Where it differs from the register nothing is recorded, and both numbers are shown."
    both = "For a line entered in error: both lines stand. That of a dose is taken back with its sheet."
    stock = [name for name in fields if name.startswith("stock.")]
    return [
        form("stock", "Movement", "Enter movement", "", *stock),
        form("stock-count", "Count the shelf", "Record count", counted, "stock-count.drug", "stock-count.mg"),
        form("stock-reverse", "Reverse a line", "Reverse line", both, "stock-reverse.line", "why"),
    ]


@page("slots", "pharmacy/slots/", tells_arm=True)
def slots(request: Any) -> HttpResponse:
    """How many slots each stream holds and gave, and more from the sealed companion."""
    field = Field("slots", "Slots that each stream is to hold", "number", hint="Left blank: as many as the longest has")
    summary, done = Summary(), ""
    if request.method == "POST":
        field.value = request.POST.get("slots", "").strip()[:20]
        key = request_key(request)
        try:
            given = {"slots": field.value} if field.value else {}
            request.served.do(request.who, "add-slots", given, key=key)
            return HttpResponseRedirect(f"/pharmacy/slots/?made={key}", status=303)
        except (ConductError, UsageError) as error:
            if error.problems[0].code in ("C013", "C040"):
                raise
            summary = place_problems(error.problems, {"slots": field})
    elif "made" in request.GET:
        made = receipt_of(request.served.trial, request.who.account, request.GET["made"][:40])
        done = f"{made['answer']['slots']} slots were added. {made['events']}, {made['at']}" if made else ""
    streams = request.served.do(request.who, "slots-read").told["streams"]
    for row in streams:
        row["words"] = "the whole trial" if row["stream"] == "trial:all" else row["stream"]
        row["left"] = row["held"] - row["given"]
    context = {
        "title": "Not recorded: slots" if summary.lines else "Slots",
        "streams": streams,
        "field": field,
        "summary": summary,
        "done": done,
        "key": secrets.token_urlsafe(12),
    }
    return render(request, "slots.html", context, status=422 if summary.lines else 200)
