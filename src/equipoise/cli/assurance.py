"""`equipoise assurance`: will a replication of the published trial succeed?"""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from equipoise.cli.console import console, print_json, reported
from equipoise.cli.options import JsonOption, ProtocolArgument


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("assurance")(assurance)


def assurance(
    protocol: ProtocolArgument,
    sizes: Annotated[
        str, typer.Option("--sizes", help="Total number of participants in the replication.")
    ] = "55,110,200",
    alpha: Annotated[float, typer.Option("--alpha", help="Level of its test, two-sided.")] = 0.05,
    as_json: JsonOption = False,
) -> None:
    """Probability that a replication is significant in the published direction, under several beliefs about the effect.

    Example: `equipoise assurance ketamine-mbrp-cocaine --sizes 55,110,200`
    """
    from equipoise.cli.results_text import short
    from equipoise.cli.tables import add_rows, plain_table
    from equipoise.design.assurance import PRIORS, replication_table
    from equipoise.foundation.errors import DesignError, Problem
    from equipoise.foundation.version import program_version
    from equipoise.workflow.library import read_protocol

    with reported(as_json=as_json):
        try:
            wanted = [int(part) for part in sizes.split(",")]
        except ValueError:
            found = f"Found {sizes!r}."
            raise DesignError(Problem("D111", "--sizes", found, "whole numbers separated by commas")) from None
        if not 0.0 < alpha < 1.0:
            raise DesignError(Problem("D102", "--alpha", f"Found {alpha!r}.", "a level above 0 and below 1"))
        chosen = read_protocol(protocol)
        table = replication_table(chosen, sizes=wanted, alpha_two_sided=alpha)
    if as_json:
        print_json(
            {
                "ok": True,
                "protocol": chosen.id,
                "protocol_hash": chosen.hash,
                "version": program_version(),
                "alpha_two_sided": table.alpha_two_sided,
                "n_published": table.n_published,
                "priors": PRIORS,
                "rows": [asdict(row) for row in table.rows],
                "left_out": [{"published": id, "why": why} for id, why in table.left_out],
            }
        )
        return
    out = console()
    out.print(
        f"{chosen.id}: probability that one more trial is significant (two-sided {alpha:g}) in the published direction"
    )
    heads = [(f"n {n}%", "right") for n in wanted]
    shown = plain_table("published result", "belief", ("effect believed", "right"), *heads)
    rows = []
    for id, prior in dict.fromkeys((row.published, row.prior) for row in table.rows):
        mine = [row for row in table.rows if (row.published, row.prior) == (id, prior)]
        effect = "" if mine[0].effect is None else short(mine[0].effect)
        rows.append((id, prior, effect, *(f"{100 * row.probability:.0f}" for row in mine)))
    out.print(add_rows(shown, rows))
    for prior in dict.fromkeys(row.prior for row in table.rows):
        out.print(f"{prior}: {PRIORS[prior]}")
    for id, why in table.left_out:
        out.print(f"{id} is left out: {why}.")
