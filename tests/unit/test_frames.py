"""Frames for people who use pandas."""

from __future__ import annotations

import polars as pl

import equipoise
from equipoise.records.frames import to_pandas


def test_nulls_stay_nulls_and_types_stay_types() -> None:
    frame = pl.DataFrame({"a": [1, None, 3], "b": ["x", None, "z"], "c": [True, False, None], "d": [0.5, None, 1.0]})
    out = to_pandas(frame)
    assert out.shape == (3, 4)
    assert out["a"].dtype == "Int64"
    assert out["a"].isna().tolist() == [False, True, False]
    assert out["c"].dtype == "boolean"
    assert out["d"].iloc[2] == 1.0


def test_records_and_results_show_themselves_in_a_notebook_and_in_pandas() -> None:
    protocol = equipoise.read_protocol("ketamine-mbrp-cocaine")
    records = equipoise.simulate(protocol, seed=5)
    results = equipoise.analyse(protocol, records)
    assert "SIMULATED" in records._repr_html_()
    assert "SIMULATED" in results._repr_html_()
    assert records.to_pandas()["participants"].shape[0] == records["participants"].height
    assert results.to_pandas()["id"].iloc[0] == "abstinence"
    assert "ketamine" in protocol._repr_html_()
