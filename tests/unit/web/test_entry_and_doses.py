"""Enrolment where nobody is randomized, and injections as given: through pages alone, by those whose they are."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest

from .conftest import Desk, desk_of, key_of, post


def sister(staged: Any, name: str) -> Desk:
    """A desk of a bundled trial, with everybody and drug on the shelf."""
    from conduct.test_sister_first_participant import people

    from equipoise.workflow.library import read_protocol

    protocol = read_protocol(name)
    made = staged(protocol=protocol)
    people(made, protocol)
    return desk_of(made)


@pytest.mark.parametrize("name", ["biopsychosocial-programme", "ketamine-depression-course"])
def test_somebody_is_enrolled_at_a_page_where_nobody_is_randomized(name: str, staged: Any) -> None:
    desk = sister(staged, name)
    desk.staged.enrol("P-1")
    carol = desk.client("carol")
    person = carol.get("/p/P-1/").content.decode()
    assert "Steps to enrolment" in person
    assert 'href="/p/P-1/enrol/"' in person
    assert "/p/P-1/randomize/" not in person
    assert "Break the code" not in desk.client("ivan").get("/p/P-1/").content.decode()
    assert carol.get("/p/P-1/randomize/")["Location"] == "/p/P-1/enrol/"
    shown = carol.get("/p/P-1/enrol/").content.decode()
    assert "the treatment that everybody gets" in shown
    assert "slot" not in shown
    refused = post(carol, "/p/P-1/enrol/", participant="P-2")
    assert refused.status_code == 422
    assert "Not enrolled" in refused.content.decode()
    assert desk.staged.rows("SELECT status FROM participant") == [("eligible",)]
    made = post(carol, "/p/P-1/enrol/", participant="P-1")
    assert made.status_code == 303
    assert "✓ Recorded: P-1, enrol" in carol.get(made["Location"]).content.decode()
    assert desk.staged.rows("SELECT status FROM participant") == [("enrolled",)]
    assert "P-1 is enrolled" in carol.get("/p/P-1/enrol/").content.decode()
    # a course whose day 1 is the first infusion is told that day here
    day_1 = desk.staged.rows("SELECT day_1 FROM participant")[0][0]
    assert ('href="/p/P-1/day-1/"' in carol.get("/p/P-1/").content.decode()) == (not day_1)


def test_a_trial_that_randomizes_has_no_page_of_enrolment(desk: Desk) -> None:
    desk.staged.enrol("P-1")
    carol = desk.client("carol")
    assert carol.get("/p/P-1/enrol/")["Location"] == "/p/P-1/randomize/"
    key = key_of(carol.get("/p/P-1/randomize/"))
    refused = carol.post("/p/P-1/enrol/", {"participant": "P-1", "key": key})
    assert refused.status_code == 422
    assert "The protocol randomizes." in refused.content.decode()
    assert desk.staged.rows("SELECT status FROM participant") == [("eligible",)]


def test_a_nurse_records_an_injection_at_a_page_that_never_names_the_drug(staged: Any) -> None:
    from conduct.test_sister_first_participant import enter

    from equipoise.workflow.library import read_protocol

    desk = sister(staged, "ketamine-kpt-heroin-dose")
    enter(desk.staged, read_protocol("ketamine-kpt-heroin-dose"), "P-1")
    nina, at = desk.client("nina"), "/p/P-1/dose-given/"
    assert f'href="{at}"' in nina.get("/p/P-1/").content.decode()
    assert "/p/P-1/infusion/" not in nina.get("/p/P-1/").content.decode()
    assert "None is prepared" in nina.get(at).content.decode()
    assert f'href="{at}"' in nina.get("/today/").content.decode()
    desk.do("nina", "weight", participant="P-1", kg="70")
    desk.do("phil", "dose-sheet", participant="P-1", sealed=True)
    covered = nina.get(at).content.decode()
    assert "A second pharmacist checks the sheet" in covered
    assert "Record as given" not in covered
    desk.do("petra", "dose-check", participant="P-1", sealed=True)
    shown = nina.get(at).content.decode()
    assert "Study injection 2.8 mL, intramuscular" in shown
    for word in ("ketamine", "140", "14.0", " mg"):
        assert word not in shown.replace("ketamine-kpt-heroin-dose", ""), word
    for given, said in (
        ({"ml": "1.4"}, "reason"),
        ({"ml": "9"}, "2.8 mL that were prepared"),
        ({"at": "23:59"}, "lies in the future"),
        ({"ml": "much"}, "much"),
    ):
        refused = post(nina, at, **given)
        assert refused.status_code == 422, given
        assert said in refused.content.decode(), (given, re.findall("<li>.*?</li>", refused.content.decode())[-6:])
    assert desk.staged.rows("SELECT count(*) FROM item WHERE form = 'dose-given'") == [(0,)]
    made = post(nina, at, ml="1.4", where="left deltoid", why="the needle bent")
    assert made.status_code == 303
    assert nina.get(made["Location"]).status_code == 200
    after = nina.get(at).content.decode()
    assert "Day 1: 1.4 mL" in after
    assert "left deltoid" in after
    assert "Record as given" not in after
    # who does not give doses does not open it
    assert desk.client("carol").get(at).status_code == 403


def test_somebody_enrolled_where_nobody_is_randomized_gets_injections_by_the_same_pages(staged: Any) -> None:
    from conduct.test_randomization_running import made
    from conduct.test_sister_first_participant import enter, people

    from equipoise.workflow.library import protocol_path

    text = protocol_path("ketamine-depression-course").read_text("utf-8")
    strength = "    concentration: {value: null, assumed: 50 mg/mL, basis: ours}\n"
    for old, new in (
        ("    type: infusion\n", "    type: injection\n"),
        ("    over: 45 min\n", strength),
        ("route: intravenous", "route: intramuscular"),
    ):
        assert old in text
        text = text.replace(old, new, 1)
    protocol = made(text)
    desk = desk_of(staged(protocol=protocol))
    people(desk.staged, protocol)
    enter(desk.staged, protocol, "P-1")
    nina = desk.client("nina")
    person = nina.get("/p/P-1/").content.decode()
    assert "Injection or spray" in person
    assert "learned the arm" not in person  # there is none
    assert "Dose of day 1" in nina.get("/today/").content.decode()
    desk.do("nina", "weight", participant="P-1", kg="70")
    desk.do("phil", "dose-sheet", participant="P-1", sealed=True)
    desk.do("petra", "dose-check", participant="P-1", sealed=True)
    assert "Study injection 0.7 mL" in nina.get("/p/P-1/dose-given/").content.decode()
    assert post(nina, "/p/P-1/dose-given/", where="left deltoid").status_code == 303
    assert desk.staged.rows("SELECT status, treatment FROM participant") == [("enrolled", "begun")]


def test_what_comes_before_the_entry_into_the_trial_is_refused_with_a_code(staged: Any) -> None:
    from equipoise.foundation.errors import ConductError

    desk = sister(staged, "ketamine-kpt-heroin-repeated")
    desk.staged.enrol("P-1")
    desk.do("nina", "weight", participant="P-1", kg="70")
    with pytest.raises(ConductError, match="C501"):
        desk.do("phil", "dose-sheet", participant="P-1", day=-2, sealed=True)
    desk.do("carol", "randomize", participant="P-1")
    desk.staged.clock.at += timedelta(hours=1)
    with pytest.raises(ConductError, match=r"C522.*\n.*study day -2 comes before the entry into the trial"):
        desk.do("phil", "dose-sheet", participant="P-1", day=-2, sealed=True, why="it was given")
    assert desk.staged.rows("SELECT count(*) FROM form WHERE form = 'dose-sheet'") == [(0,)]
