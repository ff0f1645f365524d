"""`equipoise size`: how many participants."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Annotated

import typer
from rich.text import Text

from equipoise.cli.console import console, print_json, reported, simulated_line, working
from equipoise.cli.options import JsonOption, ProtocolArgument

if TYPE_CHECKING:
    from equipoise.workflow.size import SizeRun


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("size")(size)


def size(
    protocol: ProtocolArgument,
    power: Annotated[float, typer.Option("--power", help="Target power, above 0 and below 1.")] = 0.8,
    analysis: Annotated[
        str | None, typer.Option("--analysis", help="Planned analysis; by default the first primary one.")
    ] = None,
    scenario: Annotated[
        str | None, typer.Option("--scenario", help="Assumptions, as for `equipoise power`; by default the first set.")
    ] = None,
    allocation: Annotated[
        list[str] | None,
        typer.Option("--allocation", help="Ratio of experimental to control, such as 2:1; may be given several times."),
    ] = None,
    cap: Annotated[int, typer.Option("--cap", help="Largest sample size to try.")] = 1000,
    replicates: Annotated[int, typer.Option("--replicates", "-r", help="Trials simulated per sample size.")] = 2000,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the simulation, 0 to 4294967295.")] = 1,
    looks: Annotated[
        str | None, typer.Option("--looks", help="Interim analyses at fractions of the information, such as 0.5,1.")
    ] = None,
    boundary: Annotated[
        str, typer.Option("--boundary", help="Boundary of the interim analyses.")
    ] = "lan-demets-obrien-fleming",
    boundary_parameter: Annotated[
        float | None, typer.Option("--boundary-parameter", help="Its parameter, if it has one.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Find the smallest trial with the target power, by simulation and by formula, and explain the difference.

    Example: `equipoise size ketamine-mbrp-cocaine --scenario for-power --power 0.8`
    """
    from equipoise.foundation.errors import DesignError, Problem
    from equipoise.workflow.size import size as find

    with reported(as_json=as_json):
        try:
            fractions = [float(part) for part in looks.split(",")] if looks is not None else []
        except ValueError:
            raise DesignError(
                Problem("D101", "--looks", f"Found {looks!r}.", "fractions separated by commas, such as 0.5,1")
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
    _print(run, protocol)


def _print(run: SizeRun, named: str) -> None:
    out = console()

    def say(text: str, style: str = "") -> None:
        for line in textwrap.wrap(text, 80):
            out.print(Text(line, style=style))

    simulated_line(True)
    first = run.answers[0].simulated
    endpoint = run.protocol.model.estimands[run.protocol.model.analyses[first.analysis].estimand].endpoint
    say(f"{run.protocol.model.trial.title}: {run.protocol.endpoint_label(endpoint)}")
    for answer in run.answers:
        found = answer.simulated
        arms = ", ".join(f"{run.protocol.arm_label(arm)} {n}" for arm, n in found.at.arm_sizes.items())
        at = found.at.power
        out.print()
        say(f"{found.n_total} participants for {100 * run.power:g}% power ({arms})", "bold")
        say(
            f"Monte Carlo interval of the size {found.lower} to {found.upper}; power there {100 * at.value:.1f}% "
            f"({100 * at.lower:.1f} to {100 * at.upper:.1f}); allocation {answer.allocation}."
        )
        if answer.inflation is not None and answer.expected_share is not None:
            say(
                f"With the looks: at most {answer.n_maximum} (inflation {answer.inflation:.4f}), on average "
                f"{answer.expected_share * answer.n_maximum:.1f} under the effect."
            )
        out.print()
        out.print("Participants    Power (95% Monte Carlo interval)    Trials")
        out.print("-" * 80)
        for t in found.tried:
            shown = f"{100 * t.power.value:.1f}% ({100 * t.power.lower:.1f} to {100 * t.power.upper:.1f})"
            out.print(f"{t.n_total:>12}    {shown:<32}    {t.power.n:>6}")
        out.print()
        say("By formula:")
        for words in answer.differences:
            for line in textwrap.wrap(words, 78, initial_indent="  ", subsequent_indent="    "):
                out.print(line)
    say(
        f"{run.level_in_words.capitalize()}, scenario {run.scenario}, {run.replicates} trials per size, "
        f"seed {run.seed}. Dropout is in the numbers: add nothing for it."
    )
    out.print(
        f"Next: equipoise design-report {named} --scenario {run.scenario} --out design", markup=False, soft_wrap=True
    )
