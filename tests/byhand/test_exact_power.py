"""Exact power worked out on tables small enough to write down, and by exact fractions."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import pytest

from equipoise.stats.design.exact_power import (
    exact_looks,
    exact_power,
    exact_size,
    fisher_p_values,
    fisher_power,
    fisher_size,
    fisher_verdicts,
    pooled_z,
)
from equipoise.stats.exact import fisher_exact


def fraction_p(n0: int, n1: int, x0: int, x1: int, sides: int) -> Fraction:
    """Fisher's p value in whole numbers."""
    m = x0 + x1
    weight = {k: comb(n1, k) * comb(n0, m - k) for k in range(max(0, m - n0), min(n1, m) + 1)}
    if sides == 1:
        chosen = sum(w for k, w in weight.items() if k >= x1)
    else:
        chosen = sum(w for w in weight.values() if w <= weight[x1])
    return Fraction(chosen, sum(weight.values()))


@pytest.mark.parametrize("sides", [1, 2])
@pytest.mark.parametrize(("n0", "n1"), [(5, 5), (4, 7), (1, 3)])
def test_every_p_value_is_the_fraction(n0: int, n1: int, sides: int) -> None:
    p = fisher_p_values(n0, n1, sides=sides)
    for x0 in range(n0 + 1):
        for x1 in range(n1 + 1):
            assert p[x0, x1] == pytest.approx(float(fraction_p(n0, n1, x0, x1, sides)), rel=1e-12)


def test_every_p_value_of_the_flagships_size_is_that_of_the_test_used_in_analyses() -> None:
    p = fisher_p_values(28, 27)
    x0, x1 = np.indices(p.shape)
    assert fisher_exact(x0.ravel(), 28, x1.ravel(), 27).p_value == pytest.approx(p.ravel(), rel=1e-10)


@pytest.mark.parametrize("n_total", range(2, 61))
def test_the_level_is_never_exceeded_up_to_sixty_by_adding_up_all_tables(n_total: int) -> None:
    n1 = n_total // 2
    found = exact_size(fisher_verdicts(n_total - n1, n1, alpha=0.05))
    assert found.size <= 0.05
    if n_total >= 12:
        assert found.size > 0.0


def test_exact_size_by_whole_numbers() -> None:
    # 10 v 10 at a common risk of 1/2: sum of C(10,i) C(10,j) over rejecting tables, over 2^20.
    total = sum(
        comb(10, i) * comb(10, j)
        for i in range(11)
        for j in range(11)
        if fraction_p(10, 10, i, j, 2) <= Fraction(1, 20)
    )
    rejects = fisher_verdicts(10, 10, alpha=0.05)
    assert exact_power(rejects, 0.5, 0.5) == pytest.approx(total / 2**20, rel=1e-12)
    assert exact_size(rejects).size >= total / 2**20


def test_a_p_value_equal_to_the_level_rejects() -> None:
    # 0 of 3 v 3 of 3: p = 2/20.
    assert fisher_verdicts(3, 3, alpha=0.1)[0, 3]
    assert not fisher_verdicts(3, 3, alpha=0.0999)[0, 3]


def test_risks_of_zero_and_one_are_certain() -> None:
    rejects = fisher_verdicts(5, 5, alpha=0.05)
    assert exact_power(rejects, 0.0, 1.0) == 1.0
    assert exact_power(rejects, 0.0, 0.0) == 0.0


def test_the_smallest_trial_has_the_power_and_none_above_it_lacks_it() -> None:
    found = fisher_size(0.1, 0.6, power=0.8, alpha=0.05)
    assert found is not None
    n = int(found.n_total)
    powers = [fisher_power(0.1, 0.6, m - round(m / 2), round(m / 2), alpha=0.05) for m in range(n - 1, n + 21)]
    assert powers[0] < 0.8
    assert min(powers[1:]) >= 0.8


def test_no_trial_up_to_the_cap_says_so() -> None:
    assert fisher_size(0.3, 0.32, power=0.8, alpha=0.05, cap=40) is None


def test_looks_at_two_participants_by_listing_the_outcomes() -> None:
    # One participant an arm at look 1, two at look 2; reject when all experimental and no control have the event.
    first = np.zeros((2, 2), dtype=bool)
    first[0, 1] = True
    second = np.zeros((3, 3), dtype=bool)
    second[0, 2] = second[1, 2] = True
    found = exact_looks([1, 2], [1, 2], [first, second], 0.3, 0.6)
    # Look 1: .7 x .6 = .42. Look 2 without it: first pair (1,1) .18, then (0,1) .42 -> x = (1,2): .0756;
    # (1,1) then (1,1) gives (2,2), no; (0,0) then anything has x1 <= 1, no; (1,0) likewise.
    assert found.reject == pytest.approx([0.42, 0.18 * 0.42], rel=1e-12)
    assert found.expected_n == pytest.approx(0.42 * 2 + 0.58 * 4, rel=1e-12)


def test_futility_takes_its_share() -> None:
    never = [np.zeros((2, 2), dtype=bool), np.zeros((3, 3), dtype=bool)]
    futile = [np.ones((2, 2), dtype=bool), np.zeros((3, 3), dtype=bool)]
    found = exact_looks([1, 2], [1, 2], never, 0.3, 0.6, futile)
    assert found.futility == pytest.approx([1.0, 0.0])
    assert found.power == 0.0
    assert found.expected_n == 2.0


def test_pooled_z_of_a_table_written_out() -> None:
    # 3 of 28 v 13 of 27: pooled 16/55.
    pooled = 16 / 55
    expected = (13 / 27 - 3 / 28) / np.sqrt(pooled * (1 - pooled) * (1 / 27 + 1 / 28))
    assert pooled_z(28, 27)[3, 13] == pytest.approx(expected, rel=1e-14)
    assert pooled_z(28, 27)[0, 0] == 0.0


def test_shapes_that_do_not_fit_are_refused() -> None:
    with pytest.raises(ValueError, match="shape"):
        exact_looks([2], [2], [np.zeros((2, 2), dtype=bool)], 0.1, 0.2)
    with pytest.raises(ValueError, match="grow"):
        exact_looks([2, 1], [2, 3], [np.zeros((3, 3), dtype=bool), np.zeros((2, 4), dtype=bool)], 0.1, 0.2)
