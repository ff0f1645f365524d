"""`equipoise protocols`: the protocols that come with the program."""

from __future__ import annotations

import typer

from equipoise.cli.console import console, print_json, reported
from equipoise.cli.options import JsonOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("protocols")(protocols)


def protocols(as_json: JsonOption = False) -> None:
    """List the bundled protocols.

    Example: `equipoise protocols`
    """
    from equipoise.cli.tables import add_rows, plain_table
    from equipoise.exchange.bundled import bundled_records
    from equipoise.workflow.library import bundled_protocols, read_protocol

    with reported(as_json=as_json):
        rows = []
        for name, path in bundled_protocols().items():
            protocol = read_protocol(path)
            if bundled_records(name) is not None:
                source = "real records, shipped"
            elif protocol.model.assumptions:
                source = "simulated from assumptions"
            else:
                source = "records to be imported"
            rows.append(
                {
                    "name": name,
                    "title": protocol.model.trial.title,
                    "arms": list(protocol.arm_ids),
                    "endpoints": len(protocol.model.endpoints),
                    "analyses": len(protocol.model.analyses),
                    "records": source,
                    "hash": protocol.hash,
                }
            )
    if as_json:
        print_json({"protocols": rows})
        return
    table = plain_table("protocol", "title", "arms", "records")
    add_rows(table, [(str(r["name"]), str(r["title"]), ", ".join(r["arms"]), str(r["records"])) for r in rows])  # type: ignore[arg-type]
    console().print(table)
    console().print("Next: equipoise show NAME, or equipoise run NAME --out DIR")
