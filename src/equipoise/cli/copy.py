"""`equipoise copy`: a copy of the ledger for a site or the sponsor."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.console import console, print_json, reported, working
from equipoise.cli.options import JsonOption
from equipoise.cli.trial_options import TrialArgument, passphrase_of
from equipoise.foundation.errors import Problem, UsageError

CODES = {"U035": "A copy is for one site or for all."}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("copy")(copy)


def copy(
    directory: TrialArgument,
    folder: Annotated[Path, typer.Argument(metavar="COPY", help="Folder of the copy; new files are added to it.")],
    account: Annotated[str, typer.Option("--as", envvar="EQUIPOISE_ACCOUNT", help="The account that acts.")],
    site: Annotated[str | None, typer.Option("--site", help="The site whose events are copied in full.")] = None,
    all_sites: Annotated[
        bool, typer.Option("--all-sites", help="For the sponsor: every site's events in full.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Give a site, or the sponsor, its own copy of the ledger. Repeated, it adds what is new.

    Other sites' events appear only as hashes, and nothing that blinded people may not see is readable. `equipoise
    verify DIR --against COPY` then shows whether the trial still holds all of it.

    Example: `equipoise copy trial /media/main/copy --site main --as ivan`
    """
    with reported(as_json=as_json):
        if (site is None) != all_sites:
            raise UsageError(
                Problem("U035", "--site", "A copy is of one site or of all.", "--site SITE, or --all-sites")
            )
        from equipoise.conduct.actions.administration.copies import take_copy
        from equipoise.conduct.actions.sign_in import sign_in
        from equipoise.conduct.trial.trial import Trial

        trial = Trial.open(directory)
        session = sign_in(trial, account, passphrase_of(account), device=platform.node())
        with working("copying", quiet=as_json):
            taken = take_copy(trial, session, folder, site=site)
    if as_json:
        print_json(
            {
                "ok": True,
                "file": str(taken.file),
                "first": taken.first,
                "last": taken.last,
                "in_full": taken.n_full,
                "anchor": taken.receipt.anchor.text,
            }
        )
        return
    for warning in taken.receipt.warnings:
        console(error=True).print(f"warning: {warning}", markup=False)
    console().print(
        f"{taken.file}: events {taken.first:,} to {taken.last:,}, {taken.n_full:,} in full; "
        f"anchor {taken.receipt.anchor.text}",
        markup=False,
    )
