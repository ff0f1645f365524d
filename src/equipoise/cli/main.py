"""The command `equipoise`."""

from __future__ import annotations

import gc
from typing import Annotated

import typer

from equipoise.cli import (
    analyse,
    assumptions,
    assurance,
    backup,
    borrowing,
    calibrate,
    check,
    copy,
    cut,
    demo,
    design_report,
    do,
    document,
    drill,
    due,
    endpoints,
    envelopes,
    evidence,
    export,
    import_,
    init,
    instruments,
    interim,
    looks,
    multiverse,
    new,
    open_report,
    power,
    protocols,
    queries,
    randomization,
    report,
    restore,
    run,
    safety_key,
    schema,
    serve,
    shells,
    show,
    simulate,
    size,
    verify,
    warm_up,
)

app = typer.Typer(
    name="equipoise",
    help="A randomized trial in addiction medicine, from one protocol file to its report.\n\n"
    "Start with `equipoise protocols`, then `equipoise run smoking-cessation --out out`.",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    add_completion=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(value: bool) -> None:
    if value:
        from equipoise.foundation.version import program_version

        typer.echo(f"equipoise {program_version()}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Options before the command."""


_COMMANDS = (
    protocols,
    show,
    new,
    check,
    schema,
    simulate,
    import_,
    export,
    endpoints,
    instruments,
    analyse,
    multiverse,
    shells,
    document,
    interim,
    report,
    run,
    open_report,
    power,
    size,
    randomization,
    calibrate,
    looks,
    assumptions,
    assurance,
    borrowing,
    design_report,
    evidence,
    warm_up,
    init,
    do,
    queries,
    due,
    envelopes,
    serve,
    demo,
    verify,
    backup,
    restore,
    copy,
    drill,
    cut,
    safety_key,
)
for module in _COMMANDS:
    module.register(app)


def main() -> None:
    """Entry point."""
    # A command makes a million objects that live as long as it does: looking for rubbish among them every 700 takes a
    # fifteenth of a short command's time and finds nothing.
    gc.set_threshold(50_000, 20, 50)
    app()


if __name__ == "__main__":
    main()
