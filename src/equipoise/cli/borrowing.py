"""`equipoise borrowing`: what a plan borrows from earlier studies, and what that does to its errors and power."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from equipoise.cli.console import console, print_json, reported
from equipoise.cli.options import JsonOption, ProtocolArgument


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("borrowing")(borrowing)


def borrowing(
    protocol: ProtocolArgument,
    line: Annotated[
        str | None, typer.Option("--line", help="Line of the plan; by default the first that borrows.")
    ] = None,
    effect: Annotated[
        float | None,
        typer.Option("--effect", help="True effect for the power: a difference (0.2), or one arm's proportion."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Type I error and power of an analysis that borrows, from every possible result, over true control values.

    Example: `equipoise borrowing my-trial.yaml --effect 0.2`
    """
    from equipoise.cli.tables import add_rows, plain_table
    from equipoise.design.borrowing import borrowing_table
    from equipoise.foundation.version import program_version
    from equipoise.workflow.library import read_protocol

    with reported(as_json=as_json):
        chosen = read_protocol(protocol)
        table = borrowing_table(chosen, line, effect)
    if as_json:
        print_json(
            {
                "ok": True,
                "protocol": chosen.id,
                "protocol_hash": chosen.hash,
                "version": program_version(),
                "line": table.line,
                "scale": table.scale,
                "sizes": table.sizes,
                "rule": asdict(table.rule),
                "effect": table.effect,
                "prior": table.prior.as_dict(),
                "rows": [asdict(row) for row in table.rows],
            }
        )
        return
    out = console()
    prior, share = table.prior, table.scale != "mean_difference"
    sizes = ", ".join(f"{arm} {n}" for arm, n in table.sizes.items())
    worth = prior.worth.local_information
    out.print(f"{chosen.id}, {table.line}: {sizes} participants")
    said = "not defined" if worth != worth else f"{worth:.0f} participants"
    n = len(prior.studies)
    out.print(f"Borrowed: {n} {'study' if n == 1 else 'studies'}, robust weight {prior.robust_weight:g}, worth: {said}")
    heads = ("with", "without") if table.effect is None else ("with", "without", "power with", "without")
    shown = plain_table(
        ("true control" if len(table.sizes) > 1 else "at the goal", "right"),
        ("studies below", "right"),
        *((head, "right") for head in heads),
        ("bias", "right"),
        ("coverage", "right"),
    )
    unit = 100.0 if share else 1.0
    rows = []
    for row in table.rows:
        power = [] if table.effect is None else [row.power, row.power_without]
        cells = [f"{100 * row.error:.1f}", f"{100 * row.error_without:.1f}"]
        cells += ["none" if p is None else f"{100 * p:.0f}" for p in power]
        rows.append(
            (
                f"{unit * row.control:.1f}" + ("%" if share else ""),
                f"{100 * row.quantile:.1f}%",
                *cells,
                f"{unit * row.bias:.1f}" if share else f"{row.bias:.2g}",
                f"{100 * row.coverage:.0f}",
            )
        )
    out.print(add_rows(shown, rows))
    limit = f"{table.rule.more_than:g}"
    out.print(f"With, without: type I errors in 100 where the true effect is {limit}, borrowing and not.")
    if table.effect is not None:
        out.print(f"Power: successes in 100 with a true effect of {table.effect:g}.")
    out.print("Bias and coverage of the interval (in 100): borrowing, at that effect. Nothing is simulated.")
