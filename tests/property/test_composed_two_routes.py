"""Ordered categories and pairs by a second route: numerical maxima, loops over pairs, simpler methods."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import optimize, special, stats

from equipoise.stats.ordinal import fit_proportional_odds, rank_sum_test
from equipoise.stats.risk import miettinen_nurminen_difference
from equipoise.stats.win_ratio import PairLevel, compare_pairs, net_benefit, win_odds


def made(seed, n=60, n_categories=4):
    rng = np.random.default_rng(seed)
    arm, x = rng.permutation(np.arange(n) % 2).astype(float), rng.normal(size=n)
    latent = rng.logistic(size=n) + 0.7 * arm + 0.5 * x
    return np.searchsorted(np.quantile(latent, np.arange(1, n_categories) / n_categories), latent), arm, x


def minus_log_likelihood(parameters, y, design, n_categories):
    """By the definition; ``design`` (n_thresholds, n, p): what the coefficients meet at each threshold."""
    m = n_categories - 1
    below = special.expit(parameters[:m, None] - design @ parameters[m:])
    cumulative = np.vstack([np.zeros(y.size), below, np.ones(y.size)])
    share = np.diff(cumulative, axis=0)[y, np.arange(y.size)]
    return -np.log(np.maximum(share, 1e-300)).sum()


def hessian(function, at, step=1e-4):
    p = at.size
    out = np.empty((p, p))
    moves = step * np.eye(p)
    for i in range(p):
        for j in range(p):
            a, b = moves[i], moves[j]
            out[i, j] = function(at + a + b) - function(at + a - b) - function(at - a + b) + function(at - a - b)
    return out / (4 * step**2)


@pytest.mark.parametrize("seed", range(4))
def test_proportional_odds_by_numerical_maximum_and_derivatives(seed) -> None:
    y, arm, x = made(seed)
    design = np.column_stack([arm, x])
    found = fit_proportional_odds(y, design, [0, y.size])
    everywhere = np.broadcast_to(design, (3, *design.shape))

    def by_hand(parameters):
        return minus_log_likelihood(parameters, y, everywhere, 4)

    at = np.concatenate([found.thresholds[0], found.coefficient, found.others[0]])
    best = optimize.minimize(by_hand, at + 0.1, method="BFGS", options={"gtol": 1e-8})
    assert best.x == pytest.approx(at, abs=1e-4)
    assert found.log_likelihood[0] == pytest.approx(-best.fun, abs=1e-8)
    covariance = np.linalg.inv(hessian(by_hand, at))
    assert found.standard_errors[0] == pytest.approx(np.sqrt(np.diag(covariance)[3:]), rel=1e-4)


@pytest.mark.parametrize("seed", range(3))
def test_the_score_test_of_proportionality_is_near_the_likelihood_ratio_in_many(seed) -> None:
    y, arm, _ = made(10 + seed, n=1500)
    found = fit_proportional_odds(y, arm[:, None], [0, y.size])
    each = np.zeros((3, y.size, 3))
    for k in range(3):
        each[k, :, k] = arm
    start = np.concatenate([found.thresholds[0], np.repeat(found.coefficient, 3)])
    free = optimize.minimize(minus_log_likelihood, start, args=(y, each, 4), method="BFGS", options={"gtol": 1e-7})
    ratio = 2 * (-free.fun - found.log_likelihood[0])
    assert found.proportionality_df[0] == 2
    assert found.proportionality[0] == pytest.approx(ratio, abs=0.05 + 0.05 * ratio)


def test_categories_turned_round_turn_the_sign() -> None:
    y, arm, x = made(20)
    design = np.column_stack([arm, x])
    one, other = (fit_proportional_odds(v, design, [0, y.size]) for v in (y, 3 - y))
    assert one.coefficient == pytest.approx(-other.coefficient, abs=1e-8)
    assert one.ci_lower == pytest.approx(-other.ci_upper, abs=1e-6)
    assert one.proportionality == pytest.approx(other.proportionality, rel=1e-6)


def test_a_batch_gives_what_its_trials_give() -> None:
    trials = [made(seed, n) for seed, n in ((1, 30), (2, 50), (3, 12))]
    y = np.concatenate([t[0] for t in trials])
    design = np.column_stack([np.concatenate([t[k] for t in trials]) for k in (1, 2)])
    offsets = np.concatenate([[0], np.cumsum([t[0].size for t in trials])])
    together = fit_proportional_odds(y, design, offsets)
    for k, (own, arm, x) in enumerate(trials):
        alone = fit_proportional_odds(own, np.column_stack([arm, x]), [0, own.size])
        assert together.coefficient[k] == alone.coefficient[0]
        assert together.ci_upper[k] == pytest.approx(alone.ci_upper[0], rel=1e-12)


def test_ranks_are_those_of_scipy() -> None:
    y, arm, _ = made(30)
    theirs = stats.mannwhitneyu(y[arm == 1], y[arm == 0], use_continuity=False, method="asymptotic")
    ours = rank_sum_test(y, arm, [0, y.size])
    assert ours.u_statistic[0] == theirs.statistic
    assert ours.p_value[0] == pytest.approx(theirs.pvalue, rel=1e-12)


def pairs_by_loops(levels, arm):
    """(wins, losses) of the experimental arm, each pair by itself."""
    won = lost = 0
    for i in np.flatnonzero(arm):
        for j in np.flatnonzero(~arm):
            for kind, value, event in levels:
                a, b = value[i], value[j]
                better = 0
                if kind == "number":
                    better = int(a > b) - int(a < b)
                else:
                    seen = min(a, b)
                    first_i, first_j = event[i] and a <= seen, event[j] and b <= seen
                    better = int(first_j) - int(first_i)
                if better:
                    won, lost = won + (better > 0), lost + (better < 0)
                    break
    return won, lost


@pytest.mark.parametrize("seed", range(5))
def test_pairs_are_those_of_loops(seed) -> None:
    rng = np.random.default_rng(seed)
    n = 25
    arm = rng.random(n) < 0.5
    time, event = np.ceil(rng.exponential(10, n)), rng.random(n) < 0.6
    score = rng.integers(0, 4, n).astype(float)
    pairs = compare_pairs([PairLevel(time, event=event), PairLevel(score)], arm, [0, n])
    won, lost = pairs_by_loops([("time", time, event), ("number", score, None)], arm)
    assert (pairs.won.sum(), pairs.lost.sum()) == (won, lost)


def test_one_yes_or_no_is_the_difference_of_risks_and_one_score_the_rank_sum() -> None:
    y, arm, _ = made(40, n_categories=5)
    arm = arm == 1
    net = net_benefit(compare_pairs([PairLevel((y >= 2).astype(float))], arm, [0, y.size]))
    n1, n0 = arm.sum(), (~arm).sum()
    x1, x0 = (y[arm] >= 2).sum(), (y[~arm] >= 2).sum()
    assert net.estimate[0] == pytest.approx(miettinen_nurminen_difference(x0, n0, x1, n1).estimate[0])
    p1, p0 = x1 / n1, x0 / n0
    assert net.standard_error[0] == pytest.approx(np.sqrt(p1 * (1 - p1) / n1 + p0 * (1 - p0) / n0))
    odds = win_odds(compare_pairs([PairLevel(y.astype(float))], arm, [0, y.size])).estimate[0]
    above = rank_sum_test(y, arm, [0, y.size]).probability[0]
    assert odds == pytest.approx(above / (1 - above))


def test_arms_turned_round_turn_the_result() -> None:
    rng = np.random.default_rng(7)
    arm, score = rng.random(40) < 0.4, PairLevel(rng.normal(size=40))
    one, other = (net_benefit(compare_pairs([score], a, [0, 40])) for a in (arm, ~arm))
    assert one.estimate == pytest.approx(-other.estimate)
    assert one.ci_lower == pytest.approx(-other.ci_upper)
    assert one.p_value == pytest.approx(other.p_value)
