"""The endpoint language: a definition of an endpoint over a use pattern, composed from a few verbs.

A use pattern is a word of letters, one a cell (a week, a visit or a day): ``+`` use, ``-`` no use, ``o`` due and not
given (missed), ``*`` mixed within the cell, ``_`` not due. A formula first says what is done to the pattern (``steps``,
in order), then what is measured on it, then how the value is judged. These models are what people write; what they
mean, cell by cell, is carried out in the endpoints room and told in docs/methods/endpoint_language.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Discriminator, Field, Tag, model_validator

from equipoise.protocol.language.facts import Frozen, Id, Number, Whole
from equipoise.protocol.language.notation import Fault, Notation

ALPHABET = "+-o*_"


def _in_alphabet(text: str) -> str:
    stray = sorted(set(text) - set(ALPHABET))
    if stray or not text:
        raise Fault(
            f"{text!r} holds {' and '.join(map(repr, stray)) or 'no letter'}",
            "letters of a use pattern: + - o * _",
            "Write + use, - no use, o missed, * mixed, _ not due.",
        )
    return text


def _single(text: str) -> str:
    if len(text) != 1:
        raise Fault(f"{text!r} is not one letter", "one of + - o * _", "Write a letter at a time.")
    return _in_alphabet(text)


Letters = Annotated[str, AfterValidator(_in_alphabet), Field(json_schema_extra={"pattern": "^[-+o*_]+$"})]
Letter = Annotated[str, AfterValidator(_single), Field(json_schema_extra={"pattern": "^[-+o*_]$"})]
FillRule = Literal[
    "is-use",
    "is-use-after-dropout",
    "is-no-use",
    "is-missing",
    "removed",
    "locf",
    "locf-to-last-seen",
    "mode",
    "mean-of-neighbours",
]


@dataclass(frozen=True, slots=True)
class Bound(Notation):
    """A number to compare with, or a fraction as people write it: ``0.7``, ``5/6``."""

    value: Fraction
    text: str

    example = "5/6"

    @classmethod
    def parse(cls, text: str) -> Bound:
        """Read a number or a fraction."""
        try:
            return cls(Fraction(text.replace(" ", "")), text)
        except (ValueError, ZeroDivisionError):
            raise Fault(f"{text!r} is not a number", "a number or a fraction: 0.7, 5/6", "Correct it.") from None

    def __float__(self) -> float:
        return float(self.value)

    def __str__(self) -> str:
        return self.text


def exactly_one(part: Frozen, names: tuple[str, ...], what: str) -> str:
    """The one field of ``names`` that was given; a fault where there is none, or more than one."""
    given = [name for name in names if getattr(part, name) is not None]
    keys = [name.rstrip("_").replace("_", "-") for name in names]
    if not given:
        raise Fault(f"{what} is not said", f"one of {', '.join(keys)}", "Add one of these keys.")
    if len(given) > 1:
        both = " and ".join(name.rstrip("_").replace("_", "-") for name in given)
        raise Fault(f"{what} is said more than once: {both}", f"one of {', '.join(keys)}", "Keep one of them.")
    return given[0]


class PatternWindow(Frozen):
    """The cells that are used; places count from 1, or back from the end with -1 for the last cell."""

    from_: Whole | Literal["last-contact"] | None = Field(None, description="First place; -1 is the last cell.")
    to: Whole | Literal["last-contact"] | None = Field(
        None, description="Last place, included; last-contact is the last observed cell."
    )
    after: Whole | None = Field(None, ge=0, description="Grace period: cells left out at the beginning.")
    first: Whole | None = Field(None, ge=1, description="This many of the first cells in view.")
    last: Whole | None = Field(None, ge=1, description="This many of the last cells in view.")

    @model_validator(mode="after")
    def _hangs_together(self) -> PatternWindow:
        given = {name for name in ("from_", "to", "after", "first", "last") if getattr(self, name) is not None}
        if not given:
            raise Fault("The window names no cells", "from, to, after, first or last", "Add one of these keys.")
        if len(given) > 1 and given not in ({"from_", "to"}, {"after", "to"}):
            raise Fault(
                "The window is said twice",
                "from and to, after and to, or one key alone",
                "Take one; a window within a window is a step of its own.",
            )
        if self.from_ == 0 or self.to == 0:
            raise Fault("There is no place 0", "a place from 1 on, or -1 and before from the end", "Correct it.")
        start = self.after + 1 if self.after is not None else self.from_
        if isinstance(start, int) and isinstance(self.to, int) and start * self.to > 0 and start > self.to:
            raise Fault(
                f"The window runs backwards: {start} to {self.to}", "a first place before the last", "Turn it round."
            )
        return self


class PatternSchedule(Frozen):
    """The cells that a sparser schedule would have observed: `o` is observed, `_` is not; parts are repeated."""

    parts: tuple[Annotated[str, Field(pattern=r"^[o_]+$")], ...] = Field(
        min_length=1, description="Pieces of the schedule: o is observed, _ is not."
    )
    times: tuple[Annotated[Whole, Field(ge=1)], ...] | None = Field(
        None, description="How often each piece is repeated; by default once."
    )

    @model_validator(mode="after")
    def _one_each(self) -> PatternSchedule:
        if self.times is not None and len(self.times) != len(self.parts):
            raise Fault("parts and times are not of one length", "a number of times for each part", "Correct times.")
        return self

    @property
    def word(self) -> str:
        """The whole schedule, a letter a cell."""
        times = self.times or (1,) * len(self.parts)
        return "".join(part * n for part, n in zip(self.parts, times, strict=True))


STEPS = ("missing", "mixed", "not_due", "removed", "recode", "window", "schedule")


class Step(Frozen):
    """One step; each step works on the result of the step before it."""

    missing: FillRule | None = Field(None, description="What a missed cell (o) counts as.")
    mixed: Literal["is-use", "is-no-use", "is-missing", "removed"] | None = Field(
        None, description="What a mixed cell (*) counts as."
    )
    not_due: Literal["removed", "carried"] | None = Field(
        None, description="Cells not due (_) are removed, or take the letter before them; otherwise they are skipped."
    )
    removed: Letters | None = Field(None, description="Cells with one of these letters are removed.")
    recode: Mapping[Letter, Letter] | None = Field(
        None, min_length=1, description="Letters changed into others, all at once."
    )
    window: PatternWindow | None = Field(None, description="Only these cells are used from here on.")
    schedule: PatternSchedule | None = Field(
        None, description="The pattern as a sparser schedule would have observed it."
    )

    @model_validator(mode="after")
    def _one(self) -> Step:
        exactly_one(self, STEPS, "What the step does")
        return self

    @property
    def verb(self) -> str:
        """Which of the keys was given."""
        return next(name for name in STEPS if getattr(self, name) is not None)


class CountOf(Frozen):
    """How many cells hold one of the letters, or how often a sequence occurs without overlap."""

    cells: Letters | None = Field(None, description="Each cell with one of these letters counts 1.")
    sequence: Letters | None = Field(None, description="Each occurrence of this sequence counts 1.")
    mixed_weight: Number = Field(0.0, ge=0, le=1, description="What a mixed cell counts.")

    @model_validator(mode="after")
    def _one(self) -> CountOf:
        exactly_one(self, ("cells", "sequence"), "What is counted")
        return self


class ProportionOf(CountOf):
    """The count divided by a named denominator."""

    of: Literal["due", "seen", "window"] = Field(
        "due",
        description="Denominator: due cells in view; observed cells (+ - *); or the window's full width, "
        "so that cells that a short pattern lacks count against it.",
    )
    if_none: Number | None = Field(None, description="The value if the denominator is 0; null is no value.")


class RunOf(Frozen):
    """The longest run of consecutive cells with one of the letters; cells not due are skipped."""

    cells: Letters = Field(description="Letters that make up the run; any other letter breaks it.")


class PlaceOf(Frozen):
    """The place of the last cell with one of the letters; 0 if there is none."""

    cells: Letters = Field(description="Letters looked for.")


class Contains(Frozen):
    """Whether one of some sequences occurs; cells not due are skipped."""

    any_of: tuple[Letters, ...] = Field(min_length=1, description="The sequences, letter by letter.")


class TimeTo(Frozen):
    """The place of the first window with enough cells of some letters, censored if there is none."""

    cells: Letters = Field(description="Letters that count.")
    at_least: Whole = Field(1, ge=1, description="How many cells of the window must hold one of them (k).")
    within: Whole | None = Field(None, ge=1, description="Width of the window in due cells (w); by default k, a run.")
    time: Literal["first", "window-start", "completed"] = Field(
        "first",
        description="The event's place: the first counted cell of the window; the window's first cell; or the cell "
        "that completes the count.",
    )
    plus: Whole = Field(0, description="Cells added to the time, event or not.")
    censored: Literal["end", "last-window", "last-contact"] = Field(
        "end",
        description="Without an event: the last due cell; the first cell of the last window; or the last "
        "observed cell.",
    )
    too_short: Literal["censored", "no-value"] = Field(
        "censored", description="A pattern with fewer due cells than the window: censored, or no value."
    )

    @model_validator(mode="after")
    def _possible(self) -> TimeTo:
        if self.within is not None and self.within < self.at_least:
            raise Fault(
                f"{self.at_least} of {self.within} cells can never be",
                "at-least no larger than within",
                "Correct one of them.",
            )
        return self

    @property
    def width(self) -> int:
        """Width of the window."""
        return self.within or self.at_least


class Escalation(Frozen):
    """Multipliers that grow evenly over the cells in view."""

    from_: Number = Field(description="At the first cell.")
    to: Number = Field(description="At the last cell.")


class WeightedIndex(Frozen):
    """Weights of letters, escalated by place, as a proportion of the worst case."""

    weights: Mapping[Letter, Number] = Field(description="Weight of each letter; absent is 0.")
    escalation: (
        Annotated[
            Annotated[tuple[Number, ...], Tag("(list)")] | Annotated[Escalation, Tag("(escalation)")],
            Discriminator(lambda value: "(list)" if isinstance(value, (list, tuple)) else "(escalation)"),
        ]
        | None
    ) = Field(None, description="Multiplier of + and * by place: a list, or from and to; by default 1.")
    missing_escalation: tuple[Number, ...] | None = Field(None, description="Multiplier of o by place; by default 1.")
    worst: Number = Field(120.0, gt=0, description="The index of the worst case.")


def _kind(value: Any) -> str:
    return "(number)" if isinstance(value, (int, float)) and not isinstance(value, bool) else "(formula)"


Operand = Annotated[Annotated[Number, Tag("(number)")] | Annotated["Formula", Tag("(formula)")], Discriminator(_kind)]
MEASURES = (
    "count",
    "proportion",
    "longest_run",
    "last_place",
    "contains",
    "time_to",
    "weighted_index",
    "all_",
    "any_",
    "not_",
    "if_",
    "difference",
    "ratio",
    "first_of",
)
NESTED = ("all_", "any_", "not_", "if_", "then", "otherwise", "difference", "ratio", "first_of")
JUDGEMENTS = ("at_least", "at_most", "above", "below", "equals", "bands")


class Formula(Frozen):
    """Steps over the pattern, then one measure, then at most one judgement of its value."""

    on: Id | None = Field(None, description="Which of several patterns is used; by default the first.")
    steps: tuple[Step, ...] = Field((), description="What is done to the pattern before it is measured.")

    count: CountOf | None = Field(None, description="Number: how many cells, or sequences.")
    proportion: ProportionOf | None = Field(None, description="Number from 0 to 1: the count over a denominator.")
    longest_run: RunOf | None = Field(None, description="Number: the longest run.")
    last_place: PlaceOf | None = Field(None, description="Number: place of the last such cell, weeks to last contact.")
    contains: Contains | None = Field(None, description="Yes or no: whether a sequence occurs.")
    time_to: TimeTo | None = Field(None, description="Time and event: the first k of w.")
    weighted_index: WeightedIndex | None = Field(None, description="Number: weights escalated by place.")
    all_: tuple[Formula, ...] | None = Field(None, min_length=1, description="Yes if every part is yes.")
    any_: tuple[Formula, ...] | None = Field(None, min_length=1, description="Yes if any part is yes.")
    not_: Formula | None = Field(None, description="Yes if the part is no.")
    if_: Formula | None = Field(None, description="A condition; `then` if it holds, `otherwise` if not.")
    then: Operand | None = Field(None, description="With if: the value if the condition holds.")
    otherwise: Operand | None = Field(None, description="With if: the value if it does not; by default none.")
    difference: tuple[Operand, ...] | None = Field(
        None, min_length=2, max_length=2, description="Number: the first minus the second."
    )
    ratio: tuple[Operand, ...] | None = Field(
        None, min_length=2, max_length=2, description="Number: the first divided by the second; none if that is 0."
    )
    first_of: tuple[Formula, ...] | None = Field(
        None, min_length=2, description="Time and event: the earliest of several, in days."
    )

    at_least: Bound | None = Field(None, description="Yes if the value is at least this.")
    at_most: Bound | None = Field(None, description="Yes if the value is at most this.")
    above: Bound | None = Field(None, description="Yes if the value is above this.")
    below: Bound | None = Field(None, description="Yes if the value is below this.")
    equals: Bound | None = Field(None, description="Yes if the value equals this.")
    bands: tuple[Number, ...] | None = Field(
        None, min_length=1, description="Number: how many of these bounds, in order, the value reaches."
    )
    never_seen: Literal["no-value", "as-computed"] | None = Field(
        None,
        description="A participant with no observed cell who would count as a success has no value; "
        "as-computed keeps it, with a warning. Stated at the top of a formula.",
    )

    @model_validator(mode="after")
    def _hangs_together(self) -> Formula:
        exactly_one(self, MEASURES, "What is measured")
        judged = [name for name in JUDGEMENTS if getattr(self, name) is not None]
        if len(judged) > 1:
            both = " and ".join(name.replace("_", "-") for name in judged)
            raise Fault(f"The value is judged twice: {both}", "one of them", "Use all with two parts.")
        if self.if_ is None and (self.then is not None or self.otherwise is not None):
            raise Fault("then or otherwise stands without if", "if: a condition", "Add if, or remove them.")
        if self.if_ is not None and self.then is None:
            raise Fault("if stands without then", "then: a value", "Add then.")
        if self.bands is not None and list(self.bands) != sorted(self.bands):
            raise Fault("The bands are not in order", "bounds that grow", "Sort them.")
        return self

    @property
    def measure(self) -> str:
        """Which measure was given."""
        return next(name for name in MEASURES if getattr(self, name) is not None)

    @property
    def judgement(self) -> str | None:
        """Which judgement was given, if any."""
        return next((name for name in JUDGEMENTS if getattr(self, name) is not None), None)

    @property
    def parts(self) -> tuple[tuple[tuple[str | int, ...], Formula], ...]:
        """The formulas within this one, with the keys that lead to them."""
        out: list[tuple[tuple[str | int, ...], Formula]] = []
        for name in NESTED:
            value = getattr(self, name)
            key = name.rstrip("_").replace("_", "-")
            if isinstance(value, Formula):
                out.append(((key,), value))
            elif isinstance(value, tuple):
                out += [((key, i), part) for i, part in enumerate(value) if isinstance(part, Formula)]
        return tuple(out)


Formula.model_rebuild()


ValueType = Literal["binary", "number", "time-to-event"]


def value_type(formula: Formula) -> ValueType:
    """What a formula comes to: yes or no, a number, or a time with its event."""
    if formula.judgement is not None:
        return "number" if formula.judgement == "bands" else "binary"
    measure = formula.measure
    if measure in ("contains", "all_", "any_", "not_"):
        return "binary"
    if measure in ("time_to", "first_of"):
        return "time-to-event"
    if measure == "if_" and isinstance(formula.then, Formula):
        return value_type(formula.then)
    return "number"
