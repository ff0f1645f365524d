"""Clinical actions one by one: what each records, and what it refuses."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from equipoise.foundation.errors import ConductError

from .driven import hire

FORM = {"participant": "P-1", "visit": "day-9", "form": "urine"}


def codes(error: pytest.ExceptionInfo[ConductError]) -> list[str]:
    return [problem.code for problem in error.value.problems]


class Refused:
    """``with Refused("C501"):`` the block is refused with this code first."""

    def __init__(self, code: str) -> None:
        self.code = code

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: Any, error: Any, trace: Any) -> bool:
        assert isinstance(error, ConductError), f"nothing was refused, expected {self.code}"
        assert error.problems[0].code == self.code, error
        return True


@pytest.fixture
def trial(staged: Any) -> Any:
    out = staged()
    hire(out)
    return out


def consented(trial: Any, id: str = "P-1") -> None:
    trial.do("carol", "screen", participant=id, site="main")
    trial.do("carol", "consent", participant=id, version="1.0")


def eligible(trial: Any, id: str = "P-1") -> None:
    consented(trial, id)
    trial.do("carol", "baseline", participant=id, values={"age": 40, "route": "intranasal"})
    trial.do("ivan", "eligibility", participant=id, attested={"dependent": True, "seeking": True})


def randomized(trial: Any, id: str = "P-1", kg: str = "82.4") -> None:
    """Admitted on one morning and randomized on the next; the clock then stands on study day 2."""
    eligible(trial, id)
    trial.do("carol", "day-1", participant=id)
    trial.do("carol", "visit", participant=id, visit="admission")
    trial.clock.at += timedelta(days=1)
    trial.do("carol", "randomize", participant=id)
    if kg:
        trial.do("nina", "weight", participant=id, kg=kg)


def visited(trial: Any) -> Any:
    """A trial with its people, and P-1 at the visit of day 9 with one form recorded, ``FORM``."""
    hire(trial)
    randomized(trial)
    trial.clock.at += timedelta(days=7)
    trial.do("carol", "visit", participant="P-1", visit="day-9")
    trial.do("ruth", "record", **FORM, answers={"cocaine": "negative"})
    return trial


def infusing(trial: Any, id: str = "P-1") -> None:
    randomized(trial, id)
    trial.do("phil", "dose-sheet", participant=id, sealed=True)
    trial.do("petra", "dose-check", participant=id, sealed=True)
    trial.do("nina", "infusion-start", participant=id)


def test_failing_criteria_are_named_and_somebody_undecided_is_not_found_eligible(trial: Any) -> None:
    consented(trial)
    with Refused("C511"):
        trial.do("ivan", "eligibility", participant="P-1", values={"age": 30}, attested={"dependent": True})
    found = trial.do("ivan", "eligibility", participant="P-1", values={"age": 17}, attested={"seeking": True})
    assert found.answer["failing"] == ["include.adult"]
    assert trial.rows("SELECT status, reason FROM participant") == [("not_enrolled", "not met: age >= 18")]
    with Refused("C501"):
        trial.do("carol", "randomize", participant="P-1")


def test_baseline_values_are_held_against_the_protocol_and_changed_with_a_reason(trial: Any) -> None:
    consented(trial)
    with pytest.raises(ConductError) as error:
        trial.do("carol", "baseline", participant="P-1", values={"age": "old", "route": "oral", "height": 1})
    assert codes(error) == ["C603", "C603", "C603"]
    trial.do("carol", "baseline", participant="P-1", values={"age": "40"})
    with Refused("C016"):
        trial.do("carol", "baseline", participant="P-1", values={"age": "41"})
    trial.do("carol", "baseline", participant="P-1", values={"age": "41"}, why="misheard")


def test_a_weight_in_pounds_is_held_and_the_second_person_settles_it(trial: Any) -> None:
    randomized(trial, kg="")
    held = trial.do("nina", "weight", participant="P-1", kg="154")
    assert held.answer["state"] == "held"
    with Refused("C529"):
        trial.do("phil", "dose-sheet", participant="P-1", sealed=True)
    assert trial.do("nina", "weight", participant="P-1", kg="154").answer["state"] == "held"
    assert trial.do("carol", "weight", participant="P-1", kg="154").answer["state"] == "held"
    assert trial.do("carol", "weight", participant="P-1", kg="69.9").answer["state"] == "accepted"
    states = trial.rows("SELECT state FROM form WHERE form = 'weight' ORDER BY repeat")
    assert states == [("replaced",), ("replaced",), ("replaced",), ("accepted",)]


def test_who_entered_a_held_weight_does_not_release_it_with_a_plausible_one(trial: Any) -> None:
    randomized(trial, kg="")
    trial.do("nina", "weight", participant="P-1", kg="154")
    again = trial.do("nina", "weight", participant="P-1", kg="69.9")
    assert again.answer["state"] == "held"
    assert "nina entered that one too" in again.answer["because"][0]
    with Refused("C529"):
        trial.do("phil", "dose-sheet", participant="P-1", sealed=True)
    assert trial.do("carol", "weight", participant="P-1", kg="70.1").answer["state"] == "accepted"
    states = trial.rows("SELECT state FROM form WHERE form = 'weight' ORDER BY repeat")
    assert states == [("replaced",), ("replaced",), ("accepted",)]


def test_the_sheet_tells_the_pharmacist_milligrams_and_the_open_ledger_volume_and_rate(trial: Any) -> None:
    randomized(trial)
    told = trial.do("phil", "dose-sheet", participant="P-1", drawn=45, sealed=True)
    arm_mg = {"ketamine": "41.2", "midazolam": "2.06"}
    assert told.told["prepared_mg"] == arm_mg[told.told["drug"]]
    assert told.answer["label"] == "Study infusion 50 mL, 75 mL/h for 40 min"
    words = str(trial.rows("SELECT what, why, subject FROM event WHERE action IN ('dose-sheet', 'stock')"))
    for secret in ("ketamine", "midazolam", "41.2", "2.06", "45"):
        assert secret not in words.replace("82.4", "")
    with Refused("C606"):
        trial.do("phil", "dose-check", participant="P-1", sealed=True)
    trial.do("petra", "dose-check", participant="P-1", sealed=True)
    with Refused("C605"):
        trial.do("petra", "dose-check", participant="P-1", sealed=True)


def test_no_infusion_without_a_checked_sheet_and_none_after_discontinuation(trial: Any) -> None:
    randomized(trial)
    with Refused("C608"):
        trial.do("nina", "infusion-start", participant="P-1")
    trial.do("phil", "dose-sheet", participant="P-1", sealed=True)
    with Refused("C608"):
        trial.do("nina", "infusion-start", participant="P-1")
    trial.do("petra", "dose-check", participant="P-1", sealed=True)
    trial.do("ivan", "discontinue", participant="P-1", why="pregnant")
    with Refused("C501"):
        trial.do("nina", "infusion-start", participant="P-1")
    trial.do("carol", "visit", participant="P-1", visit="infusion")


def test_the_register_balances_and_a_dose_takes_from_the_shelf(trial: Any) -> None:
    randomized(trial)
    before = trial.do("phil", "stock", drug="ketamine", movement="returned", mg=1000, sealed=True).told["shelf_mg"]
    assert before == {"ketamine": "8000", "midazolam": "900"}
    told = trial.do("phil", "dose-sheet", participant="P-1", drawn=50, sealed=True).told
    assert Decimal(told["to_waste_mg"]) == 50 - Decimal(told["prepared_mg"])
    left = {drug: float(mg) - 50 * (drug == told["drug"]) for drug, mg in before.items()}
    for drug, mg in left.items():
        assert trial.do("petra", "stock-count", drug=drug, mg=str(mg), sealed=True).answer == {"agrees": True}
        with Refused("C561"):
            trial.do("petra", "stock-count", drug=drug, mg=str(mg + 1), sealed=True)
    with Refused("C560"):
        trial.do("phil", "stock", drug="ketamine", movement="wasted", mg=8001, witness="petra", sealed=True)
    with Refused("C607"):
        trial.do("phil", "stock", drug="ketamine", movement="wasted", mg=1, witness="phil", sealed=True)


def test_an_infusion_interrupted_and_cut_short_tells_volume_and_minutes(trial: Any) -> None:
    infusing(trial)
    trial.clock.at += timedelta(minutes=10)
    with Refused("C016"):
        trial.do("nina", "infusion-rate", participant="P-1", ml_per_hour=0)
    trial.do("nina", "infusion-rate", participant="P-1", ml_per_hour=0, why="line moved")
    trial.clock.at += timedelta(minutes=5)
    trial.do("nina", "infusion-rate", participant="P-1", ml_per_hour=75)
    with Refused("C541"):
        trial.do("nina", "infusion-rate", participant="P-1", ml_per_hour=80)
    trial.clock.at += timedelta(minutes=10)
    with Refused("C016"):
        trial.do("nina", "infusion-stop", participant="P-1")
    end = trial.do("nina", "infusion-stop", participant="P-1", why="asked to stop").answer
    assert end["interruptions"] == 1
    assert 24 < float(end["volume_ml"]) < 26
    assert end["readings_missing"] != []
    with Refused("C501"):
        trial.do("nina", "infusion-stop", participant="P-1", why="again")


def test_more_than_the_bag_is_refused(trial: Any) -> None:
    infusing(trial)
    trial.clock.at += timedelta(minutes=50)
    with Refused("C542"):
        trial.do("nina", "infusion-stop", participant="P-1")
    started = datetime.fromisoformat(trial.rows("SELECT value FROM item WHERE item = 'at'")[0][0])
    trial.do("nina", "infusion-stop", participant="P-1", at=(started + timedelta(minutes=40)).isoformat())


def test_a_reading_on_the_bound_of_a_stop_rule_is_recorded_and_nothing_is_resumed(trial: Any) -> None:
    infusing(trial)
    trial.clock.at += timedelta(minutes=10)
    first = trial.do("nina", "infusion-vitals", participant="P-1", minute=5, systolic=179, diastolic=90)
    assert (first.answer["stop"], first.told["stop_rules"]) == (False, [])
    met = trial.do("nina", "infusion-vitals", participant="P-1", minute=10, systolic=180, diastolic=90)
    assert (met.answer["stop"], met.told["stop_rules"]) == (True, ["systolic is 180: stop at systolic >= 180."])
    trial.clock.at += timedelta(minutes=1)
    trial.do("nina", "infusion-rate", participant="P-1", ml_per_hour=0, why="stop rule")
    with Refused("C543"):
        trial.do("nina", "infusion-rate", participant="P-1", ml_per_hour=75)


def test_quarantined_readings_are_read_by_the_safety_role_alone(trial: Any) -> None:
    infusing(trial)
    trial.clock.at += timedelta(minutes=5)
    trial.do("nina", "infusion-vitals", participant="P-1", minute=5, systolic=123, diastolic=77)
    with Refused("C600"):
        trial.do("carol", "visit", participant="P-1", visit="infusion")
        trial.do("ruth", "record", participant="P-1", visit="infusion", form="dissociation", answers={"score": 31})
    trial.do("nina", "record", participant="P-1", visit="infusion", form="dissociation", answers={"score": 31})
    for who in ("carol", "ivan", "nina", "ruth", "mona"):
        told = str(trial.do(who, "read", participant="P-1").told)
        assert "'31'" not in told
        assert "'123'" not in told
    told = str(trial.do("sam", "read", participant="P-1").told)
    assert "'31'" not in told
    told = str(trial.do("sam", "read", participant="P-1", opened=True).told)
    assert "'31'" in told
    assert "'123'" in told
    assert "infusion-day-2" not in str(trial.do("ruth", "read", participant="P-1").told)
    with pytest.raises(ConductError):
        trial.do("stan", "read", participant="P-1")


def test_out_of_the_window_a_visit_needs_its_reason_and_a_form_needs_its_visit(trial: Any) -> None:
    randomized(trial)
    trial.clock.at += timedelta(days=8)  # study day 10, a day after the window of day 9
    with Refused("C531"):
        trial.do("carol", "visit", participant="P-1", visit="day-9")
    with Refused("C610"):
        trial.do("ruth", "record", participant="P-1", visit="day-9", form="urine", answers={"cocaine": "negative"})
    trial.do("carol", "visit", participant="P-1", visit="day-9", why="snow")
    trial.do("ruth", "record", participant="P-1", visit="day-9", form="urine", answers={"cocaine": "negative"})
    with Refused("C601"):
        trial.do("ruth", "record", participant="P-1", visit="day-9", form="urine", answers={"cocaine": "positive"})
    with Refused("C577"):
        trial.do("ruth", "record", participant="P-1", visit="day-9", form="arm-guess", answers={})
    with Refused("C532"):
        trial.do("carol", "visit-missed", participant="P-1", visit="day-12", why="no answer")


def test_calendar_days_are_told_once_and_only_up_to_today(trial: Any) -> None:
    randomized(trial)
    given = {"participant": "P-1", "first": "2027-01-06", "last": "2027-01-10"}
    trial.do("ruth", "calendar", **given, used="2027-01-07", amounts={"2027-01-07": "0.5"}, unit="g")
    with Refused("C601"):
        trial.do("ruth", "calendar", **given)
    with Refused("C611"):
        trial.do("ruth", "calendar", participant="P-1", first="2027-01-11", last="2030-01-01")
    with Refused("C611"):
        trial.do("ruth", "calendar", participant="P-1", first="2027-01-11", last="2027-01-11", used="2027-01-12")


def test_a_correction_clears_what_is_no_longer_asked_and_voids_the_signature(trial: Any) -> None:
    randomized(trial)
    trial.do(
        "ruth",
        "calendar",
        participant="P-1",
        first="2027-01-07",
        last="2027-01-07",
        used="2027-01-07",
        amounts={"2027-01-07": "2"},
        unit="g",
    )
    trial.do("ivan", "sign-off", participant="P-1")
    with Refused("C621"):
        trial.do("ivan", "sign-off", participant="P-1")
    day = datetime(2027, 1, 7).toordinal()
    given = {"participant": "P-1", "visit": "calendar", "form": "calendar", "repeat": day, "answers": {"cocaine": "no"}}
    with Refused("C016"):
        trial.do("ruth", "correct", **given)
    done = trial.do("ruth", "correct", **given, why="another day was meant")
    assert done.answer["cleared"] == ["cocaine.amount", "cocaine.unit"]
    assert trial.rows("SELECT value, missing FROM item WHERE item = 'cocaine.amount'") == [("", "not-asked")]
    assert trial.rows("SELECT state FROM signature") == [("superseded",)]


def test_a_serious_event_has_its_deadlines_and_a_late_report_says_why(trial: Any) -> None:
    randomized(trial)
    event = {"participant": "P-1", "term": "fall", "onset": "2027-01-12", "severity": "severe", "related": False}
    done = trial.do("carol", "adverse-event", **event, serious="hospitalization")
    assert [report["report"] for report in done.answer["reports"]] == ["sponsor"]
    trial.clock.at += timedelta(hours=25)
    with Refused("C016"):
        trial.do("carol", "adverse-event-reported", participant="P-1", event=1, report="sponsor")
    with Refused("C613"):
        trial.do("carol", "adverse-event-reported", participant="P-1", event=1, report="regulator")
    trial.do("carol", "adverse-event-reported", participant="P-1", event=1, report="sponsor", why="weekend")
    trial.do(
        "ivan",
        "adverse-event-update",
        participant="P-1",
        event=1,
        outcome="recovered",
        end="2027-01-13",
        why="follow-up",
    )
    with Refused("C550"):
        trial.do("carol", "adverse-event", **{**event, "severity": "fatal"})


def test_withdrawal_from_visits_leaves_the_call_and_death_leaves_nothing_to_hold(trial: Any) -> None:
    randomized(trial)
    trial.do("carol", "withdraw", participant="P-1", scope="visits", why="moved")
    with Refused("C501"):
        trial.do("carol", "visit", participant="P-1", visit="infusion")
    trial.clock.at += timedelta(days=181)
    trial.do("carol", "visit", participant="P-1", visit="six-month-call", by="telephone")
    trial.do(
        "ruth", "record", participant="P-1", visit="six-month-call", form="telephone-report", answers={"abstinent": 1}
    )
    trial.do("ivan", "death", participant="P-1", on="2027-07-12", why="accident")
    with Refused("C501"):
        trial.do("carol", "visit", participant="P-1", visit="unscheduled-1")


def test_lock_comes_after_freeze_and_signatures_and_then_nothing_changes(trial: Any) -> None:
    randomized(trial)
    with Refused("C017"):
        trial.do("alice", "lock")
    trial.do("nina", "weight", participant="P-1", kg="100")
    with Refused("C620"):
        trial.do("alice", "freeze")
    trial.do("carol", "weight", participant="P-1", kg="100")
    trial.do("alice", "freeze")
    with Refused("C017"):
        trial.do("carol", "visit", participant="P-1", visit="infusion")
    with Refused("C620"):
        trial.do("alice", "lock")
    trial.do("ivan", "sign-off", participant="P-1")
    trial.do("alice", "lock")
    with Refused("C017"):
        trial.do("alice", "unfreeze", why="forgot something")
    with Refused("C017"):
        trial.do("ivan", "sign-off", participant="P-1")


def test_a_cut_before_lock_is_never_unblinded_save_by_a_recorded_opening(trial: Any, tmp_path: Path) -> None:
    from equipoise.conduct.cut.cut import take_cut
    from equipoise.exchange.records_files import read_records

    infusing(trial)
    trial.clock.at += timedelta(minutes=40)
    trial.do("nina", "infusion-vitals", participant="P-1", minute=5, systolic=123, diastolic=77)
    trial.clock.at += timedelta(days=40)

    def cut(who: str, edition: str, name: str) -> Any:
        return take_cut(
            trial.trial,
            trial.session(who),
            at=at,
            edition=edition,
            out=tmp_path / name,
            pharmacy=trial.pharmacy,
            safety=trial.safety,
            clock=trial.clock,
            entropy=trial.entropy,
        )

    at = trial.clock.now().astimezone(UTC).isoformat()
    blinded = cut("stan", "blinded", "one")
    assert blinded["allocations"]["arm"].to_list() == [None]
    assert blinded["exposure"].select("intervention", "planned_mg").rows() == [("study-infusion", None)]
    assert blinded["vitals"].is_empty()
    with Refused("C624"):
        cut("stan", "unblinded", "no")
    with Refused("C623"):
        cut("uma", "unblinded", "no")
    cut("stan", "blinded", "two")
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert all((tmp_path / "one" / f).read_bytes() == (tmp_path / "two" / f).read_bytes() for f in files)
    assert read_records(tmp_path / "one").data_hash == blinded.data_hash
    sham = cut("uma", "sham", "sham")
    assert sham["allocations"]["arm"].null_count() == 0
    trial.do("sam", "open-arms", why="the safety board asked")
    at = trial.clock.now().astimezone(UTC).isoformat()
    true = cut("uma", "unblinded", "true")
    assert true["allocations"]["arm"].null_count() == 0
    with Refused("C622"):
        at = "2099-01-01T00:00:00Z"
        cut("stan", "blinded", "later")


def test_one_participant_goes_the_whole_way_on_both_databases(staged: Any, database: str) -> None:
    from equipoise.conduct.cut.cut import cut_records

    trial = staged(database=database)
    hire(trial)
    infusing(trial)
    started = trial.clock.at
    trial.clock.at = started + timedelta(minutes=5)
    trial.do("nina", "infusion-vitals", participant="P-1", minute=5, systolic=123, diastolic=77, pulse=70)
    trial.clock.at = started + timedelta(minutes=40)
    trial.do("nina", "infusion-stop", participant="P-1")
    trial.do("carol", "visit", participant="P-1", visit="infusion")
    trial.do("nina", "record", participant="P-1", visit="infusion", form="dissociation", answers={"score": 12})
    trial.do("carol", "session", participant="P-1", session=1, delivered=True, minutes=60)
    trial.clock.at += timedelta(days=7)
    trial.do("carol", "visit", participant="P-1", visit="day-9")
    trial.do("ruth", "record", participant="P-1", visit="day-9", form="urine", answers={"cocaine": "negative"})
    trial.do("ruth", "calendar", participant="P-1", first="2027-01-16", last="2027-01-19", used="2027-01-17")
    trial.do("carol", "adverse-event", participant="P-1", term="nausea", onset="2027-01-12", severity="mild")
    trial.clock.at += timedelta(days=30)
    trial.do("carol", "complete", participant="P-1")
    trial.do("alice", "freeze")
    trial.do("ivan", "sign-off", participant="P-1")
    trial.do("alice", "lock")
    at = trial.clock.now()
    records = cut_records(trial.trial, at=at, edition="unblinded", pharmacy=trial.pharmacy, safety=trial.safety)
    counts = {name: frame.height for name, frame in records.tables.items()}
    # Eight clinic visits: one held, seven missed since; the call's window is open. Days 6 to 33 of the calendar.
    assert counts == {
        "participants": 1,
        "allocations": 1,
        "visits": 11,
        "urine": 9,
        "daily_use": 28,
        "assessments": 1,
        "vitals": 1,
        "exposure": 1,
        "sessions": 8,
        "adverse_events": 1,
        "events": 0,
        "disposition": 1,
    }
    dose = records["exposure"].row(0, named=True)
    planned = {"ketamine-infusion": 41.2, "midazolam-infusion": 2.06}[dose["intervention"]]
    assert dose["planned_mg"] == planned
    assert dose["delivered_mg"] == planned
    use = records["daily_use"].filter(records["daily_use"]["asked"])
    assert use.select("day", "used").rows() == [(6, False), (7, True), (8, False), (9, False)]


def test_wording_is_logged_by_its_hash_and_its_words_are_kept_nowhere(trial: Any) -> None:
    text = '{"craving-vas": {"score": "mark how much you want it"}}'
    assert trial.do("carol", "wording", site="main", text=text).answer["instruments"] == ["craving-vas"]
    assert "how much you want it" not in str(trial.rows("SELECT what FROM event"))
    with Refused("C580"):
        trial.do("carol", "wording", site="main", text='{"pss-10": {"1": "words"}}')


def test_an_amended_volume_changes_no_dose_given_before_and_arms_told_apart_are_no_amendment(trial: Any) -> None:
    from equipoise.conduct.cut.cut import cut_records
    from equipoise.workflow.library import protocol_path

    infusing(trial)
    trial.clock.at += timedelta(minutes=20)
    trial.do("nina", "infusion-stop", participant="P-1", why="asked to stop")
    trial.do("sam", "open-arms", why="the test looks")
    before = cut_records(trial.trial, at=trial.clock.now(), edition="unblinded", pharmacy=trial.pharmacy)
    text = protocol_path("ketamine-mbrp-cocaine").read_text("utf-8")
    other = text.replace("assumed: 50 mL", "assumed: 100 mL")
    trial.do("alice", "amend", text=other, confirm=True, why="larger bags")
    after = cut_records(trial.trial, at=trial.clock.now(), edition="unblinded", pharmacy=trial.pharmacy)
    assert before["exposure"].equals(after["exposure"])
    assert 0.45 < after["exposure"]["delivered_mg"][0] / after["exposure"]["planned_mg"][0] < 0.55
    slower = other.replace("over: 40 min", "over: 60 min", 1)
    with Refused("C521"):
        trial.do("alice", "amend", text=slower, confirm=True, why="slower")


def test_a_cut_after_a_redaction_has_the_event_without_its_words(trial: Any) -> None:
    from equipoise.conduct.cut.cut import cut_records

    randomized(trial)
    trial.do("carol", "adverse-event", participant="P-1", term="Jane Roe fell", onset="2027-01-12", severity="mild")
    at = trial.clock.now()
    before = cut_records(trial.trial, at=at, edition="blinded")["adverse_events"]
    assert before["term"].to_list() == ["Jane Roe fell"]
    trial.do("alice", "redact", participant="P-1", text="Jane Roe", why="a name was typed")
    after = cut_records(trial.trial, at=at, edition="blinded")["adverse_events"]
    assert "Jane" not in str(after["term"].to_list())
    assert after.drop("term").equals(before.drop("term"))
    done = trial.do("ivan", "adverse-event-update", participant="P-1", event=1, outcome="recovered", why="seen again")
    assert done.answer["serious"] is False


def test_a_reading_corrected_to_one_that_meets_a_stop_rule_holds_the_infusion(trial: Any) -> None:
    infusing(trial)
    trial.clock.at += timedelta(minutes=5)
    signs = {"systolic": 120, "diastolic": 80, "pulse": 70, "saturation": 97}
    assert trial.do("nina", "infusion-vitals", participant="P-1", minute=5, **signs).answer["stop"] is False
    place = {"participant": "P-1", "visit": "infusion-day-2", "form": "infusion-vitals"}
    found = trial.do("nina", "correct", **place, answers={"minute": 5, **signs, "systolic": 200}, why="misread")
    assert found.answer["stop"] is True
    assert "200" in found.told["stop_rules"][0]
    with Refused("C543"):
        trial.do("nina", "infusion-rate", participant="P-1", ml_per_hour=75)
    read = trial.do("sam", "read", participant="P-1", opened=True).told["forms"]["infusion-day-2 infusion-vitals 1"]
    assert read["(stop-rules)"] != "none"


def test_a_correction_to_an_unusual_answer_is_asked_about_and_one_of_nothing_is_refused(trial: Any) -> None:
    infusing(trial)
    trial.do("carol", "session", participant="P-1", session=1, delivered=True, minutes=60)
    form = trial.rows("SELECT form FROM form WHERE visit = 'session'")[0][0]
    place = {"participant": "P-1", "visit": "session", "form": form, "why": "misread"}
    with Refused("C575"):
        trial.do("carol", "correct", **place, answers={"minutes": 200})
    trial.do("carol", "correct", **place, answers={"minutes": 200}, confirm=["minutes"])
    trial.do("carol", "correct", **place, answers={"practice": 30})  # the unusual one stands, confirmed before
    with Refused("C602"):
        trial.do("carol", "correct", **place, answers={})
    with Refused("C611"):
        trial.do("ruth", "calendar", participant="P-1", first="2027-01-01", last="2027-01-02", used=["tuesday"])
