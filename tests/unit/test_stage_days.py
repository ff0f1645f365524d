"""A stage that counts its own days: visits named by week, and days counted from the randomization to it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import equipoise
from equipoise.endpoints.lattice import CLEAN, USED, read_lattice
from equipoise.foundation.errors import EquipoiseError
from equipoise.records import DataSource, Records

PROTOCOL = Path(__file__).parent.parent / "spec" / "protocols" / "opioid-rerandomized.yaml"


def drawn(second_day: int | None) -> Records:
    """Ann is randomized again on study day 20; a sample on days 19 and 20 is positive, on day 27 negative."""
    frames = {
        "participants": {"participant_id": ["ann"], "consented": [True]},
        "allocations": {
            "participant_id": ["ann", "ann"],
            "stage": [1, 2],
            "day": [1, second_day],
            "arm": ["smm-1", "emm-2"],
            "arm_received": ["smm-1", "emm-2"],
        },
        "urine": {
            "participant_id": ["ann"] * 4,
            "day": [-1, 19, 20, 27],
            "substance": ["opioid"] * 4,
            "result": ["negative", "positive", "positive", "negative"],
        },
        "visits": {
            "participant_id": ["ann"],
            "visit": ["phase-2-week-1"],
            "target_day": [27],
            "day": [27],
            "state": ["attended"],
        },
    }
    return Records(
        {name: pl.DataFrame(columns) for name, columns in frames.items()}, DataSource("imported", "", "", "")
    )


def days_of(lattice: object, code: int) -> list[int]:
    """The day indices at which Ann's urine has a code; 0 is the stage's day 1."""
    cells = lattice.cells("urine", ("opioid",))  # type: ignore[attr-defined]
    return [int(i) + lattice.first for i in np.flatnonzero(cells[0] == code)]  # type: ignore[attr-defined]


def test_days_of_a_stage_with_its_own_day_1_count_from_the_randomization_to_it() -> None:
    protocol = equipoise.read_protocol(PROTOCOL)
    first, second = (read_lattice(protocol, drawn(20), stage=stage) for stage in (1, 2))
    assert days_of(first, USED) == [18, 19]
    assert days_of(second, USED) == [0]  # the sample of the day before lies before the calendar, which begins on day 1
    assert days_of(second, CLEAN) == [7]
    assert second.visits("phase-2-visit").day[0, 0] == 7


def test_who_has_no_day_of_randomization_to_a_stage_has_no_day_in_it() -> None:
    lattice = read_lattice(equipoise.read_protocol(PROTOCOL), drawn(None), stage=2)
    assert lattice.n == 1
    assert days_of(lattice, USED) == days_of(lattice, CLEAN) == []


def test_visits_of_a_series_are_named_by_their_week(tmp_path: Path) -> None:
    text = PROTOCOL.read_text("utf-8")
    old = 'every: 7, first: 7, last: 84, named: "phase-1-week-{n}"'
    assert old in text
    path = tmp_path / "named.yaml"
    path.write_text(text.replace(old, 'days: [28, 42, 57], named: "phase-1-week-{week}"'), "utf-8")
    names = [visit.name for visit in equipoise.read_protocol(path).series("phase-1-visit")]
    assert names == ["phase-1-week-4", "phase-1-week-6", "phase-1-week-8"]


def test_two_visits_of_one_week_cannot_both_be_named_by_it(tmp_path: Path) -> None:
    text = PROTOCOL.read_text("utf-8")
    path = tmp_path / "twice.yaml"
    old = 'every: 7, first: 7, last: 84, named: "phase-1-week-{n}"'
    path.write_text(text.replace(old, 'days: [28, 30], named: "phase-1-week-{week}"'), "utf-8")
    with pytest.raises(EquipoiseError, match="two visits of one week"):
        equipoise.read_protocol(path)
