"""One proportion beside R's binom.test and published formulas: intervals, and tests against a goal."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from equipoise.stats.goal import exact_goal_test
from equipoise.stats.risk import clopper_pearson, wilson

SHARED = Path(__file__).parents[3] / "shared" / "data" / "methods"
pytestmark = pytest.mark.skipif(not SHARED.exists(), reason="the shared data folder is not beside the checkout")


def rows():
    with (SHARED / "proportions_ordinal.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            left, slash, right = row["dataset"].partition("/")
            if slash:
                yield int(left), int(right), row


def test_intervals_of_one_proportion_are_those_of_r() -> None:
    found = 0
    for x, n, row in rows():
        by = {"Clopper-Pearson": clopper_pearson, "Wilson": wilson}.get(row["model"])
        if by is None:
            continue
        level, end = row["quantity"].split()
        fit = by(x, n, level=float(level.rstrip("%")) / 100)
        mine = fit.ci_lower if end == "lower" else fit.ci_upper
        assert float(mine) == pytest.approx(float(row["value"]), abs=float(row["tolerance"]))
        found += 1
    assert found == 48  # six proportions, two methods, two levels, two ends


def test_tests_against_a_goal_are_those_of_r() -> None:
    of = {
        "exact p one-sided greater": "p_greater",
        "exact p one-sided less": "p_less",
        "exact p two-sided (minimum likelihood)": "p_likelihood",
        "score z": "statistic",
    }
    found = 0
    for x, n, row in rows():
        if row["model"].startswith("against goal"):
            test = exact_goal_test(x, n, float(row["model"].split()[-1]))
            mine = float(getattr(test, of[row["quantity"]])[0])
            assert mine == pytest.approx(float(row["value"]), abs=float(row["tolerance"]))
            found += 1
    assert found == 48  # six proportions, two goals, four quantities
