"""What every command shares: printing, errors with exit codes, progress."""

from __future__ import annotations

import json
import os
import re
import sys
import textwrap
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.text import Text

from equipoise.foundation.errors import ConductError, EquipoiseError, Problem
from equipoise.foundation.printable import escaped, is_unseen, unseen

AMBER = "#B45309"


_MOST_PLACES = 10  # of one cause, by line
_MOST_OF_A_CODE = 8  # of one code, each with a cause of its own
_LINE = 80
_KEEP: dict[str, Any] = {"break_on_hyphens": False, "drop_whitespace": True, "replace_whitespace": False}


class _Console(Console):
    def print(self, *objects: Any, **options: Any) -> None:
        """Print, with control characters of any text written out: no recorded word moves the cursor."""
        super().print(*map(_visible, objects), **options)

    def on_broken_pipe(self) -> None:
        """Whoever reads our output (head, less) has seen enough: nothing is wrong."""
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(0)


def _visible(shown: Any) -> Any:
    if isinstance(shown, str):
        return escaped(shown)
    if isinstance(shown, Text) and escaped(shown.plain) != shown.plain:
        return Text(escaped(shown.plain), style=shown.style)
    return shown


def console(*, error: bool = False) -> Console:
    """A console for answers (standard output) or for everything else (standard error)."""
    made = _Console(stderr=error, highlight=False, soft_wrap=True)
    if not made.is_terminal and "COLUMNS" not in os.environ:
        made.width = 150  # a pipe or a file has no edge to wrap at
    return made


def print_json(value: Any) -> None:
    """One JSON object on standard output; characters that a terminal obeys are written out, as JSON has it."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    if unseen(text, allowed="\n"):
        text = "".join(json.dumps(one)[1:-1] if one != "\n" and is_unseen(one) else one for one in text)
    typer.echo(text)


def print_problems(problems: tuple[Problem, ...], *, as_json: bool) -> None:
    """All problems: as JSON on standard output, or as text on standard error."""
    if as_json:
        print_json({"ok": False, "problems": [problem.as_dict() for problem in problems]})
        return
    out = console(error=True)
    groups: dict[tuple[str | None, ...], list[Problem]] = {}
    for problem in problems:
        cause = (problem.code, problem.file, problem.found, problem.expected, problem.next_step)
        groups.setdefault(cause, []).append(problem)
    of_code: Counter[str] = Counter()
    for same in groups.values():
        of_code[same[0].code] += 1
        if of_code[same[0].code] > _MOST_OF_A_CODE:
            continue
        head, *body = same[0].render().splitlines()
        out.print(Text(head, style="bold"))
        for line in [*body, *([f"  {_elsewhere(same[1:])}"] if len(same) > 1 else [])]:
            for part in textwrap.wrap(line, _LINE, subsequent_indent="  ", break_long_words=False, **_KEEP) or [""]:
                out.print(Text(part))
    for code, number in of_code.items():
        if number > _MOST_OF_A_CODE:
            out.print(Text(f"{number - _MOST_OF_A_CODE} more problems {code} of the same kind: --json lists them all."))
    n = len(groups)
    places = f", in {len(problems)} places" if n < len(problems) else ""
    out.print(Text(f"{n} problem{'s' if n != 1 else ''}{places}.", style=AMBER))


def _elsewhere(others: Sequence[Problem]) -> str:
    """Where else the same stands: ``The same on lines 182 and 191.``"""
    lines = [str(problem.line) for problem in others if problem.line is not None]
    places = lines if len(lines) == len(others) else [problem.place for problem in others if problem.place]
    if len(places) != len(others):
        return f"The same in {len(others)} more places."
    what = ("on lines " if len(lines) > 1 else "on line ") if places is lines else "at "
    more = f", and {len(places) - _MOST_PLACES} more" if len(places) > _MOST_PLACES else ""
    shown = places[:_MOST_PLACES]
    joined = ", ".join(shown) if more or len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"
    return f"The same {what}{joined}{more}."


@contextmanager
def reported(*, as_json: bool = False) -> Iterator[None]:
    """Turn an :class:`EquipoiseError` into its text and the exit code of its family."""
    try:
        yield
    except EquipoiseError as error:
        print_problems(error.problems, as_json=as_json)
        raise typer.Exit(error.exit_code) from None
    except BrokenPipeError:
        # Whoever reads our output (head, less) has seen enough.
        sys.stderr.close()
        raise typer.Exit(0) from None
    except Exception as error:
        problem = _cause_of(error)
        if problem is None:
            raise
        print_problems((problem,), as_json=as_json)
        raise typer.Exit(ConductError.exit_code) from None


_DRIVERS = ("django.db", "sqlite3", "psycopg")
_OF_THE_DISK = ("C021", "C024", "C026")


def _cause_of(error: Exception) -> Problem | None:
    """What kept a database or a disk from answering, where that is what an error says; never a traceback for it."""
    of_driver = type(error).__module__.startswith(_DRIVERS)
    if not of_driver and not (isinstance(error, OSError) and error.errno is not None):
        return None
    from equipoise.conduct.trial.causes import problem_of

    problem = problem_of(error)
    if of_driver and problem is None:
        found = f"The database cannot be read: {' '.join(str(error).split())}."
        return Problem(
            "C007", "the database", found, "the database of this trial, whole", "Run `equipoise verify DIR`."
        )
    missing = isinstance(error, FileNotFoundError)  # a file that is not there is no failing disk
    return problem if of_driver or (problem is not None and problem.code in _OF_THE_DISK and not missing) else None


@contextmanager
def working(what: str, *, quiet: bool = False) -> Iterator[Callable[[str], None]]:
    """A line that says what is going on, for how long and how long it will take, on a terminal only.

    Yields a function to update it; of a text that counts (``312 of 500``) the time left is worked out.
    """
    out = console(error=True)
    if quiet or not out.is_terminal:
        yield lambda text: None
        return
    from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    left = TimeLeft(time.monotonic)
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn(), console=out, transient=True
    ) as bar:
        task = bar.add_task(what)
        yield lambda text: bar.update(task, description=f"{what}: {text}{left.after(text)}")


class TimeLeft:
    """How long work will take that counts ``k of n``, from the time that the first k took; anew when n changes."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.total = self.first = -1
        self.begun = 0.0

    def after(self, text: str) -> str:
        """``, about 12 s left`` for the text; nothing where it does not count, or nothing has been done yet."""
        found = re.search(r"\b(\d+) of (\d+)\b", text)
        if found is None:
            return ""
        done, total = int(found[1]), int(found[2])
        if total != self.total or done < self.first:
            self.total, self.first, self.begun = total, done, self.clock()
        if done <= self.first or done >= total:
            return ""
        seconds = (self.clock() - self.begun) * (total - done) / (done - self.first)
        return f", about {duration(seconds)} left"


def duration(seconds: float) -> str:
    """A length of time as people say it: ``12 s``, ``3 min``, ``1.5 h``."""
    if seconds < 90:
        return f"{max(round(seconds), 1)} s"
    return f"{round(seconds / 60)} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def simulated_line(is_simulated: bool) -> None:
    """Say on the terminal that participants are fictional."""
    if is_simulated:
        console().print(Text("SIMULATED  the participants are fictional", style=f"bold {AMBER}"))


def print_notes(notes: Iterable[Problem]) -> None:
    """What a reader must know of the data, a line each: files changed since they were written, visits without a row."""
    for note in notes:
        console().print(f"{note.code}  {note.found}", style="yellow")
