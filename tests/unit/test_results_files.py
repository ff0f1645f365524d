"""results.json and results.csv carry every estimate, unrounded."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from equipoise.analysis.estimate import RESULT_KEYS, Estimate
from equipoise.exchange.results_files import read_results, results_csv, results_json, write_results
from equipoise.foundation.errors import OutputError, RecordsError

THIRD = Estimate(
    id="relapse",
    endpoint="relapse",
    estimand="relapse-hazard",
    estimator="cox",
    arm="xr-ntx",
    reference="bup-nx",
    event="relapse",
    scale="hazard_ratio",
    estimate=1 / 3,
    standard_error=0.1 + 0.2,
    p_value=1e-300,
    n_analysed=570,
    prespecified=True,
    warnings=("tied-heavily", "few-events"),
)
NOTHING = Estimate(
    id="none",
    endpoint="relapse",
    estimand=None,
    estimator="cox",
    arm=None,
    reference=None,
    event=None,
    scale="hazard_ratio",
    estimate=None,
    ci_level=None,
    warnings=("not-estimable",),
)


def test_json_has_the_promised_keys_in_order_and_unrounded_values() -> None:
    value = json.loads(results_json([THIRD, NOTHING], {"seed": 1}))
    assert list(value) == ["provenance", "estimates"]
    assert [tuple(row) for row in value["estimates"]] == [RESULT_KEYS, RESULT_KEYS]
    assert value["estimates"][0]["estimate"] == 1 / 3
    assert value["estimates"][0]["warnings"] == ["tied-heavily", "few-events"]
    assert value["estimates"][1]["estimate"] is None


def test_csv_reads_back_to_the_same_numbers() -> None:
    rows = list(csv.DictReader(results_csv([THIRD, NOTHING]).splitlines()))
    assert tuple(rows[0]) == RESULT_KEYS
    assert float(rows[0]["estimate"]) == 1 / 3
    assert float(rows[0]["standard_error"]) == 0.1 + 0.2
    assert float(rows[0]["p_value"]) == 1e-300
    assert rows[0]["prespecified"] == "true"
    assert rows[0]["warnings"] == "tied-heavily; few-events"
    assert rows[1]["estimate"] == ""
    assert rows[1]["arm"] == ""


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_value_that_is_not_finite_is_refused(bad: float) -> None:
    for write in (lambda e: results_json(e, {}), results_csv):
        with pytest.raises(OutputError) as error:
            write([replace(THIRD, ci_upper=bad)])
        assert [p.code for p in error.value.problems] == ["O010"]


def test_files_read_back_as_the_same_estimates(tmp_path: Path) -> None:
    write_results([THIRD, NOTHING], {"seed": 1}, tmp_path)
    provenance, estimates = read_results(tmp_path)
    assert provenance == {"seed": 1}
    assert estimates == (THIRD, NOTHING)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"provenance": {}, "estimates": [{}]}', "{"])
def test_a_file_that_is_no_results_file_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "results.json").write_text(text)
    with pytest.raises(RecordsError) as error:
        read_results(tmp_path)
    assert [p.code for p in error.value.problems] == ["R080"]
