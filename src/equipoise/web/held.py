"""Texts that may name a treatment, on pages: the question before one is recorded, and what stands for one that is held.

The question is a page of its own, so that whatever page a text was typed into asks alike; everything typed goes with
it, and comes back to be changed.
"""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from equipoise.conduct.actions.permissions import READS_NAMES
from equipoise.conduct.trial.held_texts import HeldTexts, held_texts
from equipoise.web.passphrase_again import sent_on
from equipoise.web.render import render
from equipoise.web.served import TellingText


def held_for(request: Any) -> HeldTexts | None:
    """What is held back from who reads this page; ``None`` where nothing is."""
    return None if READS_NAMES & set(request.roles) else held_texts(request.served.trial)


def question(request: Any, telling: TellingText) -> HttpResponse:
    """The page that asks: record it, held back, or change the words. Passphrases are typed again, never sent along."""
    sent, secret = sent_on((name, value) for name in request.POST for value in request.POST.getlist(name))
    said = [problem.found for problem in telling.problems]
    context = {"title": "Not recorded yet: a text may name a treatment", "said": said, "sent": sent, "secret": secret}
    return render(request, "telling.html", context, status=422)


__all__ = ["held_for", "question"]
