"""`equipoise serve`: a trial in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from equipoise.cli.console import console, reported
from equipoise.cli.trial_options import PharmacyOption, SafetyOption, TrialArgument


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("serve")(serve)


def serve(
    directory: TrialArgument,
    host: Annotated[str, typer.Option("--host", help="Address, only of this computer.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", help="Port; 0 takes a free one.")] = 8321,
    behind_tls: Annotated[
        list[str] | None,
        typer.Option("--behind-tls", help="Host name of a proxy on this computer that holds the certificate."),
    ] = None,
    backups: Annotated[
        Path | None,
        typer.Option("--backups", help="Folder that the page of backups writes to, best on another disk."),
    ] = None,
    pharmacy: PharmacyOption = None,
    safety: SafetyOption = None,
) -> None:
    """Show a running trial in the browser, for people with accounts. Ctrl+C stops it.

    Without further options it answers only on this computer. Name the pharmacy's folder only where the pharmacist
    works.

    Example: `equipoise serve trial`
    """
    with reported(as_json=False):
        from equipoise.conduct.trial.trial import Trial
        from equipoise.web.serve import address_of, make_server
        from equipoise.web.served import Served

        trial = Trial.open(directory)
        served = Served(trial, str(pharmacy) if pharmacy else None, str(safety) if safety else None)
        served.backups = str(backups) if backups else None
        server = make_server(served, host, port, tuple(behind_tls or ()))
    out = console()
    out.print(f"{trial.config.trial}: {address_of(server, host)}  (Ctrl+C stops it)", markup=False)
    run_until_stopped(server)


def run_until_stopped(server: Any) -> None:
    """Answer requests until Ctrl+C, and say that it came."""
    try:
        server.run()
    except KeyboardInterrupt:
        console().print("stopped")
    finally:
        server.close()
