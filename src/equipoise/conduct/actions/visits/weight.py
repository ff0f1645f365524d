"""Body weight: kept as measured, taken at once or held until another person has measured again."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.visits.recording import day_of, form_rows, joined, raise_problems, repeats_of, values_of
from equipoise.conduct.rules import weight as rules
from equipoise.conduct.rules.windows import study_day_of


def accepted_weight(act: Act) -> tuple[Decimal, date] | None:
    """The last weight that was taken, and its date."""
    taken = [row for row in repeats_of(act, "weight", "weight") if row.state == "accepted"]
    if not taken:
        return None
    kg = values_of(act, "weight", "weight", taken[-1].repeat)["kg"]
    return Decimal(kg), date.fromisoformat(taken[-1].date)


@action("weight")
def weight(act: Act, participant: str, kg: Decimal, on: date | None = None) -> None:
    """Record a body weight in kilograms; a doubtful one is held until another account has measured again."""
    if act.course.phase not in ("consented", "eligible", "randomized") or act.course.follow_up == "dead":
        act.refuse("C501", "weight", f"The participant {act.course.words}.", "somebody who consented")
    day = day_of(act, on)
    weighing = act.protocol.model.conduct.weighing
    last = accepted_weight(act)
    last_kg = last[0] if last is not None else None
    problems = rules.check_weight(kg, last_kg, weighing)
    raise_problems(problem for problem in problems if problem.code == "C525")
    before = repeats_of(act, "weight", "weight")
    held = [row for row in before if row.state == "held"]
    me = act.session.account
    said = problems
    if problems and held:
        first = values_of(act, "weight", "weight", held[-1].repeat)
        one = rules.Weight(Decimal(first["kg"]), 0, first["by"])
        said = rules.check_second(one, rules.Weight(kg, 0, me), last_kg, weighing)
    elif held:
        said = rules.check_release({values_of(act, "weight", "weight", row.repeat)["by"] for row in held}, me)
    state = "held" if said else "accepted"
    number = len(before) + 1
    items: dict[str, tuple[str, str | None, str]] = {"kg": ("decimal", format(kg, "f"), "kg"), "by": ("text", me, "")}
    rows = form_rows(act, "weight", "weight", items, repeat=number, state=state, on=day)
    if state == "accepted":
        done: list[dict[str, Any]] = [
            {"participant": participant, "visit": "weight", "form": "weight", "repeat": row.repeat, "state": "replaced"}
            for row in held
        ]
        rows = joined(rows, {"form": done})
    study_day = study_day_of(day, date.fromisoformat(act.participant.day_1)) if act.participant.day_1 else None
    act.record(
        subject="weight",
        what={"doubts": [problem.found for problem in said], "study_day": study_day, "put": rows},
        answer={
            "participant": participant,
            "kg": format(kg, "f"),
            "state": state,
            "because": [problem.found for problem in said] if state == "held" else [],
        },
    )
