"""`equipoise safety-key`: the safety role's key, made again from its copy."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.console import console, print_json, reported
from equipoise.cli.options import JsonOption
from equipoise.cli.trial_options import TrialArgument, passphrase_of


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("safety-key")(safety_key)


def safety_key(
    directory: TrialArgument,
    out: Annotated[Path, typer.Argument(metavar="FOLDER", help="Folder to create for the key.")],
    as_json: JsonOption = False,
) -> None:
    """Make the safety role's folder again, after it was lost, with the passphrase that `equipoise init` showed once.

    The sealed copy is in the first event of the ledger and in every backup. The passphrase is asked for, or taken
    from EQUIPOISE_PASSPHRASE.

    Example: `equipoise safety-key trial trial-safety`
    """
    with reported(as_json=as_json):
        from equipoise.conduct.trial.trial import Trial

        trial = Trial.open(directory)
        path = trial.copy_safety_key(passphrase_of("the safety role's key"), out)
    if as_json:
        print_json({"ok": True, "key": str(path)})
        return
    console().print(f"The safety role's key: {path}", markup=False)
