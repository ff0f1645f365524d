"""Allocation lists as the database holds them: handles in the open, arms sealed, more slots than anybody will need.

A stream's list is drawn when the trial is made, every stream as long as every other. Where the scheme has a fixed
total, decoys follow the last slot, so that nothing in the database says where such a list ends; whether a slot is one
is seen with the key, before it is given. With minimization an arm follows from those before it: the slot is made,
sealed and given under one lock.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from equipoise.conduct.entropy import Entropy, code
from equipoise.conduct.keys.vault import Vault
from equipoise.conduct.rows.find import Rows
from equipoise.conduct.rows.tables import AllocationRow, SealedEventRow, SlotRow, StreamRow
from equipoise.conduct.trial.envelopes import returned_slots
from equipoise.foundation.errors import ConductError, Problem

if TYPE_CHECKING:
    from equipoise.conduct.trial.ledger import Writer
    from equipoise.conduct.trial.trial import Trial
    from equipoise.randomization import Companion

CODES = {
    "C050": "The stream has no slot left.",
    "C051": "The participant has no allocation, or more than one.",
}


def draw_slots(
    companion: Companion, vault: Vault, entropy: Entropy, n: int, held: Mapping[str, int] | None = None
) -> Iterator[tuple[str, str, int, str]]:
    """``n`` slots and a tenth more for every stream, beyond those that are ``held`` already.

    Each slot is a handle, its stream, its position and its ciphertext; they come in the order of handles. Beyond the
    total of a scheme that has one they are decoys.
    """
    slots = []
    for stage in companion.stages:
        if companion.uses_profile(stage):
            continue
        total = companion.length(stage)
        last = n + n // 10 + 1
        for stream in companion.streams(stage):
            first = (held or {}).get(stream, 0)
            if first >= last:
                continue
            arms: list[str | None] = [*companion.slots(stream, last if total is None else min(last, total))]
            arms += [None] * (last - len(arms))
            for position, arm in enumerate(arms[first:], first + 1):
                handle = code(entropy)
                content = {"arm": arm, "stream": stream, "position": position}
                slots.append((handle, stream, position, vault.seal(f"slot {handle}", content, entropy)))
    yield from sorted(slots)


def next_slot(writer: Writer, stream: str) -> tuple[str, int, int]:
    """Handle and position of the next slot of a stream, and up to which slot the stream is then taken.

    The stream's row is locked. A slot that came back in an unopened envelope goes before those never set aside.
    """
    ((handle, position),), given = free_slots(writer, stream, 1)
    return handle, position, given


def free_slots(writer: Writer, stream: str, n: int) -> tuple[list[tuple[str, int]], int]:
    """The next ``n`` slots of a stream, handle and position, and up to which slot the stream is then taken."""
    trial = writer.trial
    taken = trial.values(StreamRow, ("given",), locked=not trial.is_sqlite, stream=stream)
    given = taken[0][0] if taken else 0
    back = returned_slots(trial, stream, given)[:n]
    left = n - len(back)
    free = trial.find(SlotRow, stream=stream, position__above=given, order=("position",), limit=left) if left else []
    found = [(slot.handle, slot.position) for slot in free]
    if len(back) + len(found) < n or [position for _, position in found] != list(
        range(given + 1, given + len(found) + 1)
    ):
        raise ConductError(
            Problem(
                "C050",
                stream,
                "No slot of this stream is left in the database." if n == 1 else f"Fewer than {n} slots are left.",
                "a list long enough",
                "The pharmacy draws more from the sealed companion: add-slots.",
            )
        )
    return [*back, *found], given + len(found)


def require_real(trial: Trial, vault: Vault, handle: str) -> None:
    """Refuse a decoy (C050): the list of its stream has ended."""
    slot = trial.find(SlotRow, handle=handle)[0]
    if open_slot(vault, slot)["arm"] is None:
        raise ConductError(
            Problem(
                "C050",
                slot.stream,
                "The list of this stream has ended: its fixed total was given.",
                "a slot of it",
                "No further participant is randomized in this stratum.",
            )
        )


def minimized_slot(
    writer: Writer,
    vault: Vault,
    companion: Companion,
    stream: str,
    profile: Mapping[str, str],
    entropy: Entropy,
    handle: str | None = None,
) -> tuple[str, str, int, str]:
    """Make the next slot of a minimized stream: its arm follows from the list's seed and all arms before.

    Returns the slot (handle, stream, position, ciphertext), to be sealed with the event that gives it.
    """
    before = writer.trial.find(SlotRow, stream=stream, order=("position",))
    history = []
    for slot in before:
        opened = vault.open(f"slot {slot.handle}", slot.content)
        history.append((opened["profile"], opened["arm"]))
    arm = companion.next_arm(stream, history, profile)
    handle, position = handle or code(entropy), len(before) + 1
    content = {"arm": arm, "stream": stream, "position": position, "profile": dict(profile)}
    return handle, stream, position, vault.seal(f"slot {handle}", content, entropy)


def arm_of(rows: Rows, vault: Vault, participant: str, randomization: int = 1) -> str:
    """The arm a participant was allocated to, from the sealed slot; ``randomization`` counts from 1."""
    found = rows.first(AllocationRow, participant=participant, randomization=randomization)
    slot = rows.first(SlotRow, handle=found.handle) if found is not None else None
    if slot is None:
        raise ConductError(
            Problem("C051", participant, f"Randomization {randomization} has not taken place.", "somebody randomized")
        )
    return str(open_slot(vault, slot)["arm"])


def open_event(vault: Vault, sealed: SealedEventRow) -> dict[str, Any]:
    """What an entry of the sealed ledger holds."""
    return vault.open(f"event {sealed.number} of {sealed.event_number}", sealed.content)


def open_slot(vault: Vault, slot: SlotRow) -> dict[str, Any]:
    """What a slot holds; C041 where the slot was moved to another place of the list."""
    opened = vault.open(f"slot {slot.handle}", slot.content)
    if (opened["stream"], opened["position"]) != (slot.stream, slot.position):
        raise ConductError(
            Problem(
                "C041",
                f"slot {slot.handle}",
                f"It was sealed for position {opened['position']} of {opened['stream']}, "
                f"and stands at {slot.position} of {slot.stream}.",
                "every slot in its own place",
                "It was moved: keep the database as it is, and restore from a backup.",
            )
        )
    return opened


def read_trial_companion(pharmacy: Path, protocol: Any, mode: str) -> Companion:
    """The sealed companion in the pharmacy's folder."""
    from equipoise.randomization import read_companion

    return read_companion(pharmacy / "companion.yaml", protocol, kind=mode)  # type: ignore[arg-type]
