"""A USDM file to a folder: a protocol to start from, the file itself, and the list of what was not taken over."""

from __future__ import annotations

import csv
import json
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from equipoise.exchange.csv import inert
from equipoise.exchange.output_folder import OutputFolder
from equipoise.exchange.redcap.findings import ImportFinding
from equipoise.exchange.usdm.read_in import read_usdm
from equipoise.exchange.usdm.skeleton import UsdmSkeleton
from equipoise.foundation.errors import Problem, ProtocolError, RecordsError
from equipoise.protocol.read import read_protocol_text

CODES = {
    "R492": "The protocol made of a USDM file does not pass every check yet.",
    "R493": "What this program wrote into a USDM file beside the model was changed, and cannot be read.",
}
PROTOCOL, KEPT, LIST_CSV, LIST_JSON = "protocol.yaml", "study.usdm.json", "not-translated.csv", "not-translated.json"


@dataclass(frozen=True)
class ImportedUsdm:
    """What an import comes to: the protocol as text, and the list."""

    text: str
    findings: tuple[ImportFinding, ...]

    @property
    def passes(self) -> bool:
        """Whether `equipoise check` reads the protocol."""
        return not any(one.code == "R492" for one in self.findings)


def import_usdm(path: Path, *, design: str | None = None) -> ImportedUsdm:
    """The protocol to start from in a USDM 4 file; raises :class:`RecordsError` with every problem of the file."""
    skeleton = UsdmSkeleton(read_usdm(path, design=design))
    try:
        text = skeleton.text()
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        if not skeleton.own and not skeleton.version:
            raise
        found = f"An extension attribute of this program cannot be used: {type(error).__name__}, {str(error)[:80]}."
        next_step = (
            "Export the protocol again, or remove the extension attributes to read the file as another program's."
        )
        raise RecordsError(
            Problem("R493", "extensionAttributes", found, "as it was written", next_step, str(path))
        ) from None
    findings = list(skeleton.findings)
    try:
        read_protocol_text(text, file=PROTOCOL)
    except ProtocolError as error:
        findings += [
            ImportFinding(
                "question", "R492", p.place, p.code, p.found, f"Expected {p.expected}. {p.next_step or ''}".strip()
            )
            for p in error.problems
        ]
    return ImportedUsdm(text, tuple(findings))


def write_import(imported: ImportedUsdm, path: Path, out: Path, *, force: bool = False) -> None:
    """Write protocol.yaml, the file as it came, and not-translated.csv and .json to a new folder."""
    with OutputFolder(out, kind="usdm import", force=force) as folder:
        (folder / PROTOCOL).write_text(imported.text, "utf-8", newline="\n")
        (folder / KEPT).write_bytes(path.read_bytes())
        lines = StringIO(newline="")
        table = csv.writer(lines, lineterminator="\n")
        table.writerow(("kind", "code", "place", "text", "why"))
        for one in imported.findings:
            table.writerow([inert(cell) for cell in (one.kind, one.code, one.field, one.text, one.why)])
        (folder / LIST_CSV).write_text(lines.getvalue(), "utf-8", newline="")
        found = [one.as_dict() for one in imported.findings]
        (folder / LIST_JSON).write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", "utf-8", newline="\n")
