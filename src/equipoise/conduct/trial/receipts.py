"""Receipts of randomization: what a site prints and keeps, and what is typed in after a restore.

A receipt holds all that is needed so that nothing is given twice: who, which slot, the levels that chose it, its
running number, and the anchor. Nothing in it tells the arm.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


def write_receipt(trial: Trial, receipt: Any) -> Path:
    """Write a receipt to the receipts folder; the file is there whole or not at all."""
    answer = receipt.answer
    minimized = answer["profile"] if answer.get("minimized") else {}
    day = date.fromisoformat(answer["on"])
    given = GivenSlot(answer["receipt"], answer["participant"], answer["handle"], minimized, day)
    value = {
        "equipoise-receipt": 1,
        "trial": trial.config.trial,
        "mode": trial.mode,
        "receipt": given.text,
        "randomization": answer["randomization"],
        "profile": answer["profile"],
        "at": receipt.anchor.at,
        "anchor": f"{receipt.anchor.number} {receipt.anchor.hash}",
    }
    trial.receipts.mkdir(parents=True, exist_ok=True)
    path = trial.receipts / f"receipt-{given.number:05d}.json"
    partial = path.with_suffix(".partial")
    with os.fdopen(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:
        out.write(canonical(value) + "\n")
        out.flush()
        os.fsync(out.fileno())
    os.replace(partial, path)
    return path
