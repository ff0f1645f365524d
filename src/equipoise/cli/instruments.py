"""`equipoise instruments`: scoring keys listed and explained, those of the library and those of a protocol."""

from __future__ import annotations

from typing import Annotated

import typer

from equipoise.cli.console import console, print_json, reported
from equipoise.cli.options import JsonOption

group = typer.Typer(
    help="List and explain the scoring keys of the library and of a protocol.\n\nExample: `equipoise "
    "instruments explain pss-10`",
    no_args_is_help=True,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)
ProtocolOption = Annotated[
    str | None, typer.Option("--protocol", metavar="P", help="Include the instruments defined in this protocol.")
]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.add_typer(group, name="instruments")


@group.command("list")
def list_instruments(protocol: ProtocolOption = None, as_json: JsonOption = False) -> None:
    """List every instrument with its range.

    Example: `equipoise instruments list`
    """
    from equipoise.cli.tables import add_rows, plain_table
    from equipoise.instruments.describe import instrument_as_dict
    from equipoise.workflow.library import list_instruments as every_instrument

    with reported(as_json=as_json):
        chosen = every_instrument(protocol)
    if as_json:
        print_json({"instruments": [instrument_as_dict(entry) for entry in chosen]})
        return
    table = plain_table("name", "what", ("items", "right"), "range", "better")
    rows = []
    for entry in chosen:
        span = "{:g} to {:g}".format(*entry.bounds()) if entry.items and entry.has_total else ""
        rows.append([entry.id, entry.name, str(len(entry.items)), span, entry.better or ""])
    console().print(add_rows(table, rows))


@group.command("explain")
def explain(
    name: Annotated[str, typer.Argument(metavar="NAME", help="An instrument of the library, or of the protocol.")],
    protocol: ProtocolOption = None,
    as_json: JsonOption = False,
) -> None:
    """Explain an instrument: its items, reversed items, scales, rule for missing items, bands and source.

    Example: `equipoise instruments explain pss-10`
    """
    from rich.table import Table
    from rich.text import Text

    from equipoise.instruments.describe import describe_instrument, instrument_as_dict
    from equipoise.workflow.library import get_instrument

    with reported(as_json=as_json):
        entry = get_instrument(name, protocol)
    if as_json:
        print_json(instrument_as_dict(entry))
        return
    out = console()
    out.print(Text(f"{entry.id}  {entry.name}", style="bold"))
    table = Table.grid(padding=(0, 3, 0, 0))
    table.add_column(no_wrap=True)
    table.add_column()
    for label, text in describe_instrument(entry):
        table.add_row(Text(label), Text(text))
    out.print(table)
