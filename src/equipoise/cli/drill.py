"""`equipoise drill`: proofs of the running trial, on the user's own machine."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated

import typer

from equipoise.cli.console import console, print_json, reported, working
from equipoise.cli.options import JsonOption
from equipoise.foundation.errors import Problem, UsageError, listed, nearest

DRILLS = (
    "allocate",
    "crash",
    "tamper",
    "restore",
    "disk",
    "clock",
    "decisions",
    "dates",
    "absence",
    "causes",
    "envelopes",
    "blind",
    "web",
)
_IN_THE_BROWSER = ("blind", "web")
CODES = {"U034": "Unknown drill."}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("drill")(drill)


def drill(
    name: Annotated[str, typer.Argument(metavar="NAME", help=f"{', '.join(DRILLS)}, or all.")] = "all",
    database: Annotated[
        str | None,
        typer.Option(
            "--database", help="postgresql://... of a server where databases may be created; by default SQLite."
        ),
    ] = None,
    size: Annotated[int | None, typer.Option("--size", help="Size, smaller or larger than usual.", min=1)] = None,
    as_json: JsonOption = False,
) -> None:
    """Check on this computer that no allocation or record is duplicated, lost or altered undetected. Each drill makes
    its own trial.

    Prints numbered requirements in one report; the exit code is 10 if one does not hold.

    Example: `equipoise drill crash --size 20`
    """
    with reported(as_json=as_json):
        if name != "all" and name not in DRILLS:
            guess = nearest(name, DRILLS)
            raise UsageError(
                Problem(
                    "U034",
                    "NAME",
                    f"There is no drill {name!r}.",
                    listed((*DRILLS, "all")),
                    f"Did you mean {guess}?" if guess else "",
                )
            )
        reports = []
        for one in DRILLS if name == "all" else (name,):
            with working(f"drill {one}", quiet=as_json):
                reports.append(import_module(f"equipoise.{_room_of(one)}.drill.{one}").run(database, size))
    ok = all(report.ok for report in reports)
    if as_json:
        bodies = [report.as_dict() for report in reports]
        if len(bodies) == 1:
            print_json(bodies[0])
        else:
            rows = [row for body in bodies for row in body["rows"]]
            notes = [note for body in bodies for note in body["notes"]]
            print_json(
                {
                    **bodies[0],
                    "ok": ok,
                    "drill": "all",
                    "rows": rows,
                    "notes": notes,
                    "seconds": sum(body["seconds"] for body in bodies),
                }
            )
    else:
        out = console()
        for report in reports:
            out.print(f"[bold]{report.drill}[/bold] on {report.database}, {report.seconds:.1f} s")
            for row in report.rows:
                verdict = "" if not row.target else ("ok" if row.ok else f"FAILS: {row.target}")
                out.print(f"  {row.name}: {row.value}{f' {row.unit}' if row.unit else ''}  {verdict}", markup=False)
            for note in report.notes:
                out.print(f"  note: {note}", markup=False)
        out.print("every requirement holds" if ok else "NOT EVERY REQUIREMENT HOLDS")
    if not ok:
        raise typer.Exit(10)


def _room_of(drill: str) -> str:
    return "web" if drill in _IN_THE_BROWSER else "conduct"
