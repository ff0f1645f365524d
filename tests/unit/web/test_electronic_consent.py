"""Electronic consent: what is shown is what is signed, by the participant and by who takes it, anew for a new one."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from equipoise.conduct.rules.consent_document import check_answers, read_document

from .conftest import PASSPHRASE, Desk, given_link, hidden_of, key_of
from .test_own_diary import PIN

TEXT = """# What taking part means
You can stop at any time. <b>Nothing</b> is lost.
- visits
- a diary

? Can you stop?
- No
+ At any time
"""
AT = "/p/P-1/consent/electronic/"


@pytest.fixture
def screened(desk: Desk) -> Desk:
    desk.at(1)
    desk.do("alice", "consent-document", version="1.0", text=TEXT)
    desk.do("alice", "consent-version", version="1.0")
    desk.do("carol", "screen", participant="P-1", site="main")
    return desk


def form(page: Any, **more: str) -> dict[str, str]:
    return {"key": key_of(page), "version": hidden_of(page, "version"), "page": hidden_of(page, "page"), **more}


WITNESSED = {"name": "Robin Doe", "answers.1": "2", "witness": "cody", "passphrase": PASSPHRASE}


def test_a_witnessed_consent_binds_the_page_and_keeps_the_name_in_the_copy_alone(screened: Desk) -> None:
    carol = screened.client("carol")
    page = carol.get(AT)
    assert "&lt;b&gt;Nothing&lt;/b&gt;" in page.content.decode()
    given = {**WITNESSED, "witness_passphrase": screened.staged.passphrases["cody"]}
    refusals = [
        ({"answers.1": "1"}, "Question 1 is not answered as the document says"),
        ({"answers.1": ""}, "Question 1 is not answered."),
        ({"name": " "}, "Nobody has signed"),
        ({"witness": ""}, "no witness signs"),
        ({"witness": "carol", "witness_passphrase": PASSPHRASE}, "no witness signs"),
        ({"witness": "alice", "witness_passphrase": PASSPHRASE}, "no witness signs"),
        ({"witness_passphrase": "not the words"}, "not the account"),
        ({"passphrase": "not the words"}, "not the account"),
        ({"page": "0" * 64}, "has changed since it was shown"),
        ({"version": "0.9"}, "has changed since it was shown"),
    ]
    for change, words in refusals:
        refused = carol.post(AT, {**form(carol.get(AT)), **given, **change})
        assert refused.status_code == 422, change
        assert words in refused.content.decode().replace("&#x27;", "'"), (change, refused.content.decode())
    assert screened.staged.rows("SELECT status FROM participant") == [("screened",)]
    made = carol.post(AT, {**form(carol.get(AT)), **given})
    assert made.status_code == 303, made.content.decode()
    assert screened.staged.rows("SELECT status, consent_version FROM participant") == [("consented", "1.0")]
    what = json.loads(screened.staged.rows("SELECT what FROM event WHERE action = 'consent-electronic'")[0][0])
    copy = (screened.staged.trial.directory / "consents" / what["file"]).read_bytes()
    assert hashlib.sha256(copy).hexdigest() == what["copy"]
    assert b"Robin Doe" in copy
    assert what["page"].encode() in copy
    assert "Robin" not in repr(screened.staged.rows("SELECT * FROM event"))
    assert "Nothing is to be signed" in carol.get(AT).content.decode()


def test_a_participant_signs_on_a_phone_and_it_holds_when_countersigned(screened: Desk) -> None:
    link = given_link(screened)
    phone = screened.client()
    phone.post(link, {"pin": PIN, "again": PIN})
    assert "A document waits for you" in phone.get(link).content.decode()
    at = f"{link}consent/"
    page = phone.get(at)
    wrong = phone.post(at, form(page, **{"name": "Robin Doe", "pin": "407193", "answers.1": "2"}))
    assert "The PIN is not right" in wrong.content.decode()
    wrong = phone.post(at, form(page, **{"name": "Robin Doe", "pin": PIN, "answers.1": "1"}))
    assert wrong.status_code == 422
    assert 'value="Robin Doe"' in wrong.content.decode()
    signed = phone.post(at, form(page, **{"name": "Robin Doe", "pin": PIN, "answers.1": "2"}))
    assert signed.status_code == 303, signed.content.decode()
    assert "You have signed" in phone.get(at).content.decode()
    assert screened.staged.rows("SELECT status FROM participant") == [("screened",)]
    again = phone.post(at, form(page, **{"name": "Robin Doe", "pin": PIN, "answers.1": "2"}))
    assert again.status_code in (303, 422)
    carol = screened.client("carol")
    shown = carol.get(AT)
    assert "The participant has signed" in shown.content.decode()
    made = carol.post(AT, form(shown, passphrase=PASSPHRASE))
    assert made.status_code == 303, made.content.decode()
    assert screened.staged.rows("SELECT status FROM participant") == [("consented",)]
    assert screened.staged.rows("SELECT count(*) FROM event WHERE action = 'consent-sign'") == [(1,)]


def test_a_new_version_is_signed_anew_and_an_old_signature_does_not_serve(screened: Desk) -> None:
    carol = screened.client("carol")
    given = {**WITNESSED, "witness_passphrase": screened.staged.passphrases["cody"]}
    shown = form(carol.get(AT))
    screened.do("alice", "consent-document", version="2.0", text=TEXT.replace("visits", "more visits"))
    screened.do("alice", "consent-version", version="2.0")
    assert carol.post(AT, {**shown, **given}).status_code == 422
    assert carol.post(AT, {**form(carol.get(AT)), **given}).status_code == 303
    screened.do("alice", "consent-document", version="3.0", text=TEXT.replace("visits", "few visits"))
    screened.do("alice", "consent-version", version="3.0")
    page = carol.get(AT).content.decode()
    assert "Version 2.0 was agreed to before; version 3.0 is in force" in page
    assert "can be signed in the browser" in carol.get("/p/P-1/consent/").content.decode()
    assert carol.post(AT, {**form(carol.get(AT)), **given}).status_code == 303
    assert screened.staged.rows("SELECT consent_version FROM participant") == [("3.0",)]


def test_without_a_document_consent_is_recorded_from_paper(desk: Desk) -> None:
    desk.at(1)
    desk.do("carol", "screen", participant="P-1", site="main")
    carol = desk.client("carol")
    assert "has brought no document" in carol.get(AT).content.decode()
    assert carol.post("/p/P-1/consent/", {"version": "1.0", "on": "today", "key": "k"}).status_code == 303


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "no title"),
        ("# T", "says nothing"),
        ("# T\n# U\nx", "second title"),
        ("# T\nx\n? Q\n+ a", "1 answers, 1 of them right"),
        ("# T\nx\n? Q\n- a\n- b", "0 of them right"),
        ("# T\nx\n? Q\n+ a\n+ b", "2 of them right"),
        ("# T\n" + "x" * 200_001, "at most"),
    ],
)
def test_what_is_no_document_is_refused_with_its_line(text: str, words: str) -> None:
    said = " ".join(f"{one.place} {one.found} {one.expected}" for one in read_document(text)[1])
    assert words in said
    assert "text:" in said


def test_a_document_of_any_line_ends_is_the_same_page() -> None:
    one, two = read_document(TEXT)[0], read_document(TEXT.replace("\n", "\r\n"))[0]
    assert one.digest("1", "P-1") == two.digest("1", "P-1")
    assert one.digest("1", "P-1") != one.digest("1", "P-2") != one.digest("2", "P-2")
    assert check_answers(one, {"1": "2"}) == []
    assert [problem.code for problem in check_answers(one, {})] == ["C662"]


def test_the_document_of_the_training_is_one_and_says_what_it_is() -> None:
    from importlib.resources import files

    text = files("equipoise.web").joinpath("training_consent.md").read_text("utf-8")
    document, problems = read_document(text)
    assert problems == []
    assert "invented" in document.page("1.0", "P-1")
    assert len(document.questions) == 2
