"""Numbers that stand for words are asked and shown in words: the guess of the arm, yes and no, receipts, progress."""

from __future__ import annotations

from typing import Any

import pytest

from equipoise.web.acts_in_words import receipt_words

from .conftest import Desk, key_of, post, words_of


@pytest.fixture
def at_discharge(desk: Desk) -> Desk:
    desk.enrolled()
    desk.at(5)
    return desk


def test_a_guess_of_the_arm_is_asked_by_name_and_kept_as_its_number(at_discharge: Desk) -> None:
    desk, at = at_discharge, "/p/P-1/visit/discharge/"
    carol = desk.client("carol")
    page = carol.get(at).content.decode()
    guess = page[page.index("<fieldset data-names-arms") :]
    guess = guess[: guess.index("</fieldset>")]
    names = [guess.index(word) for word in ("Does not know", "Ketamine + MBRP", "Midazolam + MBRP")]
    assert names == sorted(names)  # by name, whichever the protocol has first
    typed = {"arm-guess.participant": "2", "arm-guess.clinician": "0", "adverse-events.told": "none"}
    sent = {"key": key_of(carol.get(at)), "act": "submit", "on": "today", "by": "person", **typed}
    done = carol.post(at, sent)
    assert done.status_code == 303, words_of(done)
    rows = desk.staged.rows("SELECT item, value FROM item WHERE form = 'arm-guess' ORDER BY item")
    assert rows == [("clinician", "0"), ("participant", "2")]
    shown = words_of(carol.get(at))
    arms = list(desk.staged.trial.protocol(desk.staged.trial.protocol_hash).arm_ids)
    assert arms[1].capitalize() in shown
    assert "Does not know" in shown
    assert words_of(carol.get(done["Location"])).startswith("✓ Recorded: P-1")


def test_the_question_at_six_months_is_answered_by_yes_or_no(at_discharge: Desk) -> None:
    desk = at_discharge
    desk.at(180)
    page = desk.client("carol").get("/p/P-1/visit/six-month-call/").content.decode()
    at = page.index('name="telephone-report.abstinent" value="1"')
    assert "<span>Yes" in page[at : at + 200]


def test_a_receipt_says_what_was_recorded_and_not_the_name_of_the_action() -> None:
    from equipoise.conduct.actions import all_actions
    from equipoise.conduct.actions.permissions import READING

    plain = {"adverse-event", "baseline", "consent", "consent-document", "copy", "cut", "death", "eligibility"}
    plain |= {"found-again", "randomized-in-error", "screening-failure", "visit-missed", "visit-forms", "visit"}
    own = {name for name in all_actions() if name.startswith(("infusion", "dose", "stock", "diary", "consent-sign"))}
    for name in all_actions().keys() - READING - plain - own - {"sign-out", "record"}:
        assert receipt_words(name) != name.replace("-", " "), name


def test_progress_counts_those_enrolled_where_nobody_is_randomized(staged: Any) -> None:
    from .test_entry_and_doses import sister

    desk = sister(staged, "biopsychosocial-programme")
    desk.staged.enrol("P-1")
    assert post(desk.client("carol"), "/p/P-1/enrol/", participant="P-1").status_code == 303
    said = words_of(desk.client("mona").get("/progress/"))
    assert "1 enrolled" in said
    assert "Enrolled, month by month" in said
    assert "andomized" not in said


def test_the_infusions_of_a_rehearsal_go_on_at_the_rate_of_each_step_and_end_with_the_bag() -> None:
    from datetime import date
    from types import SimpleNamespace

    from equipoise.conduct.rules.dose import open_sheet
    from equipoise.web.rehearsal import Way
    from equipoise.workflow.library import read_protocol

    sheet = open_sheet(read_protocol("ketamine-mbrp-cocaine-replication"), 1)
    assert sheet.minutes == 52
    done: list[Any] = []
    person = SimpleNamespace(
        book=SimpleNamespace(at=lambda day, hour, do: (done.append(round((hour - 10) * 60, 6)), do())),
        do=lambda who, action, **given: done.append((who, action, given)),
    )
    Way._next_steps(person, sheet, date(2027, 3, 8), 10.0, 52.0)
    assert done == [2.0, ("nina", "infusion-rate", {"ml_per_hour": "50.4"})]  # 8 mL in 2 min, then 42 mL in 50
    Way._next_steps(person, sheet, date(2027, 3, 8), 10.0, 1.5)
    assert len(done) == 2  # stopped in the first step
