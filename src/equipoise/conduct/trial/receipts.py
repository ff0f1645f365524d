"""Receipts of randomization: what a site prints and keeps, and what is typed in after a restore.

A receipt holds all that is needed so that nothing is given twice: who, which slot, the levels that chose it, its
running number, and the anchor. Nothing in it tells the arm.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from threading import get_ident
from typing import TYPE_CHECKING, Any

from equipoise.conduct.audit_trail.anchors import Anchor
from equipoise.conduct.audit_trail.canonical import canonical
from equipoise.conduct.entropy import tidy_code

if TYPE_CHECKING:
    from equipoise.conduct.trial.trial import Trial


@dataclass(frozen=True, slots=True)
class GivenSlot:
    """What is typed in from a receipt: its number, the participant, the slot's handle, the date at the site."""

    number: int
    participant: str
    handle: str
    profile: dict[str, str] = field(default_factory=dict)
    on: date | None = None

    @property
    def text(self) -> str:
        """As printed: ``12 P-0012 7KQ2-9XMA-2ABD on=2027-03-03``, and the levels where minimization went by them."""
        levels = "".join(f" {name}={level}" for name, level in self.profile.items())
        day = f" {_ON}={self.on}" if self.on is not None else ""
        return f"{self.number} {self.participant} {self.handle}{day}{levels}"

    @classmethod
    def of_answer(cls, answer: Mapping[str, Any]) -> GivenSlot:
        """The receipt of what a randomization answered: the levels are on it where minimization went by them."""
        minimized = dict(answer["profile"]) if answer.get("minimized") else {}
        on = date.fromisoformat(str(answer["on"]))
        return cls(answer["receipt"], answer["participant"], answer["handle"], minimized, on)


CONSENTS = "consents"  # the folder of signed copies of consents, within the trial's
_ON = "on"


_LINE = re.compile(r"^\s*(\d+)\s+(\S+)\s+([0-9A-Za-z]{4}-?[0-9A-Za-z]{4}-?[0-9A-Za-z]{4})((?:\s+[^\s=]+=[^\s=]+)*)\s*$")


def read_given(text: str) -> GivenSlot:
    """A receipt as somebody typed it; ``ValueError`` where it is none."""
    match = _LINE.match(text)
    if match is None:
        raise ValueError(f"not a receipt: {text!r}; type its number, the participant and the handle")
    profile = dict(part.split("=", 1) for part in match[4].split())
    day = profile.pop(_ON, None)
    return GivenSlot(int(match[1]), match[2], tidy_code(match[3]), profile, date.fromisoformat(day) if day else None)


def receipt_path(folder: Path, number: int) -> Path:
    """Where the receipt of that number lies."""
    return folder / f"receipt-{number:05d}.json"


def receipt_value(
    trial: Trial, given: GivenSlot, randomization: int, profile: Mapping[str, str], anchor: Anchor
) -> dict[str, Any]:
    """What the file of a receipt says."""
    return {
        "equipoise-receipt": 1,
        "trial": trial.config.trial,
        "mode": trial.mode,
        "receipt": given.text,
        "randomization": randomization,
        "profile": dict(profile),
        "at": anchor.at,
        "anchor": f"{anchor.number} {anchor.hash}",
    }


def value_of_answer(trial: Trial, answer: Mapping[str, Any], anchor: Anchor) -> dict[str, Any]:
    """The same from what a randomization answered."""
    return receipt_value(trial, GivenSlot.of_answer(answer), answer["randomization"], answer["profile"], anchor)


def write_receipt(trial: Trial, receipt: Any) -> Path:
    """Write a receipt to the receipts folder, which must be there; the file is there whole or not at all."""
    path = receipt_path(trial.receipts, int(receipt.answer["receipt"]))
    write_private(path, canonical(value_of_answer(trial, receipt.answer, receipt.anchor)) + "\n")
    return path


def write_private(path: Path, text: str) -> None:
    """Write a file for its owner alone: there whole, or not at all.

    Two who write the same one at once, processes or threads of a server, do not share what is half written.
    """
    partial = path.with_name(f".{path.name}.{os.getpid()}-{get_ident()}.partial")
    try:
        with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
            out.write(text)
            out.flush()
            os.fsync(out.fileno())
        os.replace(partial, path)
    except OSError:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
