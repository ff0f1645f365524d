"""Instruments that a protocol brings itself: read, refused, scored, recorded and analysed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from own_instruments import as_protocol_writes, trial
from typer.testing import CliRunner

from equipoise.cli.main import app
from equipoise.conduct.rules.forms import fill, form_of
from equipoise.exchange.records_files import write_records
from equipoise.foundation.errors import ProtocolError, RecordsError
from equipoise.instruments import (
    INSTRUMENTS,
    Instrument,
    own_instrument,
    require_instrument,
    require_instrument_of,
    score,
    score_assessments,
)
from equipoise.protocol import read_protocol_text
from equipoise.protocol.language.instruments import OwnInstrument
from equipoise.records import DataSource, Records
from equipoise.workflow.checks import check_protocol
from equipoise.workflow.verbs import analyse

WITH_ITEMS = [entry for entry in INSTRUMENTS.values() if entry.items]


def as_own(entry: Instrument) -> Instrument:
    return own_instrument(entry.id, OwnInstrument.model_validate(as_protocol_writes(entry)))


@pytest.mark.parametrize("entry", WITH_ITEMS, ids=lambda entry: entry.id)
def test_a_library_instrument_written_into_a_protocol_has_the_same_key(entry: Instrument) -> None:
    unlike = ("version", "thresholds")
    ours, theirs = as_own(entry).key_as_dict(), entry.key_as_dict()
    assert {k: v for k, v in ours.items() if k not in unlike} == {k: v for k, v in theirs.items() if k not in unlike}
    assert as_own(entry).better == entry.better


@pytest.mark.parametrize("entry", WITH_ITEMS, ids=lambda entry: entry.id)
def test_a_library_instrument_written_into_a_protocol_scores_the_same(entry: Instrument) -> None:
    rng = np.random.default_rng(5)
    rows = []
    for person in range(12):
        for item in entry.items:
            answers = item.levels or np.arange(item.lowest, item.highest + 1)
            value = None if rng.random() < 0.1 else float(rng.choice(answers))
            rows.append((f"P{person}", "day-29", 29, entry.id, item.id, value))
    columns = ["participant_id", "visit", "day", "instrument", "item", "value"]
    table = pl.DataFrame(rows, schema=columns, orient="row", schema_overrides={"value": pl.Float64})
    assert score_assessments(table, as_own(entry)).equals(score_assessments(table, entry))


def test_a_short_form_is_scored_by_hand() -> None:
    strain = require_instrument_of(read_protocol_text(trial("strain")), "mood")
    # Item 2 is turned round: 4 - 1 = 3; 2 + 3 + 4 + 0 = 9.
    assert score({"1": 2, "2": 1, "3": 4, "4": 0}, strain)["total"].value == 9
    # Three of four are enough: (2 + 3 + 4) x 4 / 3 = 12. Two are not.
    assert score({"1": 2, "2": 1, "3": 4}, strain)["total"].value == 12
    assert score({"1": 2, "2": 1}, strain)["total"].value is None
    assert [band.name(9) for band in strain.bands] == ["high"]
    case = strain.threshold("case")
    assert case is not None
    assert case.rule == "9 or more (female), 11 or more (male)"


def records(instrument: str, values: dict[str, list[float | None]], item: str = "total") -> Records:
    """Two arms of four; ``values`` by visit."""
    people = [f"P{n}" for n in range(1, 9)]
    rows = [
        {"participant_id": who, "visit": visit, "day": day, "instrument": instrument, "item": item, "value": value}
        for visit, day in (("entry", 1), ("day-29", 29), ("day-57", 57))
        for who, value in zip(people, values[visit], strict=True)
    ]
    visits = [
        {"participant_id": who, "visit": visit, "target_day": day, "day": day, "state": "attended"}
        for visit, day in (("entry", 1), ("day-29", 29), ("day-57", 57))
        for who in people
    ]
    tables = {
        "participants": pl.DataFrame({"participant_id": people, "consented": True, "sex": ["female", "male"] * 4}),
        "allocations": pl.DataFrame(
            {"participant_id": people, "stage": 1, "day": 1, "arm": ["usual"] * 4 + ["active"] * 4}
        ),
        "visits": pl.DataFrame(visits),
        "assessments": pl.DataFrame(rows, schema_overrides={"value": pl.Float64}),
    }
    return Records(tables, DataSource("imported", "made up", "own", ""))


SCORES: dict[str, list[float | None]] = {
    "entry": [30, 22, 18, 41, 33, 25, 19, 40],
    "day-29": [25, 20, 17, 35, 22, 19, 10, 31],
    "day-57": [24, 15, 20, 30, 12, 14, 9, None],
}


def test_the_same_scores_give_the_same_estimate_by_the_library_and_by_the_protocol() -> None:
    library = read_protocol_text(trial("cssa", scale="score"))
    definition = json.dumps(as_protocol_writes(require_instrument("cssa")))
    own = read_protocol_text(trial("own-cssa", scale="score", own=f"  own-cssa: {definition}\n"))
    first = analyse(library, records("cssa", SCORES, item="score"))["mood"]
    second = analyse(own, records("own-cssa", SCORES, item="score"))["mood"]
    assert (first.estimate, first.standard_error, first.df) == (second.estimate, second.standard_error, second.df)


def test_a_score_out_of_range_is_named_with_file_and_line(tmp_path: Path) -> None:
    scores = {**SCORES, "day-29": [25, 20, 17, 35, 64, 19, 10.5, 31]}
    write_records(records("bdi", scores), tmp_path / "records")
    lines = (tmp_path / "records" / "assessments.csv").read_text().splitlines()
    (tmp_path / "protocol.yaml").write_text(trial("bdi"))
    with pytest.raises(RecordsError) as caught:
        analyse(tmp_path / "protocol.yaml", tmp_path / "records")
    found = [
        (p.code, Path(str(p.file)).name, lines[int(p.line or 0) - 1].split(",")[-1]) for p in caught.value.problems
    ]
    assert sorted(found) == [("R502", "assessments.csv", "10.5"), ("R502", "assessments.csv", "64.0")]
    assert "a whole number from 0 to 63" in str(caught.value)


def test_an_item_that_the_instrument_lacks_is_a_problem_of_the_records() -> None:
    with pytest.raises(RecordsError) as caught:
        analyse(read_protocol_text(trial("strain")), records("strain", SCORES, item="totl"))
    assert {p.code for p in caught.value.problems} >= {"R501"}


def test_the_form_of_a_running_trial_asks_for_the_items_of_the_protocol() -> None:
    levels = "  lev: {items: {a: {levels: [0, 2, 4]}, b: 0..3}, better: lower}\n"
    form = form_of(read_protocol_text(trial("lev", own=levels)), "mood")
    assert [(item.id, item.expected) for item in form.items] == [
        ("a", "0, 2 or 4"),
        ("b", "a whole number from 0 to 3"),
    ]
    assert [p.code for p in fill(form, {"a": "1", "b": "4"}).hard] == ["C572", "C572"]
    filled = fill(form, {"a": "2", "b": "3"})
    assert (filled.hard, filled.scores) == ((), {"total": "5.0"})


def test_a_finding_is_recorded_as_yes_or_no_with_its_own_words() -> None:
    text = trial("bdi").replace(
        "assessments:\n", "assessments:\n  swab: {type: finding, yes: present, no: absent, label: Throat swab}\n"
    )
    protocol = read_protocol_text(text)
    form = form_of(protocol, "swab")
    assert [(item.id, item.expected) for item in form.items] == [("finding", "yes or no")]
    assert fill(form, {"finding": "maybe"}).hard[0].code == "C571"
    swab = require_instrument_of(protocol, "swab")
    assert (swab.id, swab.bounds(), swab.source) == ("swab", (0, 1), "1: present; 0: absent.")


BROKEN: list[tuple[str, str, str, str]] = [
    ("bdi: {total: 0..63, better: lower}", "bdi: {total: 63..0, better: lower}", "P015", "runs backwards"),
    ("bdi: {total: 0..63, better: lower}", "bdi: {total: 0-63, better: lower}", "P015", "range of numbers"),
    ("bdi: {total: 0..63, better: lower}", "bdi: {total: 0..63, items: 3, better: lower}", "P015", "both total and"),
    ("bdi: {total: 0..63, better: lower}", "bdi: {better: lower}", "P015", "both total and items, or neither"),
    ("bdi: {total: 0..63, better: lower}", "bdi: {total: 0..63}", "P010", "better"),
    ("bdi: {total: 0..63, better: lower}", "bdi: {total: 0..63, better: less}", "P013", "less"),
    ("bdi: {total: 0..63, better: lower}", "bdi: {total: 0..63, reverse: [1], better: lower}", "P015", "reverse"),
    ("    range: 0..4\n", "", "P015", "no range for item 1"),
    ("    reverse: [2]", "    reverse: [5]", "P015", "5, no item"),
    ("    reverse: [2]", "    reverse: [2, 2]", "P015", "an item twice"),
    ("    items: 4", "    items: [a, a]", "P015", "stands twice"),
    ("    items: 4", "    items: 0", "P014", ""),
    ("    missing: {share-given: 0.75}", "    missing: {}", "P015", "share-given and at-most, or neither"),
    ("    missing: {share-given: 0.75}", "    missing: {share-given: 75}", "P014", ""),
    ("high: 8..16", "high: 7..16", "P015", "overlap"),
    ("of: sex}", "of: gender}", "P020", "gender"),
    ("{female: 9, male: 11}", "{female: 9}", "P056", "no number for sex male"),
    ("{female: 9, male: 11}", "{female: 9, mal: 11}", "P020", "Did you mean male?"),
    ("{female: 9, male: 11}, of: sex", "9, of: sex", "P015", "without their variable"),
    ("case: {at-least: {female: 9, male: 11}, of: sex}", "case: {words: nothing}", "P015", "no number"),
    ("case: {at-least", "case: {scale: fear, at-least", "P015", "scale 'fear'"),
    ("  strain:\n", "  pss-10:\n", "P052", "The library has an instrument 'pss-10' too"),
    ("instrument: bdi}", "instrument: bdj}", "P050", "Did you mean bdi?"),
    ("scale: total", "scale: totl", "P051", "Did you mean total?"),
    ("better: lower}\nestimands", "better: higher}\nestimands", "P054", "Write better: lower."),
]


@pytest.mark.parametrize(("old", "new", "code", "says"), BROKEN, ids=[f"{b[2]}-{n}" for n, b in enumerate(BROKEN)])
def test_a_broken_instrument_is_refused_with_code_and_line(
    tmp_path: Path, old: str, new: str, code: str, says: str
) -> None:
    text = trial("bdi")
    assert old in text
    path = tmp_path / "own.yaml"
    path.write_text(text.replace(old, new, 1))
    found = check_protocol(path)
    assert code in [p.code for p in found.problems], [p.render() for p in found.problems]
    problem = next(p for p in found.problems if p.code == code)
    assert says in problem.render()
    assert problem.line is not None


def test_several_faults_of_instruments_come_at_once(tmp_path: Path) -> None:
    text = trial("bdi").replace("reverse: [2]", "reverse: [9]").replace("total: 0..63", "total: 5..1")
    with pytest.raises(ProtocolError) as caught:
        read_protocol_text(text)
    assert [p.code for p in caught.value.problems] == ["P015", "P015"]


def run(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["instruments", *arguments])


def test_the_command_lists_and_explains_instruments_of_library_and_protocol(tmp_path: Path) -> None:
    path = tmp_path / "own.yaml"
    path.write_text(trial("strain"))
    listed = json.loads(run("list", "--protocol", str(path), "--json").stdout)["instruments"]
    assert [entry["id"] for entry in listed][:2] == ["bdi", "strain"]
    assert {"pss-10", "ffmq-39"} <= {entry["id"] for entry in listed}
    text = run("explain", "strain", "--protocol", str(path)).stdout
    assert "Turned round" in text
    assert "9 or more (female), 11 or more (male)" in text
    assert "0 to 40" in run("explain", "pss-10").stdout
    wrong = run("explain", "pss10")
    assert wrong.exit_code == 2
    assert "Did you mean pss-10?" in wrong.output


def test_every_row_of_the_listing_comes_from_the_library() -> None:
    assert run("list").exit_code == 0
    assert [row["id"] for row in json.loads(run("list", "--json").stdout)["instruments"]] == [
        entry.id for entry in INSTRUMENTS.values()
    ]
