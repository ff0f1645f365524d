"""Baseline variables of a table against what the protocol says of them: kinds, levels, ranges, how they are read."""

from __future__ import annotations

import polars as pl
import pytest

from equipoise.analysis.dataset import covariate_columns
from equipoise.endpoints.lattice import read_lattice
from equipoise.foundation.errors import AnalysisError
from equipoise.protocol import read_protocol
from equipoise.protocol.language.design import BaselineVariable
from equipoise.records import DataSource, Records
from equipoise.records.baseline_values import as_levels, find_baseline_faults
from equipoise.records.check import check_records
from equipoise.records.trial_facts import facts_of

NUMBER = BaselineVariable(type="number", lowest=18, highest=90)
SEX = BaselineVariable(type="category", levels=("0", "1"))
MARRIED = BaselineVariable(type="yes-no")


@pytest.mark.parametrize(
    ("variable", "cells", "wrong"),
    [
        (NUMBER, ["70", "NA", None, "forty"], [1, 3]),
        (NUMBER, [18.0, 90.0, 17.9, 90.1, None], [2, 3]),
        (NUMBER, [30.0, float("nan")], [1]),
        (SEX, [0, 1, None, 2], [3]),
        (SEX, [0.0, 1.0, 0.5], [2]),
        (SEX, ["0", "1", "NA", ""], [2, 3]),
        (SEX, [True, False], [0, 1]),
        (MARRIED, [True, False, None], []),
        (MARRIED, [0, 1, 2], [2]),
        (MARRIED, ["yes", "no"], [0, 1]),
        (BaselineVariable(type="number"), [-5.0, 1e9, None], []),
    ],
)
def test_a_cell_that_the_variable_cannot_have_is_named_with_its_row(variable, cells, wrong) -> None:
    people = pl.DataFrame({"participant_id": [f"P{i}" for i in range(len(cells))], "own_one": pl.Series(cells)})
    faults = find_baseline_faults(people, {"own-one": variable})
    assert [(fault.code, fault.row, fault.column) for fault in faults] == [("R067", row, "own_one") for row in wrong]


def test_numbers_are_the_levels_that_they_spell() -> None:
    assert as_levels(pl.Series([1.0, 2.5, None])).to_list() == ["1", "2.5", None]
    assert as_levels(pl.Series([1, 0])).to_list() == ["1", "0"]
    assert as_levels(pl.Series([True, None])).to_list() == ["true", None]


PROTOCOL = """\
equipoise: 1
trial: {id: small, title: A small trial}
calendar: {day-1: randomization, epochs: {after: {days: 1..30}}}
interventions: {a: {type: oral, drug: drug a}, b: {type: oral, drug: drug b}}
arms: {a: {role: active-control, gives: [a]}, b: {role: experimental, gives: [b]}}
eligibility: {include: null, exclude: null}
randomization: {ratio: {a: 1, b: 1}}
baseline: {sex: {type: category, levels: ["0", "1"]}, nodes: {type: number}}
assessments: {outcomes: {type: events, terms: [death]}}
schedule: {end: {day: 30, assess: [outcomes]}}
endpoints:
  survival: {kind: time-to-event, words: days to death, time-zero: day 1, first-of: [{event: death}], until: day 30}
estimands: {survival: {endpoint: survival, treatments: b v a, summary: hazard-ratio}}
analyses:
  survival: {estimand: survival, estimator: cox, covariates: [sex, nodes], level: primary, alpha-two-sided: 0.05}
"""


def _records(**columns):
    ids = ["1", "2", "3", "4"]
    return Records(
        {
            "participants": pl.DataFrame({"participant_id": ids, "consented": True, **columns}),
            "allocations": pl.DataFrame({"participant_id": ids, "stage": 1, "arm": ["a", "b", "a", "b"]}),
            "events": pl.DataFrame(
                {"participant_id": ids, "term": "death", "day": [3, 29, 7, 20], "happened": [True, False, True, False]}
            ),
        },
        DataSource("imported", "drawn", "small", ""),
    )


@pytest.mark.parametrize("sex", [[0, 1, 1, 0], [0.0, 1.0, 1.0, 0.0], ["0", "1", "1", "0"]])
def test_a_category_is_the_same_however_its_levels_are_typed(sex, tmp_path) -> None:
    (tmp_path / "p.yaml").write_text(PROTOCOL)
    protocol = read_protocol(tmp_path / "p.yaml")
    records = _records(sex=sex, nodes=[1, 2, 3, None])
    assert check_records(records, facts_of(protocol)) == []
    lattice = read_lattice(protocol, records)
    columns, names = covariate_columns(lattice, ("sex", "nodes"), pl.Series([0, 1, 2]).to_numpy())
    assert names == ("sex: 1", "nodes")
    assert columns.tolist() == [[0, 1], [1, 2], [1, 3]]


def test_a_word_among_numbers_is_refused_and_never_a_number(tmp_path) -> None:
    (tmp_path / "p.yaml").write_text(PROTOCOL)
    protocol = read_protocol(tmp_path / "p.yaml")
    records = _records(sex=[0, 1, 1, 3], nodes=["1", "NA", "3", "4"])
    assert [(p.code, p.place) for p in check_records(records, facts_of(protocol))] == [
        ("R067", "participants row 4, column sex"),
        ("R067", "participants row 2, column nodes"),
    ]
    lattice = read_lattice(protocol, records)
    with pytest.raises(AnalysisError) as refused:
        covariate_columns(lattice, ("sex", "nodes"), pl.Series([0, 1]).to_numpy())
    assert [(p.code, p.found) for p in refused.value.problems] == [
        ("A003", "Values that the protocol does not allow: 3."),
        ("A003", "Values that the protocol does not allow: NA."),
    ]
