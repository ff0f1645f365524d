"""Records of a simulated trial: whole, plausible, and the same facts as the arrays."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from benchmarks.published_flagship import analyse_as_published

import equipoise.simulation
from equipoise.analysis.analyse import analyse_records
from equipoise.endpoints.derivation import derive_endpoint
from equipoise.endpoints.lattice import read_lattice
from equipoise.instruments import check_assessments, require_instrument, score_assessments
from equipoise.protocol import read_protocol
from equipoise.records.schema import TABLES
from equipoise.simulation.day_level import simulate_day_level
from equipoise.simulation.infusion import vital_minutes
from equipoise.simulation.outcomes import log_craving, relapse_by_visit, time_to_relapse, use_at_visits
from equipoise.simulation.scenario import read_scenario
from equipoise.simulation.simulate import records_of, simulate
from equipoise.simulation.tables import to_tables

FLAGSHIP = Path(equipoise.simulation.__file__).parent.parent / "protocols" / "ketamine-mbrp-cocaine.yaml"
SEED, REPLICATES = 20190624, 12


@pytest.fixture(scope="module")
def protocol():
    return read_protocol(FLAGSHIP)


@pytest.fixture(scope="module")
def scenario(protocol):
    return read_scenario(protocol, "as-published")


@pytest.fixture(scope="module")
def trials(scenario):
    return simulate_day_level(scenario.design, scenario.parameters, seed=SEED, replicates=REPLICATES)


@pytest.fixture(scope="module")
def records(protocol, scenario, trials):
    return records_of(protocol, scenario, trials, [0])


@pytest.fixture(scope="module")
def many(protocol, scenario, trials):
    return records_of(protocol, scenario, trials, range(REPLICATES))


def test_every_table_of_the_design_is_filled(records):
    # Outcomes that are not use are asked for by other trials.
    assert [name for name in TABLES if records[name].is_empty()] == ["events"]
    assert records.is_simulated
    assert "fictional" in records.source.description


def test_required_cells_are_filled_values_lie_in_bounds_and_keys_are_unique(records):
    for name, table in TABLES.items():
        frame = records[name]
        assert not frame.select(table.key).is_duplicated().any(), name
        for column in table.columns:
            if column.later and column.name not in frame.columns:
                continue  # absent where nobody has a value
            values = frame[column.name]
            if column.required:
                assert values.null_count() == 0, (name, column.name)
            if column.choices:
                assert set(values.drop_nulls().unique()) <= set(column.choices), (name, column.name)
            if column.unit == "study day":
                assert not (values == 0).any(), (name, column.name)
            if column.lowest is not None:
                assert not (values < column.lowest).any(), (name, column.name)
            if column.highest is not None:
                assert not (values > column.highest).any(), (name, column.name)


def test_categories_are_those_of_the_protocol(protocol, records):
    people = records["participants"].drop_nulls("route")
    assert set(people["route"]) == set(protocol.model.baseline["route"].levels)
    assert set(people["sex"]) <= set(protocol.model.baseline["sex"].levels)
    assert set(records["visits"]["visit"]) == {visit.name for visit in protocol.planned_visits}
    assert set(records["exposure"]["intervention"]) <= set(protocol.model.interventions)
    instruments = {a.instrument for a in protocol.model.assessments.values() if a.instrument}
    assert set(records["assessments"]["instrument"]) == instruments


def plain_endpoints(records) -> dict[str, dict[str, object]]:
    """The endpoints by reading the tables as a clerk would, one participant at a time."""
    out: dict[str, dict[str, object]] = {}
    visits = records["visits"].filter(pl.col("visit").str.starts_with("day-")).sort("target_day")
    for (who,), own in visits.group_by("participant_id", maintain_order=True):
        came = own.filter(pl.col("state") == "attended")["day"].to_list()
        last_planned = own["target_day"].max()
        gone = last_planned not in came
        told = records["daily_use"].filter((pl.col("participant_id") == who) & pl.col("asked") & pl.col("used"))
        told_days = [day for day in told["day"] if day >= 6]
        urine = records["urine"].filter((pl.col("participant_id") == who) & (pl.col("result") == "positive"))
        positive = [day for day in urine["day"] if day >= 6]
        use_days = sorted(told_days + positive)
        candidates = use_days[:1] + ([max(came, default=5) + 1] if gone else [])
        row: dict[str, object] = {
            "abstinent": not gone and not any(20 <= day <= 33 for day in use_days),
            "relapsed": bool(candidates),
            "days": min(candidates) - 5 if candidates else 28,
        }
        previous = 5
        use = []
        for day in own["day"]:
            if day is None:
                use.append(-1)
                continue
            use.append(int(day in positive or any(previous < x <= day for x in told_days)))
            previous = day
        row["use"] = use
        out[who] = row
    return out


def test_a_clerk_reading_the_tables_finds_what_the_arrays_hold(records, trials):
    read = plain_endpoints(records)
    relapse, use = time_to_relapse(trials), use_at_visits(trials)
    for i, row in enumerate(read.values()):
        assert row["abstinent"] == trials.abstinent[0, i]
        assert row["relapsed"] == relapse.is_event[0, i]
        assert row["days"] == relapse.days[0, i]
        assert row["use"] == use[0, i].tolist()


def test_the_endpoints_room_finds_what_the_arrays_hold_in_every_replicate(protocol, many, trials):
    lattice = read_lattice(protocol, many)
    shape = trials.arm.shape
    arms = np.asarray(trials.design.arm_ids)[trials.arm]
    np.testing.assert_array_equal(lattice.participants.arm.reshape(shape), arms)
    abstinence = derive_endpoint(lattice, "abstinence")
    np.testing.assert_array_equal(abstinence.value.reshape(shape), trials.abstinent)
    relapse, by_array = derive_endpoint(lattice, "relapse"), time_to_relapse(trials)
    np.testing.assert_array_equal(relapse.time.reshape(shape), by_array.days)
    np.testing.assert_array_equal(relapse.event.reshape(shape), by_array.is_event)
    np.testing.assert_array_equal(relapse.visit_time.reshape(shape), relapse_by_visit(trials).days)
    use = derive_endpoint(lattice, "use-over-time").values.reshape(*shape, -1)
    np.testing.assert_array_equal(np.where(np.isnan(use), -1, use), use_at_visits(trials))
    craving = derive_endpoint(lattice, "craving").values.reshape(*shape, -1)
    np.testing.assert_allclose(craving, log_craving(trials), rtol=1e-15)  # the same numbers through two logarithms
    six = derive_endpoint(lattice, "abstinence-six-months").value.reshape(shape)
    np.testing.assert_array_equal(six, trials.says_abstinent)


def test_the_analysis_plan_finds_in_records_what_the_arrays_gave(protocol, records, trials):
    found = {e.id: e for e in analyse_records(protocol, records).estimates}
    q = analyse_as_published(trials, nodes=protocol.model.analyses["use-over-time"].nodes)
    for id, effect in (
        ("abstinence", q.abstinence),
        ("relapse", q.relapse),
        ("use-over-time", q.use),
        ("craving", q.craving),
    ):
        # Time enters in weeks from another zero: the arm's coefficient is the same to the optimizer's tolerance.
        assert np.log(found[id].estimate) == pytest.approx(effect.estimate[0], abs=1e-5), id
        assert found[id].standard_error == pytest.approx(effect.standard_error[0], abs=1e-5), id
    by_visit = next(e for e in found.values() if "breslow" in e.id and "visit" in e.id and "route" in e.id)
    assert np.log(by_visit.estimate) == pytest.approx(q.relapse_by_visit.estimate[0], abs=1e-6)


def test_truth_is_kept_apart_from_what_was_reported(records, trials):
    truth = records.truth["true_use"]
    np.testing.assert_array_equal(
        truth["used"].to_numpy().reshape(trials.true_use[0].shape), trials.true_use[0].astype(bool)
    )
    # Nobody reports a day on which there was no use; some days of use are not reported.
    told = records["daily_use"].join(truth, on=["participant_id", "day"], suffix="_true")
    assert told.filter(pl.col("used") & ~pl.col("used_true")).is_empty()
    assert not told.filter(~pl.col("used") & pl.col("used_true")).is_empty()
    assert not any("responder" in table.columns for table in records.tables.values())


def test_days_after_the_last_contact_are_not_asked_and_days_of_a_missed_visit_are_filled_in(records):
    visits = records["visits"].filter(pl.col("visit").str.starts_with("day-") & (pl.col("state") == "attended"))
    last = visits.group_by("participant_id").agg(pl.col("day").max().alias("last"))
    days = records["daily_use"].filter(pl.col("day") >= 6).join(last, on="participant_id", how="left")
    should = pl.col("day") <= pl.col("last").fill_null(5)
    assert days.filter(pl.col("asked") != should).is_empty()
    assert days.filter(~pl.col("asked") & pl.col("used").is_not_null()).is_empty()


def test_doses_are_weight_times_dose_per_kilogram(records):
    exposure = records["exposure"].join(records["participants"], on="participant_id")
    per_kg = pl.when(pl.col("intervention") == "ketamine-infusion").then(0.5).otherwise(0.025)
    # Doses are rounded to the protocol's step: a tenth of a milligram of ketamine, a hundredth of midazolam.
    half = pl.when(pl.col("intervention") == "ketamine-infusion").then(0.0501).otherwise(0.00501)
    assert exposure.filter((pl.col("planned_mg") - per_kg * pl.col("weight_kg")).abs() > half).is_empty()
    assert (exposure["delivered_mg"] <= exposure["planned_mg"]).all()


def test_vitals_come_every_five_minutes_and_pressure_rises_with_ketamine_as_reported(many):
    np.testing.assert_array_equal(vital_minutes(40)[:9], np.arange(0, 41, 5))
    assert vital_minutes(40).tolist()[9:] == [50, 60, 70]
    vitals = many["vitals"].filter(pl.col("minute").is_in([0.0, 40.0]))
    change = (
        vitals.pivot(
            on="minute", index=["replicate", "participant_id", "intervention"], values=["systolic", "diastolic"]
        )
        .group_by("intervention")
        .agg(
            (pl.col("systolic_40.0") - pl.col("systolic_0.0")).mean().alias("systolic"),
            (pl.col("diastolic_40.0") - pl.col("diastolic_0.0")).mean().alias("diastolic"),
        )
    )
    rise = {row["intervention"]: row for row in change.iter_rows(named=True)}
    assert 20 <= rise["ketamine-infusion"]["systolic"] <= 30
    assert 6 <= rise["ketamine-infusion"]["diastolic"] <= 20
    assert rise["midazolam-infusion"]["systolic"] < 0


def test_no_event_is_serious_and_nobody_is_taken_off_treatment(many):
    assert not many["adverse_events"]["serious"].any()
    assert "treatment_discontinuation" not in set(many["disposition"]["event"])
    contact = many["adverse_events"].filter(pl.col("end_day").is_not_null())
    assert (contact["end_day"] >= contact["onset_day"]).all()


def test_everybody_leaves_once_and_dropouts_are_the_dropouts(many, trials):
    left = many["disposition"].sort("replicate", "participant_id")
    gone = (left["event"] != "completion").to_numpy().reshape(trials.arm.shape)
    np.testing.assert_array_equal(gone, trials.gone_from < 8)


def test_answers_are_possible_and_scales_move_modestly(many):
    arms = many["allocations"].select("replicate", "participant_id", "arm")
    for name, low, high in (("ffmq-39", 1.0, 9.0), ("pss-10", -3.0, 0.0)):
        instrument = require_instrument(name)
        assert check_assessments(many["assessments"], instrument) == []
        scores = score_assessments(many["assessments"], instrument).filter(pl.col("scale") == "total")
        after = scores.filter(pl.col("day") > 5).join(arms, on=["replicate", "participant_id"])
        mean = dict(after.group_by("arm").agg(pl.col("value").mean()).iter_rows())
        # 12 trials: the standard error of the difference is about 1.1 (mindfulness) and 0.5 (stress).
        assert low < mean["ketamine"] - mean["midazolam"] < high
    left_out = many["assessments"]["value"].is_null().mean()
    assert 0.002 < left_out < 0.006


def test_sessions_are_held_only_where_the_participant_was(records):
    visits = (
        records["visits"]
        .filter(pl.col("state") == "attended")
        .select("participant_id", "day")
        .with_columns(pl.lit(True).alias("came"))
    )
    outpatient = records["sessions"].filter(pl.col("delivered") & (pl.col("planned_day") >= 6))
    joined = outpatient.join(visits, on=["participant_id", "day"], how="left")
    assert joined["came"].fill_null(False).all()
    undone = records["sessions"].filter(~pl.col("delivered"))
    assert (
        undone.select("day", "minutes", "home_practice_minutes", "fidelity").null_count().row(0) == (undone.height,) * 4
    )


def test_screening_failures_have_reasons_and_nothing_else(records):
    failures = records["participants"].filter(pl.col("ineligible_reason").is_not_null())
    assert failures.height > 10
    assert failures["route"].null_count() == failures.height
    assert set(failures["participant_id"]).isdisjoint(records["allocations"]["participant_id"])
    declined = failures.filter(~pl.col("consented"))
    assert set(declined["ineligible_reason"]) == {"declined to take part"}


def test_what_accompanies_the_published_quantities_leaves_them_alone(trials, scenario, records):
    other = dataclasses.replace(
        scenario.accompanying, stress_arm={"ketamine": 0.9}, screening_failure_share=0.7, other_events={"rash": 0.5}
    )
    older = dataclasses.replace(scenario.baseline, age_mean=55.0)
    changed, _ = to_tables(trials, 0, baseline=older, accompanying=other)
    for name in ("allocations", "visits", "urine", "daily_use", "exposure", "vitals", "disposition"):
        assert changed[name].equals(records[name].select(changed[name].columns)), name
    for table, same in (
        ("assessments", pl.col("instrument") != "pss-10"),
        ("adverse_events", pl.col("onset_day") <= 5),
    ):
        columns = [c for c in changed[table].columns if c != "event"]
        assert changed[table].filter(same).select(columns).equals(records[table].filter(same).select(columns)), table
    assert changed["participants"]["age"].mean() > records["participants"]["age"].mean()


def test_records_of_a_replicate_are_the_same_alone_and_among_others(protocol, many):
    alone = simulate(protocol, seed=SEED, scenario="as-published", replicates=[7])
    assert alone.data_hash == many.replicate(7).data_hash


def test_the_first_scenario_is_the_default(protocol, records):
    assert simulate(protocol, seed=SEED).data_hash == records.data_hash
