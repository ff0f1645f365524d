"""`equipoise import odm`: a file of CDISC's ODM to a protocol to start from, values and records."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from equipoise.cli.console import reported, working
from equipoise.cli.import_redcap import ask_questions, say_imported
from equipoise.cli.options import ForceOption, JsonOption, OutOption


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command("odm")(import_odm)


def import_odm(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="An ODM file: 1.3 or 2.0, or its metadata alone.")],
    out: OutOption,
    data: Annotated[
        Path | None, typer.Argument(metavar="[DATA]", help="A second ODM file with the data, where FILE has none.")
    ] = None,
    answers: Annotated[
        Path | None,
        typer.Option("--answers", metavar="FILE", help="Answers to what is asked: arm, day 1, consent (YAML)."),
    ] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Read a file of CDISC's ODM: a protocol to start from, its values and records, and what could not be taken over.

    Changes are applied in their order, and each value is held against type, length, limits and code list. Nothing is
    guessed: what is asked is answered in a file, `--answers`, or at the terminal. Identifiers stay out.

    Example: `equipoise import odm study.xml --out my-trial`
    """
    from equipoise.exchange.odm.import_file import OdmImport
    from equipoise.exchange.output_folder import OutputFolder
    from equipoise.exchange.redcap.answers import answers_from, read_answers_file

    with reported(as_json=as_json):
        OutputFolder(out, kind="odm import", force=force).require_free()
        with working("reading", quiet=as_json) as told:
            read = OdmImport(file, data, told)
            imported = read.imported(read_answers_file(answers, read.project) if answers else None, told)
        if answers is None and not as_json and sys.stdin.isatty():
            typed = ask_questions(imported)
            if typed:
                imported = read.imported(answers_from(typed, read.project))
        with working("writing", quiet=as_json):
            read.write(imported, out, force=force)
    say_imported(imported, out, as_json=as_json)
