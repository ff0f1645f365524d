"""Blinding indices against hand-worked numbers and the example that Bang and others publish (CRISP, their Table 2)."""

from __future__ import annotations

import pytest

from equipoise.stats.blinding import bang_index, james_index

# Guesses: treatment, placebo, does not know; 277 treated, 139 on placebo
CRISP = [[82, 25, 170], [27, 29, 83]]


def test_bangs_index_is_right_less_wrong_of_all_who_were_asked() -> None:
    # (82 - 25) / 277 and (29 - 27) / 139; printed in the paper as 0.21 and 0.01
    assert bang_index(82, 25, 170)[0] == pytest.approx(57 / 277, abs=1e-12)
    assert bang_index(29, 27, 83)[0] == pytest.approx(2 / 139, abs=1e-12)
    # p (1 - p) + q (1 - q) + 2 p q over n with p = 82/277, q = 25/277
    p, q = 82 / 277, 25 / 277
    assert bang_index(82, 25, 170)[1] ** 2 == pytest.approx((p + q - (p - q) ** 2) / 277, abs=1e-15)
    assert bang_index(5, 0, 0) == (1.0, 0.0)
    assert bang_index(0, 5, 0) == (-1.0, 0.0)


def test_the_index_of_james_by_hand() -> None:
    # of 163 guesses 52 are wrong; by chance (107 * 54 + 56 * 109) / 163^2 would be; 253 of 416 do not know
    observed, chance, unsure = 52 / 163, (107 * 54 + 56 * 109) / 163**2, 253 / 416
    expected = (1 + unsure + (1 - unsure) * (observed - chance) / chance) / 2
    assert james_index(CRISP) == pytest.approx(expected, abs=1e-12)
    assert round(expected, 2) == 0.75  # as printed
    assert james_index([[9, 0, 0], [0, 9, 0]]) == 0  # everybody knows
    assert james_index([[0, 0, 9], [0, 0, 9]]) == 1  # nobody does
    assert james_index([[8, 8, 0], [8, 8, 0]]) == pytest.approx(0.5)  # as by chance


def test_nobody_asked_and_a_table_of_another_shape_are_refused() -> None:
    with pytest.raises(ValueError, match="asked"):
        bang_index(0, 0, 0)
    with pytest.raises(ValueError, match="one row per arm"):
        james_index([[1, 2], [3, 4]])
