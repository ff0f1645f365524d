"""`equipoise demo`: a training trial at mid-course, in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.console import console, reported, working
from equipoise.cli.serve import run_until_stopped

CODES = {"U040": "The rehearsal has no participants, or more than can be simulated."}
MOST = 60


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    protocol: Annotated[
        str, typer.Argument(metavar="[PROTOCOL]", help="Bundled trial, or a protocol file of your own.")
    ] = "ketamine-mbrp-cocaine",
    directory: Annotated[Path | None, typer.Option("--dir", help="Folder to create; by default under out/.")] = None,
    participants: Annotated[int, typer.Option("--participants", help="Number of participants.")] = 20,
    seed: Annotated[int, typer.Option("--seed", help="Seed of the simulation.")] = 20190624,
    port: Annotated[int, typer.Option("--port", help="Port; 0 takes a free one.")] = 8321,
    browser: Annotated[bool, typer.Option("--browser/--no-browser", help="Open the browser.")] = True,
) -> None:
    """Rehearse a trial in the browser: a training trial with simulated participants in mid-course and an account for
    each role.

    Everything in it was entered through the actions, as people would enter it. Ctrl+C stops it; the folder stays.

    Example: `equipoise demo`
    """
    from equipoise.foundation.errors import Problem, UsageError

    with reported(as_json=False):
        if not 1 <= participants <= MOST:
            raise UsageError(Problem("U040", "--participants", f"Found {participants}.", f"1 to {MOST}"))
        from equipoise.web.rehearsal import PEOPLE, free_folder, rehearse
        from equipoise.web.serve import address_of, make_server
        from equipoise.web.served import Served
        from equipoise.workflow.library import read_protocol

        chosen = read_protocol(protocol)
        folder = directory or free_folder(Path("out"), "demo")
        folder.parent.mkdir(parents=True, exist_ok=True)
        with working("simulating people, and entering them", quiet=False):
            made = rehearse(chosen, folder, n=participants, seed=seed)
        served = Served(made.trial, str(made.pharmacy), str(made.safety))
        server = make_server(served, "127.0.0.1", port)
    out = console()
    address = address_of(server, "127.0.0.1")
    out.print(
        f"{made.trial.config.trial}: a training trial in {folder}, {made.participants} participants", markup=False
    )
    if made.refused:
        said = ", ".join(f"{n} of {code}" for code, n in sorted(made.refused.items()))
        out.print(f"refused while it was filled: {said}", markup=False)
    out.print(f"passphrase of every account: {made.passphrase}", markup=False)
    for account, person, role in PEOPLE:
        out.print(f"  {account:<6} {role}, {person}", markup=False)
    out.print(f"{address}  (Ctrl+C stops it)", markup=False)
    if browser:
        import webbrowser

        webbrowser.open(address)
    run_until_stopped(server)
