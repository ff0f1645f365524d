"""What the steps that are never undone rest on: randomization, dose sheet, its check, the start of the infusion.

A decision holds only while what it rests on holds. Each step is held against the records as they stand now: eligibility
is decided again in the version in force, times are put in order, a held weight or a changed one stops what follows.
Pure functions of :class:`Grounds`; the actions gather them, and a test walks every order of the steps.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal

from equipoise.conduct.rules.eligibility import Decision
from equipoise.foundation.errors import Problem, listed

CODES = {
    "C514": "The decision on eligibility is void, or was never made.",
    "C515": "The decision on eligibility is too old.",
    "C516": "A covariate of the analysis is not recorded: randomization needs a reason.",
    "C523": "The dose sheet is void: another weight, another version, another day.",
}

BEGUN = ("running", "held", "ended")  # states of a sheet from the start of its infusion on
# A decision on eligibility holds for so many days where the protocol says nothing (conduct.validity.decision-days); an
# older one needs a reason.
ELIGIBLE_DAYS = 28


@dataclass(frozen=True, slots=True)
class Sheet:
    """A dose sheet as blinded people see it: state, the local date of preparation, the weight and version it is for."""

    state: str
    prepared_on: date
    kg: Decimal
    protocol_hash: str
    checked_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Grounds:
    """What is recorded of one participant, as far as a step that is never undone rests on it.

    ``decision`` is decided again now, with the values as they are and in the version in force; ``None`` where nobody
    decided. ``weight`` is the last one taken, with its date; ``valid_days`` how long it holds, ``decision_days`` and
    ``sheet_days`` how long a decision and a dose sheet do. ``uncollected`` names covariates without a value.
    """

    today: date
    now: datetime
    activated: date | None = None
    consented: date | None = None
    decision: Decision | None = None
    decided_on: date | None = None
    day_1: date | None = None
    entered: date | None = None  # the date of the randomization, or of the enrolment where nobody is randomized
    entry: str = "randomization"  # which of the two
    weight: tuple[Decimal, date] | None = None
    is_held: bool = False
    valid_days: int = 0
    decision_days: int = ELIGIBLE_DAYS
    sheet_days: int = 0
    sheet: Sheet | None = None
    protocol_hash: str = ""
    uncollected: Collection[str] = field(default_factory=tuple)


def check_order(grounds: Grounds) -> list[Problem]:
    """Whether today lies on or after everything that was recorded: C535 with each date that lies ahead."""
    earlier = {
        "the activation of the site": grounds.activated,
        "the consent": grounds.consented,
        "the decision on eligibility": grounds.decided_on,
        "study day 1": grounds.day_1,
        f"the {grounds.entry}": grounds.entered,
        "the weight": grounds.weight[1] if grounds.weight is not None else None,
        "the dose sheet": grounds.sheet.prepared_on if grounds.sheet is not None else None,
    }
    return [
        Problem(
            "C535",
            "today",
            f"Today, {grounds.today}, is before {name} ({on}).",
            f"{on} or later",
            "Set the clock, or correct the date.",
        )
        for name, on in earlier.items()
        if on is not None and grounds.today < on
    ]


def check_entry(grounds: Grounds, reason: str = "") -> list[Problem]:
    """Why the participant is neither randomized nor enrolled now: dates, criteria, covariates by name; all at once."""
    out = check_order(grounds)
    if grounds.activated is None:
        out.append(Problem("C535", "site", "The site was never activated.", "an active site", "activate-site."))
    if grounds.consented is None:
        out.append(Problem("C535", "consent", "No date of a consent is recorded.", "a consent", "Record it: consent."))
    if grounds.decision is None or grounds.decided_on is None:
        step = "The investigator decides: eligibility."
        out.append(Problem("C514", "eligibility", "No decision is recorded.", "a decision that stands", step))
    elif grounds.decision.eligible is not True:
        names = [f"{r.kind}.{r.id}" for r in (*grounds.decision.failing, *grounds.decision.undecided)]
        out.append(
            Problem(
                "C514",
                "eligibility",
                f"The decision of {grounds.decided_on} does not hold: {listed(names, conjunction='and', limit=40)}.",
                "every criterion met by the values as they are now, in the version in force",
                "Correct what is wrong, or the investigator decides anew: eligibility.",
            )
        )
        out += grounds.decision.problems()
    elif (grounds.today - grounds.decided_on).days > grounds.decision_days and not reason.strip():
        out.append(
            Problem(
                "C515",
                "eligibility",
                f"It was decided on {grounds.decided_on}, {(grounds.today - grounds.decided_on).days} days ago.",
                f"a decision at most {grounds.decision_days} days old, or a reason",
                "The investigator decides anew: eligibility. Or say why it still holds: --why TEXT.",
            )
        )
    if grounds.uncollected and not reason.strip():
        out.append(
            Problem(
                "C516",
                "baseline",
                f"Not recorded: {listed(sorted(grounds.uncollected), conjunction='and', limit=40)}.",
                "every covariate of the planned analyses, or a reason",
                "Record them: baseline. Or give the reason why they are missing: --why TEXT.",
            )
        )
    return out


def check_weight_holds(grounds: Grounds) -> list[Problem]:
    """Whether there is a weight to dose by: none held (C529), and one that is recent enough (C528)."""
    if grounds.is_held:
        step = "Another account weighs, or the wrong one is corrected or taken back."
        return [Problem("C529", "weight", "A weight is held.", "a weight that two people agree on", step)]
    if grounds.weight is None:
        found = "No weight was taken."
    elif grounds.today - grounds.weight[1] > timedelta(days=grounds.valid_days):
        found = f"The last weight is of {grounds.weight[1]}."
    else:
        return []
    expected = f"a weight at most {grounds.valid_days} days old"
    return [Problem("C528", "weight", found, expected, "Record a weight: weight.")]


def check_sheet(grounds: Grounds) -> list[Problem]:
    """Why no dose sheet can be made now."""
    out = check_order(grounds)
    if grounds.entered is None:
        expected = f"{'an' if grounds.entry == 'enrolment' else 'a'} {grounds.entry} before the sheet"
        out.append(Problem("C535", grounds.entry, "It has not taken place.", expected))
    if grounds.sheet is not None and grounds.sheet.state in BEGUN:
        out.append(Problem("C523", "dose sheet", "Its infusion has begun.", "an infusion that has not begun"))
    return [*out, *check_weight_holds(grounds)]


def check_sheet_holds(grounds: Grounds) -> list[Problem]:
    """Whether a sheet that was made still holds: of today, for the weight and the version that hold here."""
    out = check_sheet(grounds)
    sheet = grounds.sheet
    if sheet is None:
        return [*out, Problem("C523", "dose sheet", "There is none.", "a dose sheet", "Make it: dose-sheet.")]

    def say(found: str, expected: str) -> None:
        out.append(Problem("C523", "dose sheet", found, expected, "Make a new sheet: dose-sheet."))

    if (grounds.today - sheet.prepared_on).days > grounds.sheet_days:
        most = f"a sheet at most {grounds.sheet_days} days old" if grounds.sheet_days else "a sheet of the same day"
        say(f"It was prepared on {sheet.prepared_on}, today is {grounds.today}.", most)
    if grounds.weight is not None and grounds.weight[0] != sheet.kg:
        say(
            f"It is for {sheet.kg} kg, and the weight is now {grounds.weight[0]} kg.", "a sheet for the weight as it is"
        )
    if sheet.protocol_hash and sheet.protocol_hash != grounds.protocol_hash:
        say("It was made under another version of the protocol.", "a sheet of the participant's version")
    return out


def check_start(grounds: Grounds, at: datetime) -> list[Problem]:
    """Why an infusion cannot have started at ``at`` (aware): the sheet does not hold, or was not checked by then."""
    out = check_sheet_holds(grounds)
    checked = grounds.sheet.checked_at if grounds.sheet is not None else None
    if checked is None:
        out.append(Problem("C523", "dose sheet", "Nobody checked it.", "a second person's check", "dose-check."))
    elif at < checked.replace(microsecond=0):
        found = f"{_clock(at)} is before the check of the sheet ({_clock(checked)})."
        out.append(Problem("C535", "at", found, "a start from the check on", "Correct the time."))
    if at > grounds.now:
        found = f"{_clock(at)} has not come yet."
        out.append(Problem("C535", "at", found, "a time that has passed", "Record it when it has happened."))
    return out


def _clock(at: datetime) -> str:
    return at.strftime("%Y-%m-%d %H:%M:%S UTC")
