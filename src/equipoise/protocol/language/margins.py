"""Margins: how much worse may still count as not inferior, or how different as equivalent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import Field

from equipoise.protocol.language.facts import Sourced
from equipoise.protocol.language.notation import PercentOrNumber
from equipoise.protocol.vocabulary.scales import Scale, Summary

Objective = Literal["non-inferiority", "equivalence"]


@dataclass(frozen=True, slots=True)
class MarginValue(PercentOrNumber):
    """A margin: per cent for a difference of shares, or a number on the scale of the summary measure."""

    example = "10 %"
    noun = "margin"
    forms = "per cent of a difference of shares, or a number: 10 %, or 1.25"

    @property
    def value(self) -> float:
        """As results are: shares as parts of 1."""
        return self.amount / 100.0 if self.is_percent else self.amount


class Margin(Sourced):
    """What the trial is to show of an effect: that it is not worse, or not different, by more than this."""

    objective: Objective = Field(
        description="`non-inferiority`: not worse than the reference by more than the margin, tested one-sided. "
        "`equivalence`: between two margins, by two one-sided tests."
    )
    margin: MarginValue | None = Field(
        None,
        description="Of non-inferiority. Of a difference how much worse is accepted, without a sign (`10 %`, `0.10`, "
        "`2` points): what is worse follows from the endpoint's `better`. Of a ratio the ratio itself, on the worse "
        "side of 1.",
    )
    lower: MarginValue | None = Field(None, description="Of equivalence: the margin below no effect.")
    upper: MarginValue | None = Field(None, description="Of equivalence: the margin above no effect.")
    scale: Summary | None = Field(
        None, description="Scale that the margin is on: the estimand's summary measure, and refused where another."
    )


@dataclass(frozen=True, slots=True)
class MarginBounds:
    """The margins of an estimand as numbers on its scale, told of the experimental treatment against the reference.

    Non-inferiority has one of the two: the lower where more is better, the upper where less is.
    """

    objective: str
    scale: str
    lower: float | None
    upper: float | None

    @property
    def values(self) -> tuple[float, ...]:
        """Those that there are, in order."""
        return tuple(value for value in (self.lower, self.upper) if value is not None)

    def as_dict(self) -> dict[str, str | float | None]:
        """Plain values."""
        return {"objective": self.objective, "scale": self.scale, "lower": self.lower, "upper": self.upper}


def bounds_of(margin: Margin, scale: Scale, *, larger_is_better: bool) -> MarginBounds:
    """The margins as numbers; the check of a protocol has refused those that make no sense."""
    if margin.objective == "equivalence":
        assert margin.lower is not None
        assert margin.upper is not None
        return MarginBounds("equivalence", scale.id, margin.lower.value, margin.upper.value)
    assert margin.margin is not None
    value = margin.margin.value
    if not scale.is_ratio:
        value = -abs(value) if larger_is_better else abs(value)
    lower, upper = (value, None) if larger_is_better else (None, value)
    return MarginBounds("non-inferiority", scale.id, lower, upper)
