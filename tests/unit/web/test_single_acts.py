"""Pages of one action: a query as a conversation, a signature."""

from __future__ import annotations

from .conftest import PASSPHRASE, Desk, post


def test_a_query_is_asked_answered_and_closed(desk: Desk) -> None:
    desk.enrolled()
    mona, carol = desk.client("mona"), desk.client("carol")
    assert post(mona, "/p/P-1/query/", text="Which day is right?").status_code == 303
    assert "Which day is right?" in carol.get("/queries/").content.decode()
    assert 'value="Q-0001"' in carol.get("/query-answer/?query=Q-0001").content.decode()
    assert post(carol, "/query-answer/", query="Q-0001", text="").status_code == 422
    assert post(carol, "/query-answer/", query="Q-0001", text="The 8th, as recorded.").status_code == 303
    assert carol.post("/query-close/", {"query": "Q-0001", "key": "k"}).status_code == 403
    assert post(mona, "/query-close/", query="Q-0001").status_code == 303
    assert "No queries" in mona.get("/queries/").content.decode()
    assert post(mona, "/query-close/", query="Q-9999").status_code == 404


def test_a_signature_needs_the_pass_phrase_again(desk: Desk) -> None:
    desk.enrolled()
    carol = desk.client("carol")
    wrong = post(carol, "/p/P-1/sign/", meaning="authored", passphrase="not this one")
    assert wrong.status_code == 422
    assert "not this one" not in wrong.content.decode()
    assert desk.staged.rows("SELECT count(*) FROM signature") == [(0,)]
    assert post(carol, "/p/P-1/sign/", meaning="authored", passphrase=PASSPHRASE).status_code == 303
    assert desk.staged.rows("SELECT meaning, state FROM signature") == [("authored", "valid")]
    assert "authored by Carol" in carol.get("/p/P-1/").content.decode()
