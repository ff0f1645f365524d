"""No free text that names a treatment reaches a blinded role: by no page, export, trail, query, print or copy of it."""

from __future__ import annotations

import re
from typing import Any

import pytest

from equipoise.conduct.actions.permissions import COLUMNS, READS_NAMES
from equipoise.conduct.rules.telling_texts import HELD
from equipoise.foundation.errors import ConductError

from .conftest import Desk, key_of, words_of
from .test_policy import PEOPLE

MARK = "zqzqz"  # no page has it by itself


def text(n: int) -> str:
    return f"ketamine {MARK}{n}x"


@pytest.fixture
def told(desk: Desk) -> tuple[Desk, int]:
    """Every kind of free text that people type, each naming an arm, and confirmed."""
    counted = iter(range(1, 100))

    def does(who: str, action: str, why: bool = False, free: tuple[str, ...] = (), **given: Any) -> Any:
        texts = {name: text(next(counted)) for name in free}
        reason = text(next(counted)) if why else ""
        with pytest.raises(ConductError) as refused:
            desk.do(who, action, why=reason, **given, **texts)
        assert {problem.code for problem in refused.value.problems} == {"C685"}, action
        return desk.do(who, action, why=reason, **given, **texts, confirm=["names-a-treatment"])

    desk.enrolled("P-1", "P-3")
    p = {"participant": "P-1"}
    does("carol", "screen", participant="P-2", site="main", result="declined", free=("reason",))
    does(
        "carol", "adverse-event", onset="2027-03-09", severity="mild", serious=["hospitalization"], free=("term",), **p
    )
    does("carol", "adverse-event-update", why=True, event=1, severity="severe", **p)
    does("carol", "adverse-event-reported", event=1, report="sponsor", free=("reference",), **p)
    query = does("mona", "query", free=("text",), **p).answer["query"]
    does("carol", "query-answer", query=query, free=("text",))
    does("mona", "query-close", why=True, query=query)
    does("mona", "query-reopen", why=True, query=query)
    desk.do("nina", "weight", participant="P-1", kg="80")
    desk.at(9)
    does("carol", "visit", why=True, visit="day-9", on="2027-03-16", **p)
    does("carol", "not-done", why=True, visit="day-9", form="urine", **p)
    does("carol", "baseline", why=True, values={"age": 42}, **p)
    does("ivan", "discontinue", why=True, **p)
    does("ivan", "lost", why=True, participant="P-3")
    does("carol", "found-again", why=True, participant="P-3")
    does("ivan", "withdraw", why=True, scope="visits", participant="P-3")
    desk.do("ivan", "unblind-for", why=text(next(counted)), told="sam", **p)  # an emergency is asked nothing
    does("alice", "activate-site", why=True, site="main", free=("approval",), on="2027-01-10")
    does("alice", "pause", why=True)
    does("alice", "resume", why=True)
    does("alice", "disable-account", why=True, account="cody")
    return desk, next(counted) - 1


PAGES = ("/today/", "/p/", "/queries/", "/audit/", "/audit/?as=csv", "/lock/", "/sites/", "/protocol/", "/progress/")
OF_ONE = ("", "events/", "records/", "casebook/", "visit/day-9/", "leave/", "dose-given/", "eligibility/")
WHOLE = ("coordinator", "administrator")  # open between them whatever the others do


def crawl(client: Any, *, whole: bool) -> dict[str, str]:
    """Pages that may hold a text, and where it is asked for every page that links lead to."""
    seen: dict[str, str] = {}
    ahead = ["/", *PAGES, *(f"/p/{who}/{at}" for who in ("P-1", "P-2", "P-3") for at in OF_ONE)]
    while ahead:
        at = ahead.pop()
        if at in seen or re.search(r"sign-out|/static/|/awake/", at) or at.count("before=") > 0:
            continue
        answered = client.get(at)
        if answered.status_code in (301, 302, 303):
            ahead.append(answered["Location"])
        seen[at] = b"".join(answered).decode("utf-8", "replace")
        if whole:
            ahead += [found.replace("&amp;", "&") for found in re.findall(r'href="(/[^"#]*)', seen[at])]
    return seen


def test_no_free_text_that_names_a_treatment_reaches_a_blinded_role(told: tuple[Desk, int], tmp_path: Any) -> None:
    from equipoise.conduct.actions.administration.copies import take_copy
    from equipoise.conduct.cut.cut import take_cut

    desk, n = told
    assert n > 20
    pages = 0
    for role in COLUMNS:
        if role in READS_NAMES:
            continue
        seen = crawl(desk.client(PEOPLE[role]), whole=role in WHOLE)
        pages += len(seen)
        assert [at for at, page in seen.items() if MARK in page] == [], role
        assert role in ("administrator", "statistician") or any(HELD in page for page in seen.values()), role
    assert pages > 150
    made = desk.staged
    for who in ("carol", "mona"):
        for action in ("read", "audit-trail", "participants", "queries"):
            given = {"participant": "P-1"} if action == "read" else {"state": "all"} if action == "queries" else {}
            assert MARK not in str(made.do(who, action, **given).as_dict())
    take_copy(made.trial, made.session("mona"), tmp_path / "copy", site=None, clock=made.clock, entropy=made.entropy)
    at = made.clock.at.isoformat()
    desk.at(10)
    for edition, who, key in (("blinded", "stan", None), ("sham", "uma", made.pharmacy)):
        take_cut(
            made.trial,
            made.session(who),
            at=at,
            edition=edition,
            out=tmp_path / edition,
            pharmacy=key,
            clock=made.clock,
        )
    made_now = [tmp_path / name for name in ("copy", "blinded", "sham")]
    files = [path for folder in made_now for path in folder.rglob("*") if path.is_file()]
    assert len(files) > 8
    assert [path for path in files if MARK.encode() in path.read_bytes()] == []
    assert any(HELD.encode() in path.read_bytes() for path in files)


def test_the_safety_role_reads_each_of_them_and_releases_one(told: tuple[Desk, int]) -> None:
    desk, n = told
    sam = desk.client("sam")
    page = words_of(sam.get("/held-texts/"))
    assert [k for k in range(1, n + 1) if f"{MARK}{k}x" not in page] == []
    event = desk.staged.rows("SELECT number FROM event WHERE action = 'adverse-event'")[0][0]
    at = f"/release-text/?event={event}"
    done = sam.post("/release-text/", {"key": key_of(sam.get(at)), "event": event, "why": "of the street"})
    assert done.status_code == 303
    assert text(2) in words_of(desk.client("carol").get("/p/P-1/events/"))
    assert text(2) not in words_of(sam.get("/held-texts/"))


def test_a_page_asks_before_it_records_and_brings_back_what_was_typed(at_day_9: Desk) -> None:
    desk, at = at_day_9, "/p/P-1/adverse-event/"
    carol = desk.client("carol")
    typed = {"key": key_of(carol.get(at)), "term": "ketamine at a party", "onset": "today", "severity": "mild"}
    asked = carol.post(at, {**typed, "serious": ["hospitalization", "disability"]})
    assert asked.status_code == 422
    assert desk.staged.rows("SELECT count(*) FROM event WHERE action = 'adverse-event'") == [(0,)]
    assert "may tell which treatment the person has" in words_of(asked)
    sent = re.findall(r'<input type="hidden" name="([^"]+)" value="([^"]*)"', asked.content.decode())
    assert ("serious", "disability") in sent
    assert ("term", typed["term"]) in sent
    again: dict[str, Any] = {}
    for name, value in sent:
        again.setdefault(name, []).append(value)
    back = carol.post(at, {**again, "texts": "reword"})
    assert back.status_code == 422
    assert 'value="ketamine at a party"' in back.content.decode()
    done = carol.post(at, {**again, "texts": "confirm"})
    assert done.status_code == 303, words_of(done)
    receipt = words_of(carol.get(done["Location"]))
    assert "party" not in receipt
    assert HELD in words_of(carol.get("/p/P-1/events/"))
