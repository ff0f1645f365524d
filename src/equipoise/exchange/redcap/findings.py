"""What an import has to say: what was not taken over and why, what deserves a look, what is asked."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

Kind = Literal["not translated", "caution", "kept", "left out", "question", "values"]
KINDS: dict[Kind, str] = {
    "not translated": "rules and fields that could not be taken over",
    "caution": "rules that hold otherwise than one may think",
    "kept": "kept in the project's own files, and no part of protocol.yaml",
    "left out": "left out on purpose: a word in the answers brings them in",
    "question": "questions",
    "values": "values that do not fit, and results that differ",
}

LEFT_OUT = "(left out)"  # stands for the values of a field that is left out


@dataclass(frozen=True, slots=True)
class ImportFinding:
    """One line of the list: of what kind, its code, the field, the column of the dictionary, the text, and why."""

    kind: Kind
    code: str
    field: str
    column: str
    text: str
    why: str
    n: int = 1  # rows it is true of, where it is about data
    lines: tuple[int, ...] = ()  # the first of them, by their line in the file

    def as_dict(self) -> dict[str, object]:
        """The finding for files and ``--json``."""
        return {
            "kind": self.kind,
            "code": self.code,
            "field": self.field,
            "column": self.column,
            "text": self.text,
            "why": self.why,
            "n": self.n,
            "lines": list(self.lines),
        }


def by_kind(findings: Iterable[ImportFinding]) -> dict[Kind, list[ImportFinding]]:
    """Findings by kind, in the order of :data:`KINDS`."""
    out: dict[Kind, list[ImportFinding]] = {kind: [] for kind in KINDS}
    for one in findings:
        out[one.kind].append(one)
    return out
