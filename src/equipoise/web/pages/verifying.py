"""Is the ledger whole: checked now, against printed anchors; the fence; copies of the ledger to take along."""

from __future__ import annotations

from typing import Any

from django.http import HttpResponse

from equipoise.conduct.rows.tables import SiteRow, TrialStateRow
from equipoise.foundation.errors import ConductError, Problem, UsageError
from equipoise.web.cut_files import archive_of
from equipoise.web.downloads import attached
from equipoise.web.page import page, pass_on
from equipoise.web.policy import may
from equipoise.web.render import render
from equipoise.web.words import counted, problem_words

COPIES = "copies"
# What is wrong with slots may tell of streams and of what was given: the words stay with the pharmacist's own check.
_SEALED = ("C066", "C067")
_WAYS = (
    ("lift-fence", "After a restore: lift the fence…"),
    ("acknowledge-loss", "Acknowledge a loss…"),
    ("renew-receipts", "Write lost receipts again…"),
    ("acknowledge-clock", "Acknowledge the clock…"),
    ("backup", "Make a backup…"),
    ("redact", "Take personal data out…"),
)


@page("verify", "verify/")
def verify(request: Any) -> HttpResponse:
    """Check the ledger when it is asked for; otherwise say where it stands."""
    from equipoise.conduct.integrity.verify import verify as check

    served, say, found = request.served, "", None
    anchors = request.POST.get("anchors", "").split() if request.method == "POST" else []
    if request.method == "POST":
        try:
            found = check(served.trial, anchors=anchors[:50])
        except (ConductError, UsageError) as error:
            say = problem_words(error.problems[0])
    fenced = served.trial.first(TrialStateRow, name="trial").randomization == "fenced"
    return render(
        request,
        "verify.html",
        {
            "title": "Is the ledger whole?",
            "found": found,
            "said": _said(found) if found is not None else [],
            "notes": list(found.notes[:40]) if found is not None else [],
            "events": counted(found.n_events, "event") if found is not None else "",
            "anchors": " ".join(anchors),
            "say": say,
            "fenced": fenced,
            "ways": [(f"/{name}/", words) for name, words in _WAYS if may(name, request.roles)],
            "may_copy": may("copy", request.roles),
        },
        status=422 if say else 200,
    )


def _said(found: Any) -> list[tuple[str, str, str]]:
    out = []
    for problem in found.findings:
        if problem.code in _SEALED:
            words = "Something of the sealed slots is not as it was. The pharmacist looks: equipoise verify --pharmacy."
            out.append((problem.code, "sealed ledger", words))
        else:
            out.append((problem.code, problem.place, problem_words(problem)))
    return list(dict.fromkeys(out))


@page("copy", "copy/")
def copy(request: Any) -> HttpResponse:
    """A copy of the ledger for a site, or of all sites: brought up to date in a folder here, and given as one file."""
    from equipoise.conduct.actions.administration.copies import take_copy
    from equipoise.conduct.actions.sign_in import Session

    served, say = request.served, ""
    rows = served.trial.values(SiteRow, ("site",), order=("site",))
    sites = [site for (site,) in rows if not request.sites or site in request.sites]
    every = not request.sites and {"monitor", "data-manager"} & set(request.roles)
    if request.method == "POST":
        chosen = request.POST.get("site", "")
        try:
            if chosen not in (*sites, *(("*",) if every else ())):
                raise ConductError(Problem("C014", "site", "There is no such site here.", "a site of the trial"))
            folder = served.trial.directory / COPIES / ("all-sites" if chosen == "*" else f"site-{chosen}")
            folder.parent.mkdir(mode=0o700, exist_ok=True)
            session = Session(request.who.account, request.who.device)
            site = None if chosen == "*" else chosen
            take_copy(served.trial, session, folder, site=site, clock=served.clock, entropy=served.entropy)
            return attached(f"{folder.name}.zip", archive_of(folder), "application/zip")
        except (ConductError, UsageError) as error:
            pass_on(error, "C013")
            say = problem_words(error.problems[0])
    return render(
        request,
        "copy.html",
        {"title": "A copy of the ledger", "sites": sites, "every": bool(every), "say": say},
        status=422 if say else 200,
    )
