"""Problems a user can mend: place, found, expected, next step, and a stable code.

Rooms collect :class:`Problem` values and raise all of them at once in one :class:`EquipoiseError`. The command line
prints them and leaves with the exit code of the family. A code is the family's letter and three digits; it never
changes its meaning (``docs/errors.md`` lists them).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, described so that a reader can correct it.

    ``place`` is the place inside the file in the file's own words (``endpoints.relapse.time-zero``, ``urine row
    14``); ``found`` says what is there, ``expected`` what should be, ``next_step`` what to do. ``file`` and
    ``line`` (from 1) are absent if there is no file.

    >>> problem = equipoise.check_protocol("kara").problems[0]
    >>> problem.found
    "There is no bundled protocol 'kara', nor a file of that name."
    >>> problem.next_step
    'Did you mean kare?'
    """

    code: str
    place: str
    found: str
    expected: str = ""
    next_step: str = ""
    file: str | None = None
    line: int | None = None

    def at(self, file: str | None, line: int | None) -> Problem:
        """The same problem, with its file and line."""
        return replace(self, file=file, line=line)

    def render(self) -> str:
        """The problem as the terminal prints it: one line for the place, then what, then what to do."""
        where = ""
        if self.file is not None:
            where = self.file if self.line is None else f"{self.file}:{self.line}"
        head = "  ".join(part for part in (where, self.code, self.place) if part)
        body = [self.found]
        if self.expected:
            body.append(f"Expected {self.expected}.")
        if self.next_step:
            body.append(self.next_step)
        return "\n".join([head, *(f"  {line}" for text in body for line in text.splitlines())])

    def as_dict(self) -> dict[str, Any]:
        """The problem for ``--json``."""
        return {
            "code": self.code,
            "file": self.file,
            "line": self.line,
            "place": self.place,
            "found": self.found,
            "expected": self.expected,
            "next_step": self.next_step,
        }


class EquipoiseError(Exception):
    """One or more problems of one family; ``exit_code`` is the exit code of the command line.

    >>> try:
    ...     equipoise.read_protocol("kara")
    ... except equipoise.EquipoiseError as error:
    ...     print(error.exit_code, error.problems[0].code)
    3 P001
    """

    exit_code: ClassVar[int] = 1
    family: ClassVar[str] = "problem"

    def __init__(self, problems: Problem | Iterable[Problem]) -> None:
        self.problems: tuple[Problem, ...] = (problems,) if isinstance(problems, Problem) else tuple(problems)
        super().__init__("\n".join(problem.render() for problem in self.problems))


class UsageError(EquipoiseError):
    """The command or the call itself is wrong (family U)."""

    exit_code = 2
    family = "usage"


class ProtocolError(EquipoiseError):
    """The protocol file is wrong (family P)."""

    exit_code = 3
    family = "protocol"


class RecordsError(EquipoiseError):
    """Records, or files they are made from, are wrong (family R)."""

    exit_code = 4
    family = "records"


class AnalysisError(EquipoiseError):
    """The analysis plan cannot be carried out on these records (family A)."""

    exit_code = 5
    family = "analysis"


class SimulationError(EquipoiseError):
    """The trial cannot be simulated from what the protocol assumes (family S)."""

    exit_code = 6
    family = "simulation"


class OutputError(EquipoiseError):
    """Results cannot be written to the requested place (family O)."""

    exit_code = 7
    family = "output"


class DesignError(EquipoiseError):
    """The characteristics of a design cannot be calculated as requested (family D)."""

    exit_code = 8
    family = "design"


class RandomizationError(EquipoiseError):
    """An allocation list cannot be sealed, read, continued or replayed (family L)."""

    exit_code = 9
    family = "randomization"


class ConductError(EquipoiseError):
    """The running trial refuses: rights, order of steps, or an incomplete ledger (family C)."""

    exit_code = 10
    family = "conduct"


class EvidenceError(EquipoiseError):
    """Published results cannot be read, or may not be combined (family E)."""

    exit_code = 11
    family = "evidence"


def raise_if_any(error: type[EquipoiseError], problems: Sequence[Problem]) -> None:
    """Raise ``error`` with all of ``problems``, in file order, when there is at least one."""
    if problems:
        raise error(sorted(problems, key=lambda p: (p.file or "", p.line or 0, p.code, p.place)))


def listed(names: Iterable[object], *, conjunction: str = "or", limit: int = 12) -> str:
    """Names as people list them: ``a, b or c``; a long list is cut with the count of the rest."""
    texts = [str(name) for name in names]
    if not texts:
        return "nothing"
    if len(texts) > limit:
        return f"{', '.join(texts[:limit])} and {len(texts) - limit} more"
    if len(texts) == 1:
        return texts[0]
    return f"{', '.join(texts[:-1])} {conjunction} {texts[-1]}"


def nearest(name: str, names: Iterable[str]) -> str | None:
    """The known name that ``name`` was probably meant to be: a close one, or the only one of which it is some words."""
    from difflib import get_close_matches

    known = list(names)
    close = get_close_matches(name, known, n=1, cutoff=0.6)
    if close:
        return close[0]
    longer = [one for one in known if name and f"-{name}-" in f"-{one}-"]
    return longer[0] if len(longer) == 1 else None
