"""A controlled drug's balance: received - drawn - wasted unopened - sent back = on the shelf, always."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from equipoise.foundation.errors import Problem

CODES = {
    "C560": "An entry of the drug register takes more than there is.",
    "C561": "A count of the shelf differs from the register.",
    "C562": "An entry of the drug register cannot be reversed.",
}

# ``drawn`` leaves the shelf for a dose; ``returned`` goes back to the supplier; ``wasted`` is destroyed before witness.
Movement = Literal["received", "drawn", "returned", "wasted"]
MOVEMENTS: tuple[Movement, ...] = ("received", "drawn", "returned", "wasted")


@dataclass(frozen=True, slots=True)
class StockEntry:
    """One line of the register: milligrams of a drug that moved; fewer than none where an earlier line is reversed."""

    drug: str
    movement: Movement
    mg: Decimal
    reverses: int | None = None  # number of the line, from 1
    is_dose: bool = False


def balance(entries: Iterable[StockEntry]) -> dict[str, Decimal]:
    """Milligrams on the shelf by drug."""
    shelf: dict[str, Decimal] = {}
    for entry in entries:
        sign = 1 if entry.movement == "received" else -1
        shelf[entry.drug] = shelf.get(entry.drug, Decimal(0)) + sign * entry.mg
    return shelf


def check_entry(entries: Iterable[StockEntry], new: StockEntry) -> list[Problem]:
    """C560 where the entry is no amount or takes more than the shelf holds."""
    if not new.mg.is_finite() or new.mg <= 0:
        return [Problem("C560", "mg", f"Found {new.mg} mg.", "an amount above zero")]
    left = balance(entries).get(new.drug, Decimal(0))
    if new.movement != "received" and new.mg > left:
        return [Problem("C560", "mg", f"{new.mg} mg, and the shelf holds {left} mg.", f"at most {left} mg")]
    return []


def reversal(entries: Sequence[StockEntry], number: int) -> StockEntry:
    """The line that takes line ``number`` (from 1) back, after :func:`check_reversal`; the line itself stays."""
    line = entries[number - 1]
    return StockEntry(line.drug, line.movement, -line.mg, reverses=number)


def check_reversal(entries: Sequence[StockEntry], number: int) -> list[Problem]:
    """C562 where line ``number`` is not there, was reversed, reverses another, belongs to a dose, or is used up."""

    def say(found: str, expected: str, step: str = "") -> list[Problem]:
        return [Problem("C562", f"line {number}", found, expected, step)]

    if not 1 <= number <= len(entries):
        return say("There is no such line.", f"1 to {len(entries)}", "See them: stock-register.")
    line = entries[number - 1]
    if line.reverses is not None or any(entry.reverses == number for entry in entries):
        return say("It was reversed, or reverses another.", "a line that stands", "Enter the movement anew: stock.")
    if line.is_dose:
        return say("It was drawn for a dose.", "a line of its own", "Take the sheet back: dose-sheet-cancel.")
    if any(left < 0 for left in balance([*entries, reversal(entries, number)]).values()):
        return say("What it brought has left the shelf since.", "a line whose amount is still there")
    return []


def check_count(entries: Iterable[StockEntry], drug: str, counted_mg: Decimal) -> list[Problem]:
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
