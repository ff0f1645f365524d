"""Sealed envelopes for a day without the system: slots of a list set aside for paper, and what became of each.

A slot that lies in an envelope is given to nobody through the system while the envelope is out. Which slots were set
aside stands in the ledger; whether one was given stands in the allocations, as for every slot.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from equipoise.conduct.rows.find import Rows
from equipoise.conduct.rows.tables import AllocationRow, EventRow

RESERVED, OPENED, RETURNED = "envelopes-reserve", "envelope-opened", "envelopes-returned"
RESTORED = ("lift-fence", "acknowledge-loss")  # set aside again after a restore

# out: with the site or its pharmacy; opened: given; returned: back unopened, its slot is given next; spoilt: back with
# a broken seal, or lost: its slot is given to nobody.
State = Literal["out", "opened", "returned", "spoilt"]


@dataclass(frozen=True, slots=True)
class Envelope:
    """One envelope: the slot it holds by its opaque code, and its number among those of the stream at the site."""

    code: str
    number: int
    site: str
    stage: str
    stream: str
    position: int
    profile: Mapping[str, str]
    reserved_at: str = ""
    state: State = "out"
    participant: str = ""
    opened_at: str = ""  # an instant in UTC; empty where a receipt typed in after a restore is all that is known
    recorded: int = 0  # the event that recorded its opening

    @property
    def text(self) -> str:
        """As it is printed on the site's list, and typed in after a restore: ``main/3 7KQ2-9XMA-2ABD``."""
        return f"{self.site}/{self.number} {self.code}"

    @property
    def stratum(self) -> str:
        """The levels that chose its stream, in words."""
        return ", ".join(f"{name} {level}" for name, level in self.profile.items()) or "everybody"


def read_envelopes(rows: Rows, kept: Mapping[int, str] | None = None) -> list[Envelope]:
    """Every envelope that the ledger tells of, in the order in which they were set aside.

    ``kept`` is what redactions left of events. A slot that was returned and set aside once more is the newer envelope.
    """
    marks = (RESERVED, OPENED, RETURNED, *RESTORED)
    given: dict[str, str] = dict(rows.values(AllocationRow, ("handle", "participant")))
    out: dict[str, Envelope] = {}
    columns = ("number", "action", "at", "what")
    for number, action, at, what in rows.values(EventRow, columns, action__in=marks, order=("number",)):
        text = what or (kept or {}).get(number, "")
        content = json.loads(text) if text else {}
        for entry in content.get("envelopes", ()):
            if action in (RESERVED, *RESTORED):
                out.pop(entry["code"], None)
                out[entry["code"]] = Envelope(**entry, reserved_at=at)
            elif action == RETURNED and entry["code"] in out:
                out[entry["code"]] = replace(out[entry["code"]], state=entry["state"])
        if action == OPENED and content.get("envelope") in out:
            out[content["envelope"]] = replace(
                out[content["envelope"]], state="opened", opened_at=content.get("opened_at", ""), recorded=number
            )
    return [_given(one, given) for one in out.values()]


def _given(one: Envelope, given: Mapping[str, str]) -> Envelope:
    """An envelope whose slot was given while it was out was opened: a receipt typed in after a restore says so too."""
    if one.code not in given:
        return one
    return replace(one, participant=given[one.code], state="returned" if one.state == "returned" else "opened")


def kept_by_redactions(rows: Rows) -> dict[int, str]:
    """What redactions left of the events they touched."""
    out: dict[int, str] = {}
    for event in rows.find(EventRow, action="redact", order=("number",)):
        out.update({int(number): text for number, text in event.content.get("kept", {}).items()})
    return out


def entry_of(one: Envelope) -> dict[str, Any]:
    """What an event says of an envelope that is set aside."""
    return {
        "code": one.code,
        "number": one.number,
        "site": one.site,
        "stage": one.stage,
        "stream": one.stream,
        "position": one.position,
        "profile": dict(one.profile),
    }


def out_of_order(envelopes: Sequence[Envelope]) -> list[tuple[Envelope, Envelope]]:
    """Pairs of envelopes of one site and stream that were opened the second before the first.

    Each envelope opened too early is named once, with the first before it that was still closed then. Of two opened in
    one minute the one recorded first was opened first.
    """
    found = []
    for one in envelopes:
        if one.state != "opened":
            continue
        before = [
            other
            for other in envelopes
            if (other.site, other.stream) == (one.site, one.stream)
            and other.position < one.position
            and other.state in ("out", "opened")
            and (other.state == "out" or (other.opened_at and one.opened_at and _when(other) > _when(one)))
        ]
        if before:
            found.append((min(before, key=lambda other: other.position), one))
    return found


def _when(one: Envelope) -> tuple[str, int]:
    return one.opened_at, one.recorded


def returned_slots(rows: Rows, stream: str, given: int) -> list[tuple[str, int]]:
    """Slots of a stream that came back in unopened envelopes and were not given since: code and position, in order.

    ``given`` slots of the stream are given or in envelopes: where as many were given, no envelope needs looking at.
    """
    if rows.count(AllocationRow, stream=stream) >= given:
        return []
    back = [one for one in read_envelopes(rows) if one.stream == stream and one.state == "returned"]
    return sorted(((one.code, one.position) for one in back if not one.participant), key=lambda slot: slot[1])
