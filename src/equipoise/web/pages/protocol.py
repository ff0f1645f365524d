"""The protocol of the running trial: its versions, and an amendment with what it changes before it is adopted."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse, HttpResponseRedirect

from equipoise.conduct.rows.tables import ProtocolVersionRow, TrialStateRow
from equipoise.foundation.errors import ConductError, Problem, UsageError
from equipoise.web.amendments import counted_places, differences_of, unmoved, who_comes_under
from equipoise.web.fields import Field, Summary, place_problems
from equipoise.web.held import held_for
from equipoise.web.page import page, pass_on, request_key
from equipoise.web.pages.acts import file_text
from equipoise.web.passphrase_again import require_again
from equipoise.web.policy import may
from equipoise.web.render import render
from equipoise.web.words import time_words


@page("protocol", "protocol/")
def protocol(request: Any) -> HttpResponse:
    """Versions of the protocol; read an amendment, look at what it changes, adopt it."""
    state = request.served.trial.first(TrialStateRow, name="trial")
    fields = {
        "file": Field("file", "The amended protocol", "file", hint="The whole file, as YAML", needed=True),
        "consent_version": Field(
            "consent_version", "Consent document in force from then on", value=state.consent_version
        ),
        "why": Field("why", "Reason, with the approval", "text", needed=True),
        "passphrase": Field("passphrase", "Your passphrase, again", "secret", needed=True),
    }
    amendment = _Amendment(request, state, fields)
    if request.method == "POST":
        return amendment.posted()
    return amendment.page()


class _Amendment:
    """An amendment under way: looked at first, adopted after the passphrase."""

    def __init__(self, request: Any, state: Any, fields: dict[str, Field]) -> None:
        self.request, self.state, self.fields = request, state, fields
        self.key = request_key(request)
        self.text = ""
        self.changes: list[str] = []
        self.number = 0
        self.summary = Summary()

    def posted(self) -> HttpResponse:
        """Look at it, or adopt it."""
        post = self.request.POST
        self.text = file_text(self.request, "file") or post.get("text", "")
        for name in ("consent_version", "why"):
            if name in post:
                self.fields[name].value = post.get(name, "").strip()
        if not self.text.strip():
            self.summary.add(Problem("C130", "file", "No file was chosen, or it is not text."), self.fields["file"])
            return self.page()
        adopt = post.get("act") == "adopt"
        try:
            if adopt:
                require_again(self.request, post.get("passphrase", ""))
                self.request.served.do(
                    self.request.who, "amend", self._given(), why=self.fields["why"].value, key=self.key
                )
                return HttpResponseRedirect(f"/receipt/{self.key}/", status=303)
        except (ConductError, UsageError) as error:
            pass_on(error, "C013")
            self.summary = place_problems(error.problems, {**self.fields, "text": self.fields["file"]})
        try:
            found = self.request.served.preview(self.request.who, "amend", self._given(), why="looked at")
            self.changes, self.number = list(found.answer["changes"]), int(found.answer["version"])
        except (ConductError, UsageError) as error:
            pass_on(error, "C013")
            self.text = ""
            self.summary = place_problems(error.problems, {**self.fields, "text": self.fields["file"]})
        return self.page()

    def _given(self) -> dict[str, Any]:
        return {"text": self.text, "consent_version": self.fields["consent_version"].value, "confirm": True}

    def page(self) -> HttpResponse:
        """The page as it stands."""
        trial = self.request.served.trial
        held = held_for(self.request)
        versions = [
            {
                "number": number,
                "hash": hash[:12],
                "at": time_words(at, 0, "UTC"),
                "note": held.shown(note) if held is not None else note,
                "now": hash == self.state.protocol_hash,
            }
            for number, hash, at, note in trial.values(
                ProtocolVersionRow, ("version", "hash", "adopted_at", "note"), order=("-version",)
            )
        ]
        looked = bool(self.changes)
        wanted = ("consent_version", "why", "passphrase") if looked else ("file",)
        return render(
            self.request,
            "protocol.html",
            {
                "title": "Not adopted: amendment" if self.summary.lines else "Protocol",
                "versions": versions,
                "consent": self.state.consent_version,
                "looked": looked,
                "number": self.number,
                "text": self.text if looked else "",
                "differences": differences_of(self.changes),
                "places": counted_places(self.changes),
                "unmoved": unmoved(self.changes),
                "under": who_comes_under(trial) if looked else [],
                "fields": [self.fields[name] for name in wanted],
                "summary": self.summary,
                "key": self.key,
                "may_consent": may("consent-version", self.request.roles),
            },
            status=422 if self.summary.lines else 200,
        )
