"""Before randomization: baseline variables, eligibility, screening failure, and study day 1."""

from __future__ import annotations

from datetime import date
from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.visits.recording import day_of, form_rows, joined, raise_problems, values_of
from equipoise.conduct.rules import eligibility as criteria
from equipoise.conduct.rules.forms import number
from equipoise.conduct.rules.windows import anchor_is_randomization
from equipoise.foundation.errors import Problem, listed

CODES = {
    "C603": "A baseline variable that the protocol does not have, or a value it cannot take.",
    "C604": "A study day 1 that cannot be.",
}


@action("baseline")
def baseline(act: Act, participant: str, values: dict[str, Any]) -> None:
    """Record baseline variables, before randomization; a value told before is corrected with a reason."""
    if act.course.phase not in ("consented", "eligible"):
        act.refuse(
            "C501",
            "baseline",
            f"The participant {act.course.words}.",
            "somebody who consented and is not randomized yet",
        )
    known = act.protocol.model.baseline
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
        else:
            kind = {"number": "decimal", "category": "choice", "yes-no": "yes-no"}[variable.type]
            items[id] = (kind, text, variable.unit or "")
    raise_problems(problems)
    if not items:
        act.refuse("C603", "values", "Nothing is told.", listed(sorted(known)))
    if any(id in before and before[id] != items[id][1] for id in items):
        act.require_why("A baseline value was changed")
    act.record(
        subject="baseline",
        what={"put": form_rows(act, "baseline", "baseline", items, on=act.now.local_date, is_new=not before)},
        answer={"participant": participant, "recorded": sorted(items)},
    )


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value).strip()


@action("eligibility")
def eligibility(
    act: Act,
    participant: str,
    values: dict[str, Any] | None = None,
    attested: dict[str, Any] | None = None,
    against: str = "",
) -> None:
    """Decide on eligibility by the protocol's criteria: refused, with their names, while one is undecided.

    ``values`` adds to the baseline variables; ``attested`` holds yes or no to criteria in words, by id; ``against`` is
    a further ground on which the investigator finds the person not eligible.
    """
    known: dict[str, Any] = {**values_of(act, "baseline", "baseline"), **(values or {})}
    said = _attested(attested or {})
    protocol = act.protocol
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


@action("day-1")
def day_1(act: Act, participant: str, on: date | None = None) -> None:
    """Record the date of study day 1 (admission, quit day), where it is not the day of randomization."""
    day = day_of(act, on)
    anchor = act.protocol.model.calendar.day_1
    if anchor_is_randomization(act.protocol) and anchor.strip().lower().startswith("random"):
        act.refuse("C604", "day-1", "Day 1 is the day of randomization.", "nothing: randomization sets it")
    if act.course.phase not in ("consented", "eligible", "randomized"):
        act.refuse("C604", "day-1", f"The participant {act.course.words}.", "somebody who consented")
    if act.participant.day_1:
        if act.participant.day_1 == day.isoformat():
            act.refuse("C604", "day-1", f"Day 1 is {day} already.", "another date")
        act.require_why("Study day 1 was changed")
    if act.participant.consented_on and day.isoformat() < act.participant.consented_on:
        act.refuse("C604", "on", f"{day} is before the consent of {act.participant.consented_on}.", "a later date")
    act.record(
        subject="day 1",
        what={"put": {"participant": [{"participant": participant, "day_1": day.isoformat()}]}},
        answer={"participant": participant, "day_1": day.isoformat()},
    )
