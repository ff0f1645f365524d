"""Two real trials from their files to their published results."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest

import equipoise
from equipoise.analysis.results import Results


@pytest.fixture(scope="module")
def xbot(shared_data: Path) -> Results:
    records = equipoise.import_records("ctn0094", shared_data / "ctn0094", project=51)
    return equipoise.analyse("xbot", records)


def test_xbot_hazard_ratio_agrees_with_the_published_one(xbot: Results) -> None:
    # Published: 1.36 (1.10 to 1.68). The public tables are harmonised and the paper's exact rules for a missing week
    # are not in its abstract, so agreement is asked to a tenth of the published standard error of the log (0.108).
    relapse = xbot["relapse"]
    assert relapse.estimate is not None
    assert abs(math.log(relapse.estimate / 1.36)) < 0.1 * 0.108
    assert (relapse.arm, relapse.reference, relapse.scale) == ("xr-ntx", "bup-nx", "hazard_ratio")
    assert relapse.n_analysed == relapse.n_randomized == 570


def test_xbot_proportions_relapsed_lie_within_two_points_of_the_published(xbot: Results) -> None:
    assert xbot["relapse-proportion.xr-ntx"].estimate == pytest.approx(0.65, abs=0.02)
    assert xbot["relapse-proportion.bup-nx"].estimate == pytest.approx(0.57, abs=0.02)


def test_a_reading_of_xbot_returns_the_published_ratios_and_limits_as_printed(xbot: Results) -> None:
    for id, printed in (
        ("relapse-as-printed", ["1.36", "1.10", "1.68"]),
        ("relapse-odds-inducted-as-printed", ["0.87", "0.60", "1.25"]),
    ):
        row = xbot[id]
        assert [f"{value:.2f}" for value in (row.estimate, row.ci_lower, row.ci_upper)] == printed


def test_xbot_induction_is_exactly_the_published(xbot: Results) -> None:
    for arm, events, total in (("xr-ntx", 204, 283), ("bup-nx", 270, 287)):
        row = xbot[f"induction.proportion.{arm}"]
        assert (row.n_events, row.n_analysed) == (events, total)


def test_xbot_every_discretion_is_a_row_of_its_own(xbot: Results) -> None:
    varied = [row for row in xbot.estimates if row.details["choices"] and row.details["line"] == "relapse"]
    assert len(varied) == 3 * 5 - 1  # three rules for ties by five definitions, less the main analysis
    assert all(row.level == "sensitivity" and not row.prespecified for row in varied)


def test_xbot_rests_on_a_missing_week_counting_as_use(xbot: Results) -> None:
    counted_clean = xbot["relapse-missed-is-no-use"]
    assert counted_clean.ci_lower is not None
    assert counted_clean.ci_lower < 1.0 < (counted_clean.ci_upper or 0.0)


def test_xbot_among_those_inducted_shows_no_difference_as_published(xbot: Results) -> None:
    row = xbot["relapse-odds-inducted"]
    assert row.n_analysed == 204 + 270
    assert row.estimate == pytest.approx(0.87, abs=0.05)  # published 0.87 (0.60 to 1.25)


def test_smoking_cessation_runs_from_its_bundled_files_to_a_report(tmp_path: Path) -> None:
    made = equipoise.run("smoking-cessation", out=tmp_path / "out")
    assert not made.records.is_simulated
    names = {path.name for path in made.files}
    assert {"results.json", "results.csv", "report.html", "report.pdf", "protocol.yaml"} <= names
    text = (tmp_path / "out" / "report.html").read_text("utf-8")
    assert "SIMULATED" not in text
    told = json.loads((tmp_path / "out" / "results.json").read_text("utf-8"))
    assert told["provenance"]["protocol_hash"] == made.protocol.hash
    # Twelve of 125 relapsed on the quit day: events at entry are kept, and said.
    relapse = made.results["relapse"]
    assert "event-at-entry" in relapse.warnings
    derived = made.results.endpoints["relapse"]
    assert derived.time is not None
    assert derived.event is not None
    assert int(((derived.time == 0) & derived.event).sum()) == 12
