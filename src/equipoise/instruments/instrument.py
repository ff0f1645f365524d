"""An instrument: its items, their bounds, which are reversed, what they add up to, and what is done about gaps."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from math import ceil
from types import MappingProxyType
from typing import Any, Literal

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

    def scored(self, value: float) -> float:
        """The value as it enters the scale: ``lowest + highest - value`` where the item is reversed."""
        return self.lowest + self.highest - value if self.is_reversed else value

    def allows(self, value: float) -> bool:
        """Whether somebody can have answered this."""
        return self.lowest <= value <= self.highest and (not self.whole_numbers or value == int(value))

    @property
    def expected(self) -> str:
        """The bounds in words."""
        kind = "a whole number" if self.whole_numbers else "a number"
        return f"{kind} from {self.lowest:g} to {self.highest:g}"


@dataclass(frozen=True, slots=True)
class MissingRule:
    """What is done about items left out: a scale is scored from the mean of the items given when enough are given.

    ``share_needed`` is the smallest share of a scale's items that must be given; with 1 nothing is filled in. No
    source read states a rule for any of these instruments, so ``basis`` says that it is our own assumption.
    """

    share_needed: Fraction
    basis: str

    def items_needed(self, n_items: int) -> int:
        """How many of ``n_items`` must be given."""
        return ceil(self.share_needed * n_items)

    @property
    def words(self) -> str:
        """The rule as a sentence."""
        if self.share_needed == 1:
            return "Not scored unless every item is given."
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
    subscales: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    has_total: bool = True
    direction: Direction = "higher is more"
    unit: str = "points"
    bands: tuple[SeverityBands, ...] = ()
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
        return {
            "id": self.id,
            "version": self.version,
            "items": [asdict(item) for item in self.items],
            "scales": {scale: list(members) for scale, members in self.scales.items()},
            "share-needed": str(self.missing_rule.share_needed),
        }

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

    def item(self, id: str) -> Item | None:
        """The item of that number, if there is one."""
        return next((item for item in self.items if item.id == id), None)

    def bounds(self, scale: str | None = None) -> tuple[float, float]:
        """Lowest and highest value a scale can take; by default the last one, which is the total if there is one."""
        scales = self.scales
        members = [item for item in self.items if item.id in scales[scale or list(scales)[-1]]]
        return sum(item.lowest for item in members), sum(item.highest for item in members)
