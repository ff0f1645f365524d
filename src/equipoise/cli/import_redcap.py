"""`equipoise import redcap`: a REDCap project, with its data, to a protocol to start from and records."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equipoise.cli.console import console, print_json, print_notes, reported, working
from equipoise.cli.options import ForceOption, JsonOption, OutOption, grouped

if TYPE_CHECKING:
    from equipoise.exchange.redcap.import_project import ImportedProject

_SHOWN = 12  # findings of a kind that the screen shows; the files hold all


def _file(name: str, words: str) -> object:
    return typer.Option(name, metavar="FILE", help=words)


@dataclass(frozen=True)
class RedcapFiles:
    """The files beside the dictionary and the data."""

    events: Annotated[Path | None, _file("--events", "Events, as REDCap exports them.")] = None
    event_instruments: Annotated[
        Path | None, _file("--event-instruments", "Which form stands in which event (instrument mapping).")
    ] = None
    arms: Annotated[Path | None, _file("--arms", "Arms.")] = None
    repeating: Annotated[Path | None, _file("--repeating", "What repeats: forms and events.")] = None
    project: Annotated[
        Path | None, _file("--project", "The project's own export in XML, for events, repeats and missing data codes.")
    ] = None
    settings: Annotated[Path | None, _file("--settings", "The project's settings as JSON, as the API gives them.")] = (
        None
    )
    missing_codes: Annotated[
        str, typer.Option("--missing-codes", metavar="CODES", help="Missing data codes: 'code, label | code, label'.")
    ] = ""
    answers: Annotated[
        Path | None, _file("--answers", "Answers to what is asked: arm, day 1, consent, identifiers (YAML).")
    ] = None


def register(group: typer.Typer) -> None:
    """Add the command."""
    group.command("redcap")(grouped(import_redcap))


def import_redcap(
    dictionary: Annotated[Path, typer.Argument(metavar="DICTIONARY", help="The data dictionary (CSV).")],
    out: OutOption,
    files: RedcapFiles,
    data: Annotated[Path | None, typer.Argument(metavar="[DATA]", help="The data: a raw export, or labels.")] = None,
    force: ForceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Read a REDCap project: a protocol to start from, its records, and the list of what could not be taken over.

    Nothing is guessed. What is asked (who consented, which field is the arm, which date is day 1) is answered in a
    file, `--answers`, or at the terminal; without an answer it is left out and listed. Identifiers stay out.

    Example: `equipoise import redcap dictionary.csv data.csv --events events.csv --out my-trial`
    """
    from equipoise.exchange.output_folder import OutputFolder
    from equipoise.exchange.redcap.answers import answers_from, read_answers_file
    from equipoise.exchange.redcap.import_project import import_project, write_import
    from equipoise.exchange.redcap.project_files import ProjectFiles

    with reported(as_json=as_json):
        OutputFolder(out, kind="redcap import", force=force).require_free()
        given = ProjectFiles(
            dictionary,
            arms=files.arms,
            events=files.events,
            event_instruments=files.event_instruments,
            repeating=files.repeating,
            settings=files.settings,
            xml=files.project,
            missing_codes=files.missing_codes,
        )
        with working("importing", quiet=as_json) as said:
            imported = import_project(
                given,
                data,
                lambda project: read_answers_file(files.answers, project) if files.answers else None,
                progress=said,
            )
        if files.answers is None and not as_json and sys.stdin.isatty():
            typed = ask_questions(imported)
            if typed:
                with working("importing", quiet=as_json) as said:
                    imported = import_project(given, data, lambda project: answers_from(typed, project), progress=said)
        with working("writing", quiet=as_json):
            write_import(imported, out, force=force)
    say_imported(imported, out, as_json=as_json)


def ask_questions(imported: ImportedProject) -> dict[str, object]:
    """Answers from the terminal to what a word or a name answers; an empty line leaves a question open."""
    from equipoise.exchange.redcap.answers import answers_from
    from equipoise.foundation.errors import EquipoiseError
    from equipoise.protocol.text.yaml_lines import read_yaml_text

    out: dict[str, object] = {}
    for one in imported.findings:
        while one.kind == "question":
            text = str(typer.prompt(f"{one.text} {one.why}\n{one.column}", default="", show_default=False)).strip()
            if not text:
                break
            try:
                value = read_yaml_text(f"{one.column}: {text}")[0]
                answers_from({**out, **value}, imported.project)
            except EquipoiseError as error:
                for problem in error.problems:
                    console(error=True).print(f"  {problem.found} Expected {problem.expected}.", markup=False)
            else:
                out |= value
                break
    return out


def say_imported(imported: ImportedProject, out: Path, *, as_json: bool) -> None:
    """Print what an import came to: counts, findings by kind, and what to do next."""
    from equipoise.exchange.redcap.findings import KINDS, by_kind

    records = imported.records
    rows = {name: frame.height for name, frame in records.tables.items() if frame.height} if records else {}
    if as_json:
        print_json(
            {
                "ok": True,
                "out": str(out),
                "fields": len(imported.project.fields),
                "shown_always": imported.n_always_shown,
                "rows_of_data": imported.data.frame.height if imported.data is not None else None,
                "records": rows or None,
                "findings": [one.as_dict() for one in imported.findings],
                "notes": [note.as_dict() for note in imported.notes],
            }
        )
        return
    screen = console()
    screen.print(imported.sentence, markup=False)
    print_notes(imported.notes)
    for kind, held in by_kind(imported.findings).items():
        if not held:
            continue
        screen.print(f"\n{KINDS[kind].capitalize()}", markup=False)
        for one in held[:_SHOWN]:
            place = " ".join(part for part in (one.field, one.column) if part)
            screen.print(
                f"  {one.code}  {place}: {one.text + ' ' if kind == 'question' else ''}{one.why}", markup=False
            )
        if len(held) > _SHOWN:
            screen.print(f"  and {len(held) - _SHOWN} more", markup=False)
    screen.print("")
    if rows:
        screen.print("Records: " + ", ".join(f"{name} {n:,}" for name, n in rows.items()), markup=False)
    elif imported.data is not None:
        screen.print(f"No records were written: answer the questions in {out}/answers.yaml", markup=False)
    screen.print(f"The whole list: {out}/not-translated.csv", markup=False)
    screen.print(f"Next: equipoise check {out}/protocol.yaml", markup=False)
