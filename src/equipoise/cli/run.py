"""`equipoise run`: from protocol to report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.console import print_json, reported, working
from equipoise.cli.options import (
    ForceOption,
    JsonOption,
    LooksOption,
    OutOption,
    PdfOption,
    ProtocolArgument,
    ScenarioOption,
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("run")(run)


def run(
    protocol: ProtocolArgument,
    out: OutOption,
    records: Annotated[Path | None, typer.Option("--records", help="A folder of records.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Simulate participants from this seed.")] = None,
    scenario: ScenarioOption = None,
    looks: LooksOption = None,
    force: ForceOption = False,
    pdf: PdfOption = True,
    everything: Annotated[bool, typer.Option("--all", help="Print every row of the results.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Get a trial's records, analyse them and write the report.

    Without `--records` the records shipped with a bundled protocol are used, or participants are simulated.

    Examples: `equipoise run smoking-cessation --out out` and `equipoise run xbot --records xbot-records --out out`
    """
    from equipoise.workflow.verbs import run as run_trial

    with reported(as_json=as_json), working(f"running {protocol}", quiet=as_json) as say:
        made = run_trial(
            protocol,
            out=out,
            records=records,
            seed=seed,
            scenario=scenario,
            looks=looks,
            force=force,
            pdf=pdf,
            progress=say,
        )
    if as_json:
        from equipoise.exchange.results_files import result_row

        print_json(
            {
                "ok": True,
                "out": str(made.folder),
                "files": [str(path) for path in made.files],
                "provenance": made.results.provenance.as_dict(),
                "estimates": [result_row(estimate) for estimate in made.results.estimates],
            }
        )
        return
    from equipoise.cli.answer_text import print_answer
    from equipoise.cli.results_text import print_results

    if everything or not print_answer(made):
        print_results(made)
