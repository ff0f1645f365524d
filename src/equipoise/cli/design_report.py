"""`equipoise design-report`: what the trial can show and what it cannot, as a report."""

from __future__ import annotations

from typing import Annotated

import typer

from equipoise.cli.console import console, print_json, reported, simulated_line
from equipoise.cli.options import ForceOption, JsonOption, OutOption, PdfOption, ProtocolArgument, SeedOption
from equipoise.cli.power import _bar


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("design-report")(design_report)


def design_report(
    protocol: ProtocolArgument,
    out: OutOption,
    scenario: Annotated[
        str | None, typer.Option("--scenario", help="Assumptions, as for `equipoise power`; by default the first set.")
    ] = None,
    replicates: Annotated[int, typer.Option("--replicates", "-r", help="Trials to simulate in each world.")] = 1000,
    per_week: Annotated[float, typer.Option("--per-week", help="Participants entering a week, for the looks.")] = 1.0,
    seed: SeedOption = 1,
    force: ForceOption = False,
    pdf: PdfOption = True,
    as_json: JsonOption = False,
) -> None:
    """Write the design report: power in many worlds, fragility, replications, looks, stopping, randomization.

    Example: `equipoise design-report ketamine-mbrp-cocaine --scenario for-power --out design`
    """
    from equipoise.workflow.design_report import design_report as make

    with reported(as_json=as_json), _bar(quiet=as_json) as progress:
        run = make(
            protocol,
            scenario=scenario,
            replicates=replicates,
            seed=seed,
            per_week=per_week,
            out=out,
            force=force,
            pdf=pdf,
            progress=progress,
        )
    if as_json:
        left_out = [{"section": section, "why": why} for section, why in run.left_out]
        print_json({"ok": True, "simulated": True, "files": [str(path) for path in run.files], "left_out": left_out})
        return
    simulated_line(True)
    for path in run.files:
        console().print(str(path))
    for section, why in run.left_out:
        console().print(f"Left out, {section}: {why}")
