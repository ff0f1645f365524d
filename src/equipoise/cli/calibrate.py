"""`equipoise calibrate`: assumptions under which the simulated results equal the published ones."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equipoise.cli.console import console, print_json, reported, simulated_line
from equipoise.cli.options import ForceOption, JsonOption, ProtocolArgument

if TYPE_CHECKING:
    from equipoise.workflow.calibrate import CalibrationRun


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("calibrate")(calibrate)


def calibrate(
    protocol: ProtocolArgument,
    set_name: Annotated[
        str | None, typer.Option("--set", help="The set of assumptions to find; by default the protocol's first.")
    ] = None,
    free: Annotated[
        list[str] | None,
        typer.Option(
            "--free",
            help="A parameter that may move, with its plausible range: use-log-odds=-3..1, responder-share.ketamine; "
            "may be given several times. By default those of the set's `calibration`, or all.",
        ),
    ] = None,
    not_aimed_at: Annotated[
        list[str] | None,
        typer.Option(
            "--not-aimed-at", help="A published result that is shown but is not a target: relapse, relapse.effect."
        ),
    ] = None,
    replicates: Annotated[int | None, typer.Option("--replicates", "-r", help="Trials simulated per set.")] = None,
    starts: Annotated[int | None, typer.Option("--starts", help="Quasi-random sets tried first.")] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Seed of the simulation, 0 to 4294967295.")] = None,
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the protocol with the values found to this file.")
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Find assumptions under which simulated results equal the published ones, and how wide the choice is.

    Example: `equipoise calibrate ketamine-mbrp-cocaine --out calibrated.yaml`
    """
    from equipoise.workflow.calibrate import calibrate_protocol, require_free_file, write_calibrated

    with reported(as_json=as_json):
        if out is not None:
            require_free_file(out, force=force)
        with _bar(quiet=as_json) as progress:
            run = calibrate_protocol(
                protocol,
                set_name=set_name,
                free=free or (),
                not_aimed_at=not_aimed_at or None,
                replicates=replicates,
                starts=starts,
                seed=seed,
                progress=progress,
            )
        if out is not None:
            run = write_calibrated(run, out, force=force)
    if as_json:
        print_json(run.as_dict())
        return
    print_calibration(run)


@contextmanager
def _bar(*, quiet: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """The stage and how far it is, on a terminal only."""
    err = console(error=True)
    if quiet or not err.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task("calibrating")
        yield lambda stage, done, total: bar.update(task, description=stage, completed=done, total=total)


def print_calibration(run: CalibrationRun) -> None:
    """How well each target is met, what conflicts, and how wide the set of assumptions is that would do as well."""
    from equipoise.cli.results_text import short
    from equipoise.cli.tables import add_rows, plain_table

    out = console()
    simulated_line(True)
    found, search = run.found, run.found.search
    out.print(
        f"{run.protocol.id}, set {run.set_name}: {found.n_evaluations} sets of assumptions tried, "
        f"{search.replicates:,} trials each in the end, seed {search.seed}"
    )
    out.print()
    table = plain_table(
        "target",
        ("published", "right"),
        ("obtained", "right"),
        ("miss, SE", "right"),
        ("Monte Carlo", "right"),
        ("before", "right"),
        "",
    )
    rows = []
    for row in run.targets():
        verdict = "met" if row["met"] else "not met"
        if not row["aimed_at"]:
            verdict += ", not aimed at"
        rows.append(
            (
                row["target"],
                short(row["published"]),
                "none" if row["obtained"] is None else short(row["obtained"]),
                f"{row['miss']:+.2f}",
                f"{row['monte_carlo_error']:.2f}" if math.isfinite(row["monte_carlo_error"]) else "",
                "" if row["miss_before"] is None else f"{row['miss_before']:+.2f}",
                verdict,
            )
        )
    out.print(add_rows(table, rows))
    out.print("Obtained on other random numbers than were searched with; a miss counts in published standard errors.")
    out.print()
    table = plain_table(
        "parameter",
        ("value", "right"),
        ("range", "right"),
        ("does as well", "right"),
        ("compatible with what was published", "right"),
        ("learned %", "right"),
        "",
    )
    rows = []
    for row in run.parameters():
        rows.append(
            (
                row["parameter"],
                f"{row['value']:g}",
                *(f"{low:.3g} to {high:.3g}" for low, high in (row["range"], row["does_as_well"], row["compatible"])),
                f"{100 * row['learned']:.0f}",
                "at the edge of its range" if row["at_edge"] else "",
            )
        )
    out.print(add_rows(table, rows))
    if len(found.weakest) > 1:
        parts = ", ".join(f"{id} {part:+.2f}" for id, part in found.weakest)
        out.print(f"The published results say least of this combination: {parts}.")
    within = sum(distance <= found.ends[0][0] + found.limit for distance, _ in found.ends)
    out.print(
        f"{within} of {len(found.ends)} searches from different sets ended as near; distance "
        f"{found.best.distance:.3f} searched, {found.judged.distance:.3f} judged."
    )
    for conflict in found.conflicts:
        out.print()
        out.print(f"{conflict.target} is missed by {conflict.miss:+.2f} of its standard error.")
        if abs(conflict.forced) > 0.5 * abs(conflict.miss):
            out.print(f"  Even when it weighs a hundredfold it is missed by {conflict.forced:+.2f}.")
        if conflict.moved:
            moved = "; ".join(f"{id} {now:+.2f} to {then:+.2f}" for id, now, then in conflict.moved)
            out.print(f"  Brought to {conflict.forced:+.2f}, it moves {moved}.")
        else:
            out.print(f"  Brought to {conflict.forced:+.2f}, it moves no other target by more than a quarter.")
    if run.file is not None:
        out.print()
        out.print(f"{run.file}")
