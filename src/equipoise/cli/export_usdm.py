"""`equipoise export usdm`: a protocol as a USDM 4 file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.console import console, print_json, reported, working
from equipoise.cli.options import JsonOption, ProtocolArgument


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command("usdm")(export_usdm)


def export_usdm(
    protocol: ProtocolArgument,
    out: Annotated[Path, typer.Option("--out", "-o", metavar="FILE", help="File to write.")],
    force: Annotated[bool, typer.Option("--force", help="Replace a file of that name.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write the protocol as USDM 4 JSON: design, schedule with timings and windows, criteria, objectives, estimands.

    What USDM has no place for is printed. `equipoise import usdm` reads the file again and gives the same parts.

    Example: `equipoise export usdm ketamine-mbrp-cocaine --out study.json`
    """
    from equipoise.exchange.usdm.export import write_usdm
    from equipoise.foundation.version import program_version
    from equipoise.workflow.library import read_protocol

    with reported(as_json=as_json), working("exporting", quiet=as_json):
        made = write_usdm(read_protocol(protocol), out, version=program_version(), force=force)
    if as_json:
        left = [{"place": place, "why": why} for place, why in made.not_carried]
        print_json({"ok": True, "file": str(out), "not_carried": left})
        return
    for place, why in made.not_carried:
        console().print(f"  {place}: {why}", markup=False)
    console().print(f"Study: {out}", markup=False)
