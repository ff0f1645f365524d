"""A repeated request is the same request: known by all it asked, answered whole, done once."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from equipoise.foundation.errors import ConductError

from .driven import hire


@pytest.fixture
def trial(staged: Any) -> Any:
    """One participant on study day 2, randomized and weighed; drug on the shelf."""
    made = staged()
    hire(made)
    made.do("carol", "screen", participant="P-1", site="main")
    made.do("carol", "consent", participant="P-1", version="1.0", on="2027-01-11")
    made.do("carol", "baseline", participant="P-1", values={"age": 41, "route": "intranasal"})
    made.do("ivan", "eligibility", participant="P-1", attested={"dependent": True, "seeking": True})
    made.do("carol", "day-1", participant="P-1", on="2027-01-11")
    made.do("carol", "randomize", participant="P-1")
    made.clock.at += timedelta(days=1)
    return made


def _weigh(trial: Any) -> None:
    for who in ("nina", "noel"):
        trial.do(who, "weight", participant="P-1", kg=70)


def _twice(trial: Any, who: str, action: str, *, other: dict[str, Any] | None = None, **given: Any) -> tuple[Any, Any]:
    """The request twice, and once with another content, which is refused; nothing is recorded but the first."""
    first = trial.do(who, action, key="K1", **given)
    before = trial.rows("SELECT number, hash FROM ledger_head ORDER BY ledger")
    again = trial.do(who, action, key="K1", **given)
    assert again.repeated
    assert (again.events, again.anchor.text, again.answer) == (first.events, first.anchor.text, first.answer)
    if other is not None:
        with pytest.raises(ConductError) as caught:
            trial.do(who, action, key="K1", **{**given, **other})
        assert caught.value.problems[0].code == "C015"
    assert trial.rows("SELECT number, hash FROM ledger_head ORDER BY ledger") == before
    return first, again


def test_private_arguments_count_in_the_drug_register(trial: Any) -> None:
    given = {"drug": "midazolam", "movement": "received", "mg": 50, "sealed": True}
    first, again = _twice(trial, "phil", "stock", other={"drug": "ketamine", "mg": 77}, **given)
    assert again.told == first.told != {}
    trial.do("phil", "stock", drug="ketamine", movement="received", mg=5, sealed=True)
    assert trial.do("phil", "stock", key="K1", **given).told == first.told  # as it was then, not as it is now
    ledger = " ".join(row[0] for row in trial.rows("SELECT what FROM event WHERE action = 'stock'"))
    assert "midazolam" not in ledger


def test_a_pharmacist_who_lost_the_reply_gets_the_dose_again(trial: Any) -> None:
    _weigh(trial)
    first, again = _twice(trial, "phil", "dose-sheet", other={"drawn": 100}, participant="P-1", sealed=True)
    assert again.told == first.told
    assert {"drug", "prepared_mg"} <= set(first.told)
    checked, once_more = _twice(trial, "petra", "dose-check", participant="P-1", sealed=True)
    assert once_more.told == checked.told != {}


def test_without_the_key_nobody_is_told_a_dose_again(trial: Any) -> None:
    _weigh(trial)
    trial.do("phil", "dose-sheet", key="K1", participant="P-1", sealed=True)
    with pytest.raises(ConductError) as caught:
        trial.do("phil", "dose-sheet", key="K1", participant="P-1")
    assert caught.value.problems[0].code == "C040"


def test_an_account_shut_out_since_is_told_nothing(trial: Any) -> None:
    _weigh(trial)
    trial.do("phil", "dose-sheet", key="K1", participant="P-1", sealed=True)
    trial.do("alice", "disable-account", account="phil", why="left")
    with pytest.raises(ConductError) as caught:
        trial.do("phil", "dose-sheet", key="K1", participant="P-1", sealed=True)
    assert caught.value.problems[0].code == "C013"


def test_an_arm_is_told_again_to_the_one_who_was_told(trial: Any) -> None:
    first, again = _twice(trial, "ivan", "unblind", participant="P-1", why="an emergency", sealed=True)
    assert again.told == first.told != {}
    asked = trial.do("carol", "unblind-for", participant="P-1", told="sam", why="the ward asks")
    first = trial.do("sam", "unblind-told", key="T", unblinding=asked.answer["unblinding"], sealed=True)
    again = trial.do("sam", "unblind-told", key="T", unblinding=asked.answer["unblinding"], sealed=True)
    assert again.told == first.told != {}


@pytest.mark.parametrize("answers", [{"score": 31}, {"score": 32}])
def test_quarantined_answers_count_and_no_one_reads_them_in_the_ledger(trial: Any, answers: dict[str, int]) -> None:
    trial.do("carol", "visit", participant="P-1", visit="infusion")
    made = trial.trial.protocol(trial.trial.protocol_hash)
    from equipoise.conduct.rules.forms import form_of

    items = {item.id: "1" for item in form_of(made, "dissociation").items}
    other = dict.fromkeys(items, "2")
    given = {"participant": "P-1", "visit": "infusion", "form": "dissociation", "answers": items}
    first, again = _twice(trial, "nina", "record", other={"answers": other}, **given)
    assert not again.told
    assert "asked_private" in trial.rows("SELECT what FROM event WHERE number = %s", first.events[0])[0][0]


def test_a_request_without_a_key_leaves_no_digest_of_what_is_private(trial: Any) -> None:
    trial.do("phil", "stock", drug="midazolam", movement="received", mg=50, sealed=True)
    assert "asked_private" not in trial.rows("SELECT what FROM event ORDER BY number DESC LIMIT 1")[0][0]


def test_what_was_read_is_told_again_and_recorded_once(trial: Any) -> None:
    first, again = _twice(trial, "carol", "read", participant="P-1")
    assert again.told == first.told != {}
    first, again = _twice(trial, "alice", "review-accounts")
    assert [row["account"] for row in again.told["list"]] == [row["account"] for row in first.told["list"]]
    first, again = _twice(trial, "mona", "queries")
    assert again.told == first.told


def test_a_pass_phrase_told_once_is_said_to_be_so(trial: Any) -> None:
    _, again = _twice(trial, "alice", "add-account", account="nils", person="Nils", roles=["rater"])
    assert again.told == {}
    assert "reset-passphrase" in again.warnings[0]


def test_a_text_to_be_redacted_counts(trial: Any) -> None:
    trial.do("carol", "screen", participant="P-7", site="main", result="declined", reason="Jane Roe and Jim Doe")
    given = {"participant": "P-7", "text": "Jane Roe", "why": "a name was typed"}
    _twice(trial, "alice", "redact", other={"text": "Jim Doe"}, **given)


def test_a_new_pass_phrase_counts(trial: Any) -> None:
    _twice(trial, "carol", "passphrase", other={"new": "nine yellow buckets"}, new="eight purple ladders")


def test_who_signs_again_types_the_right_pass_phrase(trial: Any) -> None:
    first = trial.do("ivan", "sign-off", key="S", participant="P-1")
    assert trial.do("ivan", "sign-off", key="S", participant="P-1").answer == first.answer
    with pytest.raises(ConductError) as caught:
        trial.do("ivan", "sign-off", key="S", participant="P-1", passphrase="another one entirely")
    assert caught.value.problems[0].code == "C010"


def test_where_the_key_of_requests_is_gone_nobody_pretends_to_know(trial: Any) -> None:
    given = {"new": "eight purple ladders", "key": "K1"}
    trial.do("carol", "passphrase", **given)
    (trial.trial.directory / "requests.key").unlink()
    del trial.trial.__dict__["request_key"]
    with pytest.raises(ConductError) as caught:
        trial.do("carol", "passphrase", **given)
    assert caught.value.problems[0].code == "C029"


def test_the_key_of_requests_is_the_owners_alone(trial: Any) -> None:
    trial.do("carol", "passphrase", key="K", new="eight purple ladders")
    path = trial.trial.directory / "requests.key"
    assert path.stat().st_mode & 0o077 == 0
    ledger = " ".join(row[0] for row in trial.rows("SELECT what FROM event"))
    assert path.read_text() not in ledger
