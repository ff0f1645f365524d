"""Canaries: after a dose, a stopped infusion and a broken code, no page of a blinded role holds a word of it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from equipoise.web.policy import POLICY

from .conftest import PASSPHRASE, Desk, key_of
from .test_infusion import CALM
from .test_infusion import act as at_the_bedside
from .test_policy import PEOPLE, address, pages

UNBLINDED = ("pharmacist", "unblinded-statistician")
# The arms of a trial are no secret, and the protocol names them: its pages show the text to who adopts it.
OF_THE_PROTOCOL = frozenset({"protocol", "amend", "amendment"})


@pytest.fixture
def told(desk: Desk) -> tuple[Desk, list[str]]:
    """A trial in which everything that tells an arm has happened; and the words and numbers that would tell it."""
    desk.enrolled()
    desk.do("nina", "weight", participant="P-1", kg="83.7")
    desk.do("phil", "dose-sheet", participant="P-1", sealed=True)
    mg = desk.do("petra", "dose-check", participant="P-1", sealed=True).told["prepared_mg"]
    nina = desk.client("nina")
    at_the_bedside(nina, "start")
    desk.at(2, 14, 15)
    page = at_the_bedside(nina, "reading", **{**CALM, "systolic": "193"})
    at_the_bedside(nina, "stands", page)
    at_the_bedside(nina, "stop", nina.get("/p/P-1/infusion/"), why="for the participant's safety")
    ivan, at = desk.client("ivan"), "/p/P-1/unblind/"
    given = {"key": key_of(ivan.get(at)), "why": "treated elsewhere", "passphrase": PASSPHRASE}
    assert ivan.post(at, given).status_code == 200
    desk.at(9)
    # a number alone stands in many a hash
    return desk, [f"{mg} mg", "midazolam", "ketamine", "Midazolam", "Ketamine", "193 mmHg", "193/80"]


def test_no_page_header_error_or_log_of_a_blinded_role_holds_a_word_of_it(
    told: tuple[Desk, list[str]], caplog: pytest.LogCaptureFixture
) -> None:
    desk, canaries = told
    caplog.set_level(logging.DEBUG)
    seen = 0
    for role, who in PEOPLE.items():
        if role in UNBLINDED:
            continue
        client = desk.client(who)
        for name, page in pages().items():
            if name in OF_THE_PROTOCOL:
                continue
            answers: list[Any] = [client.get(address(page))]
            if role not in POLICY[name]:
                answers.append(client.post(address(page), {"key": "k"}))
            for answered in answers:
                said = f"{answered.content.decode(errors='replace')} {dict(answered.headers)}"
                said = said.replace("ketamine-mbrp-cocaine", "")
                found = [canary for canary in canaries if canary in said]
                assert found == [], (role, name, found)
                seen += 1
    assert seen > 200
    log = caplog.text.replace("ketamine-mbrp-cocaine", "")
    assert [canary for canary in canaries[1:] if canary in log] == []


def test_the_canaries_are_there_for_those_who_may_know(told: tuple[Desk, list[str]]) -> None:
    desk, canaries = told
    sheet = desk.client("phil").get("/pharmacy/P-1/day-2/").content.decode()
    assert canaries[0] in sheet
    assert any(word in sheet.replace("ketamine-mbrp-cocaine", "") for word in canaries[1:3])
