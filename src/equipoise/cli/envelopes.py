"""`equipoise envelopes`: the pages to print for sealed envelopes."""

from __future__ import annotations

import platform
from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.console import console, print_json, reported
from equipoise.cli.options import ForceOption, JsonOption, OutOption
from equipoise.cli.trial_options import PharmacyOption, TrialArgument, passphrase_of


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("envelopes")(envelopes)


def envelopes(
    directory: TrialArgument,
    site: Annotated[str, typer.Option("--site", help="The site that the envelopes are for.")],
    out: OutOption,
    account: Annotated[str, typer.Option("--as", envvar="EQUIPOISE_ACCOUNT", help="The account that acts.")],
    pharmacy: PharmacyOption = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Write the pages to print for a site's envelopes: its list, and the pages that go into the envelopes.

    `list.html` shows no arm and goes to the site; `pages.html` shows the arms and is for the pharmacy. The printing
    is recorded. First set the envelopes aside: `equipoise do DIR envelopes-reserve`.

    Example: `equipoise envelopes trial --site main --out envelopes --as phil --pharmacy trial-pharmacy`
    """
    from equipoise.conduct.actions.dispatch import perform
    from equipoise.conduct.actions.sign_in import sign_in
    from equipoise.conduct.trial.trial import Trial
    from equipoise.exchange.output_folder import OutputFolder

    with reported(as_json=as_json):
        folder = OutputFolder(out, kind="envelopes", force=force, private=True)
        folder.require_free()
        trial = Trial.open(directory)
        session = sign_in(trial, account, passphrase_of(account), device=platform.node())
        given = {"site": site}
        done = perform(trial, session, "envelopes-print", given, pharmacy=str(pharmacy) if pharmacy else None)
        with folder as partial:
            (Path(partial) / "list.html").write_text(done.told["list"], "utf-8", newline="\n")
            (Path(partial) / "pages.html").write_text(done.told["pages"], "utf-8", newline="\n")
    files = [str(Path(out) / name) for name in ("list.html", "pages.html")]
    if as_json:
        print_json({"ok": True, "files": files, **done.answer, "events": list(done.events)})
        return
    console().print(f"{files[0]}: for the site, {done.answer['envelopes']} envelopes", markup=False)
    console().print(f"{files[1]}: for the pharmacy, it tells the arms", markup=False)
