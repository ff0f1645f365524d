"""`equipoise cut`: the ledger of a running trial up to a moment, as records; and `equipoise lock`."""

from __future__ import annotations

import platform
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.console import console, print_json, reported, working
from equipoise.cli.options import ForceOption, JsonOption
from equipoise.cli.trial_options import PharmacyOption, SafetyOption, TrialArgument, passphrase_of

AccountOption = Annotated[str, typer.Option("--as", envvar="EQUIPOISE_ACCOUNT", help="The account that acts.")]


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("cut")(cut)
    app.command("lock")(lock)


def cut(
    directory: TrialArgument,
    at: Annotated[str, typer.Option("--at", help="The moment, with its zone: 2027-06-30T12:00:00Z.")],
    edition: Annotated[
        str, typer.Option("--edition", help="blinded, sham (an independent dummy allocation) or unblinded.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="Folder of records to create.")],
    account: AccountOption,
    pharmacy: PharmacyOption = None,
    safety: SafetyOption = None,
    without_quarantined: Annotated[
        bool, typer.Option("--without-quarantined", help="Leave out quarantined values where they would be shown.")
    ] = False,
    dates: Annotated[
        Path | None, typer.Option("--dates", help="Also write calendar dates of participants to a CSV file.")
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Cut the data of a running trial at a moment: the same moment, edition and version give the same bytes.

    `unblinded` is refused before the lock, unless an unblinding for analysis was recorded. Quarantined values are
    part of unblinded cuts and of those after the lock; they need --safety until the key is published. Then:
    `equipoise run P --records RECORDS`. `equipoise export sdtm` needs the file of --dates to write dates.

    Example: `equipoise cut trial --at 2027-06-30T12:00:00Z --edition blinded --out records --as stan`
    """
    with reported(as_json=as_json):
        from equipoise.conduct.actions.sign_in import sign_in
        from equipoise.conduct.cut.calendar_dates import write_dates
        from equipoise.conduct.cut.cut import take_cut
        from equipoise.conduct.trial.trial import Trial
        from equipoise.workflow.endpoints import require_free_file

        if dates is not None:
            require_free_file(dates, force=force)
        trial = Trial.open(directory)
        session = sign_in(trial, account, passphrase_of(account), device=platform.node())
        with working("cutting", quiet=as_json):
            records = take_cut(
                trial,
                session,
                at=at,
                edition=edition,
                out=out,
                pharmacy=pharmacy,
                safety=safety,
                without_quarantined=without_quarantined,
                force=force,
            )
            if dates is not None:
                write_dates(trial, dates, at=datetime.fromisoformat(at), force=force)
    if as_json:
        rows = {name: frame.height for name, frame in records.tables.items() if frame.height}
        print_json({"ok": True, "out": str(out), "source": records.source.as_dict(), "tables": rows})
        return
    shown = console()
    shown.print(records.source.description, markup=False)
    shown.print(", ".join(f"{name} {frame.height:,}" for name, frame in records.tables.items() if frame.height))
    shown.print(f"Records: {out}", markup=False)


def lock(directory: TrialArgument, account: AccountOption, as_json: JsonOption = False) -> None:
    """Lock and sign a frozen trial for good: every participant signed off on the current records, every query closed.

    The passphrase is asked for twice: to sign in and to sign.

    Example: `equipoise lock trial --as alice`
    """
    with reported(as_json=as_json):
        from equipoise.conduct.actions.dispatch import perform
        from equipoise.conduct.actions.sign_in import sign_in
        from equipoise.conduct.trial.trial import Trial

        trial = Trial.open(directory)
        session = sign_in(trial, account, passphrase_of(account), device=platform.node())
        again = passphrase_of(account, "to sign, once more the passphrase")
        receipt = perform(trial, session, "lock", {"passphrase": again})
    if as_json:
        print_json(receipt.as_dict())
        return
    console().print(f"locked; event {receipt.events[0]}, anchor {receipt.anchor.text}")
