"""Frames for people who use pandas."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

import equipoise
from equipoise.foundation.errors import UsageError
from equipoise.records import DataSource, Records
from equipoise.records.frames import as_polars, to_pandas


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


class ArrowTable:
    """Whatever hands over Arrow memory by the protocol of Arrow: here what Polars hands over."""

    def __init__(self, frame: pl.DataFrame) -> None:
        self.frame = frame

    def __arrow_c_stream__(self, requested_schema: object = None) -> object:
        return self.frame.__arrow_c_stream__(requested_schema)  # type: ignore[arg-type]


def place_of(column: pl.Series) -> int:
    """Where the numbers of a column lie in memory."""
    return column.to_numpy(allow_copy=False).__array_interface__["data"][0]


def test_arrow_memory_is_taken_without_a_copy_and_a_gap_is_null() -> None:
    given = pl.DataFrame(
        {
            "day": np.arange(5000),
            "dose": np.linspace(0.0, 1.0, 5000),
            "arm": pl.Series(["a", "b"] * 2500, dtype=pl.Categorical),
        }
    )
    out = as_polars(ArrowTable(given))
    assert [place_of(out[name]) for name in ("day", "dose")] == [place_of(given[name]) for name in ("day", "dose")]
    assert out["arm"].dtype == pl.String
    assert out["arm"].to_list()[:3] == ["a", "b", "a"]
    gaps = as_polars(ArrowTable(pl.DataFrame({"dose": [0.5, float("nan"), None]})))
    assert gaps["dose"].to_list() == [0.5, None, None]


def test_numbers_of_pandas_are_taken_without_a_copy() -> None:
    pandas = pytest.importorskip("pandas")
    given = pandas.DataFrame({"day": np.arange(5000), "dose": np.linspace(0.0, 1.0, 5000)}, copy=False)
    out = as_polars(given)
    for name in ("day", "dose"):
        assert place_of(out[name]) == given[name].to_numpy().__array_interface__["data"][0]
    strange = pandas.DataFrame(
        {
            "count": pandas.array([1, None, 3], dtype="Int64"),
            "arm": pandas.Categorical(["a", None, "b"]),
            "dose": [0.5, float("nan"), 1.0],
            "yes": [True, None, False],
        }
    )
    assert as_polars(strange).to_dict(as_series=False) == {
        "count": [1, None, 3],
        "arm": ["a", None, "b"],
        "dose": [0.5, None, 1.0],
        "yes": [True, None, False],
    }


def test_tables_of_pyarrow_and_results_of_duckdb_go_in_and_out() -> None:
    pyarrow, duckdb = pytest.importorskip("pyarrow"), pytest.importorskip("duckdb")
    people = pl.DataFrame({"participant_id": ["p", "q"], "consented": [True, True], "age": [31.0, None]})
    given = pyarrow.table(people)
    assert as_polars(given).equals(people)
    assert as_polars(duckdb.sql("select * from given")).equals(people)
    records = Records({"participants": given}, DataSource("imported", "drawn", "x", ""))
    frame = records["participants"]
    assert duckdb.sql("select count(age) from frame").fetchall() == [(1,)]
    assert pyarrow.table(frame).num_rows == 2
