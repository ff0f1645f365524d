"""`equipoise size`: how many participants."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from equipoise.cli.console import console, print_json, reported, simulated_line, working
from equipoise.cli.options import JsonOption, ProtocolArgument

if TYPE_CHECKING:
    from equipoise.workflow.size import SizeRun


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("size")(size)


def size(
    protocol: ProtocolArgument,
    power: Annotated[float, typer.Option("--power", help="Power wanted, above 0 and below 1.")] = 0.8,
    analysis: Annotated[
        str | None, typer.Option("--analysis", help="Line of the plan; by default the first primary.")
    ] = None,
    scenario: Annotated[
        str | None, typer.Option("--scenario", help="Assumptions, as for `equipoise power`; by default the first set.")
    ] = None,
    allocation: Annotated[
        list[str] | None,
        typer.Option("--allocation", help="Experimental to control, such as 2:1; may be given several times."),
    ] = None,
    cap: Annotated[int, typer.Option("--cap", help="Largest size looked at.")] = 1000,
    replicates: Annotated[int, typer.Option("--replicates", "-r", help="Trials simulated at a size.")] = 2000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the simulation, 0 to 4294967295.")] = 1,
    looks: Annotated[
        str | None, typer.Option("--looks", help="Looks at fractions of the information, such as 0.5,1.")
    ] = None,
    boundary: Annotated[str, typer.Option("--boundary", help="Boundary of the looks.")] = "lan-demets-obrien-fleming",
    boundary_parameter: Annotated[
        float | None, typer.Option("--boundary-parameter", help="Its parameter, where it has one.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """The smallest trial with the power wanted: simulated, beside the closed form, the difference explained.

    Example: `equipoise size ketamine-mbrp-cocaine --scenario for-power --power 0.8`
    """
    from equipoise.foundation.errors import DesignError, Problem
    from equipoise.workflow.size import size as find

    with reported(as_json=as_json):
        try:
            fractions = [float(part) for part in looks.split(",")] if looks is not None else []
        except ValueError:
            raise DesignError(
                Problem("D101", "--looks", f"Found {looks!r}.", "fractions parted by commas, such as 0.5,1")
            ) from None
        with working("simulating", quiet=as_json) as say:
            run = find(
                protocol,
                power=power,
                analysis=analysis,
                scenario=scenario,
                allocations=allocation or (),
                cap=cap,
                replicates=replicates,
                seed=seed,
                looks=fractions,
                boundary=boundary,
                boundary_parameter=boundary_parameter,
                progress=lambda n, runs: say(f"{n} participants, {runs} trials"),
            )
    if as_json:
        print_json(run.as_dict())
        return
    _print(run)


def _print(run: SizeRun) -> None:
    from equipoise.cli.tables import add_rows, plain_table

    out = console()
    simulated_line(True)
    first = run.answers[0].simulated
    out.print(
        f"{run.protocol.id}, {first.analysis}: power {run.power:g} at two-sided {run.alpha_two_sided:g}, "
        f"scenario {run.scenario}, {run.replicates:,} trials a size, seed {run.seed}"
    )
    for answer in run.answers:
        found = answer.simulated
        arms = ", ".join(f"{arm} {n}" for arm, n in found.at.arm_sizes.items())
        at = found.at.power
        out.print()
        out.print(
            f"allocation {answer.allocation}: {found.n_total} participants ({arms}); Monte Carlo interval of the size "
            f"{found.lower} to {found.upper}; power there {100 * at.value:.1f}% "
            f"({100 * at.lower:.1f} to {100 * at.upper:.1f})"
        )
        if answer.inflation is not None and answer.expected_share is not None:
            out.print(
                f"With the looks: at most {answer.n_maximum} (inflation {answer.inflation:.4f}), on average "
                f"{answer.expected_share * answer.n_maximum:.1f} under the effect."
            )
        table = plain_table(("n", "right"), ("power %", "right"), ("Monte Carlo", "right"), ("trials", "right"))
        rows = [
            (
                str(t.n_total),
                f"{100 * t.power.value:.1f}",
                f"{100 * t.power.lower:.1f} to {100 * t.power.upper:.1f}",
                f"{t.power.n:,}",
            )
            for t in found.tried
        ]
        out.print(add_rows(table, rows))
        for words in answer.differences:
            out.print(words)
