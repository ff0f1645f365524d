"""After a restore: receipts given since the backup are typed in, their slots burnt or given back, the fence lifted.

What is lost with the events after the backup is written down: the anchors outside that tell of them.
"""

from __future__ import annotations

import json
import re
from datetime import timedelta
from typing import Any

from equipoise.conduct.actions.context import Act, action, anchor_of
from equipoise.conduct.actions.enrolment.enter_stage import day_1_rows
from equipoise.conduct.actions.history import landmarks
from equipoise.conduct.actions.permissions import ALWAYS
from equipoise.conduct.clock import zone_of
from equipoise.conduct.entropy import tidy_code
from equipoise.conduct.integrity.absences import put_in_place, renew, renewed
from equipoise.conduct.integrity.losses import lost_anchors, read_outside
from equipoise.conduct.keys.vault import pharmacy_folder
from equipoise.conduct.rows.tables import AllocationRow, EventRow, ParticipantRow, SiteRow, SlotRow, StreamRow
from equipoise.conduct.rules.dates import check_day
from equipoise.conduct.rules.windows import anchor_is_randomization, local_date
from equipoise.conduct.trial.envelopes import RESERVED, Envelope, entry_of, read_envelopes
from equipoise.conduct.trial.receipts import GivenSlot, read_given
from equipoise.conduct.trial.slots import minimized_slot, read_trial_companion
from equipoise.foundation.errors import ConductError, listed, raise_if_any

CODES = {
    "C131": "A receipt cannot be read, is missing, or does not match the lists.",
    "C132": "There is no fence.",
    "C134": "No restore explains this loss.",
    "C135": "No receipt and no anchor is missing.",
    "C136": "Envelopes set aside after the backup are not reported, or do not match the lists.",
}


@action("lift-fence", why=True)
def lift_fence(act: Act, receipts: list, last: int, envelopes: list[str] | None = None) -> None:
    """Open randomization again: every receipt given since the backup, and the number of the last one known anywhere.

    A participant in the backup gets the slot of the receipt back; for others the slot is burnt, and given to them alone
    when they are entered again. ``envelopes`` names those set aside since the backup, as the sites' lists print them
    (``main/3 7KQ2-9XMA-2ABD``): their slots are set aside again. Ask every site for its receipts and lists first:
    ``why`` says who was asked.
    """
    if act.state.randomization != "fenced":
        act.refuse("C132", "randomization", "No fence stands.", "a trial that was restored")
    given = _read(act, receipts)
    count = act.trial.count(AllocationRow)
    wanted = list(range(count + 1, last + 1))
    if [one.number for one in given] != wanted:
        have = ", ".join(str(one.number) for one in given) or "none"
        act.refuse(
            "C131",
            "receipts",
            f"Receipts typed in: {have}.",
            f"all from {count + 1} to {last}" if wanted else "none",
            "Ask every site; the numbers run through the whole trial.",
        )
    _require_known(act, last)
    act.load_none()
    aside = _set_aside(act, envelopes)
    for one in given:
        _give_back(act, one)
    act.load_none()
    lost = _lost(act)
    taken = _taken_up_to(act, aside)
    act.record(
        subject="randomization",
        what={
            "last": last,
            "lost": lost,
            "put": {
                "trial_state": [{"name": "trial", "randomization": "open", "fence": ""}],
                **({"stream": taken} if taken else {}),
            },
        },
        answer={"receipts": len(given), "last": last, "randomization": "open", "anchors_lost": len(lost)},
    )
    numbers = [one.number for one in given]
    act.later.append(lambda receipt: _typed_in(act, numbers))
    act.later.append(lambda receipt: anchor_of(receipt, act.trial))


@action("acknowledge-loss", states=ALWAYS, why=True)
def acknowledge_loss(act: Act, envelopes: list[str] | None = None) -> None:
    """Acknowledge anchors found after the fence was lifted that tell of events lost with the restore.

    Put them into the receipts folder first (``anchors.txt``, receipts). Anchors of events that the backup did hold are
    refused: their loss no restore explains. Where they tell of envelopes, these are named as in lift-fence.
    """
    lost = _lost(act)
    if not lost:
        act.refuse(
            "C134",
            str(act.trial.receipts),
            "The ledger holds every anchor there, or its loss is known.",
            "anchors that tell of lost events",
        )
    taken = _taken_up_to(act, _set_aside(act, envelopes))
    put = {"put": {"stream": taken}} if taken else {}
    act.record(subject="ledger", what={"lost": lost, **put}, answer={"anchors_lost": len(lost)})
    act.later.append(lambda receipt: anchor_of(receipt, act.trial))


@action("renew-receipts", states=ALWAYS, why=True)
def renew_receipts(act: Act, last: int) -> None:
    """Write receipts and anchors that are lost for good again, from the ledger, with the reason; ``last`` is the number
    of the last receipt that any site has.

    First look for the folder: a disk that is not mounted is mounted, and nothing is written again. A receipt after the
    last one of the ledger shows that the ledger itself lost something: that is a restore, and not this.
    """
    count = act.trial.largest(AllocationRow, "receipt") or 0
    if last > count:
        act.refuse(
            "C131",
            "last",
            f"A site has receipt {last}, and the ledger knows {count}.",
            "a ledger that knows every receipt",
            "Something was lost: run `equipoise verify DIR`, and restore the newest backup.",
        )
    if last < count:
        act.refuse("C131", "last", f"The ledger knows receipt {count}.", "the last receipt of any site", "Ask them.")
    put_in_place(act.trial)
    receipts, anchors = renew(act.trial)
    if not receipts and not anchors:
        act.refuse("C135", str(act.trial.receipts), "Every receipt and anchor is there.", "something that is missing")
    act.record(
        subject="receipts",
        what={"receipts": receipts, "anchors": anchors},
        answer={"receipts": len(receipts), "anchors": len(anchors)},
    )
    act.later.append(lambda receipt: _renewed(act, receipts, anchors))
    act.later.append(lambda receipt: anchor_of(receipt, act.trial))


_PRINTED = re.compile(r"^\s*([^\s/]+)/(\d+)\s+([0-9A-Za-z]{4}-?[0-9A-Za-z]{4}-?[0-9A-Za-z]{4})\s*$")


def _set_aside(act: Act, told: list[str] | None) -> list[Envelope]:
    """Envelopes of after the backup, set aside again by an event of their own.

    C136 where an anchor outside tells that some were, and nothing is told: an empty list says that none is out there.
    """
    from equipoise.randomization import planned_randomizations
    from equipoise.randomization.plan import stream_name

    if told is None:
        lost = [anchor for anchor in lost_anchors(act.trial) if anchor.occasion == RESERVED]
        if lost:
            act.refuse(
                "C136",
                "envelopes",
                f"Envelopes were set aside after the backup ({listed([anchor.text for anchor in lost])}).",
                "each of them, as it is printed on the list of its site: main/3 7KQ2-9XMA-2ABD",
                "Ask the sites and the pharmacy for their lists; [] where every one of them was destroyed.",
            )
    if not told:
        return []
    plan = planned_randomizations(act.protocol)[0]
    profiles = {stream_name(plan.stage, stratum): stratum for stratum in plan.strata()}
    known = {one.code for one in read_envelopes(act.trial)}
    out = []
    for text in told:
        match = _PRINTED.match(text)
        slot = act.trial.first(SlotRow, handle=tidy_code(match[3])) if match is not None else None
        if match is None or slot is None or slot.stream not in profiles or slot.handle in known:
            step = "Type it as it is printed on the list of its site; those of before the backup are known."
            act.refuse("C136", "envelopes", f"Found {text!r}.", "main/3 7KQ2-9XMA-2ABD", step)
        if act.trial.has(AllocationRow, handle=slot.handle):
            step = "Destroy that envelope, or record whether it took place as a deviation."
            act.refuse("C136", text, "Its slot was given since.", "an envelope whose slot is free", step)
        known.add(slot.handle)
        profile = profiles[slot.stream]
        out.append(Envelope(slot.handle, int(match[2]), match[1], plan.stage, slot.stream, slot.position, profile))
    out.sort(key=lambda one: (one.stream, one.position))
    act.record(subject="envelopes", what={"envelopes": [entry_of(one) for one in out]})
    return out


def _taken_up_to(act: Act, aside: list[Envelope]) -> list[dict[str, Any]]:
    """Rows of streams that are taken further than the receipts say, by envelopes set aside again."""
    last: dict[str, int] = {}
    for one in aside:
        last[one.stream] = max(one.position, last.get(one.stream, 0))
    given = dict(act.trial.values(StreamRow, ("stream", "given")))
    return [{"stream": stream, "given": n} for stream, n in sorted(last.items()) if n > given.get(stream, 0)]


def _next_place(act: Act, stream: str, position: int) -> tuple[bool, int]:
    """Whether a slot is the one that comes next, or lay in an envelope; and up to where the stream is then taken."""
    rows = act.trial.values(StreamRow, ("given",), stream=stream)
    given = rows[0][0] if rows else 0
    mine = {one.position: one for one in read_envelopes(act.trial) if one.stream == stream}
    if position in mine:
        return not mine[position].participant, given
    wanted = given + 1
    while wanted in mine:
        wanted += 1
    return position == wanted, position


def _typed_in(act: Act, numbers: list[int]) -> str:
    """Receipts typed in are written to the folder, where nobody put the old ones there."""
    with act.trial.use():
        missing = renew(act.trial)[0]
    return _renewed(act, [number for number in numbers if number in missing], [])


def _renewed(act: Act, receipts: list[int], anchors: list[int]) -> str:
    try:
        with act.trial.use():
            renewed(act.trial, receipts, anchors)
    except OSError as error:
        return f"receipts could not be written to {act.trial.receipts} ({error.strerror}): do it again"
    return ""


def _lost(act: Act) -> list[str]:
    """Anchors outside that the restored ledger does not hold; refused where the backup held their events (C134)."""
    found = act.trial.values(EventRow, ("what",), action="restored", order=("-number",), limit=1)
    backup = int(json.loads(found[0][0])["backup_number"]) if found else act.writer.number
    try:
        lost = lost_anchors(act.trial)
    except ValueError as error:
        act.refuse("C131", str(error), "The receipt cannot be read.", "a receipt as it was written")
    early = [anchor.text for anchor in lost if anchor.number <= backup]
    if early or (lost and not found):
        act.refuse(
            "C134",
            f"anchor {(early or [lost[0].text])[0]}",
            f"The ledger does not hold it, and no restore explains that: the backup reaches to event {backup}.",
            "every event of the backup",
            "Something was changed: run `equipoise verify DIR`.",
        )
    return [anchor.text for anchor in lost]


def _require_known(act: Act, last: int) -> None:
    """Refuse where the receipts folder itself holds a receipt after the last one named (C131)."""
    try:
        kept = [int(receipt.split()[0]) for _, receipt in read_outside(act.trial.receipts) if receipt]
    except ValueError as error:
        act.refuse("C131", str(error), "The receipt cannot be read.", "a receipt as it was written")
    if max(kept, default=0) > last:
        act.refuse(
            "C131",
            "last",
            f"The receipts folder holds receipt {max(kept)}.",
            f"{max(kept)} or more",
            "Type in every receipt up to it.",
        )


def _read(act: Act, receipts: list[Any]) -> list[GivenSlot]:
    out = []
    for text in receipts:
        try:
            out.append(read_given(str(text)))
        except ValueError as error:
            act.refuse("C131", "receipts", f"{error}.", "12 P-0012 7KQ2-9XMA-2ABD")
    return sorted(out, key=lambda one: one.number)


def _require_possible(act: Act, one: GivenSlot, person: ParticipantRow | None) -> None:
    """Refuse a date on a receipt that has not come yet where it was given, or lies before the consent."""
    if one.on is None:
        return
    site = act.trial.first(SiteRow, site=person.site) if person is not None else None
    # of somebody who is not in the backup the site is not known: the date may be ahead there
    today = local_date(act.now.utc, zone_of(site.zone)) if site is not None else act.now.utc.date() + timedelta(days=1)
    known = landmarks(act) if person is not None else {}
    problems = check_day("randomization on a receipt", one.on, today, known, place=f"receipt {one.number}")
    raise_if_any(ConductError, problems)


def _give_back(act: Act, one: GivenSlot) -> None:
    from equipoise.randomization import planned_randomizations
    from equipoise.randomization.plan import WHOLE_TRIAL, stream_name

    person = act.trial.first(ParticipantRow, participant=one.participant)
    act.load(one.participant) if person is not None else act.load_none()
    _require_possible(act, one, person)
    plans = {plan.stage: plan for plan in planned_randomizations(act.protocol)}
    slot = act.trial.first(SlotRow, handle=one.handle)
    new = []
    profile: dict[str, str] = {}
    if slot is not None:
        stream, position = slot.stream, slot.position
        plan = plans[stream.partition(":")[0]]
        profile = next(stratum for stratum in plan.strata() if stream_name(plan.stage, stratum) == stream)
    else:
        minimized = [plan for plan in plans.values() if plan.scheme == "minimization"]
        if not minimized or not one.profile:
            act.refuse("C131", one.text, "No slot has this handle.", "the handle as printed on the receipt")
        plan = minimized[0]
        stream = stream_name(plan.stage, {})
        _ = act.vault
        in_force = act.trial.protocol(act.state.protocol_hash)
        lists = read_trial_companion(pharmacy_folder(act.pharmacy), in_force, act.trial.mode)
        profile = plan.require_profile(one.profile)
        new = [minimized_slot(act.writer, act.vault, lists, stream, profile, act.entropy, one.handle)]
        position = new[0][2]
    comes_next, taken = _next_place(act, stream, position)
    if not comes_next:
        act.refuse(
            "C131",
            one.text,
            "A receipt before it is missing, or the slot was given to another participant.",
            "every receipt, in the order of their numbers",
        )
    state = "given" if person is not None else "burnt"
    row = {
        "participant": one.participant,
        "randomization": plan.number,
        "handle": one.handle,
        "stream": stream,
        "position": position,
        "receipt": one.number,
        "state": state,
    }
    put: dict[str, Any] = {"allocation": [row], "stream": [{"stream": stream, "given": taken}]}
    what: dict[str, Any] = {"receipt": one.text, "stage": plan.stage, "profile": profile, "put": put}
    if one.on is not None:
        what["on"] = one.on
    if person is not None:
        own = plan.stage != WHOLE_TRIAL and act.protocol.model.stages[plan.stage].day_1 is not None
        sets_day_1 = plan.number == 1 and anchor_is_randomization(act.protocol) and not person.day_1
        if one.on is None and (own or sets_day_1):
            act.refuse(
                "C131",
                one.text,
                "Days are counted from this randomization, and its date is not given.",
                f"{one.text} on=2027-03-03",
                "Read the date from the receipt.",
            )
        if plan.number == 1:
            first = {"day_1": one.on} if sets_day_1 else {}
            put["participant"] = [{"participant": one.participant, "status": "randomized", "stratum": stream, **first}]
        if own and one.on is not None:
            put |= day_1_rows(act, plan.stage, one.on)
    act.record(participant=one.participant, subject=f"receipt {one.number}", what=what)
    if new:
        act.seal({"handle": one.handle}, slots=new)
