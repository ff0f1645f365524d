"""Gathers what a step that is never undone rests on, from the records as they stand."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

from equipoise.conduct.actions.context import Act
from equipoise.conduct.actions.history import checked_at, enrolled_on, randomized_on
from equipoise.conduct.actions.visits.recording import form_of, repeats_of, values_of
from equipoise.conduct.rows.joined import filled_items
from equipoise.conduct.rows.tables import SiteRow
from equipoise.conduct.rules import eligibility as criteria
from equipoise.conduct.rules.dose_places import DOSE_SHEET, SHEET, sheet_form
from equipoise.conduct.rules.preconditions import ELIGIBLE_DAYS, Grounds, Sheet
from equipoise.protocol import Protocol


def accepted_weight(act: Act, *, by: date | None = None, besides: int = 0) -> tuple[Decimal, date] | None:
    """The last weight that was taken (of those dated ``by`` then, where there is one), and its date.

    ``besides`` leaves one out by its number.
    """
    taken = sorted(
        (row for row in repeats_of(act, "weight", "weight") if row.state == "accepted" and row.repeat != besides),
        key=lambda row: (row.date, row.repeat),
    )
    if not taken:
        return None
    earlier = [row for row in taken if by is None or row.date <= by.isoformat()]
    row = earlier[-1] if earlier else taken[0]
    return Decimal(values_of(act, "weight", "weight", row.repeat)["kg"]), date.fromisoformat(row.date)


def version_in_force(act: Act) -> Protocol:
    """The version of the protocol in force: what is decided now is decided by it, whichever a participant is under."""
    return act.trial.protocol(act.state.protocol_hash)


def decide_again(act: Act, values: dict[str, Any] | None = None) -> criteria.Decision | None:
    """The criteria of the version in force decided again, by baseline values as they are (or as ``values``).

    ``None`` where nobody decided, or the decision is void.
    """
    row = form_of(act, "screening", "eligibility")
    if row is None or row.state == "void":
        return None
    now = values_of(act, "baseline", "baseline") if values is None else values
    recorded = values_of(act, "screening", "eligibility")
    under = act.trial.protocol(row.protocol_hash or act.protocol_hash)
    return criteria.decide_again(version_in_force(act), now, recorded, under)


def covariates(protocol: Protocol) -> frozenset[str]:
    """Baseline variables that the planned analyses adjust for or are stratified by."""
    lines = protocol.model.analyses.values()
    named = {name for plan in lines for name in (*plan.covariates, *plan.grouping)}
    return frozenset(named & set(protocol.model.baseline))


def sheet_of(act: Act, visit: str) -> Sheet | None:
    """The dose sheet of an infusion, injection or spray, as blinded people see it."""
    form = sheet_form(visit)
    row = form_of(act, visit, form)
    if row is None:
        return None
    values = values_of(act, visit, form)
    checked = checked_at(act, visit) if row.state == "checked" else None
    return Sheet(row.state, date.fromisoformat(row.date), Decimal(values["weight"]), row.protocol_hash, checked)


def grounds_of(act: Act, visit: str = "") -> Grounds:
    """What the next step of the participant rests on; ``visit`` is the infusion that it is about."""
    person = act.participant
    site = act.trial.first(SiteRow, site=person.site)
    decided = form_of(act, "screening", "eligibility")
    baseline = values_of(act, "baseline", "baseline")
    protocol = act.protocol
    randomizes = protocol.model.randomization is not None
    validity = version_in_force(act).model.conduct.validity
    return Grounds(
        today=act.now.local_date,
        now=act.now.utc,
        activated=_date(site.activated_on if site is not None else ""),
        consented=_date(person.consented_on),
        decision=decide_again(act, baseline),
        decided_on=_date(decided.date if decided is not None and decided.state != "void" else ""),
        day_1=_date(person.day_1),
        entered=randomized_on(act) if randomizes else enrolled_on(act),
        entry="randomization" if randomizes else "enrolment",
        weight=accepted_weight(act),
        is_held=any(row.state == "held" for row in repeats_of(act, "weight", "weight")),
        valid_days=protocol.model.conduct.weighing.valid_days.usable or 0,
        decision_days=_or(validity.decision_days.usable, ELIGIBLE_DAYS),
        sheet_days=_or(protocol.model.conduct.validity.sheet_days.usable, 0),
        sheet=sheet_of(act, visit) if visit else None,
        protocol_hash=act.protocol_hash,
        uncollected=covariates(version_in_force(act)) - set(baseline),
    )


def voided_sheets(act: Act, kg: Decimal | None) -> dict[str, list[dict[str, Any]]]:
    """Rows that make void every sheet not yet given that rests on another weight than ``kg`` (``None``: on any)."""
    who = {"participant": act.participant.participant, "repeat": 1, "state": "void"}
    found = [
        {**who, "form": form, "visit": one.visit}
        for form in (SHEET, DOSE_SHEET)
        for one in filled_items(
            act.trial, act.participant.participant, form, items=("weight",), states=("prepared", "checked")
        )
        if kg is None or Decimal(one.value) != kg
    ]
    return {"form": found} if found else {}


def _or(days: int | None, otherwise: int) -> int:
    return otherwise if days is None else days


def _date(text: str) -> date | None:
    return date.fromisoformat(text) if text else None
