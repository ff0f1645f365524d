"""`equipoise backup`: a trial in one file."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.console import console, print_json, reported, working
from equipoise.cli.options import JsonOption
from equipoise.cli.trial_options import TrialArgument


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("backup")(backup)


def backup(
    directory: TrialArgument,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File to create, preferably on another disk.")],
    as_json: JsonOption = False,
) -> None:
    """Write a running trial to one file, load it again and verify it. A backup that does not verify is not kept.

    Signed copies of consents, with the names in them, are in it. The pharmacy's key and the safety role's are not: keep
    those folders apart, with copies of their own.

    Example: `equipoise backup trial /media/stick/trial-2027-01-31.backup`
    """
    from equipoise.conduct.integrity.backup import back_up
    from equipoise.conduct.trial.trial import Trial

    with reported(as_json=as_json), working("backing up", quiet=as_json):
        made = back_up(Trial.open(directory), file)
    if made.warning:
        console(error=True).print(f"warning: {made.warning}", markup=False)
    if as_json:
        print_json(
            {
                "ok": True,
                "file": str(file),
                "events": made.number,
                "hash": made.hash,
                "rows": made.rows,
                "consents": made.consents,
            }
        )
        return
    consents = f", {made.consents} signed copies of consents" if made.consents else ""
    anchor = f"{made.number}-{made.hash[:16]}"
    console().print(f"{file}: {made.number:,} events{consents}, loaded again and verified; anchor {anchor}")
