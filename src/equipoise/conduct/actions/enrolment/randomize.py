"""Randomization: given once, never undone; the arm stays in the sealed slot."""

from __future__ import annotations

from datetime import date
from typing import TYPE_CHECKING, Any

from equipoise.conduct.actions.context import Act, Receipt, action, anchor_of
from equipoise.conduct.actions.enrolment.enter_stage import day_1_rows, require_entered
from equipoise.conduct.actions.grounds import grounds_of, version_in_force
from equipoise.conduct.actions.visits.recording import raise_problems, values_of
from equipoise.conduct.keys.vault import pharmacy_folder
from equipoise.conduct.rows.tables import AllocationRow, ItemRow
from equipoise.conduct.rules import eligibility as criteria
from equipoise.conduct.rules.preconditions import check_entry, check_order
from equipoise.conduct.rules.windows import anchor_is_randomization
from equipoise.conduct.trial.receipts import write_receipt
from equipoise.conduct.trial.slots import minimized_slot, next_slot, read_trial_companion, require_real
from equipoise.foundation.errors import ConductError, Problem, RandomizationError

if TYPE_CHECKING:
    from equipoise.randomization import PlannedRandomization

CODES = {
    "C125": "The protocol has no such randomization, or an earlier one has to come first.",
    "C126": "The participant is already randomized.",
}


def levels_of(act: Act, participant: str, factors: Any) -> dict[str, str]:
    """The participant's levels of the stratification factors: the site, and baseline values as recorded."""
    out = {}
    for factor in factors:
        if factor == "site":
            out[factor] = act.participant.site
            continue
        place = {"participant": participant, "form": "baseline", "item": factor}
        found = act.trial.first(ItemRow, **place, missing="", order=("-event_number",))
        if found is not None:
            out[factor] = found.value
    return out


@action("randomize", allocates=True)
def randomize(act: Act, participant: str, stage: str | None = None) -> None:
    """Give the participant the next slot of the stream; the receipt carries its handle and the ledger's anchor."""
    from equipoise.randomization import planned_randomizations
    from equipoise.randomization.plan import stream_name

    if act.protocol.model.randomization is None:
        act.refuse("C119", "randomize", "The protocol randomizes nobody.", "an enrolment", "enrol.")
    act.require_active_site()
    plans = planned_randomizations(act.protocol)
    plan = next((plan for plan in plans if plan.stage == stage), None) if stage else plans[0]
    if plan is None:
        act.refuse("C125", "stage", f"There is no randomization {stage!r}.", ", ".join(plan.stage for plan in plans))
    before = act.trial.first(AllocationRow, participant=participant, randomization=plan.number)
    if before is not None and before.state != "burnt":
        act.refuse(
            "C126",
            participant,
            f"The slot {before.handle} was given already, and that is never undone.",
            "a participant not yet randomized",
            "Should it not have happened: randomized-in-error.",
        )
    grounds = grounds_of(act)
    if plan.number == 1:
        changed = {**_taken(act), **first_day(act, act.now.local_date)}
        raise_problems([*check_entry(grounds, act.why), *_missing_levels(act, plan)])
    else:
        raise_problems(check_order(grounds))
        changed = act.take("randomize_again")
        require_entered(act, plan.stage)
        if not act.trial.has(AllocationRow, participant=participant, randomization=plan.number - 1):
            before_it = f"Randomization {plan.number - 1} has not taken place."
            act.refuse("C125", participant, before_it, "one after another")
    profile = plan.require_profile(levels_of(act, participant, plan.factors))
    new: list[tuple[str, str, int, str]] = []
    if before is not None:  # burnt after a restore: it is this person's, and nobody else's
        stream, handle, position = before.stream, before.handle, before.position
    elif plan.scheme == "minimization":
        stream = stream_name(plan.stage, {})
        pharmacy = pharmacy_folder(act.pharmacy)
        _ = act.vault  # C040 before anything is read from the folder
        # The version in force knows the levels of everybody allocated so far, the participant's own may not.
        lists = read_trial_companion(pharmacy, act.trial.protocol(act.state.protocol_hash), act.trial.mode)
        new = [minimized_slot(act.writer, act.vault, lists, stream, profile, act.entropy)]
        handle, _, position, _ = new[0]
        given = position
    else:
        stream = stream_name(plan.stage, profile)
        handle, position, given = next_slot(act.writer, stream)
        if plan.has_total:
            require_real(act.trial, act.vault, handle)
    count = before.receipt if before is not None else act.trial.count(AllocationRow) + 1
    row = {
        "participant": participant,
        "randomization": plan.number,
        "handle": handle,
        "stream": stream,
        "position": position,
        "receipt": count,
        "state": "given",
    }
    put: dict[str, Any] = {"allocation": [row]}
    if before is None:
        put["stream"] = [{"stream": stream, "given": given}]
    if plan.number == 1:
        put["participant"] = [{"participant": participant, "stratum": stream, **changed}]
    if plan.stage in act.protocol.model.stages and act.protocol.model.stages[plan.stage].day_1 is not None:
        put |= day_1_rows(act, plan.stage, act.now.local_date)
    act.record(
        subject=f"randomization {plan.number}",
        what={
            "stage": plan.stage,
            "profile": profile,
            "decided_on": grounds.decided_on,
            "uncollected": sorted(grounds.uncollected),
            "put": put,
        },
        answer={
            "participant": participant,
            "randomization": plan.number,
            "handle": handle,
            "receipt": count,
            "on": act.now.local_date,
            "stream": stream,
            "profile": profile,
            **({"minimized": True} if plan.scheme == "minimization" else {}),
        },
    )
    if new:
        act.seal({"handle": handle}, slots=new)
    act.later.append(lambda receipt: note_receipt(act, receipt))


def _taken(act: Act) -> dict[str, str]:
    """The step of the path; where it cannot be taken, with the criteria that the recorded values do not meet."""
    try:
        return act.take("randomize")
    except ConductError as error:
        now = values_of(act, "baseline", "baseline")
        failing = criteria.decide(version_in_force(act), now, {}).failing if now else ()
        raise ConductError([*error.problems, *criteria.Decision(failing).problems()]) from None


def _missing_levels(act: Act, plan: PlannedRandomization) -> list[Problem]:
    """Stratification factors without a level that the lists know, so that all that is missing is named at once."""
    try:
        plan.require_profile(levels_of(act, act.participant.participant, plan.factors))
    except RandomizationError as error:
        return list(error.problems)
    return []


def first_day(act: Act, day: date) -> dict[str, str]:
    """Study day 1, where the randomization (of ``day``) is the protocol's anchor and nothing fixed it before."""
    anchored = anchor_is_randomization(act.protocol) and not act.participant.day_1
    return {"day_1": day.isoformat()} if anchored else {}


def note_receipt(act: Act, receipt: Receipt) -> str:
    """Write the receipt of an allocation, and its anchor; a warning where that cannot be done."""
    try:
        write_receipt(act.trial, receipt)
    except OSError as error:
        return f"the receipt could not be written to {act.trial.receipts} ({error.strerror}); print and keep this one"
    return anchor_of(receipt, act.trial)


@action("randomized-in-error", why=True)
def randomized_in_error(act: Act, participant: str) -> None:
    """Note that somebody should not have been randomized; the allocation stands, its slot is never given again."""
    row = {"participant": participant, **act.take("randomized_in_error")}
    act.record(
        subject="randomization",
        what={"put": {"participant": [row]}},
        answer={"participant": participant, "in_error": True},
    )
    act.later.append(lambda receipt: anchor_of(receipt, act.trial))
