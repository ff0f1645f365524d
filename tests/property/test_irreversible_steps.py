"""Every order of the steps that are never undone, as a prefix tree on the pure rules: what should be refused is.

A node of the tree is a history that the rules allowed. At each node every step is asked for, and the answer is held
against an oracle that knows nothing but the history: which step came before which, on which day, and what changed in
between (an age, a weight, the version of the protocol, the day, the clock). A step that was allowed opens a branch.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from equipoise.conduct.rules.dates import check_clock
from equipoise.conduct.rules.eligibility import decide, decide_again
from equipoise.conduct.rules.preconditions import (
    Grounds,
    Sheet,
    check_entry,
    check_sheet,
    check_sheet_holds,
    check_start,
)
from equipoise.conduct.rules.status import Course, after, refusals
from equipoise.protocol import Protocol, read_protocol_text
from equipoise.workflow.library import read_protocol

STEPS = ("consent", "decide", "randomize", "weigh", "sheet", "check", "start")
CHANGES = ("age 16", "age 41", "heavier", "next day", "nine days", "forty days", "amend", "clock back")
ATTESTED = {"dependent": True, "seeking": True}
BEGIN = datetime(2027, 3, 8, 14, tzinfo=UTC)


@pytest.fixture(scope="module")
def versions() -> tuple[Protocol, Protocol]:
    """The flagship, and an amendment that words one criterion differently."""
    first = read_protocol("ketamine-mbrp-cocaine")
    text = first.text.replace("seeks treatment, source", "seeks treatment and lives near, source")
    assert text != first.text
    return first, read_protocol_text(text, file="amended")


@dataclass(frozen=True)
class World:
    """What the records would hold; ``done`` is the history, each step with its day."""

    now: datetime = BEGIN
    last: datetime = BEGIN  # of the last event
    course: Course = field(default_factory=lambda: Course(phase="screened"))
    age: int = 41
    consented: date | None = None
    decided_on: date | None = None
    recorded: tuple[tuple[str, str], ...] = ()
    decided_under: int = 0
    version: int = 0
    randomized: date | None = None
    weight: tuple[Decimal, date] | None = None
    sheet: Sheet | None = None
    done: tuple[tuple[str, date], ...] = ()

    def grounds(self, versions: tuple[Protocol, Protocol]) -> Grounds:
        decision = None
        if self.decided_on is not None:
            under = versions[self.decided_under]
            decision = decide_again(versions[self.version], {"age": self.age}, dict(self.recorded), under)
        return Grounds(
            today=self.now.date(),
            now=self.now,
            activated=BEGIN.date(),
            consented=self.consented,
            decision=decision,
            decided_on=self.decided_on,
            entered=self.randomized,
            weight=self.weight,
            valid_days=7,
            sheet=self.sheet,
            protocol_hash=str(self.version),
        )


def tried(world: World, step: str, versions: tuple[Protocol, Protocol]) -> World | None:
    """The world after a step, where the rules allow it."""
    if step in CHANGES:
        return changed(world, step)
    at, today = world.now, world.now.date()
    path = {"decide": "find_eligible", "sheet": "prepare_dose", "check": "prepare_dose", "start": "start_dose"}
    problems = check_clock(at, world.last)
    if step != "weigh":
        problems += refusals(
            world.course, path.get(step, step), reason="", current_consent=world.course.consent or None
        )
    elif world.consented is None:
        return None
    grounds = world.grounds(versions)
    new = replace(world, now=at + timedelta(minutes=1), last=at, done=(*world.done, (step, today)))
    match step:
        case "consent":
            new = replace(new, consented=today)
        case "decide":
            decision = decide(versions[world.version], {"age": world.age}, ATTESTED)
            problems += decision.problems()
            verdicts = tuple((f"{r.kind}.{r.id}", r.verdict) for r in decision.rulings)
            new = replace(new, decided_on=today, recorded=verdicts, decided_under=world.version)
        case "randomize":
            problems += check_entry(grounds)
            new = replace(new, randomized=today)
        case "weigh":
            new = replace(new, weight=(Decimal(70), today))
        case "sheet":
            problems += check_sheet(grounds)
            kg = world.weight[0] if world.weight else Decimal(0)
            new = replace(new, sheet=Sheet("prepared", today, kg, str(world.version)))
        case "check":
            problems += check_sheet_holds(grounds)
            if world.sheet is not None:
                new = replace(new, sheet=replace(world.sheet, state="checked", checked_at=at))
        case "start":
            problems += check_start(grounds, at)
            if world.sheet is not None:
                new = replace(new, sheet=replace(world.sheet, state="running"))
    if problems:
        return None
    taken = path.get(step, step)
    return replace(new, course=after(world.course, taken, consent="1") if step != "weigh" else world.course)


def changed(world: World, change: str) -> World:
    """The world after something that nobody refuses: a value corrected, a night, an amendment, a wrong clock."""
    done = (*world.done, (change, world.now.date()))
    match change:
        case "age 16" | "age 41":
            return replace(world, age=int(change[4:]), done=done)
        case "heavier":
            heavy = None if world.weight is None else (Decimal(72), world.weight[1])
            return replace(world, weight=heavy, done=done)
        case "amend":
            return replace(world, version=1, done=done)
        case "clock back":
            return replace(world, now=world.now - timedelta(days=3), done=done)
    days = {"next day": 1, "nine days": 9, "forty days": 40}[change]
    return replace(world, now=world.now + timedelta(days=days), done=done)


def last_of(done: tuple[tuple[str, date], ...], *names: str) -> int:
    """The place of the last of these in a history; -1 where there is none."""
    return max((k for k, (name, _) in enumerate(done) if name in names), default=-1)


def should_be_allowed(done: tuple[tuple[str, date], ...], step: str, today: date) -> bool:
    """What the field demands of the order of things, read off the history alone."""
    names = [name for name, _ in done]
    real = [day for name, day in done if name in STEPS]
    if real and today < max(real):
        return False  # a clock behind the ledger
    place = {name: last_of(done, name) for name in (*STEPS, *CHANGES)}
    consent, decided, randomized = place["consent"], place["decide"], place["randomize"]
    grown = place["age 16"] <= place["age 41"]
    amended_since = lambda k: place["amend"] > k and "amend" not in names[: k + 1]  # noqa: E731
    if step == "consent":
        return True
    if step == "decide":
        return consent >= 0 and randomized < 0 and grown
    if step == "randomize":
        recent = decided >= 0 and (today - done[decided][1]).days <= 28
        return 0 <= consent < decided and randomized < 0 and grown and recent and not amended_since(decided)
    if step == "weigh":
        return consent >= 0
    weighed = place["weigh"]
    dosable = randomized >= 0 and weighed >= 0 and (today - done[weighed][1]).days <= 7 and "start" not in names
    if step == "sheet":
        return dosable
    sheet = place["sheet"]
    holds = dosable and sheet >= 0 and done[sheet][1] == today and not amended_since(sheet)
    kg = lambda k: 72 if last_of(done[:k], "heavier") > last_of(done[:k], "weigh") >= 0 else 70  # noqa: E731
    holds = holds and kg(len(done)) == kg(sheet)
    if step == "check":
        return holds
    return holds and place["check"] > sheet


@pytest.mark.parametrize(("deepest", "most_changes"), [(9, 1), (7, 2)])
def test_no_order_of_the_steps_is_allowed_that_should_be_refused_and_none_refused_that_should_be_allowed(
    versions: tuple[Protocol, Protocol], deepest: int, most_changes: int
) -> None:
    begin, asked, started = World(), 0, 0
    branches = [begin]
    while branches:
        world = branches.pop()
        names = [name for name, _ in world.done]
        n_changes = sum(name in CHANGES for name in names)
        for step in STEPS:
            if names.count(step) > 1:
                continue  # a step is taken at most twice: made anew once
            found = tried(world, step, versions)
            expected = should_be_allowed(world.done, step, world.now.date())
            assert (found is not None) == expected, f"{' > '.join(names)} > {step}: {'done' if found else 'refused'}"
            asked += 1
            started += step == "start" and found is not None
            # steps that change nothing when they are taken again open no branch of their own
            fresh = step not in names or step in ("decide", "weigh", "sheet", "check")
            if found is not None and fresh and len(names) < deepest and (step not in names or n_changes):
                branches.append(found)
        if n_changes < most_changes and len(names) < deepest and names:
            branches += [changed(world, change) for change in CHANGES if names[-1] not in CHANGES]
    assert asked > 5_000  # the tree was walked
    assert started > 10 or deepest < 9  # and leads to infusions
