"""The page on simple assumptions: its examples give the power that it prints, and what it says is refused is."""

from __future__ import annotations

import math
import re
from pathlib import Path

import numpy as np
import pytest

from equipoise.design.operating import Cell, OperatingCharacteristics, run_cells
from equipoise.design.scenarios import resolve_scenario, scaled_sizes
from equipoise.endpoints.derivation import derive_endpoint
from equipoise.foundation.errors import DesignError, SimulationError
from equipoise.protocol import Protocol
from equipoise.protocol.read import read_protocol_text
from equipoise.simulation.batches import simulate_batch
from equipoise.simulation.scenario import read_scenario
from equipoise.simulation.simple_lattice import beta_binomial
from equipoise.simulation.simulate import simulate

PAGE = Path(__file__).parents[2] / "docs" / "methods" / "simple_assumptions.md"
TRIAL = Path(__file__).with_name("simple_trial.yaml").read_text("utf-8")
ROW = re.compile(r"^\| [^|]+ \| `(\{.*\})` \| (\d+) \| [^|]+ \| (0\.\d+) \|$", re.MULTILINE)
EXAMPLES = [(match[1], int(match[2]), float(match[3])) for match in ROW.finditer(PAGE.read_text("utf-8"))]
REPLICATES = 1000


def trial(assumptions: str) -> Protocol:
    return read_protocol_text(f"{TRIAL}assumptions: {assumptions}\n", file="trial.yaml")


def powered(assumptions: str, n: int, change: str = "", replicates: int = REPLICATES) -> OperatingCharacteristics:
    protocol = trial(assumptions)
    spec = resolve_scenario(protocol, change or None)[0]
    cell = Cell(spec.changed("n", "", scaled_sizes(protocol, dict(spec.settings), 2 * n)), {})
    return run_cells(protocol, [cell], replicates=replicates, seed=1)[0]


def test_the_page_has_its_examples() -> None:
    assert len(EXAMPLES) == 7


@pytest.mark.parametrize(("assumptions", "n", "power"), EXAMPLES, ids=[e[0][10:24] for e in EXAMPLES])
def test_an_example_has_the_power_that_the_page_prints(assumptions: str, n: int, power: float) -> None:
    made = powered(assumptions, n)
    found = next(s.significant for s in made.rows if s.row.kind == "main")
    assert found is not None
    # 4 Monte Carlo standard errors of this run and of the page's 4,000 trials together.
    error = math.sqrt(power * (1 - power) * (1 / REPLICATES + 1 / 4000))
    assert found.value == pytest.approx(power, abs=4 * error)
    assert len(made.not_drawn) == 6


def test_shares_come_out_as_stated_with_the_lost_counted() -> None:
    made = powered("{simple: {abstinence: {control: 30 %, experimental: 50 %}}, attrition: 15 %}", 93)
    shares = {s.row.arm: s.mean for s in made.rows if s.row.kind == "arm"}
    assert shares["control"] == pytest.approx(0.30, abs=4 * math.sqrt(0.21 / 93_000))
    assert shares["experimental"] == pytest.approx(0.50, abs=4 * math.sqrt(0.25 / 93_000))
    assert made.dropout["control"] == pytest.approx(0.15, abs=4 * math.sqrt(0.1275 / 93_000))


def test_under_the_null_the_level_is_kept_and_every_arm_is_the_mean_of_the_arms() -> None:
    made = powered("{simple: {abstinence: {control: 30 %, experimental: 50 %}}}", 93, "null")
    assert made.is_null
    shares = [s.mean for s in made.rows if s.row.kind == "arm"]
    assert shares == pytest.approx([0.4, 0.4], abs=4 * math.sqrt(0.24 / 93_000))
    found = next(s.significant for s in made.rows if s.row.kind == "main")
    assert found is not None
    assert found.value < 0.05 + 4 * math.sqrt(0.0475 / REPLICATES)


@pytest.mark.parametrize(("m", "mean", "sd"), [(28, 16.0, 8.0), (28, 2.0, 3.0), (7, 3.5, 1.4)])
def test_days_out_of_a_window_have_the_mean_and_spread_stated(m: int, mean: float, sd: float) -> None:
    p = np.diff(beta_binomial(m, mean, sd), prepend=0.0)
    days = np.arange(m + 1)
    assert p @ days == pytest.approx(mean, rel=1e-9)
    assert math.sqrt(p @ days**2 - mean**2) == pytest.approx(sd, rel=1e-7)


def test_values_of_visits_have_the_means_spread_and_correlation_stated() -> None:
    assumptions = "{simple: {mood: {control: 26, experimental: 24, sd: 5, within-person: 0.7}}}"
    protocol = trial(assumptions)
    scenario = read_scenario(protocol)
    lattice = simulate_batch(protocol, scenario, seed=1, replicates=range(200)).lattice
    values = derive_endpoint(lattice, "mood").values
    assert values is not None
    control = values[lattice.participants.arm == "control"]
    n = control.shape[0]
    assert control.mean(axis=0) == pytest.approx(26, abs=4 * 5 / math.sqrt(n))
    # Whole marks add a twelfth to the variance; 26 of 52 with an SD of 5 is nowhere cut.
    assert control.std(axis=0) == pytest.approx(math.sqrt(25 + 1 / 12), abs=4 * 5 / math.sqrt(2 * n))
    assert np.corrcoef(control.T)[0, 3] == pytest.approx(0.7 * 25 / (25 + 1 / 12), abs=4 * 0.51 / math.sqrt(n))


def test_counts_have_the_rate_and_spread_stated_and_who_is_lost_is_seen_for_less() -> None:
    protocol = trial("{simple: {admissions: {rate: 2 per 28 days, ratio: 0.6, dispersion: 0.5}}, attrition: 20 %}")
    lattice = simulate_batch(protocol, read_scenario(protocol), seed=1, replicates=range(300)).lattice
    made = derive_endpoint(lattice, "admissions")
    assert made.value is not None
    assert made.exposure is not None
    control = lattice.participants.arm == "control"
    whole = control & (made.exposure == 84)
    assert whole.sum() / control.sum() == pytest.approx(0.8, abs=4 * math.sqrt(0.16 / control.sum()))
    count = made.value[whole] * 84 / 28
    n = count.size
    # Mean 6, variance 6 + 0.5 * 36 = 24; of a gamma mixture the fourth moment makes the SE of the variance some 0.05.
    assert count.mean() == pytest.approx(6.0, abs=4 * math.sqrt(24 / n))
    assert count.var() == pytest.approx(24.0, rel=0.1)
    partly = control & (made.exposure > 0) & (made.exposure < 84)
    days = made.exposure[partly]
    assert (made.value[partly] * days).sum() / days.sum() == pytest.approx(2.0, rel=0.05)
    other = (lattice.participants.arm == "experimental") & (made.exposure == 84)
    assert made.value[other].mean() == pytest.approx(1.2, rel=0.03)


def test_a_share_counts_who_is_lost_as_the_endpoint_s_own_rule_says() -> None:
    text = TRIAL.replace("baseline: entry, missed: is-no", "baseline: entry, missed: RULE")
    for rule, seen in (("is-no", 0.5 / 0.8), ("is-missing", 0.5)):
        made = read_protocol_text(
            text.replace("RULE", rule)
            + "assumptions: {simple: {response: {control: 50 %, experimental: 50 %}}, attrition: 20 %}\n",
            file="trial.yaml",
        )
        lattice = simulate_batch(made, read_scenario(made), seed=1, replicates=range(200)).lattice
        value = derive_endpoint(lattice, "response").value
        gone = lattice.lost() <= 1.0  # type: ignore[attr-defined]
        assert value is not None
        assert np.nanmean(value[~gone]) == pytest.approx(seen, abs=4 * math.sqrt(0.25 / 16_000))
        assert np.isnan(value[gone]).all() if rule == "is-missing" else (value[gone] == 0).all()


def test_a_replicate_is_the_same_in_whatever_batch_it_stands() -> None:
    protocol = trial("{simple: {relapse: {hazard: 0.02 per day, ratio: 0.6}}, attrition: 20 %}")
    scenario = read_scenario(protocol)
    many = derive_endpoint(simulate_batch(protocol, scenario, seed=5, replicates=[3, 4, 9]).lattice, "relapse")
    one = derive_endpoint(simulate_batch(protocol, scenario, seed=5, replicates=[4]).lattice, "relapse")
    assert many.time is not None
    assert one.time is not None
    assert (many.time[100:200] == one.time).all()


def test_adding_an_endpoint_moves_no_other_endpoint_s_own_numbers() -> None:
    alone = trial("{simple: {dry-days: {control: 16, experimental: 19.5, sd: 8}}}")
    both = trial(
        "{p: {simple: {dry-days: {control: 16, experimental: 19.5, sd: 8}, abstinence: {control: 0.3, "
        "experimental: 0.5}}, between-endpoints: 0}}"
    )
    values = [
        derive_endpoint(simulate_batch(p, read_scenario(p), seed=1, replicates=[0, 1]).lattice, "dry-days").value
        for p in (alone, both)
    ]
    assert values[0] is not None
    assert (values[0] == values[1]).all()


REFUSED = [
    ("{simple: {abstinence: {control: 30 %, experimental: 50 %}}, attrition: 55 %}", "S042", "cannot both be"),
    ("{simple: {abstinence: {control: 30 %, experimental: 130 %}}}", "S041", "100 %"),
    ("{simple: {abstinence: {control: 30 %}}}", "S041", "experimental"),
    ("{simple: {abstinense: {control: 30 %, experimental: 50 %}}}", "S040", "abstinence"),
    ("{simple: {abstinence: {control: 30 %, experimental: 50 %, treated: 1}}}", "S041", "treated"),
    ("{simple: {dry-days: {control: 12, experimental: 16, sd: 2}}}", "S041", "2.62"),
    ("{simple: {mood: {control: 60, experimental: 16, sd: 2}}}", "S041", "52"),
    ("{simple: {mood: {control: 20, experimental: 16}}}", "S041", "sd"),
    ("{simple: {relapse: {control: 20, experimental: 16}}}", "S041", "event-free"),
    ("{simple: {relapse: {hazard: soon}}}", "S041", "per day"),
    ("{simple: {admissions: {control: 2, experimental: 1}}}", "S041", "rate"),
    ("{simple: {admissions: {rate: often}}}", "S041", "per 28 days"),
    ("{simple: {admissions: {rate: 2 per 28 days, dispersion: -1}}}", "S041", "Poisson"),
    ("{simple: {response: {control: 50 %, experimental: 60 %}}, attrition: 45 %}", "S042", "at most 55 %"),
]


@pytest.mark.parametrize(("assumptions", "code", "words"), REFUSED)
def test_what_cannot_be_is_refused_by_name(assumptions: str, code: str, words: str) -> None:
    with pytest.raises(SimulationError) as error:
        read_scenario(trial(assumptions))
    assert {problem.code for problem in error.value.problems} >= {code}
    assert words in str(error.value)


def test_a_simple_set_has_no_records_and_no_unknown_change() -> None:
    protocol = trial("{simple: {abstinence: {control: 30 %, experimental: 50 %}}}")
    with pytest.raises(SimulationError, match="no days or visits"):
        simulate(protocol, seed=1)
    with pytest.raises(DesignError, match="D016"):
        resolve_scenario(protocol, "under-reporting")


def test_a_plan_of_which_nothing_is_drawn_is_refused_with_the_reasons() -> None:
    text = TRIAL.replace(
        "  abstinence: {estimand: abstinence, estimator: logistic", "  other: {estimand: mood, estimator: linear"
    )
    text += "assumptions: {simple: {abstinence: {control: 30 %, experimental: 50 %}}}\n"
    protocol = read_protocol_text(text, file="trial.yaml")
    with pytest.raises(DesignError, match="not in the set"):
        run_cells(protocol, [Cell(resolve_scenario(protocol)[0], {})], replicates=4, seed=1)
