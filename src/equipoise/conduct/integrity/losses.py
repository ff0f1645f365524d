"""What a restore lost, and who acknowledged it: anchors of events that the backup did not hold.

After a restore, anchors noted since the backup tell of events that are gone. `lift-fence` writes into the ledger which
ones they are; from then on `verify` says so plainly and does not call it a fault. An anchor that no such event names,
or one of an event that the backup did hold, is a fault as before.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from equipoise.conduct.audit_trail.anchors import Anchor, read_anchors
from equipoise.conduct.rows.find import Rows
from equipoise.conduct.rows.tables import EventRow

if TYPE_CHECKING:
    from equipoise.conduct.trial.trial import Trial


@dataclass(frozen=True, slots=True)
class Loss:
    """One acknowledged loss: the event that says so, who and why, after which event the backup ended, which anchors."""

    event: int
    account: str
    at: str
    why: str
    backup: int
    anchors: frozenset[str]

    def covers(self, anchor: Anchor) -> bool:
        """Whether ``anchor`` is one of those that were given up."""
        return anchor.number > self.backup and anchor.text in self.anchors


def losses_of(rows: Rows) -> list[Loss]:
    """The losses that a ledger acknowledges."""
    out, backup = [], None
    for event in rows.find(EventRow, action__in=("restored", "lift-fence", "acknowledge-loss"), order=("number",)):
        if event.action == "restored":
            backup = int(event.content["backup_number"])
        elif backup is not None and event.content.get("lost"):
            lost = frozenset(event.content["lost"])
            out.append(Loss(event.number, event.account, event.at, event.why, backup, lost))
    return out


def read_outside(receipts: Path) -> Iterator[tuple[Anchor, str]]:
    """Every anchor of a receipts folder and the receipt it stands on, if any; ``ValueError`` where one is no receipt.

    The error's text is the name of the file.
    """
    for anchor in read_anchors(receipts):
        yield anchor, ""
    for path in sorted(receipts.glob("receipt-*.json")):
        yield read_receipt(path)


def read_receipt(path: Path) -> tuple[Anchor, str]:
    """The anchor of a receipt's file, and the receipt as printed; ``ValueError`` where it cannot be read."""
    try:
        said = json.loads(path.read_text("utf-8"))
        number, hash = said["anchor"].split()
        return Anchor(int(number), hash, said["at"], path.name), str(said["receipt"])
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(path.name) from error


def lost_anchors(trial: Trial) -> list[Anchor]:
    """Anchors of the receipts folder that the ledger does not hold and nobody acknowledged, in order of numbers."""
    acknowledged = losses_of(trial)
    anchors = []
    for anchor, _ in read_outside(trial.receipts):
        if not any(loss.covers(anchor) for loss in acknowledged):
            anchors.append(anchor)
    held: dict[int, str] = {}
    numbers = sorted({anchor.number for anchor in anchors})
    for start in range(0, len(numbers), 500):
        held.update(trial.values(EventRow, ("number", "hash"), number__in=numbers[start : start + 500]))
    lost = {anchor.text: anchor for anchor in anchors if held.get(anchor.number) != anchor.hash}
    return sorted(lost.values(), key=lambda anchor: (anchor.number, anchor.hash))


def disagreement(trial: Trial, last: Anchor | None, count: int) -> str:
    """Why the ledger of ``count`` events cannot be trusted to hold all that was given out; empty where it can.

    ``last`` is the newest anchor outside. Where the ledger does not hold it, every anchor is looked at: those that a
    restore lost and somebody acknowledged are no reason.
    """
    if last is None or trial.has(EventRow, number=last.number, hash=last.hash):
        return ""
    try:
        lost = lost_anchors(trial)
    except ValueError as error:
        return f"The receipt {error} cannot be read."
    if not lost:
        return ""
    if lost[-1].number > count:
        return f"The ledger has {count} events, a receipt tells of {lost[-1].number}."
    return f"Event {lost[-1].number} is not the one a receipt tells of."
