"""`equipoise restore`: a trial from its backup, behind a fence."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.console import console, print_json, reported, working
from equipoise.cli.options import JsonOption
from equipoise.cli.trial_options import DatabaseOption


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("restore")(restore)


def restore(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file made by `equipoise backup`.")],
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to create; the damaged one is kept.")],
    database: DatabaseOption = None,
    receipts: Annotated[str, typer.Option("--receipts", help="Folder for receipts and anchors.")] = "receipts",
    as_json: JsonOption = False,
) -> None:
    """Restore a trial from its backup. Randomization stops until the receipts given since are typed in.

    Example: `equipoise restore trial-2027-01-31.backup trial-restored`
    """
    from equipoise.conduct.integrity.backup import restore as restore_backup
    from equipoise.conduct.rows.tables import AllocationRow, TrialStateRow

    with reported(as_json=as_json), working("restoring", quiet=as_json):
        trial = restore_backup(file, directory, database=database or "sqlite", receipts=receipts)
        with trial.use():
            n, fence = trial.count(AllocationRow), trial.find(TrialStateRow)[0].fence
    if as_json:
        print_json({"ok": True, "directory": str(directory), "fence": fence, "randomized": n})
        return
    out = console()
    out.print(f"{directory}: {trial.config.trial} ({trial.mode}), {fence}; it verifies.")
    out.print(f"The fence is closed. {n} were randomized; ask every site for its receipts from {n + 1} on, then")
    shown = f"{n + 1} P-0012 7KQ2-9XMA-2ABD"
    out.print(f"equipoise do {directory} lift-fence receipts:='[\"{shown}\"]' last={n + 1} --why ...", markup=False)
