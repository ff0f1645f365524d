"""Conditional-mean imputation and its jackknife, worked by hand; the variance components of a bootstrap."""

from __future__ import annotations

import numpy as np
import pytest

from equipoise.stats.missing.conditional_mean import fit_normal, impute_means, jackknife_error, leave_one_out
from equipoise.stats.missing.resampling import bootstrap_variance

# Two visits, two arms. Second = first + 1 in the reference arm, first + 3 in the other, but for +-0.5.
FIRST = np.array([1.0, 2, 3, 4, 1, 2, 3, 4])
ARM = np.array([0.0, 0, 0, 0, 1, 1, 1, 1])
NOISE = np.array([0.5, -0.5, -0.5, 0.5, 0.5, -0.5, -0.5, 0.5])
SECOND = FIRST + 1 + 2 * ARM + NOISE
# A ninth is last seen at 5 in the experimental arm.
SCORES = np.column_stack([np.append(FIRST, 5.0), np.append(SECOND, np.nan)])
DESIGN = np.column_stack([np.ones(9), np.append(ARM, 1.0)])


def test_what_is_missing_becomes_its_mean_under_each_rule():
    model = fit_normal(SCORES, DESIGN)
    # NOISE is orthogonal to constant, arm and first: the regression is 1 + 2 arm + first exactly.
    # Means: first 2.5 and 3 (of 1, 2, 3, 4, 5), second 3.5 in the reference arm and 1 + 2 + 3 = 6 in the other.
    assert model.means[0] == pytest.approx(np.array([[2.5, 3.5], [0.5, 2.5]]))
    # Around its own means the ninth is 2 above at the first visit, 2.5 above the reference arm's.
    filled = {
        rule: float(impute_means(SCORES, DESIGN, model, strategy=rule, arm_column=1)[0, 8, 1])
        for rule in ("at-random", "jump-to-reference", "copy-reference", "copy-increments")
    }
    assert filled == pytest.approx(
        {
            "at-random": 8.0,  # 6 + (5 - 3)
            "jump-to-reference": 5.5,  # 3.5 + (5 - 3)
            "copy-reference": 6.0,  # 3.5 + (5 - 2.5)
            "copy-increments": 6.0,  # 3 + (3.5 - 2.5) + (5 - 3)
        }
    )


def test_delta_is_added_to_what_was_missing_only():
    model = fit_normal(SCORES, DESIGN)
    plain = impute_means(SCORES, DESIGN, model)[0]
    moved = impute_means(SCORES, DESIGN, model, delta=np.full(9, -3.0))[0]
    assert moved[8, 1] == pytest.approx(plain[8, 1] - 3)
    assert (moved[:8] == plain[:8]).all()


def test_leaving_one_out_is_fitting_the_others():
    weighted = fit_normal(SCORES, DESIGN, weights=leave_one_out(9))
    for left in (0, 5, 8):
        others = np.delete(np.arange(9), left)
        alone = fit_normal(SCORES[others], DESIGN[others])
        assert weighted.means[left] == pytest.approx(alone.means[0])
        assert weighted.covariance[left] == pytest.approx(alone.covariance[0])


def test_a_gap_is_filled_from_both_sides_until_nothing_moves():
    rng = np.random.default_rng(2)
    scores = np.cumsum(rng.normal(size=(40, 3)), axis=1)
    scores[::7, 1] = np.nan
    model = fit_normal(scores, np.ones((40, 1)))
    assert model.steps > 1
    assert not model.codes.any()
    # At the maximum the mean of a visit is the mean of its completed scores.
    filled = impute_means(scores, np.ones((40, 1)), model)[0]
    assert model.means[0, 0] == pytest.approx(filled.mean(axis=0), abs=1e-6)


def test_the_jackknife_of_a_mean_is_its_standard_error():
    values = np.array([2.0, 4.0, 4.0, 7.0, 9.0])
    without = [(values.sum() - x) / 4 for x in values]
    assert jackknife_error(without) == pytest.approx(values.std(ddof=1) / np.sqrt(5))


def test_between_and_within_samples_by_one_way_analysis_of_variance():
    # Means 2, 5, 8: mean square between 2 x 9 = 18; within each pair variance 2.
    found = bootstrap_variance([[1.0, 3.0], [4.0, 6.0], [7.0, 9.0]], sets=4)
    assert (found.between, found.within, found.variance) == (8.0, 2.0, 8.5)
    # Variance = 18 / 2 + 2 (1/4 - 1/2) = 9 - 0.5; df = 8.5^2 / (9^2 / 2 + 0.5^2 / 3).
    assert found.df == pytest.approx(8.5**2 / (81 / 2 + 0.25 / 3))
    assert bootstrap_variance([[1.0, 3.0], [4.0, 6.0], [7.0, 9.0], [np.nan, 1.0]], sets=4).n_used == 3
