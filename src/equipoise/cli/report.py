"""`equipoise report`: the report of a trial, its analysis made again."""

from __future__ import annotations

import typer

from equipoise.cli.console import console, print_json, print_notes, reported, simulated_line, working
from equipoise.cli.options import (
    ForceOption,
    JsonOption,
    LooksOption,
    OutOption,
    PdfOption,
    ProtocolArgument,
    RecordsArgument,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report")(report)


def report(
    protocol: ProtocolArgument,
    records: RecordsArgument,
    out: OutOption,
    looks: LooksOption = None,
    force: ForceOption = False,
    pdf: PdfOption = True,
    as_json: JsonOption = False,
) -> None:
    """Write the report of a trial (report.html, report.pdf) and its results.

    Example: `equipoise report xbot xbot-records --out report`
    """
    from equipoise.workflow.verbs import run as run_trial

    with reported(as_json=as_json), working("reporting", quiet=as_json) as say:
        made = run_trial(protocol, out=out, records=records, looks=looks, force=force, pdf=pdf, progress=say)
    if as_json:
        notes = made.results.provenance.as_dict()["notes"]
        print_json({"ok": True, "out": str(made.folder), "files": [str(path) for path in made.files], "notes": notes})
        return
    simulated_line(made.records.is_simulated)
    print_notes(made.results.provenance.notes)
    for path in made.files:
        console().print(str(path))
