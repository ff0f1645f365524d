"""A strategy that meets no event says so: what is printed under an estimand is what was estimated."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from equipoise.analysis.analyse import analyse_records
from equipoise.analysis.strategies import apply_strategies
from equipoise.endpoints.derivation import derive_endpoint
from equipoise.endpoints.lattice import read_lattice
from equipoise.foundation.calendar import study_day
from equipoise.foundation.errors import EquipoiseError
from equipoise.records import Records
from equipoise.reporting.trial_report import build_report
from equipoise.workflow import read_protocol, simulate


def protocol_with(tmp_path, strategy, event="treatment-discontinuation", endpoint="use-over-time"):
    source = read_protocol("ketamine-mbrp-cocaine")
    text = source.path.read_text("utf-8")
    named = {"use-over-time": "  use-odds:\n", "relapse": "  relapse-hazard:\n", "craving": "  craving-ratio:\n"}[
        endpoint
    ]
    before, after = text.split(named, 1)
    begin = after.index("    intercurrent: ")
    line = after[begin:].split("\n", 1)[0]
    path = tmp_path / "trial.yaml"
    path.write_text(before + named + after.replace(line, f"    intercurrent: {{{event}: {strategy}}}", 1), "utf-8")
    return read_protocol(path)


def with_events(records, rows):
    table = records["disposition"]
    more = pl.DataFrame(rows, schema={name: table.schema[name] for name in table.columns})
    return Records({**records.tables, "disposition": pl.concat([table, more])}, records.source)


def event(records, number, day):
    who = records["allocations"]["participant_id"][number]
    columns = dict.fromkeys(records["disposition"].columns)
    return {**columns, "participant_id": who, "event": "treatment_discontinuation", "day": day}


@pytest.mark.parametrize("strategy", ["hypothetical", "while-on-treatment"])
@pytest.mark.parametrize(
    ("endpoint", "line"),
    [
        ("use-over-time", "use-over-time"),
        ("craving", "craving"),
        ("relapse", "relapse"),
        ("craving", "craving-imputed"),
    ],
)
def test_an_event_that_nobody_had_is_named_beside_the_number(tmp_path, strategy, endpoint, line):
    protocol = protocol_with(tmp_path, strategy, endpoint=endpoint)
    records = simulate(protocol, seed=3)
    results = analyse_records(protocol, records)
    assert "strategy-without-events" in results[line].warnings
    assert "strategy-without-events" not in results["abstinence"].warnings
    told = with_events(records, [event(records, 0, 12)])
    again = analyse_records(protocol, told)
    assert "strategy-without-events" not in again[line].warnings


def test_an_event_without_a_day_is_named(tmp_path):
    protocol = protocol_with(tmp_path, "while-on-treatment")
    records = simulate(protocol, seed=3)
    told = with_events(records, [event(records, 0, 12), event(records, 1, None)])
    assert analyse_records(protocol, told)["use-over-time"].warnings == ("events-without-day",)


def test_the_report_says_it_in_a_sentence(tmp_path):
    protocol = protocol_with(tmp_path, "while-on-treatment")
    records = simulate(protocol, seed=3)
    text = str(build_report(protocol, records, analyse_records(protocol, records)).blocks)
    assert "hold no such event with a day" in text


def test_treatment_policy_asks_for_no_event(tmp_path):
    protocol = protocol_with(tmp_path, "treatment-policy")
    assert analyse_records(protocol, simulate(protocol, seed=3))["use-over-time"].warnings == ()


@pytest.mark.parametrize("strategy", ["hypothetical", "while-on-treatment"])
def test_an_event_that_no_record_can_hold_is_refused(tmp_path, strategy):
    with pytest.raises(EquipoiseError) as caught:
        protocol_with(tmp_path, strategy, event="rescue-medication")
    [problem] = caught.value.problems
    assert (problem.code, problem.place) == ("P036", "estimands.use-odds.intercurrent.rescue-medication")


def test_follow_up_that_ends_at_an_event_ends_in_visits_as_it_does_in_days(tmp_path):
    """Who stopped treatment on the day of the third visit is followed for three visits, not to the last."""
    protocol = protocol_with(tmp_path, "while-on-treatment", endpoint="relapse")
    records = simulate(protocol, seed=3)
    lattice = read_lattice(protocol, records)
    estimand = protocol.model.estimands["relapse-hazard"]
    endpoint = protocol.model.endpoints[estimand.endpoint]
    whole = derive_endpoint(lattice, estimand.endpoint)
    assert whole.visit_time is not None
    targets = lattice.visits(endpoint.visits).target
    place = int(np.flatnonzero(whole.visit_time == targets.size)[0])
    who = str(lattice.participants.frame["participant_id"][place])
    day = int(study_day(int(targets[2])))
    columns = dict.fromkeys(records["disposition"].columns)
    row = {**columns, "participant_id": who, "event": "treatment_discontinuation", "day": day}
    ended = read_lattice(protocol, with_events(records, [row]))
    cut = apply_strategies(derive_endpoint(ended, estimand.endpoint), ended, estimand)
    assert cut.time is not None
    assert cut.time[place] < whole.time[place]
    assert (cut.visit_time[place], whole.visit_time[place]) == (3.0, float(targets.size))
    others = np.arange(cut.time.size) != place
    assert np.array_equal(cut.visit_time[others], whole.visit_time[others], equal_nan=True)
