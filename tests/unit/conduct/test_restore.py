"""An old backup gives nothing twice: the fence stands until every receipt since is typed in."""

from __future__ import annotations

import json

import pytest

from equipoise.foundation.errors import ConductError


def _receipts(trial) -> list[str]:
    return [json.loads(path.read_text())["receipt"] for path in sorted(trial.trial.receipts.glob("receipt-*.json"))]


def test_nothing_is_given_twice_from_an_old_backup(staged, database, tmp_path, request) -> None:
    from equipoise.conduct.integrity.backup import back_up, restore
    from equipoise.conduct.integrity.verify import verify

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

    from equipoise.conduct.integrity.backup import back_up, restore

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
    from equipoise.conduct.audit_trail.anchors import Anchor, add_anchor

    trial = staged()
    trial.enrol("P-1")
    count = trial.rows("SELECT count(*) FROM event")[0][0]
    add_anchor(trial.trial.receipts, Anchor(count + 5, "f" * 64, "2027-01-11T15:00:00.000000Z", "randomize"))
    with pytest.raises(ConductError) as error:
        trial.do("carol", "randomize", participant="P-1")
    assert error.value.problems[0].code == "C018"


def test_the_key_is_in_no_backup(staged, tmp_path) -> None:
    import zipfile

    from equipoise.conduct.integrity.backup import back_up

    trial = staged()
    back_up(trial.trial, tmp_path / "b", clock=trial.clock, entropy=trial.entropy)
    key = json.loads((trial.pharmacy / "key.json").read_text())["key"]
    lines = (trial.pharmacy / "companion.yaml").read_text().splitlines()
    seed = next(line for line in lines if line.startswith("seed"))
    with zipfile.ZipFile(tmp_path / "b") as file:
        text = b"".join(file.read(name) for name in file.namelist()).decode()
    assert key not in text
    assert seed.split('"')[1] not in text


def _restored_with_what_was_kept_outside(staged, tmp_path):
    """P-1 randomized, a backup, P-2 randomized, the backup restored with every anchor and receipt that was outside."""
    import shutil

    from equipoise.conduct.integrity.backup import back_up, restore

    trial = staged(slots=40)
    for number in (1, 2, 3):
        trial.enrol(f"P-{number}")
    trial.do("carol", "randomize", participant="P-1")
    back_up(trial.trial, tmp_path / "b", clock=trial.clock, entropy=trial.entropy)
    trial.do("carol", "randomize", participant="P-2")
    since = _receipts(trial)[1:]
    restored = restore(
        tmp_path / "b", tmp_path / "r", receipts=str(tmp_path / "kept"), clock=trial.clock, entropy=trial.entropy
    )
    for path in trial.trial.receipts.iterdir():
        if path.name == "anchors.txt":
            with open(restored.receipts / path.name, "a") as out:
                out.write(path.read_text())
        else:
            shutil.copy(path, restored.receipts)
    trial.trial.close()
    trial.trial = restored
    trial.sessions.clear()
    return trial, since


def test_an_acknowledged_loss_is_told_and_no_fault_and_any_other_is_one(staged, tmp_path) -> None:
    from equipoise.conduct.audit_trail.anchors import Anchor, add_anchor
    from equipoise.conduct.integrity.verify import verify

    trial, since = _restored_with_what_was_kept_outside(staged, tmp_path)
    before = verify(trial.trial)
    assert {finding.code for finding in before.findings} == {"C065"}
    with pytest.raises(ConductError) as error:  # the folder itself holds receipt 2
        trial.do("alice", "lift-fence", receipts=[], last=1, why="nobody was asked")
    assert error.value.problems[0].code == "C131"
    done = trial.do("alice", "lift-fence", receipts=since, last=2, why="both sites were telephoned")
    assert done.answer["anchors_lost"] == 1
    found = verify(trial.trial)
    assert found.findings == []
    (note,) = [note for note in found.notes if note.startswith("lost with a restore")]
    assert "alice acknowledged it" in note
    assert "both sites were telephoned" in note
    # the newest anchor outside tells of a lost event, and people are randomized nevertheless
    assert trial.do("carol", "randomize", participant="P-3").answer["receipt"] == 3

    backup = next(anchor for anchor in _anchors(trial) if anchor.occasion.startswith("backup"))
    for number in (backup.number + 3, backup.number - 3):  # one that nobody acknowledged, one of the backup's own
        add_anchor(trial.trial.receipts, Anchor(number, "ab" * 32, "2027-01-11T15:00:00.000000Z", "randomize"))
    codes = [finding.place.split()[1] for finding in verify(trial.trial).findings]
    assert codes == [f"{backup.number + 3}-{'ab' * 8}", f"{backup.number - 3}-{'ab' * 8}"]
    with pytest.raises(ConductError) as error:
        trial.do("alice", "acknowledge-loss", why="a stick was found")
    assert error.value.problems[0].code == "C134"


def test_an_anchor_found_after_the_fence_was_lifted_is_acknowledged(staged, tmp_path) -> None:
    from equipoise.conduct.audit_trail.anchors import Anchor, add_anchor
    from equipoise.conduct.integrity.verify import verify

    trial, since = _restored_with_what_was_kept_outside(staged, tmp_path)
    trial.do("alice", "lift-fence", receipts=since, last=2, why="both sites were telephoned")
    with pytest.raises(ConductError) as error:
        trial.do("alice", "acknowledge-loss", why="nothing was found")
    assert error.value.problems[0].code == "C134"
    add_anchor(trial.trial.receipts, Anchor(500, "ab" * 32, "2027-01-11T15:00:00.000000Z", "unblind"))
    assert [finding.code for finding in verify(trial.trial).findings] == ["C065"]
    with pytest.raises(ConductError) as error:
        trial.do("carol", "randomize", participant="P-3")
    assert error.value.problems[0].code == "C018"
    trial.do("alice", "acknowledge-loss", why="a stick was found")
    assert verify(trial.trial).findings == []
    trial.do("carol", "randomize", participant="P-3")


def test_a_loss_without_a_restore_cannot_be_acknowledged(staged) -> None:
    from equipoise.conduct.audit_trail.anchors import Anchor, add_anchor

    trial = staged()
    add_anchor(trial.trial.receipts, Anchor(500, "ab" * 32, "2027-01-11T15:00:00.000000Z", "randomize"))
    with pytest.raises(ConductError) as error:
        trial.do("alice", "acknowledge-loss", why="it must have been a mistake")
    assert error.value.problems[0].code == "C134"


def _anchors(trial):
    from equipoise.conduct.audit_trail.anchors import read_anchors

    return read_anchors(trial.trial.receipts)
