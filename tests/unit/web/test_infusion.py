"""The infusion in the browser without scripts: start, readings, stop, what others see; it is never signed out."""

from __future__ import annotations

import re
from typing import Any

import pytest

from equipoise.web.sessions import ABSOLUTE, IDLE

from .conftest import PASSPHRASE, Desk, key_of, words_of

AT = "/p/P-1/infusion/"
CALM = {"systolic": "124", "diastolic": "80", "pulse": "74", "saturation": "98"}


@pytest.fixture
def running(checked: Desk) -> tuple[Desk, Any]:
    nina = checked.client("nina")
    started = act(nina, "start")
    assert "Running since" in words_of(started), words_of(started)
    return checked, nina


def seen_of(page: Any) -> str:
    found = re.search(r'name="seen" value="([^"]*)"', page.content.decode())
    return found[1] if found else ""


def act(client: Any, what: str, page: Any = None, **given: Any) -> Any:
    page = page or client.get(AT)
    return client.post(AT, {"act": what, "key": given.pop("key", key_of(page)), "seen": seen_of(page), **given})


def state(desk: Desk) -> str:
    return str(desk.staged.rows("SELECT state FROM form WHERE form = 'infusion-sheet'")[0][0])


def test_before_the_check_the_page_says_what_is_missing(desk: Desk) -> None:
    desk.enrolled()
    nina = desk.client("nina")
    assert "No infusion is prepared" in words_of(nina.get(AT))
    desk.do("nina", "weight", participant="P-1", kg="82.4")
    desk.do("phil", "dose-sheet", participant="P-1", sealed=True)
    page = nina.get(AT)
    assert "A second pharmacist checks the sheet" in words_of(page)
    assert "Start infusion" not in words_of(page)
    refused = nina.post(AT, {"act": "start", "key": "k"})
    assert refused.status_code == 422
    assert state(desk) == "prepared"


def test_an_infusion_from_start_to_the_reading_after_it(running: tuple[Desk, Any]) -> None:
    desk, nina = running
    page = nina.get(AT)
    for words in ("Stop the infusion at", "Systolic 180 or above", "Saturation below 90", "Next reading, minute 0"):
        assert words in words_of(page), words
    desk.at(2, 14, 5)
    page = act(nina, "reading", page, **CALM)
    assert page.status_code == 200, words_of(page)
    assert "✓ Recorded." in words_of(page)
    desk.at(2, 14, 10)
    page = act(nina, "reading", page, **{**CALM, "systolic": "131"})
    drawn = re.search(r'aria-label="(Systolic by minute[^"]*)"', page.content.decode())
    assert drawn is not None
    assert re.search(r"minute \S+: 124, minute \S+: 131; stop at &gt;= 180", drawn[1]), drawn[1]
    # the trend goes with the page alone: opened anew it is sealed, and no other session can read it
    assert "Earlier readings are sealed" in words_of(nina.get(AT))
    other = desk.client("nina")
    assert "Earlier readings are sealed" in words_of(other.post(AT, {"act": "refresh", "seen": seen_of(page)}))
    assert "124/80" in words_of(nina.post(AT, {"act": "refresh", "seen": seen_of(page)}))
    refused = act(nina, "stop", page)
    assert refused.status_code == 422
    assert "were given" in words_of(refused)
    desk.at(2, 14, 20)
    page = act(nina, "stop", page, why="line or pump")
    assert "Ended at" in words_of(page)
    desk.at(2, 14, 25)
    page = act(nina, "reading", page, **CALM)
    assert "✓ Recorded." in words_of(page), words_of(page)
    assert desk.staged.rows("SELECT count(*) FROM event WHERE action = 'infusion-vitals'") == [(3,)]


def test_a_reading_now_is_taken_at_any_second(running: tuple[Desk, Any]) -> None:
    desk, nina = running
    for second in range(1, 60, 7):
        desk.staged.clock.at = desk.staged.clock.at.replace(minute=3 + second // 7, second=second)
        page = act(nina, "reading", **CALM)
        assert page.status_code == 200, words_of(page)


def test_a_stop_rule_is_told_to_the_nurse_alone_and_its_reason_says_nothing(running: tuple[Desk, Any]) -> None:
    desk, nina = running
    desk.at(2, 14, 15)
    page = act(nina, "reading", **{**CALM, "systolic": "187"})
    assert "STOP THE INFUSION Systolic 187 mmHg. The protocol stops at 180 or above." in words_of(page)
    assert page.content.decode().count("<title>STOP: P-1") == 1
    assert state(desk) == "held"
    page = act(nina, "stands", page)
    assert "THE PUMP STANDS" in words_of(page)
    for who in ("carol", "ivan", "ruth", "mona", "sam"):
        client = desk.client(who)
        for at in ("/p/P-1/", "/today/", "/p/"):
            text = words_of(client.get(at))
            for canary in ("187", "STOP", "stop rule", "stands", "for the participant's safety"):
                assert canary not in text, (who, at, canary)
        read = desk.do(who, "read", participant="P-1").told
        if who != "sam":  # who sees what is quarantined sees this too
            assert "'held'" not in str(read)
            assert "infusion-run" not in str(read)
    assert act(nina, "rate", page, ml_per_hour="75").status_code == 422
    page = act(nina, "stop", nina.get(AT), why="for the participant's safety")
    assert "Ended at" in words_of(page), words_of(page)
    said = " ".join(why for (why,) in desk.staged.rows("SELECT why FROM event WHERE action LIKE 'infusion%'"))
    assert "rule" not in said
    assert "187" not in said


def test_the_last_reading_is_corrected_with_a_second_person(running: tuple[Desk, Any]) -> None:
    desk, nina = running
    desk.at(2, 14, 15)
    page = act(nina, "reading", **{**CALM, "systolic": "187"})
    given = {**CALM, "systolic": "137"}
    alone = act(nina, "correct", page, **given, second="nina", passphrase=desk.staged.passphrases["nina"])
    assert "Somebody else checks" in words_of(alone)
    wrong = act(nina, "correct", page, **given, second="noel", passphrase="no")
    assert wrong.status_code == 422
    noel = desk.staged.passphrases["noel"]
    page = act(nina, "correct", page, **given, second="noel", passphrase=noel)
    assert "✓ Recorded." in words_of(page), words_of(page)
    assert "137/80" in words_of(page)
    assert "187/80" not in words_of(page)
    assert state(desk) == "held"  # what was stopped stays stopped
    assert desk.staged.rows("SELECT why FROM event WHERE action = 'correct'") == [("slip of the hand, seen by noel",)]


def test_the_same_reading_sent_again_is_one_reading(running: tuple[Desk, Any]) -> None:
    desk, nina = running
    desk.at(2, 14, 5)
    page = nina.get(AT)
    key = key_of(page)
    for _ in range(3):
        sent = act(nina, "reading", page, key=key, **CALM)
        assert sent.status_code == 200, words_of(sent)
    assert desk.staged.rows("SELECT count(*) FROM event WHERE action = 'infusion-vitals'") == [(1,)]


def test_an_unusual_reading_is_asked_about_once_and_an_impossible_one_keeps_what_was_typed(
    running: tuple[Desk, Any],
) -> None:
    desk, nina = running
    desk.at(2, 14, 5)
    page = act(nina, "reading", **{**CALM, "systolic": "1240"})
    assert page.status_code == 422
    assert 'value="1240"' in page.content.decode()
    assert 'value="98"' in page.content.decode()
    page = act(nina, "reading", page, **{**CALM, "pulse": "47"})
    if page.status_code == 422:
        name = re.search(r'name="confirm" value="([^"]+)"', page.content.decode())
        assert name is not None, words_of(page)
        page = act(nina, "reading", page, **{**CALM, "pulse": "47"}, confirm=name[1])
    assert page.status_code == 200, words_of(page)
    assert act(nina, "reading", page).status_code == 422  # nothing typed


def test_a_running_infusion_is_never_signed_out_and_everything_else_is(running: tuple[Desk, Any]) -> None:
    desk, nina = running
    page = nina.get(AT)
    for passed in (IDLE + 1, IDLE * 3, ABSOLUTE):
        desk.ticks[0] += passed
        desk.staged.clock.at = desk.staged.clock.at.replace(minute=desk.staged.clock.at.minute + 2)
        assert nina.get("/p/P-1/")["Location"].startswith("/sign-in/")
        assert nina.get("/p/P-2/infusion/").status_code == 302
        page = act(nina, "reading", page, **CALM)
        if passed == ABSOLUTE:  # no sign of life in ten hours
            assert page.status_code == 302
        else:
            assert page.status_code == 200, words_of(page)
            assert "ended for every other page" in words_of(page)
    assert desk.staged.rows("SELECT count(*) FROM event WHERE action = 'infusion-vitals'") == [(2,)]


def test_a_session_without_an_infusion_ends_as_ever(checked: Desk) -> None:
    nina = checked.client("nina")
    nina.get(AT)
    checked.ticks[0] += IDLE
    assert nina.get(AT).status_code == 302
    assert PASSPHRASE  # and so does one whose infusion and readings are over
    nina = checked.client("nina")
    page = act(nina, "start")
    checked.at(2, 14, 41)
    page = act(nina, "stop", page)
    assert "Ended at" in words_of(page), words_of(page)
    checked.at(2, 16, 30)
    checked.ticks[0] += 14 * 60
    assert nina.get(AT).status_code == 200
    checked.ticks[0] += 2 * 3600
    assert nina.get(AT).status_code == 302
