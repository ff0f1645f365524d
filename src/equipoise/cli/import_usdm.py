"""`equipoise import usdm`: a USDM 4 file to a protocol to start from."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.console import console, print_json, reported, working
from equipoise.cli.options import ForceOption, JsonOption, OutOption

_SHOWN = 12  # findings of a kind that the screen shows; the files hold all


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command("usdm")(import_usdm)


def import_usdm(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A USDM 4 file (JSON).")],
    out: OutOption,
    design: Annotated[
        str | None, typer.Option("--design", metavar="NAME", help="The design, where the file has several.")
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Read a USDM 4 file: a protocol to start from, and the list of what could not be taken over.

    Design, arms, schedule, criteria and, where they are definitions, estimands are taken over. Nothing is guessed: what
    the file does not say is listed, and what a protocol cannot do without is marked as assumed.

    Example: `equipoise import usdm study.json --out my-trial`
    """
    from equipoise.exchange.output_folder import OutputFolder
    from equipoise.exchange.redcap.findings import by_kind
    from equipoise.exchange.usdm.import_usdm import import_usdm as read
    from equipoise.exchange.usdm.import_usdm import write_import

    with reported(as_json=as_json):
        OutputFolder(out, kind="usdm import", force=force).require_free()
        with working("importing", quiet=as_json):
            imported = read(file, design=design)
            write_import(imported, file, out, force=force)
    if as_json:
        print_json(
            {
                "ok": True,
                "out": str(out),
                "passes": imported.passes,
                "findings": [one.as_dict() for one in imported.findings],
            }
        )
        return
    screen = console()
    for kind, held in by_kind(imported.findings).items():
        if held:
            screen.print(f"\n{kind.capitalize()}", markup=False)
        for one in held[:_SHOWN]:
            screen.print(f"  {one.code}  {one.field}: {one.why}", markup=False)
        if len(held) > _SHOWN:
            screen.print(f"  and {len(held) - _SHOWN} more", markup=False)
    screen.print(f"\nThe whole list: {out}/not-translated.csv", markup=False)
    screen.print(f"Next: equipoise check {out}/protocol.yaml", markup=False)
