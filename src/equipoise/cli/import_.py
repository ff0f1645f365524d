"""`equipoise import`: records from the files of others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.console import console, print_json, reported, working
from equipoise.cli.options import ForceOption, JsonOption, OutOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import")(import_files)


def import_files(
    source: Annotated[
        str, typer.Argument(metavar="SOURCE", help="ctn0094 (a folder of tables) or table (a mapping file).")
    ],
    where: Annotated[Path, typer.Argument(metavar="DIR|MAPPING", help="The folder, or the mapping file.")],
    out: OutOption,
    project: Annotated[int | None, typer.Option("--project", help="Of CTN-0094: 27, 30 or 51.")] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Read a trial's own files into records.

    `ctn0094` reads the harmonised tables of three opioid trials; `table` reads your own CSV files by a mapping file.

    Examples: `equipoise import ctn0094 tables --project 51 --out xbot-records` and
    `equipoise import table mapping.yaml --out records`
    """
    from equipoise.exchange.output_folder import OutputFolder
    from equipoise.exchange.records_files import write_records
    from equipoise.workflow.verbs import import_records

    with reported(as_json=as_json):
        OutputFolder(out, kind="records", force=force).require_free()
        with working("importing", quiet=as_json):
            records = import_records(source, where, project=project)
            write_records(records, out, force=force)
    counts = {name: frame.height for name, frame in records.tables.items() if frame.height}
    if as_json:
        print_json(
            {
                "ok": True,
                "out": str(out),
                "protocol": records.source.protocol,
                "data_hash": records.data_hash,
                "rows": counts,
            }
        )
        return
    console().print(records.source.description)
    console().print(", ".join(f"{name} {n:,}" for name, n in counts.items()))
    if records.source.protocol:
        from equipoise.workflow.library import bundled_protocols

        # A bundled protocol goes by its name; a user's own by its file, which the records do not know.
        named = records.source.protocol
        protocol = named if named in bundled_protocols() else f"PROTOCOL.yaml (of {named})"
        console().print(f"Next: equipoise run {protocol} --records {out} --out DIR")
    console().print(f"Records: {out}")
