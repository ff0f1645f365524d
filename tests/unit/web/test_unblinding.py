"""The code is broken by page: told once, to one person, after the passphrase; adverse events and leaving beside it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from equipoise.web.sessions import LOCK

from .conftest import PASSPHRASE, Desk, key_of, post, words_of

ARMS = ("Ketamine", "Midazolam", "ketamine", "midazolam")


def arms_in(page: Any) -> list[str]:
    text = page.content.decode().replace("ketamine-mbrp-cocaine", "")
    return [arm for arm in ARMS if arm in text]


def test_the_code_is_broken_after_the_pass_phrase_and_no_receipt_holds_the_arm(desk: Desk) -> None:
    desk.enrolled()
    ivan, at = desk.client("ivan"), "/p/P-1/unblind/"
    asked = ivan.get(at)
    assert arms_in(asked) == []
    key = key_of(asked)
    for given in ({"passphrase": "no", "why": "seizure"}, {"passphrase": PASSPHRASE, "why": ""}):
        refused = ivan.post(at, {"key": key, **given})
        assert refused.status_code == 422
        assert arms_in(refused) == []
    assert desk.staged.rows("SELECT count(*) FROM unblinding") == [(0,)]
    told = ivan.post(at, {"key": key, "passphrase": PASSPHRASE, "why": "seizure"})
    assert told.status_code == 200
    assert len(set(map(str.lower, arms_in(told)))) == 1
    assert "UNBLINDED" in told.content.decode()
    assert f'data-locks="{LOCK}">' in told.content.decode()  # and nothing that is typed lengthens it
    again = ivan.post(at, {"key": key, "passphrase": PASSPHRASE, "why": "seizure"})
    assert words_of(again) == words_of(told)
    assert desk.staged.rows("SELECT count(*) FROM unblinding") == [(1,)]
    for page in (ivan.get(at), ivan.get(f"/receipt/{key}/"), ivan.get("/p/P-1/")):
        assert arms_in(page) == []
    for who in ("carol", "ruth", "mona", "nina"):
        assert arms_in(desk.client(who).get("/p/P-1/")) == []
    assert desk.client("carol").get(at).status_code == 403


def test_somebody_else_is_told_and_the_one_who_asks_never_is(desk: Desk) -> None:
    desk.enrolled()
    carol, ivan, sam = desk.client("carol"), desk.client("ivan"), desk.client("sam")
    page = carol.get("/p/P-1/unblind-for/").content.decode()
    for name in ("ivan", "sam", "phil"):
        assert f'value="{name}"' in page
    assert 'value="ruth"' not in page
    refused = post(carol, "/p/P-1/unblind-for/", told="ruth", why="x", passphrase=PASSPHRASE)
    assert refused.status_code == 422
    made = post(carol, "/p/P-1/unblind-for/", told="sam", why="admitted elsewhere", passphrase=PASSPHRASE)
    assert made.status_code == 303
    assert arms_in(carol.get(made["Location"])) == []
    assert "You are asked to be told an arm" in sam.get("/today/").content.decode()
    assert "You are asked to be told an arm" not in ivan.get("/today/").content.decode()
    assert "Nobody asked" in words_of(ivan.get("/unblind-told/"))
    forged = ivan.post("/unblind-told/", {"key": "k", "unblinding": "U-001", "passphrase": PASSPHRASE})
    assert forged.status_code == 422
    assert arms_in(forged) == []
    told = post(sam, "/unblind-told/", unblinding="U-001", passphrase=PASSPHRASE)
    assert told.status_code == 200, words_of(told)
    assert len(set(map(str.lower, arms_in(told)))) == 1
    assert "You are asked" not in sam.get("/today/").content.decode()


def test_that_somebody_learned_the_arm_is_reported_from_the_foot_of_a_page_and_never_says_which(desk: Desk) -> None:
    desk.enrolled()
    ruth = desk.client("ruth")
    assert 'href="/unblinded-by-accident/?participant=P-1"' in ruth.get("/p/P-1/").content.decode()
    at = "/unblinded-by-accident/"
    assert 'value="P-1"' in ruth.get(f"{at}?participant=P-1").content.decode()
    given = {"participant": "P-1", "learned_by": "ruth", "impact": "another rater takes over"}
    named = post(ruth, at, **given, why="she said midazolam")
    assert named.status_code == 422
    assert "The words name an arm" in words_of(named)
    assert post(ruth, at, **given, why="overheard on the ward").status_code == 303
    assert desk.staged.rows("SELECT mode FROM unblinding") == [("accident",)]
    assert "Report that a person learned" not in desk.client("stan").get("/pooled/").content.decode()


def test_adverse_events_stand_with_judgements_and_clocks(desk: Desk) -> None:
    desk.enrolled()
    carol, at = desk.client("carol"), "/p/P-1/events/"
    assert "None was reported" in words_of(carol.get(at))
    given = {"participant": "P-1", "term": "chest pain", "onset": "2027-03-09", "severity": "severe"}
    desk.do("ivan", "adverse-event", **given, serious=["hospitalization"])
    page = words_of(carol.get(at))
    for words in ("1. chest pain", "Hospital stay", "Not judged: counts as related", "goes on", "h left"):
        assert words in page, (words, page)
    link = re.search(r'href="(/p/P-1/adverse-event-reported/[^"]+)"', carol.get(at).content.decode())
    assert link is not None
    to = link[1].replace("&amp;", "&")
    form = carol.get(to)
    report = re.search(r'name="report" value="([^"]+)"', form.content.decode())
    assert report is not None
    assert 'name="event" value="1"' in form.content.decode()
    sent = {"key": key_of(form), "event": "1", "report": report[1], "reference": "R-17"}
    assert carol.post("/p/P-1/adverse-event-reported/", sent).status_code == 303
    assert "made R-17" in words_of(carol.get(at))
    assert "Bring up to date" not in words_of(desk.client("nina").get(at))
    assert desk.client("ruth").get(at).status_code == 403


@pytest.mark.parametrize(
    ("done", "said"),
    [
        ({}, {"Visits": "yes", "Telephone calls": "yes", "Doses": "yes"}),
        ({"action": "discontinue"}, {"Visits": "yes", "Doses": "no", "Adverse events": "yes"}),
        ({"action": "withdraw", "scope": "visits"}, {"Visits": "no", "Telephone calls": "yes", "Doses": "no"}),
        ({"action": "withdraw"}, {"Visits": "no", "Telephone calls": "no", "Adverse events": "yes"}),
    ],
)
def test_leaving_says_what_goes_on_as_the_actions_then_have_it(
    desk: Desk, done: dict[str, str], said: dict[str, str]
) -> None:
    desk.enrolled()
    if done:
        given = dict(done)
        desk.do("ivan", given.pop("action"), participant="P-1", why="asked to", **given)
    text = desk.client("ivan").get("/p/P-1/leave/").content.decode()
    heads = re.findall(r'<th scope="col" class="mid">([^<]+)</th>', text)
    row = text[text.index("As it stands now") :]
    cells = re.findall(r'<td class="mid">(?:<span class="muted">)?(yes|no)', row[: row.index("</tr>")])
    found = dict(zip(heads, cells, strict=True))
    assert {name: found[name] for name in said} == said
    assert ("/p/P-1/discontinue/" in text) == (done.get("action") != "discontinue")
    assert "/p/P-1/discontinue/" not in desk.client("carol").get("/p/P-1/leave/").content.decode()
