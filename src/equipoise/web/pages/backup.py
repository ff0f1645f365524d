"""Backups: one file of the whole trial, made here and loaded again before it counts; what a restore needs beside it.

The file stays on the machine: it holds every record and the signed copies of consents, and the administrator, who makes
it, reads nothing of participants on any page.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.http import HttpResponse

from equipoise.conduct.rows.tables import EventRow
from equipoise.foundation.errors import ConductError, OutputError
from equipoise.web.page import page, pass_on
from equipoise.web.passphrase_again import require_again
from equipoise.web.render import render
from equipoise.web.words import counted, problem_words, time_words

FOLDER = "backups"


@page("backup", "backup/")
def backup(request: Any) -> HttpResponse:
    """Make a backup, see which were made, and read what a restore needs."""
    from equipoise.conduct.integrity.backup import back_up

    served, say, done = request.served, "", {}
    folder = Path(served.backups) if served.backups else served.trial.directory / FOLDER
    if request.method == "POST":
        try:
            require_again(request, request.POST.get("passphrase", ""))
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            now = served.now("").utc
            file = folder / f"{served.trial.config.trial}-{now:%Y-%m-%d-%H%M%S}.backup"
            made = back_up(served.trial, file, account=request.who.account, clock=served.clock, entropy=served.entropy)
            done = {
                "file": file.name,
                "events": counted(made.number, "event"),
                "consents": counted(made.consents, "signed copy of a consent", "signed copies of consents"),
                "anchor": f"{made.number}-{made.hash[:16]}",
                "warning": made.warning,
            }
        except (ConductError, OutputError) as error:
            pass_on(error, "C013")
            say = problem_words(error.problems[0])
        except OSError as error:
            say = f"The folder for backups cannot be made: {error.strerror}."
    names = ("subject", "account", "at", "offset_minutes", "zone")
    rows = served.trial.values(EventRow, names, action="backup", order=("-number",), limit=20)
    context = {
        "title": "No backup was made" if say else "Backups",
        "say": say,
        "done": done,
        "elsewhere": bool(served.backups),
        "rows": [
            {
                "file": file,
                "by": account or "by command",
                "when": time_words(at, offset, zone),
                "here": (folder / Path(file).name).is_file(),
            }
            for file, account, at, offset, zone in rows
        ],
    }
    return render(request, "backup.html", context, status=422 if say else 200)
