"""The compact notations of a protocol: ``0.5 mg/kg``, ``40 min``, ``3 of 28``, ``5.7 (1.3 to 25.1)``, ``age >= 18``.

Each is a frozen value with a ``parse`` that raises ``ValueError`` with what was expected; a number keeps the digits it
was written with (``Decimal``), because a dose is multiplied from the protocol's own digits.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Self

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from equipoise.foundation.calendar import DayRange

_NUMBER = r"[-+]?\d+(?:\.\d+)?"


def as_written(number: float) -> str:
    """The shortest decimal that is this number, without an exponent: read again it is the same."""
    text = f"{Decimal(repr(float(number))):f}"
    return (text.rstrip("0").rstrip(".") if "." in text else text) if number else "0"


def _shown(value: Any) -> str:
    if value is None:
        return "Nothing (null)"
    return (
        "A mapping" if isinstance(value, dict) else "A list" if isinstance(value, (list, tuple)) else str(value).lower()
    )


class Fault(ValueError):
    """What is wrong with a value: what stands there, what should, what to do; ``key`` is where within a part."""

    def __init__(self, found: str, expected: str, next_step: str, key: str | None = None) -> None:
        super().__init__(f"{found}; expected {expected}")
        self.found, self.expected, self.next_step, self.key = found, expected, next_step, key


class Notation:
    """A value written as short text; pydantic reads it by ``parse`` and the hash sees it as ``str``."""

    example = ""
    pattern = ""
    bare: str | None = None  # the JSON type of a value that may stand without its notation

    @classmethod
    def parse(cls, text: str) -> Any:
        """Read the notation; raises ``ValueError``."""
        raise NotImplementedError

    @classmethod
    def _read(cls, value: Any) -> Any:
        if isinstance(value, cls):
            return value
        if isinstance(value, bool) or not isinstance(value, (str, int, float)):
            raise Fault(f"{_shown(value)} stands here", f"text such as {cls.example!r}", "Write it in this form.")
        return cls.parse(str(value).strip())

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        return core_schema.no_info_plain_validator_function(cls._read, serialization=core_schema.to_string_ser_schema())

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler) -> Any:
        out: dict[str, Any] = {"type": ["string", "number"], "examples": [cls.example]}
        if cls.pattern:
            text = {"type": "string", "pattern": cls.pattern, "examples": [cls.example]}
            out = text if cls.bare is None else {"anyOf": [text, {"type": cls.bare}]}
        return out


@dataclass(frozen=True, slots=True)
class Dose(Notation):
    """An amount of drug: milligrams, or milligrams per kilogram of body weight."""

    amount: Decimal
    unit: str

    example = "0.5 mg/kg"
    pattern = r"^\s*\d+(\.\d+)?\s*(mg/kg|mg|ug/kg|ug|g|mL|IU)\s*$"

    @classmethod
    def parse(cls, text: str) -> Dose:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(mg/kg|mg|ug/kg|ug|g|mL|IU)", text)
        if match is None:
            raise Fault(
                f"{text!r} is not a dose",
                "an amount and its unit: 0.5 mg/kg, 380 mg",
                "Write units as mg/kg, mg, ug/kg, ug, g, mL or IU.",
            )
        if Decimal(match[1]) <= 0:
            raise Fault(
                f"{text!r} is no dose", "an amount above zero", "Correct the amount; null where it is not known."
            )
        return cls(Decimal(match[1]), match[2])

    @property
    def is_per_kg(self) -> bool:
        """Whether the dose goes by body weight."""
        return self.unit.endswith("/kg")

    def __str__(self) -> str:
        return f"{self.amount} {self.unit}"


_MINUTES = {"min": Decimal(1), "h": Decimal(60), "s": Decimal(1) / Decimal(60)}


@dataclass(frozen=True, slots=True)
class Duration(Notation):
    """A length of time within a day."""

    amount: Decimal
    unit: str

    example = "40 min"
    pattern = r"^\s*\d+(\.\d+)?\s*(min|h|s)\s*$"

    @classmethod
    def parse(cls, text: str) -> Duration:
        match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*(min|h|s)", text)
        if match is None or Decimal(match[1]) <= 0:
            raise Fault(
                f"{text!r} is not a length of time",
                "an amount above zero and its unit: 40 min, 1.5 h",
                "Write units as min, h or s.",
            )
        return cls(Decimal(match[1]), match[2])

    @property
    def minutes(self) -> Decimal:
        """The length in minutes."""
        return self.amount * _MINUTES[self.unit]

    def __str__(self) -> str:
        return f"{self.amount} {self.unit}"


@dataclass(frozen=True, slots=True)
class Days(Notation):
    """Study days first to last, both included; a single day is a range of one."""

    range: DayRange

    example = "6..33"
    bare = "integer"
    pattern = r"^\s*(day\s+)?-?\d{1,6}(\s*\.\.\s*-?\d{1,6})?\s*$"

    @classmethod
    def parse(cls, text: str) -> Days:
        match = re.fullmatch(r"(?:day\s+)?(-?\d{1,6})(?:\s*\.\.\s*(-?\d{1,6}))?", text)
        if match is None:
            raise Fault(f"{text!r} is not a day or a range of days", "6..33, or day 5", "Write first..last.")
        first, last = int(match[1]), int(match[2] if match[2] is not None else match[1])
        if 0 in (first, last):
            raise Fault(
                f"{text!r} holds day 0, and there is no study day 0",
                "a day from 1 on, or -1 and before",
                "Write 1 for the day of the anchor, -1 for the day before.",
            )
        if last < first:
            raise Fault(f"{text!r} runs backwards", "the first day before the last", f"Write {last}..{first}.")
        return cls(DayRange(first, last))

    @property
    def first(self) -> int:
        """First study day."""
        return self.range.first

    @property
    def last(self) -> int:
        """Last study day."""
        return self.range.last

    def __str__(self) -> str:
        return str(self.range) if self.first != self.last else str(self.first)


@dataclass(frozen=True, slots=True)
class ScoreRange(Notation):
    """Lowest and highest value of a score or an answer, both included; a single number is a range of one."""

    lowest: float
    highest: float

    example = "0..63"
    bare = "number"
    pattern = r"^\s*[-+]?\d+(\.\d+)?(\s*\.\.\s*[-+]?\d+(\.\d+)?)?\s*$"

    @classmethod
    def parse(cls, text: str) -> ScoreRange:
        match = re.fullmatch(rf"({_NUMBER})(?:\s*\.\.\s*({_NUMBER}))?", text)
        if match is None:
            raise Fault(f"{text!r} is not a range of numbers", "lowest..highest: 0..63", "Write it in this form.")
        lowest, highest = float(match[1]), float(match[2] if match[2] is not None else match[1])
        if highest < lowest:
            raise Fault(f"{text!r} runs backwards", "the lowest before the highest", f"Write {match[2]}..{match[1]}.")
        return cls(lowest, highest)

    def __str__(self) -> str:
        low, high = as_written(self.lowest), as_written(self.highest)
        return f"{low}..{high}" if self.lowest != self.highest else low


@dataclass(frozen=True, slots=True)
class PercentOrNumber(Notation):
    """Per cent, or a number in the unit of what it is said of."""

    amount: float
    is_percent: bool

    bare = "number"
    pattern = r"^\s*-?\d+(\.\d+)?\s*%?\s*$"
    noun = "number"  # as a sentence about a wrong one calls it
    forms = "per cent, or a number"

    @classmethod
    def parse(cls, text: str) -> Self:
        match = re.fullmatch(r"(-?\d+(?:\.\d+)?(?:e-\d+)?)\s*(%?)", text)  # YAML's 0.00001 arrives as 1e-05
        if match is None:
            raise cls.refused(text)
        return cls(float(match[1]), bool(match[2]))

    @classmethod
    def refused(cls, text: str) -> Fault:
        """The fault of a text that is not of this form."""
        return Fault(f"{text!r} is no {cls.noun}", cls.forms, "Correct it.")

    def __str__(self) -> str:
        return as_written(self.amount) + (" %" if self.is_percent else "")


@dataclass(frozen=True, slots=True)
class Improvement(PercentOrNumber):
    """A change for the better: per cent of the baseline score, or points."""

    example = "50 %"
    pattern = r"^\s*\d+(\.\d+)?\s*%?\s*$"
    noun = "improvement"
    forms = "per cent or points above zero: 50 %, or 10"

    @classmethod
    def parse(cls, text: str) -> Self:
        read = super(Improvement, cls).parse(text)
        if read.amount <= 0:
            raise cls.refused(text)
        if read.is_percent and read.amount > 100:
            raise Fault(f"{text!r} is more than the whole score", "up to 100 %", "Correct it.")
        return read


@dataclass(frozen=True, slots=True)
class Goal(PercentOrNumber):
    """A performance goal: per cent for a proportion, or a number in the unit of the endpoint for a mean."""

    example = "40 %"
    noun = "goal"
    forms = "per cent of a share, or a number: 40 %, or 10"


@dataclass(frozen=True, slots=True)
class Window(Notation):
    """A visit window around its target day: ``-1..1`` is a day before to a day after, both included."""

    days_before: int
    days_after: int

    example = "-1..1"
    pattern = r"^\s*-?\d+\s*\.\.\s*\+?\d+\s*$"

    @classmethod
    def parse(cls, text: str) -> Window:
        match = re.fullmatch(r"(-?\d+)\s*\.\.\s*\+?(\d+)", text)
        if match is None or int(match[1]) > 0:
            raise Fault(
                f"{text!r} is not a window",
                "days before and after the target: -1..1",
                "Write 0 where there is none: 0..3.",
            )
        return cls(-int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"-{self.days_before}..{self.days_after}"


@dataclass(frozen=True, slots=True)
class CountOfTotal(Notation):
    """A count and its denominator: ``3 of 28``."""

    count: int
    total: int

    example = "3 of 28"
    pattern = r"^\s*\d+\s+of\s+\d+\s*$"

    @classmethod
    def parse(cls, text: str) -> CountOfTotal:
        match = re.fullmatch(r"(\d+)\s+of\s+(\d+)", text)
        if match is None:
            raise Fault(
                f"{text!r} is not a count", "a count of a total: 3 of 28", "Write whole numbers with of between them."
            )
        if int(match[1]) > int(match[2]) or int(match[2]) == 0:
            raise Fault(
                f"{text!r}: the count is larger than its total, or there is nobody",
                "a total of at least the count",
                "Correct it.",
            )
        return cls(int(match[1]), int(match[2]))

    def __str__(self) -> str:
        return f"{self.count} of {self.total}"


@dataclass(frozen=True, slots=True)
class EstimateAndLimits(Notation):
    """An estimate with its limits: ``5.7 (1.3 to 25.1)``; the limits may be absent."""

    value: Decimal
    lower: Decimal | None
    upper: Decimal | None

    example = "5.7 (1.3 to 25.1)"
    bare = "number"
    pattern = r"^\s*[-+]?\d+(\.\d+)?(\s*\(\s*[-+]?\d+(\.\d+)?\s+to\s+[-+]?\d+(\.\d+)?\s*\))?\s*$"

    @classmethod
    def parse(cls, text: str) -> EstimateAndLimits:
        match = re.fullmatch(rf"({_NUMBER})(?:\s*\(\s*({_NUMBER})\s+to\s+({_NUMBER})\s*\))?", text)
        if match is None:
            raise Fault(
                f"{text!r} is not an estimate",
                "an estimate with its limits: 5.7 (1.3 to 25.1)",
                "Write to between the limits.",
            )
        value = Decimal(match[1])
        lower, upper = (Decimal(match[2]), Decimal(match[3])) if match[2] is not None else (None, None)
        if lower is not None and upper is not None and not lower <= value <= upper:
            raise Fault(
                f"{text!r}: the estimate lies outside its own limits",
                "lower limit, estimate, upper limit in order",
                "Correct it.",
            )
        return cls(value, lower, upper)

    def __str__(self) -> str:
        return f"{self.value}" if self.lower is None else f"{self.value} ({self.lower} to {self.upper})"


@dataclass(frozen=True, slots=True)
class Versus(Notation):
    """Two treatments compared: ``ketamine v midazolam`` is ketamine with midazolam as the reference.

    One name alone is a treatment compared with nothing (a programme without randomization); it has no reference.
    """

    experimental: str
    reference: str | None

    example = "ketamine v midazolam"
    pattern = r"^\s*[\w.+-]+(\s+v\s+[\w.+-]+)?\s*$"

    @classmethod
    def parse(cls, text: str) -> Versus:
        match = re.fullmatch(r"([\w.+-]+)(?:\s+v\s+([\w.+-]+))?", text)
        if match is None:
            raise Fault(
                f"{text!r} is not a comparison",
                f"experimental v reference: {cls.example}",
                "Write v between two names.",
            )
        if match[1] == match[2]:
            raise Fault(f"{text!r} compares an arm with itself", "two different names", "Correct one of them.")
        return cls(match[1], match[2])

    def __str__(self) -> str:
        return self.experimental if self.reference is None else f"{self.experimental} v {self.reference}"

    @property
    def names(self) -> tuple[str, ...]:
        """The treatments named, the experimental one first."""
        return (self.experimental,) if self.reference is None else (self.experimental, self.reference)


_OPERATORS = (">=", "<=", "!=", ">", "<", "=", "in", "is")


@dataclass(frozen=True, slots=True)
class Criterion(Notation):
    """A condition that can be decided: ``age >= 18``, ``age in 18..60``, ``seeks treatment`` (yes or no).

    ``variable`` is what is looked at; ``operator`` is absent for a plain statement that holds or does not.
    """

    variable: str
    operator: str | None
    bound: str | None

    example = "age >= 18"

    @classmethod
    def parse(cls, text: str) -> Criterion:
        match = re.fullmatch(r"(.+?)\s*(>=|<=|!=|>|<|=|\bin\b(?=\s*-?\d))\s*(.+)", text)
        if match is None:
            if not text:
                raise Fault("The criterion is empty", "a statement or a comparison: age >= 18", "Write it, or null.")
            return cls(text, None, None)
        variable, operator, bound = match[1].strip(), match[2], match[3].strip()
        if operator in (">=", "<=", ">", "<") and not re.match(rf"{_NUMBER}(\s|$)", bound):
            raise Fault(
                f"{text!r} compares by {operator} with something that is not a number",
                "a number (and its unit) on the right",
                "Correct it, or write the criterion under words.",
            )
        if operator == "in" and not re.fullmatch(rf"{_NUMBER}\s*\.\.\s*{_NUMBER}(\s+\w+)?", bound):
            raise Fault(
                f"{text!r} has no range after in",
                "a range of numbers: age in 18..60",
                "Correct it, or write the criterion under words.",
            )
        return cls(variable, operator, bound)

    def __str__(self) -> str:
        return self.variable if self.operator is None else f"{self.variable} {self.operator} {self.bound}"

    def holds(self, value: Any) -> bool | None:
        """Whether the criterion holds for ``value``; ``None`` where the value is absent."""
        if value is None:
            return None
        if self.operator is None:
            return bool(value)
        assert self.bound is not None
        if self.operator in ("=", "!="):
            same = str(value).strip().lower() == self.bound.lower()
            return same if self.operator == "=" else not same
        number = Decimal(str(value))
        if self.operator == "in":
            low, high = (Decimal(part) for part in re.findall(_NUMBER.replace("[-+]?", "-?"), self.bound)[:2])
            return low <= number <= high
        bound = Decimal(re.match(_NUMBER, self.bound)[0])  # type: ignore[index]
        return {
            ">=": number >= bound,
            "<=": number <= bound,
            ">": number > bound,
            "<": number < bound,
        }[self.operator]
