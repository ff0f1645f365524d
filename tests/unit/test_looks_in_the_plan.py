"""Looks stated in a protocol: what `check` says of them, and what they come to on a trial's answers."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from equipoise.analysis.estimate import Estimate
from equipoise.analysis.interim import LooksOfPlan, looks_of
from equipoise.foundation.errors import AnalysisError, ProtocolError
from equipoise.protocol.read import read_protocol_text

SIMPLE = (Path(__file__).parents[1] / "docs" / "simple_trial.yaml").read_text(encoding="utf-8")
PLAN = "analyses: [abstinence], at: [0.5, 1]"


def trial(plan: str, *changes: tuple[str, str]) -> str:
    text = SIMPLE
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    return f"{text}\nlooks: {{{plan}}}\n"


def looks(plan: str = PLAN, *changes: tuple[str, str]) -> LooksOfPlan:
    return looks_of(read_protocol_text(trial(plan, *changes)))


def codes(plan: str, *changes: tuple[str, str]) -> list[tuple[str, str]]:
    with pytest.raises(ProtocolError) as raised:
        read_protocol_text(trial(plan, *changes))
    return [(problem.code, problem.place.removeprefix("looks")) for problem in raised.value.problems]


def answer(**values: object) -> Estimate:
    given = {
        "id": "abstinence",
        "endpoint": "abstinence",
        "estimand": "abstinence",
        "estimator": "logistic",
        "arm": "experimental",
        "reference": "control",
        "event": "abstinence",
        "scale": "odds_ratio",
        "estimate": 2.0,
        "standard_error": 0.35,
        "p_value": 0.048,
        **values,
    }
    return Estimate(**given)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ("analyses: [abstinence], at: [0.5, 0.4, 1]", [("P080", ".at")]),
        ("analyses: [abstinence], at: [0.5]", [("P080", ".at")]),
        ("analyses: [nix], at: [0.5, 1]", [("P020", ".analyses[0]")]),
        ("analyses: [abstinence, abstinence], at: [0.5, 1]", [("P081", ".analyses[1]")]),
        (f"{PLAN}, boundary: pocock, boundary-parameter: 2", [("P080", ".boundary-parameter")]),
        (f"{PLAN}, boundary: kim-demets", [("P080", ".boundary")]),
        (f"{PLAN}, boundary: pocock, alpha-spent: [0.01, 0.05]", [("P080", ".alpha-spent")]),
        (f"{PLAN}, alpha-spent: [0.01, 0.02, 0.05]", [("P080", ".alpha-spent")]),
        (f"{PLAN}, alpha-spent: [0.01, 0.06]", [("P080", "")]),
        (f"{PLAN}, futility: {{rule: z}}", [("P080", ".futility")]),
        (f"{PLAN}, futility: {{rule: beta-spending, below: 0}}", [("P080", ".futility.below")]),
        (f"{PLAN}, futility: {{rule: z, below: [0, 1, 1]}}", [("P080", ".futility.below")]),
        (f"{PLAN}, sides: 2, futility: {{rule: z, below: 0}}", [("P080", ".sides")]),
        (f"{PLAN}, futility: {{rule: conditional-power, below: 0.2, binding: true}}", [("P080", ".futility.binding")]),
        (f"{PLAN}, futility: {{rule: conditional-power, below: 20}}", [("P080", "")]),
        (f"{PLAN}, planned: 400", [("P082", ".planned")]),
        (f"{PLAN}, planned: 2", [("P082", ".at")]),
        (f"{PLAN}, counted: information", [("P082", "")]),
        ("analyses: [relapse], at: [0.5, 1]", [("P082", "")]),
        (f"{PLAN}, re-estimation: {{target-power: 0.9, most: 40}}", [("P083", ".re-estimation")]),
        (f"{PLAN}, drop-arms: {{keep: 1}}", [("P083", ".analyses")]),
        (f"{PLAN}, drop-arms: {{at: 1}}", [("P015", ".drop-arms")]),
        ("analyses: [abstinence, mood], at: [0.5, 1]", [("P083", ".analyses")]),
    ],
)
def test_looks_that_cannot_be_are_refused_at_their_place(plan: str, expected: list[tuple[str, str]]) -> None:
    assert codes(plan) == expected


def test_a_test_without_a_direction_and_a_hypothesis_are_not_looked_at() -> None:
    gray = ("estimator: logistic, level: primary", "estimator: cochran-mantel-haenszel, level: primary")
    assert codes(PLAN, gray)[-1] == ("P081", ".analyses[0]")
    text = trial(PLAN, (", alpha-two-sided: 0.05}", "}"))
    with pytest.raises(ProtocolError) as raised:
        read_protocol_text(
            text + "multiplicity: {alpha-two-sided: 0.05, method: holm, hypotheses: [abstinence, mood]}\n"
        )
    assert [problem.code for problem in raised.value.problems] == ["P081"]


def test_a_file_without_looks_keeps_its_hash_and_has_none() -> None:
    protocol = read_protocol_text(SIMPLE)
    assert "looks" not in protocol.resolved
    with pytest.raises(AnalysisError) as raised:
        looks_of(protocol)
    assert raised.value.problems[0].code == "A047"


def test_defaults_are_those_of_the_page() -> None:
    found = looks()
    assert (found.counted, found.planned, found.numbers) == ("results", 100.0, (50.0, 100.0))
    assert (found.rule.sides, found.rule.alpha_one_sided) == (2, 0.025)
    assert looks(f"{PLAN}, futility: {{rule: z, below: 0}}").rule.sides == 1
    relapse = looks("analyses: [relapse], at: [0.5, 1], planned: 61")
    assert (relapse.counted, relapse.numbers) == ("events", (31.0, 61.0))


def test_z_is_the_quantile_of_the_p_value_in_the_better_direction() -> None:
    found = looks()
    assert found.z_of(answer()) == pytest.approx(stats.norm.isf(0.024))
    assert found.z_of(answer(estimate=0.5)) == pytest.approx(-stats.norm.isf(0.024))
    # Of a time to the first drink later is better: a hazard ratio below 1 is for the experimental arm.
    hazard = answer(id="relapse", endpoint="relapse", estimand="relapse", scale="hazard_ratio", estimate=0.7)
    assert found.z_of(hazard) > 0
    infinite = answer(estimate=None, warnings=("estimate-infinite",), ci_lower=1.1)
    assert found.z_of(infinite) == pytest.approx(stats.norm.isf(0.024))
    with pytest.raises(AnalysisError) as raised:
        found.z_of(answer(p_value=None))
    assert raised.value.problems[0].code == "A049"


def test_decisions_at_the_information_reached() -> None:
    found = looks()
    first, last = found.decide([0.46, 1.0], [1.2, 2.4], is_last=True)
    assert (first.decision, last.decision) == ("continue", "efficacy")
    assert last.conditional_power_trend is None
    assert first.conditional_power_trend is not None
    assert first.predictive_power is not None
    assert 0 < first.conditional_power_none < first.conditional_power_planned < 1  # type: ignore[operator]
    assert found.decide([0.46], [-3.5])[0].decision == "harm"
    assert found.decide([0.5, 1.0], [0.1, 0.2], is_last=True)[-1].decision == "not-shown"
    futile = looks(f"{PLAN}, futility: {{rule: conditional-power, below: 0.2}}")
    assert futile.decide([0.5], [0.3])[0].decision == "futility"
    assert futile.decide([0.5], [-4.0])[0].decision == "futility"
    for wrong in ([0.5, 0.5], [0.6, 0.5]):
        with pytest.raises(AnalysisError) as raised:
            found.decide(wrong, [1.0, 1.0])
        assert raised.value.problems[0].code == "A048"
    with pytest.raises(AnalysisError):
        found.decide([0.5], [math.nan])


def test_with_one_look_the_adjusted_estimate_is_the_plain_one() -> None:
    found = looks("analyses: [abstinence], at: [1]")
    z = found.z_of(answer())
    adjusted = found.adjust([1.0], [z], estimate=answer())
    assert adjusted.estimate == pytest.approx(2.0, rel=1e-8)
    assert adjusted.p_value == pytest.approx(0.048, rel=1e-8)
    assert adjusted.ci_lower is not None
    assert adjusted.ci_lower > 1.0  # p is below 0.05


def test_an_effect_that_lowers_a_hazard_has_its_limits_in_order() -> None:
    found = looks("analyses: [relapse], at: [0.5, 1], planned: 60")
    estimate = answer(
        id="relapse", endpoint="relapse", estimand="relapse", scale="hazard_ratio", estimate=0.6, p_value=0.01
    )
    adjusted = found.adjust([0.5, 1.0], [0.9, found.z_of(estimate)], estimate=estimate)
    assert adjusted.ci_lower is not None
    assert adjusted.ci_upper is not None
    assert adjusted.estimate is not None
    assert adjusted.ci_lower < adjusted.estimate < adjusted.ci_upper < 1.0
    # A test has a p value and no effect.
    assert (
        found.adjust([0.5, 1.0], [0.9, 2.2], estimate=replace(estimate, scale="test", estimate=None)).estimate is None
    )


def test_a_new_size_stays_within_its_limits() -> None:
    plan = f"{PLAN}, re-estimation: {{target-power: 0.9, most: 160}}"
    found = looks(plan)
    assert found.rule.sides == 1
    low, middle, high = (found.new_size(z) for z in (0.2, 1.8, 4.0))
    assert low is not None
    assert middle is not None
    assert high is not None
    assert (low.number, high.number) == (160, 100)
    assert 100 < middle.number < 160
    assert middle.conditional_power_new_size == pytest.approx(0.9, abs=0.01)
    assert looks().new_size(1.0) is None
    # Cumulative Z of 1 at 50 and 2.1 at 140: the second stage's own is (2.1 sqrt(140) - sqrt(50)) / sqrt(90).
    own = (2.1 * math.sqrt(140) - math.sqrt(50)) / math.sqrt(90)
    combined = found.combined([50, 140], [1.0, 2.1])
    assert combined.tolist() == pytest.approx([1.0, (1.0 + own) / math.sqrt(2)])
    # The bound is that of the plan, whatever was reached.
    decided = found.decide([0.5, 1.4], combined.tolist(), is_last=True)
    assert decided[-1].critical_z == pytest.approx(float(found.rule.design.critical_z[-1]))


def test_arms_go_on_by_their_z() -> None:
    third = (
        "  experimental: {role: experimental, gives: [new], n: 50}",
        "  experimental: {role: experimental, gives: [new], n: 50}\n"
        "  more: {role: experimental, gives: [new, usual], n: 50}",
    )
    randomized = ("{control: 1, experimental: 1}", "{control: 1, experimental: 1, more: 1}")
    asked = (
        "estimands:\n",
        "estimands:\n  abstinence-more: {endpoint: abstinence, treatments: more v control, summary: odds-ratio}\n",
    )
    line = (
        "analyses:\n",
        "analyses:\n  abstinence-more: {estimand: abstinence-more, estimator: logistic, level: primary, "
        "alpha-two-sided: 0.05}\n",
    )
    plan = "analyses: [abstinence, abstinence-more], at: [0.5, 1], drop-arms: {keep: 1, below: 0}"
    found = looks(plan, third, randomized, asked, line)
    assert found.planned == 150.0
    assert found.kept([0.5, 1.0]) == ("abstinence-more",)
    assert found.kept([1.0, 1.0]) == ("abstinence",)
    assert found.kept([-0.5, -1.0]) == ()
    assert found.kept([math.nan, 0.2]) == ("abstinence-more",)
    closed = found.closed_test([50, 50], 50)
    assert closed.shares.tolist() == [0.5, 0.5]
    assert np.allclose(closed.critical_z, found.rule.design.critical_z)
