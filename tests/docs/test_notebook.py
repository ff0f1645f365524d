"""Values in a notebook show as the report's tables do; the notebook that is shipped runs from top to bottom."""

from __future__ import annotations

import importlib.util
import io
from pathlib import Path

import pandas
import pytest

import equipoise
from equipoise.reporting import format as fmt

NOTEBOOK = Path(__file__).resolve().parents[2] / "docs" / "notebook.py"


@pytest.fixture(scope="module")
def trial():
    protocol = equipoise.read_protocol("ketamine-mbrp-cocaine")
    records = equipoise.simulate(protocol, seed=7)
    return protocol, records, equipoise.analyse(protocol, records)


def frame_of(html: str) -> pandas.DataFrame:
    return pandas.read_html(io.StringIO(html), keep_default_na=False, thousands=None)[0]


def test_results_show_as_table_1_of_the_report(trial) -> None:
    protocol, records, results = trial
    told = next(t for t in equipoise.report(protocol, records, results).tables if t.caption.startswith("Primary and"))
    mine, theirs = frame_of(results._repr_html_()), frame_of(told._repr_html_())
    assert mine.equals(theirs)
    assert "simulated" in results._repr_html_()


def test_an_estimate_shows_its_effect_by_the_formatter_and_says_that_it_is_simulated(trial) -> None:
    relapse = trial[2]["relapse"]
    frame = frame_of(relapse._repr_html_())
    shown = [str(value).strip() for value in frame.iloc[0]]
    assert fmt.interval(fmt.Interval(*relapse.ends, "hazard_ratio")) in shown
    assert "hazard ratio (Cox)" in shown
    assert "Estimate, simulated" in relapse._repr_html_()
    assert relapse.method.split(",")[0] in relapse._repr_html_()


def test_an_endpoint_shows_results_by_arm(trial) -> None:
    _, _, results = trial
    endpoint = results.endpoints["abstinence"]
    frame = frame_of(endpoint._repr_html_())
    for k, arm in enumerate(("midazolam", "ketamine"), 1):
        mine = endpoint.participants.arm == arm
        assert frame.iloc[0, k].strip().startswith(f"{int(endpoint.value[mine].sum())} (")
    assert "simulated" in endpoint._repr_html_()


def test_records_show_their_tables(trial) -> None:
    frame = frame_of(trial[1]._repr_html_())
    assert int(dict(zip(frame["Table"], frame["Rows"], strict=True))["allocations"]) == 55
    assert "simulated" in trial[1]._repr_html_()


def test_a_real_trial_never_says_simulated_and_nothing_of_a_stranger_becomes_markup() -> None:
    from equipoise.exchange.bundled import bundled_records

    records = equipoise.import_records("table", bundled_records("smoking-cessation"))
    results = equipoise.analyse("smoking-cessation", records)
    values = (records, results, results["relapse"], results.endpoints["relapse"])
    assert all("simulated" not in value._repr_html_().lower() for value in values)
    from dataclasses import replace

    nasty = replace(results["relapse"], id="<script>alert(1)</script>", method="<b>")
    assert "<script>" not in nasty._repr_html_()
    assert "<b>" not in nasty._repr_html_()


def test_results_read_from_a_file_show_every_estimate(trial, tmp_path: Path) -> None:
    from dataclasses import replace

    results = replace(trial[2], lattice=None)
    assert len(frame_of(results._repr_html_())) == len(results.estimates)


def test_the_notebook_runs_from_top_to_bottom() -> None:
    pytest.importorskip("marimo")
    spec = importlib.util.spec_from_file_location("notebook", NOTEBOOK)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    outputs, names = module.app.run()
    assert names["results"]["relapse"].scale == "hazard_ratio"
    assert names["records"].is_simulated
    shown = [value._repr_html_() for value in outputs if hasattr(value, "_repr_html_")]
    assert sum("simulated" in text.lower() for text in shown) >= 4
    assert any(hasattr(value, "_repr_svg_") and "SIMULATED" in value._repr_svg_() for value in outputs)
