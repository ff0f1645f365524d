"""A visit: all its forms on one page, one submission, all or nothing; what was typed is kept as a draft meanwhile."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

from django.http import HttpResponse, HttpResponseRedirect

from equipoise.conduct.actions.permissions import MATRIX
from equipoise.conduct.rows.tables import AccountRow, ParticipantRow
from equipoise.conduct.rules import forms
from equipoise.foundation.errors import ConductError, UsageError
from equipoise.web.conflicts import RecordedMeanwhile, conflicts
from equipoise.web.drafts import Draft
from equipoise.web.fields import Summary
from equipoise.web.held import held_for
from equipoise.web.page import page
from equipoise.web.pages.participants import bar
from equipoise.web.policy import may
from equipoise.web.receipts import receipt_of
from equipoise.web.render import render
from equipoise.web.sessions import SignedIn
from equipoise.web.state_of_trial import allows
from equipoise.web.threads import with_threads
from equipoise.web.visit_sheet import Section, branch, fill_in, sections_of, show_problems, submission
from equipoise.web.words import counted, day_words, long_day, problem_words, typed_date, visit_words, window_words

_NO_DRAFT = ("csrfmiddlewaretoken", "key", "act", "changed")


@page("visit", "p/<participant>/visit/<visit>/")
def visit(request: Any, participant: str, visit: str) -> HttpResponse:
    """Fill in a visit, submit it, or look at what is recorded."""
    told = request.served.do(request.who, "read-visit", {"participant": participant, "visit": visit}).told
    protocol = request.served.protocol_of(participant)
    sections = sections_of(protocol, told)
    sheet = VisitPage(request, participant, visit, told, sections)
    drafts, author = request.served.drafts, request.who
    if request.method != "POST":
        sheet.take_up(drafts.find(author.account, participant, visit))
        return sheet.page()
    if request.POST.get("act") == "drop":
        drafts.drop(author.account, participant, visit)
        return HttpResponseRedirect(f"/p/{participant}/")
    if request.POST.get("act") == "store":
        sheet.take_up(drafts.find(author.account, participant, visit))
        before = sheet.shape
        _keep(request, author, participant, visit, sections, request.POST.getlist("changed"))
        sheet = VisitPage(request, participant, visit, told, sections_of(protocol, told))
        sheet.take_up(drafts.find(author.account, participant, visit))
        return sheet.stored(before)
    sheet.fill(request.POST)
    _keep(request, author, participant, visit, sections)
    draft = drafts.find(author.account, participant, visit)
    if draft is not None:
        sheet.saved(draft, _opened(draft, author))
    return sheet.page() if request.POST.get("act") == "draft" else sheet.submit()


def _keep(
    request: Any, author: SignedIn, participant: str, visit: str, sections: list[Section], changed: Sequence[str] = ()
) -> None:
    """Keep what was typed as a draft: the fields that ``changed``, or all of the page.

    Of quarantined forms it is sealed to its author.
    """
    drafts = request.served.drafts
    typed = {name: request.POST.getlist(name) for name in request.POST if name not in _NO_DRAFT}
    before = drafts.find(author.account, participant, visit) if changed else None
    if before is not None:
        kept: dict[str, Any] = {**before.fields, **_opened(before, author)}
        typed = {**kept, **{name: typed.get(name, []) for name in changed if name not in _NO_DRAFT}}
    sealed = {section.form for section in sections if section.blinding != "open"}

    def is_sealed(name: str) -> bool:
        return name.partition(".")[0].partition(":")[0] in sealed

    def is_told(values: Sequence[str]) -> bool:
        return any(value.strip() for value in values)

    fields = {name: values for name, values in typed.items() if not is_sealed(name)}
    secret = {name: values for name, values in typed.items() if is_sealed(name) and is_told(values)}
    text = author.drafts.seal(secret, f"{participant} {visit}") if secret and author.drafts is not None else ""
    served = request.served
    site = served.trial.first(ParticipantRow, participant=participant).site
    at = served.now(served.zone_of(site)).local
    if text or any(is_told(values) for name, values in fields.items() if name not in ("on", "by")):
        drafts.keep(author.account, participant, visit, fields, at, text)
    else:
        drafts.drop(author.account, participant, visit)


def _opened(draft: Draft, author: SignedIn) -> dict[str, list[str]]:
    """The sealed part of a draft, to its author; empty where it does not open."""
    if not draft.sealed or author.drafts is None:
        return {}
    return author.drafts.open(draft.sealed, f"{draft.participant} {draft.page}") or {}


def keep_draft(request: Any, author: SignedIn, participant: str, visit: str) -> None:
    """Keep what the author of an ended session was typing: the whole page, as it stood."""
    row = request.served.trial.first(ParticipantRow, participant=participant)
    known = request.served.trial.first(AccountRow, account=author.account)
    if row is None or known is None or known.state != "active":
        return
    sites = [site for site in known.sites.split(",") if site]
    if sites and row.site not in sites:
        return
    protocol = request.served.protocol_of(participant)
    every = forms.forms(protocol).values()
    _keep(request, author, participant, visit, [_bare(made) for made in every])


def _bare(made: forms.Form) -> Section:
    return Section(made.id, made.label, made.kind, "", False, made.blinding)


visit.__wrapped__.keep_draft = keep_draft  # type: ignore[attr-defined]


class VisitPage:
    """The page of one visit, under way."""

    def __init__(self, request: Any, participant: str, visit: str, told: Any, sections: list[Section]) -> None:
        self.request = request
        self.participant = participant
        self.visit = visit
        self.told = told
        self.sections = sections
        self.summary = Summary()
        self.key = secrets.token_urlsafe(12)
        self.on = day_words(told["today"], week=False)
        self.by = "telephone" if "call" in visit else "person"
        self.why = ""
        self.say = ""
        self.note: dict[str, Any] = {}
        self.conflicts: list[RecordedMeanwhile] = []
        self.status = 200

    def fill(self, typed: Any) -> None:
        """What was typed, into the fields."""
        fill_in(self.sections, typed)
        branch(self.sections)
        fill_in(self.sections, typed)  # what is asked only as the rest was answered

        def one(name: str) -> str:
            values = typed.getlist(name) if hasattr(typed, "getlist") else typed.get(name, [])
            return str(values[-1]).strip() if values else ""

        self.key = one("key")[:40] or self.key
        self.on, self.by = one("on") or self.on, one("by") or self.by
        self.why = one("why")

    def take_up(self, draft: Draft | None) -> None:
        """Put the author's draft into the fields, and say that it is one."""
        if draft is not None:
            opened = _opened(draft, self.request.who)
            self.fill({**draft.fields, **opened})
            self.saved(draft, opened)

    def saved(self, draft: Draft, opened: Mapping[str, Sequence[str]]) -> None:
        """What the line of the draft says."""
        count = draft.count + sum(any(values) for name, values in opened.items() if "." in name)
        self.note = {"count": counted(count, "field"), "at": f"{draft.at:%H:%M:%S}"}

    @property
    def shape(self) -> dict[str, bool]:
        """Of each form, and of each item that hangs on other answers, whether it is asked as the answers stand."""
        branch(self.sections)
        items = [one for section in self.sections for one in section.fields if one.is_branch]
        return {section.id: section.asks for section in self.sections} | {one.id: not one.hidden for one in items}

    def stored(self, before: Mapping[str, bool]) -> HttpResponse:
        """For the script: the line of the draft, and each item that came to be asked, or no longer is."""
        after = self.shape
        turned = {name for name in after if after[name] != before.get(name)}
        forms_ = [section for section in self.sections if section.id in turned]
        parts = [(s, one) for s in self.sections if s.asks and s not in forms_ for one in s.fields if one.id in turned]
        here = self.request.path
        return render(
            self.request, "parts/stored.html", {"draft": self.note, "parts": parts, "turned": forms_, "here": here}
        )

    def submit(self) -> HttpResponse:
        """Submit everything that was typed, all or nothing; then to the receipt."""
        served, request = self.request.served, self.request
        account, digest = request.who.account, _digest(request.POST)
        if (made := receipt_of(served.trial, account, self.key, held_for(request))) is not None:
            if served.sent.get((account, self.key)) == digest:
                return HttpResponseRedirect(f"/receipt/{self.key}/", status=303)
            return self._answered(made)
        if found := conflicts(request, request.served.protocol_of(self.participant), self.told):
            self.conflicts, self.status = found, 422
            self.summary.lines += [
                (f"{one.label} was recorded by {one.by} while you typed.", f"conflict-{one.form}", False)
                for one in found
            ]
            return self.page()
        today = date.fromisoformat(self.told["today"])
        told = submission(self.sections, lambda text: typed_date(text, today))
        given: dict[str, Any] = {"participant": self.participant, "visit": self.visit, "forms": told}
        if self.told["may_hold"]:
            given |= {"by": self.by, "on": typed_date(self.on, today)}
        given["left_open"] = [section.form for section in self.sections if section.leave]
        try:
            served.do(request.who, "visit-forms", given, why=self.why, key=self.key)
        except (ConductError, UsageError) as error:
            return self._refused(error)
        served.note_sent(account, self.key, digest)
        served.drafts.drop(account, self.participant, self.visit)
        return HttpResponseRedirect(f"/receipt/{self.key}/", status=303)

    def _refused(self, error: ConductError | UsageError) -> HttpResponse:
        """The page again, with everything typed, and every refusal at its field."""
        served, account = self.request.served, self.request.who.account
        self.status = 422
        codes = {problem.code for problem in error.problems}
        if codes & {"C014", "C530"}:
            raise error
        if "C015" in codes:
            return self._answered(receipt_of(served.trial, account, self.key, held_for(self.request)))
        for problem in error.problems:
            if problem.code in ("C531", "C016") or problem.place in ("on", "by"):
                words = problem_words(problem)
                self.say = words
                self.summary.lines.append((words, "f-why" if problem.code in ("C531", "C016") else "f-on", False))
            else:
                show_problems(self.sections, [problem], self.summary)
        return self.page()

    def _answered(self, made: Any) -> HttpResponse:
        """This very page was submitted before: what is in the record is the first, and the receipt says what."""
        self.status = 422
        words = "This page was submitted before, and what was typed then is in the record. Nothing was changed."
        self.summary.lines.append((words, "", False))
        return self.page(before=made)

    def page(self, before: Any = None) -> HttpResponse:
        """The page as it stands."""
        told, visit = self.told, self.visit
        branch(self.sections)
        standing = told["standing"]
        title = visit_words(visit)
        ready = [section for section in self.sections if section.editable]
        for section in self.sections:
            section.queries = with_threads(self.request, section.queries)
        window = told["window"]
        return render(
            self.request,
            "visit.html",
            {
                "title": f"Not submitted: {title}" if self.summary.lines else f"{title}, {self.participant}",
                "heading": title,
                "bar": bar(standing),
                "told": told,
                "sections": self.sections,
                "summary": self.summary,
                "can": bool(ready) or told["may_hold"],
                "may_hold": told["may_hold"],
                "held": _held(told),
                "window": window_words(window[0], window[2]) if window else "",
                "timing": told["timing"].replace("_", " "),
                "key": self.key,
                "on": self.on,
                "by": self.by,
                "why": self.why,
                "say": self.say,
                "ask_why": bool(self.why or self.say) or told["timing"] in ("early", "late"),
                "reasons": list(_REASONS),
                "draft": self.note,
                "conflicts": self.conflicts,
                "may_correct": may("correct", self.request.roles),
                "may_calendar": may("calendar", self.request.roles),
                "may_visit": bool(MATRIX["visit"] & set(self.request.roles))
                and allows(self.request.served.trial, "visit"),
                "account": self.request.who.account,
                "here": self.request.path,
                "before": before,
                "queries": with_threads(
                    self.request, [row for row in told["queries"] if not row["form"] and row["state"] != "closed"]
                ),
                "missed": told["state"] == "missed",
                "today": long_day(date.fromisoformat(told["today"])),
            },
            status=self.status,
        )


def _digest(post: Any) -> str:
    """What a post says, whichever token of the page it came with."""
    told = sorted((name, post.getlist(name)) for name in post if name != "csrfmiddlewaretoken")
    return hashlib.sha256(repr(told).encode()).hexdigest()


_REASONS = (
    ("refused", "Refused"),
    ("no-answer", "Asked, no answer"),
    ("not-known", "Not known"),
    ("not-asked", "Not asked"),
    ("lost", "Sheet lost or unreadable"),
)


def _held(told: Any) -> str:
    if told["state"] != "attended":
        return ""
    how = "by telephone" if told["by"] == "telephone" else "in person"
    return f"Held on {day_words(told['date'])}, day {told['study_day']}, {how}"
