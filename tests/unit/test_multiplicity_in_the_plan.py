"""Hypotheses of a plan under one level: what `check` says, what is rejected, what results, report and power tell."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import numpy as np
import pytest

from equipoise.analysis.multiplicity import one_sided
from equipoise.design.operating import Cell, run_cells
from equipoise.design.scenarios import resolve_scenario
from equipoise.exchange.results_files import results_csv
from equipoise.foundation.errors import DesignError, ProtocolError
from equipoise.protocol.checks.multiplicity import never_rejected
from equipoise.protocol.read import read_protocol_text
from equipoise.reporting import methods
from equipoise.reporting.context import Material
from equipoise.reporting.statistics import report_value
from equipoise.reporting.trial_report import build_report
from equipoise.workflow import analyse

sys.path.insert(0, str(Path(__file__).parents[1] / "spec"))
import outcome_trial

SIMPLE = (Path(__file__).parents[1] / "docs" / "simple_trial.yaml").read_text(encoding="utf-8")
ASSUMED = """
assumptions:
  planned:
    basis: made up
    attrition: 0.1
    simple:
      abstinence: {control: 0.3, experimental: 0.5}
      mood: {control: 12, experimental: 12, sd: 6}
      response: {control: 0.4, experimental: 0.6}
"""


def simple(plan, assumed=ASSUMED):
    """The trial of simple assumptions with `multiplicity: {plan}`, its primary analysis without a level of its own."""
    text = SIMPLE.replace(", alpha-two-sided: 0.05}", "}")
    return f"{text}\nmultiplicity: {{{plan}}}\n{assumed}"


def codes(plan):
    with pytest.raises(ProtocolError) as raised:
        read_protocol_text(simple(plan))
    return [(problem.code, problem.place.removeprefix("multiplicity")) for problem in raised.value.problems]


PAIR = "method: holm, hypotheses: [abstinence, mood]"


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        (PAIR, [("P015", "")]),
        (f"alpha-two-sided: 0.05, alpha-one-sided: 0.025, {PAIR}", [("P015", ".alpha-one-sided")]),
        ("alpha-two-sided: 0.05, method: holm, hypotheses: [abstinence]", [("P045", ".hypotheses")]),
        ("alpha-two-sided: 0.05, method: holm, hypotheses: [abstinence, nix]", [("P020", ".hypotheses[1]")]),
        ("alpha-two-sided: 0.05, method: holm, hypotheses: [mood, relapse]", [("P045", ".hypotheses")]),
        (
            "alpha-two-sided: 0.05, method: holm, hypotheses: [abstinence, mood, abstinence]",
            [("P045", ".hypotheses[2]")],
        ),
        (f"alpha-two-sided: 0.05, {PAIR}, weights: {{abstinence: 0.7, mood: 0.4}}", [("P045", ".weights")]),
        (f"alpha-two-sided: 0.05, {PAIR}, weights: {{abstinence: 0.7}}", [("P045", ".weights")]),
        (f"alpha-two-sided: 0.05, {PAIR}, transitions: {{abstinence: {{mood: 1}}}}", [("P045", ".transitions")]),
        (f"alpha-two-sided: 0.05, {PAIR}, gate: parallel", [("P045", ".gate")]),
        (
            "alpha-two-sided: 0.05, method: graph, hypotheses: [abstinence, mood], weights: {abstinence: 1}, "
            "transitions: {abstinence: {mood: 0.6, abstinence: 0.5}, mood: {nobody: 1}}",
            [
                ("P045", ".transitions.abstinence"),
                ("P045", ".transitions.abstinence.abstinence"),
                ("P020", ".transitions.mood.nobody"),
            ],
        ),
        ("alpha-two-sided: 0.05, method: graph, hypotheses: [abstinence, mood]", [("P045", "")]),
        ("alpha-two-sided: 0.05, method: gatekeeping, families: [[abstinence], []]", [("P045", ".families[1]")]),
        (
            "alpha-two-sided: 0.05, method: gatekeeping, families: [[abstinence], [mood]], truncation: 0.5",
            [("P045", ".truncation")],
        ),
    ],
)
def test_what_makes_no_procedure_is_named_at_its_place(plan, expected) -> None:
    assert sorted(codes(plan)) == sorted(expected)


@pytest.mark.parametrize(
    ("change", "place"),
    [
        ("estimator: log-rank, level: secondary", "multiplicity.hypotheses[1]"),
        ("estimator: kaplan-meier, level: secondary", "multiplicity.hypotheses[1]"),
        ("estimator: cox, level: secondary, alpha-two-sided: 0.05", "analyses.relapse.alpha-two-sided"),
        ("estimator: cox, level: secondary, alpha-one-sided: 0.0125", "analyses.relapse.alpha-one-sided"),
    ],
)
def test_a_hypothesis_needs_a_p_value_of_the_sides_of_the_level(change, place) -> None:
    text = simple("alpha-one-sided: 0.025, method: holm, hypotheses: [abstinence, relapse]")
    text = text.replace("estimator: cox, level: secondary", change)
    with pytest.raises(ProtocolError) as raised:
        read_protocol_text(text)
    assert [(problem.code, problem.place) for problem in raised.value.problems] == [("P046", place)]


def test_a_hypothesis_that_nothing_reaches_is_remarked_on_and_read() -> None:
    plan = "alpha-two-sided: 0.05, method: graph, hypotheses: [abstinence, mood, relapse], weights: {abstinence: 1}"
    protocol = read_protocol_text(simple(f"{plan}, transitions: {{abstinence: {{mood: 1}}}}"))
    [remark] = never_rejected(protocol)
    assert remark.code == "P047"
    assert "relapse" in remark.found
    assert never_rejected(read_protocol_text(simple(f"alpha-two-sided: 0.05, {PAIR}"))) == []


def test_a_file_without_it_keeps_its_hash() -> None:
    assert "multiplicity" not in read_protocol_text(SIMPLE).resolved
    assert "multiplicity" in read_protocol_text(simple(f"alpha-two-sided: 0.05, {PAIR}")).resolved


def test_one_sided_p_values_by_hand() -> None:
    p, estimate = np.array([0.04, 0.04, 0.04, 1.0, 0.04]), np.array([2.0, 0.5, np.nan, 1.0, np.nan])
    lower, upper = np.array([1.1, 0.2, 5.0, 0.5, np.nan]), np.array([4.0, 0.9, np.nan, 2.0, np.nan])
    # Above, below, infinite with a finite lower limit, at no effect, and nothing known.
    assert one_sided(p, estimate, lower, upper, 1.0, True)[:4].tolist() == [0.02, 0.98, 0.02, 0.5]
    assert one_sided(p, estimate, lower, upper, 1.0, False)[:4].tolist() == [0.98, 0.02, 0.98, 0.5]
    assert np.isnan(one_sided(p, estimate, lower, upper, 1.0, True)[4])


# --- one trial ---------------------------------------------------------------------------------------------------


def trial(plan, more=""):
    """Mood and strain of 24 people, both lower with the pill; `it` of mood, `other` of strain, `third` of remission."""
    text = outcome_trial.text_of(
        "{kind: score, words: mood, assessment: mood, at: weekly}", "mean-difference", "linear"
    )
    text = text.replace(", alpha-two-sided: 0.05", "").replace(
        "estimands:\n",
        "  other: {kind: score, words: strain, assessment: strain, at: weekly}\n"
        "  third: {kind: score-criterion, words: remission, assessment: mood, visit: day-85, threshold: remission}\n"
        "estimands:\n"
        "  other: {endpoint: other, treatments: active v usual, summary: mean-difference}\n"
        "  third: {endpoint: third, treatments: active v usual, summary: odds-ratio}\n",
    )
    text += (
        "  other: {estimand: other, estimator: linear, level: secondary}\n"
        "  third: {estimand: third, estimator: fisher-exact, level: secondary}\n"
    )
    protocol = read_protocol_text(f"{text}multiplicity: {{{plan}}}\n{more}")
    rng = np.random.default_rng(3)
    people = {}
    for n in range(24):
        better = 4.0 * (n >= 12)
        mood = [int(v) for v in np.clip(20 + rng.normal(0, 3, 4) - better * np.array([0, 1, 1, 1.5]), 0, 60)]
        strain = [int(v) for v in np.clip(30 + rng.normal(0, 5, 4) - better * np.array([0, 0.5, 0.5, 1.0]), 10, 50)]
        people[str(n)] = {"sex": "female", "mood": mood, "strain": strain}
    return protocol, outcome_trial.records_of(people)


def test_decisions_of_a_trial_are_those_of_its_p_values() -> None:
    protocol, records = trial("alpha-two-sided: 0.05, method: fixed-sequence, hypotheses: [it, other, third]")
    results = analyse(protocol, records)
    p = [results[id].p_value for id in ("it", "other", "third")]
    adjusted = [results[id].p_adjusted for id in ("it", "other", "third")]
    assert adjusted == pytest.approx(np.maximum.accumulate(p))
    assert [results[id].rejected for id in ("it", "other", "third")] == [v <= 0.05 for v in adjusted]
    assert results[("it")].rejected is True
    assert any(not results[id].rejected for id in ("other", "third"))
    assert {e.rejected for e in results.estimates if e.id not in ("it", "other", "third")} <= {None}
    rows = results_csv(results.estimates).splitlines()
    assert rows[0].endswith("p_adjusted,rejected")
    assert rows[1].endswith(f"{adjusted[0]!r},true")


def test_simultaneous_limits_are_fitted_at_the_weights_of_the_protocol() -> None:
    protocol, records = trial("alpha-two-sided: 0.05, method: bonferroni, hypotheses: [it, other, third]")
    found = {h.name: h for h in analyse(protocol, records).multiplicity.hypotheses}
    assert found["it"].simultaneous_level == pytest.approx(1 - 0.05 / 3)
    text = protocol.text.replace(
        "estimator: linear, level: primary", "estimator: linear, level: primary, ci-level: 0.9833333333333333"
    )
    wide = analyse(read_protocol_text(text), records)["it"]
    assert found["it"].simultaneous == pytest.approx((wide.ci_lower, wide.ci_upper))
    sequence, _ = trial("alpha-two-sided: 0.05, method: fixed-sequence, hypotheses: [it, other, third]")
    later = analyse(sequence, records).multiplicity.hypotheses[1]
    assert later.simultaneous is None
    assert "no part of the level" in later.why_no_limits


def test_one_sided_levels_take_the_better_direction() -> None:
    protocol, records = trial("alpha-one-sided: 0.025, method: holm, hypotheses: [it, other]")
    results = analyse(protocol, records)
    # Lower scores are better: one estimate lies below no difference, the other above.
    entered = {h.name: h.p_value for h in results.multiplicity.hypotheses}
    assert results["it"].estimate < 0 < results["other"].estimate
    assert entered["it"] == pytest.approx(results["it"].p_value / 2)
    assert entered["other"] == pytest.approx(1 - results["other"].p_value / 2)


def test_the_report_draws_tells_and_cites_it() -> None:
    protocol, records = trial(
        "alpha-two-sided: 0.05, method: graph, hypotheses: [it, other, third], weights: {it: 0.5, third: 0.5}, "
        "transitions: {it: {other: 1}, other: {third: 1}, third: {it: 1}}"
    )
    results = analyse(protocol, records)
    document = build_report(protocol, records, results)
    page = document.to_html()
    assert "not adjusted for multiplicity" not in page
    assert "no adjustment for multiplicity" not in page
    assert "Bretz F" in page
    captions = [getattr(block, "caption", "") for block in document.blocks]
    assert "Multiple testing: weights before the analysis, and what was rejected" in captions
    [table] = [b for b in document.blocks if getattr(b, "caption", "") == "Multiple testing: decisions"]
    assert [row.cells[4].split(",")[0] for row in table.rows] == [
        "rejected" if h.rejected else "not rejected" for h in results.multiplicity.hypotheses
    ]
    assert "three hypotheses of no difference under a familywise level of 5% (two-sided)" in document.answer.verdict
    from equipoise.reporting.context import Material

    told = report_value(Material(protocol, records, results), document)["multiplicity"]
    assert [h["rejected"] for h in told["hypotheses"]] == [h.rejected for h in results.multiplicity.hypotheses]


def test_limits_that_a_procedure_lacks_are_named_with_their_reason() -> None:
    protocol, records = trial("alpha-two-sided: 0.05, method: fixed-sequence, hypotheses: [it, other, third]")
    report = build_report(protocol, records, analyse(protocol, records))
    decisions = next(b for b in report.blocks if getattr(b, "caption", "") == "Multiple testing: decisions")
    assert decisions.footnotes == (
        "A fixed sequence. Adjusted p: the smallest familywise level at which the hypothesis would be rejected. "
        "Level: when its turn came; of one not rejected, in the end.",
        "Simultaneous limits: by Bonferroni at the weights before the analysis. They hold together whatever is "
        "rejected, and may include no difference for a hypothesis that is.",
        "No simultaneous limits: other: the hypothesis begins with no part of the level; third: there is no estimate.",
    )


def test_the_methods_name_the_lines_under_the_familywise_level_and_no_other() -> None:
    protocol, records = trial("alpha-two-sided: 0.05, method: holm, hypotheses: [it, other]")
    paragraph, level, table = methods.analyses(Material(protocol, records, analyse(protocol, records)))
    assert paragraph.text.endswith("Intervals are at 95% unless stated.")
    assert level.text.startswith("Two hypotheses were tested by ")
    said = {row.cells[0]: "a hypothesis under the familywise level" in row.cells[1] for row in table.rows}
    assert {name: said[name] for name in ("It", "Other", "Third")} == {"It": True, "Other": True, "Third": False}
    alone = re.sub(r"\nmultiplicity:.*\n", "\n", protocol.text)
    plain = read_protocol_text(alone.replace("level: primary", "level: primary, alpha-two-sided: 0.05"))
    paragraph, table = methods.analyses(Material(plain, records, analyse(plain, records)))
    assert paragraph.text.endswith("Intervals are at 95% unless stated; no adjustment for multiplicity was made.")
    assert not any("familywise" in row.cells[1] for row in table.rows)


def test_the_verdict_follows_the_decision_and_not_the_interval() -> None:
    # By itself the first is below 0.05; at a share of 1 in 100 million nothing is.
    plan = "alpha-two-sided: 0.05, method: bonferroni, hypotheses: [it, other], weights: {it: 1e-8, other: 0.5}"
    protocol, records = trial(plan)
    results = analyse(protocol, records)
    assert results["it"].ci_upper < 0
    verdict = build_report(protocol, records, results).answer.verdict
    assert "does not settle" in verdict
    assert re.search(r"adjusted p", verdict)


# --- power -------------------------------------------------------------------------------------------------------


def run(plan, scenario, n=300):
    protocol = read_protocol_text(simple(plan))
    cell = Cell(resolve_scenario(protocol, scenario)[0], {})
    [made] = run_cells(protocol, [cell], replicates=n, seed=5, workers=1)
    return made


def test_power_tells_the_procedure_of_the_plan_and_which_hypotheses_are_true() -> None:
    plan = "alpha-two-sided: 0.05, method: holm, hypotheses: [abstinence, mood, response]"
    made = run(plan, "planned")
    rule = made.rules[0]
    assert (rule.rule, rule.primaries) == ("planned", ("abstinence", "mood", "response"))
    assert rule.true_nulls == ("mood",)
    assert rule.familywise_error.value == rule.each_rejected[1].value
    assert rule.expected_rejections == pytest.approx(sum(share.value for share in rule.each_rejected))
    assert rule.all_rejected.value <= min(s.value for s in rule.each_rejected)
    assert rule.any_rejected.value >= max(s.value for s in rule.each_rejected)
    by_itself = made["abstinence.as-planned"].significant.value
    assert 0.2 < rule.each_rejected[0].value < by_itself
    partly = run(plan, "planned+null:response").rules[0]
    assert partly.true_nulls == ("mood", "response")
    assert partly.each_rejected[2].value < 0.05 < rule.each_rejected[2].value
    null = run(plan, "null").rules[0]
    assert null.familywise_error.value == null.any_rejected.value
    with pytest.raises(DesignError, match="D016"):
        run(plan, "planned+null:relapse")


def test_a_procedure_with_a_hypothesis_that_is_not_drawn_is_not_told() -> None:
    made = run("alpha-two-sided: 0.05, method: holm, hypotheses: [abstinence, relapse]", "planned", 20)
    assert "relapse" in made.not_drawn
    assert [rule.rule for rule in made.rules][:1] != ["planned"]


@pytest.mark.parametrize("sides", ["alpha-two-sided: 0.05", "alpha-one-sided: 0.025"])
def test_a_hypothesis_against_a_margin_enters_with_its_one_sided_p(sides) -> None:
    plan = f"{sides}, method: fixed-sequence, hypotheses: [other, it]"
    protocol, records = trial(plan)
    margin = "summary: mean-difference, margin: {objective: non-inferiority, margin: 4}}"
    text = protocol.text.replace(
        "it: {endpoint: it, treatments: active v usual, summary: mean-difference}",
        f"it: {{endpoint: it, treatments: active v usual, {margin}",
    )
    protocol = read_protocol_text(text)
    results = analyse(protocol, records)
    entered = {h.name: h.p_value for h in results.multiplicity.hypotheses}
    double = 2 if "two" in sides else 1
    assert entered["it"] == pytest.approx(double * results["it"].p_value)
    # The first of the sequence is not rejected, so nothing is shown of the margin, whatever its interval says.
    assert results["it"].p_value < 0.001
    assert results["it"].rejected is False
    verdict = build_report(protocol, records, results).answer.verdict
    assert "under the familywise level this is not shown" in verdict
