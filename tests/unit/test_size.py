"""The size command: bracketing that finds what enumeration says, closed forms beside it, coded refusals."""

from __future__ import annotations

import json
import math

import pytest
from typer.testing import CliRunner

from equipoise.cli.main import app
from equipoise.design.scenarios import resolve_scenario
from equipoise.design.size_search import Tried, _crossing, find_size, only_line, sized
from equipoise.design.summary import wilson_share
from equipoise.foundation.errors import EquipoiseError
from equipoise.protocol import Protocol
from equipoise.stats.design.exact_power import fisher_power
from equipoise.stats.design.sample_size import two_proportions_power, two_proportions_size
from equipoise.workflow.library import read_protocol
from equipoise.workflow.size import read_allocation, size

FLAGSHIP = "ketamine-mbrp-cocaine"


def test_the_crossing_of_a_known_curve_is_found() -> None:
    # Power of two means is exactly a straight line on the probit scale in the root of n.
    def tried(n: int) -> Tried:
        power = two_proportions_power(0.3, 0.5, n, alpha_one_sided=0.025)
        share = wilson_share(power * 1e7, 10_000_000)
        assert share is not None
        return Tried(n, {}, share, None)  # type: ignore[arg-type]

    exact = two_proportions_size(0.3, 0.5, power=0.8, alpha_one_sided=0.025).n_total
    found = _crossing({n: tried(n) for n in (60, 120, 240)}, 0.8)
    assert found == pytest.approx(exact, rel=1e-4)


def test_the_flagships_fisher_test_has_the_size_that_enumeration_gives() -> None:
    run = size(FLAGSHIP, analysis="abstinence-exact", scenario="for-power", replicates=500, seed=3)
    (answer,) = run.answers
    found = answer.simulated
    by_size = {tried.n_total: tried.power for tried in found.tried}
    assert by_size[found.n_total].value >= 0.8 > by_size[found.n_total - 1].value
    fisher = next(form for form in answer.closed if "Fisher" in form.method)
    # Same test, same risks: what is left is Monte Carlo error of size and risks, and the teeth of the exact curve.
    assert fisher.n_total is not None
    assert found.lower - 6 <= fisher.n_total <= found.upper + 6
    p0, p1 = fisher.inputs["risk_control"], fisher.inputs["risk_experimental"]
    sizes = list(found.at.arm_sizes.values())
    assert fisher_power(p0, p1, *sizes, alpha=0.05) == pytest.approx(found.at.power.value, abs=0.06)


def test_a_single_line_gives_the_numbers_of_the_plan_that_it_is_part_of() -> None:
    from equipoise.design.operating import Cell, run_cells

    protocol = read_protocol(FLAGSHIP)
    spec = resolve_scenario(protocol, "for-power")[0]
    lines = {id: protocol.model.analyses[id] for id in ("abstinence", "relapse", "relapse-log-rank")}
    several = Protocol(protocol.model.model_copy(update={"analyses": lines}))
    whole = run_cells(several, [Cell(spec, {})], replicates=50, seed=4)[0]
    alone = run_cells(only_line(protocol, "relapse"), [Cell(spec, {})], replicates=50, seed=4)[0]
    assert alone["relapse"].significant == whole["relapse"].significant
    assert alone["relapse"].median == whole["relapse"].median


def test_arms_follow_the_allocation() -> None:
    protocol = read_protocol(FLAGSHIP)
    spec = resolve_scenario(protocol, "for-power")[0]
    assert sized(protocol, spec, 90, 2.0).settings["n"] == {"midazolam": 30, "ketamine": 60}
    assert read_allocation("2:1") == 2.0
    assert read_allocation("1:3") == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("code", "changes"),
    [
        ("D130", {"scenario": "for-power+null"}),
        ("D130", {"cap": 12}),
        ("D131", {"power": 1.0}),
        ("D131", {"power": 0.0}),
        ("D131", {"cap": 1}),
        ("D132", {"analysis": "no-such-line"}),
        ("D133", {"allocations": ["2"]}),
        ("D133", {"allocations": ["0:1"]}),
        ("D133", {"allocations": ["100:1"]}),
        ("D101", {"looks": [0.6, 0.5, 1.0]}),
        ("D103", {"looks": [0.5, 1.0], "boundary": "none"}),
        ("D010", {"replicates": 0}),
        ("D001", {"scenario": "no-such-world"}),
    ],
)
def test_what_cannot_be_is_refused_with_its_code(code: str, changes: dict) -> None:
    with pytest.raises(EquipoiseError, match=code) as caught:
        size(FLAGSHIP, **{"scenario": "for-power", "replicates": 200, **changes})
    assert caught.value.exit_code == 8


def test_an_analysis_without_p_value_is_refused() -> None:
    protocol = read_protocol(FLAGSHIP)
    with pytest.raises(EquipoiseError, match="D132"):
        find_size(protocol, resolve_scenario(protocol, "for-power")[0], analysis="relapse-curve", replicates=200)


def test_looks_inflate_the_size() -> None:
    run = size(
        FLAGSHIP, analysis="abstinence-exact", scenario="for-power", replicates=300, looks=[0.5, 1.0], boundary="pocock"
    )
    (answer,) = run.answers
    # Pocock, two looks, two-sided 5 %, power 0.8: Jennison and Turnbull table 2.2 print 1.110.
    assert answer.inflation == pytest.approx(1.110, abs=5e-4)
    assert answer.n_maximum == math.ceil(answer.simulated.n_total * answer.inflation)


def test_the_command_prints_the_answer_and_its_json() -> None:
    runner = CliRunner()
    arguments = ["size", FLAGSHIP, "--scenario", "for-power", "--replicates", "300", "--analysis", "relapse"]
    text = runner.invoke(app, arguments)
    assert text.exit_code == 0, text.output
    assert "SIMULATED" in text.output
    assert "Schoenfeld" in text.output
    body = json.loads(runner.invoke(app, [*arguments, "--json"]).output)
    assert body["ok"]
    assert f"{body['answers'][0]['n_total']} participants" in text.output
    refused = runner.invoke(app, ["size", FLAGSHIP, "--power", "1.5", "--json"])
    assert refused.exit_code == 8
    assert json.loads(refused.output)["problems"][0]["code"] == "D131"
