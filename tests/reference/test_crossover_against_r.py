"""Crossover trials beside R 4.2.2: lmerTest, t tests of period differences, clogit, Fisher and Prescott."""

from __future__ import annotations

import csv
from math import comb
from pathlib import Path

import numpy as np
import pytest

from equipoise.stats.crossover import CrossoverFits, fit_crossover, koch, mainland_gart, paired_logistic, prescott

METHODS = Path(__file__).parents[3] / "shared" / "data" / "methods"
pytestmark = pytest.mark.skipif(not METHODS.exists(), reason="the shared data folder is not beside the checkout")
MIXED = "y ~ treat + period + (1 | id), REML, all observed periods"
WITH_SEQUENCE = "y ~ treat + period + sequence + (1 | id), REML, all observed periods"
PAIRED = "complete pairs: two-sample t on period differences (Hills-Armitage)"


def answers(dataset: str, model: str) -> dict[tuple[str, str], tuple[float, float]]:
    with (METHODS / "crossover.csv").open(encoding="utf-8") as file:
        return {
            (row["quantity"], row["index"]): (float(row["value"]), float(row["tolerance"]))
            for row in csv.DictReader(file)
            if row["dataset"] == dataset and row["model"].startswith(model)
        }


def rows_of(dataset: str) -> list[dict[str, str]]:
    with (METHODS / "data" / f"{dataset}.csv").open(encoding="utf-8") as file:
        return [row for row in csv.DictReader(file) if row["y"] not in ("", "NA")]


def fitted(dataset: str, *, sequence: bool, complete: bool = False) -> tuple[CrossoverFits, list[str]]:
    rows = sorted(rows_of(dataset), key=lambda row: (int(row["id"]), int(row["period"])))
    ids = [row["id"] for row in rows]
    if complete:
        rows = [row for row in rows if ids.count(row["id"]) == 2]
        ids = [row["id"] for row in rows]
    names = ["(Intercept)", "treatB", "period2", *(["sequenceBA"] if sequence else [])]
    columns = [
        [1.0, float(row["treat"] == "B"), float(row["period"] == "2"), *([float(row["sequence"] == "BA")] * sequence)]
        for row in rows
    ]
    sizes = [ids.count(id) for id in dict.fromkeys(ids)]
    offsets = np.concatenate([[0], np.cumsum(sizes)])
    y = np.array([float(row["y"]) for row in rows])
    return fit_crossover(y, np.array(columns), offsets, np.array([0, len(sizes)])), names


@pytest.mark.parametrize("dataset", ["crossover_full", "crossover_missing"])
@pytest.mark.parametrize("sequence", [False, True])
def test_the_model_within_participants_is_lmer_s(dataset: str, sequence: bool) -> None:
    wanted = answers(dataset, WITH_SEQUENCE if sequence else MIXED)
    fits, names = fitted(dataset, sequence=sequence)
    for k, name in enumerate(names):
        for mine, quantity in ((fits.coefficients[0, k], "estimate"), (fits.standard_errors[0, k], "SE")):
            value, tolerance = wanted[quantity, name]
            assert mine == pytest.approx(value, abs=tolerance), (quantity, name)
    value, tolerance = wanted["df Satterthwaite", "treatB"]
    assert fits.df[0] == pytest.approx(value, abs=tolerance)
    for mine, quantity, index in (
        (fits.variance_between[0], "variance", "id"),
        (fits.variance_within[0], "variance", "Residual"),
        (-2 * fits.log_likelihood[0], "-2 REML log likelihood", ""),
    ):
        value, tolerance = wanted[quantity, index]
        assert mine == pytest.approx(value, abs=tolerance)


@pytest.mark.parametrize("dataset", ["crossover_full", "crossover_missing", "crossover_singular"])
def test_with_complete_pairs_it_is_the_t_test_of_period_differences(dataset: str) -> None:
    wanted = answers(dataset, PAIRED)
    for sequence in (False, True):
        fits, _ = fitted(dataset, sequence=sequence, complete=True)
        for mine, quantity in (
            (-fits.coefficients[0, 1], "treatment A minus B"),
            (fits.standard_errors[0, 1], "SE"),
            (fits.df[0], "df"),
        ):
            value, tolerance = wanted[quantity, ""]
            assert mine == pytest.approx(value, abs=max(tolerance, 1e-6)), quantity


def test_periods_that_are_negatively_related_stay_so() -> None:
    # R holds the variance at 0 and gives 1.697 on 21 df; the pairs give 1.978 on 10.
    fits, _ = fitted("crossover_singular", sequence=True)
    assert fits.variance_between[0] < 0
    assert fits.standard_errors[0, 1] == pytest.approx(1.978, abs=5e-4)
    assert fits.df[0] == pytest.approx(10, abs=1e-6)


def pairs(dataset: str) -> dict[str, list[tuple[int, int]]]:
    people: dict[str, dict[str, str]] = {}
    for row in rows_of(dataset):
        people.setdefault(row["id"], {"sequence": row["sequence"]})[row["period"]] = row["y"]
    out: dict[str, list[tuple[int, int]]] = {"AB": [], "BA": []}
    for person in people.values():
        out[person["sequence"]].append((int(person["1"]), int(person["2"])))
    return out


def discordant(dataset: str) -> tuple[tuple[int, int], tuple[int, int]]:
    found = pairs(dataset)
    first, second = ((found[s].count((1, 0)), found[s].count((0, 1))) for s in ("AB", "BA"))
    return first, second


@pytest.mark.parametrize("dataset", ["crossover_yesno_one", "crossover_yesno_two"])
def test_discordant_pairs_by_sequence_are_r_s_fisher_test(dataset: str) -> None:
    wanted = answers(dataset, "Mainland-Gart")
    fit = mainland_gart(*discordant(dataset))
    value, tolerance = wanted["Fisher p two-sided", ""]
    assert fit.p_value[0] == pytest.approx(value, abs=tolerance)
    for mine, quantity in (
        (fit.ci_lower[0], "exact 95% lower, odds ratio A against B"),
        (fit.ci_upper[0], "exact 95% upper, odds ratio A against B"),
    ):
        value, tolerance = wanted[quantity, ""]
        if np.isinf(value):
            assert mine == value
        elif value > 5:
            # R finds the reciprocal of the square by uniroot to 1.2e-4, which is 1 per cent here; the tail decides.
            assert mine**-2 == pytest.approx(value**-2, abs=1.3e-4)
            (a, b), (c, d) = discordant(dataset)
            x = np.arange(max(0, a + c - (c + d)), min(a + b, a + c) + 1)
            weight = np.array([comb(a + b, k) * comb(c + d, a + c - k) for k in x]) * float(mine) ** (2 * x)
            assert weight[x <= a].sum() / weight.sum() == pytest.approx(0.025, rel=1e-6)
        else:
            assert mine == pytest.approx(value, abs=tolerance)


def test_conditional_logistic_regression_is_clogit_s() -> None:
    wanted = answers("crossover_yesno_one", "conditional logistic")
    fit = paired_logistic(*discordant("crossover_yesno_one"))
    value, tolerance = wanted["log odds ratio", "A"]
    assert np.log(fit.odds_ratio[0]) == pytest.approx(value, abs=tolerance)
    value, tolerance = wanted["SE", "A"]
    assert fit.standard_error[0] == pytest.approx(value, abs=tolerance)
    value, tolerance = answers("crossover_yesno_one", "Mainland-Gart")[
        "conditional odds ratio, treatment A against B (square root of the table's odds ratio)", ""
    ]
    assert fit.odds_ratio[0] == pytest.approx(value, abs=tolerance)


def test_an_empty_cell_is_an_infinite_odds_ratio_with_a_likelihood_ratio_and_a_finite_limit() -> None:
    value, tolerance = answers("crossover_yesno_two", "conditional logistic")[
        "likelihood ratio chi-square, treatment", ""
    ]
    fit = paired_logistic(*discordant("crossover_yesno_two"))
    assert np.isinf(fit.odds_ratio[0])
    assert np.isinf(fit.ci_upper[0])
    assert 1.0 < fit.ci_lower[0] < np.inf
    assert fit.statistic[0] == pytest.approx(value, abs=tolerance)
    from equipoise.stats.logistic import fit_logistic, profile_limits

    (a, b), (c, d) = discordant("crossover_yesno_two")
    y = np.array([1.0, 0.0, 1.0, 0.0])
    design = np.array([[1.0, 1.0], [1.0, 1.0], [1.0, -1.0], [1.0, -1.0]])
    weights, offsets = np.array([a, b, c, d], dtype=float), np.array([0, 4])
    fits = fit_logistic(y, design, offsets, weights=weights)
    limits = profile_limits(fits, y, design, offsets, column=1, weights=weights)
    assert np.log(fit.ci_lower[0]) == pytest.approx(limits.ci_lower[0], abs=1e-6)


@pytest.mark.parametrize("dataset", ["crossover_yesno_one", "crossover_yesno_two"])
def test_prescott_s_test_is_the_trend_by_sequence(dataset: str) -> None:
    wanted = answers(dataset, "Prescott")
    found = pairs(dataset)
    counts = [[sum(one - two == k for one, two in found[sequence]) for k in (-1, 0, 1)] for sequence in ("AB", "BA")]
    test = prescott(*counts)
    for mine, quantity in (
        (test.statistic[0], "chi-square, 1 df (variance with N-1)"),
        (test.p_value[0], "p"),
        (test.p_exact[0], "exact p two-sided (distance from the expected value)"),
    ):
        value, tolerance = wanted[quantity, ""]
        assert mine == pytest.approx(value, abs=tolerance)


@pytest.mark.parametrize("dataset", ["crossover_full", "crossover_missing", "crossover_singular"])
def test_koch_s_test_is_the_rank_sum_of_period_differences(dataset: str) -> None:
    wanted = answers(dataset, "complete pairs: Wilcoxon rank sum on period differences (Koch)")
    people: dict[str, dict[str, str]] = {}
    for row in rows_of(dataset):
        people.setdefault(row["id"], {"sequence": row["sequence"]})[row["period"]] = row["y"]
    whole = [person for person in people.values() if {"1", "2"} <= person.keys()]
    gaps = [float(person["1"]) - float(person["2"]) for person in whole]
    test = koch(gaps, [person["sequence"] == "AB" for person in whole], [0, len(whole)])
    for mine, quantity in ((test.statistic[0], "W"), (test.p_value[0], "p")):
        value, tolerance = wanted[quantity, ""]
        assert mine == pytest.approx(value, abs=tolerance)
