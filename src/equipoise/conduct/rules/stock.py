"""A controlled drug's balance: received - drawn - wasted unopened - sent back = on the shelf, always."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from equipoise.foundation.errors import Problem

CODES = {
    "C560": "An entry of the drug register that takes more than there is.",
    "C561": "A count of the shelf that differs from the register.",
}

# ``drawn`` leaves the shelf for a dose; ``returned`` goes back to the supplier; ``wasted`` is destroyed before witness.
Movement = Literal["received", "drawn", "returned", "wasted"]
MOVEMENTS: tuple[Movement, ...] = ("received", "drawn", "returned", "wasted")


@dataclass(frozen=True, slots=True)
class Entry:
    """One line of the register: milligrams of a drug that moved."""

    drug: str
    movement: Movement
    mg: Decimal


def balance(entries: Iterable[Entry]) -> dict[str, Decimal]:
    """Milligrams on the shelf by drug."""
    shelf: dict[str, Decimal] = {}
    for entry in entries:
        sign = 1 if entry.movement == "received" else -1
        shelf[entry.drug] = shelf.get(entry.drug, Decimal(0)) + sign * entry.mg
    return shelf


def check_entry(entries: Iterable[Entry], new: Entry) -> list[Problem]:
    """C560 where the entry is no amount or takes more than the shelf holds."""
    if not new.mg.is_finite() or new.mg <= 0:
        return [Problem("C560", "mg", f"Found {new.mg} mg.", "an amount above zero")]
    left = balance(entries).get(new.drug, Decimal(0))
    if new.movement != "received" and new.mg > left:
        return [Problem("C560", "mg", f"{new.mg} mg, and the shelf holds {left} mg.", f"at most {left} mg")]
    return []


def check_count(entries: Iterable[Entry], drug: str, counted_mg: Decimal) -> list[Problem]:
    """C561 where a count by hand differs from the register."""
    left = balance(entries).get(drug, Decimal(0))
    if counted_mg == left:
        return []
    return [
        Problem(
            "C561",
            drug,
            f"Counted {counted_mg} mg, the register says {left} mg.",
            f"{left} mg",
            "Count again.",
        )
    ]
