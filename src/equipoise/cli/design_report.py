"""`equipoise design-report`: what the trial can show and what it cannot, as a report."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from equipoise.cli.console import console, print_json, reported, simulated_line
from equipoise.cli.options import ForceOption, JsonOption, OutOption, PdfOption, ProtocolArgument, SeedOption
from equipoise.cli.power import _bar

if TYPE_CHECKING:
    from equipoise.reporting.design_material import DesignMaterial


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("design-report")(design_report)


def design_report(
    protocol: ProtocolArgument,
    out: OutOption,
    scenario: Annotated[
        str | None, typer.Option("--scenario", help="Assumptions, as for `equipoise power`; by default the first set.")
    ] = None,
    replicates: Annotated[int, typer.Option("--replicates", "-r", help="Trials to simulate in each scenario.")] = 1000,
    per_week: Annotated[
        float, typer.Option("--per-week", help="Participants enrolled per week, for interim analyses.")
    ] = 1.0,
    seed: SeedOption = 1,
    force: ForceOption = False,
    pdf: PdfOption = True,
    as_json: JsonOption = False,
) -> None:
    """Write the design report: power by scenario, robustness, replications, interim analyses, stopping, randomization.

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
    _print_answer(run.material)
    for section, why in run.left_out:
        for line in textwrap.wrap(f"Left out, {section}: {why}", 80):
            console().print(line)
    report = next((path for path in run.files if path.name == "report.html"), None)
    if report is not None:
        console().print(f"Report: {report}")


def _print_answer(material: DesignMaterial) -> None:
    """Successful trials in 100 of the first primary analysis, scenario by scenario."""
    from equipoise.reporting.format import percentage, shortened
    from equipoise.reporting.power_report import primaries_of

    out = console()
    first = material.worlds[0]
    primary = next((s for s in primaries_of(first) if s.significant is not None), None)
    for line in textwrap.wrap(material.protocol.model.trial.title, 80):
        out.print(Text(line, style="bold"))
    if primary is None:
        return
    n = sum(first.arm_sizes.values())
    out.print()
    label = material.protocol.endpoint_label(primary.row.endpoint)
    out.print(Text(f"{shortened(label, 40):<44}Successful trials in 100, n={n}"))
    out.print("-" * 80)
    for world in material.worlds:
        share = world[primary.row.id].significant
        name = world.cell.spec.name.removeprefix(f"{first.cell.spec.name}+").replace("-", " ")
        shown = "not estimable" if share is None else f"{percentage(share.value, 0):>4}"
        if share is not None:
            shown += f" ({percentage(share.lower, 0)} to {percentage(share.upper, 0)})"
        out.print(Text(f"{shortened(name, 40):<44}{shown}"))
    out.print()
    if first.n_replicates < 500:
        out.print(f"{first.n_replicates} trials each: use -r 1000 for a protocol.")
