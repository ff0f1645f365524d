"""Fields as templates draw them: what is asked, what was typed, and what a check said of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from equipoise.foundation.errors import Problem
from equipoise.web.words import problem_words

_SOFT = ("C575", "C582")  # checks that only ask


def is_soft(problem: Problem) -> bool:
    """Whether a problem only asks, and is passed by confirming."""
    return problem.code in _SOFT


@dataclass
class Field:
    """One field of a page. ``kind`` is text, number, date, choice, pick (choices as boxes), several, area, file
    or secret.
    """

    name: str
    label: str
    kind: str = "text"
    hint: str = ""
    unit: str = ""
    choices: Sequence[tuple[str, str]] = ()
    needed: bool = False
    value: str = ""
    values: Sequence[str] = ()
    say: str = ""
    level: str = ""  # bad: refused; ask: please look
    keys: Sequence[str] = ()  # the key of each choice, where it is not a letter of its own
    is_branch: bool = False  # asked under other answers alone
    hidden: bool = False  # not asked as the answers stand, and blank
    names_arms: bool = False  # asks for a guess of the arm: the names of all arms are on it, for everybody alike
    confirm: str = ""  # the name under which an unusual answer is confirmed

    @property
    def id(self) -> str:
        """Its mark on the page."""
        return "f-" + "".join(one if one.isalnum() else "-" for one in self.name)

    @property
    def keyed(self) -> list[tuple[str, str, str]]:
        """Choices with the key that chooses each: what it begins with, or the first letter of it that is free."""
        if self.keys:
            return [(value, label, key) for (value, label), key in zip(self.choices, self.keys, strict=True)]
        out: list[tuple[str, str, str]] = []
        for value, label in self.choices:
            taken = {key for *_, key in out}
            initials = [word[0] for word in label.lower().split()]
            tries = [*initials, *label.lower()]
            out.append((value, label, next((one for one in tries if one.isalnum() and one not in taken), "")))
        return out

    def tell(self, problem: Problem) -> None:
        """Show a problem at the field; of several the first that refuses."""
        if self.level == "bad" or (self.level and is_soft(problem)):
            return
        self.level = "ask" if is_soft(problem) else "bad"
        self.say = problem_words(problem)


@dataclass
class Summary:
    """What is in the way of a submission: each line with the field it leads to, on top of the page."""

    lines: list[tuple[str, str, bool]] = field(default_factory=list)  # words, mark of the field, only asked

    @property
    def only_asks(self) -> bool:
        """Whether nothing is refused, and each line is passed by confirming."""
        return all(soft for *_, soft in self.lines)

    def add(self, problem: Problem, where: Field | None, label: str = "") -> None:
        """A problem, told at its field where there is one."""
        if where is not None:
            where.tell(problem)
        words = problem_words(problem)
        said = f"{label or (where.label if where else '')}: {words}" if label or where else words
        line = (said, where.id if where else "", is_soft(problem))
        if line not in self.lines:
            self.lines.append(line)


def place_problems(problems: Iterable[Problem], fields: Mapping[str, Field]) -> Summary:
    """Problems of an action told at the fields they are about: by the name of the argument that they name."""
    summary = Summary()
    for problem in problems:
        name = problem.place.removeprefix("--").partition(" ")[0]
        last = problem.place.rpartition(".")[2].rpartition(" ")[2]
        where = fields.get(problem.place) or fields.get(name) or fields.get(last)
        if where is not None and is_soft(problem):
            where.confirm = last
        summary.add(problem, where)
    return summary


def typed(field_: Field, post: Any) -> None:
    """Put what was typed into a field."""
    if field_.kind == "several":
        field_.values = post.getlist(field_.name)
    elif field_.kind not in ("secret", "file"):
        field_.value = post.get(field_.name, "").strip()
