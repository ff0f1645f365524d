"""Unblinding, redaction, amendment, accounts: what each tells, to whom, and what stays."""

from __future__ import annotations

import pytest

from equipoise.foundation.errors import ConductError


def _code(error: pytest.ExceptionInfo[ConductError]) -> str:
    return error.value.problems[0].code


@pytest.fixture
def randomized(staged):
    trial = staged()
    trial.enrol("P-1")
    trial.do("carol", "randomize", participant="P-1")
    return trial


def test_emergency_unblinding_tells_the_arm_to_one_person_and_records_it_for_all(randomized) -> None:
    trial = randomized
    with pytest.raises(ConductError) as error:
        trial.do("ivan", "unblind", participant="P-1", sealed=True)
    assert _code(error) == "C503" or _code(error) == "C016"
    told = trial.do("ivan", "unblind", participant="P-1", why="respiratory depression", sealed=True)
    arms = {"Midazolam + MBRP", "Ketamine + MBRP"}
    assert told.told["arm"] in arms
    assert not arms & set(map(str, told.answer.values()))
    assert trial.rows("SELECT reason, told FROM unblinding") == [("respiratory depression", "ivan")]
    ledger = " ".join(row[0] for row in trial.rows("SELECT what FROM event WHERE action <> 'init'"))
    assert "etamine" not in ledger
    assert "idazolam" not in ledger


def test_without_the_key_nobody_is_unblinded(randomized) -> None:
    with pytest.raises(ConductError) as error:
        randomized.do("ivan", "unblind", participant="P-1", why="x y z")
    assert _code(error) == "C040"
    assert randomized.rows("SELECT count(*) FROM unblinding") == [(0,)]


def test_in_third_party_mode_the_one_who_asks_never_receives_the_arm(randomized) -> None:
    trial = randomized
    asked = trial.do("carol", "unblind-for", participant="P-1", told="sam", why="the ward asks")
    assert asked.told == {}
    with pytest.raises(ConductError) as error:
        trial.do("ivan", "unblind-told", unblinding=asked.answer["unblinding"], sealed=True)
    assert _code(error) == "C127"
    told = trial.do("sam", "unblind-told", unblinding=asked.answer["unblinding"], sealed=True)
    assert told.told["arm"]
    assert trial.rows("SELECT mode, asked_by, told, state FROM unblinding") == [("third-party", "carol", "sam", "told")]


def test_randomized_in_error_is_a_further_event_and_the_slot_stays_given(randomized) -> None:
    trial = randomized
    trial.do("ivan", "randomized-in-error", participant="P-1", why="criteria were misread")
    trial.enrol("P-2")
    assert trial.do("carol", "randomize", participant="P-2").answer["receipt"] == 2
    assert trial.rows("SELECT count(*) FROM allocation") == [(2,)]
    assert trial.rows("SELECT in_error FROM participant ORDER BY participant")[0] == ("criteria were misread",)


def test_redaction_takes_the_words_out_and_the_chain_still_holds(staged, database) -> None:
    from equipoise.conduct.integrity.verify import verify

    trial = staged(database=database)
    trial.do("carol", "screen", participant="P-1", site="main", result="declined", reason="Jane Roe moved to Ohio")
    hashes = trial.rows("SELECT number, hash FROM event ORDER BY number")
    trial.do("alice", "redact", participant="P-1", text="Jane Roe", why="a name was typed")
    assert trial.rows("SELECT reason FROM participant") == [("[redacted] moved to Ohio",)]
    for row in trial.rows("SELECT * FROM event"):
        assert "Jane Roe" not in " ".join(map(str, row))
    assert trial.rows("SELECT number, hash FROM event ORDER BY number")[: len(hashes)] == hashes
    assert verify(trial.trial).findings == []


def test_a_redacted_name_stands_in_no_file_of_the_trial(staged) -> None:
    trial = staged()
    said = "Jane Roe moved to Ohio"
    trial.do("carol", "screen", participant="P-1", site="main", result="declined", reason=said)

    def holds(text: bytes) -> bool:
        return any(text in path.read_bytes() for path in trial.trial.directory.rglob("*") if path.is_file())

    assert holds(b"Jane Roe")
    assert trial.do("alice", "redact", participant="P-1", text="Jane Roe", why="a name was typed").warnings == ()
    assert not holds(b"Jane Roe")
    assert holds(b"moved to Ohio")


def test_a_second_name_is_taken_out_of_what_the_first_redaction_kept_and_no_digest_lets_it_be_tried_out(
    staged, database
) -> None:
    import json

    from equipoise.conduct.integrity.verify import verify

    trial = staged(database=database)
    said = "Jane Roe moved to Ohio with John Doe"
    trial.do("carol", "screen", participant="P-1", site="main", result="declined", reason=said)
    trial.do("alice", "redact", participant="P-1", text="Jane Roe", why="a name was typed")
    trial.do("alice", "redact", participant="P-1", text="John Doe", why="John Doe is a name too")
    assert trial.rows("SELECT reason FROM participant") == [("[redacted] moved to Ohio with [redacted]",)]
    for row in trial.rows("SELECT * FROM event"):
        assert not any(name in " ".join(map(str, row)) for name in ("Jane Roe", "John Doe"))
    first, second = trial.rows("SELECT what, why FROM event WHERE action = 'redact' ORDER BY number")
    assert first == ("", "")
    assert second[1] == "... is a name too"
    content = json.loads(second[0])
    assert "asked" not in content  # its reason held the name
    assert [sorted(json.loads(words)) for words in content["kept"].values()] == [["answer", "put"]] * 2
    assert verify(trial.trial).findings == []
    with pytest.raises(ConductError) as error:
        trial.do("alice", "redact", participant="P-1", text="John Doe", why="again")
    assert _code(error) == "C129"


def test_words_blanked_without_a_redaction_are_refused_and_seen(staged) -> None:
    from django.db import DatabaseError

    trial = staged()
    trial.do("carol", "screen", participant="P-1", site="main")
    with trial.trial.use(), pytest.raises(DatabaseError):
        trial.trial.connection.cursor().execute("UPDATE event SET what = '', why = '', salt = '' WHERE number = 3")


def _amended(trial, old: str, new: str) -> str:
    text = trial.trial.protocol(trial.trial.protocol_hash).text
    assert old in text
    return text.replace(old, new)


def test_an_amendment_is_shown_then_adopted_and_participants_move_when_they_consent_anew(staged, database) -> None:
    from equipoise.conduct.integrity.verify import verify

    trial = staged(database=database)
    first = trial.trial.protocol_hash
    trial.enrol("P-1")
    text = _amended(trial, "days: 6..33, source", "days: 6..40, source")
    with pytest.raises(ConductError) as error:
        trial.do("alice", "amend", text=text, why="follow-up prolonged")
    assert _code(error) == "C130"
    assert "calendar.epochs.outpatient.days" in str(error.value)
    trial.do("alice", "amend", text=text, confirm=True, consent_version="2.0", why="follow-up prolonged")
    second = trial.trial.protocol_hash
    assert second != first
    trial.do("carol", "screen", participant="P-2", site="main")
    assert trial.rows("SELECT protocol_hash FROM participant WHERE participant = 'P-1'") == [(first,)]
    with pytest.raises(ConductError) as error:  # the new document is not agreed to yet
        trial.do("carol", "randomize", participant="P-1")
    assert _code(error) == "C502"
    trial.do("carol", "consent", participant="P-1", version="2.0")
    assert trial.rows("SELECT protocol_hash FROM participant WHERE participant = 'P-1'") == [(second,)]
    trial.do("carol", "randomize", participant="P-1")
    by_action = dict(trial.rows("SELECT action, protocol_hash FROM event WHERE action IN ('eligibility', 'randomize')"))
    assert by_action == {"eligibility": first, "randomize": second}
    assert verify(trial.trial).findings == []


def test_an_amendment_that_needs_other_lists_is_refused(staged) -> None:
    trial = staged()
    with pytest.raises(ConductError) as error:
        trial.do("alice", "amend", text=_amended(trial, "ketamine: 1}", "ketamine: 2}"), confirm=True, why="more")
    assert "randomization" in str(error.value)


def test_a_program_that_reads_the_protocol_differently_is_refused(staged, monkeypatch) -> None:
    from equipoise.conduct.trial import protocol_versions as readings
    from equipoise.conduct.trial import trial as store
    from equipoise.workflow import library

    trial = staged()
    readings.read_version.cache_clear()
    monkeypatch.setattr(readings, "fingerprint", lambda: "another version of the program")
    real = library.definitions_of
    monkeypatch.setattr(library, "definitions_of", lambda protocol: {**real(protocol), "instrument x": {"key": "new"}})
    with pytest.raises(ConductError) as error:
        store.Trial.open(trial.trial.directory)
    assert _code(error) == "C006"


def test_accounts_end_and_never_come_back_as_somebody_else(staged) -> None:
    from equipoise.conduct.actions.sign_in import sign_in

    trial = staged()
    made = trial.do("alice", "add-account", account="nora", person="Nora N", roles=["coordinator"])
    nora = sign_in(trial.trial, "nora", made.told["passphrase"], clock=trial.clock, entropy=trial.entropy)
    trial.sessions["nora"] = nora
    trial.do("nora", "screen", participant="P-1", site="main")
    trial.do("alice", "disable-account", account="nora", why="left the clinic")
    with pytest.raises(ConductError) as error:  # a session that is open ends with the account
        trial.do("nora", "screen", participant="P-2", site="main")
    assert _code(error) == "C013"
    with pytest.raises(ConductError) as error:
        trial.do("alice", "add-account", account="nora", person="Other", roles=["coordinator"])
    assert _code(error) == "C110"
    with pytest.raises(ConductError) as error:
        trial.do("alice", "disable-account", account="alice", why="by mistake")
    assert _code(error) == "C112"
    assert made.told["passphrase"] not in str(trial.rows("SELECT what FROM event"))


def test_five_wrong_pass_phrases_and_the_account_waits(staged) -> None:
    from datetime import timedelta

    from equipoise.conduct.actions.sign_in import sign_in

    trial = staged()
    given = {"clock": trial.clock, "entropy": trial.entropy}
    for _ in range(5):
        with pytest.raises(ConductError) as error:
            sign_in(trial.trial, "carol", "wrong", **given)
        assert _code(error) == "C010"
    with pytest.raises(ConductError) as error:
        sign_in(trial.trial, "carol", "seven green bottles", **given)
    assert _code(error) == "C011"
    trial.clock.at += timedelta(minutes=16)
    sign_in(trial.trial, "carol", "seven green bottles", **given)
    assert trial.rows("SELECT count(*) FROM event WHERE action = 'sign-in-refused'") == [(5,)]
