"""Options that the commands of the running trial share, and how an account signs in from the terminal."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from equipoise.foundation.errors import Problem, UsageError

TrialArgument = Annotated[Path, typer.Argument(metavar="DIR", help="Folder of a trial, made by `equipoise init`.")]
PharmacyOption = Annotated[
    Path | None,
    typer.Option("--pharmacy", envvar="EQUIPOISE_PHARMACY", help="The pharmacy's folder, with the key."),
]
SafetyOption = Annotated[
    Path | None,
    typer.Option("--safety", envvar="EQUIPOISE_SAFETY", help="The safety role's folder: opens quarantined values."),
]
DatabaseOption = Annotated[
    str | None, typer.Option("--database", help="postgresql://... of an empty database; by default SQLite in DIR.")
]


def passphrase_of(account: str, words: str = "passphrase") -> str:
    """The passphrase of an account: from EQUIPOISE_PASSPHRASE, or asked for on the terminal with ``words``."""
    given = os.environ.get("EQUIPOISE_PASSPHRASE")
    if given:
        return given
    import sys

    if not sys.stdin.isatty():
        raise UsageError(
            Problem(
                "U031",
                "--as",
                f"There is no terminal on which to type the passphrase of {account}.",
                "the passphrase in EQUIPOISE_PASSPHRASE",
            )
        )
    from getpass import getpass

    return getpass(f"{words} of {account}: ")


CODES = {"U031": "A passphrase is needed, and the program cannot ask for one."}
