"""Where the records of a dose stand: a place by its planned study day, and the forms there."""

from __future__ import annotations

SHEET = "infusion-sheet"  # the dose sheet of an infusion
DOSE_SHEET = "dose-sheet"  # of an injection or a spray
GIVEN = "dose-given"  # an injection or a spray as it was given
INFUSION_DAY, DOSE_DAY = "infusion-day-", "dose-day-"  # where the records of a dose stand, by its planned study day


def is_dosing(visit: str) -> bool:
    """Whether the records of an infusion, injection or spray stand there."""
    return visit.startswith((INFUSION_DAY, DOSE_DAY))


def planned_day_of(visit: str) -> int:
    """The planned study day of the dose whose records stand there."""
    return int(visit.removeprefix(INFUSION_DAY).removeprefix(DOSE_DAY))


def sheet_form(visit: str) -> str:
    """The form of the dose sheet there."""
    return DOSE_SHEET if visit.startswith(DOSE_DAY) else SHEET
