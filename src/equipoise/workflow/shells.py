"""The report's shells, written before there is a record: what will be shown is settled before anybody sees data."""

from __future__ import annotations

from pathlib import Path

from equipoise.exchange.output_folder import OutputFolder
from equipoise.foundation.version import program_version
from equipoise.protocol import Protocol
from equipoise.workflow.library import read_protocol


def write_shells(
    protocol: Protocol | str | Path, out: str | Path, *, force: bool = False, pdf: bool = True
) -> tuple[Path, ...]:
    """Write shells.html, shells.docx and, with ``pdf``, shells.pdf to a new folder; returns what was written."""
    from equipoise.reporting.docx_file import render_docx
    from equipoise.reporting.shells import build_shells

    chosen = protocol if isinstance(protocol, Protocol) else read_protocol(protocol)
    target = OutputFolder(out, kind="shells", force=force)
    target.require_free()
    document = build_shells(chosen, version=program_version())
    with target as folder:
        names = ["shells.html", "shells.docx"]
        (folder / "shells.html").write_text(document.to_html(), "utf-8", newline="\n")
        (folder / "shells.docx").write_bytes(render_docx(document))
        if pdf:
            (folder / "shells.pdf").write_bytes(document.to_pdf())
            names.append("shells.pdf")
    return tuple(Path(out) / name for name in names)
