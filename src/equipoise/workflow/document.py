"""The protocol as a document: one file in HTML, Word or PDF."""

from __future__ import annotations

from pathlib import Path

from equipoise.foundation.errors import OutputError, Problem, UsageError, listed
from equipoise.foundation.version import program_version
from equipoise.protocol import Protocol
from equipoise.reporting.document import Block, Document
from equipoise.reporting.protocol_document.build import build_protocol_document
from equipoise.reporting.protocol_document.compare import changes_table
from equipoise.reporting.protocol_document.draft import AUDIENCES, Audience
from equipoise.workflow.library import read_protocol

CODES = {
    "U080": "A protocol document was asked for in a format or an edition that there is not.",
    "U081": "The version to compare with is the same protocol, or another trial's.",
    "O080": "The file of a document exists already, or cannot be written.",
}
FORMATS = ("html", "docx", "pdf")
REPLICATES = 400  # of a call that should take seconds


def protocol_document(
    protocol: Protocol | str | Path,
    *,
    audience: Audience = "investigators",
    compare: Protocol | str | Path | None = None,
    power: bool = False,
    paged: bool = False,
) -> Document:
    """The protocol in the order of ICH M11 with the SPIRIT 2025 checklist; what the file lacks is marked.

    ``compare`` is an earlier version, whose differences stand by section after the title page. ``power`` simulates
    400 trials under the first set of assumptions. ``paged`` names pages of the PDF in the checklist.
    """
    chosen = protocol if isinstance(protocol, Protocol) else read_protocol(protocol)
    if audience not in AUDIENCES:
        raise UsageError(Problem("U080", "--for", f"Found {audience!r}.", listed(AUDIENCES)))
    changes = None
    if compare is not None:
        old = compare if isinstance(compare, Protocol) else read_protocol(compare)
        if old.id != chosen.id:
            found = f"The earlier version is of {old.id!r}, the protocol is {chosen.id!r}."
            raise UsageError(Problem("U081", "--compare", found, f"an earlier version of {chosen.id}"))
        changes = changes_table(old, chosen, audience)
        if changes is None:
            found = "The content of the two files is the same."
            raise UsageError(Problem("U081", "--compare", found, "an earlier version", "Leave out --compare."))
    blocks = _power_blocks(chosen) if power else []
    return build_protocol_document(
        chosen, audience=audience, version=program_version(), power=blocks, changes=changes, paged=paged
    )


def _power_blocks(protocol: Protocol) -> list[Block]:
    from equipoise.reporting.protocol_document.power_blocks import power_blocks
    from equipoise.workflow.power import power

    return power_blocks(protocol, power(protocol, replicates=REPLICATES).cells[0])


def require_format(to: str) -> str:
    """The format by its name; raises U080 for another."""
    if to not in FORMATS:
        raise UsageError(Problem("U080", "--to", f"Found {to!r}.", listed(FORMATS)))
    return to


def require_free_file(out: Path, *, force: bool = False) -> None:
    """Raise O080 where a file is there and ``force`` is off, or a folder stands in its place."""
    if out.is_dir():
        found = "There is a folder of that name."
        raise OutputError(
            Problem("O080", str(out), found, "the name of a file", f"Write for example {out / 'protocol.pdf'}.")
        )
    if out.exists() and not force:
        found = "There is a file of that name."
        raise OutputError(Problem("O080", str(out), found, "a new name", "Choose another name, or add --force."))


def write_protocol_document(
    protocol: Protocol | str | Path,
    out: str | Path,
    *,
    to: str,
    audience: Audience = "investigators",
    compare: Protocol | str | Path | None = None,
    power: bool = False,
    force: bool = False,
) -> Path:
    """Write the document as one file (``html``, ``docx`` or ``pdf``), whole or not at all; returns its path."""
    from equipoise.reporting.docx_file import render_docx

    file = Path(out)
    require_format(to)
    require_free_file(file, force=force)
    document = protocol_document(protocol, audience=audience, compare=compare, power=power, paged=to == "pdf")
    if to == "html":
        content = document.to_html().encode("utf-8")
    else:
        content = document.to_pdf() if to == "pdf" else render_docx(document)
    partial = file.with_name(f".{file.name}.partial")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        partial.write_bytes(content)
        partial.replace(file)
    except OSError as error:
        partial.unlink(missing_ok=True)
        reason = (error.strerror or type(error).__name__).lower()
        raise OutputError(Problem("O080", str(file), f"The file cannot be written: {reason}.")) from None
    return file
