"""The door: rights, order, reasons, requests repeated, and what stands in the ledger afterwards."""

from __future__ import annotations

import pytest

from equipoise.foundation.errors import ConductError, UsageError

from .conftest import PASSPHRASE


def _code(error: pytest.ExceptionInfo[ConductError]) -> str:
    return error.value.problems[0].code


def test_screening_consent_and_randomization_in_order_and_no_other(staged, database) -> None:
    trial = staged(database=database)
    with pytest.raises(ConductError) as error:
        trial.do("carol", "randomize", participant="P-1")
    assert _code(error) == "C014"
    trial.do("carol", "screen", participant="P-1", site="main")
    for too_early in ("randomize",):
        with pytest.raises(ConductError) as error:
            trial.do("carol", too_early, participant="P-1")
        assert _code(error) == "C501"
    trial.do("carol", "consent", participant="P-1", version="1.0")
    trial.make_eligible("P-1")
    given = trial.do("carol", "randomize", participant="P-1")
    assert given.answer["receipt"] == 1
    assert trial.rows("SELECT status, stratum FROM participant") == [("randomized", "trial:all")]
    with pytest.raises(ConductError) as error:
        trial.do("carol", "randomize", participant="P-1")
    assert _code(error) == "C126"


def test_a_repeated_request_gets_the_first_answer_and_changes_nothing(staged, database) -> None:
    trial = staged(database=database)
    trial.enrol("P-1")
    first = trial.do("carol", "randomize", participant="P-1", key="press 1")
    count = trial.rows("SELECT count(*) FROM event")
    again = trial.do("carol", "randomize", participant="P-1", key="press 1")
    assert again.repeated
    assert (again.answer, again.anchor.hash) == (first.answer, first.anchor.hash)
    assert trial.rows("SELECT count(*) FROM event") == count
    with pytest.raises(ConductError) as error:
        trial.do("carol", "screen", participant="P-9", site="main", key="press 1")
    assert _code(error) == "C015"


def test_what_a_role_may_not_do_is_refused_and_noted(staged) -> None:
    trial = staged()
    with pytest.raises(ConductError) as error:
        trial.do("alice", "screen", participant="P-1", site="main")
    assert _code(error) == "C013"
    assert trial.rows("SELECT account, subject FROM event WHERE action = 'refused'") == [("alice", "screen")]
    assert trial.rows("SELECT count(*) FROM participant") == [(0,)]


def test_a_site_enrols_nobody_before_its_approvals(staged) -> None:
    trial = staged(active=False)
    with pytest.raises(ConductError) as error:
        trial.do("carol", "screen", participant="P-1", site="main")
    assert _code(error) == "C019"


def test_arguments_that_an_action_does_not_take_are_refused_all_at_once(staged) -> None:
    trial = staged()
    with pytest.raises(UsageError) as error:
        trial.do("carol", "screen", participant="P-1", status="randomized", arm="ketamine")
    assert sorted(problem.place for problem in error.value.problems) == ["arm", "site", "status"]


def test_every_action_has_a_row_of_rights_and_every_row_an_action() -> None:
    from equipoise.conduct.actions import all_actions
    from equipoise.conduct.actions.permissions import MATRIX

    assert set(MATRIX) == set(all_actions())
    assert all(roles for roles in MATRIX.values())


def test_local_time_and_offset_stand_beside_utc(staged) -> None:
    trial = staged()
    trial.do("carol", "screen", participant="P-1", site="main")
    at, zone, offset = trial.rows("SELECT at, zone, offset_minutes FROM event WHERE action = 'screen'")[0]
    assert at.endswith("Z")
    assert (zone, offset) == ("America/New_York", -300)


def test_the_tables_in_the_database_are_those_that_the_rows_have(staged) -> None:
    from equipoise.conduct.rows.tables import KINDS, LEDGERS, columns_of, table_of

    trial = staged().trial
    with trial.use(), trial.connection.cursor() as cursor:
        for kind in (*LEDGERS, *KINDS):
            there = trial.connection.introspection.get_table_description(cursor, table_of(kind).name)
            assert sorted(column.name for column in there) == sorted(columns_of(kind)), kind


def test_a_pass_phrase_is_hashed_before_the_write_lock_is_had(staged, monkeypatch) -> None:
    """Signing takes a slow hash: nobody else waits for it. What counts is decided under the lock all the same."""
    from django.contrib.auth import hashers

    trial = staged()
    trial.enrol("P-1")
    trial.session("ivan")
    held = []
    real = hashers.check_password

    def checked(passphrase: str, encoded: str) -> bool:
        held.append(trial.trial.connection.in_atomic_block)
        return real(passphrase, encoded)

    monkeypatch.setattr(hashers, "check_password", checked)
    signing = {"participant": "P-1", "meaning": "reviewed"}
    with pytest.raises(ConductError) as error:
        trial.do("ivan", "sign", passphrase="another passphrase", **signing)
    assert error.value.problems[0].code == "C010"
    assert held == [False]
    for _ in range(4):
        with pytest.raises(ConductError):
            trial.do("ivan", "sign", passphrase="another passphrase", **signing)
    with pytest.raises(ConductError) as error:  # the right one, and the account waits
        trial.do("ivan", "sign", passphrase="seven green bottles", **signing)
    assert error.value.problems[0].code == "C011"


def test_pass_phrases_guessed_in_parallel_are_all_counted(staged, monkeypatch) -> None:
    from django.contrib.auth import hashers

    from equipoise.conduct.actions.sign_in import sign_in

    trial = staged()
    given = {"clock": trial.clock, "entropy": trial.entropy}
    real = hashers.check_password
    meanwhile = [5]

    def slow(passphrase: str, encoded: str) -> bool:
        if passphrase == "seven green bottles":  # while it is held against the account's, others guess
            for number in range(meanwhile.pop() if meanwhile else 0):
                with pytest.raises(ConductError):
                    sign_in(trial.trial, "ivan", f"guess {number}", **given)
        return real(passphrase, encoded)

    monkeypatch.setattr(hashers, "check_password", slow)
    with pytest.raises(ConductError) as error:
        sign_in(trial.trial, "ivan", "seven green bottles", **given)
    assert _code(error) == "C011"
    assert trial.rows("SELECT refusals FROM account WHERE account = 'ivan'") == [(5,)]


def test_the_protocol_is_read_before_the_write_lock_is_had(staged, monkeypatch) -> None:
    from equipoise.conduct.trial import trial as store

    trial = staged()
    trial.enrol("P-1")
    trial.do("carol", "day-1", participant="P-1")
    trial.trial._protocols.clear()
    held = []
    real = store.read_version

    def read(text: str, hash: str):
        held.append(trial.trial.connection.in_atomic_block)
        return real(text, hash)

    monkeypatch.setattr(store, "read_version", read)
    trial.do("carol", "visit", participant="P-1", visit="admission")
    assert held == [False]


def test_a_pass_phrase_held_before_the_lock_counts_for_its_own_account_and_hash_alone(staged) -> None:
    from equipoise.conduct.actions.sign_in import check_again, hold_passphrase
    from equipoise.conduct.clock import Moment

    trial = staged()
    right = hold_passphrase(trial.trial, "carol", PASSPHRASE)
    wrong = hold_passphrase(trial.trial, "carol", "another one altogether")
    of_ivan = hold_passphrase(trial.trial, "ivan", PASSPHRASE)
    assert [held and held.is_right for held in (right, wrong, of_ivan)] == [True, False, True]
    assert PASSPHRASE not in repr(right)
    assert hold_passphrase(trial.trial, "nobody", PASSPHRASE) is None
    now = Moment.of(trial.clock, "UTC")
    with trial.trial.use():
        check_again(trial.trial, "carol", PASSPHRASE, now, held=right)
        check_again(trial.trial, "carol", PASSPHRASE, now)
        with pytest.raises(ConductError):  # found wrong before the lock
            check_again(trial.trial, "carol", PASSPHRASE, now, held=wrong)
        with pytest.raises(ConductError):  # what was found of another account says nothing here
            check_again(trial.trial, "carol", "another one altogether", now, held=of_ivan)


@pytest.mark.parametrize(
    ("given", "place"),
    [
        ({"reason": "no time\nP-003  screened"}, "reason"),
        ({"reason": "x\x1b[2Jhidden"}, "reason"),
        ({"reason": "IRB\x9b31m"}, "reason"),
        ({"reason": "abc\u202edef"}, "reason"),
        ({"why": "a\rb"}, "--why"),
        ({"key": "K\x1b1"}, "--key"),
    ],
)
def test_control_characters_are_refused_wherever_text_is_typed(staged, given: dict[str, str], place: str) -> None:
    trial = staged()
    trial.session("carol")
    before = trial.rows("SELECT count(*) FROM event")
    with pytest.raises(ConductError) as caught:
        trial.do("carol", "screen", participant="P-2", site="main", result="declined", **{"reason": "no", **given})
    assert [(problem.code, problem.place) for problem in caught.value.problems] == [("C028", place)]
    assert trial.rows("SELECT count(*) FROM event") == before


def test_control_characters_are_refused_in_lists_and_mappings_too(staged) -> None:
    trial = staged()
    trial.enrol("P-1")
    for values in ({"sex\x1b": "male"}, {"sex": "ma\x1ble"}):
        with pytest.raises(ConductError) as caught:
            trial.do("carol", "baseline", participant="P-1", values=values)
        assert {problem.code for problem in caught.value.problems} == {"C028"}


def test_a_name_typed_at_the_door_stands_escaped_in_the_ledger(staged) -> None:
    from equipoise.conduct.actions.sign_in import sign_in

    trial = staged()
    with pytest.raises(ConductError):
        sign_in(trial.trial, "eve\x1b[2J", "whatever it is", clock=trial.clock, entropy=trial.entropy)
    ((account, subject),) = trial.rows("SELECT account, subject FROM event WHERE action = 'sign-in-refused'")
    assert account == "eve\\x1b[2J"
    assert "\x1b" not in subject


def test_a_commit_waits_until_the_disk_has_it(staged) -> None:
    trial = staged()
    assert trial.rows("PRAGMA synchronous") == [(2,)]  # FULL
    assert trial.rows("PRAGMA journal_mode") == [("wal",)]
