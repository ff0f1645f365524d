"""Corrections in the browser: old and new side by side, the reason, what changes with it; and somebody was faster."""

from __future__ import annotations

import re
from typing import Any

import pytest

from .conftest import Desk, hidden_of, key_of
from .test_visits import answers, submit, values

AT = "/p/P-1/correct/"


@pytest.fixture
def recorded(desk: Desk) -> Desk:
    desk.enrolled()
    desk.at(9)
    assert submit(desk.client("carol"), answers()).status_code == 303
    return desk


def typed(page: Any, **given: str) -> dict[str, str]:
    """What a page would send: its hidden fields, and what is typed."""
    sent = {name: hidden_of(page, name) for name in ("key", "seen", "visit", "form", "repeat")}
    if 'name="looked"' in page.content.decode():
        sent["looked"] = hidden_of(page, "looked")
    return {**sent, **given}


def test_a_value_is_corrected_with_its_reason_after_what_it_changes_was_shown(recorded: Desk) -> None:
    client = recorded.client("carol")
    assert "/p/P-1/correct/?visit=day-9&amp;form=craving" in client.get("/p/P-1/visit/day-9/").content.decode()
    page = client.get(f"{AT}?visit=day-9&form=stress")
    given = {"v.1": "4", "slip": "misread", "act": "look"}
    before = recorded.staged.rows("SELECT count(*) FROM event WHERE action = 'correct'")
    looked = client.post(AT, typed(page, **given))
    assert looked.status_code == 200
    text = looked.content.decode()
    assert "<del>1</del>" in text
    assert "<ins>4</ins>" in text
    assert "Score: " in text
    # looking keeps nothing
    assert recorded.staged.rows("SELECT count(*) FROM event WHERE action = 'correct'") == before
    assert values(recorded, "stress")["1"] == "1"
    done = client.post(AT, typed(looked, **{**given, "act": "record"}))
    assert done.status_code == 303
    assert values(recorded, "stress")["1"] == "4"
    assert recorded.staged.rows("SELECT why FROM event WHERE action = 'correct'") == [("Misread from paper",)]
    receipt = client.get(done["Location"]).content.decode()
    assert "P-1, correction" in receipt
    assert "(before: 1)" in receipt
    # the same again is the same receipt
    again = client.post(AT, typed(looked, **{**given, "act": "record"}))
    assert again["Location"] == done["Location"]
    assert recorded.staged.rows("SELECT count(*) FROM event WHERE action = 'correct'") == [(1,)]


def test_nothing_is_recorded_without_a_reason_or_before_what_changes_was_seen(recorded: Desk) -> None:
    client = recorded.client("carol")
    page = client.get(f"{AT}?visit=day-9&form=craving")
    for given in (
        {"v.score": "39", "act": "record", "slip": "slip"},  # never looked at
        {"v.score": "39", "act": "look", "slip": ""},
        {"v.score": "39", "act": "look", "slip": "other"},
        {"v.score": "162", "act": "look", "slip": "slip"},
        {"v.score": "38", "act": "look", "slip": "slip"},  # nothing differs
    ):
        answered = client.post(AT, typed(page, **given))
        assert answered.status_code in (200, 422), given
        assert values(recorded, "craving") == {"score": "38"}
    looked = client.post(AT, typed(page, **{"v.score": "39", "act": "look", "slip": "slip"}))
    # something else typed after looking is looked at first
    answered = client.post(AT, typed(looked, **{"v.score": "40", "act": "record", "slip": "slip"}))
    assert "<ins>40</ins>" in answered.content.decode()
    assert values(recorded, "craving") == {"score": "38"}


def test_somebody_was_faster_and_both_values_stand_side_by_side(recorded: Desk) -> None:
    carol, cody = recorded.client("carol"), recorded.client("cody")
    page = carol.get(f"{AT}?visit=day-9&form=craving")
    other = cody.get(f"{AT}?visit=day-9&form=craving")
    given = {"v.score": "60", "slip": "slip"}
    looked = cody.post(AT, typed(other, **given, act="look"))
    mine = carol.post(AT, typed(page, **{"v.score": "36", "slip": "slip", "act": "look"}))
    assert cody.post(AT, typed(looked, **given, act="record")).status_code == 303
    late = carol.post(AT, typed(mine, **{"v.score": "36", "slip": "slip", "act": "record"}))
    text = late.content.decode()
    assert late.status_code == 422
    assert "Another person recorded this while you typed" in text
    assert "cody, coordinator recorded this" in text
    assert "<td>60</td><td>36</td>" in text
    assert values(recorded, "craving") == {"score": "60"}
    looked = carol.post(AT, typed(late, **{"v.score": "36", "slip": "slip", "act": "look"}))
    assert carol.post(AT, typed(looked, **{"v.score": "36", "slip": "slip", "act": "record"})).status_code == 303
    assert values(recorded, "craving") == {"score": "36"}


def test_the_action_itself_refuses_values_that_changed_meanwhile(recorded: Desk) -> None:
    from equipoise.foundation.errors import ConductError

    place = {"participant": "P-1", "visit": "day-9", "form": "craving"}
    seen = recorded.staged.rows("SELECT event_number FROM form WHERE visit = 'day-9' AND form = 'craving'")[0][0]
    recorded.do("carol", "correct", **place, answers={"score": "40"}, why="slip", as_of=seen)
    with pytest.raises(ConductError) as refused:
        recorded.do("cody", "correct", **place, answers={"score": "41"}, why="slip", as_of=seen)
    assert [problem.code for problem in refused.value.problems] == ["C632"]


def test_a_visit_that_somebody_recorded_meanwhile_shows_theirs_beside_mine(desk: Desk) -> None:
    desk.enrolled()
    desk.at(9)
    carol, cody = desk.client("carol"), desk.client("cody")
    keys = [key_of(one.get("/p/P-1/visit/day-9/")) for one in (carol, cody)]
    assert submit(carol, answers(), keys[0]).status_code == 303
    page = submit(cody, answers(**{"craving.score": "70"}), keys[1]).content.decode()
    assert "Somebody recorded Craving (VAS) while you typed" in page
    assert "<td>38</td><td>70</td>" in page
    event = desk.staged.rows("SELECT event_number FROM form WHERE visit = 'day-9' AND form = 'craving'")[0][0]
    sent = {"visit": "day-9", "form": "craving", "seen": str(event), "v.score": "70", "act": "mine"}
    mine = cody.post(AT, sent)
    assert mine.status_code == 200
    assert 'value="70"' in mine.content.decode()
    assert values(desk, "craving") == {"score": "38"}


def test_an_age_that_ends_eligibility_says_so_before_it_is_recorded(desk: Desk) -> None:
    desk.at(1)
    desk.do("carol", "screen", participant="P-1", site="main")
    desk.do("carol", "consent", participant="P-1", version="1.0")
    desk.do("carol", "baseline", participant="P-1", values={"age": 41, "route": "intranasal"})
    desk.do("ivan", "eligibility", participant="P-1", attested={"dependent": True, "seeking": True})
    client = desk.client("carol")
    page = client.get(f"{AT}?visit=baseline&form=baseline")
    looked = client.post(AT, typed(page, **{"v.age": "16", "slip": "misread", "act": "look"}))
    assert "The decision on eligibility falls" in looked.content.decode()
    assert desk.staged.rows("SELECT status FROM participant") == [("eligible",)]
    done = client.post(AT, typed(looked, **{"v.age": "16", "slip": "misread", "act": "record"}))
    assert done.status_code == 303
    assert desk.staged.rows("SELECT status FROM participant") == [("consented",)]


def test_the_date_of_a_visit_and_a_weight_are_corrected(recorded: Desk) -> None:
    client = recorded.client("carol")
    page = client.get(f"{AT}?visit=day-9&form=")
    given = {"v.(date)": "15 Mar 2027", "slip": "misread"}
    looked = client.post(AT, typed(page, **given, act="look"))
    assert client.post(AT, typed(looked, **given, act="record")).status_code == 303
    assert recorded.staged.rows("SELECT date FROM visit WHERE visit = 'day-9'") == [("2027-03-15",)]
    recorded.do("nina", "weight", participant="P-1", kg=70)
    page = client.get(f"{AT}?visit=weight&form=weight&repeat=1")
    given = {"v.kg": "71", "slip": "slip"}
    looked = client.post(AT, typed(page, **given, act="look"))
    assert client.post(AT, typed(looked, **given, act="record")).status_code == 303
    assert values(recorded, "weight")["kg"] == "71"


def test_what_should_not_have_been_recorded_is_taken_back(recorded: Desk) -> None:
    client = recorded.client("carol")
    at = "/p/P-1/entered-in-error/"
    page = client.get(f"{at}?visit=day-9&form=urine")
    looked = client.post(at, typed(page, slip="other", words="another participant's sample", act="look"))
    assert "It is taken back" in looked.content.decode()
    assert values(recorded, "urine") == {"cocaine": "negative"}
    sent = typed(looked, slip="other", words="another participant's sample", act="record")
    assert client.post(at, sent).status_code == 303
    assert recorded.staged.rows("SELECT state FROM form WHERE form = 'urine'") == [("entered_in_error",)]
    records = client.get("/p/P-1/records/").content.decode()
    assert "taken back" in records


def test_what_is_sealed_is_corrected_by_the_people_at_the_infusion_and_told_whole(recorded: Desk) -> None:
    recorded.do("carol", "visit", participant="P-1", visit="infusion", on="2027-03-09", why="entered late")
    nina, at = recorded.client("nina"), f"{AT}?visit=infusion&form=dissociation"
    recorded.do("nina", "record", participant="P-1", visit="infusion", form="dissociation", answers={"score": 41})
    for who in ("carol", "ruth"):
        answered = recorded.client(who).get(at)
        assert answered.status_code in (403, 422), who
        assert "41" not in re.sub(r"<[^>]*>", " ", answered.content.decode()).partition("Ledger")[0]
    page = nina.get(at)
    assert "sealed" in page.content.decode()
    looked = nina.post(AT, typed(page, **{"v.score": "14", "slip": "slip", "act": "look"}))
    assert "41" not in re.search(r"<main.*</main>", looked.content.decode(), re.S)[0]  # type: ignore[index]
    done = nina.post(AT, typed(looked, **{"v.score": "14", "slip": "slip", "act": "record"}))
    assert done.status_code == 303
    assert "sealed until the lock" in nina.get(done["Location"]).content.decode()
