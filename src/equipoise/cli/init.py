"""`equipoise init`: a trial to be run."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equipoise.cli.console import console, print_json, reported, working
from equipoise.cli.options import JsonOption, ProtocolArgument
from equipoise.cli.trial_options import DatabaseOption
from equipoise.foundation.errors import Problem, UsageError, listed

if TYPE_CHECKING:
    from equipoise.conduct.entropy import Entropy
    from equipoise.conduct.trial.create import FirstAccount

CODES = {"U032": "A trial is made for training or for production, with accounts in existing roles."}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("init")(init)


def init(
    protocol: ProtocolArgument,
    directory: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to create for the trial.")],
    production: Annotated[
        bool | None, typer.Option("--production/--training", help="Real participants, or practice with fictional ones.")
    ] = None,
    database: DatabaseOption = None,
    companion: Annotated[
        Path | None, typer.Option("--companion", help="Sealed lists (`equipoise randomization seal`).")
    ] = None,
    pharmacy: Annotated[
        Path | None, typer.Option("--pharmacy", help="Folder for key and lists; by default DIR-pharmacy.")
    ] = None,
    safety: Annotated[
        Path | None, typer.Option("--safety", help="Folder for the safety role's key; by default DIR-safety.")
    ] = None,
    account: Annotated[
        list[str] | None,
        typer.Option("--account", help="NAME:ROLE[,ROLE], several times; by default admin and pharmacist."),
    ] = None,
    zone: Annotated[str, typer.Option("--zone", help="Time zone of the sites, for example America/New_York.")] = "UTC",
    slots: Annotated[
        int | None, typer.Option("--slots", help="Slots per stream; by default twice the planned n.")
    ] = None,
    receipts: Annotated[
        str, typer.Option("--receipts", help="Folder for receipts and anchors, preferably on another disk.")
    ] = "receipts",
    as_json: JsonOption = False,
) -> None:
    """Create a trial: database, keys, sealed lists, first accounts. Training and production trials cannot read one
    another.

    Passphrases are shown only once; in scripts they are taken from EQUIPOISE_PASSPHRASE.

    Example: `equipoise init ketamine-mbrp-cocaine trial --training --zone America/New_York`
    """
    import os

    from equipoise.conduct.entropy import SystemEntropy, code
    from equipoise.conduct.trial.create import create_trial
    from equipoise.workflow.library import read_protocol

    with reported(as_json=as_json):
        _require_mode(production)
        _require_zone(zone)
        entropy = SystemEntropy()
        given = os.environ.get("EQUIPOISE_PASSPHRASE")
        first = _first_accounts(account or ["admin:administrator", "pharmacist:pharmacist"], given, entropy)
        where = pharmacy or directory.with_name(f"{directory.name}-pharmacy")
        kept, copy = safety or directory.with_name(f"{directory.name}-safety"), code(entropy, 6).lower()
        chosen = read_protocol(protocol)
        with working("making the trial", quiet=as_json):
            trial = create_trial(
                chosen,
                directory,
                mode="production" if production else "training",
                pharmacy=where,
                accounts=first,
                companion=companion,
                database=database or "sqlite",
                receipts=receipts,
                slots=slots,
                zone=zone,
                safety=kept,
                safety_copy=copy,
                entropy=entropy,
            )
    shown = {} if given else {one.account: one.passphrase for one in first}
    if as_json:
        print_json(
            {
                "ok": True,
                "trial": trial.config.trial,
                "mode": trial.mode,
                "directory": str(directory),
                "pharmacy": str(where),
                "safety": str(kept),
                "safety_copy": copy,
                "protocol_hash": trial.protocol_hash,
                "passphrases": shown,
            }
        )
        return
    out = console()
    out.print(f"{trial.config.trial}: a {trial.mode} trial in {directory}")
    out.print(f"Key and sealed lists: {where} (move this folder to the pharmacy; whoever has it can unblind)")
    out.print(f"Key to what is quarantined: {kept} (give this folder to the safety role, apart from the pharmacy's)")
    out.print(f"  Its copy opens with: {copy}  (told once; into the sponsor's safe)")
    for name, passphrase in shown.items():
        out.print(f"account {name}: {passphrase}  (told once)")
    site = (chosen.model.sites or ("main",))[0]
    who = next(one.account for one in first if "administrator" in one.roles)
    out.print(f"Next: equipoise do {directory} activate-site site={site} approval=... --as {who}")


def _require_mode(production: bool | None) -> None:
    """Refuse to guess whether the participants exist (U032)."""
    if production is None:
        raise UsageError(
            Problem(
                "U032",
                "--production",
                "Neither --production nor --training is given.",
                "one of the two",
                "Start with --training; use --production for real participants only.",
            )
        )


def _require_zone(zone: str) -> None:
    """Refuse a time zone that there is not (U032)."""
    from equipoise.conduct.clock import zone_of

    try:
        zone_of(zone)
    except ValueError:
        raise UsageError(Problem("U032", "--zone", f"There is no time zone {zone!r}.", "an IANA name")) from None


def _first_accounts(texts: list[str], passphrase: str | None, entropy: Entropy) -> list[FirstAccount]:
    """The accounts that ``NAME:ROLE[,ROLE]`` say, each with a passphrase of its own unless one is given for all.

    Raises U032 for a role that there is not, and where nobody would be administrator.
    """
    from equipoise.conduct.actions.permissions import ROLES
    from equipoise.conduct.entropy import code
    from equipoise.conduct.trial.create import FirstAccount

    accounts = []
    for text in texts:
        name, _, listed_roles = text.partition(":")
        roles = tuple(role for role in listed_roles.split(",") if role)
        if not name or not roles or set(roles) - set(ROLES):
            raise UsageError(Problem("U032", "--account", f"Found {text!r}.", f"NAME:ROLE, of {listed(ROLES)}"))
        accounts.append(FirstAccount(name, roles, passphrase or code(entropy, 5).lower()))
    if not any("administrator" in one.roles for one in accounts):
        raise UsageError(Problem("U032", "--account", "No account has the role administrator.", "at least one"))
    return accounts
