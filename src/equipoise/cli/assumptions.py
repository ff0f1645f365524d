"""`equipoise assumptions`: what a set of assumptions takes for granted, written out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.console import console, print_json, reported
from equipoise.cli.options import ForceOption, JsonOption, ProtocolArgument

group = typer.Typer(
    help="The assumptions of a simulated trial.\n\nExample: `equipoise assumptions expand kare`",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="assumptions")


@group.command("expand")
def expand(
    protocol: ProtocolArgument,
    scenario: Annotated[
        str | None,
        typer.Option("--scenario", help="A set of assumptions, or one with changes; by default the protocol's first."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", "-o", help="Write it to this file.")] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write out a set of assumptions with every default that it uses, as text for the protocol file.

    Pasted there, it gives the same simulated records, number for number.

    Example: `equipoise assumptions expand ketamine-met-alcohol --scenario as-published`
    """
    from equipoise.foundation.errors import OutputError, Problem
    from equipoise.workflow.assumptions import expand_assumptions
    from equipoise.workflow.calibrate import require_free_file

    with reported(as_json=as_json):
        if out is not None:
            require_free_file(out, force=force)
        name, text = expand_assumptions(protocol, scenario)
        if out is not None:
            try:
                out.parent.mkdir(parents=True, exist_ok=True)
                out.write_text(text, "utf-8", newline="\n")
            except OSError as error:
                raise OutputError(Problem("O004", str(out), f"The file cannot be written: {error}.")) from None
    if as_json:
        print_json({"name": name, "yaml": text, "file": str(out) if out is not None else None})
        return
    if out is None:
        console().print(text, end="", markup=False, highlight=False, soft_wrap=True)
        return
    console().print(f"{out}: the set {name}", markup=False, soft_wrap=True)
