"""Every address of the table by everybody who may not open it: nobody, ended sessions, accounts out of use, a phone.

The addresses come from the table of pages, so that a page added later is tried too.
"""

from __future__ import annotations

import logging
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from equipoise.conduct.actions.permissions import COLUMNS
from equipoise.web.policy import OWN_PAGES, POLICY, PUBLIC
from equipoise.web.sessions import IDLE

from .conftest import PASSPHRASE, Desk, given_link
from .test_forged_posts import VALUES, standing
from .test_own_diary import PIN, opened
from .test_policy import PEOPLE, address, pages

HEADERS = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Cache-Control": "no-store"}
OPEN_TO_ALL = {"my-worker", "my-icon"}  # the same for everybody, and nothing of anybody in them


def looked_at(answered: Any, where: str) -> None:
    """What holds for every answer."""
    assert answered.status_code < 500, where
    for name, value in HEADERS.items():
        assert answered[name] == value, (where, name)
    policy = answered["Content-Security-Policy"]
    assert policy.startswith("default-src 'none'"), where
    assert "unsafe" not in policy, where
    assert "ketamine" not in answered.content.decode().replace("ketamine-mbrp-cocaine", ""), where


def recorded(desk: Desk) -> int:
    """How many events there are; that a session ended by itself is one, and says nothing else."""
    return int(desk.staged.rows("SELECT count(*) FROM event WHERE action <> 'session-ended'")[0][0])


def turned_away(desk: Desk, client: Any, words: str) -> None:
    """Every page by somebody who is not signed in: to the sign-in page, nothing recorded, nothing changed."""
    before, events = standing(desk), recorded(desk)
    for name, page in pages().items():
        for method in ("get", "post"):
            where = f"{words} {method} {name}"
            answered = getattr(client, method)(address(page), {"participant": "P-1"} if method == "post" else {})
            looked_at(answered, where)
            if name in OWN_PAGES:
                assert answered.status_code == (200 if name in OPEN_TO_ALL else 404), where
            elif name not in PUBLIC:
                assert answered.status_code == 302, where
                assert answered["Location"].startswith("/sign-in/?next="), where
    assert standing(desk) == before, words
    assert recorded(desk) == events, words


def test_every_page_by_nobody_by_ended_sessions_and_by_accounts_out_of_use(
    at_day_9: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk = at_day_9
    caplog.set_level(logging.DEBUG)
    turned_away(desk, desk.client(), "nobody")
    idle = [desk.client(who) for who in ("carol", "phil", "alice")]
    desk.ticks[0] += IDLE
    for client in idle:
        turned_away(desk, client, "idle")
    left = {who: desk.client(who) for who in ("cody", "noel")}
    desk.do("alice", "disable-account", account="cody", why="left")
    desk.do("alice", "expire-account", account="noel", last_day="2027-03-16", why="a guest")
    desk.at(11)
    for who, client in left.items():
        turned_away(desk, client, who)
    said = caplog.text
    for secret in (PASSPHRASE, *desk.staged.passphrases.values(), "ketamine ", "midazolam"):
        assert secret not in said


def test_every_page_by_a_phone_whose_session_is_put_where_staff_have_theirs(at_day_9: Desk) -> None:
    desk = at_day_9
    phone = opened(desk, given_link(desk))
    phone.cookies["equipoise-session"] = phone.cookies["equipoise-diary"].value
    before = standing(desk)
    for name, page in pages().items():
        for method in ("get", "post"):
            answered = getattr(phone, method)(address(page))
            looked_at(answered, f"{method} {name}")
            if name not in PUBLIC | OPEN_TO_ALL:
                assert answered.status_code in (403, 404), name
    assert standing(desk) == before


def test_every_page_of_every_role_has_its_headers_and_names_no_arm(
    at_day_9: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    desk = at_day_9
    caplog.set_level(logging.DEBUG)
    tells = {"pharmacist", "unblinded-statistician"}
    for role in COLUMNS:
        client = desk.client(PEOPLE[role])
        for name, page in pages().items():
            if name in OWN_PAGES or role not in POLICY[name] or name in ("sign-out", "protocol", "amend"):
                continue
            answered = client.get(address(page))
            assert answered.status_code < 500, (role, name)
            for header, value in HEADERS.items():
                assert answered[header] == value, (role, name, header)
            if role not in tells and "consent" not in name:
                assert "midazolam" not in answered.content.decode(), (role, name)
    assert "midazolam" not in caplog.text


def test_forged_posts_to_the_participants_own_pages_break_nothing(at_day_9: Desk) -> None:
    desk = at_day_9
    link = given_link(desk)
    phone = opened(desk, link)
    every = pages()
    names = sorted(OWN_PAGES - {"my-leave", "my"})
    fields = ("on", "used.cocaine", "used.", "amount.cocaine", "craving.craving", "craving.x", "made", "key", "page")
    fields += ("version", "name", "pin", "answers.1", "answers.", "participant", "account", "role", "arm")
    posts = st.dictionaries(st.sampled_from(fields), VALUES, max_size=8)

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True)
    @given(st.sampled_from(names), posts)
    def forged(name: str, post: dict[str, str]) -> None:
        before = standing(desk)
        answered = phone.post("/" + every[name].address.replace("<link>", link.split("/")[2]), post)
        assert answered.status_code < 500, (name, post, answered.content.decode()[:400])
        assert "<script>alert" not in answered.content.decode()
        if answered.status_code >= 400:
            assert standing(desk) == before, (name, post)

    forged()
    assert PIN not in repr(desk.staged.rows("SELECT * FROM event"))
