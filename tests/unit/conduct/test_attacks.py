"""What a stranger's habit would do to the actions: it comes out right, or is refused with a code."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from equipoise.conduct.integrity.backup import back_up, restore
from equipoise.conduct.integrity.verify import verify
from equipoise.foundation.errors import EquipoiseError, UsageError
from equipoise.protocol import read_protocol_text
from equipoise.workflow.library import definitions_of, protocol_path

from .driven import hire
from .test_clinical_actions import Refused, consented, eligible, infusing, randomized


@pytest.fixture
def trial(staged: Any) -> Any:
    out = staged()
    hire(out)
    return out


def visited(trial: Any) -> None:
    randomized(trial)
    trial.clock.at += timedelta(days=7)
    trial.do("carol", "visit", participant="P-1", visit="day-9")


DAY_9 = {"participant": "P-1", "visit": "day-9"}


@pytest.mark.parametrize("number", [float("inf"), float("nan")])
def test_binary_fractions_are_taken_as_written_and_what_is_no_number_is_refused(trial: Any, number: float) -> None:
    """A program that sends JSON sends binary fractions; a dose or score written as one would be another."""
    consented(trial)
    with pytest.raises(UsageError):
        trial.do("carol", "baseline", participant="P-1", values={"age": number})
    trial.do("carol", "baseline", participant="P-1", values={"age": 40.5, "use-days-30": 0.1})
    assert trial.rows("SELECT value FROM item WHERE form = 'baseline' ORDER BY item") == [("40.5",), ("0.1",)]


def test_amounts_and_scores_may_be_binary_fractions_too(trial: Any) -> None:
    visited(trial)
    trial.do("ruth", "record", **DAY_9, form="craving", answers={"score": 40.5})
    days = {"first": "2027-01-12", "last": "2027-01-18", "used": ["2027-01-13"], "unit": "g"}
    trial.do("ruth", "calendar", participant="P-1", **days, amounts={"2027-01-13": 0.1})
    rows = trial.rows("SELECT value FROM item WHERE item IN ('score', 'cocaine.amount') ORDER BY item")
    assert [Decimal(value) for (value,) in rows] == [Decimal("0.1"), Decimal("40.5")]


@pytest.mark.parametrize("site", ["main ", "", " ", "a/b", "../x", "x" * 41, "north,south", "nörd", "a b"])
def test_a_site_has_a_name_that_stands_in_files_and_lists(trial: Any, site: str) -> None:
    with pytest.raises(EquipoiseError) as error:
        trial.do("alice", "add-site", site=site, zone="America/New_York")
    assert error.value.problems[0].code in ("C100", "C114")


def test_an_answer_to_what_is_not_asked_is_refused_and_never_dropped(trial: Any) -> None:
    visited(trial)
    with Refused("C574"):
        trial.do("ruth", "record", **DAY_9, form="adverse-events", answers={"asked": "no", "any": "yes"})
    told = {"answers": {"asked": "no"}, "missing": {"any": "refused"}}
    with Refused("C574"):
        trial.do("ruth", "record", **DAY_9, form="adverse-events", **told)
    trial.do("ruth", "record", **DAY_9, form="adverse-events", answers={"asked": "no"}, missing={"all": "not-asked"})


def test_nobody_completes_while_an_infusion_runs(trial: Any) -> None:
    infusing(trial)
    trial.clock.at += timedelta(minutes=41)
    with Refused("C501"):
        trial.do("carol", "complete", participant="P-1")
    trial.do("nina", "infusion-stop", participant="P-1", why="the bag was empty")
    trial.do("carol", "complete", participant="P-1")


def test_an_event_does_not_begin_after_it_ended_however_little_is_known_of_either(trial: Any) -> None:
    randomized(trial)
    trial.clock.at += timedelta(days=60)
    event = {"participant": "P-1", "term": "rash", "severity": "mild", "onset": "2027-02-10"}
    trial.do("ivan", "adverse-event", **event, end="2027-02")
    update = {"participant": "P-1", "event": 1, "why": "told otherwise"}
    for onset in ("2027-03", "2027-03-01"):
        with Refused("C550"):
            trial.do("ivan", "adverse-event-update", **update, onset=onset)
    trial.do("ivan", "adverse-event-update", **update, onset="2027")
    trial.do("ivan", "adverse-event-update", **update, onset="unknown")


@pytest.mark.parametrize("content", ["", "{}", '{"equipoise-receipt": 1}'])
def test_a_receipt_cut_short_is_no_receipt(trial: Any, content: str) -> None:
    """A disk that filled up leaves files with nothing in them: as good as none, and named like one that is missing."""
    for id in ("P-1", "P-2"):
        eligible(trial, id)
        trial.do("carol", "day-1", participant=id)
    trial.do("carol", "randomize", participant="P-1")
    path = trial.trial.receipts / "receipt-00001.json"
    whole = path.read_text()
    path.write_text(content)
    with Refused("C077"):
        trial.do("carol", "randomize", participant="P-2")
    assert "C077" in {problem.code for problem in verify(trial.trial).findings}
    trial.do("alice", "renew-receipts", last=1, why="the disk was full")
    assert path.read_text() == whole
    trial.do("carol", "randomize", participant="P-2")
    assert verify(trial.trial).findings == []


def test_vital_signs_at_a_visit_without_an_infusion_are_recorded_there(staged: Any) -> None:
    """A second form of vital signs, which stands first in the file, takes no reading of the infusion."""
    text = protocol_path("ketamine-mbrp-cocaine").read_text("utf-8")
    text = text.replace("\nassessments:\n", "\nassessments:\n  pressure: {type: vitals, label: Blood pressure}\n", 1)
    text = text.replace("    assess: [urine, calendar, craving,", "    assess: [pressure, urine, calendar, craving,", 1)
    protocol = read_protocol_text(text)
    trial = staged(protocol=protocol.with_definitions(definitions_of(protocol)), slots=10)
    hire(trial)
    infusing(trial)
    trial.clock.at += timedelta(minutes=5)
    trial.do("nina", "infusion-vitals", participant="P-1", systolic=120, diastolic=80)
    assert trial.rows("SELECT form, state FROM form WHERE form IN ('pressure', 'infusion-vitals')") == [
        ("infusion-vitals", "recorded")
    ]
    trial.clock.at += timedelta(minutes=36)
    trial.do("nina", "infusion-stop", participant="P-1", why="the bag was empty")
    with Refused("C577"):  # those of the infusion have an action of their own
        trial.do("nina", "record", participant="P-1", visit="infusion", form="infusion-vitals", answers={"systolic": 1})
    trial.clock.at += timedelta(days=7)
    trial.do("carol", "visit", participant="P-1", visit="day-9")
    assert any(row["what"] == "day-9: pressure" for row in trial.do("carol", "due").told["due"])
    with Refused("C574"):
        trial.do("carol", "record", **DAY_9, form="pressure", answers={"systolic": 80, "diastolic": 90})
    with Refused("C570"):
        trial.do("carol", "record", **DAY_9, form="pressure", answers={"systolic": 120, "minute": 5})
    trial.do("carol", "record", **DAY_9, form="pressure", answers={"systolic": 120, "diastolic": 80})
    trial.do("carol", "correct", **DAY_9, form="pressure", answers={"systolic": 130}, why="misread")
    assert not any("pressure" in row["what"] for row in trial.do("carol", "due").told["due"])
    assert verify(trial.trial).findings == []


def test_a_serious_event_learnt_of_after_the_freeze_is_reported_in_time(trial: Any) -> None:
    randomized(trial)
    trial.clock.at += timedelta(days=30)
    trial.do("alice", "freeze")
    event = {"participant": "P-1", "term": "fall", "onset": "2027-02", "severity": "severe", "serious": ["disability"]}
    done = trial.do("ivan", "adverse-event", **event)
    assert [report["report"] for report in done.answer["reports"]]
    assert any("report" in row["what"] for row in trial.do("ivan", "due").told["due"])
    trial.do("ivan", "adverse-event-reported", participant="P-1", event=1, report=done.answer["reports"][0]["report"])
    with Refused("C017"):  # nothing else comes in
        trial.do("carol", "visit", participant="P-1", visit="day-9")
    trial.do("ivan", "sign-off", participant="P-1")
    trial.do("alice", "lock")
    with Refused("C017"):
        trial.do("ivan", "adverse-event", **event)


def test_a_redaction_takes_out_what_was_typed_and_never_what_the_records_are_kept_by(trial: Any) -> None:
    """With its handle taken out of an allocation, nobody could be told the arm, and a slot could be given twice."""
    randomized(trial)
    (handle,) = trial.rows("SELECT handle FROM allocation")[0]
    held = trial.rows("SELECT * FROM allocation"), trial.rows("SELECT * FROM participant")
    for text in (handle, "trial:all", "eligible", "P-1", "main", "given"):
        with Refused("C129"):
            trial.do("alice", "redact", participant="P-1", text=text, why="tried")
    assert held == (trial.rows("SELECT * FROM allocation"), trial.rows("SELECT * FROM participant"))
    trial.do("carol", "withdraw", participant="P-1", scope="visits", why=f"told {handle} to Jane Roe in main street")
    trial.do("alice", "redact", participant="P-1", text=handle, why="typed where all can read it")
    assert trial.rows("SELECT handle FROM allocation") == [(handle,)]
    (reason,) = trial.rows("SELECT value FROM item WHERE item = 'reason'")[0]
    assert reason == ""
    assert trial.do("ivan", "unblind", participant="P-1", why="an overdose", sealed=True).told["arm"]
    assert verify(trial.trial).findings == []


def test_the_date_on_a_receipt_typed_in_after_a_restore_has_bounds(trial: Any, tmp_path: Path) -> None:
    for id in ("P-1", "P-2"):
        eligible(trial, id)
        trial.do("carol", "day-1", participant=id)
    back_up(trial.trial, tmp_path / "b", clock=trial.clock, entropy=trial.entropy)
    handle = trial.do("carol", "randomize", participant="P-1").answer["handle"]
    again = restore(tmp_path / "b", tmp_path / "restored", database="sqlite", clock=trial.clock, entropy=trial.entropy)
    old, trial.trial = trial.trial, again
    trial.sessions.clear()
    asked = {"last": 1, "why": "the site was telephoned"}
    for on, code in (("2027-01-12", "C534"), ("2099-01-01", "C534"), ("2027-01-10", "C535"), ("2027-13-01", "C131")):
        with Refused(code):
            trial.do("alice", "lift-fence", receipts=[f"1 P-1 {handle} on={on}"], **asked)
    trial.do("alice", "lift-fence", receipts=[f"1 P-1 {handle} on=2027-01-11"], **asked)
    assert trial.rows("SELECT participant, handle FROM allocation") == [("P-1", handle)]
    old.close()
    again.close()


@pytest.mark.parametrize("day", ["2020-01-01", "2027-01-09", "2207-01-11"])
def test_the_last_day_of_an_account_has_bounds(trial: Any, day: str) -> None:
    with Refused("C535"):
        trial.do("alice", "expire-account", account="carol", last_day=day, why="contract ends")
    with Refused("C535"):
        trial.do("alice", "add-account", account="tess", person="Tess", roles=["rater"], expires=day)
    trial.do("alice", "add-account", account="tess", person="Tess", roles=["rater", "rater"], expires="2027-01-11")
    assert trial.rows("SELECT roles FROM account WHERE account = 'tess'") == [("rater",)]


def test_a_session_that_did_not_take_place_has_no_date(trial: Any) -> None:
    """The date would stand nowhere: what is typed is kept, or refused."""
    randomized(trial)
    with Refused("C574"):
        trial.do("carol", "session", participant="P-1", session=1, delivered=False, on="2027-01-12")
    trial.do("carol", "session", participant="P-1", session=1, delivered=False)
