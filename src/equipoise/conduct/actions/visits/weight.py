"""Body weight: kept as measured, taken at once or held until another person has measured again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from equipoise.conduct.actions.context import Act, action
from equipoise.conduct.actions.grounds import accepted_weight, voided_sheets
from equipoise.conduct.actions.history import require_day
from equipoise.conduct.actions.visits.recording import form_rows, joined, raise_problems, repeats_of, values_of
from equipoise.conduct.rules import weight as rules
from equipoise.conduct.rules.dose_places import DOSE_SHEET, SHEET
from equipoise.conduct.rules.status import IN_TRIAL
from equipoise.conduct.rules.windows import study_day_of
from equipoise.foundation.errors import Problem


def judge(
    act: Act, kg: Decimal, day: date, *, pounds: Decimal | None = None, me: str = "", besides: int = 0
) -> list[Problem]:
    """Why a weight of ``day`` is held: its doubts, or those of a second measurement; C525 is raised.

    ``me`` measured; ``besides`` is the number of a weight that this one stands for when it is corrected.
    """
    weighing = act.protocol.model.conduct.weighing
    raise_problems(rules.check_pounds(kg, pounds) if pounds is not None else [])
    others = [row for row in repeats_of(act, "weight", "weight") if row.repeat != besides]
    last = accepted_weight(act, by=day, besides=besides)
    last_kg = last[0] if last is not None else None
    problems = rules.check_weight(kg, last_kg, weighing, in_both_units=pounds is not None)
    raise_problems(problem for problem in problems if problem.code == "C525")
    held = [row for row in others if row.state == "held"]
    if problems and held:
        first = values_of(act, "weight", "weight", held[-1].repeat)
        one = rules.Weight(Decimal(first["kg"]), 0, first["by"])
        return rules.check_second(one, rules.Weight(kg, 0, me), last_kg, weighing)
    if held:
        return rules.check_release({values_of(act, "weight", "weight", row.repeat)["by"] for row in held}, me)
    return problems


def settled(act: Act, kg: Decimal, number: int, day: date) -> dict[str, list[dict[str, Any]]]:
    """What follows once weight ``number`` is taken: those held are replaced, sheets for another weight are void."""
    who = {"participant": act.participant.participant, "visit": "weight", "form": "weight"}
    held = [row for row in repeats_of(act, "weight", "weight") if row.state == "held" and row.repeat != number]
    done = [{**who, "repeat": row.repeat, "state": "replaced"} for row in held]
    later = accepted_weight(act, besides=number)
    return joined({"form": done} if done else {}, voided_sheets(act, later[0] if later and later[1] > day else kg))


@action("weight")
def weight(act: Act, participant: str, kg: Decimal, on: date | None = None, pounds: Decimal | None = None) -> None:
    """Record a body weight in kilograms; a doubtful one is held until another account has measured again.

    A first weight that could be one in pounds is doubtful unless ``pounds`` tells the same weight in pounds. While one
    is held no dose is prepared, checked or started; one taken anew makes a sheet for another weight void.
    """
    stood = act.course if on is None else act.standing_on(on)
    if stood.phase not in ("consented", "eligible", *IN_TRIAL) or stood.follow_up == "dead":
        act.refuse("C501", "weight", f"The participant {stood.words}.", "a participant who consented")
    day = require_day(act, "weight", on)
    me = act.session.account
    said = judge(act, kg, day, pounds=pounds, me=me)
    state = "held" if said else "accepted"
    number = len(repeats_of(act, "weight", "weight")) + 1
    items: dict[str, tuple[str, str | None, str]] = {"kg": ("decimal", format(kg, "f"), "kg"), "by": ("text", me, "")}
    rows = form_rows(act, "weight", "weight", items, repeat=number, state=state, on=day)
    follows = settled(act, kg, number, day) if state == "accepted" else {}
    study_day = study_day_of(day, date.fromisoformat(act.participant.day_1)) if act.participant.day_1 else None
    act.record(
        subject="weight",
        what={
            "doubts": [problem.found for problem in said],
            "study_day": study_day,
            **({"pounds": pounds} if pounds is not None else {}),
            "put": joined(rows, follows),
        },
        answer={
            "participant": participant,
            "kg": format(kg, "f"),
            "pounds": format((kg / rules.POUND_KG).quantize(Decimal("0.1")), "f"),
            "state": state,
            "because": [problem.found for problem in said] if state == "held" else [],
            **voided(follows),
        },
    )


def voided(rows: Mapping[str, list[dict[str, Any]]]) -> dict[str, list[str]]:
    """What the person is told of sheets that are void now."""
    found = [row["visit"] for row in rows.get("form", []) if row["form"] in (SHEET, DOSE_SHEET)]
    return {"sheets_void": found} if found else {}
