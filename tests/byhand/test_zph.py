"""The proportional-hazards score test solved by hand where the coefficient is exactly zero."""

from __future__ import annotations

import pytest

from equipoise.stats.zph import proportional_hazards_test


def test_four_participants_with_a_coefficient_of_zero() -> None:
    # Events at 1 (x = 1, among 1 0 0 1) and 3 (x = 0, among 0 1): residuals +1/2 and -1/2, so beta = 0.
    # g = 1 - S(t-) is 0 and 1/4; centred -1/8 and 1/8. Both variances are 1/4.
    # U = -1/16 - 1/16; information of the interaction 2 (1/64)(1/4) = 1/128, of the main effect 1/2, between them 0.
    test = proportional_hazards_test([1, 2, 3, 4], [1, 0, 1, 0], [1, 0, 0, 1], [0, 4])
    assert test.statistic[0, 0] == pytest.approx((1 / 8) ** 2 * 128, rel=1e-9)
    assert test.statistic_global[0] == pytest.approx(2.0, rel=1e-9)
    assert test.transformed_time.tolist() == [0.0, 0.25]
    # Residual times variance (1 / (1/2)) times two events, plus zero.
    assert test.scaled_residuals[:, 0] == pytest.approx([2.0, -2.0], rel=1e-9)
    assert test.row.tolist() == [0, 2]


def test_a_single_event_time_cannot_show_a_trend() -> None:
    test = proportional_hazards_test([1, 1, 2, 3], [1, 1, 0, 0], [1, 0, 0, 1], [0, 4])
    assert test.codes[0] & 1
    assert test.statistic_global[0] != test.statistic_global[0]
