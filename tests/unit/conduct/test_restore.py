"""An old backup gives nothing twice: the fence stands until every receipt since is typed in."""

from __future__ import annotations

import json

import pytest

from equipoise.foundation.errors import ConductError


def _receipts(trial) -> list[str]:
    return [json.loads(path.read_text())["receipt"] for path in sorted(trial.trial.receipts.glob("receipt-*.json"))]


def test_nothing_is_given_twice_from_an_old_backup(staged, database, tmp_path, request) -> None:
    from equipoise.conduct.store.backup import back_up, restore
    from equipoise.conduct.store.verify import verify

    trial = staged(database=database, slots=40)
    for number in (1, 2, 3):
        trial.enrol(f"P-{number}")
    trial.do("carol", "randomize", participant="P-1")
    back_up(trial.trial, tmp_path / "b", clock=trial.clock, entropy=trial.entropy)
    trial.enrol("P-9")
    for participant in ("P-2", "P-9"):
        trial.do("carol", "randomize", participant=participant)
    handles = dict(trial.rows("SELECT participant, handle FROM allocation"))
    since = _receipts(trial)[1:]

    again = "sqlite" if database == "sqlite" else request.getfixturevalue("postgres")()
    restored = restore(tmp_path / "b", tmp_path / "restored", database=again, clock=trial.clock, entropy=trial.entropy)
    old, trial.trial = trial.trial, restored
    trial.sessions.clear()
    with pytest.raises(ConductError) as error:
        trial.do("carol", "randomize", participant="P-3")
    assert error.value.problems[0].code == "C018"
    for wrong in (since[:1], [since[1]], [since[0], since[0]], []):
        with pytest.raises(ConductError) as error:
            trial.do("alice", "lift-fence", receipts=wrong, last=3, why="both sites were telephoned")
        assert error.value.problems[0].code == "C131"
    trial.do("alice", "lift-fence", receipts=since, last=3, why="both sites were telephoned")
    assert trial.do("carol", "randomize", participant="P-3").answer["receipt"] == 4
    now = dict(trial.rows("SELECT participant, handle FROM allocation"))
    assert {who: now[who] for who in handles} == handles
    assert len(set(now.values())) == 4
    # P-9 was screened after the backup: entered again, the slot of the receipt is theirs
    trial.enrol("P-9")
    assert trial.do("carol", "randomize", participant="P-9").answer["handle"] == handles["P-9"]
    assert verify(restored).findings == []
    assert [row[0] for row in trial.rows("SELECT position FROM allocation ORDER BY position")] == [1, 2, 3, 4]
    old.close()
    restored.close()


def test_a_backup_that_was_changed_is_refused(staged, tmp_path) -> None:
    import zipfile

    from equipoise.conduct.store.backup import back_up, restore

    trial = staged()
    back_up(trial.trial, tmp_path / "b", clock=trial.clock, entropy=trial.entropy)
    with zipfile.ZipFile(tmp_path / "b") as old, zipfile.ZipFile(tmp_path / "c", "w") as new:
        for name in old.namelist():
            content = old.read(name)
            new.writestr(
                name, content.replace(b"administrator", b"investigator") if name == "account.jsonl" else content
            )
    with pytest.raises(ConductError) as error:
        restore(tmp_path / "c", tmp_path / "restored")
    assert error.value.problems[0].code == "C070"


def test_a_ledger_shorter_than_a_receipt_randomizes_nobody(staged) -> None:
    from equipoise.conduct.store.anchors import Anchor, add_anchor

    trial = staged()
    trial.enrol("P-1")
    count = trial.rows("SELECT count(*) FROM event")[0][0]
    add_anchor(trial.trial.receipts, Anchor(count + 5, "f" * 64, "2027-01-11T15:00:00.000000Z", "randomize"))
    with pytest.raises(ConductError) as error:
        trial.do("carol", "randomize", participant="P-1")
    assert error.value.problems[0].code == "C018"


def test_the_key_is_in_no_backup(staged, tmp_path) -> None:
    import zipfile

    from equipoise.conduct.store.backup import back_up

    trial = staged()
    back_up(trial.trial, tmp_path / "b", clock=trial.clock, entropy=trial.entropy)
    key = json.loads((trial.pharmacy / "key.json").read_text())["key"]
    lines = (trial.pharmacy / "companion.yaml").read_text().splitlines()
    seed = next(line for line in lines if line.startswith("seed"))
    with zipfile.ZipFile(tmp_path / "b") as file:
        text = b"".join(file.read(name) for name in file.namelist()).decode()
    assert key not in text
    assert seed.split('"')[1] not in text
