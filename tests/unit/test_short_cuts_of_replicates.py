"""What is done once for many replicates, or in fewer steps, against the long way round."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from equipoise.analysis.dataset import Comparison
from equipoise.analysis.tabulated import tabulate
from equipoise.endpoints._day_spans import MOST_BITS, DaysAsBits, DaysCounted, look_up_days
from equipoise.stats.codes import FitCode
from equipoise.stats.firth import fit_firth, penalised_profile_limits
from equipoise.stats.logistic import fit_logistic


@pytest.mark.parametrize("n_days", [1, 7, 8, 33, MOST_BITS])
def test_spans_of_days_are_the_same_as_bits_and_as_counts(n_days):
    rng = np.random.default_rng(n_days)
    mask = rng.random((500, n_days)) < 0.15
    bits, counts = DaysAsBits(mask), DaysCounted(mask)
    for _ in range(5):
        begin = rng.integers(0, n_days, 500)
        end = rng.integers(begin, n_days)
        by_hand = np.array([mask[i, b : e + 1].any() for i, (b, e) in enumerate(zip(begin, end, strict=True))])
        assert np.array_equal(bits.any_within(begin, end), by_hand)
        assert np.array_equal(counts.any_within(begin, end), by_hand)
        last = np.array([max((day + 1 for day in range(e) if mask[i, day]), default=0) for i, e in enumerate(end)])
        assert np.array_equal(bits.after_last_before(end), last)
        assert np.array_equal(counts.after_last_before(end), last)


def test_more_days_than_bits_are_counted():
    assert isinstance(look_up_days(np.zeros((2, MOST_BITS), dtype=bool)), DaysAsBits)
    assert isinstance(look_up_days(np.zeros((2, MOST_BITS + 1), dtype=bool)), DaysCounted)


def _comparison(rng, sizes, levels):
    """Trials of these sizes; one column a level beyond the first of each category."""
    n = int(sum(sizes))
    columns = []
    for n_levels in levels:
        own = rng.integers(0, n_levels, n)
        columns += [(own == level).astype(float) for level in range(1, n_levels)]
    return Comparison(
        rows=np.arange(n),
        experimental=(rng.random(n) < 0.5).astype(float),
        covariates=np.column_stack(columns) if columns else np.empty((n, 0)),
        names=tuple(f"x{k}" for k in range(len(columns))),
        offsets=np.concatenate([[0], np.cumsum(sizes)]),
        n_randomized=np.asarray(sizes),
        arm="new",
        reference="old",
        incomplete=np.zeros(n, dtype=bool),
        levels=levels,
    )


@pytest.mark.parametrize("levels", [(), (2,), (3,), (2, 3)])
def test_regressions_on_counts_are_those_on_participants(levels):
    rng = np.random.default_rng(len(levels))
    # Trials too small to be fitted, trials of few sorts of participants, and ordinary ones.
    sizes = [0, 1, 2, 3, 4, 6, *[55] * 40]
    comparison = _comparison(rng, sizes, levels)
    y = (rng.random(comparison.rows.size) < 0.2).astype(float)
    y[comparison.offsets[8] : comparison.offsets[9]] = 1.0
    every = comparison.rows
    counted = tabulate(comparison, every, y, comparison.offsets)
    assert counted.weights is not None
    assert counted.y.size < y.size
    long, short = (
        fit_logistic(y, comparison.design(every), comparison.offsets),
        fit_logistic(counted.y, counted.design, counted.offsets, weights=counted.weights),
    )
    assert np.array_equal(counted.of_trials(short.codes), long.codes)
    assert (long.codes & np.uint32(FitCode.TOO_FEW_PARTICIPANTS)).any()
    assert (long.codes & np.uint32(FitCode.SEPARATION_COMPLETE | FitCode.SEPARATION_QUASI)).any()
    # The same sums in another order, through Newton's method to its end.
    np.testing.assert_allclose(counted.of_trials(short.coefficients), long.coefficients, rtol=0, atol=1e-11)
    np.testing.assert_allclose(counted.of_trials(short.log_lik), long.log_lik, rtol=1e-11)
    firth = fit_firth(y, comparison.design(every), comparison.offsets)
    counted_firth = fit_firth(counted.y, counted.design, counted.offsets, weights=counted.weights)
    assert np.array_equal(counted.of_trials(counted_firth.codes), firth.codes)
    limits, counted_limits = (
        penalised_profile_limits(firth, y, comparison.design(every), comparison.offsets, column=1),
        penalised_profile_limits(
            counted_firth, counted.y, counted.design, counted.offsets, weights=counted.weights, column=1
        ),
    )
    # Limits are looked for until the root of the deviance is within 1e-10 of the quantile.
    np.testing.assert_allclose(counted.of_trials(counted_limits.ci_upper), limits.ci_upper, rtol=1e-8, atol=1e-8)


def test_the_order_of_participants_changes_no_digit_of_a_regression_on_counts():
    rng = np.random.default_rng(3)
    comparison = _comparison(rng, [55], (2,))
    y = (rng.random(55) < 0.3).astype(float)
    order = rng.permutation(55)
    one, other = (tabulate(comparison, rows, y[rows], comparison.offsets) for rows in (np.arange(55), order))
    for name in ("y", "design", "offsets", "weights"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


def test_covariates_that_are_no_categories_or_too_many_leave_the_participants_as_they_are():
    rng = np.random.default_rng(4)
    many = _comparison(rng, [20], (5, 3))  # thirty combinations of twenty
    for comparison in (many, replace(_comparison(rng, [20], (2,)), levels=None)):
        y = np.ones(20)
        rows = tabulate(comparison, comparison.rows, y, comparison.offsets)
        assert rows.weights is None
        assert np.array_equal(rows.design, comparison.design(comparison.rows))
