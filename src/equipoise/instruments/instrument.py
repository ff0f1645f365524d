"""An instrument: its items, their bounds, which are reversed, what they add up to, and what is done about gaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from math import ceil
from types import MappingProxyType
from typing import Any, Literal

from equipoise.foundation.errors import listed

Kind = Literal["questionnaire", "score", "calendar"]
Direction = Literal["higher is more", "higher is better", "higher is worse", "none"]
TOTAL = "total"


@dataclass(frozen=True, slots=True)
class Item:
    """One item: its number or name, the values it may take (both included), and whether it is reversed."""

    id: str
    lowest: float
    highest: float
    is_reversed: bool = False
    whole_numbers: bool = True
    levels: tuple[float, ...] = ()  # the answers there are, where not every number between the bounds is

    def scored(self, value: float) -> float:
        """The value as it enters the scale: ``lowest + highest - value`` where the item is reversed."""
        return self.lowest + self.highest - value if self.is_reversed else value

    def allows(self, value: float) -> bool:
        """Whether somebody can have answered this."""
        if self.levels:
            return value in self.levels
        return self.lowest <= value <= self.highest and (not self.whole_numbers or value == int(value))

    @property
    def expected(self) -> str:
        """The bounds in words."""
        if self.levels:
            return listed(f"{level:g}" for level in self.levels)
        kind = "a whole number" if self.whole_numbers else "a number"
        return f"{kind} from {self.lowest:g} to {self.highest:g}"


@dataclass(frozen=True, slots=True)
class MissingRule:
    """What is done about items left out: a scale is scored from the mean of the items given when enough are given.

    ``share_needed`` is the smallest share of a scale's items that must be given; with 1 nothing is filled in. Where
    ``left_out`` is given it is the number of items of a scale that may be left out, in place of the share. ``basis``
    says whose rule it is: that of a source, the protocol's, or our own assumption.
    """

    share_needed: Fraction
    basis: str
    left_out: int | None = None

    def items_needed(self, n_items: int) -> int:
        """How many of ``n_items`` must be given; at least one."""
        if self.left_out is not None:
            return max(1, n_items - self.left_out)
        return max(1, ceil(self.share_needed * n_items))

    @property
    def fills(self) -> bool:
        """Whether a scale may have a value though an item of it was left out."""
        return self.left_out != 0 if self.left_out is not None else self.share_needed < 1

    @property
    def words(self) -> str:
        """The rule as a sentence."""
        if not self.fills:
            return "Not scored unless every item is given."
        if self.left_out is not None:
            return (
                f"Scored when at most {self.left_out} of a scale's items {'is' if self.left_out == 1 else 'are'} left "
                "out: the mean of those given replaces each. A total is the sum of its scales and needs all of them."
            )
        return (
            f"Scored when at least {float(self.share_needed):.0%} of a scale's items are given: their mean stands for "
            "each item left out. A total is the sum of its scales and needs all of them."
        )


@dataclass(frozen=True, slots=True)
class SeverityBands:
    """Named ranges of a total, by source: cut-offs differ between authors, so they carry an id of their own."""

    id: str
    source: str
    bands: tuple[tuple[str, float, float], ...]  # name, lowest, highest; both included

    def name(self, total: float) -> str | None:
        """The band that holds ``total``; absent between or outside the bands."""
        return next((name for name, lowest, highest in self.bands if lowest <= total <= highest), None)


@dataclass(frozen=True, slots=True)
class ScoreThreshold:
    """A score from which (or up to which) a source says something: a positive screen, remission.

    ``at_least`` and ``at_most`` are one number for everybody, or pairs of a level of the variable ``of`` and its
    number; both bounds are included.
    """

    id: str
    words: str
    source: str
    scale: str = TOTAL
    at_least: float | tuple[tuple[str, float], ...] | None = None
    at_most: float | tuple[tuple[str, float], ...] | None = None
    of: str | None = None

    @property
    def levels(self) -> tuple[str, ...]:
        """Levels of ``of`` that have numbers of their own."""
        found = [name for bound in (self.at_least, self.at_most) if isinstance(bound, tuple) for name, _ in bound]
        return tuple(dict.fromkeys(found))

    @property
    def rule(self) -> str:
        """The bounds in words: ``8 or more``; ``3 or more (female), 4 or more (male)``."""

        def said(bound: float | tuple[tuple[str, float], ...], more: str) -> str:
            if isinstance(bound, tuple):
                return ", ".join(f"{number:g} or {more} ({level})" for level, number in bound)
            return f"{bound:g} or {more}"

        parts = [said(b, w) for b, w in ((self.at_least, "more"), (self.at_most, "less")) if b is not None]
        return " and ".join(parts)


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """A questionnaire, a single score, or a calendar, by name and version.

    ``subscales`` maps a scale to its item numbers; without subscales all items make the total. ``licence`` says what
    is known of the right to use the wording, which is why only keys stand here. ``source`` names the public scoring
    keys, with the standing of what was only recalled.
    """

    id: str
    version: str
    name: str
    kind: Kind
    items: tuple[Item, ...]
    missing_rule: MissingRule
    licence: str
    source: str
    subscales: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    has_total: bool = True
    direction: Direction = "higher is more"
    unit: str = "points"
    bands: tuple[SeverityBands, ...] = ()
    thresholds: tuple[ScoreThreshold, ...] = ()
    note: str = ""

    def __post_init__(self) -> None:
        """Freeze the key; refuse one that contradicts itself."""
        object.__setattr__(self, "subscales", MappingProxyType(dict(self.subscales)))
        ids = [item.id for item in self.items]
        if len(set(ids)) != len(ids):
            raise ValueError(f"{self.id}: an item stands twice")
        for scale, members in self.subscales.items():
            unknown = [member for member in members if member not in ids]
            if unknown or len(set(members)) != len(members):
                raise ValueError(f"{self.id}: the scale {scale} names {unknown or 'an item twice'}")

    def key_as_dict(self) -> dict[str, Any]:
        """What a score depends on, as plain values: items, reversal, scales and the rule for gaps."""
        # What came later is named only where it says something: keys of older instruments keep their hash.
        items = [
            {
                "id": item.id,
                "lowest": item.lowest,
                "highest": item.highest,
                "is_reversed": item.is_reversed,
                "whole_numbers": item.whole_numbers,
                **({"levels": list(item.levels)} if item.levels else {}),
            }
            for item in self.items
        ]
        rule = self.missing_rule
        return {
            "id": self.id,
            "version": self.version,
            "items": items,
            "scales": {scale: list(members) for scale, members in self.scales.items()},
            "share-needed": str(rule.share_needed),
            **({"left-out": rule.left_out} if rule.left_out is not None else {}),
            **({"thresholds": [asdict(entry) for entry in self.thresholds]} if self.thresholds else {}),
        }

    @property
    def better(self) -> Literal["higher", "lower"] | None:
        """Which direction of its scores is better for the participant, where there is one."""
        return {"higher is better": "higher", "higher is worse": "lower"}.get(self.direction)  # type: ignore[return-value]

    def threshold(self, id: str) -> ScoreThreshold | None:
        """The threshold of that name, if there is one."""
        return next((entry for entry in self.thresholds if entry.id == id), None)

    @property
    def item_ids(self) -> tuple[str, ...]:
        """Item numbers, in order."""
        return tuple(item.id for item in self.items)

    @property
    def reversed_items(self) -> tuple[str, ...]:
        """Items whose value is turned round before it is added."""
        return tuple(item.id for item in self.items if item.is_reversed)

    @property
    def scales(self) -> dict[str, tuple[str, ...]]:
        """Every scale with its items, the total last; the scale of a single item bears the item's name."""
        out = dict(self.subscales)
        if len(self.items) == 1 and not self.subscales:
            return {self.items[0].id: self.item_ids}
        if self.has_total:
            out[TOTAL] = self.item_ids if not self.subscales else tuple(i for m in self.subscales.values() for i in m)
        return out

    @property
    def main_scale(self) -> str | None:
        """The total, or the only scale there is; ``None`` where several stand without a total."""
        names = tuple(self.scales)
        return TOTAL if TOTAL in names else names[0] if len(names) == 1 else None

    def item(self, id: str) -> Item | None:
        """The item of that number, if there is one."""
        return next((item for item in self.items if item.id == id), None)

    def bounds(self, scale: str | None = None) -> tuple[float, float]:
        """Lowest and highest value a scale can take; by default the last one, which is the total if there is one."""
        scales = self.scales
        members = [item for item in self.items if item.id in scales[scale or list(scales)[-1]]]
        return sum(item.lowest for item in members), sum(item.highest for item in members)
