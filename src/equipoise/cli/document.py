"""`equipoise document`: the protocol as a document for sponsors, ethics committees and journals."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.console import console, print_json, reported, working
from equipoise.cli.options import JsonOption, ProtocolArgument, grouped


@dataclass(frozen=True)
class DocumentChoices:
    """For whom the document is, and what it holds beside the protocol itself."""

    audience: Annotated[
        str, typer.Option("--for", help="investigators (without the method of randomization) or committee.")
    ] = "investigators"
    compare: Annotated[
        str | None, typer.Option("--compare", metavar="OLD", help="An earlier version: list what changed, by section.")
    ] = None
    power: Annotated[
        bool, typer.Option("--power", help="Simulate 400 trials and state the power under sample size.")
    ] = False


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("document")(grouped(document))


def document(
    protocol: ProtocolArgument,
    to: Annotated[str, typer.Option("--to", help="html, docx (Word) or pdf.")],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="File to write.")],
    choices: DocumentChoices,
    force: Annotated[bool, typer.Option("--force", help="Replace a file of that name.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the protocol as a document: the sections of ICH M11 in their order, and the SPIRIT 2025 checklist.

    Everything in it is read from the protocol file. What the file does not contain is marked "For you to write", with
    what belongs there. The same protocol gives the same file.

    Example: `equipoise document ketamine-mbrp-cocaine --to pdf --out protocol.pdf`
    """
    from equipoise.workflow.document import write_protocol_document

    with reported(as_json=as_json), working("writing the document", quiet=as_json):
        file = write_protocol_document(
            protocol,
            out,
            to=to,
            audience=choices.audience,  # type: ignore[arg-type]
            compare=choices.compare,
            power=choices.power,
            force=force,
        )
    if as_json:
        print_json({"ok": True, "file": str(file), "edition": choices.audience})
        return
    console().print(f"Edition for {choices.audience}: {file}", markup=False)
