"""Sets of assumptions with every default written out: pasted into the file they are the same world."""

from __future__ import annotations

from pathlib import Path

import pytest
from test_parts import COUNTS, EVENTS, MOOD, PARTS, alcohol, depression
from typer.testing import CliRunner

from equipoise.cli.main import app
from equipoise.design.scenarios import build_scenario, resolve_scenario
from equipoise.foundation.errors import SimulationError
from equipoise.protocol import Protocol
from equipoise.protocol.read import read_protocol_text
from equipoise.simulation.parts.scenario import PartsScenario
from equipoise.simulation.simulate import simulate
from equipoise.workflow.assumptions import expand_assumptions
from equipoise.workflow.library import bundled_protocols, read_protocol

REAL = ("xbot", "start", "poats", "smoking-cessation")
SETS = [
    (name, scenario)
    for name in bundled_protocols()
    if name not in REAL
    for scenario, settings in read_protocol(name).model.assumptions.items()
    if not read_protocol(name).assumption_set(scenario).simple
]


def pasted(protocol: Protocol, scenario: str | None = None) -> tuple[Protocol, str]:
    """The protocol's file with the set pasted into it as it was printed."""
    name, text = expand_assumptions(protocol, scenario)
    head, line, own = text.partition("\n")
    assert (head, line) == ("assumptions:", "\n")
    before, found, after = protocol.text.partition("\nassumptions:\n")
    assert found
    return read_protocol_text(f"{before}{found}{own}{after}", file="pasted.yaml"), name


def same_records(protocol: Protocol, scenario: str) -> None:
    other, name = pasted(protocol, scenario)
    one, two = simulate(protocol, scenario=scenario, seed=7), simulate(other, scenario=name, seed=7)
    assert one.tables.keys() == two.tables.keys()
    for table, frame in one.tables.items():
        assert frame.equals(two.tables[table]), table


def test_every_bundled_trial_that_is_simulated_is_tried() -> None:
    assert {name for name, _ in SETS} == set(bundled_protocols()) - set(REAL)
    assert len(SETS) >= 20


@pytest.mark.parametrize(("name", "scenario"), SETS, ids=[f"{name}-{scenario}" for name, scenario in SETS])
def test_a_set_pasted_with_its_defaults_gives_the_same_records(name: str, scenario: str) -> None:
    same_records(read_protocol(name), scenario)


PARTLY_SAID = {
    "amount by its mean alone": lambda: alcohol(PARTS.replace("amount: {mean: 6}", "amount: 6")),
    "scores": lambda: depression(MOOD),
    "nothing said of attendance": lambda: depression(MOOD.replace("      attendance: {lost: 20 %}\n", "")),
    "events": lambda: read_protocol_text(EVENTS.replace("PART", "event-free: 40 % at day 95, shape: 2"), file="e.yaml"),
    "events that come again": lambda: read_protocol_text(
        COUNTS.replace("PART", "rate: 2 per 30 days, effect: {b: -0.7}").replace("LEAVING", "lost: 10 %"), file="c.yaml"
    ),
}


@pytest.mark.parametrize("what", PARTLY_SAID)
def test_what_a_set_leaves_unsaid_is_written_as_it_was_taken(what: str) -> None:
    protocol = PARTLY_SAID[what]()
    same_records(protocol, next(iter(protocol.model.assumptions)))


@pytest.mark.parametrize("name", ["ketamine-met-alcohol", "kare", "ketamine-depression-course"])
def test_written_out_nothing_is_left_to_take(name: str) -> None:
    protocol, scenario = pasted(read_protocol(name))
    read = build_scenario(protocol, resolve_scenario(protocol, scenario)[0])
    assert isinstance(read, PartsScenario)
    assert read.parts.taken == {}


def test_the_command_writes_a_set_with_a_change_and_refuses_a_simple_one(tmp_path: Path) -> None:
    run = CliRunner()
    out = tmp_path / "set.yaml"
    said = run.invoke(app, ["assumptions", "expand", "kare", "--scenario", "as-published+null", "--out", str(out)])
    assert said.exit_code == 0, said.output
    assert "effect-factor: 0" in out.read_text("utf-8")
    assert run.invoke(app, ["assumptions", "expand", "kare", "--out", str(out)]).exit_code != 0
    with pytest.raises(SimulationError, match="S044"):
        expand_assumptions("kare", "planning")
