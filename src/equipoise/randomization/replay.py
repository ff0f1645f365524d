"""Replay: after lock, anybody who is given the companion can see that no slot was swapped, skipped or added.

Replaying needs the published commitment, the companion, and the allocations as a table: ``stream``, ``slot`` and
``arm``, with ``participant_id`` where it may be told, and with minimization the levels of each factor.
"""

from __future__ import annotations

import csv
import hmac
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

from equipoise.foundation.errors import Problem, RandomizationError, listed, raise_if_any
from equipoise.randomization.companion import Companion

CODES = {
    "L030": "The companion is not the one committed to.",
    "L031": "A table of allocations cannot be read.",
    "L032": "A slot was skipped.",
    "L033": "A slot was assigned twice, or a participant has two.",
    "L034": "An allocation differs from the list.",
}
_NEEDED = ("stream", "slot", "arm")
_PERSON = "participant_id"
# No trial has a slot beyond; a mistyped number must not make a replay run for hours.
LAST_SLOT = 100_000


@dataclass(frozen=True, slots=True)
class Allocation:
    """One allocation as it was made: its stream, its slot from 1, its arm; ``line`` is its line in a file."""

    stream: str
    slot: int
    arm: str
    participant: str | None = None
    profile: Mapping[str, str] | None = None
    line: int | None = None


def require_commitment(companion: Companion, commitment: str) -> None:
    """Raise L030 where a companion is not the one that was committed to; case and blanks do not matter."""
    published = "".join(commitment.split()).lower()
    if not hmac.compare_digest(published.encode("utf-8"), companion.commitment.encode("ascii")):
        raise RandomizationError(
            Problem(
                "L030",
                "commitment",
                f"The companion's commitment is {companion.commitment}.",
                published or "one",
                "Compare with what was published before the first participant: this is another list.",
            )
        )


def read_allocations(path: str | os.PathLike[str], companion: Companion) -> list[Allocation]:
    """Allocations from a CSV file with the columns ``stream``, ``slot``, ``arm`` and, with minimization, the factors.

    ``participant_id`` may be there; further columns are ignored. Raises L031 with every row that cannot be read.
    """
    file = str(path)
    factors = tuple(
        dict.fromkeys(f for s in companion.stages if companion.uses_profile(s) for f in companion.factors(s))
    )
    try:
        text = Path(path).read_text("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise RandomizationError(Problem("L031", "", f"It cannot be read: {reason}.", "a CSV file", "", file)) from None
    try:
        reader = csv.DictReader(text.splitlines(), strict=True)
        absent = [name for name in (*_NEEDED, *factors) if name not in (reader.fieldnames or ())]
        if absent:
            raise RandomizationError(
                Problem(
                    "L031",
                    "header",
                    f"There is no column {listed(absent)}.",
                    listed((*_NEEDED, *factors), conjunction="and"),
                    "Export them with these columns.",
                    file,
                    1,
                )
            )
        rows = [(reader.line_num, row) for row in reader]
    except csv.Error as error:
        raise RandomizationError(Problem("L031", "", f"{error}.", "a CSV file", "", file)) from None
    found, problems = [], []
    for line, row in rows:
        slot = (row["slot"] or "").strip()
        is_slot = slot.isascii() and slot.isdigit() and len(slot) <= 6 and 1 <= int(slot) <= LAST_SLOT
        if not is_slot or not row["stream"] or not row["arm"]:
            problems.append(
                Problem(
                    "L031",
                    "row",
                    f"Found {row['stream']!r}, {row['slot']!r}, {row['arm']!r}.",
                    f"a stream, a slot from 1 to {LAST_SLOT}, and an arm",
                    "Correct the row.",
                    file,
                    line,
                )
            )
            continue
        found.append(
            Allocation(
                row["stream"].strip(),
                int(slot),
                row["arm"].strip(),
                row.get(_PERSON) or None,
                {name: (row[name] or "").strip() for name in factors} or None,
                line,
            )
        )
    raise_if_any(RandomizationError, problems)
    return found


def replay(
    companion: Companion, allocations: Sequence[Allocation], *, commitment: str, file: str | None = None
) -> list[Problem]:
    """Every allocation that the committed list did not give: empty where the list was kept to the letter.

    Slots skipped, given twice, or with another arm are each named. With minimization an arm is compared with what the
    list gives after the allocations as they were made, so one swap is named once. What no replay can see is a slot
    beyond the last that was drawn and never written down.
    """
    problems: list[Problem] = []

    def add(code: str, stream: str, found: str, expected: str, line: int | None = None) -> None:
        problems.append(Problem(code, stream, found, expected, "", file, line))

    try:
        require_commitment(companion, commitment)
    except RandomizationError as error:
        return list(error.problems)
    for stream, rows in _by_stream(allocations).items():
        stage = stream.split(":", 1)[0]
        if stage not in companion.stages or stream not in companion.streams(stage):
            known = companion.streams(stage) if stage in companion.stages else companion.stages
            add(
                "L034",
                stream,
                f"{_who(rows[0])} stands in a stream that the list does not have.",
                listed(known),
                rows[0].line,
            )
            continue
        once: list[Allocation] = []
        for slot, group in groupby(rows, key=lambda row: row.slot):
            same = list(group)
            once.append(same[0])
            for extra in same[1:]:
                add(
                    "L033",
                    stream,
                    f"Slot {slot} was given to {_who(same[0])} and to {_who(extra)}.",
                    "one allocation a slot",
                    extra.line,
                )
        used = {row.slot for row in once}
        for slot in range(1, max(used) + 1):
            if slot not in used:
                add("L032", stream, f"Slot {slot} was skipped: no allocation has it.", "every slot from 1 to the last")
        _compare(companion, stage, stream, once, add)
    for stage in companion.stages:
        mine = [row for row in allocations if row.participant and row.stream.split(":", 1)[0] == stage]
        for participant, group in groupby(
            sorted(mine, key=lambda r: (r.participant or "", r.stream, r.slot)), key=lambda r: r.participant
        ):
            held = list(group)
            if len({(row.stream, row.slot) for row in held}) > 1:
                places = listed((f"slot {row.slot} of {row.stream}" for row in held), conjunction="and")
                add("L033", stage, f"{participant} holds {places}.", "one slot a participant", held[1].line)
    return problems


def _compare(companion: Companion, stage: str, stream: str, rows: list[Allocation], add: object) -> None:
    assert callable(add)
    if not companion.uses_profile(stage):
        try:
            arms = companion.slots(stream, rows[-1].slot)
        except RandomizationError as error:
            add("L034", stream, error.problems[0].found, error.problems[0].expected, rows[-1].line)
            return
        for row in rows:
            if row.arm != arms[row.slot - 1]:
                right = f"{arms[row.slot - 1]}, by the list"
                add("L034", stream, f"Slot {row.slot} ({_who(row)}) holds {row.arm}.", right, row.line)
        return
    history: list[tuple[Mapping[str, str], str]] = []
    for row in rows:
        if row.slot != len(history) + 1 or row.arm not in companion.arms(stage):
            # The past of this slot is not whole: what follows cannot be compared.
            if row.slot == len(history) + 1:
                add(
                    "L034",
                    stream,
                    f"Slot {row.slot} ({_who(row)}) holds {row.arm}.",
                    listed(companion.arms(stage)),
                    row.line,
                )
            return
        expected = companion.next_arm(stream, history, row.profile)
        if row.arm != expected:
            add("L034", stream, f"Slot {row.slot} ({_who(row)}) holds {row.arm}.", f"{expected}, by the list", row.line)
        history.append((row.profile or {}, row.arm))


def _by_stream(allocations: Sequence[Allocation]) -> dict[str, list[Allocation]]:
    found: dict[str, list[Allocation]] = {}
    for row in sorted(allocations, key=lambda row: (row.stream, row.slot, row.line or 0)):
        found.setdefault(row.stream, []).append(row)
    return found


def _who(row: Allocation) -> str:
    return row.participant or (f"line {row.line}" if row.line is not None else f"slot {row.slot}")
