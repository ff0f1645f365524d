"""Versions of the protocol as the trial keeps them, and which program has read one to the hash that the ledger names.

Reading a protocol loads half the program: a second and more for a command that may not need it. The note in the trial's
folder says that this very program (its files by size and date) read this very text to this very hash. It spares the
start and nothing else: whatever uses the protocol reads it, and compares the hash anew.
"""

from __future__ import annotations

import hashlib
import json
import os
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from equipoise.conduct.rows.find import Rows
from equipoise.conduct.rows.tables import ProtocolVersionRow
from equipoise.foundation.errors import ConductError, EquipoiseError, Problem
from equipoise.foundation.version import program_version

if TYPE_CHECKING:
    from equipoise.protocol import Protocol

CODES = {"C006": "This version of the program reads the trial's protocol differently."}

_FILE = ".reading.json"
# What a protocol's hash depends on: the language, and the definitions that it takes by name.
_ROOMS = ("foundation", "protocol", "instruments", "endpoints", "workflow")


@cache
def fingerprint() -> str:
    """What tells this program from another version of it, or from an edited one."""
    import equipoise

    root = Path(str(equipoise.__file__)).parent
    found = [program_version()]
    for room in _ROOMS:
        for path in sorted((root / room).rglob("*")):
            # what is compiled at first use beside its source is not source
            if "__pycache__" not in path.parts and path.suffix and path.is_file():
                said = path.stat()
                found.append(f"{path.relative_to(root).as_posix()} {said.st_size} {said.st_mtime_ns}")
    return hashlib.sha256("\n".join(found).encode()).hexdigest()


def _note(rows: Rows, hash: str) -> dict[str, str]:
    text = rows.column(ProtocolVersionRow, "text", hash=hash)
    digest = hashlib.sha256(text[0].encode()).hexdigest() if text else ""
    return {"program": fingerprint(), "protocol": hash, "text": digest}


def is_read(rows: Rows, folder: Path, hash: str) -> bool:
    """Whether this program has read the text of the version ``hash`` to that hash before."""
    try:
        kept = json.loads((folder / _FILE).read_text("utf-8"))
    except (OSError, ValueError):
        return False
    return bool(kept == _note(rows, hash))


def note_reading(rows: Rows, folder: Path, hash: str) -> None:
    """Note that it has; where the folder cannot be written it is read at the next start again."""
    path = folder / _FILE
    partial = path.with_name(f"{_FILE}.{os.getpid()}")
    text = json.dumps(_note(rows, hash))
    with suppress(OSError):
        try:
            partial.write_text(text, "utf-8")
            os.replace(partial, path)
        except OSError:  # a full disk: half a note is taken away again
            partial.unlink(missing_ok=True)


@cache
def read_version(text: str, hash: str) -> Protocol:
    """The protocol of a stored version, with the definitions of this program; C006 where its hash is another.

    A text is read once in a process.
    """
    from equipoise.protocol import read_protocol_text
    from equipoise.workflow.library import definitions_of

    found = ""
    try:
        protocol = read_protocol_text(text, file="protocol of the trial")
        protocol = protocol.with_definitions(definitions_of(protocol))
        if protocol.hash == hash:
            return protocol
        found = f"resolved by this program its hash is {protocol.hash[:12]}"
    except EquipoiseError as error:
        found = f"this program cannot read it ({error.problems[0].found})"
    raise ConductError(
        Problem(
            "C006",
            f"protocol {hash[:12]}",
            f"The trial runs under protocol {hash[:12]}; {found}.",
            "the version of equipoise that the trial was begun with, or one that reads its protocol the same",
            "Go back to that version: a changed scoring key is a changed protocol, and needs an amendment.",
        )
    )
