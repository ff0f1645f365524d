"""Correcting and taking back what is recorded: old and new side by side, the reason, what changes with it."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlencode

from django.http import HttpResponse, HttpResponseRedirect

from equipoise.conduct.actions.infusion.infusion import RUN
from equipoise.conduct.actions.permissions import MATRIX
from equipoise.conduct.actions.visits.correction import ELSEWHERE, WHO
from equipoise.conduct.rows.tables import IN_ERROR, EventRow, FormRow, VisitRow
from equipoise.conduct.rules import forms
from equipoise.foundation.errors import ConductError, Problem, UsageError
from equipoise.web.corrections import (
    SLIPS,
    VISIT,
    Recorded,
    RecordedForm,
    arguments,
    consequences,
    read_place,
    reason_words,
    scores_changed,
)
from equipoise.web.fields import Field, Summary, is_soft
from equipoise.web.item_words import answers_in_words
from equipoise.web.page import page, pass_on, request_key
from equipoise.web.pages.participants import bar
from equipoise.web.policy import may
from equipoise.web.receipts import is_recorded
from equipoise.web.render import render
from equipoise.web.sealed_drafts import AUTHORS
from equipoise.web.state_of_trial import allows
from equipoise.web.words import day_words, problem_words, time_words, typed_date, visit_words

_ASIDE = ("C013", "C014")
# What another page corrects: its form, and the page.
_ITSELF = "The visit itself"
_FIRST = ("screening", "baseline")
_OWN_PAGE = {"eligibility": "eligibility", "adverse-event": "adverse-event-update"}


@page("records", "p/<participant>/records/")
def records(request: Any, participant: str) -> HttpResponse:
    """Everything recorded of a participant, each with what corrects it."""
    told = request.served.do(request.who, "read", {"participant": participant}).told
    protocol = request.served.protocol_of(participant)
    groups: dict[str, list[dict[str, Any]]] = {}
    for visit, row in told["visits"].items():
        said = f"held on {day_words(row['date'])}" if row["state"] == "attended" else row["state"].replace("_", " ")
        line = _line(request, RecordedForm(participant, visit, VISIT), _ITSELF, said, row["state"] == "attended")
        groups.setdefault(visit, []).append(line)
    days = 0
    for name, values in told["forms"].items():
        visit, form, repeat = (*name.split(" "), "1")[:3]
        if visit == "calendar":
            days += 1
            continue
        place = RecordedForm(participant, visit, form, int(repeat))
        sealed = values.get("items") is not None
        state = values.get("state", "")
        label = place.words.partition(", ")[0]
        said = "sealed" if sealed else _values(protocol, place, values)
        if state == IN_ERROR:
            said = "taken back"
        able = not sealed and state not in (IN_ERROR, "replaced", "void") and form in _known(protocol)
        line = _line(request, place, label, said, able)
        if sealed and not AUTHORS & set(request.roles):
            line |= {"to": "", "back": ""}
        groups.setdefault(visit, []).append(line)
    for name, reason in told["not_done"].items():
        visit, form = name.split(" ")
        line = _line(
            request,
            RecordedForm(participant, visit, form),
            form.replace("-", " ").capitalize(),
            f"not done: {reason}",
            True,
        )
        groups.setdefault(visit, []).append(line | {"to": ""})
    for lines in groups.values():
        if len(lines) > 1 and lines[0]["label"] == _ITSELF:
            lines[0]["back"] = ""  # its forms first
    dates = {visit: row["date"] or "9" for visit, row in told["visits"].items()}
    ordered = sorted(groups, key=lambda visit: (_FIRST.index(visit) if visit in _FIRST else 9, dates.get(visit, "9")))
    return render(
        request,
        "records.html",
        {
            "title": f"Records of {participant}",
            "bar": bar(told["standing"]),
            "participant": participant,
            "days": days,
            "groups": [(visit_words(visit), groups[visit]) for visit in ordered],
            "calendar": may("calendar", request.roles),
        },
    )


def _known(protocol: Any) -> set[str]:
    return {*forms.forms(protocol), "baseline", "weight", "disposition", RUN, *_OWN_PAGE}


def _values(protocol: Any, place: RecordedForm, values: Any) -> str:
    shown = {key: value for key, value in values.items() if key not in ("state", "by", "items")}
    if place.form == "adverse-event":
        shown = {key: shown[key] for key in ("term", "onset", "severity", "serious") if key in shown}
    if len(shown) > 8:
        absent = sum(value.startswith("(") for value in shown.values())
        return f"{len(shown) - absent} answers" + (f", {absent} without" if absent else "")
    return "; ".join(f"{name}: {said}" for name, said in answers_in_words(protocol, place.form, shown))


def _line(request: Any, place: RecordedForm, label: str, said: str, able: bool) -> dict[str, Any]:
    at = f"/p/{place.participant}"
    query = urlencode({"visit": place.visit, "form": place.form, "repeat": place.repeat})
    own = _OWN_PAGE.get(place.form)
    if own is not None:
        to = f"{at}/{own}/" + (f"?event={place.repeat}" if own.startswith("adverse") else "")
        to = to if may(own, request.roles) else ""
    else:
        to = f"{at}/correct/?{query}" if may("correct", request.roles) and place.form not in ELSEWHERE else ""
    back = f"{at}/entered-in-error/?{query}" if may("entered-in-error", request.roles) else ""
    if place.form in ("baseline", RUN, *(form for form in ELSEWHERE if form != "adverse-event")):
        back = ""
    able = able and _may_touch(place, request.roles) and allows(request.served.trial, _acting(place))
    return {"label": label, "said": said, "to": to if able else "", "back": back if able else ""}


def _acting(place: RecordedForm) -> str:
    """The action that corrects what is recorded at a place."""
    return _OWN_PAGE.get(place.form, "visit" if place.form == VISIT else "correct")


def _may_touch(place: RecordedForm, roles: tuple[str, ...]) -> bool:
    """Whether the page offers a correction at all; who may is decided by the action."""
    if place.form == VISIT:
        return bool(set(roles) & MATRIX["visit"])
    return bool(set(roles) & WHO.get(place.form, set(roles) - {"safety"}))


@page("correct", "p/<participant>/correct/")
def correct(request: Any, participant: str) -> HttpResponse:
    """Correct what is recorded at a place."""
    return _Correction(request, participant, "correct").answer()


@page("entered-in-error", "p/<participant>/entered-in-error/")
def entered_in_error(request: Any, participant: str) -> HttpResponse:
    """Take back what should not have been recorded."""
    return _Correction(request, participant, "entered-in-error").answer()


class _Correction:
    """The page of one correction, under way."""

    def __init__(self, request: Any, participant: str, action: str) -> None:
        self.request, self.participant, self.action = request, participant, action
        asked = request.POST if request.method == "POST" else request.GET
        repeat = asked.get("repeat", "1")
        number = int(repeat) if repeat.isascii() and repeat.isdecimal() and len(repeat) < 9 else 1
        self.place = RecordedForm(participant, asked.get("visit", "")[:80], asked.get("form", "")[:80], number)
        self.key = request_key(request)
        self.slip, self.words = "", ""
        self.summary = Summary()
        self.confirm: list[str] = []
        self.asks: list[tuple[str, str]] = []
        self.looked: dict[str, Any] = {}
        self.theirs: list[dict[str, str]] = []
        self.why_say = ""

    def answer(self) -> HttpResponse:
        """The page, what would change, or the receipt."""
        request = self.request
        if not self.place.visit:
            return HttpResponseRedirect(f"/p/{self.participant}/records/")
        told = request.served.do(request.who, "read", {"participant": self.participant}).told
        told = {**told, "own_dates": _own_dates(request, self.participant)}
        self.protocol = request.served.protocol_of(self.participant)
        found = read_place(self.protocol, told, self.place)
        self.standing = told["standing"]
        if found is None or not found.entries:
            return self._nothing()
        if found.sealed and not AUTHORS & set(request.roles):
            raise ConductError(Problem("C013", self.place.form, "It is sealed: the people at the infusion correct it."))
        self._who_recorded(found)
        if request.method != "POST":
            return self.page(found)
        return self._posted(found)

    def _posted(self, found: Recorded) -> HttpResponse:
        post = self.request.POST
        for entry in found.entries:
            if f"v.{entry.field.name}" in post:
                entry.field.value = post.get(f"v.{entry.field.name}", "").strip()
        self.slip, self.words = post.get("slip", ""), post.get("words", "").strip()
        self.confirm = post.getlist("confirm")
        seen = post.get("seen", "")
        if self._is_answered():
            return HttpResponseRedirect(f"/receipt/{self.key}/", status=303)
        if seen != str(found.event):
            self._conflict(found)
            return self.page(found)
        if post.get("act") == "mine":  # from the page of a visit: what was typed there
            return self.page(found)
        if self.slip not in dict(SLIPS) or (self.slip == "other" and not self.words):
            self.why_say = "Say why: one of the five; with “Other” in words."
            self.summary.lines.append((self.why_say, "f-slip", False))
        why = reason_words(self.slip, self.words)
        if post.get("act") == "record" and post.get("looked") == self._digest(found) and not self.why_say:
            return self._record(found, why)
        self._look(found, why)
        return self.page(found)

    def _is_answered(self) -> bool:
        return is_recorded(self.request.served.trial, self.request.who.account, self.key)

    def _given(self, found: Recorded) -> tuple[str, dict[str, Any]]:
        """The action, and what it is given."""
        today = self._today()
        if self.action == "entered-in-error":
            place = self.place
            given: dict[str, Any] = {"participant": place.participant, "visit": place.visit}
            return self.action, given | ({"form": place.form, "repeat": place.repeat} if place.form else {})
        given = arguments(found, lambda text: typed_date(text, today))
        if self.place.form == VISIT:
            return "visit", given | {"by": self._by()}
        return "correct", given | ({"confirm": self.confirm} if self.confirm else {})

    def _by(self) -> str:
        row = self.request.served.trial.first(VisitRow, participant=self.participant, visit=self.place.visit, repeat=1)
        return row.note if row is not None and row.note in ("person", "telephone") else "person"

    def _today(self) -> Any:
        served = self.request.served
        return served.now(served.zone_of(self.standing["site"])).local_date

    def _look(self, found: Recorded, why: str) -> None:
        """Work out what would change, by the action itself."""
        name, given = self._given(found)
        if self.action == "correct" and not found.sealed and not found.changed:
            self.summary.lines.append(("Nothing differs from the record.", "", False))
            return
        try:
            told = self.request.served.preview(self.request.who, name, given, why=why or "not said yet")
        except (ConductError, UsageError) as error:
            if error.problems[0].code in _ASIDE:
                raise
            self._tell(error, found)
            return
        if self.why_say:
            return
        self.looked = {
            "changes": [] if self.action != "correct" else found.changed,
            "scores": scores_changed(self.protocol, found) if self.action == "correct" else [],
            "follows": consequences(told),
            "digest": self._digest(found),
            "sealed": found.sealed,
        }

    def _digest(self, found: Recorded) -> str:
        told = [(entry.field.name, entry.field.value) for entry in found.entries]
        return hashlib.sha256(repr((told, self.slip, self.words, sorted(self.confirm))).encode()).hexdigest()[:20]

    def _record(self, found: Recorded, why: str) -> HttpResponse:
        name, given = self._given(found)
        try:
            self.request.served.do(self.request.who, name, given, why=why, key=self.key)
        except (ConductError, UsageError) as error:
            pass_on(error, *_ASIDE)
            if any(problem.code == "C632" for problem in error.problems):
                self._who_recorded(found)
                self._conflict(found)
            else:
                self._tell(error, found)
            return self.page(found)
        return HttpResponseRedirect(f"/receipt/{self.key}/", status=303)

    def _conflict(self, found: Recorded) -> None:
        """Somebody changed it meanwhile: theirs beside what was typed; nothing is recorded."""
        self.theirs = [
            {"label": entry.field.label, "theirs": entry.old, "mine": entry.new}
            for entry in found.entries
            if entry.is_new
        ]
        words = f"{found.by} recorded this on {found.at}, while you typed. Nothing of yours was recorded."
        self.summary.lines.append((words, "", False))

    def _tell(self, error: ConductError | UsageError, found: Recorded) -> None:
        fields = {entry.field.name: entry.field for entry in found.entries}
        made = forms.forms(self.protocol).get(self.place.form)
        for problem in error.problems:
            last = problem.place.rpartition(".")[2].rpartition(" ")[2]
            where = fields.get(problem.place) or fields.get(last)
            if where is None and problem.place in ("on", "by"):
                where = fields.get("(date)")
            self.summary.add(problem, where)
            if is_soft(problem):
                item = forms.item_of(made, problem) if made is not None else last
                self.asks.append((item, problem_words(problem)))

    def _who_recorded(self, found: Recorded) -> None:
        """The event at which the values stand, who recorded it and when."""
        trial, place = self.request.served.trial, self.place
        if place.form == VISIT:
            row = trial.first(VisitRow, participant=place.participant, visit=place.visit, repeat=1)
        else:
            row = trial.first(
                FormRow, participant=place.participant, visit=place.visit, form=place.form, repeat=place.repeat
            )
        if row is None:
            return
        rows = trial.values(EventRow, ("account", "role", "at", "offset_minutes", "zone"), number=row.event_number)
        found.event = row.event_number
        if rows:
            account, role, at, offset, zone = rows[0]
            found.by, found.at = f"{account}, {role}", time_words(at, offset, zone)

    def _nothing(self) -> HttpResponse:
        own = _OWN_PAGE.get(self.place.form)
        if own is not None:
            return HttpResponseRedirect(f"/p/{self.participant}/{own}/")
        raise ConductError(
            Problem("C602", self.place.words, "Nothing is recorded there.", "", "See what is recorded, and choose.")
        )

    def page(self, found: Recorded) -> HttpResponse:
        """The page as it stands."""
        taking = self.action == "entered-in-error"
        what = "Take back" if taking else "Correct"
        heading = f"{what}: {found.place.words}"
        home = f"/p/{self.participant}/records/"
        slip = Field("slip", "Why", "pick", choices=SLIPS, keys="12345", value=self.slip, say=self.why_say)
        slip.level = "bad" if self.why_say else ""
        bad = bool(self.summary.lines)
        return render(
            self.request,
            "correct.html",
            {
                "title": f"Not recorded: {heading}" if bad else heading,
                "heading": heading,
                "bar": bar(self.standing),
                "participant": self.participant,
                "place": self.place,
                "found": found,
                "taking": taking,
                "summary": self.summary,
                "looked": self.looked,
                "theirs": self.theirs,
                "asks": self.asks,
                "confirmed": self.confirm,
                "slip": slip,
                "words": self.words,
                "key": self.key,
                "home": home,
                "grid": len(found.entries) > 8,
            },
            status=422 if bad else 200,
        )


def _own_dates(request: Any, participant: str) -> dict[str, str]:
    rows = request.served.trial.values(
        FormRow, ("visit", "form", "repeat", "date"), participant=participant, visit__in=("weight", "disposition")
    )
    return {f"{visit} {form} {repeat}": on for visit, form, repeat, on in rows}
