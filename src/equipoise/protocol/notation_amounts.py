"""Amounts that a running trial measures or must not exceed: ``70 kg``, ``50 mL``, ``10 %``, ``24 h``, ``7 days``.

Like every notation they keep the digits they were written with.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, Self

from equipoise.protocol.language.notation import Fault, Notation


@dataclass(frozen=True, slots=True)
class _Amount(Notation):
    """An amount above zero in one unit."""

    amount: Decimal

    unit: ClassVar[str] = ""
    what: ClassVar[str] = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read the amount with its unit; raises ``ValueError``."""
        match = re.fullmatch(rf"(\d+(?:\.\d+)?)\s*{re.escape(cls.unit)}", text)
        if match is None or Decimal(match[1]) <= 0:
            raise Fault(
                f"{text!r} is not {cls.what}", f"an amount above zero in {cls.unit}: {cls.example}", "Correct it."
            )
        return cls(Decimal(match[1]))

    def __str__(self) -> str:
        return f"{self.amount} {self.unit}"


@dataclass(frozen=True, slots=True)
class Mass(_Amount):
    """A body weight in kilograms."""

    unit = "kg"
    what = "a body weight"
    example = "70 kg"
    pattern = r"^\s*\d+(\.\d+)?\s*kg\s*$"


@dataclass(frozen=True, slots=True)
class Volume(_Amount):
    """A volume in millilitres."""

    unit = "mL"
    what = "a volume"
    example = "50 mL"
    pattern = r"^\s*\d+(\.\d+)?\s*mL\s*$"


@dataclass(frozen=True, slots=True)
class Concentration(_Amount):
    """Milligrams of a drug in a millilitre."""

    unit = "mg/mL"
    what = "a concentration"
    example = "50 mg/mL"
    pattern = r"^\s*\d+(\.\d+)?\s*mg/mL\s*$"


@dataclass(frozen=True, slots=True)
class Percent(_Amount):
    """A share in per cent."""

    unit = "%"
    what = "a percentage"
    example = "10 %"
    pattern = r"^\s*\d+(\.\d+)?\s*%\s*$"


@dataclass(frozen=True, slots=True)
class Deadline(Notation):
    """A time limit: hours are counted from the minute, days are calendar days after the day itself."""

    amount: int
    unit: str

    example = "24 h"
    pattern = r"^\s*\d+\s*(h|days?)\s*$"

    @classmethod
    def parse(cls, text: str) -> Deadline:
        """Read ``24 h`` or ``7 days``; raises ``ValueError``."""
        match = re.fullmatch(r"(\d{1,4})\s*(h|days?)", text)
        if match is None or int(match[1]) < 1:
            raise Fault(f"{text!r} is not a time limit", "whole hours or calendar days: 24 h, 7 days", "Correct it.")
        return cls(int(match[1]), "h" if match[2] == "h" else "days")

    def __str__(self) -> str:
        return f"{self.amount} {self.unit}"
