"""A ledger made by an earlier version of the program stays what it is, and goes on under this one."""

from __future__ import annotations

import json
import tarfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from equipoise.conduct.actions.sign_in import Session
from equipoise.conduct.clock import SetClock
from equipoise.conduct.cut.cut import cut_records
from equipoise.conduct.entropy import SeededEntropy
from equipoise.conduct.integrity.verify import Verification, verify
from equipoise.conduct.trial.trial import Trial

from .conftest import Staged
from .test_clinical_actions import Refused

MADE = Path(__file__).parent / "earlier" / "ledger.tar.xz"
PEOPLE = ("alice", "carol", "ivan", "phil", "sam", "mona", "nina", "ruth", "petra", "stan")


@pytest.fixture
def earlier(tmp_path: Path) -> Any:
    # The first releases of Python 3.11 know no filter; the archive is our own.
    safely: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
    with tarfile.open(MADE) as file:
        file.extractall(tmp_path, **safely)
    said = json.loads((tmp_path / "blinded.json").read_text("utf-8"))
    trial = Trial.open(tmp_path / "trial")
    clock = SetClock(datetime.fromisoformat(said["at"]))
    out = Staged(trial, tmp_path / "trial-pharmacy", tmp_path / "trial-safety", clock, SeededEntropy("later"))
    out.sessions = {who: Session(who) for who in PEOPLE}
    out.cut = said  # type: ignore[attr-defined]
    yield out
    trial.close()


def whole(staged: Staged) -> Verification:
    """Everything that verify says, with both keys."""
    trial = staged.trial
    return verify(trial, vault=trial.vault(str(staged.pharmacy)), key=trial.quarantine(str(staged.safety)))


def test_it_is_whole_and_its_tables_are_made_again_from_its_events(earlier: Any) -> None:
    report = whole(earlier)
    assert report.findings == []
    assert report.n_events == 55


def test_its_cut_is_the_one_made_then(earlier: Any) -> None:
    found = cut_records(earlier.trial, at=datetime.fromisoformat(earlier.cut["at"]), edition="blinded")
    for name, rows in earlier.cut["tables"].items():
        now = found.tables[name].to_dicts()
        assert [{column: row[column] for column in rows[0]} for row in now] == rows, name
    # columns that came since say nothing of records made before
    new = {column for name, rows in earlier.cut["tables"].items() for column in found.tables[name].columns} - {
        column for rows in earlier.cut["tables"].values() for column in rows[0]
    }
    assert new == set()


def test_it_goes_on_with_everything_that_came_since(earlier: Any) -> None:
    trial = earlier
    before = trial.rows("SELECT participant, handle, position FROM allocation ORDER BY receipt")
    assert trial.do("carol", "randomize", participant="P-3", key="r3").repeated
    trial.clock.at += timedelta(hours=1)
    trial.do("ivan", "adverse-event", participant="P-1", term="rash", onset="2027-01", severity="mild")
    trial.do("ivan", "adverse-event-update", participant="P-1", event=1, end="unknown", why="told by telephone")
    codes = [
        text.split()[1]
        for text in trial.do(
            "phil", "envelopes-reserve", site="main", n=1, sealed=True, why="power works on Friday"
        ).answer["envelopes"]
    ]
    given = {"participant": "P-1", "visit": "day-9", "form": "craving"}
    trial.do("ruth", "entered-in-error", **given, why="another participant's")
    trial.do("ruth", "record", participant="P-1", visit="day-9", form="craving", answers={"score": 30})
    trial.do("carol", "screen", participant="P-4", site="main")
    trial.do("carol", "consent", participant="P-4", version="1.0")
    trial.do("carol", "baseline", participant="P-4", values={"age": 40, "route": "intranasal"})
    trial.do("ivan", "eligibility", participant="P-4", attested={"dependent": True, "seeking": True})
    trial.do("carol", "day-1", participant="P-4")
    with Refused("C016"):
        trial.do("alice", "pause")
    at = (trial.clock.at).isoformat()
    trial.do("carol", "envelope-opened", participant="P-4", envelope=codes[0], at=at)
    after = trial.rows("SELECT participant, handle, position FROM allocation ORDER BY receipt")
    assert after[:2] == before
    assert after[2][2] == 3
    assert trial.do("carol", "due").told["due"]
    assert whole(trial).findings == []


def test_what_was_recorded_then_is_corrected_now(earlier: Any) -> None:
    trial = earlier
    trial.clock.at += timedelta(hours=1)
    trial.do("carol", "baseline", participant="P-2", values={"age": 27}, why="misread; he is 27")
    assert trial.rows("SELECT status FROM participant WHERE participant = 'P-2'") == [("consented",)]
    trial.do("carol", "correct", participant="P-3", visit="disposition", form="disposition", on="2027-01-18", why="x")
    day = {"visit": "calendar", "form": "calendar", "on": "2027-01-14"}
    trial.do("carol", "correct", participant="P-1", **day, answers={"cocaine": None}, why="not known after all")
    assert whole(trial).findings == []
