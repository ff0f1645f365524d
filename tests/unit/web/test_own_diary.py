"""The participant's own page: link, PIN, days told once, and nothing that anybody else's page knows."""

from __future__ import annotations

import re
from typing import Any

from equipoise.web.policy import OWN_PAGES
from equipoise.web.sessions import IDLE
from equipoise.web.throttle import TRIES

from .conftest import Desk, given_link, key_of

PIN = "407192"


def opened(desk: Desk, link: str) -> Any:
    """A phone on which the PIN was chosen."""
    phone = desk.client()
    answered = phone.post(link, {"pin": PIN, "again": PIN})
    assert (answered.status_code, answered["Location"]) == (302, link), answered.content.decode()
    return phone


def day(**more: str) -> dict[str, str]:
    return {
        "on": "2027-03-14",
        "used.cocaine": "yes",
        "amount.cocaine": "1.5",
        "unit.cocaine": "g",
        "craving.craving": "38",
        **more,
    }


def test_a_card_is_shown_once_with_a_code_and_the_diary_opens_by_link_and_pin(at_day_9: Desk) -> None:
    carol, at = at_day_9.client("carol"), "/p/P-1/diary-link/"
    key = key_of(carol.get(at))
    card = carol.post(at, {"key": key}).content.decode()
    assert "<svg" in card
    assert "<svg" not in carol.post(at, {"key": key}).content.decode().partition("<main")[2]  # sent again: shown once
    link = re.search(r"http://localhost(/my/[^<]+/)</p>", card)[1]  # type: ignore[index]
    phone = at_day_9.client()
    assert "Choose a PIN" in phone.get(link).content.decode()
    for pin, again, words in (
        ("407192", "407193", "differ"),
        ("123456", "123456", "among the first that anybody would try"),
        ("12", "12", "six digits"),
    ):
        refused = phone.post(link, {"pin": pin, "again": again})
        assert refused.status_code == 422
        assert words in refused.content.decode()
    assert phone.post(link, {"pin": PIN, "again": PIN}).status_code == 302
    page = phone.get(link).content.decode()
    assert "Tell a day" in page
    for word in ("ketamine", "midazolam", "arm"):
        assert not re.search(rf"\b{word}\b", page.replace("ketamine-mbrp-cocaine", "")), word
    other = at_day_9.client()
    assert "The PIN that you chose" in other.get(link).content.decode()
    assert other.post(link, {"pin": "407193"}).status_code == 403
    assert other.post(link, {"pin": PIN}).status_code == 302


def test_a_day_is_told_once_without_scripts_and_staff_see_who_told_it(at_day_9: Desk) -> None:
    link = given_link(at_day_9)
    phone = opened(at_day_9, link)
    key = key_of(phone.get(link))
    told = phone.post(f"{link}day/", day(key=key))
    assert told.status_code == 303
    again = phone.post(f"{link}day/", day(key=key))
    assert again["Location"] == told["Location"]
    page = phone.get(told["Location"]).content.decode()
    assert "✓ Recorded: Sun 14 Mar, 2 days ago" in page
    assert "Cocaine: 1.5 g" in page
    assert at_day_9.staged.rows("SELECT count(*) FROM event WHERE action = 'diary'") == [(1,)]
    other = phone.post(f"{link}day/", day(key="another"))
    assert other.status_code == 422
    assert "was reported before" in other.content.decode()
    wrong = phone.post(f"{link}day/", day(on="2027-03-15", key="third", **{"craving.craving": "162"}))
    assert wrong.status_code == 422
    assert 'value="162"' in wrong.content.decode()
    for who in ("carol", "mona", "ruth"):
        page = at_day_9.client(who).get("/p/P-1/diary/").content.decode()
        assert "the participant" in page, who
        assert "1 day late" in page
    assert at_day_9.client("phil").get("/p/P-1/diary/").status_code == 403


def test_to_the_script_a_day_is_answered_by_its_receipt_and_never_recorded_twice(at_day_9: Desk) -> None:
    link = given_link(at_day_9)
    phone = opened(at_day_9, link)
    json = {"headers": {"Accept": "application/json"}}
    given = day(key="made-on-the-phone", made="2027-03-14T22:10:00Z")
    replies = [phone.post(f"{link}day/", given, **json).json() for _ in range(3)]
    assert {reply["events"] for reply in replies} == {replies[0]["events"]}
    assert at_day_9.staged.rows("SELECT count(*) FROM event WHERE action = 'diary'") == [(1,)]
    page = at_day_9.client("carol").get("/p/P-1/diary/").content.decode()
    assert "made Sun 14 Mar, 18:10 EDT by the phone" in page
    refused = phone.post(f"{link}day/", day(key="k2"), **json)
    assert (refused.status_code, refused.json()["codes"]) == (422, ["C601"])
    at_day_9.ticks[0] += IDLE
    assert phone.post(f"{link}day/", day(on="2027-03-15", key="k3"), **json).status_code == 401
    assert phone.get(f"{link}state/").json()["signed_in"] is False


def test_a_link_that_ended_or_never_was_is_not_there_for_anybody(at_day_9: Desk) -> None:
    from .test_policy import address, pages

    link = given_link(at_day_9)
    phone = opened(at_day_9, link)
    second = given_link(at_day_9)
    for where in (link, "/my/1-AAAA/", "/my/x/", f"{second[:-1]}A/", "/my/999999-AAAA-BBBB/"):
        for client in (phone, at_day_9.client(), at_day_9.client("carol")):
            assert client.get(where).status_code == 404, where
            assert client.post(where, {"pin": PIN, "again": PIN}).status_code == 404, where
    every = pages()
    for name in OWN_PAGES:
        if "<link>" in every[name].address:
            assert phone.get(address(every[name])).status_code == 404, name
    answered = at_day_9.client("carol").post("/p/P-1/diary-link-end/", {"key": "k", "why": "telephone lost"})
    assert answered.status_code == 303
    assert phone.get(second).status_code == 404


def test_the_session_of_a_phone_opens_nothing_else_and_no_staff_session_opens_the_diary(at_day_9: Desk) -> None:
    at_day_9.do("carol", "screen", participant="P-2", site="main")
    at_day_9.do("carol", "consent", participant="P-2", version="1.0")
    one, two = given_link(at_day_9), given_link(at_day_9, "P-2")
    phone = opened(at_day_9, one)
    assert phone.cookies["equipoise-diary"]["path"] == "/my/"
    assert "PIN" in phone.get(two).content.decode()
    assert phone.post(f"{two}day/", day(key="k")).status_code == 401
    token = phone.cookies["equipoise-diary"].value
    phone.cookies["equipoise-session"] = token  # put by hand where staff have theirs
    for at in ("/today/", "/p/", "/p/P-1/", "/audit/", "/passphrase/", "/"):
        assert phone.get(at).status_code in (403, 404), at
    staff = at_day_9.client("carol")
    staff.cookies["equipoise-diary"] = staff.cookies["equipoise-session"].value
    assert "Choose a PIN" in staff.get(two).content.decode()
    assert staff.post(f"{one}day/", day(key="k")).status_code == 401
    assert at_day_9.staged.rows("SELECT count(*) FROM event WHERE action = 'diary'") == [(0,)]


def test_wrong_pins_make_the_link_wait_and_then_the_address(at_day_9: Desk) -> None:
    link = given_link(at_day_9)
    opened(at_day_9, link)
    stranger = at_day_9.client()
    for number in range(5):
        assert stranger.post(link, {"pin": f"20{number}917"}).status_code == 403
    assert stranger.post(link, {"pin": PIN}).status_code == 403
    for number in range(TRIES):
        stranger.post(link, {"pin": f"30{number:02d}91"})
    assert stranger.post(link, {"pin": PIN}).status_code == 429


def test_what_a_phone_installs_is_for_its_own_addresses_and_holds_nothing_told(at_day_9: Desk) -> None:
    link = given_link(at_day_9)
    phone = opened(at_day_9, link)
    phone.post(f"{link}day/", day(key="k"))
    manifest = phone.get(f"{link}manifest.json")
    assert manifest["Content-Type"] == "application/manifest+json"
    assert manifest.json()["scope"] == link
    kept = phone.get(f"{link}offline/").content.decode()
    assert "No connection" in kept
    for told in ("1.5", "38", "14 Mar", "csrfmiddlewaretoken"):
        assert told not in kept, told
    worker = phone.get("/my/worker.js")
    assert worker["Content-Type"].startswith("text/javascript")
    assert "{mark}" not in worker.content.decode()
    for at in (link, f"{link}state/", f"{link}offline/"):
        answered = phone.get(at)
        assert answered["Cache-Control"] == "no-store"
        assert answered["Referrer-Policy"] == "same-origin"  # the address is the key
        assert "unsafe" not in answered["Content-Security-Policy"]


def test_forged_posts_to_the_diary_are_refused(at_day_9: Desk) -> None:
    from django.test import Client

    link = given_link(at_day_9)
    phone = opened(at_day_9, link)
    forger = Client(enforce_csrf_checks=True, headers={"host": "localhost"}, **{"equipoise.served": at_day_9.served})
    forger.cookies["equipoise-diary"] = phone.cookies["equipoise-diary"].value
    assert forger.post(f"{link}day/", day(key="k")).status_code == 403
    token = forger.get(f"{link}state/").json()["token"]
    assert forger.post(f"{link}day/", day(key="k"), headers={"X-CSRFToken": token}).status_code == 303
