"""`equipoise analyse`: the analysis plan on a folder of records."""

from __future__ import annotations

import typer

from equipoise.cli.console import print_json, reported, working
from equipoise.cli.options import ForceOption, JsonOption, LooksOption, OutOption, ProtocolArgument, RecordsArgument


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("analyse")(analyse)


def analyse(
    protocol: ProtocolArgument,
    records: RecordsArgument,
    out: OutOption,
    looks: LooksOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Analyse records by the protocol's plan; writes results.json and results.csv.

    Example: `equipoise analyse xbot xbot-records --out results`
    """
    from equipoise.workflow.verbs import run as run_trial

    with reported(as_json=as_json), working(f"analysing {records}", quiet=as_json) as say:
        made = run_trial(protocol, out=out, records=records, looks=looks, force=force, with_report=False, progress=say)
    if as_json:
        from equipoise.exchange.results_files import result_row

        print_json(
            {
                "ok": True,
                "out": str(made.folder),
                "provenance": made.results.provenance.as_dict(),
                "estimates": [result_row(estimate) for estimate in made.results.estimates],
            }
        )
        return
    from equipoise.cli.results_text import print_results

    print_results(made)
