"""`equipoise multiverse`: every definition, missing rule and estimator, beside the one that was planned."""

from __future__ import annotations

from typing import Annotated

import typer

from equipoise.cli.console import console, print_json, reported, simulated_line, working
from equipoise.cli.options import ForceOption, JsonOption, OutOption, ProtocolArgument, RecordsArgument


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("multiverse")(multiverse)


def multiverse(
    protocol: ProtocolArgument,
    records: RecordsArgument,
    out: OutOption,
    sets: Annotated[int, typer.Option("--sets", min=2, max=1000, help="Imputed data sets per imputed row.")] = 20,
    line: Annotated[
        str | None,
        typer.Option("--line", help="Planned analysis whose outcome is varied; by default the first about use."),
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Run every combination of the analysis choices (multiverse): a table and a curve of effects, with the planned one
    marked.

    Writes multiverse.csv, multiverse.json and a specification curve (SVG) for each scale.

    Example: `equipoise multiverse xbot xbot-records --out multiverse`
    """
    from equipoise.analysis.multiverse.universes import CAUTION
    from equipoise.workflow.multiverse import explore_multiverse, write_multiverse

    with reported(as_json=as_json), working(f"multiverse of {protocol}", quiet=as_json) as say:
        found = explore_multiverse(protocol, records, sets=sets, line=line, progress=say)
        files = write_multiverse(found, out, force=force)
    if as_json:
        print_json(
            {
                "ok": True,
                "out": str(out),
                "files": [str(path) for path in files],
                "count": found.count(),
                "definitions": found.count_definitions(),
                "caution": CAUTION,
                "left_out": [{"id": id, "why": why} for id, why in found.left_out],
                "not_applicable": [{"definition": name, "why": why} for name, why in found.not_applicable],
            }
        )
        return
    screen = console()
    simulated_line(found.origin == "simulated")
    screen.print(found.title, style="bold")
    for name, value in found.count().items():
        screen.print(f"{value:>6}  {name.replace('_', ' ')}")
    if found.left_out:
        screen.print(f"{len(found.left_out):>6}  could not be fitted; multiverse.json says why")
    if found.not_applicable:
        screen.print(
            f"{len(found.not_applicable):>6}  definitions of the library do not apply; multiverse.json says why"
        )
    screen.print("Definitions, each under its own missing rule", style="bold")
    for kind, counted in found.count_definitions().items():
        sides = ", ".join(f"{counted[f'favours {name}']} favour {name}" for name in (found.arm, found.reference))
        screen.print(
            f"{counted['definitions']:>6}  {kind}: {sides}; {counted['changes_side']} change sides under another rule "
            "or estimator"
        )
    screen.print(CAUTION)
    for path in files:
        screen.print(str(path))
