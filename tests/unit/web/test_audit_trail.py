"""The audit trail in the browser: who, when, what, why; what may tell the arm has one text, always."""

from __future__ import annotations

import re
from typing import Any

import pytest

from equipoise.conduct.actions import all_actions
from equipoise.conduct.audit_trail.masking import Viewer, line_of
from equipoise.web.acts_in_words import ACTION_WORDS, action_words, subject_words
from equipoise.web.downloads import inert

from .conftest import Desk
from .test_visits import answers, submit, words_of


@pytest.fixture
def infused(desk: Desk) -> Desk:
    desk.enrolled()
    desk.do("nina", "weight", participant="P-1", kg=70)
    desk.do("phil", "dose-sheet", participant="P-1", sealed=True)
    desk.do("petra", "dose-check", participant="P-1", sealed=True)
    desk.do("nina", "infusion-start", participant="P-1")
    return desk


def trail(desk: Desk, who: str, query: str = "") -> str:
    return words_of(desk.client(who).get(f"/audit/{query}").content.decode())


def read(desk: Desk, minute: int, systolic: int) -> None:
    desk.at(2, 14, minute)
    signs = {"systolic": systolic, "diastolic": 82, "pulse": 74, "saturation": 98}
    desk.do("nina", "infusion-vitals", participant="P-1", **signs)


def test_a_correction_stands_with_old_new_and_reason(desk: Desk) -> None:
    desk.enrolled()
    desk.at(9)
    assert submit(desk.client("carol"), answers()).status_code == 303
    place = {"participant": "P-1", "visit": "day-9", "form": "craving"}
    desk.do("carol", "correct", **place, answers={"score": "60"}, why="Misread from paper")
    page = desk.client("mona").get("/audit/?participant=P-1&kind=changes").content.decode()
    assert "<del>38</del> <ins>60</ins>" in page
    assert "Misread from paper" in page
    assert "39 answers" not in words_of(page)  # the filter holds
    everything = trail(desk, "mona", "?participant=P-1")
    for words in ("39 answers", "cocaine: negative", "receipt: 1"):
        assert words in everything, words
    assert "trial:all" not in everything


def test_the_readings_of_an_infusion_are_one_line_whatever_they_say_and_however_many(infused: Desk) -> None:
    read(infused, 5, 128)
    before = trail(infused, "carol", "?participant=P-1")
    assert "running" in before
    read(infused, 10, 195)  # a stop rule: the infusion is held
    read(infused, 11, 191)
    for _ in range(3):
        infused.do("nina", "read-infusion", participant="P-1")
    after = trail(infused, "carol", "?participant=P-1")
    # reading the page, and the page itself, are events: the rest is the same
    said = [re.sub(r"\b\d+\b", "", text.partition("Action")[2]) for text in (before, after)]
    rest = [re.sub(r"\s+", " ", text.replace("audit trail", "").replace("reading", "")) for text in said]
    assert "a reading of an infusion" not in after
    assert "read an infusion" not in after
    assert rest[1].count("infusion") == rest[0].count("infusion")
    for value in ("195", "191", "128"):
        assert value not in after
    assert "held" not in after
    infused.at(2, 14, 40)
    infused.do("nina", "infusion-stop", participant="P-1", why="a stop rule was met")
    ended = trail(infused, "carol", "?participant=P-1")
    assert "stop rule" not in ended
    assert "ended" in ended
    # the safety role reads what is quarantined, and sees that each reading was made; never its value
    safety = trail(infused, "sam", "?participant=P-1")
    assert safety.count("recorded a reading of an infusion") == 3
    assert "195" not in safety


def test_of_the_pharmacy_a_line_says_nothing_and_of_a_broken_code_no_reason(infused: Desk) -> None:
    infused.do("ivan", "unblind", participant="P-1", why="seizure, he had the midazolam", sealed=True)
    for who in ("carol", "mona", "dana"):
        text = trail(infused, who)
        assert "midazolam" not in text, who
        assert "ketamine" not in text.replace("ketamine-mbrp-cocaine", ""), who
        assert "with the safety role" in text
        assert " mg" not in text
    assert "stock" not in trail(infused, "carol")


def test_an_administrator_sees_that_something_was_recorded_and_nothing_of_it(desk: Desk) -> None:
    desk.enrolled()
    desk.at(9)
    assert submit(desk.client("carol"), answers()).status_code == 303
    text = trail(desk, "alice")
    assert "recorded a visit with its forms" in text
    for words in ("38", "negative", "39 answers"):
        assert words not in re.sub(r"\d+:\d\d:\d\d", "", text).replace("event", ""), words


def test_a_query_on_what_is_sealed_is_nobodys_but_the_safety_roles(infused: Desk) -> None:
    read(infused, 5, 128)
    infused.do(
        "sam",
        "query",
        participant="P-1",
        visit="infusion-day-2",
        form="infusion-vitals",
        item="systolic",
        text="Truly?",
    )
    assert "Q-0001" in trail(infused, "sam")
    for who in ("carol", "mona"):
        assert "Q-0001" not in trail(infused, who)


def test_pages_follow_one_another_without_a_gap_and_a_table_has_no_formula(desk: Desk) -> None:
    desk.enrolled()
    for number in range(60):
        desk.do("mona", "query", participant="P-1", text=f"Which {number}?")
    client = desk.client("mona")
    first = client.get("/audit/?participant=P-1")
    older = re.search(r'href="\?([^"]*before=\d+)"', first.content.decode())
    assert older is not None
    second = client.get("/audit/?" + older[1].replace("&amp;", "&"))
    numbers = [
        int(number)
        for page in (first, second)
        for number in re.findall(r'class="num mono">(\d+)<', page.content.decode())
    ]
    rows = desk.staged.rows("SELECT number FROM event WHERE participant = 'P-1' ORDER BY number DESC")
    shown = [row[0] for row in rows if row[0] in numbers]
    assert numbers == sorted(numbers, reverse=True)
    assert shown == numbers
    table = client.get("/audit/?participant=P-1&as=csv")
    assert table["Content-Disposition"].startswith("attachment")
    assert len(table.content.decode().splitlines()) > len(numbers)
    assert [inert(cell) for cell in ("=1+1", "-2", "+3", "@a", "plain", 4)] == [
        "'=1+1",
        "'-2",
        "'+3",
        "'@a",
        "plain",
        "4",
    ]
    assert client.get("/audit/?participant=P-9").status_code == 422
    assert client.get("/audit/?from=never").status_code == 422


def test_an_action_that_nobody_thought_of_says_nothing_of_itself() -> None:
    viewer = Viewer(frozenset({"monitor"}), frozenset())
    content: dict[str, Any] = {"answer": {"arm": "B"}, "secret": "B", "put": {"slot": [{"arm": "B"}]}}
    for name in (*all_actions(), "something-new"):
        event = {"action": name, "content": content, "participant": "P-1", "subject": "", "why": ""}
        line = line_of(event, viewer)
        assert line is None or "B" not in str(line.what), name


def test_every_action_has_words_of_its_own_and_none_is_a_name() -> None:
    beside = {"backup", "init", "lists-sealed", "refused", "restored", "session-ended", "sign-in", "sign-in-refused"}
    assert set(ACTION_WORDS) == set(all_actions()) | beside
    assert len(set(ACTION_WORDS.values())) == len(ACTION_WORDS)
    assert [
        name for name, words in ACTION_WORDS.items() if words in (name, name.replace("-", " ")) or "  " in words
    ] == []
    assert action_words("something-new") == "something new"
    assert subject_words("read-closing", "closing") == ""
    assert subject_words("queries", "queries open") == "open"
    assert subject_words("record", "day-9 craving") == "Visit, day 9 craving"
    assert subject_words("refused", "unblind-for") == "\u201cunblind for\u201d"
