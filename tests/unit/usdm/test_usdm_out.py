"""USDM out: valid by the published schema and by an independent set of rules; the same parts come in again."""

from __future__ import annotations

import copy
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import equipoise
from equipoise.exchange.usdm.export import usdm_of
from equipoise.exchange.usdm.import_usdm import import_usdm
from equipoise.exchange.usdm.model import check_document
from equipoise.protocol.read import read_protocol_text

from .rules import broken, nodes

BUNDLED = equipoise.bundled_protocols()
CARRIED = (
    *("trial", "sources", "sites", "calendar", "interventions", "factors", "arms", "stages", "eligibility"),
    *("randomization", "baseline", "assessments", "instruments", "schedule", "use", "endpoints", "estimands"),
)


@pytest.mark.parametrize("name", BUNDLED)
def test_every_bundled_protocol_keeps_the_rules_and_comes_in_again(name: str, tmp_path: Path) -> None:
    protocol = equipoise.read_protocol(name)
    made = usdm_of(protocol, version="0")
    assert broken(made.document) == []
    assert made.text == usdm_of(equipoise.read_protocol(name), version="0").text
    file = tmp_path / "study.json"
    file.write_text(made.text, "utf-8")
    again = import_usdm(file)
    assert again.findings == ()
    one, other = protocol.resolved, read_protocol_text(again.text).resolved
    for key in CARRIED:
        assert other[key] == one[key] if key in one else key not in other, key
        if key not in ("schedule", "trial", "calendar"):  # visits stand in the order of their days
            assert list(other.get(key) or ()) == list(one.get(key) or ()), key


def test_the_published_schema_holds(shared_data: Path, tmp_path: Path) -> None:
    yardstick = shared_data / "exchange" / "check_exchange.py"
    for name in ("ketamine-mbrp-cocaine", "poats", "kare", "ketamine-depression-course"):
        file = tmp_path / f"{name}.json"
        file.write_text(usdm_of(equipoise.read_protocol(name)).text, "utf-8")
        done = subprocess.run(
            [sys.executable, yardstick, "usdm", file], capture_output=True, text=True, timeout=120, check=False
        )
        assert done.returncode == 0, done.stdout


def test_the_flagship_by_hand() -> None:
    """Days, windows, doses and strategies as the file has them, looked up in the document one by one."""
    document = usdm_of(equipoise.read_protocol("ketamine-mbrp-cocaine")).document
    by = {(n["instanceType"], n.get("name")): n for n in nodes(document)}
    timing = by["Timing", "at-clinic-visit.day-12"]
    assert (timing["value"], timing["windowLower"], timing["windowUpper"]) == (
        "P11D",
        "P1D",
        "P0D",
    )  # day 12 is 11 after 1
    assert by["Timing", "at-admission"]["type"]["decode"] == "Fixed Reference"
    call = by["Timing", "at-six-month-call"]
    assert (call["value"], call["windowLower"], call["windowUpper"]) == ("P182D", "P14D", "P14D")
    dose = by["Administration", "ketamine-infusion-1"]
    assert (dose["dose"]["value"], dose["dose"]["unit"]["standardCode"]["code"]) == (0.5, "C67401")
    assert dose["duration"]["text"] == "PT40M"
    assert dose["route"]["standardCode"]["code"] == "C38276"
    assert by["StudyIntervention", "mindfulness-based-relapse-prevention"]["role"]["decode"] == "Background Treatment"
    estimand = by["Estimand", "craving-ratio"]
    assert {e["name"]: e["strategy"] for e in estimand["intercurrentEvents"]} == {
        "treatment-discontinuation": "treatment policy",
        "dropout": "hypothetical",
    }
    assert by["StudyArm", "midazolam"]["type"]["decode"] == "Active Comparator Arm"


def test_what_is_not_carried_is_said() -> None:
    places = {place for place, _ in usdm_of(equipoise.read_protocol("ketamine-mbrp-cocaine")).not_carried}
    assert {"analyses", "assumptions", "published", "conduct", "eligibility.exclude"} <= places
    assert "calendar.epochs.inpatient" in places


def _spoiled(change: Callable[[dict[str, Any]], None]) -> set[str]:
    document = copy.deepcopy(usdm_of(equipoise.read_protocol("smoking-cessation")).document)
    change(document)
    return {problem.code for problem in check_document(document)}


def _design(document: dict[str, Any]) -> dict[str, Any]:
    return document["study"]["versions"][0]["studyDesigns"][0]


def test_each_way_of_spoiling_a_file_has_its_code() -> None:
    def twice(d: dict[str, Any]) -> None:
        _design(d)["arms"][1]["id"] = _design(d)["arms"][0]["id"]

    def circle(d: dict[str, Any]) -> None:
        met = _design(d)["encounters"]
        met[-1]["nextId"] = met[0]["id"]

    def loop(d: dict[str, Any]) -> None:
        line = _design(d)["scheduleTimelines"][0]
        line["instances"][-1]["defaultConditionId"] = line["instances"][0]["id"]

    assert _spoiled(lambda d: d.pop("study")) == {"R480"}
    assert _spoiled(lambda d: d["study"].update(versions=[])) == {"R480"}
    assert _spoiled(lambda d: d.update(usdmVersion="3.0.0")) == {"R481"}
    assert _spoiled(lambda d: d.pop("usdmVersion")) == {"R481"}
    assert _spoiled(lambda d: _design(d).pop("rationale")) == {"R482"}
    assert _spoiled(lambda d: _design(d).update(arms={})) == {"R482"}
    assert _spoiled(lambda d: _design(d).update(instanceType="Design")) == {"R482"}
    assert _spoiled(lambda d: _design(d)["population"].update(includesHealthySubjects="no")) == {"R482"}
    assert _spoiled(lambda d: _design(d)["arms"][0].update(type=None)) == {"R482"}
    assert _spoiled(lambda d: _design(d)["arms"][0].pop("instanceType")) == {"R482"}
    assert "R483" in _spoiled(twice)
    assert _spoiled(lambda d: _design(d)["studyCells"][0].update(armId="nobody")) == {"R484"}
    assert "R485" in _spoiled(circle)
    assert "R486" in _spoiled(loop)
    assert _spoiled(lambda d: _design(d)["scheduleTimelines"][0].update(entryId="StudyArm_1")) == {"R486"}
    assert _spoiled(lambda d: None) == set()


def test_the_rules_see_what_is_broken() -> None:
    """The independent rules are no rubber stamp: each of these is seen."""
    whole = usdm_of(equipoise.read_protocol("kare")).document
    for change in (
        lambda d: _design(d)["studyCells"].pop(),
        lambda d: _design(d)["scheduleTimelines"][0]["timings"].pop(),
        lambda d: _design(d)["encounters"].reverse(),
        lambda d: (
            d["study"]["versions"][0]["titles"].clear()
            or d["study"]["versions"][0]["titles"].append(
                {"id": "x", "text": "x", "type": {"code": "C94108"}, "instanceType": "StudyTitle"}
            )
        ),
        lambda d: _design(d)["population"]["criterionIds"].pop(),
    ):
        document = json.loads(json.dumps(whole))
        change(document)
        assert broken(document)
