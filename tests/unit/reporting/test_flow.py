"""Counts of the flow diagram, from records made for it."""

from __future__ import annotations

import polars as pl
from demo import ARMS, demo_records
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.records.records import DataSource, Records
from equipoise.reporting.figures.consort import draw_consort
from equipoise.reporting.flow import NO_REASON, PrimaryAnalysis, count_flow

SOURCE = DataSource("imported", "a test", "demo", "0" * 64)


def test_sums_hold_in_the_demonstration_trial():
    flow = count_flow(demo_records(), ARMS, PrimaryAnalysis({"midazolam": 28, "ketamine": 26}))
    assert flow.n_screened == 78
    assert flow.n_excluded == 23
    assert sum(n for _, n in flow.excluded) == 23
    assert flow.excluded[-1] == (NO_REASON, 1)
    assert flow.n_randomized == 55 == sum(arm.n_allocated for arm in flow.arms)
    midazolam, ketamine = flow.arms
    assert (midazolam.n_received, ketamine.n_received) == (27, 27)
    assert midazolam.not_received == [("declined infusion", 1)]
    assert ketamine.n_analysed == 26


def test_a_file_of_the_randomized_only_says_that_screening_was_not_recorded():
    records = demo_records()
    tables = dict(records.tables)
    people = tables["participants"]
    tables["participants"] = people.filter(pl.col("eligible")).with_columns(pl.lit(None).alias("screened_day"))
    tables["disposition"] = tables["disposition"].clear()
    flow = count_flow(Records(tables, SOURCE), ARMS)
    assert flow.n_screened is None
    assert flow.n_excluded is None
    assert not flow.arms[0].has_disposition
    svg = draw_consort(flow).svg()
    assert "not recorded" in svg
    assert "disposition not recorded" in svg


def test_somebody_who_received_the_other_arms_treatment_is_counted_as_not_received():
    records = demo_records()
    tables = dict(records.tables)
    tables["allocations"] = tables["allocations"].with_columns(
        pl.when(pl.col("participant_id") == "P040")
        .then(pl.lit("midazolam"))
        .otherwise(pl.col("arm_received"))
        .alias("arm_received")
    )
    flow = count_flow(Records(tables, SOURCE), ARMS)
    assert flow.arms[1].n_received == 26
    assert flow.arms[1].not_received == [("received another arm's treatment", 1)]


@st.composite
def small_trials(draw: st.DrawFn) -> Records:
    n = draw(st.integers(0, 12))
    n_screened = n + draw(st.integers(0, 5))
    ids = [f"p{k}" for k in range(n_screened)]
    arms = draw(st.lists(st.sampled_from(["a", "b"]), min_size=n, max_size=n))
    received = [draw(st.sampled_from([arm, None, "a", "b"])) for arm in arms]
    events = draw(
        st.lists(
            st.tuples(
                st.sampled_from(ids[:n] or ["p0"]),
                st.sampled_from(
                    ["lost_to_follow_up", "study_withdrawal", "death", "treatment_discontinuation", "completion"]
                ),
                st.sampled_from([None, "moved", "other"]),
            ),
            max_size=8,
            unique_by=lambda row: row[:2],
        )
        if n
        else st.just([])
    )
    return Records(
        {
            "participants": pl.DataFrame(
                {"participant_id": ids, "consented": [True] * n_screened, "screened_day": [-3] * n_screened},
                schema_overrides={"participant_id": pl.String, "consented": pl.Boolean, "screened_day": pl.Int64},
            ),
            "allocations": pl.DataFrame(
                {"participant_id": ids[:n], "stage": [1] * n, "arm": arms, "arm_received": received},
                schema_overrides={
                    "participant_id": pl.String,
                    "stage": pl.Int64,
                    "arm": pl.String,
                    "arm_received": pl.String,
                },
            ),
            "disposition": pl.DataFrame(
                events, schema={"participant_id": pl.String, "event": pl.String, "reason": pl.String}, orient="row"
            ),
        },
        SOURCE,
    )


@settings(max_examples=60, deadline=None)
@given(small_trials())
def test_sums_hold_in_any_trial(records: Records):
    flow = count_flow(records, {"a": "Arm A", "b": "Arm B"})
    n_randomized = records["allocations"].height
    assert flow.n_randomized == n_randomized == sum(arm.n_allocated for arm in flow.arms)
    if flow.n_screened is not None:
        assert flow.n_screened == flow.n_excluded + flow.n_randomized
        assert sum(n for _, n in flow.excluded) == flow.n_excluded
    for arm in flow.arms:
        ids = records["allocations"].filter(pl.col("arm") == arm.arm)["participant_id"]
        disposition = records["disposition"].filter(pl.col("participant_id").is_in(ids.to_list()))
        assert sum(n for _, n in arm.lost) == disposition.filter(pl.col("event") == "lost_to_follow_up").height
        if arm.n_received is not None:
            assert sum(n for _, n in arm.not_received) == arm.n_allocated - arm.n_received
    draw_consort(flow).svg()


def test_a_way_of_leaving_that_imported_files_never_hold_is_not_recorded_and_not_none():
    records = demo_records()
    tables = dict(records.tables)
    tables["disposition"] = tables["disposition"].filter(pl.col("event") != "treatment_discontinuation")
    imported = count_flow(Records(tables, SOURCE), ARMS)
    assert "Discontinued treatment: not recorded" in draw_consort(imported).svg()
    own = count_flow(Records(tables, DataSource("captured", "a test", "demo", "0" * 64)), ARMS)
    assert "Discontinued treatment (n=0)" in draw_consort(own).svg()
    of_stage = count_flow(Records(tables, SOURCE), ARMS, endings={"treatment_discontinuation", "lost_to_follow_up"})
    assert "Discontinued treatment (n=0)" in draw_consort(of_stage).svg()
