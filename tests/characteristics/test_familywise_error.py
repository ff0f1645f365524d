"""The familywise error of a protocol's procedure in simulated trials of small arms, under every partial null."""

from __future__ import annotations

from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from equipoise.design.operating import Cell, run_cells
from equipoise.design.scenarios import resolve_scenario
from equipoise.protocol.read import read_protocol_text

pytestmark = pytest.mark.characteristics

N = 4000
SIMPLE = (Path(__file__).parents[1] / "docs" / "simple_trial.yaml").read_text(encoding="utf-8")
ASSUMED = """
assumptions:
  planned:
    basis: made up
    attrition: 0.15
    n: {control: SIZE, experimental: SIZE}
    simple:
      abstinence: {control: 0.3, experimental: 0.55}
      mood: {control: 12, experimental: 9, sd: 6}
      dry-days: {control: 14, experimental: 18, sd: 8}
"""
ENDPOINTS = ("abstinence", "mood", "dry-days")
PLANS = {
    "holm": "method: holm, hypotheses: [abstinence, mood, dry-days]",
    "hommel": "method: hommel, hypotheses: [abstinence, mood, dry-days]",
    "gate": "method: gatekeeping, gate: parallel, families: [[abstinence, mood], [dry-days]]",
    "circle": "method: graph, hypotheses: [abstinence, mood, dry-days], weights: {abstinence: 0.6, mood: 0.4}, "
    "transitions: {abstinence: {mood: 0.5, dry-days: 0.5}, mood: {abstinence: 1}, dry-days: {mood: 1}}",
}


@pytest.mark.parametrize("plan", PLANS)
@pytest.mark.parametrize("size", [20, 60])
def test_no_true_hypothesis_is_rejected_more_often_than_the_level(plan, size) -> None:
    text = SIMPLE.replace(", alpha-two-sided: 0.05}", "}")
    text += f"multiplicity: {{alpha-two-sided: 0.05, {PLANS[plan]}}}\n{ASSUMED.replace('SIZE', str(size))}"
    protocol = read_protocol_text(text)
    subsets = [chosen for k in (1, 2, 3) for chosen in combinations(ENDPOINTS, k)]
    names = ["+".join(["planned", *(f"null:{endpoint}" for endpoint in chosen)]) for chosen in subsets]
    cells = [Cell(resolve_scenario(protocol, name)[0], {}) for name in names]
    # Three Monte Carlo standard errors, beside half a point by which tests of 20 a side may exceed their level.
    highest = 0.05 + 3 * np.sqrt(0.05 * 0.95 / N) + 0.005
    for made, chosen in zip(run_cells(protocol, cells, replicates=N, seed=11), subsets, strict=True):
        rule = made.rules[0]
        assert rule.rule == "planned"
        assert set(rule.true_nulls) == set(chosen)
        assert rule.familywise_error.value <= highest, made.cell.name
