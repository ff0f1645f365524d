"""`equipoise open`: a report in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.console import console, reported
from equipoise.foundation.errors import Problem, UsageError, listed

CODES = {"U050": "There is no report to open, or no browser to open it."}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("open")(open_report)


def open_report(
    where: Annotated[Path, typer.Argument(metavar="FOLDER", help="A folder that equipoise wrote, or a report.html.")],
) -> None:
    """Open a report in the browser.

    Example: `equipoise open out/flagship`
    """
    import webbrowser

    with reported():
        report = find_report(where)
        if not webbrowser.open(report.resolve().as_uri()):
            raise UsageError(
                Problem(
                    "U050", "", "No browser could be started.", "a browser", f"Open {report} yourself.", str(report)
                )
            )
    console().print(f"Report: {report}")


def find_report(where: Path) -> Path:
    """The report of a folder; raises :class:`UsageError` (U050) where it holds none, or several in folders below."""
    if where.is_file() and where.suffix == ".html":
        return where
    if (where / "report.html").is_file():
        return where / "report.html"
    below = sorted(str(path.parent) for path in where.glob("*/report.html")) if where.is_dir() else []
    found = "There is no such folder." if not where.exists() else "The folder holds no report.html."
    hint = f"Below it there are reports: {listed(below, conjunction='and', limit=5)}." if below else ""
    hint = hint or "Write one first: equipoise run PROTOCOL --out FOLDER."
    raise UsageError(Problem("U050", "", found, "a folder with a report", hint, file=str(where)))
