"""Borrowing in a plan: what is refused, what comes out, and power by two routes."""

from __future__ import annotations

import json

import pytest

from equipoise.design.borrowing import borrowing_table
from equipoise.foundation.errors import DesignError, EquipoiseError
from equipoise.protocol.read import read_protocol_text
from equipoise.reporting.design_answer import success_words
from equipoise.reporting.document import Table
from equipoise.reporting.trial_report import build_report
from equipoise.workflow import analyse, read_protocol, simulate
from equipoise.workflow.power import power

TRIAL = """
equipoise: 2
trial: {id: borrowing, title: A trial that borrows, registration: NCT01234567}
calendar: {day-1: randomization, epochs: {all: {days: -1..90}}}
interventions: {usual: {type: other, words: usual care}, new: {type: other, words: new care}}
arms: {control: {role: active-control, gives: [usual], n: 24}, experimental: {role: experimental, gives: [new], n: 48}}
eligibility: {include: null, exclude: null}
randomization: {ratio: {control: 1, experimental: 2}}
assessments:
  calendar: {type: daily-use, substances: [alcohol]}
  depression: {type: instrument, instrument: hamd-17}
  what-happened: {type: events, terms: [admission]}
schedule:
  entry: {day: -1, assess: [depression]}
  visit: {days: [42, 84], assess: [calendar, depression, what-happened]}
use: {drinking: {words: any drink, substances: [alcohol], by: [self-report]}}
endpoints:
  dry:
    {kind: abstinence, words: no drink in the last two weeks, label: Abstinent, use: drinking, days: 71..84, at: visit}
  mood: {kind: score, words: depression at two visits, assessment: depression, at: visit}
  admissions:
    {kind: event-count, words: admissions, events: [admission], days: 1..84, as: rate, per-days: 28}
estimands:
  dry: {endpoint: dry, treatments: experimental v control, summary: risk-difference}
  mood: {endpoint: mood, treatments: experimental v control, summary: mean-difference}
  admissions: {endpoint: admissions, treatments: experimental v control, summary: rate-ratio}
  alone: {endpoint: dry, treatments: experimental, summary: proportion}
"""
LINES = """
analyses:
  dry:
    estimand: dry
    estimator: borrowed-risk-difference
    level: primary
    prespecified: true
    borrow:
      event: abstinence
      probability: 0.95
      studies:
        one-2009: {label: One 2009, events: 23 of 107}
        two-2010: {events: 12 of 44}
        three-2011: {events: 19 of 51}
        four-2012: {events: 9 of 39}
  mood:
    estimand: mood
    estimator: borrowed-mean-difference
    borrow:
      studies:
        one: {mean: 14, sd: 6, n: 80}
        two: {mean: 12, sd: 5, n: 50}
        three: {mean: 13, sd: 5.5, n: 50}
  admissions:
    estimand: admissions
    estimator: borrowed-rate-ratio
    borrow:
      studies:
        one: {count: 30, days: 4000}
        two: {count: 44, days: 8000}
  alone:
    estimand: alone
    estimator: borrowed-risk-difference
    borrow: {event: dry, more-than: 40 %, studies: {pilot: {events: 8 of 15}}}
"""
ASSUMED = """
assumptions:
  planning:
    simple:
      dry: {control: 25 %, experimental: 50 %}
      mood: {control: 13, experimental: 10, sd: 5}
      admissions: {rate: {control: 0.2 per 28 days, experimental: 0.1 per 28 days}}
  by-parts:
    parts:
      attendance: {lost: 10 %}
      use: {alcohol: {days-in-28: 5, effect: {experimental: -1.5}}}
      score: {depression: {mean: 13, sd: 5, effect: {experimental: -3}}}
      events: {admission: {rate: 0.3 per 28 days, dispersion: 0, effect: {experimental: -0.7}}}
"""


def trial(old: str = "", new: str = ""):
    text = TRIAL + LINES + ASSUMED
    assert old in text
    return read_protocol_text(text.replace(old, new) if old else text)


def codes_of(old: str, new: str) -> set[str]:
    with pytest.raises(EquipoiseError) as caught:
        trial(old, new)
    return {problem.code for problem in caught.value.problems}


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("borrow: {event: dry, more-than: 40 %, studies: {pilot: {events: 8 of 15}}}", "ci-level: 0.9", "P100"),
        ("two-2010: {events: 12 of 44}", "two-2010: {mean: 3, sd: 2, n: 44}", "P101"),
        ("two-2010: {events: 12 of 44}", "two-2010: {label: two}", "P101"),
        ("one: {mean: 14, sd: 6, n: 80}", "one: {mean: 14, n: 80}", "P101"),
        ("one: {count: 30, days: 4000}\n        two: {count: 44, days: 8000}", "one: {count: 0, days: 4000}", "P101"),
        ("two-2010: {events: 12 of 44}", "two-2010: {label: one 2009, events: 12 of 44}", "P102"),
        (
            "{label: One 2009, events: 23 of 107}\n        two-2010: {",
            "{registration: NCT 0000 0001, events: 23 of 107}\n        two-2010: {registration: nct00000001, ",
            "P102",
        ),
        ("two-2010: {", "two-2010: {registration: NCT01234567, ", "P103"),
        ("event: abstinence", "event: use", "P104"),
        ("      event: abstinence\n", "", "P104"),
        ("    level: primary", "    level: primary\n    alpha-one-sided: 0.025", "P105"),
        ("      probability: 0.95", "      probability: 0.95\n      more-than: 150 %", "P105"),
        ("more-than: 40 %, ", "", "P105"),
        ("      probability: 0.95", "      probability: 0.95\n      sensitivity: [2]", "P105"),
        (
            "summary: risk-difference}",
            "summary: risk-difference, margin: {objective: non-inferiority, margin: 10 %}}",
            "P106",
        ),
    ],
)
def test_what_cannot_be_borrowed_is_refused_with_its_code(old, new, code) -> None:
    assert code in codes_of(old, new)


def test_other_estimators_take_nothing_of_it_and_it_has_no_part_in_a_procedure_of_p_values() -> None:
    assert "P029" in codes_of("estimator: borrowed-mean-difference", "estimator: linear")
    assert "P046" in codes_of(
        "assumptions:", "multiplicity: {method: holm, hypotheses: [dry, mood], alpha-two-sided: 0.05}\nassumptions:"
    )
    assert "P081" in codes_of("assumptions:", "looks: {analyses: [dry], at: [0.5, 1], planned: 72}\nassumptions:")


@pytest.fixture(scope="module")
def analysed():
    protocol = trial()
    records = simulate(protocol, seed=3, scenario="by-parts")
    return protocol, records, analyse(protocol, records)


def test_each_line_has_its_answer_with_borrowing_and_without(analysed) -> None:
    _, _, results = analysed
    for line in ("dry", "mood", "admissions", "alone"):
        told, without = results[line], results[f"{line}.without-borrowing"]
        assert told.p_value is None
        rule = told.details["posterior"]
        assert rule["success"] == (rule["probability"] > rule["threshold"])
        rows = {row["weight"]: row for row in told.details["borrowing"]["by_weight"]}
        assert rows[1.0]["estimate"] == pytest.approx(without.estimate, abs=1e-9)
        assert rows[0.2]["estimate"] == pytest.approx(told.estimate, abs=1e-9)
        assert rows[0.2]["probability"] == pytest.approx(rule["probability"], abs=1e-9)
        # Of means the weak prior has a centre; of all an interval with borrowing is the shorter one here.
        if told.estimate is not None and line != "admissions":
            assert told.ci_upper - told.ci_lower < without.ci_upper - without.ci_lower
    assert results["mood"].details["posterior"]["is_above"] is False  # less depression is better
    assert results["alone"].reference is None
    assert json.dumps([estimate.as_row() for estimate in results.estimates])


def test_the_report_says_what_was_borrowed_and_by_which_rule_it_was_judged(analysed) -> None:
    protocol, records, results = analysed
    report = build_report(protocol, records, results)
    titles = [block.caption for block in report.blocks if isinstance(block, Table)]
    assert sum(title.startswith("Earlier results of") for title in titles) == 4
    earlier = [block for block in report.blocks if isinstance(block, Table) and block.is_real]
    # Earlier studies are real: the word "simulated" stands on the trial's own tables alone.
    assert len(earlier) == 4
    shown = [table.caption for table in report.tables]
    assert all(title.endswith(", simulated") != title.startswith("Earlier results of") for title in shown)
    assert sum(title.startswith("The result with more and with less borrowed") for title in titles) == 4
    text = str(report.blocks)
    assert "the probability that" in text
    assert "Schmidli" in text
    assert "robust: with probability 20%" in text


def test_studies_on_another_scale_give_no_number(analysed) -> None:
    protocol = trial("one: {mean: 14, sd: 6, n: 80}", "one: {mean: 14000, sd: 6, n: 80}")
    found = analyse(protocol, analysed[1])["mood"]
    assert found.estimate is None
    assert "earlier-studies-on-another-scale" in found.warnings
    assert found.details["posterior"]["success"] is None


def test_power_of_the_simulated_plan_is_that_of_every_table() -> None:
    protocol = trial()
    made = power(protocol, scenarios=["planning"], replicates=2500, seed=4)
    rows = {summary.row.id: summary for summary in made.cells[0].rows}
    exact = borrowing_table(protocol, "dry")
    from equipoise.stats.borrowing.characteristics import ArmsWithPriors, of_proportions

    for id, prior in (("dry", exact.prior.robust), ("dry.without-borrowing", exact.prior.weak)):
        design = ArmsWithPriors(exact.prior.weak, prior, 48, 24)
        wanted = float(of_proportions(design, exact.rule, [0.5], [0.25]).success[0])
        share = rows[id].significant
        # Four standard errors of a share of 2,500.
        assert share.value == pytest.approx(wanted, abs=4 * (wanted * (1 - wanted) / 2500) ** 0.5)
        assert rows[id].row.level_in_words == "posterior probability above 0.95"
        assert success_words([rows[id].row]) == "posterior probability above 0.95"


def test_the_table_of_true_control_rates_shows_conflict_and_what_cannot_be_listed_is_refused() -> None:
    protocol = trial()
    table = borrowing_table(protocol, effect=0.25)
    errors = [row.error for row in table.rows]
    middle = len(errors) // 2
    assert errors[middle] < 0.05 < max(errors)  # in the middle below its level, in conflict above
    assert all(row.error_without < 0.06 for row in table.rows)
    assert table.rows[middle].power > table.rows[middle].power_without
    assert borrowing_table(protocol, "mood", -3.0).rows[middle].power > 0.6
    assert borrowing_table(protocol, "alone", 0.6).rows[0].control == 0.4
    for line, effect, code in (("admissions", None, "D162"), ("none", None, "D160"), ("dry", 3.0, "D163")):
        with pytest.raises(DesignError) as caught:
            borrowing_table(protocol, line, effect)
        assert caught.value.problems[0].code == code
    with pytest.raises(DesignError) as caught:
        borrowing_table(read_protocol("ketamine-mbrp-cocaine"))
    assert caught.value.problems[0].code == "D160"


def test_studies_that_say_nothing_are_refused_and_not_borrowed_from() -> None:
    protocol = trial("studies: {pilot: {events: 8 of 15}}", "heterogeneity-df: 1, studies: {pilot: {events: 20 of 20}}")
    with pytest.raises(EquipoiseError) as caught:
        borrowing_table(protocol, "alone")
    assert caught.value.problems[0].code == "A020"
