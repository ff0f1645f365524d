"""Those who run the trial in the browser: accounts, sites, an amendment, cuts, the lock, the ledger, progress."""

from __future__ import annotations

import io
import stat
import zipfile
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core.files.uploadedfile import SimpleUploadedFile

from equipoise.workflow.library import protocol_path

from .conftest import PASSPHRASE, Desk, key_of, post
from .test_visits import words_of


def text_of(client: Any, at: str) -> str:
    return words_of(client.get(at).content.decode())


def test_an_account_is_added_shown_once_and_disabled_at_once(desk: Desk) -> None:
    alice = desk.client("alice")
    made = post(alice, "/add-account/", account="nora", person="Nora Berg", roles=["coordinator"], sites=["main"])
    assert made.status_code == 200
    page = made.content.decode()
    assert "For you alone, and shown once" in page
    row = desk.staged.rows("SELECT roles, sites, state FROM account WHERE account = 'nora'")
    assert row == [("coordinator", "main", "active")]
    assert "Nora Berg" in text_of(alice, "/accounts/")
    assert "Nora Berg" in text_of(desk.client("mona"), "/accounts/")
    assert "Disable" not in text_of(desk.client("mona"), "/accounts/")
    refused = post(alice, "/add-account/", account="both", person="Both", roles=["coordinator", "pharmacist"])
    assert refused.status_code == 422
    carol = desk.client("carol")
    assert post(alice, "/disable-account/", account="carol", why="left the clinic").status_code == 303
    assert carol.get("/today/")["Location"].startswith("/sign-in/")
    assert post(alice, "/disable-account/", account="alice", why="none left").status_code == 422
    told = post(alice, "/reset-passphrase/", account="ivan", why="lost it")
    assert "Passphrase" in told.content.decode()


def test_a_site_is_added_activated_and_closed(desk: Desk) -> None:
    alice = desk.client("alice")
    assert post(alice, "/add-site/", site="north", zone="Nowhere/Here").status_code == 422
    assert post(alice, "/add-site/", site="north", zone="Europe/Oslo").status_code == 303
    assert "enrols nobody yet" in text_of(alice, "/sites/")
    assert post(alice, "/activate-site/", site="north", approval="REK 7", on="today").status_code == 303
    assert "REK 7" in text_of(alice, "/sites/")
    assert post(alice, "/close-site/", site="north", why="no staff").status_code == 303
    assert desk.staged.rows("SELECT state FROM site WHERE site = 'north'") == [("closed",)]


def amended(change: tuple[str, str] = ("label: Craving (VAS)", "label: Craving today (VAS)")) -> SimpleUploadedFile:
    text = protocol_path("ketamine-mbrp-cocaine").read_text("utf-8")
    assert change[0] in text
    return SimpleUploadedFile("protocol-2.yaml", text.replace(*change, 1).encode())


def test_an_amendment_is_looked_at_before_it_is_adopted_with_the_pass_phrase(desk: Desk) -> None:
    desk.enrolled()
    alice = desk.client("alice")
    before = desk.staged.rows("SELECT count(*) FROM protocol_version")
    looked = alice.post("/protocol/", {"act": "look", "key": "k1", "file": amended()})
    page = looked.content.decode()
    assert looked.status_code == 200, page
    for words in ("assessments.craving.label", "<ins>Craving today (VAS)</ins>", "Randomization: unchanged"):
        assert words in page, words
    assert desk.staged.rows("SELECT count(*) FROM protocol_version") == before
    text = amended().read().decode()
    sent = {"act": "adopt", "key": "k2", "text": text, "why": "IRB 2027-01-A1", "consent_version": "1.1"}
    wrong = alice.post("/protocol/", {**sent, "passphrase": "not this one"})
    assert wrong.status_code == 422
    assert desk.staged.rows("SELECT count(*) FROM protocol_version") == before
    assert alice.post("/protocol/", {**sent, "passphrase": PASSPHRASE}).status_code == 303
    assert desk.staged.rows("SELECT max(version) FROM protocol_version") == [(2,)]
    assert "IRB 2027-01-A1" in text_of(alice, "/protocol/")
    # the one who is in it stays under the version consented to
    assert desk.staged.rows("SELECT count(*) FROM participant p JOIN trial_state t USING (protocol_hash)") == [(0,)]


def test_what_is_no_amendment_is_refused_with_its_cause(desk: Desk) -> None:
    alice = desk.client("alice")
    for file in (None, SimpleUploadedFile("a.yaml", b"trial: ["), SimpleUploadedFile("b.yaml", b"\xff\xfe\x00")):
        answered = alice.post("/protocol/", {"act": "look", "key": "k", **({"file": file} if file else {})})
        assert answered.status_code == 422
    same = alice.post("/protocol/", {"act": "look", "key": "k", "file": amended(("trial:", "trial:"))})
    assert "has this version already" in same.content.decode()
    assert desk.staged.rows("SELECT count(*) FROM protocol_version") == [(1,)]


def test_a_blinded_cut_is_taken_and_kept_for_its_owner_alone(desk: Desk) -> None:
    desk.enrolled()
    desk.at(3)
    stan = desk.client("stan")
    at = (desk.staged.clock.at - timedelta(minutes=1)).astimezone(UTC).isoformat()
    page = stan.get("/cuts/")
    key = key_of(page)
    taken = stan.post("/cuts/", {"key": key, "edition": "blinded", "at": at, "without": "no"})
    assert taken.status_code == 303, taken.content.decode()
    again = stan.post("/cuts/", {"key": key, "edition": "blinded", "at": at, "without": "no"})
    assert again["Location"] == taken["Location"]
    assert desk.staged.rows("SELECT count(*) FROM event WHERE action = 'cut'") == [(1,)]
    number = desk.staged.rows("SELECT number FROM event WHERE action = 'cut'")[0][0]
    name = f"cut-{number}-blinded.zip"
    file = desk.served.trial.directory / "cuts" / name
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    given = stan.get(f"/cuts/{name}/")
    assert given["Content-Disposition"].startswith("attachment")
    with zipfile.ZipFile(io.BytesIO(given.content)) as archive:
        assert "records/records.json" in archive.namelist()
        inside = b"".join(archive.read(one) for one in archive.namelist())
    assert b"P-1" in inside
    assert b"midazolam" not in inside
    for who, status in (("uma", 200), ("alice", 403), ("carol", 403)):
        assert desk.client(who).get(f"/cuts/{name}/").status_code == status, who
    assert stan.get(f"/cuts/cut-{number}-unblinded.zip/").status_code == 404
    assert stan.get("/cuts/..%2Ftrial.json/").status_code == 404


def test_cuts_that_are_not_the_roles_or_cannot_be_are_refused(desk: Desk) -> None:
    desk.enrolled()
    desk.at(3)
    stan, uma = desk.client("stan"), desk.client("uma")
    at = (desk.staged.clock.at - timedelta(minutes=1)).astimezone(UTC).isoformat()
    for client, edition, when in (
        (stan, "unblinded", at),
        (stan, "sham", at),
        (stan, "blinded", "tomorrow"),
        (stan, "blinded", (datetime(2031, 1, 1, tzinfo=UTC)).isoformat()),
        (uma, "unblinded", at),  # not locked
    ):
        answered = client.post("/cuts/", {"key": f"k{edition}{when}"[:39], "edition": edition, "at": when})
        assert answered.status_code == 422, (edition, when)
    assert not list((desk.served.trial.directory / "cuts").glob("*.zip"))
    assert "Take a cut" not in text_of(desk.client("alice"), "/cuts/")


def test_the_lock_says_what_is_missing_and_is_opened_by_two_people(desk: Desk) -> None:
    desk.enrolled()
    desk.do("mona", "query", participant="P-1", text="Which day?")
    alice = desk.client("alice")
    text = text_of(alice, "/lock/")
    for words in ("Q-0001, P-1", "P-1", "1 open query", "1 missing"):
        assert words in text, words
    assert post(alice, "/freeze/").status_code == 303
    assert "there is no button here yet" in text_of(alice, "/lock/")
    refused = post(alice, "/lock/now/", passphrase=PASSPHRASE)
    assert refused.status_code == 422
    desk.do("carol", "query-answer", query="Q-0001", text="The 8th.")
    desk.do("mona", "query-close", query="Q-0001")
    desk.do("ivan", "sign-off", participant="P-1", passphrase=PASSPHRASE)
    assert "Lock for good" in text_of(alice, "/lock/")
    assert post(alice, "/lock/now/", passphrase="not this one").status_code == 422
    assert post(alice, "/lock/now/", passphrase=PASSPHRASE).status_code == 303
    assert desk.staged.rows("SELECT state FROM trial_state") == [("locked",)]
    assert "Locked" in text_of(alice, "/lock/")
    assert post(alice, "/ask-unlock/", why="a page of the source was found").status_code == 303
    assert post(alice, "/unlock/", why="as asked").status_code == 422
    dana = desk.client("dana")
    assert "alice asked that it be opened" in text_of(dana, "/lock/")
    assert post(dana, "/unlock/", why="seen, agreed").status_code == 303
    assert desk.staged.rows("SELECT state FROM trial_state") == [("frozen",)]


def test_the_ledger_is_checked_and_what_is_not_whole_is_said(desk: Desk) -> None:
    desk.enrolled()
    alice = desk.client("alice")
    page = alice.post("/verify/", {"anchors": ""}).content.decode()
    assert "✓ Whole" in page, words_of(page)
    assert alice.post("/verify/", {"anchors": "nonsense"}).status_code == 422
    other = alice.post("/verify/", {"anchors": "3-0000000000000000"}).content.decode()
    assert "Not whole" in other
    carol = desk.client("carol")
    assert carol.get("/verify/").status_code == 403
    copy = carol.post("/copy/", {"site": "main"})
    with zipfile.ZipFile(io.BytesIO(copy.content)) as archive:
        assert any(name.startswith("site-main/") for name in archive.namelist())
    assert carol.post("/copy/", {"site": "elsewhere"}).status_code == 422


def test_schedule_has_codes_alone_and_progress_is_pooled(desk: Desk) -> None:
    desk.enrolled()
    desk.at(9)
    carol = desk.client("carol")
    text = text_of(carol, "/schedule/?weeks=4")
    assert "P-1" in text
    assert "Visit, day 12" in text
    given = carol.get("/schedule/?weeks=4&as=ics")
    lines = given.content.decode().split("\r\n")
    assert lines[0] == "BEGIN:VCALENDAR"
    assert lines.count("BEGIN:VEVENT") == lines.count("END:VEVENT") > 3
    assert "DTSTART;VALUE=DATE:20270319" in lines
    assert {line.partition(":")[0].partition(";")[0] for line in lines if line} <= {
        *("BEGIN", "END", "VERSION", "PRODID", "CALSCALE", "UID", "DTSTAMP", "DTSTART", "DTEND", "SUMMARY"),
        *("DESCRIPTION", "TRANSP"),
    }
    text = text_of(carol, "/progress/")
    assert "of 60 planned" in text
    assert "P-1" in text
    stan = text_of(desk.client("stan"), "/progress/")
    assert "of 60 planned" in stan
    assert "P-1" not in stan
    for word in ("midazolam", "ketamine"):
        assert word not in stan
    assert "0 of 1" in text_of(carol, "/p/") or "1 of" in text_of(carol, "/p/")


def test_a_query_is_answered_where_it_stands(desk: Desk) -> None:
    desk.enrolled()
    desk.do("carol", "record", participant="P-1", visit="admission", form="urine", answers={"cocaine": "negative"})
    desk.do(
        "mona", "query", participant="P-1", visit="admission", form="urine", item="cocaine", text="One line or two?"
    )
    carol, mona = desk.client("carol"), desk.client("mona")
    page = carol.get("/p/P-1/visit/admission/").content.decode()
    assert "One line or two?" in page
    assert 'id="answer-Q-0001"' in page
    key = page.partition('id="answer-Q-0001"')[2].partition('name="key" value="')[2].partition('"')[0]
    answered = carol.post("/query-answer/", {"key": key, "query": "Q-0001", "text": "One, the control."})
    assert answered.status_code == 303
    thread = text_of(mona, "/queries/?query=Q-0001")
    for words in ("One line or two?", "One, the control.", "mona", "carol", "Waits for you"):
        assert words in thread, words
    reopened = mona.post("/query-reopen/", {"key": "r", "query": "Q-0001", "why": "Which photo?"})
    assert reopened.status_code == 303
    assert "Which photo?" in text_of(carol, "/queries/?query=Q-0001")
    assert mona.post("/query-close/", {"key": "c", "query": "Q-0001", "why": "seen at the site"}).status_code == 303
    assert "seen at the site" in text_of(mona, "/queries/?state=closed&query=Q-0001")
    assert mona.get("/queries/?state=all&as=csv")["Content-Type"].startswith("text/csv")


def test_every_page_says_that_the_trial_is_frozen_or_locked_and_has_no_button_for_what_is_refused(desk: Desk) -> None:
    desk.enrolled()
    desk.do("carol", "record", participant="P-1", visit="admission", form="urine", answers={"cocaine": "negative"})
    desk.at(9)
    carol, alice = desk.client("carol"), desk.client("alice")
    assert "Submit visit" in carol.get("/p/P-1/visit/day-9/").content.decode()
    assert post(alice, "/freeze/").status_code == 303
    for at in ("/today/", "/p/P-1/", "/p/P-1/visit/day-9/", "/p/P-1/calendar/"):
        page = carol.get(at).content.decode()
        assert "Frozen since Tue 16 Mar 2027" in page, at
        assert "Submit" not in page, at
    assert "Correct…" in carol.get("/p/P-1/visit/admission/").content.decode()
    assert "Adverse event" in text_of(carol, "/p/P-1/")
    assert "Withdraw" not in text_of(carol, "/p/P-1/")
    desk.do("ivan", "sign-off", participant="P-1", passphrase=PASSPHRASE)
    assert post(alice, "/lock/now/", passphrase=PASSPHRASE).status_code == 303
    page = carol.get("/p/P-1/visit/admission/").content.decode()
    assert "Locked since" in page
    assert "Correct…" not in page
    assert "Correct…" not in carol.get("/p/P-1/records/").content.decode()
