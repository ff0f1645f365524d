"""`equipoise schema`: the language for editors."""

from __future__ import annotations

import typer

from equipoise.cli.console import print_json


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("schema")(schema)


def schema() -> None:
    """Print the JSON Schema of the protocol language, for editors that complete and check YAML.

    Example: `equipoise schema > protocol.schema.json`
    """
    from equipoise.protocol.pages.json_schema import json_schema

    print_json(json_schema())
