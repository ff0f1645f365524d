"""`equipoise import dataset-json`: files of Dataset-JSON, checked, as CSV."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.console import console, print_json, print_notes, reported, working
from equipoise.cli.options import ForceOption, JsonOption, OutOption


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command("dataset-json")(dataset_json)


def dataset_json(
    files: Annotated[list[Path], typer.Argument(metavar="FILE...", help="Files of Dataset-JSON (.json, .ndjson).")],
    out: OutOption,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check files of Dataset-JSON 1.1, whole, and write a CSV file of each.

    Every problem is named with its row and column, and nothing is written unless all files are right. To records they
    come by a mapping file: `equipoise import table`.

    Example: `equipoise import dataset-json dm.json ae.json --out datasets`
    """
    from equipoise.exchange.cdisc.bring_in import import_datasets
    from equipoise.exchange.output_folder import OutputFolder

    with reported(as_json=as_json):
        OutputFolder(out, kind="datasets", force=force).require_free()
        with working("reading", quiet=as_json):
            read = import_datasets(files, out, force=force)
    notes = [note for file in read for note in file.notes]
    if as_json:
        rows = {file.name: file.frame.height for file in read}
        said = [{"code": n.code, "file": n.file, "place": n.place, "found": n.found} for n in notes]
        print_json({"ok": True, "out": str(out), "datasets": rows, "notes": said})
        return
    console().print(", ".join(f"{file.name} {file.frame.height:,}" for file in read), markup=False)
    print_notes(notes)
    console().print(f"Tables: {out}", markup=False)
