"""`equipoise interim`: the next look of a trial, with the committee's reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from equipoise.cli.console import console, print_json, reported, simulated_line, working
from equipoise.cli.options import JsonOption, PdfOption, ProtocolArgument, RecordsArgument, grouped

if TYPE_CHECKING:
    from equipoise.workflow.interim import LookRequest, TakenLook

CODES = {"U526": "A date, or a stretch of dates, cannot be read."}


@dataclass(frozen=True)
class WhenOptions:
    """Options that say when the look is, and up to when participants have been followed."""

    day_1: Annotated[
        Path | None,
        typer.Option("--day-1", help="CSV with participant_id and day_1: the date of each one's study day 1."),
    ] = None
    assume_entry: Annotated[
        str | None,
        typer.Option(
            "--assume-entry", metavar="FIRST..LAST", help="Assume entry at equal distances between two dates."
        ),
    ] = None
    entry_seed: Annotated[
        int | None,
        typer.Option("--entry-seed", help="Assume it in a random order; otherwise in the order of the ids."),
    ] = None
    at: Annotated[
        str | None,
        typer.Option(
            "--at", metavar="DATE", help="Day of the look; by default the first on which the plan's number is reached."
        ),
    ] = None
    delay: Annotated[int, typer.Option("--delay", help="Days from an observation until it is in the database.")] = 0
    all_followed: Annotated[
        bool, typer.Option("--all-followed", help="Follow-up of everybody in the records is over.")
    ] = False


@dataclass(frozen=True)
class CourseOptions:
    """Options that say what the look has to do with those before it, and how arms are named."""

    arms: Annotated[str, typer.Option("--arms", help="masked (letters) or named, in the closed report.")] = "masked"
    although: Annotated[
        str | None, typer.Option("--although", metavar="WHY", help="Why the trial went on after a look that ended it.")
    ] = None
    again: Annotated[
        str | None, typer.Option("--again", metavar="WHY", help="Take the last look anew; the old one is kept.")
    ] = None


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("interim")(grouped(interim))


def interim(
    protocol: ProtocolArgument,
    records: RecordsArgument,
    out: Annotated[
        Path, typer.Option("--out", "-o", help="Folder of the trial's looks; this one is written to look-N in it.")
    ],
    when: WhenOptions,
    course: CourseOptions,
    pdf: PdfOption = True,
    as_json: JsonOption = False,
) -> None:
    """Take the next interim look of a trial: the plan's analysis, bounds at the information reached, an open and a
    closed report.

    RECORDS are the unblinded cut of a running trial, or records with dates of study day 1. Looks taken before are read
    from the folder and checked. For the final analysis: `equipoise run P --records RECORDS --looks DIR`.

    Example: `equipoise interim my-trial.yaml cut --out looks`
    """
    from equipoise.workflow.interim import interim as take

    with reported(as_json=as_json):
        request = _request(when, course)
        with working("taking the look", quiet=as_json) as say:
            taken = take(protocol, records, out=out, request=request, pdf=pdf, progress=say)
    if as_json:
        print_json(
            {
                "ok": True,
                "simulated": taken.simulated,
                "out": str(taken.folder),
                "hash": taken.hash,
                "on": None if taken.day is None else taken.day.isoformat(),
                **taken.look.as_dict(),
            }
        )
        return
    _print(taken)


def _request(when: WhenOptions, course: CourseOptions) -> LookRequest:
    from equipoise.foundation.errors import Problem, UsageError
    from equipoise.workflow.interim import LookRequest

    problems = []

    def day(text: str, option: str) -> date | None:
        try:
            return date.fromisoformat(text.strip())
        except ValueError:
            problems.append(Problem("U526", option, f"Found {text!r}.", "a date such as 2027-03-31"))
            return None

    at = None if when.at is None else day(when.at, "--at")
    entry = None
    if when.assume_entry is not None:
        parts = when.assume_entry.split("..")
        if len(parts) != 2:
            found = f"Found {when.assume_entry!r}."
            problems.append(Problem("U526", "--assume-entry", found, "two dates: 2027-01-10..2028-06-30"))
        else:
            first, last = (day(part, "--assume-entry") for part in parts)
            entry = None if first is None or last is None else (first, last)
    if course.arms not in ("masked", "named"):
        problems.append(Problem("U526", "--arms", f"Found {course.arms!r}.", "masked or named"))
    if problems:
        raise UsageError(problems)
    return LookRequest(
        day_1=when.day_1,
        assume_entry=entry,
        entry_seed=when.entry_seed,
        at=at,
        delay_days=when.delay,
        all_followed=when.all_followed,
        although=course.although,
        again=course.again,
        arms="named" if course.arms == "named" else "masked",
    )


def _print(taken: TakenLook) -> None:
    """What may stand on a screen that others see: nothing by arm, no Z and no decision."""
    out = console()
    simulated_line(taken.simulated)
    look = taken.look
    if taken.day is not None:
        out.print(f"Day of the look: {taken.day}")
    if taken.entry is not None and taken.entry.is_assumed:
        out.print(taken.entry.basis)
    out.print(
        f"Look {look.number} of {taken.looks.rule.n_looks}: {look.n_known} of {look.n_randomized} randomized enter."
    )
    out.print(f"Open report, for everybody: {taken.folder / 'open' / 'report.html'}", markup=False)
    out.print(f"Closed report, for the committee alone: {taken.folder / 'closed' / 'report.html'}", markup=False)
    out.print(f"Hash of this look, to be kept elsewhere: {taken.hash}", markup=False)
