"""`equipoise power`: what the trial will show, before it starts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equipoise.cli.console import console, print_json, reported, simulated_line
from equipoise.cli.options import JsonOption, ProtocolArgument

if TYPE_CHECKING:
    from equipoise.design.operating import OperatingCharacteristics
    from equipoise.workflow.power import PowerRun


NEVER_FITTED = "never"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("power")(power)


def power(
    protocol: ProtocolArgument,
    replicates: Annotated[int, typer.Option("--replicates", "-r", help="Trials to simulate in each scenario.")] = 2000,
    scenario: Annotated[
        list[str] | None,
        typer.Option(
            "--scenario",
            help="A set of the protocol's assumptions, with changes after a plus sign (for-power+attenuated), or a "
            "YAML file of scenarios; may be given several times. By default the protocol's first set.",
        ),
    ] = None,
    grid: Annotated[
        list[str] | None,
        typer.Option("--grid", help="Axes crossed with every scenario: n=40,55,110 effect=0.5,1 dropout=0.1,0.3."),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the simulation, 0 to 4294967295.")] = 1,
    executor: Annotated[
        str, typer.Option("--executor", help="threads, threads:N, or a Dask scheduler's address (tcp://host:8786).")
    ] = "threads",
    precision: Annotated[
        float | None,
        typer.Option(
            "--precision", help="Stop when the power of every primary analysis is known to within this (0.005)."
        ),
    ] = None,
    variations: Annotated[
        bool, typer.Option("--variations", help="Also run the choices that the plan varies.")
    ] = False,
    imputation: Annotated[
        bool,
        typer.Option(
            "--imputation",
            help="Also run analyses by multiple imputation that are not primary: about a second per trial.",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            help="Folder for tables, figures, report and the numbers of every replicate; an interrupted run resumes.",
        ),
    ] = None,
    replay: Annotated[
        int | None, typer.Option("--replay", help="Write this replicate as records in --out, and do nothing else.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="Print every analysis, with bias and coverage.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Power, type I error, bias and coverage of the whole analysis plan, with every failed fit counted.

    Example: `equipoise power ketamine-mbrp-cocaine --replicates 10000 --scenario for-power --scenario null`
    """
    from equipoise.workflow.power import power as run_power

    with reported(as_json=as_json):
        if replay is not None:
            _replay(protocol, replay, scenario or [], grid or [], seed, out, as_json)
            return
        with _kept(out), _bar(quiet=as_json) as progress:
            run = run_power(
                protocol,
                replicates=replicates,
                scenarios=scenario or [],
                grid=grid or [],
                seed=seed,
                executor=executor,
                precision=precision,
                out=out,
                with_variations=variations,
                with_imputation=imputation,
                progress=progress,
            )
    if as_json:
        print_json(run.as_dict())
        return
    from equipoise.cli.power_text import print_power_screen

    if everything or not print_power_screen(run):
        print_power(run)


def _replay(
    protocol: str, replicate: int, scenarios: list[str], grid: list[str], seed: int, out: Path | None, as_json: bool
) -> None:
    from equipoise.exchange.records_files import write_records
    from equipoise.foundation.errors import DesignError, Problem
    from equipoise.workflow.power import replay

    if out is None:
        raise DesignError(
            Problem("D014", "--out", "A replay was asked for without a folder to write it to.", "--out DIR")
        )
    records = replay(protocol, replicate, scenarios=scenarios, grid=grid, seed=seed)
    write_records(records, out)
    if as_json:
        print_json({"ok": True, "out": str(out), "simulated": True, "data_hash": records.data_hash})
        return
    simulated_line(True)
    console().print(f"Replicate {replicate} as records: {out}")
    console().print(f"Open it like any trial: equipoise analyse {protocol} {out} --out results")


@contextmanager
def _kept(out: Path | None) -> Iterator[None]:
    """Whoever interrupts a run is told what is left of it; exit code 130, as of any program interrupted."""
    try:
        yield
    except KeyboardInterrupt:
        left = "Nothing was kept: with --out a run goes on where it ended."
        if out is not None:
            left = f"What is done is kept in {out}: the same command goes on where it ended."
        console(error=True).print(f"Interrupted. {left}")
        raise typer.Exit(130) from None


@contextmanager
def _bar(*, quiet: bool) -> Iterator[Callable[[str, int, int], None] | None]:
    """Replicates done and time left, on a terminal only."""
    err = console(error=True)
    if quiet or not err.is_terminal:
        yield None
        return
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    with Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        console=err,
        transient=True,
    ) as bar:
        tasks: dict[str, int] = {}

        def progress(name: str, done: int, total: int) -> None:
            if name not in tasks:
                tasks[name] = bar.add_task(name, total=total)
            bar.update(tasks[name], completed=done)  # type: ignore[arg-type]

        yield progress


def print_power(run: PowerRun) -> None:
    """Tables on the terminal: one a scenario, or one line a cell where there is a grid."""
    out = console()
    simulated_line(True)
    out.print(f"{run.protocol.model.trial.title}", style="bold")
    if any(cell.cell.grid for cell in run.cells):
        _print_grid(run)
    else:
        for cell in run.cells:
            _print_cell(cell)
    if run.cells[0].left_out:
        out.print(f"Not run: {', '.join(run.cells[0].left_out)} (multiple imputation; --imputation runs them).")
    if run.folder is not None:
        for path in run.files:
            out.print(str(path))


def _print_cell(cell: OperatingCharacteristics) -> None:
    from equipoise.cli.results_text import short
    from equipoise.cli.tables import add_rows, plain_table
    from equipoise.reporting.format import percentage

    out = console()
    sizes = ", ".join(f"{arm} {n}" for arm, n in cell.arm_sizes.items())
    out.print()
    out.print(f"{cell.cell.name}: {cell.n_replicates:,} replicates, {sizes}", style="bold")
    if cell.cell.spec.words:
        out.print(cell.cell.spec.words)
    tests = [s for s in cell.rows if s.significant is not None or s.never_fitted]
    word = "type I error %" if cell.is_null else "power %"
    table = plain_table(
        "analysis",
        "scale",
        (word, "right"),
        ("Monte Carlo 95%", "right"),
        ("if failed fits", "right"),
        ("median", "right"),
        ("SE emp/model", "right"),
        ("coverage %", "right"),
        ("n", "right"),
        "fits",
    )
    rows = []
    for s in tests:
        codes = ", ".join(f"{slug} {100 * share:.1f}%" for slug, share in s.codes.items() if slug != "not-estimable")
        if s.significant is None:
            gone = (s.row.id, s.row.scale.replace("_", " "), NEVER_FITTED, "", "", "", "", "", f"{s.n_analysed:.1f}")
            rows.append((*gone, codes))
            continue
        bounds = f"{percentage(s.power_lower)} to {percentage(s.power_upper)}"
        spread = (
            f"{short(s.empirical_standard_error)}/{short(s.model_standard_error)}"
            if s.empirical_standard_error is not None and s.model_standard_error is not None
            else ""
            if s.empirical_standard_error is None
            else short(s.empirical_standard_error)
        )
        rows.append(
            (
                s.row.id,
                s.row.scale.replace("_", " "),
                percentage(s.significant.value),
                f"{percentage(s.significant.lower)} to {percentage(s.significant.upper)}",
                bounds if s.power_lower != s.power_upper else "",
                "" if s.median is None else short(s.median),
                spread,
                percentage(s.coverage.value) if s.coverage else "",
                f"{s.n_analysed:.1f}",
                codes,
            )
        )
    if not rows and len(cell.arm_sizes) == 1:
        from equipoise.reporting.power_report import NOTHING_TESTED

        out.print(NOTHING_TESTED)
    else:
        out.print(add_rows(table, rows))
    dropout = ", ".join(f"{arm} {100 * share:.1f}%" for arm, share in cell.dropout.items())
    out.print(f"Expected dropout: {dropout}.")
    for rule in cell.rules:
        out.print(
            f"{rule.rule}: all of {', '.join(rule.primaries)} {percentage(rule.all_rejected.value)}%, "
            f"any {percentage(rule.any_rejected.value)}%, {rule.expected_rejections:.2f} expected"
        )
        if rule.familywise_error is not None:
            true = ", ".join(rule.true_nulls)
            out.print(f"  familywise error (true: {true}): {percentage(rule.familywise_error.value)}%")
    for rule in cell.in_every_set:
        both = "both" if len(rule.primaries) == 2 else "all"
        out.print(f"{' and '.join(rule.primaries)}: {both} exclude the margin {percentage(rule.all_rejected.value)}%")
    for line, why in cell.not_drawn.items():
        out.print(f"Not drawn: {line}, because {why}.")
    if cell.assumed:
        out.print(f"Assumed: {'; '.join(cell.assumed)}.")
    never = [s.row.id for s in cell.rows if s.never_fitted]
    if never:
        out.print(f"Not estimable in any replicate: {', '.join(never)}. No power can be told of it.")
    if cell.stopped_early:
        out.print("Stopped at the precision asked for.")


def _print_grid(run: PowerRun) -> None:
    from equipoise.cli.tables import add_rows, plain_table
    from equipoise.design.summary import deciding, primary_rows, rule_name
    from equipoise.reporting.format import percentage

    out = console()
    first = run.cells[0]
    ids = [first.rows[number].row.id for number in primary_rows(tuple(s.row for s in first.rows))]
    axes = [(name, "right") for name in first.cell.grid if name != "n"]
    powers = [(f"{id}%", "right") for id in ids]
    ends = ((f"all, {rule_name(deciding(first.rules))} %", "right"), ("dropout %", "right"))
    table = plain_table("scenario", *axes, ("n", "right"), *powers, *ends)
    rows = []
    for cell in run.cells:
        rule = deciding(cell.rules)
        shares = [cell[id].significant for id in ids]
        total = sum(cell.arm_sizes.values())
        gone = sum(cell.dropout[arm] * n for arm, n in cell.arm_sizes.items()) / total
        rows.append(
            (
                cell.cell.spec.name,
                *(f"{value:g}" for name, value in cell.cell.grid.items() if name != "n"),
                str(total),
                *(percentage(share.value if share else None) for share in shares),
                percentage(rule.all_rejected.value if rule else None),
                percentage(gone),
            )
        )
    out.print(add_rows(table, rows))
