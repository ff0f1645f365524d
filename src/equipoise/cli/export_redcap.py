"""`equipoise export redcap`: a protocol and its records as a REDCap project."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.console import console, print_json, reported, simulated_line, working
from equipoise.cli.options import ForceOption, JsonOption, OutOption


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command("redcap")(export_redcap)


def export_redcap(
    protocol: Annotated[
        str, typer.Argument(metavar="P", help="A protocol, or a folder that `equipoise import redcap` wrote.")
    ],
    out: OutOption,
    records: Annotated[Path | None, typer.Argument(metavar="[RECORDS]", help="A folder of records, a cut.")] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write a REDCap project: dictionary, events, arms, forms by event, what repeats, and the data of records.

    An event for each visit, a form for each instrument, a repeating form for every other table. `equipoise import
    redcap` reads the files again and gives the same records. Of a folder of an import the project goes out as it came
    in.

    Example: `equipoise export redcap my-trial.yaml records --out for-redcap`
    """
    from equipoise.exchange.output_folder import OutputFolder
    from equipoise.exchange.records_files import read_records
    from equipoise.exchange.redcap.export_project import export_again, export_protocol, is_import_folder
    from equipoise.workflow.library import read_protocol

    with reported(as_json=as_json):
        OutputFolder(out, kind="redcap project", force=force).require_free()
        data = None
        with working("exporting", quiet=as_json):
            if records is None and is_import_folder(Path(protocol)):
                project, rows = export_again(Path(protocol), out, force=force)
            else:
                chosen = read_protocol(protocol)
                data = read_records(records) if records is not None else None
                project, rows = export_protocol(chosen, data, out, force=force)
    if as_json:
        said = {"fields": len(project.fields), "events": len(project.events), "rows": rows}
        print_json({"ok": True, "out": str(out), "simulated": data.is_simulated if data else None, **said})
        return
    simulated_line(data is not None and data.is_simulated)
    held = f"{len(project.fields)} fields in {len(project.forms)} forms, {len(project.events)} events"
    console().print(f"{held}, {rows:,} rows of data", markup=False)
    console().print(f"Project: {out}", markup=False)
