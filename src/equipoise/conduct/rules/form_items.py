"""A form and its items, as values: what is asked, of which type, within which bounds."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from equipoise.foundation.errors import listed
from equipoise.instruments import Instrument
from equipoise.protocol.language.conditions import Condition
from equipoise.protocol.language.design import Blinding

ItemType = Literal["text", "integer", "decimal", "date", "choice", "yes-no"]


@dataclass(frozen=True, slots=True)
class FormItem:
    """One item. Bounds are included; ``usual`` bounds only ask. ``when`` says under which answers it is asked."""

    id: str
    label: str
    type: ItemType
    required: bool = True
    lowest: Decimal | None = None
    highest: Decimal | None = None
    usual: tuple[Decimal | None, Decimal | None] = (None, None)
    choices: tuple[str, ...] = ()
    levels: tuple[Decimal, ...] = ()  # the numbers there are, where not every one between the bounds is
    unit: str = ""
    when: Condition | None = None

    @property
    def expected(self) -> str:
        """What an answer looks like."""
        if self.choices or self.levels:
            return listed(self.choices or self.levels)
        if self.type == "yes-no":
            return "yes or no"
        if self.type in ("integer", "decimal"):
            kind = "a whole number" if self.type == "integer" else "a number"
            if self.lowest is None and self.highest is None:
                return kind
            if self.highest is None:
                return f"{kind} from {self.lowest} on"
            return f"{kind} from {self.lowest} to {self.highest}"
        return "a date such as 2026-03-29" if self.type == "date" else "text"


@dataclass(frozen=True, slots=True)
class Form:
    """One form: where it comes from, whom it is shown to, its items in order."""

    id: str
    label: str
    blinding: Blinding
    items: tuple[FormItem, ...]
    instrument: Instrument | None = None
    kind: str = ""

    def item(self, id: str) -> FormItem | None:
        """The item of that id."""
        return next((item for item in self.items if item.id == id), None)
