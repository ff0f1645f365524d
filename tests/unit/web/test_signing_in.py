"""Signing in and out: limits, throttle, one text for every failure, headers, forged posts, what a fault shows."""

from __future__ import annotations

from typing import Any

import pytest

from equipoise.conduct.keys.one_time_codes import STEP, code_at
from equipoise.web.sealed_drafts import DraftKey
from equipoise.web.sessions import ABSOLUTE, IDLE, Sessions
from equipoise.web.throttle import TRIES, WITHIN

from .conftest import PASSPHRASE, Desk


def test_signing_in_is_an_event_and_leads_back_to_the_page_asked_for(desk: Desk) -> None:
    client = desk.client()
    assert client.get("/p/")["Location"] == "/sign-in/?next=/p/"
    answered = client.post("/sign-in/", {"account": "carol", "passphrase": PASSPHRASE, "next": "/p/"})
    assert (answered.status_code, answered["Location"]) == (302, "/p/")
    cookie = client.cookies["equipoise-session"]
    assert (cookie["httponly"], cookie["samesite"]) == (True, "Lax")
    assert desk.staged.rows("SELECT account, device FROM event WHERE action = 'sign-in' ORDER BY number DESC")[0] == (
        "carol",
        "browser at 127.0.0.1",
    )
    assert client.get("/p/").status_code == 200


@pytest.mark.parametrize(
    "to", ["https://evil.example/", "//evil.example", "javascript:alert(1)", "/\\evil.example", "/sign-out/"]
)
def test_signing_in_leads_nowhere_else(desk: Desk, to: str) -> None:
    answered = desk.client().post("/sign-in/", {"account": "carol", "passphrase": PASSPHRASE, "next": to})
    assert answered["Location"] == "/"


def test_every_failure_says_the_same(desk: Desk) -> None:
    client = desk.client()
    texts = set()
    tried = [("carol", "wrong words here"), ("nobody", PASSPHRASE), ("", ""), ("carol", ""), ("x" * 200, "y" * 900)]
    for account, passphrase in tried + [("carol", "wrong words here")] * 6:
        answered = client.post("/sign-in/", {"account": account, "passphrase": passphrase})
        assert answered.status_code == 403
        text = answered.content.decode()
        start = text.index('<div class="note err"')
        texts.add(text[start : text.index("</div>", start)])
        assert passphrase == "" or passphrase not in text
    assert len(texts) == 1
    # the account waits now, with the right words too
    assert client.post("/sign-in/", {"account": "carol", "passphrase": PASSPHRASE}).status_code == 403


def test_one_address_that_tries_many_accounts_waits(desk: Desk) -> None:
    client = desk.client()
    for number in range(TRIES):
        assert client.post("/sign-in/", {"account": f"x{number}", "passphrase": "some words"}).status_code == 403
    before = desk.events()
    assert client.post("/sign-in/", {"account": "carol", "passphrase": PASSPHRASE}).status_code == 429
    assert desk.events() == before
    desk.ticks[0] += WITHIN + 1
    assert client.post("/sign-in/", {"account": "carol", "passphrase": PASSPHRASE}).status_code == 302


def test_a_session_ends_by_idling_by_age_by_sign_out_and_with_the_account(desk: Desk) -> None:
    client = desk.client("carol")
    desk.ticks[0] += IDLE - 1
    assert client.get("/p/").status_code == 200
    desk.ticks[0] += IDLE
    ended = client.get("/p/")
    assert "ended=1" in ended["Location"]
    assert "Your session has ended" in client.get(ended["Location"]).content.decode()

    client = desk.client("carol")
    for _ in range(ABSOLUTE // (IDLE - 10)):
        desk.ticks[0] += IDLE - 10
        client.get("/passphrase/")
    desk.ticks[0] += IDLE - 10
    assert client.get("/p/").status_code == 302

    client = desk.client("carol")
    token = client.cookies["equipoise-session"].value
    assert client.get("/sign-out/").status_code == 200  # asks; a link signs nobody out
    assert client.get("/p/").status_code == 200
    assert client.post("/sign-out/").status_code == 302
    client.cookies["equipoise-session"] = token
    assert client.get("/p/").status_code == 302

    client = desk.client("cody")
    desk.do("alice", "disable-account", account="cody", why="left")
    assert client.get("/p/").status_code == 302


def test_signing_in_gives_a_token_of_its_own(desk: Desk) -> None:
    client = desk.client()
    client.cookies["equipoise-session"] = "chosen-by-somebody-else"
    client.post("/sign-in/", {"account": "carol", "passphrase": PASSPHRASE})
    assert client.cookies["equipoise-session"].value != "chosen-by-somebody-else"
    first = client.cookies["equipoise-session"].value
    client.post("/sign-in/", {"account": "carol", "passphrase": PASSPHRASE})
    other = desk.client()
    other.cookies["equipoise-session"] = first
    assert other.get("/p/").status_code == 302


def test_a_new_pass_phrase_ends_every_other_session(desk: Desk) -> None:
    one, other = desk.client("carol"), desk.client("carol")
    given = {"old": "not this one", "new": "nine lamps under rain", "again": "nine lamps under rain"}
    assert one.post("/passphrase/", given).status_code == 422
    assert one.post("/passphrase/", {**given, "old": PASSPHRASE, "again": "another"}).status_code == 422
    assert one.post("/passphrase/", {**given, "old": PASSPHRASE, "new": "short", "again": "short"}).status_code == 422
    assert one.post("/passphrase/", {**given, "old": PASSPHRASE}).status_code == 200
    assert one.get("/p/").status_code == 200
    assert other.get("/p/").status_code == 302


def test_every_answer_has_its_headers_and_no_script_or_style_inside(desk: Desk) -> None:
    desk.enrolled()
    desk.at(9)
    client = desk.client("carol")
    for at in ("/", "/today/", "/p/", "/p/P-1/", "/p/P-1/visit/day-9/", "/nowhere/", "/sign-in/"):
        answered = client.get(at)
        policy = answered["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert answered["X-Content-Type-Options"] == "nosniff"
        assert answered["Referrer-Policy"] == "same-origin"
        assert answered["Cache-Control"] == "no-store"
        assert "Server" not in answered
        text = answered.content.decode()
        assert " style=" not in text
        assert " on" not in "".join(part for part in text.split("<") if part.startswith("button"))
        assert "<script>" not in text


def test_a_post_without_the_token_of_a_page_records_nothing(desk: Desk) -> None:
    from django.test import Client

    signed_in = desk.client("carol")
    forger = Client(enforce_csrf_checks=True, headers={"host": "localhost"}, **{"equipoise.served": desk.served})
    forger.cookies = signed_in.cookies
    before = desk.events()
    given = {"participant": "P-9", "site": "main", "result": "continues"}
    for headers in ({}, {"origin": "https://evil.example"}):
        answered = forger.post("/screen/", given, headers=headers)
        assert answered.status_code == 403
        assert "Nothing was recorded" in answered.content.decode()
    assert desk.events() == before
    page = forger.get("/screen/").content.decode()
    token = page.partition('name="csrfmiddlewaretoken" value="')[2].partition('"')[0]
    assert forger.post("/screen/", {**given, "csrfmiddlewaretoken": token}).status_code == 303


def test_a_host_that_is_not_the_servers_is_refused(desk: Desk) -> None:
    assert desk.client().get("/sign-in/", headers={"host": "evil.example"}).status_code == 400


def test_a_fault_shows_no_trace_and_its_log_no_data(desk: Desk, caplog: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    client = desk.client("carol")

    def fail(*_: Any, **__: Any) -> None:
        raise ValueError("P-1 is in the arm ketamine")

    monkeypatch.setattr(desk.served, "do", fail)
    answered = client.get("/p/")
    text = answered.content.decode()
    assert answered.status_code == 500
    assert "Traceback" not in text
    assert "ketamine" not in text.replace("ketamine-mbrp-cocaine", "")
    assert "ketamine" not in caplog.text
    reference = text.partition("the reference ")[2][:8]
    assert reference in caplog.text


def test_a_database_that_does_not_answer_a_page_is_no_fault_of_the_program(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from django.db import OperationalError

    client = desk.client("carol")

    def fail(*_: Any, **__: Any) -> None:
        raise OperationalError("database is locked")

    monkeypatch.setattr(desk.served, "do", fail)
    answered = client.get("/p/")
    assert answered.status_code == 503
    assert "busy" in answered.content.decode()
    # what was sent may have been recorded before: nothing is said of it that is not known
    sent = client.post("/screen/", {"participant": "P-9", "site": "main", "key": "k"})
    assert sent.status_code == 503
    assert "It is not known whether this was recorded" in sent.content.decode()
    assert "Nothing was recorded" not in sent.content.decode()


def test_a_database_that_is_away_is_said_so_by_pages_of_staff_and_of_participants(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing of the page is read from it: neither who is signed in, nor where the ledger stands."""
    from django.db import OperationalError

    from equipoise.conduct.trial.trial import Trial

    client = desk.client("carol")

    def away(*_: Any) -> None:
        raise OperationalError("the database is locked")

    monkeypatch.setattr(Trial, "run", away)
    for method in ("get", "post"):
        for at in ("/today/", "/p/P-1/", "/sign-in/", "/my/7-NO-SUCH-LINK/"):
            answered = getattr(client, method)(at, {"key": "k", "account": "carol", "passphrase": "x"})
            assert answered.status_code == 503, (method, at)


def test_other_methods_are_refused(desk: Desk) -> None:
    client = desk.client("carol")
    for method in ("put", "delete", "patch", "options"):
        assert getattr(client, method)("/p/").status_code == 405


def test_a_session_that_ends_by_itself_is_an_event_whether_anybody_comes_back_or_not(desk: Desk) -> None:
    desk.client("carol")
    desk.ticks[0] += IDLE
    ended = "SELECT account, what FROM event WHERE action = 'session-ended' ORDER BY number"
    assert desk.staged.rows(ended) == []
    ruth = desk.client("ruth")  # somebody else's next page
    assert [(account, "idle" in what) for account, what in desk.staged.rows(ended)] == [("carol", True)]
    for _ in range(41):
        desk.ticks[0] += 14 * 60 + 59
        ruth.get("/today/")
    assert [account for account, _ in desk.staged.rows(ended)] == ["carol", "ruth"]
    assert "ten hours" in desk.staged.rows(ended)[1][1]
    assert "was signed out" in desk.client("alice").get("/audit/?kind=signing-in").content.decode()


def test_the_codes_are_those_of_the_standard() -> None:
    # RFC 6238, appendix B: the secret 12345678901234567890, SHA-1, the last six digits
    secret = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ"
    for seconds, code in ((59, "287082"), (1111111109, "081804"), (1234567890, "005924"), (20000000000, "353130")):
        assert code_at(secret, seconds // STEP) == code


def test_a_one_time_code_is_asked_beside_the_pass_phrase_is_good_once_and_removed_by_an_administrator(
    desk: Desk,
) -> None:
    carol = desk.client("carol")
    page = carol.get("/one-time-code/").content.decode()
    secret = page.partition('name="secret" value="')[2].partition('"')[0]

    def code(ahead: int = 0) -> str:
        return code_at(secret, int(desk.staged.clock.at.timestamp()) // STEP + ahead)

    sent = {"secret": secret, "code": code(), "passphrase": PASSPHRASE}
    assert carol.post("/one-time-code/", {**sent, "passphrase": "not this one"}).status_code == 422
    assert carol.post("/one-time-code/", {**sent, "code": "000000"}).status_code == 422
    assert "One-time code" not in desk.client().get("/sign-in/").content.decode()
    done = carol.post("/one-time-code/", sent)
    assert "is set up" in done.content.decode()
    assert secret not in str(desk.staged.rows("SELECT what FROM event WHERE action = 'one-time-code'"))
    file = desk.served.trial.directory / "one-time-codes.json"
    assert file.stat().st_mode & 0o777 == 0o600

    def sign_in(**more: str) -> int:
        given = {"account": "carol", "passphrase": PASSPHRASE, **more}
        return int(desk.client().post("/sign-in/", given).status_code)

    assert sign_in() == 403
    assert sign_in(code=sent["code"]) == 403  # used when it was set up
    assert sign_in(code=code(5)) == 403
    assert sign_in(code=code(1)) == 302  # a phone half a minute ahead
    assert sign_in(code=code(1)) == 403  # once
    assert desk.client("ruth").get("/today/").status_code == 200  # others as before
    alice = desk.client("alice")
    assert "one-time code" in alice.get("/accounts/").content.decode()
    made = alice.post("/remove-one-time-code/", {"key": "k", "account": "carol", "why": "phone lost"})
    assert made.status_code == 303
    assert sign_in() == 302


def test_a_session_that_ends_by_itself_keeps_no_secret_and_still_seals() -> None:
    """Whoever asks: its own author, somebody else's request, or nobody before the next one signs in."""
    ticks, key = [0.0], DraftKey(b"p" * 32, b"s" * 32)
    sessions = Sessions(lambda: ticks[0])
    token = sessions.begin("sam", "browser", key)
    kept = sessions.find(token)
    assert kept is not None
    assert kept.drafts == key
    other = sessions.begin("carol", "browser")
    ticks[0] = IDLE
    assert sessions.find(other) is None
    assert kept.drafts == key.without_secret()
    assert sessions.find(token) is None
    left = sessions.left(token)
    assert left is not None
    assert left.drafts == key.without_secret()
