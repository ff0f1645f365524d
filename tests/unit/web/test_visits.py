"""A visit in the browser without scripts: one submission, every refusal at its field, drafts, double and lost posts."""

from __future__ import annotations

import re
from typing import Any

from equipoise.web.sessions import IDLE

from .conftest import Desk, key_of

AT = "/p/P-1/visit/day-9/"


def answers(**more: Any) -> dict[str, Any]:
    """Everything of the visit of day 9, answered."""
    given: dict[str, Any] = {"act": "submit", "on": "16 Mar 2027", "by": "person", "urine.cocaine": "negative"}
    given |= {f"calendar.2027-03-{day}": "none" for day in (13, 14, 15, 16)}
    given |= {"craving.score": "38", "adverse-events.told": "none", "calendar:unit": "g"}
    given |= {f"mindfulness.{item}": str(1 + item % 5) for item in range(1, 40)}
    given |= {f"stress.{item}": str(item % 5) for item in range(1, 11)}
    return {**given, **more}


def words_of(page: str) -> str:
    """What a reader sees of the page's own content."""
    return re.sub(r"<[^>]*>", " ", page[page.index("<main") : page.index("</main>")])


def submit(client: Any, given: dict[str, Any], key: str = "") -> Any:
    return client.post(AT, {**given, "key": key or key_of(client.get(AT))})


def values(desk: Desk, form: str) -> dict[str, str]:
    return dict(desk.staged.rows("SELECT item, value FROM item WHERE form = %s AND missing = ''", form))


def test_a_whole_visit_is_one_submission_and_its_receipt_says_what_stands(at_day_9: Desk) -> None:
    client = at_day_9.client("carol")
    answered = submit(client, answers(**{"calendar.2027-03-14": "1.5"}))
    assert answered.status_code == 303, answered.content.decode()
    page = client.get(answered["Location"]).content.decode()
    assert "✓ Recorded: P-1, Visit, day 9" in page
    for words in (
        "Tue 16 Mar 2027, in person",
        "13 to 16 Mar: 1 day of use, 3 without",
        "39 answers",
        "Score 38",
    ):
        assert words in page, words
    assert values(at_day_9, "craving") == {"score": "38"}
    assert len(values(at_day_9, "mindfulness")) == 39
    assert values(at_day_9, "adverse-events") == {"asked": "yes", "any": "no"}
    assert at_day_9.staged.rows("SELECT state, date FROM visit WHERE visit = 'day-9'") == [("attended", "2027-03-16")]
    # the page now shows what is recorded, and takes nothing more
    page = client.get(AT).content.decode()
    assert "Submit visit" not in page
    assert "Held on Tue 16 Mar 2027" in page


def test_nothing_is_recorded_while_anything_is_refused_and_everything_typed_is_still_there(at_day_9: Desk) -> None:
    client = at_day_9.client("carol")
    given = answers(**{"craving.score": "162", "calendar.2027-03-14": "two"})
    del given["urine.cocaine"]
    del given["stress.4"]
    before = at_day_9.staged.rows("SELECT count(*) FROM item")
    answered = submit(client, given)
    assert answered.status_code == 422
    page = answered.content.decode()
    assert "<title>Not submitted" in page
    summary = page[page.index('id="summary"') : page.index("</ul></div>", page.index('id="summary"'))]
    for words in (
        "Urine toxicology: Nothing is answered.",
        "Craving (VAS): Found 162. Expected: a number from 0 to 100.",
        "Daily-use calendar: Found &#x27;two&#x27;.",
        "1 of 10 items are left out.",
    ):
        assert words in summary, (words, summary)
    for where in ("#s-urine", "#f-craving-score", "#f-calendar-2027-03-14", "#s-stress"):
        assert f'href="{where}"' in summary
    assert 'value="162"' in page
    assert page.count(" checked") >= 39 + 9
    assert at_day_9.staged.rows("SELECT count(*) FROM item") == before


def test_a_soft_check_stops_once_and_what_stood_opens_a_query(at_day_9: Desk) -> None:
    client = at_day_9.client("carol")
    given = answers()
    given |= {f"mindfulness.{item}": "3" for item in range(1, 40)}
    answered = submit(client, given)
    page = answered.content.decode()
    assert answered.status_code == 422
    assert "Every item is 3, reversed ones too." in page
    assert 'name="mindfulness:confirm" value="1"' in page
    answered = submit(client, {**given, "mindfulness:confirm": "1"})
    assert answered.status_code == 303
    assert "opened by itself" in client.get(answered["Location"]).content.decode()


def test_left_out_items_have_one_reason_and_a_form_can_be_not_done_or_left_open(at_day_9: Desk) -> None:
    client = at_day_9.client("carol")
    given = answers(**{"stress.3": "left-out", "stress:why": "refused", "craving.score": "", "urine.cocaine": ""})
    given |= {"craving:not-done": "1", "craving:not-done-why": "no time", "urine:leave": "1"}
    assert submit(client, given).status_code == 303
    assert at_day_9.staged.rows("SELECT missing FROM item WHERE form = 'stress' AND item = '3'") == [("refused",)]
    assert at_day_9.staged.rows("SELECT state, reason FROM form WHERE form = 'craving'") == [("not-done", "no time")]
    assert values(at_day_9, "urine") == {}
    # what was left open can be filled in later, by itself
    assert submit(client, {"act": "submit", "urine.cocaine": "positive"}).status_code == 303
    assert values(at_day_9, "urine") == {"cocaine": "positive"}


def test_a_late_visit_asks_for_its_reason(at_day_9: Desk) -> None:
    at_day_9.at(11)
    client = at_day_9.client("carol")
    given = answers(on="today")
    assert "late: the window runs" in submit(client, given).content.decode()
    assert submit(client, {**given, "why": "bus strike"}).status_code == 303
    assert at_day_9.staged.rows("SELECT reason FROM visit WHERE visit = 'day-9'") == [("bus strike",)]


def test_the_same_submission_again_is_answered_and_never_recorded_twice(at_day_9: Desk) -> None:
    client = at_day_9.client("carol")
    key = key_of(client.get(AT))
    first = submit(client, answers(), key)
    n = at_day_9.staged.rows("SELECT count(*) FROM item")
    again = submit(client, answers(), key)
    assert again["Location"] == first["Location"]
    assert at_day_9.staged.rows("SELECT count(*) FROM item") == n
    # with other answers: what is in the record is the first, and the page says so
    other = submit(client, answers(**{"craving.score": "99"}), key)
    assert other.status_code in (303, 422)
    assert values(at_day_9, "craving") == {"score": "38"}


def test_two_tabs_cannot_both_record(at_day_9: Desk) -> None:
    one, two = at_day_9.client("carol"), at_day_9.client("cody")
    keys = key_of(one.get(AT)), key_of(two.get(AT))
    assert submit(one, answers(), keys[0]).status_code == 303
    answered = submit(two, answers(**{"craving.score": "70"}), keys[1])
    assert answered.status_code == 422
    assert values(at_day_9, "craving") == {"score": "38"}


def test_what_is_typed_is_a_draft_until_it_is_submitted(at_day_9: Desk) -> None:
    client = at_day_9.client("carol")
    before = at_day_9.staged.rows("SELECT count(*) FROM item")
    answered = client.post(AT, {"act": "store", "craving.score": "41", "stress.1": "2", "on": "16 Mar 2027"})
    assert "not yet in the record" in answered.content.decode()
    assert at_day_9.staged.rows("SELECT count(*) FROM item") == before
    page = at_day_9.client("carol").get(AT).content.decode()
    assert 'value="41"' in page
    assert "not yet in the record" in page
    others = at_day_9.client("cody").get(AT).content.decode()
    assert 'value="41"' not in others
    today = at_day_9.client("cody").get("/today/").content.decode()
    assert "begun by carol" in today
    assert not re.search(r"\b41\b", words_of(today))
    assert submit(client, answers()).status_code == 303
    assert "begun by carol" not in at_day_9.client("cody").get("/today/").content.decode()
    assert at_day_9.served.drafts.every() == []


def test_a_field_is_stored_by_itself_and_another_tab_does_not_undo_it(at_day_9: Desk) -> None:
    one, two = at_day_9.client("carol"), at_day_9.client("carol")
    one.post(AT, {"act": "store", "changed": "craving.score", "craving.score": "41"})
    two.post(AT, {"act": "store", "changed": "stress.1", "stress.1": "2", "craving.score": ""})
    page = one.get(AT).content.decode()
    assert 'value="41"' in page
    assert "2 fields stored" in page
    two.post(AT, {"act": "store", "changed": "craving.score", "craving.score": ""})
    assert "1 field stored" in one.get(AT).content.decode()
    ended = at_day_9.client("carol")
    at_day_9.ticks[0] += IDLE
    answered = ended.post(AT, {"act": "store", "changed": "stress.2", "stress.2": "3"}, headers={"HX-Request": "true"})
    assert answered.status_code == 401


def test_a_draft_can_be_dropped(at_day_9: Desk) -> None:
    client = at_day_9.client("carol")
    client.post(AT, {"act": "draft", "craving.score": "41"})
    assert client.post(AT, {"act": "drop"}).status_code == 302
    assert at_day_9.served.drafts.every() == []


def test_nothing_typed_is_lost_when_a_session_ends(at_day_9: Desk) -> None:
    client = at_day_9.client("carol")
    at_day_9.ticks[0] += IDLE
    before = at_day_9.staged.rows("SELECT count(*) FROM item")
    answered = client.post(AT, answers())
    assert answered.status_code == 302
    assert "kept=1" in answered["Location"]
    assert "What you typed is kept as a draft" in client.get(answered["Location"]).content.decode()
    assert at_day_9.staged.rows("SELECT count(*) FROM item") == before
    page = at_day_9.client("carol").get(AT).content.decode()
    assert 'value="38"' in page
    # a token that nobody had keeps nothing
    stranger = at_day_9.client()
    stranger.cookies["equipoise-session"] = "made-up"
    assert "kept" not in stranger.post(AT, answers(**{"craving.score": "77"}))["Location"]
    assert 'value="77"' not in at_day_9.client("carol").get(AT).content.decode()


def test_quarantined_forms_are_recorded_by_their_roles_and_drafted_under_seal(at_day_9: Desk) -> None:
    at_day_9.at(2, 16)
    at_day_9.do("carol", "visit", participant="P-1", visit="infusion")
    nina, at = at_day_9.client("nina"), "/p/P-1/visit/infusion/"
    assert 'name="dissociation.score"' in nina.get(at).content.decode()
    nina.post(at, {"act": "store", "changed": "dissociation.score", "dissociation.score": "86"})
    assert 'value="86"' in nina.get(at).content.decode()
    # the draft is sealed: its file holds neither form nor answer, and no other account of the role opens it
    assert b"issociation" not in at_day_9.served.drafts.file.read_bytes()
    assert at_day_9.served.drafts.every()[0].fields == {}
    assert 'value="86"' not in at_day_9.client("noel").get(at).content.decode()
    # it outlives the session, the idling and a change of the passphrase, and opens with the passphrase alone
    at_day_9.ticks[0] += IDLE
    ended = nina.post(at, {"act": "store", "changed": "dissociation.score", "dissociation.score": "87"})
    assert "kept=1" in ended["Location"]
    nina = at_day_9.client("nina")
    assert 'value="87"' in nina.get(at).content.decode()
    old, new = at_day_9.staged.passphrases["nina"], "nine slow grey rivers"
    assert "is changed" in nina.post("/passphrase/", {"old": old, "new": new, "again": new}).content.decode()
    at_day_9.staged.passphrases["nina"] = new
    nina = at_day_9.client("nina")
    assert 'value="87"' in nina.get(at).content.decode()
    given = {"act": "submit", "dissociation.score": "86", "key": "abc", "adverse-events:leave": "1"}
    assert nina.post(at, given).status_code == 303
    assert at_day_9.served.drafts.every() == []
    receipt = nina.get("/receipt/abc/").content.decode()
    assert "recorded, sealed until the lock" in receipt
    for who in ("carol", "ruth", "mona"):
        page = at_day_9.client(who).get(at).content.decode()
        assert not re.search(r"\b86\b", words_of(page)), who
        assert 'name="dissociation.score"' not in page
    assert "issociation" not in at_day_9.client("ruth").get(at).content.decode()
    forged = at_day_9.client("carol").post(at, {"act": "submit", "dissociation.score": "10", "key": "z"})
    assert forged.status_code == 422
    assert b"dissociation" not in at_day_9.served.drafts.file.read_bytes()


def test_a_receipt_is_its_owners_alone(at_day_9: Desk) -> None:
    submit(at_day_9.client("carol"), answers(), "mine")
    assert at_day_9.client("carol").get("/receipt/mine/").status_code == 200
    assert at_day_9.client("cody").get("/receipt/mine/").status_code == 404
