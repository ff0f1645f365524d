"""Frames for people who use pandas."""

from __future__ import annotations

import polars as pl
import pytest

import equipoise
from equipoise.foundation.errors import UsageError
from equipoise.records import DataSource, Records
from equipoise.records.frames import to_pandas


def test_nulls_stay_nulls_and_types_stay_types() -> None:
    frame = pl.DataFrame({"a": [1, None, 3], "b": ["x", None, "z"], "c": [True, False, None], "d": [0.5, None, 1.0]})
    out = to_pandas(frame)
    assert out.shape == (3, 4)
    assert out["a"].dtype == "Int64"
    assert out["a"].isna().tolist() == [False, True, False]
    assert out["c"].dtype == "boolean"
    assert out["d"].iloc[2] == 1.0


def test_records_take_a_pandas_frame_and_make_its_gaps_null() -> None:
    pandas = pytest.importorskip("pandas")
    people = pandas.DataFrame({"participant_id": ["p", "q"], "consented": [True, True], "age": [31.0, float("nan")]})
    records = Records({"participants": people}, DataSource("imported", "drawn", "x", ""))
    assert records["participants"]["age"].to_list() == [31.0, None]
    with pytest.raises(UsageError, match="U061"):
        Records({"participants": [1, 2]}, DataSource("imported", "drawn", "x", ""))  # type: ignore[dict-item]


def test_an_estimate_shows_itself_in_one_line() -> None:
    results = equipoise.analyse("ketamine-mbrp-cocaine", equipoise.simulate("ketamine-mbrp-cocaine", seed=5))
    assert repr(results["abstinence"]).startswith("<Estimate abstinence: odds_ratio ")
    shown = results["abstinence"]._repr_html_()
    assert "odds ratio (logistic)" in shown
    assert "Logistic regression, maximum likelihood" in shown


def test_records_and_results_show_themselves_in_a_notebook_and_in_pandas() -> None:
    protocol = equipoise.read_protocol("ketamine-mbrp-cocaine")
    records = equipoise.simulate(protocol, seed=5)
    results = equipoise.analyse(protocol, records)
    assert "simulated" in records._repr_html_()
    assert "simulated" in results._repr_html_()
    assert records.to_pandas()["participants"].shape[0] == records["participants"].height
    assert results.to_pandas()["id"].iloc[0] == "abstinence"
    assert "ketamine" in protocol._repr_html_()
