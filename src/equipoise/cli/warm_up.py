"""`equipoise warm-up`: compile the estimators once."""

from __future__ import annotations

import time

import typer

from equipoise.cli.console import console, print_json, reported
from equipoise.cli.options import JsonOption

_ROOMS = ("equipoise.stats.kernels", "equipoise.simulation")
_BESIDE = (
    ("equipoise.simulation.streams", "equipoise.simulation._course"),
    ("equipoise.simulation._totals",),
    ("equipoise.endpoints.patterns.warm_up:compile_patterns",),
)


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("warm-up")(warm_up)


def warm_up(as_json: JsonOption = False) -> None:
    """Compile the estimators and store them on disk, so that the first run does not have to wait.

    Example: `equipoise warm-up`
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    from equipoise.stats.kernels.warm_up import compile_everything

    start = time.perf_counter()
    with reported(as_json=as_json):
        if as_json:
            compile_everything(rooms=_ROOMS, beside=_BESIDE)
        else:
            err = console(error=True)
            with Progress(
                TextColumn("compiling {task.description}"),
                BarColumn(),
                MofNCompleteColumn(),
                TimeElapsedColumn(),
                console=err,
                transient=err.is_terminal,
            ) as bar:
                task = bar.add_task("estimators", total=None)
                compile_everything(
                    lambda name, done, total: bar.update(task, description=name, completed=done, total=total),
                    rooms=_ROOMS,
                    beside=_BESIDE,
                )
    seconds = time.perf_counter() - start
    if as_json:
        print_json({"ok": True, "seconds": seconds})
    else:
        console().print(f"Estimators are ready ({seconds:.1f} s).")
