"""Statistics of the lists that the generator makes, at fixed seeds and five standard errors."""

from __future__ import annotations

from collections import Counter
from fractions import Fraction as F
from itertools import permutations

import numpy as np
import pytest
from scipy.stats import chi2

from equipoise.randomization.biased_coins import BigStick, EfronCoin
from equipoise.randomization.complete import Complete
from equipoise.randomization.exact import work_through
from equipoise.randomization.generator import Stream, draw_below, list_key
from equipoise.randomization.minimization import Minimization
from equipoise.randomization.minimization_course import follow
from equipoise.randomization.permuted_blocks import PermutedBlocks

KEY = list_key(bytes(range(100, 132)), "production", "characteristics")
FIVE_SIGMA = 5.7e-7  # two-sided tail of five standard errors


def lists(scheme, n, how_many):
    return np.array([scheme.arms(Stream(KEY, f"trial:list={i}"), n) for i in range(how_many)])


def fits(counts: Counter, expected: float, cells: int) -> bool:
    statistic = sum((n - expected) ** 2 / expected for n in counts.values()) + (cells - len(counts)) * expected
    return chi2.sf(statistic, cells - 1) > FIVE_SIGMA


@pytest.mark.characteristics
@pytest.mark.parametrize("size", [4, 6])
def test_each_arrangement_of_a_block_is_drawn_equally_often(size):
    found = lists(PermutedBlocks((1, 1), [size]), size, 6000)
    cells = len(set(permutations([0, 1] * (size // 2))))
    assert fits(Counter(map(tuple, found.tolist())), 6000 / cells, cells)


@pytest.mark.characteristics
@pytest.mark.parametrize("bound", [2, 3, 7, 10])
def test_draws_below_a_bound_are_uniform(bound):
    counts = Counter(draw_below(KEY, "trial:all", slot, "arm", bound) for slot in range(1, 20_001))
    assert fits(counts, 20_000 / bound, bound)


@pytest.mark.characteristics
@pytest.mark.parametrize(
    "scheme", [PermutedBlocks((1, 1), [4, 6]), BigStick((1, 1), 3), EfronCoin((1, 1), F(2, 3)), Complete((2, 1))]
)
def test_lists_drift_and_are_guessed_as_the_exact_course_says(scheme):
    n, how_many = 30, 2500
    found = lists(scheme, n, how_many)
    course = work_through(scheme, n)
    signs = np.where(found == 0, scheme.ratio[-1], -scheme.ratio[0])
    d = signs.cumsum(axis=1)
    for k in (5, 17, 30):
        squares = d[:, k - 1].astype(float) ** 2
        assert squares.mean() == pytest.approx(course.mean_squared(k), abs=5 * squares.std() / np.sqrt(how_many))
    before = np.concatenate([np.zeros((how_many, 1)), d[:, :-1]], axis=1)
    right = np.where(before == 0, 1 / 2, ((before < 0) == (found == 0)).astype(float)).mean(axis=1)
    if len(set(scheme.ratio)) == 1:
        error = 5 * right.std() / np.sqrt(how_many)
        assert right.mean() == pytest.approx(sum(course.lagging) / n, abs=error)


@pytest.mark.characteristics
def test_streams_and_kinds_of_one_seed_are_independent():
    n = 20_000
    one = np.array(Complete((1, 1)).arms(Stream(KEY, "trial:site=a"), n))
    others = [
        Stream(KEY, "trial:site=b"),
        Stream(KEY, "phase-2:site=a"),
        Stream(list_key(bytes(range(100, 132)), "sham", "characteristics"), "trial:site=a"),
        Stream(list_key(bytes(range(100, 132)), "training", "characteristics"), "trial:site=a"),
    ]
    for other in others:
        same = (one == np.array(Complete((1, 1)).arms(other, n))).mean()
        assert same == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(n))
    assert (one[1:] == one[:-1]).mean() == pytest.approx(0.5, abs=5 * 0.5 / np.sqrt(n))


@pytest.mark.characteristics
def test_minimization_over_three_factors_followed_exactly_is_what_simulation_printed():
    # Printed from 3,000 simulated trials of 100 participants, p = 1: 88.3 % guessed, a mean difference of 0.40.
    found = follow(Minimization((1, 1), {"a": 1, "b": 1, "c": 1}, F(1)), 100, [2, 2, 3], 5)
    assert found.lost / 100 < 3e-4
    assert sum(found.right) / 100 == pytest.approx(0.883, abs=0.002)
    assert sum(abs(d) * p for d, p in found.difference.items()) == pytest.approx(0.40, abs=0.05)
