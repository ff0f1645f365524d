"""Two ways from simulated trials to endpoints and estimates: through tables, and straight from the arrays."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.analysis.plan import Plan, planned_fits
from equipoise.endpoints.derivation import derive_endpoint
from equipoise.endpoints.lattice import read_lattice
from equipoise.instruments import require_instrument
from equipoise.simulation.day_level import simulate_day_level
from equipoise.simulation.lattice import SimulatedLattice
from equipoise.simulation.scenario import read_scenario
from equipoise.simulation.simulate import records_of
from equipoise.workflow import read_protocol

REPLICATES = [0, 3, 4, 11]
FIELDS = ("value", "time", "event", "cause", "visit_time", "values", "visit_weeks", "imputed", "raw")
# Scores with an item left out are fractions, added up in another order: one unit in the last place of a total of 195.
ONE_ROUNDING = 3e-14


@pytest.fixture(scope="module")
def protocol():
    return read_protocol("ketamine-mbrp-cocaine")


@pytest.fixture(scope="module", params=["as-published", "for-power", "null"])
def two_ways(request, protocol):
    scenario = read_scenario(protocol, request.param)
    trials = simulate_day_level(scenario.design, scenario.parameters, seed=77, replicates=REPLICATES)
    tables = read_lattice(protocol, records_of(protocol, scenario, trials, REPLICATES))
    return SimulatedLattice(protocol, scenario, trials), tables


def test_every_endpoint_is_the_same_from_arrays_as_from_tables(protocol, two_ways):
    arrays, tables = two_ways
    for id in protocol.model.endpoints:
        ours, theirs = derive_endpoint(arrays, id), derive_endpoint(tables, id)
        for name in FIELDS:
            a, b = getattr(ours, name), getattr(theirs, name)
            if a is None or b is None:
                assert a is None, (id, name)
                assert b is None, (id, name)
            elif a.dtype.kind != "f":
                assert np.array_equal(a, b), (id, name)
            else:
                assert np.array_equal(np.isnan(a), np.isnan(b)), (id, name)
                whole = (a == np.rint(a)) | np.isnan(a)
                assert np.array_equal(a[whole], b[whole], equal_nan=True), (id, name)
                np.testing.assert_allclose(a[~whole], b[~whole], rtol=0, atol=ONE_ROUNDING, err_msg=f"{id} {name}")
    assert "records" not in vars(arrays), "an endpoint of the flagship needed the tables"


def test_who_the_rows_are_is_the_same(two_ways):
    arrays, tables = two_ways
    ours = arrays.participants.frame
    theirs = tables.participants.frame.select(ours.columns)
    assert ours.cast(theirs.schema).equals(theirs)
    assert np.array_equal(arrays.participants.offsets, tables.participants.offsets)
    assert np.array_equal(arrays.participants.arm, tables.participants.arm)


def test_doses_contacts_dispositions_and_items_are_the_same(two_ways):
    arrays, tables = two_ways

    def pairs(found):
        return sorted(zip(found[0].tolist(), found[1].tolist(), strict=True))

    assert pairs(arrays.doses()) == pairs(tables.doses())
    everything = ("completion", "study_withdrawal", "lost_to_follow_up")
    assert pairs(arrays.disposition_days(everything)) == pairs(tables.disposition_days(everything))
    offset = arrays.first - tables.first
    columns = slice(offset, offset + arrays.n_days)
    assert np.array_equal(arrays.attended_days, tables.attended_days[:, columns])
    for source in ("urine", "self-report"):
        assert np.array_equal(arrays.cells(source, ("cocaine",)), tables.cells(source, ("cocaine",))[:, columns])
    for instrument, item, visit in (
        ("dissociation", "score", "infusion"),
        ("arm-guess", "participant", "discharge"),
        ("craving-vas", "score", "admission"),
        ("ffmq-39", "7", "day-12"),
    ):
        a, b = (lattice.item_values(instrument, item, (visit,)) for lattice in two_ways)
        assert np.array_equal(a, b, equal_nan=True), instrument


def test_every_scale_is_the_same_at_every_visit(protocol, two_ways):
    visits = ("admission", *(visit.name for visit in protocol.series("clinic-visit")))
    for id in ("ffmq-39", "pss-10"):
        instrument = require_instrument(id)
        for scale in instrument.scales:
            a, b = (lattice.scale_values(instrument, scale, visits) for lattice in two_ways)
            np.testing.assert_allclose(a, b, rtol=0, atol=ONE_ROUNDING, err_msg=f"{id} {scale}")


def test_every_estimate_of_the_plan_is_the_same(protocol, two_ways):
    ours, theirs = (Plan(protocol, lattice) for lattice in two_ways)
    for fit in planned_fits(protocol):
        for a, b in zip(ours.fit(fit), theirs.fit(fit), strict=True):
            assert np.array_equal(a.codes, b.codes), fit.id
            for name in ("n_analysed", "n_events", "n_missed"):
                assert np.array_equal(getattr(a, name), getattr(b, name)), (fit.id, name)
            for name in ("estimate", "standard_error", "p_value", "ci_lower", "ci_upper"):
                # Rows are in the same order, so only the rounding of fractional scores can move a digit.
                np.testing.assert_allclose(
                    getattr(a, name), getattr(b, name), rtol=1e-9, atol=1e-12, err_msg=f"{fit.id} {name}"
                )


def test_what_the_arrays_do_not_hold_comes_from_the_tables(protocol):
    from equipoise.simulation.accompanying import AccompanyingParameters

    scenario = read_scenario(protocol, "for-power")
    # Without variation within a person the sums know no rule; the tables do.
    exact = AccompanyingParameters(stress_item_sd=0.0)
    scenario = type(scenario)(
        name=scenario.name,
        design=scenario.design,
        parameters=scenario.parameters,
        baseline=scenario.baseline,
        accompanying=exact,
    )
    trials = simulate_day_level(scenario.design, scenario.parameters, seed=7, replicates=2)
    lattice = SimulatedLattice(protocol, scenario, trials)
    tables = read_lattice(protocol, records_of(protocol, scenario, trials, [0, 1]))
    values = derive_endpoint(lattice, "stress").values
    assert "records" in vars(lattice)
    assert np.array_equal(values, derive_endpoint(tables, "stress").values, equal_nan=True)
