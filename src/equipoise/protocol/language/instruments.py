"""Instruments that a protocol brings itself: items, ranges, what is turned round, what adds up, what gaps mean."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Discriminator, Field, Tag, WithJsonSchema, model_validator

from equipoise.foundation.errors import listed
from equipoise.protocol.language.facts import Frozen, Id, Number, Sourced, Truth, Whole
from equipoise.protocol.language.notation import Fault, ScoreRange

TOTAL = "total"


def _as_text(value: Any) -> Any:
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


# Items are often known by their numbers: 4 and "4" name the same item.
ItemName = Annotated[
    str,
    Field(min_length=1, max_length=80),
    BeforeValidator(_as_text),
    WithJsonSchema({"type": ["string", "integer"], "maxLength": 80}),
]


class ItemKey(Frozen):
    """One item of an instrument; ``q1: 0..3`` is short for ``q1: {range: 0..3}``."""

    range: ScoreRange | None = Field(None, description="Lowest and highest answer; by default the instrument's range.")
    levels: tuple[Number, ...] = Field(
        (), description="The possible answers, if not every number of the range is possible."
    )
    reverse: Truth = Field(False, description="Whether the answer is reversed before it is added.")

    @model_validator(mode="before")
    @classmethod
    def _bare(cls, value: Any) -> Any:
        return {"range": value} if isinstance(value, (str, int, float)) and not isinstance(value, bool) else value

    @model_validator(mode="after")
    def _rising(self) -> ItemKey:
        _check_levels(self.levels, self.range)
        return self


def _check_levels(levels: tuple[float, ...], span: ScoreRange | None) -> None:
    if levels and span is not None:
        raise Fault("Levels and a range both stand here", "one of the two", "Remove one.", "levels")
    if levels and (len(levels) < 2 or list(levels) != sorted(set(levels))):
        raise Fault("The levels do not rise", "two or more numbers, rising", "Put them in order.", "levels")


def _items_kind(value: Any) -> str:
    if isinstance(value, Mapping):
        return "(mapping)"
    return "(list)" if isinstance(value, (list, tuple)) else "(number)"


Items = Annotated[
    Annotated[Whole, Field(ge=1, le=1000), Tag("(number)")]
    | Annotated[tuple[ItemName, ...], Tag("(list)")]
    | Annotated[Mapping[str, ItemKey], Tag("(mapping)")],
    Discriminator(_items_kind),
]


class LeftOut(Frozen):
    """Rule for items left out: if enough items are answered, their mean replaces each of the others."""

    share_given: Number | None = Field(
        None, gt=0, le=1, description="Smallest proportion of a scale's items that must be answered, for example 0.75."
    )
    at_most: Whole | None = Field(None, ge=0, description="How many items of a scale may be left out.")

    @model_validator(mode="after")
    def _one(self) -> LeftOut:
        if (self.share_given is None) == (self.at_most is None):
            raise Fault(
                "A rule for items left out has both share-given and at-most, or neither",
                "one of the two",
                "Write for example {share-given: 0.75}, or {at-most: 2}.",
            )
        return self


class ScoreLimits(Frozen):
    """A score held against a number, or against a number for each level of a baseline variable."""

    at_least: Number | Mapping[str, Number] | None = Field(
        None,
        description="The score is this number or higher; or, by level of the variable `of`, the number for that level.",
    )
    at_most: Number | Mapping[str, Number] | None = Field(
        None, description="The score is this number or lower; or, by level of the variable `of`, for that level."
    )
    of: Id | None = Field(None, description="Baseline variable whose levels have their own numbers.")

    @model_validator(mode="after")
    def _of(self) -> ScoreLimits:
        by_level = isinstance(self.at_least, Mapping) or isinstance(self.at_most, Mapping)
        if by_level != (self.of is not None):
            raise Fault(
                "Numbers by level stand without their variable (of), or the other way round",
                "both, or one number for everybody",
                "Add of, for example of: sex, or write one number.",
                "of" if self.of is not None else None,
            )
        plain = isinstance(self.at_least, float) and isinstance(self.at_most, float)
        if plain and self.at_least > self.at_most:  # type: ignore[operator]
            raise Fault("at-least is above at-most", "a number up to at-most", "Exchange the two.", "at-least")
        return self

    @property
    def has_limit(self) -> bool:
        """Whether there is anything to hold a score against."""
        return self.at_least is not None or self.at_most is not None


class Threshold(ScoreLimits):
    """A score from which, or up to which, a statement is true: hazardous drinking, remission."""

    scale: str = Field(TOTAL, description="The scale it is about.")
    words: str | None = Field(None, description="What the threshold means, in words.")

    @model_validator(mode="after")
    def _limited(self) -> Threshold:
        if not self.has_limit:
            raise Fault("A threshold has no number", "at-least or at-most", "Add at-least, for example at-least: 8.")
        return self


class OwnInstrument(Sourced):
    """An instrument that the library lacks, or has with another key: a score on its own, or items that are added up."""

    name: str | None = Field(None, description="Name for readers; by default the id.")
    total: ScoreRange | None = Field(None, description="A score recorded on its own: lowest and highest value.")
    items: Items | None = Field(
        None, description="Items: how many (numbered from 1), or their names, or each with its range."
    )
    range: ScoreRange | None = Field(None, description="Lowest and highest answer of the items.")
    levels: tuple[Number, ...] = Field(
        (), description="The possible answers, if not every number of the range is possible."
    )
    decimals: Truth = Field(False, description="Whether numbers between whole ones are possible.")
    reverse: tuple[ItemName, ...] = Field((), description="Items that are reversed before they are added.")
    subscales: Mapping[Id, tuple[ItemName, ...]] = Field({}, description="Scales and their items.")
    adds_up: Truth = Field(True, description="Whether there is a total: the sum of the items, or of the subscales.")
    missing: LeftOut | None = Field(
        None, description="Rule for items left out; without it every item of a scale must be answered."
    )
    bands: Mapping[str, ScoreRange] = Field({}, description="Ranges of the total by name: mild, severe.")
    thresholds: Mapping[Id, Threshold] = Field({}, description="Thresholds of the score, by name.")
    better: Literal["higher", "lower", "neither"] = Field(
        description="Which direction is better for the participant; `neither` if none is."
    )
    unit: str = Field("points", description="Unit of the score.")

    @model_validator(mode="after")
    def _one_form(self) -> OwnInstrument:
        if (self.total is None) == (self.items is None):
            raise Fault(
                "An instrument has both total and items, or neither",
                "total, where only the score is recorded, or items",
                "Write for example total: 0..63, or items: 10 with range: 0..4.",
            )
        of_items = ("range", "levels", "reverse", "subscales", "missing")
        beside = [key for key in of_items if getattr(self, key)]
        if self.total is not None and (beside or not self.adds_up):
            raise Fault(
                f"A score recorded by itself has {listed(beside or ['adds-up'], conjunction='and')}",
                "these keys with items only",
                "Remove them, or state the items.",
                beside[0] if beside else "adds-up",
            )
        _check_levels(self.levels, self.range)
        if self.items is not None:
            self._check_items()
        self._check_bands()
        return self

    def _check_items(self) -> None:
        known = self.item_ids
        if not known or len(set(known)) < len(known):
            raise Fault("An item stands twice, or there is none", "each item once", "Correct the items.", "items")
        keys = self.items if isinstance(self.items, Mapping) else {}
        open_ended = [id for id in known if id not in keys or not (keys[id].range or keys[id].levels)]
        if open_ended and self.range is None and not self.levels:
            raise Fault(
                f"There is no range for item {listed(open_ended)}",
                "range: lowest..highest, for all items or for each",
                "Add for example range: 0..4.",
                "items",
            )
        for key, names in (("reverse", self.reverse), *((f"subscales.{s}", n) for s, n in self.subscales.items())):
            unknown = [name for name in names if name not in known]
            if unknown or len(set(names)) < len(names):
                what = f"{listed(unknown)}, no item of this instrument" if unknown else "an item twice"
                raise Fault(
                    f"{key} names {what}",
                    listed(known, limit=40),
                    "Correct the names of the items.",
                    key.split(".")[0],
                )
        if self.subscales and TOTAL in self.subscales:
            raise Fault("A subscale bears the name total", "another name", "Rename it.", "subscales")
        if not self.adds_up and not self.subscales:
            raise Fault("Nothing adds up, and there are no subscales", "subscales", "Add subscales.", "adds-up")

    def _check_bands(self) -> None:
        for low, high in pairwise(self.bands.values()):
            if high.lowest <= low.highest:
                raise Fault(
                    f"The bands overlap or do not rise at {high}", "ranges that rise", "Correct the bands.", "bands"
                )
        alone = self.item_ids if len(self.item_ids) == 1 and not self.subscales else ()
        scales = set(alone) or {*self.subscales, *([TOTAL] if self.adds_up else [])}
        for name, threshold in self.thresholds.items():
            if threshold.scale not in scales:
                raise Fault(
                    f"The threshold {name} is of the scale {threshold.scale!r}",
                    listed(sorted(scales)),
                    "Name a scale of the instrument.",
                    "thresholds",
                )

    @property
    def item_ids(self) -> tuple[str, ...]:
        """Names of the items, in order; ``total`` where the score is recorded by itself."""
        if self.items is None:
            return (TOTAL,)
        return tuple(str(n) for n in range(1, self.items + 1)) if isinstance(self.items, int) else tuple(self.items)
