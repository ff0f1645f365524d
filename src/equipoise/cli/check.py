"""`equipoise check`: every problem of a protocol at once."""

from __future__ import annotations

from dataclasses import replace

import typer

from equipoise.cli.console import console, print_json, print_problems, reported
from equipoise.cli.options import JsonOption, ProtocolArgument


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(check)


def check(protocol: ProtocolArgument, as_json: JsonOption = False) -> None:
    """Check a protocol: names, days, instruments, models and assurance cases. Exit code 3 when something is wrong.

    Example: `equipoise check my-trial.yaml`
    """
    from equipoise.conduct.rules.surroundings import check_conditions
    from equipoise.foundation.errors import ProtocolError
    from equipoise.workflow.checks import check_protocol

    with reported(as_json=as_json):
        found = check_protocol(protocol)
        if found.protocol is not None and not found.problems:
            found = replace(found, problems=tuple(check_conditions(found.protocol)))
    if as_json:
        print_json(found.as_dict())
    elif found.problems:
        print_problems(found.problems, as_json=False)
    else:
        assert found.protocol is not None
        model = found.protocol.model
        console().print(
            f"{found.file} is right: {len(model.endpoints)} endpoint{'s' * (len(model.endpoints) != 1)}, "
            f"{len(model.analyses)} {'analysis' if len(model.analyses) == 1 else 'analyses'}, "
            f"{found.n_assurance} assurance case{' holds' if found.n_assurance == 1 else 's hold'}."
        )
        console().print(f"Next: equipoise show {protocol}")
    if found.problems:
        raise typer.Exit(ProtocolError.exit_code)
