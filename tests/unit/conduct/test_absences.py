"""What must lie outside the database and does not is named, and no slot is given until it is there."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest

from equipoise.conduct.audit_trail.anchors import FILE, read_anchors
from equipoise.conduct.integrity import absences as absent
from equipoise.conduct.integrity.verify import verify, verify_directory
from equipoise.foundation.errors import ConductError, UsageError


@pytest.fixture
def trial(staged: Any) -> Any:
    made = staged()
    for participant in ("P-1", "P-2", "P-3", "P-4"):
        made.enrol(participant)
    for participant in ("P-1", "P-2"):
        made.do("carol", "randomize", participant=participant)
    made.do("mona", "copy")
    assert verify(made.trial).ok
    return made


def _named(trial: Any) -> dict[str, str]:
    return {finding.place: finding.code for finding in verify(trial.trial).findings}


def _refused(trial: Any, participant: str = "P-3", **given: Any) -> set[str]:
    with pytest.raises(ConductError) as caught:
        trial.do("carol", "randomize", participant=participant, **given)
    assert trial.rows("SELECT count(*) FROM allocation WHERE participant = %s", participant) == [(0,)]
    return {problem.code for problem in caught.value.problems}


def test_a_folder_that_is_gone_is_named_and_stops_randomization(trial: Any) -> None:
    shutil.move(trial.trial.receipts, trial.trial.receipts.with_name("elsewhere"))
    assert _named(trial) == {str(trial.trial.receipts): "C077"}
    assert _refused(trial) == {"C077"}
    assert not trial.trial.receipts.exists()  # nothing is made in place of a disk that is not mounted
    shutil.move(trial.trial.receipts.with_name("elsewhere"), trial.trial.receipts)
    trial.do("carol", "randomize", participant="P-3")
    assert verify(trial.trial).ok


def test_the_empty_folder_of_a_disk_not_mounted_is_named(trial: Any) -> None:
    shutil.rmtree(trial.trial.receipts)
    trial.trial.receipts.mkdir()
    named = _named(trial)
    assert set(named.values()) == {"C077"}
    assert {"receipt-00001.json", "receipt-00002.json", str(trial.trial.receipts / FILE)} == set(named)
    assert _refused(trial) == {"C077"}


def test_one_receipt_is_missed_by_its_number(trial: Any) -> None:
    (trial.trial.receipts / "receipt-00001.json").unlink()
    assert _named(trial) == {"receipt-00001.json": "C077"}
    assert _refused(trial) == {"C077"}


def test_one_anchor_is_missed_by_its_event(trial: Any) -> None:
    file = trial.trial.receipts / FILE
    lines = file.read_text().splitlines(keepends=True)
    copied = next(line for line in lines if line.split()[3] == "copy")
    file.write_text("".join(line for line in lines if line != copied))
    number, hash = copied.split()[:2]
    assert _named(trial) == {f"anchor {number}-{hash[:16]}": "C077"}
    assert _refused(trial) == {"C077"}


def test_other_actions_go_on_and_make_no_folder(trial: Any) -> None:
    shutil.rmtree(trial.trial.receipts)
    trial.do("carol", "screen", participant="P-9", site="main")
    told = trial.do("mona", "copy")
    assert "could not be noted" in told.warnings[0]
    assert not trial.trial.receipts.exists()


def test_what_is_lost_for_good_is_written_again_from_the_ledger_by_name_and_reason(trial: Any) -> None:
    receipts = {path.name: path.read_text() for path in trial.trial.receipts.glob("receipt-*")}
    anchors = {anchor.text for anchor in read_anchors(trial.trial.receipts)}
    shutil.rmtree(trial.trial.receipts)
    for last in (1, 3):  # a site may have fewer or more than the ledger knows: neither is waved through
        with pytest.raises(ConductError) as caught:
            trial.do("alice", "renew-receipts", last=last, why="the disk broke")
        assert caught.value.problems[0].code == "C131"
    trial.do("alice", "renew-receipts", last=2, why="the disk broke")
    assert {path.name: path.read_text() for path in trial.trial.receipts.glob("receipt-*")} == receipts
    assert anchors <= {anchor.text for anchor in read_anchors(trial.trial.receipts)} | {
        f"{json.loads(text)['anchor'].split()[0]}-{json.loads(text)['anchor'].split()[1][:16]}"
        for text in receipts.values()
    }
    assert verify(trial.trial).ok
    with pytest.raises(ConductError) as caught:
        trial.do("alice", "renew-receipts", last=2, why="again")
    assert caught.value.problems[0].code == "C135"
    trial.do("carol", "randomize", participant="P-3")


def test_a_program_that_dies_before_its_receipt_is_written_leaves_nothing_missing(
    trial: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    def die(*_: object) -> None:
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr("equipoise.conduct.actions.enrolment.randomize.write_receipt", die)
        with pytest.raises(Killed):
            trial.do("carol", "randomize", participant="P-3", key="R")
    assert not (trial.trial.receipts / "receipt-00003.json").exists()
    assert verify(trial.trial).ok  # it lies ready
    if trial.trial.is_sqlite:
        trial.do("carol", "randomize", participant="P-4")
    assert (trial.trial.receipts / "receipt-00003.json").exists()
    assert trial.do("carol", "randomize", participant="P-3", key="R").repeated
    assert not list(trial.trial.receipts.glob("ready-*"))
    assert verify(trial.trial).ok


def test_a_receipt_laid_ready_for_what_was_never_kept_is_put_away(trial: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("before the commit")

    with monkeypatch.context() as patch:
        patch.setattr(
            "equipoise.conduct.actions.dispatch._laid_ready",
            lambda act, receipt: (absent.lay_ready(act.trial, receipt.anchor, None), fail())[0],
        )
        with pytest.raises(RuntimeError):
            trial.do("carol", "randomize", participant="P-3")
    assert len(list(trial.trial.receipts.glob("ready-*"))) == 1
    trial.do("carol", "randomize", participant="P-4")
    assert not list(trial.trial.receipts.glob("ready-*"))
    assert verify(trial.trial).ok


def test_a_key_folder_that_is_named_and_gone_is_a_finding_and_stops_randomization(trial: Any) -> None:
    shutil.move(trial.pharmacy, trial.pharmacy.with_name("away"))
    found = verify_directory(trial.trial.directory, pharmacy=trial.pharmacy)
    assert {"C040", "C077"} <= {finding.code for finding in found.findings}
    assert found.n_events  # the rest was looked at all the same
    assert _refused(trial, sealed=True) == {"C040"}
    shutil.move(trial.pharmacy.with_name("away"), trial.pharmacy)
    assert verify_directory(trial.trial.directory, pharmacy=trial.pharmacy).ok
    (trial.pharmacy / "companion.yaml").unlink()
    found = verify_directory(trial.trial.directory, pharmacy=trial.pharmacy)
    assert [finding.place for finding in found.findings] == [str(trial.pharmacy / "companion.yaml")]


def test_a_safety_folder_that_is_named_and_gone_is_a_finding(trial: Any) -> None:
    shutil.rmtree(trial.safety)
    found = verify_directory(trial.trial.directory, safety=trial.safety)
    assert [finding.code for finding in found.findings] == ["C043"]
    assert _refused(trial, opened=True) == {"C043"}


def test_a_database_that_is_not_there_sends_nobody_to_a_backup_first(trial: Any) -> None:
    trial.trial.close()
    shutil.move(trial.trial.sqlite_file, trial.trial.sqlite_file.with_name("away"))
    (finding,) = verify_directory(trial.trial.directory).findings
    assert "mounted" in finding.next_step


def test_printed_anchors_are_held_against_the_ledger(trial: Any) -> None:
    last = read_anchors(trial.trial.receipts)[-1]
    found = verify(trial.trial, anchors=[f"{last.number}-{last.hash[:16]}", f" {last.number}-{last.hash[:8].upper()} "])
    assert found.ok
    assert any(f"anchor {last.number}-" in note for note in found.notes)
    other = f"{last.number}-{'0' * 16}"
    beyond = f"999-{last.hash[:16]}"
    found = verify(trial.trial, anchors=[other, beyond])
    assert [finding.code for finding in found.findings] == ["C065", "C065"]
    for text in ("57", "57-xyz", "57-0123", "-0123456789abcdef"):
        with pytest.raises(UsageError) as caught:
            verify(trial.trial, anchors=[text])
        assert caught.value.problems[0].code == "U037"


def test_every_action_that_notes_an_anchor_is_expected_to_have_one() -> None:
    import equipoise.conduct.actions as actions

    names = set()
    for path in Path(next(iter(actions.__path__))).rglob("*.py"):
        for block in re.split(r"(?m)^(?=@action)", path.read_text("utf-8"))[1:]:
            body = re.split(r"(?m)^(?:def (?=_)|@|class )", block[1:])[0]
            name = re.match(r'@?action\("([a-z-]+)"', block[1:])
            if name and ("anchor_of(" in body or "_open(act" in body or "_receipt(act" in body):
                names.add(name[1])
    assert names | {"restored"} == absent.ANCHORED
