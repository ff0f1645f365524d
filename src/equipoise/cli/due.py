"""`equipoise due` and `equipoise form`: what is to be done, and what a form asks."""

from __future__ import annotations

import platform
from itertools import groupby
from typing import Annotated, Any

import typer

from equipoise.cli.console import console, print_json, reported
from equipoise.cli.options import JsonOption
from equipoise.cli.trial_options import TrialArgument, passphrase_of
from equipoise.foundation.errors import Problem, UsageError, listed, nearest

CODES = {"U038": "The protocol has no such form."}


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command("due")(due)
    app.command("form")(form)


def due(
    directory: TrialArgument,
    account: Annotated[str, typer.Option("--as", envvar="EQUIPOISE_ACCOUNT", help="The account that acts.")],
    participant: Annotated[str | None, typer.Option("--participant", help="One participant; by default all.")] = None,
    days: Annotated[int, typer.Option("--days", help="Number of days to look ahead.", min=0, max=400)] = 14,
    as_json: JsonOption = False,
) -> None:
    """List what is overdue, open, due and coming: visits, forms, days, infusions, sessions, reports, queries.

    Example: `equipoise due trial --as carol`
    """
    with reported(as_json=as_json):
        from equipoise.conduct.actions.dispatch import perform
        from equipoise.conduct.actions.sign_in import sign_in
        from equipoise.conduct.trial.trial import Trial

        trial = Trial.open(directory)
        session = sign_in(trial, account, passphrase_of(account), device=platform.node())
        given = {"days": days, **({"participant": participant} if participant else {})}
        receipt = perform(trial, session, "due", given)
    rows = receipt.told["due"]
    if as_json:
        print_json({"ok": True, "due": rows})
        return
    out = console()
    for state, found in groupby(rows, key=lambda row: str(row["state"])):
        of_state = list(found)
        out.print(f"{state}: {len(of_state)}", markup=False)
        for row in of_state:
            by = f"  by {row['by']}" if row["by"] else ""
            out.print(f"  {row['participant']}  {row['what']}{by}", markup=False)
            if row["do"]:
                out.print(f"      {row['do']}", markup=False)
    if not rows:
        out.print("nothing is due")


def form(
    protocol: Annotated[str, typer.Argument(metavar="DIR|PROTOCOL", help="A trial's folder, or a protocol.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="The form; by default all are listed.")] = "",
    as_json: JsonOption = False,
) -> None:
    """Show what a form asks: its items, their possible answers, when each is asked, and a command that fills it in.

    Example: `equipoise form trial urine`
    """
    with reported(as_json=as_json):
        from equipoise.conduct.rules.forms import forms

        whole = _protocol(protocol)
        known = forms(whole)
        if name and name not in known:
            guess = nearest(name, known)
            raise UsageError(
                Problem(
                    "U038",
                    "NAME",
                    f"There is no form {name!r}.",
                    listed(known, limit=60),
                    f"Did you mean {guess}?" if guess else "",
                )
            )
        rows = [
            {**_described(made), "checks": _checks(whole, id)} for id, made in known.items() if not name or id == name
        ]
    if as_json:
        print_json({"ok": True, "forms": rows})
        return
    out = console()
    for row in rows:
        out.print(f"{row['form']}: {row['label']} ({row['kind']}, {row['blinding']})", markup=False)
        if not name:
            continue
        for item in row["items"]:
            need = "" if item["required"] else ", may be left out"
            when = f", asked when {item['when']}" if item["when"] else ""
            unit = f" {item['unit']}" if item["unit"] else ""
            out.print(f"  {item['item']}: {item['label']}; {item['expected']}{unit}{need}{when}", markup=False)
        for check in row["checks"]:
            out.print(f"  {check['does']} if {check['if']}: {check['words']}", markup=False)
        out.print(f"  {row['example']}", markup=False)


def _protocol(named: str) -> Any:
    from pathlib import Path

    if (Path(named) / "trial.json").is_file():
        from equipoise.conduct.trial.trial import Trial

        trial = Trial.open(named)
        return trial.protocol(trial.protocol_hash)
    from equipoise.workflow.library import read_protocol

    return read_protocol(named)


def _checks(protocol: Any, form: str) -> list[dict[str, str]]:
    """Checks of the protocol that look at the form."""
    from equipoise.protocol.language.conditions import Place

    return [
        {
            "check": id,
            "if": str(check.if_),
            "does": "refused" if check.refuse else "asked",
            "words": check.refuse or check.ask,
        }
        for id, check in protocol.model.conduct.checks.items()
        if any((place := Place.read(item)) and place.form == form for item in check.if_.items)
    ]


def _described(made: Any) -> dict[str, Any]:
    items = [
        {
            "item": item.id,
            "label": item.label,
            "type": item.type,
            "expected": item.expected,
            "unit": item.unit,
            "required": item.required,
            "when": str(item.when) if item.when is not None else "",
        }
        for item in made.items
    ]
    first = made.items[0] if made.items else None
    value = (first.choices[0] if first.choices else "yes" if first.type == "yes-no" else "0") if first else ""
    ways = {
        "daily-use": "calendar first=DATE last=DATE used=DATE,DATE",
        "vitals": "infusion-vitals systolic=... diastolic=... pulse=... saturation=...",
        "session": "session session=1 delivered=yes",
    }
    answers = f'{{"{first.id}": "{value}"}}' if first else "{}"
    usual = f"record participant=... visit=... form={made.id} answers:='{answers}'"
    return {
        "form": made.id,
        "label": made.label,
        "kind": made.kind,
        "blinding": made.blinding,
        "items": items,
        "example": f"equipoise do DIR {ways.get(made.kind, usual)} --as ...",
    }
