"""Allocation lists in a running trial: more slots from the sealed companion, and after lock what was given, whole."""

from __future__ import annotations

import csv
import hashlib
import io
from collections import Counter
from collections.abc import Mapping
from typing import Any

from equipoise.conduct.actions.context import Act, action, anchor_of
from equipoise.conduct.actions.permissions import ALWAYS
from equipoise.conduct.actions.repeat import run_again
from equipoise.conduct.keys.vault import pharmacy_folder
from equipoise.conduct.rows.tables import AllocationRow, SlotRow, StreamRow
from equipoise.conduct.trial.envelopes import read_envelopes
from equipoise.conduct.trial.slots import draw_slots, open_slot, read_trial_companion

CODES = {
    "C133": "There are no slots to add, or too many were requested.",
}
MOST_SLOTS = 100_000  # a replay reads no further (randomization.replay.LAST_SLOT)
COLUMNS = ("stream", "slot", "arm", "participant_id")


@action("add-slots", states=("open", "paused"))
def add_slots(act: Act, slots: int | None = None) -> None:
    """Draw slots from the sealed companion: for streams that have none (a site that opened), or further ones.

    ``slots`` says how many each stream is to hold; by default as many as the longest holds now.
    """
    _ = act.vault  # C040 before anything is read from the folder
    lists = read_trial_companion(pharmacy_folder(act.pharmacy), act.protocol, act.trial.mode)
    held: dict[str, int] = act.trial.largest_by(SlotRow, "position", "stream")
    streams = [s for stage in lists.stages if not lists.uses_profile(stage) for s in lists.streams(stage)]
    # draw_slots adds a tenth, as when the trial was made: the longest stream stands for n + n // 10 + 1.
    longest = max(held.values(), default=0)
    wanted = slots if slots is not None else -(-10 * max(longest - 1, 0) // 11)
    if not streams or not 1 <= wanted <= MOST_SLOTS:
        act.refuse(
            "C133",
            "slots",
            f"{wanted} for each of {len(streams)} streams.",
            f"1 to {MOST_SLOTS}, in a trial whose lists are drawn beforehand",
        )
    new = list(draw_slots(lists, act.vault, act.entropy, wanted, held))
    if not new:
        act.refuse("C133", "slots", "Every stream holds as many already.", f"more than {longest} slots", "Add slots=N.")
    opened = sorted({stream for _, stream, _, _ in new} - held.keys())
    act.record(
        subject="randomization",
        what={"slots": len(new), "put": {"stream": [{"stream": stream} for stream in opened]}},
        answer={"slots": len(new), "new_streams": opened},
    )
    act.seal({"commitment": lists.commitment, "slots": len(new)}, slots=new)
    act.later.append(lambda receipt: anchor_of(receipt, act.trial))


@action("slots-read", states=ALWAYS, again=run_again)
def slots_read(act: Act) -> None:
    """Read how many slots each stream holds and how many are given or set aside: for the pharmacy alone.

    Who knows how full a block is could guess the next arm. That it was read is recorded, no number is.
    """
    held: Counter[str] = Counter(act.trial.column(SlotRow, "stream"))
    given: dict[str, int] = dict(act.trial.values(StreamRow, ("stream", "given")))
    act.record(subject="randomization", what={"read": "slots"})
    streams = sorted(held.keys() | given.keys())
    act.tell({"streams": [{"stream": one, "held": held.get(one, 0), "given": given.get(one, 0)} for one in streams]})


def given_rows(act: Act) -> list[dict[str, Any]]:
    """Every allocation with its arm, in the order of streams and slots; with minimization the levels it went by.

    A slot that lay in an envelope and was given to nobody stands among them without a participant.
    """
    slots = {slot.handle: slot for slot in act.trial.find(SlotRow)}
    out = []
    given = [(row.stream, row.position, row.handle, row.participant) for row in act.trial.find(AllocationRow)]
    last: dict[str, int] = {}
    for stream, position, _, _ in given:
        last[stream] = max(position, last.get(stream, 0))
    given += [
        (one.stream, one.position, one.code, "")
        for one in read_envelopes(act.trial)
        if not one.participant and one.position < last.get(one.stream, 0)
    ]
    for stream, position, handle, participant in sorted(given):
        slot = slots[handle]
        opened = open_slot(act.vault, slot)
        profile: Mapping[str, str] = opened.get("profile", {})
        out.append(
            {
                "stream": stream,
                "slot": position,
                "arm": opened["arm"],
                "participant_id": participant,
                **profile,
            }
        )
    return out


@action("export-allocations", states=("locked",), again=run_again)
def export_allocations(act: Act) -> None:
    """Tell every allocation with its arm, as a table that `equipoise randomization replay` reads; after lock alone."""
    rows = given_rows(act)
    factors = sorted({name for row in rows for name in row} - set(COLUMNS))
    out = io.StringIO()
    writer = csv.DictWriter(out, [*COLUMNS, *factors], lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    text = out.getvalue()
    digest = hashlib.sha256(text.encode()).hexdigest()
    act.record(
        subject="randomization",
        what={"sha256": digest},
        answer={"allocations": sum(bool(row["participant_id"]) for row in rows), "sha256": digest},
    )
    act.tell({"csv": text})
    act.later.append(lambda receipt: anchor_of(receipt, act.trial))
