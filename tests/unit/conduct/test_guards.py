"""What the databases refuse by themselves, on both of them."""

from __future__ import annotations

import pytest

REFUSED = {
    "an event changed": "UPDATE event SET why = 'x' WHERE number = 2",
    "an event deleted": "DELETE FROM event WHERE number = 2",
    "an event put between": (
        "INSERT INTO event SELECT number + 500, request || 'x', step, action, at, zone, offset_minutes, clock, account,"
        " role, site, device, participant, subject, why, what, salt, digest, protocol_hash, program_version, previous,"
        " hash FROM event WHERE number = 2"
    ),
    "a sealed entry changed": "UPDATE sealed_event SET content = 'x'",
    "a sealed entry deleted": "DELETE FROM sealed_event",
    "a slot changed": "UPDATE slot SET content = 'x' WHERE position = 1",
    "a slot deleted": "DELETE FROM slot WHERE position = 1",
    "the head set back": "UPDATE ledger_head SET number = 1 WHERE ledger = 'open'",
    "the head removed": "DELETE FROM ledger_head",
    "an item without an event": (
        "INSERT INTO item (participant, visit, form, repeat, item, type, value, unit, missing, blinding, event_number)"
        " VALUES ('P-1', 'v', 'f', 1, 'i', 'text', '1', '', '', 'open', 3)"
    ),
    "a participant changed": "UPDATE participant SET status = 'eligible'",
    "a participant changed under another's event": (
        "UPDATE participant SET status = 'eligible', event_number = (SELECT max(number) FROM event)"
        " WHERE participant = 'P-1'"
    ),
    "a participant deleted": "DELETE FROM participant",
    "an allocation deleted": "DELETE FROM allocation",
    "a passphrase put in": "UPDATE credential SET encoded = 'x'",
}


@pytest.fixture
def prepared(staged, database):
    trial = staged(database=database)
    trial.enrol("P-1")
    trial.do("carol", "randomize", participant="P-1")
    trial.do("carol", "screen", participant="P-2", site="main")
    return trial


def test_the_database_refuses_what_no_action_does(prepared) -> None:
    from django.db import DatabaseError, transaction

    allowed = []
    with prepared.trial.use():
        before = prepared.trial.run("SELECT number, hash FROM event")
        for name, statement in REFUSED.items():
            try:
                with transaction.atomic(using=prepared.trial.alias):
                    prepared.trial.connection.cursor().execute(statement)
                allowed.append(name)
            except DatabaseError:
                pass
        after = prepared.trial.run("SELECT number, hash FROM event")
    assert allowed == []
    assert before == after


def test_replace_does_not_get_around_the_delete_guard(staged) -> None:
    from django.db import DatabaseError

    trial = staged()
    trial.do("carol", "screen", participant="P-1", site="main")
    with trial.trial.use(), trial.trial.connection.cursor() as cursor:
        cursor.execute("PRAGMA recursive_triggers = OFF")  # a pragma of the connection: the guard must not need it
        for statement in (
            "INSERT OR REPLACE INTO event SELECT * FROM event WHERE number = 2",
            "REPLACE INTO slot SELECT * FROM slot WHERE position = 1",
            "REPLACE INTO sealed_event SELECT * FROM sealed_event WHERE number = 1",
        ):
            with pytest.raises(DatabaseError, match=r"append-only|gapless"):
                cursor.execute(statement)


def test_truncate_is_refused_even_to_the_owner(staged, postgres) -> None:
    from django.db import DatabaseError

    from equipoise.conduct.trial.trial import Trial

    trial = staged(database=postgres())
    owner = Trial(trial.trial.directory, trial.trial.config, as_owner=True)
    for one, message in ((trial.trial, "permission denied"), (owner, "TRUNCATE refused")):
        for table in ("event", "sealed_event", "slot", "item", "ledger_head"):
            with one.use(), pytest.raises(DatabaseError, match=message):
                one.connection.cursor().execute(f"TRUNCATE {table}")
    owner.close()


def test_the_program_does_not_run_as_the_owner_of_the_ledger(staged, postgres) -> None:
    from dataclasses import replace

    from equipoise.conduct.trial.trial import Trial
    from equipoise.foundation.errors import ConductError

    trial = staged(database=postgres())
    careless = Trial(trial.trial.directory, replace(trial.trial.config, writer=""), as_owner=True)
    with pytest.raises(ConductError) as error:
        careless.require_whole()
    assert error.value.problems[0].code == "C005"
    careless.close()


def test_a_guard_dropped_is_seen_at_start_up(staged) -> None:
    from equipoise.conduct.trial.trial import Trial
    from equipoise.foundation.errors import ConductError

    trial = staged()
    with trial.trial.use():
        trial.trial.connection.cursor().execute("DROP TRIGGER event_no_delete")
    with pytest.raises(ConductError) as error:
        Trial.open(trial.trial.directory)
    assert error.value.problems[0].code == "C004"


def test_training_and_production_never_read_one_another(staged) -> None:
    import json

    from equipoise.conduct.trial.trial import Trial
    from equipoise.foundation.errors import ConductError

    trial = staged()
    path = trial.trial.directory / "trial.json"
    said = json.loads(path.read_text())
    path.write_text(json.dumps({**said, "mode": "production"}))
    with pytest.raises(ConductError) as error:
        Trial.open(trial.trial.directory)
    assert error.value.problems[0].code == "C003"
    with pytest.raises(ConductError) as error:
        Trial(trial.trial.directory, trial.trial.config.__class__(**{**said_config(said), "mode": "production"})).vault(
            trial.pharmacy
        )
    assert error.value.problems[0].code == "C040"


def said_config(said: dict) -> dict:
    return {name: value for name, value in said.items() if name != "equipoise-trial"}
