"""Means after dropout, worked by hand, and the draw of one missing score."""

from __future__ import annotations

import numpy as np

from equipoise.stats.missing.normal_imputation import impute_normal
from equipoise.stats.missing.reference_based import STRATEGIES

OWN, REFERENCE = np.array([20.0, 14.0, 10.0, 8.0]), np.array([20.0, 18.0, 17.0, 16.0])


def test_means_of_someone_last_seen_at_the_second_visit():
    means = {name: rule(OWN, REFERENCE, 1).tolist() for name, rule in STRATEGIES.items()}
    assert means == {
        "at-random": [20, 14, 10, 8],
        "jump-to-reference": [20, 14, 17, 16],
        "copy-reference": [20, 18, 17, 16],
        "copy-increments": [20, 14, 13, 12],  # 14 + (17 - 18), 14 + (16 - 18)
    }


def test_someone_never_seen_has_the_reference_means_under_every_reference_based_rule():
    for name, rule in STRATEGIES.items():
        assert rule(OWN, REFERENCE, -1).tolist() == (OWN if name == "at-random" else REFERENCE).tolist()


def test_one_missing_score_is_centred_on_its_regression_prediction():
    # first scores 0, 2, 4, ..., second = 3 + first / 2 exactly but for +-0.1: someone at 10 is imputed near 8
    first = np.repeat(np.arange(0.0, 20.0, 2.0), 2)
    second = 3 + first / 2 + np.tile([0.1, -0.1], 10)
    values = np.column_stack([np.append(first, 10.0), np.append(second, np.nan)])
    made = impute_normal(values, np.ones((21, 1)), imputations=400, seed=3)
    drawn = made.values[:, 20, 1]
    # sd of a draw about 0.11; the mean of 400 within four standard errors, 0.022
    assert abs(drawn.mean() - 8.0) < 0.022
    assert 0.08 < drawn.std() < 0.14


def test_scores_seen_are_never_changed_and_gaps_use_what_follows():
    rng = np.random.default_rng(5)
    level = rng.normal(50, 10, (60, 1))
    values = level + rng.normal(0, 1, (60, 3))
    values[0, 1] = np.nan  # a gap between two scores
    made = impute_normal(values, np.ones((60, 1)), imputations=200, seed=1)
    seen = ~np.isnan(values)
    assert (made.values[:, seen] == values[seen]).all()
    # visits correlate at 0.99: the draw lies by the mean of its neighbours; sd of a draw is 1.2, of its mean 0.09
    assert abs(made.values[:, 0, 1].mean() - (values[0, 0] + values[0, 2]) / 2) < 1.0
