"""How ``ledger.tar.xz`` was made: a practice trial, by the program as it was in commit bdd8707 (22 November 2026).

Run as a test in ``tests/unit/conduct`` of that commit, which had no partial dates, envelopes, conditions, pauses or
``entered-in-error``. Beside the trial's folders it keeps the blinded cut that the program made of it then.
"""

from __future__ import annotations

import json
import shutil
import tarfile
from datetime import timedelta
from pathlib import Path

from equipoise.conduct.cut import cut_records
from equipoise.workflow.library import read_protocol

from .driven import hire
from .test_clinical_actions import consented, eligible, infusing


def test_make(staged, tmp_path):
    trial = staged(protocol=read_protocol("ketamine-mbrp-cocaine"), slots=12, seed="older")
    hire(trial)
    infusing(trial, "P-1")
    for minute, systolic in ((0, 121), (5, 131), (10, 187)):
        trial.clock.at += timedelta(minutes=5)
        signs = {"systolic": systolic, "diastolic": 82, "pulse": 71, "saturation": 98}
        trial.do("nina", "infusion-vitals", participant="P-1", minute=str(minute), **signs)
    trial.clock.at += timedelta(minutes=5)
    trial.do("nina", "infusion-rate", participant="P-1", ml_per_hour="0", why="held")
    trial.clock.at += timedelta(minutes=5)
    trial.do("nina", "infusion-stop", participant="P-1", why="systolic of 187")
    trial.do("carol", "session", participant="P-1", session=1, delivered=True, minutes="60")
    consented(trial, "P-2")
    trial.do("ivan", "eligibility", participant="P-2", values={"age": 17}, attested={"seeking": True})
    eligible(trial, "P-3")
    trial.do("carol", "day-1", participant="P-3")
    trial.clock.at += timedelta(days=1)
    trial.do("carol", "randomize", participant="P-3", key="r3")
    trial.clock.at += timedelta(days=6)
    trial.do("carol", "visit", participant="P-1", visit="day-9")
    at = {"participant": "P-1", "visit": "day-9"}
    trial.do("ruth", "record", **at, form="urine", answers={"cocaine": "negative"})
    trial.do("ruth", "record", **at, form="craving", answers={"score": 44})
    trial.do("ruth", "correct", **at, form="craving", answers={"score": 54}, why="misread")
    days = {"first": "2027-01-13", "last": "2027-01-18", "used": ["2027-01-15"]}
    trial.do("carol", "calendar", participant="P-1", **days)
    event = {"participant": "P-1", "onset": "2027-01-13"}
    trial.do("ivan", "adverse-event", **event, term="headache", severity="mild", related=True)
    event["onset"] = "2027-01-14"
    trial.do("ivan", "adverse-event", **event, term="fall", severity="severe", serious=["hospitalization"])
    trial.do("mona", "query", **at, form="craving", item="score", text="Seen the line?")
    trial.do("carol", "withdraw", participant="P-3", scope="visits", why="moved away")
    trial.do("ivan", "sign-off", participant="P-3")
    trial.clock.at += timedelta(minutes=5)
    records = cut_records(trial.trial, at=trial.clock.at, edition="blinded")
    tables = {name: frame.to_dicts() for name, frame in records.tables.items() if frame.height}
    trial.run("PRAGMA wal_checkpoint(TRUNCATE)")
    trial.trial.close()
    out = Path("made")
    for path in tmp_path.iterdir():
        shutil.copytree(path, out / path.name)
    (out / "blinded.json").write_text(json.dumps({"at": trial.clock.at.isoformat(), "tables": tables}, indent=0))
    with tarfile.open("ledger.tar.xz", "w:xz") as file:
        file.add(out, ".")
