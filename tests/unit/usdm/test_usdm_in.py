"""USDM in: days from timings, a protocol that `check` reads, nothing guessed, spoiled files refused."""

from __future__ import annotations

import csv
import json
import random
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import equipoise
from equipoise.cli.main import app
from equipoise.exchange.usdm.days import day_index_of, minutes_of, offsets_of
from equipoise.exchange.usdm.export import usdm_of
from equipoise.exchange.usdm.import_usdm import import_usdm
from equipoise.foundation.errors import EquipoiseError, RecordsError
from equipoise.protocol.read import read_protocol_text

from .rules import nodes

START = {"code": "C201355", "decode": "Start to Start"}
KINDS = {"after": ("C201356", "After"), "before": ("C201357", "Before"), "fixed": ("C201358", "Fixed Reference")}


def timing(kind: str, one: str, other: str | None = None, value: str = "P1D", **more: Any) -> dict[str, Any]:
    code, name = KINDS[kind]
    return {
        "name": f"{one}-{kind}",
        "type": {"code": code, "decode": name},
        "value": value,
        "relativeToFrom": START,
        "relativeFromScheduledInstanceId": one,
        "relativeToScheduledInstanceId": other,
        **more,
    }


def test_durations_are_counted_and_months_are_not() -> None:
    assert [minutes_of(text) for text in ("P1D", "P2W", "PT90M", "P1DT2H", "PT0M")] == [1440, 20160, 90, 1560, 0]
    assert [minutes_of(text) for text in ("P1M", "P1Y", "", "P", "PT", None, "-P1D", "1 day")] == [None] * 8


def test_days_follow_from_chains_of_timings() -> None:
    """By hand: baseline is day 1; screening two weeks before it, week 2 after it, a visit two days after week 2."""
    line = {
        "timings": [
            timing("before", "screening", "baseline", "P2W"),
            timing("fixed", "baseline"),
            timing("after", "later", "week-2", "P2D"),
            timing("after", "week-2", "baseline", "P2W"),
            timing("after", "pre-dose", "week-2", "PT30M"),
            timing("before", "lost", "nowhere", "P1D"),
        ]
    }
    found, troubles = offsets_of(line)
    assert {id: day_index_of(m) for id, m in found.items()} == {
        "screening": -14,
        "baseline": 0,
        "week-2": 14,
        "later": 16,
        "pre-dose": 14,
    }
    assert troubles == []


def test_what_timings_do_not_say_is_told() -> None:
    line = {
        "timings": [
            timing("fixed", "a"),
            timing("after", "b", "a", "P1M"),
            timing("after", "c", "a", "P1D", relativeToFrom={"code": "C201353", "decode": "End to Start"}),
            timing("after", "c", "a", "P3D"),
            timing("fixed", "z"),
        ]
    }
    found, troubles = offsets_of(line)
    assert "b" not in found
    whys = " ".join(why for _, _, why in troubles)
    for said in ("months or years", "start to start", "contradicts", "second fixed reference"):
        assert said in whys


def foreign(tmp_path: Path, change: Any = None) -> Path:
    """A file as another program would write it: the flagship without this program's own extensions."""
    document = usdm_of(equipoise.read_protocol("ketamine-mbrp-cocaine")).document

    def strip(value: Any) -> Any:
        if isinstance(value, dict):
            return {k: strip(v) for k, v in value.items() if k != "extensionAttributes"}
        return [strip(v) for v in value] if isinstance(value, list) else value

    document = strip(document)
    if change is not None:
        change(document)
    file = tmp_path / "foreign.json"
    file.write_text(json.dumps(document), "utf-8")
    return file


def test_a_strangers_file_becomes_a_protocol_to_start_from(tmp_path: Path) -> None:
    made = import_usdm(foreign(tmp_path))
    assert made.passes, [one for one in made.findings if one.code == "R492"]
    protocol = read_protocol_text(made.text)
    ours = equipoise.read_protocol("ketamine-mbrp-cocaine")
    assert [v.target_day for v in protocol.planned_visits] == [v.target_day for v in ours.planned_visits]
    spans = [(v.first_day, v.last_day) for v in protocol.planned_visits]
    assert spans == [(v.first_day, v.last_day) for v in ours.planned_visits]
    assert [sorted(v.assess) for v in protocol.planned_visits][3] == sorted(
        ["urine", "calendar", "craving", "mindfulness", "stress", "adverse-events"]
    )
    assert list(protocol.model.arms) == ["midazolam", "ketamine"]
    assert protocol.model.arms["midazolam"].role == "active-control"
    assert protocol.model.trial.registration.value == "NCT01535937"
    assert protocol.model.trial.masking.value == ("participant", "care-provider", "investigator", "outcome-assessor")
    assert next(iter(protocol.model.eligibility.include.values())).words == "age >= 18"
    assert not protocol.model.estimands  # words alone make no estimand
    told = {(one.code, one.field) for one in made.findings}
    assert ("R491", "estimands.abstinence-odds") in told
    assert ("R491", "endpoints.craving") in told
    assert ("R488", "randomization") in told
    assert protocol.model.randomization.status == "assumed"
    craving = next(one for one in made.findings if one.field == "estimands.craving-ratio")
    assert "dropout: hypothetical" in craving.text


def test_windows_of_hours_and_visits_without_a_day_are_listed(tmp_path: Path) -> None:
    def change(document: dict[str, Any]) -> None:
        line = document["study"]["versions"][0]["studyDesigns"][0]["scheduleTimelines"][0]
        by = {t["name"]: t for t in line["timings"]}
        by["at-clinic-visit.day-12"]["windowLower"] = "PT4H"
        line["timings"].remove(by["at-six-month-call"])
        document["study"]["versions"][0]["studyDesigns"][0]["encounters"][-1].pop("scheduledAtId")

    made = import_usdm(foreign(tmp_path, change))
    assert {("R489", "schedule.clinic-visit-day-12.window"), ("R490", "six-month-call")} <= {
        (o.code, o.field) for o in made.findings
    }
    protocol = read_protocol_text(made.text)
    visit = next(v for v in protocol.planned_visits if v.target_day == 12)
    assert (visit.first_day, visit.last_day) == (12, 12)
    assert max(v.target_day for v in protocol.planned_visits) == 33


def test_the_example_of_the_standard(shared_data: Path) -> None:
    made = import_usdm(shared_data / "exchange" / "usdm" / "observational.json")
    assert made.passes
    protocol = read_protocol_text(made.text)
    assert protocol.planned_visits
    assert ("R488", "studyType") in {(o.code, o.field) for o in made.findings}


def test_spoiled_files_are_refused_with_code_and_place(shared_data: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordsError) as caught:
        import_usdm(shared_data / "exchange" / "usdm" / "invalid" / "dangling-id.json")
    assert [(p.code, p.place) for p in caught.value.problems] == [("R484", "/study/versions/0/amendments/1/previousId")]
    for text in ("", "[1, 2", "[]", "7", '{"study": 3, "usdmVersion": "4.0.0"}', "[" * 100_000, "\x00"):
        file = tmp_path / "bad.json"
        file.write_text(text, "utf-8")
        with pytest.raises(RecordsError) as caught:
            import_usdm(file)
        assert {p.code for p in caught.value.problems} == {"R480"}
    file.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RecordsError, match="R480"):
        import_usdm(file)
    with pytest.raises(RecordsError, match="R480"):
        import_usdm(tmp_path / "absent.json")


def test_several_designs_must_be_chosen_from(tmp_path: Path) -> None:
    def none(document: dict[str, Any]) -> None:
        document["study"]["versions"][0]["studyDesigns"] = []
        document["study"]["versions"][0]["roles"] = document["study"]["versions"][0]["roles"][:1]

    with pytest.raises(RecordsError, match="R487"):
        import_usdm(foreign(tmp_path, none))
    with pytest.raises(RecordsError, match="R487"):
        import_usdm(foreign(tmp_path), design="another")
    assert import_usdm(foreign(tmp_path), design="design").passes


def test_the_commands(tmp_path: Path) -> None:
    def run(*words: str) -> Any:
        return CliRunner().invoke(app, list(words))

    file, out = tmp_path / "study.json", tmp_path / "in"
    done = run("export", "usdm", "ketamine-mbrp-cocaine", "--out", str(file), "--json")
    assert done.exit_code == 0, done.output
    assert any(one["place"] == "analyses" for one in json.loads(done.stdout)["not_carried"])
    before = file.read_bytes()
    done = run("export", "usdm", "kare", "--out", str(file))
    assert done.exit_code != 0
    assert "O085" in done.output
    assert file.read_bytes() == before
    assert run("export", "usdm", "ketamine-mbrp-cocaine", "--out", str(file), "--force").exit_code == 0
    assert file.read_bytes() == before
    done = run("import", "usdm", str(file), "--out", str(out))
    assert done.exit_code == 0, done.output
    assert sorted(path.name for path in out.iterdir() if path.name[0] != ".") == [
        "not-translated.csv",
        "not-translated.json",
        "protocol.yaml",
        "study.usdm.json",
    ]
    assert run("check", str(out / "protocol.yaml")).exit_code == 0
    strange = foreign(tmp_path)
    done = run("import", "usdm", str(strange), "--out", str(tmp_path / "strange"), "--json")
    assert done.exit_code == 0, done.output
    assert json.loads(done.stdout)["passes"] is True
    rows = list(csv.DictReader((tmp_path / "strange" / "not-translated.csv").open(encoding="utf-8", newline="")))
    assert {"kind", "code", "place", "text", "why"} == set(rows[0])
    done = run("import", "usdm", str(tmp_path / "nothing.json"), "--out", str(tmp_path / "x"))
    assert done.exit_code != 0
    assert "R480" in done.output
    assert "Traceback" not in done.output
    assert not (tmp_path / "x").exists()


def test_what_this_program_wrote_beside_the_model_and_was_spoiled_is_refused(tmp_path: Path) -> None:
    text = usdm_of(equipoise.read_protocol("kare")).text
    file = tmp_path / "study.json"
    file.write_text(text.replace('\\"kind\\": \\"abstinence\\"', '\\"mind\\": \\"abstinence\\"'), "utf-8")
    assert file.read_text("utf-8") != text
    with pytest.raises(RecordsError, match="R493"):
        import_usdm(file)


def test_no_change_of_a_file_ends_in_anything_but_a_protocol_or_problems(tmp_path: Path) -> None:
    """Attributes taken away, emptied or of another type: read, or refused with codes."""
    whole = json.loads(foreign(tmp_path).read_text("utf-8"))
    rng = random.Random(20260)
    file = tmp_path / "changed.json"
    refused = 0
    for _ in range(60):
        document = json.loads(json.dumps(whole))
        node = rng.choice([n for n in nodes(document) if len(n) > 2])
        key = rng.choice([k for k in node if k != "instanceType"])
        node[key] = rng.choice([None, [], "", 7, "x; {}\n#"])
        file.write_text(json.dumps(document), "utf-8")
        try:
            read_protocol_text(import_usdm(file).text)
        except EquipoiseError:
            refused += 1
    assert 10 < refused < 60
