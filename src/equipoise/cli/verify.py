"""`equipoise verify`: is the trial whole?"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.console import console, print_json, print_problems, reported, working
from equipoise.cli.options import JsonOption
from equipoise.cli.trial_options import PharmacyOption, SafetyOption, TrialArgument


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify")(verify)


def verify(
    directory: TrialArgument,
    pharmacy: PharmacyOption = None,
    safety: SafetyOption = None,
    against: Annotated[
        list[Path] | None,
        typer.Option("--against", metavar="COPY", help="A copy that the ledger must hold; repeatable."),
    ] = None,
    anchor: Annotated[
        list[str] | None,
        typer.Option("--anchor", metavar="ANCHOR", help="An anchor as printed on a receipt; repeatable."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Check that nothing was changed, lost or inserted by hand: ledger, tables, slots, guards, anchors and receipts.

    What is missing is named too: a receipt or anchor that the ledger knows of, their folder, a key folder, the
    disk.

    With the pharmacy's folder every sealed entry is opened too; with the safety role's, every quarantined value.
    With a copy (`equipoise copy`), or an anchor printed on a receipt, a ledger that was cut off or rebuilt since
    then is named. The exit code is 10 if there are problems.

    Example: `equipoise verify trial --against /media/main/copy`
    """
    from equipoise.conduct.integrity.verify import verify_directory

    with reported(as_json=as_json), working("verifying", quiet=as_json):
        found = verify_directory(
            directory, pharmacy=pharmacy, safety=safety, against=against or (), anchors=anchor or ()
        )
    if as_json:
        print_json(found.as_dict())
    else:
        print_problems(tuple(found.findings), as_json=False) if found.findings else None
        out = console()
        for note in found.notes:
            out.print(f"note: {note}", markup=False)
        out.print(
            f"{'WHOLE' if found.ok else 'NOT WHOLE'}: {found.n_events:,} events, {found.n_sealed:,} sealed, "
            f"vouched for by anchors up to event {found.anchored_to:,}, {found.seconds:.2f} s"
        )
    if not found.ok:
        raise typer.Exit(10)
