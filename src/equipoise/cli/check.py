"""`equipoise check`: every problem of a protocol at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import typer

from equipoise.cli.console import console, print_json, print_problems, reported
from equipoise.cli.options import JsonOption, ProtocolArgument


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("check")(check)


def check(protocol: ProtocolArgument, as_json: JsonOption = False) -> None:
    """Check a protocol: names, days, instruments, models and assurance cases. The exit code is 3 if there are problems.

    Example: `equipoise check my-trial.yaml`
    """
    from equipoise.conduct.rules.conditions import check_conditions
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
            f"{Path(str(found.file)).name}: no problems. {len(model.endpoints)} "
            f"endpoint{'s' * (len(model.endpoints) != 1)}, "
            f"{len(model.analyses)} {'analysis' if len(model.analyses) == 1 else 'analyses'}, "
            f"{_cases(found.n_assurance)}."
        )
        for remark in found.remarks:
            console().print(f"Remark ({remark.code}): {remark.found} {remark.next_step}")
        console().print(f"Next: equipoise show {protocol}")
    if found.problems:
        raise typer.Exit(ProtocolError.exit_code)


def _cases(n: int) -> str:
    """``5 assurance cases (all hold)``."""
    if not n:
        return "no assurance cases"
    return "1 assurance case (it holds)" if n == 1 else f"{n} assurance cases (all hold)"
