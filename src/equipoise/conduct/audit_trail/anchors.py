"""Anchors: the count and head hash of the ledger, kept outside the database.

A chain alone does not see a tail cut off, nor a whole chain made anew. Every receipt, backup and site copy carries an
anchor; those of this machine stand in ``anchors.txt`` of the receipts folder, one a line: count, hash, time, what for.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

FILE = "anchors.txt"
_TAIL = 65_536


@dataclass(frozen=True, slots=True)
class Anchor:
    """How many events the ledger held, the hash of the last, when and on what occasion that was noted."""

    number: int
    hash: str
    at: str
    occasion: str

    @property
    def text(self) -> str:
        """The anchor as it is printed and typed in: count and the first 16 digits of the hash."""
        return f"{self.number}-{self.hash[:16]}"


def add_anchor(folder: Path, anchor: Anchor) -> None:
    """Append an anchor; one write of one short line, so several writers do not mix.

    The folder must be there: one made anew in place of a disk that is not mounted would hide that it is gone.
    """
    line = f"{anchor.number} {anchor.hash} {anchor.at} {anchor.occasion}\n"
    handle = os.open(folder / FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        os.write(handle, line.encode())
        os.fsync(handle)
    finally:
        os.close(handle)


def read_anchors(folder: Path) -> list[Anchor]:
    """Every anchor of the folder, in the order noted; lines that cannot be read are left out."""
    try:
        text = (folder / FILE).read_text("utf-8", "replace")
    except OSError:
        return []
    return _parsed(text)


def last_anchor(folder: Path) -> Anchor | None:
    """The anchor with the highest count, of those at the end of the file."""
    try:
        with open(folder / FILE, "rb") as handle:
            handle.seek(0, os.SEEK_END)
            handle.seek(max(handle.tell() - _TAIL, 0))
            text = handle.read().decode("utf-8", "replace")
    except OSError:
        return None
    return max(_parsed(text), key=lambda anchor: anchor.number, default=None)


def _parsed(text: str) -> list[Anchor]:
    out = []
    for line in text.splitlines():
        parts = line.split(maxsplit=3)
        if len(parts) >= 3 and parts[0].isdigit() and len(parts[1]) == 64:
            out.append(Anchor(int(parts[0]), parts[1], parts[2], parts[3] if len(parts) > 3 else ""))
    return out
