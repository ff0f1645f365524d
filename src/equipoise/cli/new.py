"""`equipoise new`: a protocol to start from."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.console import console, print_json, reported
from equipoise.cli.options import JsonOption
from equipoise.foundation.errors import Problem, UsageError

CODES = {"U072": "Fewer answers than questions."}


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("new")(new)


def new(
    name: Annotated[Path, typer.Argument(metavar="NAME", help="Name of the trial; writes NAME.yaml.")],
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Ask nothing; take the default answers.")] = False,
    bundled: Annotated[
        str, typer.Option("--from", metavar="P", help="Copy this bundled protocol instead of asking.")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """Start a protocol: five questions, then a file that passes `equipoise check` and is ready for `equipoise power`.

    Answers may be piped, one per line; an empty line takes the default. Nothing is overwritten.
    With --from, a bundled protocol is copied as it stands; its `id` stays until you change it.

    Example: `equipoise new my-trial`
    """
    from equipoise.workflow.new_protocol import (
        copy_bundled_protocol,
        questions,
        read_answers,
        require_new_file,
        write_new_protocol,
    )

    if bundled:
        with reported(as_json=as_json):
            file = copy_bundled_protocol(bundled, name)
        if as_json:
            print_json({"ok": True, "file": str(file), "copy_of": bundled})
            return
        console().print(f"{file}: a copy of {bundled}", markup=False)
        console().print(f"Next: equipoise check {file}", markup=False)
        return
    with reported(as_json=as_json):
        stem = require_new_file(name).stem
        asked = questions(stem)
        if yes:
            given = [""] * len(asked)
        elif sys.stdin.isatty():
            given = [_ask(question.words, question.default, question.read) for question in asked]
        else:
            given = [line.rstrip("\n") for line in sys.stdin]
            if len(given) < len(asked):
                missing = asked[len(given)]
                raise UsageError(
                    Problem(
                        "U072",
                        missing.key,
                        f"{len(given)} answers were given to {len(asked)} questions.",
                        "one line per question; an empty line takes the default",
                        "Add --yes to take every default.",
                    )
                )
            if any(line.strip() for line in given[len(asked) :]):
                raise UsageError(
                    Problem("U072", "answers", f"{len(given)} lines were given.", f"{len(asked)}, one per question")
                )
        answers = read_answers(stem, given[: len(asked)])
        file = write_new_protocol(name, answers)
    if as_json:
        print_json({"ok": True, "file": str(file), "n_per_arm": answers.n_per_arm})
        return
    out = console()
    out.print(f"{file}: {answers.n_per_arm} participants per arm, for 80% power by the formula", markup=False)
    out.print(f"Next: equipoise check {file}", markup=False)
    out.print(f"      equipoise power {file}", markup=False)


def _ask(words: str, default: str, read: object) -> str:
    """One answer from the terminal, asked again until it can be used."""
    while True:
        text = str(typer.prompt(words, default=default))
        try:
            read(text.strip())  # type: ignore[operator]
        except UsageError as error:
            problem = error.problems[0]
            console(error=True).print(f"  {problem.found} Expected {problem.expected}.", markup=False)
        else:
            return text
