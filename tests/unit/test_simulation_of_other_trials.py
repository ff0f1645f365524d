"""The day-level model in trials that are not the flagship: what the protocol gives, and nothing that it does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl
import pytest

import equipoise
from equipoise.design.operating import Cell, run_cells
from equipoise.design.scenarios import resolve_scenario
from equipoise.design.summary import missed_unit, summarise_rules
from equipoise.foundation.errors import SimulationError
from equipoise.instruments.library import find_instrument
from equipoise.instruments.scoring import score_assessments
from equipoise.protocol import Protocol, read_protocol
from equipoise.simulation.items import score_range, split_into_items
from equipoise.simulation.simulate import simulate

FLAGSHIP = Path(equipoise.__file__).parent / "protocols" / "ketamine-mbrp-cocaine.yaml"
TEXT = FLAGSHIP.read_text("utf-8")


def altered(tmp_path: Path, *changes: tuple[str, str]) -> Protocol:
    """The flagship with lines of its file replaced; each must be there."""
    text = TEXT
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    path = tmp_path / "altered.yaml"
    path.write_text(text, "utf-8")
    return read_protocol(path)


def ketamine_on(tmp_path: Path, days: str) -> Protocol:
    head, tail = TEXT.split("  ketamine-infusion:\n", 1)
    assert tail.count("days: [2]") == 2
    path = tmp_path / "repeated.yaml"
    path.write_text(head + "  ketamine-infusion:\n" + tail.replace("days: [2]", f"days: {days}"), "utf-8")
    return read_protocol(path)


def test_every_planned_infusion_is_given_to_who_is_still_there(tmp_path: Path) -> None:
    once = simulate(read_protocol(FLAGSHIP), seed=7)
    records = simulate(ketamine_on(tmp_path, "[2, 9, 16, 23]"), seed=7)
    exposure = records["exposure"]
    assert sorted(exposure["day"].unique()) == [2, 9, 16, 23]
    assert exposure.filter(pl.col("day") == 2).equals(once["exposure"])
    n_by_day = [exposure.filter(pl.col("day") == day).height for day in (2, 9, 16, 23)]
    assert n_by_day == sorted(n_by_day, reverse=True)
    assert n_by_day[-1] < n_by_day[0]
    last = records["visits"].filter(pl.col("state") == "attended", pl.col("target_day") < 60)
    last = last.group_by("participant_id").agg(pl.col("day").max())
    late = exposure.join(last, on="participant_id", suffix="_last")
    assert (late["day"] <= late["day_last"]).all()
    # Use, visits and scores do not know of the further doses.
    assert records["urine"].equals(once["urine"])


def test_sessions_belong_to_the_arms_that_get_them(tmp_path: Path) -> None:
    arm = "gives: [midazolam-infusion, mindfulness-based-relapse-prevention]"
    records = simulate(altered(tmp_path, (arm, "gives: [midazolam-infusion]")), seed=7)
    arms = records["sessions"].join(records["allocations"], on="participant_id")["arm"]
    assert arms.unique().to_list() == ["ketamine"]


def test_no_word_of_another_trial_is_written(tmp_path: Path) -> None:
    records = simulate(altered(tmp_path, ("cocaine", "alcohol")), seed=3)
    reasons = set(records["participants"]["ineligible_reason"].drop_nulls())
    assert "not alcohol dependent" in reasons
    assert not any("cocaine" in reason or "[" in reason for reason in reasons)


@pytest.mark.parametrize("total", [0.0, 1.0, 17.0, 51.0, 52.0])
def test_items_add_up_to_the_score_that_was_drawn(total: float) -> None:
    instrument = find_instrument("hamd-17")
    assert instrument is not None
    rng = np.random.default_rng(1)
    scores = np.full(200, total)
    items = split_into_items(scores, instrument, lambda item: rng.random(200))
    assert (items.sum(axis=1) == total).all()
    for j, item in enumerate(instrument.items):
        assert all(item.allows(value) for value in items[:, j])
    if total == 17.0:
        # By symmetry of the cells an item's mean share of the points is its share of the range.
        share = np.array([item.highest for item in instrument.items]) / score_range(instrument)[1]
        assert items.mean(axis=0) == pytest.approx(17 * share, abs=0.35)  # 4 SE of 200 draws


def test_an_instrument_without_a_model_of_its_own_is_drawn_and_its_power_refused(tmp_path: Path) -> None:
    protocol = altered(tmp_path, ("instrument: pss-10", "instrument: hamd-17"))
    records = simulate(protocol, seed=7)
    instrument = find_instrument("hamd-17")
    assert instrument is not None
    given = records["assessments"].filter(pl.col("instrument") == "hamd-17")
    assert given.height > 0
    scores = score_assessments(given, instrument)["value"]
    assert set(scores) <= set(range(53))
    with pytest.raises(SimulationError, match="hamd-17"):
        run_cells(protocol, [Cell(resolve_scenario(protocol)[0], {})], replicates=4, seed=1)


def test_a_line_that_fails_in_every_replicate_stands_in_the_table_as_such() -> None:
    assert summarise_rules([], np.empty((0, 5))) == []
    rows = [type("Row", (), {"id": "a", "alpha_two_sided": 0.05})()]
    assert summarise_rules(rows, np.full((1, 5), np.nan)) == []  # type: ignore[arg-type]


def test_missed_results_are_counted_in_their_own_unit() -> None:
    protocol = read_protocol(FLAGSHIP)
    made = run_cells(protocol, [Cell(resolve_scenario(protocol, "for-power")[0], {})], replicates=20, seed=1)[0]
    n = sum(made.arm_sizes.values())
    units = {summary.row.line: missed_unit(protocol, summary.row) for summary in made.rows}
    assert units["use-over-time"] == "visits"
    assert units["abstinence"] == "participants"
    for summary in made.rows:
        if missed_unit(protocol, summary.row) == "participants":
            assert summary.n_missed + summary.n_analysed <= n
