"""Before randomization: baseline variables, eligibility, screening failure, and study day 1."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.grounds import decide_again, version_in_force, voided_sheets
from equipoise.conduct.actions.history import day_1_kind, profile_of, require_day
from equipoise.conduct.actions.visits.query import new_query
from equipoise.conduct.actions.visits.recording import form_of, form_rows, joined, raise_problems, values_of
from equipoise.conduct.rows.tables import VisitRow
from equipoise.conduct.rules import eligibility as criteria
from equipoise.conduct.rules.forms import check_range, number
from equipoise.conduct.rules.status import IN_TRIAL
from equipoise.conduct.rules.windows import anchor_is_enrolment, anchor_is_randomization, study_day_of
from equipoise.foundation.errors import Problem, listed

CODES = {
    "C603": "The protocol has no such baseline variable, or the variable cannot have this value.",
    "C604": "Invalid study day 1.",
}


@action("baseline", states=("open", "frozen"))
def baseline(act: Act, participant: str, values: dict[str, Any]) -> None:
    """Record baseline variables; a value told before is corrected with a reason, after randomization too.

    Whatever rested on the old value is looked at again: a decision on eligibility that no longer holds is void, and
    after randomization, which stands, a query asks what follows.
    """
    record_baseline(act, values)


def record_baseline(act: Act, values: Mapping[str, Any]) -> None:
    """Record baseline variables, or correct them; :func:`baseline` says the rest."""
    act.take("correct" if act.course.phase == "not_enrolled" else "record_baseline")
    known = act.protocol.model.recorded_baseline
    before = values_of(act, "baseline", "baseline")
    items: dict[str, tuple[str, str | None, str]] = {}
    problems = []
    for id, value in values.items():
        variable = known.get(id)
        text = _text(value)
        if variable is None:
            problems.append(Problem("C603", id, "The protocol has no such variable.", listed(sorted(known))))
        elif variable.type == "category" and text not in variable.levels:
            problems.append(Problem("C603", id, f"Found {text!r}.", listed(variable.levels)))
        elif variable.type == "yes-no" and text not in ("yes", "no"):
            problems.append(Problem("C603", id, f"Found {text!r}.", "yes or no"))
        elif variable.type == "number" and number(text) is None:
            problems.append(Problem("C603", id, f"Found {text!r}.", "a number"))
        elif wanted := check_range(variable, text):
            problems.append(Problem("C603", id, f"Found {text}.", wanted, "Correct the value."))
        else:
            kind = {"number": "decimal", "category": "choice", "yes-no": "yes-no"}[variable.type]
            items[id] = (kind, text, variable.unit or "")
    raise_problems(problems)
    if not items:
        act.refuse("C603", "values", "No value is given.", listed(sorted(known)))
    changed = {id: items[id][1] for id in items if before.get(id) != items[id][1]}
    if any(id in before for id in changed):
        act.require_why("A baseline value was changed")
    elif act.course.is_in_trial or act.course.phase == "not_enrolled":
        act.require_why(f"A baseline value was entered when the participant {act.course.words}")
    if act.state.state == "frozen" and not set(changed) <= set(before):
        act.refuse("C017", "baseline", "The trial is frozen.", "corrections of what was recorded")
    if before and not changed:
        act.refuse("C602", "baseline", "Nothing would change.", "another value")
    follows, found = _what_rested_on_it(act, {**before, **changed}, changed)
    rows = form_rows(act, "baseline", "baseline", items, on=act.now.local_date, is_new=not before)
    act.record(
        subject="baseline",
        what={"before": {id: before.get(id, "") for id in changed}, "put": joined(rows, follows)},
        answer={"participant": act.participant.participant, "recorded": sorted(items), **found},
    )


def _what_rested_on_it(
    act: Act, now: dict[str, Any], changed: Mapping[str, Any]
) -> tuple[dict[str, list[dict[str, Any]]], dict[str, Any]]:
    """What follows from changed values: rows, and what the person is told of it.

    The criteria are decided again. Before randomization a decision that no longer holds is void; a decision against
    somebody is, where a criterion it rested on is met now. After randomization the allocation stands, and a query asks.
    """
    decision = decide_again(act, now)
    if decision is None:
        return {}, {}
    was = values_of(act, "screening", "eligibility")
    turned = [r for r in decision.rulings if r.by == "value" and was.get(f"{r.kind}.{r.id}") != r.verdict]
    typed = {r.needs for r in decision.rulings if r.by == "value"}
    names = [f"{r.kind}.{r.id}" for r in turned]
    who = act.participant.participant
    if act.course.is_in_trial:
        entered = "Randomized" if act.course.phase == "randomized" else "Enrolled"
        found: dict[str, Any] = {}
        rows: dict[str, list[dict[str, Any]]] = {}
        failing = [r for r in decision.failing if r in turned]
        texts = [f"No longer met as corrected: {r.text}. {entered} in error?" for r in failing]
        profile = profile_of(act)
        strata = sorted(id for id in changed if id in profile and profile[id] != changed[id])
        texts += [f"Randomized in the stratum {id} {profile[id]}; corrected it is {changed[id]}." for id in strata]
        if failing:
            found["no_longer_met"] = [f"{r.kind}.{r.id}" for r in failing]
        if strata:
            found["randomized_as"] = {id: profile[id] for id in strata}
        if texts:
            rows["query"] = [
                new_query(act, k, visit="baseline", form="baseline", rule="C514", text=text)
                for k, text in enumerate(texts, 1)
            ]
        return rows, found
    if not turned or not typed & set(changed):
        return {}, {}
    if act.course.phase == "eligible" and decision.eligible is not True:
        row = {"participant": who, **act.take("void_eligibility")}
    elif act.course.phase == "not_enrolled" and decision.eligible is not False and _fell(was, names):
        row = {"participant": who, **act.take("reopen_screening"), "reason": ""}
    else:
        return {}, {}
    void = {"participant": who, "visit": "screening", "form": "eligibility", "repeat": 1, "state": "void"}
    return {"participant": [row], "form": [void]}, {"eligibility": "void", "because": names}


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).strip()


def _fell(was: Mapping[str, str], turned: list[str]) -> bool:
    """Whether somebody was found not eligible by one of the criteria in ``turned``."""
    return was.get("eligible") == "no" and any(was.get(name) == "not_met" for name in turned)


@action("eligibility")
def eligibility(
    act: Act,
    participant: str,
    values: dict[str, Any] | None = None,
    attested: dict[str, Any] | None = None,
    against: str = "",
) -> None:
    """Decide on eligibility by the protocol's criteria: refused, with their names, while one is undecided.

    It is decided by the version in force, whichever the participant consented under. ``values`` adds to the baseline
    variables; ``attested`` holds yes or no to criteria in words, by id; ``against`` is a further ground on which the
    investigator finds the person not eligible.
    """
    recorded = values_of(act, "baseline", "baseline")
    raise_problems(
        Problem("C512", f"values {id}", f"Found {_text(value)!r}, and {recorded[id]!r} is recorded.", recorded[id], fix)
        for id, value in (values or {}).items()
        for fix in ["Leave it out, or correct the baseline: baseline, with a reason."]
        if id in recorded and _text(value) != recorded[id]
    )
    known: dict[str, Any] = {**recorded, **(values or {})}
    said = _attested(attested or {})
    protocol = version_in_force(act)
    raise_problems(criteria.check_answers(protocol, known, said))
    decision = criteria.decide(protocol, known, said)
    if decision.eligible is None and not against.strip():
        raise_problems(decision.problems())
    eligible = decision.eligible is True and not against.strip()
    failing = [f"{ruling.kind}.{ruling.id}" for ruling in decision.failing]
    if eligible:
        changed = act.take("find_eligible")
    else:
        words = [ruling.text for ruling in decision.failing]
        act.why = act.why or against.strip() or f"not met: {'; '.join(words)}"
        changed = {**act.take("find_ineligible"), "reason": act.why}
    items: dict[str, tuple[str, str | None, str]] = {
        f"{ruling.kind}.{ruling.id}": ("choice", ruling.verdict, "") for ruling in decision.rulings
    }
    items["eligible"] = ("yes-no", "yes" if eligible else "no", "")
    rows = form_rows(act, "screening", "eligibility", items, on=act.now.local_date)
    rows["form"][0]["protocol_hash"] = protocol.hash
    rulings = [{"criterion": r.id, "kind": r.kind, "verdict": r.verdict, "by": r.by} for r in decision.rulings]
    used = {id: _text(value) for id, value in known.items()}
    act.record(
        subject="eligibility",
        what={
            "rulings": rulings,
            "values": used,
            "attested": said,
            "put": joined({"participant": [{"participant": participant, **changed}]}, rows),
        },
        answer={"participant": participant, "eligible": eligible, "failing": failing},
    )


def _attested(told: dict[str, Any]) -> dict[str, bool]:
    """Yes or no to each criterion; anything else is refused, since a slip would shut somebody out for good."""
    words = {True: True, "yes": True, "true": True, False: False, "no": False, "false": False}
    strange = {id: value for id, value in told.items() if not isinstance(value, bool | str) or value not in words}
    raise_problems(
        Problem("C512", f"attested {id}", f"Found {value!r}.", "yes or no", "Say which, or leave it out.")
        for id, value in strange.items()
    )
    return {id: words[value] for id, value in told.items()}


@action("screening-failure", why=True)
def screening_failure(act: Act, participant: str) -> None:
    """End screening without a decision on eligibility, with the reason (did not come back, declined after consent)."""
    row = {"participant": participant, **act.take("fail_screening"), "reason": act.why}
    act.record(
        subject="screening",
        what={"put": {"participant": [row]}},
        answer={"participant": participant, "status": "not_enrolled"},
    )


@action("reopen-screening", why=True)
def reopen_screening(act: Act, participant: str) -> None:
    """Take back an end of screening that was a mistake; the record of it stays, and eligibility is decided anew."""
    row: dict[str, Any] = {"participant": participant, **act.take("reopen_screening"), "screening": "continues"}
    rows: dict[str, list[dict[str, Any]]] = {"participant": [{**row, "reason": ""}]}
    if form_of(act, "screening", "eligibility") is not None:
        void = {"participant": participant, "visit": "screening", "form": "eligibility", "repeat": 1, "state": "void"}
        rows["form"] = [void]
    act.record(
        subject="screening",
        what={"before": {"status": act.participant.status, "reason": act.participant.reason}, "put": rows},
        answer={"participant": participant, "status": row["status"]},
    )


@action("day-1")
def day_1(act: Act, participant: str, on: date | None = None) -> None:
    """Record the date of study day 1 (admission, quit day), where it is not the day of randomization."""
    anchor = act.protocol.model.calendar.day_1
    if anchor_is_randomization(act.protocol) and anchor.strip().lower().startswith("random"):
        act.refuse("C604", "day-1", "Day 1 is the day of randomization.", "nothing: randomization sets it")
    if anchor_is_enrolment(act.protocol):
        act.refuse("C604", "day-1", "Day 1 is the day of enrolment.", "nothing: enrol sets it")
    if act.course.phase not in ("consented", "eligible", *IN_TRIAL):
        act.refuse("C604", "day-1", f"The participant {act.course.words}.", "a participant who consented")
    day = require_day(act, day_1_kind(act), on)
    rows: dict[str, list[dict[str, Any]]] = {"participant": [{"participant": participant, "day_1": day.isoformat()}]}
    voided: dict[str, list[dict[str, Any]]] = {}
    if act.participant.day_1:
        if act.participant.day_1 == day.isoformat():
            act.refuse("C604", "day-1", f"Day 1 is {day} already.", "another date")
        act.require_why("Study day 1 was changed")
        # the study days of visits are counted from it, and a sheet is made for one of them
        rows["visit"] = [
            {"participant": participant, "visit": name, "repeat": repeat, "study_day": counted}
            for name, repeat, at in act.trial.values(
                VisitRow, ("visit", "repeat", "date"), participant=participant, date__not="", order=("visit", "repeat")
            )
            for counted in [str(study_day_of(date.fromisoformat(at), day))]
        ]
        voided = voided_sheets(act, None)
    act.record(
        subject="day 1",
        what={"before": act.participant.day_1, "put": joined({k: v for k, v in rows.items() if v}, voided)},
        answer={
            "participant": participant,
            "day_1": day.isoformat(),
            **({"voided": [row["visit"] for row in voided["form"]]} if voided else {}),
        },
    )
