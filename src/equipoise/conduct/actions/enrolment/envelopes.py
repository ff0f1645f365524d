"""Sealed envelopes: slots set aside for a day without the system, printed, opened and recorded afterwards, returned.

What an envelope holds is for whoever may open it: the page that tells the arm is printed by the pharmacy and told to
nobody else. The site knows numbers and opaque codes.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, NoReturn

from equipoise.conduct.actions.context import Act, action, anchor_of
from equipoise.conduct.actions.enrolment.enter_stage import day_1_rows
from equipoise.conduct.actions.enrolment.randomize import first_day, levels_of, note_receipt
from equipoise.conduct.actions.grounds import grounds_of
from equipoise.conduct.actions.history import require_day
from equipoise.conduct.actions.infusion.dose import require_witness
from equipoise.conduct.actions.permissions import ALWAYS
from equipoise.conduct.actions.repeat import run_again
from equipoise.conduct.actions.visits.recording import raise_problems
from equipoise.conduct.clock import zone_of
from equipoise.conduct.entropy import tidy_code
from equipoise.conduct.rows.tables import AllocationRow, SlotRow
from equipoise.conduct.rules.dates import check_instant
from equipoise.conduct.rules.preconditions import check_entry
from equipoise.conduct.rules.status import after, columns_of, refusals
from equipoise.conduct.trial.envelope_pages import envelope_pages, site_list
from equipoise.conduct.trial.envelopes import Envelope, entry_of, kept_by_redactions, read_envelopes
from equipoise.conduct.trial.slots import free_slots, open_slot
from equipoise.foundation.errors import ConductError, Problem, RandomizationError, listed

if TYPE_CHECKING:
    from equipoise.randomization import PlannedRandomization

CODES = {
    "C640": "No envelopes can be made for this randomization.",
    "C641": "There is no such envelope, or it is not out.",
    "C642": "An envelope was opened out of order, for another stratum or site, or for a participant who "
    "should not have been randomized.",
    "C643": "Invalid number of envelopes to set aside.",
}
MOST = 100  # envelopes set aside at once
_BACK = {"intact": "returned", "broken": "spoilt", "lost": "spoilt"}


def envelopes_of(act: Act, site: str | None = None) -> list[Envelope]:
    """Every envelope of the trial, or of one site, in the order in which they were set aside."""
    found = read_envelopes(act.trial, kept_by_redactions(act.trial))
    return [one for one in found if site is None or one.site == site]


def _plan(act: Act) -> PlannedRandomization:
    """The first randomization, of a scheme whose list is drawn beforehand and has no sealed end (C640)."""
    from equipoise.randomization import planned_randomizations

    plan = planned_randomizations(act.protocol)[0]
    if plan.scheme == "minimization":
        found = "With minimization an arm follows from everybody before: nothing can be put into an envelope."
    elif plan.has_total:
        found = "The scheme ends after a sealed number of slots: envelopes that ran out would tell where."
    else:
        return plan
    act.refuse(
        "C640",
        plan.stage,
        found,
        "a scheme whose list goes on, such as permuted blocks",
        "Wait until the system is back; the emergency telephone of the pharmacy is for those already randomized.",
    )


@action("envelopes-reserve", why=True)
def envelopes_reserve(act: Act, site: str, n: int, levels: dict[str, Any] | None = None) -> None:
    """Set the next slots of a stratum aside for envelopes at a site: from now on the system gives them to nobody.

    ``levels`` names the level of each stratification factor but the site. ``n`` is how many.
    """
    from equipoise.randomization.plan import stream_name

    act.require_active_site()
    _ = act.vault  # who sets aside must be able to print
    if not 1 <= n <= MOST:
        act.refuse("C643", "n", f"Found {n}.", f"1 to {MOST} envelopes at once")
    plan = _plan(act)
    profile = plan.require_profile({**(levels or {}), "site": site})
    strange = sorted(set(levels or {}) - set(plan.factors))
    if strange:
        act.refuse("C640", "levels", f"Found {listed(strange)}.", listed(plan.factors) if plan.factors else "no levels")
    stream = stream_name(plan.stage, profile)
    mine = [one for one in envelopes_of(act, site) if one.stream == stream]
    slots, given = free_slots(act.writer, stream, n)
    made = [
        Envelope(handle, number, site, plan.stage, stream, position, profile)
        for number, (handle, position) in enumerate(slots, max((one.number for one in mine), default=0) + 1)
    ]
    act.record(
        subject=f"envelopes {site}",
        what={
            "envelopes": [entry_of(one) for one in made],
            "put": {"stream": [{"stream": stream, "given": given}]},
        },
        answer={"site": site, "stratum": made[0].stratum, "envelopes": [one.text for one in made]},
    )
    act.later.append(lambda receipt: anchor_of(receipt, act.trial))


@action("envelopes-print", states=("open", "paused"), again=run_again)
def envelopes_print(act: Act, site: str) -> None:
    """Tell the pharmacist the pages of a site's envelopes that are out: the site's list, and what goes into each.

    The list tells no arm and goes to the site; the pages do, and go into the envelopes.
    """
    out = [one for one in envelopes_of(act, site) if one.state == "out"]
    if not out:
        act.refuse("C641", site, "No envelope of this site is out.", "envelopes set aside", "envelopes-reserve first.")
    slots = {slot.handle: slot for slot in act.trial.find(SlotRow, handle__in=[one.code for one in out])}
    arms = {
        one.code: open_slot(act.vault, slots[one.code]._replace(stream=one.stream, position=one.position))["arm"]
        for one in out
    }
    labels = {id: arm.label or id for id, arm in act.protocol.model.arms.items()}
    trial, training = act.trial.config.trial, act.trial.mode == "training"
    act.record(subject=f"envelopes {site}", what={"printed": [one.code for one in out]}, answer={"envelopes": len(out)})
    act.tell(
        {
            "list": site_list(trial, site, training, out),
            "pages": envelope_pages(trial, training, out, arms, labels),
        }
    )


@action("envelopes", states=ALWAYS, again=run_again)
def envelopes(act: Act, site: str = "") -> None:
    """List the envelopes at the account's sites: which are out, which were opened for whom, which came back."""
    sites = [site] if site else act.sites
    found = [one for one in envelopes_of(act) if not sites or one.site in sites]
    act.record(subject="envelopes", what={"listed": len(found)})
    act.tell(
        {
            "envelopes": [
                {
                    "site": one.site,
                    "number": one.number,
                    "code": one.code,
                    "stratum": one.stratum,
                    "state": one.state,
                    "participant": one.participant if one.state == "opened" else "",
                    "opened_at": one.opened_at,
                }
                for one in found
            ]
        }
    )


@action("envelope-opened", allocates=True)
def envelope_opened(act: Act, participant: str, envelope: str, at: str) -> None:
    """Record a randomization that took place on paper: which envelope was opened for the participant, and when.

    ``at`` is the local time written on it. Record envelopes in the order in which they were opened. What happened
    otherwise than planned (a later envelope, one of another stratum, a person who does not meet the criteria) is
    recorded all the same, with the reason.
    """
    one = _found(act, envelope)
    if one.state == "opened":
        _refuse_state(act, one, "an envelope that was not recorded yet")
    if one.state == "returned":
        _refuse_state(act, one, "an envelope that was out: a returned one was unopened")
    if act.trial.has(AllocationRow, participant=participant, randomization=1):
        act.refuse(
            "C126",
            participant,
            "A slot was given already, and that is never undone.",
            "a participant not yet randomized",
        )
    opened = _instant(act, at, one)
    day = opened.astimezone(zone_of(act.now.zone)).date()
    require_day(act, "opening of an envelope", day, "at")
    plan = _plan(act)
    unusual = _unusual(act, one, plan, opened)
    changed, in_error = _path(act, day)
    if (unusual or in_error) and not act.why.strip():
        step = "Is the code right? If it happened so, say why: --why TEXT."
        raise_problems(Problem("C642", one.text, words, "what the plan for envelopes says", step) for words in unusual)
        raise_problems(in_error)
    count = act.trial.count(AllocationRow) + 1
    row = {
        "participant": participant,
        "randomization": 1,
        "handle": one.code,
        "stream": one.stream,
        "position": one.position,
        "receipt": count,
        "state": "given",
    }
    anchored = first_day(act, day)
    stages = act.protocol.model.stages
    begun = day_1_rows(act, one.stage, day) if one.stage in stages and stages[one.stage].day_1 is not None else {}
    act.record(
        subject=f"envelope {one.text}",
        what={
            "stage": one.stage,
            "profile": dict(one.profile),
            "envelope": one.code,
            "opened_at": opened.isoformat(),
            "on": day,
            "unusual": unusual,
            "put": {
                "allocation": [row],
                "participant": [{"participant": participant, "stratum": one.stream, **changed, **anchored}],
                **begun,
            },
        },
        answer={
            "participant": participant,
            "randomization": 1,
            "handle": one.code,
            "receipt": count,
            "on": day.isoformat(),
            "stream": one.stream,
            "profile": dict(one.profile),
            "unusual": unusual,
            "in_error": bool(in_error),
        },
    )
    act.later.append(lambda receipt: note_receipt(act, receipt))


def _found(act: Act, code: str) -> Envelope:
    """The envelope of that code, of the account's sites (C641)."""
    tidy = tidy_code(re.sub(r"^\s*[^\s/]+/\d+\s+", "", code))  # the site and number before it may be typed too
    one = next((one for one in envelopes_of(act) if one.code == tidy), None)
    if one is None:
        act.refuse("C641", "envelope", f"There is no envelope {code!r}.", "the code as it is printed on the envelope")
    return one


def _refuse_state(act: Act, one: Envelope, expected: str) -> NoReturn:
    words = {"opened": f"It was recorded as opened for {one.participant}.", "out": "It is out."}
    found = words.get(one.state, f"It is {one.state}.")
    act.refuse("C641", one.text, found, expected, "Check the code; envelopes lists them.")


def _instant(act: Act, at: str, one: Envelope) -> datetime:
    """When an envelope was opened: after it was set aside, and gone by."""
    try:
        local = datetime.fromisoformat(at)
        opened = (local if local.tzinfo else local.replace(tzinfo=zone_of(act.now.zone))).astimezone(UTC)
    except (ValueError, OverflowError):
        act.refuse("C641", "at", f"{at!r} is not a time.", "a local time such as 2027-01-31T10:40")
    reserved = datetime.fromisoformat(one.reserved_at.replace("Z", "+00:00"))
    raise_problems(check_instant("at", opened, act.now.utc, reserved.replace(second=0, microsecond=0), "the envelope"))
    return opened.replace(microsecond=0)


def _unusual(act: Act, one: Envelope, plan: PlannedRandomization, opened: datetime) -> list[str]:
    """What was otherwise than planned, in words."""
    out = []
    before = [
        other
        for other in envelopes_of(act, one.site)
        if other.stream == one.stream
        and other.position < one.position
        and (other.state == "out" or (other.state == "opened" and other.opened_at > opened.isoformat()))
    ]
    if before:
        first = min(before, key=lambda other: other.position)
        out.append(f"Envelope {first.number} comes before it, and was not opened by then.")
    if one.state == "spoilt":
        out.append("It was recorded as broken or lost.")
    if one.site != act.participant.site:
        out.append(f"It is of the site {one.site}, the participant of {act.participant.site}.")
    levels = levels_of(act, act.participant.participant, plan.factors)
    try:
        profile = plan.require_profile(levels)
    except RandomizationError as error:
        out += [problem.found for problem in error.problems]
    else:
        differing = [name for name, level in profile.items() if one.profile.get(name) != level and name != "site"]
        out += [
            f"It is for {name} {one.profile.get(name)}, the participant's is {profile[name]}." for name in differing
        ]
    return out


def _path(act: Act, day: date) -> tuple[dict[str, str], list[Problem]]:
    """The columns that change; and, where somebody was randomized on ``day`` who should not have been, why."""
    course = act.course
    problems = refusals(act.standing_on(day), "randomize")
    if not problems:
        problems = [p for p in check_entry(grounds_of(act), act.why) if p.code not in ("C515", "C535")]
    if not problems:
        return columns_of(course, after(course, "randomize"), why=act.why), []
    if course.phase not in ("consented", "eligible") or not course.consent:
        raise ConductError(problems)  # somebody not known to have consented is entered first, by the paper
    now = after(after(course, "randomize"), "randomized_in_error")
    return columns_of(course, now, why=act.why), problems


@action("envelopes-returned")
def envelopes_returned(act: Act, envelopes: list[str], how: str = "intact", witness: str = "") -> None:
    """Take envelopes back: ``how`` is intact, broken or lost. The slots of intact ones are given next by the system.

    That a seal is whole another account has seen (``witness``); an envelope that came back broken, or did not, needs a
    reason, and its slot is given to nobody.
    """
    if how not in _BACK:
        act.refuse("C641", "how", f"Found {how!r}.", listed(_BACK))
    if how == "intact":
        require_witness(act, witness)
    else:
        act.require_why(f"An envelope came back {how}" if how == "broken" else "An envelope was lost")
    if not envelopes:
        act.refuse("C641", "envelopes", "No envelope is named.", "the codes of the envelopes")
    found = list({one.code: one for one in (_found(act, code) for code in envelopes)}.values())
    raise_problems(
        Problem("C641", one.text, f"It is {one.state}.", "an envelope that is out")
        for one in found
        if one.state != "out"
    )
    act.record(
        subject="envelopes",
        what={"envelopes": [{"code": one.code, "state": _BACK[how]} for one in found], "how": how, "witness": witness},
        answer={"returned": [one.text for one in found], "how": how},
    )
    act.later.append(lambda receipt: anchor_of(receipt, act.trial))
