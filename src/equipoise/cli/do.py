"""`equipoise do`: one action of one person in a running trial."""

from __future__ import annotations

import json
import platform
from decimal import Decimal
from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape

from equipoise.cli.console import console, print_json, reported
from equipoise.cli.options import JsonOption
from equipoise.cli.trial_options import PharmacyOption, SafetyOption, TrialArgument, passphrase_of
from equipoise.foundation.errors import Problem, UsageError

CODES = {"U033": "An argument of an action is not NAME=VALUE, or a file cannot be read."}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("do")(do)


def do(
    directory: TrialArgument,
    action: Annotated[
        str, typer.Argument(metavar="ACTION", help="The action; `help` lists all, `help ACTION` explains one.")
    ] = "help",
    given: Annotated[
        list[str] | None,
        typer.Argument(metavar="NAME=VALUE", help="NAME=VALUE, NAME:=JSON, or NAME=@FILE (text, or JSON)"),
    ] = None,
    account: Annotated[
        str | None, typer.Option("--as", envvar="EQUIPOISE_ACCOUNT", help="The account that acts.")
    ] = None,
    why: Annotated[str, typer.Option("--why", help="The reason; required for changes.")] = "",
    key: Annotated[
        str | None, typer.Option("--key", help="Name of the request: sent again, it is answered but not repeated.")
    ] = None,
    pharmacy: PharmacyOption = None,
    safety: SafetyOption = None,
    as_json: JsonOption = False,
) -> None:
    """Carry out one action in a running trial. `equipoise do DIR` lists the actions and who may do them.

    The passphrase is asked for, or taken from EQUIPOISE_PASSPHRASE; to sign, it is asked for once more.

    Example: `equipoise do trial screen participant=P-001 site=main --as carol`
    """
    if action == "help":
        with reported(as_json=as_json):
            _explain(given[0], as_json) if given else _list(as_json)
        return
    with reported(as_json=as_json):
        arguments = _read(given or [])
        if not account:
            raise UsageError(Problem("U031", "--as", "Nobody acts.", "an account", "Add --as ACCOUNT."))
        from equipoise.conduct.actions.dispatch import find_action, perform
        from equipoise.conduct.actions.sign_in import sign_in
        from equipoise.conduct.trial.trial import Trial

        chosen = find_action(action)
        trial = Trial.open(directory)
        session = sign_in(trial, account, passphrase_of(account), device=platform.node())
        if "passphrase" in chosen.parameters and "passphrase" not in arguments:
            arguments["passphrase"] = passphrase_of(account, "to sign, once more the passphrase")
        receipt = perform(
            trial,
            session,
            action,
            arguments,
            why=why,
            key=key,
            pharmacy=str(pharmacy) if pharmacy else None,
            safety=str(safety) if safety else None,
        )
    if as_json:
        print_json(receipt.as_dict())
        return
    out = console()
    for name, value in {**receipt.answer, **receipt.told}.items():
        out.print(f"{name}: {_shown(value)}", markup=False)
    for warning in receipt.warnings:
        console(error=True).print(f"warning: {warning}", markup=False)
    again = ", answered before" if receipt.repeated else ""
    out.print(f"recorded as event {', '.join(map(str, receipt.events))}{again}; anchor {receipt.anchor.text}")


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _read(given: list[str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    problems = []
    for text in given:
        name, equals, value = text.partition("=")
        is_json = name.endswith(":")
        name = name.removesuffix(":")
        try:
            if not equals or not name or name in out:
                raise ValueError("not NAME=VALUE, or named twice")
            if value.startswith("@"):
                is_json = is_json or value.endswith(".json")
                value = Path(value[1:]).read_text("utf-8")
            out[name] = json.loads(value, parse_float=Decimal) if is_json else value
        except (ValueError, OSError) as error:
            problems.append(
                Problem("U033", text, f"It cannot be read: {error}.", "NAME=VALUE, NAME:='{\"age\": 41}' or NAME=@FILE")
            )
    if problems:
        raise UsageError(problems)
    return out


def _list(as_json: bool) -> None:
    from equipoise.conduct.actions import all_actions
    from equipoise.conduct.actions.permissions import MATRIX

    rows = [
        {
            "action": name,
            "takes": list(found.parameters),
            "needs": [name for name, taken in found.parameters.items() if taken.default is Parameter.empty],
            "reason": found.why,
            "roles": sorted(MATRIX.get(name, ())),
            "summary": found.summary,
        }
        for name, found in all_actions().items()
    ]
    if as_json:
        print_json({"ok": True, "actions": rows})
        return
    out = console()
    for row in rows:
        takes = _usage(row["takes"], row["needs"], row["reason"])  # type: ignore[arg-type]
        out.print(f"[bold]{row['action']}[/bold] {escape(takes)}")
        out.print(f"    {row['summary']} ({', '.join(row['roles'])})", markup=False)  # type: ignore[arg-type]
    out.print("\n[name=...] may be left out. One action: equipoise do DIR help ACTION", markup=False)


def _usage(takes: list[str], needs: list[str], reason: bool) -> str:
    parts = [f"{name}=..." if name in needs else f"[{name}=...]" for name in takes]
    return " ".join([*parts, *(["--why ..."] if reason else [])])


def _explain(name: str, as_json: bool) -> None:
    """One action: what it does, who may, and each of its arguments with what it takes."""
    from equipoise.conduct.actions.arguments import said_of
    from equipoise.conduct.actions.dispatch import find_action
    from equipoise.conduct.actions.permissions import MATRIX

    found = find_action(name)
    roles = sorted(MATRIX.get(name, ()))
    takes = [
        {
            "name": argument,
            "is": said_of(found, argument),
            "needed": taken.default is Parameter.empty,
            "default": None if taken.default in (Parameter.empty, None, "") else str(taken.default),
        }
        for argument, taken in found.parameters.items()
    ]
    if as_json:
        print_json(
            {
                "ok": True,
                "action": name,
                "words": found.words,
                "roles": roles,
                "states": list(found.states),
                "reason": found.why,
                "takes": takes,
            }
        )
        return
    out = console()
    out.print(found.words, markup=False)
    out.print(f"\nroles: {', '.join(roles)}; while the trial is {', '.join(found.states)}", markup=False)
    if found.why:
        out.print("--why: the reason, always", markup=False)
    for row in takes:
        note = "" if row["needed"] else f" (by default {row['default']})" if row["default"] else " (may be left out)"
        out.print(f"{row['name']}: {row['is']}{note}", markup=False)
