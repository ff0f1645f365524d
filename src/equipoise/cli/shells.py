"""`equipoise shells`: the report before there is any record, its tables empty."""

from __future__ import annotations

import typer

from equipoise.cli.console import console, print_json, reported, working
from equipoise.cli.options import ForceOption, JsonOption, OutOption, PdfOption, ProtocolArgument


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("shells")(shells)


def shells(
    protocol: ProtocolArgument,
    out: OutOption,
    force: ForceOption = False,
    pdf: PdfOption = True,
    as_json: JsonOption = False,
) -> None:
    """Write the report with empty tables and named figures, before there are records (mock tables).

    Example: `equipoise shells ketamine-mbrp-cocaine --out shells`
    """
    from equipoise.workflow.shells import write_shells

    with reported(as_json=as_json), working("writing the shells", quiet=as_json):
        files = write_shells(protocol, out, force=force, pdf=pdf)
    if as_json:
        print_json({"ok": True, "out": str(out), "files": [str(path) for path in files]})
        return
    for path in files:
        console().print(str(path), markup=False)
