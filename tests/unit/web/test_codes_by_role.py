"""Roles that sign in with a one-time code: nothing opens before it is set up; a damaged file lets nobody past it."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from conduct.conftest import Staged

from equipoise.conduct.actions.administration.account import roles_with_codes
from equipoise.conduct.keys.one_time_codes import FILE, STEP, OneTimeCodes, code_at
from equipoise.foundation.errors import ConductError

from .conftest import PASSPHRASE, Desk, post, words_of


def test_a_role_that_needs_a_code_opens_nothing_before_it_is_set_up(desk: Desk) -> None:
    alice, carol = desk.client("alice"), desk.client("carol")
    assert carol.get("/today/").status_code == 200
    assert "One-time codes" in words_of(alice.get("/accounts/"))
    assert post(alice, "/require-codes/", roles=["coordinator"], why="the sponsor asks for it").status_code == 303
    assert 'value="coordinator" checked' in alice.get("/require-codes/").content.decode()
    assert carol.get("/today/").status_code == 200  # until the next sign-in
    carol = desk.client("carol")
    for at in ("/today/", "/p/", "/audit/"):
        answered = carol.get(at)
        assert (answered.status_code, answered["Location"]) == (302, "/one-time-code/"), at
    assert carol.post("/screen/", {"participant": "P-1"}).status_code == 302
    assert desk.staged.rows("SELECT count(*) FROM participant") == [(0,)]
    page = carol.get("/one-time-code/")
    assert "No other page opens" in words_of(page)
    secret = re.findall(r'name="secret" value="(\w+)"', page.content.decode())[0]
    code = code_at(secret, int(desk.staged.clock.at.timestamp()) // STEP)
    done = carol.post("/one-time-code/", {"secret": secret, "code": code, "passphrase": PASSPHRASE})
    assert "is set up" in words_of(done)
    assert carol.get("/today/").status_code == 200
    assert desk.client("mona").get("/queries/").status_code == 200
    assert post(alice, "/require-codes/", why="it was a try").status_code == 303  # no role ticked
    assert roles_with_codes(desk.staged.trial) == frozenset()


def test_by_itself_a_trial_asks_those_who_know_arms_and_a_training_trial_asks_nobody(
    staged: Callable[..., Staged],
) -> None:
    assert roles_with_codes(staged().trial) == frozenset()
    real = staged(mode="production", name="real")
    assert roles_with_codes(real.trial) == {"administrator", "pharmacist", "unblinded-statistician"}
    with pytest.raises(ConductError, match="There is no role nurse"):
        real.do("alice", "require-codes", roles=["nurse"], why="why not")


@pytest.mark.parametrize("text", ["", "[]", '{"carol": "x"}', '{"carol": {"secret": 1, "used": 2}}', "\udcff"])
def test_a_damaged_file_of_codes_is_named_and_nobody_is_let_in_past_it(desk: Desk, text: str) -> None:
    file = desk.staged.trial.directory / FILE
    file.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(ConductError, match="C047"):
        OneTimeCodes(desk.staged.trial.directory).passes("carol", "123456", desk.staged.clock.at)
    client = desk.client()
    answered = client.post("/sign-in/", {"account": "carol", "passphrase": PASSPHRASE})
    assert answered.status_code == 503
    assert "every account then sets its code up anew" in words_of(answered)
    assert client.get("/today/").status_code == 302
