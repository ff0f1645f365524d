"""How the trial comes along: enrolment against plan, visits of those due, forms recorded, queries; never by arm."""

from __future__ import annotations

from collections import Counter
from datetime import datetime
from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.permissions import ALWAYS, MATRIX
from equipoise.conduct.actions.repeat import run_again
from equipoise.conduct.actions.visits.due import open_forms, today_at
from equipoise.conduct.actions.visits.recording import due_of, fillings_of
from equipoise.conduct.rows.tables import IN_ERROR, EventRow, ParticipantRow, QueryRow, VisitRow
from equipoise.conduct.rules import forms
from equipoise.conduct.rules.status import IN_TRIAL, LEFT

OVERALL = "all sites"
LEAST = 10  # people below which nothing but enrolment is told of a site


@action("progress", states=ALWAYS, again=run_again)
def progress(act: Act) -> None:
    """Tell how the trial comes along at the account's sites: who entered, by month; visits and forms of those due;
    queries. Pooled over arms always; who reads no records is told of all sites together.
    """
    sites = act.sites
    reads = bool(act.roles & MATRIX["participants"])
    everybody = act.trial.values(ParticipantRow, ("participant", "site", "status", "screening"))
    known = [row for row in everybody if not sites or row[1] in sites]
    planned = act.protocol.model.trial.planned_n.usable
    people = [_person(act, id, site) for id, site, status, _ in sorted(known) if status in IN_TRIAL]
    act.load_none()
    by_site = {site: _pooled([row for row in people if row["site"] == site]) for site in {row[1] for row in known}}
    act.record(subject="progress", what={"people": len(people)})
    act.tell(
        {
            "planned": int(planned) if planned else None,
            "sites": _entered(known) if reads else [],
            "overall": _entered([(id, OVERALL, *rest) for id, _, *rest in known]),
            "months": _months(act, {id for id, *_ in known}),
            "visits": _pooled(people),
            "visits_by_site": {site: row for site, row in sorted(by_site.items()) if reads and row["people"] >= LEAST},
            "queries": _queries(act, {id for id, *_ in known}),
            "people": people if reads else [],
        }
    )


def _entered(known: list[Any]) -> list[dict[str, Any]]:
    """By site: screened, and of these consented, eligible, randomized, enrolled, or not enrolled with how it ended."""
    out: dict[str, Counter[str]] = {}
    for _, site, status, screening in known:
        row = out.setdefault(site, Counter())
        row["screened"] += 1
        row[status] += 1
        if status == "not_enrolled":
            row[screening if screening in ("excluded", "declined") else "other"] += 1
    return [{"site": site, **counts} for site, counts in sorted(out.items())]


def _months(act: Act, mine: set[str]) -> list[tuple[str, int]]:
    """How many entered the trial in each month, the first to the last without a gap."""
    rows = act.trial.values(EventRow, ("participant", "at"), action__in=("randomize", "envelope-opened", "enrol"))
    first: dict[str, str] = {}
    for id, at in sorted(rows, key=lambda row: str(row[1])):
        if id in mine:
            first.setdefault(id, at[:7])
    counts = Counter(first.values())
    if not counts:
        return []
    begin, end = datetime.fromisoformat(f"{min(counts)}-01"), act.now.utc.strftime("%Y-%m")
    out, month = [], begin
    while month.strftime("%Y-%m") <= max(end, max(counts)):
        name = month.strftime("%Y-%m")
        out.append((name, counts[name]))
        month = month.replace(year=month.year + month.month // 12, month=month.month % 12 + 1)
    return out


def _person(act: Act, id: str, site: str) -> dict[str, Any]:
    """Of one participant: visits due so far, held, missed, past without an entry; forms asked at those held, open."""
    person = act.load(id)
    today = today_at(act, site)
    states = {
        visit: state
        for visit, state in act.trial.values(VisitRow, ("visit", "state"), participant=id, repeat=1)
        if state != IN_ERROR
    }
    filled = fillings_of(act)
    counts: Counter[str] = Counter()
    for entry in due_of(act).values() if person.day_1 else ():
        state = states.get(entry.name, "")
        if state == "attended":
            asked = [form for form in forms.forms_at(act.protocol, entry.name) if _is_counted(act, form)]
            counts["held"] += 1
            counts["forms"] += len(asked)
            counts["open"] += len([form for form in open_forms(act, entry.name, filled) if form in asked])
        elif state == "missed":
            counts["missed"] += 1
        elif today > entry.last and person.follow_up not in LEFT:
            counts["overdue"] += 1
    names = ("held", "missed", "overdue", "forms", "open")
    return {"participant": id, "site": site, **{name: counts[name] for name in names}}


def _is_counted(act: Act, form: str) -> bool:
    """Forms whose state everybody may know: open ones, asked once at a visit."""
    made = forms.form_of(act.protocol, form)
    return made.blinding == "open" and made.kind not in ("vitals", "daily-use")


def _pooled(people: list[dict[str, Any]]) -> dict[str, int]:
    names = ("held", "missed", "overdue", "forms", "open")
    return {"people": len(people), **{name: sum(row[name] for row in people) for name in names}}


def _queries(act: Act, mine: set[str]) -> dict[str, int]:
    """Queries on what is open, by state, and the age of the oldest that waits."""
    counts: Counter[str] = Counter()
    oldest = ""
    for participant, state, at in act.trial.values(QueryRow, ("participant", "state", "asked_at"), blinding="open"):
        if participant not in mine:
            continue
        counts[state] += 1
        if state == "open":
            oldest = min(oldest or at, at)
    days = (act.now.utc - datetime.fromisoformat(oldest.replace("Z", "+00:00"))).days if oldest else 0
    return {"open": counts["open"], "answered": counts["answered"], "closed": counts["closed"], "oldest_days": days}
