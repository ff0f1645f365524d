"""Assumptions are read strictly: every fault at once, with its place and the nearest name."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import equipoise.simulation
from equipoise.foundation.errors import EquipoiseError, SimulationError, UsageError
from equipoise.protocol import read_protocol, read_protocol_text
from equipoise.simulation import parameters_from_mapping
from equipoise.simulation.accompanying import AccompanyingParameters, BaselineParameters
from equipoise.simulation.parameters import DayLevelParameters
from equipoise.simulation.reading import parameter_table
from equipoise.simulation.scenario import read_scenario, scenario_names
from equipoise.simulation.simulate import simulate

FLAGSHIP = Path(equipoise.simulation.__file__).parent.parent / "protocols" / "ketamine-mbrp-cocaine.yaml"
ARMS = ("midazolam", "ketamine")


@pytest.fixture(scope="module")
def flagship():
    return read_protocol(FLAGSHIP)


@pytest.fixture(scope="module")
def good(flagship):
    return read_scenario(flagship, "for-power").parameters.as_mapping()


def test_a_set_survives_being_written_and_read(good):
    assert parameters_from_mapping(good, ARMS).as_mapping() == good


def test_snake_case_names_are_understood_too(good):
    snake = {name.replace("-", "_"): value for name, value in good.items()}
    assert parameters_from_mapping(snake, ARMS).as_mapping() == good


def test_all_faults_are_reported_at_once_with_place_and_next_step(good):
    bad = dict(good)
    bad["use-poor-rout"] = bad.pop("use-poor-route")
    bad["poor-route-share"] = 1.0
    bad["urine-sensitivity"] = [0.9, 1.2]
    bad["responder-share"] = {"midazolam": 0.1, "ketmine": 0.4}
    bad["craving-person-sd"] = -1
    bad["n-early-visits"] = 1.5
    bad["under-reporting"] = "often"
    bad["dropout-arm"] = 0
    with pytest.raises(SimulationError) as caught:
        parameters_from_mapping(bad, ARMS)
    found = {(problem.code, problem.place) for problem in caught.value.problems}
    assert found == {
        ("S002", "parameters.use-poor-rout"),
        ("S003", "parameters.use-poor-route"),
        ("S004", "parameters.poor-route-share"),
        ("S004", "parameters.urine-sensitivity"),
        ("S005", "parameters.responder-share.ketmine"),
        ("S006", "parameters.responder-share"),
        ("S004", "parameters.craving-person-sd"),
        ("S004", "parameters.n-early-visits"),
        ("S004", "parameters.under-reporting"),
        ("S004", "parameters.dropout-arm"),
    }
    text = str(caught.value)
    assert "Did you mean use-poor-route?" in text
    assert "Did you mean ketamine?" in text
    assert caught.value.exit_code == 6


def test_a_count_larger_than_its_arm_is_refused(good):
    with pytest.raises(SimulationError, match="Found 30 in an arm of 28"):
        parameters_from_mapping(
            good | {"poor-route-counts": {"midazolam": 30, "ketamine": 10}},
            ARMS,
            arm_sizes={"midazolam": 28, "ketamine": 27},
        )


@settings(max_examples=150, deadline=None)
@given(
    st.dictionaries(
        st.one_of(
            st.sampled_from(["use-log-odds", "pi", "responder-share", "urine-sensitivity", "poor-route-counts"]),
            st.text(),
        ),
        st.recursive(
            st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text()),
            lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(st.text(), inner, max_size=3)),
            max_leaves=5,
        ),
        max_size=6,
    )
)
def test_nothing_that_a_file_can_hold_gives_a_traceback(mapping):
    with pytest.raises(EquipoiseError) as caught:
        parameters_from_mapping(mapping, ARMS)
    assert all(problem.code.startswith("S00") and problem.found for problem in caught.value.problems)


def test_the_flagship_names_its_three_worlds(flagship):
    assert scenario_names(flagship) == ("as-published", "for-power", "null")
    published = read_scenario(flagship, "as-published").parameters
    assert published.poor_route_counts == {"midazolam": 21, "ketamine": 10}
    assert published.poor_route_share == 31 / 55
    assert read_scenario(flagship, "null").parameters.poor_route_counts is None
    assert set(read_scenario(flagship, "null").parameters.craving_arm.values()) == {0.0}


def test_an_unknown_scenario_is_answered_with_the_nearest(flagship):
    with pytest.raises(SimulationError, match="Did you mean as-published"):
        simulate(flagship, seed=1, scenario="as-publised")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("craving-visit-sd: 0.7", "craving-visit-sd: -0.7", "S004"),
        (
            "route: {midazolam: 21 of 28, ketamine: 10 of 27}",
            "route: {midazolam: 21 of 29, ketamine: 10 of 27}",
            "S011",
        ),
        ("route: {midazolam: 21 of 28, ketamine: 10 of 27}", "route: {intranasal: 0.4}", "S011"),
        ("sex: {female: 0.25}", "sex: 0.25", "S010"),
        ("age: {mean: 44,", "age: {average: 44,", "S002"),
        ("n: {midazolam: 28, ketamine: 27}", "n: {midazolam: 0, ketamine: 27}", "S012"),
        ("model: day-level", "model: week-level", "S009"),
    ],
)
def test_a_fault_in_the_file_is_shown_with_its_line(old, new, code):
    text = FLAGSHIP.read_text(encoding="utf-8")
    at = text.index("\nassumptions:")
    assert old in text[at:]
    broken = text[:at] + text[at:].replace(old, new, 1)
    line = broken[: broken.index(new, at)].count("\n") + 1
    with pytest.raises(SimulationError) as caught:
        read_scenario(read_protocol_text(broken, file="trial.yaml"), "as-published")
    problem = next(p for p in caught.value.problems if p.code == code)
    assert (problem.file, problem.line) == ("trial.yaml", line)


@pytest.mark.parametrize(("seed", "replicates"), [(-1, 1), (2**32, 1), (True, 1), (1, 0), (1, [3, 3]), (1, [-1])])
def test_a_seed_or_number_of_replicates_that_cannot_be_is_refused(flagship, seed, replicates):
    with pytest.raises(UsageError, match="U502"):
        simulate(flagship, seed=seed, replicates=replicates)


@pytest.mark.parametrize("cls", [AccompanyingParameters, BaselineParameters])
def test_everything_assumed_beside_the_published_quantities_says_on_what_basis(cls):
    assert all(row["basis"] for row in parameter_table(cls))


def test_the_docstring_names_every_parameter():
    text = DayLevelParameters.__doc__ or ""
    for row in parameter_table(DayLevelParameters):
        name = row["name"].replace("-", "_")
        stem = name.removesuffix("_with_use").removesuffix("_visit_sd")
        assert name in text or stem in text, name
