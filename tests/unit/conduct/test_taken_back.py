"""What is taken back: lines of the drug register, dose sheets, forms, visits, events; the ledger keeps them all."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from equipoise.conduct.cut.cut import cut_records
from equipoise.conduct.integrity.verify import verify

from .driven import hire
from .test_clinical_actions import Refused, infusing, randomized, visited


@pytest.fixture
def trial(staged: Any) -> Any:
    out = staged()
    hire(out)  # 9000 mg of ketamine and 900 mg of midazolam on the shelf
    return out


def shelf(trial: Any) -> dict[str, Decimal]:
    told = trial.do("phil", "stock-register", sealed=True).told["shelf_mg"]
    return {drug: Decimal(mg) for drug, mg in told.items()}


def lines(trial: Any) -> list[dict[str, Any]]:
    return trial.do("phil", "stock-register", sealed=True).told["lines"]


def test_a_line_of_the_register_is_reversed_once_and_both_lines_stand(trial: Any) -> None:
    trial.do("phil", "stock", drug="ketamine", movement="received", mg=500, sealed=True)
    assert shelf(trial)["ketamine"] == 9500
    with Refused("C016"):
        trial.do("phil", "stock-reverse", line=3, sealed=True)
    back = trial.do("phil", "stock-reverse", line=3, sealed=True, why="the delivery note was another trial's")
    assert back.told["shelf_mg"]["ketamine"] == "9000"
    assert [(row["line"], row["mg"], row.get("reverses")) for row in lines(trial)[2:]] == [
        (3, "500", None),
        (4, "-500", 3),
    ]
    for line in (3, 4, 9, 0, -1):  # once; a reversal itself; not there
        with Refused("C562"):
            trial.do("phil", "stock-reverse", line=line, sealed=True, why="again")
    assert verify(trial.trial, vault=trial.trial.vault(str(trial.pharmacy))).findings == []


def test_a_delivery_that_was_used_since_is_not_reversed(trial: Any) -> None:
    trial.do("phil", "stock", drug="midazolam", movement="returned", mg=850, sealed=True)
    with Refused("C562"):
        trial.do("phil", "stock-reverse", line=2, sealed=True, why="never came")
    assert shelf(trial)["midazolam"] == 50


def test_the_line_of_a_dose_goes_back_with_its_sheet_alone(trial: Any) -> None:
    randomized(trial)
    before = shelf(trial)
    trial.do("phil", "dose-sheet", participant="P-1", sealed=True)
    drawn = [row for row in lines(trial) if row.get("dose")]
    assert drawn
    with Refused("C562"):
        trial.do("phil", "stock-reverse", line=drawn[0]["line"], sealed=True, why="by hand")
    trial.do("phil", "dose-sheet-cancel", participant="P-1", bag="never-made", sealed=True, why="the patient left")
    assert shelf(trial) == before


def test_a_sheet_is_taken_back_before_its_infusion_and_made_anew(trial: Any) -> None:
    randomized(trial)
    before = shelf(trial)
    trial.do("phil", "dose-sheet", participant="P-1", sealed=True)
    given = {"participant": "P-1", "sealed": True, "why": "the bag leaked"}
    with Refused("C605"):
        trial.do("phil", "dose-sheet-cancel", bag="leaked", **given)
    for witness in ("", "phil"):
        with Refused("C607"):
            trial.do("phil", "dose-sheet-cancel", bag="destroyed", witness=witness, **given)
    trial.do("phil", "dose-sheet-cancel", bag="destroyed", witness="petra", **given)
    assert trial.rows("SELECT state FROM form WHERE form = 'infusion-sheet'") == [("cancelled",)]
    assert shelf(trial) != before  # what was in the bag is gone
    with Refused("C605"):
        trial.do("phil", "dose-sheet-cancel", bag="destroyed", witness="petra", **given)
    with Refused("C605"):
        trial.do("petra", "dose-check", participant="P-1", sealed=True)
    trial.do("phil", "dose-sheet", participant="P-1", sealed=True, why="a new bag")
    trial.do("petra", "dose-check", participant="P-1", sealed=True)
    trial.do("nina", "infusion-start", participant="P-1")
    with Refused("C605"):  # too late
        trial.do("phil", "dose-sheet-cancel", bag="never-made", **given)
    assert verify(trial.trial, vault=trial.trial.vault(str(trial.pharmacy))).findings == []


def test_a_running_infusion_and_its_sheet_are_not_taken_back_as_entered_in_error(trial: Any) -> None:
    infusing(trial)
    for visit, form in (
        ("infusion-day-2", "infusion-sheet"),
        ("infusion-day-2", "infusion-run"),
        ("baseline", "baseline"),
        ("screening", "eligibility"),
    ):
        with Refused("C631"):
            trial.do("ivan", "entered-in-error", participant="P-1", visit=visit, form=form, why="wrong person")


def test_a_form_entered_in_error_is_in_no_table_and_is_recorded_anew(staged: Any) -> None:
    trial = visited(staged())
    urine = {"participant": "P-1", "visit": "day-9", "form": "urine"}
    with Refused("C016"):
        trial.do("ruth", "entered-in-error", **urine)
    with Refused("C602"):
        trial.do("ruth", "entered-in-error", **{**urine, "form": "craving"}, why="x")
    with Refused("C631"):  # forms stand at it
        trial.do("carol", "entered-in-error", participant="P-1", visit="day-9", why="came on another day")
    trial.do("ruth", "entered-in-error", **urine, why="another participant's sample")
    with Refused("C602"):
        trial.do("ruth", "entered-in-error", **urine, why="again")
    with Refused("C602"):
        trial.do("ruth", "correct", **urine, answers={"cocaine": "positive"}, why="it is gone")
    due = trial.do("carol", "due").told["due"]
    assert any(row["what"] == "day-9: urine" for row in due)
    trial.clock.at += timedelta(days=1)
    found = cut_records(trial.trial, at=trial.clock.at, edition="blinded")["urine"].to_dicts()
    assert [row["result"] for row in found if row["visit"] == "day-9"] == ["missed"]
    trial.do("ruth", "record", **urine, answers={"cocaine": "positive"})
    trial.clock.at += timedelta(days=1)
    found = cut_records(trial.trial, at=trial.clock.at, edition="blinded")["urine"].to_dicts()
    assert [row["result"] for row in found if row["visit"] == "day-9"] == ["positive"]
    values = trial.rows("SELECT what FROM event WHERE action = 'record' AND participant = 'P-1' ORDER BY number")
    assert "negative" in values[0][0]  # the ledger keeps what was taken back
    assert verify(trial.trial).findings == []


def test_a_visit_a_session_an_event_and_a_duplicate_are_taken_back(staged: Any) -> None:
    trial = visited(staged())
    trial.do("ruth", "entered-in-error", participant="P-1", visit="day-9", form="urine", why="not hers")
    trial.do("carol", "entered-in-error", participant="P-1", visit="day-9", why="she did not come")
    trial.do("carol", "visit", participant="P-1", visit="day-9")
    held = {"participant": "P-1", "session": 1, "delivered": True, "minutes": "60"}
    trial.do("carol", "session", **held)
    place = {"participant": "P-1", "visit": "session", "form": "mindfulness-based-relapse-prevention"}
    trial.do("carol", "entered-in-error", **place, why="it was session 1 of somebody else")
    trial.do("carol", "session", **held)
    event = {"participant": "P-1", "term": "nausea", "onset": "2027-01-14", "severity": "mild"}
    for _ in range(2):
        trial.do("ivan", "adverse-event", **event)
    twice = {"participant": "P-1", "visit": "adverse-event", "form": "adverse-event", "repeat": 2}
    for other in (2, 9):
        with Refused("C631"):
            trial.do("ivan", "entered-in-error", **twice, duplicate_of=other, why="told twice")
    trial.do("ivan", "entered-in-error", **twice, duplicate_of=1, why="told twice")
    with Refused("C602"):
        trial.do("ivan", "adverse-event-update", participant="P-1", event=2, outcome="recovered", why="late")
    trial.clock.at += timedelta(days=1)
    found = cut_records(trial.trial, at=trial.clock.at, edition="blinded")
    assert found["adverse_events"]["event"].to_list() == [1]
    delivered = found["sessions"].filter(found["sessions"]["session"] == 1)["delivered"].to_list()
    assert delivered == [True]
    assert verify(trial.trial).findings == []
