"""Checks of published numbers: each finds its fault, says what reconciles it, and leaves true numbers alone."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from equipoise.evidence.checks.baseline_distribution import middle_p
from equipoise.evidence.checks.proportions import fitting_counts, fractions_up_to
from equipoise.evidence.printed import read_printed
from equipoise.evidence.results import COLUMNS, read_results
from equipoise.evidence.run_checks import check_results
from equipoise.evidence.statements import COLUMNS as STATEMENT_COLUMNS
from equipoise.evidence.statements import check_statements, read_statements

NAMED = {"experimental": "A", "reference": "B", "event": "abstinence", "outcome": "abstinence"}


def find(*rows, check=None):
    cells = [
        {**dict.fromkeys(COLUMNS, ""), "id": f"r{i}", "study": "S", "source": "X", **row} for i, row in enumerate(rows)
    ]
    results, problems = read_results(list(enumerate(cells, 2)), "t.csv")
    assert not problems, problems
    return [finding for finding in check_results(results) if check is None or finding.check == check]


def test_48_2_percent_of_27_cannot_be_and_is_13_of_27_rounded_twice():
    (found,) = find({**NAMED, "measure": "proportion", "percent_1": "48.2", "n_1": "27"})
    assert found.severity == "impossible"
    assert "13 of 27, 48.148%, rounded twice, first to 48.15" in found.reconciles
    assert "no count of any denominator up to 27" in found.reconciles


def test_57_7_percent_is_15_of_26_alone_up_to_28():
    assert fractions_up_to(read_printed("57.7"), 28) == [(15, 26)]
    (found,) = find(
        {**NAMED, "measure": "proportion", "percent_1": "57.7", "n_1": "27", "percent_0": "92.9", "n_0": "28"}
    )
    assert "15 of 26 alone" in found.reconciles


def test_162_of_180_days_is_90_percent():
    (found,) = find(
        {**NAMED, "measure": "proportion", "unit": "days", "events_1": "162", "n_1": "180", "percent_1": "86"}
    )
    assert "162 of 180 days is 90%, not 86%" in found.what
    assert "154 to 155 of 180" in found.reconciles


def test_an_odds_ratio_that_is_a_risk_ratio_is_named():
    (found,) = find(
        {
            **NAMED,
            "measure": "odds_ratio",
            "estimate": "4.49",
            "events_1": "13",
            "n_1": "27",
            "events_0": "3",
            "n_0": "28",
        },
        check="effect-against-counts",
    )
    assert found.severity == "contradiction"
    assert "risk ratio" in found.reconciles


def test_an_odds_ratio_of_the_reversed_comparison_is_named():
    (found,) = find(
        {
            **NAMED,
            "measure": "odds_ratio",
            "estimate": "0.13",
            "events_1": "13",
            "n_1": "27",
            "events_0": "3",
            "n_0": "28",
        },
        check="effect-against-counts",
    )
    assert "reversed" in found.reconciles


@pytest.mark.parametrize(
    ("adjusted", "severity"), [("yes", "unexplained"), ("no", "contradiction"), ("", "unexplained")]
)
def test_an_adjusted_estimate_may_differ_from_its_counts_a_crude_one_may_not(adjusted, severity):
    row = {
        **NAMED,
        "measure": "odds_ratio",
        "estimate": "5.7",
        "events_1": "13",
        "n_1": "27",
        "events_0": "3",
        "n_0": "28",
    }
    (found,) = find({**row, "adjusted": adjusted}, check="effect-against-counts")
    assert found.severity == severity
    assert "7.74" in found.what


def test_an_interval_made_on_the_wrong_scale_is_said_so():
    # 5.7 +- 5: symmetric as printed, far off the middle on the logarithm
    (found,) = find({**NAMED, "measure": "odds_ratio", "estimate": "5.7", "lower": "0.7", "upper": "10.7"})
    assert found.check == "interval-on-its-scale"
    assert "plain scale" in found.reconciles


def test_an_estimate_outside_its_interval_is_impossible_and_its_inverse_is_offered():
    (found,) = find({**NAMED, "measure": "odds_ratio", "estimate": "0.18", "lower": "1.3", "upper": "25.1"})
    assert found.severity == "impossible"
    assert "reversed" in found.reconciles


def test_p_and_interval_that_decide_differently_contradict_one_another():
    (found,) = find(
        {**NAMED, "measure": "hazard_ratio", "estimate": "0.47", "lower": "0.24", "upper": "0.92", "p": "0.30"}
    )
    assert found.check == "p-against-interval"
    assert found.severity == "contradiction"
    assert not find(
        {**NAMED, "measure": "hazard_ratio", "estimate": "0.47", "lower": "0.24", "upper": "0.92", "p": "0.03"}
    )


def test_a_one_sided_p_is_recognised():
    (found,) = find(
        {
            **NAMED,
            "measure": "odds_ratio",
            "test": "wald",
            "estimate": "2.00",
            "lower": "1.00",
            "upper": "4.00",
            "p": "0.025",
        }
    )
    assert found.reconciles == "a one-sided p"


def test_p_against_its_statistic_with_the_degrees_of_freedom():
    row = {"measure": "test", "test": "t", "statistic": "2.20", "df": "28"}
    assert not find({**row, "p": "0.036"})  # 2 x P(t28 > 2.20) = 0.0362
    (found,) = find({**row, "p": "0.028"})  # the normal one
    assert found.severity == "contradiction"
    assert find({"measure": "test", "test": "chi-square", "df": "2", "statistic": "5.99", "p": "0.10"})


def test_a_hazard_ratio_and_proportions_that_disagree_are_told_both_ways():
    row = {**NAMED, "measure": "hazard_ratio", "estimate": "0.47", "lower": "0.24", "upper": "0.92"}
    (found,) = find({**row, "percent_1": "57.7", "n_1": "26", "percent_0": "92.9", "n_0": "28"})
    assert "0.324 to 0.327" in found.what  # ln(11/26) / ln(2/28) = 0.326
    assert "71.2%" in found.by_how_much


CLAIM = {"kind": "claim", "about": "r0", "experimental": "A", "reference": "B", "event": "abstinence"}
RESULT = {
    **NAMED,
    "measure": "odds_ratio",
    "estimate": "7.74",
    "events_1": "13",
    "n_1": "27",
    "events_0": "3",
    "n_0": "28",
}


def test_odds_told_as_likelihood():
    (found,) = find(RESULT, {**CLAIM, "claimed_as": "times-as-likely", "claimed_value": "~8", "quote": "eight times"})
    assert found.severity == "misworded"
    assert "4.49 times as likely" in found.reconciles
    assert not find(RESULT, {**CLAIM, "claimed_as": "times-as-likely", "claimed_value": "4.5"})


def test_one_less_the_hazard_ratio_told_as_a_risk():
    hazard = {
        **NAMED,
        "measure": "hazard_ratio",
        "estimate": "0.47",
        "percent_1": "57.7",
        "n_1": "26",
        "percent_0": "92.9",
        "n_0": "28",
    }
    found = find(hazard, {**CLAIM, "claimed_as": "percent-less-likely", "claimed_value": "53"}, check="claim")
    assert "1 − hazard ratio told as a risk" in found[0].what
    assert "38% less likely" in found[0].reconciles
    assert not find(hazard, {**CLAIM, "claimed_as": "percent-less-likely", "claimed_value": "38"}, check="claim")


def test_270_percent_less_cannot_be():
    (found,) = find({**CLAIM, "about": "", "claimed_as": "percent-less-likely", "claimed_value": "270"})
    assert found.severity == "impossible"


def test_a_claim_of_no_clear_difference_about_an_interval_that_excludes_it():
    result = {**NAMED, "measure": "odds_ratio", "estimate": "7.8", "lower": "1.5", "upper": "39.9"}
    (found,) = find(result, {**CLAIM, "claimed_as": "no-clear-difference"})
    assert found.severity == "misworded"
    assert not find(result, {**CLAIM, "claimed_as": "difference"})


def test_ratios_of_one_study_in_opposite_directions():
    turned = {
        "measure": "odds_ratio",
        "estimate": "7.8",
        "lower": "1.5",
        "upper": "39.9",
        "experimental": "B",
        "reference": "A",
        "event": "use",
    }
    (found,) = find({**NAMED, "measure": "odds_ratio", "estimate": "5.7", "lower": "1.3", "upper": "25.1"}, turned)
    assert found.check == "direction"
    assert found.results[0] == "r1"
    assert "0.128 (0.0251 to 0.667)" in found.reconciles


def test_grim_finds_a_mean_of_whole_scores_that_cannot_be():
    # 28 whole scores: 5.18 is 145/28 = 5.1786; nothing gives 5.19
    assert not find({"measure": "mean", "mean_1": "5.18", "n_1": "28", "step": "1"})
    (found,) = find({"measure": "mean", "mean_1": "5.19", "n_1": "28", "step": "1"})
    assert found.check == "grim"
    # four items averaged make steps of a quarter: 581/112 = 5.1875
    assert not find({"measure": "mean", "mean_1": "5.19", "n_1": "28", "step": "0.25"})


def test_grimmer_finds_a_standard_deviation_that_cannot_be_and_debit_that_of_yes_and_no():
    # Scores 1, 2, 4: mean 2.33, SD sqrt(7/3) = 1.5275
    assert not find({"measure": "mean", "mean_1": "2.33", "sd_1": "1.53", "n_1": "3", "step": "1"})
    (found,) = find({"measure": "mean", "mean_1": "2.33", "sd_1": "1.40", "n_1": "3", "step": "1"})
    assert found.check == "grimmer"
    # 3 of 10 yes: SD sqrt(10/9 x 0.3 x 0.7) = 0.483
    yes = {"measure": "mean", "n_1": "10", "step": "1", "minimum": "0", "maximum": "1", "mean_1": "0.30"}
    assert not find({**yes, "sd_1": "0.48"})
    (found,) = find({**yes, "sd_1": "0.40"})
    assert found.check == "debit"
    (found,) = find({**yes, "sd_1": "0.46"})  # with the divisor n
    assert "divisor 10" in found.reconciles


def test_bounds_of_a_scale():
    assert find({"measure": "mean", "mean_1": "4.5", "n_1": "20", "minimum": "0", "maximum": "4"}, check="score-bounds")
    assert find(
        {"measure": "mean", "mean_1": "1.0", "sd_1": "3.0", "n_1": "20", "minimum": "0", "maximum": "4"},
        check="score-bounds",
    )


def test_p_of_means_and_spreads_that_are_errors():
    # SE 1 with n 25 is SD 5: difference 3, t = 3 / sqrt(2) = 2.12, p = 0.039
    row = {
        "measure": "mean",
        "mean_1": "13.0",
        "mean_0": "10.0",
        "n_1": "25",
        "n_0": "25",
        "sd_1": "1.0",
        "sd_0": "1.0",
    }
    (found,) = find({**row, "p": "0.04"})
    assert found.reconciles == "the spreads are standard errors"


def test_categories_that_exceed_the_whole():
    rows = [
        {
            "kind": "baseline",
            "outcome": f"level {i}",
            "partition": "route",
            "events_1": str(k),
            "n_1": "27",
            "experimental": "A",
        }
        for i, k in enumerate((15, 13))
    ]
    (found,) = find(*rows)
    assert found.check == "partition"
    assert found.by_how_much == "1 too many"


def test_two_sources_of_one_result_that_differ():
    row = {**NAMED, "measure": "proportion", "n_1": "27", "percent_1": "48.1", "time": "end"}
    (found,) = find(row, {**row, "percent_1": "52", "source": "Y"}, check="sources-agree")
    assert found.severity == "contradiction"
    assert not find(row, {**row, "percent_1": "48", "source": "Y"}, check="sources-agree")


def statements(*rows):
    cells = [
        {**dict.fromkeys(STATEMENT_COLUMNS, ""), "id": f"s{i}", "subject": "S", "source": "X", **row}
        for i, row in enumerate(rows)
    ]
    found, problems = read_statements(list(STATEMENT_COLUMNS), list(enumerate(cells, 2)), "s.csv")
    assert not problems
    return check_statements(found, {"P": "paper", "N": "news"})


def test_statements_that_cannot_both_hold_go_to_the_better_source():
    (found,) = statements(
        {"attribute": "infusion days", "value": "5", "source": "N"},
        {"attribute": "infusion days", "value": "1", "source": "P"},
    )
    assert found.check == "one-infusion-told-as-several"
    assert found.reconciles == "1, by P (paper)"
    assert not statements({"attribute": "weeks", "value": "~5"}, {"attribute": "weeks", "value": "5"})
    assert not statements({"attribute": "dose", "value": "0.4..0.6"}, {"attribute": "dose", "value": "0.5"})
    assert statements({"attribute": "dose", "value": "1..2"}, {"attribute": "dose", "value": "0.5"})
    (found,) = statements(
        {"attribute": "receptor action", "value": "agonist"}, {"attribute": "receptor action", "value": "antagonist"}
    )
    assert found.check == "agonist-or-antagonist"
    assert found.reconciles == "undecided between these sources"


counts = st.integers(2, 120).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts, st.integers(0, 2))
@settings(max_examples=200, deadline=None)
def test_a_true_percentage_is_never_found_fault_with(count, decimals):
    k, n = count
    text = f"{100 * k / n:.{decimals}f}"
    assert k in fitting_counts(read_printed(text), n)
    assert not find({**NAMED, "measure": "proportion", "percent_1": text, "n_1": str(n), "events_1": str(k)})


@given(counts, counts, st.integers(1, 3))
@settings(max_examples=150, deadline=None)
def test_a_true_crude_odds_ratio_with_woolfs_interval_is_never_found_fault_with(first, second, decimals):
    (a, n1), (c, n0) = first, second
    if min(a, n1 - a, c, n0 - c) == 0:
        return
    log = math.log(a * (n0 - c) / ((n1 - a) * c))
    error = math.sqrt(1 / a + 1 / (n1 - a) + 1 / c + 1 / (n0 - c))
    values = {"estimate": log, "lower": log - 1.959964 * error, "upper": log + 1.959964 * error}
    row = {key: f"{math.exp(v):.{decimals}f}" for key, v in values.items()}
    assert not [
        f
        for f in find(
            {
                **NAMED,
                "measure": "odds_ratio",
                "adjusted": "no",
                **row,
                "events_1": str(a),
                "n_1": str(n1),
                "events_0": str(c),
                "n_0": str(n0),
            }
        )
        if f.is_alarm
    ]


@given(st.lists(st.integers(0, 10), min_size=2, max_size=40), st.integers(1, 2))
@settings(max_examples=200, deadline=None)
def test_true_means_and_standard_deviations_pass_grim_grimmer_and_bounds(scores, decimals):
    n = len(scores)
    mean = sum(scores) / n
    sd = math.sqrt(sum((s - mean) ** 2 for s in scores) / (n - 1))
    row = {"measure": "mean", "mean_1": f"{mean:.{decimals}f}", "sd_1": f"{sd:.{decimals}f}", "n_1": str(n)}
    assert not find({**row, "step": "1", "minimum": "0", "maximum": "10"})


def baseline_table(rng, kind, k=8, n=60):
    """A baseline table of two arms: by lot, the second arm written down from the first, or with standard errors."""
    rows = []
    for i in range(k):
        one = rng.normal(40, 10, n)
        two = one + rng.normal(0, 0.05, n) if kind == "copied" else rng.normal(40, 10, n)
        spread = math.sqrt(n) if kind == "errors" else 1.0
        row = {"kind": "baseline", "experimental": "A", "reference": "B", "outcome": f"v{i}", "measure": "mean"}
        for which, values in (("1", one), ("0", two)):
            row |= {f"mean_{which}": f"{values.mean():.2f}", f"n_{which}": str(n)}
            row[f"sd_{which}"] = f"{values.std(ddof=1) / spread:.2f}"
        rows.append(row)
    return rows


def test_baseline_tables_by_lot_pass_and_arranged_ones_are_named():
    rng = np.random.default_rng(5)
    named = sum(bool(find(*baseline_table(rng, "lot"), check="baseline-distribution")) for _ in range(300))
    assert named <= 1  # two tails of 0.0001, 300 tables: more than one has a chance below 0.002
    (found,) = find(*baseline_table(rng, "copied"), check="baseline-distribution")
    assert found.severity == "unexplained"
    assert "more alike" in found.what
    assert "minimization" in found.reconciles
    (found,) = find(*baseline_table(rng, "errors"), check="baseline-distribution")
    assert "more unlike" in found.what
    assert "standard errors" in found.reconciles


def test_the_middle_p_of_a_table_averages_a_half():
    n1, n0, t = 13, 17, 9
    counts = range(max(0, t - n0), min(n1, t) + 1)
    chances = [math.comb(n1, a) * math.comb(n0, t - a) / math.comb(n1 + n0, t) for a in counts]
    values = [middle_p((a, n1, t - a, n0)) for a in counts]
    assert sum(c * v for c, v in zip(chances, values)) == pytest.approx(0.5)
    assert middle_p((0, 5, 0, 5)) is None


def test_few_baseline_variables_and_categories_of_one_say_nothing():
    row = {"kind": "baseline", "experimental": "A", "reference": "B", "measure": "proportion"}
    same = {"events_1": "30", "n_1": "60", "events_0": "30", "n_0": "60"}
    rows = [{**row, **same, "outcome": f"level {i}", "partition": "race"} for i in range(2)]
    rows += [{**row, **same, "outcome": f"v{i}"} for i in range(3)]
    assert not find(*rows, check="baseline-distribution")


def test_a_proportion_told_as_a_percentage_is_said_so():
    found = find(
        {**NAMED, "measure": "proportion", "percent_1": "0.107", "n_1": "28", "events_1": "3"},
        check="proportion-against-counts",
    )
    assert "10.71%" in found[0].reconciles
