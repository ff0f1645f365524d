"""Roles that break the blind, names that look alike, passphrases that everybody tries first."""

from __future__ import annotations

from typing import Any

import pytest

from equipoise.conduct.keys.credentials import is_known
from equipoise.conduct.rules.accounts import check_name, check_roles, skeleton
from equipoise.foundation.errors import ConductError


@pytest.mark.parametrize(
    "roles",
    [
        ("pharmacist", "coordinator"),
        ("investigator", "pharmacist"),
        ("statistician", "unblinded-statistician"),
        ("rater", "unblinded-statistician"),
        ("safety", "rater"),
        ("safety", "investigator", "coordinator"),
        ("infusion", "rater"),
        ("monitor", "pharmacist"),
        ("data-manager", "safety"),
    ],
)
def test_roles_that_break_the_blind_are_refused_in_one_account(staged: Any, roles: tuple[str, ...]) -> None:
    assert check_roles("x", roles)
    trial = staged()
    with pytest.raises(ConductError) as caught:
        trial.do("alice", "add-account", account="nils", person="Nils", roles=list(roles))
    assert {problem.code for problem in caught.value.problems} == {"C113"}
    assert trial.rows("SELECT count(*) FROM account WHERE account = 'nils'") == [(0,)]


@pytest.mark.parametrize(
    "roles",
    [("investigator", "coordinator", "monitor"), ("coordinator", "rater"), ("pharmacist", "unblinded-statistician")],
)
def test_other_roles_may_be_joined(roles: tuple[str, ...]) -> None:
    assert check_roles("x", roles) == []


def test_accounts_that_have_them_already_go_on_and_are_named(staged: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from equipoise.conduct.actions.sign_in import Session
    from equipoise.conduct.integrity.verify import verify

    trial = staged()
    with monkeypatch.context() as patch:  # as a version before this one would have made it
        patch.setattr("equipoise.conduct.actions.administration.account.check_roles", lambda *_: [])
        trial.do("alice", "add-account", account="nils", person="Nils", roles=["rater", "pharmacist"])
    trial.sessions["nils"] = Session("nils")
    trial.do(
        "nils", "read", participant=trial.do("carol", "screen", participant="P-1", site="main").answer["participant"]
    )
    found = verify(trial.trial)
    assert found.ok
    assert any("account nils holds pharmacist and rater" in note for note in found.notes)
    rows = {row["account"]: row for row in trial.do("alice", "review-accounts").told["list"]}
    assert rows["nils"]["breaks_the_blind"] == ["pharmacist with rater"]
    assert rows["carol"]["breaks_the_blind"] == []


@pytest.mark.parametrize("name", ["Carol", "CAROL", "caroI", "car0l", "caro1", "c\u0430rol", "cárol"])
def test_a_name_taken_for_another_is_refused(staged: Any, name: str) -> None:
    trial = staged()
    with pytest.raises(ConductError) as caught:
        trial.do("alice", "add-account", account=name, person="Carla", roles=["rater"])
    assert {problem.code for problem in caught.value.problems} == {"C114"}


def test_codes_of_participants_and_sites_are_not_mixed_up_either(staged: Any, database: str) -> None:
    trial = staged(database=database)
    trial.do("carol", "screen", participant="P-10", site="main")
    for code in ("p-10", "P-1O", "P-l0", "P-IO"):
        with pytest.raises(ConductError) as caught:
            trial.do("carol", "screen", participant=code, site="main")
        assert {problem.code for problem in caught.value.problems} == {"C114"}, code
    trial.do("carol", "screen", participant="P-11", site="main")
    with pytest.raises(ConductError) as caught:
        trial.do("alice", "add-site", site="Main", zone="UTC")
    assert {problem.code for problem in caught.value.problems} == {"C114"}


def test_names_that_differ_in_a_letter_stay_different() -> None:
    names = ["nina", "noel", "ruth", "rita", "petra", "phil", "dana", "mona", "stan", "uma", "P-001", "P-011", "P001"]
    assert len({skeleton(name) for name in names}) == len(names)
    assert all(check_name("account", name, names) == [] for name in names)


@pytest.mark.parametrize(
    "phrase",
    [
        "correct horse battery staple",
        "password1234",
        "P4ssw0rd P4ssw0rd",
        "qwertyuiop1234",
        "abcdefghijklmn",
        "Justin Bieber",
        "letmeinletmein",
        "123456789012345",
        "the quick brown fox 1",
    ],
)
def test_a_known_pass_phrase_is_refused(staged: Any, phrase: str) -> None:
    assert is_known(phrase)
    trial = staged()
    with pytest.raises(ConductError) as caught:
        trial.do("carol", "passphrase", new=phrase)
    assert caught.value.problems[0].code == "C012"


@pytest.mark.parametrize(
    "phrase", ["four old clocks tick", "seven green bottles", "7kq2-9xma-2abd-m0d4-tt1c", "a9f3b2c4d5e6f7a8b9c0d1e2"]
)
def test_other_pass_phrases_are_taken(phrase: str) -> None:
    assert not is_known(phrase)


def test_first_accounts_are_held_to_the_same(staged: Any, tmp_path: Any) -> None:
    from equipoise.conduct.trial.create import FirstAccount, create_trial
    from equipoise.workflow.library import read_protocol

    words = "seven green bottles"
    for accounts, code in (
        ([FirstAccount("a", ("administrator",), words), FirstAccount("x", ("rater", "pharmacist"), words)], "C113"),
        ([FirstAccount("anna", ("administrator",), words), FirstAccount("Anna", ("rater",), words)], "C114"),
    ):
        with pytest.raises(ConductError) as caught:
            create_trial(
                read_protocol("smoking-cessation"),
                tmp_path / "new",
                mode="training",
                pharmacy=tmp_path / "pharmacy",
                accounts=accounts,
            )
        assert {problem.code for problem in caught.value.problems} == {code}
        assert not (tmp_path / "new").exists()
