"""Body weight: taken at once, or held until a second measurement by another person agrees.

Held are weights outside the protocol's range, far from the last one, ten or a tenth of it, or likely in pounds. A first
weight has no last one to be held against: it is held where the same number of pounds would be a weight in the range
too, unless it was told in kilograms and in pounds. While one is held, a plausible weight counts only from another
account. A second doubtful measurement releases a held weight when it was made by another account and differs by no more
than half a kilogram; a weight outside the range by a factor of ten or in likely pounds is never released as it stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from equipoise.foundation.errors import Problem
from equipoise.protocol.language.conduct import Weighing

CODES = {
    "C525": "An impossible weight.",
    "C526": "A weight is held until another person has measured again.",
    "C527": "The second measurement does not release the first.",
    "C528": "No weight recent enough for a dose.",
    "C529": "While a weight is held, nothing that depends on it can be done.",
}

Doubt = Literal["below_range", "above_range", "changed", "pounds", "ten_fold", "a_tenth", "first"]
POUND_KG = Decimal("0.45359237")
AGREEMENT_KG = Decimal("0.5")
_IMPOSSIBLE = (Decimal(2), Decimal(650))


@dataclass(frozen=True, slots=True)
class Weight:
    """A weight as somebody entered it: kilograms as typed, study day and account."""

    kg: Decimal
    day: int
    by: str


def doubts(kg: Decimal, last_kg: Decimal | None, rules: Weighing, *, in_both_units: bool = False) -> tuple[Doubt, ...]:
    """Why a weight is held; empty where it is taken at once.

    ``change`` counts against the last weight, and a change of exactly the stated share is taken. Without a last weight
    pounds and slips of ten can only be told by the range: whatever could be a weight in pounds is doubtful, and so is
    every first weight where the protocol states no lowest, unless it was told in kilograms and pounds
    (``in_both_units``).
    """
    out: list[Doubt] = []
    low, high, change = rules.lowest.usable, rules.highest.usable, rules.change.usable
    if low is not None and kg < low.amount:
        out.append("below_range")
    if high is not None and kg > high.amount:
        out.append("above_range")
    if last_kg is not None:
        if change is not None and abs(kg - last_kg) * 100 > change.amount * last_kg:
            out.append("changed")
        # Within a tenth of what the last weight would be in pounds, or ten times or a tenth of it.
        for doubt, likely in (
            ("pounds", last_kg / POUND_KG),
            ("ten_fold", last_kg * 10),
            ("a_tenth", last_kg / 10),
        ):
            if abs(kg - likely) * 10 <= likely:
                out.append(doubt)  # type: ignore[arg-type]
    elif high is not None and kg > high.amount and low is not None and low.amount <= kg * POUND_KG <= high.amount:
        out.append("pounds")
    elif not in_both_units and (low is None or kg * POUND_KG >= low.amount):
        out.append("first")
    if last_kg is None and low is not None and high is not None:
        if kg > high.amount and low.amount <= kg / 10 <= high.amount:
            out.append("ten_fold")
        if kg < low.amount and low.amount <= kg * 10 <= high.amount:
            out.append("a_tenth")
    return tuple(dict.fromkeys(out))


def check_pounds(kg: Decimal, pounds: Decimal) -> list[Problem]:
    """C525 where a weight told in both units is two weights: they may differ by a pound, as scales round."""
    wanted = kg / POUND_KG
    if pounds.is_finite() and abs(pounds - wanted) <= 1:
        return []
    found = f"{kg} kg is {_tenth(wanted)} lb, and {pounds} lb were told."
    return [Problem("C525", "pounds", found, f"{_tenth(wanted)} lb, within a pound", "Read the scale again.")]


def _tenth(value: Decimal) -> Decimal:
    return value.quantize(Decimal("0.1"))


def check_weight(
    kg: Decimal, last_kg: Decimal | None, rules: Weighing, *, in_both_units: bool = False
) -> list[Problem]:
    """C525 where nobody weighs that; C526 with every doubt in words where it is held."""
    if not kg.is_finite() or not _IMPOSSIBLE[0] <= kg <= _IMPOSSIBLE[1]:
        return [Problem("C525", "weight", f"Found {kg} kg.", "a body weight in kilograms", "Measure again.")]
    words = {
        "below_range": f"below {rules.lowest.usable}",
        "above_range": f"above {rules.highest.usable}",
        "changed": f"more than {rules.change.usable} from the last, {last_kg} kg",
        "pounds": f"likely pounds: {kg} lb is {_tenth(kg * POUND_KG)} kg",
        "ten_fold": f"likely a slip of the point: {kg / 10} kg",
        "a_tenth": f"likely a slip of the point: {kg * 10} kg",
        "first": f"the first weight, and {kg} kg is {_tenth(kg / POUND_KG)} lb: "
        f"were pounds read, it is {_tenth(kg * POUND_KG)} kg",
    }
    found = doubts(kg, last_kg, rules, in_both_units=in_both_units)
    if not found:
        return []
    said = "; ".join(words[doubt] for doubt in found)
    return [
        Problem(
            "C526",
            "weight",
            f"{kg} kg is held: {said}.",
            "a second measurement by another person",
            "Another account weighs again; correct the first if it was a slip."
            + (" Or give it in both units: pounds=..." if found == ("first",) else ""),
        )
    ]


def check_release(held_by: set[str], by: str) -> list[Problem]:
    """Whether a weight that raises no doubt ends the holding of earlier ones: not if one account entered them all.

    Who made a slip once can make another that looks plausible; that a second person weighs is the point of holding.
    """
    if held_by - {by}:
        return []
    found = f"An earlier weight is held, and {by} entered that one too."
    return [Problem("C527", "weight", found, "a measurement by another account", "Another account weighs again.")]


def check_second(first: Weight, second: Weight, last_kg: Decimal | None, rules: Weighing) -> list[Problem]:
    """Whether a second measurement releases a held first one; the dose then goes by the second."""
    out: list[Problem] = []
    if first.by == second.by:
        out.append(Problem("C527", "weight", f"Both were entered by {first.by}.", "two different accounts"))
    if abs(first.kg - second.kg) > AGREEMENT_KG:
        out.append(
            Problem(
                "C527",
                "weight",
                f"The two differ: {first.kg} kg and {second.kg} kg.",
                f"at most {AGREEMENT_KG} kg between them",
                "Correct the one that was a slip, with a reason.",
            )
        )
    slips = {"pounds", "ten_fold", "a_tenth"} & set(doubts(second.kg, last_kg, rules))
    # Two people can make the same slip when they read the same scale: a slip is corrected, never confirmed.
    out_of_range = {"below_range", "above_range"} & set(doubts(second.kg, last_kg, rules))
    if slips and out_of_range:
        out.append(
            Problem(
                "C527",
                "weight",
                f"{second.kg} kg is likely pounds or a slip of ten.",
                "kilograms",
                "Weigh again.",
            )
        )
    return out
