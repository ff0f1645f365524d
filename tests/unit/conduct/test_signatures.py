"""Signatures: who, in which role, when, with what meaning, over exactly what; and when they no longer stand."""

from __future__ import annotations

from typing import Any

import pytest

from .test_clinical_actions import FORM, Refused, visited


@pytest.fixture
def trial(staged: Any, database: str) -> Any:
    return visited(staged(database=database))


@pytest.fixture
def on_sqlite(staged: Any) -> Any:
    return visited(staged())


def states(trial: Any) -> dict[str, str]:
    return dict(trial.rows("SELECT subject, state FROM signature"))


def test_a_signature_shows_name_role_time_and_meaning_and_any_later_change_of_what_it_covers_supersedes_it(
    trial: Any,
) -> None:
    from equipoise.conduct.integrity.verify import verify

    signed = trial.do("ruth", "sign", **FORM, meaning="authored").answer
    assert {name: signed[name] for name in ("signed_by", "role", "meaning", "of")} == {
        "signed_by": "Ruth",
        "role": "rater",
        "meaning": "authored",
        "of": "form urine at day-9",
    }
    assert signed["at"].endswith("Z")
    trial.do("mona", "sign", participant="P-1", meaning="reviewed")
    whole, form = "all records of the participant", "form urine at day-9"
    assert states(trial) == {whole: "valid", form: "valid"}
    shown = trial.do("mona", "read", participant="P-1").told["signatures"]
    assert [(row["person"], row["role"], row["meaning"], row["state"]) for row in shown] == [
        ("Ruth", "rater", "authored", "valid"),
        ("Mona", "monitor", "reviewed", "valid"),
    ]
    trial.do("ruth", "calendar", participant="P-1", first="2027-01-16", last="2027-01-16")
    assert states(trial) == {whole: "superseded", form: "valid"}
    done = trial.do("ruth", "correct", **FORM, answers={"cocaine": "positive"}, why="strip misread")
    assert done.answer["signatures_superseded"] == [signed["signature"]]
    assert states(trial) == {whole: "superseded", form: "superseded"}
    found = verify(trial.trial)
    assert found.findings == []
    assert any("2 signatures are superseded" in note for note in found.notes)
    # the signature stays, with the digest of what was signed then
    assert trial.rows("SELECT content FROM signature WHERE subject = %s", form) == [(signed["content"],)]


def test_the_same_content_typed_again_has_the_digest_that_was_signed_before(on_sqlite: Any) -> None:
    trial = on_sqlite
    first = trial.do("ruth", "sign", **FORM, meaning="authored").answer["content"]
    trial.do("ruth", "correct", **FORM, answers={"cocaine": "positive"}, why="strip misread")
    second = trial.do("ruth", "sign", **FORM, meaning="authored").answer["content"]
    trial.do("ruth", "correct", **FORM, answers={"cocaine": "negative"}, why="it was right")
    third = trial.do("ruth", "sign", **FORM, meaning="authored").answer["content"]
    assert first == third != second
    assert trial.rows("SELECT state FROM signature ORDER BY event_number DESC LIMIT 1") == [("valid",)]


def test_the_pass_phrase_is_typed_again_and_wrong_ones_are_counted(on_sqlite: Any) -> None:
    trial = on_sqlite
    given = {**FORM, "meaning": "authored"}
    for _ in range(3):
        with Refused("C010"):
            trial.do("ruth", "sign", **given, passphrase="seven green bottles standing")
    assert trial.rows("SELECT refusals FROM account WHERE account = 'ruth'") == [(3,)]
    trial.do("ruth", "sign", **given)
    assert trial.rows("SELECT refusals FROM account WHERE account = 'ruth'") == [(0,)]
    for _ in range(5):
        with Refused("C010"):
            trial.do("ivan", "sign", **{**given, "meaning": "reviewed"}, passphrase="wrong words again")
    with Refused("C011"):
        trial.do("ivan", "sign", **{**given, "meaning": "reviewed"})
    assert trial.rows("SELECT count(*) FROM event WHERE action = 'refused' AND account = 'ivan'") == [(6,)]
    words = " ".join(row[0] for row in trial.rows("SELECT what FROM event"))
    assert "seven green" not in words
    assert trial.rows("SELECT count(*) FROM signature") == [(1,)]


def test_who_signs_with_which_meaning_is_the_roles_and_what_is_not_there_is_not_signed(on_sqlite: Any) -> None:
    trial = on_sqlite
    for who, meaning in (("ruth", "approved"), ("mona", "authored"), ("carol", "responsible"), ("dana", "approved")):
        with Refused("C625"):
            trial.do(who, "sign", **FORM, meaning=meaning)
    with Refused("C625"):
        trial.do("ivan", "sign", **FORM, meaning="seen")
    with Refused("C621"):
        trial.do("ivan", "sign", participant="P-1", visit="day-9", form="craving", meaning="reviewed")
    with Refused("C013"):
        trial.do("stan", "sign", **FORM, meaning="reviewed")
    trial.do("ivan", "sign", **FORM, meaning="reviewed")
    with Refused("C621"):
        trial.do("ivan", "sign", **FORM, meaning="reviewed")


def test_the_lock_is_signed_over_everything_and_names_what_is_missing(trial: Any) -> None:
    from equipoise.conduct.integrity.verify import verify
    from equipoise.conduct.trial.signatures import trial_digest

    trial.do("mona", "query", participant="P-1", text="which strip?")
    trial.do("mona", "sign", participant="P-1", meaning="reviewed")
    trial.do("alice", "freeze")
    with pytest.raises(Exception) as error:
        trial.do("alice", "lock")
    said = error.value.problems[0].found  # type: ignore[attr-defined]
    assert "P-1" in said
    assert "Q-0001" in said
    trial.do("ivan", "sign-off", participant="P-1")
    trial.do("mona", "query-close", query="Q-0001", why="seen on site")
    with Refused("C010"):
        trial.do("alice", "lock", passphrase="not hers at all")
    locked = trial.do("alice", "lock").answer
    assert (locked["signed_by"], locked["meaning"], locked["of"]) == ("Alice", "approved", "the locked database")
    with trial.trial.use():
        assert locked["content"] == trial_digest(trial.trial)
    assert verify(trial.trial).findings == []
    trial.do("alice", "redact", participant="P-1", text="negative", why="the test takes something out")
    assert set(states(trial).values()) == {"superseded"}
    assert verify(trial.trial).findings == []


def test_a_signature_put_over_other_content_by_hand_is_named_even_with_the_chain_made_anew(trial: Any) -> None:
    import json

    from equipoise.conduct.drill.damage import Damage, rewrite, seen
    from equipoise.conduct.trial.trial import Trial

    trial.do("ruth", "sign", **FORM, meaning="authored")
    owner = Trial(trial.trial.directory, trial.trial.config, as_owner=True)
    for anchor in trial.trial.receipts.glob("*"):
        anchor.unlink()
    event = trial.rows("SELECT event_number FROM item WHERE item = 'cocaine' AND form = 'urine'")[0][0]

    def forge(cursor: Any) -> None:
        rewrite(cursor, event, lambda what: json.loads(json.dumps(what).replace('"negative"', '"positive"')))
        cursor.execute("UPDATE item SET value = 'positive' WHERE form = 'urine'")

    found = seen(owner, Damage("datum behind a signature", forge, "signature")).findings
    found = [finding for finding in found if finding.code != "C077"]  # the anchors that are gone
    assert [(finding.code, finding.place.split()[0]) for finding in found] == [("C072", "signature")]
    owner.close()
