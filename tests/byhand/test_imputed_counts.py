"""The rest of a count given what was seen, solved by hand, and its posterior by another route."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import integrate, stats

from equipoise.stats.missing.count_imputation import draw_rest, impute_counts
from equipoise.stats.missing.plans import LeaversRule, SetsToMake


def test_who_had_no_event_before_leaving_is_expected_to_have_fewer():
    # alpha = 1: the level is gamma(1, 1). With 0 events where 1 was expected it is gamma(1, 2), of mean 1/2, and the
    # rest, where 1 is expected at the mean level, is geometric with P(0) = 2 / (2 + 1) = 2/3.
    below, above = draw_rest(
        np.zeros(2), np.ones(2), np.ones(2), np.array([1.0]), np.array([2.0 / 3.0 - 1e-9, 2.0 / 3.0 + 1e-9])
    )
    assert (below, above) == (0.0, 1.0)
    # With 3 events it is gamma(4, 2): P(0) = (2/3)^4 = 16/81.
    below, above = draw_rest(
        np.full(2, 3.0), np.ones(2), np.ones(2), np.array([1.0]), np.array([16.0 / 81.0 - 1e-9, 16.0 / 81.0 + 1e-9])
    )
    assert (below, above) == (0.0, 1.0)


def test_the_rules_differ_in_whose_rate_was_expected_before():
    # Active rate 1, reference rate 2, alpha = 1/2, two events in half the time, half the time remaining. Expected of
    # the rest, (1/alpha + y) / (1/alpha + before) x after: at random 4 / 2.5 x 0.5; jump to reference 4 / 2.5 x 1;
    # copy reference 4 / 3 x 1.
    alpha, y = 0.5, 2.0
    for before, after, expected in ((0.5, 0.5, 0.8), (0.5, 1.0, 1.6), (1.0, 1.0, 4.0 / 3.0)):
        uniform = (np.arange(20000) + 0.5) / 20000
        drawn = draw_rest(
            np.full(1, y), np.full((1, 1), before), np.full((1, 1), after), np.full((1, 1), alpha), uniform[:, None]
        )
        assert drawn.mean() == pytest.approx(expected, abs=2e-3)  # the grid cuts the tail at 1 / 40,000


@pytest.fixture(scope="module")
def trial():
    rng = np.random.default_rng(7)
    arm = np.repeat([0.0, 1.0], 200)
    seen = np.where(rng.random(400) < 0.4, rng.uniform(0.2, 0.9, 400), 1.0)
    level = rng.gamma(2.0, 0.5, 400)
    y = rng.poisson(level * np.where(arm == 1.0, 1.5, 3.0) * seen).astype(float)
    return y, seen, 1.0 - seen, np.column_stack([np.ones(400), arm])


@pytest.mark.parametrize("rule", ["at-random", "jump-to-reference", "copy-reference"])
def test_means_of_the_completed_counts_are_those_of_the_formula_at_the_maximum(trial, rule):
    from equipoise.stats.counts import CountModel, fit_counts

    y, seen, rest, design = trial
    made = impute_counts(y, seen, rest, design, sets=SetsToMake(200, 3), rule=LeaversRule(rule))
    fits = fit_counts(y, design, [0, 400], exposure=seen, model=CountModel("negative-binomial"))
    (b0, b1), alpha = fits.coefficients[0], float(fits.alpha[0])
    own, reference = np.exp(b0 + b1 * design[:, 1]), np.exp(b0)
    before = own if rule != "copy-reference" else np.full(400, reference)
    after = own if rule == "at-random" else np.full(400, reference)
    wanted = (1.0 / alpha + y) / (1.0 / alpha + before * seen) * after * rest
    found = made.values.mean(axis=0) - y
    active = design[:, 1] == 1.0
    for side in (active, ~active):
        # The parameters vary between sets by their standard errors, about 8% of a rate, 200 times.
        assert found[side].mean() == pytest.approx(wanted[side].mean(), rel=0.03)


def test_drawn_parameters_have_the_posterior_that_integration_finds():
    # One rate and the dispersion of ten counts: their posterior under the same prior by integration over both.
    y, seen = np.array([0, 1, 1, 2, 5, 0, 3, 2, 1, 4.0]), np.ones(10)
    design = np.column_stack([np.ones(20), np.repeat([0.0, 1.0], 10)])
    made = impute_counts(np.tile(y, 2), np.tile(seen, 2), np.repeat([1.0, 0.0], 10), design, sets=SetsToMake(4000, 2))
    u = np.linspace(0.005, 0.995, 199)
    log_rate = np.linspace(-2.0, 3.5, 221)

    def likelihood(a):
        mean = np.exp(log_rate)[:, None]
        each = stats.nbinom.pmf(y, 1.0 / a, 1.0 / (1.0 + a * mean)).prod(axis=1)
        return each

    grid = np.array([likelihood(v / (1.0 - v)) for v in u])
    marginal = integrate.trapezoid(grid, log_rate, axis=1) ** 2  # two arms with a rate each and the same counts
    marginal /= marginal.sum()
    mean_u = float((u * marginal).sum())
    sd_u = float(np.sqrt(((u - mean_u) ** 2 * marginal).sum()))
    drawn = made.alpha[:, 0] / (1.0 + made.alpha[:, 0])
    assert drawn.mean() == pytest.approx(mean_u, abs=0.012)  # Laplace's approximation of each rate, ten counts
    assert drawn.std() == pytest.approx(sd_u, rel=0.06)


def test_an_arm_without_events_is_held_and_coded():
    y = np.array([0.0, 0, 0, 0, 2, 1, 3, 0])
    seen = np.array([1.0, 0.5, 1, 0.5, 1, 0.5, 1, 1])
    design = np.column_stack([np.ones(8), [1, 1, 1, 1, 0, 0, 0, 0]])
    made = impute_counts(y, seen, 1.0 - seen, design, sets=SetsToMake(200, 1))
    assert made.codes[0] != 0
    assert np.isfinite(made.values).all()
    assert made.values[:, :4].mean() < 0.5
    jumped = impute_counts(y, seen, 1.0 - seen, design, sets=SetsToMake(200, 1), rule=LeaversRule("jump-to-reference"))
    assert jumped.values[:, :4].mean() < made.values[:, 4:].mean()


def test_a_set_is_the_same_alone_and_with_others():
    y, seen = np.array([4.0, 2, 1, 0, 2, 1]), np.array([1, 1, 0.5, 1, 1, 0.4])
    design = np.column_stack([np.ones(6), [0, 0, 0, 1, 1, 1]])
    both = impute_counts(y, seen, 1 - seen, design, sets=SetsToMake(6, 9))
    alone = impute_counts(y, seen, 1 - seen, design, sets=SetsToMake(2, 9, first=4))
    assert np.array_equal(both.values[4:], alone.values)
    with pytest.raises(ValueError, match="unknown strategy"):
        impute_counts(y, seen, 1 - seen, design, sets=SetsToMake(2, 9), rule=LeaversRule("copy-increments"))
