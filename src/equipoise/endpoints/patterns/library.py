"""The library of published definitions: each a citation, its words, its formula, and words with their values.

A definition of the reference implementation has its name there; where its behaviour is debatable a second variant,
``NAME--held-right``, is the one we hold right, and ``NAME--as-ctnote`` is the name's other spelling.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any, Literal

from pydantic import Field, ValidationError

from equipoise.endpoints.patterns.pattern import Pattern, read_words
from equipoise.foundation.errors import Problem, ProtocolError, UsageError, listed, nearest
from equipoise.protocol.checks.formulas import formula_problems
from equipoise.protocol.language.facts import Frozen, Number, Whole
from equipoise.protocol.language.formula import Formula, ValueType, value_type

CODES = {
    "U605": "The library has no such definition.",
    "P065": "An entry of the library of definitions is not well formed.",
}
FAMILIES = ("abstinence", "relapse", "reduction", "retention", "daily")
HELD_RIGHT, AS_CTNOTE = "--held-right", "--as-ctnote"
DAYS_PER_CELL = {"weeks": 7, "days": 1, "visits": 1}
Better = Literal["higher", "lower"]


class Citation(Frozen):
    """Where a definition comes from."""

    source: str = Field(description="Author and year, or the document.")
    doi: str | None = Field(None, description="Digital object identifier.")
    facts: str | None = Field(None, description="Short name of the source among the trial facts.")

    def __str__(self) -> str:
        return self.source + (f", doi:{self.doi}" if self.doi else "")


class Example(Frozen):
    """A word and the value it must get; a word a pattern where a definition looks at several."""

    word: str | Mapping[str, str] = Field(description="The word; A{7} is seven times A.")
    is_: Number | tuple[Number, ...] | None = Field(description="The value, time and event, or null for no value.")

    def words(self, on: tuple[str, ...]) -> dict[str, str]:
        """The word of each pattern, spelt out."""
        given = self.word if isinstance(self.word, Mapping) else {on[0]: self.word}
        return {name: spell(word) for name, word in given.items()}

    def patterns(self, on: tuple[str, ...]) -> dict[str, Pattern]:
        """The words as patterns of one row."""
        words = self.words(on)
        return {name: read_words([words[name]], days_per_cell=DAYS_PER_CELL.get(name, 1)) for name in on}


class _Variant(Frozen):
    why: str
    words: str
    on: tuple[str, ...] | None = None
    unit: str | None = None
    formula: Formula
    examples: tuple[Example, ...] = Field(min_length=1)


class _Entry(Frozen):
    n: Whole | None = Field(None, description="Its number in the reference implementation's list.")
    columns: tuple[str, ...] | None = None
    label: str
    citation: Citation
    words: str
    note: str | None = None
    on: tuple[str, ...] = ("weeks",)
    unit: str | None = None
    better: Better = "higher"
    days_before: Whole = Field(0, description="Days before time zero with which the pattern begins.")
    above_amount: bool = Field(False, description="Whether the definition of use must name an amount (heavy days).")
    contact: bool = Field(False, description="Whether it is about who stayed in contact, whatever they used.")
    formula: Formula
    examples: tuple[Example, ...] = Field(min_length=1)
    variants: Mapping[str, _Variant] = Field({})


@dataclass(frozen=True)
class Definition:
    """One definition of the library.

    ``columns`` are the names of its values in a table: one, or time and event. ``on`` names the patterns it looks at,
    the first by default. ``standing`` is ``as-ctnote`` where the reference implementation has the same definition,
    ``held-right`` for our variant of a debatable one, else empty. ``why`` says why there are two. ``days_before`` time
    zero its pattern begins; with ``above_amount`` it is about days of use above an amount, with ``contact`` about who
    stayed, which no rule for a missed cell may change.
    """

    name: str
    columns: tuple[str, ...]
    family: str
    label: str
    citation: Citation
    words: str
    note: str | None
    on: tuple[str, ...]
    unit: str | None
    better: Better
    days_before: int
    above_amount: bool
    contact: bool
    formula: Formula
    examples: tuple[Example, ...]
    standing: str
    why: str | None
    counterpart: str | None
    number: int | None
    source_text: Mapping[str, Any]

    @property
    def type(self) -> ValueType:
        """What the formula comes to."""
        return value_type(self.formula)

    def as_dict(self) -> dict[str, Any]:
        """Plain values for ``--json``."""
        return {
            "name": self.name,
            "family": self.family,
            "label": self.label,
            "citation": self.citation.model_dump(exclude_none=True),
            "words": self.words,
            "note": self.note,
            "on": list(self.on),
            "type": self.type,
            "unit": self.unit,
            "better": self.better,
            "columns": list(self.columns),
            "standing": self.standing,
            "why": self.why,
            "counterpart": self.counterpart,
            "formula": dict(self.source_text),
        }


def spell(text: str) -> str:
    """A word written short, spelt out: ``-{3}+`` is ``---+``; spaces fall out."""
    return re.sub(r"(.)\{(\d+)\}", lambda match: match[1] * int(match[2]), text.replace(" ", ""))


@cache
def definitions() -> dict[str, Definition]:
    """Every definition by its name, family by family."""
    out: dict[str, Definition] = {}
    for family in FAMILIES:
        for definition in _read_family(family):
            if definition.name in out:
                raise ProtocolError(_fault(family, definition.name, "The name stands twice.", "a name of its own"))
            out[definition.name] = definition
    return out


@cache
def _names() -> dict[str, str]:
    """Every spelling of a name: the name, its columns, and the two suffixes."""
    out: dict[str, str] = {}
    for name, definition in definitions().items():
        out[name] = name
        if definition.standing == "as-ctnote":
            out[name + AS_CTNOTE] = name
            for column in definition.columns:
                out[column] = out[column + AS_CTNOTE] = name
                if definition.counterpart is not None:
                    out[column + HELD_RIGHT] = definition.counterpart
    return out


def find_definition(name: str) -> Definition | None:
    """The definition of that name, column or spelling, if the library has it."""
    known = _names().get(name)
    return None if known is None else definitions()[known]


def require_definition(name: str) -> Definition:
    """The definition of that name; raises U605 with the nearest name where there is none."""
    found = find_definition(name)
    if found is None:
        guess = nearest(name, _names())
        raise UsageError(
            Problem(
                "U605",
                name,
                f"The library has no definition {name!r}.",
                listed(definitions(), limit=12),
                f"Did you mean {guess}?" if guess else "`equipoise endpoints list` shows all of them.",
            )
        )
    return found


def reference_definitions() -> list[Definition]:
    """The 54 definitions of the reference implementation, in the order of its list."""
    found = [definition for definition in definitions().values() if definition.standing == "as-ctnote"]
    return sorted(found, key=lambda definition: definition.number or 0)


def _fault(family: str, name: str, found: str, expected: str) -> Problem:
    return Problem("P065", name, found, expected, "Correct the entry.", f"{family}.yaml")


def _read_family(family: str) -> list[Definition]:
    from ruamel.yaml import YAML

    text = (files("equipoise.endpoints") / "library" / f"{family}.yaml").read_text(encoding="utf-8")
    raw: dict[str, Any] = YAML(typ="safe", pure=True).load(text)
    return [definition for name, entry in raw.items() for definition in read_entry(family, name, entry)]


def read_entry(family: str, name: str, raw: Mapping[str, Any]) -> list[Definition]:
    """An entry of the library and its variants; raises P065 where it is not well formed, with every fault."""
    try:
        entry = _Entry.model_validate(raw)
    except ValidationError as error:
        raise ProtocolError(
            _fault(family, f"{name}.{'.'.join(map(str, item['loc']))}", f"{item['msg']}.", "an entry as its neighbours")
            for item in error.errors(include_url=False)
        ) from None
    held = entry.variants.get("held-right")
    names = ("label", "citation", "better", "days_before", "above_amount", "contact")
    common = {"family": family, **{name: getattr(entry, name) for name in names}}
    out = [
        Definition(
            name=name,
            columns=entry.columns or _columns(name, entry.formula),
            words=entry.words.strip(),
            note=entry.note,
            on=entry.on,
            unit=entry.unit,
            formula=entry.formula,
            examples=entry.examples,
            standing="as-ctnote" if entry.n is not None else "",
            number=entry.n,
            why=held.why if held is not None else None,
            counterpart=name + HELD_RIGHT if held is not None else None,
            source_text=raw["formula"],
            **common,
        )
    ]
    if held is not None:
        out.append(
            Definition(
                name=name + HELD_RIGHT,
                columns=_columns(name + HELD_RIGHT, held.formula),
                words=held.words.strip(),
                note=None,
                on=held.on or entry.on,
                unit=held.unit or entry.unit,
                formula=held.formula,
                examples=held.examples,
                standing="held-right",
                number=None,
                why=held.why,
                counterpart=name,
                source_text=raw["variants"]["held-right"]["formula"],
                **common,
            )
        )
    problems = [
        _fault(
            family, ".".join(map(str, (made.name, *problem.path))), f"{problem.code}: {problem.found}", problem.expected
        )
        for made in out
        for problem in formula_problems(made.formula)
    ]
    if problems:
        raise ProtocolError(problems)
    return out


def _columns(name: str, formula: Formula) -> tuple[str, ...]:
    if value_type(formula) == "time-to-event":
        return (f"{name}--time", f"{name}--event")
    return (name,)
