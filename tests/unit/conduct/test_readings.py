"""The note that this program has read the protocol spares the start, and is trusted for nothing else."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from equipoise.foundation.errors import ConductError


def _loaded_by_screening(trial) -> set[str]:
    """Modules that a process of its own has loaded after one action that needs no protocol."""
    script = (
        "import json, sys\n"
        "from datetime import UTC, datetime\n"
        "from equipoise.conduct.clock import SetClock\n"
        "from equipoise.conduct.actions.dispatch import perform\n"
        "from equipoise.conduct.actions.sign_in import Session\n"
        "from equipoise.conduct.trial.trial import Trial\n"
        "trial = Trial.open(sys.argv[1])\n"
        "clock = SetClock(datetime(2027, 1, 12, 14, 0, tzinfo=UTC))\n"  # not behind the ledger's last event
        "perform(trial, Session('carol'), 'screen', {'participant': sys.argv[2], 'site': 'main'}, clock=clock)\n"
        "print(json.dumps(sorted(sys.modules)))\n"
    )
    number = trial.rows("SELECT count(*) FROM event")[0][0]
    done = subprocess.run(
        [sys.executable, "-c", script, str(trial.trial.directory), f"P-{number}"],
        capture_output=True,
        text=True,
        check=True,
    )
    return set(json.loads(done.stdout))


def test_an_action_that_needs_no_protocol_loads_none_once_it_was_read(staged) -> None:
    trial = staged()
    note = trial.trial.directory / ".reading.json"
    assert note.is_file()  # init read it
    heavy = {"equipoise.protocol.language.protocol", "equipoise.instruments", "polars"}
    assert not heavy & _loaded_by_screening(trial)
    said = json.loads(note.read_text())
    assert _is_read(trial)
    for name in said:  # another version, or a text that is not the one read
        note.write_text(json.dumps({**said, name: "f" * 64}))
        assert not _is_read(trial)
    assert "equipoise.protocol.language.protocol" in _loaded_by_screening(trial)
    assert json.loads(note.read_text()) == said


def _is_read(trial) -> bool:
    from equipoise.conduct.trial.protocol_versions import is_read

    with trial.trial.use():
        return is_read(trial.trial, trial.trial.directory, trial.trial.protocol_hash)


def test_a_forged_note_lets_no_other_protocol_be_used(staged, monkeypatch) -> None:
    from equipoise.conduct.trial import protocol_versions as readings
    from equipoise.conduct.trial import trial as store
    from equipoise.workflow import library

    trial = staged()
    trial.enrol("P-1")
    readings.read_version.cache_clear()
    real = library.definitions_of
    monkeypatch.setattr(library, "definitions_of", lambda protocol: {**real(protocol), "instrument x": {"key": "new"}})
    assert readings.fingerprint() == json.loads((trial.trial.directory / ".reading.json").read_text())["program"]
    opened = store.Trial.open(trial.trial.directory)  # as the note says, this program reads it alike
    trial.trial.close()
    trial.trial = opened
    with pytest.raises(ConductError) as error:
        trial.do("carol", "randomize", participant="P-1")
    assert error.value.problems[0].code == "C006"
