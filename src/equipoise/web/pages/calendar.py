"""The calendar of use: two to five weeks on one page, by keyboard, with the urine beside."""

from __future__ import annotations

from datetime import date
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect

from equipoise.conduct.actions.permissions import MATRIX
from equipoise.foundation.errors import ConductError, Problem, UsageError
from equipoise.web.calendar_sheet import BACK, CalendarSheet, fill_in, given, sheet_of
from equipoise.web.fields import Summary
from equipoise.web.page import page, pass_on, request_key
from equipoise.web.pages.participants import bar
from equipoise.web.policy import may
from equipoise.web.receipts import is_recorded
from equipoise.web.render import render
from equipoise.web.state_of_trial import allows
from equipoise.web.visit_sheet import is_same_day
from equipoise.web.words import counted, problem_words

DRAFT = "calendar"  # the name of its draft
_NO_DRAFT = ("csrfmiddlewaretoken", "key", "act", "substance", "from")


@page("calendar", "p/<participant>/calendar/")
def calendar(request: Any, participant: str) -> HttpResponse:
    """Tell days of use, or look at what was told."""
    told = request.served.do(request.who, "read", {"participant": participant}).told
    protocol = request.served.protocol_of(participant)
    now = request.served.now(request.served.zone_of(told["standing"]["site"]))
    asked = request.POST if request.method == "POST" else request.GET
    sheet = sheet_of(
        protocol,
        told,
        now.local_date,
        substance=asked.get("substance", ""),
        first=_first(asked.get("from", "")),
    )
    sheet_page = _CalendarPage(request, participant, told, sheet)
    if sheet is None:
        return sheet_page.page()
    drafts, account = request.served.drafts, request.who.account
    if request.method != "POST":
        draft = drafts.find(account, participant, DRAFT)
        if draft is not None:
            fill_in(sheet, draft.fields)
            sheet_page.saved(draft)
        return sheet_page.page()
    fill_in(sheet, request.POST)
    act = request.POST.get("act", "")
    if act == "drop":
        drafts.drop(account, participant, DRAFT)
        return HttpResponseRedirect(f"/p/{participant}/")
    if act == "rest":
        for day in sheet.open:
            day.value = "none"
    typed = {day.name: [day.value] for day in sheet.asked if day.value}
    if sheet_page.able and not sheet_page.was_answered():
        drafts.keep(
            account, participant, DRAFT, {**typed, f"{sheet.form}:unit": [sheet.unit]} if typed else {}, now.local
        )
        draft = drafts.find(account, participant, DRAFT)
        if draft is not None:
            sheet_page.saved(draft)
    if act == "store":
        return sheet_page.stored()
    return sheet_page.page() if act in ("draft", "rest") else sheet_page.submit()


def _first(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        return None


class _CalendarPage:
    """The page of one calendar, under way."""

    def __init__(self, request: Any, participant: str, told: Any, sheet: CalendarSheet | None) -> None:
        self.request, self.participant, self.told, self.sheet = request, participant, told, sheet
        self.key = request_key(request)
        self.why = request.POST.get("why", "").strip()
        self.summary = Summary()
        # what is open the safety role alone does not record
        self.may = bool(MATRIX["calendar"] & set(request.roles) - {"safety"})
        self.able = self.may and allows(request.served.trial, "calendar")
        self.note: dict[str, str] = {}
        self.ask_why = bool(self.why)

    def saved(self, draft: Any) -> None:
        """What the line of the draft says."""
        count = sum(any(values) for name, values in draft.fields.items() if ":" not in name)
        self.note = {"count": counted(count, "day"), "at": f"{draft.at:%H:%M:%S}"}

    def stored(self) -> HttpResponse:
        """The line of the draft alone, for the script."""
        words = f"{self.note['count']} stored {self.note['at']} · not yet in the record" if self.note else ""
        return HttpResponse(words, content_type="text/plain; charset=utf-8")

    def was_answered(self) -> bool:
        """Whether this very page was submitted before: the receipt says what stands."""
        return is_recorded(self.request.served.trial, self.request.who.account, self.key)

    def submit(self) -> HttpResponse:
        """Record every day that was typed, all or none."""
        request, sheet = self.request, self.sheet
        assert sheet is not None
        if self.was_answered():
            return HttpResponseRedirect(f"/receipt/{self.key}/", status=303)
        if theirs := self._meanwhile(sheet):
            for words in theirs:
                self.summary.lines.append((words, "", False))
            return self.page()
        if not any(day.value for day in sheet.asked):
            self.summary.lines.append(("No day is given. Type into the days, or leave the page.", "", False))
            return self.page()
        try:
            request.served.do(request.who, "calendar", given(sheet, self.participant), why=self.why, key=self.key)
        except (ConductError, UsageError) as error:
            pass_on(error, "C013", "C014")
            self.ask_why = self.ask_why or any(problem.code == "C016" for problem in error.problems)
            for problem in error.problems:
                self._tell(problem, sheet)
            return self.page()
        request.served.drafts.drop(request.who.account, self.participant, DRAFT)
        return HttpResponseRedirect(f"/receipt/{self.key}/", status=303)

    def _meanwhile(self, sheet: CalendarSheet) -> list[str]:
        """Days that somebody told after the page was loaded, and otherwise."""
        out = []
        for day in sheet.days:
            mine = self.request.POST.get(day.name, "").strip().lower()
            if mine and not day.editable and day.told and not is_same_day(mine, day.told):
                out.append(
                    f"{day.long}: {day.told} is in the record, reported meanwhile; you typed {mine}. Correct it there."
                )
        return out

    def _tell(self, problem: Problem, sheet: CalendarSheet) -> None:
        words = problem_words(problem)
        day = next((one for one in sheet.asked if one.date in problem.place or one.date in problem.found), None)
        if day is not None:
            day.level, day.say = "bad", words
            words = f"{day.long}: {words}"
        self.summary.lines.append((words, day.id if day is not None else "", False))

    def page(self) -> HttpResponse:
        """The page as it stands."""
        sheet, standing, roles = self.sheet, self.told["standing"], self.request.roles
        label = f"{sheet.label}, {sheet.substance}" if sheet is not None else "Calendar of use"
        bad = bool(self.summary.lines)
        return render(
            self.request,
            "calendar.html",
            {
                "title": f"Not submitted: {label}" if bad else f"{label}, {self.participant}",
                "heading": label,
                "participant": self.participant,
                "bar": bar(standing),
                "sheet": sheet,
                "can": self.able and sheet is not None and bool(sheet.asked),
                "summary": self.summary,
                "draft": self.note,
                "key": self.key,
                "why": self.why,
                "ask_why": self.ask_why,
                "back": BACK,
                "from": self.request.GET.get("from", "") or self.request.POST.get("from", ""),
                "may_correct": may("correct", roles) and self.may and allows(self.request.served.trial, "correct"),
                "may_query": may("query", roles),
            },
            status=422 if bad else 200,
        )
