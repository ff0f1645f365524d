"""The day before, of and after each end of every window, through the actions and through the cut."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

import equipoise
from equipoise.conduct.rules import windows
from equipoise.foundation.errors import ConductError

from .driven import hire
from .test_clinical_actions import Refused, eligible, infusing, randomized

SITE = ZoneInfo("America/New_York")


@pytest.fixture
def trial(staged: Any) -> Any:
    out = staged()
    hire(out)
    return out


def go_to(trial: Any, day: date, hour: int = 9) -> None:
    trial.clock.at = datetime(day.year, day.month, day.day, hour, tzinfo=SITE).astimezone(UTC)


def admit(trial: Any) -> None:
    """Admitted today, randomized on the next day."""
    trial.do("carol", "day-1", participant="P-1")
    trial.do("carol", "visit", participant="P-1", visit="admission")
    trial.clock.at += timedelta(days=1)
    trial.do("carol", "randomize", participant="P-1")


def due_visits(trial: Any) -> dict[str, windows.DueVisit]:
    first = date.fromisoformat(str(trial.rows("SELECT day_1 FROM participant")[0][0]))
    protocol = trial.trial.protocol(trial.trial.protocol_hash)
    return {due.name: due for due in windows.due_visits(protocol, first)}


def cut_states(trial: Any) -> dict[str, str]:
    from equipoise.conduct.cut.cut import cut_records

    records = cut_records(trial.trial, at=trial.clock.now(), edition="blinded")
    return {row["visit"]: row["state"] for row in records["visits"].to_dicts()}


def test_a_visit_of_which_nothing_is_recorded_is_missed_on_the_day_after_its_window_and_not_before(trial: Any) -> None:
    randomized(trial)
    due = sorted(due_visits(trial).values(), key=lambda visit: visit.last)
    later = [visit for visit in due if visit.first > due_visits(trial)["infusion"].target]
    assert len(later) > 8
    for visit in later:
        for day, is_missed in (
            (visit.last - timedelta(1), False),
            (visit.last, False),
            (visit.last + timedelta(1), True),
        ):
            go_to(trial, day, hour=23)  # to the last hour of the site's own day
            assert ("missed" in cut_states(trial).get(visit.name, "")) == is_missed, (visit.name, day)


def test_a_visit_may_be_called_missed_on_the_day_after_its_window_and_not_before(trial: Any) -> None:
    randomized(trial)
    visit = due_visits(trial)["day-12"]
    for day in (visit.first - timedelta(1), visit.first, visit.last):
        go_to(trial, day)
        with Refused("C532"):
            trial.do("carol", "visit-missed", participant="P-1", visit="day-12", why="no answer")
    go_to(trial, visit.last + timedelta(1))
    trial.do("carol", "visit-missed", participant="P-1", visit="day-12", why="no answer")


@pytest.mark.parametrize(
    ("end", "shift", "needs_a_reason"),
    [("first", -1, True), ("first", 0, False), ("last", 0, False), ("last", 1, True)],
)
def test_a_visit_needs_a_reason_outside_its_window_alone(
    trial: Any, end: str, shift: int, needs_a_reason: bool
) -> None:
    randomized(trial)
    visit = due_visits(trial)["day-33"]
    go_to(trial, getattr(visit, end) + timedelta(shift))
    if needs_a_reason:
        with Refused("C531"):
            trial.do("carol", "visit", participant="P-1", visit="day-33")
    trial.do("carol", "visit", participant="P-1", visit="day-33", why="snow" if needs_a_reason else "")


@pytest.mark.parametrize(("age", "holds"), [(-1, True), (0, True), (1, False)])
def test_a_weight_holds_to_the_end_of_its_last_day(age: int, holds: bool) -> None:
    from equipoise.conduct.rules.preconditions import Grounds, check_weight_holds

    valid = 7
    today = date(2027, 3, 20)
    taken = today - timedelta(days=valid + age)
    grounds = Grounds(
        now=datetime(2027, 3, 20, 15, tzinfo=UTC), today=today, weight=(Decimal(80), taken), valid_days=valid
    )
    assert [problem.code for problem in check_weight_holds(grounds)] == ([] if holds else ["C528"])


def test_a_weight_of_the_protocols_age_still_doses_and_one_a_day_older_does_not(trial: Any) -> None:
    valid = trial.trial.protocol(trial.trial.protocol_hash).model.conduct.weighing.valid_days.usable
    assert valid
    eligible(trial)
    trial.do("nina", "weight", participant="P-1", kg="82.4")
    trial.clock.at += timedelta(days=valid - 1)
    admit(trial)
    trial.do("phil", "dose-sheet", participant="P-1", sealed=True)


def test_a_weight_a_day_too_old_makes_no_sheet(trial: Any) -> None:
    valid = trial.trial.protocol(trial.trial.protocol_hash).model.conduct.weighing.valid_days.usable
    eligible(trial)
    trial.do("nina", "weight", participant="P-1", kg="82.4")
    trial.clock.at += timedelta(days=valid)
    admit(trial)
    with Refused("C528"):
        trial.do("phil", "dose-sheet", participant="P-1", sealed=True)


def test_the_cuts_weight_at_baseline_is_the_first_one_taken_until_a_dose_was_made_by_another(trial: Any) -> None:
    from equipoise.conduct.cut.cut import cut_records

    def weight() -> float:
        records = cut_records(trial.trial, at=trial.clock.now(), edition="blinded")
        return float(records["participants"]["weight_kg"][0])

    eligible(trial)
    trial.do("nina", "weight", participant="P-1", kg="80.0")
    trial.clock.at += timedelta(days=1)
    trial.do("nina", "weight", participant="P-1", kg="81.5")
    assert weight() == 80.0
    admit(trial)
    trial.do("phil", "dose-sheet", participant="P-1", sealed=True)
    assert weight() == 81.5  # the one that the first dose was made by


@pytest.mark.parametrize("rate", ["0", "0.1", "40", "74.9"])
def test_an_infusion_is_neither_slowed_nor_interrupted_without_a_reason(trial: Any, rate: str) -> None:
    infusing(trial)
    trial.clock.at += timedelta(minutes=10)
    with Refused("C016"):
        trial.do("nina", "infusion-rate", participant="P-1", ml_per_hour=rate)
    trial.do("nina", "infusion-rate", participant="P-1", ml_per_hour=rate, why="nausea")


def test_the_prepared_rate_needs_no_reason(trial: Any) -> None:
    infusing(trial)
    trial.clock.at += timedelta(minutes=10)
    trial.do("nina", "infusion-rate", participant="P-1", ml_per_hour=0, why="line moved")
    trial.clock.at += timedelta(minutes=1)
    try:
        trial.do("nina", "infusion-rate", participant="P-1", ml_per_hour=75)
    except ConductError as error:  # pragma: no cover
        pytest.fail(str(error))


def test_of_several_infusions_the_first_ones_weight_is_that_at_baseline(staged: Any) -> None:
    from equipoise.conduct.actions.sign_in import Session
    from equipoise.conduct.cut.cut import cut_records

    trial = staged(protocol=equipoise.read_protocol("kare"))
    for name, role in (("nina", "infusion"), ("petra", "pharmacist")):
        made = trial.do("alice", "add-account", account=name, person=name.title(), roles=[role])
        trial.sessions[name], trial.passphrases[name] = Session(name), made.told["passphrase"]
    for drug in ("ketamine", "sodium chloride 0.9 %"):
        trial.do("phil", "stock", drug=drug, movement="received", mg=9000, sealed=True)
    trial.enrol("P-1")
    trial.do("carol", "randomize", participant="P-1")
    weights = {}
    for visit, due in due_visits(trial).items():
        if visit.startswith("infusion"):
            go_to(trial, due.target)
            weights[visit] = 80.0 + len(weights)
            trial.do("nina", "weight", participant="P-1", kg=str(weights[visit]))
            trial.do("phil", "dose-sheet", participant="P-1", day=due.visit.target_day, sealed=True)
            trial.do("petra", "dose-check", participant="P-1", sealed=True)
            trial.do("nina", "infusion-start", participant="P-1")
            trial.clock.at += timedelta(minutes=40)
            trial.do("nina", "infusion-stop", participant="P-1")
    assert len(weights) == 3
    records = cut_records(trial.trial, at=trial.clock.now(), edition="blinded")
    assert records["participants"]["weight_kg"].to_list() == [80.0]


def test_whoever_is_randomized_late_in_the_evening_is_randomized_on_the_sites_own_day(trial: Any) -> None:
    from equipoise.conduct.cut.cut import cut_records

    trial.clock.at = datetime(2027, 3, 8, 14, tzinfo=UTC)
    eligible(trial)
    trial.do("carol", "day-1", participant="P-1")
    trial.do("carol", "visit", participant="P-1", visit="admission")
    trial.clock.at += timedelta(days=1)
    go_to(trial, trial.clock.at.astimezone(SITE).date(), hour=22)  # the next day by Greenwich
    trial.do("carol", "randomize", participant="P-1")
    records = cut_records(trial.trial, at=trial.clock.now(), edition="blinded")
    assert records["allocations"]["day"].to_list() == [2]


def test_the_calendar_of_a_cut_ends_with_the_day_before_it(trial: Any) -> None:
    from equipoise.conduct.cut.cut import cut_records

    randomized(trial)  # the clock stands on day 2
    first = windows.calendar_days(trial.trial.protocol(trial.trial.protocol_hash))[0]
    assert first > 2
    for day in range(first - 1, first + 3):
        trial.clock.at += timedelta(days=day - 2 if day == first - 1 else 1)
        rows = cut_records(trial.trial, at=trial.clock.now(), edition="blinded")["daily_use"]
        assert rows["day"].to_list() == list(range(first, day))
        assert not rows["asked"].any()


def test_a_cut_says_which_events_of_the_ledger_it_rests_on_and_what_it_leaves_out(trial: Any) -> None:
    from equipoise.conduct.cut.cut import cut_records

    randomized(trial)
    number, head = trial.rows("SELECT number, hash FROM event ORDER BY number DESC LIMIT 1")[0]
    at = trial.clock.now()
    source = cut_records(trial.trial, at=at, edition="blinded").source
    assert source.origin == "simulated"
    assert source.description == (
        f"TRAINING trial, nobody in it is real: data cut at {at.isoformat()}, without arms and doses; "
        f"{number} events of the ledger, head {head[:16]}."
    )
    assert (source.details["events"], source.details["head"]) == (number, head)
    with pytest.raises(ConductError) as refused:
        cut_records(trial.trial, at=trial.clock.now(), edition="unblinded")
    [problem] = refused.value.problems
    assert (problem.code, problem.place, problem.expected) == ("C623", "--edition", "an edition without arms")
    assert problem.found == "The database was not locked at that moment."
