"""`equipoise queries`: questions not settled yet, by site and age."""

from __future__ import annotations

import platform
from itertools import groupby
from typing import Annotated, Any

import typer

from equipoise.cli.console import console, print_json, reported
from equipoise.cli.options import JsonOption
from equipoise.cli.trial_options import SafetyOption, TrialArgument, passphrase_of


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("queries")(queries)


def queries(
    directory: TrialArgument,
    account: Annotated[str, typer.Option("--as", envvar="EQUIPOISE_ACCOUNT", help="The account that acts.")],
    site: Annotated[str, typer.Option("--site", help="One site; by default all of the account's.")] = "",
    state: Annotated[str, typer.Option("--state", help="unclosed, open, answered, closed or all.")] = "unclosed",
    older: Annotated[int, typer.Option("--older", help="Only queries at least this many days old.", min=0)] = 0,
    safety: SafetyOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the queries of a running trial by site, the oldest first, with their age in days.

    Queries on quarantined forms are shown only to the safety role, with its folder.

    Example: `equipoise queries trial --older 14 --as mona`
    """
    with reported(as_json=as_json):
        from equipoise.conduct.actions.dispatch import perform
        from equipoise.conduct.actions.sign_in import sign_in
        from equipoise.conduct.trial.trial import Trial

        trial = Trial.open(directory)
        session = sign_in(trial, account, passphrase_of(account), device=platform.node())
        given = {"state": state, **({"site": site} if site else {})}
        receipt = perform(trial, session, "queries", given, safety=str(safety) if safety else None)
    rows = [row for row in receipt.told["queries"] if row["days"] >= older]
    if as_json:
        print_json({"ok": True, "state": state, "queries": rows})
        return
    _print(rows)


def _print(rows: list[dict[str, Any]]) -> None:
    out = console()
    for site, of_site in groupby(rows, key=lambda row: str(row["site"])):
        found = list(of_site)
        out.print(f"{site}: {len(found)}, the oldest {max(row['days'] for row in found)} days", markup=False)
        for row in found:
            place = " ".join(row[name] for name in ("participant", "visit", "form", "item") if row[name])
            out.print(f"  {row['query']}  {row['days']:>4} d  {row['state']:<8}  {place}", markup=False)
            out.print(f"      asked by {row['asked_by']}: {row['text']}", markup=False)
            if row["answer"]:
                out.print(f"      {row['answered_by']}: {row['answer']}", markup=False)
    if not rows:
        out.print("no queries")
