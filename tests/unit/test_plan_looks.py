"""Looks of a plan in simulated trials: against the plan analysed once, a table counted by hand, and refusals."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from equipoise.analysis.interim import looks_of
from equipoise.analysis.plan import Plan, planned_fits
from equipoise.cli.main import app
from equipoise.design.data_at_look import answers_at, comes_in, line_of_batch
from equipoise.design.looks import EnrolmentCalendar
from equipoise.design.operating import Cell, run_cells
from equipoise.design.plan_looks import simulate_plan_looks
from equipoise.design.scenarios import build_scenario, resolve_scenario
from equipoise.foundation.errors import DesignError
from equipoise.protocol.read import read_protocol_text
from equipoise.simulation.batches import simulate_batch

SIMPLE = (Path(__file__).parents[1] / "docs" / "simple_trial.yaml").read_text(encoding="utf-8")
ASSUMED = """
assumptions:
  planned:
    basis: made up
    attrition: 0.1
    simple:
      abstinence: {control: 0.3, experimental: 0.55}
      mood: {control: 12, experimental: 11, sd: 6}
      relapse: {event-free: {control: 0.3, experimental: 0.5, at: day 84}}
"""
CALENDAR = EnrolmentCalendar(2.0, result_delay_days=7.0)
THIRD_ARM = (
    (
        "  experimental: {role: experimental, gives: [new], n: 50}",
        "  experimental: {role: experimental, gives: [new], n: 50}\n"
        "  more: {role: experimental, gives: [new, usual], n: 50}",
    ),
    ("{control: 1, experimental: 1}", "{control: 1, experimental: 1, more: 1}"),
    (
        "estimands:\n",
        "estimands:\n  abstinence-more: {endpoint: abstinence, treatments: more v control, summary: odds-ratio}\n",
    ),
    (
        "analyses:\n",
        "analyses:\n  abstinence-more: {estimand: abstinence-more, estimator: logistic, level: primary, "
        "alpha-two-sided: 0.05}\n",
    ),
)
THREE = """
assumptions:
  planned:
    basis: made up
    simple:
      abstinence: {control: 0.3, experimental: 0.35, more: 0.6}
"""


def protocol_with(plan, assumed=ASSUMED, changes=()):
    text = SIMPLE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return read_protocol_text(f"{text}\nlooks: {{{plan}}}\n{assumed}")


def run(plan, scenario=None, replicates=200, **more):
    protocol = protocol_with(plan, **more)
    spec = resolve_scenario(protocol, scenario)[0]
    return simulate_plan_looks(looks_of(protocol), spec, CALENDAR, replicates=replicates, seed=3)


@pytest.mark.parametrize(
    ("line", "plan"), [("abstinence", "at: [1]"), ("mood", "at: [1]"), ("relapse", "at: [1], planned: 100")]
)
def test_one_look_at_the_end_is_the_plan_analysed_once(line, plan):
    protocol = protocol_with(f"analyses: [{line}], {plan}")
    spec = resolve_scenario(protocol)[0]
    found = simulate_plan_looks(looks_of(protocol), spec, CALENDAR, replicates=150, seed=3)
    cell = run_cells(protocol, [Cell(spec, {})], replicates=150, seed=3)[0]
    row = next(s for s in cell.rows if s.row.id in (line, f"{line}.as-planned") and s.row.kind != "arm")
    answering = [s for s in cell.rows if s.row.id == f"{line}.as-planned"] or [row]
    assert found.rejected == pytest.approx(answering[0].significant.value)
    assert found.rejected == found.rejected_without_looks
    assert found.naive == pytest.approx(found.whole)
    assert found.adjusted == pytest.approx(found.naive, rel=1e-3)  # without interim looks nothing is to be adjusted


def test_a_look_analyses_those_whose_result_is_in_and_nobody_else():
    protocol = protocol_with("analyses: [abstinence], at: [0.5, 1]")
    looks = looks_of(protocol)
    scenario = build_scenario(protocol, resolve_scenario(protocol)[0])
    batch = simulate_batch(protocol, scenario, seed=5, replicates=range(4))
    fit = next(fit for fit in planned_fits(protocol) if fit.id == "abstinence")
    line = line_of_batch(Plan(protocol, batch.lattice), fit)
    n = line.inside.shape[1]
    rng = np.random.default_rng(1)
    entry = rng.permuted(np.tile(np.arange(n) * 3.0, (4, 1)), axis=1)
    ready, counted = comes_in(line, entry, 7.0, "results")
    # Judged to day 84, that is 83 days after day 1, and 7 days more until it is in the database.
    assert np.allclose(ready - entry, 90.0)
    day = np.full(4, 90.0 + 3.0 * 60)
    answer = answers_at(looks, line, entry, ready, day, 7.0)
    assert ((counted <= day[:, None]).sum(axis=1) == 61).all()
    value = line.derived.value.reshape(4, n)
    experimental = (line.derived.participants.arm == "experimental").reshape(4, n)
    for trial in range(4):
        known = (ready[trial] <= day[trial]) & np.isfinite(value[trial])
        cells = [
            ((value[trial] == outcome) & (experimental[trial] == arm) & known).sum()
            for arm in (True, False)
            for outcome in (1.0, 0.0)
        ]
        by_hand = math.log(cells[0] * cells[3] / (cells[1] * cells[2]))
        assert answer.effect[trial] == pytest.approx(by_hand, abs=1e-6)
        assert answer.n_analysed[trial] == known.sum()
        assert answer.standard_error[trial] == pytest.approx(math.sqrt(sum(1 / c for c in cells)), abs=1e-6)


def test_events_at_a_look_are_those_planned_and_times_are_censored_there():
    found = run("analyses: [relapse], at: [0.5, 1], planned: 50")
    first, last = found.looks
    assert first.n_known == 25.0
    assert last.n_known <= 50.0
    assert first.day < last.day
    assert found.expected_n <= found.n_planned == 100


def test_a_trial_that_runs_out_of_events_spends_what_is_left():
    # 95 of 100 events are never reached: the last look takes what there is, and the level is kept.
    found = run("analyses: [relapse], at: [0.5, 1], planned: 95", scenario="planned+null", replicates=400)
    assert found.looks[1].n_known < 95
    assert found.rejected < 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


@pytest.mark.parametrize("line", ["abstinence", "mood"])
def test_looks_hold_the_level_and_end_trials_with_an_effect_earlier(line):
    plan = f"analyses: [{line}], at: [0.5, 1], sides: 1, boundary: pocock"
    null = run(plan, scenario="planned+null", replicates=600)
    assert null.rejected < 0.025 + 3 * math.sqrt(0.025 * 0.975 / 600)
    effect = run(plan, replicates=200)
    assert effect.looks[0].rejected > null.looks[0].rejected
    assert effect.expected_n < effect.n_planned
    # Where trials stop early they have seen too much of the effect; the adjusted estimate gives some of it back.
    assert effect.naive > effect.whole
    assert effect.adjusted < effect.naive


def test_futility_ends_trials_without_an_effect():
    plan = "analyses: [abstinence], at: [0.5, 1], futility: {rule: conditional-power, below: 0.3}"
    null = run(plan, scenario="planned+null", replicates=300)
    assert null.looks[0].futile > 0.4
    assert null.expected_n < null.n_planned


def test_a_size_is_re_estimated_within_its_limits_and_the_level_holds():
    plan = "analyses: [abstinence], at: [0.5, 1], re-estimation: {target-power: 0.9, most: 160}"
    effect, null = run(plan), run(plan, scenario="planned+null", replicates=600)
    for found in (effect, null):
        assert found.sizes is not None
        assert found.sizes.largest <= 160
        assert 100 <= found.sizes.quartiles[0] <= found.sizes.quartiles[2] <= 160
        assert found.n_planned == 100
    assert null.rejected < 0.025 + 3 * math.sqrt(0.025 * 0.975 / 600)
    fixed = run("analyses: [abstinence], at: [0.5, 1], sides: 1")
    assert effect.rejected > fixed.rejected
    assert effect.expected_n > fixed.expected_n


def test_arms_are_dropped_and_the_familywise_level_holds():
    plan = "analyses: [abstinence, abstinence-more], at: [0.5, 1], drop-arms: {keep: 1}"
    null = run(plan, scenario="planned+null", replicates=600, assumed=THREE, changes=THIRD_ARM)
    assert null.rejected < 0.025 + 3 * math.sqrt(0.025 * 0.975 / 600)
    assert sum(arm.kept for arm in null.arms) == pytest.approx(1.0)
    effect = run(plan, replicates=150, assumed=THREE, changes=THIRD_ARM)
    better = next(arm for arm in effect.arms if arm.arm == "more")
    assert better.kept > 0.9
    assert better.claimed > 0.5
    assert effect.expected_n < 150


def test_a_trial_is_the_same_in_whatever_company(monkeypatch):
    plan = "analyses: [abstinence], at: [0.5, 1]"
    whole = run(plan, replicates=7)
    monkeypatch.setattr("equipoise.design.plan_looks.BATCH_PARTICIPANTS", 300)
    parts = run(plan, replicates=7)
    assert (whole.rejected, whole.naive, whole.looks) == (parts.rejected, parts.naive, parts.looks)


@pytest.mark.parametrize(
    ("plan", "changes", "scenario", "code"),
    [
        (
            "analyses: [abstinence], at: [0.5, 1]",
            [("estimator: logistic, level", "estimator: logistic, imputation: {sets: 5, seed: 1}, level")],
            None,
            "D107",
        ),
        ("analyses: [abstinence], at: [0.5, 1], counted: information, planned: 20", [], None, "D107"),
        (
            "analyses: [relapse], at: [0.5, 1], planned: 40",
            [("estimator: cox,", "estimator: cox, time-unit: visit,")],
            None,
            "D107",
        ),
        (
            "analyses: [abstinence], at: [0.5, 1], planned: 60, re-estimation: {target-power: 0.9, most: 80}",
            [],
            None,
            "D104",
        ),
    ],
)
def test_what_is_not_simulated_is_refused(plan, changes, scenario, code):
    protocol = protocol_with(plan, changes=changes)
    with pytest.raises(DesignError) as raised:
        simulate_plan_looks(looks_of(protocol), resolve_scenario(protocol, scenario)[0], CALENDAR, replicates=3, seed=1)
    assert raised.value.problems[0].code == code


def test_the_commands_take_the_looks_of_the_protocol(tmp_path):
    path = tmp_path / "trial.yaml"
    path.write_text(
        f"{SIMPLE}\nlooks: {{analyses: [abstinence], at: [0.4, 1], boundary: pocock}}\n{ASSUMED}", encoding="utf-8"
    )
    made = CliRunner().invoke(app, ["looks", str(path), "-r", "60", "--json"])
    assert made.exit_code == 0, made.output
    said = json.loads(made.stdout)
    assert (said["looks_of_protocol"], said["analysis"], said["outcomes_at_looks"]) == (True, "abstinence", [40, 100])
    other = json.loads(CliRunner().invoke(app, ["looks", str(path), "--looks", "0.3,1", "-r", "60", "--json"]).stdout)
    assert (other["looks_of_protocol"], other["information"]) == (False, [0.3, 1.0])
    crude = json.loads(CliRunner().invoke(app, ["looks", str(path), "--unadjusted", "-r", "60", "--json"]).stdout)
    assert crude["analysis"] is None
    power = json.loads(CliRunner().invoke(app, ["power", str(path), "-r", "60", "--json"]).stdout)
    assert power["looks"][0]["n_replicates"] == 60
    screen = CliRunner().invoke(app, ["power", str(path), "-r", "60"]).stdout
    assert "with the plan's looks" in screen
    assert "one participant a week" in screen


def test_a_look_that_cannot_reject_is_no_number_in_json_and_none_on_the_screen(tmp_path):
    path = tmp_path / "trial.yaml"
    path.write_text(
        f"{SIMPLE}\nlooks: {{analyses: [abstinence], at: [0.5, 1], planned: 40, alpha-spent: [0, 0.05]}}\n{ASSUMED}",
        encoding="utf-8",
    )
    made = CliRunner().invoke(app, ["looks", str(path), "-r", "20", "--json"])
    said = json.loads(made.stdout, parse_constant=lambda name: pytest.fail(f"{name} in JSON"))
    assert said["critical_z"][0] is None
    assert said["under_the_scenario"]["looks"][0]["rejected"] == 0.0
    assert said["outcomes_at_looks"] == [50, 100]  # the scenario enrols 100, more than the 40 planned
    assert "none" in CliRunner().invoke(app, ["looks", str(path), "-r", "20"]).stdout
