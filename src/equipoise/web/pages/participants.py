"""Who is in the trial, and one participant's way: planned and happened, every form, facts, what to do next."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import date
from typing import Any

from django.http import HttpResponse

from equipoise.conduct.actions.infusion.dose import planned_days
from equipoise.conduct.rows.tables import SiteRow
from equipoise.conduct.rules.single_dose import single_days
from equipoise.conduct.rules.status import IN_TRIAL
from equipoise.conduct.trial.envelopes import read_envelopes
from equipoise.protocol import Protocol
from equipoise.protocol.language.interventions import BehaviouralIntervention
from equipoise.web import drawings
from equipoise.web.drawings import days_between
from equipoise.web.item_words import answers_in_words, query_place
from equipoise.web.page import page
from equipoise.web.policy import may
from equipoise.web.render import render
from equipoise.web.state_of_trial import allows
from equipoise.web.words import counted, day_words, role_words, standing_words, visit_words, window_words

# What can be done about a participant, by where the participant stands: page, words. Who is enrolled where nobody is
# randomized stands where others are randomized.
_ACTS = (
    ("infusion", "Infusion", ("randomized",)),
    ("dose-given", "Injection or spray", ("randomized",)),
    ("events", "Adverse events", ("consented", "eligible", "randomized", "not_enrolled")),
    ("day-1", "Study day 1", ("randomized",)),
    ("weight", "Weight", ("consented", "eligible", "randomized")),
    ("session", "Session", ("randomized",)),
    ("calendar", "Calendar of use", ("randomized",)),
    ("diary", "Personal link and diary", ("screened", "consented", "eligible", "randomized")),
    ("visit-missed", "Visit missed", ("consented", "eligible", "randomized")),
    ("records", "Records and corrections", ("screened", "consented", "eligible", "randomized", "not_enrolled")),
    ("casebook", "Casebook", ("screened", "consented", "eligible", "randomized", "not_enrolled")),
    ("appointments", "Appointment card", ("consented", "eligible", "randomized")),
    ("leave", "Leaving", ("consented", "eligible", "randomized")),
    ("unblind", "Break the code", ("randomized",)),
    ("unblind-for", "Have somebody told the arm", ("randomized",)),
    ("query", "Ask a query", ("screened", "consented", "eligible", "randomized", "not_enrolled")),
    ("sign", "Sign", ("consented", "eligible", "randomized")),
    ("sign-off", "Sign off", ("randomized",)),
    ("screening-failure", "Screening failure", ("screened", "consented", "eligible")),
    ("reopen-screening", "Reopen screening", ("not_enrolled",)),
    ("stages", "Later stages", ("randomized",)),
    ("transfer", "Move to another site", ("screened", "consented", "eligible", "randomized")),
    ("envelope-opened", "An envelope was opened", ("consented", "eligible")),
    ("randomized-in-error", "Randomized in error", ("randomized",)),
)


@page("participants", "p/")
def participants(request: Any) -> HttpResponse:
    """Everybody screened at the account's sites."""
    rows = request.served.do(request.who, "participants").told["participants"]
    for row in rows:
        row["words"] = standing_words(row)
        row["next_words"] = next_words(row["next"]) if row["next"] else ""
        row["next_chip"] = _chip(row["next"])
    names = {"randomized": "Randomized", "enrolled": "Enrolled", "not_enrolled": "Not enrolled"}
    order = {"screened": "Screened", "consented": "Consented", "eligible": "Eligible", **names}
    groups = [(name, [row for row in rows if row["status"] == status]) for status, name in order.items()]
    return render(
        request,
        "participants.html",
        {
            "title": "Participants",
            "groups": [(name, found) for name, found in groups if found],
            "total": len(rows),
            "in_trial": sum(row["status"] in IN_TRIAL for row in rows),
            "may_screen": may("screen", request.roles),
        },
    )


def next_words(row: Mapping[str, Any]) -> str:
    """The next due thing in words."""
    if row.get("kind") == "visit":
        return f"{visit_words(row['visit'])}, {window_words(row['first'], row['last'])}"
    if row.get("kind") == "form":
        return f"{visit_words(row['visit'])}: {row['form'].replace('-', ' ')}"
    if row.get("kind") == "calendar":
        return f"Calendar of use, {window_words(row['first'], row['last'])}"
    by = f", {day_words(row['by'][:10], year=False)}" if row["by"] else ""
    return row["what"].replace("-", " ").capitalize() + by


def next_address(row: Mapping[str, Any]) -> str:
    """Where the next due thing is done."""
    person = row["participant"]
    if row.get("kind") == "calendar":
        return f"/p/{person}/calendar/"
    return f"/p/{person}/visit/{row['visit']}/" if "visit" in row else f"/p/{person}/"


def _chip(row: Mapping[str, Any] | None) -> tuple[str, str]:
    if row is None:
        return ("none", "")
    return {"overdue": ("late", "overdue"), "due": ("due", "due"), "open": ("due", "open")}.get(
        row["state"], ("none", "to come")
    )


def bar(standing: Mapping[str, Any]) -> dict[str, Any]:
    """The participant's bar: code, day, standing, consent, what is next."""
    ahead = standing["next"]
    return {
        "participant": standing["participant"],
        "site": standing["site"],
        "day": standing["study_day"],
        "words": standing_words(dict(standing)),
        "consent": standing["consent"],
        "next": next_words(ahead) if ahead else "",
        "next_to": next_address(ahead) if ahead else "",
        "next_chip": _chip(ahead),
    }


@page("participant", "p/<participant>/")
def participant(request: Any, participant: str) -> HttpResponse:
    """One participant: the drawing, every form by visit, facts, queries; before randomization the steps to it."""
    told = request.served.do(request.who, "read", {"participant": participant}).told
    standing = told["standing"]
    zone = request.served.zone_of(standing["site"])
    now = request.served.now(zone).local_date
    status = standing["status"]
    protocol = request.served.protocol_of(participant)
    is_randomizing = protocol.model.randomization is not None
    absent = acts_without_a_place(protocol)
    if status in IN_TRIAL and standing["day_1"]:
        absent.add("day-1")
    if request.served.trial.count(SiteRow, state="active") < 2:
        absent.add("transfer")
    if not any(one.state == "out" for one in read_envelopes(request.served.trial)):
        absent.add("envelope-opened")
    return render(
        request,
        "participant.html",
        {
            "title": participant,
            "bar": bar(standing),
            "standing": standing,
            "day_1": day_words(standing["day_1"]),
            "way": _way(protocol, told, now) if standing["day_1"] else "",
            "way_rows": _way_rows(protocol),
            "table": _table(told, now) if standing["day_1"] else None,
            "steps": _steps(told, standing, request.roles, is_randomizing)
            if status in ("screened", "consented", "eligible")
            else [],
            "is_randomizing": is_randomizing,
            "acts": [
                (f"/p/{participant}/{name}/", words)
                for name, words, states in _ACTS
                if name not in absent
                and ("randomized" if status in IN_TRIAL else status) in states
                and may(name, request.roles)
                and allows(request.served.trial, name)
            ],
            "facts": _facts(protocol, told, standing),
            "deviations": _deviations(told),
            "queries": [{**row, "place": query_place(row)} for row in told["queries"] if row["state"] != "closed"],
            "signatures": [{**row, "role": role_words([row["role"]])} for row in told["signatures"]],
            "next": standing["next"] if standing["next"] and "visit" in standing["next"] else None,
        },
    )


def acts_without_a_place(protocol: Protocol) -> set[str]:
    """What the protocol has none of: sessions, a calendar of use, infusions, injections or sprays, a code to break."""
    rows = _way_rows(protocol)
    out = set()
    if "Sessions" not in rows:
        out.add("session")
    if "Use reported" not in rows:
        out.add("calendar")
    if single_days(protocol) and not planned_days(protocol):
        out.add("infusion")
    if not single_days(protocol):
        out.add("dose-given")
    if protocol.model.randomization is None:
        out |= {"unblind", "unblind-for", "envelope-opened", "randomized-in-error"}
    if len(protocol.model.stages) < 2:
        out.add("stages")
    return out


def _way_rows(protocol: Protocol) -> list[str]:
    """What of sessions, use told and urine the protocol has: rows of the drawing."""
    types = {entry.type for entry in protocol.model.assessments.values()}
    held = any(isinstance(entry, BehaviouralIntervention) for entry in protocol.model.interventions.values())
    rows = {"Sessions": held, "Use reported": "daily-use" in types, "Urine": "urine" in types}
    return [name for name, there in rows.items() if there]


def _way(protocol: Protocol, told: Mapping[str, Any], now: date) -> Any:
    first = told["day_1"]
    tests = {id for id, entry in protocol.model.assessments.items() if entry.type == "urine"}

    def since(day: str) -> int:
        return days_between(first, day)

    planned = [(row["visit"], since(row["first"]), since(row["target"]), since(row["last"])) for row in told["planned"]]
    held = {name: row["date"] for name, row in told["visits"].items() if row["state"] == "attended" and row["date"]}
    sessions, use, urine = [], {}, []
    for name, values in told["forms"].items():
        parts = name.split(" ")
        if parts[0] == "session" and values.get("delivered") == "yes":
            on = told["dates"].get(name, "")
            if on:
                sessions.append((parts[2], since(on)))
        elif parts[0] == "calendar" and len(parts) == 3:
            day = date.fromordinal(int(parts[2])).isoformat()
            answer = next((str(value) for item, value in values.items() if item != "state" and "." not in item), "")
            use[since(day)] = answer if answer in ("yes", "no") else ""
        elif len(parts) == 3 and parts[1] in tests and parts[0] in held:
            results = {str(value) for item, value in values.items() if item != "state"}
            urine.append((since(held[parts[0]]), _sign(results)))
    happened = {visit_words(name): since(on) for name, on in held.items()}
    today = since(now.isoformat())
    return drawings.way(drawings.DrawnWay(planned, happened, sessions, use, urine, today, _way_rows(protocol)))


def _sign(results: Collection[str]) -> str:
    """A sample's results as one sign: positive where one substance is, negative where all that were looked for are."""
    if "positive" in results:
        return "+"
    return "−" if set(results) == {"negative"} else "·"


def _table(told: Mapping[str, Any], now: date) -> dict[str, Any]:
    """Every form by visit: recorded, sealed, open, missed, to come."""
    labels: dict[str, str] = {}
    for row in told["planned"]:
        for form in row["assess"]:
            labels.setdefault(form, form.replace("-", " ").capitalize())
    asked = {row["visit"]: row for row in told["planned"]}
    first_asked = {form: next(row["visit"] for row in told["planned"] if form in row["assess"]) for form in labels}
    told = {**told, "in_series": {name: name not in {first_asked[form] for form in told["daily"]} for name in asked}}
    queried = {(row["visit"], row["form"]) for row in told["queries"] if row["state"] != "closed"}
    signed = any(row["state"] == "valid" for row in told["signatures"])
    heads = []
    for name, row in asked.items():
        visit = told["visits"].get(name)
        when = (
            day_words(visit["date"], year=False) if visit and visit["date"] else window_words(row["first"], row["last"])
        )
        short = name.removeprefix("day-") if name.startswith("day-") else visit_words(name)
        heads.append((name, short, when))
    lines = []
    for form, label in labels.items():
        cells = []
        for name, row in asked.items():
            if form not in row["assess"]:
                cells.append(("", ""))
                continue
            cells.append(_cell(told, name, form, row, now, (name, form) in queried, signed))
        lines.append((label, cells))
    return {"heads": heads, "lines": lines}


def _cell(
    told: Mapping[str, Any], visit: str, form: str, row: Mapping[str, Any], now: date, queried: bool, signed: bool
) -> tuple[str, str]:
    state = told["visits"].get(visit, {}).get("state", "")
    found = told["forms"].get(f"{visit} {form} 1") or told["forms"].get(f"{visit} {form}")
    if form in told["daily"]:
        found = _told_since_last(told, visit, form) or None
        if found is None and state == "attended" and not told["in_series"].get(visit):
            return ("none", "not asked")
    elif found is None and any(
        name.split(" ")[1:2] == [form] and values.get("items") for name, values in told["forms"].items()
    ):
        return ("sealed", "sealed") if state == "attended" else ("none", "·")
    if queried:
        return ("query", "query")
    if found is not None:
        if found.get("items"):
            return ("sealed", "sealed")
        if found.get("state") == "not-done":
            return ("missed", "not done")
        return ("signed", "signed") if signed else ("done", "recorded")
    if told["not_done"].get(f"{visit} {form}"):
        return ("missed", "not done")
    if state == "missed":
        return ("missed", "missed")
    if state == "attended":
        return ("due", "open")
    if now.isoformat() > row["last"]:
        return ("late", "overdue")
    return ("due", "due") if now.isoformat() >= row["first"] else ("none", "·")


def _told_since_last(told: Mapping[str, Any], visit: str, form: str) -> dict[str, Any]:
    """Whether days were told up to a visit and after the one before it that asks for the calendar."""
    asking = [row for row in told["planned"] if form in row["assess"]]
    at = next(number for number, row in enumerate(asking) if row["visit"] == visit)
    before = asking[at - 1]["target"] if at else ""
    until = told["visits"].get(visit, {}).get("date") or asking[at]["last"]
    days = (
        date.fromordinal(int(name.split(" ")[2])).isoformat()
        for name in told["forms"]
        if name.startswith(f"calendar {form} ")
    )
    return {"state": "recorded"} if any(before < day <= until for day in days) else {}


def _steps(
    told: Mapping[str, Any], standing: Mapping[str, Any], roles: tuple[str, ...], is_randomizing: bool
) -> list[dict[str, Any]]:
    """The steps to randomization or enrolment, each with whether it is done and who does it."""
    person, forms = standing["participant"], told["forms"]
    at = f"/p/{person}/"
    baseline = {key: value for key, value in forms.get("baseline baseline 1", {}).items() if key != "state"}
    admission = next((row for row in told["planned"] if row["target_day"] <= 1), None)
    steps = [
        _step(
            "consent",
            "Consent",
            f"Version {standing['consent']}, {day_words(standing['consented_on'])}",
            standing["consent"],
            f"{at}consent/",
        ),
        _step("baseline", "Baseline", counted(len(baseline), "value"), baseline, f"{at}baseline/"),
        _step(
            "eligibility",
            "Eligibility",
            "found eligible",
            standing["status"] == "eligible",
            f"{at}eligibility/",
        ),
    ]
    if is_randomizing:
        steps.append(_step("day-1", "Study day 1", day_words(standing["day_1"]), standing["day_1"], f"{at}day-1/"))
    if admission is not None:
        name = admission["visit"]
        held = told["visits"].get(name, {}).get("state") == "attended"
        steps.append(_step("visit", visit_words(name), "held", held, f"{at}visit/{name}/"))
    entry, words = ("randomize", "Randomize") if is_randomizing else ("enrol", "Enrol")
    steps.append(_step(entry, words, "", False, f"{at}{entry}/"))
    for step in steps:
        step["may"] = may(step["page"], roles)
    return steps


def _step(page_: str, name: str, said: str, done: object, to: str) -> dict[str, Any]:
    return {"page": page_, "name": name, "said": said if done else "", "done": bool(done), "to": to}


def _facts(protocol: Protocol, told: Mapping[str, Any], standing: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What is known of a participant, in words."""
    forms = told["forms"]
    baseline = {key: value for key, value in forms.get("baseline baseline 1", {}).items() if key != "state"}
    sessions = sum(name.startswith("session ") and values.get("delivered") == "yes" for name, values in forms.items())
    facts = [
        ("Status", standing_words(dict(standing)).capitalize()),
        (
            "Consent",
            f"Version {standing['consent']}, {day_words(standing['consented_on'])}" if standing["consent"] else "",
        ),
        ("Study day 1", day_words(standing["day_1"])),
        (
            "Baseline",
            "; ".join(f"{name}: {said}" for name, said in answers_in_words(protocol, "baseline", baseline)),
        ),
        ("Sessions", f"{sessions} held" if sessions else ""),
        ("Reason", standing["reason"]),
    ]
    return [(name, words) for name, words in facts if words]


def _deviations(told: Mapping[str, Any]) -> list[str]:
    """Visits outside their window or missed, with the reasons."""
    windows = {row["visit"]: row for row in told["planned"]}
    out = []
    for name, row in told["visits"].items():
        planned = windows.get(name)
        if row["state"] == "missed":
            out.append(f"{visit_words(name)} missed: {row['reason']}")
        elif row["state"] == "attended" and planned and not planned["first"] <= row["date"] <= planned["last"]:
            out.append(f"{visit_words(name)} held on {day_words(row['date'])}, outside its window: {row['reason']}")
    return out
