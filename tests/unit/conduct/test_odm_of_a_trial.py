"""A running trial in ODM: valid, blinded where it must be, every change in order, the last values in force."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from lxml import etree
from odm_read_again import EXCHANGE, findings, values

from equipoise.conduct.cut.cut import CutKeys, cut_records
from equipoise.conduct.cut.odm import odm_of_trial
from equipoise.conduct.rules.telling_texts import HELD
from equipoise.exchange.odm.export_file import write_odm
from equipoise.foundation.errors import ConductError

from .test_simulated_trial_driven import drive, flagship

TOLD = "took ketamine at a party"
VERSIONS = ("1.3.2", "2.0")


def written(made: Any, folder: Path, edition: str, version: str, at: Any = None, **keys: Any) -> Path:
    """The file of an edition of a moment (now, where none is said)."""
    moment = at or made.clock.at
    content = odm_of_trial(made.trial, at=moment, edition=edition, keys=CutKeys(**keys))  # type: ignore[arg-type]
    done = write_odm(content, folder, version=version, force=True, private=True)
    file = folder / done.file
    if EXCHANGE.is_dir():
        assert findings(file) == []
    return file


def last(file: Path) -> dict[tuple[Any, ...], Any]:
    """The values in force: each change applied in the order of the file."""
    out: dict[tuple[Any, ...], Any] = {}
    for one in values(file):
        key = tuple(
            one[name] for name in ("subject", "event", "event_repeat", "form", "form_repeat", "group_repeat", "item")
        )
        assert (key in out) == (one["change"] == "Update"), key
        out[key] = one["value"]
    return out


def test_a_whole_trial_driven_by_its_actions_goes_out_in_each_edition(staged: Any, tmp_path: Path) -> None:
    """The first participants of the simulated flagship, recorded by people: the ODM's values are those of the cut."""
    made, driver, order, _ = drive(staged, flagship(2), 7)
    made.clock.at += timedelta(minutes=1)
    keys = {"pharmacy": made.pharmacy, "safety": made.safety}
    blinded = written(made, tmp_path / "b", "blinded", "1.3.2")
    cut = cut_records(made.trial, at=made.clock.at, edition="blinded")
    in_force = last(blinded)
    urine = cut["urine"].filter(pl.col("result").is_in(["positive", "negative", "not_evaluable"]))
    assert urine.height > 5
    for row in urine.iter_rows(named=True):
        place = (row["participant_id"], f"SE.VISIT.{row['visit']}", None, "F.urine", "1", None)
        assert in_force[(*place, f"IT.FORM.urine.{row['substance']}")] == row["result"]
    answers = cut["assessments"].filter(pl.col("instrument") == "pss-10")
    found = {k: v for k, v in in_force.items() if k[3] == "F.stress" and not k[-1].endswith(")")}
    assert len(found) == answers.height > 0
    assert sorted(float(v) for v in found.values()) == sorted(answers["value"].to_list())
    # nothing of the infusion's readings, of sheets, arms or drugs is among the values
    text = blinded.read_text("utf-8").split("<ClinicalData", 1)[1]
    for word in ("systolic", "dissociation", "midazolam", "ketamine-infusion", "sheet", "allocations.arm"):
        assert word not in text
    sham = written(made, tmp_path / "s", "sham", "2.0", **keys)
    assert len([v for v in values(sham) if v["item"] == "IT.allocations.arm"]) == len(order)
    with pytest.raises(ConductError, match="not locked"):
        written(made, tmp_path / "u", "unblinded", "1.3.2", **keys)
    driver.close(order)
    made.clock.at += timedelta(minutes=1)
    opened = written(made, tmp_path / "u", "unblinded", "1.3.2", **keys)
    true = cut_records(made.trial, at=made.clock.at, edition="unblinded", **keys)  # type: ignore[arg-type]
    arms = {v["subject"]: v["value"] for v in values(opened) if v["item"] == "IT.allocations.arm"}
    assert arms == dict(true["allocations"].select("participant_id", "arm").iter_rows())
    readings = [v for v in values(opened) if v["item"].endswith(".systolic.mmHg")]
    assert len(readings) == true["vitals"].height > 0
    signed = etree.parse(str(opened)).getroot().findall(".//{*}Signature")
    assert len(signed) == len(order)  # each participant signed off by the responsible investigator
    with_less = written(made, tmp_path / "w", "unblinded", "2.0", **keys, without_quarantined=True)
    assert not [v for v in values(with_less) if v["item"].endswith(".systolic.mmHg")]


@pytest.fixture
def corrected(staged: Any) -> Any:
    """One person with an event, a baseline value corrected, and a text that names a treatment."""
    made = staged()
    made.do("carol", "screen", participant="P-1", site="main")
    made.do("carol", "consent", participant="P-1", version="1.0")
    given = {"participant": "P-1", "onset": "2027-01-11", "severity": "mild"}
    made.do("carol", "adverse-event", **given, term=TOLD, confirm="names-a-treatment")
    made.do("carol", "adverse-event", **given, term="nausea")
    made.clock.at += timedelta(minutes=3)
    more = {"severity": "moderate", "why": "typing error & haste"}
    made.do("carol", "adverse-event-update", participant="P-1", event=2, **more)
    made.clock.at += timedelta(minutes=1)
    return made


def test_a_correction_follows_what_it_corrects_with_its_reason(corrected: Any, tmp_path: Path) -> None:
    for version in VERSIONS:
        file = written(corrected, tmp_path / version, "blinded", version)
        told = [v for v in values(file) if v["item"].endswith("adverse-event.severity") and v["form_repeat"] == "2"]
        assert [(v["change"], v["value"], v["why"]) for v in told] == [
            ("Insert", "mild", None),
            ("Update", "moderate", "typing error & haste"),
        ]
        assert {v["by"] for v in told} == {"U.carol.coordinator"}
        assert told[0]["at"] < told[1]["at"]


def test_texts_that_name_a_treatment_are_held_back_until_released(corrected: Any, tmp_path: Path) -> None:
    def terms() -> list[str]:
        file = written(corrected, tmp_path / "o", "blinded", "1.3.2")
        assert (TOLD in file.read_text("utf-8")) == (HELD not in file.read_text("utf-8"))
        return [v["value"] for v in values(file) if v["item"].endswith("adverse-event.term")]

    assert terms() == [HELD, "nausea"]
    event = corrected.rows("SELECT number FROM event WHERE action = 'adverse-event' ORDER BY number")[0][0]
    corrected.do("sam", "release-text", event=event, why="said by the participant, of the street")
    corrected.clock.at += timedelta(minutes=1)
    assert terms() == [TOLD, "nausea"]


def test_the_same_moment_gives_the_same_bytes_whatever_is_recorded_later(corrected: Any, tmp_path: Path) -> None:
    at = corrected.clock.at
    before = written(corrected, tmp_path / "a", "blinded", "2.0", at).read_bytes()
    corrected.clock.at += timedelta(hours=1)
    corrected.do("carol", "screen", participant="P-2", site="main")
    corrected.clock.at += timedelta(minutes=1)
    assert written(corrected, tmp_path / "b", "blinded", "2.0", at).read_bytes() == before
    assert b"P-2" in written(corrected, tmp_path / "c", "blinded", "2.0").read_bytes()
