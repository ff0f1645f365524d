"""`equipoise import`: records from the files of others."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.console import console, print_json, print_notes, reported, working
from equipoise.cli.options import ForceOption, JsonOption, OutOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("import")(import_files)


def import_files(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="ctn0094 (a folder of tables), table (a mapping file), or spss, stata or xpt (a folder of files).",
        ),
    ],
    where: Annotated[Path, typer.Argument(metavar="DIR|MAPPING", help="The folder, or the mapping file.")],
    out: OutOption,
    protocol: Annotated[
        str | None,
        typer.Option("--protocol", metavar="PROTOCOL", help="Check at once all that a run of this protocol would."),
    ] = None,
    project: Annotated[int | None, typer.Option("--project", help="Of CTN-0094: 27, 30 or 51.")] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Read a trial's own files into records.

    `ctn0094` reads the harmonised tables of three opioid trials; `table` reads your own files by a mapping file
    (CSV, SPSS, Stata, SAS, Parquet); `spss`, `stata` and `xpt` read a folder that `equipoise export` wrote, or one
    whose files and columns are named as tables of records are.

    With `--protocol` the records are held against that protocol, and nothing is written unless they fit.

    Examples: `equipoise import ctn0094 tables --project 51 --out xbot-records` and
    `equipoise import table mapping.yaml --protocol trial.yaml --out records`
    """
    from equipoise.exchange.output_folder import OutputFolder
    from equipoise.exchange.records_files import write_records
    from equipoise.records.due_visits import find_due_visits
    from equipoise.workflow.library import read_protocol
    from equipoise.workflow.verbs import import_records

    with reported(as_json=as_json):
        OutputFolder(out, kind="records", force=force).require_free()
        with working("importing", quiet=as_json):
            chosen = read_protocol(protocol) if protocol is not None else None
            records = import_records(source, where, project=project, protocol=chosen)
            notes = find_due_visits(chosen, records).notes if chosen is not None else []
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
                "notes": [{"code": note.code, "place": note.place, "found": note.found} for note in notes],
            }
        )
        return
    console().print(records.source.description)
    console().print(", ".join(f"{name} {n:,}" for name, n in counts.items()))
    print_notes(notes)
    if protocol is not None or records.source.protocol:
        from equipoise.workflow.library import bundled_protocols

        # A bundled protocol goes by its name; a user's own by its file, which the records do not know.
        named = records.source.protocol
        run = protocol or (named if named in bundled_protocols() else f"PROTOCOL.yaml (of {named})")
        console().print(f"Next: equipoise run {run} --records {out} --out DIR")
    console().print(f"Records: {out}")
